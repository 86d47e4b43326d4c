"""Two runs side by side: a diff within one run is its own shift; what cannot be paired says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_factory import (
    BRANCHED,
    MIXED,
    controlled_probe,
    identity_swap_probe,
    make_run,
    responsive_probe,
    strip_manifest,
    text_swap_probe,
    without_reward_tokens,
)

from auditor.adapters.run.run_folder import ITEMS_FILE, MANIFEST
from auditor.adapters.run.run_pairs import Run, level_at, pair_runs
from auditor.adapters.run.stored_scores import StoredCheckpoint, read_checkpoint
from auditor.core.items import Item
from auditor.core.run_changes import Changes
from auditor.core.verdicts import Rule
from auditor.errors import UsageError

PROBES = [text_swap_probe(), controlled_probe(), responsive_probe(), identity_swap_probe()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run.read(make_run(tmp_path_factory.mktemp("runs") / "run", probes=PROBES))


def changes(before: tuple[Run, str], after: tuple[Run, str]) -> Changes:
    found = pair_runs(before, after, Rule())
    assert found.changes is not None, found.apart
    return found.changes


def test_what_lies_between_two_checkpoints_of_a_run_is_its_shift(run: Run) -> None:
    found = changes((run, "sft"), (run, "dpo<b>"))
    shifts = {
        (one.probe, one.identity, one.axis, one.theme, one.render, one.role, one.valence, one.contrast, one.design): one
        for one in run.results.effects
        if (one.measure, one.checkpoint) == ("shift", "dpo<b>")
    }
    assert len(found.effects) == len(shifts) > 100
    for one in found.effects:
        place = (one.probe, one.identity, one.axis, one.theme, one.render, one.role, one.valence, one.contrast)
        shift = shifts[(*place, one.design)]
        assert one.verdict == shift.verdict
        assert one.controls == shift.controls
        assert one.items == shift.items
        if shift.estimate is not None:
            assert one.estimate.value == pytest.approx(shift.estimate, abs=1e-12)
        if shift.low_adjusted is not None:
            assert one.adjusted.low == pytest.approx(shift.low_adjusted, abs=1e-12)
        if shift.control_checks is not None and shift.control_checks.band_high is not None:
            assert one.checks is not None
            assert one.checks.band.high == pytest.approx(shift.control_checks.band_high, abs=1e-12)


def test_a_run_against_itself_has_changed_nothing(run: Run) -> None:
    found = changes((run, "dpo<b>"), (run, "dpo<b>"))
    assert found.flips == ()
    assert {one.estimate.value for one in found.effects if one.items} == {0.0}


def test_items_that_crossed_d_come_with_the_largest_change_first(run: Run) -> None:
    flips = changes((run, "sft"), (run, "dpo<b>")).flips
    assert flips
    sizes = [abs(one.after - one.before) for one in flips]
    assert sizes == sorted(sizes, reverse=True)
    bound = Rule().sesoi
    for one in flips:
        assert (one.before > bound) != (one.after > bound)


def with_manifest(run: Path, **changes: Any) -> Run:
    manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    (run / MANIFEST).write_text(json.dumps({**manifest, **changes}), encoding="utf-8")
    return Run.read(run)


def test_other_families_are_not_compared_in_nats(run: Run, tmp_path: Path) -> None:
    series = [{**one, "model_type": "gpt2"} for one in run.manifest["series"]]
    other = with_manifest(make_run(tmp_path / "other", probes=PROBES), series=series)
    found = pair_runs((run, "sft"), (other, "sft"), Rule())
    assert (found.changes, found.apart) == (None, "they are of different model families (llama and gpt2)")
    unknown = Run.read(strip_manifest(make_run(tmp_path / "old", probes=PROBES)))
    assert pair_runs((unknown, "sft"), (run, "sft"), Rule()).changes is not None


@pytest.mark.parametrize("content", [3, "x", [1], None, {"name": 1}])
def test_a_manifest_that_was_edited_says_nothing_and_stops_nothing(run: Run, tmp_path: Path, content: object) -> None:
    other = with_manifest(make_run(tmp_path / "run", probes=PROBES), series=content, engine=content, request=content)
    assert pair_runs((run, "sft"), (other, "sft"), other.rule()).changes is not None


def test_what_an_item_is_about_is_read_from_the_later_run(run: Run, tmp_path: Path) -> None:
    whole = text_swap_probe()
    renamed = replace(whole, items=tuple(replace(one, theme="other") for one in whole.items))
    other = Run.read(make_run(tmp_path / "run", probes=[renamed]))
    found = pair_runs((run, "sft"), (other, "sft"), Rule())
    assert found.shared == len(whole.items)
    assert found.changes is not None
    assert {one.theme for one in found.changes.effects} == {None}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (lambda item: replace(item, context="Other words."), "all shared items have other texts"),
        (lambda item: replace(item, id=f"new {item.id}"), "they share no item"),
    ],
)
def test_why_nothing_can_be_paired(run: Run, tmp_path: Path, changed: Callable[[Item], Item], why: str) -> None:
    whole = text_swap_probe()
    other = replace(whole, items=tuple(map(changed, whole.items)))
    found = pair_runs((run, "sft"), (Run.read(make_run(tmp_path / "run", probes=[other])), "sft"), Rule())
    assert (found.changes, found.apart) == (None, why)


def test_a_run_of_one_rendering_pairs_with_one_of_both_and_keeps_its_controls(run: Run, tmp_path: Path) -> None:
    chat = Run.read(make_run(tmp_path / "run", probes=PROBES, renders=("chat",)))
    found = changes((chat, "sft"), (chat, "dpo<b>"))
    checks = [one.checks for one in found.effects if (one.probe, one.contrast) == ("controlled", "excess")]
    assert any(one is not None and one.identities for one in checks)
    assert {one.render for one in changes((run, "sft"), (chat, "sft")).effects} == {"chat"}


def test_differences_are_drawn_with_the_runs_own_seed_and_bound(run: Run) -> None:
    request = {**run.manifest["request"], "seed": 7}
    seeded = Run(run.folder, run.results, {**run.manifest, "request": request})
    assert (seeded.rule(), run.rule()) == (Rule(seed=7), Rule(seed=0))
    assert seeded.rule(0.5) == Rule(0.5, 7)


def test_private_runs_and_runs_of_other_probes_are_not_paired(run: Run, tmp_path: Path) -> None:
    private = Run.read(make_run(tmp_path / "private", private=True))
    assert "private" in pair_runs((run, "sft"), (private, "sft"), Rule()).apart
    other = Run.read(make_run(tmp_path / "other", probes=[identity_swap_probe()]))
    text = Run.read(make_run(tmp_path / "text", probes=[text_swap_probe()]))
    assert pair_runs((text, "sft"), (other, "sft"), Rule()).apart == "they share no item"
    shared = pair_runs((run, "sft"), (text, "sft"), Rule())
    assert (shared.shared, shared.unpaired) == (len(text_swap_probe().items), 0)


def test_what_else_the_runs_were_scored_with_is_said(run: Run, tmp_path: Path) -> None:
    engine = {"device": "cpu", "dtype": "bfloat16", "torch": "2.0"}
    other = with_manifest(make_run(tmp_path / "run", probes=PROBES), engine=engine)
    found = pair_runs((run, "sft"), (other, "sft"), Rule())
    assert found.cautions == (
        "The runs were scored with dtype float32 and bfloat16: part of a difference may come from it.",
        "The runs were scored with torch None and 2.0: another version.",
    )


def test_the_checkpoint_is_where_training_ends_unless_named(run: Run, tmp_path: Path) -> None:
    assert level_at(run, None) == "dpo<b>"
    assert level_at(run, "base") == "base"
    with pytest.raises(UsageError, match="no checkpoint 'rm'"):
        level_at(run, "rm")
    branched = Run.read(make_run(tmp_path / "run", **BRANCHED))
    with pytest.raises(UsageError, match="ends in several checkpoints: dpo<b>, dpo2"):
        level_at(branched, None)


def test_what_lies_between_identities_is_the_same_without_their_themes(run: Run) -> None:
    whole = changes((run, "sft"), (run, "dpo<b>"))
    lean = pair_runs((run, "sft"), (run, "dpo<b>"), Rule(), themes=False).changes
    assert lean is not None
    # Written out: where there is no number, a NaN is not itself.
    assert [repr(one) for one in lean.effects] == [repr(one) for one in whole.effects if one.theme is None]
    assert len(lean.effects) < len(whole.effects)
    assert lean.flips == whole.flips


def test_scores_are_read_in_the_order_of_the_runs(run: Run) -> None:
    read = []

    def remembering(folder: Path, checkpoint: str) -> StoredCheckpoint:
        read.append(checkpoint)
        return read_checkpoint(folder, checkpoint)

    pair_runs((run, "sft"), (run, "base"), Rule(), remembering)
    assert read == ["sft", "base"]


def test_training_ends_at_a_policy_where_reward_models_stand_beside(run: Run, tmp_path: Path) -> None:
    mixed = Run.read(make_run(tmp_path / "mixed", probes=PROBES, **MIXED))
    assert level_at(mixed, None) == "dpo<b>"
    assert level_at(mixed, "rm") == "rm"
    rewards = Run.read(make_run(tmp_path / "rewards", checkpoints=("rm",), rewards=("rm",)))
    assert level_at(rewards, None) == "rm"
    apart = pair_runs((run, "dpo<b>"), (mixed, "rm"), Rule())
    assert (apart.changes, apart.apart) == (None, "one is a reward model and the other is none")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two reward models, the second trained from the first, and a policy."""
    names = ("base", "rm0", "rm")
    path = tmp_path_factory.mktemp("runs") / "run"
    return Run.read(make_run(path, probes=PROBES, checkpoints=names, rewards=names[1:], rule=Rule(0.2, 0, 0.5)))


