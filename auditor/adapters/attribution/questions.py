"""What is attributed: some items of one table, at a checkpoint and at the one it was trained from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from auditor.core.attribution_choice import Chosen, choose_items
from auditor.core.attributions import Attribution, by_role, minus
from auditor.core.contrasts import Matching, match_items
from auditor.core.output_shares import token_shares
from auditor.core.scores import FloatArray
from auditor.core.series import Series
from auditor.core.tables import ScoreTable


@dataclass(frozen=True, slots=True)
class Question:
    """Items of one table to attribute.

    Attributes:
        checkpoint: whose margins; ``reference``: what it was trained from, None for the first of a series.
    """

    table: ScoreTable
    matching: Matching
    chosen: Chosen
    checkpoint: str
    reference: str | None

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Whose margins are needed."""
        return (self.checkpoint,) if self.reference is None else (self.checkpoint, self.reference)

    def margin(self, at: int, checkpoint: str) -> float:
        """The margin of one item at one checkpoint, from its scores, nats."""
        return float(self.table.sides.margins()[at, self.table.checkpoints.index(checkpoint)])


def questions_of(
    tables: Sequence[ScoreTable],
    series: Series,
    checkpoints: Collection[str],
    *,
    identities: Collection[str],
    clusters: int,
    top: int,
    seed: int,
) -> Iterator[Question]:
    """What to attribute of each table at each checkpoint; items without tokens or pairs are no question.

    Args:
        identities, clusters, top, seed: as in `choose_items`.
    """
    for table in tables:
        if table.kind != "tokens":
            continue
        matching, margins = match_items(table), table.sides.margins()
        for name in checkpoints:
            reference = series[name].reference
            numbers: FloatArray = margins[:, table.checkpoints.index(name)]
            if reference is not None:
                numbers = numbers - margins[:, table.checkpoints.index(reference)]
            chosen = choose_items(
                table, matching, numbers, identities=identities, clusters=clusters, top=top, seed=seed
            )
            if len(chosen.all):
                yield Question(table, matching, chosen, name, reference)


def output_attributions(questions: Sequence[Question]) -> Iterator[Attribution]:
    """Tokens and their roles: no model is asked."""
    for question in questions:
        for at in question.chosen.all.tolist():
            for one in with_shift([token_shares(question.table, at, name) for name in question.checkpoints]):
                yield one
                yield by_role(one)


def with_shift(levels: Sequence[Attribution]) -> Iterator[Attribution]:
    """The margins' attributions and their difference where there are two.

    Args:
        levels: of one item, at the checkpoint and, if it has one, at its reference, to tokens or words.
    """
    yield from levels
    if len(levels) > 1:
        yield minus(*levels)


def marked(questions: Sequence[Question], attributions: Iterable[Attribution]) -> tuple[Attribution, ...]:
    """The same, each once and told whether its item was drawn to stand for others.

    Two questions about checkpoints of one reference say the same of it.
    """
    drawn = {
        (question.table.probe.name, question.table.render, question.table.items[at].id)
        for question in questions
        for at in question.chosen.drawn.tolist()
    }
    once = {(one.probe, one.item, *one.key): one for one in attributions}
    return tuple(replace(one, sampled=(one.probe, one.render, one.item) in drawn) for one in once.values())
