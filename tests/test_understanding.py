"""An audit that is understood: its request is the same however it is asked, and what is wrong is known at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from model_factory import make_reward_model
from rich.console import Console

from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.cli.console import RichProgress
from auditor.cli.options import AuditOptions, Render
from auditor.cli.understanding import request_of, scorer_of, understand
from auditor.errors import ModelLoadError, UsageError

QUIET = RichProgress(Console(quiet=True), quiet=True)


@pytest.fixture
def options(pair_file: Path, tmp_path: Path) -> AuditOptions:
    return AuditOptions(probe=[str(pair_file)], out=tmp_path / "run")


@pytest.fixture
def models(llama_series: dict[str, Path]) -> list[str]:
    return [str(llama_series[name]) for name in ("sft", "dpo")]


def test_what_is_asked_is_understood(models: list[str], options: AuditOptions) -> None:
    audit = understand(models, replace(options, beta=["0.1"]), QUIET)
    assert audit.series.names == ("sft", "dpo")
    assert audit.series["dpo"].beta == 0.1
    assert (audit.rule.reward_sesoi, audit.rule.of("reward").sesoi) == (None, audit.rule.sesoi)
    assert understand(models, replace(options, reward_sesoi=0.7), QUIET).rule.of("reward").sesoi == 0.7
    assert [probe.name for probe in audit.probes] == ["small"]
    assert audit.rendering.renders == ("plain", "chat")
    assert not any(options.out.parent.iterdir()), "nothing is written yet"  # type: ignore[union-attr]


def test_a_bound_on_rewards_that_nothing_is_held_against_is_said(
    models: list[str], options: AuditOptions, tmp_path: Path
) -> None:
    asked = replace(options, reward_sesoi=0.7)
    idle = "--reward-sesoi 0.7 has no effect: no checkpoint of the series is a reward model."
    assert idle in understand(models, asked, QUIET).cautions
    assert idle not in understand(models, options, QUIET).cautions
    make_reward_model(tmp_path / "rm")
    assert idle not in understand([*models, str(tmp_path / "rm")], asked, QUIET).cautions


def test_a_second_reference_is_for_comparison(models: list[str], options: AuditOptions) -> None:
    several = [models[0], f"mid={models[1]}", f"dpo={models[1]}"]
    audit = understand(several, replace(options, reference=["dpo=mid", "dpo=sft"], objective=["dpo=dpo"]), QUIET)
    assert (audit.series["dpo"].reference, audit.series["dpo"].other_references) == ("mid", ("sft",))


def test_equal_questions_have_one_request_and_others_another(models: list[str], options: AuditOptions) -> None:
    def identity(asked: AuditOptions) -> str:
        return request_of(models, asked, understand(models, asked, QUIET)).identity

    same = [options, replace(options, quiet=True, attribute="tokens", offline=True)]
    others = [replace(options, seed=1), replace(options, render=Render.plain), replace(options, sesoi=0.5)]
    others.append(replace(options, reward_sesoi=0.5))
    assert len({identity(one) for one in same}) == 1
    assert len({identity(one) for one in (options, *others)}) == 5


def test_the_scorer_is_the_audits_own(models: list[str], options: AuditOptions) -> None:
    audit = understand(models, options, QUIET)
    scorer = scorer_of(audit, options, QUIET, WeightHashes(None, rehash=False))
    assert scorer.renders == ("plain", "chat")
    assert scorer.prepare("dpo", audit.probes).items == 48
    assert scorer.unknown_texts(audit.series["dpo"], audit.probes) == 96


def test_what_is_wrong_is_known_before_a_weight_is_read(
    models: list[str], options: AuditOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "auditor.adapters.hf.loading.models.ModelShelf.take", lambda *_: pytest.fail("a weight was read")
    )
    with pytest.raises(UsageError, match="must be a positive number"):
        understand(models, replace(options, sesoi=-1.0), QUIET)
    with pytest.raises(UsageError, match="must be a positive number of units of the reward"):
        understand(models, replace(options, reward_sesoi=0.0), QUIET)
    with pytest.raises(UsageError, match="is given twice"):
        understand(models, replace(options, beta=["0.1", "0.2"]), QUIET)
    with pytest.raises(UsageError):
        understand(models, replace(options, probe=[str(tmp_path / "none.csv")]), QUIET)
    with pytest.raises(ModelLoadError):
        understand([*models, f"{tmp_path}/missing/"], options, QUIET)
