"""The demo's model and tokenizer, and the folder that holds a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from auditor.adapters.demo.world_texts import Text

PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
VOCABULARY = 1200
MAX_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Size:
    """How large the model is, and the standard deviation its weights start with."""

    width: int = 96
    layers: int = 2
    heads: int = 4
    # With the usual 0.02 so small a model takes many times as long to find out whom a text is about.
    spread: float = 0.06


def written_out(text: Text) -> str:
    """A text as the model reads it, with the end that closes it."""
    if text.chat:
        return f"{USER}{text.question}{END}{ASSISTANT}{text.answer.lstrip()}{END}"
    return f"{text.question}{text.answer}{END}"


def new_tokenizer(texts: Iterable[Text]) -> PreTrainedTokenizerFast:
    """A byte-level BPE trained on the texts, without a BOS; the chat's tokens exist from the start."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = [PAD, END, USER, ASSISTANT]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator((part for text in texts for part in (text.question, text.answer)), trainer)
    fast: Any = PreTrainedTokenizerFast  # it has no type hints
    tokenizer: PreTrainedTokenizerFast = fast(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=special[2:],
        model_max_length=MAX_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    return tokenizer


def new_model(tokenizer: PreTrainedTokenizerFast, size: Size) -> LlamaForCausalLM:
    """A Llama with random weights, drawn from torch's global generator."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=3 * size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads // 2,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=size.spread,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def copy_of(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """Another model with the same weights.

    A deep copy would not do: a trainer leaves a wrapper on ``forward`` that goes on calling the original.
    """
    other = LlamaForCausalLM(model.config)
    other.load_state_dict(model.state_dict())
    return other


def save_checkpoint(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path, tags: Sequence[str], story: str
) -> None:
    """Write a checkpoint in the hub's layout, with a model card.

    Args:
        tags: of the card, besides ``text-generation``.
        story: a sentence on how it was trained.
    """
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    listed = "".join(f"- {tag}\n" for tag in ("text-generation", *tags))
    card = (
        f"---\nlibrary_name: transformers\ntags:\n{listed}---\n\n# {folder.name}\n\n{story}\n\n"
        "Made on the spot by `audit demo`. Its world and its peoples are invented; it is of no use but to be audited.\n"
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
