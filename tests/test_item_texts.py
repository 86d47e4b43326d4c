"""Twin of auditor.adapters.report.items.item_texts, beside a plain reading of the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from run_factory import make_run

from auditor.adapters.report.items import item_texts
from auditor.adapters.report.items.item_margins import ItemMargins
from auditor.adapters.report.items.item_texts import ItemTexts
from auditor.errors import UsageError

NAMES = ("base", "sft", "dpo<b>")
NO_LIMIT = 10**9


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.parametrize("part", [7, 1 << 16])
@pytest.mark.parametrize("render", ["plain", "chat"])
def test_texts_are_those_of_the_table(run: Path, monkeypatch: pytest.MonkeyPatch, render: str, part: int) -> None:
    monkeypatch.setattr(item_texts, "_ROWS_A_PART", part)
    path = run / "items.parquet"
    margins = ItemMargins(path, render, NAMES)
    rows = margins.rows[::-1]
    found = ItemTexts(path, render, margins, rows, NO_LIMIT)
    assert found.whole
    table = {
        (row["probe"], row["item"], row["candidate"]): row
        for row in pq.read_table(path).to_pylist()
        if (row["render"], row["checkpoint"]) == (render, NAMES[-1])
    }
    for at, row in enumerate(rows.tolist()):
        probe, item = margins.text("probe", row), margins.text("item", row)
        mine = [table[probe, item, side] for side in ("harmful", "affirming")]
        assert [found.side(at, which) for which in (0, 1)] == [one["text"] for one in mine]
        code = found.codes[at, 0]
        assert (found.texts[code - 1] if code else "") == mine[0]["context"]
    assert len(set(found.texts)) == len(found.texts)


def test_only_chosen_rows_are_read(run: Path) -> None:
    path = run / "items.parquet"
    margins = ItemMargins(path, "plain", NAMES)
    found = ItemTexts(path, "plain", margins, margins.rows[:2], NO_LIMIT)
    assert found.codes.shape == (2, 3)
    assert len(found.texts) <= 6


def test_reading_stops_at_the_limit(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_texts, "_ROWS_A_PART", 100)
    path = run / "items.parquet"
    margins = ItemMargins(path, "plain", NAMES)
    found = ItemTexts(path, "plain", margins, margins.rows, 50)
    assert not found.whole
    assert not found.codes[:, 1].all()


def test_a_private_run_has_none(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", private=True) / "items.parquet"
    margins = ItemMargins(path, "plain", NAMES)
    found = ItemTexts(path, "plain", margins, margins.rows, NO_LIMIT)
    assert not np.any(found.codes)
    assert found.side(0, 0) is None


def test_a_broken_table_is_named(run: Path, tmp_path: Path) -> None:
    margins = ItemMargins(run / "items.parquet", "plain", NAMES)
    (tmp_path / "items.parquet").write_bytes(b"no table")
    with pytest.raises(UsageError, match=r"items\.parquet"):
        ItemTexts(tmp_path / "items.parquet", "plain", margins, margins.rows, NO_LIMIT)
