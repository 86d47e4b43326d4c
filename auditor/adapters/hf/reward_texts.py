"""What reward models have to score: whole texts, of which each gives one number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.hf.rendering import ChatTemplate, Rendered
from auditor.adapters.hf.sequences import Sequences
from auditor.adapters.hf.tokens import Encoder, End
from auditor.adapters.hf.workload import Workload, prepare
from auditor.adapters.printable import printable
from auditor.core.items import Item, Probe
from auditor.core.score_columns import Cuts, Mask, Spans
from auditor.core.scores import Render


def prepare_rewards(
    probes: Sequence[Probe],
    renders: Sequence[Render],
    render: Callable[[Item, Render], Rendered | None],
    encoder: Encoder,
    window: int | None,
    passed_over: int | None = None,
) -> Workload:
    """Render and tokenise every item but those that ask how likely a name is, which a reward does not say.

    The candidates' token ids stay known, so that rows of one match key are compared only where they are the same, and
    neutral pairs only where their sides differ in length as those of the harmful pairs do.

    Args:
        render: an item as text, None where it has none in a rendering.
        encoder: of whole texts.
        window: the model's context window in tokens, None where it is not known.
        passed_over: a token that is not read where it ends a text: the one before it is.
    """
    work = prepare([_without_names(probe) for probe in probes], renders, render, encoder, window)
    # One number a text, read at its last token.
    sequences = _read_to(work.sequences, passed_over)
    cuts = next((_whole(spans.cuts) for spans in work.spans.values()), None)
    unread = work.sequences.lengths > sequences.lengths
    spans = {
        place: own if cuts is None else replace(own, cuts=cuts, kind="reward", complete=_ends_read(own, unread))
        for place, own in work.spans.items()
    }
    return Workload(sequences, spans, work.refusals, work.first_unscored)


def passed_over(files: CheckpointFiles, end: End) -> int | None:
    """The token that is not read where it ends a text: unless an end is asked for, a model is read as it reads itself.

    Transformers' forward passes over padding at the end, and where padding is EOS as well, as TRL has it for tokenizers
    without padding, a reward model was trained at the token before.
    """
    return files.pad_id if end == "auto" else None


def reward_notes(files: CheckpointFiles, work: Workload, own_templates: Mapping[str, ChatTemplate]) -> Iterator[str]:
    """What a reader must know of how a reward model was asked; nothing of a language model.

    Args:
        own_templates: by checkpoint, those that take the place of the series' template.
    """
    if files.quantity == "logprob":
        return
    if len(files.heads) > 1:
        yield f"its output {printable(files.head or '')!r} is its reward, one of {len(files.heads)}"
    if files.name in own_templates and any(render == "chat" for _, render in work.spans):
        yield "asked in its own chat template, not in that of the series"
    sequences, whole = work.sequences, next((spans.cuts for spans in work.spans.values()), None)
    if whole is None or files.pad_id is None:
        return
    padded, count = whole.ids[whole.bounds[1:] - 1] == files.pad_id, f"of {len(sequences):,} texts end"
    if passed := int((np.diff(whole.bounds) > sequences.lengths).sum()):
        yield (
            f"{passed:,} {count} in its padding token, which its own forward passes over, in TRL's training too: the "
            "reward is read at the token before; if it was trained otherwise, --end eos reads it at EOS"
        )
    elif read := int(padded.sum()):
        yield (
            f"{read:,} {count} in its padding token, and the reward is read there; its own forward passes over it and "
            "reads the token before, and if it was trained so, --end auto asks that"
        )


def _read_to(sequences: Sequences, passed_over: int | None) -> Sequences:
    """Each text up to the token that is read, its last one but for those that are passed over; never none."""
    begins, lengths = sequences.bounds[:-1], sequences.lengths
    if passed_over is None:
        return replace(sequences, starts=lengths - 1)
    ends = (lengths > 1) & (sequences.ids[begins + lengths - 1] == passed_over)
    while ends.any():
        lengths = lengths - ends
        ends = (lengths > 1) & (sequences.ids[begins + lengths - 1] == passed_over)
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    steps = np.arange(bounds[-1]) - np.repeat(bounds[:-1], lengths)
    return Sequences(sequences.ids[np.repeat(begins, lengths) + steps], bounds, lengths - 1, sequences.items)


def _ends_read(spans: Spans, unread: Mask) -> Mask:
    """Which items' end of turn is read at all their candidates, shape (items,).

    Args:
        unread: sequences of which the last token is passed over.
    """
    if not len(spans):
        return spans.complete
    passed: Mask = np.logical_or.reduceat(unread[: spans.firsts[-1]], spans.firsts[:-1])
    return spans.complete & ~passed


def _without_names(probe: Probe) -> Probe:
    if not any(item.design == "naming" for item in probe.items):
        return probe
    return replace(probe, items=tuple(item for item in probe.items if item.design != "naming"))


def _whole(cuts: Cuts) -> Cuts:
    """Candidates of which one number stands for all tokens."""
    count = len(cuts.starts)
    # A candidate has a token of its own at least.
    lengths = np.maximum.reduceat(cuts.ends, cuts.scored[:-1]) if count else cuts.ends
    return replace(
        cuts,
        scored=np.arange(count + 1, dtype=np.int64),
        begins=np.zeros(count, dtype=np.int32),
        ends=np.maximum(lengths, 1).astype(np.int32),
        vocabulary=("",),
        named=np.zeros(count, dtype=np.int32),
        n_tokens=np.diff(cuts.scored),
    )
