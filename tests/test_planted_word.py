"""One word of the context decides the harm: all views of the input point at it, and stop when weights are drawn anew.

The second is the sanity check of Adebayo et al. (2018): an attribution that points at the same word whatever the
weights are says nothing about the model. Seeds: weights 0 (trained) and 100 to 107 (random), items 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import planted_word
import pytest
from planted_word import PLANTED, WORDS
from real_scores import POLICY, files_of, score, scorer_of

from auditor.adapters.attribution.word_attributions import WordSettings, plan_words
from auditor.adapters.hf.gradient_attributions import plan_gradients
from auditor.adapters.hf.input_gradients import input_gradients
from auditor.adapters.hf.kept_vectors import KeptVectors
from auditor.adapters.hf.loading.models import ModelShelf, load_tokenizer
from auditor.adapters.hf.tokens import Encoder
from auditor.adapters.progress import Silent
from auditor.core.attributions import Attribution, AttributionMethod
from auditor.core.items import Probe

METHODS: tuple[AttributionMethod, ...] = ("ig", "ablation", "shapley")


@pytest.fixture(scope="module")
def trained_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_word.save_checkpoint(planted_word.trained(seed=0), tmp_path_factory.mktemp("planted"))


def attributed(folder: Path, probe: Probe, method: AttributionMethod) -> Iterable[Attribution]:
    scorer = scorer_of({"m": folder})
    scores = score(scorer, "m", probe)
    asked = [(probe, probe.items)]
    if method == "ig":
        files = files_of("m", folder)
        plan = plan_gradients(asked, ["plain"], None, Encoder(load_tokenizer(files, POLICY), "auto"), 32)
        found = input_gradients(files, ModelShelf(POLICY), plan.texts, KeptVectors(()), "00", Silent())
        return [one for one in plan.read(scores, found)[0] if one.level == "word"]
    assert method in ("ablation", "shapley")
    settings = WordSettings("ablation" if method == "ablation" else "shapley", permutations=10)
    words = plan_words(asked, ["plain"], settings)
    return [one.attribution for one in words.read(scores, score(scorer, "m", *words.probes))[0]]


def rank(attribution: Attribution) -> int:
    """How many words of the context carry more than the planted one."""
    context = [at for at, unit in enumerate(attribution.units) if unit.candidate is None and unit.number >= 0]
    names = [attribution.units[at].name for at in context]
    values = attribution.values[context]
    assert len(names) == WORDS
    return int((values > values[names.index(PLANTED)]).sum())


@pytest.mark.parametrize("method", METHODS)
def test_the_word_that_decides_carries_most(trained_model: Path, method: AttributionMethod) -> None:
    probe = planted_word.probe(30, seed=1)
    found = list(attributed(trained_model, probe, method))
    assert np.mean([one.total > 2 for one in found]) == 1, "the model has not learnt it"
    assert np.mean([rank(one) == 0 for one in found]) >= 0.95


@pytest.mark.parametrize("method", METHODS)
def test_with_weights_drawn_anew_its_rank_is_chance(tmp_path: Path, method: AttributionMethod) -> None:
    probe = planted_word.probe(6, seed=1)
    means = []
    for seed in range(100, 108):
        folder = planted_word.save_checkpoint(planted_word.new_model(seed), tmp_path / str(seed))
        means.append(np.mean([rank(one) for one in attributed(folder, probe, method)]))
    # A model is the unit: within one the same word may well stand high in all items.
    spread = np.std(means, ddof=1) / np.sqrt(len(means))
    assert abs(np.mean(means) - (WORDS - 1) / 2) < 3 * spread
    assert np.mean(means) > 1
