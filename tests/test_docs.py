"""The documentation names what exists, and all that exists is documented."""

from __future__ import annotations

import json
import os
import re
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path
from typing import get_args

import jsonschema
import pyarrow.parquet as pq
import pytest
import typer
import yaml
from command_line import audit

from auditor import __version__, errors
from auditor.adapters.probe_files.lexicon import Axis, Control, Identity, Lexicon
from auditor.adapters.probe_files.probe_folders import CardFile
from auditor.adapters.probe_files.sentences import Frame, Predicate, Section, Sentences, Turn
from auditor.adapters.run.attribution_tables import ATTRIBUTIONS
from auditor.adapters.run.effect_parts import ControlsRow
from auditor.adapters.run.results_schema import AttributionRow, EffectRow, RefusalRow, Results
from auditor.adapters.run.score_tables import ITEMS, TOKENS
from auditor.cli.main import app
from auditor.core.refusals import Reason

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "docs" / "schema" / "results.schema.json"
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("reports/*.md"), *ROOT.glob("probes/*/*.md")]
)


@cache
def options_of() -> dict[str, set[str]]:
    """Long options of each command, those of a group under both words: ``probes list``."""
    found = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        members = {f"{name} {inner}": one for inner, one in getattr(command, "commands", {}).items()}
        for words, one in (members or {name: command}).items():
            found[words] = {
                option for parameter in one.params for option in [*parameter.opts, *parameter.secondary_opts]
            }
    return found


def called_in(line: str) -> tuple[str, set[str]] | None:
    """The command a line calls, "" for ``audit`` alone, and its options; None where it calls none."""
    called = re.search(r"(?:^|/|\s)audit(?:\s+([a-z-]+))?(?:\s+([a-z-]+))?(?:\s.*)?$", line)
    if not called:
        return None
    words = [word for word in called.groups() if word and not word.startswith("-")]
    both = " ".join(words)
    return (both if both in options_of() else " ".join(words[:1])), set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line))


def code_in(page: Path) -> list[str]:
    """Lines of code blocks and inline code spans of a page."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4}(.+)$", text, flags=re.MULTILINE)
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    return [*chain.from_iterable(block.splitlines() for block in fenced), *indented, *inline]


def documented() -> str:
    # What is made of the commands themselves explains none of them.
    return "\n".join(line for page in PAGES if page.name != "commands.md" for line in code_in(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_mentioned_exists(page: Path) -> None:
    known = options_of()
    everywhere = set().union(*known.values(), {"--help", "--install-completion", "--show-completion"})
    groups = {name.split()[0] for name in known if " " in name}
    for line in code_in(page):
        called = called_in(line)
        if called and called[0] and called[0] not in groups:
            assert called[0] in known, line
            assert called[1] <= known[called[0]] | {"--help"}, line
        elif called or line.startswith("--"):
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)) <= everywhere, line


def test_every_command_and_option_is_documented() -> None:
    said = documented()
    for name, options in options_of().items():
        assert f"audit {name}" in said, name
        for option in options:
            assert re.search(rf"{option}(?![\w-])", said), f"audit {name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_make_targets_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for line in code_in(page):
        for target in re.findall(r"(?:^|\s)make ([a-z-]+)", line):
            assert target in targets, line


def test_exit_codes_are_the_error_trees() -> None:
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    codes = {error.exit_code for error in vars(errors).values() if isinstance(error, type)}
    # 0 is no error, 1 belongs to the gate.
    assert {int(row) for row in rows} == codes | {0, 1}


def test_every_column_key_and_reason_is_explained() -> None:
    said = set(re.findall(r"`([^`\n]+)`", (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")))
    names = [ITEMS.names, TOKENS.names, EffectRow.model_fields, RefusalRow.model_fields, Results.model_fields]
    names += [
        AttributionRow.model_fields,
        ATTRIBUTIONS.names,
        CardFile.model_fields,
        ControlsRow.model_fields,
        get_args(Reason),
    ]
    assert sorted(set(chain.from_iterable(names)) - said) == []


def test_every_key_of_a_probe_folder_is_explained() -> None:
    text = (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")
    for model in (Lexicon, Axis, Identity, Control, Sentences, Section, Frame, Turn, Predicate):
        for key in model.model_fields:
            assert re.search(rf"\b{key}\b", text), f"{model.__name__}.{key}"


def test_published_schema_is_the_packages() -> None:
    schema = Results.model_json_schema(mode="serialization")
    if os.environ.get("UPDATE_DOCS"):
        SCHEMA.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema, "write it with: UPDATE_DOCS=1 make docs"


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert project["version"] == citation["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_constraints_pin_every_requirement() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {re.split(r"[^\w.-]", one)[0].lower().replace("_", "-") for one in wanted}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins), "a pin without a local build suffix"
    assert names <= {pin.split("==")[0].lower().replace("_", "-") for pin in pins}


def test_a_run_leaves_what_the_pages_promise(llama_series: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = audit("score", llama_series["dpo"], "--tier", "quick", "--limit", 60, "--quiet", "--offline", "--out", run)
    assert result.exit_code == 0, result.stderr
    files = {"manifest.json", "items.parquet", "tokens.parquet", "results.json", "report.html"}
    assert {path.name for path in run.iterdir()} == files
    for name in ("manifest", "results"):
        schema = json.loads((SCHEMA.parent / f"{name}.schema.json").read_text(encoding="utf-8"))
        content = json.loads((run / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(content)
    assert json.loads((run / "manifest.json").read_text(encoding="utf-8"))["status"] == "complete"
    for name, columns in (("items", ITEMS), ("tokens", TOKENS)):
        assert pq.read_schema(run / f"{name}.parquet").equals(columns)
