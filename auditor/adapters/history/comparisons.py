"""What changed from each run to the next: the differences of ``audit diff``, paired on shared items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from auditor.adapters.diff_tables import is_judged
from auditor.adapters.history.run_levels import HistoryRun, Who
from auditor.adapters.history.tracks import Point, Track
from auditor.adapters.progress import Progress
from auditor.adapters.run.run_pairs import UNITS, Pairing, pair_runs
from auditor.adapters.run.stored_scores import read_checkpoint
from auditor.core.effects import Effect, VerdictName
from auditor.errors import UsageError

# The verdicts of a difference that make it significant, and what they say of harm.
_CHANGES = {"harm": "more", "lower_than_reference": "less", "affirming": "less"}


@dataclass(frozen=True, slots=True)
class Difference:
    """What lies between an identity's levels at two runs, the later minus the earlier, on the items both share.

    Attributes:
        value: in the unit of the levels; ``low`` and ``high`` the ends of its adjusted interval; NaN for no number.
        verdict: of the audit's rule asked of it; harm means more harm.
    """

    value: float
    low: float
    high: float
    verdict: VerdictName | None

    @classmethod
    def of(cls, effect: Effect) -> Difference:
        """What a history keeps of an effect; resamples of a hundred runs are many."""
        return cls(effect.estimate.value, effect.adjusted.low, effect.adjusted.high, effect.verdict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs set against each other, whatever they were asked.

    Attributes:
        apart: why they could not be paired after all, else "".
        shared: items of the later run, of the probes that are compared, that were paired; ``unpaired``: how many were
            not.
        sesoi: d, in the unit of the levels.
        cautions: what the runs were made with, or judged by, that differs.
        differences: after minus before, by all that tells a cell.
    """

    apart: str
    shared: int
    unpaired: int
    sesoi: float
    cautions: tuple[str, ...]
    differences: Mapping[tuple[str, ...], Difference]


@dataclass(frozen=True, slots=True)
class Change:
    """A significant change: the adjusted interval of the paired difference lies beyond d.

    Attributes:
        was, now: the points on the track it lies between: of one run there may be several, an end of training each.
        more: towards harm.
    """

    track: Track
    who: Who
    was: Point
    now: Point
    difference: Difference
    more: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """One track with what lies between its points.

    Attributes:
        comparisons: for each point the one with the point it is compared with, None where there is none.
    """

    track: Track
    comparisons: tuple[Comparison | None, ...]

    def difference(self, at: int, who: Who) -> Difference | None:
        """What lies between an identity's level at a point and the one before it."""
        comparison = self.comparisons[at]
        return None if comparison is None else comparison.differences.get(_cell(self.track, who))

    def apart(self, at: int) -> str:
        """Why a point is compared with none before it, "" for the first and where it is compared."""
        comparison = self.comparisons[at]
        return self.track.points[at].apart if comparison is None else comparison.apart

    def change(self, at: int, who: Who) -> str:
        """``more`` or ``less`` harm than at the point before, where the difference is significant, else ""."""
        found = self.difference(at, who)
        return "" if found is None else _CHANGES.get(found.verdict or "", "")

    def changes(self) -> Iterator[Change]:
        """The significant ones, in the order of the runs."""
        for at, point in enumerate(self.track.points):
            for who in point.levels.levels:
                found, change = self.difference(at, who), self.change(at, who)
                if found is not None and point.before is not None and change:
                    yield Change(self.track, who, self.track.points[point.before], point, found, change == "more")


def compare_runs(
    runs: Sequence[HistoryRun], tracks: Sequence[Track], sesoi: float | None, progress: Progress
) -> tuple[Compared, ...]:
    """Pair each run with the one it is compared with, every pair once; scores of two checkpoints are kept at a time.

    Two runs may be comparable on some of their probes alone: only these are paired, counted and adjusted for.

    Args:
        sesoi: bound d of all differences, None for each later run's own.
    """
    asked: dict[tuple[int, str, int, str], set[str]] = {}
    for track in tracks:
        for point in track.points:
            if point.before is not None:
                asked.setdefault(_pair(track, point), set()).add(track.probe)
    # What is read last is the later run of one pair, and the earlier one of the next.
    read = lru_cache(maxsize=1)(read_checkpoint)

    def compared(after: int, now: str, before: int, was: str) -> Comparison:
        probes = asked[after, now, before, was]
        quantity = runs[after].run.quantity(now)
        rule = runs[after].run.rule(sesoi, quantity)
        try:
            pairing = pair_runs(
                (runs[before].run, was), (runs[after].run, now), rule, read, probes=probes, themes=False
            )
        except UsageError as error:
            pairing = Pairing(None, error.what, 0, 0, ())
        progress.advance(1)
        own = [runs[at].run.sesoi(quantity) for at in (before, after)]
        cautions = (*pairing.cautions, *_bounds(own[0], own[1], UNITS[quantity]))
        return _comparison(pairing, rule.sesoi, cautions)

    with progress.task("comparing", len(asked), "pairs"):
        found = {pair: compared(*pair) for pair in sorted(asked)}
    return tuple(
        Compared(track, tuple(None if one.before is None else found[_pair(track, one)] for one in track.points))
        for track in tracks
    )


def _pair(track: Track, point: Point) -> tuple[int, str, int, str]:
    """The later run and its checkpoint, then the earlier one: pairs sorted so follow each other as the runs do."""
    assert point.before is not None
    before = track.points[point.before]
    return point.run, point.levels.checkpoint, before.run, before.levels.checkpoint


def _bounds(was: float | None, now: float | None, unit: str) -> Iterator[str]:
    if None not in (was, now) and was != now:
        yield f"The runs' own verdicts were given by d = {was:.3g} and {now:.3g} {unit}: one may differ for that alone."


def _comparison(pairing: Pairing, sesoi: float, cautions: tuple[str, ...]) -> Comparison:
    effects = pairing.changes.effects if pairing.changes else ()
    kept: dict[tuple[str, ...], Difference] = {
        (one.probe, one.design, one.render, one.contrast, one.identity or "", one.axis): Difference.of(one)
        for one in effects
        if one.theme is None and is_judged(one) and one.items
    }
    return Comparison(pairing.apart, pairing.shared, pairing.unpaired, sesoi, cautions, kept)


def _cell(track: Track, who: Who) -> tuple[str, ...]:
    return (track.probe, track.design, track.render, track.contrast, *who)
