"""The pairs on the page: the strongest in full, all of them for its explorer, and those that contribute most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from auditor.adapters.report.items.contributors import Contributor, contributors_of
from auditor.adapters.report.items.explorer import Explorer, Told, explorer_of
from auditor.adapters.report.items.item_margins import ItemMargins
from auditor.adapters.report.items.strong_items import StrongItem, strongest_items
from auditor.adapters.run.attribution_tables import read_attributions
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.run_folder import ITEMS_FILE


@dataclass(frozen=True, slots=True)
class Evidence:
    """Marked pairs of the headline rendering; no explorer where there are none.

    Attributes:
        attributions: the table of the run's attributions, None where it has none; contributors are among its items.
    """

    items: tuple[StrongItem, ...]
    explorer: Explorer | None
    attributions: pa.Table | None
    contributors: tuple[Contributor, ...]


def read_evidence(run: Path, *, render: str, branches: Sequence[Branch], private: bool, told: Told) -> Evidence:
    """Read a run's tables once for both.

    Raises:
        UsageError: a table cannot be read.
    """
    checkpoints = list(dict.fromkeys(name for one in branches for name in one.path))
    margins = ItemMargins(run / ITEMS_FILE, render, checkpoints)
    table = read_attributions(run)
    return Evidence(
        strongest_items(run, margins, render=render, branches=branches, private=private),
        explorer_of(run, margins, render=render, branches=branches, private=private, told=told, attributions=table),
        table,
        () if table is None else contributors_of(run, table, margins, render=render, branches=branches),
    )
