"""What linted material says of itself."""

from __future__ import annotations

from lint_cases import material, wording


def test_where_a_wording_stands() -> None:
    assert wording("x", "y", "p").where == "p, wording 1"
    assert wording("x", "y", "row 3", number="").where == "row 3"


def test_sides_must_match_where_they_are_about_one_identity() -> None:
    swapped = wording("x", "y")
    declared = wording("x", "y", design="responsiveness")
    assert material(swapped, declared).swapped == (swapped,)


def test_the_vocabulary_knows_frames_and_scaffolds() -> None:
    found = material(wording("Teil der Gefahr", "Teil der Hilfe", contexts=(("f", "Was denkst du?"),)), language="de")
    assert not found.english
    assert found.vocabulary.familiar == {"teil", "der", "was", "denkst", "du"}
    assert material(language="en-US").vocabulary.english
