"""``audit report``: formats, appearance, the browser, the model card; and what it leaves alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
from command_line import ROOT, assert_misused, assert_refused, audit, environment
from history_material import edit_manifest
from huggingface_hub import ModelCard
from run_factory import BRANCHED, controlled_probe, make_run

from auditor.adapters.run.run_folder import RunFolder, read_manifest
from auditor.adapters.run.run_status import INTERRUPTED
from auditor.adapters.summaries.summary_schema import RunSummary

WRITTEN = {"html": ["report.html"], "md": ["report.md"], "csv": ["effects.csv", "cells.csv"], "json": ["report.json"]}
TABLES = {"manifest.json", "items.parquet", "tokens.parquet", "results.json"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()])


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def names(run: Path) -> set[str]:
    return {path.name for path in run.iterdir()}


@pytest.mark.parametrize("formats", ["html", "md", "csv", "json", "html,md,csv,json", "json, md", "md,md"])
def test_each_format_is_written_and_its_path_printed(run: Path, formats: str) -> None:
    result = audit("report", run, "--format", formats)
    assert result.exit_code == 0, result.stderr
    asked = dict.fromkeys(one.strip() for one in formats.split(","))
    files = [name for one in WRITTEN for name in WRITTEN[one] if one in asked]
    assert sorted(result.stdout.splitlines()) == sorted(str(run / name) for name in files)
    assert names(run) == TABLES | set(files)
    assert not result.stderr


def test_html_is_the_default(run: Path) -> None:
    assert audit("report", run).stdout == f"{run / 'report.html'}\n"
    assert names(run) == {*TABLES, "report.html"}


def test_the_json_is_a_summary(run: Path) -> None:
    assert audit("report", run, "--format", "json").exit_code == 0
    summary = RunSummary.model_validate_json((run / "report.json").read_text(encoding="utf-8"))
    assert summary.command == read_manifest(run)["command"]
    assert summary.leaves[0].counts["harm"] == 1


@pytest.mark.parametrize("formats", ["pdf", "html,pdf", "", "html,", "HTML"])
def test_an_unknown_format_is_refused_and_nothing_written(run: Path, formats: str) -> None:
    assert_refused(audit("report", run, "--format", formats), 2, "--format", "html, md, csv, json")
    assert names(run) == TABLES


@pytest.mark.parametrize("appearance", ["auto", "light", "dark"])
def test_appearance_is_said_to_the_page(run: Path, appearance: str) -> None:
    assert audit("report", run, "--appearance", appearance).exit_code == 0
    assert f'data-appearance="{appearance}"' in (run / "report.html").read_text(encoding="utf-8")


def test_an_unknown_appearance_is_refused(run: Path) -> None:
    assert_misused(audit("report", run, "--appearance", "sepia"), "sepia")


def test_open_shows_the_page_that_was_written(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not shown.append(address))
    result = audit("report", run, "--open")
    assert (result.exit_code, result.stderr) == (0, "")
    assert shown == [(run / "report.html").as_uri()]


def test_without_a_browser_it_says_so_and_goes_on(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    result = audit("report", run, "--open")
    assert result.exit_code == 0
    assert len(result.stderr.splitlines()) == 1
    assert "No browser" in result.stderr


def test_open_needs_a_page(run: Path) -> None:
    assert_refused(audit("report", run, "--open", "--format", "md"), 2, "--open", "no page")


def test_a_card_is_made_and_made_again(run: Path, tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    result = audit("report", run, "--format", "md", "--card", card)
    assert result.stdout.splitlines() == [str(run / "report.md"), str(card)]
    first = card.read_bytes()
    assert {one.dataset_type for one in ModelCard.load(card).data.eval_results} == {"controlled"}
    assert audit("report", run, "--card", card).exit_code == 0
    assert card.read_bytes() == first
    assert not list(tmp_path.glob("*.partial"))


def test_only_what_is_asked_for_is_written(run: Path, tmp_path: Path) -> None:
    card, figures = tmp_path / "README.md", tmp_path / "figures"
    assert audit("report", run, "--card", card).stdout.splitlines() == [str(card)]
    assert audit("report", run, "--card", card, "--figures", figures).exit_code == 0
    assert names(run) == TABLES
    assert figures.is_dir()
    assert audit("report", run, "--card", card, "--format", "html").exit_code == 0
    assert names(run) == {*TABLES, "report.html"}


def test_to_open_the_page_is_to_ask_for_it(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: True)
    assert audit("report", run, "--card", tmp_path / "README.md", "--open").exit_code == 0
    assert names(run) == {*TABLES, "report.html"}


@pytest.mark.parametrize("place", [".", "figures", "results.json", "deep/figures", "../run"])
def test_nothing_else_is_put_into_the_run_folder(run: Path, place: str) -> None:
    before = (run / "results.json").read_bytes()
    for option in ("--figures", "--card"):
        assert_refused(audit("report", run, option, run / place), 2, option, "lies in the run folder")
    assert names(run) == TABLES
    assert (run / "results.json").read_bytes() == before


def test_an_interrupted_run_is_told_everywhere(run: Path, tmp_path: Path) -> None:
    edit_manifest(run, status="interrupted")
    result = audit("report", run, "--format", "html,md,json", "--card", tmp_path / "README.md")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"{run}: {INTERRUPTED} Run the same audit again: it continues where it stopped."
    ]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.index(INTERRUPTED) < page.index("<h1>")
    for path in (run / "report.md", tmp_path / "README.md"):
        assert INTERRUPTED in path.read_text(encoding="utf-8")
    assert json.loads((run / "report.json").read_text(encoding="utf-8"))["status"] == "interrupted"


def test_a_broken_card_stops_everything(run: Path, tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("---\na: [\n---\n", encoding="utf-8")
    assert_refused(audit("report", run, "--card", card), 2, str(card), "front matter")
    assert card.read_text(encoding="utf-8") == "---\na: [\n---\n"
    assert names(run) == TABLES


def test_a_card_goes_where_files_can_go(run: Path, tmp_path: Path) -> None:
    assert_refused(audit("report", run, "--card", tmp_path), 2, "--card", "is a folder")
    assert_refused(audit("report", run, "--card", tmp_path / "none" / "README.md"), 2, "--card", "does not exist")


def test_where_training_has_several_ends_the_card_is_about_a_named_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], **BRANCHED)
    card = tmp_path / "README.md"
    assert_refused(audit("report", run, "--card", card), 2, "several ends", "--checkpoint dpo<b> or dpo2")
    assert audit("report", run, "--card", card, "--checkpoint", "dpo2").exit_code == 0
    assert ModelCard.load(card).data.model_name == "dpo2"
    assert_refused(audit("report", run, "--card", card, "--checkpoint", "x"), 2, "no checkpoint 'x'", "dpo2")
    assert_refused(audit("report", run, "--checkpoint", "dpo2"), 2, "--checkpoint", "--card")


def test_the_card_is_about_the_checkpoint_last_asked_for(run: Path, tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    for name in ("sft", "dpo<b>"):
        assert audit("report", run, "--card", card, "--checkpoint", name).exit_code == 0
        assert ModelCard.load(card).data.model_name == name


def test_a_private_run_keeps_its_texts_to_itself(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], private=True)
    card = tmp_path / "README.md"
    assert audit("report", run, "--format", "md,csv,json", "--card", card).exit_code == 0
    for path in (card, *(run / name for one in ("md", "csv", "json") for name in WRITTEN[one])):
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in ("deluded", "lucid", "I think")), path.name


def test_an_unfinished_run_has_no_report_in_any_format(run: Path) -> None:
    (run / "results.json").unlink()
    for formats in ("html", "md", "csv,json"):
        assert_refused(audit("report", run, "--format", formats), 2, "interrupted?")
    assert names(run) == TABLES - {"results.json"}


def test_the_folder_is_still_one_of_its_request_and_other_results_take_all_away(run: Path) -> None:
    assert audit("report", run, "--format", "html,md,csv,json").exit_code == 0
    manifest = read_manifest(run)
    folder = RunFolder(run, manifest, private=False)
    assert names(run) > TABLES | {"report.md"}
    folder.keep([])
    assert names(run) == TABLES - {"results.json"}


def test_the_same_audit_again_leaves_them_and_another_scoring_takes_them_away(
    finished_run: Path, llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    derived = {"report.md", "report.json", "effects.csv", "cells.csv"}
    assert audit("report", run, "--format", "md,csv,json").exit_code == 0
    again = ("compare", *llama_series.values(), "--probe", pair_file, "--beta", "0.1", "--out", run)
    result = audit(*again)
    assert result.exit_code == 0, result.stderr
    assert "nothing to do" in result.stderr
    assert names(run) == {*TABLES, "report.html", *derived}
    result = audit(*again, "--no-cache", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert names(run) == {*TABLES, "report.html"}


def test_no_format_loads_a_model_library(run: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom auditor.cli.main import app\n"
        f"app(['report', {str(run)!r}, '--format', 'html,md,csv,json', '--card', {str(tmp_path / 'README.md')!r}],"
        " standalone_mode=False)\n"
        "print(*{'torch', 'transformers', 'tokenizers', 'datasets'} & set(sys.modules), sep=',', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    assert json.loads((run / "report.json").read_text(encoding="utf-8"))["schema_version"] == 1
