"""Which rows answer one question, and which they are held against."""

from fake_scores import pair

from auditor.core.items import Candidate, Item
from auditor.core.row_groups import Cell, cells_of, others_of

ITEMS: list[Item] = [
    pair("0", theme="t1", axis="a"),
    pair("1", theme="t2", axis="a"),
    pair("2", identity="c", role="control", axis="a"),
    pair("3", valence="neutral", axis="a"),
    pair("4", identity="c", role="control", axis="b"),
    pair("5", identity="ref", role="reference", axis="a"),
    pair("6", theme="t1", axis="a"),
    pair("7", candidates=(Candidate("p", "1"), Candidate("q", "2"))),
    pair("8", identity="c", role="control", axis="a", valence="neutral"),
]
CELLS = cells_of(ITEMS)


def _cell(**fields: object) -> Cell:
    (found,) = (cell for cell in CELLS if all(getattr(cell, name) == value for name, value in fields.items()))
    return found


def test_an_identity_is_asked_over_all_themes_and_in_each() -> None:
    fields = {"identity": "x", "valence": "harm"}
    assert _cell(**fields, theme=None).rows.tolist() == [0, 1, 6]
    assert _cell(**fields, theme="t1").rows.tolist() == [0, 6]
    assert _cell(**fields, theme="t2").rows.tolist() == [1]


def test_one_theme_gives_no_cell_of_its_own_and_no_pair_none_at_all() -> None:
    assert [cell.theme for cell in CELLS if cell.identity == "ref"] == [None]
    assert all(7 not in cell.rows for cell in CELLS)


def test_only_marked_harmful_rows_are_judged() -> None:
    assert {(cell.role, cell.valence) for cell in CELLS if cell.judged} == {("marked", "harm")}


def test_a_cell_is_held_against_its_neutral_twin_and_the_controls_of_its_axis() -> None:
    others = others_of(_cell(identity="x", valence="harm", theme="t1"), CELLS)
    assert others.neutral.tolist() == [3]
    assert {name: rows.tolist() for name, rows in others.controls.items()} == {"c": [2]}


def test_a_theme_is_held_against_its_own_neutral_pairs_and_else_against_all() -> None:
    themes = [("t1", "harm"), ("t2", "harm"), ("t3", "harm"), ("t1", "neutral"), ("t2", "neutral"), ("t2", "neutral")]
    cells = cells_of([pair(str(at), theme=theme, valence=valence) for at, (theme, valence) in enumerate(themes)])
    neutral = {cell.theme: others_of(cell, cells).neutral.tolist() for cell in cells if cell.judged}
    assert neutral == {None: [3, 4, 5], "t1": [3], "t2": [4, 5], "t3": [3, 4, 5]}
