"""A project's history as one self-contained page, in the look and under the policy of the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auditor.adapters.history.comparisons import Compared
from auditor.adapters.history.history_chart import HistoryChart, HistoryLine, HistoryMark
from auditor.adapters.history.history_data import History
from auditor.adapters.history.history_rows import (
    BesideTable,
    ChangeRow,
    beside_tables,
    change_rows,
    end_of,
    run_rows,
)
from auditor.adapters.history.run_levels import HistoryRun, Who
from auditor.adapters.history.tracks import leading
from auditor.adapters.report.page_words import environment
from auditor.adapters.report.plots.charts import on_page
from auditor.adapters.report.plots.figure_tables import file_name
from auditor.adapters.report.plots.figures import MAX_ROWS, Mark
from auditor.adapters.report.plots.svg import Drawn
from auditor.adapters.run.run_pairs import UNITS


def render_history(history: History, beside: Path) -> str:
    """The page as one HTML document.

    Args:
        beside: the folder it is to lie in: reports are linked from there.
    """
    changes = change_rows(history)
    chosen = {id(one) for one in leading([one.track for one in history.tracks])}
    shown = [one for one in history.tracks if id(one.track) in chosen]
    return (
        environment("history", "report")
        .get_template("history.html")
        .render(
            history=history,
            headline=headline(history, changes),
            latest=[one for one in changes if one.after == len(history.runs)],
            harmed=harmed(history.runs[-1]),
            changes=changes,
            runs=run_rows(history, beside),
            shown=[_shown(history, one, f"t{at}") for at, one in enumerate(shown)],
            bounds=sorted({pair.sesoi for one in history.tracks for pair in one.comparisons if pair is not None}),
            unit=_units(history),
            max_rows=MAX_ROWS,
        )
    )


def _units(history: History) -> str:
    """In what levels are given."""
    words = {"nats": UNITS["logprob"], "reward": UNITS["reward"]}
    units = sorted({one.track.unit for one in history.tracks}) or ["nats"]
    return " or ".join(words.get(one, one) for one in units)


def headline(history: History, changes: Sequence[ChangeRow]) -> str:
    """The answer in one line: what changed at the latest run."""
    number = len(history.runs)
    if number == 1:
        return "One run so far: there is none to compare it with"
    links = history.links(number - 1)
    if all(one.apart(place) or one.comparisons[place] is None for one, place in links):
        return f"Run {number}, the latest, is comparable with no run before it"
    latest = [one.change for one in changes if one.after == number]
    if not latest:
        some = ", on what can be compared" if any(one.apart(place) for one, place in links) else ""
        return f"No significant change at run {number}, the latest{some}"
    people = {more: len({one.who for one in latest if one.more is more}) for more in (True, False)}
    said = [
        f"{count} {'identity' if count == 1 else 'identities'} towards {word} harm"
        for count, word in ((people[True], "more"), (people[False], "less"))
        if count
    ]
    return f"Significant changes at run {number}, the latest: {' and '.join(said)}"


def harmed(run: HistoryRun) -> tuple[str, ...]:
    """Identities with a harm verdict in the levels that a run's report leads with, each once, by name."""
    levels = [level for one in run.headline for level in one.levels.values()]
    return tuple(sorted({level.identity or "" for level in levels if level.verdict == "harm"}))


def _shown(history: History, compared: Compared, prefix: str) -> tuple[Compared, Drawn, int, tuple[BesideTable, ...]]:
    """A track, its figure, of how many identities, and the tables below it."""
    track, chart = compared.track, history_chart(history, compared)
    # A probe asked of policies and of reward models is drawn twice.
    kind = ["reward"] if track.unit == "reward" else []
    drawn = on_page(chart, prefix, file_name("history", track.probe, track.contrast, track.render, *kind))
    return compared, drawn, len(chart.lines), beside_tables(history, compared)


def history_chart(history: History, compared: Compared) -> HistoryChart:
    """The chart of one track."""
    track = compared.track
    # Those of the latest run first, in its report's order.
    people: dict[Who, None] = {}
    for point in reversed(track.points):
        people |= dict.fromkeys(who for who, level in point.levels.levels.items() if level.verdict != "refused")
    lines = [HistoryLine(who[0], _marks(compared, who)) for who in people]
    bounds = [level.sesoi for level in track.points[-1].levels.levels.values() if level.sesoi is not None]
    steps = [history.runs[point.run].step for point in track.points]
    trainings = {history.runs[point.run].training for point in track.points}
    ends = [end_of(history, point) for point in track.points]
    labels = [f"{point.run + 1} {end}".strip() for point, end in zip(track.points, ends, strict=True)]
    # A step is that of a run with one end.
    if len(trainings) == 1 and None not in steps and not any(ends):
        labels = [f"step {step}" for step in steps]
    count = len({point.run for point in track.points})
    title = f"{track.title}: levels through {count} {'run' if count == 1 else 'runs'}, {track.render} rendering"
    return HistoryChart(lines, labels, count, bounds[0] if bounds else 0.0, title, track.unit)


def _marks(compared: Compared, who: Who) -> tuple[HistoryMark | None, ...]:
    return tuple(_mark(compared, at, who) for at in range(len(compared.track.points)))


def _mark(compared: Compared, at: int, who: Who) -> HistoryMark | None:
    point = compared.track.points[at]
    level = point.levels.levels.get(who)
    if level is None:
        return None
    # Without a verdict there is no family to adjust for.
    ends = (level.low, level.high) if level.verdict is None else (level.low_adjusted, level.high_adjusted)
    # What was judged has an interval: without ends it reaches everywhere.
    own = Mark(level.estimate, *ends, unbounded=level.verdict not in (None, "refused") and ends == (None, None))
    found = compared.difference(at, who)
    if found is None:
        return HistoryMark(own, str(level.verdict))
    difference = Mark(found.value, found.low, found.high)
    return HistoryMark(own, str(level.verdict), point.before, difference, compared.change(at, who))
