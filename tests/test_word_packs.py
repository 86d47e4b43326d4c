"""Twin of auditor.adapters.report.items.word_packs: what is packed is what the table holds, and no more than fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_factory import make_run
from unpacking import unpacked

from auditor.adapters.report.items import word_packs
from auditor.adapters.report.items.item_margins import ItemMargins
from auditor.adapters.report.items.text_packs import Asked
from auditor.adapters.report.items.word_packs import words_pack
from auditor.adapters.run.attribution_tables import read_attributions
from auditor.core.items import AFFIRMING, HARMFUL

NAMES = ("base", "sft", "dpo<b>")
SIDES = (None, HARMFUL, AFFIRMING)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", attributed=True)


def asked_of(run: Path) -> Asked:
    margins = ItemMargins(run / "items.parquet", "plain", NAMES)
    return Asked(run, "plain", margins, margins.rows, np.random.default_rng(0).permutation(margins.rows), 1000.0)


def table_of(run: Path) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in read_attributions(run).to_pylist():
        if (row["render"], row["level"], row["checkpoint"]) == ("plain", "word", "dpo<b>"):
            found.setdefault((row["probe"], row["item"], row["method"], row["reference"]), []).append(row)
    return found


def test_words_are_those_of_the_table(run: Path) -> None:
    asked, table = asked_of(run), table_of(run)
    text, rows = words_pack(asked, read_attributions(run), ["dpo<b>"])
    pack = unpacked(text)
    texts, head = [None, *pack.head["texts"]], pack.head
    about = zip(*(pack.column(name) for name in ("row", "method", "checkpoint", "reference", "length")), strict=True)
    word, side, role, instead = (pack.column(name) for name in ("word", "side", "role", "instead"))
    values, totals = pack.numbers("value"), pack.numbers("total")
    first, seen = 0, set()
    for at, (number, method, checkpoint, reference, length) in enumerate(about):
        row = int(asked.kept[number])
        before = NAMES[reference - 1] if reference else None
        key = (asked.margins.text("probe", row), asked.margins.text("item", row), head["methods"][method], before)
        seen.add(key)
        own = table[key]
        assert NAMES[checkpoint] == "dpo<b>"
        assert length == len(own)
        assert totals[at] == pytest.approx(own[0]["total"], abs=0.0006)
        for place, expected in enumerate(own, first):
            shown = texts[word[place]]
            assert shown is not None
            assert expected["name"].startswith(shown.removesuffix("\u2026"))
            assert SIDES[side[place]] == expected["candidate"]
            assert (head["roles"][role[place] - 1] if role[place] else None) == expected["role"]
            assert texts[instead[place]] == expected["replacement"]
            assert values[place] == pytest.approx(expected["value"], abs=0.0006)
        first += length
    marked = {(asked.margins.text("probe", row), asked.margins.text("item", row)) for row in asked.kept.tolist()}
    assert seen == {key for key in table if key[:2] in marked}
    assert {int(row) for row in rows} == {asked.margins.place(*key[:2]) for key in seen}


def test_no_more_than_fits_and_what_is_wanted_most_first(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, table = asked_of(run), read_attributions(run)
    whole, rows = words_pack(asked, table, ["dpo<b>"])
    monkeypatch.setattr(word_packs, "WORDS_BUDGET", len(whole) // 2)
    text, fewer = words_pack(asked, table, ["dpo<b>"])
    assert 0 < len(text) <= len(whole) // 2
    assert fewer.tolist() == rows[: len(fewer)].tolist()
    monkeypatch.setattr(word_packs, "WORDS_BUDGET", 10)
    text, none = words_pack(asked, table, ["dpo<b>"])
    assert (text, len(none)) == ("", 0)


def test_nothing_is_packed_where_no_word_was_attributed(run: Path) -> None:
    text, rows = words_pack(asked_of(run), read_attributions(run), ["elsewhere"])
    assert (text, len(rows)) == ("", 0)
