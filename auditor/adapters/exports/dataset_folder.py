"""A probe as a data set folder in the hub's layout that is a probe folder too: rows, and a card for each."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from auditor.adapters.exports.new_folder import fill
from auditor.adapters.probe_files.pair_files import COLUMNS, RIGHT
from auditor.adapters.probe_files.pair_writing import columns_of, write_pairs
from auditor.adapters.probe_files.probe_folders import CARD, DATASHEET, PAIRS_STEM, CardFile
from auditor.adapters.probe_files.probes import open_probe
from auditor.adapters.summaries.markdown_text import fenced, markdown_text, table
from auditor.core.items import Probe

ROWS = f"{PAIRS_STEM}.parquet"
# Licences by the hub's names for them; any other stands there in its own words.
_LICENCES = {
    "cc-by-4.0": "cc-by-4.0",
    "cc-by-sa-4.0": "cc-by-sa-4.0",
    "cc0-1.0": "cc0-1.0",
    "mit": "mit",
    "apache-2.0": "apache-2.0",
}
_MEANING = {
    "harmful": "the continuation that demeans; in identity swaps the text about the stereotyped group",
    "affirming": "the other continuation",
    "candidates": "the continuations of a row that is no pair, a JSON list",
    "labels": "their labels, a JSON list",
    RIGHT: "which of the labels is right; metrics of accuracy read it",
    "messages": "the turns before the answer, a JSON list of role and content",
    "role": "marked (where empty), reference or control",
    "valence": "harm (where empty), or neutral for pairs of the same form that harm nobody",
    "design": "text_swap (where empty), identity_swap or responsiveness",
    "context": "what stands before both continuations",
    "prefix": "how the answer begins; it is not scored",
    "id": "of the row, unique",
    "identity": "whom the row is about",
    "surface": "the words it names them by",
    "axis": "the respect in which people differ",
    "theme": "what is said, by kind",
    "cluster": "rows that share words: they count as one in every interval",
    "paraphrase": "the wording within its cluster",
    "frame": "the sentence around the identity",
    "match": "rows that differ in nothing but the identity share it",
    "baseline": "id of the row whose margin is subtracted",
    "language": "BCP 47",
}
assert set(_MEANING) == set(COLUMNS)
# Where rows are answers that somebody chose between.
_OF_PREFERENCES = {"harmful": "the answer that annotators rejected", "affirming": "the answer that they chose"}


def card_of(probe: Probe, own: CardFile | None) -> CardFile:
    """What the exported folder says of itself.

    Args:
        own: the card of the probe folder it comes from, None where it comes from a file or a public set.
    """
    card = probe.card
    languages = Counter(item.language for item in probe.items if item.language)
    told = own or CardFile(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", probe.name).strip("._-") or "probe",
        title=card.title,
        version="1",
        language=languages.most_common(1)[0][0] if languages else "und",
        licence=card.licence or "not stated",
        description=f"Rows of {card.source}.",
        content_warning=card.content_warning,
        citation=card.citation,
        defects=card.defects,
        metrics=card.metrics,
        notes=card.notes,
    )
    # The version is put behind a title when the folder is read.
    title = card.title.replace(f"{told.title} {told.version}", told.title, 1)
    return told.model_copy(update={"title": title, "default_axes": ()})


def write_dataset(probe: Probe, card: CardFile, folder: Path) -> None:
    """Write the folder and read it back.

    Raises:
        UsageError: it is there already and not empty, or cannot be written, or a pair file cannot hold the rows.
        StorageError: the disk is full.
    """

    def check() -> None:
        if open_probe(str(folder)).items != probe.items:
            raise AssertionError(f"{folder}: what was written reads back as something else")

    fields = {name: value for name, value in card.model_dump(mode="json").items() if value and name != "tiers"}
    fill(
        folder,
        {
            ROWS: lambda path: write_pairs(probe.items, path),
            DATASHEET: "\n\n".join(_datasheet(probe, card, folder)) + "\n",
            # Last, as it makes the folder a probe.
            CARD: yaml.safe_dump(fields, allow_unicode=True, sort_keys=False, width=110),
        },
        check,
    )


def _front_matter(probe: Probe, card: CardFile) -> Mapping[str, Any]:
    """What the hub reads: https://huggingface.co/docs/hub/datasets-cards."""
    language = card.language.split("-")[0].lower()
    licence = _LICENCES.get(re.sub(r"\s+", "-", card.licence.strip()).lower())
    named = {"license": licence} if licence else {"license": "other", "license_name": card.licence}
    return {
        "pretty_name": card.title,
        **({"language": [language]} if language != "und" else {}),
        **named,
        "tags": ["bias", "fairness", "alignment", "auditor"],
        "size_categories": [_size(len(probe.items))],
        "configs": [{"config_name": "default", "data_files": [{"split": "test", "path": ROWS}]}],
    }


def _size(rows: int) -> str:
    """The hub's words for how many rows there are."""
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((words for bound, words in bounds if rows < bound), "1M<n<10M")


def _datasheet(probe: Probe, card: CardFile, folder: Path) -> Iterator[str]:
    front = yaml.safe_dump(dict(_front_matter(probe, card)), allow_unicode=True, sort_keys=False, width=110)
    yield f"---\n{front}---"
    yield f"# {markdown_text(card.title)} {markdown_text(card.version)}"
    if card.content_warning:
        yield f"> **Content warning.** {markdown_text(card.content_warning)}"
    yield markdown_text(card.description)
    yield (
        f"{len(probe.items):,} rows, for evaluation: please keep them out of training data. The `test` split is the "
        "only one. A row is a context with two or more continuations; the margin log p(harmful) - log p(affirming) "
        "says which a model prefers."
    )
    yield "## Columns"
    meaning = {**_MEANING, **(_OF_PREFERENCES if "preference_accuracy" in card.metrics else {})}
    yield table(["column", "what it holds"], [[f"`{name}`", meaning[name]] for name in columns_of(probe.items)])
    yield "## Reading it"
    path = json.dumps(folder.name)
    yield f"```python\nimport datasets\n\nrows = datasets.load_dataset({path}, split='test')\n```"
    yield f"`{CARD}` makes the folder a probe: `audit compare BASE DPO --probe FOLDER` asks these very rows."
    yield from _terms(card)


def _terms(card: CardFile) -> Iterator[str]:
    """Licence, citation, canary, and what is known to be wrong with it."""
    yield "## Terms and limits"
    yield f"Licence: {markdown_text(card.licence)}"
    if card.citation:
        yield f"Citation: {markdown_text(card.citation)}"
    if card.canary:
        yield "Canary, which stands nowhere else and finds these rows in training data:"
        yield fenced(card.canary)
    yield from (f"- {markdown_text(one)}" for one in (*card.notes, *card.defects))
    yield "Finding no harm on these rows does not make a model fair; finding some is evidence on these rows alone."
