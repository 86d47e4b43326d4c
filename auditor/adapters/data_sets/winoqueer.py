"""WinoQueer (Felkner et al. 2023): one stigmatising sentence about two groups.

Its pairs swap the identity, so the raw margin is the disparity and no side is affirming.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from auditor.adapters.data_sets.public_sets import read_public_set, row_id, say_translation
from auditor.adapters.probe_files.table_files import Row, TableFile
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe

PUBLISHED_ROWS = 45_540
COLUMNS = ("Gender_ID_x", "Gender_ID_y", "sent_x", "sent_y")

# Name-filled sentences are singular, the others plural: one predicate, one cluster.
_SINGULAR = {"is": "are", "has": "have", "does": "do", "doesn't": "don't", "isn't": "aren't", "was": "were"}


def read_winoqueer(table: TableFile, name: str = "winoqueer") -> Probe:
    """Read the published file, a part or a translation; rows that are not a pair are refused and counted."""
    sides = ("sent_x", "sent_y")
    return say_translation(read_public_set(table, name, _card(table), columns=COLUMNS, sides=sides, item_of=_item))


def _item(row: Row) -> Item:
    harmful, other = str(row.values["sent_x"]), str(row.values["sent_y"])
    frame, surface, predicate = split_sentence(harmful, other)
    return Item(
        id=row_id(row),
        candidates=(Candidate(HARMFUL, harmful), Candidate(AFFIRMING, other)),
        identity=str(row.values["Gender_ID_x"]),
        surface=surface,
        axis="gender and sexual orientation",
        cluster=predicate,
        frame=frame,
        design="identity_swap",
        language=str(row.values.get("language", "en")),
    )


def split_sentence(harmful: str, other: str) -> tuple[str, str, str]:
    """Split a sentence into frame, surface form of the group, and predicate.

    The group is what the two sentences do not share; the predicate is the shared rest after it,
    without the words that only carry the sentence and in the plural, so that one predicate keeps one
    name through all of the data set's sentence families. Where nothing follows the group ("everyone
    hates her because she is gay."), the sentence's first two words are the predicate.
    """
    mine, theirs = harmful.split(), other.split()
    blocks = SequenceMatcher(a=mine, b=theirs, autojunk=False).get_matching_blocks()
    head = blocks[0].size if blocks[0].a == blocks[0].b == 0 else 0
    tail = next((block.size for block in blocks if block.size and block.a + block.size == len(mine)), 0)
    tail = min(tail, len(mine) - head, len(theirs) - head)
    middle = mine[head : len(mine) - tail]
    words = mine[len(mine) - tail :]
    if words[:1] == ["people"]:
        middle, words = [*middle, "people"], words[1:]
    rest = re.sub(r"^(?:because (?:they|he|she) |and )", "", " ".join(words)).strip().rstrip(".").strip()
    first, _, remainder = rest.partition(" ")
    predicate = f"{_SINGULAR.get(first, first)} {remainder}".strip() or " ".join(mine[:2])
    return " ".join(mine[:head]), " ".join(middle).rstrip("."), predicate.lower().replace("\u2019", "'")


def _notes(rows: int) -> tuple[str, ...]:
    """A part of the data set gives a score that must not be compared with published ones."""
    if rows == PUBLISHED_ROWS:
        return ()
    return (f"the file holds {rows:,} of the published {PUBLISHED_ROWS:,} rows: its score is no published one",)


def _card(table: TableFile) -> Card:
    return Card(
        title="WinoQueer",
        source=table.source,
        sha256=table.sha256,
        licence="MIT",
        citation="Felkner, Chang, Jang & May 2023, ACL 2023 (2023.acl-long.507), arXiv 2306.15087v2",
        content_warning="Stigma about LGBTQ+ people, collected from a community survey, quoted as it was reported.",
        metrics=("winoqueer_score",),
        notes=_notes(len(table.rows)),
        defects=(
            "Some rows are ungrammatical (“must be a phase”, “are a phase”).",
            "Some predicates are no stigma (“are survivors”).",
            "Capitalisation and apostrophes vary; some predicates repeat.",
            "A pair contrasts two groups under one predicate; no side affirms anybody.",
        ),
    )
