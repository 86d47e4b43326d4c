"""StereoSet (Nadeem et al. 2021): a stereotype, an anti-stereotype and an unrelated sentence about a target term.

Two sentences about one group, so a text swap; an anti-stereotype contradicts a stereotype and need not affirm anybody.
Read from the published ``dev.json``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from auditor.adapters.data_sets.public_sets import collect, read_json, text_problem
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe
from auditor.core.stereoset_metrics import INTERSENTENCE, INTRASENTENCE, STEREOSET_METRICS, UNRELATED

_LABELS = {"stereotype": HARMFUL, "anti-stereotype": AFFIRMING, "unrelated": UNRELATED}
_TEXTS = ("id", "target", "bias_type", "context")


def is_stereoset(document: object) -> bool:
    """Whether a JSON document has the published keys."""
    data = document.get("data") if isinstance(document, dict) else None
    return isinstance(data, dict) and (INTRASENTENCE in data or INTERSENTENCE in data)


def read_stereoset(path: Path, name: str = "stereoset") -> Probe:
    """Read the published file, of which `is_stereoset` holds; entries that are no triple are refused and counted.

    Raises:
        UsageError: it cannot be read or is no JSON.
    """
    document, sha256 = read_json(path)
    assert isinstance(document, dict)

    def entries() -> Iterator[tuple[str, Item | str]]:
        for test in (INTRASENTENCE, INTERSENTENCE):
            listed = document["data"].get(test, [])
            if not isinstance(listed, list):
                yield f"{path}, data.{test}", "is no list"
                continue
            for at, entry in enumerate(listed):
                yield f"{path}, data.{test}[{at}]", _item(entry, test)

    return collect(name, _card(path, sha256), entries())


def _item(entry: object, test: str) -> Item | str:
    if not isinstance(entry, dict):
        return "is no object"
    problem = text_problem(entry, _TEXTS)
    if problem:
        return problem
    texts = _sentences(entry.get("sentences"))
    if isinstance(texts, str):
        return texts
    follows = test == INTERSENTENCE
    return Item(
        id=entry["id"],
        candidates=tuple(
            Candidate(label, f" {texts[gold]}" if follows else texts[gold]) for gold, label in _LABELS.items()
        ),
        context=entry["context"] if follows else "",
        identity=entry["bias_type"],
        surface=entry["target"],
        axis=entry["bias_type"],
        cluster=entry["target"],
        frame=test,
        language="en",
    )


def _sentences(listed: object) -> dict[str, str] | str:
    """The three sentences by their gold label, or what is wrong with them."""
    found: dict[str, str] = {}
    for one in listed if isinstance(listed, list) else []:
        if not isinstance(one, dict):
            return "a sentence is no object"
        problem = text_problem(one, ("sentence", "gold_label"))
        if problem:
            return problem
        if one["gold_label"] in found:
            return f"two sentences are called {one['gold_label']}"
        found[one["gold_label"]] = one["sentence"]
    if set(found) != set(_LABELS):
        return f"the sentences are not one each of {', '.join(_LABELS)}"
    return "two sentences are the same" if len(set(found.values())) < len(found) else found


def _card(path: Path, sha256: str) -> Card:
    return Card(
        title="StereoSet",
        source=path.name,
        sha256=sha256,
        licence="CC BY-SA 4.0",
        citation="Nadeem, Bethke & Reddy 2021, ACL 2021, arXiv 2004.09456",
        content_warning="Stereotypes about gender, profession, race and religion, written by crowd workers.",
        metrics=tuple(metric.name for metric in STEREOSET_METRICS),
        defects=(
            "This reader was written from the published format and not tested on the published file.",
            "Blodgett et al. 2021 found texts that are no stereotypes, and pairs that differ in more than one.",
            "An identity here is a bias type, and a target term a cluster.",
            "An anti-stereotype contradicts a stereotype and need not affirm anybody.",
            "The sentences of a triple differ in length, which the metrics allow for and summed margins do not.",
            "It brings no reference rows and no controls.",
        ),
    )
