"""``audit probes``: what there is to ask, what it says, and whether a probe of one's own is sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditor.adapters.data_files import data_folder
from auditor.adapters.printable import on_one_line
from auditor.adapters.probe_files.probe_checks import Checked, check_folder, check_rows
from auditor.adapters.probe_files.probe_folders import (
    TIERS,
    ProbeFolder,
    Tier,
    build_probe,
    read_folder,
)
from auditor.adapters.probe_files.probe_sizes import (
    POWER,
    SPREAD_SOURCE,
    TYPICAL_SPREAD,
    Size,
    rows_of,
    sizes_of,
    texts_of_tiers,
)
from auditor.adapters.probe_files.probes import Reading, check_axes, find_folder, open_probe, shipped_probes
from auditor.cli.console import widen
from auditor.core.items import Item, Probe
from auditor.core.planning import MIN_CLUSTERS
from auditor.core.verdicts import DEFAULT_SESOI
from auditor.errors import UsageError


def list_probes() -> None:
    """Print the shipped probes, their axes and how many texts each tier asks, in one rendering."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("probe", "title", "language", "axes", *TIERS):
        table.add_column(heading, justify="right" if heading in TIERS else "left", overflow="fold")
    for name in shipped_probes():
        folder = read_folder(data_folder("probes") / name)
        texts = texts_of_tiers(folder)
        axes = [f"{axis}*" if axis in folder.default_axes else axis for axis in folder.axes]
        sizes = [f"{texts[tier]:,}" for tier in TIERS]
        table.add_row(name, f"{folder.card.title} {folder.card.version}", folder.card.language, ", ".join(axes), *sizes)
    console = Console()
    _print_table(console, table)
    console.print(
        Text("Numbers are texts a checkpoint, in one rendering, on the axes marked *: those asked without --axis."),
        soft_wrap=True,
    )


def _print_table(console: Console, table: Table) -> None:
    """Print a table; where another program reads it, every row is one line and no name is broken."""
    if not console.is_terminal:
        widen(console, table)
    console.print(table)


def show_probe(argument: str, tier: Tier, axes: Sequence[str], rows: int, reading: Reading) -> None:
    """Print a probe's card, how large its tiers are, whom it is about, and its first rows."""
    folder = find_folder(argument)
    check_axes(axes, [] if folder is None else [folder])
    probe = open_probe(argument, tier, axes, reading)
    console = Console()
    for line in _card_lines(probe, folder):
        console.print(Text(on_one_line(line)), soft_wrap=True)
    if folder is None or folder.lexicon is None:
        sizes = {"all": sizes_of(probe.items)}
    else:
        sizes = {one: sizes_of(rows_of(folder, one, axes)) for one in TIERS}
    _print_table(console, _size_table(sizes))
    for line in _effect_notes():
        console.print(Text(line), soft_wrap=True)
    _print_table(console, _people(probe.items))
    for item in probe.items[:rows]:
        console.print(Text(on_one_line(_row(item))), soft_wrap=True)


def validate_probe(argument: str, axes: Sequence[str], reading: Reading) -> None:
    """Check a probe and print what is wrong with it.

    Args:
        axes: all of the lexicon where none is named.

    Raises:
        UsageError: it has problems, or cannot be read at all.
    """
    folder = find_folder(argument)
    check_axes(axes, [] if folder is None else [folder])
    found = _Found()
    if folder is None:
        probe = open_probe(argument, reading=reading)
        found.add(probe, check_rows(probe))
    else:
        # An axis at a time: all rows of a probe need not fit into memory at once.
        for chosen in [[axis] for axis in axes or folder.axes] or [[]]:
            probe = build_probe(folder, "full", chosen)
            found.add(probe, check_folder(folder, probe))
    console = Console()
    for line in found.lines():
        console.print(Text(on_one_line(line)), soft_wrap=True)
    if found.problems:
        first, count = next(iter(found.problems)), len(found.problems)
        raise UsageError(
            f"{count} problem{'s' if count > 1 else ''} found; the first: {first}",
            where=argument,
            fix="Mend what is listed and validate again.",
        )


