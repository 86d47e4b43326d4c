"""The history of a project: its runs in order, what each was compared with, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.adapters.history.comparisons import Change, Compared, compare_runs
from auditor.adapters.history.found_runs import FoundRun, LeftOut, find_runs
from auditor.adapters.history.run_levels import HistoryRun, read_levels
from auditor.adapters.history.run_order import Place, in_order
from auditor.adapters.history.tracks import tracks_of
from auditor.adapters.progress import Progress, Silent
from auditor.errors import UsageError


@dataclass(frozen=True, slots=True)
class History:
    """Everything a history shows.

    Attributes:
        title: name of the folder that was searched.
        tracks: every question asked, through the runs that asked it, with what lies between them.
        left_out: folders that look like runs and are not shown.
    """

    title: str
    runs: tuple[HistoryRun, ...]
    tracks: tuple[Compared, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """All significant changes, the latest run's first, towards more harm first within a run."""
        found = [change for one in self.tracks for change in one.changes()]
        return tuple(sorted(found, key=lambda one: (-one.now.run, not one.more)))

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many folders were left out, by reason."""
        counts: dict[str, int] = {}
        for one in self.left_out:
            counts[one.reason] = counts.get(one.reason, 0) + 1
        return counts

    def links(self, at: int) -> Sequence[tuple[Compared, int]]:
        """The points of one run, as tracks and places on them."""
        return [(one, place) for one in self.tracks for place, point in enumerate(one.track.points) if point.run == at]


def read_history(below: Path, sesoi: float | None = None, progress: Progress | None = None) -> History:
    """Read every finished run below a folder, one at a time, and compare each with the one before it.

    Args:
        sesoi: bound d of the changes, nats; None for each later run's own.
        progress: is told of both; None for nobody.

    Raises:
        UsageError: the folder cannot be read, or holds no finished run.
    """
    progress = progress or Silent()
    runs, left_out = _read(list(find_runs(below)), progress)
    if not runs:
        raise UsageError(_nothing(left_out), where=str(below), fix="Give a folder below which audits have finished.")
    ordered = tuple(runs[at] for at in in_order([_place(one) for one in runs]))
    compared = compare_runs(ordered, tracks_of(ordered), sesoi, progress)
    return History(below.resolve().name, ordered, compared, tuple(left_out))


def _read(found: Sequence[FoundRun | LeftOut], progress: Progress) -> tuple[list[HistoryRun], list[LeftOut]]:
    runs, left_out = list[HistoryRun](), list[LeftOut]()
    with progress.task("reading", len(found), "runs"):
        for one in found:
            if isinstance(one, LeftOut):
                left_out.append(one)
            else:
                try:
                    runs.append(read_levels(one))
                except UsageError as error:
                    left_out.append(LeftOut(one.name, "broken", error.what))
            progress.advance(1)
    return runs, left_out


def _place(run: HistoryRun) -> Place:
    return Place(run.created, run.training, run.step, run.name)


def _nothing(left_out: Sequence[LeftOut]) -> str:
    if not left_out:
        return "holds no run"
    first = left_out[0]
    return f"holds no finished run; {len(left_out)} left out, such as {first.name}: {first.detail}"
