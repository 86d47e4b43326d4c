"""A mistake in a probe's YAML is told where it is, in the words of its author."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.adapters.probe_files.lexicon import Lexicon
from auditor.adapters.probe_files.sentences import Sentences
from auditor.adapters.probe_files.yaml_files import read_yaml
from auditor.errors import UsageError

SECTION = """
sections:
  - name: main
    frames: [{name: met, context: "I met {people}."}]
    predicates:
      - name: honesty
        wordings:
          - [false, frank]
          - WORDING
"""


def problem_of(tmp_path: Path, content: str | bytes) -> str:
    file = tmp_path / "sentences.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        read_yaml(file, Sentences)
    assert str(caught.value).endswith("its keys: sections.")
    return caught.value.what.removeprefix("cannot be read: ")


@pytest.mark.parametrize(
    ("wording", "problem"),
    [
        (
            "[one]",
            "section 'main', predicate 'honesty', wording 2: a wording is a pair [harmful, affirming]",
        ),
        ("['', frank]", "section 'main': predicate 'honesty': the harmful side of wording 2 is empty"),
        (
            "[fine, no]",
            "section 'main', predicate 'honesty', wording 2, affirming: Input should be a valid string, not true",
        ),
        ("[one: two: three]", "line 9, column 22: expected ',' or ']'"),
    ],
)
def test_a_mistake_is_told_by_names(tmp_path: Path, wording: str, problem: str) -> None:
    said = problem_of(tmp_path, SECTION.replace("[false,", "['false',").replace("WORDING", wording))
    assert said.startswith(problem)
    assert "more)" not in said
    assert "Value error" not in said


def test_what_is_no_file_or_no_text(tmp_path: Path) -> None:
    assert problem_of(tmp_path, b"sections: \xff") == "it is no text in UTF-8 (byte 11)"
    assert problem_of(tmp_path, "sections: [x]").startswith("section 1: must be a mapping of keys to values")
    assert problem_of(tmp_path, "").startswith("must be a mapping of keys to values")
    with pytest.raises(UsageError, match=r"absent\.yaml: cannot be read: No such file or directory\n"):
        read_yaml(tmp_path / "absent.yaml", Lexicon)
