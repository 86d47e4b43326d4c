"""Equal numbers where token ids are equal, and only there."""

from __future__ import annotations

import numpy as np
from fake_scores import pair, scored

from auditor.core.column_codes import candidate_codes, same_tokens
from auditor.core.items import AFFIRMING, HARMFUL, Candidate
from auditor.core.score_columns import Column, Rows


def _rows(*ids: list[list[int]] | None, prefix: int = 1, labels: tuple[str, str] = (HARMFUL, AFFIRMING)) -> Rows:
    items = []
    for at, own in enumerate(one for one in ids if one is not None):
        item = pair(str(at), candidates=tuple(Candidate(label, label) for label in labels))
        one = scored(item, [[-1.0] * len(side) for side in own], own)
        for side in one.candidates:
            side.prefix_ids[:] = prefix
        items.append(one)
    there = np.array([one is not None for one in ids])
    return Rows(Column.of(items), np.where(there, np.cumsum(there) - 1, -1))


def test_candidates_with_equal_ids_have_equal_codes() -> None:
    codes = candidate_codes(_rows([[5, 6], [7]], [[5], [6, 7]], None, [[5, 6], [7]], [[5, 6], [8]]))
    assert codes[0] == codes[3]
    assert codes[2] == -1
    assert len(set(codes.tolist())) == 4


def test_labels_count() -> None:
    one = [candidate_codes(_rows([[5], [6]], labels=labels))[0] for labels in ((HARMFUL, AFFIRMING), ("a", "b"))]
    assert one == [0, 0], "codes are numbers within one column"
    both = Column.of([_rows([[5], [6]])[0], _rows([[5], [6]], labels=("a", "b"))[0]])
    assert len(set(candidate_codes(Rows(both, np.array([0, 1]))).tolist())) == 2


def test_whole_items_are_compared_between_columns() -> None:
    one = _rows([[5, 6], [7]], [[5], [6]], None, None, [[5], [6]])
    other = _rows([[5, 6], [7]], [[5], [7]], None, [[5], [6]], None)
    assert same_tokens(one, other).tolist() == [True, False, True, False, False]
    assert same_tokens(one, one).all()


def test_what_precedes_the_candidates_counts() -> None:
    assert not same_tokens(_rows([[5], [6]]), _rows([[5], [6]], prefix=2)).any()


def test_columns_that_are_cut_alike_differ_in_what_is_there_alone() -> None:
    rows = _rows([[5], [6]], [[5], [6]])
    assert same_tokens(rows, Rows(rows.column, np.array([0, -1]))).tolist() == [True, False]
