"""The spread of a finished run's cluster means."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from run_factory import BRANCHED, HARMED, HOSTILE, controlled_probe, make_run

from auditor.adapters.pilot import Pilot, pilots_of
from auditor.adapters.run.results_schema import EffectRow, Results
from auditor.adapters.run.run_folder import read_results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(make_run(tmp_path_factory.mktemp("runs") / "run"))


def _pilot(results: Results, probe: str) -> Pilot:
    (found,) = (one for one in pilots_of(results) if (one.probe, one.render) == (probe, "plain"))
    return found


def _row(results: Results, **wanted: object) -> EffectRow:
    wanted = {"render": "plain", "measure": "level", "theme": None, "role": "marked", "valence": "harm", **wanted}
    (row,) = (one for one in results.effects if all(getattr(one, key) == value for key, value in wanted.items()))
    return row


def test_a_spread_is_the_standard_error_times_the_root_of_the_clusters(results: Results) -> None:
    row = _row(results, identity=HARMED, checkpoint="dpo<b>", contrast="excess")
    spread = next(one for one in _pilot(results, "small").spreads if one.identity == HARMED)
    assert row.se is not None
    assert (spread.sd, spread.clusters) == (pytest.approx(row.se * math.sqrt(5)), 5)
    assert (spread.form_sd, spread.form_degrees) == (None, None)


def test_every_probe_and_rendering_where_training_ended(results: Results) -> None:
    found = {(one.probe, one.render, one.checkpoint) for one in pilots_of(results)}
    assert found == {(probe, render, "dpo<b>") for probe in ("small", "swap") for render in ("plain", "chat")}


def test_what_has_no_interval_is_counted(results: Results) -> None:
    pilot = _pilot(results, "small")
    assert (len(pilot.spreads), pilot.left_out) == (2, len(HOSTILE))


def test_the_family_is_everybody_judged_together(results: Results) -> None:
    # Two people of the text swaps and two of the identity swaps, the refused left out.
    assert [one.family for one in pilots_of(results)] == [4] * 4


def test_spreads_are_in_order(results: Results) -> None:
    pilot = _pilot(results, "swap")
    assert [one.sd for one in pilot.spreads] == sorted(one.sd for one in pilot.spreads)
    assert (pilot.median, pilot.widest) == pilot.spreads


def test_skewed_means_are_marked(results: Results) -> None:
    for pilot in pilots_of(results):
        for spread in pilot.spreads:
            row = _row(
                results,
                probe=pilot.probe,
                render=pilot.render,
                identity=spread.identity,
                checkpoint=pilot.checkpoint,
                contrast="excess" if pilot.design == "text_swap" else "raw",
            )
            assert spread.skewed == (row.interval_method == "studentised bootstrap")


def test_branches_end_in_two_checkpoints(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run", **BRANCHED))
    assert {one.checkpoint for one in pilots_of(results)} == {"dpo<b>", "dpo2"}


def test_the_spread_beside_a_form_matched_control(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run", probes=[controlled_probe()]))
    row = _row(results, identity=HARMED, checkpoint="dpo<b>", contrast="excess")
    spread = next(one for one in _pilot(results, "controlled").spreads if one.identity == HARMED)
    assert row.control_checks is not None
    assert row.control_checks.form_se is not None
    assert spread.form_sd == pytest.approx(row.control_checks.form_se * math.sqrt(5))
    assert spread.form_degrees == row.control_checks.form_degrees
    assert spread.form_sd is not None
    assert spread.form_sd > spread.sd


def test_clusters_that_do_not_differ_say_nothing_of_others(results: Results) -> None:
    equal = [one.model_copy(update={"estimate": 0.0, "se": 0.0}) for one in results.effects]
    found = pilots_of(results.model_copy(update={"effects": tuple(equal)}))
    assert found
    assert not any(one.spreads for one in found)


def test_chosen_probes_make_a_family_of_their_own(tmp_path: Path) -> None:
    results = read_results(make_run(tmp_path / "run"))
    (alone,) = (one for one in pilots_of(results, ["small"]) if one.render == "plain")
    (whole,) = (one for one in pilots_of(results) if (one.probe, one.render) == ("small", "plain"))
    assert alone.spreads == whole.spreads
    assert (alone.family, whole.family) == (2, 4)