def _changed(value: object) -> object:
    if isinstance(value, bool):
        return not value
    return [9999, *value[1:]] if isinstance(value, list) else value


class TestRewards:
    def test_what_lies_between_two_reward_models_of_a_run_is_its_shift(self, two: Run) -> None:
        rule = two.rule(quantity="reward")
        assert rule.sesoi == 0.5
        found = pair_runs((two, "rm0"), (two, "rm"), rule)
        assert found.changes is not None, found.apart
        names = ("probe", "identity", "axis", "theme", "render", "role", "valence", "contrast", "design")
        shifts = {
            tuple(getattr(one, name) for name in names): one
            for one in two.results.effects
            if (one.measure, one.checkpoint) == ("shift", "rm")
        }
        assert len(found.changes.effects) == len(shifts) > 100
        assert {one.unit for one in found.changes.effects} == {"reward"}
        for one in found.changes.effects:
            shift = shifts[tuple(getattr(one, name) for name in names)]
            assert (one.verdict, one.controls, one.items) == (shift.verdict, shift.controls, shift.items)
            if shift.estimate is not None:
                assert one.estimate.value == pytest.approx(shift.estimate, abs=1e-12)
            if shift.low_adjusted is not None:
                assert one.adjusted.low == pytest.approx(shift.low_adjusted, abs=1e-12)
        assert any(one.checks is not None and one.checks.form is not None for one in found.changes.effects)

    @pytest.mark.parametrize("one_side", [True, False])
    @pytest.mark.parametrize(("column", "why"), [("token_ids", "token ids"), ("complete", "ends of turn")])
    def test_only_what_was_asked_alike_is_paired(
        self, two: Run, tmp_path: Path, column: str, why: str, one_side: bool
    ) -> None:
        copy = make_run(tmp_path / "run", probes=PROBES, checkpoints=("base", "rm0", "rm"), rewards=("rm0", "rm"))
        table = pq.read_table(copy / ITEMS_FILE)
        items = table["item"].to_pylist()
        # The first row of an item says whether its end is read; of token ids one side's are enough.
        firsts = [not at or items[at] != items[at - 1] for at in range(len(items))]
        values = zip(table[column].to_pylist(), firsts, strict=True)
        other = [_changed(value) if first or not one_side else value for value, first in values]
        at = table.schema.get_field_index(column)
        field = table.schema.field(column)
        pq.write_table(table.set_column(at, field, pa.array(other, field.type)), copy / ITEMS_FILE)
        found = pair_runs((two, "rm"), (Run.read(copy), "rm"), Rule())
        assert (found.changes, found.apart) == (None, f"all shared items have other {why}")

    def test_rewards_made_elsewhere_are_not(self, two: Run, tmp_path: Path) -> None:
        bare = Run.read(without_reward_tokens(make_run(tmp_path / "run", probes=PROBES, **MIXED)))
        assert pair_runs((two, "rm"), (bare, "rm"), Rule()).apart == "bare scores have no tokens to compare"

    def test_a_private_run_is_called_one(self, two: Run, tmp_path: Path) -> None:
        private = Run.read(make_run(tmp_path / "run", probes=PROBES, private=True, **MIXED))
        assert pair_runs((two, "rm"), (private, "rm"), Rule()).apart == "a private run keeps no tokens to compare"

    def test_their_unit_and_the_output_they_are_is_said(self, two: Run) -> None:
        series = [{**one, "head": "helpful"} for one in two.manifest["series"]]
        named = Run(two.folder, two.results, {**two.manifest, "series": series})
        other = Run(two.folder, two.results, {**two.manifest, "series": [{**one, "head": "safe"} for one in series]})
        same = pair_runs((named, "rm"), (named, "rm"), Rule()).cautions
        assert [one for one in same if "its model's own unit" in one] == list(same)
        apart = pair_runs((named, "rm"), (other, "rm"), Rule()).cautions
        assert apart[:-1] == same
        assert "'helpful' and 'safe'" in apart[-1]

    def test_each_way_through_a_model_is_its_own(self, two: Run) -> None:
        engine = {"forward": "packed", "dtype": "float32"}
        own = Run(two.folder, two.results, {**two.manifest, "engine": engine})
        work = {"rm": {"forward": "padded"}}
        apart = Run(two.folder, two.results, {**two.manifest, "engine": engine, "work": work})
        assert own.engine_of("rm") == engine
        assert (apart.engine_of("rm")["forward"], apart.engine_of("base")["forward"]) == ("padded", "packed")
        said = pair_runs((own, "rm"), (apart, "rm"), Rule()).cautions
        assert any("forward packed and padded" in one for one in said)
        assert not pair_runs((own, "base"), (apart, "base"), Rule()).cautions
