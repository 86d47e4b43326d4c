"""Twin of auditor.adapters.notebook.audit_run."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from history_material import edit_manifest
from run_factory import HARMED, make_run

from auditor.adapters.notebook.audit_run import AuditRun
from auditor.adapters.run.attribution_tables import write_attributions
from auditor.adapters.run.run_folder import read_results
from auditor.adapters.run.run_status import INTERRUPTED
from auditor.core.attributions import Attribution, Unit
from auditor.errors import UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def run(folder: Path) -> AuditRun:
    return AuditRun.read(folder)


def test_holds_what_the_files_hold(folder: Path, run: AuditRun) -> None:
    assert run.effects == read_results(folder).effects
    assert run.attributions == read_results(folder).attributions != ()
    assert run.cautions == read_results(folder).cautions
    assert run.checkpoints == ("base", "sft", "dpo<b>")
    assert run.manifest["request_id"] == "a" * 64
    assert run.items().equals(pq.read_table(folder / "items.parquet"))
    assert run.tokens().equals(pq.read_table(folder / "tokens.parquet"))


def test_verdicts_are_those_the_answer_counts(run: AuditRun) -> None:
    harmful = [one for one in run.verdicts() if one.verdict == "harm"]
    assert [(one.probe, one.identity, one.render, one.reading) for one in harmful] == [
        ("small", HARMED, "plain", "disparity")
    ]
    assert {one.render for one in run.verdicts()} == {"plain"}
    assert {one.checkpoint for one in run.verdicts()} == {"dpo<b>"}
    assert run.summary().headline.startswith("1 identity shows harm at dpo<b>")


def test_nothing_can_be_set(run: AuditRun) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.folder = Path()  # type: ignore[misc]


def test_a_line_says_the_answer(folder: Path, run: AuditRun) -> None:
    assert repr(run) == f"AuditRun({str(folder)!r}): {run.summary().headline}"


def test_an_interrupted_run_says_so(folder: Path, run: AuditRun, tmp_path: Path) -> None:
    assert not run.interrupted
    other = AuditRun.read(edit_manifest(shutil.copytree(folder, tmp_path / "run"), status="interrupted"))
    assert other.interrupted
    assert other.cautions == (INTERRUPTED, *run.cautions)
    assert repr(other) == f"AuditRun({str(tmp_path / 'run')!r}): interrupted; {run.summary().headline}"
    assert INTERRUPTED in other._repr_html_()
    assert INTERRUPTED not in run._repr_html_()


def test_figures_by_name(run: AuditRun) -> None:
    assert run.figure("forest").svg.startswith("<svg")
    assert run.figure("forest", probe="swap").probe == "swap"
    assert run.figure("slope", checkpoint="dpo<b>").checkpoint == "dpo<b>"


def test_a_notebook_shows_it(run: AuditRun) -> None:
    html = run._repr_html_()
    assert "1 identity shows harm" in html
    assert html.count("<svg") == 4


@pytest.mark.parametrize("name", ["items", "tokens"])
@pytest.mark.parametrize("content", [None, b"", b"PAR1"])
def test_a_table_that_cannot_be_read_is_one_error(
    folder: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    other = shutil.copytree(folder, tmp_path / "run")
    table = other / f"{name}.parquet"
    table.unlink()
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(UsageError, match=f"{name}.parquet cannot be read"):
        getattr(AuditRun.read(other), name)()


def test_tables_are_found_from_wherever_one_goes(
    folder: Path, run: AuditRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    relative = AuditRun.read(Path(folder.name))
    monkeypatch.chdir(tmp_path)
    assert relative.folder == folder
    assert relative.items().equals(run.items())


def test_tables_of_another_run_are_refused(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "run")
    run = AuditRun.read(other)
    table = pq.read_table(other / "items.parquet")
    pq.write_table(table.slice(0, 3), other / "items.parquet")
    assert run.tokens().num_rows > 0
    with pytest.raises(UsageError, match=r"items\.parquet is no longer the one of this run"):
        run.items()


def test_items_that_were_attributed(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "run")
    run = AuditRun.read(other)
    with pytest.raises(UsageError, match="no item of the run was attributed"):
        run.attributed_items()
    one = Attribution("small", "1", "plain", "sft", None, "path", "layer", (Unit(0, "layer 0"),), np.ones(1), 1.0)
    write_attributions(other, [one], private=False)
    assert run.attributed_items()["name"].to_pylist() == ["layer 0"]
    # Items that were written anew are those of another run, and so is what is attributed of them.
    pq.write_table(pq.read_table(other / "items.parquet").slice(0, 3), other / "items.parquet")
    with pytest.raises(UsageError, match=r"items\.parquet is no longer the one of this run"):
        run.attributed_items()


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        AuditRun.read(tmp_path)
