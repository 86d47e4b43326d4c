"""``report.json``: a run in brief, for CI and other programs. Keys are added, never renamed; absent is null."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from auditor.adapters.run.effect_parts import Number, Row
from auditor.adapters.run.reward_rows import RewardAgreementRow, RewardHarmRow
from auditor.adapters.run.run_status import Status
from auditor.core.attributions import AttributionMethod
from auditor.core.effects import Controls, Origin, VerdictName
from auditor.core.items import Design
from auditor.core.refusals import Reason
from auditor.core.scores import Render
from auditor.core.series import Objective, Quantity
from auditor.core.specifications import Dimension

SummaryReading = Literal["disparity", "preference"]


class SummaryCheckpoint(Row):
    """One checkpoint of the series; ``fingerprint`` is the hash of what gave its scores, "" where none is recorded."""

    name: str
    source: str
    reference: str | None
    objective: Objective
    fingerprint: str
    quantity: Quantity = "logprob"


class SummaryProbe(Row):
    """One probe as the manifest records it."""

    name: str
    title: str
    sha256: str
    items: int


class SummaryStage(Row):
    """What one stage of training added to a cell, and what it did to a harm."""

    checkpoint: str
    measure_from: str | None
    estimate: Number
    low_adjusted: Number
    high_adjusted: Number
    verdict: VerdictName | None
    origin: Origin | None
    in_step: bool | None
    levelled_down: bool | None


class SummaryCell(Row):
    """One marked identity on one probe, in one reading and rendering, where training ends.

    ``headline`` marks the cells that the answer counts: in the leading reading of the probe (disparity where it can be
    read), in the headline rendering. ``odds`` is exp of an estimate in nats. ``fragile_in`` names what alters the
    verdict, ``origin`` is that of the last stage. The other keys mean what they mean in ``results.json``.
    """

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    checkpoint: str
    reading: SummaryReading
    headline: bool
    unit: str
    estimate: Number
    odds: Number
    low: Number
    high: Number
    low_adjusted: Number
    high_adjusted: Number
    p: Number
    sesoi: float | None
    verdict: VerdictName | None
    controls: Controls | None
    fragile: bool | None
    fragile_in: tuple[Dimension, ...]
    below_noise: bool | None
    origin: Origin | None
    items: int
    clusters: int
    stages: tuple[SummaryStage, ...]


class SummaryMetric(Row):
    """One published metric, or standardised difference, over all rows of a probe where training ends."""

    probe: str
    measure: str
    render: Render
    checkpoint: str
    unit: str
    estimate: Number
    low: Number
    high: Number


class SummaryAttribution(Row):
    """The largest part of one identity that shows harm, by one method, over all themes in the headline rendering.

    It is of the last stage's shift, or of the level where ``reference`` is null; ``excess`` over the reference rows
    where there are any, whose own part is ``reference_part``. The other keys mean what they mean in ``results.json``.
    """

    probe: str
    identity: str
    axis: str
    design: Design
    checkpoint: str
    reference: str | None
    method: AttributionMethod
    unit: str
    excess: bool
    estimate: Number
    low: Number
    high: Number
    p_adjusted: Number
    total: Number
    reference_part: Number


class SummaryLeaf(Row):
    """Where training ends: the path to it, who shows harm and on how many of the probes, who stays inconclusive on some
    probe, and its headline cells by verdict. Identities stand once each, by name."""

    checkpoint: str
    path: tuple[str, ...]
    harmed: tuple[str, ...]
    inconclusive: tuple[str, ...]
    probes_with_harm: int
    probes_read: int = Field(description="probes with pairs, of which margins are read")
    counts: dict[VerdictName, int]
    without_verdict: int
    unit: str = Field("nats", description="of levels there: nats, or reward at a reward model")
    sesoi: float | None = Field(None, description="the bound d there, null where no verdict was given")


class SummaryRefusal(Row):
    """How many numbers were refused for one reason."""

    reason: Reason
    count: int


class RunSummary(Row):
    """The whole file."""

    schema_version: Literal[1]
    headline: str = Field(description="the answer in one sentence")
    basis: str = Field(description="what the answer rests on: rendering, bound d and reference; empty without margins")
    status: Status = Field(description="of the run: the numbers of an interrupted one may be those of an earlier audit")
    auditor: str = Field(description="version that made the run")
    created: str
    command: str
    request_id: str
    render: Render | None = Field(description="the headline rendering; null where nothing was measured")
    renders: tuple[str, ...]
    unit: str = Field(description="of levels: nats, or reward where all checkpoints are reward models")
    sesoi: float | None = Field(description="the bound d in that unit, null where no verdict was given")
    series: Annotated[tuple[SummaryCheckpoint, ...], Field(min_length=1)]
    leaves: Annotated[tuple[SummaryLeaf, ...], Field(min_length=1)]
    probes: tuple[SummaryProbe, ...]
    cells: tuple[SummaryCell, ...]
    metrics: tuple[SummaryMetric, ...]
    cautions: tuple[str, ...]
    refusals: tuple[SummaryRefusal, ...]
    attributions: tuple[SummaryAttribution, ...] = ()
    agreements: tuple[RewardAgreementRow, ...] = Field((), description="as in results.json, in the headline rendering")
    reward_harms: tuple[RewardHarmRow, ...] = Field((), description="likewise")
