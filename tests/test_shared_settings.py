"""Twin of auditor.adapters.hf.shared_settings: what the checkpoints of one series share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from model_factory import CHAT_TEMPLATE, make_tokenizer
from real_scores import files_of, pairs
from transformers import PreTrainedTokenizerFast

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, Dtype
from auditor.adapters.hf.shared_settings import (
    Rendering,
    check_precision,
    choose_dtype,
    choose_forward,
    choose_forwards,
    choose_rendering,
    precision_caution,
)
from auditor.core.items import Message
from auditor.errors import NotComparableError, UsageError

EXAMPLE = pairs([("Who?", " Bad.", " Good.")])[0]
OTHER_TEMPLATE = "{% for m in messages %}({{ m.content }}){% endfor %}"


@pytest.fixture(scope="session")
def base(llama_series: dict[str, Path]) -> CheckpointFiles:
    return files_of("base", llama_series["base"])


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PreTrainedTokenizerFast]:
    """Equal vocabularies; the template is absent, one, another."""
    folder = tmp_path_factory.mktemp("tokenizers")
    templates = {"base": None, "sft": OTHER_TEMPLATE, "dpo": CHAT_TEMPLATE}
    return {name: make_tokenizer(folder / name, chat_template=template) for name, template in templates.items()}


def choose(asked: Any, tokenizers: Any, **options: Any) -> Rendering:
    settings = {"template_file": None, "system": None, "arguments": {}, **options}
    return choose_rendering(asked, tokenizers, EXAMPLE, **settings)


class TestDtype:
    @pytest.mark.parametrize(
        ("asked", "saved", "device", "expected"),
        [
            ("auto", ["bfloat16", "bfloat16"], "cpu", "float32"),
            ("auto", ["bfloat16", "bfloat16"], "cuda", "bfloat16"),
            ("auto", ["float16"], "cuda", "float16"),
            ("auto", ["bfloat16", "float32"], "cuda", "float32"),
            ("auto", ["bfloat16", "float16"], "cuda", "float32"),
            ("auto", ["bfloat16", None], "cuda", "float32"),
            ("bfloat16", ["float32"], "cpu", "bfloat16"),
            ("float32", ["bfloat16"], "cuda", "float32"),
        ],
    )
    def test_choice(self, base: CheckpointFiles, asked: Any, saved: list[Any], device: str, expected: str) -> None:
        assert choose_dtype(asked, [replace(base, dtype=one) for one in saved], device) == expected


class TestPrecision:
    def test_alike(self, base: CheckpointFiles) -> None:
        quantised = replace(base, quantization={"quant_method": "gptq"})
        assert check_precision([base, base], allow_mixed=False) == ""
        assert check_precision([quantised, quantised], allow_mixed=False) == ""

    @pytest.mark.parametrize("other", [None, {"quant_method": "awq"}, {}, {"quant_method": "gptq", "bits": 3}])
    def test_mix_is_refused_unless_allowed(self, base: CheckpointFiles, other: dict[str, str] | None) -> None:
        mixed = [replace(base, quantization={"quant_method": "gptq"}), replace(base, name="dpo", quantization=other)]
        with pytest.raises(NotComparableError, match=r"base: gptq, dpo: .*\n.*--allow-mixed-precision"):
            check_precision(mixed, allow_mixed=False)
        assert "base: gptq, dpo: " in check_precision(mixed, allow_mixed=True)


class TestRendering:
    def test_template_is_the_last_that_there_is(self, tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
        for names, start in ((["base", "sft", "dpo"], "<|user|>\n"), (["dpo", "sft", "base"], "(Who?)")):
            chosen = choose("auto", {name: tokenizers[name] for name in names})
            assert chosen.renders == ("plain", "chat")
            assert chosen.template is not None
            assert chosen.template.render(EXAMPLE).context.startswith(start)

    def test_file_wins(self, tokenizers: dict[str, PreTrainedTokenizerFast], tmp_path: Path) -> None:
        (tmp_path / "chat.jinja").write_text(OTHER_TEMPLATE, encoding="utf-8")
        chosen = choose("auto", tokenizers, template_file=tmp_path / "chat.jinja", system="S")
        assert chosen.template is not None
        assert chosen.template.render(EXAMPLE).context == "(S)(Who?)("
        alone = choose("chat", {"base": tokenizers["base"]}, template_file=tmp_path / "chat.jinja")
        assert alone.renders == ("chat",)

    def test_an_example_that_has_no_text_keeps_no_rendering_away(
        self, tokenizers: dict[str, PreTrainedTokenizerFast], tmp_path: Path
    ) -> None:
        refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + OTHER_TEMPLATE
        (tmp_path / "chat.jinja").write_text(refusing, encoding="utf-8")
        example = replace(EXAMPLE, messages=(Message("system", "S"), Message("user", "Who?")))
        settings = {"template_file": tmp_path / "chat.jinja", "system": None, "arguments": {}}
        assert choose_rendering("auto", tokenizers, example, **settings).renders == ("plain", "chat")

    def test_file_that_cannot_be_read(self, tokenizers: dict[str, PreTrainedTokenizerFast], tmp_path: Path) -> None:
        (tmp_path / "latin").write_bytes(b"\xff\xfe\xe9")
        for name in ("missing", "latin"):
            with pytest.raises(UsageError, match=f"--chat-template .*{name}: cannot be read"):
                choose("auto", tokenizers, template_file=tmp_path / name)

    @pytest.mark.parametrize("asked", ["chat", "both"])
    def test_no_template_anywhere(self, tokenizers: dict[str, PreTrainedTokenizerFast], asked: str) -> None:
        bare = {"base": tokenizers["base"]}
        with pytest.raises(UsageError, match=f"--render {asked}: no checkpoint of the series has a chat template"):
            choose(asked, bare)
        for free in ("auto", "plain"):
            assert choose(free, bare) == Rendering(("plain",), None, "no checkpoint has a chat template")

    @pytest.mark.parametrize(
        ("asked", "expected"), [("plain", ("plain",)), ("chat", ("chat",)), ("both", ("plain", "chat"))]
    )
    def test_what_is_asked_for(
        self, tokenizers: dict[str, PreTrainedTokenizerFast], asked: str, expected: tuple[str, ...]
    ) -> None:
        chosen = choose(asked, tokenizers)
        assert (chosen.renders, chosen.reason) == (expected, "asked for")

    def test_auto_is_plain_where_the_template_gets_other_ids(
        self, tokenizers: dict[str, PreTrainedTokenizerFast], metaspace_tokenizer: PreTrainedTokenizerFast
    ) -> None:
        chosen = choose("auto", {"other": metaspace_tokenizer, "dpo": tokenizers["dpo"]})
        assert chosen.renders == ("plain",)
        assert chosen.reason == "the checkpoints give the chat template different token ids"
        # One that knows the turn's marker as a token of its own gives other ids, too.
        marked = PreTrainedTokenizerFast(
            tokenizer_object=tokenizers["base"].backend_tokenizer, bos_token="<s>", eos_token="</s>"
        )
        assert choose("auto", {"base": marked, "dpo": tokenizers["dpo"]}).renders == ("plain", "chat")
        marked.add_tokens(["<|assistant|>"], special_tokens=True)
        assert choose("auto", {"base": marked, "dpo": tokenizers["dpo"]}).renders == ("plain",)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_said(dtype: Dtype) -> None:
    assert dtype in precision_caution(dtype)
    assert precision_caution("float32") == ""


def test_first_item_is_shown_as_rendered(tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
    rendering = choose("both", tokenizers)
    assert rendering.first_rendered(EXAMPLE) == {
        "plain": "Who?| Bad.|",
        "chat": "<|user|>\nWho?</s>\n<|assistant|>\n|Bad.|</s>\n",
    }
    talk = replace(EXAMPLE, context="", messages=(Message("user", "Hi"), Message("assistant", "Me.")))
    assert list(rendering.first_rendered(talk)) == ["chat"]
    assert rendering.text_of(talk, "plain") is None


class TestRewardModels:
    def test_they_are_asked_in_their_own_template(self, tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
        # The reward model's template is another one than that of the series.
        chosen = choose("auto", {"dpo": tokenizers["dpo"], "rm": tokenizers["sft"]}, reward_models=["rm"])
        assert chosen.renders == ("plain", "chat")
        assert chosen.template is not None
        assert chosen.template.render(EXAMPLE).context.startswith("<|user|>")
        assert chosen.own_templates["rm"].render(EXAMPLE).context.startswith("(Who?)")  # type: ignore[union-attr]

    def test_in_that_of_the_series_where_they_have_none_or_the_same(
        self, tokenizers: dict[str, PreTrainedTokenizerFast]
    ) -> None:
        for own in ("base", "dpo"):
            chosen = choose("auto", {"dpo": tokenizers["dpo"], "rm": tokenizers[own]}, reward_models=["rm"])
            assert chosen.renders == ("plain", "chat")
            assert chosen.own_templates == {}

    def test_the_same_template_with_other_special_tokens_is_another(
        self, tokenizers: dict[str, PreTrainedTokenizerFast], tmp_path: Path
    ) -> None:
        other = make_tokenizer(tmp_path, chat_template=CHAT_TEMPLATE)
        other.eos_token = "<pad>"
        chosen = choose("auto", {"dpo": tokenizers["dpo"], "rm": other}, reward_models=["rm"])
        assert chosen.own_templates["rm"].render(EXAMPLE).ending == "<pad>\n"  # type: ignore[union-attr]

    def test_language_models_decide(self, tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
        chosen = choose("auto", {"base": tokenizers["base"], "rm": tokenizers["sft"]}, reward_models=["rm"])
        assert (chosen.renders, chosen.template, chosen.own_templates) == (("plain",), None, {})
        assert chosen.reason == "no language model has a chat template, and a reward model's own (rm) is not used"
        with pytest.raises(UsageError, match="no language model of the series has a chat template"):
            choose("chat", {"base": tokenizers["base"], "rm": tokenizers["sft"]}, reward_models=["rm"])
        neither = choose("auto", {"base": tokenizers["base"], "rm": tokenizers["base"]}, reward_models=["rm"])
        assert neither.reason == "no checkpoint has a chat template"
        alone = choose("auto", {"rm": tokenizers["base"]}, reward_models=["rm"])
        assert alone.reason == "no checkpoint has a chat template"

    def test_alone_each_may_have_its_own(self, tokenizers: dict[str, PreTrainedTokenizerFast]) -> None:
        two = {"one": tokenizers["sft"], "two": tokenizers["dpo"]}
        chosen = choose("auto", two, reward_models=list(two))
        assert chosen.renders == ("plain", "chat")
        assert chosen.reason == "every reward model has a chat template"
        assert list(chosen.own_templates) == ["one"], "that of the last is the series'"
        with_none = choose("auto", {"none": tokenizers["base"], **two}, reward_models=["none", *two])
        assert with_none.reason == "all checkpoints share the chat template's token ids"

    def test_a_file_is_for_all(self, tokenizers: dict[str, PreTrainedTokenizerFast], tmp_path: Path) -> None:
        (tmp_path / "chat.jinja").write_text(OTHER_TEMPLATE, encoding="utf-8")
        two = {"dpo": tokenizers["dpo"], "rm": tokenizers["dpo"]}
        chosen = choose("auto", two, reward_models=["rm"], template_file=tmp_path / "chat.jinja")
        assert chosen.own_templates == {}

    def test_a_quantised_one_stands_beside_language_models_that_are_not(self, base: CheckpointFiles) -> None:
        reward = replace(base, name="rm", heads=("r",), head="r", quantization={"quant_method": "gptq"})
        assert check_precision([base, base, reward], allow_mixed=False) == ""
        with pytest.raises(NotComparableError, match="rm: gptq, other: not quantised"):
            check_precision([reward, replace(reward, name="other", quantization=None)], allow_mixed=False)

    def test_language_models_and_reward_models_each_go_their_own_way(self, base: CheckpointFiles) -> None:
        reward = replace(base, name="rm", heads=("r",), head="r")
        stateful = replace(reward, name="old", packing_obstacle="it carries a state")
        sharing = choose_forward([base], None)[1]
        both = choose_forwards([reward, base], None)
        assert (both.of, both.leading, both.reason) == (
            {"logprob": "packed", "reward": "packed"},
            "packed",
            sharing,
        )
        apart = choose_forwards([base, reward, stateful], None)
        assert (apart.of, apart.leading) == ({"logprob": "packed", "reward": "padded"}, "packed")
        assert apart.reason == f"{sharing}; of reward models: old: it carries a state"
        rewards = choose_forwards([reward, stateful], None)
        assert (rewards.of, rewards.leading, rewards.reason) == (
            {"reward": "padded"},
            "padded",
            "old: it carries a state",
        )
        asked = choose_forwards([base, reward], 4)
        assert (asked.of, asked.reason) == ({"logprob": "padded", "reward": "padded"}, "asked for: --batch-size 4")
