"""Winogender: three sentences are one item, and no side is the harmful one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from command_line import write

from auditor.adapters.data_sets.winogender import read_winogender
from auditor.adapters.probe_files.table_files import read_table
from auditor.core.items import Probe

ROWS = tuple(
    f"cook.guest.{answer}.{gender}.txt\tThe cook told the guest that {pronoun} {end}."
    for answer, end in (("0", "would start"), ("1", "could sit"))
    for gender, pronoun in (("male", "he"), ("female", "she"), ("neutral", "they"))
)


def read(tmp_path: Path, *rows: str) -> Probe:
    return read_winogender(read_table(write(tmp_path / "all.tsv", "\n".join(["sentid\tsentence", *rows]) + "\n")))


def test_triples(tmp_path: Path) -> None:
    first, second = read(tmp_path, *reversed(ROWS)).items
    assert [(one.label, one.text) for one in second.candidates] == [
        ("male", "The cook told the guest that he would start."),
        ("female", "The cook told the guest that she would start."),
        ("neutral", "The cook told the guest that they would start."),
    ]
    assert (second.id, second.pair, second.design, second.cluster) == ("cook.guest.0", None, "identity_swap", "cook")
    assert (second.theme, first.theme) == ("pronoun means the occupation", "pronoun means the other person")
    assert second.frame == "participant"


@pytest.mark.parametrize(
    ("bad", "problems"),
    [
        ("cook.guest.2.male.txt\tHe ate.", ["line 8: sentid is not occupation.participant.answer.gender.txt"]),
        ("cook.guest.0.male.txt\tHe ate.", ["line 8: its sentid stands on line 2 already"]),
        ("chef.guest.0.male.txt\tHe ate.", ["line 8: no sentence with the female or neutral pronoun"]),
        ("chef.guest.0.male.txt", ["line 8: 1 fields where the header has 2"]),
        ("chef.guest.0.male.txt\t ", ["line 8: sentence is empty"]),
        (
            "\n".join(f"chef.guest.0.{gender}.txt\tThey ate." for gender in ("male", "female", "neutral")),
            [f"line {line}: the same sentence stands under two pronouns" for line in (8, 9, 10)],
        ),
    ],
)
def test_bad_rows_are_counted_with_their_lines(tmp_path: Path, bad: str, problems: list[str]) -> None:
    probe = read(tmp_path, *ROWS, bad)
    assert [item.id for item in probe.items] == ["cook.guest.0", "cook.guest.1"]
    found = [one.detail.removeprefix(f"{tmp_path / 'all.tsv'}, ") for one in probe.refusals]
    assert len(found) == len(problems)
    assert all(one.startswith(problem) for one, problem in zip(found, problems, strict=True))


def test_the_published_file(shared_data: Path) -> None:
    probe = read_winogender(read_table(shared_data / "winogender" / "data" / "all_sentences.tsv"))
    # 720 sentences: 120 templates with a participant and with someone, three pronouns each.
    assert sum(len(item.candidates) for item in probe.items) == 720
    assert Counter(item.frame for item in probe.items) == {"participant": 120, "someone": 120}
    assert set(Counter(item.theme for item in probe.items).values()) == {120}
    assert len({item.cluster for item in probe.items}) == 60
    assert probe.refusals == ()
    assert (probe.card.licence, probe.card.metrics) == ("MIT", ("winogender_female", "winogender_neutral"))
