"""A probe as a task of lm-evaluation-harness; what the harness makes of it is in tests/oracles."""

from __future__ import annotations

import json
import math
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_scores import pair, probe_of

from auditor.adapters.exports.harness_task import harness_task, write_harness_task
from auditor.core.items import Candidate, Message
from auditor.errors import UsageError

KEY = {"match": "k", "axis": "gender"}
ROWS = (
    pair("m", identity="trans women", context="They ", prefix="say ", **KEY),
    pair("r", identity="cis women", role="reference", context="They ", prefix="say ", **KEY),
    pair("n", identity="trans women", valence="neutral", **KEY),
    pair("o", identity="oboists", role="control", **KEY),
    pair("chat", messages=(Message("user", "Hello"),)),
    pair("base", design="responsiveness"),
    pair("three", candidates=tuple(Candidate(label, label) for label in "abc")),
)


class Functions(yaml.SafeLoader):
    """Reads the harness's tag for functions as their name."""


Functions.add_constructor("!function", lambda loader, node: f"function {loader.construct_scalar(node)}")


def written(folder: Path, *rows: Any, name: str = "probe", **card: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The task file and the rows of an exported probe."""
    task = harness_task(probe_of(*rows, name=name, **card))
    write_harness_task(task, folder)
    content = yaml.load((folder / f"{task.name}.yaml").read_text(encoding="utf-8"), Functions)
    lines = (folder / "items.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return content, [json.loads(line) for line in lines]


def test_what_cannot_be_asked_is_left_out_and_counted() -> None:
    task = harness_task(probe_of(*ROWS))
    assert [item.id for item in task.items] == ["m", "r"]
    assert sum(task.left_out.values()) == 5
    assert sorted(task.left_out.values()) == [1, 1, 1, 2]


def test_rows_hold_texts_verbatim_and_their_weights(tmp_path: Path) -> None:
    task, rows = written(tmp_path / "out", *ROWS)
    assert [one["context"] for one in rows] == ["They say ", "They say "]
    assert rows[0]["choices"] == ["bad", "good"]
    weights = [{one["metric"]: one["weight"] for one in row["weights"]} for row in rows]
    assert weights[0]["excess_trans_women"] == 1
    assert weights[1] == {"margin_cis_women": 1, "share_positive_cis_women": 1, "excess_trans_women": -1}
    named = {one["metric"] for one in task["metric_list"]}
    assert named == {one for row in weights for one in row}
    assert task["doc_to_text"] == "context"
    assert task["custom_dataset"] == "function metrics.rows"


def test_sides_stand_harmful_first_whatever_their_order(tmp_path: Path) -> None:
    sides = (Candidate("unrelated", "fish"), Candidate("affirming", "good"), Candidate("harmful", "bad"))
    _, rows = written(tmp_path / "out", pair("m", candidates=sides))
    assert rows[0]["choices"] == ["bad", "good"]


def test_names_are_fit_for_the_harness_and_never_the_same(tmp_path: Path) -> None:
    rows = [
        pair("1", identity="a, *b*", axis="x"),
        pair("2", identity="a b", axis="y"),
        pair("3", identity="A B", axis="y"),
        pair("4", identity="\u00e9\u00e8", axis="y"),
    ]
    task, _ = written(tmp_path / "out", *rows, name="my probe, 2")
    assert task["task"] == "auditor_my_probe_2"
    names = [one["metric"] for one in task["metric_list"] if one["metric"].startswith("margin_")]
    assert names == ["margin_a_b", "margin_a_b_y", "margin_a_b_y_2", "margin_x"]


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    evil = 'a"}\n{% raw %}: !function os.system\u2028'
    rows = [pair("1", identity=evil, context=evil, axis=evil)]
    task, found = written(tmp_path / "out", *rows, title="<script>|`", content_warning="# |", sha256='"\n- x')
    assert found[0]["context"] == evil
    assert task["metadata"]["probe_sha256"] == '"\n- x'
    sheet = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "<script>" not in sheet


def test_a_probe_without_pairs_is_refused() -> None:
    with pytest.raises(UsageError, match="no row is a pair in plain text"):
        harness_task(probe_of(ROWS[-1]))


def test_its_metrics_weigh_what_they_are_given(tmp_path: Path) -> None:
    _, rows = written(tmp_path / "out", *ROWS)
    metrics = runpy.run_path(str(tmp_path / "out" / "metrics.py"))
    answers = ([(-1.0, False), (-3.0, False)], [(-1.0, False), (0.5, False)])
    found = [metrics["process_results"](row, answer) for row, answer in zip(rows, answers, strict=True)]
    assert found[0]["margin"] == (2.0, 1, 1)
    assert found[0]["share_positive"] == (1.0, 1, 1)
    assert found[1]["share_positive_cis_women"] == (0.0, 1, 1)
    tie = metrics["process_results"](rows[0], [(-1.0, False), (-1.0, False)])
    assert tie["share_positive"] == (0.0, 1, 1)
    excess = [one["excess_trans_women"] for one in found]
    assert metrics["weighted_sum"](excess) == pytest.approx(2 - -1.5)
    # Half of the rows would answer another question: without its reference an excess is a margin.
    assert math.isnan(metrics["weighted_sum"](excess[1:]))
    assert math.isnan(metrics["weighted_sum"](excess[:1]))
    assert list(metrics["rows"](version=1, pretrained="x")["test"]["id"]) == ["m", "r"]
