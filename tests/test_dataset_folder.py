"""A probe as a data set folder: `datasets` and an audit read the same rows."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
import yaml
from command_line import pairs_csv, write
from fake_scores import pair, probe_of
from probe_material import write_probe

from auditor.adapters.exports.dataset_folder import card_of, write_dataset
from auditor.adapters.probe_files.probe_folders import read_folder
from auditor.adapters.probe_files.probes import open_probe
from auditor.core.items import Candidate, Message
from auditor.errors import UsageError


def front_matter(folder: Path) -> dict[str, object]:
    """What the hub reads of a card."""
    _, content, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    found: dict[str, object] = yaml.safe_load(content)
    return found


def test_a_pair_file_reads_back_and_loads(tmp_path: Path) -> None:
    probe, out = open_probe(str(write(tmp_path / "mine.csv", pairs_csv()))), tmp_path / "out"
    write_dataset(probe, card_of(probe, None), out)
    again = open_probe(str(out))
    assert (again.name, again.items) == (probe.name, probe.items)
    loaded = datasets.load_dataset(str(out), split="test", cache_dir=str(tmp_path / "cache"))
    assert loaded["id"][:] == [item.id for item in probe.items]
    assert open_probe(f"hub:{out}").items == probe.items
    assert loaded["harmful"][:] == [item.candidates[0].text for item in probe.items]


def test_rows_of_every_kind_read_back(tmp_path: Path) -> None:
    three = tuple(Candidate(label, f"text {label}\r\n\u2028") for label in ("a", "harmful", "affirming"))
    rows = (
        pair("1", messages=(Message("system", "Be kind."), Message("user", "H\u00e9llo\n")), language="fr"),
        pair("2", candidates=three, identity="x|y", cluster="row 2"),
        pair("base", design="responsiveness", cluster="c"),
        pair("4", design="responsiveness", cluster="c", baseline="base", valence="neutral", role="control"),
    )
    probe = probe_of(*rows)
    write_dataset(probe, card_of(probe, None), tmp_path / "out")
    assert open_probe(str(tmp_path / "out")).items == rows


def test_a_probe_folder_keeps_its_card(tmp_path: Path) -> None:
    folder = read_folder(write_probe(tmp_path / "mine"))
    probe = open_probe(str(tmp_path / "mine"), "quick")
    write_dataset(probe, card_of(probe, folder.card), tmp_path / "out")
    card = read_folder(tmp_path / "out").card
    kept = ("name", "version", "language", "licence", "description", "content_warning", "citation", "canary", "defects")
    assert [getattr(card, one) for one in kept] == [getattr(folder.card, one) for one in kept]
    assert "quick tier" in card.title
    assert open_probe(str(tmp_path / "out")).card.title == f"{card.title} {card.version}"
    assert card.title.count(card.version) == 0


def test_the_hub_is_told_licence_language_and_files(tmp_path: Path) -> None:
    probe = probe_of(pair("1", language="pt-BR"), licence="CC BY-SA 4.0", content_warning="Says <b>bad</b> things.")
    write_dataset(probe, card_of(probe, None), tmp_path / "out")
    front = front_matter(tmp_path / "out")
    assert front["license"] == "cc-by-sa-4.0"
    assert front["language"] == ["pt"]
    assert front["size_categories"] == ["n<1K"]
    assert front["configs"] == [{"config_name": "default", "data_files": [{"split": "test", "path": "pairs.parquet"}]}]
    sheet = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "**Content warning.**" in sheet
    assert "<b>" not in sheet
    assert "| `harmful` |" in sheet
    assert "| `match` |" not in sheet


def test_another_licence_stands_in_its_own_words(tmp_path: Path) -> None:
    probe = probe_of(pair("1"), licence="of the survey: ask")
    write_dataset(probe, card_of(probe, None), tmp_path / "out")
    front = front_matter(tmp_path / "out")
    assert (front["license"], front["license_name"]) == ("other", "of the survey: ask")
    assert "language" not in front


def test_right_answers_metrics_and_cautions_come_back(tmp_path: Path) -> None:
    three = tuple(Candidate(label, f"the {label}") for label in ("unknown", "harmful", "affirming"))
    rows = (pair("1", candidates=three, answer="unknown"), pair("2", candidates=three, answer="harmful"), pair("3"))
    probe = probe_of(*rows, metrics=("bbq_accuracy_ambiguous",), notes=("labels are ours",), defects=("few rows",))
    write_dataset(probe, card_of(probe, None), tmp_path / "out")
    again = open_probe(str(tmp_path / "out"))
    assert again.items == rows
    assert again.card.metrics == ("bbq_accuracy_ambiguous",)
    assert "labels are ours" in again.card.notes
    assert again.card.defects == ("few rows",)
    sheet = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| `right_label` |" in sheet
    assert "- labels are ours" in sheet


def test_preference_data_are_not_called_harmful(tmp_path: Path) -> None:
    rows = '{"prompt": "Who?", "chosen": " A.", "rejected": " B."}\n'
    probe = open_probe(str(write(tmp_path / "set.jsonl", rows)))
    write_dataset(probe, card_of(probe, None), tmp_path / "out")
    sheet = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| `harmful` | the answer that annotators rejected |" in sheet
    assert "demeans" not in sheet
    assert "harm here only says that the model prefers what they rejected" in sheet
    again = open_probe(str(tmp_path / "out"))
    assert (again.items, again.card.notes) == (probe.items, probe.card.notes)


def test_a_caution_that_reading_gives_again_is_not_doubled(tmp_path: Path) -> None:
    rows = write(tmp_path / "mine.csv", pairs_csv().replace(",cluster,", ",paraphrase,"))
    probe = open_probe(str(rows))
    write_dataset(probe, card_of(probe, None), tmp_path / "out")
    assert open_probe(str(tmp_path / "out")).card.notes == probe.card.notes != ()


def test_nothing_is_left_of_what_a_pair_file_cannot_hold(tmp_path: Path) -> None:
    probe = probe_of(pair("1", match="k", cluster="a"), pair("2", match="k", cluster="b"))
    with pytest.raises(UsageError, match="lies in cluster"):
        write_dataset(probe, card_of(probe, None), tmp_path / "out")
    assert not (tmp_path / "out").exists()
