"""Records of ``results.json`` about rewards: explicit and implicit ones beside preferences, and what they depend on."""

from __future__ import annotations

from auditor.adapters.run.effect_parts import Number, Row
from auditor.core.contrasts import Contrast
from auditor.core.effects import VerdictName
from auditor.core.items import Design
from auditor.core.reference_sensitivity import Variant
from auditor.core.reward_signals import SignalKind
from auditor.core.scores import Render


class RewardAgreementRow(Row):
    """Explicit reward, implicit reward, preference, two of them on the same items; `auditor.core.reward_agreement`."""

    probe: str
    design: Design
    render: Render
    contrast: Contrast
    kind: SignalKind
    checkpoint: str
    other_kind: SignalKind
    other_checkpoint: str
    correlation: Number
    low: Number
    high: Number
    equal_signs: Number
    equal_signs_low: Number
    equal_signs_high: Number
    items: int
    ties: int
    clusters: int


class RewardHarmRow(Row):
    """What one of these says of one identity, in standard deviations, beside its verdict."""

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    contrast: Contrast
    kind: SignalKind
    checkpoint: str
    standardised: Number
    low: Number
    high: Number
    verdict: VerdictName | None
    items: int
    clusters: int


class SensitivityRow(Row):
    """An implicit reward counted from another reference, or from none; `auditor.core.reference_sensitivity`."""

    probe: str
    identity: str
    axis: str
    design: Design
    render: Render
    contrast: Contrast
    checkpoint: str
    variant: Variant
    measure_from: str | None
    unit: str
    beta: float | None
    estimate: Number
    low: Number
    high: Number
    correlation: Number
    correlation_low: Number
    correlation_high: Number
    items: int
    clusters: int
