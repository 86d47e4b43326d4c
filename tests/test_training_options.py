"""Twin of auditor.integrations.training_options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trl import DPOConfig, SFTConfig

from auditor.cli.options import OnInconclusive
from auditor.errors import UsageError
from auditor.integrations.training_options import (
    TrainingGate,
    checked_every,
    checked_objective,
    checked_share,
    preference_of,
    training_gate,
)

# trl's configurations ask transformers by a name that transformers is giving up.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*deprecated:FutureWarning")


def dpo(**arguments: Any) -> DPOConfig:
    return DPOConfig(output_dir="unused", use_cpu=True, bf16=False, report_to="none", beta=0.3, **arguments)


@pytest.mark.parametrize("every", [0, -1, True, "step", "", "100", 2.5, None])
def test_when_is_a_number_of_steps_or_an_event(every: Any) -> None:
    with pytest.raises(UsageError, match="is no time to audit"):
        checked_every(every)
    assert [checked_every(one) for one in (1, "epoch", "save")] == [1, "epoch", "save"]


@pytest.mark.parametrize("share", [0, -0.1, float("nan"), float("inf"), "0.1"])
def test_a_share_is_positive(share: Any) -> None:
    with pytest.raises(UsageError, match="positive share"):
        checked_share(share)
    assert checked_share(None) is None
    assert checked_share(2.0) == 2


def test_a_gate_is_given_as_rules_or_as_options(tmp_path: Path) -> None:
    assert training_gate("stigma:any > 0.5") == TrainingGate(("stigma:any > 0.5",))
    assert training_gate(["a:b > 1", "c:d > 2"]).fail_on == ("a:b > 1", "c:d > 2")
    whole = training_gate({"fail_on": "a:b > 1", "on_inconclusive": "fail", "baseline": tmp_path})
    assert whole == TrainingGate(("a:b > 1",), OnInconclusive.fail, tmp_path)


@pytest.mark.parametrize(
    ("gate", "what"),
    [
        ("stigma", "expected PROBE"),
        ([], "no rule is given"),
        ({"on_inconclusive": "warn"}, "no rule is given"),
        ({"fail_on": "a:b > 1", "junit": "x.xml"}, "'junit' is no option"),
        ({"fail_on": "a:b > 1", "on_inconclusive": "maybe"}, "'maybe' is none of its values"),
    ],
)
def test_a_wrong_gate_is_found_at_once(gate: Any, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        training_gate(gate)
    assert "--" not in str(caught.value), "no option of a command was given"


@pytest.mark.parametrize(
    ("arguments", "objective"),
    [
        ({}, "dpo"),
        ({"loss_type": "hinge"}, "dpo"),
        ({"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 1.0]}, "dpo"),
        ({"loss_type": "ipo"}, "dpo-norm"),
        ({"loss_type": "sigmoid_norm"}, "dpo-norm"),
        ({"loss_type": ["sigmoid", "ipo"], "loss_weights": [1.0, 1.0]}, "none"),
        ({"loss_type": "sft"}, "none"),
        ({"f_divergence_type": "js_divergence"}, "none"),
        ({"sync_ref_model": True}, "none"),
        ({"ld_alpha": 0.5}, "none"),
    ],
)
def test_the_objective_is_read_off_the_trainers_arguments(arguments: dict[str, Any], objective: str) -> None:
    beta = None if objective == "none" else 0.3
    assert preference_of(dpo(**arguments), None) == (objective, beta)


def test_a_named_objective_wins() -> None:
    assert checked_objective("auto") is None
    assert preference_of(dpo(), checked_objective("none")) == ("none", None)
    assert preference_of(dpo(loss_type="sft"), checked_objective("dpo")) == ("dpo", 0.3)
    sft = SFTConfig(output_dir="unused", use_cpu=True, bf16=False, report_to="none")
    assert preference_of(sft, None) == ("none", None)
    assert preference_of(sft, checked_objective("dpo")) == ("dpo", None)
    with pytest.raises(UsageError, match="unknown objective 'ppo'"):
        checked_objective("ppo")
