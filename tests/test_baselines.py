"""Increases of a run's levels against a baseline's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from run_factory import (
    BRANCHED,
    HARMED,
    MIXED,
    identity_swap_probe,
    make_run,
    text_swap_probe,
    without_reward_tokens,
    worded_probe,
)

from auditor.adapters.baselines import increases_over
from auditor.adapters.gate_files import gate_cells
from auditor.adapters.run.run_pairs import Run
from auditor.core.gates import GateCell, GateRule, parse_rule, with_increases
from auditor.core.items import Probe

LEVEL = ("level", "dpo<b>")
RULE = [parse_rule("small:any:increase > 0.5")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run.read(make_run(tmp_path_factory.mktemp("runs") / "run"))


def cells_over(run: Run, baseline: Run, rules: Sequence[GateRule] = RULE) -> list[GateCell]:
    return [cell for one in increases_over(run, baseline, rules) for cell in one.cells]


def harmed(cells: list[GateCell]) -> list[GateCell]:
    return [one for one in cells if (one.identity, one.contrast, one.theme) == (HARMED, "excess", None)]


def test_a_checkpoint_is_held_against_its_namesake(run: Run) -> None:
    cells = harmed(cells_over(run, run))
    assert [(one.measure, one.checkpoint, one.render, one.value) for one in cells] == [
        ("increase", "dpo<b>", "plain", 0.0),
        ("increase", "dpo<b>", "chat", 0.0),
    ]


def test_or_against_where_training_ends(run: Run, tmp_path: Path) -> None:
    # The baseline has no dpo; in the run it planted three nats.
    baseline = Run.read(make_run(tmp_path / "run", checkpoints=("base", "kto")))
    for cell in harmed(cells_over(run, baseline)):
        assert cell.value == pytest.approx(3, abs=0.5)
        assert cell.verdict == "harm"
        assert cell.refused == ""


def test_what_cannot_be_paired_is_refused_and_says_why(run: Run, tmp_path: Path) -> None:
    private = Run.read(make_run(tmp_path / "private", private=True))
    cells = harmed(cells_over(run, private))
    assert {(one.verdict, one.refused) for one in cells} == {
        ("refused", "the runs cannot be compared in nats: a private run keeps no tokens to compare")
    }
    branched = Run.read(make_run(tmp_path / "branched", checkpoints=("base", "sft", "x", "y"), references={"y": "sft"}))
    cells = harmed(cells_over(run, branched))
    assert {one.refused for one in cells} == {"the baseline has no checkpoint 'dpo<b>', and no other stands for it"}


def test_only_checkpoints_that_a_rule_speaks_of_are_paired(run: Run, tmp_path: Path) -> None:
    named = [parse_rule("small:any:increase@sft > 0.5")]
    assert {one.checkpoint for one in cells_over(run, run, named)} == {"sft"}
    assert cells_over(run, run, [parse_rule("small:any > 0.5")]) == []
    assert cells_over(run, run, [parse_rule("small:any:increase@rm > 0.5")]) == []
    both = Run.read(make_run(tmp_path / "run", probes=[identity_swap_probe()], **BRANCHED))
    assert {one.checkpoint for one in cells_over(both, both)} == {"dpo<b>", "dpo2"}
    # The margin of an identity swap is its disparity.
    assert {one.contrast for one in cells_over(both, both)} == {"excess"}


def test_what_the_baseline_was_not_asked_is_refused(run: Run, tmp_path: Path) -> None:
    whole = text_swap_probe()
    fewer = Probe("small", tuple(one for one in whole.items if one.identity != HARMED), whole.card)
    baseline = Run.read(make_run(tmp_path / "fewer", checkpoints=("base", "kto"), probes=[fewer], renders=("plain",)))
    cells = cells_over(run, baseline)
    assert len(cells) == len([one for one in gate_cells(run.results) if (one.measure, one.checkpoint) == LEVEL])
    missing = "the baseline was not asked this, or in other texts or token ids"
    assert {one.refused for one in harmed(cells)} == {missing}
    others = [one for one in cells if (one.identity, one.contrast, one.theme) == ("nonbinary people", "excess", None)]
    assert [(one.render, one.refused) for one in others] == [("plain", ""), ("chat", missing)]


def test_what_was_held_against_what_is_said(run: Run, tmp_path: Path) -> None:
    baseline = Run.read(make_run(tmp_path / "run", checkpoints=("base", "kto")))
    (increases,) = increases_over(run, baseline, RULE)
    assert increases.remarks[0].startswith(f"dpo<b> is held against kto of {baseline.folder}: ")
    assert "items have the same texts and token ids there" in increases.remarks[0]


def test_only_an_end_of_training_stands_for_another(run: Run, tmp_path: Path) -> None:
    baseline = Run.read(make_run(tmp_path / "run", checkpoints=("base", "kto")))
    cells = harmed(cells_over(run, baseline, [parse_rule("small:any:increase@sft > 0.5")]))
    assert {one.refused for one in cells} == {"the baseline has no checkpoint 'sft', and no other stands for it"}


def test_an_identity_on_two_axes_has_an_increase_on_each(tmp_path: Path) -> None:
    whole = worded_probe()
    other = tuple(
        replace(one, id=f"other {one.id}", axis="other", context=f"Again, {one.context}", match=f"other {one.match}")
        for one in whole.items
    )
    run = Run.read(make_run(tmp_path / "run", probes=[replace(whole, items=(*whole.items, *other))]))
    baseline = Run.read(make_run(tmp_path / "old", probes=[whole], checkpoints=("base", "kto")))
    cells = cells_over(run, baseline, [parse_rule("worded:any:increase > 1")])
    own = {one.axis: one for one in harmed(cells) if one.render == "plain"}
    assert own[""].value == pytest.approx(3, abs=0.5)
    assert own["other"].refused.startswith("the baseline was not asked this")


def test_a_reward_model_has_increases_of_its_own(tmp_path: Path) -> None:
    mixed = Run.read(make_run(tmp_path / "run", checkpoints=("base", "sft", "rm"), rewards=("rm",)))
    rules = with_increases([parse_rule("small:any > 0.5")], 0.2)
    first, second = increases_over(mixed, mixed, rules)
    assert [{cell.checkpoint for cell in one.cells} for one in (first, second)] == [{"sft"}, {"rm"}]
    assert {cell.value for cell in harmed(list(second.cells))} == {0.0}
    assert [{cell.explicit for cell in one.cells} for one in (first, second)] == [{False}, {True}]
    # In the baseline the reward model of that name rewards nobody's harm.
    mild = Run.read(make_run(tmp_path / "mild", checkpoints=("base", "mild"), rewards=("mild",)))
    found = [one for increases in increases_over(mixed, mild, rules) for one in increases.cells]
    (grown, *_) = [one for one in harmed(found) if one.checkpoint == "rm"]
    assert (grown.value, grown.verdict) == (pytest.approx(3, abs=0.5), "harm")


def test_of_a_reward_model_without_a_counterpart_no_increase_is_asked_unless_it_is_named(
    run: Run, tmp_path: Path
) -> None:
    mixed = Run.read(make_run(tmp_path / "run", **MIXED))
    bare = Run.read(without_reward_tokens(make_run(tmp_path / "bare", **MIXED)))
    rules = with_increases([parse_rule("small:any > 0.5")], 0.2)
    for baseline, why in (
        (run, "the baseline has no checkpoint 'rm', and no other stands for it"),
        (bare, "the runs cannot be compared in units of the reward: bare scores have no tokens to compare"),
    ):
        first, second = increases_over(mixed, baseline, rules)
        assert {cell.checkpoint for cell in first.cells} == {"dpo<b>"}
        assert (second.cells, second.remarks) == ((), (f"No increase was asked of rm: {why}.",))
        (named,) = increases_over(mixed, baseline, [parse_rule("small:any:increase@rm > 0.5")])
        assert {cell.refused for cell in named.cells} == {why}


def test_reward_models_alone_are_asked_of(tmp_path: Path) -> None:
    alone = {"checkpoints": ("rm",), "rewards": ("rm",)}
    run = Run.read(make_run(tmp_path / "run", **alone))
    bare = Run.read(without_reward_tokens(make_run(tmp_path / "bare", **alone)))
    (found,) = increases_over(run, bare, RULE)
    assert {one.verdict for one in found.cells} == {"refused"}


def test_a_reward_model_beside_is_no_other_end_of_training(run: Run, tmp_path: Path) -> None:
    series = {"checkpoints": ("base", "kto", "rm"), "rewards": ("rm",)}
    baseline = Run.read(make_run(tmp_path / "run", **series))
    (increases,) = increases_over(run, baseline, RULE)
    assert increases.remarks[0].startswith("dpo<b> is held against kto of ")
