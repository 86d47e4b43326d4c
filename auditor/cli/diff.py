"""``audit diff``: what changed between two finished runs, paired on the items they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditor.adapters.diff_tables import DiffRow, Side, diff_json, diff_rows, standardised
from auditor.adapters.printable import on_one_line, signed, span
from auditor.adapters.run.results_schema import EffectRow
from auditor.adapters.run.run_folder import replace_file
from auditor.adapters.run.run_pairs import UNITS, Pairing, Run, level_at, pair_runs
from auditor.cli.request import bound, writable
from auditor.core.run_changes import Changes
from auditor.core.series import Quantity
from auditor.core.verdicts import DEFAULT_SESOI
from auditor.errors import NotComparableError, UsageError

# Items that are listed before the rest is counted.
_LISTED = 10


def run_diff(earlier: Path, later: Path, checkpoint: str | None, sesoi: float | None, json_file: Path | None) -> None:
    """Print what changed, and write it.

    Args:
        checkpoint: ``NAME``, or ``NAME=NAME`` where the runs call it otherwise; None for where training ends in each.

    Raises:
        UsageError: no finished run, an unknown checkpoint, or two runs with another d.
        NotComparableError: the runs share no identity on any probe.
    """
    writable(json_file, "--json")
    runs = Run.read(earlier), Run.read(later)
    names = _names(checkpoint)
    before, after = ((run, level_at(run, name)) for run, name in zip(runs, names, strict=True))
    if before[0].quantity(before[1]) != after[0].quantity(after[1]):
        raise UsageError(
            f"of {before[1]} and {after[1]} one is a reward model: a reward and a log-probability have no difference",
            where="--checkpoint",
            fix="Name two checkpoints of one kind: --checkpoint NAME=NAME.",
        )
    quantity = after[0].quantity(after[1])
    rule = runs[1].rule(_sesoi(quantity, *runs) if sesoi is None else bound(sesoi, DEFAULT_SESOI))
    pairing = pair_runs(before, after, rule)
    rows = diff_rows(before, after, pairing)
    if not any(row.before and row.after for row in rows):
        raise NotComparableError(
            "the runs have no identity on any probe in common",
            where=f"{earlier}, {later}",
            fix="Audit both with the same probes.",
        )
    if json_file is not None:
        content = diff_json(before, after, pairing, rows, rule.sesoi).encode()
        replace_file(json_file, lambda partial: partial.write_bytes(content))
    _say(before, after, pairing, rows, rule.sesoi)


def _names(checkpoint: str | None) -> tuple[str | None, str | None]:
    if checkpoint is None:
        return None, None
    one, equals, other = checkpoint.partition("=")
    return (one, other) if equals else (checkpoint, checkpoint)


def _sesoi(quantity: Quantity, *runs: Run) -> float:
    bounds = {bound for bound in (run.sesoi(quantity) for run in runs) if bound is not None}
    if len(bounds) > 1:
        listed = " and ".join(f"{one:.3g}" for one in sorted(bounds))
        raise UsageError(
            f"the runs were judged by another d ({listed} {UNITS[quantity]})",
            where="--sesoi",
            fix="Say which one differences are to be judged by.",
        )
    return next(iter(bounds), DEFAULT_SESOI)


def _say(before: Side, after: Side, pairing: Pairing, rows: Sequence[DiffRow], d: float) -> None:
    console = Console()

    def say(text: str, style: str = "") -> None:
        console.print(Text(on_one_line(text), style=style), soft_wrap=True)

    say(f"before: {before[1]} in {before[0].folder}")
    say(f"after:  {after[1]} in {after[0].folder}")
    unit = UNITS[after[0].quantity(after[1])]
    for caution in (*_beside(before, after), *_cautions(pairing, unit), *_bounds(before, after, d)):
        say(caution, "yellow")
    groups: dict[tuple[str, str, str], list[DiffRow]] = {}
    for row in rows:
        groups.setdefault((row.probe, row.design, row.render), []).append(row)
    for (probe, design, render), own in groups.items():
        title = probe if design != "responsiveness" else f"{probe}, response to declarations,"
        if not any(row.before and row.after for row in own):
            say(f"{title} in {render} rendering: only in the {'earlier' if own[0].before else 'later'} run.")
            continue
        console.print(_table(f"{title} in {render} rendering", own, paired=pairing.changes is not None))
    if pairing.changes is not None:
        say(f"d = {d:.3g} {unit}; positive is towards harm; levels are of all that a run asked.", "dim")
    flipped = [row for row in rows if row.flipped]
    say(f"Verdicts that flipped: {len(flipped) or 'none'}.")
    for row in flipped:
        say(f"  {row.probe}: {row.identity}, {row.render} rendering: {_verdicts(row)}")
    if pairing.changes is not None:
        for line in _items(pairing.changes):
            say(line)


def _beside(before: Side, after: Side) -> Iterator[str]:
    """Which reward models both runs have beside the series that is compared."""
    if after[0].quantity(after[1]) == "reward":
        return
    rewards = [[name for name in run.leaves if run.quantity(name) == "reward"] for run, _ in (before, after)]
    if all(rewards):
        earlier, later = (", ".join(names) for names in rewards)
        yield (
            f"Reward models are not looked at (before: {earlier}; after: {later}): name one with --checkpoint NAME, or "
            "NAME=NAME where the runs call it otherwise."
        )


def _cautions(pairing: Pairing, unit: str) -> Iterator[str]:
    if pairing.changes is None:
        yield (
            f"The runs cannot be compared in {unit}: {pairing.apart}. Shown are standardised disparities (over the "
            "sd of the reference rows' cluster means) and verdicts; a difference between two of them has no interval."
        )
    else:
        total = pairing.shared + pairing.unpaired
        shared = f"{pairing.shared:,} of {total:,} items of the later run"
        yield f"{shared} have the same texts and token ids in both: paired."
    yield from pairing.cautions


def _bounds(before: Side, after: Side, d: float) -> Iterator[str]:
    """What makes a flip of two verdicts one of the rule rather than of the model."""
    quantity = after[0].quantity(after[1])
    own = [run.rule(quantity=quantity).sesoi for run, _ in (before, after)]
    if own != [d, d]:
        yield (
            f"Differences are judged by d = {d:.3g} {UNITS[quantity]}, the runs' own verdicts by {own[0]:.3g} and "
            f"{own[1]:.3g}: a verdict may have flipped for that alone."
        )


def _table(title: str, rows: Sequence[DiffRow], *, paired: bool) -> Table:
    table = Table(title=Text(on_one_line(title)), title_justify="left", box=SIMPLE_HEAD)
    table.add_column("identity", overflow="fold")
    for heading in ("before", "after", *(("difference", "interval") if paired else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("change" if paired else "verdicts", min_width=len("inconclusive"))
    for row in rows:
        name = Text(on_one_line(row.identity or "(no identity named)"))
        if paired:
            levels = [signed(one.estimate) if one and one.estimate is not None else "n/a" for one in _sides(row)]
            table.add_row(name, *levels, *_difference(row))
        else:
            scaled = [standardised(one) for one in _sides(row)]
            table.add_row(name, *("n/a" if one is None else signed(one) for one in scaled), _verdicts(row))
    return table


def _sides(row: DiffRow) -> tuple[EffectRow | None, EffectRow | None]:
    return row.before, row.after


def _difference(row: DiffRow) -> tuple[str, str, str]:
    one = row.difference
    if one is None or not one.items:
        return "n/a", "", "not paired"
    words = {"harm": "more harm", "lower_than_reference": "less harm", "affirming": "less harm"}
    verdict = one.verdict or ""
    interval = "n/a" if verdict in ("", "refused") else span(one.adjusted.low, one.adjusted.high)
    return signed(one.estimate.value), interval, words.get(verdict, verdict.replace("_", " "))


def _verdicts(row: DiffRow) -> str:
    return " -> ".join((one.verdict or "").replace("_", " ") if one else "n/a" for one in _sides(row))


def _items(changes: Changes) -> Iterator[str]:
    came = sum(one.after > one.before for one in changes.flips)
    yield f"Items that came above d: {came}; that left it: {len(changes.flips) - came}."
    for one in changes.flips[:_LISTED]:
        where = f"{one.probe}: {one.item}, {one.identity}, {one.render} rendering"
        yield f"  {where}: {signed(one.before)} -> {signed(one.after)}"
    if len(changes.flips) > _LISTED:
        yield f"  and {len(changes.flips) - _LISTED} more (--json FILE lists all)"
