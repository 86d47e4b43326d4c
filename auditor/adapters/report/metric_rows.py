"""Published metrics and standardised differences over the series, a row for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditor.adapters.run.results_schema import EffectRow


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One published metric or standardised difference over the series.

    Attributes:
        identity: None for all rows, or for all of ``axis`` if that is not "".
    """

    probe: str
    metric: str
    identity: str | None
    axis: str
    design: str
    render: str
    points: tuple[EffectRow, ...]

    @property
    def over_all(self) -> bool:
        """Whether it is about all rows of the probe."""
        return self.identity is None and not self.axis


def metric_rows(effects: Iterable[EffectRow], checkpoints: Sequence[str], render: str) -> tuple[MetricRow, ...]:
    """Rows in the order of the effects: over all rows of a probe in every rendering, by axis and identity in one.

    Args:
        effects: those that are no linear measures.
        checkpoints: names in the order of the series.
        render: the headline rendering.
    """
    groups: dict[tuple[str, str, str | None, str, str, str], dict[str, EffectRow]] = {}
    for one in effects:
        if (one.identity is None and not one.axis) or one.render == render:
            key = (one.probe, one.measure, one.identity, one.axis, one.design, one.render)
            groups.setdefault(key, {})[one.checkpoint] = one
    return tuple(
        MetricRow(*key, points=tuple(points[name] for name in checkpoints if name in points))
        for key, points in groups.items()
    )
