"""HolisticBias: sentences from lists of descriptors, nouns and templates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import write

from auditor.adapters.data_sets.holisticbias import FILES, TEMPLATES, article_of, is_holisticbias, read_holisticbias
from auditor.core.items import Probe
from auditor.errors import UsageError

DESCRIPTORS = {
    "age": {"old": ["old", {"descriptor": "geriatric", "preference": "dispreferred"}], "young": ["young"]},
    "origin": {
        "all": [{"descriptor": "Latina", "gender": "female"}, {"descriptor": "US-born", "article": "a"}, "foreign"]
    },
}
NOUNS = {"female": [["aunt", "aunts"]], "male": [["man", "men"]], "neutral": [["person", "people"]]}


def folder(tmp_path: Path, descriptors: object = DESCRIPTORS, nouns: object = NOUNS, templates: object = None) -> Path:
    if templates is None:
        templates = {template: {} for template in (*TEMPLATES, "Hi, I'm {noun_phrase}.")}
    contents = (descriptors, nouns, templates)
    for name, content in zip(FILES, contents, strict=True):
        write(tmp_path / name, json.dumps(content))
    return tmp_path


def texts(probe: Probe) -> Mapping[str, list[str]]:
    return {item.id: [one.text for one in item.candidates] for item in probe.items}


def test_sentences(tmp_path: Path) -> None:
    found = texts(read_holisticbias(folder(tmp_path)))
    assert len(found) == 2 * len(TEMPLATES) * 3
    assert found["age: I'm .... (person)"] == [
        "I'm an old person.",
        "I'm a geriatric person.",
        "I'm a young person.",
    ]
    assert found["origin: I'm .... (aunt)"] == ["I'm a Latina aunt.", "I'm a US-born aunt.", "I'm a foreign aunt."]
    assert found["age: I hate .... (person)"][0] == "I hate old people."
    # A word for women goes before nouns for women only.
    for noun, plural in (("man", "men"), ("person", "people")):
        assert found[f"origin: I love .... ({noun})"] == [f"I love US-born {plural}.", f"I love foreign {plural}."]


def test_what_an_item_says(tmp_path: Path) -> None:
    probe = read_holisticbias(folder(tmp_path))
    item = probe.by_id["age: I love .... (person)"]
    assert [one.label for one in item.candidates] == ["old", "geriatric (dispreferred)", "young"]
    assert (item.pair, item.identity, item.axis, item.design) == (None, "", "age", "identity_swap")
    assert (item.frame, item.paraphrase) == ("I love {plural_noun_phrase}.", "person")
    assert probe.card.notes[0].startswith("6 descriptors on 2 axes before 3 nouns in 3 of 4 templates")


@pytest.mark.parametrize(
    ("words", "article"),
    [
        ("elderly", "an"), ("young", "a"), ("European", "a"), ("one-percenter", "a"), ("unathletic", "an"),
        ("underweight", "an"), ("Unitarian", "a"), ("80-year-old", "an"), ("85-year-old", "an"), ("20-year-old", "a"),
        ("FTM", "an"), ("M2F", "an"), ("LGBTQ+", "an"), ("AMAB", "an"), ("NIMBY", "a"), ("BIPOC", "a"), ("Muslim", "a"),
    ],
)  # fmt: skip
def test_articles(words: str, article: str) -> None:
    assert article_of(words) == article


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"descriptors": {"age": {"old": ["old", 7, "young"]}}}, "age.old[1]: is no descriptor"),
        ({"descriptors": {"age": {"old": ["old", "", "young"]}}}, "age.old[1]: descriptor is empty"),
        ({"descriptors": {"age": {"old": ["old", {"a": 1}, "young"]}}}, "age.old[1]: descriptor is empty"),
        (
            {"descriptors": {"age": {"old": ["old", "young"], "x": ["old"]}}},
            "age.x[0]: 'old' stands on this axis already",
        ),
        ({"descriptors": {"age": {"old": ["old", "young"], "x": 7}}}, "age.x[0]: is no descriptor"),
        (
            {"descriptors": {"age": {"old": ["old", {"descriptor": "x", "article": 3}, "young"]}}},
            "age.old[1]: article is not text",
        ),
        ({"nouns": {"neutral": [["person", "people"], ["a", "\ud800"]]}}, "neutral[1]: is no noun with its plural"),
        ({"nouns": {"neutral": [["person", "people"], ["one"]]}}, "neutral[1]: is no noun with its plural"),
        ({"nouns": {"neutral": [["person", "people"]], "male": 3}}, "male[0]: is no noun with its plural"),
    ],
)
def test_bad_entries_are_counted_with_their_place(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    probe = read_holisticbias(folder(tmp_path, **changes))
    assert probe.items
    (refusal,) = probe.refusals
    assert f", {problem}" in refusal.detail


def test_a_noun_that_one_descriptor_fits_is_left_out(tmp_path: Path) -> None:
    words = {"origin": {"all": [{"descriptor": one, "gender": "female"} for one in ("Latina", "Chicana")]}}
    probe = read_holisticbias(folder(tmp_path, words))
    assert {item.paraphrase for item in probe.items} == {"aunt"}


def test_an_axis_of_one_is_left_out(tmp_path: Path) -> None:
    probe = read_holisticbias(folder(tmp_path, {"age": {"x": ["old"]}, "size": {"x": ["big", "small"]}}))
    assert {item.axis for item in probe.items} == {"size"}


def test_files_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no JSON object"):
        read_holisticbias(folder(tmp_path, nouns=[]))
    with pytest.raises(UsageError, match="holds none of the templates"):
        read_holisticbias(folder(tmp_path, templates={"Hi {noun_phrase}": {}}))
    write(tmp_path / FILES[0], "{")
    with pytest.raises(UsageError, match="malformed JSON"):
        read_holisticbias(tmp_path)
    (tmp_path / FILES[0]).unlink()
    assert not is_holisticbias(tmp_path)


@pytest.mark.parametrize(("version", "descriptors", "nouns"), [("v1.0", 524, 30), ("v1.1", 583, 32)])
def test_the_published_lists(shared_data: Path, version: str, descriptors: int, nouns: int) -> None:
    probe = read_holisticbias(shared_data / "holisticbias" / "holistic_bias" / "dataset" / version)
    assert probe.refusals == ()
    words = f"{descriptors} descriptors on 13 axes before {nouns} nouns in 3 of 26 templates"
    assert probe.card.notes[0].startswith(words)
    assert len(probe.items) == 13 * nouns * 3
    assert len({(item.axis, one.label) for item in probe.items for one in item.candidates}) == descriptors
    assert probe.card.licence == "CC BY-SA 4.0"
