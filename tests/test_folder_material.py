"""A probe folder's material, without expanding it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from command_line import ROOT
from lint_cases import SOUND_LEXICON, material_of, predicate, spoilt
from probe_material import LEXICON, SECTION, write_probe

from auditor.adapters.probe_files.probe_folders import build_probe, read_folder
from auditor.adapters.probe_lint.folder_material import folder_material
from auditor.errors import UsageError


def test_wordings_with_their_twins_frames_and_people(tmp_path: Path) -> None:
    found = material_of(spoilt(tmp_path / "mine", names=["Alex"]))
    assert [(one.where, one.valence) for one in found.wordings] == [
        ("honesty, wording 1", "harm"), ("honesty, wording 2", "harm"),
        ("weather, wording 1", "neutral"), ("weather, wording 2", "neutral"),
    ]  # fmt: skip
    first = found.wordings[0]
    assert (first.harmful, first.affirming, first.theme, first.beside) == (" false.", " frank.", "deceit", "")
    assert first.contexts[0] == ("met", "I met some {people}. They are")
    assert first.asked == {("a", "xans"), ("a", "zans")}
    assert found.names["a", "xans"] == ("xans", "xans", "people of x")


def test_slots_of_a_wording_are_filled_and_those_of_identities_left(tmp_path: Path) -> None:
    section = {
        **copy.deepcopy(SECTION),
        "harmful": "{other.people} {did}",
        "affirming": "{People} {did}",
        "against": ["xans", "zans"],
        "frames": [{"name": "f", "context": "{name} met {people} at {place}."}],
        "names": ["Alex"],
        "predicates": [
            {"name": "p", "wordings": [{"place": "the old shop", "did": "left {place}", "prefix": "Then"}]},
        ],
    }
    (one,) = material_of(write_probe(tmp_path / "mine", lexicon=LEXICON, sections=(section,))).wordings
    assert one.harmful == " {other.people} left the old shop."
    assert one.affirming == " {people} left the old shop."
    assert one.contexts == (("f", "{name} met {people} at the old shop. Then"),)
    assert one.beside == "the old shop left the old shop Then"


def test_texts_hold_every_name_context_and_candidate(tmp_path: Path) -> None:
    texts = material_of(spoilt(tmp_path / "mine")).texts
    assert texts["people of x"] == "xans"
    assert texts["I met some people of x."] == texts["I met some harp players."] == "main, frame met"
    assert texts["They are"] == "main, frame met"
    assert texts["are fond of lies."] == "honesty, wording 2"


def test_axes_are_chosen(tmp_path: Path) -> None:
    axis = {**copy.deepcopy(LEXICON["axes"][0]), "name": "b"}
    folder = write_probe(tmp_path / "mine", lexicon={**SOUND_LEXICON, "axes": [*LEXICON["axes"], axis]})
    assert {axis for axis, _ in material_of(folder).names} == {"a", "b"}
    assert {axis for axis, _ in material_of(folder, "b").names} == {"b"}
    with pytest.raises(UsageError, match="has none of these axes"):
        material_of(folder, "c")


def test_a_conversation_is_a_context_too(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Do you know {people}?"}]
    frame = {"name": "met", "context": "I met some {people}.", "prefix": "They are", "messages": turns}
    found = material_of(spoilt(tmp_path / "mine", frames=[frame]))
    assert found.wordings[0].contexts == (
        ("met", "I met some {people}. They are"),
        ("met in a chat", "Be brief. Do you know {people}? They are"),
    )
    assert found.texts["Do you know people of x?"] == found.texts["Be brief."] == "main, frame met"


def test_a_predicate_left_out_on_an_axis_is_asked_of_nobody_there(tmp_path: Path) -> None:
    axis = {**copy.deepcopy(LEXICON["axes"][0]), "name": "b"}
    section = copy.deepcopy(SECTION)
    section["predicates"][0]["except_axes"] = ["b"]
    section["predicates"].append(predicate("kindness", ("harsh", "sweet")))
    lexicon = {**SOUND_LEXICON, "axes": [*LEXICON["axes"], axis]}
    found = material_of(write_probe(tmp_path / "mine", lexicon=lexicon, sections=(section,)))
    asked = {one.cluster: {axis for axis, _ in one.asked} for one in found.wordings}
    assert asked == {"honesty": {"a"}, "weather": {"a"}, "kindness": {"a", "b"}}
    # Two wordings of two frames and forms are asked on axis a alone, one of another predicate on both.
    marked = {(one.part[0], one.part[3]): one.rows for one in found.shares if one.identity == "xans"}
    assert marked == {("a", "harm"): 12, ("a", "neutral"): 8, ("b", "harm"): 4}


def test_a_clause_is_a_text_of_its_identity(tmp_path: Path) -> None:
    lexicon = copy.deepcopy(SOUND_LEXICON)
    lexicon["axes"][0]["identities"][2]["who"] = "who are  xans"
    texts = material_of(write_probe(tmp_path / "mine", lexicon=lexicon)).texts
    assert texts["who are  xans"] == "xans"


def test_a_slot_that_nobody_fills(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"asks for \{nobody\}"):
        material_of(spoilt(tmp_path / "mine", predicate("p", ("{nobody} lied", "{nobody} sang"))))


@pytest.mark.parametrize("name", [pytest.param("stigma", marks=pytest.mark.slow), "affirmation"])
def test_shares_are_those_of_the_expanded_rows(name: str) -> None:
    folder = read_folder(ROOT / "probes" / name)
    # All axes share their sentences: the one with the fewest names is quickest.
    axes = ("body-size",) if name == "stigma" else folder.axes[:2]
    keys: dict[tuple[str, ...], set[object]] = {}
    for item in build_probe(folder, "full", axes).items:
        if not item.is_baseline:
            who = (item.axis, item.theme, item.design, item.valence, item.role, item.identity)
            keys.setdefault(who, set()).add(item.match)
    shares = folder_material(folder, axes).shares
    told = {(*one.part, one.identity): one.keys for one in shares}
    assert told.keys() == keys.keys()
    # Words on things are the same whatever the form of a name, and then asked once.
    fewer = {who: count for who, count in told.items() if len(keys[who]) != count}
    assert all(len(keys[who]) < count for who, count in fewer.items())
    assert {design for _, _, design, *_ in fewer} <= {"responsiveness"}
    assert len(fewer) < len(told) / 2


def test_contexts_hold_the_words_of_every_wording(tmp_path: Path) -> None:
    section = {
        **copy.deepcopy(SECTION),
        "harmful": "{did}",
        "affirming": "{was}",
        "frames": [{"name": "f", "context": "I met {people} at {place}.", "prefix": "They"}],
        "predicates": [
            {"name": name, "wordings": [{"place": place, "did": "fought", "was": "danced"}]}
            for name, place in (("p", "the new shop"), ("q", "a old shop"))
        ],
    }
    texts = material_of(write_probe(tmp_path / "mine", lexicon=LEXICON, sections=(section,))).texts
    assert texts["I met {people} at a old shop."] == "q, wording 1"
    assert texts["I met xans at the new shop."] == "main, frame f"
