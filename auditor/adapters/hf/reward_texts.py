"""What reward models have to score: whole texts, of which each gives one number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from auditor.adapters.hf.checkpoints import CheckpointFiles
from auditor.adapters.hf.rendering import ChatTemplate, Rendered
from auditor.adapters.hf.tokens import Encoder
from auditor.adapters.hf.workload import Workload, prepare
from auditor.adapters.printable import printable
from auditor.core.items import Item, Probe
from auditor.core.score_columns import Cuts
from auditor.core.scores import Render


def prepare_rewards(
    probes: Sequence[Probe],
    renders: Sequence[Render],
    render: Callable[[Item, Render], Rendered | None],
    encoder: Encoder,
    window: int | None,
) -> Workload:
    """Render and tokenise every item but those that ask how likely a name is, which a reward does not say.

    The candidates' token ids stay known, so that rows of one match key are compared only where they are the same, and
    neutral pairs only where their sides differ in length as those of the harmful pairs do.

    Args:
        render: an item as text, None where it has none in a rendering.
        encoder: of whole texts.
        window: the model's context window in tokens, None where it is not known.
    """
    work = prepare([_without_names(probe) for probe in probes], renders, render, encoder, window)
    # One number a text, read at its last token.
    sequences = replace(work.sequences, starts=work.sequences.lengths - 1)
    cuts = next((_whole(spans.cuts) for spans in work.spans.values()), None)
    spans = {
        place: own if cuts is None else replace(own, cuts=cuts, kind="reward") for place, own in work.spans.items()
    }
    return Workload(sequences, spans, work.refusals, work.first_unscored)


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
    sequences = work.sequences
    skipped = int((sequences.ids[sequences.bounds[1:] - 1] == files.pad_id).sum()) if files.pad_id is not None else 0
    if skipped:
        yield (
            f"{skipped:,} of {len(sequences):,} texts end in its padding token, and the reward is read there; "
            "its own forward passes over it and reads the token before, and if it was trained so, --end none asks that"
        )


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
