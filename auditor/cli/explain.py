"""``audit attribute --explain``: one pair on the terminal, each token shaded by what it adds to the margin.

All texts are data: they are never read as markup, and characters that act are written as escapes. What the colours say
stands there in numbers too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from auditor.adapters.printable import on_one_line, printable, signed
from auditor.adapters.run.explained_items import ExplainedItem, explain_item
from auditor.core.attributions import Attribution
from auditor.core.items import AFFIRMING, HARMFUL
from auditor.core.words import Word, shared_words

# Okabe and Ito's vermillion and blue, as in the report: people who see no red and green tell them apart.
_HARM, _LOWER, _NONE = (213, 94, 0), (0, 114, 178), (255, 255, 255)
# A part of so many nats or more has the full colour: odds times 7.
_FULL = 2.0
_MOST_UNITS = 12
# The others say the same more coarsely or more finely, and stand in attributions.parquet.
_LEVELS = ("word", "layer", "head")
_CONTEXT = 600


def print_item(run: Path, name: str, checkpoint: str | None = None) -> None:
    """Print what one item of a finished run is made of, in every rendering; no model is needed.

    Args:
        name: an item's id, or ``PROBE:ITEM``.
        checkpoint: whose margin; None for where training ends.

    Raises:
        UsageError: as `explain_item`.
    """
    console = Console()
    for one in explain_item(run, name, checkpoint):
        for part in _parts(one, console.width):
            console.print(part)


def _parts(one: ExplainedItem, width: int) -> Iterator[RenderableType]:
    since = "" if one.reference is None else f", shift since {one.reference}"
    yield Text(on_one_line(f"{one.probe}: {one.item.id}, {one.render} rendering, {one.checkpoint}{since}"), "bold")
    about = [f"{name}: {value}" for name in ("identity", "theme", "role") if (value := getattr(one.item, name))]
    yield Text(on_one_line("; ".join(about)), "dim")
    if one.private:
        yield Text("a private run: numbers and ids only", "dim")
    elif one.context:
        shown = one.context if len(one.context) <= _CONTEXT else "\u2026" + one.context[-_CONTEXT:]
        yield Text(printable(shown))
    yield Text()
    yield from _sides(one, width)
    sides = _side_names(one)
    yield Text(f"nats; + (orange) pushes to the {sides[0]} side, - (blue) to the {sides[1]} one", "dim")
    yield Text()
    yield _margins(one)
    if one.beside is None:
        yield Text(on_one_line(f"no excess: {one.why}"), "dim")
    else:
        yield Text(
            on_one_line(f"reference rows: {', '.join(one.reference_rows[:3])}{_more(one.reference_rows, 3)}"), "dim"
        )
    yield Text()
    if one.roles:
        yield _roles(one)
    for level in (one.level, *([one.shift] if one.shift else [])):
        yield Text(_explained(level), "dim")
    for other in _others(one):
        yield Text()
        yield _units(other)
        yield Text(_explained(other), "dim")
    yield Text()


def _more(members: Sequence[object], shown: int) -> str:
    return f" and {len(members) - shown:,} more" if len(members) > shown else ""


def _sides(one: ExplainedItem, width: int) -> Iterator[RenderableType]:
    """Both sides in columns, the harmful one over the other, what they share in the same column; as wide as fits."""
    columns = [_column(one, *both) for both in _aligned(one)]
    labels = _labels(one)
    room = max(width - max(map(cell_len, labels)) - 2, 1)
    block: list[list[Text]] = []
    used = 0
    for column in columns:
        # A column and the space before it.
        size = max(cell.cell_len for cell in column) + 1
        if block and used + size > room:
            yield _block(labels, block)
            block, used = [], 0
        block.append(column)
        used += size
    if block:
        yield _block(labels, block)


def _labels(one: ExplainedItem) -> list[str]:
    numbers = ["  margin", *(["  shift"] if one.shift else [])]
    harmful, affirming = _side_names(one)
    return [harmful, *numbers, affirming, *numbers]


def _side_names(one: ExplainedItem) -> tuple[str, str]:
    """Where one sentence is about two groups, nobody calls a side affirming."""
    return ("marked group", "other group") if one.item.design == "identity_swap" else (HARMFUL, AFFIRMING)


def _block(labels: Sequence[str], columns: Sequence[Sequence[Text]]) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    for _ in columns:
        table.add_column(justify="right", no_wrap=True)
    for at, label in enumerate(labels):
        table.add_row(Text(label, "bold" if not label.startswith(" ") else "dim"), *(column[at] for column in columns))
    table.add_row()
    return table


def _column(one: ExplainedItem, harmful: int | None, affirming: int | None) -> list[Text]:
    """The tokens at two places among all, each over its parts; a token has the colour of the last of them."""
    cells: list[Text] = []
    for at in (harmful, affirming):
        measured = [one.level, *([one.shift] if one.shift else [])]
        if at is None:
            cells += [Text()] * (1 + len(measured))
            continue
        values = [float(part.values[at]) for part in measured]
        cells.append(Text(_token(one, at), _shade(values[-1])))
        cells += [Text(signed(value), _shade(value)) for value in values]
    return cells


def _token(one: ExplainedItem, at: int) -> str:
    unit = one.level.units[at]
    if one.private:
        return f"#{unit.number}"
    text = next(side.text for side in one.item.candidates if side.label == unit.candidate)
    covered = text[unit.start : unit.end]
    # A token that closes the turn covers no text and has but its own name.
    return on_one_line(covered.strip() or ("\u2423" if covered else unit.name or f"#{unit.number}"))


def _aligned(one: ExplainedItem) -> Iterator[tuple[int | None, int | None]]:
    """Places of tokens that stand over each other; what is not shared stands side by side as it comes."""
    places = {
        label: [at for at, unit in enumerate(one.level.units) if unit.candidate == label]
        for label in (HARMFUL, AFFIRMING)
    }
    if one.private:
        yield from zip_longest(*places.values())
        return
    words = {label: [Word(_token(one, at), 0, 0) for at in own] for label, own in places.items()}
    done = (0, 0)
    for both in (*shared_words(words[HARMFUL], words[AFFIRMING]), None):
        ends = both or (len(places[HARMFUL]), len(places[AFFIRMING]))
        yield from zip_longest(places[HARMFUL][done[0] : ends[0]], places[AFFIRMING][done[1] : ends[1]])
        if both is not None:
            yield places[HARMFUL][both[0]], places[AFFIRMING][both[1]]
            done = (both[0] + 1, both[1] + 1)


def _margins(one: ExplainedItem) -> Table:
    """The margin at every checkpoint, and the shift; of the item, of its reference rows, and what lies between."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("nats", no_wrap=True)
    for name in (*one.checkpoints, *(["shift"] if one.reference is not None else [])):
        table.add_column(Text(on_one_line(name)), justify="right", no_wrap=True)
    rows: dict[str, tuple[float, ...]] = {"margin": one.margins}
    if one.beside is not None:
        rows["reference rows"] = one.beside
        rows["excess"] = tuple(own - other for own, other in zip(one.margins, one.beside, strict=True))
    place = one.checkpoints.index
    for label, values in rows.items():
        shown = list(values)
        if one.reference is not None:
            shown.append(values[place(one.checkpoint)] - values[place(one.reference)])
        table.add_row(label, *(Text(signed(value), _shade(value)) for value in shown))
    return table


