"""Twin of auditor.adapters.hf.live_models: the live model's numbers, and nothing of it changed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from live_training import make_base
from model_factory import make_reward_model
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    LlamaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.masking_utils import sdpa_mask

from auditor.adapters.hf.live_models import LiveModel, LiveShelf, generators_as_they_were, left_as_it_was
from auditor.errors import ModelLoadError

# PEFT asks transformers by a name that transformers is giving up.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*deprecated:FutureWarning")

IDS = torch.arange(3, 40)[None]
LORA = {"r": 2, "lora_dropout": 0.5, "target_modules": ["c_attn"], "fan_in_fan_out": True, "task_type": "CAUSAL_LM"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("live") / "gpt2")


def loaded(base: Path) -> Any:
    """In training mode, as a trainer holds it: two passes of it differ."""
    return AutoModelForCausalLM.from_pretrained(str(base)).train()


def adapted(base: Path, **config: Any) -> Any:
    """With an adapter that does something."""
    model = get_peft_model(loaded(base), LoraConfig(**{**LORA, **config}))
    with torch.no_grad():
        for name, one in model.named_parameters():
            if "lora_B" in name:
                one.add_(0.5)
    return model.train()


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return torch.as_tensor(model(IDS, use_cache=False).logits)


def state_of(model: torch.nn.Module) -> list[Any]:
    """All that a block could have changed, by identity; modules' dictionaries by what is in them."""
    modules = [
        (name, {key: id(value) for key, value in vars(one).items()}, {key: id(b) for key, b in one._buffers.items()})
        for name, one in model.named_modules()
    ]
    parameters = [(id(one), one.data_ptr(), one._version, one.requires_grad) for one in model.parameters()]
    return [modules, parameters, repr(getattr(model, "config", None)), getattr(model, "active_adapter", None)]


def test_everything_of_every_module_is_put_back(base: Path) -> None:
    model = loaded(base)
    model.transformer.wte.weight.requires_grad_(False)
    model.register_buffer("counts", torch.zeros(2))
    before, buffer = state_of(model), model.counts
    with left_as_it_was(model):
        model.train(False)
        model.requires_grad_(True)
        model.forward = lambda: None
        model.transformer.h[0].attn.cache = object()
        del model.transformer.h[1].attn.scale_attn_weights
        model.counts = torch.ones(2)
    assert state_of(model) == before
    assert model.counts is buffer
    with pytest.raises(TypeError), left_as_it_was(model):
        model.train(False)(1)
    assert state_of(model) == before


def test_a_borrowed_model_has_no_dropout_and_is_given_back_as_it_was(base: Path) -> None:
    model = loaded(base)
    model.activation_checkpointing_enable()
    before = state_of(model)
    expected = logits(AutoModelForCausalLM.from_pretrained(str(base)).eval())
    assert not torch.equal(logits(model), expected), "dropout is on"
    with LiveModel(model).borrowed(trained=True) as borrowed:
        assert borrowed is model, "it is not copied"
        assert torch.equal(logits(borrowed), expected)
    assert state_of(model) == before


def test_half_precision_around_a_model_is_taken_off_meanwhile(base: Path) -> None:
    expected = logits(AutoModelForCausalLM.from_pretrained(str(base)).eval())
    model = loaded(base)
    # Another test of this process may have made one of another precision.
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision="bf16", cpu=True)
    try:
        wrapped = accelerator.prepare_model(model)
        assert wrapped is model
        before = state_of(model)
        assert (logits(model.eval()) - expected).abs().max() > 1e-4
        model.train()
        with LiveModel(model).borrowed(trained=True) as borrowed:
            assert torch.equal(logits(borrowed), expected)
        assert state_of(model) == before
    finally:
        accelerator.free_memory()
        AcceleratorState._reset_state(reset_partial_state=True)


def test_so_is_half_precision_around_the_training_itself(base: Path) -> None:
    expected = logits(AutoModelForCausalLM.from_pretrained(str(base)).eval())
    model = loaded(base)
    with torch.autocast("cpu", dtype=torch.bfloat16), LiveModel(model).borrowed(trained=True) as borrowed:
        assert torch.equal(logits(borrowed), expected)


