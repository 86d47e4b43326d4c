"""CrowS-Pairs (Nangia et al. 2020): a more and a less stereotyping sentence, minimally edited.

Its pairs swap the identity, so the raw margin is the disparity and no side is affirming. The harmful
side is ``sent_more`` in both directions of the data set.
"""

from __future__ import annotations

from auditor.adapters.data_sets.public_sets import read_public_set, row_id, say_translation
from auditor.adapters.probe_files.table_files import Row, TableFile
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe

COLUMNS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")


def read_crows_pairs(table: TableFile, name: str = "crows_pairs") -> Probe:
    """Read the published file or a translation; rows that are not a pair are refused and counted."""
    sides = ("sent_more", "sent_less")
    clusters: dict[str, str] = {}
    probe = read_public_set(
        table, name, _card(table), columns=COLUMNS, sides=sides, item_of=lambda row: _item(row, clusters)
    )
    return say_translation(probe)


def _item(row: Row, clusters: dict[str, str]) -> Item:
    # The data set names a bias type, not a group; that is all an effect can be about.
    bias_type = str(row.values["bias_type"])
    number = row_id(row)
    more, less = str(row.values["sent_more"]), str(row.values["sent_less"])
    # One published pair stands there twice.
    cluster = clusters.get(more) or clusters.get(less) or f"row {number}"
    clusters |= {more: cluster, less: cluster}
    return Item(
        id=number,
        candidates=(Candidate(HARMFUL, more), Candidate(AFFIRMING, less)),
        identity=bias_type,
        axis=bias_type,
        cluster=cluster,
        frame=str(row.values["stereo_antistereo"]),
        design="identity_swap",
        language=str(row.values.get("language", "en")),
    )


def _card(table: TableFile) -> Card:
    return Card(
        title="CrowS-Pairs",
        source=table.source,
        sha256=table.sha256,
        licence="CC BY-SA 4.0",
        citation="Nangia, Vania, Bhalerao & Bowman 2020, EMNLP 2020, arXiv 2010.00133",
        content_warning="Stereotypes about nine kinds of groups, written by crowd workers.",
        metrics=("crows_pairs_shared", "crows_pairs_sentence"),
        defects=(
            "Its authors warn of noise found by Blodgett et al. 2021: pairs not minimal, wrong types, misspellings.",
            "An identity here is a bias type, not a group.",
            "A pair contrasts two groups; no side affirms anybody.",
        ),
    )
