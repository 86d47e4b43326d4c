"""What the checkpoints of one series must share: number format, chat template, rendering."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedTokenizerBase

from auditor.adapters.hf.engine import Forward
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, Dtype
from auditor.adapters.hf.rendering import ChatTemplate, Rendered, render_plain
from auditor.adapters.hf.tokens import Encoder
from auditor.core.items import Item
from auditor.core.scores import Render
from auditor.core.series import QUANTITIES, Quantity
from auditor.errors import NotComparableError, UsageError

RenderChoice = Literal["auto", "plain", "chat", "both"]


@dataclass(frozen=True, slots=True)
class Rendering:
    """How the items of an audit become text.

    Attributes:
        renders: in the order they are scored.
        template: of the series; None where no checkpoint has one and none was given.
        reason: why these renderings, one sentence.
        own_templates: of reward models, by name, that were trained on another one: they are asked as they were trained.
    """

    renders: tuple[Render, ...]
    template: ChatTemplate | None
    reason: str
    own_templates: Mapping[str, ChatTemplate] = field(default_factory=dict)

    def text_of(self, item: Item, render: Render) -> Rendered | None:
        """An item as text; None where it has none in a rendering."""
        return render_plain(item) if render == "plain" or self.template is None else self.template.render(item)

    def first_rendered(self, item: Item) -> dict[str, str]:
        """An item in each rendering, its first candidate between bars."""
        rendered = {render: self.text_of(item, render) for render in self.renders}
        return {
            render: f"{one.context}|{one.texts[0]}|{one.ending}" for render, one in rendered.items() if one is not None
        }


def choose_dtype(asked: Dtype | Literal["auto"], files: Sequence[CheckpointFiles], device: str) -> Dtype:
    """One number format for all checkpoints: float32 on a CPU, else the widest any was saved in."""
    if asked != "auto":
        return asked
    saved = {one.dtype for one in files}
    if device == "cpu" or not saved <= {"bfloat16", "float16"} or len(saved) > 1:
        return "float32"
    return "bfloat16" if saved == {"bfloat16"} else "float16"


def check_precision(files: Sequence[CheckpointFiles], *, allow_mixed: bool) -> str:
    """Refuse to compare checkpoints of different quantisation; the caution to print when allowed.

    Nothing of a reward model is subtracted from anything of a language model: they may differ.

    Raises:
        NotComparableError: some checkpoints are quantised otherwise than others of their quantity.
    """
    settings = {(one.quantity, json.dumps(one.quantization, sort_keys=True, default=str)) for one in files}
    if len(settings) == len({one.quantity for one in files}):
        return ""
    listed = ", ".join(f"{one.name}: {_quantisation(one)}" for one in files)
    if not allow_mixed:
        raise NotComparableError(
            f"the checkpoints differ in number format ({listed}), so a shift may be rounding",
            fix="Use equally quantised checkpoints, or accept it with --allow-mixed-precision.",
        )
    return f"The checkpoints differ in number format ({listed}): part of any shift may be rounding."


def precision_caution(dtype: Dtype) -> str:
    """What must lead the report of an audit in half precision; "" in float32."""
    if dtype == "float32":
        return ""
    return (
        f"Scored in {dtype}: rounding adds noise to every margin. It is measured on a sample of the items, scored "
        "again in float32, and effects below it are marked; confirm those with --dtype float32."
    )


@dataclass(frozen=True, slots=True)
class Forwards:
    """One way through the models for all language models of a series, and one for all its reward models.

    Attributes:
        of: by quantity, of those there are.
        reason: why, for the manifest.
    """

    of: Mapping[Quantity, Forward]
    reason: str

    @property
    def leading(self) -> Forward:
        """That of language models, where there are any."""
        return next(iter(self.of.values()))


def choose_forwards(files: Sequence[CheckpointFiles], batch_size: int | None) -> Forwards:
    """Each quantity's own way: numbers of one are never subtracted from those of another."""
    there = [one for one in QUANTITIES if any(own.quantity == one for own in files)]
    chosen = {one: choose_forward([own for own in files if own.quantity == one], batch_size) for one in there}
    reasons = list(dict.fromkeys(reason for _, reason in chosen.values()))
    said = reasons[0] if len(reasons) == 1 else f"{reasons[0]}; of reward models: {reasons[1]}"
    return Forwards({name: forward for name, (forward, _) in chosen.items()}, said)


def choose_forward(files: Sequence[CheckpointFiles], batch_size: int | None) -> tuple[Forward, str]:
    """One way through the models for checkpoints of one quantity, and why.

    Texts that begin alike share a row, unless so many texts side by side were asked for, or one of the models cannot.
    """
    if batch_size is not None:
        return "padded", f"asked for: --batch-size {batch_size}"
    obstacle = next((one for one in files if one.packing_obstacle), None)
    if obstacle is not None:
        return "padded", f"{obstacle.name}: {obstacle.packing_obstacle}"
    return "packed", "texts that begin alike share a row; the first is checked against the texts alone"


