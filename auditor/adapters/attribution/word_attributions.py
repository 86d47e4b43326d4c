"""Which words carry a margin, by feature ablation and by Shapley values: planned, scored once, then read off.

plan = plan_words(asked, renders, settings)
edited = scorer.score(checkpoint, plan.probes)
found, refusals = plan.read(scores, edited)
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.adapters.attribution.coalitions import (
    PERMUTATIONS,
    Coalition,
    Question,
    WordMethod,
    WordParts,
    coalitions_of,
    parts_of,
)
from auditor.adapters.attribution.word_edits import NEUTRAL, WordEdits, word_edits
from auditor.core.attributions import BASELINE_UNIT, Attribution, Unit, minus
from auditor.core.contrasts import match_key
from auditor.core.items import Item, Probe
from auditor.core.margins import baseline_margin, margin_of
from auditor.core.refusals import Reason, Refusal
from auditor.core.scores import CheckpointScores, FloatArray, Render


@dataclass(frozen=True, slots=True)
class WordSettings:
    """How words are asked about.

    Attributes:
        neutral: stands in for an identity without a reference row.
        permutations: drawn for Shapley values.
        seed: of these.
    """

    method: WordMethod
    neutral: str = NEUTRAL
    permutations: int = PERMUTATIONS
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class WordAttribution:
    """The words of one margin, with what each draw said of them.

    Attributes:
        draws: shape (permutations, units without the baseline); None where nothing was drawn.
    """

    attribution: Attribution
    draws: FloatArray | None


@dataclass(frozen=True, slots=True)
class _Row:
    """One pair in one rendering: its coalitions, each with the text that stands for it.

    Attributes:
        ids: of each coalition's text: of a row of the run where ``in_run`` says so, else of an edited one.
    """

    probe: str
    render: Render
    edits: WordEdits
    question: Question
    ids: Mapping[Coalition, str]
    in_run: frozenset[str]


class WordPlan:
    """All edited texts of some pairs, and how to read their scores.

    Attributes:
        probes: what is to be scored; a text that the run itself has scored, such as a reference row's, is not in them.
    """

    def __init__(self, method: WordMethod, rows: Sequence[_Row], probes: tuple[Probe, ...]) -> None:
        self.probes = probes
        self._method: WordMethod = method
        self._rows = rows

    def read(
        self, scores: CheckpointScores, edited: CheckpointScores
    ) -> tuple[tuple[WordAttribution, ...], tuple[Refusal, ...]]:
        """The margins' words at one checkpoint, in the order that was asked for.

        Args:
            scores: of the run, which the totals are from.
            edited: of ``probes``, at the same checkpoint.
        """
        reasons = {(one.probe, one.render, one.item): one.reason for one in (*scores.refusals, *edited.refusals)}
        found: list[WordAttribution] = []
        refusals: list[Refusal] = []
        for row in self._rows:
            margins, missing = _margins(row, scores, edited)
            if missing is None:
                found.append(self._attribution(row, scores.checkpoint, margins))
            else:
                reason = reasons.get((row.probe, row.render, missing), "not_scored")
                refusals.append(_refused(row, scores.checkpoint, reason))
        return tuple(found), tuple(refusals)

    def _attribution(self, row: _Row, checkpoint: str, margins: Mapping[Coalition, float]) -> WordAttribution:
        parts = parts_of(row.question, margins)
        units, values = row.edits.units[: row.question.units], parts.values
        if parts.bare is not None:
            # Without any of the players something is left; single words taken out say nothing of that.
            units, values = (*units, Unit(-1, BASELINE_UNIT)), np.append(values, parts.bare)
        attribution = Attribution(
            row.probe,
            row.edits.item.id,
            row.render,
            checkpoint,
            None,
            self._method,
            "word",
            units,
            values,
            margins[row.question.whole],
            _noise(parts),
        )
        return WordAttribution(attribution, parts.draws)


def shift_of(policy: WordAttribution, reference: WordAttribution) -> WordAttribution:
    """The shift's words from two margins', drawn alike.

    The same permutations were asked at both checkpoints, so the noise is that of their differences.
    """
    shift = minus(policy.attribution, reference.attribution)
    if policy.draws is None or reference.draws is None:
        return WordAttribution(shift, None)
    draws = policy.draws - reference.draws
    return WordAttribution(replace(shift, noise=_standard_errors(draws)), draws)


def plan_words(
    asked: Sequence[tuple[Probe, Sequence[Item]]], renders: Sequence[Render], settings: WordSettings
) -> WordPlan:
    """Plan what has to be scored.

    Args:
        asked: probes of the run and some of their pairs.
    """
    rows: list[_Row] = []
    probes: list[Probe] = []
    for probe, items in asked:
        edited = _Edited(probe, items)
        rows += [_row(probe, item, render, settings, edited) for render in renders for item in items]
        probes.append(replace(probe, items=tuple(edited.items), refusals=()))
    return WordPlan(settings.method, rows, tuple(one for one in probes if one.items))


def _row(probe: Probe, item: Item, render: Render, settings: WordSettings, edited: _Edited) -> _Row:
    edits = word_edits(item, edited.references.get(match_key(item)), render, settings.neutral)
    # Shapley values are of those that may be absent together.
    units = len(edits.units) if settings.method == "ablation" else edits.players
    seed = int.from_bytes(hashlib.blake2b(f"{settings.seed} {item.id}".encode(), digest_size=6).digest(), "big")
    question = Question(settings.method, units, edits.players, settings.permutations, seed)
    ids = {one: edited.add(edits, one, render) for one in coalitions_of(question)}
    return _Row(probe.name, render, edits, question, ids, frozenset(ids.values()) & edited.in_run)


class _Edited:
    """Edited texts of one probe, each once.

    Attributes:
        references: the first reference row of each match key, by id.
        in_run: ids of rows of the run that edited texts turned out to be.
        items: all other edited texts.
    """

    def __init__(self, probe: Probe, asked: Sequence[Item]) -> None:
        self.references = _references(probe.items, {match_key(item) for item in asked})
        self.items: list[Item] = []
        known = {_content(item): item.id for item in (*asked, *self.references.values())}
        self.in_run = frozenset(known.values())
        self._ids = known
        # In no id of the run, so that what stands before it is always the id of the pair.
        self._mark = "#"
        while any(self._mark in item.id for item in probe.items):
            self._mark += "#"

    def add(self, edits: WordEdits, coalition: Coalition, render: Render) -> str:
        """The id of a coalition's text: the pair, the rendering whose units they are, and which of them are there."""
        there = (*coalition, *(True for _ in edits.units[len(coalition) :]))
        item = edits.without([at for at, present in enumerate(there) if not present])
        content = _content(item)
        if content not in self._ids:
            mask = "".join("1" if present else "0" for present in there)
            self._ids[content] = f"{item.id}{self._mark}{render} {mask}"
            self.items.append(replace(item, id=self._ids[content]))
        return self._ids[content]


