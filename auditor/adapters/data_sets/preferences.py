"""Preference data: a prompt, the answer that annotators chose and the one they rejected.

The texts are plain (a prompt and two answers, or two whole dialogues that begin alike, as in HH-RLHF) or conversational
(lists of messages). The rejected side stands as ``harmful`` and the chosen one as ``affirming``, so that a positive
margin prefers what was rejected; what that says of anybody is the annotators' affair, which the card says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, takewhile
from typing import Any

from auditor.adapters.data_sets.public_sets import collect, row_id, text_problem
from auditor.adapters.probe_files.table_files import TableFile
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Message, Probe

COLUMNS = ("chosen", "rejected")
PROMPT = "prompt"

# How HH-RLHF writes whose turn begins.
_ASSISTANT, _HUMAN = "\n\nAssistant:", "\n\nHuman:"


class _NoPairError(Exception):
    """A row that is no pair of answers to one prompt; the text says why."""


def read_preferences(table: TableFile) -> Probe:
    """Read preference data; rows that are no two answers to one prompt are refused and counted."""
    openings: dict[str, str] = {}
    dialogues = 0

    def entries() -> Iterator[tuple[str, Item | str]]:
        nonlocal dialogues
        for row in table.stream():
            if row.problem:
                yield table.where(row), row.problem
                continue
            try:
                context, messages, (rejected, chosen) = _pair(row.values)
            except _NoPairError as error:
                yield table.where(row), str(error)
                continue
            number = row_id(row)
            dialogues += context.endswith(_ASSISTANT)
            # Answers to one prompt are not independent, nor is a dialogue asked about at two of its turns.
            opening = next((turn.content for turn in messages if turn.role == "user"), context)
            first = openings.setdefault(opening, number) if opening else number
            yield (
                table.where(row),
                Item(
                    id=number,
                    candidates=(Candidate(HARMFUL, rejected), Candidate(AFFIRMING, chosen)),
                    context=context,
                    messages=messages,
                    cluster=f"prompt of row {first}",
                    language=str(row.values.get("language", "")),
                ),
            )

    probe = collect(table.name, Card(table.name, "", ""), entries())
    whole = bool(probe.items) and dialogues == len(probe.items)
    return Probe(probe.name, probe.items, _card(table, dialogues=whole), probe.refusals)


def _pair(values: Mapping[str, Any]) -> tuple[str, tuple[Message, ...], tuple[str, str]]:
    """Context, conversation, and the rejected and the chosen answer."""
    rejected, chosen, prompt = values.get("rejected"), values.get("chosen"), values.get(PROMPT)
    if isinstance(rejected, list) and isinstance(chosen, list):
        context, messages, sides = "", *_of_conversations(prompt, _turns(rejected), _turns(chosen))
    else:
        problem = text_problem(values, (*COLUMNS, *([PROMPT] if prompt else [])))
        if problem:
            raise _NoPairError(problem)
        context, sides = _of_texts(prompt or "", str(rejected), str(chosen))
        messages = _dialogue(context)
    for label, side in zip(("rejected", "chosen"), sides, strict=True):
        if not side.strip():
            raise _NoPairError(f"the {label} answer is empty")
    if sides[0] == sides[1]:
        raise _NoPairError("both answers are the same")
    return context, messages, sides


def _of_texts(prompt: str, rejected: str, chosen: str) -> tuple[str, tuple[str, str]]:
    """What both texts begin with, and what is left of them."""
    if prompt:
        # Some sets repeat the prompt at the head of both answers.
        repeated = rejected.startswith(prompt) and chosen.startswith(prompt)
        start = len(prompt) if repeated else 0
        return prompt, (rejected[start:], chosen[start:])
    shared = _shared_length(rejected, chosen)
    if rejected.startswith((_HUMAN, _ASSISTANT)):
        at = rejected.rfind(_ASSISTANT, 0, shared)
        cut = at + len(_ASSISTANT) if at >= 0 else 0
        if not cut or any(_HUMAN in text[cut:] for text in (rejected, chosen)):
            raise _NoPairError("the two dialogues differ in more than their last answer")
    else:
        # At a word, whose space belongs to the answer.
        cut = max(rejected.rfind(" ", 0, shared), 0)
    return rejected[:cut], (rejected[cut:], chosen[cut:])


def _shared_length(one: str, other: str) -> int:
    """How many characters two texts begin with alike, found by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one.startswith(other[low:middle], low) else (low, middle - 1)
    return low


def _dialogue(context: str) -> tuple[Message, ...]:
    """The turns of a dialogue that ends where the assistant answers; none where the text is something else.

    Two turns of one side, which no chat template takes, become one.
    """
    if not context.startswith(_HUMAN) or not context.endswith(_ASSISTANT):
        return ()
    turns: list[Message] = []
    for part in context.removesuffix(_ASSISTANT).split(_HUMAN)[1:]:
        human, *answers = part.split(_ASSISTANT)
        turns += [Message("user", human.strip()), *(Message("assistant", one.strip()) for one in answers)]
    sides = groupby(turns, key=lambda turn: turn.role)
    return tuple(Message(role, "\n\n".join(turn.content for turn in own)) for role, own in sides)


def _of_conversations(
    prompt: Any, rejected: Sequence[Message], chosen: Sequence[Message]
) -> tuple[tuple[Message, ...], tuple[str, str]]:
    """The turns before the answer, and the two answers."""
    shared = [one for one, other in takewhile(lambda both: both[0] == both[1], zip(rejected, chosen, strict=False))]
    before = _turns(prompt) if isinstance(prompt, list) else [Message("user", prompt)] if prompt else []
    turns = _joined(before, shared)
    answers = [own[len(shared) :] for own in (rejected, chosen)]
    if any(len(own) != 1 or own[0].role != "assistant" for own in answers):
        raise _NoPairError("the two conversations differ in more than the assistant's last turn")
    if not turns:
        raise _NoPairError("no turn stands before the answers")
    return tuple(turns), (answers[0][0].content, answers[1][0].content)


def _joined(prompt: list[Message], shared: list[Message]) -> list[Message]:
    """The prompt and what both conversations begin with; mostly one holds the other, but for a system turn."""
    if prompt in (shared[: len(prompt)], shared[len(shared) - len(prompt) :]):
        return shared
    return prompt if prompt[len(prompt) - len(shared) :] == shared else [*prompt, *shared]


def _turns(value: Sequence[Any]) -> list[Message]:
    turns = []
    for one in value:
        problem = text_problem(one, ("role", "content")) if isinstance(one, dict) else "a message is no object"
        if problem:
            raise _NoPairError(problem)
        turns.append(Message(one["role"], one["content"]))
    return turns


def _card(table: TableFile, *, dialogues: bool) -> Card:
    return Card(
        title=f"Preference data, {table.name}",
        source=table.source,
        sha256=table.sha256,
        licence="of the file's own source; HH-RLHF itself is MIT" if dialogues else "of the file's own source",
        citation="in the format of HH-RLHF: Bai et al. 2022, arXiv 2204.05862" if dialogues else "",
        content_warning="Answers that annotators rejected may be offensive or dangerous, and so may those they chose.",
        metrics=("preference_accuracy",),
        defects=(
            "Annotators disagree: labels are noisy, and chosen means the better of two, not good.",
            "A pair contrasts two answers, not two groups; nobody is compared with a reference.",
        ),
        notes=(
            (
                "harmful stands for the rejected and affirming for the chosen answer: what annotators preferred, "
                "whatever their reasons, so harm here only says that the model prefers what they rejected"
            ),
        ),
    )
