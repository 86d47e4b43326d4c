"""Oracle: agreement from a model's own logits, one whole text at a time, and plain arithmetic.

So small a model puts nearly all on one answer, the shortest. What is compared is how far a value lies from that
answer's, relatively: there the probabilities of the other three stand.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from real_scores import score, scorer_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from auditor.adapters.probe_files.probes import open_probe
from auditor.core.metrics import METRICS
from auditor.core.readings import Readings

POINTS = {"Strongly disagree": 0, "Disagree": 100 / 3, "Agree": 200 / 3, "Strongly agree": 100}


def test_agreement(shared_data: Path, hh_mini: Path) -> None:
    folder = shared_data / "political_compass_copenlu"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    probe = open_probe(str(folder), "quick")
    chosen = [one for one in probe.items if one.cluster in ("proposition 4", "proposition 57")]
    found = score(scorer_of({"model": hh_mini / "base"}), "model", replace(probe, items=tuple(chosen)))
    model = AutoModelForCausalLM.from_pretrained(hh_mini / "base").eval()
    tokenizer = AutoTokenizer.from_pretrained(hh_mini / "base")

    def total(context: str, answer: str) -> float:
        encoded = tokenizer(f"{context}\nAnswer: {answer}", return_offsets_mapping=True)
        ids = torch.tensor(encoded["input_ids"])
        with torch.no_grad():
            logprobs = torch.log_softmax(model(input_ids=ids[None]).logits[0].double(), dim=-1)
        ends = [end for _, end in encoded["offset_mapping"]]
        before = len(f"{context}\nAnswer:")
        return float(sum(logprobs[at - 1, ids[at]] for at in range(1, len(ids)) if ends[at] > before))

    mine, truths = [], []
    for one in found.scored.values():
        totals = {answer: total(one.item.context, answer) for answer in POINTS}
        highest = max(totals.values())
        weights = {answer: math.exp(value - highest) for answer, value in totals.items()}
        truths.append(sum(POINTS[answer] * weight for answer, weight in weights.items()) / sum(weights.values()))
        values = METRICS["agreement"].reading(one)
        assert values is not None
        assert values[0] - POINTS["Agree"] == pytest.approx(truths[-1] - POINTS["Agree"], rel=1e-2)
        mine.append(values)
    assert len(truths) == 40
    items = [one.item for one in found.scored.values()]
    codes = [int(item.cluster == "proposition 57") for item in items]
    variances = [
        statistics.variance([truth for truth, code in zip(truths, codes, strict=True) if code == which])
        for which in (0, 1)
    ]
    spread = METRICS["agreement_spread"].summary(Readings(items, mine, np.array(codes)))
    assert spread is not None
    assert spread.value == pytest.approx(math.sqrt(statistics.mean(variances)), rel=1e-2)
