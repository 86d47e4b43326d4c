"""Tiny tokenizers, models and series, made on the spot with fixed seeds; no network, no stored weights.

Everything here is a plain function that writes a folder in the layout of a hub repository. Making a
model takes a few hundredths of a second, so make one per test session and share the folder:

    folder = tmp_path_factory.mktemp("llama")
    make_tokenizer(folder)
    make_model(folder, "llama", seed=0)
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

TokenizerKind = Literal["byte_bpe", "metaspace"]

VOCAB_SIZE = 400
ARCHITECTURES = (
    "llama",
    "gpt2",
    "gpt_neox",
    "mistral",
    "qwen2",
    "qwen3",
    "olmo2",
    "gemma2",
    "gemma3_text",
)

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|{{ message['role'] }}|>\n{{ message['content'] }}{{ eos_token }}\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)

SENTENCES = (
    "The nurse said that they would call back in the morning.",
    "My neighbour is a teacher and everyone at school likes her.",
    "He plays the oboe; she repairs bicycles, and they bake bread together.",
    "People from Tasmania are friendly, and so are people from everywhere else.",
    "I think that trans women are women, and I think that he is wrong about it.",
    "What do you think about my new friend? I would like to know more about them.",
    "She isn't rude. She is kind, honest and reliable, and they are proud of her.",
    "Could you explain how left-handed people use scissors? Of course, here is how.",
    "We met 3 non-binary artists in 2023: they showed 12 paintings, \u00e9tudes and a caf\u00e9 scene.",
    "Thank you! \U0001f600 That was fun \U0001f308 and I would do it again \U0001f44d\U0001f3fd.",
    "Family \U0001f468\u200d\U0001f469\u200d\U0001f467 photos: \u4f60\u597d, \u05e9\u05dc\u05d5\u05dd.",
    "The quick brown fox jumps over the lazy dog while the other dogs are asleep.",
)

_SPECIAL = ("<s>", "</s>", "<pad>")
_COMMON: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
_NO_GROUPS = {key: value for key, value in _COMMON.items() if key != "num_key_value_heads"}
_GEMMA = {**_COMMON, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 8}
_CONFIGS: dict[str, dict[str, Any]] = {
    "llama": _COMMON,
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "gpt_neox": _NO_GROUPS,
    "mistral": {**_COMMON, "sliding_window": 8},
    "qwen2": {**_COMMON, "tie_word_embeddings": True},
    "qwen3": {**_COMMON, "head_dim": 8},
    "olmo2": _COMMON,
    # Caps low enough to bite: random logits this small would pass the published 50 and 30 unchanged.
    "gemma2": {**_GEMMA, "attn_logit_softcapping": 0.5, "final_logit_softcapping": 1.0},
    "gemma3_text": _GEMMA,
}


def make_tokenizer(
    folder: str | Path,
    kind: TokenizerKind = "byte_bpe",
    chat_template: str | None = None,
    bos: bool = True,
    eos: bool = True,
) -> PreTrainedTokenizerFast:
    """Train a tiny fast tokenizer on ``SENTENCES``, save it in ``folder`` and return it.

    Args:
        folder: created if need be.
        kind: ``byte_bpe`` as GPT-2 and Llama 3 (no space is added, emoji fall into several byte
            tokens); ``metaspace`` as SentencePiece in Llama 2 (a leading space is added, bytes are the
            fallback for unseen characters).
        chat_template: Jinja text, such as ``CHAT_TEMPLATE``.
        bos: has a BOS token ``<s>`` and its own call puts it in front.
        eos: has an EOS token ``</s>`` (never added by its own call).
    """
    core = _byte_bpe() if kind == "byte_bpe" else _metaspace()
    if bos:
        core.post_processor = _with_bos(core, kind)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>" if bos else None,
        eos_token="</s>" if eos else None,
        pad_token="<pad>",
        model_max_length=256,
    )
    tokenizer.chat_template = chat_template
    Path(folder).mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(str(folder))
    return tokenizer


def _byte_bpe() -> Tokenizer:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(SENTENCES, trainer)
    return core


def _metaspace() -> Tokenizer:
    core = Tokenizer(models.BPE(unk_token="<pad>", byte_fallback=True, fuse_unk=True))
    core.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    core.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))],
        # ASCII only: other characters fall back to bytes, as rare ones do in Llama 2.
        initial_alphabet=["\u2581"],
        limit_alphabet=60,
        show_progress=False,
    )
    # Without a pre-tokenizer merges could run over whole sentences; words are fed one by one instead.
    words = [word for sentence in SENTENCES for word in sentence.split() if word.isascii()]
    core.train_from_iterator(words, trainer)
    # The training marks byte tokens as special, which would let literal "<0x41>" through as a token.
    return _keep_special(core)


def _keep_special(core: Tokenizer) -> Tokenizer:
    state = json.loads(core.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in _SPECIAL]
    return Tokenizer.from_str(json.dumps(state))


def _with_bos(core: Tokenizer, kind: TokenizerKind) -> Any:
    template = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", core.token_to_id("<s>"))]
    )
    if kind == "metaspace":
        return template
    return processors.Sequence([processors.ByteLevel(trim_offsets=False), template])


def make_model(
    folder: str | Path,
    arch: str,
    seed: int,
    vocab_size: int = VOCAB_SIZE,
    **overrides: Any,
) -> PreTrainedModel:
    """Make a random causal language model, save it in ``folder`` as safetensors and return it.

    Args:
        folder: created if need be; a tokenizer saved there before is left alone.
        arch: one of ``ARCHITECTURES``.
        seed: of the weights; the global generator of torch is left as it was.
        vocab_size: rows of the embedding.
        overrides: any config field, such as ``tie_word_embeddings=True`` or ``dtype="bfloat16"``.
    """
    model = new_model(arch, seed, vocab_size, **overrides)
    return save_model(model, folder)


def new_model(arch: str, seed: int, vocab_size: int = VOCAB_SIZE, **overrides: Any) -> PreTrainedModel:
    """Make the model of `make_model` without saving it."""
    ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    dtype = overrides.pop("dtype", "float32")
    # initializer_range 0.2 rather than 0.02: logits then differ between tokens by whole nats.
    settings = {"vocab_size": vocab_size, "initializer_range": 0.2, **ids, **_CONFIGS[arch], **overrides}
    config = AutoConfig.for_model(arch, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    return model.to(dtype=getattr(torch, dtype)).eval()


def make_reward_model(
    folder: str | Path,
    arch: str = "llama",
    seed: int = 0,
    outputs: Sequence[str] = ("LABEL_0",),
    chat_template: str | None = CHAT_TEMPLATE,
    **overrides: Any,
) -> PreTrainedModel:
    """Make a random reward model and its tokenizer, save both in ``folder`` and return the model.

    Args:
        arch: one of ``ARCHITECTURES``, or any whose settings ``overrides`` bring.
        outputs: names of what its head gives.
        overrides: any config field.
    """
    make_tokenizer(folder, chat_template=chat_template)
    settings = {
        "vocab_size": VOCAB_SIZE,
        "initializer_range": 0.2,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
        "id2label": dict(enumerate(outputs)),
        "label2id": {name: at for at, name in enumerate(outputs)},
        **_CONFIGS.get(arch, {}),
        **overrides,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(arch, **settings))
    return save_model(model.eval(), folder)


def save_model(model: PreTrainedModel, folder: str | Path) -> PreTrainedModel:
    """Save as safetensors without a progress bar; returns the model."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    shown = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        model.save_pretrained(str(folder))
    finally:
        if shown:
            transformers.utils.logging.enable_progress_bar()
    return model


