"""Twin of auditor.adapters.report.comparability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_factory
from run_factory import InventedScorer, identity_swap_probe, make_run, text_swap_probe

from auditor.adapters.report.comparability import Check, checks_of
from auditor.adapters.report.report_data import read_report
from auditor.adapters.run.results_schema import RefusalRow
from auditor.core.items import Probe
from auditor.core.refusals import Refusal
from auditor.core.scores import CheckpointScores
from auditor.core.series import Checkpoint


def checks(manifest: Mapping[str, Any], series: Sequence[Mapping[str, Any]] = ()) -> dict[str, Check]:
    return {one.question: one for one in checks_of(manifest, series, (), ())}


def test_a_run_whose_checkpoints_were_asked_alike(tmp_path: Path) -> None:
    found = read_report(make_run(tmp_path / "run")).checks
    assert {one.question: one.same for one in found} == {
        "Same tokens": True,
        "Same arithmetic": True,
        "Same rendering": True,
        "Same items": True,
    }


class _OtherTokens(InventedScorer):
    """The last checkpoint cuts some texts otherwise and refuses one item."""

    def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:
        found = super().score(checkpoint, probes)
        if checkpoint.name != "dpo<b>":
            return found
        scored = dict(found.scored)
        for name, one in list(scored.items())[:3]:
            other = [replace(each, token_ids=np.asarray(each.token_ids) + 1) for each in one.candidates]
            scored[name] = replace(one, candidates=tuple(other))
        probe, render, item = list(scored)[-1]
        del scored[probe, render, item]
        refusal = Refusal("not_finite", "a probability of 0", probe, item, render, checkpoint.name)
        return replace(found, scored=scored, refusals=(refusal,))


def test_what_differs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_factory, "InventedScorer", _OtherTokens)
    run = make_run(tmp_path / "run", probes=(text_swap_probe(), identity_swap_probe()), renders=("plain",))
    found = {one.question: one for one in read_report(run).checks}
    assert not found["Same tokens"].same
    assert found["Same tokens"].finding.startswith("3 of ")
    assert not found["Same items"].same
    assert found["Same items"].finding == "1 item was refused at some checkpoint and left out at all"


def test_tokens_that_nobody_saw_are_not_called_the_same() -> None:
    tokens = checks({"engine": {"scoring": "elsewhere", "quantity": "reward"}})["Same tokens"]
    assert tokens.same is None
    assert "not known" in tokens.finding


ENGINE = {"dtype": "float32", "forward": "packed", "end": "auto"}
POLICY, REWARD = {"name": "dpo", "quantity": "logprob"}, {"name": "rm", "quantity": "reward"}


def test_what_reward_models_beside_a_series_share_with_it_is_not_overstated() -> None:
    """They end texts otherwise, cut them as they like, go another way through the model and lose items apart."""
    lost = [
        RefusalRow(reason="too_long", detail="", probe="p", item="a", render="plain", checkpoint="rm", identity="x",
                   count=1)
    ]  # fmt: skip
    found = {
        one.question: one.finding
        for one in checks_of(
            {
                "engine": ENGINE,
                "renders": ["plain"],
                "work": {"dpo": {"forward": "packed"}, "rm": {"forward": "padded"}},
            },
            [POLICY, REWARD],
            (),
            lost,
        )
    }
    assert found["Same tokens"] == "every item has the same token ids at every language model"
    assert found["Same arithmetic"].endswith(
        "end of turn auto; at rm: forward pass padded, plain texts end with EOS where the tokenizer has one"
    )
    assert found["Same items"] == "1 item was refused at some checkpoint and left out at all of its kind"
    chat = {"engine": {**ENGINE, "forward": "padded"}, "renders": ["chat"]}
    assert checks(chat, [POLICY, REWARD])["Same arithmetic"].finding.endswith("end of turn auto")
    assert checks({"engine": ENGINE, "renders": ["plain"]}, [POLICY])["Same arithmetic"].finding.endswith("auto")


def test_rewards_are_not_said_to_be_of_the_same_tokens() -> None:
    """No caution says where two reward models cut a text otherwise, so its absence says nothing."""
    found = checks({"engine": {**ENGINE, "forward": "padded"}, "renders": ["plain"]}, [REWARD, {**REWARD, "name": "b"}])
    assert found["Same tokens"].same is None
    assert "whatever tokens" in found["Same tokens"].finding
    assert found["Same arithmetic"].finding.endswith("; at rm, b: plain texts end with EOS where the tokenizer has one")


def test_weights_saved_in_other_formats() -> None:
    one, other = {"name": "a", "saved_dtype": "float32"}, {"name": "b", "saved_dtype": "bfloat16"}
    assert checks({}, [one, one])["Weights saved alike"] == Check("Weights saved alike", True, "float32")
    found = checks({}, [one, {**other, "quantization": "gptq"}])["Weights saved alike"]
    assert (found.same, found.finding) == (False, "a: float32; b: bfloat16, quantised (gptq)")


def test_what_a_manifest_does_not_say_is_not_claimed() -> None:
    assert set(checks({})) == {"Same tokens", "Same items"}
    assert set(checks({"engine": "?", "renders": "?"})) == {"Same tokens", "Same items"}
