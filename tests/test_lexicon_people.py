"""Whom a preference set is searched for."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import pairs_csv, write
from probe_material import FAITH, LEXICON, write_probe

from auditor.adapters.preference_data.lexicon_people import searched_people
from auditor.errors import UsageError


def test_the_shipped_lexicon_names_everyone_on_its_axes() -> None:
    found = searched_people("stigma", ["religion"])
    assert found.lexicon.startswith("stigma ")
    assert {one.axis for one in found.people} == {"religion"}
    (muslims,) = (one for one in found.people if one.identity == "Muslim people")
    assert muslims.role == "marked"
    assert "people who are Muslim" in muslims.names
    assert [one.identity for one in found.finder.mentions("Muslims, a Muslim person, atheist folks")] == [
        "Muslim people",
        "Muslim people",
        "atheist people",
    ]


def test_all_axes_where_none_is_named_and_each_identity_once() -> None:
    people = searched_people("stigma", []).people
    assert len({one.axis for one in people}) == 9
    assert len({one.identity for one in people}) == len(people)


def test_words_of_control_identities_are_nobodys_own() -> None:
    # "people" stands in the names of control identities too.
    assert all("people" not in words for words in searched_people("stigma", ["age"]).finder.words.values())


def test_an_identity_of_two_axes_has_the_names_of_both(tmp_path: Path) -> None:
    twin = {**FAITH, "name": "twin"}
    folder = write_probe(tmp_path / "mine", lexicon={**LEXICON, "axes": [*LEXICON["axes"], FAITH, twin]})
    people = searched_people(str(folder), ["faith", "twin"]).people
    assert {one.axis for one in people} == {"faith"}
    assert len(people) == len(FAITH["identities"])


def test_what_has_no_lexicon_or_axis_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it has no lexicon"):
        searched_people(str(write(tmp_path / "p.csv", pairs_csv())), [])
    with pytest.raises(UsageError, match="no probe has the axis 'nowhere'"):
        searched_people("stigma", ["nowhere"])
    with pytest.raises(UsageError, match="is two axes crossed"):
        searched_people("stigma", ["gender*religion"])
    with pytest.raises(UsageError, match="no such file or folder"):
        searched_people("nothing", [])


def test_an_axis_alone_finds_what_it_finds_among_all(tmp_path: Path) -> None:
    renamed = [{**one, "name": f"other {one['name']}"} for one in FAITH["identities"]]
    named = [{**one, "reference": f"other {one['reference']}"} if "reference" in one else one for one in renamed]
    other = {**FAITH, "name": "other", "control_reference": "other Christian", "identities": named}
    folder = write_probe(tmp_path / "mine", lexicon={**LEXICON, "axes": [*LEXICON["axes"], FAITH, other]})
    text = "Muslim people, Jewish, xans"
    whole, alone = (searched_people(str(folder), axes).finder for axes in ([], ["faith"]))
    # Both axes call people alike: nobody is meant, and no less for one of them being asked about alone.
    assert [one.identity for one in whole.mentions(text)] == ["xans"]
    assert not list(alone.mentions(text))
    assert "muslim people" in alone.ambiguous
    assert set(alone.words) == {"Christian", "Muslim", "Jewish"}
