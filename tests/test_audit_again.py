"""The same request once more: scores are found again, files are replaced; another request is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from command_line import assert_refused, audit, cells, environment, manifest, write
from model_factory import CHAT_TEMPLATE
from safetensors.torch import load_file, save_file

from auditor.adapters.cache.score_store import STORE_FILE
from auditor.adapters.cache_folder import cache_folder
from auditor.adapters.hf.rendering import ChatTemplate
from auditor.adapters.hf.scorer import HFScorer
from auditor.core.series import Checkpoint


class Watch:
    """Counts the models that are run, and stops before the one named ``stop``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop: str = "") -> None:
        self.run: list[str] = []
        score, score_unknown = HFScorer.score, HFScorer._score_unknown

        def watched_score(scorer: HFScorer, checkpoint: Checkpoint, probes: Any) -> Any:
            if checkpoint.name == stop:
                raise KeyboardInterrupt
            return score(scorer, checkpoint, probes)

        def watched_score_unknown(scorer: HFScorer, files: Any, *rest: Any) -> Any:
            self.run.append(files.name)
            return score_unknown(scorer, files, *rest)

        monkeypatch.setattr(HFScorer, "score", watched_score)
        monkeypatch.setattr(HFScorer, "_score_unknown", watched_score_unknown)


@pytest.fixture
def command(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> list[object]:
    """The request of `finished_run`, into a folder of its own."""
    options = ["--probe", pair_file, "--beta", "0.1", "--out", tmp_path / "run", "--quiet"]
    return ["compare", *llama_series.values(), *options]


@pytest.fixture
def done(known_scores: Path, tmp_path: Path) -> Path:
    """What the request leaves behind once it has been carried out."""
    return shutil.copytree(known_scores, tmp_path / "run")


def interrupt(command: list[object], before: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Watch(patch, stop=before)
        assert audit(*command).exit_code == 130


def assert_same_run(run: Path, other: Path) -> None:
    assert (run / "results.json").read_bytes() == (other / "results.json").read_bytes()
    for table in ("items.parquet", "tokens.parquet"):
        assert pq.read_table(run / table).equals(pq.read_table(other / table))


def times(run: Path) -> dict[str, int]:
    return {one.name: one.stat().st_mtime_ns for one in run.iterdir()}


def test_a_complete_run_is_left_as_it_is(command: list[object], done: Path) -> None:
    loud = [one for one in command if one != "--quiet"]
    before = times(done)
    first = audit(*loud, "--no-cache")
    assert times(done) != before, "without a cache everything is done again"
    before = times(done)
    again = audit(*loud)
    assert again.exit_code == 0, again.stderr
    assert times(done) == before
    assert again.stdout == f"{done / 'report.html'}\n"
    assert "nothing to do: this audit is complete" in again.stderr
    # Tables and cautions are those of the audit itself.
    table = first.stderr[first.stderr.index("small at dpo") :]
    assert "+" in table
    assert again.stderr.endswith(table)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


CHANGES = {
    "results": lambda run: edit(run / "results.json", '"harm"', '"neutral"'),
    "half a table": lambda run: (run / "tokens.parquet").write_bytes((run / "tokens.parquet").read_bytes()[:-1]),
    "no table": lambda run: (run / "items.parquet").unlink(),
    "no report": lambda run: (run / "report.html").unlink(),
    "interrupted": lambda run: edit(run / "manifest.json", '"complete"', '"interrupted"'),
    "other code": lambda run: edit(run / "manifest.json", '"package": "', '"package": "0'),
    "other libraries": lambda run: edit(run / "manifest.json", '"torch": "', '"torch": "0'),
    "other weights": lambda run: edit(run / "manifest.json", '"fingerprint": "', '"fingerprint": "0'),
    "other tokens": lambda run: edit(run / "manifest.json", '"tokens": "all"', '"tokens": "none"'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_of_which_something_has_changed_is_replaced(
    command: list[object], finished_run: Path, done: Path, change: str
) -> None:
    before = times(done)
    CHANGES[change](done)
    if change == "other code":
        # A hash of 65 digits is no hash: the manifest's own schema is not to be what refuses it.
        edit(done / "manifest.json", '"package": "0', '"package": "')
        code = manifest(done)["package"]
        edit(done / "manifest.json", code, code[::-1])
    result = audit(*command)
    assert result.exit_code == 0, result.stderr
    assert not set(times(done).items()) & set(before.items())
    assert_same_run(done, finished_run)


@pytest.mark.usefixtures("known_scores")
def test_a_second_audit_in_half_precision_loads_no_model_either(
    command: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What an audit in float32 kept is the sample that half precision is held against.
    half = [*command[:-2], tmp_path / "half", "--quiet", "--dtype", "bfloat16"]
    watch = Watch(monkeypatch)
    assert audit(*half).exit_code == 0
    assert watch.run == ["base", "sft", "dpo"]
    assert audit(*half[:-4], tmp_path / "again", *half[-3:]).exit_code == 0
    assert watch.run == ["base", "sft", "dpo"]
    assert_same_run(tmp_path / "half", tmp_path / "again")
    assert json.loads((tmp_path / "half" / "results.json").read_text(encoding="utf-8"))["noise_floors"]


@pytest.mark.usefixtures("done")
def test_a_second_audit_loads_no_model(command: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    again = [*command[:-2], tmp_path / "again", "--quiet"]
    result = audit(*again)
    assert result.exit_code == 0, result.stderr
    assert watch.run == []
    assert_same_run(tmp_path / "run", tmp_path / "again")
    work = manifest(tmp_path / "again")["work"]
    assert {name: one["recalled"] for name, one in work.items()} == {
        name: one["texts"] for name, one in manifest(tmp_path / "run")["work"].items()
    }


def test_one_checkpoint_more_is_all_that_is_scored(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--probe", pair_file, "--quiet"]
    two = [f"{name}={llama_series[name]}" for name in ("base", "dpo")]
    assert audit("compare", *two, *options, "--out", tmp_path / "two").exit_code == 0
    watch = Watch(monkeypatch)
    # Under another name too: what counts is the weights.
    three = [two[0], f"middle={llama_series['sft']}", f"last={llama_series['dpo']}"]
    assert audit("compare", *three, *options, "--out", tmp_path / "three").exit_code == 0
    assert watch.run == ["middle"]


def test_one_more_item_is_all_that_is_scored(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    more = write(
        tmp_path / "more.csv", pair_file.read_text() + '"new","A new one ","is bad","is good",x,t,c9,f,m9,marked\n'
    )
    for probe in (pair_file, more):
        command = ["score", llama_series["base"], "--probe", probe, "--render", "plain", "--quiet"]
        assert audit(*command, "--out", tmp_path / probe.stem).exit_code == 0
    (work,) = manifest(tmp_path / "more")["work"].values()
    assert work["texts"] - work["recalled"] == 2
    assert work["split"] == 1


@pytest.mark.parametrize("option", [["--no-cache"], []])
def test_interrupted_run_goes_on_without_scoring_again(
    command: list[object], finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str]
) -> None:
    command = [*command, *option]
    interrupt(command, before="sft")
    interrupt(command, before="dpo")
    interrupt(command, before="base")
    assert manifest(tmp_path / "run")["status"] == "interrupted"
    assert (tmp_path / "run" / STORE_FILE).exists() == bool(option)
    assert cache_folder().exists() != bool(option)
    watch = Watch(monkeypatch)
    result = audit(*command)
    assert result.exit_code == 0, result.stderr
    assert watch.run == ["dpo"]
    assert_same_run(tmp_path / "run", finished_run)
    # What was kept for this audit alone is gone with it.
    assert sorted(one.name for one in (tmp_path / "run").iterdir()) == sorted(
        one.name for one in finished_run.iterdir()
    )


def test_without_a_cache_a_finished_audit_is_scored_again(
    command: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert audit(*command, "--no-cache").exit_code == 0
    watch = Watch(monkeypatch)
    assert audit(*command, "--no-cache").exit_code == 0
    assert watch.run == ["base", "sft", "dpo"]
    assert not cache_folder().exists()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(4096)])
def test_a_cache_that_cannot_be_used_is_said_and_the_audit_goes_on(
    command: list[object], finished_run: Path, tmp_path: Path, content: bytes
) -> None:
    file = write(cache_folder() / STORE_FILE, content)
    interrupt(command, before="dpo")
    loud = [one for one in command if one != "--quiet"]
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch)
        result = audit(*loud)
    assert result.exit_code == 0, result.stderr
    assert watch.run == ["dpo"]
    assert f"caution: the score cache is not used: {file}" in result.stderr
    assert file.read_bytes() == content
    assert_same_run(tmp_path / "run", finished_run)


def test_stopped_while_the_report_is_written(
    command: list[object], finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: Path) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("auditor.adapters.report.page.render_report", stop)
        patch.setattr("auditor.cli.audit.render_report", stop)
        assert_refused(audit(*command), 130, "every score that was finished is kept", "same command again")
    watch = Watch(monkeypatch)
    result = audit(*command)
    assert result.exit_code == 0, result.stderr
    assert watch.run == []
    assert_same_run(tmp_path / "run", finished_run)


def test_changed_weights_are_scored_again(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    shutil.copytree(llama_series["base"], model)
    command = ["compare", f"a={model}", f"b={llama_series['sft']}", "--probe", pair_file, "--out", tmp_path / "run"]
    interrupt([*command, "--quiet"], before="b")
    shutil.copy(llama_series["dpo"] / "model.safetensors", model / "model.safetensors")
    watch = Watch(monkeypatch)
    assert audit(*command, "--quiet").exit_code == 0
    assert watch.run == ["a", "b"]


def test_remarks_on_a_checkpoint_are_kept_with_its_scores(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    shutil.copytree(llama_series["base"], model)
    tensors = load_file(model / "model.safetensors")
    save_file(
        {**tensors, "extra.weight": tensors["lm_head.weight"].clone()}, model / "model.safetensors", {"format": "pt"}
    )
    command = ["score", f"model={model}", "--probe", pair_file, "--quiet", "--out"]
    assert audit(*command, tmp_path / "first").exit_code == 0
    watch = Watch(monkeypatch)
    assert audit(*command, tmp_path / "second").exit_code == 0
    assert watch.run == []
    for run in ("first", "second"):
        cautions = json.loads((tmp_path / run / "results.json").read_text())["cautions"]
        assert any(one.startswith("model: 1 tensors of the weight files are not used") for one in cautions)


@pytest.fixture
def own_template(command: list[object], tmp_path: Path) -> list[object]:
    """The request with a chat template in a file."""
    template = write(tmp_path / "t.jinja", CHAT_TEMPLATE)
    return [*command, "--chat-template", template, "--render", "chat"]


def test_another_template_text_is_another_request(own_template: list[object], tmp_path: Path) -> None:
    interrupt(own_template, before="dpo")
    write(tmp_path / "t.jinja", "Answer truthfully. " + CHAT_TEMPLATE)
    assert_refused(audit(*own_template), 2, "another audit", "chat template")


def test_scores_of_another_prompt_are_never_recalled(
    own_template: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Even if the request could not tell: what is compared is the tokens themselves.
    monkeypatch.setattr(ChatTemplate, "sha256", "0" * 64)
    assert audit(*own_template).exit_code == 0
    old = cells(tmp_path / "run" / "items.parquet")
    write(tmp_path / "t.jinja", "Answer truthfully. " + CHAT_TEMPLATE)
    (tmp_path / "run" / "report.html").unlink()
    watch = Watch(monkeypatch)
    result = audit(*own_template)
    assert result.exit_code == 0, result.stderr
    assert watch.run == ["base", "sft", "dpo"]
    new = cells(tmp_path / "run" / "items.parquet")
    assert [one["tokens"] for one in new] == [one["tokens"] for one in old]
    assert all(one["value"] != other["value"] for one, other in zip(new, old, strict=True))


@pytest.mark.parametrize("option", [["--seed", "1"], ["--sesoi", "0.5"], ["--limit", "6"], ["--private"]])
def test_another_request_is_another_folder(
    command: list[object], finished_run: Path, tmp_path: Path, option: list[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    before = {one.name: one.read_bytes() for one in run.iterdir()}
    assert_refused(audit(*command, *option), 2, "another audit", f"--out {run}")
    assert {one.name: one.read_bytes() for one in run.iterdir()} == before


def test_report_is_made_again_without_a_model(finished_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    (run / "report.html").unlink()
    code = (
        "import sys; from auditor.cli.main import app; app(['report', sys.argv[1]], standalone_mode=False); "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run)], check=True, capture_output=True, text=True, env=environment()
    )
    shown, modules = done.stdout.splitlines()
    assert shown == str(run / "report.html")
    assert not {"torch", "transformers", "tokenizers", "peft"} & set(modules.split())
    assert (run / "report.html").read_bytes() == (finished_run / "report.html").read_bytes()
