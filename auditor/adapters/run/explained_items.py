"""One pair of a finished run, with what it is made of: tokens, roles, reference rows, parts by other methods.

Everything is read from the run folder; the numbers are the kernel's own, made again of the scores that lie there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from auditor.adapters.report.anchors import anchor_of
from auditor.adapters.run.attribution_tables import find_attributions
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import ITEMS_FILE, is_private, read_manifest, read_results
from auditor.adapters.run.run_status import records
from auditor.adapters.run.stored_scores import items_with_tokens, read_items
from auditor.core.attributions import Attribution, Unit, by_role, minus
from auditor.core.contrasts import Matching, match_items
from auditor.core.items import Card, Item, Probe
from auditor.core.measured import Measured
from auditor.core.output_shares import role_shares, token_shares
from auditor.core.scores import CheckpointScores, FloatArray, Render
from auditor.core.tables import ScoreTable, line_up
from auditor.core.words import WORD_ROLES
from auditor.errors import UsageError, one_line

_ABOUT = ("probe", "item", "role", "valence", "axis", "theme", "cluster", "paraphrase", "frame", "match", "baseline")
# What rows share where none of them declares a key (`auditor.core.contrasts.match_key`).
# As `anchor_of` makes them.
_DIGITS = re.compile("[0-9a-f]{12}")
_SHARED = ("axis", "theme", "cluster", "paraphrase", "frame")


@dataclass(frozen=True, slots=True)
class RolePart:
    """What the tokens of one role carry, nats; None where there is no such number.

    Attributes:
        excess: beside the reference rows; ``excess_shift``: the change of that since the reference checkpoint.
    """

    role: str
    margin: float
    shift: float | None
    excess: float | None
    excess_shift: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedItem:
    """One pair in one rendering, seen from one checkpoint.

    Attributes:
        item: its texts are "" in a private run.
        context: as rendered, "" in a private run.
        reference: what the checkpoint was trained from, None for the first of a series.
        checkpoints: of the series; ``margins``: at each of them, nats.
        beside: mean margins of the reference rows at each; None where none may be compared, ``why``.
        reference_rows: their ids.
        level: its scored tokens at the checkpoint; ``shift``: since the reference.
        others: parts by other methods, as they were attributed before.
        private: whether the run kept no texts.
    """

    probe: str
    item: Item
    render: Render
    context: str
    checkpoint: str
    reference: str | None
    checkpoints: tuple[str, ...]
    margins: tuple[float, ...]
    beside: tuple[float, ...] | None
    why: str
    reference_rows: tuple[str, ...]
    level: Attribution
    shift: Attribution | None
    roles: tuple[RolePart, ...]
    others: tuple[Attribution, ...]
    private: bool


def explain_item(run: Path, name: str, checkpoint: str | None = None) -> tuple[ExplainedItem, ...]:
    """What one item of a finished run is made of, in every rendering it was scored in.

    Args:
        name: an item's id, ``PROBE:ITEM``, or the digits that name it on a page whose texts are folded.
        checkpoint: whose margin; None for where each path of training ends.

    Raises:
        UsageError: the run is not finished, does not hold the item, the checkpoint or the item's tokens; or the item
            is no pair.
    """
    results, manifest = read_results(run), read_manifest(run)
    series = {one.name: one.reference for one in results.series if one.quantity == "logprob"}
    _refuse_rewards(run, results, checkpoint)
    if checkpoint is not None and checkpoint not in series:
        raise UsageError(
            f"there is no checkpoint {checkpoint!r} in the run",
            where="--checkpoint",
            fix=f"Known: {', '.join(series)}.",
        )
    row = _find(run, name)
    probe, item = row["probe"], row["item"]
    private = is_private(manifest)
    references = {} if private else {one["item"]: one for one in _reference_rows(run, row)}
    why = "a private run keeps nothing to find comparable reference rows by" if private else ""
    if manifest.get("tokens", "all") != "all" and not set(references) <= items_with_tokens(run, probe, references):
        # A mean over those that happen to be in the sample would be another number.
        references, why = {}, "the run did not keep the tokens of all its reference rows"
    used = {item: row, **references}
    ids = {*used, *(one["baseline"] for one in used.values() if one["baseline"])}
    tables = _tables(run, list(series), probe, ids, _language(manifest, probe))
    wanted = (checkpoint,) if checkpoint is not None else _leaves(series)
    found = [
        _explained(run, table, item, name, series[name], why=why, private=private)
        for table in tables
        for name in wanted
        if any(one.id == item and one.pair is not None for one in table.items)
    ]
    if not found:
        raise UsageError(
            f"item {item!r} has no margin in this run: it is no pair, asks for names, is there to be subtracted from "
            "others, or was refused at some checkpoint",
            where=str(run),
            fix="Give an item of which the report shows a margin.",
        )
    return tuple(found)


def _refuse_rewards(run: Path, results: Results, checkpoint: str | None) -> None:
    """A reward is one number for a whole text: there are no tokens that it could be made of."""
    rewards = [one.name for one in results.series if one.quantity == "reward"]
    if checkpoint in rewards or len(rewards) == len(results.series):
        raise UsageError(
            f"{checkpoint or ', '.join(rewards)} gives a text one reward, and no number to any of its tokens",
            where="--checkpoint" if checkpoint else str(run),
            fix="Its rewards stand in items.parquet; explain a pair at a checkpoint that gives log-probabilities.",
        )


def _leaves(series: Mapping[str, str | None]) -> tuple[str, ...]:
    parents = set(series.values())
    return tuple(name for name in series if name not in parents) or tuple(series)[-1:]


def _find(run: Path, name: str) -> dict[str, Any]:
    """A row of the item that a name means.

    Raises:
        UsageError: none is called so, or several are.
    """
    colons = [at for at, sign in enumerate(name) if sign == ":"]
    rows = _read(run, pc.field("item").isin([name, *(name[at + 1 :] for at in colons)]))
    places = {(row["probe"], row["item"]): row for row in rows}
    found = [place for place in places if place[1] == name] or [place for place in places if ":".join(place) == name]
    if not found and _DIGITS.fullmatch(name):
        found = [place for place in _places(run) if anchor_of(*place) == name]
        places = {
            place: _read(run, (pc.field("probe") == place[0]) & (pc.field("item") == place[1]))[0] for place in found
        }
    if len(found) == 1:
        return places[found[0]]
    if found:
        raise UsageError(
            f"several probes have an item {name!r}",
            where="--explain",
            fix=f"Say which: {' or '.join(f'{probe}:{item}' for probe, item in found)}.",
        )
    raise UsageError(
        f"the run holds no item {name!r}",
        where="--explain",
        fix=f"Ids stand in the column 'item' of {run / ITEMS_FILE}, and beside each pair in the report.",
    )


def _places(run: Path) -> list[tuple[str, str]]:
    """Probe and id of every item."""
    rows = pq.read_table(run / ITEMS_FILE, columns=["probe", "item"]).group_by(["probe", "item"]).aggregate([])
    return [(row["probe"], row["item"]) for row in rows.to_pylist()]


def _reference_rows(run: Path, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The reference rows that share a row's match key."""
    names = ("valence", "match") if row["match"] else ("valence", *_SHARED, "match")
    chosen = (pc.field("probe") == row["probe"]) & (pc.field("role") == "reference")
    for name in names:
        chosen &= pc.field(name) == row[name]
    return _read(run, chosen)


