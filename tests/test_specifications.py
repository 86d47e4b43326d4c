"""One choice changed at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from fake_scores import pair, probe_of, scored

from auditor.core.contrasts import match_items
from auditor.core.items import Item
from auditor.core.scores import CheckpointScores
from auditor.core.specifications import Specification, specifications_of
from auditor.core.tables import line_up


def _specifications(items: Sequence[Item], *, complete: bool = False) -> tuple[Specification, ...]:
    done = {("probe", "plain", one.id): replace(scored(one, [[-1.0], [-2.0]]), complete=complete) for one in items}
    table = line_up(probe_of(*items), "plain", [CheckpointScores("base", done)])
    return specifications_of(table, match_items(table))


def _choices(specifications: Sequence[Specification], dimension: str) -> dict[str, list[int]]:
    """Rows that each choice of a dimension leaves out."""
    return {one.choice: np.flatnonzero(~one.kept).tolist() for one in specifications if one.dimension == dimension}


def test_every_way_of_scoring_and_nothing_else_by_default() -> None:
    found = _specifications([pair("a"), pair("b")])
    assert [(one.dimension, one.scoring, one.design) for one in found] == [
        ("scoring", "per_token", None),
        ("scoring", "per_byte", None),
        ("scoring", "shared_tokens", "identity_swap"),
    ]


def test_the_end_of_turn_is_left_out_where_it_was_scored() -> None:
    found = [one for one in _specifications([pair("a")], complete=True) if one.dimension == "end"]
    assert [one.scoring for one in found] == ["without_end"]


def test_paraphrases_are_numbered_within_their_cluster() -> None:
    # Their labels need not be the same in both clusters; a row without one always stays.
    items = [
        pair("a", cluster="c1", paraphrase="p"),
        pair("b", cluster="c1", paraphrase="q"),
        pair("c", cluster="c2", paraphrase="2"),
        pair("d", cluster="c2", paraphrase="1"),
        pair("e", cluster="c3"),
    ]
    assert _choices(_specifications(items), "paraphrase") == {"without no. 1": [0, 3], "without no. 2": [1, 2]}


def test_surface_forms_are_numbered_within_their_identity_in_the_order_of_the_probe() -> None:
    items = [
        pair("a", identity="x", surface="trans people"),
        pair("b", identity="x", surface="people who are trans"),
        pair("c", identity="y", surface="cis people"),
        pair("d", identity="y", surface="a cis person"),
    ]
    assert _choices(_specifications(items), "surface") == {"without no. 1": [0, 2], "without no. 2": [1, 3]}


def test_frames_are_numbered_over_the_probe() -> None:
    items = [pair("a", frame="f"), pair("b", frame="g"), pair("c", frame="f")]
    assert _choices(_specifications(items), "frame") == {"without no. 1": [0, 2], "without no. 2": [1]}


def test_one_wording_is_nothing_to_choose_from() -> None:
    items = [pair(who, cluster=who, paraphrase="p", surface="s", frame="f") for who in "ab"]
    assert {one.dimension for one in _specifications(items)} == {"scoring"}


def test_a_reference_identity_is_left_out_where_another_one_stays() -> None:
    items = [
        pair("m", match="k"),
        pair("r", match="k", identity="he", role="reference"),
        pair("s", match="k", identity="she", role="reference"),
        pair("n", match="l"),
        pair("t", match="l", identity="only", role="reference"),
    ]
    found = {one.choice: one for one in _specifications(items) if one.dimension == "reference"}
    assert list(found) == ["without he", "without she"]
    assert np.flatnonzero(found["without he"].matching.is_reference).tolist() == [2, 4]
    assert found["without he"].left_out.tolist() == [1]
    assert found["without he"].kept.all()


def test_of_very_many_numbers_a_hundredth_is_left_out_at_a_time() -> None:
    items = [pair(str(at), frame=f"frame {at}" if at else "") for at in range(252)]
    choices = _choices(_specifications(items), "frame")
    assert list(choices) == [f"without part {number + 1}" for number in range(100)]
    # Every row that names a frame is left out once, the one that names none never.
    left_out = [at for gone in choices.values() for at in gone]
    assert sorted(left_out) == list(range(1, 252))
    assert {len(gone) for gone in choices.values()} == {2, 3}
