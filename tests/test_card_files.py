"""Twin of auditor.adapters.summaries.card_files; the hub's own client is the oracle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.repocard import REGEX_YAML_BLOCK
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from auditor.adapters.summaries.card_files import BEGIN, END, audited_card
from auditor.errors import UsageError

# Keys with rules of their own to the hub's client.
FIELDS = {"model-index", "ignore_metadata_errors", *vars(ModelCardData())}
OTHERS = """license: apache-2.0  # as the base model's
language:
    - en
model-index:
- name: my-model
  results:
  - task: {type: text-generation}
    dataset: {name: 'ARC', type: arc, revision: 0123456}
    metrics:
    - type: acc
      value: 0.5   # measured twice
      date: 2024-01-01
# a comment that belongs to tags
tags: ["a", 'b']
quoted: "caf\\u00e9"
"""
RESULT = "  - task: {type: a}\n    dataset: {type: b, name: c}\n    metrics: []\n"
BODY = "\n# My model\r\nA line.\t \n\n\nLast line, no break"


def result(
    value: float = 0.51,
    name: str = "Disparity, trans women, nats",
    version: str = "0.1.0",
    checkpoint: str | None = None,
) -> EvalResult:
    return EvalResult(
        task_type="text-generation", dataset_type="stigma", dataset_name="Stigma 2.0", metric_type="disparity",
        metric_name=name, metric_value=value, verified=False, source_name=f"auditor {version}",
        source_url="https://example.org", dataset_args=checkpoint and {"checkpoint": checkpoint},
    )  # fmt: skip


def audited(path: Path, *results: EvalResult, section: str = "## Bias audit") -> str:
    return audited_card(path, "dpo", results or (result(),), section, "auditor").decode()


def card(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "README.md"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def data_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(re.split(r"(?m)^---\r?$", text)[1])
    return found


def test_a_missing_card_is_made(tmp_path: Path) -> None:
    text = audited(tmp_path / "README.md")
    read = ModelCard(text)
    assert read.data.model_name == "dpo"
    assert read.data.eval_results == [result()]
    assert read.text == f"{BEGIN}\n## Bias audit\n{END}\n"


def test_other_results_stay_and_all_else_byte_for_byte(tmp_path: Path) -> None:
    text = audited(card(tmp_path, f"---\n{OTHERS}---\n{BODY}"))
    head, _, rest = OTHERS.partition("model-index:")
    tail = rest[rest.index("# a comment that belongs to tags") :]
    assert text.startswith(f"---\n{head}model-index:\n- name: my-model\n")
    # A last line that does not end stays one.
    assert text.endswith(f"\n{tail}---\n{BODY}\n\n{BEGIN}\n## Bias audit\n{END}")
    read = ModelCard(text)
    assert read.data.model_name == "my-model"
    assert [one.metric_type for one in read.data.eval_results] == ["acc", "disparity"]
    # Written as it stood: another reader of YAML need not take it for an octal number.
    assert "revision: 0123456" in text
    assert data_of(text)["tags"] == ["a", "b"]


def test_a_second_audit_replaces_the_first_and_nothing_else(tmp_path: Path) -> None:
    path = card(tmp_path, f"---\n{OTHERS}---\n{BODY}")
    once = audited(path)
    assert audited(card(tmp_path, once)) == once
    after = once + "\nWords behind it.\n"
    results = result(0.2, version="0.2.0"), result(0.3, "Disparity, x, nats")
    twice = audited(card(tmp_path, after), *results, section="New")
    assert twice.endswith(f"{BODY}\n\n{BEGIN}\nNew\n{END}\nWords behind it.\n")
    values = [one.metric_value for one in ModelCard(twice).data.eval_results]
    assert values == [0.5, 0.2, 0.3]


@pytest.mark.parametrize(
    "text",
    [
        "# No front matter\n\nText.\n",
        "---\nlicense: mit\n---\n# Title\n",
        "---\n# only a comment\n---\n",
        "---\nlicense: mit\nmodel-index:\n---\nText",
        "---\nmodel-index: []\nlicense: mit\n---\nText",
        "---\nnotes: |\n  several\n  lines\n---\n",
        "\ufeff---\nlicense: mit\n---\n",
        "---\nmodel-index:\n- name: x\n  results: [{task: {type: a}, dataset: {type: b, name: c}, metrics: []}]\n---\n",
        f"---\nmodel-index:\n- name: x\n  results:\n{RESULT}    notes: |\n      kept\nlicense: mit\n---\n",
        "",
    ],
)
def test_whatever_stood_there_the_hub_reads_it(tmp_path: Path, text: str) -> None:
    written = audited(card(tmp_path, text))
    read = ModelCard(written.removeprefix("\ufeff"))
    assert read.data.eval_results[-1] == result()
    assert written.count("model-index:") == 1
    for line in text.splitlines():
        assert line.strip() in written or "model-index" in line or "results:" in line
    assert audited(card(tmp_path, written)) == written


def audited_for(path: Path, checkpoint: str) -> ModelCard:
    path.write_bytes(audited_card(path, checkpoint, [result(checkpoint=checkpoint)], "x", "auditor"))
    return ModelCard(path.read_text(encoding="utf-8"))


def test_a_name_that_an_audit_gave_is_that_of_the_checkpoint_now_audited(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    assert audited_for(path, "sft").data.model_name == "sft"
    assert audited_for(path, "dpo: 2").data.model_name == "dpo: 2"
    # A result that people add under that name stays, and is of the model that the card is about.
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("  results:\n", f"  results:\n{RESULT}    notes: mine\n"), encoding="utf-8")
    read = audited_for(path, "dpo")
    assert read.data.model_name == "dpo"
    assert data_of(path.read_text(encoding="utf-8"))["model-index"][0]["results"][0]["notes"] == "mine"
    assert [one.dataset_args for one in read.data.eval_results] == [{"checkpoint": "dpo"}]


def test_a_name_that_people_gave_stays(tmp_path: Path) -> None:
    path = card(tmp_path, f"---\n{OTHERS}---\n{BODY}")
    for checkpoint in ("sft", "dpo"):
        assert audited_for(path, checkpoint).data.model_name == "my-model"
    made = tmp_path / "made.md"
    audited_for(made, "sft")
    made.write_text(made.read_text(encoding="utf-8").replace("- name: sft", "- name: org/mine"), encoding="utf-8")
    assert audited_for(made, "dpo").data.model_name == "org/mine"


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "LINE", "LINELINE"])
@pytest.mark.parametrize("body", ["# TitleLINEText", "", "LINE", "Text  "])
@pytest.mark.parametrize("front", ["---LINElicense: mitLINE---", ""])
def test_what_stands_outside_the_section_keeps_its_bytes(
    tmp_path: Path, front: str, body: str, end: str, line: str
) -> None:
    whole = (front + ("LINE" if front and body else "") + body + end).replace("LINE", line)
    line = line if line in whole else "\n"
    written = audited(card(tmp_path, whole))
    start, stop = written.index(BEGIN), written.index(END) + len(END)
    rest = written[:start].split(f"{line}---", 1)[1] if front else written[:start].split(f"---{line}", 2)[2]
    before = whole.split(f"{line}---", 1)[1] if front else whole
    assert rest.rstrip("\r\n") == before.rstrip("\r\n")
    assert rest.startswith(before)
    assert written[stop:] == (line if whole.endswith(line) or not whole else "")
    assert written[:start].endswith(line)
    assert ModelCard(written).data.eval_results == [result()]
    assert audited(card(tmp_path, written)) == written


def test_line_ends_are_the_files_own(tmp_path: Path) -> None:
    text = "---\r\nlicense: mit\r\nmodel-index: []\r\ntags: [a]\r\n---\r\n# Title\r\n"
    written = audited(card(tmp_path, text), section="a\nb")
    assert "\n" not in written.replace("\r\n", "")
    assert written.startswith("---\r\nlicense: mit\r\nmodel-index:\r\n- name: dpo\r\n")
    assert f"\r\n{BEGIN}\r\na\r\nb\r\n{END}\r\n" in written
    assert data_of(written)["tags"] == ["a"]


def test_hostile_names_are_values_and_no_markup(tmp_path: Path) -> None:
    names = ["a: b", "# x", "---", "\n---\n", "{{ 7 }}", "'\"", "*x", "&y", "!!python/object:os", "\u202e", "- z"]
    written = audited(card(tmp_path, "---\nlicense: mit\n---\n"), *(result(name=name) for name in names))
    assert [one.metric_name for one in ModelCard(written).data.eval_results] == names
    assert data_of(written)["license"] == "mit"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---\nlicense: mit\n# Title\n", "between two lines '---'"),
        ("---\n---\n# Title\n", "between two lines '---'"),
        ("--- \nlicense: mit\n---\n", "between two lines '---'"),
        ("---\na: [1\n---\n", "cannot be merged"),
        ("---\na: b: c\n---\n", "cannot be merged"),
        ("---\n- a\n- b\n---\n", "no list of 'key: value' lines"),
        ("---\n{license: mit}\n---\n", "no list of 'key: value' lines"),
        ("---\njust text\n---\n", "no list of 'key: value' lines"),
        ("---\nmodel-index: 3\n---\n", "not a list of models"),
        ("---\nmodel-index:\n- results\n---\n", "not a list of models"),
        ("---\nmodel-index:\n- name: x\n  results: 3\n---\n", "not a list of models"),
        ("---\nmodel-index:\n- name: x\n  results:\n  - 3\n---\n", "not a list of models"),
        ("---\nmodel-index:\n- name: x\n  results:\n  - task: a\n---\n", "cannot be merged"),
        ("---\nmodel-index: []\nmodel-index: []\n---\n", "twice"),
        ("---\nmodel-index: &here\n- name: x\n  results: []\nother: *here\n---\n", "aliases"),
        ("---\nargs: &here {}\nmodel-index:\n- name: x\n  results: []\n  more: *here\n---\n", "aliases"),
        ("---\nx: \x01\n---\n", "cannot be merged"),
        (f"# T\n{BEGIN}\n", "markers"),
        (f"# T\n{END}\n{BEGIN}\n", "markers"),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", "markers"),
        (b"\xff\xfe", "no text in UTF-8"),
    ],
)
def test_a_broken_card_is_refused_and_left_alone(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = card(tmp_path, text)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=words) as caught:
        audited(path)
    assert str(path) in caught.value.where
    assert caught.value.fix
    assert path.read_bytes() == before


METADATA = st.dictionaries(
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1).filter(lambda key: key not in FIELDS),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=METADATA,
    after=METADATA,
    indexed=st.booleans(),
    body=st.text(st.characters(exclude_characters="\r", codec="utf-8"), max_size=80),
    wide=st.booleans(),
)
def test_any_card_keeps_all_that_is_not_ours(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], indexed: bool, body: str, wide: bool
) -> None:
    after = {key: value for key, value in after.items() if key not in before}
    parts = [yaml.safe_dump(one, allow_unicode=wide, width=10**9) if one else "" for one in (before, after)]
    index = f"model-index:\n- name: x\n  results:\n{RESULT}" if indexed else ""
    text = f"---\n{parts[0]}{index}{parts[1]}---\n" if parts[0] or index or parts[1] else ""
    # What reads like the end of the front matter, or nothing like text, is another test's.
    assume(len(REGEX_YAML_BLOCK.sub("", text)) == 0 and "---" not in body)
    written = audited(card(tmp_path, text + body))
    assert written.startswith(f"---\n{parts[0]}model-index:\n" if indexed or not parts[1] else f"---\n{parts[0]}")
    opening, _, rest = written.partition("\n---\n")
    assert rest.startswith(body)
    assert parts[1].rstrip("\n") in opening
    read = ModelCard(written)
    assert {key: value for key, value in data_of(written).items() if key != "model-index"} == (
        yaml.safe_load(parts[0] + parts[1]) or {}
    )
    assert [one.metric_type for one in read.data.eval_results] == ["disparity"]
    assert audited(card(tmp_path, written)) == written
