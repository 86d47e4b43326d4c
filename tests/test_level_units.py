"""Twin of auditor.adapters.report.level_units."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from run_factory import MIXED, make_run

from auditor.adapters.report.level_units import LevelUnit, level_units
from auditor.adapters.run.run_folder import read_results
from auditor.core.verdicts import Rule


def test_each_quantity_has_its_unit_and_its_bound(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run", rule=Rule(0.25, 0, 0.5), **MIXED))
    assert level_units(results) == {"logprob": LevelUnit(False, 0.25), "reward": LevelUnit(True, 0.5)}


def test_without_a_reward_model_there_is_no_unit_of_rewards(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run", checkpoints=("only",)))
    assert level_units(results) == {"logprob": LevelUnit(False, math.log(1.25))}


@pytest.mark.parametrize(
    ("unit", "unjudged", "bound"),
    [
        (LevelUnit(False, None), False, math.log(1.25)),
        (LevelUnit(True, None), True, 0.0),
        (LevelUnit(True, 0.5), False, 0.5),
        (LevelUnit(False, 0.5), False, 0.5),
    ],
)
def test_a_reward_without_a_bound_is_not_judged(unit: LevelUnit, unjudged: bool, bound: float) -> None:
    assert (unit.unjudged, unit.bound) == (unjudged, bound)
    assert (unit.word, unit.words) == (("reward", "units of the reward") if unit.of_rewards else ("nats", "nats"))
