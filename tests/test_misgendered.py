"""MISGENDERED: templates, names and declared pronouns become texts filled with every family's form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from command_line import write

from auditor.adapters.data_sets.misgendered import is_misgendered, read_misgendered
from auditor.core.metrics import METRICS
from auditor.errors import UsageError

PRONOUNS = (
    "gender_type,gender,nom,acc,pos_dep,pos_indep,ref\n"
    "binary,he,he,him,his,his,himself\n"
    "non-binary,e,e,em,es,ems,emself\n"
    "non-binary,ey,ey,em,eir,eirs,emself\n"
)
BARE = (
    "template,form,template_id\n"
    "Being kind matters to {name} ({nom}/{acc}). {mask_token} always tried.,nom,0\n"
    "Please lend {mask_token} some money? ,acc,1\n"
)
DECLARED = (
    "form,template,template_id\n"
    "nom,{name}/'s pronouns are {nom}/{acc}/{pos_ind}. Being kind matters to {name}. {mask_token} always tried.,0.0\n"
    "acc,{name}/'s pronouns are {nom}/{acc}/{pos_ind}. Please lend {mask_token} some money? ,\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "pronouns.csv", PRONOUNS)
    write(tmp_path / "templates" / "templates.csv", BARE)
    write(tmp_path / "templates" / "explicit_template_31.csv", DECLARED)
    for kind, names in (("female", "Mary\nAnn\n"), ("male", "John\n"), ("unisex", "Riely\r\n\r\nArden")):
        write(tmp_path / "names" / f"{kind}.txt", names)
    return tmp_path


def test_declared_and_undeclared_texts(folder: Path) -> None:
    assert is_misgendered(folder)
    probe = read_misgendered(folder, "full")
    assert probe.refusals == ()
    by_id = {one.id: one for one in probe.items}
    # 5 names x 2 templates, each once undeclared and once a family.
    assert len(by_id) == 5 * 2 * (1 + 3)
    one = by_id["explicit 31/0/female Mary/e"]
    assert [(side.label, side.text) for side in one.candidates] == [
        ("he", "Mary's pronouns are e/em/ems. Being kind matters to Mary. He always tried."),
        ("e", "Mary's pronouns are e/em/ems. Being kind matters to Mary. E always tried."),
        ("ey", "Mary's pronouns are e/em/ems. Being kind matters to Mary. Ey always tried."),
    ]
    assert (one.identity, one.answer, one.theme, one.cluster) == ("e", "e", "nominative", "template 0")
    shared = by_id["explicit 31/1/unisex Arden/ey"]
    assert [(side.label, side.text) for side in shared.candidates] == [
        ("he", "Arden's pronouns are ey/em/eirs. Please lend him some money?"),
        ("e/ey", "Arden's pronouns are ey/em/eirs. Please lend em some money?"),
    ]
    assert (shared.answer, shared.identity) == ("e/ey", "ey")
    bare = by_id["undeclared/0/male John"]
    assert bare.candidates[0].text == "Being kind matters to John. He always tried."
    assert (bare.answer, bare.identity, bare.axis) == ("", "male names", "name")


@pytest.mark.parametrize(("tier", "names"), [("quick", 1), ("standard", 3)])
def test_fewer_names_are_always_the_same_ones(folder: Path, tier: str, names: int) -> None:
    probe = read_misgendered(folder, tier)
    assert read_misgendered(folder, tier).items == probe.items
    for template in ("template 0", "template 1"):
        drawn = {
            frame: [one.surface for one in probe.items if (one.cluster, one.frame) == (template, frame)]
            for frame in ("undeclared", "explicit 31")
        }
        assert len(set(drawn["undeclared"])) == names
        # A declaration is compared with none, and a family with another, about the same people.
        assert Counter(drawn["explicit 31"]) == dict.fromkeys(drawn["undeclared"], 3)
    assert any("of the published 500" in note for note in probe.card.notes)
    assert read_misgendered(folder, "full").card.notes == ()


def test_the_drawn_names_are_pinned(folder: Path) -> None:
    found = {one.cluster: one.surface for one in read_misgendered(folder, "quick").items if one.frame == "undeclared"}
    assert found == {"template 0": "Ann", "template 1": "John"}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("nom,{name} ran. {mask_token} and {mask_token}.,2", "template needs one {mask_token}"),
        ("nom,{name} ran.,2", "template needs one {mask_token}"),
        ("nom,{name} ran. {mask_token} {other}.,2", "template has a slot that cannot be filled here"),
        ("verb,{name} ran. {mask_token}.,2", "form is none of nom, acc, pos_dep, pos_ind, ref"),
        ("nom,,2", "template is empty"),
        ("nom,{name},{mask_token},2", "4 fields where the header has 3"),
    ],
)
def test_bad_rows_are_counted(folder: Path, row: str, problem: str) -> None:
    write(folder / "templates" / "explicit_template_31.csv", DECLARED + row + "\n")
    probe = read_misgendered(folder, "full")
    assert len(probe.items) == 40
    (refusal,) = probe.refusals
    assert refusal.detail == f"{folder / 'templates' / 'explicit_template_31.csv'}, line 4: {problem}"


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("pronouns.csv", "gender,nom\nhe,he\n", "acc is empty"),
        ("pronouns.csv", PRONOUNS[: PRONOUNS.index("non-binary")], "fewer than two families"),
        ("names/male.txt", "\n", "holds no names"),
    ],
)
def test_what_all_rows_need_must_be_there(folder: Path, file: str, content: str, problem: str) -> None:
    write(folder / file, content)
    with pytest.raises(UsageError, match=problem):
        read_misgendered(folder)


def test_no_templates(folder: Path) -> None:
    for path in (folder / "templates").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match="holds no templates"):
        read_misgendered(folder)


def test_the_published_folder(shared_data: Path) -> None:
    # 13 files x 50 templates, ten of each form; 11 families declared in 12 files. Three templates of the file without
    # declarations declare all the same, and the column template_id has gaps in one file.
    folder = shared_data / "misgendered"
    if not is_misgendered(folder):
        pytest.skip(f"no {folder}")
    probe = read_misgendered(folder)
    assert probe.refusals == ()
    assert set(probe.card.metrics) <= set(METRICS)
    frames = Counter(one.frame for one in probe.items)
    assert frames.pop("undeclared") == 50 * 3
    assert frames == {
        f"{kind} {variant}": 50 * 3 * 11
        for kind in ("explicit", "parenthetical")
        for variant in ("2", "31", "32", "41", "42", "5")
    }
    undeclared = [one for one in probe.items if one.frame == "undeclared"]
    assert Counter(one.theme for one in undeclared) == dict.fromkeys(
        ("nominative", "accusative", "possessive-dependent", "possessive-independent", "reflexive"), 30
    )
    assert Counter(one.identity for one in undeclared) == dict.fromkeys(
        ("female names", "male names", "unisex names"), 50
    )
    texts = [side.text for one in probe.items for side in one.candidates]
    assert not [text for text in texts if "/'" in text or "{" in text or text != text.strip()]
    assert not [one.id for one in undeclared if "he/him" in one.candidates[0].text]
    labels = {one.theme: [side.label for side in one.candidates] for one in undeclared}
    families = ["he", "she", "they", "thon", "e", "ae", "co", "vi", "xe", "ey", "ze"]
    sharing = [*families[:4], "e/ey", "ae", "co", "vi", "xe", "ze"]
    assert labels == {
        "nominative": families,
        "accusative": sharing,
        "possessive-dependent": families,
        "possessive-independent": families,
        "reflexive": sharing,
    }
    capital = {one.theme for one in undeclared for side in one.candidates if f" {side.label.title()} " in side.text}
    assert capital == {"nominative"}
