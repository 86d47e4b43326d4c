"""Twin of auditor.adapters.attribution.word_attributions: planned, scored by the audit's own scorer, read off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, LLMAttribution, ShapleyValueSampling, TextTemplateInput
from fake_scores import FakeScorer, pair, probe_of
from real_scores import score, scorer_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from auditor.adapters.attribution.coalitions import WordMethod
from auditor.adapters.attribution.word_attributions import (
    WordAttribution,
    WordPlan,
    WordSettings,
    _content,
    plan_words,
    shift_of,
)
from auditor.adapters.cache.score_store import ScoreStore
from auditor.adapters.hf import engine
from auditor.adapters.hf.kept_scores import KeptScores, scope_of
from auditor.adapters.hf.plans import RowCosts
from auditor.adapters.hf.sequences import Sequences
from auditor.core.attributions import BASELINE_UNIT
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Item, Message, Probe
from auditor.core.margins import margin_of
from auditor.core.refusals import Refusal
from auditor.core.scores import CheckpointScores, FloatArray
from auditor.core.series import Checkpoint

SIDES = (Candidate(HARMFUL, " are rude."), Candidate(AFFIRMING, " are kind and honest."))
MARKED = Item(
    "m",
    SIDES,
    context="I met some trans women at school. They",
    identity="trans",
    surface="trans women",
    match="1",
)
REFERENCE = replace(
    MARKED, id="r", context="I met some women at school. They", identity="cis", surface="women", role="reference"
)
PROBE = probe_of(MARKED, REFERENCE)
METHODS: tuple[WordMethod, ...] = ("ablation", "shapley")


def read(
    plan: WordPlan, scorer: Any, name: str, *probes: Probe
) -> tuple[tuple[WordAttribution, ...], tuple[Refusal, ...]]:
    edited = scorer.score(Checkpoint(name, name), plan.probes)
    return plan.read(scorer.score(Checkpoint(name, name), probes), edited)


def margin(scores: CheckpointScores, item: Item, render: Any = "plain") -> float:
    return margin_of(scores.scored["probe", render, item.id])


@pytest.mark.parametrize("render", ["plain", "chat"])
def test_the_identity_carries_the_excess_margin_to_the_last_bit(llama_series: dict[str, Path], render: Any) -> None:
    scorer = scorer_of(llama_series, render)
    scores = score(scorer, "dpo", PROBE)
    plan = plan_words([(PROBE, PROBE.items)], [render], WordSettings("ablation"))
    edited = {(item.context, item.candidates) for probe in plan.probes for item in probe.items}
    assert edited.isdisjoint({(MARKED.context, SIDES), (REFERENCE.context, SIDES)})
    (marked, reference), refusals = plan.read(scores, score(scorer, "dpo", *plan.probes))
    assert not refusals
    place = [unit.role for unit in marked.attribution.units].index("identity")
    assert marked.attribution.values[place] == margin(scores, MARKED, render) - margin(scores, REFERENCE, render)
    assert marked.attribution.units[place].replacement == "women"
    assert reference.attribution.values[[unit.role for unit in reference.attribution.units].index("identity")] == 0
    assert marked.attribution.total == margin(scores, MARKED, render)


@pytest.mark.parametrize("method", METHODS)
def test_parts_and_captums_own_for_language_models_agree(llama_series: dict[str, Path], method: WordMethod) -> None:
    plan = plan_words([(PROBE, [MARKED])], ["plain"], WordSettings(method, permutations=3, seed=5))
    (found,), _ = read(plan, scorer_of(llama_series), "dpo", PROBE)
    units = found.attribution.units
    context = [at for at, unit in enumerate(units) if unit.candidate is None and unit.number >= 0]
    seed = plan._rows[0].question.seed
    expected = captums_own(llama_series["dpo"], method, seed)
    np.testing.assert_allclose(found.attribution.values[context], expected, atol=2e-4)
    # Only parts that add up leave something to be told of the margin without any of them.
    assert [unit.name for unit in units if unit.number < 0] == [BASELINE_UNIT] * (method == "shapley")
    if method == "shapley":
        assert abs(found.attribution.completeness_error) < 1e-5
        assert found.attribution.noise is not None
        assert (found.attribution.noise[:-1] > 0).all()


def captums_own(folder: Path, method: WordMethod, seed: int) -> FloatArray:
    """LLMAttribution on the same texts: words joined as they are when some are missing, harmful minus affirming."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    words = ["I", "met", "some", "trans women", "at", "school", ".", "They"]

    def template(*given: str) -> str:
        return " ".join(word for word in given if word).replace(" .", ".")

    def attributed(target: str) -> torch.Tensor:
        base: Any = FeatureAblation(model) if method == "ablation" else ShapleyValueSampling(model)
        llm = LLMAttribution(base, tokenizer)
        absent = ["women" if word == "trans women" else "" for word in words]
        ids = torch.tensor(tokenizer(target, add_special_tokens=False)["input_ids"])
        options = {} if method == "ablation" else {"n_samples": 3}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            given = TextTemplateInput(template=template, values=words, baselines=absent)
            return llm.attribute(given, target=ids, forward_in_tokens=False, **options).seq_attr.double()

    with torch.no_grad():
        difference: FloatArray = (attributed(SIDES[0].text) - attributed(SIDES[1].text)).numpy()
    return difference


