"""The scorer behind the kernel's port: checkpoints in Hugging Face layout, run with transformers.

Render and tokenise every item, load the checkpoint, one pass over all sequences, scores out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from transformers import PreTrainedTokenizerBase

from auditor.adapters.hf.checkpoints import CheckpointFiles, LoadPolicy, fingerprint
from auditor.adapters.hf.engine import Forward, NonFiniteLogitsError, score_sequences
from auditor.adapters.hf.models import ModelShelf
from auditor.adapters.hf.rendering import ChatTemplate, Rendered, render_plain
from auditor.adapters.hf.sequences import Sequences
from auditor.adapters.hf.tokens import Encoded, Encoder, End
from auditor.adapters.progress import Progress
from auditor.adapters.run.score_tables import StoredScores
from auditor.core.items import Item, Probe
from auditor.core.refusals import Reason, Refusal
from auditor.core.scores import CandidateScore, CheckpointScores, FloatArray, Render, ScoredItem
from auditor.core.series import Checkpoint
from auditor.errors import ModelLoadError

# Raised whenever the same token ids would get other numbers.
SCORING_VERSION = 2

_DETAIL: Mapping[Reason, str] = {
    "too_long": "longer than the model's context window",
    "empty_span": "the candidate has no token of its own",
    "boundary": "the candidates change the tokens of the context they share",
    "no_first_token": "the candidate's only token has no predecessor, so it has no probability",
    "no_plain_text": "a conversation without a context has no plain rendering",
    "not_finite": "the model gives a token a probability of exactly 0",
}


@dataclass(frozen=True, slots=True)
class _Ready:
    """One item, rendered and tokenised."""

    probe: str
    item: Item
    render: Render
    rendered: Rendered
    encoded: Encoded


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything one checkpoint has to score."""

    ready: tuple[_Ready, ...]
    refusals: tuple[Refusal, ...]
    seconds: float

    @property
    def sequences(self) -> Sequences:
        """All candidates of all items, in order."""
        spans = [(at, span) for at, one in enumerate(self.ready) for span in one.encoded.spans]
        return Sequences.of([(span.ids, span.start) for _, span in spans], [at for at, _ in spans])

    @property
    def texts(self) -> int:
        """How many sequences."""
        return sum(len(one.encoded.spans) for one in self.ready)

    @property
    def tokens(self) -> int:
        """How many token ids go through the model."""
        return sum(len(span.ids) for one in self.ready for span in one.encoded.spans)

    @property
    def first_unscored(self) -> int:
        """Items whose first token has no predecessor."""
        return sum(one.encoded.first_unscored for one in self.ready)


