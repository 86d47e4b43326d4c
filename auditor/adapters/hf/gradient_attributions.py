"""Which words and tokens carry a margin, by integrated gradients: planned, followed once, then read off.

plan = plan_gradients(asked, renders, template, encoder, window)
found = input_gradients(files, shelf, plan.texts, kept, scope, progress)
attributions, refusals = plan.read(scores, found)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auditor.adapters.hf.input_gradients import Gradients, GradientText
from auditor.adapters.hf.rendering import ChatTemplate, render_plain
from auditor.adapters.hf.token_words import SideWords, side_words
from auditor.adapters.hf.tokens import Encoded, Encoder
from auditor.adapters.hf.workload import DETAIL
from auditor.core.attributions import BASELINE_UNIT, Attribution, AttributionLevel, Unit
from auditor.core.items import Item, Probe
from auditor.core.margins import baseline_margin, margin_of
from auditor.core.refusals import Reason, Refusal
from auditor.core.scores import CheckpointScores, FloatArray, Render


@dataclass(frozen=True, slots=True)
class _Row:
    probe: str
    item: Item
    render: Render
    sides: tuple[SideWords, SideWords]


class GradientPlan:
    """The sequences of some pairs, and how to read what their gradients say.

    Attributes:
        texts: the harmful and the affirming side of each pair, one after the other.
        refusals: pairs that have no tokens to follow.
        notes: what the reader must know, one sentence each.
    """

    def __init__(self, rows: Sequence[_Row], refusals: tuple[Refusal, ...], notes: tuple[str, ...]) -> None:
        self.texts = tuple(GradientText(one.ids, one.start, one.counted) for row in rows for one in row.sides)
        self.refusals = refusals
        self.notes = notes
        self._rows = rows

    def read(
        self, scores: CheckpointScores, found: Sequence[Gradients]
    ) -> tuple[tuple[Attribution, ...], tuple[Refusal, ...]]:
        """The margins' words and tokens, two attributions a pair, in the order that was asked for.

        Args:
            scores: of the run at the same checkpoint, which the totals are from.
            found: of ``texts``.
        """
        attributions: list[Attribution] = []
        refusals = list(self.refusals)
        for at, row in enumerate(self._rows):
            harmful, affirming = found[2 * at : 2 * at + 2]
            scored = scores.scored.get((row.probe, row.render, row.item.id))
            subtracted = baseline_margin(scores, row.probe, row.render, row.item)
            if scored is None or subtracted is None:
                refusals.append(_refused(row.probe, row.item, row.render, "not_scored", scores.checkpoint))
            elif not np.isfinite([harmful.error, affirming.error]).all():
                refusals.append(_refused(row.probe, row.item, row.render, "not_finite", scores.checkpoint))
            else:
                total, bare = margin_of(scored) - subtracted, harmful.bare - affirming.bare - subtracted
                attributions += _attributions(row, scores.checkpoint, (harmful, affirming), total, bare)
        return tuple(attributions), tuple(refusals)


def plan_gradients(
    asked: Sequence[tuple[Probe, Sequence[Item]]],
    renders: Sequence[Render],
    template: ChatTemplate | None,
    encoder: Encoder,
    window: int | None,
) -> GradientPlan:
    """Find the tokens of some pairs and the words they carry.

    Args:
        asked: probes of the run and some of their pairs.
        template: of the series, needed where ``renders`` holds ``chat``.
        window: the model's context window in tokens, None where it is not known.
    """
    rows: list[_Row] = []
    refusals: list[Refusal] = []
    without_context = 0
    for probe, items in asked:
        for render in renders:
            for item in items:
                sides = _sides(item, render, template, encoder, window)
                if isinstance(sides, str):
                    refusals.append(_refused(probe.name, item, render, sides))
                    continue
                rows.append(_Row(probe.name, item, render, sides))
                without_context += bool(item.context.strip()) and not any(
                    unit.candidate is None and unit.start < len(item.context) for unit in sides[0].words
                )
    note = (
        f"integrated gradients: in {without_context} chats the words of the context do not stand as they are given "
        "(the template changes them, or other turns take their place), so they get no part"
    )
    return GradientPlan(rows, tuple(refusals), (note,) if without_context else ())


def _sides(
    item: Item, render: Render, template: ChatTemplate | None, encoder: Encoder, window: int | None
) -> tuple[SideWords, SideWords] | Reason:
    in_chat = render == "chat" and template is not None
    rendered = template.render(item) if in_chat and template is not None else render_plain(item)
    if rendered is None:
        return "no_chat_text" if in_chat else "no_plain_text"
    encoded = next(encoder.encode([rendered]))
    if not isinstance(encoded, Encoded):
        return encoded
    if window and max(len(span.ids) for span in encoded.spans) > window:
        return "too_long"
    context_at = template.context_place(item, rendered) if in_chat and template is not None else 0
    return side_words(item, rendered, encoded, encoder.places(rendered, encoded), context_at, encoder.vocabulary)


def _attributions(
    row: _Row, checkpoint: str, found: tuple[Gradients, Gradients], total: float, bare: float
) -> tuple[Attribution, Attribution]:
    """The pair's words and its tokens."""
    harmful, affirming = row.sides
    signed = found[0].parts, -found[1].parts
    words = _joined(
        (harmful.words, affirming.words), [parts @ side.shares for parts, side in zip(signed, row.sides, strict=True)]
    )
    tokens = _joined(
        (harmful.tokens, affirming.tokens), [parts[side.counted] for parts, side in zip(signed, row.sides, strict=True)]
    )

    def attribution(level: AttributionLevel, units: tuple[Unit, ...], values: FloatArray) -> Attribution:
        units, values = (*units, Unit(-1, BASELINE_UNIT)), np.append(values, bare)
        return Attribution(row.probe, row.item.id, row.render, checkpoint, None, "ig", level, units, values, total)

    return attribution("word", *words), attribution("token", *tokens)


def _joined(
    units: tuple[Sequence[Unit], Sequence[Unit]], values: Sequence[FloatArray]
) -> tuple[tuple[Unit, ...], FloatArray]:
    """The units of both sides, of which those of the context are the same ones and add up."""
    shared = sum(unit.candidate is None for unit in units[0])
    first, second = values
    joined = np.concatenate([first[:shared] + second[:shared], first[shared:], second[shared:]])
    return (*units[0], *units[1][shared:]), joined


def _refused(probe: str, item: Item, render: Render, reason: Reason, checkpoint: str | None = None) -> Refusal:
    detail = f"no integrated gradients: {DETAIL.get(reason, 'the pair has no score at this checkpoint')}"
    return Refusal(reason, detail, probe, item.id, render, checkpoint, item.identity)
