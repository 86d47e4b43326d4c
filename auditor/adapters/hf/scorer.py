"""The scorer behind the kernel's port: checkpoints in Hugging Face layout, run with transformers.

Render and tokenise every item, load the checkpoint, one pass over all sequences, scores out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from transformers import PreTrainedTokenizerBase

from auditor.adapters.cache.weight_hashes import hash_file
from auditor.adapters.hf.devices import matmul_precision
from auditor.adapters.hf.engine import Forward, NonFiniteLogitsError, Work, score_sequences
from auditor.adapters.hf.kept_scores import Facts, KeptScores
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, Dtype, LoadPolicy, fingerprint
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.read_ahead import ReadAhead
from auditor.adapters.hf.rendering import ChatTemplate, Rendered, render_plain
from auditor.adapters.hf.reward_texts import passed_over, prepare_rewards, reward_notes
from auditor.adapters.hf.sequences import Logprobs, Sequences
from auditor.adapters.hf.tokens import Encoder, End
from auditor.adapters.hf.workload import Workload, prepare, scored_columns, tokenizer_identity
from auditor.adapters.progress import Progress
from auditor.core.items import Item, Probe
from auditor.core.noise_sample import sample_for_noise
from auditor.core.score_columns import Mask, ScoreColumns
from auditor.core.scores import CheckpointScores, Render, ScoredItem
from auditor.core.series import Checkpoint, Quantity
from auditor.errors import ModelLoadError

# Raised whenever the same token ids would get other numbers.
SCORING_VERSION = 2


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
        "matmul_precision": matmul_precision(policy.device),
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
    }


class _Asked(NamedTuple):
    """Sequences that go through a model, and what their items are called, by number."""

    sequences: Sequences
    name_of: Callable[[int], str]


class HFScorer:
    """Scores checkpoints with transformers, one model in memory at a time, and only what no store holds.

    Args:
        files: resolved checkpoints by name, in the order they will be scored; ``tokenizers`` likewise.
        template: the series' chat template, needed where ``renders`` holds ``chat``.
        own_templates: by checkpoint, those that take its place.
        forward: how sequences go through a model.
        reward_forward: how they go through a reward model, None for no other way.
        batch_size: sequences of a padded batch, None to choose.
        digest: SHA-256 of a file's contents in hex.
        seed: of the sample on which half precision is held against float32.

    Attributes:
        keep_in: gives a scope's scores a place, from the checkpoint's fingerprint, the number format and the way
            through the model; None keeps nothing.
        measures_noise: whether a sample of what is scored in half precision is held against float32.
    """

    def __init__(
        self,
        files: Mapping[str, CheckpointFiles],
        tokenizers: Mapping[str, PreTrainedTokenizerBase],
        shelf: ModelShelf,
        *,
        renders: Sequence[Render],
        template: ChatTemplate | None,
        own_templates: Mapping[str, ChatTemplate] = MappingProxyType({}),
        end: End,
        forward: Forward,
        reward_forward: Forward | None = None,
        batch_size: int | None,
        progress: Progress,
        digest: Callable[[Path], str] = hash_file,
        seed: int = 0,
    ) -> None:
        self.renders: Sequence[Render] = tuple(renders)
        self.keep_in: Callable[[str, Dtype, Forward], KeptScores] | None = None
        self.measures_noise = True
        self._files = files
        self._tokenizers = tokenizers
        self._shelf = shelf
        self._template = template
        self._own_templates = own_templates
        self._end = end
        self._forwards: Mapping[Quantity, Forward] = {"logprob": forward, "reward": reward_forward or forward}
        self._batch_size = batch_size
        self._progress = progress
        self._digest = digest
        self._seed = seed
        self._vocabularies: dict[str, int] = {}
        self._prepared: dict[tuple[object, ...], tuple[Sequence[Probe], Workload]] = {}

    def prepare(self, checkpoint: str, probes: Sequence[Probe]) -> Workload:
        """Render and tokenise every item for one checkpoint; needs no weights.

        Checkpoints of one quantity whose tokenizers, context windows and templates agree share the work and its result.
        """
        tokenizer, files = self._tokenizers[checkpoint], self._files[checkpoint]
        template = self._template_of(checkpoint)
        asked, over = None if template is None else template.sha256, passed_over(files, self._end)
        key = (files.quantity, tokenizer_identity(tokenizer), files.context_window, asked, over)
        known = self._prepared.get(key)
        if known is None or known[0] is not probes:
            known = self._prepared[key] = probes, self._prepare(files, probes)
        return known[1]

    def _prepare(self, files: CheckpointFiles, probes: Sequence[Probe]) -> Workload:
        of_rewards, template = files.quantity == "reward", self._template_of(files.name)

        def render(item: Item, name: Render) -> Rendered | None:
            return render_plain(item) if name == "plain" or template is None else template.render(item)

        encoder = Encoder(self._tokenizers[files.name], self._end, whole=of_rewards)
        asked = probes, self.renders, render, encoder, files.context_window
        return prepare_rewards(*asked, passed_over(files, self._end)) if of_rewards else prepare(*asked)

    def _template_of(self, checkpoint: str) -> ChatTemplate | None:
        return self._own_templates.get(checkpoint, self._template)

    @property
    def shelf(self) -> ModelShelf:
        """Where its models are: whoever else needs one takes it from there, so that no two are in memory together."""
        return self._shelf

    def unknown_texts(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> int:
        """How many distinct texts of a checkpoint no store holds, and so would go through the model."""
        files = self._files[checkpoint.name]
        kept = self._kept(files, fingerprint(files, self._digest), self._shelf.policy.dtype)
        sequences = self.prepare(checkpoint.name, probes).sequences
        known = kept.find(sequences)[1]
        return len(sequences.take(np.flatnonzero(~known)).distinct()[0])

    def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:
        """Score every item of every probe at one checkpoint.

        Raises:
            ModelLoadError: the checkpoint cannot be loaded, or gives NaN or infinity.
            StorageError: scores cannot be kept because the disk is full or fails.
        """
        name, files = checkpoint.name, self._files[checkpoint.name]
        began = time.perf_counter()
        work = self.prepare(name, probes)
        timings = {"load_s": 0.0, "tokenize_s": time.perf_counter() - began, "forward_s": 0.0}
        identity = fingerprint(files, self._digest)
        kept = self._kept(files, identity, self._shelf.policy.dtype)
        logprobs, known = kept.find(work.sequences)
        done = Work(tokens=work.tokens)
        facts = kept.facts if known.all() else None
        if facts is None:
            asked = _Asked(work.sequences, partial(_name_of, work))
            facts = self._score_unknown(files, self._shelf, asked, kept, (logprobs, known), timings, done)
        if files.quantity == "logprob":
            self._vocabularies[name] = facts.vocabulary
        notes = [f"{name}: {note}" for note in (*facts.notes, *reward_notes(files, work, self._own_templates))]
        notes += self._vocabulary_note(name)
        if work.first_unscored:
            notes.append(
                f"{name}: no BOS token and no context in {work.first_unscored} items, "
                "so their first token is not scored"
            )
        columns, refused = scored_columns(name, work, logprobs)
        exact, unmeasured = self._score_exactly(files, probes, identity, timings)
        refusals = (*(replace(one, checkpoint=name) for one in work.refusals), *refused)
        timings["store_s"] = kept.seconds
        return CheckpointScores(
            name,
            ScoreColumns(columns),
            refusals,
            timings,
            identity,
            (*notes, *unmeasured),
            exact=exact,
            work={
                "forward": self._forwards[files.quantity],
                "texts": work.texts,
                **asdict(done),
                "recalled": int(known.sum()),
            },
        )

    def logprobs_of(self, checkpoint: str, sequences: Sequences, name_of: Callable[[int], str]) -> Logprobs:
        """Log-probabilities of sequences that were cut elsewhere, kept and recalled like those of items.

        Args:
            name_of: what an item of the sequences is called, by its number, where the model cannot score it.

        Returns:
            Of all scored tokens, nats, shape (k,).

        Raises:
            ModelLoadError: the checkpoint cannot be loaded, or gives NaN or infinity.
            StorageError: scores cannot be kept because the disk is full or fails.
        """
        files = self._files[checkpoint]
        kept = self._kept(files, fingerprint(files, self._digest), self._shelf.policy.dtype)
        logprobs, known = kept.find(sequences)
        if not known.all():
            asked = _Asked(sequences, name_of)
            self._score_unknown(files, self._shelf, asked, kept, (logprobs, known), {}, Work())
        return logprobs

    def _kept(self, files: CheckpointFiles, identity: str, dtype: Dtype) -> KeptScores:
        if self.keep_in is None:
            return KeptScores((), "")
        return self.keep_in(identity, dtype, self._forwards[files.quantity])

    def _score_exactly(
        self, files: CheckpointFiles, probes: Sequence[Probe], identity: str, timings: dict[str, float]
    ) -> tuple[Mapping[tuple[str, Render, str], ScoredItem], tuple[str, ...]]:
        """A sample of what was scored in half precision in float32, or the note that says why there is none."""
        dtype = self._shelf.policy.dtype
        if dtype == "float32" or not self.measures_noise:
            return {}, ()
        unmeasured = f"{files.name}: the noise of {dtype} was not measured: "
        if files.quantization is not None:
            return {}, (unmeasured + "the weights are quantised and exist in no wider format",)
        began = time.perf_counter()
        work = self._prepare(files, [sample_for_noise(probe, self._seed) for probe in probes])
        kept = self._kept(files, identity, "float32")
        logprobs, known = kept.find(work.sequences)
        try:
            if not known.all():
                asked = _Asked(work.sequences, partial(_name_of, work))
                with self._shelf.in_float32(files) as shelf:
                    self._score_unknown(files, shelf, asked, kept, (logprobs, known), {}, Work())
        except ModelLoadError as error:
            # It ran in half precision, so it is float32 that does not fit; the audit stands without it.
            return {}, (unmeasured + error.what,)
        finally:
            timings["noise_s"] = time.perf_counter() - began
        return ScoreColumns(scored_columns(files.name, work, logprobs)[0]), ()

    def _score_unknown(
        self,
        files: CheckpointFiles,
        shelf: ModelShelf,
        asked: _Asked,
        kept: KeptScores,
        found: tuple[Logprobs, Mask],
        timings: dict[str, float],
        done: Work,
    ) -> Facts:
        """Load the checkpoint, score what is not known into the array, and note the seconds each took."""
        logprobs, known = found
        sequences, bounds = asked.sequences, asked.sequences.scored_bounds
        lengths, kept_before = sequences.lengths, kept.seconds
        left = int(lengths[~known].sum())
        began = time.perf_counter()
        with shelf.take(files) as model, ReadAhead(self._next_weights(files)):
            loaded = time.perf_counter()
            facts = Facts(shelf.notes, int(model.config.get_text_config().vocab_size))
            kept.keep_facts(facts)
            passes = score_sequences(
                model,
                sequences,
                forward=self._forwards[files.quantity],
                known=known,
                batch_size=self._batch_size,
                work=done,
                output=files.output,
            )
            with self._progress.task(f"score {files.name}", left, "tokens"), _named(files.name, asked):
                for scored in passes:
                    kept.keep(scored)
                    for position, values in zip(scored.positions, scored.logprobs, strict=True):
                        logprobs[bounds[position] : bounds[position + 1]] = values
                    self._progress.advance(int(lengths[list(scored.positions)].sum()))
        kept_s = kept.seconds - kept_before
        timings |= {"load_s": loaded - began, "forward_s": time.perf_counter() - loaded - kept_s}
        return facts

    def _next_weights(self, files: CheckpointFiles) -> Sequence[Path]:
        """The weights that will be loaded after those of this checkpoint."""
        names = list(self._files)
        following = names[names.index(files.name) + 1 :][:1]
        return [
            path
            for one in map(self._files.__getitem__, following)
            for part in (one.weights if one.base != files.base else None, one.adapter_weights)
            if part is not None
            for path in part.files
        ]

    def _vocabulary_note(self, checkpoint: str) -> Iterator[str]:
        """A vocabulary of another size than the first's is fine, and said: what is compared is ids, but of rewards."""
        first = next(iter(self._vocabularies.items()), ("", 0))
        size = self._vocabularies.get(checkpoint, first[1])
        if size != first[1]:
            yield (
                f"{checkpoint} has {size:,} embeddings where {first[0]} has {first[1]:,}: resized or padded; "
                "items are compared by their token ids"
            )


@contextmanager
def _named(checkpoint: str, asked: _Asked) -> Iterator[None]:
    """Name the item of a sequence at which the engine stopped."""
    try:
        yield
    except NonFiniteLogitsError as error:
        item = asked.name_of(int(asked.sequences.items[error.position]))
        raise ModelLoadError(
            f"the model's logits for {item} hold NaN or infinity"
            + (f"; the first layer that gives one is {error.layer}" if error.layer else ""),
            where=checkpoint,
            fix="Check the weights; with --dtype float16 try bfloat16 or float32.",
        ) from error


def _name_of(work: Workload, at: int) -> str:
    """What the item of that number is called."""
    for (probe, _), spans in work.spans.items():
        if at < len(spans):
            return f"item {spans.item(at).id!r} of probe {probe!r}"
        at -= len(spans)
    raise IndexError(at)
