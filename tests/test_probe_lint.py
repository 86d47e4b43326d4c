"""Every rule: a sound probe breaks none, a probe with one fault breaks that one alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import audit, pairs_csv, write
from lint_cases import CONTROLS, FAULTS, SOUND_LEXICON, predicate, rules_of, spoilt
from probe_material import write_probe

from auditor.adapters.probe_files.probes import shipped_probes
from auditor.adapters.probe_lint.lint_sides import Unit
from auditor.adapters.probe_lint.probe_lint import lint_probe
from auditor.errors import UsageError


def test_a_sound_probe_has_no_finding(tmp_path: Path) -> None:
    found = lint_probe(str(spoilt(tmp_path / "mine")))
    assert (found.probe, found.language, found.english, found.findings) == ("mine", "en", True, ())


@pytest.mark.parametrize("name", shipped_probes())
def test_shipped_probes_have_none(name: str) -> None:
    assert lint_probe(name).findings == ()


@pytest.mark.parametrize("rule", FAULTS)
def test_a_fault_breaks_its_rule_alone(tmp_path: Path, rule: str) -> None:
    assert rules_of(spoilt(tmp_path / "mine", *FAULTS[rule])) == [rule]


def test_a_new_probe_has_none(tmp_path: Path) -> None:
    assert audit("probes", "new", "mine", "--out", tmp_path / "mine").exit_code == 0
    assert lint_probe(str(tmp_path / "mine")).findings == ()


def test_identities_asked_in_other_numbers(tmp_path: Path) -> None:
    more = {"name": "kazoo players", "surfaces": [{"people": "kazoo players"}, {"people": "those who play the kazoo"}]}
    folder = write_probe(tmp_path / "mine", lexicon={**SOUND_LEXICON, "controls": [*CONTROLS, more]})
    assert rules_of(folder) == ["unbalanced"]


def test_checks_of_english_are_for_english_alone(tmp_path: Path) -> None:
    wordings = ("a ogre", "a angel"), ("never home", "always home"), ("all retards", "all singers")
    folder = spoilt(tmp_path / "mine", predicate("new", *wordings))
    assert len(rules_of(folder)) == 3
    card = (folder / "card.yaml").read_text(encoding="utf-8")
    (folder / "card.yaml").write_text(card.replace("language: en", "language: de"), encoding="utf-8")
    found = lint_probe(str(folder))
    assert (found.language, found.english, found.findings) == ("de", False, ())


def test_tokens_take_the_place_of_words_and_characters(tmp_path: Path) -> None:
    folder = spoilt(tmp_path / "mine", predicate("new", ("lazy in the zone", "dear in the zone"), theme="u"))
    assert rules_of(folder) == []
    unit = Unit("tokens (x)", lambda texts: [text.count("z") for text in texts], 0, 9.0, 9.0)
    assert [one.what.split(": ")[-1] for one in lint_probe(str(folder), (), [unit]).findings] == [
        "the harmful side is +1 tokens (x) longer"
    ]


def test_axes_are_chosen(tmp_path: Path) -> None:
    folder = spoilt(tmp_path / "mine")
    assert lint_probe(str(folder), ["a"]).findings == ()
    with pytest.raises(UsageError, match="none of these axes"):
        lint_probe(str(folder), ["b"])


def test_rows_of_a_file_and_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "rows" / "pairs.csv", pairs_csv().replace("are kind.", "are  kind."))
    write(
        tmp_path / "rows" / "card.yaml",
        "{name: rows, title: Rows, version: '1', language: en, licence: MIT, description: Rows.}",
    )
    in_folder = lint_probe(str(tmp_path / "rows"))
    assert (in_folder.probe, in_folder.language) == ("rows", "en")
    alone = lint_probe(str(tmp_path / "rows" / "pairs.csv"))
    assert (alone.language, alone.english) == ("", False)
    for found in (in_folder, alone):
        assert "doubled-space" in {one.rule for one in found.findings}
