"""Names in frames: which are asked, and how their log-probabilities find their rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_scores import pair, probe_of, scored

from auditor.core.naming import NameScores, is_name, name_of, with_names


def _rows() -> list:
    people = (("trans women", "marked"), ("cis women", "reference"), ("oboists", "control"))
    return [
        pair(f"{who}{at}", context=frame.format(who), prefix=" They are", surface=who, identity=who, role=role)
        for at, frame in enumerate(("I met some {} today.", "{} moved in."))
        for who, role in people
    ]


def test_a_name_is_where_the_words_first_stand() -> None:
    item = pair("1", context="Some oboists met oboists.", surface="oboists")
    assert name_of(item) == ("Some ", "oboists")
    assert name_of(pair("2", context="Nobody.", prefix=" oboists are", surface="oboists")) == ("Nobody. ", "oboists")
    assert name_of(pair("3", context="Nobody.", surface="oboists")) is None
    assert name_of(pair("4", context="Nobody.")) is None
    assert name_of(pair("5", context="Women and men.", surface="men")) == ("Women and ", "men")
    assert name_of(pair("6", context="Some women.", surface="men")) is None


def test_one_item_for_each_beginning_of_a_frame() -> None:
    probe = with_names(probe_of(*_rows()))
    first, second = (item for item in probe.items if item.design == "naming")
    assert (first.context, first.prefix) == ("I met some", "")
    assert [one.text for one in first.candidates] == [" trans women", " cis women", " oboists"]
    assert (second.context, [one.text for one in second.candidates]) == ("", ["trans women", "cis women", "oboists"])
    assert first.pair is None
    assert probe.items[: len(_rows())] == tuple(_rows())


def test_labels_are_identities_and_not_words() -> None:
    rows = [
        pair("1", context="Some xa.", surface="xa", identity="x", role="control"),
        pair("2", context="Some xb.", surface="xb", identity="x", role="control"),
    ]
    probe = with_names(probe_of(*rows))
    assert [one.label for one in probe.items[-1].candidates] == ["x", "x (2)"]


def test_without_control_identities_no_name_is_asked() -> None:
    probe = probe_of(*(item for item in _rows() if item.role != "control"))
    assert with_names(probe) is probe


def test_scores_find_their_rows() -> None:
    probe = with_names(probe_of(*_rows()))
    names = [item for item in probe.items if item.design == "naming"]
    values = [[[-1.0, -2.0], [-3.0], [-4.0]], [[-5.0], [-6.0], [-7.0]]]
    found = NameScores.read([scored(item, one) for item, one in zip(names, values, strict=True)])
    assert found.of(_rows()).tolist() == [-3.0, -3.0, -4.0, -5.0, -6.0, -7.0]


def test_an_end_of_turn_is_no_part_of_a_name() -> None:
    (item,) = (one for one in with_names(probe_of(*_rows()[:3])).items if one.design == "naming")
    one = scored(item, [[-1.0, -9.0], [-3.0, -9.0], [-4.0, -9.0]])
    for candidate, text in zip(one.candidates, item.candidates, strict=True):
        n = len(text.text)
        candidate.starts[:], candidate.ends[:] = [0, n], [n, n]
    assert NameScores.read([one]).of(_rows()[:3]).tolist() == [-1.0, -3.0, -4.0]


@pytest.mark.parametrize("surface", ["", "flautists"])
def test_a_row_without_a_scored_name_has_none(surface: str) -> None:
    assert np.isnan(NameScores({}).of([pair("1", context="Some flautists.", surface=surface)])).all()


def test_rows_keep_their_own_ids() -> None:
    rows = [replace(row, id="naming/1") if at == 0 else row for at, row in enumerate(_rows())]
    ids = [item.id for item in with_names(probe_of(*rows)).items]
    assert len(set(ids)) == len(ids)
    assert ids[-2:] == ["naming/2", "naming/3"]


def test_only_harmful_rows_are_asked_about() -> None:
    neutral = [
        replace(row, id=f"n{row.id}", context=f"Elsewhere {row.surface} sing.", valence="neutral")
        for row in _rows()[:3]
    ]
    names = [item.context for item in with_names(probe_of(*_rows(), *neutral)).items if item.design == "naming"]
    assert names == ["I met some", ""]


def test_ids_of_names_are_known() -> None:
    assert is_name("naming/12")
    assert not is_name("12")
