"""``attributions.parquet``: a row for every part of every attributed item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.run.run_folder import ATTRIBUTIONS_FILE, replace_file
from auditor.core.attributions import Attribution, AttributionMethod, Unit
from auditor.core.scores import Render
from auditor.errors import UsageError, one_line

_TEXTS = "probe item render checkpoint reference method level candidate name role replacement"
_KINDS: dict[str, pa.DataType] = {
    **dict.fromkeys(_TEXTS.split(), pa.string()),
    **dict.fromkeys(("unit", "start", "end"), pa.int64()),
    **dict.fromkeys(("value", "total", "completeness_error", "noise"), pa.float64()),
    "sampled": pa.bool_(),
}
ATTRIBUTIONS = pa.schema([pa.field(name, kind) for name, kind in _KINDS.items()])
# Attributions a part: of a dozen words or two hundred tensors each.
_AT_ONCE = 1_000


def read_attributions(run: Path, chosen: pc.Expression | None = None) -> pa.Table | None:
    """The table of a run folder, None where there is none.

    Args:
        chosen: which rows are wanted; None for all.

    Raises:
        UsageError: the file is damaged or lacks a column.
    """
    path = run / ATTRIBUTIONS_FILE
    if not path.is_file():
        return None
    try:
        return pq.read_table(path, schema=ATTRIBUTIONS, filters=chosen)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UsageError(
            f"{ATTRIBUTIONS_FILE} cannot be read: {one_line(error)}",
            where=str(run),
            fix="Remove the file and run audit attribute again.",
        ) from error


def find_attributions(run: Path, probe: str, item: str, render: Render, checkpoint: str) -> tuple[Attribution, ...]:
    """What a run folder holds of one item, in the order of the table; nothing where it was not attributed.

    Raises:
        UsageError: the file is damaged or lacks a column.
    """
    chosen = (pc.field("probe") == probe) & (pc.field("item") == item)
    chosen &= (pc.field("render") == render) & (pc.field("checkpoint") == checkpoint)
    table = read_attributions(run, chosen)
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in [] if table is None else table.to_pylist():
        groups.setdefault((row["reference"], row["method"], row["level"]), []).append(row)
    return tuple(_attribution(own) for own in groups.values())


def _attribution(rows: Sequence[Mapping[str, Any]]) -> Attribution:
    first = rows[0]
    units = tuple(
        Unit(
            row["unit"],
            row["name"] or "",
            row["candidate"],
            -1 if row["start"] is None else row["start"],
            -1 if row["end"] is None else row["end"],
            row["role"],
            row["replacement"],
        )
        for row in rows
    )
    values = np.array([row["value"] for row in rows], dtype=np.float64)
    noise = None if first["noise"] is None else np.array([row["noise"] for row in rows], dtype=np.float64)
    names = ("probe", "item", "render", "checkpoint", "reference", "method", "level", "total", "sampled")
    about: dict[str, Any] = {name: first[name] for name in names}
    return Attribution(**about, units=units, values=values, noise=noise)


def rows_without(table: pa.Table, methods: Sequence[AttributionMethod]) -> pa.Table:
    """The rows of other methods."""
    return table.filter(pc.invert(pc.is_in(table["method"], pa.array(list(methods), pa.string()))))


def write_attributions(
    run: Path, attributions: Iterable[Attribution], *, private: bool, kept: pa.Table | None = None
) -> Path:
    """Write the table of a run folder.

    Args:
        kept: rows of an earlier table that stay.
        private: leave out what is text of the probe; names of tensors and layers stay.

    Raises:
        StorageError: the disk is full or the file cannot be written.
    """
    path = run / ATTRIBUTIONS_FILE

    def write(partial: Path) -> None:
        with pq.ParquetWriter(partial, ATTRIBUTIONS, compression="zstd") as writer:
            # An empty part would make other bytes of the same table.
            if kept is not None and kept.num_rows:
                writer.write_table(kept)
            rest = iter(attributions)
            while some := list(islice(rest, _AT_ONCE)):
                rows = [row for one in some for row in _rows(one, private=private)]
                writer.write_table(pa.Table.from_pylist(rows, schema=ATTRIBUTIONS))

    replace_file(path, write)
    return path


def _rows(one: Attribution, *, private: bool) -> Iterable[dict[str, Any]]:
    same = {
        "probe": one.probe,
        "item": one.item,
        "render": one.render,
        "checkpoint": one.checkpoint,
        "reference": one.reference,
        "method": one.method,
        "level": one.level,
        "total": one.total,
        "completeness_error": one.completeness_error,
        "sampled": one.sampled,
    }
    for at, (unit, value) in enumerate(zip(one.units, one.values.tolist(), strict=True)):
        hidden = private and unit.role is not None
        of_text = unit.start >= 0 and not private
        yield {
            **same,
            "candidate": unit.candidate,
            "unit": unit.number,
            "name": None if hidden else unit.name,
            "role": unit.role,
            "replacement": None if hidden else unit.replacement,
            "start": unit.start if of_text else None,
            "end": unit.end if of_text else None,
            "value": value,
            "noise": None if one.noise is None else float(one.noise[at]),
        }
