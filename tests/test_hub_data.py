"""Data sets of the hub: the parts of an id, a folder in the hub's layout, and what cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from command_line import write
from datasets.exceptions import DatasetGenerationError

from auditor.adapters.hf.loading.hub import Snapshot
from auditor.adapters.probe_files import hub_data
from auditor.adapters.probe_files.hub_data import HubId, parse_hub_id, read_hub_data
from auditor.adapters.probe_files.probes import Reading, find_folder, is_table, open_probe
from auditor.errors import ModelLoadError, UsageError

CARD = """---
configs:
- config_name: plain
  data_files:
  - {split: train, path: plain/train.jsonl}
  - {split: test, path: plain/test.jsonl}
- config_name: french
  data_files:
  - {split: test, path: french.jsonl}
---
"""
PREFERENCE = '{"prompt": "Q%d?", "chosen": "yes", "rejected": "no"}\n'


@pytest.fixture(autouse=True)
def _arrow_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `datasets` makes of the files lies in the test's own folder."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "arrow")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with two configurations, the first of two splits."""
    root = tmp_path / "repo"
    write(root / "README.md", CARD)
    write(root / "plain" / "train.jsonl", PREFERENCE % 1 + PREFERENCE % 2 + PREFERENCE % 3)
    write(root / "plain" / "test.jsonl", PREFERENCE % 4)
    french = {"sent_more": "Pire.", "sent_less": "Mieux.", "stereo_antistereo": "stereo", "bias_type": "age"}
    write(root / "french.jsonl", json.dumps(french))
    return root


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("hub:owner/name", ("owner/name", "", "", "")),
        ("hub:owner/name:one", ("owner/name", "one", "", "")),
        ("hub:owner/name@v1#test", ("owner/name", "", "v1", "test")),
        ("hub:owner/name:one@refs/pr/1#test", ("owner/name", "one", "refs/pr/1", "test")),
    ],
)
def test_parts_of_an_id(argument: str, parts: tuple[str, ...]) -> None:
    assert parse_hub_id(argument) == HubId(*parts)


@pytest.mark.parametrize("argument", ["hub:", "hub:#test", "hub:owner/name:", "hub:owner/name@#test", "hub:a#"])
def test_what_is_no_id(argument: str) -> None:
    with pytest.raises(UsageError, match="expected hub:owner/name") as caught:
        parse_hub_id(argument)
    assert caught.value.where == f"--probe {argument}"


def test_a_split_of_a_configuration(folder: Path) -> None:
    argument = f"hub:{folder}:plain#train"
    table = read_hub_data(argument, offline=True)
    assert set(table.columns) == {"prompt", "chosen", "rejected"}
    assert [(row.line, row.values["prompt"]) for row in table.rows] == [(1, "Q1?"), (2, "Q2?"), (3, "Q3?")]
    assert table.where(table.rows[1]) == f"{argument}, row 2"
    assert table.name == "repo-plain-train"
    assert table.sha256 != read_hub_data(f"hub:{folder}:plain#test", offline=True).sha256
    assert table.sha256 == read_hub_data(argument, offline=True).sha256


def test_the_columns_decide_who_reads_it(folder: Path) -> None:
    probe = open_probe(f"hub:{folder}:plain#test")
    assert (probe.name, len(probe.items)) == ("repo-plain-test", 1)
    assert probe.card.metrics == ("preference_accuracy",)
    french = open_probe(f"hub:{folder}:french", reading=Reading(language="fr"))
    assert (french.name, french.items[0].language) == ("crows_pairs", "fr")
    own = open_probe(f"hub:{folder}:plain#test", reading=Reading({"harmful": "rejected", "affirming": "chosen"}))
    assert [one.text for one in own.items[0].candidates] == ["no", "yes"]
    assert own.card.metrics == ()


def test_an_id_is_a_table_and_no_folder(folder: Path) -> None:
    argument = f"hub:{folder}:french"
    assert is_table(argument)
    assert find_folder(argument) is None
    assert not is_table("stigma")


def test_labels_kept_as_numbers_become_words(tmp_path: Path) -> None:
    features = datasets.Features(
        {"sent_more": datasets.Value("string"), "bias_type": datasets.ClassLabel(names=["age", "gender"])}
    )
    rows = {"sent_more": ["a", "b", "", "c"], "bias_type": [1, None, 0, -1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "labels" / "test.parquet")
    table = read_hub_data(f"hub:{tmp_path / 'labels'}", offline=True)
    assert [dict(row.values) for row in table.rows] == [
        {"sent_more": "a", "bias_type": "gender"},
        {"sent_more": "b"},
        {"bias_type": "age"},
        {"sent_more": "c"},
    ]


@pytest.mark.parametrize(
    ("parts", "problem", "fix"),
    [
        ("", "it has more than one configuration", "plain, french"),
        (":german", "it has no configuration 'german'", "plain, french"),
        (":plain", "it has more than one split", "train, test"),
        (":plain#dev", "it has no split 'dev'", "train, test"),
        (":plain@main#test", "a folder has no revisions", "Leave the revision out."),
    ],
)
def test_a_part_that_must_be_named(folder: Path, parts: str, problem: str, fix: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        read_hub_data(f"hub:{folder}{parts}", offline=True)
    assert caught.value.where == f"--probe hub:{folder}{parts}"
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("name", "content"), [("notes.py", "print()"), ("a.jsonl", '{"x": 1}\n{nonsense\n'), ("a.parquet", "no parquet")]
)
def test_what_datasets_cannot_read(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: str) -> None:
    write(tmp_path / "repo" / name, content)
    with pytest.raises(UsageError, match="datasets cannot read it: ") as caught:
        read_hub_data(f"hub:{tmp_path / 'repo'}", offline=True)
    assert caught.value.where
    assert caught.value.fix
    assert "An error occurred while generating" not in caught.value.what
    assert capfd.readouterr() == ("", "")


def test_its_own_errors_are_explained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise DatasetGenerationError("an error\noccurred")

    monkeypatch.setattr(datasets, "load_dataset", broken)
    with pytest.raises(UsageError, match="datasets cannot read it: an error occurred"):
        read_hub_data(f"hub:{folder}:french", offline=True)


def test_what_the_hub_answers_is_about_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refused(*what: object, offline: bool) -> Snapshot:
        asked.extend([*what, offline])
        raise ModelLoadError("not in the local cache", where="owner/name@v1", fix="Run once without --offline.")

    monkeypatch.setattr(hub_data, "fetch_data", refused)
    with pytest.raises(UsageError, match="not in the local cache") as caught:
        read_hub_data("hub:owner/name:one@v1#test", offline=True)
    assert (caught.value.where, caught.value.exit_code) == ("--probe hub:owner/name:one@v1#test", 2)
    assert caught.value.fix == "Run once without --offline."
    assert asked == ["owner/name", "v1", True]


def test_what_was_fetched_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_data, "fetch_data", lambda *_, **__: Snapshot(folder, "c0ffee", "owner/name"))
    table = read_hub_data("hub:owner/name:plain#test", offline=False)
    assert (table.name, table.source) == ("name-plain-test", "hub:owner/name:plain#test at c0ffee")
    assert [row.values["prompt"] for row in table.rows] == ["Q4?"]
