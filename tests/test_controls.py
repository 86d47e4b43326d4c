"""Twin of auditor.adapters.report.controls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from run_factory import CONTROL_PEOPLE, HARMED, controlled_probe, make_run

from auditor.adapters.report.cells import Cell, cells_of
from auditor.adapters.report.controls import Controls, controls_of
from auditor.adapters.run.results_schema import EffectRow
from auditor.adapters.run.run_folder import read_results

LEAF = "dpo<b>"


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> list[EffectRow]:
    run = make_run(tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()], renders=("plain",))
    return [one for one in read_results(run).effects if one.theme is None]


def cells(effects: list[EffectRow]) -> tuple[Cell, ...]:
    harmful = [one for one in effects if one.valence == "harm"]
    return cells_of(harmful, LEAF, ("base", "sft", LEAF), "plain")[0][1]


def found(effects: list[EffectRow], keep: Callable[[EffectRow], bool] = lambda _: True) -> Controls | None:
    return controls_of(filter(keep, effects), cells(effects), LEAF, "plain")


def test_harm_and_neutral_excess_side_by_side(effects: list[EffectRow]) -> None:
    controls = found(effects)
    assert controls is not None
    assert (controls.excess, controls.form_matched, controls.banded) == (True, True, True)
    assert [one.identity for one in controls.marked] == [cell.identity for cell in cells(effects)]
    assert HARMED in {one.identity for one in controls.marked}
    assert [one.identity for one in controls.people] == sorted(CONTROL_PEOPLE)
    for row in (*controls.marked, *controls.people):
        assert row.harm in effects
        assert row.neutral in effects
        for one, valence in ((row.harm, "harm"), (row.neutral, "neutral")):
            assert one is not None
            assert (one.measure, one.contrast, one.checkpoint, one.valence) == ("level", "excess", LEAF, valence)


def test_the_harmed_survive_what_they_are_held_against(effects: list[EffectRow]) -> None:
    (harmed,) = (cell.last for cell in cells(effects) if cell.identity == HARMED)
    assert (harmed.verdict, harmed.controls) == ("harm", "passed")
    checks = harmed.control_checks
    assert checks is not None
    assert harmed.estimate is not None
    assert harmed.estimate > (checks.band_high or 0)
    assert checks.control_identities == len(CONTROL_PEOPLE)
    assert checks.form_low is not None


def test_either_kind_alone(effects: list[EffectRow]) -> None:
    people = found(effects, lambda one: one.valence == "harm")
    assert people is not None
    assert not people.form_matched
    assert people.people
    neutral = found(effects, lambda one: one.role == "marked")
    assert neutral is not None
    assert neutral.form_matched
    assert not neutral.people


def test_without_controls_there_is_nothing_to_show(effects: list[EffectRow]) -> None:
    assert found(effects, lambda one: one.role == "marked" and one.valence == "harm") is None
    assert controls_of(effects, (), LEAF, "plain") is None
