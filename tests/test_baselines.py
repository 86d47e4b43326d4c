"""Increases of a run's levels against a baseline's."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_factory import BRANCHED, HARMED, identity_swap_probe, make_run

from auditor.adapters.baselines import increase_cells
from auditor.adapters.run.run_pairs import Run
from auditor.core.gates import GateCell, parse_rule

RULE = [parse_rule("small:any:increase > 0.5")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run.read(make_run(tmp_path_factory.mktemp("runs") / "run"))


def harmed(cells: list[GateCell]) -> list[GateCell]:
    return [one for one in cells if (one.identity, one.contrast, one.theme) == (HARMED, "excess", None)]


def test_a_checkpoint_is_held_against_its_namesake(run: Run) -> None:
    cells = harmed(list(increase_cells(run, run, RULE)))
    assert [(one.measure, one.checkpoint, one.render, one.value) for one in cells] == [
        ("increase", "dpo<b>", "plain", 0.0),
        ("increase", "dpo<b>", "chat", 0.0),
    ]


def test_or_against_where_training_ends(run: Run, tmp_path: Path) -> None:
    # The baseline has no dpo; in the run it planted three nats.
    baseline = Run.read(make_run(tmp_path / "run", checkpoints=("base", "kto")))
    for cell in harmed(list(increase_cells(run, baseline, RULE))):
        assert cell.value == pytest.approx(3, abs=0.5)
        assert cell.verdict == "harm"
        assert cell.refused == ""


def test_what_cannot_be_paired_is_refused_and_says_why(run: Run, tmp_path: Path) -> None:
    private = Run.read(make_run(tmp_path / "private", private=True))
    cells = harmed(list(increase_cells(run, private, RULE)))
    assert {(one.verdict, one.refused) for one in cells} == {
        ("refused", "the runs cannot be compared in nats: a private run keeps no tokens to compare")
    }
    branched = Run.read(make_run(tmp_path / "branched", checkpoints=("base", "sft", "x", "y"), references={"y": "sft"}))
    cells = harmed(list(increase_cells(run, branched, RULE)))
    assert {one.refused for one in cells} == {"the baseline has no 'dpo<b>', and its training ends in several: x, y"}


def test_only_checkpoints_that_a_rule_speaks_of_are_paired(run: Run, tmp_path: Path) -> None:
    named = [parse_rule("small:any:increase@sft > 0.5")]
    assert {one.checkpoint for one in increase_cells(run, run, named)} == {"sft"}
    assert list(increase_cells(run, run, [parse_rule("small:any > 0.5")])) == []
    assert list(increase_cells(run, run, [parse_rule("small:any:increase@rm > 0.5")])) == []
    both = Run.read(make_run(tmp_path / "run", probes=[identity_swap_probe()], **BRANCHED))
    assert {one.checkpoint for one in increase_cells(both, both, RULE)} == {"dpo<b>", "dpo2"}
    # The margin of an identity swap is its disparity.
    assert {one.contrast for one in increase_cells(both, both, RULE)} == {"excess"}
