"""Twin of auditor.adapters.report.attribution.attributed_run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attributed_factory import IG_ERROR, PATH_ERROR
from run_factory import controlled_probe, make_run

from auditor.adapters.report.attribution.attributed_run import MethodNote, method_notes
from auditor.adapters.report.report_data import read_report
from auditor.adapters.run.attribution_tables import read_attributions
from auditor.adapters.run.run_folder import read_results


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()], renders=("plain",), attributed=True
    )


def notes(run: Path) -> dict[str, MethodNote]:
    return {one.method: one for one in read_report(run).attributed.methods}


def test_every_method_tells_what_its_parts_miss(run: Path) -> None:
    found = notes(run)
    assert list(found) == ["tokens", "ig", "ablation", "shapley", "path"]
    errors = {name: one.item_error for name, one in found.items()}
    assert errors["tokens"] == pytest.approx(0, abs=1e-6)
    assert errors["ig"] == pytest.approx(IG_ERROR)
    assert errors["path"] == pytest.approx(PATH_ERROR)
    rows = [one for one in read_attributions(run).to_pylist() if one["method"] == "path" and one["level"] == "layer"]
    wholes = {one["item"]: (abs(one["completeness_error"]), abs(one["total"])) for one in rows}
    share = sum(error for error, _ in wholes.values()) / sum(total for _, total in wholes.values())
    assert found["path"].unexplained == pytest.approx(share)


def test_means_stand_on_what_was_drawn_and_what_was_picked_is_counted_apart(run: Path) -> None:
    rows = read_attributions(run).to_pylist()
    drawn, picked = ({one["item"] for one in rows if one["sampled"] == which} for which in (True, False))
    one = notes(run)["path"]
    assert (one.drawn, one.picked) == (len(drawn), len(picked))
    assert drawn
    assert picked
    own = [row for row in read_results(run).attributions if row.method == "path"]
    assert one.clusters == max(row.clusters for row in own) == 4
    assert one.mean_error == max(abs(row.completeness_error or 0) for row in own)


def test_what_a_method_was_asked_with_is_the_manifests(run: Path) -> None:
    path = run / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    manifest["attributions"] = [{"method": "path", "nodes": 8, "forward_s": 1.5}, "no record", {"method": "magic"}]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    found = notes(run)
    assert found["path"].settings == (("nodes", 8), ("forward s", 1.5))
    assert found["ig"].settings == ()


def test_a_run_without_the_table_speaks_of_its_means_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",))
    (only,) = method_notes(read_results(run).attributions, None, [])
    assert (only.method, only.drawn, only.picked, only.item_error, only.unexplained) == ("tokens", *[None] * 4)
    assert only.mean_error == pytest.approx(0, abs=1e-9)
    assert only.cells
    assert list(method_notes([], None, [{"method": "path"}])) == []


def test_an_error_is_the_largest_of_both_renderings(tmp_path: Path) -> None:
    """In chat a word misses much and its other side little: neither rendering speaks for the other."""
    run = make_run(tmp_path / "run", probes=[controlled_probe()], attributed=True)
    table = read_attributions(run)
    rows = table.to_pylist()
    chat = next(one for one in rows if (one["method"], one["render"], one["level"]) == ("ig", "chat", "word"))
    names = ("method", "item", "render", "checkpoint", "reference")
    for one in rows:
        if [one[name] for name in names] == [chat[name] for name in names]:
            one["completeness_error"] = 0.75
    worse = table.from_pylist(rows, schema=table.schema)
    (found,) = (one for one in method_notes([], worse, []) if one.method == "ig")
    assert found.item_error == 0.75


def test_every_mean_is_counted_once(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], attributed=True)
    rows = [one for one in read_results(run).attributions if one.method == "ig"]
    # Each mean has one row a role in each cell.
    first = {json.dumps(one.model_dump(exclude={"unit", "number", "estimate", "low", "high", "p", "p_adjusted"}))
             for one in rows}  # fmt: skip
    assert notes(run)["ig"].cells == len(first)
    assert {one.render for one in rows} == {"plain", "chat"}


def test_what_a_method_took_is_no_setting(run: Path) -> None:
    asked = [
        {"method": "ig", "passes": 1280, "seconds": 12.5, "steps": "32 to 256"},
        {"method": "path", "passes": "many<b>", "seconds": float("nan")},
    ]
    found = {one.method: one for one in method_notes([], read_attributions(run), asked)}
    assert (found["ig"].passes, found["ig"].seconds) == (1280, 12.5)
    assert found["ig"].settings == (("steps", "32 to 256"),)
    assert (found["path"].passes, found["path"].seconds, found["path"].settings) == (None, None, ())


def test_a_number_that_is_none_has_no_size(run: Path) -> None:
    table = read_attributions(run)
    rows = [{**one, "completeness_error": None} for one in table.to_pylist() if one["method"] == "path"]
    (found,) = method_notes([], table.from_pylist(rows, schema=table.schema), [])
    assert (found.item_error, found.unexplained) == (None, None)