def test_a_compiled_model_is_not_compiled_for_the_texts_of_an_audit(base: Path) -> None:
    """A compiler gives up on a function it has compiled too often, and training would go on without it."""
    compiled = []

    def compiler(graph: Any, _: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    expected = logits(AutoModelForCausalLM.from_pretrained(str(base)).eval())
    model = loaded(base)
    model.compile(backend=compiler)
    model(IDS, use_cache=False).logits.sum().backward()
    before = len(compiled)
    assert before
    with LiveModel(model).borrowed(trained=True) as borrowed:
        assert torch.equal(logits(borrowed), expected)
    model(IDS, use_cache=False).logits.sum().backward()
    assert len(compiled) == before, "neither for the audit nor again for training"


def test_a_kernel_of_training_is_changed_for_the_usual_attention_meanwhile(base: Path) -> None:
    def kernel(*_: Any, **__: Any) -> Any:
        raise AssertionError("it takes no mask")

    AttentionInterface.register("of_training", kernel)
    AttentionMaskInterface.register("of_training", sdpa_mask)
    expected = logits(AutoModelForCausalLM.from_pretrained(str(base)).eval())
    model = loaded(base)
    model.set_attn_implementation("of_training")
    before = state_of(model)
    with LiveModel(model).borrowed(trained=True) as borrowed:
        assert torch.equal(logits(borrowed), expected)
    assert model.config._attn_implementation == "of_training"
    assert state_of(model) == before


@pytest.mark.parametrize("shelf", [False, True])
def test_adapters_are_on_for_what_is_trained_and_off_for_its_beginning(base: Path, shelf: bool) -> None:
    model = adapted(base)
    before = state_of(model)
    plain = logits(AutoModelForCausalLM.from_pretrained(str(base)).eval())
    with torch.inference_mode():
        trained = logits(model.eval())
    model.train()
    assert not torch.allclose(trained, plain, atol=1e-3)
    live = LiveModel(model)
    for is_trained, expected in ((False, plain), (True, trained), (False, plain)):
        files = live.describe("x", "x", trained=is_trained)
        context = LiveShelf(live).take(files) if shelf else live.borrowed(trained=is_trained)
        with context as borrowed:
            assert torch.equal(logits(borrowed), expected)
        assert state_of(model) == before


def test_the_beginning_is_the_reference_adapter_where_a_trainer_keeps_one(base: Path) -> None:
    model = adapted(base)
    began = logits(model.eval())
    model.add_adapter("ref", model.peft_config["default"])
    with torch.no_grad():
        for name, one in model.named_parameters():
            if ".default." in name:
                model.get_parameter(name.replace(".default.", ".ref.")).copy_(one)
                one.mul_(2)
    model.train()
    before = state_of(model)
    with LiveModel(model).borrowed(trained=False) as borrowed:
        assert torch.equal(logits(borrowed), began)
    with LiveModel(model).borrowed(trained=True) as borrowed:
        assert not torch.allclose(logits(borrowed), began, atol=1e-3)
    assert state_of(model) == before


def test_what_it_says_of_itself(base: Path) -> None:
    model = loaded(base)
    files = LiveModel(model).describe("step-1", "out@step-1", trained=True)
    assert (files.name, files.model_type, files.context_window, files.dtype) == ("step-1", "gpt2", 256, "float32")
    assert files.n_parameters == model.num_parameters()
    assert files.weight_bytes == 4 * model.num_parameters()
    assert files.adapter is None
    with_adapter = LiveModel(adapted(base))
    assert with_adapter.has_adapter
    assert with_adapter.describe("a", "a", trained=True).adapter is not None
    assert with_adapter.describe("a", "a", trained=False).adapter is None
    assert LiveModel(loaded(base).to(torch.bfloat16)).policy.dtype == "bfloat16"
    with pytest.raises(ModelLoadError, match="float64"):
        _ = LiveModel(loaded(base).to(torch.float64)).policy


def rewards(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return torch.as_tensor(model(IDS, use_cache=False).logits)


def test_a_reward_model_without_its_adapter_has_the_head_that_training_began_with(tmp_path: Path) -> None:
    plain = make_reward_model(tmp_path)
    began = rewards(plain)
    config = LoraConfig(r=2, lora_dropout=0.5, target_modules="all-linear", task_type="SEQ_CLS")
    model = get_peft_model(AutoModelForSequenceClassification.from_pretrained(str(tmp_path)), config).train()
    # The head alone is trained: what the adapter adds to other weights is nothing yet.
    with torch.no_grad():
        model.get_parameter("base_model.model.score.modules_to_save.default.weight").mul_(2)
    before = state_of(model)
    live = LiveModel(model)
    with live.borrowed(trained=True) as borrowed:
        assert torch.equal(rewards(borrowed), 2 * began)
    with live.borrowed(trained=False) as borrowed:
        assert torch.equal(rewards(borrowed), began)
        head = dict(borrowed.get_submodule("score").named_parameters())
        assert torch.equal(head["original_module.weight"], plain.get_parameter("score.weight"))
    assert state_of(model) == before
    assert live.has_adapter
    assert not live.keeps_beginning, "another start of the program may have made another head"
    assert LiveModel(adapted(make_base(tmp_path / "policy"))).keeps_beginning


def test_what_a_reward_model_says_of_itself(base: Path, tmp_path: Path) -> None:
    # The config still names the language model that it was made of.
    model = AutoModelForSequenceClassification.from_pretrained(str(base), num_labels=1)
    assert model.config.architectures == ["GPT2LMHeadModel"]
    files = LiveModel(model).describe("step-1", "out@step-1", trained=True)
    assert (files.quantity, files.heads, files.head, files.output) == ("reward", ("LABEL_0",), "LABEL_0", 0)
    assert files.pad_id == model.config.pad_token_id == 2
    several = LiveModel(make_reward_model(tmp_path, outputs=("helpful", "harmless"))).describe("x", "x", trained=True)
    assert (several.heads, several.head) == (("helpful", "harmless"), None)
    policy = LiveModel(loaded(base)).describe("x", "x", trained=True)
    assert (policy.quantity, policy.heads, policy.pad_id) == ("logprob", (), None)


def test_what_reads_no_last_token_is_refused_as_in_files() -> None:
    class OwnForSequenceClassification(LlamaForSequenceClassification):
        pass

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    encoder = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("bert", vocab_size=9, **small))
    own = OwnForSequenceClassification(AutoConfig.for_model("llama", vocab_size=9, **small))
    for model in (encoder, own):
        said = (
            f"^training: this reward model .{type(model).__name__}. is no decoder whose last token(.|\\n)*audit analyse"
        )
        with pytest.raises(ModelLoadError, match=said):
            LiveModel(model)


def test_models_without_probabilities_of_tokens_are_refused(base: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"Linear.*no probabilities of tokens"):
        LiveModel(torch.nn.Linear(2, 2))
    sizes = {"vocab_size": 32, "num_attention_heads": 2, "intermediate_size": 8}
    masked = BertForMaskedLM(BertConfig(hidden_size=8, num_hidden_layers=1, **sizes))
    translating = T5ForConditionalGeneration(T5Config(vocab_size=32, d_model=8, d_kv=4, d_ff=8, num_layers=1))
    for model in (masked, translating):
        with pytest.raises(ModelLoadError, match=rf"no causal language model \({type(model).__name__}\)"):
            LiveModel(model)
    prompted = get_peft_model(loaded(base), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    with pytest.raises(ModelLoadError, match=r"training: .* \(PROMPT_TUNING\) changes the prompt"):
        LiveModel(prompted)
    # From certain tokens on alone: its plain forward is not its own.
    invoked = get_peft_model(loaded(base), LoraConfig(**LORA, alora_invocation_tokens=[3, 4]))
    with pytest.raises(ModelLoadError, match="changes the prompt or depends on it"):
        LiveModel(invoked)


def test_every_generator_goes_on_where_it_was() -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    expected = [drawn(), drawn()]
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    found = [drawn()]
    with generators_as_they_were():
        drawn()
        torch.manual_seed(5)
    with pytest.raises(TypeError), generators_as_they_were():
        random.seed(5)(1)  # type: ignore[func-returns-value]
    assert [*found, drawn()] == expected
