"""What a run lost stands in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_factory import MIXED, make_run

from auditor.adapters.run.lost_items import lost_items
from auditor.adapters.run.results_schema import RefusalRow, Results
from auditor.adapters.run.run_folder import MANIFEST, read_manifest, read_results

ROW = RefusalRow(
    reason="not_scored", detail="", probe="small", item="a", render="plain", checkpoint="sft", identity="x", count=1
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def said(run: Path, *rows: RefusalRow) -> list[str]:
    results: Results = read_results(run).model_copy(update={"refusals": rows})
    return list(lost_items(run, results))


def test_an_item_counts_once_and_reasons_are_told_apart(run: Path) -> None:
    asked = sum(one["items"] for one in read_manifest(run)["probes"])
    rows = [
        ROW,
        ROW.model_copy(update={"checkpoint": "dpo"}),
        ROW.model_copy(update={"item": "b"}),
        ROW.model_copy(update={"render": "chat"}),
        ROW.model_copy(update={"reason": "too_long", "item": "b"}),
        ROW.model_copy(update={"reason": "no_chat_text", "item": "c", "render": "chat"}),
        ROW.model_copy(update={"reason": "unreadable_row", "item": None, "count": 3}),
    ]
    (line,) = said(run, *rows)
    head, reasons = line.split(": ")
    assert head == f"6 of {asked + 3} items refused"
    assert reasons == "too_long 1 (plain rendering), no_chat_text 1 (chat rendering), not_scored 2, unreadable_row 3"


def test_items_without_a_margin_are_lost_only_where_others_have_one(run: Path) -> None:
    row = ROW.model_copy(update={"reason": "no_pairs", "item": None, "count": 5})
    (line,) = said(run, row, row.model_copy(update={"render": "chat", "count": 2}))
    assert line.endswith("items refused: no_pairs 5")
    assert said(run, row.model_copy(update={"probe": "other"})) == []


def test_nothing_lost_nothing_said(run: Path) -> None:
    assert said(run) == []
    # A cell without an interval has lost no item, and names are asked beside the items.
    rows = [
        ROW.model_copy(update={"reason": "few_clusters", "item": None}),
        ROW.model_copy(update={"reason": "too_long", "item": "naming/1"}),
    ]
    assert said(run, *rows) == []


def test_what_reward_models_beside_policies_refuse_is_told_apart(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", **MIXED)
    asked = sum(one["items"] for one in read_manifest(run)["probes"])
    both = [ROW, ROW.model_copy(update={"checkpoint": "rm"}), ROW.model_copy(update={"checkpoint": "rm", "item": "b"})]
    unreadable = ROW.model_copy(update={"reason": "unreadable_row", "item": None, "checkpoint": None, "count": 3})
    assert said(run, *both, unreadable) == [
        f"4 of {asked + 3} items refused: not_scored 1 (plain rendering), unreadable_row 3",
        f"2 of {asked + 3} items refused at rm: not_scored 2 (plain rendering)",
    ]
    alone = make_run(tmp_path / "alone", checkpoints=("one", "rm"), rewards=("one", "rm"))
    assert said(alone, *both)[0].startswith("2 of ")


def test_without_a_manifest_the_count_stands_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / MANIFEST).unlink()
    assert said(run, ROW) == ["1 items refused: not_scored 1 (plain rendering)"]
