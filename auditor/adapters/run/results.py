"""``results.json``: the schema other people's programs read, and how findings become it.

The contract adds keys and never renames one. Absent numbers are null, never NaN.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from auditor.core.control_checks import ControlChecks
from auditor.core.effects import Controls, Effect, VerdictName
from auditor.core.findings import Findings
from auditor.core.items import Design, Role, Valence
from auditor.core.refusals import Reason, Refusal
from auditor.core.scores import Render
from auditor.core.series import Checkpoint, Objective
from auditor.core.statistics import Estimate


def _null_for_nan(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


Number = Annotated[float | None, BeforeValidator(_null_for_nan)]


class _Row(BaseModel):
    # Later versions add keys, and their files must still be read here; written are the declared ones.
    model_config = ConfigDict(extra="ignore", frozen=True)


class CheckpointRow(_Row):
    """One checkpoint of the series."""

    name: str
    source: str
    reference: str | None
    objective: Objective
    objective_source: str
    beta: float | None


class RefusalRow(_Row):
    """A number that was asked for and not given, with its reason."""

    reason: Reason
    detail: str
    probe: str
    item: str | None
    render: str | None
    checkpoint: str | None
    identity: str | None
    count: int


class ControlsRow(_Row):
    """What the controls of an effect say, in the effect's unit; null where there is no such control.

    ``form``: the effect minus the same effect in form-matched neutral pairs, its 95% interval unadjusted. ``band``: the
    95% prediction interval of a disparity between two control identities with names as probable as these.
    """

    form_estimate: Number
    form_se: Number
    form_degrees: Number
    form_low: Number
    form_high: Number
    form_clusters: int
    band_low: Number
    band_high: Number
    name_logprob: Number
    control_identities: int


def _controls_row(value: object) -> object:
    """The kernel's checks as a row; a row stays one, and so does a mapping read from a file."""
    if not isinstance(value, ControlChecks):
        return value
    form = value.form or Estimate(float("nan"), float("nan"), 0)
    return ControlsRow(
        form_estimate=form.value,
        form_se=form.se,
        form_degrees=form.degrees if value.form else None,
        form_low=value.form_interval.low,
        form_high=value.form_interval.high,
        form_clusters=form.clusters,
        band_low=value.band.low,
        band_high=value.band.high,
        name_logprob=value.name_logprob,
        control_identities=value.identities,
    )


class EffectRow(_Row):
    """One effect; positive estimates mean harm, in ``unit``."""

    probe: str
    identity: str | None
    axis: str
    theme: str | None
    render: Render
    role: Role
    valence: Valence
    design: Design
    measure: str
    contrast: Literal["raw", "excess", "reference"]
    checkpoint: str
    measure_from: str | None
    reference: str | None
    unit: str
    beta: float | None
    estimate: Number
    se: Number
    low: Number
    high: Number
    low_adjusted: Number
    high_adjusted: Number
    alpha_adjusted: Number
    p: Number
    p_adjusted: Number
    family: str | None
    share_positive: Number
    ties: int
    items: int
    clusters: int
    sesoi: float | None
    verdict: VerdictName | None
    controls: Controls | None
    control_checks: Annotated[ControlsRow | None, BeforeValidator(_controls_row)] = None
    fragile: bool | None
    complete: bool


class Results(_Row):
    """The whole file."""

    schema_version: Literal[1]
    series: Annotated[tuple[CheckpointRow, ...], Field(min_length=1)]
    cautions: tuple[str, ...]
    refusals: tuple[RefusalRow, ...]
    effects: tuple[EffectRow, ...]


# Where a key's value lies in the kernel's object, for keys that are not attributes of it themselves.
_PATHS = {
    "estimate": "estimate.value",
    "se": "estimate.se",
    "clusters": "estimate.clusters",
    "low": "interval.low",
    "high": "interval.high",
    "low_adjusted": "adjusted.low",
    "high_adjusted": "adjusted.high",
    "control_checks": "checks",
}
_Any = TypeVar("_Any", bound=_Row)


def results_of(findings: Findings) -> Results:
    """The file's content for an audit's findings."""
    return Results(
        schema_version=1,
        series=tuple(_row(CheckpointRow, one) for one in findings.series.checkpoints),
        cautions=findings.cautions,
        refusals=tuple(_row(RefusalRow, one) for one in findings.refusals),
        effects=tuple(_row(EffectRow, one) for one in findings.effects),
    )


def _row(kind: type[_Any], one: Checkpoint | Refusal | Effect) -> _Any:
    """Exactly the declared keys, from the attributes of the same names or where `_PATHS` says."""
    return kind(**{name: attrgetter(_PATHS.get(name, name))(one) for name in kind.model_fields})
