"""The rows of a history's page: runs, changes and the latest comparison, from the history alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from urllib.parse import quote

from auditor.adapters.history.comparisons import Change, Compared, Comparison, Difference
from auditor.adapters.history.history_data import History
from auditor.adapters.history.run_levels import HistoryRun, Who
from auditor.adapters.history.tracks import Point
from auditor.adapters.run.branches import Branch, branches_of
from auditor.adapters.run.results_schema import EffectRow
from auditor.adapters.run.run_folder import REPORT


@dataclass(frozen=True, slots=True)
class Neighbour:
    """What a run was compared with, or why it was not.

    Attributes:
        before: number of the earlier run, None where there was no comparison.
        about: titles of the probes, with the rendering.
    """

    before: int | None
    apart: str
    shared: int
    unpaired: int
    cautions: tuple[str, ...]
    about: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run.

    Attributes:
        number: from 1, in the order shown.
        time: UTC, to the minute.
        href: address of its report beside the page, "" where there is none.
        counts: how many of its leading levels got each verdict.
    """

    number: int
    run: HistoryRun
    time: str
    branches: tuple[Branch, ...]
    href: str
    counts: Mapping[str, int]
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One significant change; runs by number.

    Attributes:
        end: which end of the later run's training it is, "" where there is one alone.
        was, now: the levels of the two runs, over all that either asked.
    """

    change: Change
    before: int
    after: int
    end: str
    was: EffectRow | None
    now: EffectRow


@dataclass(frozen=True, slots=True)
class BesideRow:
    """One identity at the latest run of a track and at the one it was compared with."""

    who: Who
    was: EffectRow | None
    now: EffectRow
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class BesideTable:
    """The latest run of a track beside the one it was compared with; runs by number.

    Attributes:
        end: which end of the later run's training it is, "" where there is one alone.
        rows: of identities that were not refused, in the report's order.
    """

    before: int
    after: int
    end: str
    rows: tuple[BesideRow, ...]


def run_rows(history: History, beside: Path) -> tuple[RunRow, ...]:
    """Every run, in order.

    Args:
        beside: the folder of the page, from which reports are linked.
    """
    return tuple(_run_row(history, at, beside) for at in range(len(history.runs)))


def _run_row(history: History, at: int, beside: Path) -> RunRow:
    run = history.runs[at]
    counts = Counter(str(level.verdict) for one in run.headline for level in one.levels.values())
    return RunRow(
        at + 1,
        run,
        run.created.astimezone(UTC).strftime("%Y-%m-%d %H:%M"),
        branches_of(run.run.results.series),
        address(run.folder / REPORT, beside) if run.has_report else "",
        counts,
        tuple(_neighbours(history.links(at))),
    )


def address(target: Path, beside: Path) -> str:
    """The way from one folder to a file as a link: relative, and nothing in it a scheme or markup."""
    way = os.path.relpath(target.resolve(), beside.resolve())
    # Bytes that are no text stand in a path as they are.
    return "./" + quote(os.fsencode(way))


def _neighbours(links: Sequence[tuple[Compared, int]]) -> Iterator[Neighbour]:
    """What is said of a run, once for all tracks of which the same is true."""
    found: dict[tuple[int | None, str], tuple[Comparison | None, list[str]]] = {}
    for one, place in links:
        point, apart = one.track.points[place], one.apart(place)
        before = None if point.before is None or apart else one.track.points[point.before].run + 1
        if before is not None or apart:
            own = found.setdefault((before, apart), (one.comparisons[place], []))
            own[1].append(f"{one.track.title}, {one.track.render}")
    for (before, apart), (comparison, about) in found.items():
        counts = (0, 0) if comparison is None else (comparison.shared, comparison.unpaired)
        cautions = () if comparison is None or apart else comparison.cautions
        yield Neighbour(before, apart, *counts, cautions, tuple(dict.fromkeys(about)))


def change_rows(history: History) -> tuple[ChangeRow, ...]:
    """Every significant change, the latest first."""
    return tuple(_change_row(history, one) for one in history.changes)


def _change_row(history: History, change: Change) -> ChangeRow:
    was, now = (point.levels.levels.get(change.who) for point in (change.was, change.now))
    assert now is not None, "changes are those of a point's own levels"
    return ChangeRow(change, change.was.run + 1, change.now.run + 1, end_of(history, change.now), was, now)


def end_of(history: History, point: Point) -> str:
    """Which end of its run's training a point is, "" where there is one alone."""
    return point.levels.checkpoint if len(history.runs[point.run].run.leaves) > 1 else ""


def beside_tables(history: History, compared: Compared) -> tuple[BesideTable, ...]:
    """The points of a track's last run beside those they were compared with."""
    points = compared.track.points
    return tuple(
        BesideTable(points[one.before].run + 1, one.run + 1, end_of(history, one), _beside_rows(compared, place))
        for place, one in enumerate(points)
        if one.run == points[-1].run and one.before is not None
    )


def _beside_rows(compared: Compared, place: int) -> tuple[BesideRow, ...]:
    last = compared.track.points[place]
    before = {} if last.before is None else compared.track.points[last.before].levels.levels
    return tuple(
        BesideRow(who, before.get(who), level, compared.difference(place, who))
        for who, level in last.levels.levels.items()
        if level.verdict != "refused"
    )
