"""A finished run's own question, asked again: the very same one, or a clear word on why it cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import audit, manifest, pairs_csv, write
from rich.console import Console

from auditor.adapters.cache.weight_hashes import hash_file
from auditor.cli.console import RichProgress
from auditor.cli.remade import Remade, remake
from auditor.errors import AuditError, ModelLoadError, UsageError

QUIET = RichProgress(Console(quiet=True), quiet=True)
CHAT = "{% for one in messages %}[{{ one.role }}] {{ one.content }}\n{% endfor %}"


def again(run: Path) -> Remade:
    return remake(run, QUIET, hash_file, no_cache=True)


def edit(run: Path, **changes: Any) -> Path:
    """The run with other keys in its manifest."""
    write(run / "manifest.json", json.dumps({**manifest(run), **changes}))
    return run


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_run, tmp_path / "run")


def test_it_is_the_runs_own_request(run: Path, finished_run: Path) -> None:
    remade = again(run)
    told = manifest(finished_run)
    assert remade.request.identity == told["request_id"]
    assert remade.request.values == told["request"]
    # Where the folder lies today, not where it lay.
    assert remade.request.out == remade.options.out == run
    assert remade.options.beta == ["0.1"]
    assert remade.audit.series.names == ("base", "sft", "dpo")
    assert remade.audit.rendering.renders == ("plain", "chat")


def test_every_option_that_matters_comes_back(llama_series: dict[str, Path], tmp_path: Path) -> None:
    probe = write(tmp_path / "p.csv", pairs_csv().replace("harmful", "stereotype", 1))
    template = write(tmp_path / "t.jinja", CHAT)
    options = ["--map", "harmful=stereotype", "--chat-template", template, "--render", "chat", "--system", "Be brief."]
    options += ["--template-arg", "a=1", "--seed", 3, "--limit", 12, "--end", "eos", "--batch-size", 5, "--offline"]
    options += ["--reference", "dpo=sft", "--sesoi", 0.3, "--language", "en", "--dtype", "float32", "--device", "cpu"]
    run = tmp_path / "run"
    models = [llama_series["sft"], llama_series["dpo"]]
    result = audit("compare", *models, "--probe", probe, *options, "--out", run, "--quiet")
    assert result.exit_code == 0, result.stderr
    remade = again(run)
    assert remade.request.identity == manifest(run)["request_id"]
    assert (remade.options.batch_size, remade.options.offline) == ("5", True)
    assert remade.audit.batch_size == 5
    write(template, "Answer. " + CHAT)
    with pytest.raises(UsageError, match="another one today"):
        again(run)


def test_a_changed_probe_is_another_question(llama_series: dict[str, Path], tmp_path: Path) -> None:
    probe, run = write(tmp_path / "p.csv", pairs_csv()), tmp_path / "run"
    command = ["score", llama_series["base"], "--probe", probe, "--out", run, "--quiet"]
    assert audit(*command).exit_code == 0
    again(run)
    write(probe, pairs_csv().replace("are wrong", "are evil"))
    with pytest.raises(UsageError, match="a probe, a chat template or a version has changed") as caught:
        again(run)
    assert "Run it again first: audit" in caught.value.fix
    probe.unlink()
    with pytest.raises(AuditError):
        again(run)


def test_another_version_asks_another_question(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.cli.request.__version__", "99.0")
    with pytest.raises(UsageError, match="a version has changed since the run"):
        again(run)


def test_other_weights_in_the_same_place_are_another_model(llama_series: dict[str, Path], tmp_path: Path) -> None:
    model, run = shutil.copytree(llama_series["base"], tmp_path / "model"), tmp_path / "run"
    write(tmp_path / "p.csv", pairs_csv())
    command = ["score", f"mine={model}", "--probe", tmp_path / "p.csv", "--render", "plain", "--out", run, "--quiet"]
    assert audit(*command).exit_code == 0
    again(run)
    shutil.copy(llama_series["dpo"] / "model.safetensors", model / "model.safetensors")
    with pytest.raises(UsageError, match="mine has other weights") as caught:
        again(run)
    assert "Run it again first" in caught.value.fix


def test_an_unfinished_run_is_to_be_finished(run: Path) -> None:
    with pytest.raises(UsageError, match="not finished") as caught:
        again(edit(run, status="interrupted"))
    assert "it continues" in caught.value.fix


@pytest.mark.parametrize("missing", ["arguments", "request"])
def test_scores_from_elsewhere_are_no_question(run: Path, missing: str) -> None:
    with pytest.raises(UsageError, match="does not say how to ask the same again"):
        again(edit(run, **{missing: None}))


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("request", "checkpoints", 7),
        ("request", "checkpoints", None),
        ("request", "render", "loud"),
        ("request", "seed", "many"),
        ("request", "beta", {"dpo": 1}),
        ("arguments", "probe", "small"),
        ("arguments", "batch_size", []),
    ],
)
def test_a_damaged_request_is_said(run: Path, place: str, name: str, value: object) -> None:
    told = manifest(run)
    edit(run, **{place: {**told[place], name: value}})
    with pytest.raises(UsageError, match="the manifest's request cannot be read") as caught:
        again(run)
    assert caught.value.where == str(run)


@pytest.mark.parametrize("finished", [7, ["base"], [{"fingerprint": "0"}], {}])
def test_a_record_of_scores_that_is_none_is_another_model(run: Path, finished: object) -> None:
    with pytest.raises(UsageError, match="base has other weights"):
        again(edit(run, finished=finished))


def test_a_request_of_other_options_is_another_one(run: Path) -> None:
    told = manifest(run)
    with pytest.raises(UsageError, match="another one today"):
        again(edit(run, request={**told["request"], "seed": 5}))


def test_a_checkpoint_that_is_gone(run: Path, tmp_path: Path) -> None:
    told = manifest(run)
    checkpoints = [*told["request"]["checkpoints"][:2], str(tmp_path / "gone") + "/"]
    with pytest.raises(ModelLoadError):
        again(edit(run, request={**told["request"], "checkpoints": checkpoints}))
