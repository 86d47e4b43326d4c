"""The schema of ``results.json``: what other people's programs read.

The contract adds keys and never renames one. Absent numbers are null, never NaN.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from auditor.adapters.run.effect_parts import (
    AgreementRow,
    ControlsRow,
    FormsRow,
    Number,
    PlausibleRow,
    PooledRow,
    Row,
    ScalesRow,
)
from auditor.adapters.run.reward_rows import RewardAgreementRow, RewardHarmRow, SensitivityRow
from auditor.core.attributions import AttributionLevel, AttributionMethod
from auditor.core.contrasts import Contrast
from auditor.core.effects import Controls, Origin, VerdictName
from auditor.core.items import Design, Role, Valence
from auditor.core.refusals import Reason
from auditor.core.reliability import Facet
from auditor.core.scores import Render
from auditor.core.series import Objective, Quantity
from auditor.core.sides import Scoring
from auditor.core.specifications import Dimension
from auditor.core.statistics import Method


class CheckpointRow(Row):
    """One checkpoint of the series."""

    name: str
    source: str
    reference: str | None
    objective: Objective
    objective_source: str
    beta: float | None
    quantity: Quantity = "logprob"
    other_references: tuple[str, ...] = ()


class RefusalRow(Row):
    """A number that was asked for and not given, with its reason."""

    reason: Reason
    detail: str
    probe: str
    item: str | None
    render: str | None
    checkpoint: str | None
    identity: str | None
    count: int


class EffectRow(Row):
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
    control_checks: ControlsRow | None = None
    beyond_forms: FormsRow | None = None
    scales: ScalesRow | None = None
    pooled: PooledRow | None = None
    origin: Origin | None = None
    in_step: bool | None = None
    levelled_down: bool | None = None
    plausible: PlausibleRow | None = None
    fragile: bool | None
    noise: Number = None
    below_noise: bool | None = None
    robustness: tuple[AgreementRow, ...] | None = None
    complete: bool


class ContributionRow(Row):
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


class SpecificationRow(Row):
    """A level at the end of a path of training in one other specification, in nats, with its adjusted interval."""

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    contrast: Contrast
    checkpoint: str
    dimension: Dimension
    choice: str
    estimate: Number
    low: Number
    high: Number
    verdict: VerdictName


class TransitionsRow(Row):
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


class PersistenceRow(Row):
    """Slope of an identity's disparities at a leaf on those at the first checkpoint; `auditor.core.persistence`."""

    probe: str
    identity: str | None
    axis: str
    design: Design
    render: Render
    role: Role
    contrast: Contrast
    checkpoint: str
    measure_from: str
    slope: Number
    low: Number
    high: Number
    reliability: Number
    disattenuated: Number
    disattenuated_low: Number
    disattenuated_high: Number
    clusters: int


class ReliabilityRow(Row):
    """Split-half reliability of a probe's disparities over one facet of its wordings; `auditor.core.reliability`."""

    probe: str
    design: Design
    render: Render
    checkpoint: str
    facet: Facet
    correlation: Number
    reliability: Number
    low: Number
    high: Number
    identities: int


class ScoringRow(Row):
    """Correlation of a probe's disparities in summed margins with those of another scoring."""

    probe: str
    design: Design
    render: Render
    checkpoint: str
    scoring: Scoring
    correlation: Number
    cells: int


class NoiseFloorRow(Row):
    """What rounding to half precision does to the margins of a probe at a checkpoint, nats; `auditor.core.noise`."""

    probe: str
    render: Render
    checkpoint: str
    items: int
    margin: Number
    bias: Number


class AttributionRow(Row):
    """The mean part of a margin or a shift that one unit carries in one cell, nats; `auditor.core.attributed`."""

    probe: str
    identity: str
    axis: str
    theme: str | None
    render: Render
    role: Role
    design: Design = "text_swap"
    checkpoint: str
    reference: str | None
    method: AttributionMethod
    level: AttributionLevel
    unit: str
    number: int
    contrast: Contrast
    estimate: Number
    low: Number
    high: Number
    p: Number
    p_adjusted: Number
    items: int
    clusters: int
    total: Number
    completeness_error: Number


class Results(Row):
    """The whole file."""

    schema_version: Literal[1]
    series: Annotated[tuple[CheckpointRow, ...], Field(min_length=1)]
    cautions: tuple[str, ...]
    refusals: tuple[RefusalRow, ...]
    effects: tuple[EffectRow, ...]
    contributions: tuple[ContributionRow, ...] = ()
    transitions: tuple[TransitionsRow, ...] = ()
    specifications: tuple[SpecificationRow, ...] = ()
    persistences: tuple[PersistenceRow, ...] = ()
    reliabilities: tuple[ReliabilityRow, ...] = ()
    scorings: tuple[ScoringRow, ...] = ()
    noise_floors: tuple[NoiseFloorRow, ...] = ()
    attributions: tuple[AttributionRow, ...] = ()
    agreements: tuple[RewardAgreementRow, ...] = ()
    reward_harms: tuple[RewardHarmRow, ...] = ()
    sensitivities: tuple[SensitivityRow, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _with_quantities(cls, content: Any) -> Any:
        """Files of earlier versions say of effects alone, by their unit, that a checkpoint is a reward model."""
        try:
            if all("quantity" in one for one in content["series"]):
                return content
            rewards = {one["checkpoint"] for one in content["effects"] if _is_level_of_rewards(one)}
            kinds = ("logprob", "reward")
            series = [{"quantity": kinds[one["name"] in rewards], **one} for one in content["series"]]
        except (KeyError, TypeError):
            # No dictionary of an older file; whatever else is wrong with it the fields say.
            return content
        return {**content, "series": series}


def _is_level_of_rewards(effect: Any) -> bool:
    return (effect["measure"], effect["unit"]) == ("level", "reward")
