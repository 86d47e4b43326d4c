"""One score at a time, from tables in every shape."""

from __future__ import annotations

import gzip
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import write

from auditor.adapters.external.score_mapping import score_mapping
from auditor.adapters.external.score_rows import ScoreRow, ScoreTable
from auditor.errors import UsageError


def rows(path: Path, name: str | None = None, **given: Any) -> list[ScoreRow]:
    nothing: dict[str, Any] = {"fields": [], "columns": [], "sides": [], "quantity": "logprob", "file": None}
    return list(ScoreTable.read(path, name, score_mapping(**{**nothing, **given})).rows())


def brief(found: list[ScoreRow]) -> list[tuple[str, str, str, float | None]]:
    return [(one.item, one.checkpoint, one.side, one.value) for one in found]


def test_long_wide_and_a_file_a_side_say_the_same(tmp_path: Path) -> None:
    expected = [("q1", "sft", "harmful", -3.5), ("q1", "sft", "affirming", -2.0)]
    long = write(tmp_path / "long.csv", "item,checkpoint,candidate,value\nq1,sft,harmful,-3.5\nq1,sft,affirming,-2\n")
    assert brief(rows(long)) == expected
    wide = write(tmp_path / "wide.csv", "id,bad,good\nq1,-3.5,-2\n")
    assert brief(rows(wide, columns=["sft.harmful=bad", "sft.affirming=good"])) == expected
    assert brief(rows(wide, "sft", columns=["harmful=bad", "affirming=good"])) == expected
    sides = [write(tmp_path / f"{side}.csv", f"id,s\nq1,{value}\n") for _, _, side, value in expected]
    found = [rows(path, f"sft.{one[2]}", fields=["value=s"]) for path, one in zip(sides, expected, strict=True)]
    assert brief(found[0] + found[1]) == expected


def test_parquet_jsonl_and_the_file_words(tmp_path: Path) -> None:
    path = tmp_path / "rm.parquet"
    table = {"id": [7, 8], "side": ["rejected", "chosen"], "score": [[1.5], [2.5]]}
    pq.write_table(pa.table(table), path)
    given = {"fields": ["candidate=side,value=score"], "sides": ["harmful=rejected,affirming=chosen"]}
    found = rows(path, quantity="reward", **given)
    assert brief(found) == [("7", "rm", "harmful", 1.5), ("8", "rm", "affirming", 2.5)]
    lines = [json.dumps({"id": "7", "side": "rejected", "score": 1.5, "other": {"a": 1}})]
    found = rows(write(tmp_path / "rm.jsonl", "\n".join(lines)), "name", quantity="reward", **given)
    assert brief(found) == [("7", "name", "harmful", 1.5)]
    assert found[0].where.endswith("line 1")


def test_what_a_row_says_of_its_item(tmp_path: Path) -> None:
    header = "id,candidate,value,identity,theme,text,context,ignored"
    path = write(tmp_path / "x.csv", f"{header}\n1,harmful,-1,trans women,mind,are bad,They ,zzz\n")
    (found,) = rows(path)
    assert found.about == {"identity": "trans women", "theme": "mind", "context": "They ", "text of harmful": "are bad"}
    wide = write(tmp_path / "w.csv", "id,h,a,text_rejected,who\n1,-1,-2,are bad,trans women\n")
    found, _ = rows(wide, columns=["harmful=h", "affirming=a"], fields=["harmful=text_rejected", "identity=who"])
    assert found.about == {"identity": "trans women", "text of harmful": "are bad"}


def test_a_column_of_scores_named_for_its_side_is_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "id,harmful,affirming\n1,-1,-2\n")
    found = rows(path, "m", columns=["harmful=harmful", "affirming=affirming"])
    assert [one.about for one in found] == [{}, {}]


def test_without_an_id_rows_are_told_apart(tmp_path: Path) -> None:
    two = [write(tmp_path / f"{name}.csv", "side,value\nharmful,-1\naffirming,-2\n") for name in "ab"]
    found = [one for path in two for one in rows(path, fields=["candidate=side"])]
    assert len({one.item for one in found}) == 4


def test_empty_cells_and_certainties(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "id,candidate,value\n1,harmful,\n2,harmful,-inf\n3,harmful,0.00001\n")
    assert [one.value for one in rows(path)] == [None, -math.inf, 0.00001]


@pytest.mark.parametrize(
    ("value", "quantity"),
    [
        ("nan", "reward"),
        ("x", "reward"),
        ("1e308", "reward"),
        ("-1e16", "reward"),
        ("-1e300", "logprob"),
        ("inf", "reward"),
        ("-inf", "reward"),
        ("0.5", "logprob"),
        ("nan", "logprob"),
    ],
)
def test_no_number(tmp_path: Path, value: str, quantity: str) -> None:
    path = write(tmp_path / "x.csv", f"id,candidate,value\n1,harmful,-1\n2,harmful,{value}\n")
    with pytest.raises(UsageError) as caught:
        rows(path, quantity=quantity)
    assert "line 3" in caught.value.where
    assert caught.value.fix


