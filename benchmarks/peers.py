"""Other people's tools, each called as its own documentation or source has it, on the package's items.

lm-eval     ``HFLM.loglikelihood``, 16 a batch or as many as its ``auto`` finds; it sorts by length and, with its logits
            cache (left on), scores continuations that differ in the last token only once
minicons    ``IncrementalLMScorer.conditional_score``, after nothing ``sequence_score``, 16 a batch as given
trl         what ``DPOTrainer`` does for reference log-probabilities: its preparation of a data set, its collator,
            ``compute_ref_log_probs`` on 8 pairs a batch; it ends every text with EOS. Of an odd number of candidates
            the last is left out.
naive       transformers alone: padded batches of 16 as given, a softmax over all positions

All get the model loaded, and set-up is not timed: not lm-eval's search for a batch size either.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from auditor.adapters.hf.tokens import End
from auditor.core.items import Item

BATCH = 16
Row = TypeVar("Row")


class Peer(Protocol):
    """A tool with the model loaded.

    Attributes:
        name: of the tool.
        setting: how it was called, and its version.
        end: what its texts end with.
    """

    name: str
    setting: str
    end: End

    def candidates(self, item: Item) -> int:
        """How many candidates of an item it scores, from the first on."""

    def sums(self, items: Sequence[Item]) -> list[float]:
        """Log-probability of each of them in nats, item after item."""


class _Plain:
    """What most peers have in common: every candidate, and no end."""

    end: End = "none"

    def candidates(self, item: Item) -> int:
        return len(item.candidates)


def _chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[first : first + size] for first in range(0, len(rows), size))


def _pairs_of(items: Sequence[Item]) -> list[tuple[str, str]]:
    return [(item.context + item.prefix, one.text) for item in items for one in item.candidates]


class LmEval(_Plain):
    """lm-evaluation-harness with one batch size; ``auto`` must be told by a first call."""

    name = "lm-eval"

    def __init__(self, folder: Path, model: PreTrainedModel, batch: int | str, first: Sequence[Item]) -> None:
        size = batch if isinstance(batch, int) else self._found(folder, model, first)
        self.setting = f"{version('lm_eval')}, batch {batch}" + (f" ({size})" if batch != size else "")
        self._lm = self._loaded(folder, model, size)

    def sums(self, items: Sequence[Item]) -> list[float]:
        return self._ask(self._lm, items)

    def _found(self, folder: Path, model: PreTrainedModel, first: Sequence[Item]) -> int:
        """The size it finds for the longest text, as it does at the beginning of a run."""
        lm = self._loaded(folder, model, "auto")
        with redirect_stdout(StringIO()):
            self._ask(lm, first)
        return int(lm.batch_sizes[0])

    @staticmethod
    def _loaded(folder: Path, model: PreTrainedModel, batch: int | str) -> Any:
        from lm_eval.models.huggingface import HFLM

        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch, device=str(model.device))

    @staticmethod
    def _ask(lm: Any, items: Sequence[Item]) -> list[float]:
        from lm_eval.api.instance import Instance

        asked = [Instance("loglikelihood", {}, pair, at) for at, pair in enumerate(_pairs_of(items))]
        return [float(value) for value, _ in lm.loglikelihood(asked, disable_tqdm=True)]


class Minicons(_Plain):
    """minicons, in batches of 16."""

    name = "minicons"

    def __init__(self, folder: Path, model: PreTrainedModel) -> None:
        from minicons.scorer import IncrementalLMScorer

        self.setting = f"{version('minicons')}, batch {BATCH}"
        tokenizer = AutoTokenizer.from_pretrained(folder)
        self._scorer = IncrementalLMScorer(model, str(model.device), tokenizer=tokenizer)

    def sums(self, items: Sequence[Item]) -> list[float]:
        return [float(one) for rows in _chunks(_pairs_of(items), BATCH) for one in self._batch(rows)]

    def _batch(self, rows: Sequence[tuple[str, str]]) -> list[Any]:
        contexts, texts = [context for context, _ in rows], [text for _, text in rows]
        if all(contexts):
            return self._scorer.conditional_score(contexts, texts, separator="", reduction=torch.sum)
        if any(contexts):
            raise ValueError("a batch holds texts with and without a context")
        return self._scorer.sequence_score(texts, reduction=torch.sum)


class Trl:
    """TRL's reference pass, on a model of its own: the trainer changes the one it is given."""

    name = "trl"
    end: End = "eos"

    def __init__(self, folder: Path, model: PreTrainedModel) -> None:
        from datasets import Dataset
        from datasets.utils.logging import disable_progress_bar
        from trl import DPOConfig, DPOTrainer

        disable_progress_bar()
        self.setting = f"{version('trl')}, 8 pairs a batch"
        # The trainer wants a place for what it will not write.
        output = tempfile.mkdtemp(prefix="auditor-benchmarks-")
        weakref.finalize(self, shutil.rmtree, output, ignore_errors=True)
        own = AutoModelForCausalLM.from_pretrained(folder, dtype=model.dtype).to(model.device)
        row = {"prompt": "a", "chosen": " b", "rejected": " c"}
        # It still reads a name that transformers gave up, at every call.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        self._trainer = DPOTrainer(
            model=own,
            args=DPOConfig(
                output_dir=output,
                bf16=False,
                use_cpu=model.device.type == "cpu",
                report_to="none",
                disable_tqdm=True,
                max_length=None,
                activation_checkpointing=False,
            ),
            train_dataset=Dataset.from_list([row]),
            processing_class=AutoTokenizer.from_pretrained(folder),
        )
        self._trainer.model.eval()

    def candidates(self, item: Item) -> int:
        return len(item.candidates) // 2 * 2

    def sums(self, items: Sequence[Item]) -> list[float]:
        from datasets import Dataset
        from torch.utils.data import DataLoader

        trainer = self._trainer
        data = trainer._prepare_dataset(
            Dataset.from_list(list(self._rows(items))), trainer.processing_class, trainer.args, "benchmark"
        )
        data = data.select_columns(["prompt_ids", "chosen_ids", "rejected_ids"])
        found: list[float] = []
        for batch in DataLoader(data, batch_size=BATCH // 2, collate_fn=trainer.data_collator):
            inputs = {key: value.to(trainer.model.device) for key, value in batch.items()}
            sides = trainer.compute_ref_log_probs(trainer.model, inputs)
            # One row a pair: chosen and rejected are two candidates that follow each other.
            found += torch.stack(sides, dim=1).flatten().tolist()
        return found

    def _rows(self, items: Sequence[Item]) -> Iterator[dict[str, str]]:
        for item in items:
            for chosen, rejected in _chunks(item.candidates[: self.candidates(item)], 2):
                yield {"prompt": item.context + item.prefix, "chosen": chosen.text, "rejected": rejected.text}


class Naive(_Plain):
    """The loop that one writes first."""

    name = "naive"

    def __init__(self, folder: Path, model: PreTrainedModel) -> None:
        self.setting = f"transformers {version('transformers')}, batch {BATCH}"
        self._model = model
        self._tokenizer = AutoTokenizer.from_pretrained(folder)

    def sums(self, items: Sequence[Item]) -> list[float]:
        return [value for rows in _chunks(_pairs_of(items), BATCH) for value in self._batch(rows)]

    def _batch(self, rows: Sequence[tuple[str, str]]) -> list[float]:
        starts = [len(self._tokenizer(context)["input_ids"]) for context, _ in rows]
        batch = self._tokenizer(
            [context + text for context, text in rows], padding=True, padding_side="right", return_tensors="pt"
        ).to(self._model.device)
        with torch.inference_mode():
            logits = self._model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
            logprobs = torch.log_softmax(logits.float(), dim=-1)[:, :-1]
            values = logprobs.gather(2, batch["input_ids"][:, 1:, None])[..., 0].double().cpu()
        ends = batch["attention_mask"].sum(dim=1).tolist()
        return [float(row[start - 1 : end - 1].sum()) for row, start, end in zip(values, starts, ends, strict=True)]


_MADE: dict[str, Callable[[Path, PreTrainedModel, Sequence[Item]], list[Peer]]] = {
    "lm-eval": lambda folder, model, first: [LmEval(folder, model, batch, first) for batch in (BATCH, "auto")],
    "minicons": lambda folder, model, _: [Minicons(folder, model)],
    "trl": lambda folder, model, _: [Trl(folder, model)],
    "naive": lambda folder, model, _: [Naive(folder, model)],
}
PEERS = tuple(_MADE)


def make_peers(names: Sequence[str], folder: Path, model: PreTrainedModel, first: Sequence[Item]) -> list[Peer]:
    """The tools of these names, ready to score.

    Args:
        folder: of the model and its tokenizer.
        model: as loaded from there; all but trl use it as it is.
        first: what is about to be scored, for tools that look at it first.
    """
    return [peer for name in names for peer in _MADE[name](folder, model, first)]
