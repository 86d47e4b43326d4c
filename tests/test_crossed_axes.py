"""Two axes at once: every pair once, each beside the pair of both references, controls included."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
from probe_material import FAITH, LEXICON, SECTION, lexicon_of, sentences_of

from auditor.adapters.probe_files.crossed_axes import UncrossableError, asked_axis, cross, parts_of
from auditor.adapters.probe_files.expansion import expand
from auditor.adapters.probe_files.lexicon import Identity, Lexicon
from auditor.core.items import Item

TWO: dict[str, Any] = {
    "axes": [*LEXICON["axes"], FAITH],
    "controls": [{**LEXICON["controls"][0], "who": "who play the oboe"}, LEXICON["controls"][1]],
}


def lexicon(**faith: Any) -> Lexicon:
    content = copy.deepcopy(TWO)
    content["axes"][1].update(faith)
    return lexicon_of(content)


def rows(section: dict[str, Any] = SECTION, variants: int | None = None) -> list[Item]:
    return list(expand(lexicon(), sentences_of(section), ["a*faith"], variants))


def test_every_pair_stands_once() -> None:
    first, second = lexicon().axes
    axis = cross(first, second, "and")
    assert axis.name == "a*faith"
    pairs = {one.name: one for one in axis.identities}
    assert len(pairs) == len(axis.identities) == 4 * 3
    assert {name for name, one in pairs.items() if one.role == "reference"} == {
        "refs who are Christian", "others who are Christian",
    }  # fmt: skip
    # Marked x reference, reference x marked and marked x marked meet the references of their own groups.
    meets = {name: one.meets for name, one in pairs.items()}
    own, other = meets["refs who are Christian"], meets["others who are Christian"]
    assert own != other
    assert {name for name, group in meets.items() if group == own and pairs[name].role == "marked"} == {
        "refs who are Muslim", "refs who are Jewish",
        "xans who are Christian", "xans who are Muslim", "xans who are Jewish",
    }  # fmt: skip
    assert [dict(one) for one in pairs["xans who are Muslim"].surfaces] == [
        {"people": "xans who are Muslim"}, {"people": "people of x who are Muslim"},
    ]  # fmt: skip


def test_reference_identities_of_one_group_stay_in_one() -> None:
    first = lexicon().axes[0]
    both = [one if one.role == "marked" else one.model_copy(update={"group": "both"}) for one in first.identities]
    marked = [
        Identity.model_validate({**one.model_dump(), "reference": "both"}) for one in both if one.role == "marked"
    ]
    grouped = first.model_copy(
        update={"control_reference": "both", "identities": (*(one for one in both if one.role == "reference"), *marked)}
    )
    assert len({one.meets for one in cross(grouped, lexicon().axes[1], "and").identities}) == 1


def test_control_identities_stand_beside_either_reference() -> None:
    asked = asked_axis(lexicon(), "a*faith")
    assert asked.parts == ("a", "faith")
    assert {one.name: [dict(form) for form in one.surfaces] for one in asked.controls} == {
        "oboists who are Christian": [
            {"people": "oboists who are Christian"}, {"people": "people of the oboe who are Christian"},
        ],
        "people who are Christian": [{"people": "people who are Christian"}],
        "refs who play the oboe": [{"people": "refs who play the oboe"}, {"people": "people of ref who play the oboe"}],
    }  # fmt: skip


def test_a_clause_after_a_clause_is_joined_to_it() -> None:
    content = copy.deepcopy(TWO)
    for one in [*content["axes"][0]["identities"], *content["controls"]]:
        one["surfaces"] = [{"people": one["name"]}, {"people": f"people who are {one['name']}"}]
    asked = asked_axis(lexicon_of(content), "a*faith")
    forms = {one.name: [form["people"] for form in one.surfaces] for one in (*asked.axis.identities, *asked.controls)}
    assert forms["xans who are Muslim"] == ["xans who are Muslim", "people who are xans and who are Muslim"]
    assert forms["oboists who are Christian"][1] == "people who are oboists and who are Christian"
    assert forms["refs who play the oboe"][1] == "people who are refs and who play the oboe"


def test_clauses_of_a_language_with_commas() -> None:
    content = copy.deepcopy(TWO)
    content["conjunction"] = "und"
    for one in [*content["axes"][0]["identities"], *content["controls"]]:
        one["surfaces"] = [{"people": f"{one['name']}e Menschen"}, {"people": f"Menschen, die {one['name']} sind"}]
    for one in content["axes"][1]["identities"]:
        one["who"] = f", die {one['name']} sind"
    pairs = {one.name: one for one in asked_axis(lexicon_of(content), "a*faith").axis.identities}
    assert [form["people"] for form in pairs["xans, die Muslim sind"].surfaces] == [
        "xanse Menschen, die Muslim sind", "Menschen, die xans sind und die Muslim sind",
    ]  # fmt: skip


def test_without_a_reference_for_them_control_identities_stay_away() -> None:
    asked = asked_axis(lexicon(control_reference=""), "a*faith")
    assert asked.controls == ()
    assert asked.axis.control_reference == ""


def test_an_axis_by_itself_is_the_lexicons() -> None:
    found = lexicon()
    asked = asked_axis(found, "faith")
    assert (asked.axis, asked.parts, asked.controls) == (found.axes[1], ("faith",), found.controls)
    assert parts_of("faith") == ("faith",)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a*a", "a\\*a crosses an axis with itself"),
        ("a*faith*a", "crosses 3 axes"),
        ("faith*a", "'refs' has no 'who'"),
    ],
)
def test_what_cannot_be_crossed(name: str, problem: str) -> None:
    with pytest.raises(UncrossableError, match=problem):
        asked_axis(lexicon(), name)


def test_nothing_can_follow_forms_of_several_slots() -> None:
    slots = [{"they": "they", "them": "them"}]
    identities = [{**one, "surfaces": slots} for one in FAITH["identities"]]
    identities = [{**one, "name": f"n{at}", "reference": (at and "n0") or ""} for at, one in enumerate(identities)]
    content = copy.deepcopy(TWO)
    content["axes"].append({**FAITH, "name": "c", "control_reference": "", "identities": identities})
    with pytest.raises(UncrossableError, match=r"forms of 'c' have several slots \(them, they\)"):
        asked_axis(lexicon_of(content), "c*faith")


def test_every_row_meets_reference_rows_that_differ_in_the_pair_alone() -> None:
    for variants in (1, 3, None):
        found = rows(variants=variants)
        assert {item.axis for item in found} == {"a*faith"}
        keys: dict[tuple[str, str], list[Item]] = {}
        for item in found:
            keys.setdefault((item.valence, item.match), []).append(item)
        for group in keys.values():
            (reference,) = (item for item in group if item.role == "reference")
            for item in group:
                assert item.cluster == reference.cluster
                assert item.candidates == reference.candidates
                assert item.context.replace(item.surface, "X") == reference.context.replace(reference.surface, "X")
        assert len({item.id for item in found}) == len(found)
    roles = Counter(item.role for item in rows(variants=1) if item.valence == "harm")
    # Of twelve pairs two are references; three control identities; one predicate in one variant.
    assert roles == {"marked": 10, "reference": 2, "control": 3}


def test_sections_that_name_whom_they_are_about_are_about_one_axis() -> None:
    for narrow in ({"references": ["refs"]}, {"identities": ["xans"]}, {"against": ["refs", "xans"]}, {"axes": ["a"]}):
        assert rows({**SECTION, **narrow}) == []
    assert rows({**SECTION, "axes": ["a", "faith"]}) == rows()


@pytest.mark.parametrize("axis", ["a", "faith"])
def test_a_predicate_left_out_on_one_axis_is_left_out_on_pairs(axis: str) -> None:
    rain = {"name": "rain", "wordings": [["wet", "dry"]]}
    section = {**SECTION, "predicates": [{**SECTION["predicates"][0], "except_axes": [axis]}, rain]}
    assert {item.cluster for item in rows(section)} == {"rain"}
