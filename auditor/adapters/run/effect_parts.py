"""Records of ``results.json`` that stand inside its effects, and what all its records have in common."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from auditor.core.effects import VerdictName
from auditor.core.specifications import Dimension


def _null_for_no_number(value: object) -> object:
    # An end of an interval that nothing is known of is no number either.
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_null_for_no_number)]


class Row(BaseModel):
    """A record of the file."""

    # Later versions add keys, and their files must still be read here; written are the declared ones.
    model_config = ConfigDict(extra="ignore", frozen=True)


class ControlsRow(Row):
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


class FormsRow(Row):
    """The effect beyond the word forms that were asked: two-way error over predicates and forms, 95% interval."""

    se: Number
    degrees: Number
    low: Number
    high: Number
    forms: int


class ScalesRow(Row):
    """A disparity on other scales; null where one does not apply."""

    standardised: Number
    selection: Number
    harmful: Number
    affirming: Number
    sharpening: Number
    beyond_sharpening: Number
    beyond_sharpening_low: Number
    beyond_sharpening_high: Number


class PooledRow(Row):
    """A disparity partially pooled over the identities of its probe, and its error; it decides nothing."""

    estimate: Number
    se: Number
    between: Number
    identities: int


class PlausibleRow(Row):
    """A level over the pairs of which the model finds a side plausible; `auditor.core.plausibility`."""

    share: Number
    items: int
    clusters: int
    estimate: Number
    low: Number
    high: Number
    verdict: VerdictName


class AgreementRow(Row):
    """A verdict in one dimension of other specifications: how many agree, and the worst of them."""

    dimension: Dimension
    examined: int
    agreeing: int
    worst: str
    worst_estimate: Number
    worst_low: Number
    worst_high: Number
    worst_verdict: VerdictName
