"""What an audit found: the report model, and the cautions that lead it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

from auditor.core.attributed import AttributedCell
from auditor.core.contributions import Contribution
from auditor.core.effects import NOISE_FACTOR, Effect
from auditor.core.noise import NoiseFloor
from auditor.core.persistence import Persistence
from auditor.core.reference_sensitivity import Sensitivity
from auditor.core.refusals import Refusal
from auditor.core.reliability import Reliability, ScoringAgreement
from auditor.core.reward_agreement import RewardAgreement, RewardHarm
from auditor.core.scores import CheckpointScores
from auditor.core.series import Series
from auditor.core.tables import ScoreTable
from auditor.core.transitions import Transitions
from auditor.core.verdicts import DEFAULT_SESOI, Rule

# Identities that a caution names before it counts the rest.
_NAMED = 4
# Below so many, intervals of skewed cluster means fell short of their error (benchmarks/results/verdicts.json).
_FEW_CLUSTERS = 15


@dataclass(frozen=True, slots=True)
class Findings:
    """What one audit of one series found.

    Attributes:
        effects: with verdicts and origins.
        contributions: of each stage to the level where each path of training ends.
        transitions: of items, at each stage.
        persistences: of the first checkpoint's disparities along each path of training.
        reliabilities: of each probe's disparities over halves of its wordings, at each checkpoint.
        scorings: how other scorings agree with summed margins, at each checkpoint.
        noise_floors: of half precision, by probe, rendering and checkpoint; none in float32.
        attributions: of levels and shifts to the roles of the scored tokens.
        agreements: of explicit rewards, implicit rewards and preferences, two at a time.
        reward_harms: what each of these says of each identity.
        sensitivities: of implicit rewards to the reference they are counted from.
    """

    series: Series
    effects: tuple[Effect, ...]
    refusals: tuple[Refusal, ...]
    cautions: tuple[str, ...]
    contributions: tuple[Contribution, ...] = ()
    transitions: tuple[Transitions, ...] = ()
    persistences: tuple[Persistence, ...] = ()
    reliabilities: tuple[Reliability, ...] = ()
    scorings: tuple[ScoringAgreement, ...] = ()
    noise_floors: tuple[NoiseFloor, ...] = ()
    attributions: tuple[AttributedCell, ...] = ()
    agreements: tuple[RewardAgreement, ...] = ()
    reward_harms: tuple[RewardHarm, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()


def one_model_twice(scores: Sequence[CheckpointScores]) -> Iterator[str]:
    """What leads where checkpoints are the same to the last byte, as when one folder is given for another."""
    alike: dict[str, list[str]] = {}
    for one in scores:
        if one.fingerprint:
            alike.setdefault(one.fingerprint, []).append(one.checkpoint)
    for names in alike.values():
        if len(names) > 1:
            yield (
                f"{' and '.join(names)} are one and the same model: weights, config and tokenizer are equal. "
                "Nothing can lie between them, and that they agree says nothing. Check the arguments."
            )


def joined(series: Series, parts: Sequence[Findings]) -> Findings:
    """The findings of an audit from those of parts of its series, in their order; a caution stands once."""
    found: dict[str, tuple[Any, ...]] = {
        one.name: tuple(chain.from_iterable(getattr(part, one.name) for part in parts))
        for one in fields(Findings)
        if one.name != "series"
    }
    said: dict[str, str] = {}
    for part in parts:
        for text in part.cautions:
            said.setdefault(text, text if part.series is series else _about(part.series, text))
    return Findings(series, **{**found, "cautions": tuple(said.values())})


def _about(part: Series, text: str) -> str:
    """A caution that was said of a part of a series alone; without a name it speaks of policies."""
    names = ", ".join(part.names)
    if part.checkpoints[0].quantity == "logprob" or text.startswith(f"{names}: "):
        return text
    return f"{text.removesuffix('.')} (said of {names})."


def cautions_of(
    tables: Sequence[ScoreTable],
    effects: Sequence[Effect],
    series: Series,
    rule: Rule,
    floors: Sequence[NoiseFloor] = (),
) -> tuple[str, ...]:
    """What a reader must know before a number, one sentence each, most serious first.

    Args:
        tables, effects, floors: of the checkpoints of ``series``, which all give one quantity.
        rule: as it was stated for the whole audit.
    """
    quantity = series.checkpoints[0].quantity
    return tuple(
        dict.fromkeys(
            [
                *_noise(floors, effects, "nats" if quantity == "logprob" else "units of the reward"),
                *_missing_controls(effects),
                *_names(tables),
                *_tokens(tables),
                *_moved_references(effects),
                *_few_skewed_clusters(effects),
                *_rewards(effects, series),
                *(f"{table.probe.name}: {note}" for table in tables for note in table.probe.card.notes),
                *(_convention(rule) if quantity == "logprob" else _odds_of_rewards(rule, series)),
            ]
        )
    )


def _noise(floors: Sequence[NoiseFloor], effects: Sequence[Effect], unit: str) -> Iterator[str]:
    """What rounding does to each probe in each rendering, and which verdicts it can reach."""
    for probe, render in dict.fromkeys((one.probe, one.render) for one in floors):
        own = [one for one in floors if (one.probe, one.render) == (probe, render)]
        errors = [one.margin for one in own]
        judged = [one for one in effects if (one.probe, one.render) == (probe, render) and one.verdict is not None]
        below = sum(bool(one.below_noise) for one in judged)
        yield (
            f"{probe}, {render}: rounding moves a margin by {min(errors):.2g} to {max(errors):.2g} {unit} (root mean "
            f"square, {own[0].items} items scored again in float32); {below} of {len(judged)} judged effects lie below "
            f"the noise floor, nearer to 0 than {NOISE_FACTOR:g} times what it adds: their signs may be its doing."
        )
        claims = [one for one in judged if one.verdict in ("harm", "no_meaningful_difference")]
        reached = _identities(one for one in claims if one.sesoi is not None and one.reaches_by_noise(one.sesoi))
        if reached:
            yield (
                f"{probe}, {render}: rounding alone can move effects about {reached} by d, so harm or no meaningful "
                "difference may be its doing there: confirm them with --dtype float32."
            )


def _missing_controls(effects: Sequence[Effect]) -> Iterator[str]:
    """What verdicts of each probe could not be held against."""
    levels = [one for one in effects if one.measure == "level" and one.theme is None and one.verdict is not None]
    for probe in dict.fromkeys(one.probe for one in levels):
        own = [one for one in levels if one.probe == probe]
        without_form = _identities(
            one for one in own if one.checks and one.checks.form is None and not one.checks.form_refused
        )
        of_other_form = _identities(one for one in own if one.checks and one.checks.form_refused)
        without_band = _identities(
            one for one in own if one.contrast == "excess" and one.checks and not one.checks.identities
        )
        if of_other_form:
            yield (
                f"{probe}: no form-matched controls for {of_other_form} (control_form: under this tokenizer the "
                "sides of their neutral pairs differ in length otherwise than those of the harmful pairs, or the "
                "scores hold no tokens to see it by; see audit probes lint --tokenizer): a harm verdict about them "
                "is not held against how the texts are worded."
            )
        elif all(one.controls == "absent" for one in own):
            yield (
                f"{probe}: no form-matched controls and no control identities, so a harm verdict may "
                "come from how the texts are worded rather than from whom they are about."
            )
            continue
        if without_form:
            yield (
                f"{probe}: no form-matched controls for {without_form}: a harm verdict about them is not held "
                "against how the texts are worded."
            )
        if without_band:
            yield (
                f"{probe}: no band of control identities for {without_band} (five are needed that are asked the same "
                "and named in the text): a disparity of theirs is not held against what any two groups may differ by."
            )


def _identities(effects: Iterable[Effect]) -> str:
    """Their identities, the first few by name; "" for none."""
    names = list(dict.fromkeys(one.identity or "the rows that name none" for one in effects))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _names(tables: Sequence[ScoreTable]) -> Iterator[str]:
    for probe in dict.fromkeys(table.probe.name for table in tables if _swaps_identity(table)):
        yield (
            f"{probe}: a pair's two texts name different groups, so the summed margin also holds how likely each "
            "name is at all; a shift removes most of that, and so does a published metric over shared tokens."
        )


def _swaps_identity(table: ScoreTable) -> bool:
    # A reward model reads a text as a whole and gives the names in it no probability.
    return table.kind != "reward" and any(
        item.design == "identity_swap" and item.pair is not None for item in table.items
    )


def _tokens(tables: Sequence[ScoreTable]) -> Iterator[str]:
    # Rewards are compared whatever tokens they were read from: they are not made of them.
    for table in (one for one in tables if one.kind != "reward"):
        differing = int((table.token_codes != table.token_codes[:, :1]).any(axis=1).sum())
        if differing:
            yield (
                f"{table.probe.name}, {table.render}: {differing} of {len(table.items)} items have other token "
                "ids at some checkpoints; their summed margins are compared, never as a reward."
            )
        straddling = int(table.straddles.sum())
        if straddling:
            yield (
                f"{table.probe.name}, {table.render}: in {straddling} of {len(table.items)} items a token holds "
                "characters of both context and candidate; scoring starts at that token."
            )


def _moved_references(effects: Sequence[Effect]) -> Iterator[str]:
    moved = {
        (one.checkpoint, one.measure_from)
        for one in effects
        if (one.measure, one.contrast, one.role, one.valence) == ("shift", "reference", "marked", "harm")
        # The response to a declaration may shrink because the model needs it less.
        and one.design == "text_swap"
        and one.theme is None
        and one.interval.low > 0
    }
    for checkpoint, measure_from in sorted(moved, key=str):
        yield (
            f"From {measure_from} to {checkpoint} the reference identities moved towards the harmful texts too: "
            "the excess cannot see what hits everyone, read the raw margins beside it."
        )


def _few_skewed_clusters(effects: Sequence[Effect]) -> Iterator[str]:
    """What was claimed where neither t nor a bootstrap keeps its promise."""
    claims = [
        one
        for one in effects
        if one.verdict in ("harm", "no_meaningful_difference")
        and (one.measure, one.theme) == ("level", None)
        and one.estimate.method != "t"
        and one.estimate.clusters < _FEW_CLUSTERS
    ]
    for probe in dict.fromkeys(one.probe for one in claims):
        names = _identities(one for one in claims if one.probe == probe)
        yield (
            f"{probe}: verdicts about {names} rest on fewer than {_FEW_CLUSTERS} clusters with skewed means: so few "
            "may not show the whole of a tail, and such verdicts are wrong more often than their intervals promise."
        )


def _rewards(effects: Sequence[Effect], series: Series) -> Iterator[str]:
    rewards = [one for one in effects if one.measure == "implicit_reward" and one.items]
    renders = dict.fromkeys(one.render for one in rewards if not one.complete)
    for render in renders:
        yield (
            f"Implicit rewards in {render} rendering are prefix rewards: the scored text does not end its "
            "turn (see --end)."
        )
    for name in dict.fromkeys(one.checkpoint for one in rewards if one.per_token):
        yield (
            f"{name}: its objective is length-normalised, so its implicit reward counts nats per token; "
            "d is stated for summed margins, so the verdict is that of the shift, not of the reward."
        )
    if any(one.beta is None for one in rewards):
        yield "Implicit rewards are in nats, beta left out: give --beta to rescale them; no sign changes."
    for checkpoint in series.checkpoints:
        if checkpoint.objective_source == "name":
            yield (
                f"{checkpoint.name}: taken for a {checkpoint.objective} checkpoint trained from "
                f"{checkpoint.reference} because of its name; say --objective {checkpoint.name}=none if it is not."
            )


def _convention(rule: Rule) -> Iterator[str]:
    if rule.sesoi == DEFAULT_SESOI:
        yield ("The bound d = ln 1.25 = 0.22 nats (odds up by a quarter) is a convention: state your own with --sesoi.")


def _odds_of_rewards(rule: Rule, series: Series) -> Iterator[str]:
    if rule.reward_sesoi is None:
        convention = ", by convention odds up by a quarter (d = ln 1.25 = 0.22)" if rule.sesoi == DEFAULT_SESOI else ""
        yield (
            f"{', '.join(series.names)}: a margin of rewards is read as a log-odds, since under the usual loss of a "
            "reward model sigmoid(r_a - r_b) is the probability that a is preferred to b; so d means the same odds as "
            f"for log-probabilities{convention}. Trained by another loss, a reward has a scale of its own: state its "
            "bound with --reward-sesoi."
        )
    stages = [f"{one.reference} to {one.name}" for one in series.checkpoints if one.reference is not None]
    if stages:
        yield (
            f"{', '.join(series.names)}: a shift ({', '.join(stages)}) is what training added only where one reward "
            "model was trained from the other; two that were trained apart may have unlike scales, which Cohen's d "
            "compares."
        )
