"""Twin of auditor.adapters.report.items.text_packs: what is packed is what the tables hold, and no more than fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from run_factory import HARMED, make_run
from unpacking import unpacked

from auditor.adapters.report.items import text_packs
from auditor.adapters.report.items.item_margins import ItemMargins
from auditor.adapters.report.items.text_packs import MAX_TEXT, Asked, cut, sides_pack, tokens_pack
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe

NAMES = ("base", "sft", "dpo<b>")
STEPS = 1000.0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def asked_of(run: Path, render: str = "plain") -> Asked:
    margins = ItemMargins(run / "items.parquet", render, NAMES)
    kept = margins.rows
    order = np.random.default_rng(0).permutation(kept)
    return Asked(run, render, margins, kept, order, STEPS)


def table_of(run: Path, name: str, asked: Asked) -> dict[tuple[str, str, str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for row in pq.read_table(run / name).to_pylist():
        if row["render"] == asked.render:
            found.setdefault((row["probe"], row["item"], row["checkpoint"], row["candidate"]), []).append(row)
    return found


def name_of(asked: Asked, number: int) -> tuple[str, str]:
    row = int(asked.kept[number])
    return asked.margins.text("probe", row), asked.margins.text("item", row)


def test_sides_are_those_of_the_table(run: Path) -> None:
    asked = asked_of(run)
    text, rows = sides_pack(asked, private=False)
    assert sorted(rows.tolist()) == asked.kept.tolist()
    found, table = unpacked(text), table_of(run, "items.parquet", asked)
    texts = [None, *found.head["texts"]]
    context, harmful, affirming = (found.column(name) for name in ("context", "harmful", "affirming"))
    scores = [found.numbers(f"score{at}") for at in range(len(NAMES))]
    for number in range(len(asked.kept)):
        mine = {
            (name, side): table[(*name_of(asked, number), name, side)][0]
            for name in NAMES
            for side in (HARMFUL, AFFIRMING)
        }
        last = mine[NAMES[-1], HARMFUL]
        assert texts[harmful[number]] == cut(last["text"], MAX_TEXT)
        assert texts[affirming[number]] == cut(mine[NAMES[-1], AFFIRMING]["text"], MAX_TEXT)
        # Of a long context the end is kept: what stands right before the candidates.
        assert (texts[context[number]] or "").removeprefix("\u2026") == last["context"][-500:]
        for at, name in enumerate(NAMES):
            assert abs(scores[at][number] - mine[name, HARMFUL]["value"]) <= 0.5 / STEPS + 1e-9


@pytest.mark.parametrize("render", ["plain", "chat"])
def test_tokens_are_those_of_the_table(run: Path, render: str) -> None:
    asked = asked_of(run, render)
    text, rows = tokens_pack(asked)
    assert sorted(rows.tolist()) == asked.kept.tolist()
    found, table = unpacked(text), table_of(run, "tokens.parquet", asked)
    about = list(zip(*(found.column(name) for name in ("row", "side", "set", "length", "left")), strict=True))
    words, named, logprobs = found.column("word"), found.column("named"), found.numbers("logprob")
    token = value = 0
    for number, side, whose, length, left in about:
        key = name_of(asked, number)
        for checkpoint in found.head["sets"][whose]:
            own = table[(*key, NAMES[checkpoint], (HARMFUL, AFFIRMING)[side])]
            assert (length, left) == (min(60, len(own)), max(0, len(own) - 60))
            expected = [row["logprob"] for row in own[:length]]
            assert np.abs(logprobs[value : value + length] - expected).max() <= 0.5 / STEPS + 1e-9
            value += length
        pieces = [found.head["texts"][word - 1] for word in words[token : token + length]]
        if max(map(len, pieces)) < 60 and not left:
            shown = "".join(one for one, aside in zip(pieces, named[token : token + length], strict=True) if not aside)
            items = pq.read_table(run / "items.parquet", columns=["probe", "item", "candidate", "text"]).to_pylist()
            texts = {one["text"] for one in items if (one["probe"], one["item"]) == key}
            assert shown in texts
        token += length
    assert (token, value) == (len(words), len(logprobs))
    assert {one[1] for one in about} == {0, 1}


def test_only_what_fits(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of(run)
    whole = [len(pack(asked)[0]) for pack in (lambda one: sides_pack(one, private=False), tokens_pack)]
    monkeypatch.setattr(text_packs, "SIDES_BUDGET", whole[0] * 2 // 3)
    monkeypatch.setattr(text_packs, "TOKENS_BUDGET", whole[1] // 2)
    for pack, budget in ((lambda one: sides_pack(one, private=False), whole[0] * 2 // 3), (tokens_pack, whole[1] // 2)):
        text, rows = pack(asked)
        assert len(text) <= budget
        assert 0 < len(rows) < len(asked.kept)
        # What is wanted most comes first.
        assert rows.tolist() == asked.order[: len(rows)].tolist()
    found = unpacked(sides_pack(asked, private=False)[0])
    there = set(asked.numbers(sides_pack(asked, private=False)[1]).tolist())
    assert {at for at, code in enumerate(found.column("harmful")) if code} == there
    assert {at for at, value in enumerate(found.numbers("score0")) if not np.isnan(value)} == there


def test_of_too_many_characters_some_are_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_packs, "_MAX_CHARACTERS", 1000)
    monkeypatch.setattr(text_packs, "TEXTS_TRIED", 4)
    asked = asked_of(run)
    order = asked.order[
        np.argsort([len(asked.margins.text("item", row)) for row in asked.order.tolist()], kind="stable")
    ]
    few = Asked(asked.run, asked.render, asked.margins, asked.kept, order, STEPS)
    _, rows = sides_pack(few, private=False)
    assert rows.tolist() == order[:4].tolist()


def test_a_private_run_has_scores_alone(tmp_path: Path) -> None:
    asked = asked_of(make_run(tmp_path / "run", private=True))
    text, rows = sides_pack(asked, private=True)
    assert not len(rows)
    found = unpacked(text)
    assert found.head["texts"] == []
    assert not np.isnan(found.numbers("score1")).any()


def test_texts_are_not_packed_where_the_run_is_called_private(run: Path) -> None:
    text, rows = sides_pack(asked_of(run), private=True)
    assert not len(rows)
    assert unpacked(text).head["texts"] == []


def test_long_texts_are_cut(tmp_path: Path) -> None:
    sides = (Candidate(HARMFUL, "bad " * 3000), Candidate(AFFIRMING, "x" * 9000))
    long = Item(id="long", candidates=sides, identity=HARMED, cluster="long")
    run = make_run(tmp_path / "run", probes=[Probe("long", (long,), Card("Long", "long.csv", "0" * 64))])
    asked = asked_of(run)
    assert max(map(len, unpacked(sides_pack(asked, private=False)[0]).head["texts"])) == MAX_TEXT
    assert max(map(len, unpacked(tokens_pack(asked)[0]).head["texts"])) == 60
