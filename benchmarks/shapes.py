"""Models with random weights of a fixed seed and their tokenizer, in folders that every peer can load.

No tokenizer with 32,000 entries belongs to the project, so a byte-level BPE is trained on the texts at hand; its
vocabulary may come out smaller, the model keeps all its rows. Folders are made once and kept.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

SPECIALS = ("<s>", "</s>", "<pad>")
# Wider than the usual 0.02: log-probabilities of one text's tokens then differ by whole nats.
SPREAD = 0.05
MAX_POSITIONS = 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a Llama."""

    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    intermediate: int
    vocabulary: int
    tied: bool = False


SHAPES = {
    "tiny": Shape(64, 2, 4, 4, 128, 2_000),
    "52M": Shape(512, 6, 8, 8, 1376, 32_000),
    "250M": Shape(1024, 14, 16, 16, 2816, 32_000),
    "1B": Shape(2048, 16, 32, 8, 8192, 128_256, tied=True),
    "7B": Shape(4096, 32, 32, 32, 11_008, 32_000),
}


def model_folder(
    where: Path, shape: str, texts: Iterable[str], dtype: str = "float32", seed: int = 0, device: str = "cpu"
) -> Path:
    """A folder with model and tokenizer; made unless it is there.

    Args:
        where: folder of all such folders.
        shape: a name of ``SHAPES``.
        texts: what the tokenizer is trained on.
        device: where the weights are drawn; another device gives other weights.
    """
    texts = list(texts)
    digest = hashlib.sha256(json.dumps([texts, repr(SHAPES[shape]), SPREAD]).encode()).hexdigest()[:12]
    folder = where / f"{shape}-{dtype}-{device.split(':')[0]}-{seed}-{digest}"
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    train_tokenizer(texts, SHAPES[shape].vocabulary).save_pretrained(unfinished)
    disable_progress_bar()
    new_model(SHAPES[shape], dtype, seed, device).save_pretrained(unfinished)
    return unfinished.rename(folder)


def new_model(shape: Shape, dtype: str, seed: int, device: str) -> PreTrainedModel:
    """Random weights of one seed, drawn on the device they will lie on."""
    config = LlamaConfig(
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        intermediate_size=shape.intermediate,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=MAX_POSITIONS,
        initializer_range=SPREAD,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        dtype=dtype,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.random.fork_rng(), torch.device(device):
            torch.manual_seed(seed)
            return LlamaForCausalLM(config).eval()
    finally:
        torch.set_default_dtype(before)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE whose own call puts BOS in front."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    bos = SPECIALS[0]
    core.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, core.token_to_id(bos))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=bos,
        eos_token=SPECIALS[1],
        pad_token=SPECIALS[2],
        model_max_length=MAX_POSITIONS,
    )


def lines_under(folder: Path) -> Iterator[str]:
    """Lines of all texts in a folder, for a tokenizer to learn words from."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".csv", ".jsonl", ".txt", ".md"):
            yield from path.read_text(encoding="utf-8", errors="replace").splitlines()
        elif path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
                yield from lines
