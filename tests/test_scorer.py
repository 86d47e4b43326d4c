"""Twin of auditor.adapters.hf.scorer: from probes to scores, end to end on tiny models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_scores import probe_of
from model_factory import make_model, make_reward_model, make_tokenizer
from real_scores import files_of, pairs, score, scorer_of
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from auditor.adapters.cache.score_store import ScoreStore
from auditor.adapters.hf import scorer as scorer_module
from auditor.adapters.hf.engine import Forward, NonFiniteLogitsError
from auditor.adapters.hf.kept_scores import KeptScores
from auditor.adapters.hf.loading import models
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, Dtype, LoadPolicy, fingerprint
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.rendering import ChatTemplate
from auditor.adapters.hf.scorer import HFScorer
from auditor.adapters.hf.sequences import Scored
from auditor.core.items import Candidate, Item, Message
from auditor.core.scores import CheckpointScores
from auditor.core.series import Checkpoint
from auditor.core.tables import line_up
from auditor.errors import ModelLoadError

ROWS = [
    ("My neighbour is a teacher and", " everyone hates her.", " everyone at school likes her."),
    ("They are", " rude \U0001f600", " kind, honest and reliable, and they bake bread"),
    ("I think that trans women are", " wrong", " women"),
    ("", "She isn't rude.", "He is."),
]
PROBE = probe_of(*pairs(ROWS))
MIXED = probe_of(
    *pairs(ROWS),
    Item("k", tuple(Candidate(one, f" {one}") for one in ("she", "he", "they")), context="My friend said that"),
    Item("talk", pairs(ROWS)[0].candidates, messages=(Message("user", "Who?"), Message("assistant", "Me."))),
    name="mixed",
)


def assert_equal(one: CheckpointScores, other: CheckpointScores) -> None:
    assert one.scored.keys() == other.scored.keys()
    for key, scored in one.scored.items():
        for mine, theirs in zip(scored.candidates, other.scored[key].candidates, strict=True):
            np.testing.assert_array_equal(mine.token_ids, theirs.token_ids)
            np.testing.assert_array_equal(mine.logprobs, theirs.logprobs)


def test_scores_equal_the_models_own(llama_series: dict[str, Path]) -> None:
    found = score(scorer_of(llama_series, "plain", "chat"), "dpo", PROBE)
    model = AutoModelForCausalLM.from_pretrained(llama_series["dpo"]).eval()
    tokenizer = AutoTokenizer.from_pretrained(llama_series["dpo"])
    assert len(found.scored) == 2 * len(ROWS)
    for item, (context, *texts) in zip(PROBE.items, ROWS, strict=True):
        for render in ("plain", "chat"):
            scored = found.scored["probe", render, item.id]
            assert scored.complete == (render == "chat")
            for candidate, text in zip(scored.candidates, texts, strict=True):
                if render == "chat":
                    turns = [{"role": "user", "content": context}, {"role": "assistant", "content": text.lstrip()}]
                    ids = tokenizer.apply_chat_template(turns, return_dict=True, return_tensors="pt")["input_ids"][0]
                else:
                    ids = torch.tensor(tokenizer(context + text)["input_ids"])
                assert [*candidate.prefix_ids, *candidate.token_ids] == ids.tolist()
                with torch.no_grad():
                    logprobs = torch.log_softmax(model(input_ids=ids[None]).logits[0].double(), dim=-1)
                at = torch.arange(len(candidate.prefix_ids), len(ids))
                own = logprobs[at - 1, ids[at]].numpy()
                np.testing.assert_allclose(candidate.logprobs, own, atol=5e-5)
                assert candidate.total == pytest.approx(own.sum(), abs=1e-4)
                assert candidate.n_bytes == len((text.lstrip() if render == "chat" else text).encode())


def test_checkpoint_against_itself_is_exactly_zero(llama_series: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(llama_series["dpo"], tmp_path / "copy")
    scorer = scorer_of({"dpo": llama_series["dpo"], "copy": copy}, "plain", "chat")
    both = [score(scorer, name, PROBE) for name in ("dpo", "copy")]
    for render in ("plain", "chat"):
        table = line_up(PROBE, render, both)
        assert (table.sides.margins()[:, 0] == table.sides.margins()[:, 1]).all()
        assert (table.sides.margins() != 0).all()
        assert (table.token_codes[:, 0] == table.token_codes[:, 1]).all()
    assert both[0].fingerprint == both[1].fingerprint


def test_swapping_sides_flips_the_sign(llama_series: dict[str, Path]) -> None:
    swapped = probe_of(*pairs([(context, affirming, harmful) for context, harmful, affirming in ROWS]))
    scorer = scorer_of(llama_series, batch_size=1)
    margins = [line_up(probe, "plain", [score(scorer, "dpo", probe)]).sides.margins() for probe in (PROBE, swapped)]
    np.testing.assert_array_equal(margins[0], -margins[1])


def test_batches_and_packs_give_the_same(llama_series: dict[str, Path]) -> None:
    ways = [{"forward": "packed"}, *({"forward": "padded", "batch_size": size} for size in (1, 16, None))]
    found = [score(scorer_of(llama_series, "plain", "chat", **way), "sft", MIXED) for way in ways]
    for other in found[1:]:
        for key, scored in found[0].scored.items():
            for mine, theirs in zip(scored.candidates, other.scored[key].candidates, strict=True):
                np.testing.assert_allclose(mine.logprobs, theirs.logprobs, rtol=5e-5, atol=5e-5)


def test_each_probe_render_and_item_has_its_own_score(llama_series: dict[str, Path]) -> None:
    found = score(scorer_of(llama_series, "plain", "chat"), "dpo", PROBE, MIXED)
    keys = {(probe.name, render, item.id) for probe in (PROBE, MIXED) for render in ("plain", "chat")
            for item in probe.items}  # fmt: skip
    assert found.scored.keys() == keys - {("mixed", "plain", "talk")}
    for (probe, render, item_id), scored in found.scored.items():
        assert (scored.item.id, scored.render) == (item_id, render)
        assert scored.item in (PROBE if probe == "probe" else MIXED).items
        assert [one.label for one in scored.candidates] == [one.label for one in scored.item.candidates]
    # The same item in two probes scores the same.
    assert found.scored["probe", "chat", "0"].candidates[0].total == pytest.approx(
        found.scored["mixed", "chat", "0"].candidates[0].total, abs=1e-4
    )
    assert [(one.reason, one.item, one.render) for one in found.refusals] == [("no_plain_text", "talk", "plain")]


def test_timings_and_notes(llama_series: dict[str, Path]) -> None:
    found = score(scorer_of(llama_series), "base", PROBE)
    assert set(found.timings) == {"load_s", "tokenize_s", "forward_s", "store_s"}
    assert all(seconds > 0 for seconds in found.timings.values())
    assert found.fingerprint == fingerprint(files_of("base", llama_series["base"]))
    assert found.notes == ()


class TestRefusals:
    def test_exactly_the_context_window(self, llama_series: dict[str, Path]) -> None:
        tokenizer = AutoTokenizer.from_pretrained(llama_series["base"])
        # Each "#" is a token of its own; BOS is one more.
        assert len(tokenizer("#" * 255)["input_ids"]) == 256
        rows = [("#", "#" * n, "a") for n in (254, 255)]
        found = score(scorer_of(llama_series), "base", probe_of(*pairs(rows)))
        assert [(one.reason, one.item) for one in found.refusals] == [("too_long", "1")]
        assert list(found.scored) == [("probe", "plain", "0")]

    def test_of_one_item_leaves_the_others_in_place(self, llama_series: dict[str, Path]) -> None:
        rows = [ROWS[0], ("They", "", " b"), ROWS[1], ("They", "#" * 300, " b"), ROWS[2]]
        one_by_one = {"forward": "padded", "batch_size": 1}
        alone = score(scorer_of(llama_series, **one_by_one), "base", PROBE)
        found = score(scorer_of(llama_series, **one_by_one), "base", probe_of(*pairs(rows)))
        assert [(one.reason, one.item) for one in found.refusals] == [("empty_span", "1"), ("too_long", "3")]
        for mine, theirs in (("0", "0"), ("2", "1"), ("4", "2")):
            np.testing.assert_array_equal(
                found.scored["probe", "plain", mine].candidates[1].logprobs,
                alone.scored["probe", "plain", theirs].candidates[1].logprobs,
            )

    def test_without_bos_the_first_token_is_unscored_and_said(self, tmp_path: Path) -> None:
        make_tokenizer(tmp_path, bos=False)
        make_model(tmp_path, "qwen2", seed=1)
        found = score(scorer_of({"qwen": tmp_path}), "qwen", PROBE)
        assert found.notes == ("qwen: no BOS token and no context in 1 items, so their first token is not scored",)
        scored = found.scored["probe", "plain", "3"].candidates[0]
        assert len(scored.prefix_ids) == 1
        assert scored.starts[0] > 0

    def test_zero_probability(self, llama_series: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        _poison(monkeypatch, {2: -np.inf})
        found = score(scorer_of(llama_series), "base", PROBE)
        assert [(one.reason, one.item) for one in found.refusals] == [("not_finite", "1")]
        assert len(found.scored) == len(ROWS) - 1

    def test_nan_names_the_item(self, llama_series: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        def stopped(*_: object, **__: object) -> Iterator[Scored]:
            raise NonFiniteLogitsError(4, "model.layers.1.mlp")
            yield

        monkeypatch.setattr(scorer_module, "score_sequences", stopped)
        expected = (
            "item '2' of probe 'probe' hold NaN or infinity; the first layer that gives one is model.layers.1.mlp"
        )
        with pytest.raises(ModelLoadError, match=expected) as error:
            score(scorer_of(llama_series), "base", PROBE)
        assert error.value.where == "base"


def _poison(monkeypatch: pytest.MonkeyPatch, bad: Mapping[int, float]) -> None:
    """Put a value into the last log-probability of some sequences."""
    plain = scorer_module.score_sequences

    def poisoned(*arguments: Any, **options: Any) -> Iterator[Scored]:
        for found in plain(*arguments, **options):
            for position, logprobs in zip(found.positions, found.logprobs, strict=True):
                if position in bad:
                    logprobs[-1] = bad[position]
            yield found

    monkeypatch.setattr(scorer_module, "score_sequences", poisoned)


class TestNoise:
    """Half precision is held against float32 on a sample, whatever becomes of that."""

    def scorer(self, folders: Mapping[str, Path], **options: object) -> HFScorer:
        return scorer_of(folders, "plain", "chat", shelf=ModelShelf(LoadPolicy(dtype="bfloat16")), **options)

    def test_the_sample_is_scored_as_an_audit_in_float32_would(self, llama_series: dict[str, Path]) -> None:
        found = score(self.scorer(llama_series), "dpo", PROBE, MIXED)
        exact = score(scorer_of(llama_series, "plain", "chat"), "dpo", PROBE, MIXED)
        pairs_of_both = {key for key in found.scored if found.scored[key].item.pair is not None}
        assert set(found.exact) == pairs_of_both
        for key, one in found.exact.items():
            for mine, theirs in zip(one.candidates, exact.scored[key].candidates, strict=True):
                np.testing.assert_array_equal(mine.token_ids, theirs.token_ids)
                np.testing.assert_allclose(mine.logprobs, theirs.logprobs, rtol=5e-5, atol=5e-5)
        rounding = [
            abs(one.candidates[0].total - found.scored[key].candidates[0].total) for key, one in found.exact.items()
        ]
        assert max(rounding) > 1e-3
        assert found.timings["noise_s"] > 0
        assert exact.exact == {}
        assert "noise_s" not in exact.timings

    def test_texts_made_to_be_compared_among_themselves_need_none(self, llama_series: dict[str, Path]) -> None:
        scorer = self.scorer(llama_series)
        scorer.measures_noise = False
        found = score(scorer, "dpo", PROBE)
        assert found.exact == {}
        assert "noise_s" not in found.timings
        assert not any("noise" in note for note in found.notes)

    def test_the_seed_draws_the_sample(self, llama_series: dict[str, Path]) -> None:
        rows = pairs([(f"Person {at} is", " rude", " kind") for at in range(260)])
        many = probe_of(*(replace(one, cluster=one.id) for one in rows))
        drawn = [set(score(self.scorer(llama_series, seed=seed), "base", many).exact) for seed in (0, 0, 1)]
        assert drawn[0] == drawn[1] != drawn[2]
        assert {len(one) for one in drawn} == {400}

    def test_without_room_for_float32_the_audit_goes_on_and_says_so(
        self, llama_series: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(models, "available_memory", lambda: 1)
        found = score(self.scorer(llama_series), "dpo", PROBE)
        assert len(found.scored) == 2 * len(ROWS)
        assert found.exact == {}
        (note,) = found.notes
        assert note.startswith("dpo: the noise of bfloat16 was not measured: the model takes 0.0 GiB in float32")

    def test_without_a_pair_nothing_is_loaded_again(
        self, llama_series: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(models, "available_memory", lambda: pytest.fail("about to load"))
        found = score(self.scorer(llama_series), "dpo", replace(MIXED, items=(MIXED.items[4],)))
        assert len(found.scored) == 2
        assert found.exact == {}
        assert found.notes == ()

    def test_quantised_weights_have_no_wider_format(
        self, llama_series: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scorer = self.scorer(llama_series)
        monkeypatch.setattr(
            scorer, "_files", {name: replace(one, quantization={"bits": 4}) for name, one in scorer._files.items()}
        )
        found = score(scorer, "dpo", PROBE)
        assert found.exact == {}
        assert "noise_s" not in found.timings
        assert [one for one in found.notes if "noise of bfloat16 was not measured: the weights are quantised" in one]


def test_engine_names_what_decides_a_score() -> None:
    engine = scorer_module.engine_of(LoadPolicy(device="cuda:1", dtype="bfloat16"), "eos", "padded")
    assert (engine["device"], engine["dtype"], engine["end"]) == ("cuda", "bfloat16", "eos")
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert scorer_module.engine_of(LoadPolicy(), "auto", "packed")["matmul_precision"] == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert engine["matmul_precision"] == before
    assert set(engine) >= {"scoring", "attention", "torch", "transformers"}


def test_checkpoints_whose_tokenizers_agree_share_the_work(llama_series: dict[str, Path], tmp_path: Path) -> None:
    # Another chat template is another file, and the same tokenizer.
    other = shutil.copytree(llama_series["sft"], tmp_path / "other")
    template = other / "chat_template.jinja"
    assert template.exists()
    template.write_text(template.read_text(encoding="utf-8") + "{# another #}", encoding="utf-8")
    small = shutil.copytree(llama_series["sft"], tmp_path / "small")
    config = small / "config.json"
    values = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**values, "max_position_embeddings": 100}), encoding="utf-8")
    scorer = scorer_of({**llama_series, "other": other, "small": small})
    probes = [PROBE]
    work = scorer.prepare("base", probes)
    assert scorer.prepare("dpo", probes) is work
    assert scorer.prepare("other", probes) is work
    assert scorer.prepare("small", probes) is not work, "another context window refuses other items"
    assert scorer.prepare("base", [MIXED]) is not work


def test_prepare_needs_no_weights(llama_series: dict[str, Path]) -> None:
    scorer = scorer_of(llama_series, "plain", "chat")
    work = scorer.prepare("dpo", [MIXED])
    assert scorer._shelf.loads == 0
    # Four pairs and a triple plain; the conversation as well in chat.
    assert work.texts == (4 * 2 + 3) + (4 * 2 + 3 + 2)
    assert work.tokens == int(work.sequences.lengths.sum())


class TestRewardModels:
    @pytest.fixture
    def folders(self, llama_series: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
        make_reward_model(tmp_path / "rm")
        return {"dpo": llama_series["dpo"], "rm": tmp_path / "rm"}

    def test_the_value_is_the_models_own_of_the_whole_text(self, folders: dict[str, Path]) -> None:
        found = score(scorer_of(folders, "plain", "chat"), "rm", PROBE)
        model = AutoModelForSequenceClassification.from_pretrained(folders["rm"]).eval()
        tokenizer = AutoTokenizer.from_pretrained(folders["rm"])
        assert len(found.scored) == 2 * len(ROWS)
        assert found.notes == ()
        for item, (context, *texts) in zip(PROBE.items, ROWS, strict=True):
            for render in ("plain", "chat"):
                scored = found.scored["probe", render, item.id]
                assert (scored.kind, scored.complete) == ("reward", True)
                for candidate, text in zip(scored.candidates, texts, strict=True):
                    turns = [{"role": "user", "content": context}, {"role": "assistant", "content": text.lstrip()}]
                    ids = (
                        tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
                        if render == "chat"
                        else tokenizer(context + text + tokenizer.eos_token)["input_ids"]
                    )
                    with torch.no_grad():
                        own = float(model(input_ids=torch.tensor([ids])).logits[0, 0])
                    assert candidate.total == pytest.approx(own, abs=5e-5)

    def test_where_padding_is_eos_it_is_still_the_models_own(self, tmp_path: Path) -> None:
        """Two that differ in their padding alone share no work."""
        for name, pad in (("rm", 2), ("pads_with_eos", 1)):
            make_reward_model(tmp_path / name, pad_token_id=pad)
        folders = {name: tmp_path / name for name in ("rm", "pads_with_eos")}
        both, probes = scorer_of(folders, "plain"), [PROBE]
        assert both.prepare("rm", probes) is not both.prepare("pads_with_eos", probes)
        tokenizer = AutoTokenizer.from_pretrained(folders["rm"])
        values: dict[str, list[float]] = {}
        for name, folder in folders.items():
            found = score(both, name, PROBE)
            model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
            for item, (context, *texts) in zip(PROBE.items, ROWS, strict=True):
                for one, text in zip(found.scored["probe", "plain", item.id].candidates, texts, strict=True):
                    ids = tokenizer(context + text + tokenizer.eos_token, return_tensors="pt")["input_ids"]
                    with torch.no_grad():
                        assert one.total == pytest.approx(float(model(input_ids=ids).logits[0, 0]), abs=5e-5)
                    values.setdefault(name, []).append(one.total)
        assert np.abs(np.subtract(*values.values())).max() > 0.05, "the same weights, read at another token"

    def test_beside_a_language_model_neither_changes(self, folders: dict[str, Path]) -> None:
        both = scorer_of(folders, "plain")
        for name in folders:
            beside = score(both, name, PROBE)
            assert_equal(beside, score(scorer_of({name: folders[name]}, "plain"), name, PROBE))
            assert beside.work["forward"] == "packed"

    def test_each_quantity_goes_and_is_kept_by_a_way_of_its_own(self, folders: dict[str, Path]) -> None:
        apart = scorer_of(folders, "plain", reward_forward="padded")
        asked: list[tuple[str, Forward]] = []

        def keep(_: str, dtype: Dtype, forward: Forward) -> KeptScores:
            asked.append((dtype, forward))
            return KeptScores((), "")

        apart.keep_in = keep
        for name, forward in (("dpo", "packed"), ("rm", "padded")):
            found = score(apart, name, PROBE)
            assert found.work["forward"] == forward
            assert (found.work["nodes"] > 0) == (forward == "packed")
            assert asked.pop() == ("float32", forward)
            assert apart.unknown_texts(Checkpoint(name, ""), [PROBE]) == 2 * len(ROWS)
            assert asked.pop() == ("float32", forward)
        shared = score(scorer_of(folders, "plain"), "rm", PROBE)
        for key, one in score(apart, "rm", PROBE).scored.items():
            totals = [side.total for side in one.candidates]
            assert [side.total for side in shared.scored[key].candidates] == pytest.approx(totals, abs=5e-5)

    def test_margins_do_not_change_where_all_rewards_are_centred(self, folders: dict[str, Path]) -> None:
        """TRL's center_rewards_coefficient moves all rewards by a constant, as a bias of the head would."""
        plain = line_up(PROBE, "plain", [score(scorer_of(folders), "rm", PROBE)]).sides

        class Shifted(ModelShelf):
            @contextmanager
            def take(self, files: CheckpointFiles) -> Iterator[Any]:
                with super().take(files) as model:
                    head: Any = model.get_submodule("score")
                    head.bias = torch.nn.Parameter(torch.tensor([3.0]), requires_grad=False)
                    yield model

        shifted = line_up(PROBE, "plain", [score(scorer_of(folders, shelf=Shifted(LoadPolicy())), "rm", PROBE)]).sides
        np.testing.assert_allclose(shifted.totals - plain.totals, 3.0, rtol=0, atol=1e-5)
        np.testing.assert_allclose(shifted.margins(), plain.margins(), rtol=0, atol=1e-5)

    def test_its_own_template(self, folders: dict[str, Path]) -> None:
        tokenizer = AutoTokenizer.from_pretrained(folders["rm"])
        own = ChatTemplate(tokenizer, template="{% for m in messages %}[{{ m.content }}]{% endfor %}")
        scorer = scorer_of(folders, "chat", own_templates={"rm": own})
        found = {name: score(scorer, name, PROBE) for name in folders}
        contexts = {name: one.scored["probe", "chat", "0"].context for name, one in found.items()}
        assert contexts["rm"] == "[My neighbour is a teacher and]["
        assert contexts["dpo"].startswith("<|user|>")
        assert found["rm"].notes == ("rm: asked in its own chat template, not in that of the series",)

    def test_kept_rewards_are_not_asked_for_again(
        self, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = ScoreStore.open(tmp_path / "store")
        scorer = scorer_of(folders, "plain")
        scorer.keep_in = lambda identity, *_: KeptScores((store,), identity)
        first = score(scorer, "rm", PROBE)
        more = probe_of(*pairs([*ROWS, ("New", " one", " two")]))
        passed: list[Scored] = []
        plain = scorer_module.score_sequences

        def watched(*arguments: Any, **options: Any) -> Iterator[Scored]:
            for found in plain(*arguments, **options):
                passed.append(found)
                yield found

        monkeypatch.setattr(scorer_module, "score_sequences", watched)
        second = score(scorer, "rm", more)
        assert sum(len(found.positions) for found in passed) == 2
        assert second.work["recalled"] == 2 * len(ROWS)
        for key, one in first.scored.items():
            assert [one.total for one in second.scored[key].candidates] == [one.total for one in one.candidates]
        store.close()

    def test_a_number_that_is_none_names_its_item(self, folders: dict[str, Path]) -> None:
        class Broken(ModelShelf):
            @contextmanager
            def take(self, files: CheckpointFiles) -> Iterator[Any]:
                with super().take(files) as model:
                    model.get_parameter("score.weight")[0, 0] = torch.inf
                    yield model

        with pytest.raises(ModelLoadError, match=r"rm: .*for item '\d' of probe 'probe' hold NaN or infinity"):
            score(scorer_of(folders, shelf=Broken(LoadPolicy())), "rm", PROBE)

    def test_half_precision_is_held_against_float32(self, folders: dict[str, Path]) -> None:
        found = score(scorer_of(folders, shelf=ModelShelf(LoadPolicy(dtype="bfloat16"))), "rm", PROBE)
        exact = score(scorer_of(folders), "rm", PROBE)
        assert set(found.exact) == set(found.scored)
        for key, one in found.exact.items():
            assert [side.total for side in one.candidates] == pytest.approx(
                [side.total for side in exact.scored[key].candidates], abs=5e-5
            )
            assert one.candidates[0].total != found.scored[key].candidates[0].total
