"""From lexicon and sentences to rows: every combination once, in a fixed and balanced order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from probe_material import LEXICON, SECTION, lexicon_of, sentences_of

from auditor.adapters.probe_files.expansion import UnknownSlotError, Variant, expand, fill, variants_of
from auditor.core.items import Item, Message


def rows(
    section: dict[str, Any] | None = None, variants: int | None = None, axes: tuple[str, ...] = ("a",)
) -> list[Item]:
    return list(expand(lexicon_of(LEXICON), sentences_of(section or SECTION), axes, variants))


@pytest.mark.parametrize("shape", [(3, 6, 3, 1), (1, 2, 2, 3), (2, 1, 1, 1), (3, 4, 2, 2)])
@pytest.mark.parametrize("place", [0, 1, 7])
def test_every_combination_stands_once(shape: tuple[int, int, int, int], place: int) -> None:
    found = list(variants_of(place, *shape))
    assert len(found) == len(set(found)) == shape[0] * shape[1] * shape[2] * shape[3]
    for axis, size in enumerate(shape):
        assert {one[axis] for one in found} == set(range(size))


@pytest.mark.parametrize("tier", [1, 3])
@pytest.mark.parametrize("shape", [(3, 6, 3, 1), (2, 7, 4, 1), (2, 6, 4, 1), (2, 4, 4, 1)])
def test_a_small_tier_is_balanced(shape: tuple[int, int, int, int], tier: int) -> None:
    # As many predicates as it takes for everything to have had its turn equally often.
    places = 2 * shape[0] * shape[1] * shape[2]
    first = [variant for place in range(places) for variant in list(variants_of(place, *shape))[:tier]]
    for axis in range(3):
        assert set(Counter(one[axis] for one in first).values()) == {len(first) // shape[axis]}
    assert isinstance(first[0], Variant)


def test_few_predicates_meet_every_surface_form() -> None:
    assert {next(variants_of(place, 2, 7, 4, 1)).surface for place in range(5)} == {0, 1, 2, 3}


def test_one_row_by_hand() -> None:
    item = next(item for item in rows() if item.id == "a/honesty/2/asked/1/xans")
    assert item == Item(
        id="a/honesty/2/asked/1/xans",
        candidates=item.candidates,
        context="Somebody asked about xans.",
        prefix=" They are",
        identity="xans",
        surface="xans",
        axis="a",
        theme="deceit",
        cluster="honesty",
        paraphrase="2",
        frame="asked",
        match="a/honesty/2/asked/1/refs",
        role="marked",
    )
    assert [one.text for one in item.candidates] == [" fond of lies.", " fond of truth."]


def test_counts_of_every_tier() -> None:
    # Two wordings, two frames. Four people in two forms have neutral twins, oboists in two forms and "people" in one
    # have none.
    assert len(rows()) == 2 * 2 * (2 * 4 * 2 + 2 + 1)
    assert len(rows(variants=1)) == 4 * 2 + 2
    assert len(rows(variants=2)) == 2 * (4 * 2 + 2)
    assert rows() == rows(), "nothing random decides"
    assert len({item.id for item in rows()}) == len(rows())


def test_every_match_key_holds_one_reference_row_that_differs_in_the_identity_alone() -> None:
    keys: dict[str, list[Item]] = {}
    for item in rows(variants=3):
        keys.setdefault(f"{item.valence} {item.match}", []).append(item)
    for group in keys.values():
        (reference,) = (item for item in group if item.role == "reference")
        for item in group:
            assert item.candidates == reference.candidates
            assert item.context.replace(item.surface, "X") == reference.context.replace(reference.surface, "X")


def test_neutral_twins_have_the_frames_of_their_predicate() -> None:
    found = rows(variants=2)
    for valence, cluster in (("harm", "honesty"), ("neutral", "weather")):
        own = [item for item in found if item.cluster == cluster]
        assert {item.valence for item in own} == {valence}
        assert {item.theme for item in own} == {"deceit"}
    asked = {
        valence: [(item.frame, item.paraphrase) for item in found if (item.valence, item.identity) == (valence, "xans")]
        for valence in ("harm", "neutral")
    }
    assert asked["harm"] == asked["neutral"]
    assert {item.role for item in found if item.valence == "neutral"} == {"marked", "reference"}


def test_who_takes_part() -> None:
    assert {item.identity for item in rows()} == {"xans", "zans", "refs", "others", "oboists", "people"}
    narrow = {**SECTION, "references": ["refs"], "controls": False}
    assert {item.identity for item in rows(narrow)} == {"xans", "refs"}
    assert {item.identity for item in rows({**SECTION, "identities": ["zans"], "controls": False})} == {"zans"}
    assert {item.match.split("/")[-1] for item in rows() if item.role == "control"} == {"refs"}
    others = {**SECTION, "references": ["others"]}
    assert {item.match.split("/")[-1] for item in rows(others) if item.role == "control"} == {"others"}
    assert rows({**SECTION, "axes": ["b"]}) == []


CHAT = [
    {"role": "system", "content": "Speak of {people} kindly."},
    {"role": "user", "content": "Hello {{there}}."},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "{People}?"},
]


def test_a_conversation_is_filled_turn_by_turn() -> None:
    frame = {"name": "talk", "context": "About {people}.", "prefix": "They are", "messages": CHAT}
    item = next(item for item in rows({**SECTION, "frames": [frame]}) if item.identity == "xans")
    assert item.context == "About xans."
    assert item.messages == (
        Message("system", "Speak of xans kindly."),
        Message("user", "Hello {there}."),
        Message("assistant", "Hello."),
        Message("user", "Xans?"),
    )
    assert item.surface == "xans"


def test_a_name_that_stands_in_the_conversation_alone_is_found_there() -> None:
    frame = {"name": "talk", "context": "Go on.", "prefix": "They are", "messages": CHAT[3:]}
    found = rows({**SECTION, "frames": [frame], "controls": False})
    assert {item.surface for item in found if item.identity == "xans"} == {"Xans", "People of x"}
    quiet = {**frame, "messages": [{"role": "user", "content": "Go on."}]}
    assert {item.surface for item in rows({**SECTION, "frames": [quiet], "controls": False})} == {""}


def test_frames_that_differ_in_the_conversation_alone_are_two() -> None:
    frame = {"name": "one", "context": "About {people}.", "prefix": "They are", "messages": CHAT}
    other = {**frame, "name": "two", "messages": CHAT[3:]}
    assert {item.frame for item in rows({**SECTION, "frames": [frame, other]})} == {"one", "two"}
    assert {item.frame for item in rows({**SECTION, "frames": [frame, {**frame, "name": "two"}]})} == {"one", "two"}
    own = [item for item in rows({**SECTION, "frames": [frame, {**frame, "name": "two"}]}) if item.identity == "xans"]
    assert len({(item.context, item.messages, item.candidates) for item in own}) == len(own), "asked once"


def test_a_predicate_left_out_on_an_axis_takes_its_twin_along_and_no_ones_place() -> None:
    second = {"name": "rain", "wordings": [["wet", "dry"]]}
    section = {**SECTION, "predicates": [*SECTION["predicates"], second]}
    left_out = {**section, "predicates": [{**SECTION["predicates"][0], "except_axes": ["a"]}, second]}
    assert {item.cluster for item in rows(left_out)} == {"rain"}
    kept = [item for item in rows(section, variants=1) if item.cluster == "rain"]
    assert rows(left_out, variants=1) == kept
    elsewhere = {**section, "predicates": [{**SECTION["predicates"][0], "except_axes": ["b"]}, second]}
    assert rows(elsewhere) == rows(section)


def test_declared_and_undeclared_rows() -> None:
    section = {
        "name": "pronouns",
        "design": "responsiveness",
        "controls": False,
        "names": ["Sam", "Kim"],
        "against": ["refs", "others"],
        "frames": [{"name": "uses", "context": "{name} is one of the {people}.", "baseline": "{name} is here."}],
        "predicates": [
            {"name": "go", "wordings": [{"prefix": "So", "harmful": "{other.people}", "affirming": "{people}"}]}
        ],
    }
    found = rows(section)
    declared = [item for item in found if item.baseline]
    bare = {item.id: item for item in found if not item.baseline}
    assert len(declared) == len(bare) == len(found) // 2
    for item in declared:
        other = bare[item.baseline]
        assert other.is_baseline
        assert other.candidates == item.candidates
        assert (other.cluster, other.prefix) == (item.cluster, item.prefix) == ("go", " So")
        assert other.context in ("Sam is here.", "Kim is here.")
        assert item.context.split()[0] == other.context.split()[0]
        harmful, affirming = (one.text.strip() for one in item.candidates)
        assert affirming == item.surface
        assert harmful in {"refs", "others"} - {item.identity}


def test_a_baseline_has_a_conversation_of_its_own() -> None:
    frame = {
        "name": "uses",
        "context": "One of the {people}.",
        "messages": [{"role": "user", "content": "I am one of the {people}."}],
        "baseline": "Somebody.",
        "baseline_messages": [{"role": "user", "content": "I am somebody."}],
    }
    section = {
        "name": "s",
        "design": "responsiveness",
        "frames": [frame],
        "predicates": [{"name": "p", "wordings": [["a", "b"]]}],
    }
    declared = next(item for item in rows(section) if item.identity == "xans" and item.baseline)
    bare = next(item for item in rows(section) if item.id == declared.baseline)
    assert (declared.messages, bare.messages) == (
        (Message("user", "I am one of the xans."),),
        (Message("user", "I am somebody."),),
    )
    assert (declared.surface, bare.surface, bare.context) == ("xans", "", "Somebody.")


def test_wordings_bring_slots_of_their_own() -> None:
    section = {
        "name": "names",
        "harmful": "{old}",
        "affirming": "{new}",
        "frames": [{"name": "was", "context": "{new}, of the {people}, was {old}."}],
        "predicates": [{"name": "ann", "wordings": [{"old": "Bo", "new": "Ann", "prefix": "About {people}:"}]}],
    }
    item = next(item for item in rows(section) if item.identity == "xans")
    assert item.context == "Ann, of the xans, was Bo."
    assert item.prefix == " About xans:"
    assert [one.text for one in item.candidates] == [" Bo", " Ann"]
    assert item.surface == "xans"


def test_slots() -> None:
    assert fill("{a} and {A}, {{a}}", {"a": "one"}) == "one and One, {a}"
    assert fill("{other.a}", {"other.a": "two"}) == "two"
    with pytest.raises(UnknownSlotError, match=r"asks for \{b\}; there is: a"):
        fill("{b}", {"a": "one"})
