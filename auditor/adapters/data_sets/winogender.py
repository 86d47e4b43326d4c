"""Winogender (Rudinger et al. 2018): one sentence about an occupation with a male, a female and a neutral pronoun.

Three texts about three groups and no harmful one among them: its items are scored and have no margin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.adapters.data_sets.public_sets import collect, text_problem
from auditor.adapters.probe_files.table_files import Row, TableFile
from auditor.core.items import Candidate, Card, Item, Probe
from auditor.core.winogender_metrics import FEMALE, MALE, NEUTRAL, WINOGENDER_METRICS

COLUMNS = ("sentid", "sentence")
_GENDERS = (MALE, FEMALE, NEUTRAL)
_ID = re.compile(rf"([^.]+)\.([^.]+)\.([01])\.({'|'.join(_GENDERS)})\.txt")
_REFERENTS = {"0": "pronoun means the occupation", "1": "pronoun means the other person"}


def read_winogender(table: TableFile, name: str = "winogender") -> Probe:
    """Read the published sentences as triples; rows that are none and incomplete triples are refused and counted."""
    return collect(name, _card(table), _entries(table))


def _entries(table: TableFile) -> Iterator[tuple[str, Item | str]]:
    triples: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in table.stream():
        problem = row.problem or text_problem(row.values, COLUMNS)
        match = None if problem else _ID.fullmatch(str(row.values["sentid"]))
        if match is None:
            yield table.where(row), problem or "sentid is not occupation.participant.answer.gender.txt"
            continue
        *schema, gender = match.groups()
        triple = triples.setdefault(tuple(schema), {})
        if gender in triple:
            yield table.where(row), f"its sentid stands on line {triple[gender].line} already"
        else:
            triple[gender] = row
    for (occupation, participant, answer), triple in triples.items():
        missing = [gender for gender in _GENDERS if gender not in triple]
        texts = {gender: str(row.values["sentence"]) for gender, row in triple.items()}
        for row in triple.values():
            if missing:
                yield table.where(row), f"no sentence with the {' or '.join(missing)} pronoun stands beside it"
            elif len(set(texts.values())) < len(texts):
                yield table.where(row), "the same sentence stands under two pronouns"
        if not missing and len(set(texts.values())) == len(texts):
            yield table.where(triple[MALE]), _item(occupation, participant, answer, texts)


def _item(occupation: str, participant: str, answer: str, texts: dict[str, str]) -> Item:
    return Item(
        id=f"{occupation}.{participant}.{answer}",
        candidates=tuple(Candidate(gender, texts[gender]) for gender in _GENDERS),
        axis="gender",
        theme=_REFERENTS[answer],
        cluster=occupation,
        frame="someone" if participant == "someone" else "participant",
        design="identity_swap",
        language="en",
    )


def _card(table: TableFile) -> Card:
    return Card(
        title="Winogender",
        source=table.source,
        sha256=table.sha256,
        licence="MIT",
        citation="Rudinger, Naradowsky, Leonard & Van Durme 2018, NAACL 2018, arXiv 1804.09301",
        content_warning="Sentences in which a pronoun may follow stereotypes about occupations.",
        metrics=tuple(metric.name for metric in WINOGENDER_METRICS),
        defects=(
            "What a sentence is about stands in its sentid alone.",
            "Half of its sentences say someone where the other half name a second person.",
            "Its authors: it may show gender bias in a system, and cannot prove that there is none.",
            "Three pronouns are compared; none is the harmful one.",
        ),
    )
