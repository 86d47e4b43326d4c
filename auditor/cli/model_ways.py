"""The methods of attribution that ask models, made ready for one audit.

All questions are put together, so that each method loads a checkpoint once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from auditor.adapters.attribution.path_pairs import PATH_LEVELS, path_answers, path_pairs
from auditor.adapters.attribution.questions import Question, with_shift
from auditor.adapters.attribution.ways import Answered, Cost, Way
from auditor.adapters.attribution.word_attributions import WordAttribution, WordPlan, WordSettings, plan_words, shift_of
from auditor.adapters.hf.devices import matmul_rate
from auditor.adapters.hf.gradient_attributions import GradientPlan, plan_gradients
from auditor.adapters.hf.input_gradients import STEPS, gradient_scope, input_gradients, unknown_pairs
from auditor.adapters.hf.kept_vectors import KeptVectors
from auditor.adapters.hf.loading.checkpoints import fingerprint
from auditor.adapters.hf.path.parameter_path import path_attributions, path_record
from auditor.adapters.hf.path.path_costs import path_cost
from auditor.adapters.hf.sequences import Sequences
from auditor.adapters.hf.tokens import Encoder
from auditor.adapters.run.run_folder import read_manifest
from auditor.adapters.run.scoring_speed import ScoringSpeed, scoring_speed
from auditor.cli.open_audit import OpenAudit
from auditor.core.attributions import Attribution, by_role
from auditor.core.items import Item, Probe
from auditor.core.refusals import Refusal
from auditor.core.scores import CheckpointScores

# What a text takes forward and back again, in texts forward alone: twice as much arithmetic on the way back.
_BACK = 3


def word_way(opened: OpenAudit, scores: Sequence[CheckpointScores], settings: WordSettings) -> Way:
    """Feature ablation or Shapley values of words."""

    def plan(questions: Sequence[Question]) -> WordPlan:
        return plan_words(_asked(questions), opened.audit.rendering.renders, settings)

    def attribute(questions: Sequence[Question]) -> Answered:
        planned = plan(questions)
        # How much rounding matters was measured on the run's own texts.
        opened.scorer.measures_noise = False
        found: dict[tuple[str, str, str, str], WordAttribution] = {}
        refusals: list[Refusal] = []
        for name in _checkpoints(questions):
            edited = opened.scorer.score(opened.audit.series[name], planned.probes)
            own, refused = planned.read(_of(scores, name), edited)
            found |= {(name, *_place(one.attribution)): one for one in own}
            refusals += refused
        attributions: list[Attribution] = []
        for question, item in _each(questions):
            levels = [found.get((name, *_place_of(question, item))) for name in question.checkpoints]
            there = [one for one in levels if one is not None]
            if len(there) == len(levels):
                words = [*there, *([shift_of(*there)] if len(there) > 1 else [])]
                attributions += [one for word in words for one in (word.attribution, by_role(word.attribution))]
        return Answered(tuple(attributions), _wanted(refusals, questions))

    def cost(questions: Sequence[Question]) -> Cost:
        probes = plan(questions).probes
        series = opened.audit.series
        passes = sum(opened.scorer.unknown_texts(series[name], probes) for name in _checkpoints(questions))
        speed = _speed(opened)
        return Cost(passes, passes * speed.shared if speed else None) if passes else Cost()

    return Way(attribute, cost)


def gradient_way(opened: OpenAudit, scores: Sequence[CheckpointScores]) -> Way:
    """Integrated gradients of words and tokens."""
    audit = opened.audit

    def plan(questions: Sequence[Question], name: str) -> GradientPlan:
        encoder = Encoder(audit.tokenizers[name], opened.options.end.value)
        window = audit.files[name].context_window
        return plan_gradients(_asked(questions), audit.rendering.renders, audit.rendering.template, encoder, window)

    def scope(name: str) -> str:
        return gradient_scope(fingerprint(audit.files[name], opened.hashes.digest), opened.request.engine)

    def attribute(questions: Sequence[Question]) -> Answered:
        kept, shelf = KeptVectors(opened.stores.stores), opened.scorer.shelf
        found: dict[tuple[str, str, str, str], list[Attribution]] = {}
        refusals: list[Refusal] = []
        notes: dict[str, None] = {}
        for name in _checkpoints(questions):
            planned = plan(questions, name)
            parts = input_gradients(audit.files[name], shelf, planned.texts, kept, scope(name), opened.progress)
            own, refused = planned.read(_of(scores, name), parts)
            for one in own:
                found.setdefault((name, *_place(one)), []).append(one)
            refusals += refused
            notes |= dict.fromkeys(planned.notes)
        attributions: list[Attribution] = []
        for question, item in _each(questions):
            sides = [found.get((name, *_place_of(question, item)), []) for name in question.checkpoints]
            # Words first, then tokens; with other tokens at the two checkpoints there is no shift of these.
            for levels in zip(*sides, strict=False):
                same = len({one.units for one in levels}) == 1
                told = list(with_shift(levels)) if same else list(levels)
                attributions += [*told, *(by_role(one) for one in told if one.level == "word")]
        return Answered(tuple(attributions), _wanted(refusals, questions), tuple(notes))

    def cost(questions: Sequence[Question]) -> Cost:
        kept = KeptVectors(opened.stores.stores)
        names = _checkpoints(questions)
        pairs = sum(unknown_pairs(plan(questions, name).texts, kept, scope(name)) for name in names)
        # Two sides, at least so many nodes each.
        passes, speed = 2 * STEPS * pairs, _speed(opened)
        return Cost(passes, passes * _BACK * speed.alone if speed else None) if passes else Cost()

    return Way(attribute, cost)


def path_way(opened: OpenAudit, nodes: int) -> Way:
    """Parts of the model, along the straight line between the weights of two checkpoints."""

    def sequences(checkpoint: str) -> Sequences:
        return opened.scorer.prepare(checkpoint, opened.audit.probes).sequences

    def attribute(questions: Sequence[Question]) -> Answered:
        attributions: list[Attribution] = []
        refusals: list[Refusal] = []
        first = dict.fromkeys(one.checkpoint for one in questions if one.reference is None)
        notes = tuple(f"no path leads to {name}: the run has none that it was trained from" for name in first)
        for (checkpoint, reference), own in _stages(questions).items():
            pairs, places = path_pairs(sequences(checkpoint), own)
            ends = opened.audit.files[reference], opened.audit.files[checkpoint]
            parts = path_attributions(
                *ends,
                opened.scorer.shelf,
                pairs,
                nodes=nodes,
                kept=KeptVectors(opened.stores.stores),
                progress=opened.progress,
                digest=opened.hashes.digest,
            )
            levels = {level: parts.at(level) for level in PATH_LEVELS}
            # A path is in float32 always, and complete against its own ends.
            totals = None if opened.scorer.shelf.policy.dtype == "float32" else parts.totals
            for question in own:
                answers, left_out = path_answers(question, levels, places, totals)
                attributions += answers
                refusals += left_out
        return Answered(tuple(attributions), tuple(refusals), notes)

    def cost(questions: Sequence[Question]) -> Cost:
        total = Cost()
        for (checkpoint, reference), own in _stages(questions).items():
            pairs, _ = path_pairs(sequences(checkpoint), own)
            ends = opened.audit.files[reference], opened.audit.files[checkpoint]
            kept, digest = KeptVectors(opened.stores.stores), opened.hashes.digest
            left = path_cost(*ends, pairs, path_record(*ends, opened.scorer.shelf, pairs, nodes, kept, digest))
            if left.passes:
                # Two sides.
                passes = 2 * left.passes
                arithmetic = left.seconds(matmul_rate(opened.audit.policy.device, "float32"))
                as_scored = passes * _BACK * speed.alone if (speed := _speed(opened)) else None
                # Each reads all weights and writes all gradients besides, so the larger bound is one still.
                total += Cost(passes, max(filter(None, (arithmetic, as_scored)), default=None), least=True)
        return total

    return Way(attribute, cost)


def _speed(opened: OpenAudit) -> ScoringSpeed | None:
    """How fast the run itself was scored."""
    return scoring_speed(read_manifest(opened.request.out))


def _stages(questions: Sequence[Question]) -> Mapping[tuple[str, str], list[Question]]:
    """Questions by checkpoint and reference; the first of a series has none."""
    found: dict[tuple[str, str], list[Question]] = {}
    for question in questions:
        if question.reference is not None:
            found.setdefault((question.checkpoint, question.reference), []).append(question)
    return found


def _asked(questions: Sequence[Question]) -> list[tuple[Probe, list[Item]]]:
    """Probes and their chosen items, each once, in the probe's order."""
    chosen: dict[str, tuple[Probe, dict[str, Item]]] = {}
    for question, item in _each(questions):
        chosen.setdefault(question.table.probe.name, (question.table.probe, {}))[1][item.id] = item
    return [(probe, [one for one in probe.items if one.id in items]) for probe, items in chosen.values()]


def _each(questions: Sequence[Question]) -> Iterator[tuple[Question, Item]]:
    return ((question, question.table.items[at]) for question in questions for at in question.chosen.all.tolist())


def _checkpoints(questions: Sequence[Question]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for question in questions for name in question.checkpoints))


def _of(scores: Sequence[CheckpointScores], name: str) -> CheckpointScores:
    return next(one for one in scores if one.checkpoint == name)


def _place(one: Attribution) -> tuple[str, str, str]:
    return one.probe, one.render, one.item


def _place_of(question: Question, item: Item) -> tuple[str, str, str]:
    return question.table.probe.name, question.table.render, item.id


def _wanted(refusals: Sequence[Refusal], questions: Sequence[Question]) -> tuple[Refusal, ...]:
    """Those about items that were asked in their rendering."""
    asked = {_place_of(question, item) for question, item in _each(questions)}
    return tuple(one for one in refusals if (one.probe, one.render, one.item) in asked)
