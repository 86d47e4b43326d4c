"""The scorer behind the kernel's port: checkpoints in Hugging Face layout, run with transformers.

Render and tokenise every item, load the checkpoint, one pass over all sequences, scores out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import transformers
from transformers import PreTrainedTokenizerBase

from auditor.adapters.hf.checkpoints import CheckpointFiles, LoadPolicy, fingerprint
from auditor.adapters.hf.forward import Request, token_logprobs
from auditor.adapters.hf.models import ModelShelf
from auditor.adapters.hf.rendering import ChatTemplate, Rendered, render_plain
from auditor.adapters.hf.sequences import Logprobs, Sequences
from auditor.adapters.hf.tokens import Encoder, End
from auditor.adapters.hf.workload import DETAIL, Workload, prepare, tokenizer_identity
from auditor.adapters.progress import Progress
from auditor.core.items import Item, Probe
from auditor.core.refusals import Refusal
from auditor.core.score_columns import Column, Mask, ScoreColumns
from auditor.core.scores import CheckpointScores, Render
from auditor.core.series import Checkpoint
from auditor.errors import ModelLoadError

# Raised whenever the same token ids would get other numbers.
SCORING_VERSION = 1


def engine_of(policy: LoadPolicy, end: End) -> dict[str, str]:
    """All that decides a log-probability besides a checkpoint's files and the token ids, as plain text."""
    backends: Any = torch.backends.cuda
    kernels = [one for one in ("flash", "mem_efficient", "cudnn", "math") if getattr(backends, f"{one}_sdp_enabled")()]
    return {
        "scoring": str(SCORING_VERSION),
        "forward": "padded",
        "end": end,
        "device": policy.device.split(":")[0],
        "dtype": policy.dtype,
        # Which of these runs is transformers' own choice, made from the config by its version.
        "attention": f"transformers' choice; sdpa: {' '.join(kernels)}",
        "matmul_precision": torch.get_float32_matmul_precision(),
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
    }


class HFScorer:
    """Scores checkpoints with transformers, one model in memory at a time.

    Args:
        files: resolved checkpoints by name; ``tokenizers`` likewise.
        template: the series' chat template, needed where ``renders`` holds ``chat``.
        batch_size: sequences a batch, None to choose.
    """

    def __init__(
        self,
        files: Mapping[str, CheckpointFiles],
        tokenizers: Mapping[str, PreTrainedTokenizerBase],
        shelf: ModelShelf,
        *,
        renders: Sequence[Render],
        template: ChatTemplate | None,
        end: End,
        batch_size: int | None,
        progress: Progress,
    ) -> None:
        self.renders: Sequence[Render] = tuple(renders)
        self._files = files
        self._tokenizers = tokenizers
        self._shelf = shelf
        self._template = template
        self._end = end
        self._batch_size = batch_size
        self._progress = progress
        self._vocabularies: dict[str, int] = {}
        self._prepared: dict[tuple[str, int | None], tuple[Sequence[Probe], Workload]] = {}

    def first_rendered(self, probes: Sequence[Probe]) -> dict[str, str]:
        """The first item in each rendering, its first candidate between bars."""
        rendered = {render: self._render(probes[0].items[0], render) for render in self.renders}
        return {
            render: f"{one.context}|{one.texts[0]}|{one.ending}" for render, one in rendered.items() if one is not None
        }

    def prepare(self, checkpoint: str, probes: Sequence[Probe]) -> Workload:
        """Render and tokenise every item for one checkpoint; needs no weights.

        Checkpoints whose tokenizers and context windows agree share the work and its result.
        """
        tokenizer, window = self._tokenizers[checkpoint], self._files[checkpoint].context_window
        key = (tokenizer_identity(tokenizer), window)
        known = self._prepared.get(key)
        if known is None or known[0] is not probes:
            encoder = Encoder(tokenizer, self._end)
            known = self._prepared[key] = probes, prepare(probes, self.renders, self._render, encoder, window)
        return known[1]

    def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:
        """Score every item of every probe at one checkpoint.

        Raises:
            ModelLoadError: the checkpoint cannot be loaded, or gives NaN.
        """
        name, files = checkpoint.name, self._files[checkpoint.name]
        began = time.perf_counter()
        work = self.prepare(name, probes)
        timings = {"load_s": 0.0, "tokenize_s": time.perf_counter() - began, "forward_s": 0.0}
        identity = fingerprint(files)
        logprobs = self._forward(files, work, timings)
        notes = [*self._shelf.notes, *self._vocabulary_note(name)]
        if work.first_unscored:
            notes.append(
                f"{name}: no BOS token and no context in {work.first_unscored} items, "
                "so their first token is not scored"
            )
        columns, refused = _columns(name, work, logprobs)
        refusals = (*(replace(one, checkpoint=name) for one in work.refusals), *refused)
        return CheckpointScores(name, ScoreColumns(columns), refusals, timings, identity, tuple(notes))

    def _forward(self, files: CheckpointFiles, work: Workload, timings: dict[str, float]) -> Logprobs:
        """Load the checkpoint and run it over everything, noting the seconds each took."""
        began = time.perf_counter()
        with self._shelf.take(files) as model:
            loaded = time.perf_counter()
            self._vocabularies[files.name] = int(model.config.get_text_config().vocab_size)
            with self._progress.task(f"score {files.name}", work.tokens, "tokens"):
                found = token_logprobs(
                    model, _Requests(work.sequences), batch_size=self._batch_size, progress=self._progress.advance
                )
        timings |= {"load_s": loaded - began, "forward_s": time.perf_counter() - loaded}
        return np.concatenate([np.array([], dtype=np.float32), *found], dtype=np.float32)

    def _vocabulary_note(self, checkpoint: str) -> Iterator[str]:
        """A vocabulary of another size than the first's is fine, and said: what is compared is ids."""
        first, size = next(iter(self._vocabularies.items())), self._vocabularies[checkpoint]
        if size != first[1]:
            yield (
                f"{checkpoint} has {size:,} embeddings where {first[0]} has {first[1]:,}: resized or padded; "
                "items are compared by their token ids"
            )

    def _render(self, item: Item, render: Render) -> Rendered | None:
        if render == "plain" or self._template is None:
            return render_plain(item)
        return self._template.render(item)


