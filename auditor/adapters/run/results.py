"""``results.json``: the schema other people's programs read, and how findings become it.

The contract adds keys and never renames one. Absent numbers are null, never NaN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from auditor.core.contrasts import Contrast
from auditor.core.control_checks import ControlChecks
from auditor.core.effects import Controls, Origin, VerdictName
from auditor.core.findings import Findings
from auditor.core.items import Design, Role, Valence
from auditor.core.refusals import Reason
from auditor.core.scales import Scales
from auditor.core.scores import Render
from auditor.core.series import Objective
from auditor.core.statistics import Estimate, Method
from auditor.core.two_way import BeyondForms


def _null_for_no_number(value: object) -> object:
    # An end of an interval that nothing is known of is no number either.
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_null_for_no_number)]


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


class FormsRow(_Row):
    """The effect beyond the word forms that were asked: two-way error over predicates and forms, 95% interval."""

    se: Number
    degrees: Number
    low: Number
    high: Number
    forms: int


def _forms_row(value: object) -> object:
    if not isinstance(value, BeyondForms):
        return value
    one = value.estimate
    return FormsRow(se=one.se, degrees=one.degrees, low=value.interval.low, high=value.interval.high, forms=value.forms)


class ScalesRow(_Row):
    """A disparity on other scales; null where one does not apply."""

    standardised: Number
    selection: Number
    harmful: Number
    affirming: Number
    sharpening: Number
    beyond_sharpening: Number
    beyond_sharpening_low: Number
    beyond_sharpening_high: Number


def _scales_row(value: object) -> object:
    if not isinstance(value, Scales):
        return value
    return ScalesRow(
        standardised=value.standardised,
        selection=value.selection,
        harmful=value.harmful,
        affirming=value.affirming,
        sharpening=value.sharpening,
        beyond_sharpening=value.beyond.value if value.beyond else None,
        beyond_sharpening_low=value.beyond_interval.low,
        beyond_sharpening_high=value.beyond_interval.high,
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
    contrast: Contrast
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
    interval_method: Method = "t"
    share_positive: Number
    ties: int
    share_clusters_positive: Number = None
    ties_clusters: int = 0
    items: int
    clusters: int
    sesoi: float | None
    verdict: VerdictName | None
    controls: Controls | None
    control_checks: Annotated[ControlsRow | None, BeforeValidator(_controls_row)] = None
    beyond_forms: Annotated[FormsRow | None, BeforeValidator(_forms_row)] = None
    scales: Annotated[ScalesRow | None, BeforeValidator(_scales_row)] = None
    origin: Origin | None = None
    in_step: bool | None = None
    levelled_down: bool | None = None
    fragile: bool | None
    complete: bool


class ContributionRow(_Row):
    """What one stage added to the level where a path of training ends, in nats; see `auditor.core.contributions`."""

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    contrast: Contrast
    leaf: str
    checkpoint: str
    measure_from: str | None
    estimate: Number
    low: Number
    high: Number
    share: Number
    share_low: Number
    share_high: Number


class TransitionsRow(_Row):
    """Items before (first index) and after (second) one stage: below -d, within, above d."""

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    role: Role
    contrast: Contrast
    checkpoint: str
    measure_from: str
    counts: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]


class Results(_Row):
    """The whole file."""

    schema_version: Literal[1]
    series: Annotated[tuple[CheckpointRow, ...], Field(min_length=1)]
    cautions: tuple[str, ...]
    refusals: tuple[RefusalRow, ...]
    effects: tuple[EffectRow, ...]
    contributions: tuple[ContributionRow, ...] = ()
    transitions: tuple[TransitionsRow, ...] = ()


# Where a key's value lies in the kernel's object, for keys that are not attributes of it themselves.
_EFFECT_PATHS = {
    "estimate": "estimate.value",
    "se": "estimate.se",
    "clusters": "estimate.clusters",
    "low": "interval.low",
    "high": "interval.high",
    "low_adjusted": "adjusted.low",
    "high_adjusted": "adjusted.high",
    "control_checks": "checks",
    "interval_method": "estimate.method",
    "share_positive": "shares.items",
    "ties": "shares.item_ties",
    "share_clusters_positive": "shares.clusters",
    "ties_clusters": "shares.cluster_ties",
    "beyond_forms": "forms",
}
_CONTRIBUTION_PATHS = {
    "low": "interval.low",
    "high": "interval.high",
    "share_low": "share_interval.low",
    "share_high": "share_interval.high",
}
_Any = TypeVar("_Any", bound=_Row)


def results_of(findings: Findings) -> Results:
    """The file's content for an audit's findings."""
    return Results(
        schema_version=1,
        series=tuple(_row(CheckpointRow, one) for one in findings.series.checkpoints),
        cautions=findings.cautions,
        refusals=tuple(_row(RefusalRow, one) for one in findings.refusals),
        effects=tuple(_row(EffectRow, one, _EFFECT_PATHS) for one in findings.effects),
        contributions=tuple(_row(ContributionRow, one, _CONTRIBUTION_PATHS) for one in findings.contributions),
        transitions=tuple(_row(TransitionsRow, one) for one in findings.transitions),
    )


def results_json(results: Results) -> str:
    """The file's text: a record a line, so that people can search it and no space is spent on indenting it."""
    content = results.model_dump(mode="json")
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(value)}" for key, value in content.items()) + "\n}\n"


def _lines(value: object) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, allow_nan=False)
    return "[\n" + ",\n".join(json.dumps(one, allow_nan=False) for one in value) + "\n]"


def _row(kind: type[_Any], one: object, paths: Mapping[str, str] = MappingProxyType({})) -> _Any:
    """Exactly the declared keys, from the attributes of the same names or where ``paths`` says."""
    return kind(**{name: attrgetter(paths.get(name, name))(one) for name in kind.model_fields})
