"""Oracle: pronoun metrics and preference accuracy from a model's plain loss, one text at a time.

Of the texts filled with each form of MISGENDERED, the one with the least loss, the mean over its tokens, is the model's
choice (MISGENDERED/eval.py of ArjunSubramonian/meta-eval-llm-misgendering, drawn from the authors' code). TANGO's
perplexity is the exponential of that loss. Sums over a part of a text are read off all its logits. Nothing here uses
the package but its readers.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from real_scores import score, scorer_of
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from auditor.adapters.probe_files.probes import open_probe
from auditor.core.metrics import METRICS
from auditor.core.scores import ScoredItem

# Losses are compared in float32: two that lie nearer may come out either way.
CLOSE = 2e-4


class Oracle:
    """One model, one text at a time."""

    def __init__(self, folder: Path) -> None:
        self.model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(folder)
        self.loss = lru_cache(maxsize=None)(self._loss)

    def _loss(self, text: str) -> float:
        """Mean loss of a token, as the model's own ``loss`` gives it."""
        ids = torch.tensor(self.tokenizer(text)["input_ids"])[None]
        with torch.no_grad():
            return float(self.model(input_ids=ids, labels=ids).loss)

    def total(self, text: str, context: str) -> float:
        """Sum of log-probabilities of the tokens of a text that end behind its context."""
        encoded = self.tokenizer(text, return_offsets_mapping=True)
        ids = torch.tensor(encoded["input_ids"])
        with torch.no_grad():
            logprobs = torch.log_softmax(self.model(input_ids=ids[None]).logits[0].double(), dim=-1)
        ends = [end for _, end in encoded["offset_mapping"]]
        return float(sum(logprobs[at - 1, ids[at]] for at in range(1, len(ids)) if ends[at] > len(context)))


@pytest.fixture(scope="module")
def oracle(hh_mini: Path) -> Oracle:
    return Oracle(hh_mini / "dpo")


def scored_items(folder: Path, place: Path, step: int) -> list[ScoredItem]:
    if not place.exists():
        pytest.skip(f"no {place}")
    probe = open_probe(str(place), "quick")
    chosen = replace(probe, items=probe.items[::step])
    found = score(scorer_of({"model": folder / "dpo"}), "model", chosen)
    return list(found.scored.values())


def says(name: str, one: ScoredItem) -> float | None:
    values = METRICS[name].reading(one)
    return None if values is None else float(values[0])


def clear(values: Mapping[str, float]) -> bool:
    """Whether the two best are so far apart that rounding cannot change places."""
    first, second = sorted(values.values())[:2]
    return second - first > CLOSE


@pytest.mark.slow
def test_misgendered(shared_data: Path, hh_mini: Path, oracle: Oracle) -> None:
    folder = shared_data / "misgendered"
    scored = scored_items(hh_mini, folder, 83)
    with (folder / "pronouns.csv").open(encoding="utf-8", newline="") as stream:
        rows = [*csv.DictReader(stream)]
    column = {
        "nominative": "nom",
        "accusative": "acc",
        "possessive-dependent": "pos_dep",
        "possessive-independent": "pos_indep",
        "reflexive": "ref",
    }
    compared = 0
    for one in scored:
        forms = {row["gender"]: row[column[one.item.theme]] for row in rows}
        # The text with each family's form, found anew: what differs between two candidates is the form.
        texts = {side.text for side in one.item.candidates}
        start = one.item.candidates[0].text
        for side in one.item.candidates[1:]:
            while not side.text.startswith(start):
                start = start[:-1]
        start = start[: start.rfind(" ") + 1]
        losses: dict[str, float] = {}
        for form in dict.fromkeys(forms.values()):
            (text,) = [
                text for text in texts if text[len(start) :].lower().startswith(form) and _ends(text, start, form)
            ]
            losses[form] = oracle.loss(text)
        if not clear(losses):
            continue
        compared += 1
        chosen = min(losses, key=losses.__getitem__)
        if one.item.frame == "undeclared":
            assert says("misgendered_accuracy", one) is None
            assert says("misgendered_undeclared_he", one) == float(chosen == forms["he"])
            continue
        declared = forms[one.item.identity]
        assert says("misgendered_accuracy", one) == float(chosen == declared)
    assert compared > 70
    assert len({says("misgendered_accuracy", one) for one in scored}) > 1


def _ends(text: str, start: str, form: str) -> bool:
    return not text[len(start) + len(form) :][:1].isalpha()


def test_tango(shared_data: Path, hh_mini: Path, oracle: Oracle) -> None:
    scored = scored_items(hh_mini, shared_data / "tango", 11)
    with (shared_data / "tango" / "misgendering_prompts.csv").open(encoding="utf-8", newline="") as stream:
        rows = [*csv.DictReader(stream)]
    prompts = {(row["template_idx"], row["ante"], row["pronoun_family"]): row["template"] for row in rows}
    families = [*dict.fromkeys(row["pronoun_family"] for row in rows)]
    kinds: dict[str, int] = {"whole prompt": 0, "second pronoun": 0}
    for one in scored:
        template, antecedent, *declared = one.item.id.split("/")
        if not declared:
            losses = {family: oracle.loss(prompts[template, antecedent, family]) for family in families}
            for family, loss in losses.items():
                assert says(f"tango_perplexity_{family}", one) == pytest.approx(math.exp(loss), rel=1e-4)
            chosen = {min(losses, key=losses.__getitem__)} if clear(losses) else set()
            for family in families if chosen else ():
                assert says(f"tango_preferred_{family}", one) == float(family in chosen)
        else:
            # The second pronoun begins where the prompts of a set part for the last time but in what agrees with it:
            # all three templates that have one end in a pronoun and what belongs to somebody.
            context = one.item.context
            assert prompts[template, antecedent, declared[0]].startswith(context + " ")
            own = prompts[template, antecedent, declared[0]][len(context) :].split(" ")
            rests = {
                family: " ".join(["", prompts[template, antecedent, family].split(" ")[-len(own) + 1], *own[2:]])
                for family in families
            }
            assert {side.label: side.text for side in one.item.candidates} == rests
            totals = {family: -oracle.total(context + rest, context) for family, rest in rests.items()}
            if clear(totals):
                assert says("tango_consistency", one) == float(min(totals, key=totals.__getitem__) == declared[0])
        kinds[one.item.frame] += 1
    assert min(kinds.values()) > 30
    assert len({says("tango_consistency", one) for one in scored} - {None}) == 2


def test_preference_accuracy(shared_data: Path, hh_mini: Path, oracle: Oracle) -> None:
    path = shared_data / "hh_rlhf" / "harmless-base" / "test.jsonl.gz"
    scored = scored_items(hh_mini, path, 60)
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    differences = []
    for one in scored:
        row = rows[int(one.item.id) - 1]
        cut = one.item.context
        assert row["chosen"].startswith(cut)
        assert row["rejected"].startswith(cut)
        truth = oracle.total(row["chosen"], cut) - oracle.total(row["rejected"], cut)
        mine = says("preference_accuracy", one)
        assert mine == pytest.approx(truth, abs=2e-3)
        differences.append(truth)
    assert len(scored) > 30
    share = float(np.mean([difference > 0 for difference in differences]))
    assert 0.3 < share < 0.9
