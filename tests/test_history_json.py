"""Twin of auditor.adapters.history.history_json."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from history_material import make_project
from run_factory import HARMED, HOSTILE

from auditor.adapters.history.history_data import read_history
from auditor.adapters.history.history_json import history_json


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    project = make_project(tmp_path_factory.mktemp("project"))
    (project / "empty").mkdir()
    (project / "empty" / "manifest.json").write_text("{}")
    (project / "a-third").rename(os.fsdecode(os.fsencode(project / "third") + b"\xff"))
    found: dict[str, Any] = json.loads(history_json(read_history(project)))
    return found


def test_runs_and_what_was_left_out(content: dict[str, Any]) -> None:
    assert content["schema_version"] == 1
    assert [one["folder"] for one in content["runs"]] == ["nightly/first", "nightly/second", "third\udcff"]
    assert content["runs"][1]["created"] == "2026-03-02T01:30:00+02:00"
    assert content["runs"][1]["series"] == ["base", "sft", "dpo<b>"]
    assert content["runs"][1]["step"] is None
    (left,) = content["left_out"]
    assert (left["folder"], left["reason"]) == ("empty", "foreign")


def test_levels_and_differences(content: dict[str, Any]) -> None:
    (track,) = (one for one in content["tracks"] if (one["probe"], one["render"], one["contrast"]) == (
        "small", "plain", "excess"
    ))  # fmt: skip
    first, second, third = track["points"]
    assert (first["compared_with"], first["apart"], first["sesoi"]) == (None, None, None)
    assert (second["compared_with"], third["compared_with"]) == ("nightly/first", None)
    # Nothing reads a table at a path that is no text.
    assert third["apart"].startswith("items.parquet and tokens.parquet cannot be read together")
    assert second["checkpoint"] == "dpo<b>"
    assert second["unpaired"] == 0 < second["shared"]
    (one,) = (own for own in second["identities"] if own["identity"] == HARMED)
    (was,) = (own for own in first["identities"] if own["identity"] == HARMED)
    assert (one["verdict"], one["difference_verdict"]) == ("harm", "harm")
    assert one["difference"] == pytest.approx(one["estimate"] - was["estimate"], abs=1e-9)
    assert one["difference_low_adjusted"] < one["difference"] < one["difference_high_adjusted"]
    assert was["difference"] is None


def test_hostile_names_are_strings(content: dict[str, Any]) -> None:
    names = {own["identity"] for one in content["tracks"] for point in one["points"] for own in point["identities"]}
    assert set(HOSTILE) <= names | {""}
