"""Probe folders: what they hold, how much of it a tier asks, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import pairs_csv, write
from probe_material import FAITH, LEXICON, SECTION, write_probe

from auditor.adapters.probe_files.probe_folders import TIERS, CardFile, Tiers, build_probe, read_folder, stream_rows
from auditor.errors import UsageError


def test_tiers_grow_to_all_there_is(tmp_path: Path) -> None:
    folder = read_folder(write_probe(tmp_path / "mine"))
    quick, standard, full = (build_probe(folder, tier) for tier in TIERS)
    assert len(quick.items) < len(standard.items) < len(full.items)
    assert {item.id for item in quick.items} < {item.id for item in standard.items} < {item.id for item in full.items}
    assert standard.name == "mine"
    assert standard.card.title == "Mine 2, standard tier, a"
    assert standard.card.content_warning == "Mild stigma."
    assert {item.language for item in full.items} == {"en"}


def test_hash_is_of_everything_that_decides_the_rows(tmp_path: Path) -> None:
    hashes = {
        build_probe(read_folder(write_probe(tmp_path / str(at), **changes)), "quick").card.sha256
        for at, changes in enumerate(
            (
                {},
                {"card": {"tiers": {"quick": 2}}},
                {"lexicon": {**LEXICON, "controls": []}},
                {"sections": ({**SECTION, "ending": "!"},)},
            )
        )
    }
    assert len(hashes) == 4
    again = build_probe(read_folder(write_probe(tmp_path / "again")), "quick").card.sha256
    assert again in hashes


def test_axes_of_a_card_are_the_default(tmp_path: Path) -> None:
    second = {**LEXICON["axes"][0], "name": "b"}
    two = {**LEXICON, "axes": [*LEXICON["axes"], second]}
    folder = read_folder(write_probe(tmp_path / "mine", lexicon=two, card={"default_axes": ["b"]}))
    assert (folder.axes, folder.default_axes) == (("a", "b"), ("b",))
    assert {item.axis for item in build_probe(folder, "quick").items} == {"b"}
    assert {item.axis for item in build_probe(folder, "quick", ["a"]).items} == {"a"}
    both = build_probe(folder, "full", ["a", "b"]).items
    assert len({item.id for item in both}) == len(both), "control identities stand on either axis"
    with pytest.raises(UsageError, match="has none of these axes"):
        build_probe(folder, "quick", ["c"])


CROSSED = {**LEXICON, "axes": [*LEXICON["axes"], FAITH]}


def test_axes_are_crossed_on_request(tmp_path: Path) -> None:
    folder = read_folder(write_probe(tmp_path / "mine", lexicon=CROSSED, card={"default_axes": ["a"]}))
    assert [folder.has_axis(name) for name in ("a", "faith", "a*faith", "faith*a", "b", "a*b", "")] == [
        True, True, True, True, False, False, False,
    ]  # fmt: skip
    probe = build_probe(folder, "full", ["a*faith", "faith", "a*b", "a*faith"])
    assert probe.card.title == "Mine 2, full tier, faith and a*faith"
    alone = [*build_probe(folder, "full", ["faith"]).items, *build_probe(folder, "full", ["a*faith"]).items]
    assert sorted(probe.items, key=lambda item: item.id) == sorted(alone, key=lambda item: item.id)
    with pytest.raises(UsageError, match=r"none of these axes(?s:.*)Its axes: a, faith"):
        build_probe(folder, "full", ["a*b"])


@pytest.mark.parametrize(
    ("axis", "problem"),
    [("a*a", "crosses an axis with itself"), ("a*faith*a", "crosses 3 axes"), ("faith*a", "'refs' has no 'who'")],
)
def test_axes_that_cannot_be_crossed(tmp_path: Path, axis: str, problem: str) -> None:
    folder = read_folder(write_probe(tmp_path / "mine", lexicon=CROSSED))
    with pytest.raises(UsageError, match=rf"lexicon.yaml: {re.escape(axis)}.* ?{problem}(?s:.*)who are Muslim"):
        build_probe(folder, "quick", [axis])


def test_rows_can_be_streamed(tmp_path: Path) -> None:
    folder = read_folder(write_probe(tmp_path / "mine"))
    for tier in TIERS:
        assert tuple(stream_rows(folder, tier)) == build_probe(folder, tier).items


def test_a_turn_that_is_no_text(tmp_path: Path) -> None:
    frame = {"name": "f", "context": "Some {people}.", "messages": [{"role": "user", "content": "\ud800"}]}
    with pytest.raises(UsageError, match=r"frame 'f', message 1, content: Input should be a valid string"):
        read_folder(write_probe(tmp_path / "mine", sections=({**SECTION, "frames": [frame]},)))


def test_a_folder_of_rows_is_taken_whole(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "mine")
    (folder / "lexicon.yaml").unlink()
    (folder / "sentences.yaml").unlink()
    (folder / "pairs.csv").write_text(pairs_csv(), encoding="utf-8")
    found = read_folder(folder)
    assert found.axes == ()
    assert [len(build_probe(found, tier).items) for tier in TIERS] == [24, 24, 24]
    assert build_probe(found, "quick").card.title == "Mine 2"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sections": ({**SECTION, "axes": ["b"]},)}, "axis 'b' is not in the lexicon"),
        ({"sections": ({**SECTION, "references": ["xx"]},)}, "reference 'xx' is not in the lexicon"),
        ({"sections": ({**SECTION, "identities": ["xx"]},)}, "identity 'xx' is not in the lexicon"),
        ({"sections": ({**SECTION, "against": ["xx"]},)}, "identity 'xx' is not in the lexicon"),
        (
            {"sections": ({**SECTION, "against": ["refs"]},)},
            "against must name at least two identities of the axis 'a'",
        ),
        ({"card": {"default_axes": ["b"]}}, "default_axes 'b' is not in the lexicon"),
        (
            {"sections": ({**SECTION, "predicates": [{**SECTION["predicates"][0], "except_axes": ["b"]}]},)},
            "axis 'b' is not in the lexicon",
        ),
        ({"card": {"tiers": {"quick": 0}}}, "cannot be read: tiers, quick: "),
        ({"card": {"colour": "red"}}, "cannot be read: colour"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read_folder(write_probe(tmp_path / "mine", **changes))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"frames": [{"name": "met", "context": "Some {folk}."}]}, r"asks for \{folk\}; there is: affirming, harmful"),
        ({"harmful": "same", "affirming": "same"}, "both sides are the same"),
        (
            {
                "harmful": "{h}",
                "predicates": [{"name": "p", "wordings": [{"h": "", "affirming": "frank"}]}],
                "ending": "",
            },
            "a side is empty",
        ),
        ({"identities": ["xans"], "references": ["others"], "controls": False}, "gives no rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_put_together(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    folder = read_folder(write_probe(tmp_path / "mine", sections=({**SECTION, **changes},)))
    with pytest.raises(UsageError, match=problem):
        build_probe(folder, "full")


def test_rows_or_a_lexicon_and_never_both(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "mine")
    (folder / "pairs.csv").write_text(pairs_csv(), encoding="utf-8")
    with pytest.raises(UsageError, match="found 1 pair files beside a lexicon"):
        read_folder(folder)
    for name in ("pairs.csv", "lexicon.yaml", "sentences.yaml"):
        (folder / name).unlink()
    with pytest.raises(UsageError, match="found 0 pair files"):
        read_folder(folder)


def test_half_a_lexicon(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "mine")
    (folder / "sentences.yaml").unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        read_folder(folder)


def test_card_keys_are_the_documented_ones() -> None:
    required = {name for name, field in CardFile.model_fields.items() if field.is_required()}
    assert required == {"name", "title", "version", "language", "licence", "description"}
    assert Tiers() == Tiers(quick=1, standard=3)


def test_rows_of_one_id_are_refused(tmp_path: Path) -> None:
    frames = [{"name": name, "context": "Some {people}."} for name in ("f", "f/1")]
    predicate = {"name": "p/1", "wordings": [["a", "b"]]}, {"name": "p", "wordings": [["c", "d"], ["e", "g"]]}
    section = {"name": "s", "frames": [{**frames[0], "name": "1/f"}, frames[0]], "predicates": list(predicate)}
    with pytest.raises(UsageError, match="two rows get the id"):
        build_probe(read_folder(write_probe(tmp_path / "mine", sections=(section,))), "full")


def test_controls_stay_on_the_axis_of_whom_they_meet(tmp_path: Path) -> None:
    names = {"refs": "rafs", "others": "uthers", "xans": "yans", "zans": "wans"}
    second = {
        "name": "b",
        "title": "another",
        "identities": [
            {
                **one,
                "name": names[one["name"]],
                **({"reference": names[one["reference"]]} if "reference" in one else {}),
            }
            for one in LEXICON["axes"][0]["identities"]
        ],
    }
    lexicon = {**LEXICON, "axes": [*LEXICON["axes"], second]}
    section = {**SECTION, "references": ["rafs"]}
    folder = read_folder(write_probe(tmp_path / "mine", lexicon=lexicon, sections=(section,)))
    assert {item.axis for item in build_probe(folder, "full", ["a", "b"]).items} == {"b"}


def test_a_card_may_name_published_metrics(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "pairs.csv", pairs_csv())
    texts = dict.fromkeys(("title", "version", "licence", "description"), "x")
    card = {**texts, "name": "mine", "language": "en", "metrics": ["crows_pairs_shared"], "notes": ["read by hand"]}
    file = tmp_path / "mine" / "card.yaml"
    file.write_text(yaml.safe_dump(card), encoding="utf-8")
    probe = build_probe(read_folder(tmp_path / "mine"), "standard")
    assert (probe.card.metrics, probe.card.notes) == (("crows_pairs_shared",), ("read by hand",))
    for metrics, problem in ((["nothing"], "no such metric: 'nothing'"), (["agreement"] * 2, "named twice")):
        file.write_text(yaml.safe_dump({**card, "metrics": metrics}), encoding="utf-8")
        with pytest.raises(UsageError, match=problem):
            read_folder(tmp_path / "mine")
