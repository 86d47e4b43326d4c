"""The pairs that contribute most where training ends: the token that carries most, the edit that leaves least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from auditor.adapters.report.anchors import anchor_of
from auditor.adapters.report.items.item_margins import SIDES, ItemMargins
from auditor.adapters.report.items.item_texts import ItemTexts
from auditor.adapters.report.items.matched_margins import match_keys, reference_margins
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.run_folder import ITEMS_FILE
from auditor.core.attributions import BASELINE_UNIT
from auditor.core.scores import IntArray

PER_PROBE, IN_ALL = 10, 12
_MAX_CHARACTERS = 1_000_000
_COLUMNS = ["probe", "item", "method", "level", "candidate", "name", "role", "replacement", "start", "end", "value"]
_Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TokenPart:
    """The token that carries most of a pair's excess, or of its number where it has none.

    Attributes:
        text: None in a private run.
        value: its part, in excess of the same token's in the reference rows likewise.
    """

    text: str | None
    side: str
    role: str
    value: float


@dataclass(frozen=True, slots=True)
class Edit:
    """What one change of a word would make of a pair's number.

    Attributes:
        word: what is changed, None in a private run; ``role``: the part it plays.
        replacement: what stands in its place, "" where it is left out.
        before: the number; ``after``: the same with the edit.
    """

    word: str | None
    role: str
    replacement: str | None
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Contributor:
    """One pair.

    Attributes:
        path: of the leaf it was chosen at.
        number: its shift in the last stage, or its margin where that has no reference.
        excess: the same minus that of its reference rows, None without any.
        token: None where no tokens were kept; ``edit``: None where no word was changed, or no change takes any away.
    """

    probe: str
    item: str
    identity: str
    theme: str
    design: str
    path: tuple[str, ...]
    number: float
    excess: float | None
    token: TokenPart | None = None
    edit: Edit | None = None

    @property
    def shared(self) -> float:
        """What of the number is not excess; 0 without reference rows."""
        return 0.0 if self.excess is None else self.number - self.excess

    @property
    def anchor(self) -> str:
        """What its permanent address on the page ends with."""
        return anchor_of(self.probe, self.item)


def contributors_of(
    run: Path, table: pa.Table, margins: ItemMargins, *, render: str, branches: Sequence[Branch]
) -> tuple[Contributor, ...]:
    """Attributed marked pairs with the largest absolute excess, or number where there is none, of each probe and leaf.

    At most one for each identity and cluster, ten a probe and leaf, twelve in all where that gives each of them one.

    Args:
        table: of attributions.

    Raises:
        UsageError: the table of items cannot be read.
    """
    references, keys = reference_margins(run / ITEMS_FILE, render, margins), match_keys(margins)
    share = max(1, min(PER_PROBE, IN_ALL // max(1, margins.probes * len(branches))))
    found: list[Contributor] = []
    for branch in branches:
        own = _at_leaf(table, render, branch)
        at = [margins.checkpoints.index(name) for name in branch.path[-2:]]
        numbers, shared = (_stage(values, at) for values in (margins.margins, references))
        excess = numbers - shared
        rows = _largest(margins, own, np.abs(np.where(np.isfinite(excess), excess, numbers)), share)
        beside = margins.references[np.isin(keys[margins.references], keys[rows])]
        parts = _parts(own, margins, np.union1d(rows, beside))
        texts = ItemTexts(run / ITEMS_FILE, render, margins, rows, _MAX_CHARACTERS)
        for place, row in enumerate(rows.tolist()):
            known = bool(np.isfinite(excess[row]))
            like = [parts[one] for one in beside[keys[beside] == keys[row]].tolist() if one in parts] if known else []
            sides = [texts.side(place, side) for side in range(len(SIDES))]
            pair = _described(margins, row, branch, float(numbers[row]), float(excess[row]) if known else None)
            sign = _sign(pair.number if pair.excess is None else pair.excess)
            found.append(replace(pair, token=_token(parts[row], like, sides, sign), edit=_edit(parts[row], pair)))
    return tuple(found)


def _described(margins: ItemMargins, row: int, branch: Branch, number: float, excess: float | None) -> Contributor:
    probe, item, identity, theme, design = (
        margins.text(name, row) for name in ("probe", "item", "identity", "theme", "design")
    )
    return Contributor(probe, item, identity, theme, design, branch.path, number, excess)


def _stage(values: Any, at: Sequence[int]) -> Any:
    """What the last stage moved, or the level where there is no stage."""
    return values[:, at[-1]] - values[:, at[0]] if len(at) > 1 else values[:, at[0]]


def _at_leaf(table: pa.Table, render: str, branch: Branch) -> pa.Table:
    """Rows about tokens and words of the last stage's shift, or of the level where there is no stage."""
    before = branch.path[-2] if len(branch.path) > 1 else None
    chosen = (pc.field("render") == render) & (pc.field("checkpoint") == branch.leaf)
    chosen &= pc.field("reference").is_null() if before is None else pc.field("reference") == before
    return table.filter(chosen & pc.field("level").isin(["token", "word"])).select([*_COLUMNS, "unit", "total"])


