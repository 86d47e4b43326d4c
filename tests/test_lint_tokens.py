"""Tokenizers to count with, from folders and files, without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment
from model_factory import make_tokenizer

from auditor.adapters.probe_lint.lint_sides import TOKEN_BOUNDS
from auditor.adapters.probe_lint.lint_tokens import token_units
from auditor.errors import ModelLoadError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizers") / "bpe"
    make_tokenizer(folder)
    return folder


def test_lengths_are_the_tokenizers_without_bos(folder: Path) -> None:
    tokenizer = make_tokenizer(folder)
    texts = [" a danger to the town.", " \u00fc", ""]
    expected = [len(tokenizer.encode(text, add_special_tokens=False)) for text in texts]
    for argument in (str(folder), f"mine={folder}", str(folder / "tokenizer.json")):
        (unit,) = token_units([argument])
        assert list(unit.lengths(texts)) == expected
        assert (unit.single, unit.average, unit.twins) == TOKEN_BOUNDS
    assert token_units([f"mine={folder}"])[0].name == "tokens (mine)"


def test_several_tokenizers_are_several_units(folder: Path) -> None:
    assert [unit.name for unit in token_units([f"a={folder}", f"b={folder}"])] == ["tokens (a)", "tokens (b)"]
    with pytest.raises(UsageError, match="two checkpoints are called"):
        token_units([str(folder), str(folder)])


def test_what_is_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="no such file or folder"):
        token_units([str(tmp_path / "nowhere")])
    with pytest.raises(ModelLoadError, match="no tokenizer can be read"):
        token_units([str(tmp_path)])
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelLoadError, match="no tokenizer can be read"):
        token_units([str(tmp_path)])


def test_a_hub_id_is_fetched_without_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from auditor.adapters.hf.loading import hub

    asked: list[object] = []

    def fetch(repo_id: str, revision: str | None = None, *, weights: bool = True) -> hub.Snapshot:
        asked.append((repo_id, revision, weights))
        return hub.Snapshot(folder, "c0ffee", repo_id)

    monkeypatch.setattr(hub, "fetch", fetch)
    assert token_units(["org/model@main"])[0].lengths(["a"]) == [1]
    assert asked == [("org/model", "main", False)]


def test_counting_loads_neither_torch_nor_transformers(folder: Path) -> None:
    code = (
        "import sys; from auditor.adapters.probe_lint.lint_tokens import token_units;"
        f"token_units([{str(folder)!r}]); print(*{{'torch', 'transformers'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment())
    assert done.stdout.strip() == ""