def _roles(one: ExplainedItem) -> Table:
    """What the tokens of each role add to it."""
    headings: dict[str, list[float | None]] = {
        "margin": [part.margin for part in one.roles],
        "shift": [part.shift for part in one.roles],
        "excess": [part.excess for part in one.roles],
        "excess shift": [part.excess_shift for part in one.roles],
    }
    known = {name: values for name, values in headings.items() if any(value is not None for value in values)}
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("role", no_wrap=True)
    for name in known:
        table.add_column(name, justify="right", no_wrap=True)
    for at, part in enumerate(one.roles):
        table.add_row(part.role, *(_number(values[at]) for values in known.values()))
    return table


def _number(value: float | None) -> Text:
    return Text(signed(value), _shade(value or 0.0))


def _others(one: ExplainedItem) -> Iterator[Attribution]:
    """Parts by other methods: of the shift where it was attributed, else of the margin."""
    shifted = {(other.method, other.level) for other in one.others if other.reference is not None}
    for other in one.others:
        if other.level not in _LEVELS and other.method != "tokens":
            continue
        if (other.reference is not None) == ((other.method, other.level) in shifted):
            yield other


def _units(one: Attribution) -> Table:
    """The largest parts in their own order, and what the rest adds up to."""
    order = sorted(range(len(one.units)), key=lambda at: (-abs(one.values[at]), at))
    chosen = sorted(order[:_MOST_UNITS])
    of = "margin" if one.reference is None else f"shift since {one.reference}"
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(on_one_line(f"{one.method}, by {one.level}")), overflow="fold")
    table.add_column("of", no_wrap=True)
    table.add_column(Text(on_one_line(of)), justify="right", no_wrap=True)
    if one.noise is not None:
        table.add_column("noise", justify="right", no_wrap=True)
    for at in chosen:
        unit, value = one.units[at], float(one.values[at])
        name = on_one_line(unit.name) or f"#{unit.number}"
        if unit.replacement is not None:
            name += f" \u2192 {on_one_line(unit.replacement)}" if unit.replacement else " left out"
        noise = [] if one.noise is None else [f"{one.noise[at]:.2f}"]
        table.add_row(Text(name), Text(unit.candidate or ""), Text(signed(value), _shade(value)), *noise)
    if rest := order[_MOST_UNITS:]:
        table.add_row(f"{len(rest):,} smaller ones", "", _number(float(one.values[rest].sum())))
    return table


def _explained(one: Attribution) -> str:
    """How much of the number the parts explain."""
    of = "margin" if one.reference is None else f"shift since {one.reference}"
    error = one.completeness_error
    share = f", {abs(error / one.total):.2%} of it" if one.total else ""
    said = f"{one.method}: parts add up to {signed(one.total + error, 4)} of the {of} of {signed(one.total, 4)} nats"
    if one.method == "ablation":
        return on_one_line(f"{said}; each unit was taken out alone, so they need not")
    missing = "nothing is missing" if abs(error) < 5e-7 else f"off by {signed(error, 6)}{share}"
    return on_one_line(f"{said}; {missing}")


def _shade(value: float) -> Style:
    """A background between white and orange (+) or blue (-), by the size of a part, and ink that can be read on it."""
    if not math.isfinite(value):
        return Style()
    amount = min(abs(value) / _FULL, 1.0)
    end = _HARM if value > 0 else _LOWER
    red, green, blue = (round(start + (stop - start) * amount) for start, stop in zip(_NONE, end, strict=True))
    # Relative brightness after ITU-R BT.601.
    ink = "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"
    return Style.parse(f"{ink} on #{red:02x}{green:02x}{blue:02x}")
