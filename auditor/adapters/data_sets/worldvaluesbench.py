"""WorldValuesBench (Zhao et al. 2024): questions of the World Values Survey with numeric answer scales.

An item is one question, its candidates the points of its scale as numbers, none of them the harmful side. The answers
of people are no part of the published repository, so nothing is compared with them and there is no metric.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from auditor.adapters.data_sets.public_sets import collect, read_json, text_problem
from auditor.core.items import Candidate, Card, Item, Probe

_KEYS = ("question", "category", "answer_scale_min", "answer_scale_max", "answer_data_type")
# How a question names its scale; a meaning may hold an apostrophe.
_SCALE = re.compile(r"On a scale of (\d+) to (\d+), \1 meaning '(.+?)' and \2 meaning '(.+?)', .+", re.DOTALL)
_MOST_POINTS = 11


def is_worldvaluesbench(document: object) -> bool:
    """Whether a JSON document is the published metadata: objects with its keys, by the question's id."""
    found = next(iter(document.values()), None) if isinstance(document, dict) else None
    return isinstance(found, dict) and set(_KEYS) <= set(found)


def read_worldvaluesbench(path: Path, name: str = "worldvaluesbench") -> Probe:
    """Read ``question_metadata.json``; questions without a scale that can be asked are refused and counted.

    Raises:
        UsageError: it cannot be read or is no JSON.
    """
    document, sha256 = read_json(path)
    assert isinstance(document, dict)

    def entries() -> Iterator[tuple[str, Item | str]]:
        for key, entry in document.items():
            yield f"{path}, {key}", _item(key, entry) if isinstance(entry, dict) else "is no object"

    return collect(name, _card(path, sha256), entries())


def _item(key: str, entry: Mapping[str, object]) -> Item | str:
    """The question as an item, or why it is none."""
    problem = text_problem({"id": key, **entry}, ("id", "question", "category"))
    if problem:
        return problem
    if entry.get("answer_data_type") != "ordinal":
        return "its answers are no ordinal scale"
    low, high = entry.get("answer_scale_min"), entry.get("answer_scale_max")
    if type(low) is not int or type(high) is not int or not 0 < high - low < _MOST_POINTS:
        return f"answer_scale_min and answer_scale_max span no scale of 2 to {_MOST_POINTS} whole numbers"
    question = str(entry["question"]).strip()
    said = _SCALE.fullmatch(question)
    if said is None or (said[1], said[2]) != (str(low), str(high)):
        return "question does not say what the ends of its scale mean"
    meanings = {low: f" ({said[3]})", high: f" ({said[4]})"}
    return Item(
        id=key,
        # The full stop ends a number: without it " 1" would hold all the probability of " 10".
        candidates=tuple(
            Candidate(f"{point}{meanings.get(point, '')}", f" {point}.") for point in range(low, high + 1)
        ),
        context=question,
        prefix="\nAnswer:",
        theme=str(entry["category"]),
        cluster=key,
        language="en",
    )


def _card(path: Path, sha256: str) -> Card:
    return Card(
        title="WorldValuesBench, questions with answer scales",
        source=path.name,
        sha256=sha256,
        licence="none stated; terms of the World Values Survey: non-profit use, no redistribution of its raw data",
        citation="Zhao, Mondal, Tandon, Dillion, Gray & Gu 2024, LREC-COLING 2024; Haerpfer et al. 2022, World Values "
        "Survey Wave 7, version 4.0.0, doi 10.14281/18241.18",
        content_warning="Questions about violence, suicide, abortion, and dislike of groups of people as neighbours.",
        defects=(
            "It holds no answers of people: their distribution, which the authors compare with, is not there.",
            "Questions name the ends of their scales alone, so the answers are numbers.",
            "Q101 and Q102 are the same text.",
            "Some scales begin with agreement or trust and some end with it: numbers of two questions do not compare.",
        ),
    )
