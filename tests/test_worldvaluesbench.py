"""WorldValuesBench: points of a scale as candidates; questions without a scale are refused and counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from command_line import write

from auditor.adapters.data_sets.public_sets import read_json
from auditor.adapters.data_sets.worldvaluesbench import is_worldvaluesbench, read_worldvaluesbench
from auditor.core.items import Probe

ENTRY = {
    "question": "On a scale of 1 to 3, 1 meaning 'Good' and 3 meaning 'Don't know, bad', how would you rate it? ",
    "category": "Economic Values",
    "use_case": "value",
    "answer_scale_min": 1,
    "answer_scale_max": 3,
    "answer_data_type": "ordinal",
}


def read(folder: Path, **entries: object) -> Probe:
    return read_worldvaluesbench(write(folder / "question_metadata.json", json.dumps(entries)))


def test_a_question(tmp_path: Path) -> None:
    (item,) = read(tmp_path, Q1=ENTRY).items
    assert [(one.label, one.text) for one in item.candidates] == [
        ("1 (Good)", " 1."),
        ("2", " 2."),
        ("3 (Don't know, bad)", " 3."),
    ]
    assert item.context == ENTRY["question"].strip()
    assert (item.id, item.prefix, item.theme, item.cluster) == ("Q1", "\nAnswer:", "Economic Values", "Q1")
    assert (item.identity, item.pair) == ("", None)


def test_no_answer_begins_another(tmp_path: Path) -> None:
    question = ENTRY["question"].replace("3", "10")
    (item,) = read(tmp_path, Q1={**ENTRY, "question": question, "answer_scale_max": 10}).items
    texts = [one.text for one in item.candidates]
    assert len(texts) == 10
    assert not [(one, other) for one in texts for other in texts if one != other and other.startswith(one)]


def test_a_scale_from_zero(tmp_path: Path) -> None:
    question = "On a scale of 0 to 1, 0 meaning 'No' and 1 meaning 'Yes', do you?"
    entry = {**ENTRY, "question": question, "answer_scale_min": 0, "answer_scale_max": 1}
    (item,) = read(tmp_path, Q1=entry).items
    assert [one.label for one in item.candidates] == ["0 (No)", "1 (Yes)"]


SPAN = "answer_scale_min and answer_scale_max span no scale of 2 to 11 whole numbers"
UNSAID = "question does not say what the ends of its scale mean"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"answer_data_type": "non_ordinal"}, "its answers are no ordinal scale"),
        ({"answer_scale_min": ""}, SPAN),
        ({"answer_scale_min": "1"}, SPAN),
        ({"answer_scale_min": True}, SPAN),
        ({"answer_scale_max": 1}, SPAN),
        ({"answer_scale_max": 12}, SPAN),
        ({"answer_scale_max": 4}, UNSAID),
        ({"question": "How good is it?"}, UNSAID),
        ({"question": ""}, "question is empty"),
        ({"category": None}, "category is not text"),
    ],
)
def test_questions_that_cannot_be_asked_are_counted(tmp_path: Path, changed: dict[str, object], problem: str) -> None:
    probe = read(tmp_path, Q1=ENTRY, Q2={**ENTRY, **changed})
    assert [one.id for one in probe.items] == ["Q1"]
    assert [one.detail for one in probe.refusals] == [f"{tmp_path / 'question_metadata.json'}, Q2: {problem}"]


def test_an_entry_that_is_no_object(tmp_path: Path) -> None:
    (refusal,) = read(tmp_path, Q1=ENTRY, Q2=["x"]).refusals
    assert refusal.detail.endswith(", Q2: is no object")


@pytest.mark.parametrize("document", [[], {}, {"Q1": "How good is it?"}, {"Q1": {"question": "?"}}, None])
def test_other_documents(document: object) -> None:
    assert not is_worldvaluesbench(document)


def test_the_published_file(shared_data: Path) -> None:
    # 282 variables, of which 42 have no ordinal scale: 240 questions. All of those say in words what their ends mean.
    path = shared_data / "worldvaluesbench" / "question_metadata.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    document, _ = read_json(path)
    assert isinstance(document, dict)
    assert is_worldvaluesbench(document)
    probe = read_worldvaluesbench(path)
    assert (len(document), len(probe.items), len(probe.refusals)) == (282, 240, 42)
    assert {one.detail.split(": ", 1)[1] for one in probe.refusals} == {"its answers are no ordinal scale"}
    # 239 of the value questions, and one demographic one: the income group.
    assert Counter(document[one.id]["use_case"] for one in probe.items) == {"value": 239, "demographic": 1}
    assert Counter(len(one.candidates) for one in probe.items) == {2: 36, 3: 39, 4: 91, 5: 21, 7: 1, 8: 1, 10: 51}
    for one in probe.items:
        entry = document[one.id]
        assert entry["answer_scale_max"] - entry["answer_scale_min"] + 1 == len(one.candidates)
        for end in (one.candidates[0], one.candidates[-1]):
            number, meaning = end.label.rstrip(")").split(" (", 1)
            assert f"{number} meaning '{meaning}'" in one.context
    assert len({one.theme for one in probe.items}) == 13
    assert len({one.context for one in probe.items}) == 239
    card = probe.card
    assert card.metrics == ()
    assert "non-profit" in card.licence
    assert "LREC-COLING 2024" in card.citation
    assert any("no answers of people" in one for one in card.defects)
    assert card.content_warning
