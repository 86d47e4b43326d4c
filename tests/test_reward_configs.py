"""Twin of auditor.adapters.hf.loading.reward_configs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditor.adapters.hf.loading.reward_configs import check_reads_tokens, is_reward_model, output_names, own_pad
from auditor.errors import ModelLoadError

HERE = Path("here")
CLASSIFIER = {"architectures": ["LlamaForSequenceClassification"], "model_type": "llama"}
LANGUAGE_MODEL = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}


def test_known_by_architecture_and_by_adapter() -> None:
    assert is_reward_model(CLASSIFIER)
    assert is_reward_model({"architectures": ["InternLM2ForRewardModel"]})
    assert is_reward_model(LANGUAGE_MODEL, {"task_type": "SEQ_CLS"})
    assert not is_reward_model(LANGUAGE_MODEL, {"task_type": "CAUSAL_LM"})
    assert not is_reward_model({})


@pytest.mark.parametrize("name", ["score.weight", "score.modules_to_save.weight"])
def test_known_by_the_head_that_an_adapter_brings(name: str) -> None:
    assert is_reward_model(LANGUAGE_MODEL, {"task_type": None}, {f"base_model.model.{name}": (1, 8)})
    assert not is_reward_model(LANGUAGE_MODEL, {"task_type": None}, {f"base_model.model.model.layers.0.x_{name}": (1,)})
    assert not is_reward_model(LANGUAGE_MODEL, {"task_type": None}, {"base_model.model.lm_head.weight": (400, 8)})


@pytest.mark.parametrize(
    "config",
    [
        CLASSIFIER,
        LANGUAGE_MODEL,
        {"model_type": "gpt2", "architectures": ["GPT2ForSequenceClassification"]},
        {"model_type": "gpt_neox", "architectures": ["GPTNeoXForSequenceClassification"]},
    ],
)
def test_decoders_pass(config: dict[str, Any]) -> None:
    check_reads_tokens(config, HERE)


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ({"model_type": "bert", "architectures": ["BertForSequenceClassification"]}, "BertForSequenceClassification"),
        ({"model_type": "bart", "architectures": ["BartForSequenceClassification"]}, "BartForSequenceClassification"),
        ({"model_type": "roberta"}, "roberta"),
        ({"model_type": "llama", "architectures": ["LlamaForRewardModel"]}, "LlamaForRewardModel"),
        ({"model_type": "internlm2", "architectures": ["InternLM2ForRewardModel"]}, "InternLM2ForRewardModel"),
        ({}, "None"),
    ],
)
def test_encoders_and_heads_of_their_own_are_refused(config: dict[str, Any], shown: str) -> None:
    with pytest.raises(ModelLoadError, match=rf"\({shown}\) is no decoder .*\n.*audit analyse") as caught:
        check_reads_tokens(config, HERE)
    assert caught.value.where == "here"


class TestOutputs:
    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            ({"id2label": {"0": "LABEL_0"}}, ("LABEL_0",)),
            ({"id2label": {"1": "harmless", "0": "helpful"}}, ("helpful", "harmless")),
            ({"id2label": {0: "a", 1: "a"}}, ("LABEL_0", "LABEL_1")),
            ({"id2label": {"x": "a", "1": "b"}}, ("LABEL_0", "LABEL_1")),
            ({"num_labels": 1}, ("LABEL_0",)),
            # transformers writes nothing of its default.
            ({}, ("LABEL_0", "LABEL_1")),
        ],
    )
    def test_of_a_classifier(self, config: dict[str, Any], expected: tuple[str, ...]) -> None:
        assert output_names({**CLASSIFIER, **config}, HERE) == expected
        assert output_names({**CLASSIFIER, **config}, HERE, {"base_model.model.score.weight": (5, 8)}) == expected

    @pytest.mark.parametrize("name", ["base_model.model.score.weight", "base_model.model.score.modules_to_save.weight"])
    def test_of_an_adapter_on_a_language_model(self, name: str) -> None:
        assert output_names(LANGUAGE_MODEL, HERE, {"base_model.model.x": (9,), name: (3, 8)}) == (
            "LABEL_0",
            "LABEL_1",
            "LABEL_2",
        )

    def test_an_adapter_without_a_head_would_leave_it_random(self) -> None:
        with pytest.raises(ModelLoadError, match=r"brings no head .*random\n.*SEQ_CLS"):
            output_names(LANGUAGE_MODEL, HERE, {"base_model.model.q_proj.lora_A.weight": (4, 8)})

    def test_nothing_known_of_an_adapter(self) -> None:
        assert output_names(LANGUAGE_MODEL, HERE, None) == ("LABEL_0",)

    @pytest.mark.parametrize("number", ["two", 0, -1, 1.0, True, 10**7])
    def test_a_number_that_is_none(self, number: object) -> None:
        with pytest.raises(ModelLoadError, match=rf"said to have {number!r} outputs, no number from 1"):
            output_names({**CLASSIFIER, "num_labels": number}, HERE)

    def test_a_number_that_is_not_said(self) -> None:
        assert output_names({**CLASSIFIER, "num_labels": None}, HERE) == ("LABEL_0", "LABEL_1")

    def test_an_adapters_head_without_a_row(self) -> None:
        with pytest.raises(ModelLoadError, match="0 outputs"):
            output_names(LANGUAGE_MODEL, HERE, {"base_model.model.score.weight": (0, 8)})


def test_the_padding_of_its_own_forward() -> None:
    assert own_pad({"pad_token_id": 3}) == 3
    assert own_pad({"text_config": {"pad_token_id": 4}}) == 4
    # Of a nested config transformers' forward reads the inner one, whatever stands outside.
    assert own_pad({"pad_token_id": 3, "text_config": {"pad_token_id": 4}}) == 4
    assert own_pad({"pad_token_id": 3, "text_config": {"pad_token_id": None}}) is None
    assert own_pad({"pad_token_id": 3, "text_config": {}}) == 3
    assert own_pad({"pad_token_id": None}) is None
    assert own_pad({}) is None
