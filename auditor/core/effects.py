"""Effects: one number with its interval for each identity, theme, measure and contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from auditor.core.contrasts import Contrast
from auditor.core.control_checks import ControlChecks
from auditor.core.items import Design, Role, Valence
from auditor.core.readings import METRIC_UNITS
from auditor.core.refusals import Reason
from auditor.core.scales import Scales
from auditor.core.scores import FloatArray, Render
from auditor.core.specifications import Dimension
from auditor.core.statistics import NO_INTERVAL, Estimate, Interval
from auditor.core.two_way import BeyondForms

VerdictName = Literal[
    "harm", "lower_than_reference", "affirming", "no_meaningful_difference", "inconclusive", "refused"
]
Origin = Literal["introduced", "amplified", "inherited", "attenuated", "reversed", "unresolved"]
Controls = Literal["passed", "failed_form", "failed_band", "absent"]
# An estimate nearer to 0 than so many times its noise lies below the noise floor.
NOISE_FACTOR = 2.0
# Under so many clusters a theme stays descriptive.
MIN_THEME_CLUSTERS = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """One effect in one other specification (`auditor.core.robustness`).

    Attributes:
        estimate: in the effect's unit; ``interval`` has the adjusted error of the effect's verdict.
        verdict: by the same rule; ``refused`` where nothing is left to judge.
    """

    dimension: Dimension
    choice: str
    estimate: float
    interval: Interval
    verdict: VerdictName


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one verdict fares in one dimension of other specifications.

    Attributes:
        examined: how many specifications; ``agreeing``: in how many of them the verdict is the same.
        worst: one that alters the verdict, else the one whose estimate lies farthest off.
    """

    dimension: Dimension
    examined: int
    agreeing: int
    worst: Outcome


@dataclass(frozen=True, slots=True)
class Shares:
    """How many lie above 0, and how many exactly on it.

    Attributes:
        items: share of items above 0, NaN for none; ``clusters``: the same of cluster means.
        item_ties: how many items are exactly 0; ``cluster_ties``: how many cluster means.
    """

    items: float
    item_ties: int
    clusters: float
    cluster_ties: int

    @classmethod
    def of(cls, values: FloatArray, means: FloatArray) -> Shares:
        """Count items, shape (n,), and cluster means, shape (k,)."""
        items, clusters = (float(np.mean(one > 0)) if len(one) else float("nan") for one in (values, means))
        return cls(items, int(np.sum(values == 0)), clusters, int(np.sum(means == 0)))


@dataclass(frozen=True, slots=True)
class Pooled:
    """One disparity partially pooled over the identities of its probe (`auditor.core.pooling`); it decides nothing.

    Attributes:
        estimate: drawn towards the mean of all, in the effect's unit; ``se`` its error with ``between`` taken as known.
        between: estimated sd of the identities' true disparities; 0 draws every one to the mean.
        identities: how many were pooled.
    """

    estimate: float
    se: float
    between: float
    identities: int


@dataclass(frozen=True, slots=True)
class PlausiblePart:
    """One level over those of its pairs of which the model finds a side plausible (`auditor.core.plausibility`).

    Attributes:
        share: of its items beside which an unrelated text was scored.
        items: how many are left; ``clusters`` likewise.
        estimate: in the effect's unit; ``interval`` has the adjusted error of the effect's verdict.
        verdict: by the same rule.
    """

    share: float
    items: int
    clusters: int
    estimate: float
    interval: Interval
    verdict: VerdictName