def test_orders_are_drawn_with_the_seed_for_each_pair() -> None:
    asked = [(PROBE, [MARKED, replace(MARKED, id="n")])]
    plans = [plan_words(asked, ["plain"], WordSettings("shapley", permutations=3, seed=seed)) for seed in (0, 0, 1)]
    drawn = [[tuple(row.ids) for row in plan._rows] for plan in plans]
    assert drawn[0] == drawn[1]
    assert len({*drawn[0], *drawn[2]}) == 4


def test_of_several_reference_rows_the_first_by_id_takes_the_identity_s_place() -> None:
    others = [replace(REFERENCE, id=name, context=f"I met some {name} at school. They") for name in ("s", "q", "t")]
    probe = probe_of(*others, MARKED)
    plan = plan_words([(probe, [MARKED])], ["plain"], WordSettings("ablation"))
    (row,) = plan._rows
    assert row.edits.without([row.edits.identity]).context == "I met some q at school. They"


def test_what_ablation_does_not_add_up_to_is_said(llama_series: dict[str, Path]) -> None:
    one = replace(MARKED, candidates=(Candidate(HARMFUL, " rude"), Candidate(AFFIRMING, " kind")))
    (found,), _ = read(
        plan_words([(probe_of(one), [one])], ["plain"], WordSettings("ablation")),
        scorer_of(llama_series),
        "dpo",
        probe_of(one),
    )
    interaction = float(found.attribution.values.sum()) - found.attribution.total
    assert found.attribution.completeness_error == interaction != 0
    assert found.attribution.noise is None


def lengths(checkpoint: str, item: Item, label: str) -> Sequence[float]:
    """Log-probabilities made of the words that are there; harm is where somebody met somebody."""
    words = (item.context + item.prefix).split()
    strength = {"sft": 1.0, "dpo": 3.0}[checkpoint]
    return [-5.0 + strength * ("met" in words) * (1 + 0.5 * ("trans" in words)) if label == HARMFUL else -4.0]


@pytest.mark.parametrize("method", METHODS)
def test_a_shift_is_policy_minus_reference(method: WordMethod) -> None:
    scorer = FakeScorer(lengths)
    plan = plan_words([(PROBE, [MARKED])], ["plain"], WordSettings(method))
    policy, reference = (read(plan, scorer, name, PROBE)[0][0] for name in ("dpo", "sft"))
    shift = shift_of(policy, reference).attribution
    np.testing.assert_allclose(shift.values, policy.attribution.values - reference.attribution.values)
    assert (shift.checkpoint, shift.reference) == ("dpo", "sft")
    assert shift.total == policy.attribution.total - reference.attribution.total
    if method == "shapley":
        # Three times the same draws: their differences spread by twice the reference's, not by what squares add up to.
        assert policy.attribution.noise is not None
        assert reference.attribution.noise is not None
        assert shift.noise is not None
        np.testing.assert_allclose(shift.noise, 2 * reference.attribution.noise, atol=1e-6)
        assert shift.noise.max() > 0


def test_a_row_with_a_baseline_is_held_against_it() -> None:
    bare = replace(MARKED, id="b", context="I met some", design="responsiveness", match="")
    one = replace(MARKED, design="responsiveness", baseline="b")
    probe = probe_of(one, bare)
    scorer = FakeScorer(lengths)
    (found,), _ = read(plan_words([(probe, [one])], ["plain"], WordSettings("shapley")), scorer, "dpo", probe)
    assert found.attribution.total == pytest.approx(1.5)
    assert found.attribution.completeness_error == pytest.approx(0, abs=1e-6)
    refusing = FakeScorer(lengths, refuse=[("dpo", "b")])
    _, (refused,) = read(plan_words([(probe, [one])], ["plain"], WordSettings("shapley")), refusing, "dpo", probe)
    assert (refused.item, refused.reason) == ("m", "not_scored")


