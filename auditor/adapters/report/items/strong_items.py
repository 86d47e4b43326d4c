"""The items that carry an audit's strongest evidence, with their tokens, from a run folder's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.report.anchors import anchor_of
from auditor.adapters.report.items.glosses import Gloss, Name, Place, TokenRow, glosses_of, token_rows
from auditor.adapters.report.items.item_margins import SIDES, ItemMargins, Largest, read_error
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.run_folder import ITEMS_FILE
from auditor.core.items import HARMFUL

PER_PROBE, IN_ALL = 10, 12
MAX_CONTEXT = 500


@dataclass(frozen=True, slots=True)
class Side:
    """One candidate of a pair; ``text`` is None in a private run."""

    label: str
    text: str | None
    totals: tuple[float, ...]
    glosses: tuple[Gloss, ...]


@dataclass(frozen=True, slots=True)
class StrongItem:
    """One item and why it is shown.

    Attributes:
        path: the checkpoints training passed through to the leaf it was chosen at, that leaf included.
        margins: harmful minus affirming in nats, at each checkpoint of the path.
        shift: of the leaf from the checkpoint it was trained from, None where that is none.
        reasons: ``margin``, ``shift`` or both.
    """

    probe: str
    item: str
    identity: str
    theme: str
    cluster: str
    design: str
    path: tuple[str, ...]
    margins: tuple[float, ...]
    shift: float | None
    reasons: tuple[str, ...]
    context: str | None = None
    sides: tuple[Side, ...] = ()

    @property
    def anchor(self) -> str:
        """What its permanent address on the page ends with."""
        return anchor_of(self.probe, self.item)


def strongest_items(
    run: Path, margins: ItemMargins, *, render: str, branches: Sequence[Branch], private: bool
) -> tuple[StrongItem, ...]:
    """The marked rows with the largest margin and the largest shift at each leaf.

    At most one for each identity and cluster, ten a probe and leaf, and twelve in all; as many for every probe at
    every leaf, where that gives each of them one.

    Raises:
        UsageError: a table cannot be read.
    """
    share = max(1, min(PER_PROBE, IN_ALL // max(1, margins.probes * len(branches))))
    chosen = [_described(margins, one, branch) for branch in branches for one in margins.largest(branch, share)]
    names = list(dict.fromkeys((one.probe, one.item) for one in chosen[:IN_ALL]))
    texts = _texts(run, render, names)
    tokens = {} if private else token_rows(run, render, names)
    return tuple(_with_texts(one, texts, tokens, private) for one in chosen[:IN_ALL])


def shortened(context: str) -> str:
    """The end of a long context: what stands right before the candidates."""
    return context if len(context) <= MAX_CONTEXT else "\u2026" + context[-MAX_CONTEXT:]


def _described(margins: ItemMargins, one: Largest, branch: Branch) -> StrongItem:
    probe, item, identity, theme, cluster, design = (
        margins.text(name, one.row) for name in ("probe", "item", "identity", "theme", "cluster", "design")
    )
    return StrongItem(probe, item, identity, theme, cluster, design, branch.path, one.margins, one.shift, one.reasons)


def _texts(run: Path, render: str, names: Sequence[Name]) -> dict[Place, dict[str, Any]]:
    """Rows of the chosen items by probe, item, checkpoint and candidate."""
    columns = ["probe", "item", "checkpoint", "candidate", "context", "text", "value"]
    about = (pc.field("render") == render) & pc.field("item").isin([item for _, item in names])
    path = run / ITEMS_FILE
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, columns=columns, filters=about).to_pylist() if names else []
    except (OSError, pa.ArrowException) as error:
        raise read_error(path, error) from error
    return {(row["probe"], row["item"], row["checkpoint"], row["candidate"]): row for row in rows}


def _with_texts(
    one: StrongItem,
    texts: Mapping[Place, Mapping[str, Any]],
    tokens: Mapping[Place, Sequence[TokenRow]],
    private: bool,
) -> StrongItem:
    def side(label: str) -> Side:
        rows = [texts[one.probe, one.item, name, label] for name in one.path]
        text = None if private else rows[-1]["text"]
        mine = {name: tokens.get((one.probe, one.item, name, label), ()) for name in one.path}
        glosses = () if text is None else tuple(glosses_of(text, mine))
        return Side(label, text, tuple(row["value"] for row in rows), glosses)

    context = None if private else texts[one.probe, one.item, one.path[-1], HARMFUL]["context"]
    context = None if context is None else shortened(context)
    return replace(one, context=context, sides=tuple(side(label) for label in SIDES))
