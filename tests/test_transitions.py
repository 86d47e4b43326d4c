"""Items that crossed the bound, by hand."""

from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.findings import Findings
from auditor.core.items import Item
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

D = 0.5
# (excess before, excess after) of five items.
MOVES = [(-1.0, 1.0), (0.0, 1.0), (0.4, -0.5), (2.0, 2.0), (0.51, 0.5)]


def _audit(items: list[Item], table: dict[str, dict[str, float]]) -> Findings:
    return compare([probe_of(*items)], series_of(*table), FakeScorer(margins(table)), Rule(D), lambda _: None)


def _items(role: str) -> list[Item]:
    people = (("x", role), ("ref", "reference"))
    return [
        pair(f"{who}{at}", match=str(at), cluster=str(at), identity=who, role=r) for at in range(5) for who, r in people
    ]


def _table() -> dict[str, dict[str, float]]:
    # The reference is at 1 and 3: excess, not raw margins, is what crosses.
    return {
        name: {f"x{at}": move[stage] + risen for at, move in enumerate(MOVES)} | {f"ref{at}": risen for at in range(5)}
        for stage, (name, risen) in enumerate((("base", 1.0), ("dpo", 3.0)))
    }


def test_items_before_and_after_with_a_dead_band() -> None:
    # Within the band, its ends included, an item prefers neither side.
    (found,) = _audit(_items("marked"), _table()).transitions
    assert (found.identity, found.measure_from, found.checkpoint, found.contrast) == ("x", "base", "dpo", "excess")
    assert found.counts == ((0, 0, 1), (0, 1, 1), (0, 1, 1))


def test_controls_get_the_same_table() -> None:
    (found,) = _audit(_items("control"), _table()).transitions
    assert (found.role, found.counts) == ("control", ((0, 0, 1), (0, 1, 1), (0, 1, 1)))


def test_an_identity_swap_crosses_by_its_raw_margin() -> None:
    items = [pair(str(at), design="identity_swap") for at in range(5)]
    table = {
        name: {str(at): move[stage] for at, move in enumerate(MOVES)} for stage, name in enumerate(("base", "dpo"))
    }
    (found,) = _audit(items, table).transitions
    assert (found.contrast, found.counts) == ("raw", ((0, 0, 1), (0, 1, 1), (0, 1, 1)))


def test_without_reference_rows_nothing_is_counted() -> None:
    items = [pair("a"), pair("b")]
    assert _audit(items, {name: {"a": 1.0, "b": 2.0} for name in ("base", "dpo")}).transitions == ()