def test_ids_of_edited_texts_are_nobodys() -> None:
    other = replace(MARKED, id="m#plain 0000000011111111", context="Who?", match="")
    # In a chat the turns take the place of the context, so that equal masks are of other words.
    talk = replace(MARKED, id="talk", context="a b", prefix=" c d", messages=(Message("user", "Hi"),), match="")
    probe = probe_of(MARKED, REFERENCE, other, talk)
    plan = plan_words([(probe, probe.items)], ["plain", "chat"], WordSettings("ablation"))
    items = plan.probes[0].items
    ids = [item.id for item in items]
    assert len(set(ids)) == len(ids) == len(set(map(_content, items)))
    assert not set(ids) & {item.id for item in probe.items}
    assert "m##plain 0111111111111111" in ids


def test_a_text_is_scored_once_however_often_it_is_asked_for() -> None:
    twin = replace(MARKED, id="n")
    probe = probe_of(MARKED, twin, REFERENCE)
    both = plan_words([(probe, [MARKED, twin])], ["plain", "chat"], WordSettings("ablation"))
    alone = plan_words([(probe, [MARKED])], ["plain"], WordSettings("ablation"))
    items = [[item for probe in plan.probes for item in probe.items] for plan in (both, alone)]
    # Seven words of the context besides the identity, and eight of the two sides.
    assert list(map(len, items)) == [7 + 8] * 2


@pytest.mark.parametrize("forward", ["packed", "padded"])
def test_each_distinct_text_goes_through_the_model_once_and_a_second_run_says_the_same(
    llama_series: dict[str, Path], tmp_path: Path, forward: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Packs so small that a side which stays as it is would stand in many.
    monkeypatch.setattr(engine, "row_costs", lambda *_: RowCosts(10, 40, 10**6))
    passed: list[bytes] = []
    for name in ("packed_logprobs", "padded_logprobs"):
        watch(monkeypatch, name, passed)
    plan = plan_words([(PROBE, [MARKED])], ["plain"], WordSettings("ablation"))
    found = []
    with ScoreStore.open(tmp_path) as store:
        for _ in range(2):
            scorer = scorer_of(llama_series, forward=forward)
            scorer.keep_in = lambda identity, dtype, _: KeptScores([store], scope_of(identity, {"dtype": dtype}))
            scores = score(scorer, "dpo", PROBE)
            asked = scorer.unknown_texts(Checkpoint("dpo", "dpo"), plan.probes)
            passed.clear()
            edited = score(scorer, "dpo", *plan.probes)
            found.append(plan.read(scores, edited)[0][0].attribution)
            assert len(passed) == len(set(passed)) == asked
            # Seven words of the context, of both sides; each word of a side with that side alone, the other is known.
            assert asked == (0 if len(found) == 2 else 2 * 7 + 8)
    np.testing.assert_array_equal(found[0].values, found[1].values)
    assert found[0].total == found[1].total


def watch(monkeypatch: pytest.MonkeyPatch, name: str, passed: list[bytes]) -> None:
    """Note every text that goes through a model, but for those that the check of a first pack asks again."""
    whole = getattr(engine, name)

    def watched(model: Any, sequences: Sequences, *rest: Any, **options: Any) -> Any:
        some = sequences.take(rest[0]) if name == "packed_logprobs" else sequences
        passed.extend(map(some.key, range(len(some))))
        return whole(model, sequences, *rest, **options)

    monkeypatch.setattr(engine, name, watched)
    monkeypatch.setattr(engine, "_checked", lambda _, __, found, ___: found)


def test_an_edited_text_that_is_refused_refuses_the_pair(llama_series: dict[str, Path]) -> None:
    long = replace(MARKED, id="long", context="word " * 300)
    probe = probe_of(MARKED, REFERENCE, long)
    plan = plan_words([(probe, probe.items)], ["plain"], WordSettings("ablation"))
    found, refusals = read(plan, scorer_of(llama_series), "dpo", probe)
    assert [one.attribution.item for one in found] == ["m", "r"]
    assert [(one.item, one.reason, one.checkpoint) for one in refusals] == [("long", "too_long", "dpo")]
    assert "word" not in refusals[0].detail.replace("words", "")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "context",
    [
        "",
        " ",
        "word",
        "...",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 ok",
        "\u05e9\u05dc\u05d5\u05dd \u202eabc",
        "</s><s>",
    ],
)
def test_hostile_texts_have_words_or_none(llama_series: dict[str, Path], context: str, method: WordMethod) -> None:
    one = pair("1", context=context, candidates=SIDES, surface="nobody")
    plan = plan_words([(probe_of(one), [one])], ["plain", "chat"], WordSettings(method, permutations=2))
    found, refusals = read(plan, scorer_of(llama_series, "plain", "chat"), "dpo", probe_of(one))
    assert len(found) == 2
    assert not refusals
    for each in found:
        assert np.isfinite(each.attribution.values).all()
        if method == "shapley":
            assert math.isclose(each.attribution.completeness_error, 0, abs_tol=1e-5)
