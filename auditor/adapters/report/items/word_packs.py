"""What other methods say of the words of a run's pairs, packed for the page: of as many as stay within a budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.adapters.report.items.column_packs import Interned, fitting, packed, quantised, steps_a_unit
from auditor.adapters.report.items.item_margins import SIDES
from auditor.adapters.report.items.text_packs import MAX_TOKEN, Asked, cut
from auditor.core.attributions import ATTRIBUTION_METHODS
from auditor.core.scores import IntArray
from auditor.core.words import WORD_ROLES

# Characters of the page; some hundred pairs with a dozen words by three methods.
WORDS_BUDGET = 120_000
_ABOUT = ("probe", "item", "checkpoint", "reference", "method", "total")
_PART = ("candidate", "name", "role", "replacement", "value")
_HEAD = ("row", "method", "checkpoint", "reference", "length")
_WORD = ("word", "side", "role", "instead")

# One attribution of one pair: its row, what it is of, and its words.
_One = tuple[int, Mapping[str, Any], list[Mapping[str, Any]]]


def words_pack(asked: Asked, table: pa.Table, leaves: Sequence[str]) -> tuple[str, IntArray]:
    """Attributions to words where training ends, of as many pairs as fit, and their rows; an empty text for none.

    Each says whose row it is, by which method, at which checkpoint and minus which (0 for none, else its number plus
    1), what it adds up to, and of each word its text, its side (0 for the context), its role and what stands in its
    place (0 for nothing, else a text that is empty where the word is left out).

    Args:
        table: of attributions.
        leaves: names of the checkpoints where training ends.
    """
    found = _by_row(asked, table, leaves)
    order = np.array([row for row in asked.order.tolist() if row in found], dtype=np.int64)
    if not len(order):
        return "", order

    def pack(count: int) -> str:
        return _packed(asked, [one for row in np.sort(order[:count]).tolist() for one in found[row]])

    text, count = fitting(pack, len(order), WORDS_BUDGET)
    return (text, order[:count]) if count else ("", order[:0])


def _by_row(asked: Asked, table: pa.Table, leaves: Sequence[str]) -> Mapping[int, list[_One]]:
    chosen = (pc.field("render") == asked.render) & (pc.field("level") == "word")
    rows = table.filter(chosen & pc.field("checkpoint").isin(list(leaves))).select([*_ABOUT, *_PART])
    kept = set(asked.kept.tolist())
    groups: dict[tuple[Any, ...], _One] = {}
    for place, one in zip(asked.margins.places(rows).tolist(), rows.to_pylist(), strict=True):
        if place in kept and one["method"] in ATTRIBUTION_METHODS and one["name"] is not None:
            key = (place, one["method"], one["checkpoint"], one["reference"])
            groups.setdefault(key, (place, one, []))[2].append(one)
    found: dict[int, list[_One]] = {}
    for whole in groups.values():
        found.setdefault(whole[0], []).append(whole)
    return found


def _packed(asked: Asked, attributions: Sequence[_One]) -> str:
    interned = Interned()
    names = list(asked.margins.checkpoints)
    heads, words, totals, values = [], [], [], []
    for row, one, parts in attributions:
        reference = names.index(one["reference"]) + 1 if one["reference"] in names else 0
        number = int(asked.numbers(np.array([row]))[0])
        method = ATTRIBUTION_METHODS.index(one["method"])
        heads.append((number, method, names.index(one["checkpoint"]), reference, len(parts)))
        totals.append(one["total"])
        words += list(_words(parts, interned))
        values += [part["value"] for part in parts]
    numbers, wholes = np.array(values, dtype=np.float64), np.array(totals, dtype=np.float64)
    steps = steps_a_unit([numbers, wholes])
    columns = dict(zip(_HEAD, np.array(heads, dtype=np.int64).reshape(-1, len(_HEAD)).T, strict=True))
    columns |= dict(zip(_WORD, np.array(words, dtype=np.int64).reshape(-1, len(_WORD)).T, strict=True))
    columns |= {"value": quantised(numbers, steps), "total": quantised(wholes, steps)}
    head = {"texts": interned.texts, "methods": ATTRIBUTION_METHODS, "roles": WORD_ROLES, "steps": steps}
    return packed(head, columns)


def _words(parts: Sequence[Mapping[str, Any]], interned: Interned) -> Iterator[tuple[int, ...]]:
    for one in parts:
        side = SIDES.index(one["candidate"]) + 1 if one["candidate"] in SIDES else 0
        role = WORD_ROLES.index(one["role"]) + 1 if one["role"] in WORD_ROLES else 0
        instead = None if one["replacement"] is None else cut(one["replacement"], MAX_TOKEN)
        yield interned.code(cut(one["name"], MAX_TOKEN)), side, role, interned.code(instead)
