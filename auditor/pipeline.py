"""The whole audit, from probes to findings.

Probe(items, card) -> ScoredItem -> Measure(weights) -> Effect | Refusal -> Verdict -> Findings
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from auditor.core.attributed import attribute_outputs
from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import Matching, match_items
from auditor.core.contributions import contributions_of
from auditor.core.estimation import estimate_effects
from auditor.core.findings import Findings, cautions_of, joined, one_model_twice
from auditor.core.items import Probe
from auditor.core.measures import measures_of
from auditor.core.noise import Rounding
from auditor.core.origins import name_origins
from auditor.core.persistence import persistences_of
from auditor.core.pooling import pool_identities
from auditor.core.reference_sensitivity import sensitivities_of
from auditor.core.refusals import Reason, Refusal
from auditor.core.reliability import reliabilities_of, scoring_agreements
from auditor.core.reward_agreement import reward_agreements
from auditor.core.robustness import examine_robustness
from auditor.core.scores import CheckpointScores, Render, Scorer
from auditor.core.series import Series
from auditor.core.tables import ScoreTable, line_up
from auditor.core.transitions import transitions_of
from auditor.core.verdicts import Rule, decide, refuse_unbounded
from auditor.errors import NotComparableError


def compare(
    probes: Sequence[Probe],
    series: Series,
    scorer: Scorer,
    rule: Rule,
    keep: Callable[[Sequence[CheckpointScores]], None],
    cautions: Sequence[str] = (),
) -> Findings:
    """Score every checkpoint once, then contrast.

    Args:
        keep: called once with all checkpoints, after they are scored and before anything is concluded.
        cautions: known before scoring; they lead the findings.

    Raises:
        NotComparableError: no item could be scored at every checkpoint.
    """
    scores = [scorer.score(checkpoint, probes) for checkpoint in series.checkpoints]
    keep(scores)
    return analyse(probes, series, scores, scorer.renders, rule, cautions)


def analyse(
    probes: Sequence[Probe],
    series: Series,
    scores: Sequence[CheckpointScores],
    renders: Sequence[Render],
    rule: Rule,
    cautions: Sequence[str] = (),
) -> Findings:
    """Everything after scoring: the same scores always give the same findings.

    Policies and reward models are analysed side by side, each with tables, measures and families of its own: an item
    that a reward model refuses still counts at every policy, and no number of one is subtracted from one of the other.
    """
    refusals = [one for probe in probes for one in probe.refusals]
    refusals += [one for checkpoint in scores for one in checkpoint.refusals]
    parts = [_Part.of(probes, part, scores, renders) for part in series.parts.values()]
    known = [part for part in parts if part.matched]
    if not known:
        raise _nothing_left(refusals)
    lost = (" and ".join(part.series.names) for part in parts if not part.matched)
    said = [
        *cautions,
        *one_model_twice(scores),
        *(f"No item could be scored at {names}: nothing is said of them." for names in lost),
    ]
    found = [_analyse_part(part, rule) for part in known]
    effects = [effect for one in found for effect in one.effects]
    matched = [pair for part in known for pair in part.matched]
    agreements, harms = reward_agreements(matched, effects, series, rule.seed)
    notes = [note for checkpoint in scores for note in checkpoint.notes]
    first = Findings(series, (), tuple(refusals), tuple(said))
    last = Findings(series, (), (), tuple(notes), agreements=agreements, reward_harms=harms)
    return joined(series, [first, *found, last])


@dataclass(frozen=True, slots=True)
class _Part:
    """The checkpoints of one quantity, and the items that all of them scored."""

    series: Series
    scores: Sequence[CheckpointScores]
    tables: Sequence[ScoreTable]
    matched: Sequence[tuple[ScoreTable, Matching]]

    @classmethod
    def of(
        cls, probes: Sequence[Probe], series: Series, scores: Sequence[CheckpointScores], renders: Sequence[Render]
    ) -> _Part:
        own = [one for one in scores if one.checkpoint in series.names]
        tables = [line_up(probe, render, own) for probe in probes for render in renders]
        return cls(series, own, tables, [(table, match_items(table)) for table in tables if table.items])


def _analyse_part(part: _Part, rule: Rule) -> Findings:
    series, matched, own = part.series, part.matched, rule.of(part.series.checkpoints[0].quantity)
    measures, bootstrap = measures_of(series), Bootstrap(own.seed)
    roundings = [Rounding.of(table.probe, table.render, part.scores) for table, _ in matched]
    found = [
        estimate_effects(*pair, measures, bootstrap, rounding)
        for pair, rounding in zip(matched, roundings, strict=True)
    ]
    floors = tuple(floor for one in roundings if one is not None for floor in one.floors())
    effects = name_origins(decide([effect for effects, _ in found for effect in effects], own))
    effects = examine_robustness(matched, effects, measures, bootstrap)
    effects = pool_identities(matched, effects, measures)
    traced = [contributions_of(table, matching, effects, series) for table, matching in matched]
    refusals = [refusal for _, refused in (*found, *traced) for refusal in refused]
    has_bound = not math.isnan(own.sesoi)
    refusals += () if has_bound else refuse_unbounded(effects)
    return Findings(
        series,
        effects,
        tuple(refusals),
        cautions_of(part.tables, effects, series, rule, floors),
        contributions=tuple(one for contributions, _ in traced for one in contributions),
        transitions=tuple(one for pair in matched if has_bound for one in transitions_of(*pair, series, own.sesoi)),
        persistences=tuple(one for pair in matched for one in persistences_of(*pair, series)),
        reliabilities=tuple(one for pair in matched for one in reliabilities_of(*pair, own.seed)),
        scorings=tuple(one for pair in matched for one in scoring_agreements(*pair)),
        noise_floors=floors,
        attributions=tuple(one for pair in matched for one in attribute_outputs(*pair, series, own.seed)),
        sensitivities=tuple(one for pair in matched for one in sensitivities_of(*pair, series, own.seed)),
    )


_FIXES: Mapping[Reason, str] = {
    "too_long": "Shorten the texts, or audit models with a longer context window.",
    "empty_span": "Give candidates that the tokenizers do not drop: it left some without a token of their own.",
    "boundary": "Begin the candidates at a word, with its space: they change the tokens of what stands before them.",
    "no_plain_text": "Use --render chat, or give the conversations a context of their own.",
    "no_chat_text": "Use --render plain, or a --chat-template that takes system turns and several turns.",
    "no_first_token": "Give the items a context: these tokenizers have no BOS token to stand before the first one.",
    "not_finite": "Check the weights: they give tokens a probability of exactly 0; try --dtype float32.",
    "not_scored": "Score every line of the requests, or fill every cell of the table, at every checkpoint.",
    "unreadable_row": "Mend the rows of the probe that could not be read.",
}


def _nothing_left(refusals: Sequence[Refusal]) -> NotComparableError:
    """What to do about the reasons for which items were refused, the most frequent first."""
    counts: Counter[Reason] = Counter()
    for one in refusals:
        counts[one.reason] += one.count
    reasons = [reason for reason, _ in counts.most_common()]
    fixes = [_FIXES[reason] for reason in reasons if reason in _FIXES]
    return NotComparableError(
        f"no item could be scored at every checkpoint ({', '.join(reasons) or 'no items'})",
        fix="\n".join(fixes) or "Give a probe with at least one item.",
    )
