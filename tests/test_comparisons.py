"""Twin of auditor.adapters.history.comparisons: what ``audit diff`` says, run by run."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import audit
from history_material import edit_manifest, make_project
from run_factory import HARMED, make_run
from test_page import Page, plain

from auditor.adapters.history import comparisons
from auditor.adapters.history.history_data import History, read_history
from auditor.adapters.history.history_page import render_history
from auditor.core.verdicts import Rule


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def history(project: Path) -> History:
    return read_history(project)


def test_differences_are_those_of_audit_diff(project: Path, history: History, tmp_path: Path) -> None:
    folders = [project / "nightly" / "first", project / "nightly" / "second", project / "a-third"]
    seen = 0
    for at in (1, 2):
        out = tmp_path / f"{at}.json"
        assert audit("diff", folders[at - 1], folders[at], "--json", out).exit_code == 0
        rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
        for compared, place in history.links(at):
            track = compared.track
            for who in track.points[place].levels.levels:
                place_of = (track.probe, track.design, track.render, track.contrast, *who)
                keys = ("probe", "design", "render", "contrast", "identity", "axis")
                own = [one for one in rows if tuple(one[key] for key in keys) == place_of]
                found = compared.difference(place, who)
                # Identities without reference rows are asked for their preference there.
                if not own or own[0]["items"] == 0:
                    assert found is None
                    continue
                (row,) = own
                assert found is not None
                assert (found.value, found.verdict) == (row["difference"], row["verdict"])
                assert (found.low if math.isfinite(found.low) else None) == row["low_adjusted"]
                change = {"harm": "more", "lower_than_reference": "less"}.get(row["verdict"], "")
                assert compared.change(place, who) == change
                seen += 1
    assert seen == 2 * 2 * (2 + 2)


def test_harm_came_and_went(history: History) -> None:
    found = {
        (one.track.render, one.who[0], one.was.run, one.now.run, one.more)
        for one in history.changes
        if one.track.probe == "small"
    }
    assert found == {(render, HARMED, *step) for render in ("plain", "chat") for step in ((0, 1, True), (1, 2, False))}


def test_each_checkpoint_is_read_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    own = comparisons.read_checkpoint

    def counting(run: Path, checkpoint: str) -> object:
        read.append(run.name)
        return own(run, checkpoint)

    monkeypatch.setattr(comparisons, "read_checkpoint", counting)
    read_history(project)
    assert read == ["first", "second", "a-third"]


def test_d_is_the_later_runs_unless_given(project: Path, history: History) -> None:
    assert {one.sesoi for track in history.tracks for one in track.comparisons if one} == {math.log(1.25)}
    # Three nats came and went; by a bound of ten nothing did.
    assert read_history(project, 10.0).changes == ()


def test_damaged_tables_are_a_reason_and_no_end(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "project")
    (other / "nightly" / "second" / "items.parquet").write_bytes(b"PAR1")
    edit_manifest(other / "nightly" / "second", files={})
    found = read_history(other)
    assert len(found.runs) == 3
    assert {one.apart(1).split(":")[0] for one in found.tracks} == {
        "items.parquet and tokens.parquet cannot be read together"
    }
    assert found.changes == ()


def test_versions_of_the_engine_are_a_caution(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "project")
    edit_manifest(other / "a-third", engine={"device": "cpu", "dtype": "bfloat16"})
    found = {
        caution for one in read_history(other).tracks for own in one.comparisons if own for caution in own.cautions
    }
    assert found == {"The runs were scored with dtype float32 and bfloat16: part of a difference may come from it."}


def test_verdicts_by_another_bound_are_a_caution(project: Path, tmp_path: Path) -> None:
    other = shutil.copytree(project, tmp_path / "project")
    path = other / "a-third" / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    for one in results["effects"]:
        one["sesoi"] = 0.5 if one["sesoi"] is not None else None
    path.write_text(json.dumps(results), encoding="utf-8")
    found = {
        caution for one in read_history(other).tracks for own in one.comparisons if own for caution in own.cautions
    }
    assert found == {"The runs' own verdicts were given by d = 0.223 and 0.5 nats: one may differ for that alone."}


def test_reward_models_are_paired_in_their_own_unit_and_by_their_own_bound(tmp_path: Path) -> None:
    for at, (names, d) in enumerate(((("base", "mild"), 0.3), (("base", "sft", "rm"), 0.5))):
        run = make_run(tmp_path / names[-1], checkpoints=names, rewards=names[-1:], rule=Rule(0.2, 0, d))
        # One name through time, as a project has it.
        for file in ("manifest.json", "results.json"):
            text = (run / file).read_text(encoding="utf-8").replace('"mild"', '"rm"')
            (run / file).write_text(text, encoding="utf-8")
        table = pq.read_table(run / "items.parquet")
        renamed = pa.array([one.replace("mild", "rm") for one in table["checkpoint"].to_pylist()])
        column = table.schema.get_field_index("checkpoint")
        pq.write_table(table.set_column(column, "checkpoint", renamed), run / "items.parquet")
        edit_manifest(run, created=f"2026-03-0{at + 1}T00:00:00+00:00")
    found = read_history(tmp_path)
    own = [one for one in found.tracks if one.track.unit == "reward" and one.track.probe == "small"]
    assert own
    for one in own:
        comparison = one.comparisons[1]
        assert comparison is not None
        assert (comparison.apart, comparison.sesoi) == ("", 0.5)
        assert any("d = 0.3 and 0.5 units of the reward" in caution for caution in comparison.cautions)
        assert one.change(1, (HARMED, "gender identity")) == "more"
        grown = one.difference(1, (HARMED, "gender identity"))
        assert grown is not None
        assert grown.value == pytest.approx(3, abs=0.5)
    page = plain(Page(render_history(found, tmp_path)))
    assert "differences in nats or units of the reward" in page
    assert "not comparable: bare" not in page