def _quantisation(files: CheckpointFiles) -> str:
    if files.quantization is None:
        return "not quantised"
    method = str(files.quantization.get("quant_method", "quantised"))
    bits = [str(value) for key, value in sorted(files.quantization.items()) if "bit" in key and value]
    return f"{method} ({', '.join(bits)})" if bits else method


def choose_rendering(
    asked: RenderChoice,
    tokenizers: Mapping[str, PreTrainedTokenizerBase],
    example: Item,
    *,
    template_file: Path | None,
    system: str | None,
    arguments: Mapping[str, Any],
    reward_models: Collection[str] = (),
) -> Rendering:
    """Choose renderings and the one template of the series.

    The template is the given file, else that of the last checkpoint that has one. ``auto`` adds the
    chat rendering where every tokenizer gives an example conversation the same ids. Both are decided by language
    models where there are any; a reward model with a template of its own is asked in that one, unless a file is given.

    Args:
        reward_models: which of the checkpoints are reward models.

    Raises:
        UsageError: chat was asked for and there is no template, or the file cannot be read.
    """
    deciding = {name: one for name, one in tokenizers.items() if name not in reward_models} or tokenizers
    template = _template(deciding, template_file, system, arguments)
    own: dict[str, ChatTemplate] = {}
    if template is not None and template_file is None:
        own = {
            name: ChatTemplate(one, system=system, arguments=arguments)
            for name, one in tokenizers.items()
            if name in reward_models and one.chat_template
        }
    beside = [name for name, one in tokenizers.items() if name not in deciding and one.chat_template]
    chosen = _choose(asked, deciding, example, template, each_its_own=set(own) == set(tokenizers), beside=beside)
    return replace(chosen, own_templates={name: one for name, one in own.items() if _differs(one, template, example)})


def _differs(own: ChatTemplate, other: ChatTemplate | None, example: Item) -> bool:
    """One text renders differently where the tokenizers' special tokens do."""
    return other is None or own.sha256 != other.sha256 or own.render(example) != other.render(example)


def _choose(
    asked: RenderChoice,
    tokenizers: Mapping[str, PreTrainedTokenizerBase],
    example: Item,
    template: ChatTemplate | None,
    *,
    each_its_own: bool,
    beside: Sequence[str],
) -> Rendering:
    """Renderings, and why; ``beside`` are reward models with a template of their own, which decide nothing."""
    if template is None:
        whose = "language model" if beside else "checkpoint"
        if asked in ("chat", "both"):
            raise UsageError(
                f"no {whose} of the series has a chat template",
                where=f"--render {asked}",
                fix="Give one with --chat-template FILE, or use --render plain.",
            )
        without = f", and a reward model's own ({', '.join(beside)}) is not used" if beside else ""
        return Rendering(("plain",), None, f"no {whose} has a chat template{without}")
    if asked == "plain":
        return Rendering(("plain",), template, "asked for")
    if asked == "chat":
        return Rendering(("chat",), template, "asked for")
    if asked == "both":
        return Rendering(("plain", "chat"), template, "asked for")
    if each_its_own:
        return Rendering(("plain", "chat"), template, "every reward model has a chat template")
    if _same_ids(template, tokenizers, example):
        return Rendering(("plain", "chat"), template, "all checkpoints share the chat template's token ids")
    return Rendering(("plain",), template, "the checkpoints give the chat template different token ids")


def _template(
    tokenizers: Mapping[str, PreTrainedTokenizerBase],
    file: Path | None,
    system: str | None,
    arguments: Mapping[str, Any],
) -> ChatTemplate | None:
    candidates = list(tokenizers.values())
    if file is not None:
        try:
            source = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problem = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UsageError(
                f"cannot be read: {problem}",
                where=f"--chat-template {file}",
                fix="Give a Jinja file in UTF-8, such as a checkpoint's chat_template.jinja.",
            ) from error
        return ChatTemplate(candidates[-1], template=source, system=system, arguments=arguments)
    owners = [tokenizer for tokenizer in candidates if tokenizer.chat_template]
    return ChatTemplate(owners[-1], system=system, arguments=arguments) if owners else None


def _same_ids(template: ChatTemplate, tokenizers: Mapping[str, PreTrainedTokenizerBase], example: Item) -> bool:
    rendered = template.render(example)
    if rendered is None:
        return True  # it will be refused everywhere
    ids = set()
    for tokenizer in tokenizers.values():
        encoded = next(Encoder(tokenizer, "auto").encode([rendered]))
        if isinstance(encoded, str):
            return False
        ids.add(tuple(tuple(span.ids.tolist()) for span in encoded.spans))
    return len(ids) == 1