def perturb(model: PreTrainedModel, seed: int, scale: float) -> PreTrainedModel:
    """Add Gaussian noise of standard deviation ``scale`` to every weight, in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_((noise * scale).to(parameter.dtype))
    return model


def make_series(
    folder: str | Path,
    n: int = 3,
    arch: str = "llama",
    scale: float = 0.02,
    kind: TokenizerKind = "byte_bpe",
    seed: int = 0,
) -> tuple[Path, ...]:
    """Make ``n`` checkpoints of one series: ``base``, ``sft``, ``dpo``, then ``stage3`` and so on.

    The first is random, each later one is the one before plus Gaussian noise of standard deviation
    ``scale``. All share one tokenizer; all but the first have ``CHAT_TEMPLATE``.

    Returns:
        The checkpoint folders in order.
    """
    names = ["base", "sft", "dpo", *(f"stage{position}" for position in range(3, n))][:n]
    folders = tuple(Path(folder) / name for name in names)
    model = new_model(arch, seed)
    for position, target in enumerate(folders):
        make_tokenizer(target, kind, chat_template=CHAT_TEMPLATE if position else None)
        if position:
            perturb(model, seed=1000 * (seed + 1) + position, scale=scale)
        save_model(model, target)
    return folders


def save_lora(base: str | Path, folder: str | Path, seed: int, vocab_size: int | None = None, **config: Any) -> Path:
    """Save a LoRA adapter with random weights for the model in ``base``, in peft's layout.

    Args:
        base: folder of a whole model, which is left as it is.
        folder: created if need be.
        seed: of the adapter's weights.
        vocab_size: resize the base's embeddings to this first, as training with new tokens does.
        config: fields of peft's LoraConfig, such as ``modules_to_save=["lm_head"]``; rank 4 on the
            attention's ``q_proj`` and ``v_proj`` unless told otherwise.

    Returns:
        The adapter's folder.
    """
    settings = {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **config}
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # peft warns of resized and of tied embeddings, both meant here.
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        model: Any = AutoModelForCausalLM.from_pretrained(str(base))
        if settings["task_type"] == "SEQ_CLS" or "score" in settings.get("modules_to_save", ()):
            model = AutoModelForSequenceClassification.from_pretrained(str(base), num_labels=1)
        if vocab_size is not None:
            model.resize_token_embeddings(vocab_size, mean_resizing=False)
        wrapped = get_peft_model(model, LoraConfig(**settings))
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.data.add_(torch.randn_like(parameter) * 0.1)
        wrapped.save_pretrained(str(folder))
    return Path(folder)