def _read(run: Path, chosen: pc.Expression) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = pq.read_table(run / ITEMS_FILE, columns=list(_ABOUT), filters=chosen).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UsageError(
            f"{ITEMS_FILE} cannot be read: {one_line(error)}",
            where=str(run),
            fix="Run the same audit again: it replaces the file.",
        ) from error
    return rows


def _language(manifest: Mapping[str, Any], probe: str) -> str:
    """The language of a probe's items, "" where it has none or several: the tables do not say it row by row."""
    known = next((one.get("languages") for one in records(manifest, "probes") if one.get("name") == probe), None)
    return str(known[0]) if isinstance(known, list) and len(known) == 1 else ""


def _tables(run: Path, names: Sequence[str], probe: str, ids: Collection[str], language: str) -> list[ScoreTable]:
    """The scores of a few items lined up over checkpoints, a table for each rendering."""
    scored = read_items(run, names, probe, ids)
    items = {key[2]: replace(of.item, language=language) for own in scored.values() for key, of in own.items()}
    scores = [
        CheckpointScores(name, {key: replace(of, item=items[key[2]]) for key, of in own.items()})
        for name, own in scored.items()
    ]
    renders = dict.fromkeys(key[1] for one in scores for key in one.scored)
    asked = Probe(probe, tuple(items.values()), Card("", "", ""))
    return [table for render in renders if (table := line_up(asked, render, scores)).items]


