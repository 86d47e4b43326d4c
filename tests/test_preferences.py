"""Preference data: plain and conversational rows, whole dialogues, and what is no pair of answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import write

from auditor.adapters.data_sets.preferences import read_preferences
from auditor.adapters.probe_files.table_files import read_table
from auditor.core.items import Item, Message, Probe
from auditor.core.metrics import METRICS


def read(folder: Path, *rows: dict[str, Any]) -> Probe:
    return read_preferences(read_table(write(folder / "prefs.jsonl", "\n".join(map(json.dumps, rows)))))


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def sides(item: Item) -> dict[str, str]:
    return {one.label: one.text for one in item.candidates}


def test_a_plain_prompt(tmp_path: Path) -> None:
    probe = read(tmp_path, {"prompt": "Q?", "chosen": " Good.", "rejected": " Bad."})
    (item,) = probe.items
    assert (item.id, item.context, item.messages) == ("1", "Q?", ())
    assert sides(item) == {"harmful": " Bad.", "affirming": " Good."}
    assert (item.design, item.valence, item.role) == ("text_swap", "harm", "marked")
    assert probe.name == "prefs"
    assert probe.card.metrics == ("preference_accuracy",)
    assert set(probe.card.metrics) <= set(METRICS)
    assert any("what annotators preferred" in note for note in probe.card.notes)


def test_answers_that_repeat_the_prompt(tmp_path: Path) -> None:
    (item,) = read(tmp_path, {"prompt": "Q?", "chosen": "Q? Good.", "rejected": "Q? Bad."}).items
    assert (item.context, sides(item)) == ("Q?", {"harmful": " Bad.", "affirming": " Good."})


def test_whole_dialogues(tmp_path: Path) -> None:
    start = "\n\nHuman: One?\n\nAssistant: Two.\n\nHuman: Three?\n\nAssistant:"
    # Both answers begin alike; the prompt ends where the last turn begins all the same.
    probe = read(tmp_path, {"chosen": f"{start} Sorry, no.", "rejected": f"{start} Sorry, yes."})
    (item,) = probe.items
    assert item.context == start
    assert sides(item) == {"harmful": " Sorry, yes.", "affirming": " Sorry, no."}
    assert item.messages == (Message("user", "One?"), Message("assistant", "Two."), Message("user", "Three?"))
    assert "Bai et al. 2022" in probe.card.citation


def test_two_turns_of_one_side_are_one(tmp_path: Path) -> None:
    start = "\n\nHuman: One?\n\nHuman: Two?\n\nAssistant: Wait.\n\nAssistant: Three.\n\nHuman: Four?\n\nAssistant:"
    (item,) = read(tmp_path, {"chosen": f"{start} a", "rejected": f"{start} b"}).items
    assert item.context == start
    assert item.messages == (
        Message("user", "One?\n\nTwo?"),
        Message("assistant", "Wait.\n\nThree."),
        Message("user", "Four?"),
    )


def test_other_texts_part_at_a_word(tmp_path: Path) -> None:
    probe = read(
        tmp_path,
        {"chosen": "The sky is blue.", "rejected": "The sky is bleak."},
        {"chosen": "Yes.", "rejected": "No."},
    )
    assert [(one.context, sides(one)) for one in probe.items] == [
        ("The sky is", {"harmful": " bleak.", "affirming": " blue."}),
        ("", {"harmful": "No.", "affirming": "Yes."}),
    ]
    assert probe.card.citation == ""


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [turn("system", "S"), turn("user", "Q?")]},
        {"prompt": [turn("system", "S"), turn("user", "Q?")], "head": [turn("system", "S"), turn("user", "Q?")]},
        {"head": [turn("system", "S"), turn("user", "Q?")]},
        {"prompt": "Q?", "head": [turn("system", "S"), turn("user", "Q?")]},
        {"prompt": [turn("user", "Q?")], "head": [turn("system", "S"), turn("user", "Q?")]},
        {"prompt": [turn("system", "S"), turn("user", "Q?")], "head": [turn("user", "Q?")]},
        {"prompt": [turn("system", "S")], "head": [turn("user", "Q?")]},
    ],
    ids=["prompt alone", "repeated", "in both alone", "words", "the user's turn", "one turn of two", "in halves"],
)
def test_conversations(tmp_path: Path, row: dict[str, Any]) -> None:
    head = row.pop("head", [])
    answers = {"chosen": [*head, turn("assistant", "Good.")], "rejected": [*head, turn("assistant", "Bad.")]}
    (item,) = read(tmp_path, {**row, **answers}).items
    assert item.messages == (Message("system", "S"), Message("user", "Q?"))
    assert (item.context, sides(item)) == ("", {"harmful": "Bad.", "affirming": "Good."})


@pytest.mark.parametrize("head", [[], [turn("user", "Q?")]])
def test_a_prompt_in_words_before_conversations(tmp_path: Path, head: list[dict[str, str]]) -> None:
    answers = {"chosen": [*head, turn("assistant", "Good.")], "rejected": [*head, turn("assistant", "Bad.")]}
    (item,) = read(tmp_path, {"prompt": "Q?", **answers}).items
    assert item.messages == (Message("user", "Q?"),)


def test_conversations_in_parquet(tmp_path: Path) -> None:
    # Keys that only some messages have are there as nulls in all of them.
    answers = [[turn("user", "Q?"), {**turn("assistant", one), "name": "x"}] for one in ("Good.", "Bad.")]
    rows = pa.Table.from_pylist([{"chosen": answers[0], "rejected": answers[1], "score": 1.5}])
    pq.write_table(rows, tmp_path / "prefs.parquet")
    (item,) = read_preferences(read_table(tmp_path / "prefs.parquet")).items
    assert (item.messages, sides(item)) == ((Message("user", "Q?"),), {"harmful": "Bad.", "affirming": "Good."})


def test_answers_to_one_prompt_share_a_cluster(tmp_path: Path) -> None:
    rows = [{"prompt": prompt, "chosen": f"a{at}", "rejected": f"b{at}"} for at, prompt in enumerate("PQP")]
    assert [one.cluster for one in read(tmp_path, *rows).items] == [
        "prompt of row 1",
        "prompt of row 2",
        "prompt of row 1",
    ]


def test_a_dialogue_at_two_of_its_turns_is_one_cluster(tmp_path: Path) -> None:
    start = "\n\nHuman: One?\n\nAssistant:"
    later = f"{start} Two.\n\nHuman: Three?\n\nAssistant:"
    asked = [{"chosen": f"{one} a", "rejected": f"{one} b"} for one in (start, later)]
    system = [turn("system", "S"), turn("user", "Q?")]
    answers = {"chosen": [*system, turn("assistant", "a")], "rejected": [*system, turn("assistant", "b")]}
    other = {"chosen": [system[0], turn("user", "R?"), turn("assistant", "a")]}
    other["rejected"] = [*other["chosen"][:2], turn("assistant", "b")]
    assert [one.cluster[-1] for one in read(tmp_path, *asked, answers, other).items] == ["1", "1", "3", "4"]


DIALOGUE = "\n\nHuman: One?\n\nAssistant:"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"prompt": "Q?", "chosen": "", "rejected": "b"}, "chosen is empty"),
        ({"prompt": "Q?", "chosen": "a", "rejected": "a"}, "both answers are the same"),
        ({"prompt": "Q?", "chosen": "a", "rejected": 7}, "rejected is not text"),
        ({"prompt": 7, "chosen": "a", "rejected": "b"}, "prompt is not text"),
        ({"chosen": f"{DIALOGUE} a", "rejected": f"{DIALOGUE} "}, "the rejected answer is empty"),
        (
            {"chosen": f"{DIALOGUE} a", "rejected": f"{DIALOGUE} b\n\nHuman: More?\n\nAssistant: c"},
            "the two dialogues differ in more than their last answer",
        ),
        (
            {"chosen": f"{DIALOGUE} a", "rejected": "\n\nHuman: Two?\n\nAssistant: b"},
            "the two dialogues differ in more than their last answer",
        ),
        (
            {"chosen": [turn("user", "Q?"), turn("user", "R?")], "rejected": [turn("user", "Q?")]},
            "the two conversations differ in more than the assistant's last turn",
        ),
        ({"chosen": [turn("assistant", "a")], "rejected": [turn("assistant", "b")]}, "no turn stands before"),
        ({"prompt": "Q?", "chosen": ["a"], "rejected": ["b"]}, "a message is no object"),
        ({"prompt": "Q?", "chosen": [{"role": "assistant"}], "rejected": []}, "content is empty"),
    ],
)
def test_what_is_no_pair_is_counted(tmp_path: Path, row: dict[str, Any], problem: str) -> None:
    probe = read(tmp_path, row, {"prompt": "Q?", "chosen": "a", "rejected": "b"})
    assert [one.id for one in probe.items] == ["2"]
    (refusal,) = probe.refusals
    assert refusal.detail.startswith(f"{tmp_path / 'prefs.jsonl'}, line 1: {problem}")


def test_the_published_file(shared_data: Path) -> None:
    # 2,312 rows; in four of them the chosen answer is empty.
    path = shared_data / "hh_rlhf" / "harmless-base" / "test.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    table = read_table(path)
    rows = {str(row.line): row.values for row in table.rows}
    assert len(rows) == 2312
    probe = read_preferences(table)
    assert probe.name == "test"
    assert len(probe.items) == 2308
    assert [one.detail.rsplit(", ", 1)[1] for one in probe.refusals] == [
        f"line {line}: the chosen answer is empty" for line in (87, 517, 926, 1104)
    ]
    for one in probe.items:
        assert one.context.endswith("\n\nAssistant:")
        assert [one.context + side.text for side in one.candidates] == [
            rows[one.id]["rejected"],
            rows[one.id]["chosen"],
        ]
        roles = ["user", "assistant"] * len(one.messages)
        assert [turn.role for turn in one.messages] == roles[: len(one.messages)]
        assert one.messages[-1].role == "user"
