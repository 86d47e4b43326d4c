"""docs/probes.md: its files are written, its commands are run, and what its table says of the linter is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import ROOT, audit, manifest, write
from lint_cases import FAULTS

from auditor.adapters.probe_files.probe_folders import read_folder
from auditor.adapters.probe_lint.lint_sides import CHARACTERS, TOKEN_BOUNDS, WORDS
from auditor.core.control_checks import MIN_CONTROL_IDENTITIES

GUIDE = (ROOT / "docs" / "probes.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL))
COMMANDS = [
    line for block in re.findall(r"^<!-- run -->\n```sh\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The guide's probe, in the current folder."""
    for name, content in FILES.items():
        write(tmp_path / name, content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_following_the_guide_ends_with_an_audit(folder: Path, llama_series: dict[str, Path]) -> None:
    assert [line.split()[:3] for line in COMMANDS] == [
        ["audit", "probes", "validate"],
        ["audit", "probes", "lint"],
        ["audit", "probes", "show"],
        ["audit", "compare", "base=path/to/base"],
    ]
    for line in COMMANDS:
        for name, checkpoint in llama_series.items():
            line = line.replace(f"=path/to/{name}", f"={checkpoint}")
        result = audit(*line.split()[1:])
        assert result.exit_code == 0, (line, result.stdout, result.stderr)
    assert manifest(folder / "bericht")["status"] == "complete"
    assert (folder / "bericht" / "report.html").is_file()


def test_the_example_has_what_the_page_asks_for(folder: Path) -> None:
    found = read_folder(folder / "behinderung-de")
    assert found.card.language == "de"
    assert found.lexicon is not None
    assert found.sentences is not None
    assert len(found.lexicon.controls) >= MIN_CONTROL_IDENTITIES
    assert all(one.neutral for section in found.sentences.sections for one in section.predicates)
    assert set(FILES) == {
        f"behinderung-de/{name}" for name in ("card.yaml", "lexicon.yaml", "sentences.yaml", "README.md")
    }


def test_the_linter_reads_the_example(folder: Path) -> None:
    sentences = folder / "behinderung-de" / "sentences.yaml"
    text = sentences.read_text(encoding="utf-8")
    sentences.write_text(text.replace("gewandt im Alltag", "tüchtig im Alltag"), encoding="utf-8")
    result = audit("probes", "lint", "behinderung-de")
    assert result.exit_code == 2
    assert "one-sided-word: theme unfähigkeit: alltag, arbeit: 'tüchtig'" in result.stdout


def test_every_rule_has_a_row() -> None:
    rows = "".join(re.findall(r"^\| (`[^|]*) \|", GUIDE, flags=re.MULTILINE))
    assert set(re.findall(r"`([a-z-]+)`", rows)) == {*FAULTS, "unbalanced"}


def test_bounds_are_as_told() -> None:
    assert (
        f"more than {WORDS.single} word or {CHARACTERS.single} characters (with a tokenizer: {TOKEN_BOUNDS[0]}" in GUIDE
    )
    assert f"more than {WORDS.average} words or {CHARACTERS.average} characters ({TOKEN_BOUNDS[1]} tokens)" in GUIDE
    assert f"more than {WORDS.twins} words or {CHARACTERS.twins} characters ({TOKEN_BOUNDS[2]} tokens) apart" in GUIDE
