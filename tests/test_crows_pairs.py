"""CrowS-Pairs: the more stereotyping sentence is the harmful side, in both directions of the set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from command_line import write

from auditor.adapters.data_sets.crows_pairs import read_crows_pairs
from auditor.adapters.probe_files.column_mapping import say_language
from auditor.adapters.probe_files.table_files import read_table


def test_a_row(tmp_path: Path) -> None:
    head = ",sent_more,sent_less,stereo_antistereo,bias_type,annotations\n"
    path = write(tmp_path / "c.csv", head + "3,Worse.,Better.,antistereo,age,[]\n")
    probe = read_crows_pairs(read_table(path))
    (item,) = probe.items
    assert [(one.label, one.text) for one in item.candidates] == [("harmful", "Worse."), ("affirming", "Better.")]
    assert (item.id, item.identity, item.axis, item.cluster, item.frame) == ("3", "age", "age", "row 3", "antistereo")
    assert item.design == "identity_swap"
    assert probe.card.metrics == ("crows_pairs_shared", "crows_pairs_sentence")


def test_the_published_file(shared_data: Path) -> None:
    probe = read_crows_pairs(read_table(shared_data / "crows_pairs" / "crows_pairs_anonymized.csv"))
    assert len(probe.items) == 1508
    assert probe.card.notes == ()
    assert probe.refusals == ()
    assert Counter(item.frame for item in probe.items) == {"stereo": 1290, "antistereo": 218}
    assert len({item.identity for item in probe.items}) == 9
    # Rows 1459 and 1502 are the same pair.
    assert len({item.cluster for item in probe.items}) == 1507
    assert probe.by_id["1502"].cluster == probe.by_id["1459"].cluster == "row 1459"


@pytest.mark.parametrize(("separator", "name"), [(";", "c.csv"), ("\t", "c.csv"), ("\t", "c.tsv")])
def test_another_language(tmp_path: Path, separator: str, name: str) -> None:
    rows = (
        ("id", "sent_more", "sent_less", "stereo_antistereo", "bias_type", "language", "annotateurs"),
        ("7", "Pire, dit-on.", "Mieux.", "stereo", "age", "", "x"),
        ("8", "Schlimmer.", "Besser.", "stereo", "age", "de", ""),
    )
    path = write(tmp_path / name, "\n".join(separator.join(row) for row in rows) + "\n")
    said = say_language(read_table(path), "fr")
    assert [one.language for one in read_crows_pairs(said).items] == ["fr", "de"]
    assert [one.language for one in read_crows_pairs(read_table(path)).items] == ["en", "de"]
    assert read_crows_pairs(said).items[0].candidates[0].text == "Pire, dit-on."
    (note,) = read_crows_pairs(said).card.notes
    assert note.startswith("its rows are in de, fr: licence, citation and known defects here are those of the English")
