"""Which probes a command asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import pairs_csv, write

from auditor.cli.asked_probes import DEFAULT_PROBES, asked_probes, first_with_text, opened_probes
from auditor.cli.external_options import AnalyseOptions
from auditor.cli.options import Tier
from auditor.errors import UsageError


def test_the_default_is_shipped() -> None:
    found = opened_probes(AnalyseOptions(tier=Tier.quick))
    assert [probe.name for probe in found] == list(DEFAULT_PROBES)


def test_names_are_asked_where_there_are_control_identities() -> None:
    options = AnalyseOptions(probe=["stigma"], tier=Tier.quick)
    (opened,), (asked,) = opened_probes(options), asked_probes(options)
    assert {item.design for item in opened.items} == {"text_swap"}
    assert {item.design for item in asked.items} == {"text_swap", "naming"}


def test_a_limit_keeps_whole_clusters(tmp_path: Path) -> None:
    path = write(tmp_path / "small.csv", pairs_csv())
    # A cluster is two frames about three identities; the one in which the limit is reached is kept whole.
    for limit, items in ((1, 6), (6, 6), (7, 12), (100, 24)):
        (probe,) = opened_probes(AnalyseOptions(probe=[str(path)], limit=limit))
        assert len(probe.items) == items


def test_renderings_are_tried_on_an_item_that_has_plain_text(tmp_path: Path) -> None:
    talk = '{"messages": [{"role": "user", "content": "Who?"}], "harmful": "Them.", "affirming": "Us.", "id": "talk"}'
    text = '{"context": "Who?", "harmful": " Them.", "affirming": " Us.", "id": "text"}'
    for rows, first in (((talk, text), "text"), ((talk,), "talk")):
        probes = opened_probes(AnalyseOptions(probe=[str(write(tmp_path / f"{first}.jsonl", "\n".join(rows)))]))
        assert first_with_text(probes).id == first


def test_what_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "small.csv", pairs_csv())
    other = write(tmp_path / "other" / "small.csv", pairs_csv())
    for options, words in (
        (AnalyseOptions(probe=[str(path), str(other)]), "two probes are called 'small'"),
        (AnalyseOptions(probe=[str(path)], axis=["gender"]), "no probe has the axis 'gender'"),
        (AnalyseOptions(axis=["nothing"]), "no probe has the axis 'nothing'"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            opened_probes(options)
        assert caught.value.fix
