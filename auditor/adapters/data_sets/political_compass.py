"""Propositions of the Political Compass under instructions and personas, as Wright et al. 2024 ask them.

An item is one proposition in the words of one instruction, alone or asked of one persona; its candidates are the four
answers, none of which is the harmful side. A persona is a frame and no identity: it says as whom the model is to speak,
and nobody is spoken about, so nothing here may be told as harm to the people whom it names.

All combinations of the published files are 27,280 items. Without a persona every proposition is asked under every
instruction, in each tier. With each persona it is asked under two of them (``standard``), which hashes choose, so that
they are always the same and the same for all personas; under all (``full``); or not at all (``quick``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from auditor.adapters.data_sets.public_sets import collect, joint_sha256, read_json, read_lines, text_problem
from auditor.adapters.probe_files.probe_folders import Tier
from auditor.core.agreement import AGREEMENT_METRICS, ANSWERS
from auditor.core.items import Candidate, Card, Item, Probe
from auditor.errors import UsageError

QUESTIONS = "data/political_compass/political_compass_questions.txt"
CATEGORIES = "data/political_compass/question_category_mapping.json"
INSTRUCTIONS = "data/prompting/instructions.json"
PERSONAS = "data/prompting/personas.json"
FILES = (QUESTIONS, CATEGORIES, INSTRUCTIONS, PERSONAS)

NO_PERSONA = "no persona"
_PROPOSITION, _OPTIONS = "{proposition}", "{options}"
# The slots that an instruction of a kind has, by the kind's key and its name here.
_KINDS = {"closed_domain": ("closed", (_PROPOSITION, _OPTIONS)), "open_domain": ("open", (_PROPOSITION,))}
# What is said of a persona, by the key of the file; its parties go with nation and orientation and are left out.
_TRAITS = {
    "gender": ("gender", "is {}"),
    "age": ("age", "is {} years old"),
    "nation": ("nation", "is from {}"),
    "political_orientation": ("political orientation", "has {} political views"),
    "cls": ("class", "belongs to the {}"),
}
_PERSPECTIVE = "Please follow all instructions from the perspective of a person who {}. "
_WITH_A_PERSONA = 2
_OTHERWISE = (
    "the answers are offered in one order, from strongly disagree to strongly agree, where the authors shuffle them; "
    "personas have one trait, where theirs have two; nothing is asked for in JSON: figures are no published ones"
)

# What could not be used: where it stands, and why.
_Problems = list[tuple[str, str]]


class _Instruction(NamedTuple):
    """Its kind and place in the file, and its words with slots."""

    name: str
    text: str


class _Persona(NamedTuple):
    """The trait it is about, its name, and the sentence that asks to speak as it."""

    axis: str
    name: str
    sentence: str


_NOBODY = _Persona(NO_PERSONA, NO_PERSONA, "")


def is_political_compass(folder: Path) -> bool:
    """Whether a folder is laid out as the published repository."""
    return all((folder / file).is_file() for file in FILES)


def read_political_compass(folder: Path, tier: Tier = "standard", name: str = "political_compass") -> Probe:
    """Read the published folder; propositions, instructions and personas that are none are refused and counted.

    Args:
        tier: under how many instructions a proposition is asked of a persona: none, 2 or, ``full``, all.

    Raises:
        UsageError: a file is missing, is not UTF-8 or not the JSON that it should be.
    """
    lines, *hashes = read_lines(folder / QUESTIONS)
    documents = {}
    for file in (CATEGORIES, INSTRUCTIONS, PERSONAS):
        documents[file], sha256 = read_json(folder / file)
        hashes.append(sha256)
    problems: _Problems = []
    categories = _categories(folder / CATEGORIES, documents[CATEGORIES], problems)
    instructions = list(_instructions(folder / INSTRUCTIONS, documents[INSTRUCTIONS], problems))
    personas = list(_personas(folder / PERSONAS, documents[PERSONAS], problems))

    def entries() -> Iterator[tuple[str, Item | str]]:
        yield from problems
        for at, line in enumerate(lines[:-1] if lines[-1] == "" else lines):
            proposition = line.strip()
            where = f"{folder / QUESTIONS}, line {at + 1}"
            problem = text_problem({"the proposition": proposition}, ["the proposition"])
            if problem or at not in categories:
                yield where, problem or f"the proposition has no category in {Path(CATEGORIES).name}"
                continue
            for persona, instruction in _asked(at + 1, instructions, personas, tier):
                yield where, _item(at + 1, proposition, categories[at], instruction, persona)

    return collect(name, _card(joint_sha256(hashes), tier), entries())


def _categories(path: Path, document: object, problems: _Problems) -> Mapping[int, str]:
    """The category of each proposition, by its place from 0 on."""
    found: dict[int, str] = {}
    if not isinstance(document, list):
        raise UsageError("is no JSON list", where=str(path), fix="Give the file as it was published.")
    for at, entry in enumerate(document):
        problem = _category_problem(entry, found)
        if problem:
            problems.append((f"{path}, [{at}]", problem))
        else:
            found.update((one, entry["name"]) for one in entry["questions"])
    return found


def _category_problem(entry: object, found: Mapping[int, str]) -> str:
    if not isinstance(entry, dict):
        return "the category is no object"
    problem = text_problem(entry, ["name"])
    numbers = entry.get("questions")
    if problem:
        return problem
    if not isinstance(numbers, list) or not all(type(one) is int for one in numbers):
        return "questions is no list of whole numbers"
    return "a question stands in another category already" if any(one in found for one in numbers) else ""


def _instructions(path: Path, document: object, problems: _Problems) -> Iterator[_Instruction]:
    kinds = _object(path, document)
    for key, (kind, slots) in _KINDS.items():
        where = f"{path}, {key}"
        for at, text in _texts(where, "the instruction", kinds.get(key), problems):
            if all(text.count(slot) == 1 for slot in slots):
                yield _Instruction(f"{kind} {at + 1}", text)
            else:
                problems.append((f"{where}[{at}]", f"the instruction needs one each of {', '.join(slots)}"))


def _personas(path: Path, document: object, problems: _Problems) -> Iterator[_Persona]:
    traits = _object(path, document)
    for key, (trait, words) in _TRAITS.items():
        for _, value in _texts(f"{path}, {key}", "the persona", traits.get(key), problems):
            yield _Persona(f"persona: {trait}", f"{trait}: {value}", _PERSPECTIVE.format(words.format(value)))


def _object(path: Path, document: object) -> Mapping[str, object]:
    if not isinstance(document, dict):
        raise UsageError("is no JSON object", where=str(path), fix="Give the file as it was published.")
    return document


def _texts(where: str, what: str, listed: object, problems: _Problems) -> Iterator[tuple[int, str]]:
    """The texts of a list with their places; others are problems."""
    if not isinstance(listed, list):
        problems.append((where, "is no list"))
        return
    for at, text in enumerate(listed):
        problem = text_problem({what: text}, [what])
        if problem:
            problems.append((f"{where}[{at}]", problem))
        else:
            yield at, text


def _asked(
    number: int, instructions: Sequence[_Instruction], personas: Sequence[_Persona], tier: Tier
) -> Iterator[tuple[_Persona, _Instruction]]:
    """Under which instructions one proposition is asked, of nobody and of each persona."""
    yield from ((_NOBODY, one) for one in instructions)
    drawn = {
        "quick": [],
        "standard": sorted(instructions, key=lambda one: _hash(f"{number}/{one.name}"))[:_WITH_A_PERSONA],
        "full": instructions,
    }[tier]
    yield from ((persona, one) for persona in personas for one in drawn)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _item(number: int, proposition: str, category: str, instruction: _Instruction, persona: _Persona) -> Item:
    # The proposition last: what it says is no slot.
    words = instruction.text.replace(_OPTIONS, ", ".join(one.capitalize() for one in ANSWERS))
    return Item(
        id=f"{number}/{instruction.name}/{persona.name}",
        candidates=tuple(Candidate(label, f" {label.capitalize()}") for label in ANSWERS),
        context=persona.sentence + words.replace(_PROPOSITION, proposition),
        prefix="\nAnswer:",
        axis=persona.axis,
        theme=category,
        cluster=f"proposition {number}",
        paraphrase=instruction.name,
        frame=persona.name,
        language="en",
    )


def _card(sha256: str, tier: Tier) -> Card:
    asked = {
        "quick": "no persona",
        "standard": f"personas under {_WITH_A_PERSONA} instructions of all, always the same",
        "full": "",
    }[tier]
    return Card(
        title=f"Political Compass propositions, {asked or 'all personas and instructions'}",
        source="llm-pct-tropes",
        sha256=sha256,
        licence="MIT; the propositions belong to The Political Compass",
        citation="Wright, Arora, Borenstein, Yadav, Belongie & Augenstein 2024, LLM Tropes, Findings of EMNLP 2024, "
        "arXiv 2406.19238",
        content_warning="Propositions about race, disability, abortion, immigration and homosexuality, some of them "
        "discriminatory.",
        metrics=tuple(one.name for one in AGREEMENT_METRICS),
        defects=(
            "Propositions have no key: nothing says which answer is left or right, or to whom one does harm.",
            "Open instructions offer no answers; the four are scored after them all the same.",
            "Closed instructions ask for an argument too; here the answer comes at once.",
            "Answers differ in length and in how common their words are: in a small model that alone may decide.",
        ),
        notes=(
            _OTHERWISE,
            *([f"{asked}: its figures are not those of the whole"] if asked else []),
        ),
    )
