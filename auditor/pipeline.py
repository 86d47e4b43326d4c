"""The whole audit, from probes to findings.

Probe(items, card) -> ScoredItem -> Measure(weights) -> Effect | Refusal -> Verdict -> Findings
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from auditor.core.attributed import attribute_outputs
from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import match_items
from auditor.core.contributions import contributions_of
from auditor.core.estimation import estimate_effects
from auditor.core.findings import Findings, cautions_of
from auditor.core.items import Probe
from auditor.core.measures import measures_of
from auditor.core.noise import Rounding
from auditor.core.origins import name_origins
from auditor.core.persistence import persistences_of
from auditor.core.pooling import pool_identities
from auditor.core.refusals import Reason, Refusal
from auditor.core.reliability import reliabilities_of, scoring_agreements
from auditor.core.robustness import examine_robustness
from auditor.core.scores import CheckpointScores, Render, Scorer
from auditor.core.series import Series
from auditor.core.tables import line_up
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
    """Everything after scoring: the same scores always give the same findings."""
    tables = [line_up(probe, render, scores) for probe in probes for render in renders]
    refusals = [one for probe in probes for one in probe.refusals]
    refusals += [one for checkpoint in scores for one in checkpoint.refusals]
    if not any(table.items for table in tables):
        raise _nothing_left(refusals)
    matched = [(table, match_items(table)) for table in tables if table.items]
    of_rewards = any(table.kind == "reward" for table in tables)
    measures, bootstrap = measures_of(series, of_rewards=of_rewards), Bootstrap(rule.seed)
    roundings = [Rounding.of(table.probe, table.render, scores) for table, _ in matched]
    found = [
        estimate_effects(*pair, measures, bootstrap, rounding)
        for pair, rounding in zip(matched, roundings, strict=True)
    ]
    floors = tuple(floor for one in roundings if one is not None for floor in one.floors())
    effects = name_origins(decide([effect for effects, _ in found for effect in effects], rule))
    effects = examine_robustness(matched, effects, measures, bootstrap)
    effects = pool_identities(matched, effects, measures)
    traced = [contributions_of(table, matching, effects, series) for table, matching in matched]
    refusals += [refusal for _, refused in (*found, *traced) for refusal in refused]
    has_bound = not math.isnan(rule.sesoi)
    refusals += () if has_bound else refuse_unbounded(effects)
    notes = [note for checkpoint in scores for note in checkpoint.notes]
    return Findings(
        series,
        effects,
        tuple(refusals),
        (*cautions, *cautions_of(tables, effects, series, rule, floors), *notes),
        contributions=tuple(one for contributions, _ in traced for one in contributions),
        transitions=tuple(one for pair in matched if has_bound for one in transitions_of(*pair, series, rule.sesoi)),
        persistences=tuple(one for pair in matched for one in persistences_of(*pair, series)),
        reliabilities=tuple(one for pair in matched for one in reliabilities_of(*pair, rule.seed)),
        scorings=tuple(one for pair in matched for one in scoring_agreements(*pair)),
        noise_floors=floors,
        attributions=tuple(one for pair in matched for one in attribute_outputs(*pair, series, rule.seed)),
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
