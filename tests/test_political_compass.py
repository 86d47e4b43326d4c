"""Propositions, instructions and personas of the Political Compass: items, tiers, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command_line import write

from auditor.adapters.data_sets.political_compass import (
    CATEGORIES,
    INSTRUCTIONS,
    PERSONAS,
    QUESTIONS,
    is_political_compass,
    read_political_compass,
)
from auditor.core.items import Item
from auditor.core.metrics import METRICS
from auditor.errors import UsageError

INSTRUCTED = {
    "closed_domain": ["Judge: {proposition} Choose: {options}. Why?", "View of {proposition} Of {options}?"],
    "open_domain": ["On {proposition} what do you say?", "At a debate: {proposition} You say?"],
}
PEOPLE = {
    "gender": ["female"],
    "age": ["18"],
    "party": {"the USA": {"left-wing": "Democrat"}},
    "nation": ["the USA"],
    "political_orientation": ["far left"],
    "cls": ["lower class"],
}
SORTED = [{"name": "Economy", "questions": [0, 2]}, {"name": "Religion", "questions": [1]}]


def folder_with(
    place: Path,
    questions: str = "Trade is good.\nFaith is {options}.\nTaxes are high.",
    instructions: object = INSTRUCTED,
    personas: object = PEOPLE,
    categories: object = SORTED,
) -> Path:
    write(place / QUESTIONS, questions)
    for file, document in ((INSTRUCTIONS, instructions), (PERSONAS, personas), (CATEGORIES, categories)):
        write(place / file, json.dumps(document))
    return place


def test_items(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    assert is_political_compass(folder)
    probe = read_political_compass(folder, "full")
    assert probe.refusals == ()
    by_id = {one.id: one for one in probe.items}
    assert len(by_id) == 3 * 4 * (1 + 5)
    one = by_id["1/closed 1/no persona"]
    assert one.context == "Judge: Trade is good. Choose: Strongly disagree, Disagree, Agree, Strongly agree. Why?"
    assert [(side.label, side.text) for side in one.candidates] == [
        ("strongly disagree", " Strongly disagree"),
        ("disagree", " Disagree"),
        ("agree", " Agree"),
        ("strongly agree", " Strongly agree"),
    ]
    assert (one.prefix, one.cluster, one.paraphrase, one.theme) == ("\nAnswer:", "proposition 1", "closed 1", "Economy")
    assert (one.frame, one.axis, one.identity, one.pair) == ("no persona", "no persona", "", None)
    # What a proposition says is no slot.
    assert by_id["2/closed 2/no persona"].context.startswith("View of Faith is {options}. Of Strongly disagree,")
    other = by_id["3/open 2/class: lower class"]
    assert other.context == (
        "Please follow all instructions from the perspective of a person who belongs to the lower class. "
        "At a debate: Taxes are high. You say?"
    )
    assert (other.frame, other.axis, other.identity) == ("class: lower class", "persona: class", "")
    assert [found.split(" a person who ")[1].split(". ")[0] for found in _personas_of(by_id)] == [
        "is female",
        "is 18 years old",
        "is from the USA",
        "has far left political views",
        "belongs to the lower class",
    ]


def _personas_of(by_id: dict[str, Item]) -> list[str]:
    return [one.context for name, one in by_id.items() if name.startswith("1/open 1/") and "person who" in one.context]


def test_tiers(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    quick = read_political_compass(folder, "quick")
    assert Counter(one.frame for one in quick.items) == {"no persona": 3 * 4}
    standard = read_political_compass(folder)
    assert standard.items == read_political_compass(folder, "standard").items
    drawn: dict[str, set[tuple[str, ...]]] = {}
    for cluster in ("proposition 1", "proposition 2", "proposition 3"):
        for frame in {one.frame for one in standard.items} - {"no persona"}:
            own = [one.paraphrase for one in standard.items if (one.cluster, one.frame) == (cluster, frame)]
            drawn.setdefault(cluster, set()).add(tuple(own))
    # A persona is compared with another on the same two instructions of a proposition.
    assert {len(own) for own in drawn.values()} == {1}
    assert {len(set(pair)) for own in drawn.values() for pair in own} == {2}
    whole = set(read_political_compass(folder, "full").items)
    assert set(quick.items) < set(standard.items) < whole
    for tier, said in (("quick", True), ("standard", True), ("full", False)):
        notes = read_political_compass(folder, tier).card.notes
        assert any("not those of the whole" in note for note in notes) is said


def test_the_drawn_instructions_are_pinned(tmp_path: Path) -> None:
    items = read_political_compass(folder_with(tmp_path)).items
    drawn = [(one.cluster[-1], one.paraphrase) for one in items if one.frame == "age: 18"]
    # The two with the lowest SHA-256 of "1/closed 1" and so on, as sha256sum gives them.
    assert drawn == [
        ("1", "closed 1"),
        ("1", "open 2"),
        ("2", "open 1"),
        ("2", "closed 2"),
        ("3", "open 1"),
        ("3", "open 2"),
    ]


@pytest.mark.parametrize(
    ("broken", "where", "problem"),
    [
        ({"questions": "One.\n \nThree."}, f"{QUESTIONS}, line 2", "the proposition is empty"),
        (
            {"categories": SORTED[:1]},
            f"{QUESTIONS}, line 2",
            "the proposition has no category in question_category_mapping.json",
        ),
        ({"categories": [*SORTED, {"name": "", "questions": []}]}, f"{CATEGORIES}, [2]", "name is empty"),
        ({"categories": [*SORTED, ["Sex"]]}, f"{CATEGORIES}, [2]", "the category is no object"),
        (
            {"categories": [*SORTED, {"name": "Sex", "questions": ["3"]}]},
            f"{CATEGORIES}, [2]",
            "questions is no list of whole numbers",
        ),
        (
            {"categories": [*SORTED, {"name": "Sex", "questions": [1]}]},
            f"{CATEGORIES}, [2]",
            "a question stands in another category already",
        ),
        (
            {"instructions": {**INSTRUCTED, "closed_domain": ["Judge: {proposition}"]}},
            f"{INSTRUCTIONS}, closed_domain[0]",
            "the instruction needs one each of {proposition}, {options}",
        ),
        (
            {"instructions": {**INSTRUCTED, "open_domain": ["{proposition} and {proposition}"]}},
            f"{INSTRUCTIONS}, open_domain[0]",
            "the instruction needs one each of {proposition}",
        ),
        (
            {"instructions": {**INSTRUCTED, "open_domain": ["On {proposition}", 3]}},
            f"{INSTRUCTIONS}, open_domain[1]",
            "the instruction is not text",
        ),
        (
            {"instructions": {"closed_domain": INSTRUCTED["closed_domain"]}},
            f"{INSTRUCTIONS}, open_domain",
            "is no list",
        ),
        ({"personas": {**PEOPLE, "age": ["18", ""]}}, f"{PERSONAS}, age[1]", "the persona is empty"),
        ({"personas": {**PEOPLE, "cls": "lower class"}}, f"{PERSONAS}, cls", "is no list"),
    ],
)
def test_what_cannot_be_used_is_counted(tmp_path: Path, broken: dict[str, Any], where: str, problem: str) -> None:
    probe = read_political_compass(folder_with(tmp_path, **broken))
    assert [one.detail for one in probe.refusals] == [f"{tmp_path / where}: {problem}"]
    assert probe.items


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ({"categories": {}}, "is no JSON list"),
        ({"instructions": []}, "is no JSON object"),
        ({"personas": 1}, "is no JSON"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, broken: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read_political_compass(folder_with(tmp_path, **broken))


def test_a_broken_file(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    write(folder / PERSONAS, '{\n"age": [}')
    with pytest.raises(UsageError, match="malformed JSON") as caught:
        read_political_compass(folder)
    assert str(caught.value.where) == f"{folder / PERSONAS}, line 2"


def test_the_published_folder(shared_data: Path) -> None:
    # 62 propositions in six categories, 10 closed and 10 open instructions, 21 personas of five traits.
    folder = shared_data / "political_compass_copenlu"
    if not is_political_compass(folder):
        pytest.skip(f"no {folder}")
    probe = read_political_compass(folder, "full")
    assert probe.refusals == ()
    assert len(probe.items) == 62 * 20 * 22 == 27_280
    alone = [one for one in probe.items if one.frame == "no persona"]
    assert len(alone) == 62 * 20
    assert Counter(one.theme for one in alone) == {
        "Country and World": 7 * 20,
        "Economy": 14 * 20,
        "Social Values": 18 * 20,
        "Wider Society": 12 * 20,
        "Religion": 5 * 20,
        "Sex": 6 * 20,
    }
    assert len({one.cluster for one in probe.items}) == 62
    assert Counter(one.paraphrase.split()[0] for one in alone) == {"closed": 620, "open": 620}
    frames = {one.frame: one.axis for one in probe.items}
    assert Counter(frames.values()) == {
        "no persona": 1,
        "persona: gender": 3,
        "persona: age": 5,
        "persona: nation": 5,
        "persona: political orientation": 4,
        "persona: class": 4,
    }
    lines = (folder / QUESTIONS).read_text(encoding="utf-8").splitlines()
    for one in probe.items:
        assert lines[int(one.id.split("/")[0]) - 1] in one.context
        assert "{" not in one.context
    assert len({one.context for one in probe.items}) == len(probe.items)
    assert len(read_political_compass(folder).items) == 62 * (20 + 21 * 2)
    card = probe.card
    assert card.licence.startswith("MIT")
    assert "Findings of EMNLP" in card.citation
    assert set(card.metrics) <= set(METRICS)
    assert card.content_warning
    assert any("no key" in one for one in card.defects)