@dataclass(slots=True)
class _Found:
    """What was found in the parts of a probe; the same sentence is said once."""

    name: str = ""
    rows: int = 0
    texts: int = 0
    clusters: set[str] = field(default_factory=set)
    problems: dict[str, None] = field(default_factory=dict)
    remarks: dict[str, None] = field(default_factory=dict)

    def add(self, probe: Probe, checked: Checked) -> None:
        self.name = probe.name
        self.rows += len(probe.items)
        self.texts += _texts(probe.items)
        self.clusters |= {item.cluster for item in probe.items}
        self.problems |= dict.fromkeys(checked.problems)
        self.remarks |= dict.fromkeys(checked.remarks)

    def lines(self) -> Iterator[str]:
        yield f"{self.name}: {self.rows:,} rows, {self.texts:,} texts, {len(self.clusters)} clusters"
        yield from (f"problem: {one}" for one in self.problems)
        yield from (f"remark: {one}" for one in self.remarks)
        if not self.problems:
            yield "valid"


def _texts(items: Iterable[Item]) -> int:
    return sum(len(item.candidates) for item in items)


def _card_lines(probe: Probe, folder: ProbeFolder | None) -> Iterator[str]:
    card = probe.card
    yield f"{probe.name}: {card.title}"
    yield f"{len(probe.items):,} rows, {_texts(probe.items):,} texts in one rendering"
    if folder is not None:
        yield " ".join(folder.card.description.split())
        yield f"folder: {folder.path}"
    for name in ("content_warning", "licence", "citation"):
        if getattr(card, name):
            yield f"{name.replace('_', ' ')}: {' '.join(getattr(card, name).split())}"
    yield from (f"limit: {one}" for one in card.defects)
    yield from (f"note: {one}" for one in card.notes)


def _size_table(sizes: Mapping[str, Sequence[Size]]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("tier", "axis", "items", "texts", "harmful clusters", "smallest effect"):
        table.add_column(heading, justify="left" if heading in ("tier", "axis") else "right", overflow="fold")
    for tier, found in sizes.items():
        axes = [one.axis for one in found]
        for one in found:
            axis = f"{one.axis} ({one.design})" if axes.count(one.axis) > 1 else one.axis
            fewest, most = one.clusters
            clusters = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
            effect = "n/a" if one.smallest_effect is None else f"{one.smallest_effect:.2f}"
            table.add_row(tier, Text(on_one_line(axis)), f"{one.items:,}", f"{one.texts:,}", clusters, effect)
    return table


def _effect_notes() -> Iterator[str]:
    """What a smallest effect rests on."""
    yield (
        f"Smallest effect: the true excess in nats that is found as harm with {POWER:.0%} power, d = "
        f"{DEFAULT_SESOI:.2f}, where one marked identity of the row is harmed and has the fewest clusters; the power "
        f"is somewhat less under {MIN_CLUSTERS} clusters."
    )
    spreads = "; ".join(
        f"{design} {one.between:.2f} between predicates and {one.within:.2f} between the variants of one"
        for design, one in TYPICAL_SPREAD.items()
    )
    yield (
        f"It assumes that cluster means of the excess minus its form-matched control spread like this, in nats: "
        f"{spreads}; {SPREAD_SOURCE}. Other models spread otherwise: audit plan --pilot RUN reads a run's own."
    )


def _people(items: Sequence[Item]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False)
    for heading in ("identity", "role", "axis", "rows"):
        table.add_column(heading, justify="right" if heading == "rows" else "left", overflow="fold")
    counts: dict[tuple[str, str, str], int] = {}
    for item in items:
        who = (item.identity, str(item.role), item.axis)
        counts[who] = counts.get(who, 0) + 1
    for (identity, role, axis), count in counts.items():
        table.add_row(Text(on_one_line(identity)), role, Text(on_one_line(axis)), f"{count:,}")
    return table


def _row(item: Item) -> str:
    sides = " / ".join(f"{candidate.label}:{candidate.text}" for candidate in item.candidates)
    turns = "".join(f" | {turn.role}: {turn.content}" for turn in item.messages)
    return f"{item.id}: {item.context}{item.prefix} | {sides}{turns and f' | in a chat{turns}'}"