def _largest(margins: ItemMargins, table: pa.Table, sizes: Any, share: int) -> IntArray:
    """Marked pairs among the attributed ones, by size in each probe, at most one an identity and cluster."""
    there = np.intersect1d(margins.places(table), margins.rows)
    there = there[np.isfinite(sizes[there])]
    taken: dict[tuple[int, ...], int] = {}
    for row in there[np.lexsort((there, -sizes[there]))].tolist():
        taken.setdefault(tuple(int(margins.codes[name][row]) for name in ("probe", "identity", "cluster")), row)
    chosen: list[int] = []
    for probe in dict.fromkeys(margins.codes["probe"][there].tolist()):
        chosen += [row for (own, *_), row in taken.items() if own == probe][:share]
    return np.array(chosen, dtype=np.int64)


def _parts(table: pa.Table, margins: ItemMargins, rows: IntArray) -> Mapping[int, list[dict[str, Any]]]:
    places = margins.places(table)
    chosen = np.isin(places, rows)
    found: dict[int, list[dict[str, Any]]] = {}
    for row, one in zip(places[chosen].tolist(), table.filter(pa.array(chosen)).to_pylist(), strict=True):
        found.setdefault(row, []).append(one)
    return found


def _token(parts: _Rows, like: Sequence[_Rows], sides: Sequence[str | None], sign: float) -> TokenPart | None:
    """The token with the largest part of that sign.

    Args:
        like: the same of the reference rows, whose candidates have the same tokens.
    """
    tokens = _tokens(parts)
    if not tokens:
        return None
    beside = [{place: one["value"] for place, one in _tokens(rows).items()} for rows in like]
    values = {
        place: one["value"] - (sum(other.get(place, 0.0) for other in beside) / len(beside) if beside else 0.0)
        for place, one in tokens.items()
    }
    place = max(values, key=lambda at: values[at] * sign)
    one, text = tokens[place], sides[SIDES.index(place[0])] if place[0] in SIDES else None
    piece = text[one["start"] : one["end"]].strip() if text and one["start"] is not None else ""
    return TokenPart(piece or one["name"], place[0], str(one["role"] or ""), values[place])


def _tokens(parts: _Rows) -> Mapping[tuple[str, int], Mapping[str, Any]]:
    """Output tokens by side and place."""
    return {
        (str(one["candidate"] or ""), one["unit"]): one
        for one in parts
        if (one["method"], one["level"]) == ("tokens", "token")
    }


def _edit(parts: _Rows, pair: Contributor) -> Edit | None:
    """The edit that leaves least beyond what the reference rows share; None where none takes any away.

    With another identity in its place a row is its reference row, and nothing is left of an excess by definition: of
    an excess the identity is not among the edits.
    """
    edits = (one for one in _edits(parts) if pair.excess is None or one.role != "identity")
    best = min(edits, key=lambda one: abs(one.after - pair.shared), default=None)
    return best if best is not None and abs(best.after - pair.shared) < abs(best.before - pair.shared) else None


def _edits(parts: _Rows) -> Iterator[Edit]:
    for one in parts:
        if (one["method"], one["level"]) == ("ablation", "word") and one["name"] != BASELINE_UNIT:
            total = one["total"]
            yield Edit(one["name"], str(one["role"] or ""), one["replacement"], total, total - one["value"])


def _sign(number: float) -> float:
    return 1.0 if number >= 0 else -1.0