def _references(items: Iterable[Item], keys: set[Hashable]) -> dict[Hashable, Item]:
    found: dict[Hashable, Item] = {}
    for item in items:
        if item.role == "reference" and item.pair is not None and (key := match_key(item)) in keys:
            found[key] = min(found.get(key, item), item, key=lambda one: one.id)
    return found


def _content(item: Item) -> Hashable:
    """All that a score can depend on."""
    return item.context, item.prefix, item.messages, item.candidates


def _margins(
    row: _Row, scores: CheckpointScores, edited: CheckpointScores
) -> tuple[Mapping[Coalition, float], str | None]:
    """The margin of every coalition in nats; or the id of the first text that has none."""
    item = row.edits.item
    subtracted = baseline_margin(scores, row.probe, row.render, item)
    if subtracted is None:
        return {}, item.baseline
    known: dict[str, float] = {}
    for one in dict.fromkeys(row.ids.values()):
        place = scores if one in row.in_run else edited
        scored = place.scored.get((row.probe, row.render, one))
        if scored is None:
            return {}, one
        known[one] = margin_of(scored) - subtracted
    return {coalition: known[one] for coalition, one in row.ids.items()}, None


def _refused(row: _Row, checkpoint: str, reason: Reason) -> Refusal:
    detail = "the words were not attributed: the text that is left when some are taken out has no score"
    item = row.edits.item
    return Refusal(reason, detail, row.probe, item.id, row.render, checkpoint, item.identity)


def _noise(parts: WordParts) -> FloatArray | None:
    """Standard errors of the units and of the baseline, which is not drawn; None where the method draws nothing."""
    if parts.bare is None:
        return None
    if parts.draws is None:
        return np.zeros(len(parts.values) + 1)
    return _standard_errors(parts.draws)


def _standard_errors(draws: FloatArray) -> FloatArray:
    """Of the mean of each unit over the permutations, and 0 for the baseline."""
    errors = draws.std(axis=0, ddof=1) / np.sqrt(len(draws)) if len(draws) > 1 else np.full(draws.shape[1], np.inf)
    return np.append(errors, 0.0)
