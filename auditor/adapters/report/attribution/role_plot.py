"""What carries an identity's number: its parts by role of token, a panel a role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from auditor.adapters.report.plots.figure_tables import Table, Value
from auditor.adapters.report.plots.figures import (
    BESIDE,
    KeyEntry,
    Mark,
    Panel,
    draw_interval,
    draw_marks,
    drawn_of,
    identity_rows,
    mark_key,
    people,
    two_digits,
    value_range,
    with_interval,
)
from auditor.adapters.report.plots.svg import BAND, HARM, INK, LOWER, RULE, Canvas

# Each row has as many bars as there are roles, and each method a figure: of more identities the page grows too large.
MAX_PARTED = 12
TELLING = 0.05
_HEIGHT = 0.52  # of a bar, in rows
_SOFT = 0.75


@dataclass(frozen=True, slots=True)
class RolePart:
    """One identity's part of one role.

    Attributes:
        mark: with its 95% interval.
        shared: the same part in its reference rows, None where nothing is subtracted.
        p: adjusted.
    """

    mark: Mark
    shared: float | None
    p: float | None

    @property
    def telling(self) -> bool:
        """Whether it is told apart from 0 among all parts of all identities."""
        return self.p is not None and self.p < TELLING


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One identity: its parts by role, None where it has none."""

    label: str
    parts: tuple[RolePart | None, ...]


@dataclass(frozen=True, slots=True)
class RolePlot:
    """A panel a role, an identity a row; at most 12 rows are drawn.

    Attributes:
        roles: names of the panels.
        controls: from the smallest to the largest part of a control identity, None where there are not two.
    """

    rows: Sequence[RoleRow]
    roles: Sequence[str]
    controls: Sequence[tuple[float, float] | None]
    title: str
    unit: str = "nats"

    @property
    def names(self) -> Sequence[str]:
        return [row.label for row in self._shown]

    @property
    def narrow(self) -> bool:
        return len(self.roles) == 1

    @property
    def _shown(self) -> Sequence[RoleRow]:
        return self.rows[:MAX_PARTED]

    def alternative(self) -> str:
        found = [
            (row, role, part)
            for row in self._shown
            for role, part in zip(self.roles, row.parts, strict=True)
            if part and part.mark.estimate is not None
        ]
        count = f"{len(self.roles)} {'role' if len(self.roles) == 1 else 'roles'}"
        said = f"{people(len(self.rows))} by {count}: {', '.join(self.roles)}."
        said += drawn_of(MAX_PARTED, len(self.rows), "identities")
        if not found:
            return said + " No part has an estimate."
        row, role, part = max(found, key=lambda one: abs(one[2].mark.estimate or 0.0))
        said += f" Farthest from 0: {row.label[:60]}, {role}, {with_interval(part.mark)} {self.unit}"
        said += f", reference rows {two_digits(part.shared)}." if part.shared is not None else "."
        return said + f" Adjusted p below .05: {sum(one.telling for *_, one in found)} of {len(found)}."

    def table(self, most: int | None = None) -> Table:
        """As CSV; of the first rows alone where ``most`` says of how many."""
        numbers = ("part", "low", "high", "part in the reference rows")
        ends = ("smallest", "largest")
        header = ("identity", "role", *(f"{one} ({self.unit})" for one in numbers), "adjusted p",
                  *(f"{one} among control identities ({self.unit})" for one in ends))  # fmt: skip
        rows: list[tuple[Value, ...]] = []
        for row in self.rows[:most]:
            for role, part, span in zip(self.roles, row.parts, self.controls, strict=True):
                if part:
                    mark = part.mark
                    own = (mark.estimate, mark.low, mark.high, part.shared, part.p)
                    rows.append((row.label, role, *own, *(span or (None, None))))
        return Table(header, tuple(rows))

    def draw(self, canvas: Canvas) -> None:
        shown = self._shown
        parts = [part for row in shown for part in row.parts if part]
        others = [part.shared for part in parts if part.shared is not None]
        others += [end for span in self.controls if span for end in span]
        span = value_range([*(part.mark for part in parts), *map(Mark, others)], 0.0)
        panels = [Panel(span, 0.0, role) for role in self.roles]
        for at, axes in enumerate(identity_rows(canvas, [row.label for row in shown], panels, self._key(parts))):
            _controls(axes, self.controls[at], len(shown))
            here = [(y, part) for y, row in enumerate(shown) if (part := row.parts[at])]
            for y, part in here:
                _part(axes, y, part)
            beside = [
                (part.shared, y) for y, part in here if part.mark.estimate is not None and part.shared is not None
            ]
            draw_marks(axes, beside, BESIDE, 4.5)

    def _key(self, parts: Sequence[RolePart]) -> list[KeyEntry]:
        looks = ((True, "part, adjusted p < .05", _full_key), (False, "part, not told from 0", _open_key))
        entries = [KeyEntry(words, key) for full, words, key in looks if any(one.telling == full for one in parts)]
        if any(part.shared is not None for part in parts):
            entries.append(mark_key(BESIDE, "the same in its reference rows"))
        if any(self.controls):
            entries.append(KeyEntry("range of control identities", _range_key))
        return entries


def _full_key(axes: Axes, x: float, y: float) -> None:
    _bar(axes, (x - 0.08, y - 0.045), 0.16, 0.09, 1.0, True)


def _open_key(axes: Axes, x: float, y: float) -> None:
    _bar(axes, (x - 0.08, y - 0.045), 0.16, 0.09, 1.0, False)


def _range_key(axes: Axes, x: float, y: float) -> None:
    axes.add_patch(Rectangle((x - 0.08, y - 0.06), 0.16, 0.12, fc=BAND, ec=RULE, lw=0.5))


def _controls(axes: Axes, span: tuple[float, float] | None, count: int) -> None:
    if span and count:
        low, high = span
        axes.add_patch(Rectangle((low, -0.5), high - low, count, fc=BAND, ec=RULE, lw=0.5, zorder=0.5))


def _part(axes: Axes, y: float, part: RolePart) -> None:
    """A bar from 0 with its interval."""
    value = part.mark.estimate
    if value is None:
        return
    _bar(axes, (min(value, 0.0), y - _HEIGHT / 2), abs(value), _HEIGHT, value, part.telling)
    draw_interval(axes, part.mark, y, INK, 1.0)


def _bar(axes: Axes, corner: tuple[float, float], width: float, height: float, side: float, full: bool) -> None:
    colour = HARM if side > 0 else LOWER
    face = {"fc": colour, "alpha": _SOFT} if full else {"fc": "none"}
    axes.add_patch(Rectangle(corner, width, height, ec=colour, lw=0.9, zorder=1.5, **face))
