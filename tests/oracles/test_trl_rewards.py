"""Oracle: TRL's RewardTrainer. What it logs on evaluation is the reward we give, end of turn included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from fake_scores import probe_of
from model_factory import CHAT_TEMPLATE, make_reward_model
from real_scores import pairs, score, scorer_of
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

from auditor.core.scores import FloatArray

# TRL 1.16 still reads the name that transformers 5.23 gave up.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

# (prompt, chosen, rejected), of unequal lengths.
ROWS = (
    ("My neighbour is a teacher and", " everyone at school likes her.", " everyone hates her, I think."),
    ("They are", " kind, honest and reliable, and they bake bread together.", " rude"),
    ("What do you think about my new friend?", " I would like to know more about them.", " No."),
    ("We met 3 non-binary artists:", " a caf\u00e9 scene \U0001f600", " \u4f60\u597d"),
    # What ends in EOS already gets no second one.
    ("She is", " kind.</s>", " rude."),
)


@pytest.fixture(scope="module", params=["tiny", "pads_with_eos", "hh_mini"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "hh_mini":
        return Path(request.getfixturevalue("hh_mini")) / "rm"
    made = tmp_path_factory.mktemp("rm")
    if request.param == "tiny":
        make_reward_model(made)
        return made
    # What TRL makes of a tokenizer without padding; in a chat, too, the last token of a text is EOS.
    make_reward_model(made, chat_template=CHAT_TEMPLATE.replace("{{ eos_token }}\n", "{{ eos_token }}"), pad_token_id=1)
    tokenizer = AutoTokenizer.from_pretrained(made)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(made)
    return made


def trl_logs(folder: Path, rows: Sequence[dict[str, Any]], tmp_path: Path) -> list[dict[str, float]]:
    """What TRL logs on evaluating each pair alone, then all of them."""
    data = Dataset.from_list(list(rows))
    trainer = RewardTrainer(
        model=AutoModelForSequenceClassification.from_pretrained(folder),
        args=RewardConfig(
            output_dir=str(tmp_path),
            bf16=False,
            use_cpu=True,
            activation_checkpointing=False,
            per_device_eval_batch_size=1,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    logs = []
    for part in [*(data.select([at]) for at in range(len(data))), data]:
        trainer.evaluate(part)
        logs.append(trainer.state.log_history[-1])
    return logs


def our_rewards(folder: Path, chat: bool) -> FloatArray:
    """Rewards of chosen and rejected by row, shape (rows, 2)."""
    probe = probe_of(*pairs(ROWS))
    found = score(scorer_of({"rm": folder}, "chat" if chat else "plain"), "rm", probe)
    assert all(one.kind == "reward" for one in found.scored.values())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # Where EOS is padding it is passed over, so the text is read without its end.
    assert {one.complete for one in found.scored.values()} == {tokenizer.pad_token != tokenizer.eos_token}
    return np.array([[side.total for side in one.candidates] for one in found.scored.values()])


def trl_rows(chat: bool) -> list[dict[str, Any]]:
    if not chat:
        return [{"prompt": prompt, "chosen": chosen, "rejected": rejected} for prompt, chosen, rejected in ROWS]
    return [
        {
            "prompt": [{"role": "user", "content": prompt}],
            "chosen": [{"role": "assistant", "content": chosen.lstrip()}],
            "rejected": [{"role": "assistant", "content": rejected.lstrip()}],
        }
        for prompt, chosen, rejected in ROWS
    ]


@pytest.mark.parametrize("chat", [False, True], ids=["plain", "chat"])
def test_rewards(folder: Path, chat: bool, tmp_path: Path) -> None:
    rewards = our_rewards(folder, chat)
    margins = rewards[:, 0] - rewards[:, 1]
    *alone, together = trl_logs(folder, trl_rows(chat), tmp_path)
    # The agreement is worth something only where rewards are far larger than the tolerance.
    assert np.abs(margins).max() > 0.1
    close = {"rtol": 0, "atol": 1e-4}
    np.testing.assert_allclose(rewards.max(axis=1), [one["eval_max_reward"] for one in alone], **close)
    np.testing.assert_allclose(rewards.min(axis=1), [one["eval_min_reward"] for one in alone], **close)
    np.testing.assert_allclose(margins, [one["eval_margin"] for one in alone], **close)
    np.testing.assert_array_equal(margins > 0, [one["eval_accuracy"] == 1 for one in alone])
    assert margins.mean() == pytest.approx(together["eval_margin"], abs=1e-4)
    assert rewards.mean() == pytest.approx(together["eval_mean_reward"], abs=1e-4)
    assert (margins > 0).mean() == pytest.approx(together["eval_accuracy"])
    # Their loss is that of Bradley and Terry, so a margin is the log-odds of being preferred.
    assert np.logaddexp(0, -margins).mean() == pytest.approx(together["eval_loss"], abs=1e-4)