def _columns(
    checkpoint: str, work: Workload, logprobs: Logprobs
) -> tuple[dict[tuple[str, Render], Column], list[Refusal]]:
    """The scores of each probe and rendering, and the items that have none."""
    kept = _finite(checkpoint, work, logprobs)
    columns: dict[tuple[str, Render], Column] = {}
    refusals: list[Refusal] = []
    first = 0
    for (probe, render), spans in work.spans.items():
        column = columns[probe, render] = Column(spans, logprobs, kept[first : first + len(spans)])
        first += len(spans)
        for at in np.flatnonzero(~column.kept).tolist():
            item, detail = spans.item(at), DETAIL["not_finite"]
            refusals.append(Refusal("not_finite", detail, probe, item.id, render, checkpoint, item.identity))
    return columns, refusals


def _finite(checkpoint: str, work: Workload, logprobs: Logprobs) -> Mask:
    """Which items have a number for every token, shape (items,).

    Raises:
        ModelLoadError: one of the numbers is NaN.
    """
    bad = np.flatnonzero(~np.isfinite(logprobs))
    owners = work.sequences.items[np.searchsorted(work.sequences.scored_bounds, bad, side="right") - 1]
    kept = np.ones(work.items, dtype=bool)
    kept[owners] = False
    undefined = owners[np.isnan(logprobs[bad])]
    if len(undefined):
        probe, item = _name_of(work, int(undefined[0]))
        raise ModelLoadError(
            f"the model's log-probability of item {item!r} of probe {probe!r} is NaN",
            where=checkpoint,
            fix="Check the weights; with --dtype float16 try bfloat16 or float32.",
        )
    return kept


def _name_of(work: Workload, at: int) -> tuple[str, str]:
    """Probe and id of the item of that number."""
    for (probe, _), spans in work.spans.items():
        if at < len(spans):
            return probe, spans.item(at).id
        at -= len(spans)
    raise IndexError(at)


@dataclass(frozen=True, slots=True)
class _Requests(Sequence[Request]):
    """Sequences as the forward pass takes them, made when they are asked for."""

    sequences: Sequences

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, position: Any) -> Any:
        return Request(self.sequences[position].astype(np.int64), int(self.sequences.starts[position]))
