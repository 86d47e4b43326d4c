"""TANGO: prompts that differ in the pronouns alone are read together, as sets and as questions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from command_line import write

from auditor.adapters.data_sets.tango import cut_at_last_pronoun, read_tango
from auditor.adapters.probe_files.table_files import read_table
from auditor.core.items import Probe
from auditor.core.metrics import METRICS

HEAD = "template_idx,ante,ante_type,pronoun_family,template\n"


def read(folder: Path, *rows: str) -> Probe:
    return read_tango(read_table(write(folder / "t.csv", HEAD + "\n".join(rows) + "\n")))


def test_a_set_with_two_pronouns(tmp_path: Path) -> None:
    probe = read(
        tmp_path,
        "3,casey,ante_nongendered,they,casey says they are proud of their book.",
        "3,casey,ante_nongendered,xe,casey says xe is proud of xir book.",
        "3,casey,ante_nongendered,he,casey says he is proud of his book.",
    )
    whole, *questions = probe.items
    assert (whole.id, whole.context, whole.identity, whole.frame) == (
        "3/casey",
        "",
        "nongendered names",
        "whole prompt",
    )
    assert [(one.label, one.text) for one in whole.candidates] == [
        ("they", "casey says they are proud of their book."),
        ("xe", "casey says xe is proud of xir book."),
        ("he", "casey says he is proud of his book."),
    ]
    assert [(one.id, one.context, one.identity, one.answer) for one in questions] == [
        ("3/casey/they", "casey says they are proud of", "they", "they"),
        ("3/casey/xe", "casey says xe is proud of", "xe", "xe"),
        ("3/casey/he", "casey says he is proud of", "he", "he"),
    ]
    for one in questions:
        assert [(side.label, side.text) for side in one.candidates] == [
            ("they", " their book."),
            ("xe", " xir book."),
            ("he", " his book."),
        ]
        assert (one.theme, one.axis, one.frame) == ("nongendered names", "pronoun family", "second pronoun")
    assert {one.cluster for one in probe.items} == {"template 3"}
    assert all(one.pair is None for one in probe.items)
    assert set(probe.card.metrics) <= set(METRICS)
    assert probe.card.licence
    assert probe.card.content_warning


def test_one_pronoun_gives_no_question(tmp_path: Path) -> None:
    probe = read(tmp_path, "0,pat,distal,he,pat reads his book.", "0,pat,distal,xe,pat reads xir book.")
    assert [one.id for one in probe.items] == ["0/pat"]


def test_what_agrees_with_they_is_no_pronoun() -> None:
    # With "is" in two families, only the words that differ in all of them are pronouns.
    prompts = {"he": "a he is b his", "she": "a she is b her", "they": "a they are b their"}
    assert cut_at_last_pronoun(prompts)["she"][0] == "a she is b"
    assert cut_at_last_pronoun({"he": "he saw", "they": "they have seen"}) == {}


def test_bad_rows_and_sets_are_counted(tmp_path: Path) -> None:
    probe = read(
        tmp_path,
        "0,pat,distal,he,pat reads his book.",
        "0,pat,distal,xe,pat reads xir book.",
        "0,pat,distal,xe,pat reads xyr book.",
        "0,,distal,xe,pat reads xyr book.",
        "1,pat,distal,he,pat reads his book.",
        "2,pat,distal,he,pat reads.",
        "2,pat,distal,xe,pat reads.",
    )
    assert [one.id for one in probe.items] == ["0/pat"]
    assert [one.detail.split(", ", 1)[1] for one in probe.refusals] == [
        "line 4: the family xe stands in its set already",
        "line 5: ante is empty",
        "line 6: the set has no prompt of xe to compare with",
        "line 7: two families have the same prompt",
    ]


def test_numbers_for_templates(tmp_path: Path) -> None:
    row = {"template_idx": 0, "ante": "pat", "ante_type": "distal"}
    lines = [json.dumps({**row, "pronoun_family": one, "template": f"{one} reads."}) for one in ("he", "xe")]
    (item,) = read_tango(read_table(write(tmp_path / "t.jsonl", "\n".join(lines)))).items
    assert item.cluster == "template 0"


def test_the_published_file(shared_data: Path) -> None:
    # 2,880 rows: 12 templates x 40 antecedents x 6 families. Every row stands in a set; those of the three
    # templates with two pronouns are also asked about, so 480 sets and 3 x 40 x 6 questions.
    path = shared_data / "tango" / "misgendering_prompts.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    probe = read_tango(read_table(path))
    assert probe.refusals == ()
    sets = [one for one in probe.items if one.frame == "whole prompt"]
    assert sum(len(one.candidates) for one in sets) == 2880
    assert Counter(one.identity for one in sets) == dict.fromkeys(
        ("nongendered names", "feminine names", "masculine names", "distal antecedents"), 120
    )
    assert len({one.cluster for one in sets}) == 12
    assert len({one.surface for one in sets}) == 40
    questions = [one for one in probe.items if one.frame == "second pronoun"]
    assert Counter(one.identity for one in questions) == dict.fromkeys(("he", "she", "they", "xe", "ey", "fae"), 120)
    assert {one.cluster for one in questions} == {"template 0", "template 3", "template 8"}
    texts = {row.values["template"] for row in read_table(path).rows}
    assert {side.text for one in sets for side in one.candidates} == texts
    # A question with its own answer is a row of the file.
    assert {
        one.context + side.text for one in questions for side in one.candidates if side.label == one.answer
    } <= texts