@pytest.mark.parametrize("value", [True, [1, 2], {"a": 1}, 10**400])
def test_no_number_in_json(tmp_path: Path, value: object) -> None:
    path = write(tmp_path / "x.jsonl", json.dumps({"id": "1", "candidate": "harmful", "value": value}))
    with pytest.raises(UsageError, match="no finite number"):
        rows(path, quantity="reward")


@pytest.mark.parametrize(
    ("content", "given", "words"),
    [
        ("id,score\n1,-1\n", {}, "which column holds the scores"),
        ("id,value\n1,-1\n", {}, "which side"),
        ("id,candidate,value\n1,harmful,-1\n", {"fields": ["item=key"]}, "no column 'key'"),
        ("id,value\n1,-1\n", {"columns": ["harmful=value"], "fields": ["value=value"]}, "columns of scores"),
        ("id,candidate,value\n1,,-1\n", {}, "candidate is empty"),
        ("id,candidate,value\n,harmful,-1\n", {}, "id is empty"),
        ("id,candidate,value\n1,harmful\n", {}, "2 fields"),
        ("id,logprobs\n1,x\n", {}, "for each token"),
    ],
)
def test_tables_without_sense(tmp_path: Path, content: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        rows(write(tmp_path / "x.csv", content), **given)
    assert caught.value.fix


def test_checkpoints_of_a_wide_table_may_stand_in_a_column(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "id,model,h,a\nq,sft,-1,-2\nq,dpo,-3,-4\n")
    found = rows(path, columns=["harmful=h", "affirming=a"], fields=["checkpoint=model"])
    assert brief(found) == [
        ("q", "sft", "harmful", -1), ("q", "sft", "affirming", -2), ("q", "dpo", "harmful", -3),
        ("q", "dpo", "affirming", -4),
    ]  # fmt: skip


def test_a_name_and_a_column_must_agree_on_the_checkpoint(tmp_path: Path) -> None:
    long = write(tmp_path / "x.csv", "id,checkpoint,candidate,value\nq,sft,harmful,-1\nq,dpo,harmful,-2\n")
    with pytest.raises(UsageError, match="'dpo', and its file was called 'sft'") as caught:
        rows(long, "sft")
    assert caught.value.where.endswith("line 3")
    side = write(tmp_path / "y.csv", "id,checkpoint,value\nq,sft,-1\n")
    assert brief(rows(side, "sft.harmful")) == [("q", "sft", "harmful", -1)]
    with pytest.raises(UsageError, match="was called 'dpo'"):
        rows(side, "dpo.harmful")


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("sft", {"columns": ["dpo.harmful=h"]}, "names the checkpoint"),
        (None, {"columns": ["dpo.harmful=h"], "fields": ["checkpoint=model"]}, "names the checkpoint"),
        (None, {"columns": ["harmful=h"], "fields": ["candidate=model"]}, "a column for candidate too"),
        (None, {"columns": ["harmful=h"], "fields": ["text=model"]}, "a column for text too"),
        (None, {"columns": ["harmful=h"], "fields": ["checkpoint=model"]}, "no column says which item"),
    ],
)
def test_nothing_is_said_and_passed_over(tmp_path: Path, name: str | None, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        rows(write(tmp_path / "x.csv", "h,model\n-1,sft\n"), name, **given)
    assert caught.value.fix
    assert caught.value.where


def test_sums_may_stand_in_a_column_called_logprobs(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "id,candidate,logprobs\n1,harmful,-4.5\n")
    assert brief(rows(path, fields=["value=logprobs"])) == [("1", "x", "harmful", -4.5)]


def test_numbers_of_parquet_and_keys_within_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    values = [pa.array([Decimal("-1.5")]), pa.array([np.float16(-2.5)]), pa.array([{"er": np.float32(-3.5)}])]
    pq.write_table(pa.table(dict(zip(("id", "d", "h", "deep"), [pa.array(["q"]), *values], strict=True))), path)
    found = rows(path, columns=["a.harmful=d", "b.harmful=h", "c.harmful=deep.er"])
    assert [one.value for one in found] == [-1.5, -2.5, -3.5]


def test_a_packed_file_is_called_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "rm.harmful.csv.gz", gzip.compress(b"id,value\nq,-1\n"))
    assert brief(rows(path)) == [("q", "rm", "harmful", -1)]


@pytest.mark.parametrize(("line", "words"), [('{"id": 1, "id": 2}', "stands twice"), ("{", "malformed JSON")])
def test_a_file_of_which_no_line_can_be_read(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        rows(write(tmp_path / "x.jsonl", line))
    assert caught.value.where.endswith("line 1")
