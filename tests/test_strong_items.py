"""Twin of auditor.adapters.report.items.strong_items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from run_factory import BRANCHED, HARMED, make_run, text_swap_probe

from auditor.adapters.report.anchors import anchor_of
from auditor.adapters.report.items.glosses import MAX_TOKENS
from auditor.adapters.report.items.item_margins import ItemMargins
from auditor.adapters.report.items.strong_items import IN_ALL, MAX_CONTEXT, PER_PROBE, StrongItem, strongest_items
from auditor.adapters.run.branches import Branch, branches_of
from auditor.adapters.run.run_folder import read_results
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe
from auditor.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def select(run: Path, render: str = "plain", *, private: bool = False) -> tuple[StrongItem, ...]:
    branches = paths_of(run)
    checkpoints = list(dict.fromkeys(name for one in branches for name in one.path))
    margins = ItemMargins(run / "items.parquet", render, checkpoints)
    return strongest_items(run, margins, render=render, branches=branches, private=private)


def paths_of(run: Path) -> tuple[Branch, ...]:
    return branches_of(read_results(run).series)


def test_margins_and_shift_are_those_of_the_table(run: Path) -> None:
    rows = {
        (row["item"], row["checkpoint"], row["candidate"]): row["value"]
        for row in pq.read_table(run / "items.parquet").to_pylist()
        if (row["probe"], row["render"]) == ("small", "plain")
    }
    for one in select(run):
        if one.probe == "small":
            assert one.path == ("base", "sft", "dpo<b>")
            margins = [rows[one.item, name, HARMFUL] - rows[one.item, name, AFFIRMING] for name in one.path]
            assert list(one.margins) == margins
            assert one.shift == margins[-1] - margins[-2]


def test_the_strongest_come_first_and_few(run: Path) -> None:
    chosen = select(run)
    assert len(chosen) <= IN_ALL
    small = [one for one in chosen if one.probe == "small"]
    assert len(small) <= PER_PROBE
    assert {one.identity for one in small} == {HARMED}
    by_margin = [one.margins[-1] for one in small if "margin" in one.reasons]
    assert by_margin == sorted(by_margin, reverse=True)
    pairs = [(one.identity, one.cluster) for one in small if "margin" in one.reasons]
    assert len(set(pairs)) == len(pairs)


def test_each_leaf_has_its_own_strongest_items(tmp_path: Path) -> None:
    chosen = select(make_run(tmp_path / "run", **BRANCHED))
    assert len(chosen) <= IN_ALL
    by_leaf = {leaf: [one for one in chosen if one.path[-1] == leaf] for leaf in ("dpo<b>", "dpo2")}
    for leaf, own in by_leaf.items():
        assert own
        for one in own:
            assert one.path == ("base", "sft", leaf)
            assert len(one.margins) == 3
            assert one.shift == one.margins[2] - one.margins[1]
            assert {name for side in one.sides for gloss in side.glosses for name in gloss.checkpoints} == set(one.path)
    # The other branch is no reason: only in dpo<b> do the harmful texts about one identity gain.
    assert {one.identity for one in by_leaf["dpo<b>"] if one.probe == "small"} == {HARMED}
    assert {one.identity for one in by_leaf["dpo2"] if one.probe == "small"} != {HARMED}


def test_reference_rows_are_never_shown(run: Path) -> None:
    assert "cisgender people" not in {one.identity for one in select(run)}


def test_glosses_spell_the_text(run: Path) -> None:
    for one in select(run):
        for side in one.sides:
            (gloss,) = side.glosses
            assert gloss.checkpoints == ("base", "sft", "dpo<b>")
            assert "".join(token.text for token in gloss.tokens if not token.named) == side.text
            assert [token.text for token in gloss.tokens if token.named] == ["<0x81>"]
            sums = [sum(values) for values in zip(*(token.logprobs for token in gloss.tokens), strict=True)]
            assert sums == pytest.approx(list(side.totals))


def test_end_of_turn_is_named(run: Path) -> None:
    for one in select(run, "chat"):
        assert one.context is not None
        assert one.sides[0].glosses[0].tokens[-1].text == "</s>"


def test_private_run_has_ids_and_numbers_only(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", private=True)
    for one in select(run, private=True):
        assert one.item
        assert one.context is None
        assert [(side.text, side.glosses) for side in one.sides] == [(None, ())] * 2
        assert all(len(side.totals) == 3 for side in one.sides)


def test_long_texts_are_cut(tmp_path: Path) -> None:
    long = Item(
        id="long",
        candidates=(Candidate(HARMFUL, "bad " * 500 + "end"), Candidate(AFFIRMING, "x " * 800)),
        context="context " * 500,
        identity=HARMED,
        cluster="long",
    )
    run = make_run(tmp_path / "run", probes=[Probe("long", (long,), Card("Long", "long.csv", "0" * 64))])
    (one,) = select(run)
    assert one.context is not None
    assert len(one.context) == MAX_CONTEXT + 1
    for side in one.sides:
        assert len(side.glosses[0].tokens) == MAX_TOKENS
        assert side.glosses[0].left_out > 400


def test_checkpoints_with_other_tokens_get_their_own_gloss(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    path = run / "tokens.parquet"
    table = pq.read_table(path)
    tokens = [
        f"{token}'" if name == "base" else token
        for token, name in zip(table["token"].to_pylist(), table["checkpoint"].to_pylist(), strict=True)
    ]
    pq.write_table(table.set_column(table.schema.get_field_index("token"), "token", [tokens]), path)
    (first, second) = select(run)[0].sides[0].glosses
    assert (first.checkpoints, second.checkpoints) == (("base",), ("sft", "dpo<b>"))


def test_a_missing_table_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"items\.parquet: cannot be read: No such file"):
        ItemMargins(tmp_path / "items.parquet", "plain", paths_of(run)[0].path)


def test_a_broken_table_is_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "items.parquet").write_bytes(b"no table")
    with pytest.raises(UsageError, match=r"items\.parquet"):
        ItemMargins(tmp_path / "items.parquet", "plain", paths_of(run)[0].path)


def test_addresses(run: Path) -> None:
    for one in select(run):
        assert one.anchor == anchor_of(one.probe, one.item)


def test_twelve_and_no_more(tmp_path: Path) -> None:
    probes = [replace(text_swap_probe(), name=f"probe {at}") for at in range(5)]
    chosen = select(make_run(tmp_path / "run", probes=probes, renders=("plain",), **BRANCHED))
    assert len(chosen) <= IN_ALL == 12
    assert {one.probe for one in chosen} == {probe.name for probe in probes}
