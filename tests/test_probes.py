"""A ``--probe`` argument: a file, a folder, or a shipped name; what the columns are decides which reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import pairs_csv, write

from auditor.adapters.probe_files.probes import (
    Reading,
    check_axes,
    find_folder,
    is_table,
    open_probe,
    shipped_probes,
)
from auditor.errors import UsageError

CARD = (
    'name: mine\ntitle: Mine\nversion: "2"\nlanguage: en\nlicence: MIT\ndescription: D\n'
    "content_warning: Mind.\ndefects: [few]\n"
)


def test_pair_file(tmp_path: Path) -> None:
    probe = open_probe(str(write(tmp_path / "my pairs.csv", pairs_csv())))
    assert (probe.name, probe.card.source, len(probe.items)) == ("my pairs", "my pairs.csv", 24)


def test_probe_folder(tmp_path: Path) -> None:
    write(tmp_path / "card.yaml", CARD)
    write(tmp_path / "pairs.csv", pairs_csv())
    write(tmp_path / "notes.csv", "not,a\npair,file\n")
    probe = open_probe(str(tmp_path))
    assert (probe.name, probe.card.title, probe.card.source) == ("mine", "Mine 2", "mine/pairs.csv")
    assert (probe.card.content_warning, probe.card.defects) == ("Mind.", ("few",))


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (
            ",Gender_ID_x,Gender_ID_y,sent_x,sent_y\n0,Gay,Straight,Gay people sing.,Straight people sing.\n",
            "winoqueer",
        ),
        (",sent_more,sent_less,stereo_antistereo,bias_type\n0,a,b,stereo,age\n", "crows_pairs"),
    ],
)
def test_public_sets_are_known_by_their_columns(tmp_path: Path, head: str, name: str) -> None:
    path = write(tmp_path / "set" / "whatever.csv", head)
    write(tmp_path / "set" / "prompts.csv", "prompt\nhi\n")
    assert open_probe(str(path)).name == open_probe(str(path.parent)).name == name


def test_shipped_name_and_a_path_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped_probes() == ("affirmation", "stigma")
    assert open_probe("stigma").name == "stigma"
    write(tmp_path / "stigma" / "card.yaml", CARD)
    write(tmp_path / "stigma" / "pairs.csv", pairs_csv())
    assert open_probe("stigma").name == "mine"


def test_tier_and_axes_reach_the_folder() -> None:
    quick, other = open_probe("stigma", "quick"), open_probe("stigma", "quick", ["sexual-orientation"])
    assert {item.axis for item in quick.items} == {"gender"}
    assert {item.axis for item in other.items} == {"sexual-orientation"}
    assert len(quick.items) < len(open_probe("stigma").items)


def test_every_axis_that_is_asked_must_be_there() -> None:
    folders = [folder for folder in map(find_folder, shipped_probes()) if folder is not None]
    check_axes(["gender", "pronouns", "gender*sexual-orientation"], folders)
    for name, problem in (
        ("hats", "no probe has the axis 'hats'"),
        ("gender*hats", "no probe has the axis 'hats'"),
        ("pronouns*sexual-orientation", r"no probe has both axes of 'pronouns\*sexual-orientation'"),
    ):
        with pytest.raises(UsageError, match=problem):
            check_axes(["gender", name], folders)


def test_only_a_probe_folder_is_one(tmp_path: Path) -> None:
    found = find_folder("stigma")
    assert found is not None
    assert found.card.name == "stigma"
    assert find_folder(str(tmp_path)) is None
    assert find_folder(str(write(tmp_path / "own.csv", pairs_csv()))) is None


def test_broken_neighbour_of_no_public_set(tmp_path: Path) -> None:
    write(tmp_path / "x.csv", b"\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        open_probe(str(tmp_path))


def test_columns_under_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", "bad,good,who,remark\nare odd,are kind,x,first\nare rude,are fair,y,second\n")
    with pytest.raises(UsageError, match="columns harmful and affirming are missing"):
        open_probe(str(path))
    probe = open_probe(str(path), reading=Reading({"harmful": "bad", "affirming": "good", "identity": "who"}, "de"))
    assert [(one.identity, one.candidates[0].text, one.language) for one in probe.items] == [
        ("x", "are odd", "de"),
        ("y", "are rude", "de"),
    ]
    assert is_table(str(path))
    assert not is_table(str(tmp_path))


def test_a_public_set_under_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "c.tsv", "plus\tmoins\tsens\ttype\nPire.\tMieux.\tstereo\tage\n")
    columns = {"sent_more": "plus", "sent_less": "moins", "stereo_antistereo": "sens", "bias_type": "type"}
    probe = open_probe(str(path), reading=Reading(columns, "fr"))
    assert (probe.name, probe.items[0].language) == ("crows_pairs", "fr")


def test_a_misspelt_name_to_map_to(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", "bad,good\nare odd,are kind\n")
    with pytest.raises(UsageError, match=r"--map harmfull=bad: no reader knows the column 'harmfull'"):
        open_probe(str(path), reading=Reading({"harmfull": "bad", "affirming": "good"}))


@pytest.mark.parametrize(
    ("place", "name", "items"),
    [
        ("tango", "tango", 1200),
        ("misgendered", "misgendered", 6650),
        ("political_compass_copenlu", "political_compass", 1240),
        ("worldvaluesbench", "worldvaluesbench", 240),
        ("hh_rlhf/harmless-base", "test", 2308),
        ("hh_rlhf/harmless-base/test.jsonl.gz", "test", 2308),
    ],
)
def test_published_places(shared_data: Path, place: str, name: str, items: int) -> None:
    path = shared_data / place
    if not path.exists():
        pytest.skip(f"no {path}")
    probe = open_probe(str(path), "quick")
    assert (probe.name, len(probe.items)) == (name, items)
