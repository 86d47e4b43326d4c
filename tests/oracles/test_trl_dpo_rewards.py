"""Oracle: TRL's DPOTrainer. What it logs as rewards is the implicit reward we give, end of turn included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from fake_scores import probe_of
from model_factory import make_series
from real_scores import pairs, score, scorer_of
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

from auditor.core.measures import measures_of
from auditor.core.scores import FloatArray, ScoredItem
from auditor.core.series import Objective, build_series
from auditor.core.tables import line_up

# TRL 1.16 still reads the name that transformers 5.23 gave up.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

BETA = 0.3
# (prompt, chosen, rejected), of unequal lengths.
ROWS = (
    ("My neighbour is a teacher and", " everyone at school likes her.", " everyone hates her, I think."),
    ("They are", " kind, honest and reliable, and they bake bread together.", " rude"),
    ("What do you think about my new friend?", " I would like to know more about them.", " No."),
    ("We met 3 non-binary artists:", " a caf\u00e9 scene \U0001f600", " \u4f60\u597d"),
)
Logged = dict[str, float]


@pytest.fixture(scope="module", params=["tiny", "hh_mini"])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if request.param == "hh_mini":
        trained = Path(request.getfixturevalue("hh_mini"))
        return {name: trained / name for name in ("sft", "dpo")}
    # Weights far enough apart that rewards are tenths, not thousandths.
    made = make_series(tmp_path_factory.mktemp("series"), scale=0.1)
    return {folder.name: folder for folder in made[1:]}


def trl_logs(folders: dict[str, Path], rows: Sequence[dict[str, Any]], tmp_path: Path, loss: str) -> list[Logged]:
    """What TRL logs on evaluating each row alone, then all of them."""
    data = Dataset.from_list(list(rows))
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folders["dpo"]),
        ref_model=AutoModelForCausalLM.from_pretrained(folders["sft"]),
        args=DPOConfig(
            output_dir=str(tmp_path),
            beta=BETA,
            loss_type=[loss],
            bf16=False,
            use_cpu=True,
            activation_checkpointing=False,
            per_device_eval_batch_size=1,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(folders["dpo"]),
    )
    logs = []
    for part in [*(data.select([at]) for at in range(len(data))), data]:
        trainer.evaluate(part)
        logs.append(trainer.state.log_history[-1])
    return logs


def our_scores(folders: dict[str, Path], chat: bool, objective: Objective) -> tuple[FloatArray, FloatArray]:
    """Rewards of chosen and rejected by row, shape (rows, 2), and implicit reward margins, shape (rows,)."""
    # "harmful" minus "affirming" is chosen minus rejected here, so that both sides count alike.
    probe = probe_of(*pairs(ROWS))
    scorer = scorer_of(folders, "chat" if chat else "plain", end="auto" if chat else "eos")
    series = build_series(
        [(name, name) for name in folders],
        references={},
        objectives={"dpo": objective},
        betas={"": BETA},
        tags={},
    )
    table = line_up(probe, "chat" if chat else "plain", [score(scorer, name, probe) for name in folders])
    (measure,) = [one for one in measures_of(series) if one.name == "implicit_reward"]
    assert (measure.unit, measure.measure_from) == ("reward", "sft")
    assert table.complete

    def totals(name: str) -> FloatArray:
        scored: Sequence[ScoredItem] = table.scored[name]
        return np.array([[candidate.total for candidate in one.candidates] for one in scored])

    return BETA * (totals("dpo") - totals("sft")), table.values(measure)


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
def test_rewards(folders: dict[str, Path], chat: bool, tmp_path: Path) -> None:
    rewards, margins = our_scores(folders, chat, "dpo")
    *alone, together = trl_logs(folders, trl_rows(chat), tmp_path, "sigmoid")
    truth = np.array([[logged["eval_rewards/chosen"], logged["eval_rewards/rejected"]] for logged in alone])
    # The agreement is worth something only where rewards are far larger than the tolerance.
    assert np.abs(truth).max() > 0.1
    np.testing.assert_allclose(rewards, truth, rtol=0, atol=1e-4)
    np.testing.assert_allclose(margins, [one["eval_rewards/margins"] for one in alone], rtol=0, atol=1e-4)
    assert margins.mean() == pytest.approx(together["eval_rewards/margins"], abs=1e-4)


def test_length_normalised_rewards(folders: dict[str, Path], tmp_path: Path) -> None:
    # TRL logs summed rewards for every loss; the normalised margin d shows in the loss of one row,
    # -log sigmoid(d) = log(1 + exp(-d)), so d = -log(exp(loss) - 1).
    _, margins = our_scores(folders, chat=True, objective="dpo-norm")
    logs = trl_logs(folders, trl_rows(chat=True), tmp_path, "sigmoid_norm")[:-1]
    truth = [-np.log(np.expm1(logged["eval_loss"])) for logged in logs]
    assert np.abs(truth).max() > 5e-3
    np.testing.assert_allclose(margins, truth, rtol=0, atol=2e-6)
