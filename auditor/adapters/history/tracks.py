"""The same question through all runs that asked it, and which of them each run is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.adapters.history.run_levels import HistoryRun, LevelSet
from auditor.adapters.report.probe_titles import RESPONSIVENESS


@dataclass(frozen=True, slots=True)
class Point:
    """One checkpoint of one run on a track.

    Attributes:
        run: the place of the run in the history, from 0.
        before: the place on the track of the point it is compared with, None where there is none.
        apart: why it is compared with none although others stand before it, else "".
    """

    run: int
    levels: LevelSet
    before: int | None
    apart: str


@dataclass(frozen=True, slots=True)
class Track:
    """One probe in one design, rendering, contrast and unit, through the runs that asked it, in their order."""

    probe: str
    design: str
    render: str
    contrast: str
    unit: str
    points: tuple[Point, ...]

    @property
    def title(self) -> str:
        """As the last of its runs calls the probe, and what is measured where that is no margin of its texts alone."""
        return self.points[-1].levels.title + (RESPONSIVENESS if self.design == "responsiveness" else "")


def tracks_of(runs: Sequence[HistoryRun]) -> tuple[Track, ...]:
    """All tracks, in the order in which the runs first ask them.

    Args:
        runs: in their order.
    """
    found: dict[tuple[str, str, str, str, str], list[Point]] = {}
    for at, run in enumerate(runs):
        for levels in run.sets:
            points = found.setdefault((levels.probe, levels.design, levels.render, levels.contrast, levels.unit), [])
            points.append(Point(at, levels, *_compared_with(runs, points, at, levels)))
    return tuple(Track(*key, tuple(points)) for key, points in found.items())


def leading(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """One track of each probe, design, contrast and unit: in the rendering that most runs asked, plain among equals."""
    best: dict[tuple[str, str, str, str], Track] = {}
    for one in tracks:
        key = (one.probe, one.design, one.contrast, one.unit)
        if key not in best or _asked(one) > _asked(best[key]):
            best[key] = one
    return tuple(best.values())


def _asked(track: Track) -> tuple[int, bool]:
    return len(track.points), track.render == "plain"


def _compared_with(
    runs: Sequence[HistoryRun], earlier: Sequence[Point], at: int, levels: LevelSet
) -> tuple[int | None, str]:
    """The nearest earlier point that can be paired with a run, or why there is none."""
    others = [(place, point) for place, point in enumerate(earlier) if point.run < at]
    if not others:
        return None, ""
    if runs[at].unpaired:
        return None, runs[at].unpaired
    reasons = []
    for place, point in reversed(others):
        reason = next(_apart(runs[point.run], point.levels, runs[at], levels), "")
        if not reason:
            return place, ""
        reasons.append(reason)
    return None, reasons[0]


def _apart(before: HistoryRun, was: LevelSet, after: HistoryRun, now: LevelSet) -> Iterator[str]:
    """What keeps two runs from being paired on one probe."""
    if before.unpaired:
        yield f"of the run before: {before.unpaired}"
    if was.version != now.version:
        yield "it asked another version of the probe"
    families = before.run.model_type(was.checkpoint), after.run.model_type(now.checkpoint)
    if None not in families and families[0] != families[1]:
        yield f"its model is of another family ({families[0]}, then {families[1]})"
    alone = len(before.run.leaves) == len(after.run.leaves) == 1
    if not alone and was.checkpoint != now.checkpoint:
        yield "training ends in several checkpoints, and none of the same name stands before it"
