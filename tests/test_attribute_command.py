"""The options of ``audit attribute``, and ``--attribute`` on the audit itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import assert_misused, assert_refused, audit, cells, manifest
from test_attribute import contents
from test_audit_again import Watch

import auditor
from auditor.cli.attribute import WAYS
from auditor.cli.attribute_command import METHODS
from auditor.core.attributions import ATTRIBUTION_METHODS
from auditor.errors import AuditError, ModelLoadError, NotComparableError, UsageError


def test_the_help_names_every_method() -> None:
    assert METHODS.split(", ") == list(ATTRIBUTION_METHODS)
    assert set(WAYS) <= set(ATTRIBUTION_METHODS)


@pytest.mark.parametrize(
    "options", [["--top", "-1"], ["--sample", "x"], ["--nodes", "0"], ["--permutations", "1"], ["--nodes-of", "1"], []]
)
def test_a_command_line_that_is_none(tmp_path: Path, options: list[str]) -> None:
    assert_misused(audit("attribute", *([tmp_path] if options else []), *options))


@pytest.mark.parametrize("options", [[], ["--explain", "1"], ["--dry-run"]])
def test_no_run_folder(tmp_path: Path, options: list[str]) -> None:
    assert_refused(audit("attribute", tmp_path, *options), 2, "no run folder", str(tmp_path))


@pytest.mark.parametrize(
    "options",
    [["--identity", "x"], ["--dry-run"], ["--method", "ig"], ["--checkpoint", "a", "--checkpoint", "b"]],
)
def test_one_item_is_explained_and_nothing_attributed(tmp_path: Path, options: list[str]) -> None:
    assert_refused(
        audit("attribute", tmp_path, "--explain", "1", *options), 2, "--explain", "Leave out --method, --identity"
    )


def test_compare_attributes_what_it_found(
    llama_series: dict[str, Path], pair_file: Path, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    command = ["compare", *llama_series.values(), "--probe", pair_file, "--beta", "0.1", "--out", run]
    watch = Watch(monkeypatch)
    result = audit(*command, "--attribute", "tokens", "--no-cache")
    assert result.exit_code == 0, result.stderr
    assert "attribute 48 items by tokens: no pass through a model" in result.stderr
    assert result.stdout == f"{run / 'report.html'}\n"
    # Each model once: what is attributed was kept until then, and is gone now.
    assert watch.run == ["base", "sft", "dpo"]
    assert {one.name for one in run.iterdir()} == {*contents(finished_run), "attributions.parquet"}
    assert manifest(run)["request_id"] == manifest(finished_run)["request_id"]
    assert manifest(run)["status"] == "complete"
    apart = shutil.copytree(finished_run, tmp_path / "apart")
    assert audit("attribute", apart, "--quiet").exit_code == 0
    assert cells(run / "attributions.parquet") == cells(apart / "attributions.parquet")


def test_a_complete_run_is_attributed_all_the_same(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    command = ["score", llama_series["sft"], "--probe", pair_file, "--render", "plain", "--out", run]
    assert audit(*command, "--quiet").exit_code == 0
    before, said, watch = contents(run), manifest(run), Watch(monkeypatch)
    result = audit(*command, "--attribute", "tokens")
    assert result.exit_code == 0, result.stderr
    assert "this audit is complete" in result.stderr
    assert "nothing to do" not in result.stderr
    assert "attribute 24 items by tokens" in result.stderr
    assert watch.run == []
    assert {(row["checkpoint"], row["reference"]) for row in cells(run / "attributions.parquet")} == {("sft", None)}
    written = ("attributions.parquet", "report.html", "manifest.json")
    assert contents(run, *written) == {name: one for name, one in before.items() if name not in written}
    now = manifest(run)
    assert [one["method"] for one in now.pop("attributions")] == ["tokens"]
    assert now == said


def test_an_unknown_method_is_known_before_anything_is_scored(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ["score", llama_series["sft"], "--probe", pair_file, "--out", run, "--attribute", "tokens,magic"]
    assert_refused(audit(*command), 2, "--attribute", "no such method: 'magic'")
    assert not run.exists()


def test_an_interrupted_attribution_leaves_a_complete_run(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ["score", llama_series["sft"], "--probe", pair_file, "--render", "plain", "--out", run, "--quiet"]

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditor.cli.attribute.write_attributions", stop)
        assert_refused(audit(*command, "--attribute", "tokens"), 130, "interrupted", "same command again", str(run))
    assert manifest(run)["status"] == "complete"
    assert audit("report", run).exit_code == 0
    assert audit(*command, "--attribute", "tokens").exit_code == 0
    assert (run / "attributions.parquet").is_file()


def test_in_python(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    asked = {"probe": pair_file, "render": "plain", "out": tmp_path / "run"}
    models = [llama_series["sft"], llama_series["dpo"]]
    run = auditor.compare(*models, **asked, attribute=["tokens"])  # type: ignore[arg-type]
    assert "--attribute tokens" in run.manifest["command"]
    rows = run.attributed_items().to_pylist()
    assert {(row["method"], row["level"]) for row in rows} == {("tokens", "token"), ("tokens", "role")}
    assert {one.method for one in run.attributions} == {"tokens"}
    shown = [one for one in run.attributions if (one.identity, one.contrast, one.theme) == ("trans women", "raw", None)]
    by_stage = {(one.checkpoint, one.reference): one.total for one in shown}
    for stage, total in by_stage.items():
        parts = [one.estimate for one in shown if (one.checkpoint, one.reference) == stage]
        assert sum(parts) == pytest.approx(total, abs=1e-6)  # type: ignore[arg-type]
    (tmp_path / "run" / "attributions.parquet").unlink()
    with pytest.raises(UsageError, match="no item of the run was attributed"):
        run.attributed_items()


@pytest.mark.parametrize("error", [NotComparableError, ModelLoadError])
def test_what_cannot_be_attributed_takes_nothing_away(
    llama_series: dict[str, Path],
    pair_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[AuditError],
) -> None:
    def fail(*_: object) -> None:
        raise error("other tensors", where="dpo", fix="Leave out path.")

    monkeypatch.setattr("auditor.cli.attribute.WAYS", {**WAYS, "path": fail})
    run = tmp_path / "run"
    command = [
        "compare",
        llama_series["sft"],
        llama_series["dpo"],
        "--probe",
        pair_file,
        "--render",
        "plain",
        "--out",
        run,
        "--quiet",
    ]
    for _ in range(2):
        # The second time the audit is complete already.
        assert_refused(
            audit(*command, "--attribute", "tokens,path"), error.exit_code, "other tensors", "Leave out path"
        )
        assert manifest(run)["status"] == "complete"
        assert (run / "report.html").is_file()
        assert not (run / "attributions.parquet").exists()
    assert audit(*command, "--attribute", "tokens").exit_code == 0
