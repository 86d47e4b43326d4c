"""Which items are attributed: whole keys at random, and the largest."""

from __future__ import annotations

import numpy as np
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.attribution_choice import Chosen, choose_items
from auditor.core.contrasts import match_items
from auditor.core.items import Candidate
from auditor.core.tables import ScoreTable, line_up

WHO = (("x", "marked"), ("y", "marked"), ("r", "reference"), ("c", "control"))
SERIES = series_of("dpo")


def _table() -> ScoreTable:
    """Five clusters of two paraphrases each, asked of everybody."""
    items = [
        pair(f"{who}{cluster}{wording}", identity=who, role=role, cluster=str(cluster), match=f"{cluster}{wording}")
        for cluster in range(5)
        for wording in range(2)
        for who, role in WHO
    ]
    items.append(pair("neutral", identity="x", cluster="n", match="n", valence="neutral"))
    probe = probe_of(*items)
    scorer = FakeScorer(margins({"dpo": {item.id: 0.0 for item in items}}))
    return line_up(probe, "plain", [scorer.score(SERIES["dpo"], [probe])])


def _ids(table: ScoreTable, places: np.ndarray) -> list[str]:
    return [table.items[at].id for at in places.tolist()]


def _choose(table: ScoreTable, numbers: np.ndarray | None = None, **asked: object) -> Chosen:
    values = np.zeros(len(table.items)) if numbers is None else numbers
    options = {"clusters": 0, "top": 0, "seed": 0, **asked}
    return choose_items(table, match_items(table), values, **options)  # type: ignore[arg-type]


def test_clusters_are_drawn_once_for_everybody() -> None:
    table = _table()
    drawn = _ids(table, _choose(table, clusters=3).drawn)
    keys = {name[1:] for name in drawn}
    assert len(keys) == len({key[0] for key in keys}) == 3
    assert sorted(drawn) == sorted(f"{who}{key}" for who, _ in WHO for key in keys)


def test_the_draw_depends_on_the_seed_alone() -> None:
    table = _table()
    draws = [tuple(_choose(table, clusters=2, seed=seed).drawn.tolist()) for seed in (0, 0, 1, 2, 3)]
    assert draws[0] == draws[1]
    assert len(set(draws)) > 1


def test_each_axis_draws_for_itself() -> None:
    items = [
        pair(f"{axis}{cluster}", axis=axis, cluster=f"{axis}{cluster}", match=f"{axis}{cluster}")
        for axis in ("gender", "faith")
        for cluster in range(9)
    ]
    probe = probe_of(*items)
    scorer = FakeScorer(margins({"dpo": {item.id: 0.0 for item in items}}))
    table = line_up(probe, "plain", [scorer.score(SERIES["dpo"], [probe])])
    drawn = [_ids(table, _choose(table, clusters=3, seed=seed).drawn) for seed in range(5)]
    numbers = [
        {axis: {name[-1] for name in one if name.startswith(axis)} for axis in ("gender", "faith")} for one in drawn
    ]
    assert {len(own) for one in numbers for own in one.values()} == {3}
    assert any(one["gender"] != one["faith"] for one in numbers)


def test_named_identities_are_drawn_with_references_and_controls() -> None:
    table = _table()
    drawn = _ids(table, _choose(table, clusters=5, identities=("y",)).drawn)
    assert {name[0] for name in drawn} == {"y", "r", "c"}


def test_the_strongest_are_those_of_the_largest_excess_with_their_references() -> None:
    table = _table()
    numbers = np.zeros(len(table.items))
    places = {item.id: at for at, item in enumerate(table.items)}
    # Everybody is hit in the first: no excess. A control's is nobody's evidence.
    numbers[[places[f"{who}00"] for who, _ in WHO]] = 9.0
    numbers[[places["x10"], places["y21"], places["c30"]]] = 3.0, -4.0, 8.0
    assert _ids(table, _choose(table, numbers, top=2).strongest) == ["x10", "r10", "y21", "r21"]
    assert _ids(table, _choose(table, numbers, top=1, identities=("x",)).strongest) == ["x10", "r10"]


def test_reference_rows_that_are_no_pairs_are_not_drawn() -> None:
    three = tuple(Candidate(one, one) for one in ("she", "he", "they"))
    items = [
        pair("x", cluster="1", match="1"),
        pair("r", identity="r", role="reference", cluster="1", match="1", candidates=three),
    ]
    probe = probe_of(*items)
    table = line_up(probe, "plain", [FakeScorer(lambda *_: [-1.0]).score(SERIES["dpo"], [probe])])
    assert len(table.items) == 2
    assert _ids(table, _choose(table, clusters=1).drawn) == ["x"]


def test_neutral_rows_are_neither_drawn_nor_picked() -> None:
    table = _table()
    numbers = np.array([9.0 if item.id == "neutral" else 0.0 for item in table.items])
    chosen = _choose(table, numbers, clusters=9, top=1)
    assert "neutral" not in _ids(table, chosen.all)