def _explained(
    run: Path, table: ScoreTable, item: str, checkpoint: str, reference: str | None, *, why: str, private: bool
) -> ExplainedItem:
    at = next(place for place, one in enumerate(table.items) if one.id == item)
    matching, margins = match_items(table), table.sides.margins()
    names = (checkpoint,) if reference is None else (checkpoint, reference)
    levels = [_hidden(token_shares(table, at, name)) if private else token_shares(table, at, name) for name in names]
    shift = minus(*levels) if len(levels) > 1 else None
    beside, why = _beside(table, matching, at, margins, why)
    others = find_attributions(run, table.probe.name, item, table.render, checkpoint)
    return ExplainedItem(
        table.probe.name,
        table.items[at],
        table.render,
        table.scored[checkpoint][at].context,
        checkpoint,
        reference,
        table.checkpoints,
        tuple(margins[at].tolist()),
        beside,
        why,
        () if beside is None else tuple(_references(table, matching, at)),
        levels[0],
        shift,
        () if private else tuple(_roles(table, matching, at, names)),
        # Tokens and their roles stand above, but where they are hidden only what was attributed knows the roles.
        tuple(one for one in others if one.method != "tokens" or (private and one.level == "role")),
        private,
    )


def _hidden(one: Attribution) -> Attribution:
    """Tokens of which only the position is known."""
    units = tuple(Unit(unit.number, "", unit.candidate) for unit in one.units)
    return replace(one, units=units)


def _beside(
    table: ScoreTable, matching: Matching, at: int, margins: FloatArray, why: str
) -> tuple[tuple[float, ...] | None, str]:
    """Mean margins of the reference rows at each checkpoint; or why there are none.

    Args:
        why: none were looked for; "" where they were.
    """
    item = table.items[at]
    if item.design == "identity_swap":
        return None, "the two sides differ in the identity: the margin itself is the disparity"
    if item.role == "reference":
        return None, "the row is itself a reference row"
    if why:
        return None, why
    if not matching.matched[at]:
        reasons = [one.detail for one in matching.refusals if one.identity == item.identity]
        return None, reasons[0] if reasons else "no reference row shares the match key"
    columns = [Measured(matching, column, np.isfinite(column)).reference[at] for column in margins.T]
    return tuple(map(float, columns)), ""


def _references(table: ScoreTable, matching: Matching, at: int) -> Iterator[str]:
    for place in np.flatnonzero(matching.is_reference & (matching.key == matching.key[at])).tolist():
        yield table.items[place].id


def _roles(table: ScoreTable, matching: Matching, at: int, names: Sequence[str]) -> Iterator[RolePart]:
    shares = role_shares(table, np.ones(len(table.items), dtype=bool))
    levels = [shares[:, table.checkpoints.index(name)] for name in names]
    present = by_role(token_shares(table, at, names[0]))
    for unit in present.units:
        own = [level[:, WORD_ROLES.index(unit.name)] for level in levels]
        measured = [Measured(matching, values, np.isfinite(values)) for values in own]
        excess = [float(one.raw[at] - one.reference[at]) for one in measured] if matching.matched[at] else []
        margin = [float(values[at]) for values in own]
        yield RolePart(unit.name, margin[0], _change(margin), excess[0] if excess else None, _change(excess))


def _change(of_both: Sequence[float]) -> float | None:
    return of_both[0] - of_both[1] if len(of_both) > 1 else None
