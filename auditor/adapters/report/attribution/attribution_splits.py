"""What the report shows of an audit's attributions: numbers of identities in parts, with what stands beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.adapters.report.cells import Cell
from auditor.adapters.run.branches import Branch
from auditor.adapters.run.results_schema import AttributionRow, Results
from auditor.core.attributions import ATTRIBUTION_METHODS, BASELINE_UNIT, AttributionLevel, AttributionMethod
from auditor.core.items import Design, Role
from auditor.core.words import WORD_ROLES

# Roles of words in the order in which they are shown, and what is left without any word.
ROLE_UNITS: tuple[str, ...] = (*WORD_ROLES, BASELINE_UNIT)

Who = tuple[str, str]  # identity, axis
_LAYER = re.compile(r"layer (\d+)(?: (.+))?")


@dataclass(frozen=True, slots=True)
class Split:
    """One identity's number in parts.

    Attributes:
        verdict: on its level at the leaf, "" where nothing was judged.
        parts: by unit, in the order of the file.
        shared: the same unit's part in the reference rows, where the parts are those of an excess.
    """

    identity: str
    axis: str
    verdict: str
    parts: Mapping[str, AttributionRow]
    shared: Mapping[str, AttributionRow]

    @property
    def any(self) -> AttributionRow:
        """A part, for what is the same in all of them."""
        return next(iter(self.parts.values()))

    @property
    def largest(self) -> AttributionRow:
        """The part farthest from 0."""
        return max(self.parts.values(), key=lambda one: abs(one.estimate or 0.0))


@dataclass(frozen=True, slots=True)
class Splits:
    """One number of a probe's identities by one method: the level at a checkpoint, or the shift of a stage.

    Attributes:
        reference: the checkpoint subtracted, None for a level.
        excess: whether the marked parts are those of an excess over the reference rows.
        units: that occur in any of them, in their order.
        marked: in the order of the verdicts, harm first; ``controls``: of control identities, in the same contrast.
    """

    method: AttributionMethod
    level: AttributionLevel
    checkpoint: str
    reference: str | None
    excess: bool
    units: tuple[str, ...]
    marked: tuple[Split, ...]
    controls: tuple[Split, ...]

    @property
    def harmed(self) -> tuple[Split, ...]:
        """Those of identities that show harm."""
        return tuple(one for one in self.marked if one.verdict == "harm")

    def control_range(self, unit: str) -> tuple[float, float] | None:
        """The smallest and the largest part of a unit among control identities; None for fewer than two of them."""
        found = [one.parts[unit].estimate for one in self.controls if unit in one.parts]
        known = [one for one in found if one is not None]
        return (min(known), max(known)) if len(known) > 1 else None


@dataclass(frozen=True, slots=True)
class LeafSplits:
    """All attributions of one probe at one leaf.

    Attributes:
        roles: by role of token or word: of each method the shift of the last stage first, then earlier ones, the level
            last.
        modules: by layer and module, of the parameter path: the last stage first; ``layers``, ``heads``: the same by
            layer and by head.
    """

    roles: tuple[Splits, ...] = ()
    modules: tuple[Splits, ...] = ()
    layers: tuple[Splits, ...] = ()
    heads: tuple[Splits, ...] = ()

    @property
    def leading(self) -> tuple[Splits, ...]:
        """Of each method by role, what the figures show."""
        first = {one.method: one for one in reversed(self.roles)}
        return tuple(one for one in self.roles if first[one.method] is one)

    @property
    def any(self) -> bool:
        """Whether anything was attributed."""
        return bool(self.roles or self.modules)


@dataclass(frozen=True, slots=True)
class ModulePlace:
    """Where a module stands: its layer, or a name where that is none.

    Attributes:
        module: "" for what stands outside of the layers.
    """

    layer: int | None
    place: str
    module: str


def module_place(unit: str) -> ModulePlace:
    """The place of a unit that is named after a module, such as ``layer 3 attention`` or ``embedding``."""
    found = _LAYER.fullmatch(unit)
    if found is None:
        return ModulePlace(None, unit, "")
    return ModulePlace(int(found[1]), "", found[2] or "other")


def splits_of(
    results: Results, probe: str, design: Design, cells: Sequence[Cell], branch: Branch, render: str
) -> LeafSplits:
    """What is attributed of one probe's leading cells at one leaf, over all themes."""
    groups: dict[tuple[str, str, str | None], list[AttributionRow]] = {}
    for one in results.attributions:
        if (one.probe, one.design, one.render, one.theme) == (probe, design, render, None) and _on_path(one, branch):
            groups.setdefault((one.method, one.level, one.reference and one.checkpoint), []).append(one)
    found = sorted(
        (made for rows in groups.values() if (made := _splits(rows, cells))), key=lambda one: _place(one, branch)
    )

    def at(level: AttributionLevel) -> tuple[Splits, ...]:
        return tuple(one for one in found if one.level == level)

    return LeafSplits(at("role"), at("module"), at("layer"), at("head"))


def _on_path(one: AttributionRow, branch: Branch) -> bool:
    """A level at the leaf, or a shift on the way to it."""
    if one.reference is None:
        return one.checkpoint == branch.leaf
    return one.checkpoint in branch.path and one.reference in branch.path


def _place(one: Splits, branch: Branch) -> tuple[int, int]:
    stage = branch.path.index(one.checkpoint) if one.reference is not None else -1
    return ATTRIBUTION_METHODS.index(one.method), -stage


def _splits(rows: Sequence[AttributionRow], cells: Sequence[Cell]) -> Splits | None:
    index: dict[tuple[Role, str, Who], dict[str, AttributionRow]] = {}
    for one in rows:
        index.setdefault((one.role, one.contrast, (one.identity, one.axis)), {})[one.unit] = one
    marked = tuple(_marked(index, cells))
    if not marked:
        return None
    contrast = marked[0].any.contrast
    controls = tuple(
        Split(*who, "", parts, {}) for (role, own, who), parts in index.items() if role == "control" and own == contrast
    )
    first, there = rows[0], {unit for one in marked for unit in one.parts}
    units = _units(there, first.level, rows)
    about = (first.method, first.level, first.checkpoint, first.reference)
    return Splits(*about, contrast == "excess", units, marked, controls)


def _marked(
    index: Mapping[tuple[Role, str, Who], Mapping[str, AttributionRow]], cells: Iterable[Cell]
) -> Iterator[Split]:
    for cell in cells:
        who = (cell.identity, cell.axis)
        parts = index.get(("marked", cell.last.contrast, who))
        if parts:
            shared = index.get(("marked", "reference", who), {}) if cell.last.contrast == "excess" else {}
            yield Split(*who, cell.last.verdict or "", parts, shared)


def _units(there: set[str], level: AttributionLevel, rows: Iterable[AttributionRow]) -> tuple[str, ...]:
    known = (
        ROLE_UNITS if level == "role" else dict.fromkeys(one.unit for one in sorted(rows, key=lambda one: one.number))
    )
    return tuple(one for one in known if one in there)
