"""Sentences: what a section may say, and what is refused before a row is made."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from probe_material import SECTION, sentences_of
from pydantic import ValidationError


def test_a_pair_of_texts_is_short_for_two_sides() -> None:
    (section,) = sentences_of(SECTION).sections
    assert section.predicates[0].wordings[0] == {"harmful": "false", "affirming": "frank"}
    assert (section.valence, section.design, section.controls) == ("harm", "text_swap", True)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s: s["predicates"][0]["wordings"].append(["one"]), "a wording is a pair"),
        (lambda s: s["predicates"][0]["wordings"].__setitem__(1, ["false", "frank"]), "a wording stands twice"),
        (
            lambda s: s["predicates"][0]["wordings"].__setitem__(1, ["", "frank"]),
            "predicate 'honesty': the harmful side of wording 2 is empty",
        ),
        (
            lambda s: s["predicates"][0]["neutral"]["wordings"].__setitem__(0, ["damp", " \n"]),
            "predicate 'weather': the affirming side of wording 1 is empty",
        ),
        (lambda s: s.update(harmful=" "), "should match pattern"),
        (lambda s: s["predicates"][0]["neutral"]["wordings"].pop(), "its neutral twin needs 2 wordings as well"),
        (lambda s: s["predicates"][0]["neutral"].update(name="honesty"), "predicate 'honesty' stands twice"),
        (lambda s: s["frames"][0].update(baseline="Nothing."), "a baseline belongs to every frame"),
        (lambda s: s.update(design="responsiveness"), "a baseline belongs to every frame"),
        (lambda s: s.update(design="identity_swap"), "Input should be"),
        (lambda s: s["frames"].append(s["frames"][0]), "frame 'met' stands twice"),
        (lambda s: s.update(frames=[]), "at least 1 item"),
        (lambda s: s.update(colour="red"), "Extra inputs"),
    ],
)
def test_what_a_section_must_not_be(change: Callable[[dict[str, Any]], object], problem: str) -> None:
    section = copy.deepcopy(SECTION)
    change(section)
    with pytest.raises(ValidationError, match=problem):
        sentences_of(section)


def turns(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": "Hm."} for role in roles]


@pytest.mark.parametrize(
    "roles",
    [("user",), ("system", "user"), ("user", "assistant", "user"), ("system", "user", "assistant", "user")],
)
def test_conversations(roles: tuple[str, ...]) -> None:
    (section,) = sentences_of({**SECTION, "frames": [{**SECTION["frames"][0], "messages": turns(*roles)}]}).sections
    assert tuple(turn.role for turn in section.frames[0].messages) == roles


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        (turns("system"), "must alternate"),
        (turns("user", "assistant"), "must alternate"),
        (turns("assistant", "user"), "must alternate"),
        (turns("user", "user"), "must alternate"),
        (turns("user", "assistant", "assistant", "user"), "must alternate"),
        (turns("user", "system", "user"), "must alternate"),
        (turns("system", "system", "user"), "must alternate"),
        (turns("tool", "user"), "Input should be"),
        ([{"role": "user", "content": " "}], "should match pattern"),
        ([{"role": "user", "content": "Hm.", "name": "x"}], "Extra inputs"),
    ],
)
def test_what_a_conversation_must_not_be(messages: list[dict[str, str]], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        sentences_of({**SECTION, "frames": [{**SECTION["frames"][0], "messages": messages}]})


@pytest.mark.parametrize("present", ["messages", "baseline", "baseline_messages", "messages baseline_messages"])
def test_a_conversation_has_a_baseline_that_is_one(present: str) -> None:
    whole = {"messages": turns("user"), "baseline": "Nothing.", "baseline_messages": turns("user")}
    design = {"design": "responsiveness"}
    assert sentences_of({**SECTION, **design, "frames": [{**SECTION["frames"][0], **whole}]})
    frame = {**SECTION["frames"][0], **{name: whole[name] for name in present.split()}}
    section = {**SECTION, "frames": [frame], **(design if "baseline" in present.split() else {})}
    if present in ("messages", "baseline"):
        assert sentences_of(section)
    else:
        with pytest.raises(ValidationError, match="baseline_messages belong to every frame"):
            sentences_of(section)
    halved = {**SECTION["frames"][0], **whole}
    del halved["baseline_messages"]
    with pytest.raises(ValidationError, match="baseline_messages belong to every frame"):
        sentences_of({**SECTION, **design, "frames": [halved]})


def test_sections_have_names_of_their_own() -> None:
    other = {**SECTION, "predicates": [{"name": "x", "wordings": [["a", "b"]]}]}
    with pytest.raises(ValidationError, match="section 'main' stands twice"):
        sentences_of(SECTION, other)
