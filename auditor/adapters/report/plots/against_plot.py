"""Two readings of one identity: its raw margin and its excess over the reference; and the implicit reward beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from auditor.adapters.report.plots.figure_tables import Table, Value
from auditor.adapters.report.plots.figures import (
    BESIDE,
    MAX_ROWS,
    Look,
    Mark,
    Panel,
    band_key,
    draw_interval,
    draw_marks,
    drawn_of,
    identity_rows,
    look_of,
    mark_key,
    number,
    people,
    two_digits,
    value_range,
    verdict_key,
)
from auditor.adapters.report.plots.svg import Canvas

_NOTHING = Mark(None)


@dataclass(frozen=True, slots=True)
class AgainstRow:
    """One identity.

    Attributes:
        excess: its leading reading, with the adjusted interval and ``verdict``.
        raw: its preference, whatever the reference rows do; None where that leads.
        reward: its implicit reward in the reading of ``excess``, None where no objective is known.
    """

    label: str
    verdict: str
    excess: Mark
    raw: Mark | None
    reward: Mark | None = None
    reward_verdict: str = ""


@dataclass(frozen=True, slots=True)
class AgainstPlot:
    """Both readings a row, and implicit rewards in a panel of their own; at most 40 rows.

    Attributes:
        lead: the reading that leads, in a word.
        reward_bound: d in the unit of the rewards, ``reward_unit``.
        beside: what other plots show that this one shares its first axis with.
    """

    rows: Sequence[AgainstRow]
    bound: float
    title: str
    lead: str = "excess"
    unit: str = "nats"
    reward_bound: float = 0.0
    reward_unit: str = "nats"
    beside: Sequence[Mark] = ()

    @property
    def names(self) -> Sequence[str]:
        return [row.label for row in self.rows[:MAX_ROWS]]

    @property
    def narrow(self) -> bool:
        return not self._rewarded()

    def _rewarded(self) -> bool:
        return any(row.reward and row.reward.estimate is not None for row in self.rows)

    def alternative(self) -> str:
        pairs = [
            (row.raw.estimate, row.excess.estimate, row.label)
            for row in self.rows
            if row.raw and row.raw.estimate is not None and row.excess.estimate is not None
        ]
        said = f"{people(len(self.rows))}.{drawn_of(MAX_ROWS, len(self.rows), 'identities')}"
        if pairs:
            apart = sum((raw > 0) != (excess > 0) for raw, excess, _ in pairs)
            raw, excess, name = max(pairs, key=lambda one: abs(one[0] - one[1]))
            said += f" The two readings differ in sign for {apart} of {len(pairs)}. Widest apart: {name[:60]},"
            said += f" raw {two_digits(raw)}, excess {two_digits(excess)} {self.unit}."
        rewards = [
            (row.reward.estimate, row.label) for row in self.rows if row.reward and row.reward.estimate is not None
        ]
        if rewards:
            (low, lowest), (high, highest) = min(rewards), max(rewards)
            said += f" Implicit rewards from {number(low)} ({lowest[:60]}) to {number(high)} ({highest[:60]}),"
            said += f" {self.reward_unit}."
        return said

    def table(self) -> Table:
        parts = ((self.lead, self.unit), ("raw", self.unit), ("implicit reward", self.reward_unit))
        columns = [f"{name}{end} ({unit})" for name, unit in parts for end in ("", " low", " high")]
        rows: list[tuple[Value, ...]] = []
        for row in self.rows:
            marks = (row.excess, row.raw or _NOTHING, row.reward or _NOTHING)
            numbers = [value for mark in marks for value in (mark.estimate, mark.low, mark.high)]
            rows.append((row.label, row.verdict, *numbers, row.reward_verdict))
        return Table(("identity", "verdict", *columns, "verdict of the reward"), tuple(rows))

    def draw(self, canvas: Canvas) -> None:
        shown = self.rows[:MAX_ROWS]
        levels = [mark for row in shown for mark in (row.excess, row.raw) if mark]
        span = value_range([*levels, *self.beside], self.bound)
        both = any(row.raw for row in shown)
        panels = [Panel(span, self.bound, f"{'raw and ' if both else ''}{self.lead}, {self.unit}")]
        rewarded = self._rewarded()
        if rewarded:
            rewards = [row.reward for row in shown if row.reward]
            band = f"; band \u00b1{self.reward_bound:.2g}" if self.reward_bound else ""
            heading = f"implicit reward, {self.reward_unit}{band}"
            panels.append(Panel(value_range(rewards, self.reward_bound), self.reward_bound, heading))
        verdicts = [row.verdict for row in shown]
        verdicts += [row.reward_verdict for row in shown if rewarded and row.reward]
        key = [mark_key(BESIDE, "raw margin")] if both else []
        key += [*verdict_key(verdicts, f"{self.lead}: " if both else ""), *band_key(self.bound, self.unit)]
        axes = identity_rows(canvas, [row.label for row in shown], panels, key, pitch=1.15)
        for at, row in enumerate(shown):
            if row.raw:
                _mark(axes[0], row.raw, at - 0.17, BESIDE, 5.0)
            _mark(axes[0], row.excess, at + 0.17 * both, look_of(row.verdict), 6.0)
            if rewarded and row.reward:
                _mark(axes[1], row.reward, at, look_of(row.reward_verdict), 6.0)


def _mark(axes: Axes, mark: Mark, y: float, look: Look, size: float) -> None:
    if mark.estimate is not None:
        draw_interval(axes, mark, y, look.colour, width=0.8 if look == BESIDE else 1.3)
        draw_marks(axes, [(mark.estimate, y)], look, size)
