"""The kernel's port for scores that are made elsewhere: nothing is computed, only looked up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from auditor.adapters.external.logprob_files import Logprobs
from auditor.adapters.external.request_files import Requests
from auditor.core.items import Probe
from auditor.core.refusals import Reason, Refusal
from auditor.core.score_columns import Column, Mask, ScoreColumns, Spans
from auditor.core.scores import CheckpointScores, Render
from auditor.core.series import Checkpoint

DETAIL: Mapping[Reason, str] = {
    "not_scored": "the file of scores holds none for some candidate",
    "not_finite": "the model gives a token a probability of exactly 0",
}
_UNASKED = "refused when the requests were written: no sequence of it could be asked"


class ExternalScorer:
    """Scores of files as the kernel takes them.

    Args:
        renders: in which all checkpoints were scored.
        read: the scores of a checkpoint, by its name.
    """

    def __init__(self, renders: Sequence[Render], read: Callable[[str], CheckpointScores]) -> None:
        self.renders: Sequence[Render] = tuple(renders)
        self._read = read

    def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:  # noqa: ARG002
        """The scores of one checkpoint; of which probes was said when its file was read."""
        return self._read(checkpoint.name)


def scores_of(requests: Requests, one: Logprobs) -> CheckpointScores:
    """One checkpoint's log-probabilities on the spans that were asked for."""
    began = time.perf_counter()
    asked, cut = requests.header.tokenizers[one.tokenizer], requests.sequences[one.tokenizer]
    infinite = np.zeros(len(one.scored), dtype=bool)
    bad = np.flatnonzero(np.isneginf(one.values))
    infinite[np.searchsorted(cut.cuts.scored, bad, side="right") - 1] = True
    columns: dict[tuple[str, Render], Column] = {}
    refusals = [Refusal(each.reason, _UNASKED, each.probe, each.item, each.render, one.name) for each in asked.refusals]
    for place, spans in cut.spans.items():
        missing, endless = _any(spans, ~one.scored), _any(spans, infinite)
        columns[place] = Column(spans, one.values, ~missing & ~endless)
        refusals += _refused(place[0], spans, one.name, "not_scored", missing)
        refusals += _refused(place[0], spans, one.name, "not_finite", endless & ~missing)
    notes = [f"{one.name}: log-probabilities by {one.engine}"]
    if asked.first_unscored:
        notes.append(
            f"{one.name}: no BOS token and no context in {asked.first_unscored} items, so their first token is not "
            "scored"
        )
    timings = {"load_s": time.perf_counter() - began, "tokenize_s": 0.0, "forward_s": 0.0}
    return CheckpointScores(one.name, ScoreColumns(columns), tuple(refusals), timings, one.sha256, tuple(notes))


def is_constant(scores: CheckpointScores) -> bool:
    """Whether every number of a checkpoint, of two or more, is the same."""
    if not isinstance(scores.scored, ScoreColumns):
        return False
    values = np.concatenate([np.asarray(one.logprobs, dtype=np.float64) for one in scores.scored.columns.values()])
    known = values[np.isfinite(values)]
    return len(known) > 1 and bool(np.ptp(known) == 0)


def _any(spans: Spans, sequences: Mask) -> Mask:
    """Which items have such a sequence, shape (m,)."""
    before = np.concatenate([[0], np.cumsum(sequences)])
    found: Mask = before[spans.firsts[1:]] > before[spans.firsts[:-1]]
    return found


def _refused(probe: str, spans: Spans, checkpoint: str, reason: Reason, items: Mask) -> Iterator[Refusal]:
    for at in np.flatnonzero(items).tolist():
        item = spans.item(at)
        yield Refusal(reason, DETAIL[reason], probe, item.id, spans.render, checkpoint, item.identity)
