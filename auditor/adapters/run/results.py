"""``results.json`` from findings, and its text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import TypeVar

from auditor.adapters.run.effect_parts import (
    AgreementRow,
    ControlsRow,
    FormsRow,
    PlausibleRow,
    PooledRow,
    Row,
    ScalesRow,
)
from auditor.adapters.run.results_schema import (
    AttributionRow,
    CheckpointRow,
    ContributionRow,
    EffectRow,
    NoiseFloorRow,
    PersistenceRow,
    RefusalRow,
    ReliabilityRow,
    Results,
    ScoringRow,
    SpecificationRow,
    TransitionsRow,
)
from auditor.adapters.run.reward_rows import RewardAgreementRow, RewardHarmRow, SensitivityRow
from auditor.core.attributed import AttributedCell
from auditor.core.control_checks import ControlChecks
from auditor.core.effects import Effect
from auditor.core.findings import Findings
from auditor.core.scales import Scales
from auditor.core.statistics import Estimate
from auditor.core.verdicts import is_disparity

# Where a key's value lies in the kernel's object, for keys that are not attributes of it themselves.
_EFFECT_PATHS = {
    "estimate": "estimate.value",
    "se": "estimate.se",
    "clusters": "estimate.clusters",
    "low": "interval.low",
    "high": "interval.high",
    "low_adjusted": "adjusted.low",
    "high_adjusted": "adjusted.high",
    "interval_method": "estimate.method",
    "share_positive": "shares.items",
    "ties": "shares.item_ties",
    "share_clusters_positive": "shares.clusters",
    "ties_clusters": "shares.cluster_ties",
}
_ENDS = {"low": "interval.low", "high": "interval.high"}
_FORMS_PATHS = {**_ENDS, "se": "estimate.se", "degrees": "estimate.degrees"}
_SUBJECT = ("probe", "identity", "axis", "design", "render", "contrast", "checkpoint")
_AGREEMENT_PATHS = {
    "worst": "worst.choice",
    "worst_estimate": "worst.estimate",
    "worst_low": "worst.interval.low",
    "worst_high": "worst.interval.high",
    "worst_verdict": "worst.verdict",
}
_CONTRIBUTION_PATHS = {
    **_ENDS,
    "share_low": "share_interval.low",
    "share_high": "share_interval.high",
}
_PERSISTENCE_PATHS = {
    **_ENDS,
    "disattenuated_low": "disattenuated_interval.low",
    "disattenuated_high": "disattenuated_interval.high",
}
_RANKS_PATHS = {
    **_ENDS,
    "correlation_low": "correlation_interval.low",
    "correlation_high": "correlation_interval.high",
}
_SIGNS_PATHS = {
    **_ENDS,
    "equal_signs_low": "equal_signs_interval.low",
    "equal_signs_high": "equal_signs_interval.high",
}
_Any = TypeVar("_Any", bound=Row)


def results_of(findings: Findings) -> Results:
    """The file's content for an audit's findings."""
    return Results(
        schema_version=1,
        series=tuple(_row(CheckpointRow, one) for one in findings.series.checkpoints),
        cautions=findings.cautions,
        refusals=tuple(_row(RefusalRow, one) for one in findings.refusals),
        effects=tuple(map(_effect_row, findings.effects)),
        contributions=tuple(_row(ContributionRow, one, _CONTRIBUTION_PATHS) for one in findings.contributions),
        transitions=tuple(_row(TransitionsRow, one) for one in findings.transitions),
        specifications=tuple(_specifications(findings)),
        persistences=tuple(_row(PersistenceRow, one, _PERSISTENCE_PATHS) for one in findings.persistences),
        reliabilities=tuple(_row(ReliabilityRow, one) for one in findings.reliabilities),
        scorings=tuple(_row(ScoringRow, one) for one in findings.scorings),
        noise_floors=tuple(_row(NoiseFloorRow, one) for one in findings.noise_floors),
        attributions=attribution_rows(findings.attributions),
        agreements=tuple(_row(RewardAgreementRow, one, _SIGNS_PATHS) for one in findings.agreements),
        sensitivities=tuple(_row(SensitivityRow, one, _RANKS_PATHS) for one in findings.sensitivities),
        reward_harms=tuple(_row(RewardHarmRow, one, _ENDS) for one in findings.reward_harms),
    )


def attribution_rows(cells: Iterable[AttributedCell]) -> tuple[AttributionRow, ...]:
    """Rows of the file's ``attributions``."""
    return tuple(_row(AttributionRow, one, _ENDS) for one in cells)


def _specifications(findings: Findings) -> Iterator[SpecificationRow]:
    """The multiverse of the disparities at each leaf; of other effects the file holds agreement and worst case."""
    for effect in findings.effects:
        if effect.measure == "level" and effect.checkpoint in findings.series.leaves and is_disparity(effect):
            who = {name: getattr(effect, name) for name in _SUBJECT}
            for one in effect.outcomes or ():
                yield SpecificationRow(
                    **who,
                    dimension=one.dimension,
                    choice=one.choice,
                    estimate=one.estimate,
                    low=one.interval.low,
                    high=one.interval.high,
                    verdict=one.verdict,
                )


def results_json(results: Results) -> str:
    """The file's text: a record a line, so that people can search it and no space is spent on indenting it."""
    content = results.model_dump(mode="json")
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(value)}" for key, value in content.items()) + "\n}\n"


def _lines(value: object) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, allow_nan=False)
    return "[\n" + ",\n".join(json.dumps(one, allow_nan=False) for one in value) + "\n]"


def _effect_row(effect: Effect) -> EffectRow:
    robustness = effect.robustness
    return _row(
        EffectRow,
        effect,
        _EFFECT_PATHS,
        control_checks=None if effect.checks is None else _controls_row(effect.checks),
        beyond_forms=None if effect.forms is None else _row(FormsRow, effect.forms, _FORMS_PATHS),
        scales=None if effect.scales is None else _scales_row(effect.scales),
        pooled=None if effect.pooled is None else _row(PooledRow, effect.pooled),
        plausible=None if effect.plausible is None else _row(PlausibleRow, effect.plausible, _ENDS),
        robustness=None if robustness is None else [_row(AgreementRow, one, _AGREEMENT_PATHS) for one in robustness],
    )


def _controls_row(checks: ControlChecks) -> ControlsRow:
    form = checks.form or Estimate(float("nan"), float("nan"), 0)
    return ControlsRow(
        form_estimate=form.value,
        form_se=form.se,
        form_degrees=form.degrees if checks.form else None,
        form_low=checks.form_interval.low,
        form_high=checks.form_interval.high,
        form_clusters=form.clusters,
        band_low=checks.band.low,
        band_high=checks.band.high,
        name_logprob=checks.name_logprob,
        control_identities=checks.identities,
    )


def _scales_row(scales: Scales) -> ScalesRow:
    own = {"beyond_sharpening_low": "beyond_interval.low", "beyond_sharpening_high": "beyond_interval.high"}
    return _row(ScalesRow, scales, own, beyond_sharpening=scales.beyond.value if scales.beyond else None)


def _row(kind: type[_Any], one: object, paths: Mapping[str, str] = MappingProxyType({}), **given: object) -> _Any:
    """Exactly the declared keys: those given, else from the attributes of the same names or where ``paths`` says."""
    names = (name for name in kind.model_fields if name not in given)
    return kind(**given, **{name: attrgetter(paths.get(name, name))(one) for name in names})