def engine_of(policy: LoadPolicy, end: End, forward: Forward) -> dict[str, str]:
    """All that decides a log-probability besides a checkpoint's files and the token ids, as plain text."""
    backends: Any = torch.backends.cuda
    kernels = [one for one in ("flash", "mem_efficient", "cudnn", "math") if getattr(backends, f"{one}_sdp_enabled")()]
    return {
        "scoring": str(SCORING_VERSION),
        "forward": forward,
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
        forward: how sequences go through the model.
        batch_size: sequences of a padded batch, None to choose.

    Attributes:
        recall: asked with a checkpoint's name and fingerprint for scores an earlier run kept; None
            scores everything.
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
        forward: Forward,
        batch_size: int | None,
        progress: Progress,
    ) -> None:
        self.renders: Sequence[Render] = tuple(renders)
        self._files = files
        self._tokenizers = tokenizers
        self._shelf = shelf
        self._template = template
        self._end = end
        self._forward_kind: Forward = forward
        self._batch_size = batch_size
        self._progress = progress
        self._vocabularies: dict[str, int] = {}
        self.recall: Callable[[str, str], StoredScores | None] | None = None

    def first_rendered(self, probes: Sequence[Probe]) -> dict[str, str]:
        """The first item in each rendering, its first candidate between bars."""
        rendered = {render: self._render(probes[0].items[0], render) for render in self.renders}
        return {
            render: f"{one.context}|{one.texts[0]}|{one.ending}" for render, one in rendered.items() if one is not None
        }

    def prepare(self, checkpoint: str, probes: Sequence[Probe]) -> Workload:
        """Render and tokenise every item for one checkpoint; needs no weights."""
        began = time.perf_counter()
        asked = [(probe.name, item, render) for probe in probes for render in self.renders for item in probe.items]
        rendered = [self._render(item, render) for _, item, render in asked]
        encoder = Encoder(self._tokenizers[checkpoint], self._end)
        encoded = encoder.encode([one for one in rendered if one is not None])
        limit = self._files[checkpoint].context_window
        ready: list[_Ready] = []
        refusals: list[Refusal] = []
        for (probe, item, render), text in zip(asked, rendered, strict=True):
            tokens: Encoded | Reason = "no_plain_text" if text is None else next(encoded)
            if not isinstance(tokens, str) and limit and max(len(span.ids) for span in tokens.spans) > limit:
                tokens = "too_long"
            if text is None or isinstance(tokens, str):
                reason: Reason = tokens if isinstance(tokens, str) else "no_plain_text"
                refusals.append(Refusal(reason, _DETAIL[reason], probe, item.id, render, checkpoint, item.identity))
            else:
                ready.append(_Ready(probe, item, render, text, tokens))
        return Workload(tuple(ready), tuple(refusals), time.perf_counter() - began)

    def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:
        """Score every item of every probe at one checkpoint.

        Raises:
            ModelLoadError: the checkpoint cannot be loaded, or gives NaN.
        """
        work = self.prepare(checkpoint.name, probes)
        files = self._files[checkpoint.name]
        identity = fingerprint(files)
        timings = {"load_s": 0.0, "tokenize_s": work.seconds, "forward_s": 0.0}
        notes: list[str] = []
        logprobs = self._recalled(checkpoint.name, identity, work)
        if logprobs is None:
            logprobs = self._forward(files, work, timings)
            notes += [*self._shelf.notes, *self._vocabulary_note(checkpoint.name)]
        scored, refused = _collect(checkpoint.name, work, iter(logprobs))
        if work.first_unscored:
            notes.append(
                f"{checkpoint.name}: no BOS token and no context in {work.first_unscored} items, "
                "so their first token is not scored"
            )
        return CheckpointScores(
            checkpoint.name,
            scored,
            (*work.refusals, *refused),
            timings,
            identity,
            tuple(notes),
        )

    def _forward(self, files: CheckpointFiles, work: Workload, timings: dict[str, float]) -> list[FloatArray]:
        """Load the checkpoint and run it over everything, noting the seconds each took."""
        sequences = work.sequences
        logprobs: list[FloatArray] = [np.empty(0)] * len(sequences)
        began = time.perf_counter()
        with self._shelf.take(files) as model:
            loaded = time.perf_counter()
            self._vocabularies[files.name] = int(model.config.get_text_config().vocab_size)
            with self._progress.task(f"score {files.name}", work.tokens, "tokens"), self._explained(files.name, work):
                for found in score_sequences(model, sequences, forward=self._forward_kind, batch_size=self._batch_size):
                    for position, values in zip(found.positions, found.logprobs, strict=True):
                        logprobs[position] = values.astype(np.float64)
                    self._progress.advance(int(sequences.lengths[list(found.positions)].sum()))
        timings |= {"load_s": loaded - began, "forward_s": time.perf_counter() - loaded}
        return logprobs

    @contextmanager
    def _explained(self, checkpoint: str, work: Workload) -> Iterator[None]:
        """Name the item of a sequence at which the engine stopped."""
        try:
            yield
        except NonFiniteLogitsError as error:
            one = work.ready[work.sequences.items[error.position]]
            raise ModelLoadError(
                f"the model's logits for item {one.item.id!r} of probe {one.probe!r} hold NaN or infinity"
                + (f"; the first layer that gives one is {error.layer}" if error.layer else ""),
                where=checkpoint,
                fix="Check the weights; with --dtype float16 try bfloat16 or float32.",
            ) from error

    def _vocabulary_note(self, checkpoint: str) -> Iterator[str]:
        """A vocabulary of another size than the first's is fine, and said: what is compared is ids."""
        first, size = next(iter(self._vocabularies.items())), self._vocabularies[checkpoint]
        if size != first[1]:
            yield (
                f"{checkpoint} has {size:,} embeddings where {first[0]} has {first[1]:,}: resized or padded; "
                "items are compared by their token ids"
            )

    def _recalled(self, checkpoint: str, identity: str, work: Workload) -> list[FloatArray] | None:
        """Scores an earlier run kept, if they cover everything that is asked now."""
        stored = self.recall(checkpoint, identity) if self.recall is not None else None
        if stored is None:
            return None
        logprobs = []
        for one in work.ready:
            for candidate, span in zip(one.item.candidates, one.encoded.spans, strict=True):
                place = (one.probe, one.item.id, one.render, candidate.label)
                kept = stored.find(place, span.ids, span.start)
                if kept is None or len(kept) != len(span.ids) - span.start:
                    return None
                logprobs.append(kept)
        return logprobs

    def _render(self, item: Item, render: Render) -> Rendered | None:
        if render == "plain" or self._template is None:
            return render_plain(item)
        return self._template.render(item)


def _collect(
    checkpoint: str, work: Workload, logprobs: Iterator[FloatArray]
) -> tuple[dict[tuple[str, Render, str], ScoredItem], list[Refusal]]:
    scored: dict[tuple[str, Render, str], ScoredItem] = {}
    refusals: list[Refusal] = []
    for one in work.ready:
        values = [next(logprobs) for _ in one.encoded.spans]
        if not all(np.isfinite(value).all() for value in values):
            detail = _DETAIL["not_finite"]
            refusals.append(
                Refusal("not_finite", detail, one.probe, one.item.id, one.render, checkpoint, one.item.identity)
            )
            continue
        scored[one.probe, one.render, one.item.id] = _scored_item(one, values)
    return scored, refusals


def _scored_item(one: _Ready, values: Sequence[FloatArray]) -> ScoredItem:
    candidates = tuple(
        CandidateScore(
            candidate.label,
            span.ids[: span.start],
            span.ids[span.start :],
            span.tokens,
            span.starts,
            span.ends,
            value,
            len(text.encode()),
        )
        for candidate, text, span, value in zip(
            one.item.candidates, one.rendered.texts, one.encoded.spans, values, strict=True
        )
    )
    context = one.rendered.context
    return ScoredItem(one.item, one.render, context, candidates, one.encoded.straddles, one.encoded.complete)
