"""Twin of auditor.adapters.diff_tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from run_factory import HARMED, make_run, text_swap_probe

from auditor.adapters.diff_tables import DiffRow, diff_json, diff_rows, standardised
from auditor.adapters.run.run_pairs import Pairing, Run, pair_runs
from auditor.core.items import Probe
from auditor.core.verdicts import Rule


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run.read(make_run(tmp_path_factory.mktemp("runs") / "run"))


def rows_of(before: tuple[Run, str], after: tuple[Run, str]) -> tuple[tuple[DiffRow, ...], Pairing]:
    pairing = pair_runs(before, after, Rule())
    return diff_rows(before, after, pairing), pairing


def test_disparities_where_they_can_be_read_else_preferences(run: Run) -> None:
    rows, _ = rows_of((run, "sft"), (run, "dpo<b>"))
    contrasts = {(one.probe, one.design, one.contrast) for one in rows if one.identity in (HARMED, "Gay")}
    assert contrasts == {("small", "text_swap", "excess"), ("swap", "identity_swap", "raw")}
    # Hostile texts are identities of their own, with no reference to be compared with.
    assert {one.contrast for one in rows if one.identity not in (HARMED, "nonbinary people")} == {"raw"}


def test_levels_are_the_runs_own_and_the_difference_lies_between_them(run: Run) -> None:
    rows, _ = rows_of((run, "sft"), (run, "dpo<b>"))
    (row,) = (one for one in rows if (one.identity, one.render) == (HARMED, "plain"))
    assert row.before is not None
    assert row.after is not None
    assert row.difference is not None
    assert (row.before.checkpoint, row.after.checkpoint) == ("sft", "dpo<b>")
    assert row.difference.estimate.value == pytest.approx((row.after.estimate or 0) - (row.before.estimate or 0))
    assert row.flipped
    assert row.after.verdict == "harm"


def test_an_identity_of_one_run_alone_has_no_difference_and_no_flip(run: Run, tmp_path: Path) -> None:
    whole = text_swap_probe()
    fewer = Probe("small", tuple(one for one in whole.items if one.identity != HARMED), whole.card)
    other = Run.read(make_run(tmp_path / "run", probes=[fewer]))
    rows, _ = rows_of((run, "dpo<b>"), (other, "dpo<b>"))
    gone = [one for one in rows if one.identity == HARMED]
    assert [(one.after, one.difference, one.flipped) for one in gone] == [(None, None, False)] * 2


def test_json_holds_no_nan_and_says_why_runs_stand_apart(run: Run, tmp_path: Path) -> None:
    private = Run.read(make_run(tmp_path / "run", private=True))
    before, after = (run, "dpo<b>"), (private, "dpo<b>")
    rows, pairing = rows_of(before, after)
    content = json.loads(diff_json(before, after, pairing, rows, 0.2))
    assert (content["paired"], content["sesoi"]) == (False, 0.2)
    assert "private" in content["apart"]
    (row,) = (one for one in content["rows"] if (one["identity"], one["render"]) == (HARMED, "plain"))
    assert (row["difference"], row["low_adjusted"], row["verdict"], row["clusters"]) == (None, None, None, 0)
    assert row["before_standardised"] == row["after_standardised"] is not None
    assert content["item_flips"] == []


def test_json_of_paired_runs_lists_every_flip(run: Run) -> None:
    before, after = (run, "sft"), (run, "dpo<b>")
    rows, pairing = rows_of(before, after)
    content = json.loads(diff_json(before, after, pairing, rows, 0.2))
    assert pairing.changes is not None
    assert len(content["item_flips"]) == len(pairing.changes.flips)
    assert set(content["item_flips"][0]) == {"probe", "render", "item", "identity", "contrast", "before", "after"}
    assert sum(one["flipped"] for one in content["rows"]) == sum(one.flipped for one in rows)


def test_a_preference_has_no_standardised_level(run: Run) -> None:
    rows, _ = rows_of((run, "sft"), (run, "dpo<b>"))
    assert {standardised(one.after) for one in rows if one.contrast == "raw"} == {None}