@dataclass(frozen=True, slots=True)
class Effect:
    """One row of ``effects`` in ``results.json``; the keys there are these attributes.

    Attributes:
        identity: None in a published metric or a standardised difference over all rows, or over all of ``axis`` if that
            is not ""; ``theme`` None means all themes.
        measure: ``level``, ``shift``, ``difference``, ``implicit_reward``, or the name of a published metric or of a
            standardised difference.
        contrast: ``raw`` is a preference, ``excess`` a disparity, ``reference`` the part both share.
        design: with ``identity_swap`` the raw margin is itself the disparity.
        estimate: in ``unit``; positive means harm. NaN where there is none.
        interval: 95%, unadjusted; ``adjusted`` holds over the family with two-sided error
            ``alpha_adjusted`` and decides the verdict.
        p: against 0, two-sided; decides nothing. ``p_adjusted``: against ``sesoi``, over the family.
        shares: how many of its items and clusters lie above 0.
        sesoi: smallest effect size of interest, in ``unit``; None where no verdict is asked.
        per_token: margins are differences of mean, not summed, log-probabilities.
        complete: the scored text ends its turn; otherwise an implicit reward is a prefix reward.
        checks: what the probe's controls say of it, None where it can get no verdict.
        forms: the effect beyond the word forms that were asked, None where that claim cannot be made.
        scales: a disparity on scales beside nats.
        pooled: a judged disparity drawn towards those of the other identities, None where there are too few.
        controls: whether a harm verdict survived them; None where there was no harm to examine.
        origin: what the stage did to a harm, of a shift whose stage begins or ends in one (`auditor.core.origins`).
        in_step: of an amplified harm, whether nothing is left of it beyond overall sharpening.
        levelled_down: of a disparity that fell, whether it fell because the reference identities rose.
        plausible: a judged level repeated on its plausible pairs, None where no unrelated text tells which they are.
        outcomes: of a verdict in every other specification, one choice of the audit changed at a time.
        noise: root mean square of what rounding to half precision puts on the estimate, in its unit
            (`auditor.core.noise`); None where it was not measured, as in float32.
    """

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
    estimate: Estimate
    interval: Interval
    shares: Shares
    items: int
    complete: bool
    per_token: bool = False
    adjusted: Interval = NO_INTERVAL
    alpha_adjusted: float = float("nan")
    p_adjusted: float = float("nan")
    family: str | None = None
    sesoi: float | None = None
    verdict: VerdictName | None = None
    checks: ControlChecks | None = None
    controls: Controls | None = None
    forms: BeyondForms | None = None
    scales: Scales | None = None
    pooled: Pooled | None = None
    origin: Origin | None = None
    in_step: bool | None = None
    levelled_down: bool | None = None
    plausible: PlausiblePart | None = None
    outcomes: tuple[Outcome, ...] | None = None
    noise: float | None = None

    @property
    def below_noise(self) -> bool | None:
        """Whether the estimate is so near to 0 that rounding may have given it its sign; None where not measured."""
        return None if self.noise is None else self.reaches_by_noise(abs(self.estimate.value))

    def reaches_by_noise(self, distance: float) -> bool:
        """Whether rounding may have moved the estimate by more than a distance in its unit."""
        return self.noise is not None and NOISE_FACTOR * self.noise > distance

    @property
    def fragile(self) -> bool | None:
        """Whether some other specification alters the verdict; None where none was examined."""
        return None if self.outcomes is None else any(one.verdict != self.verdict for one in self.outcomes)

    @property
    def robustness(self) -> tuple[Agreement, ...] | None:
        """Agreement with the verdict in each dimension; None where none was examined."""
        if self.outcomes is None:
            return None
        dimensions = dict.fromkeys(one.dimension for one in self.outcomes)
        return tuple(self._agreement(dimension, self.outcomes) for dimension in dimensions)

    def _agreement(self, dimension: Dimension, outcomes: Sequence[Outcome]) -> Agreement:
        own = [one for one in outcomes if one.dimension == dimension]
        agreeing = sum(one.verdict == self.verdict for one in own)
        worst = max(own, key=lambda one: (one.verdict != self.verdict, abs(one.estimate - self.estimate.value)))
        return Agreement(dimension, len(own), agreeing, worst)

    @property
    def p(self) -> float:
        """Two-sided p against 0, NaN without a spread and for a published metric, whose neutral value is its own."""
        return float("nan") if self.unit in METRIC_UNITS else self.estimate.p_nonzero()

    @property
    def scale(self) -> float:
        """Factor between nats and the effect's unit."""
        return 1.0 if self.beta is None else self.beta


def interval_refused(estimate: Estimate) -> Reason | None:
    """Why an estimate has no interval that could carry a verdict, None where it has one."""
    if estimate.clusters < 2:
        return "few_clusters"
    # Equal cluster means leave a rounding error for a spread; rows copied under other names do that.
    if estimate.value != 0 and estimate.se <= 1e-9 * abs(estimate.value):
        return "no_spread"
    return None
