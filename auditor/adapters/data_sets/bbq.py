"""BBQ (Parrish et al. 2022): a question about two people, with three answers of which one is that it cannot be known.

The harmful answer is the one that follows the stereotype: the stereotyped person's to a negative question, the other
person's to one that is not. Its pairs swap whom an answer names, so the margin is the disparity; over a question's two
polarities what any name's own probability adds drops out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from auditor.adapters.data_sets.public_sets import collect, joint_sha256, text_problem
from auditor.adapters.probe_files.table_files import Row, TableFile, read_table
from auditor.core.bbq_metrics import AMBIGUOUS, BBQ_METRICS, DISAMBIGUATED, UNKNOWN
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe

COLUMNS = ("question_polarity", "context_condition", "answer_info", "ans0", "ans1", "ans2", "label")
METADATA = "additional_metadata.csv"

_ANSWERS = ("ans0", "ans1", "ans2")
_TEXTS = ("category", "context", "question", *_ANSWERS)
_CONTEXTS = {"ambig": AMBIGUOUS, "disambig": DISAMBIGUATED}
_POLARITIES = {"neg": "negative question", "nonneg": "non-negative question"}

# Index of the answer that follows the stereotype, by category and example id.
_Published = Mapping[tuple[str, str], int]


def read_bbq(tables: Sequence[TableFile], name: str = "bbq") -> Probe:
    """Read one published category or several as one probe; rows that are no question are refused and counted.

    Which answer follows the stereotype is published where ``additional_metadata.csv`` lies beside the file; else whose
    group is among the stereotyped ones tells it. Rows where neither does have no pair, but a right answer.

    Raises:
        UsageError: the metadata beside a file cannot be read.
    """
    published = {folder: _published(folder) for folder in dict.fromkeys(one.path.parent for one in tables)}
    contradicted: list[str] = []

    def entries() -> Iterator[tuple[str, Item | str]]:
        for table in tables:
            for row in table.stream():
                yield table.where(row), row.problem or _item(row, published[table.path.parent], contradicted)

    probe = collect(name, _card(tables), entries())
    notes = tuple(_notes(probe.items, any(published.values()), len(contradicted)))
    return replace(probe, card=replace(probe.card, notes=notes))


def _item(row: Row, published: _Published, contradicted: list[str]) -> Item | str:
    values = row.values
    groups = _groups(values)
    problem = text_problem(values, _TEXTS) or _problem(values, groups)
    if problem:
        return problem
    category, example = str(values["category"]), str(values["example_id"])
    unknown = groups.index(UNKNOWN)
    negative = values["question_polarity"] == "neg"
    stereotyped = _stereotyped(values, groups, unknown)
    derived = stereotyped if negative or stereotyped is None else _other(unknown, stereotyped)
    biased: int | None = published.get((category, example), unknown)
    if biased == unknown:
        biased = derived
    elif derived not in (None, biased):
        contradicted.append(example)
    labels = _labels(unknown, biased)
    person = biased if negative or biased is None else _other(unknown, biased)
    answers = [str(values[one]) for one in _ANSWERS]
    options = " ".join(f"({letter}) {text}" for letter, text in zip("abc", answers, strict=True))
    return Item(
        id=f"{category} {example}",
        candidates=tuple(Candidate(label, f" {text}") for label, text in zip(labels, answers, strict=True)),
        context=f"{values['context']} {values['question']}\n{options}",
        prefix="\nAnswer:",
        identity="" if person is None else groups[person],
        surface="" if person is None else answers[person],
        axis=category,
        theme=_CONTEXTS[str(values["context_condition"])],
        cluster=f"{category} {values['question_index']}",
        frame=_POLARITIES[str(values["question_polarity"])],
        design="identity_swap",
        language="en",
        answer=labels[int(values["label"])],
    )


def _groups(values: Mapping[str, object]) -> list[str]:
    """The group that each answer names, as ``answer_info`` has it; "" where it says nothing readable."""
    info = values.get("answer_info")
    found = []
    for answer in _ANSWERS:
        words = info.get(answer) if isinstance(info, dict) else None
        last = words[-1] if isinstance(words, list) and words else ""
        found.append(last if isinstance(last, str) else "")
    return found


def _problem(values: Mapping[str, object], groups: Sequence[str]) -> str:
    for column in ("example_id", "question_index"):
        # The published files number the one and name the other.
        problem = "" if type(values.get(column)) is int else text_problem(values, [column])
        if problem:
            return problem
    for column, known in (("context_condition", _CONTEXTS), ("question_polarity", _POLARITIES)):
        if values.get(column) not in known:
            return f"{column} is none of {', '.join(known)}"
    if text_problem(dict(zip(_ANSWERS, groups, strict=True)), _ANSWERS) or groups.count(UNKNOWN) != 1:
        return "answer_info does not name a group for each answer, with one of them unknown"
    if type(values.get("label")) is not int or values["label"] not in (0, 1, 2):
        return "label is none of 0, 1, 2"
    return "two answers are the same" if len({str(values[one]) for one in _ANSWERS}) < 3 else ""


def _stereotyped(values: Mapping[str, object], groups: Sequence[str], unknown: int) -> int | None:
    """The one answer whose group is a stereotyped one; None where it is neither or both of them."""
    metadata = values.get("additional_metadata")
    listed = metadata.get("stereotyped_groups") if isinstance(metadata, dict) else None
    stereotyped = {_plain(one) for one in listed if isinstance(one, str)} if isinstance(listed, list) else set()
    named = [at for at, group in enumerate(groups) if at != unknown and _plain(group) in stereotyped]
    return named[0] if len(named) == 1 else None


def _plain(group: str) -> str:
    """Letters alone: one file writes lowSES, another low SES."""
    return re.sub(r"[\W_]", "", group).casefold()


def _other(unknown: int, person: int) -> int:
    """The answer that names the other person."""
    return 3 - unknown - person


def _labels(unknown: int, biased: int | None) -> list[str]:
    """What each of the three answers is called in the item."""
    labels = [f"answer {at}" for at in range(3)]
    labels[unknown] = UNKNOWN
    if biased is not None:
        labels[biased], labels[_other(unknown, biased)] = HARMFUL, AFFIRMING
    return labels


def _published(folder: Path) -> _Published:
    """Column ``target_loc`` of the metadata beside a file, nothing where there is none.

    It is the answer that follows the stereotype in both kinds of question: "the known_stereotyped_group entity for neg
    contexts, and the other entity in nonneg contexts", as the authors say (github.com/nyu-mll/BBQ, issue 11).
    """
    path = folder / METADATA
    found = {}
    if path.is_file():
        for row in read_table(path).stream():
            place = str(row.values.get("target_loc", ""))
            if re.fullmatch(r"[012](\.0)?", place):
                key = (str(row.values.get("category", "")), str(row.values.get("example_id", "")))
                found[key] = int(place[0])
    return found


def _notes(items: Sequence[Item], published: bool, contradicted: int) -> Iterator[str]:
    source = METADATA if published else "answer_info and stereotyped_groups"
    yield f"the answer that follows the stereotype comes from {source}"
    if contradicted:
        yield f"{METADATA} names another answer than answer_info and stereotyped_groups do in {contradicted:,} rows"
    counts = Counter(item.axis for item in items if item.pair is None)
    for category, count in counts.items():
        of = sum(item.axis == category for item in items)
        yield (
            f"{category}: which answer follows the stereotype cannot be told in {count:,} of {of:,} rows: they count "
            "for accuracy, and neither for a bias score nor for a margin"
        )


def _card(tables: Sequence[TableFile]) -> Card:
    return Card(
        title="BBQ",
        source=", ".join(one.source for one in tables),
        sha256=joint_sha256([one.sha256 for one in tables]),
        licence="CC BY 4.0",
        citation="Parrish, Chen, Nangia, Padmakumar, Phang, Thompson, Htut & Bowman 2022, Findings of ACL, "
        "arXiv 2110.08193",
        content_warning="Questions that invite stereotypes about people of nine kinds of groups.",
        metrics=tuple(metric.name for metric in BBQ_METRICS),
        defects=(
            "A few labels and texts are known to be wrong.",
            "In questions 4 and 19 of Disability_status the context, where it tells, always bears out the stereotype.",
            "Its templates were filled without a seed: the texts cannot be made again from them.",
            "An answer contrasts two people; no side affirms anybody.",
            "Answers differ in length and in how likely their names are, which decides which is chosen too.",
        ),
    )
