"""Parts averaged in each contrast: they add up to the margin's own means, and their intervals are scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from fake_scores import FakeScorer, pair, probe_of, series_of
from scipy import stats

from auditor.core.attributed import AttributedCell, Parts, attribute_outputs, attributed_cells, parts_of
from auditor.core.attributions import Attribution, Unit, by_role
from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import match_items
from auditor.core.estimation import estimate_effects
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Item
from auditor.core.measures import measures_of
from auditor.core.tables import ScoreTable, line_up

SERIES = series_of("base", "dpo")
WORDS = (Candidate(HARMFUL, "are bad"), Candidate(AFFIRMING, "are good"))


def _items() -> list[Item]:
    rows = []
    for cluster in range(4):
        for identity, role in (("x", "marked"), ("y", "marked"), ("r", "reference"), ("c", "control")):
            fields = {"cluster": f"c{cluster}", "match": f"k{cluster}", "theme": f"t{cluster % 2}"}
            rows.append(pair(f"{identity}{cluster}", identity=identity, role=role, candidates=WORDS, **fields))
    return rows


def _logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
    # One token a character: spaces count for the word behind them.
    seed = [ord(letter) for letter in f"{checkpoint}{item.id}{label}"]
    return (-np.random.default_rng(seed).exponential(1, len("are bad" if label == HARMFUL else "are good"))).tolist()


def _table() -> ScoreTable:
    probe = probe_of(*_items())
    scorer = FakeScorer(_logprobs)
    return line_up(probe, "plain", [scorer.score(one, [probe]) for one in SERIES.checkpoints])


def _cell(cells: tuple[AttributedCell, ...], **asked: object) -> AttributedCell:
    (found,) = [one for one in cells if all(getattr(one, name) == value for name, value in asked.items())]
    return found


def test_mean_parts_add_up_to_the_effects_own_estimates() -> None:
    table = _table()
    matching = match_items(table)
    cells = attribute_outputs(table, matching, SERIES, 0)
    effects, _ = estimate_effects(table, matching, measures_of(SERIES), Bootstrap(0))
    compared = 0
    for effect in effects:
        if effect.measure not in ("level", "shift"):
            continue
        own = [
            one
            for one in cells
            if (one.identity, one.theme, one.contrast, one.checkpoint, one.reference, one.role)
            == (effect.identity, effect.theme, effect.contrast, effect.checkpoint, effect.measure_from, effect.role)
        ]
        if own:
            assert sum(one.estimate for one in own) == pytest.approx(effect.estimate.value, abs=1e-9)
            assert own[0].total == pytest.approx(effect.estimate.value, abs=1e-12)
            assert abs(own[0].completeness_error) < 1e-9
            assert {one.items for one in own} == {effect.items}
            compared += 1
    # Level and shift of two marked and one control identity in three contrasts, of the reference in one; themes.
    assert compared == 2 * (3 * 3 + 1 + 2 * 2)


def test_an_interval_is_a_t_test_over_clusters() -> None:
    table = _table()
    cells = attribute_outputs(table, match_items(table), SERIES, 0)
    one = _cell(cells, identity="x", theme=None, contrast="excess", checkpoint="dpo", reference=None, unit="predicate")
    values = []
    for cluster in range(4):
        per_row = {}
        for name in ("x", "r"):
            sums = []
            for label in (HARMFUL, AFFIRMING):
                item = table.probe.by_id[f"{name}{cluster}"]
                # The word begins at character 3, with its space.
                sums.append(sum(_logprobs("dpo", item, label)[3:]))
            per_row[name] = sums[0] - sums[1]
        values.append(per_row["x"] - per_row["r"])
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    assert one.estimate == pytest.approx(np.mean(values))
    assert (one.interval.low, one.interval.high) == pytest.approx((interval.low, interval.high))
    assert one.p == pytest.approx(expected.pvalue)


def test_p_is_adjusted_over_marked_identities_and_units_of_one_contrast() -> None:
    table = _table()
    cells = attribute_outputs(table, match_items(table), SERIES, 0)
    family = [
        one
        for one in cells
        if (one.checkpoint, one.reference, one.contrast) == ("dpo", "base", "excess")
        if (one.role, one.theme) == ("marked", None)
    ]
    # Two identities by the two roles that occur.
    assert len(family) == 4
    ranked = sorted(family, key=lambda one: one.p)
    by_hand = [min(4 / (later + 1) * ranked[later].p for later in range(at, 4)) for at in range(4)]
    assert [one.p_adjusted for one in ranked] == pytest.approx(by_hand)
    assert all(np.isnan(one.p_adjusted) for one in cells if one.role != "marked" or one.theme is not None)


def _attribution(item: str, values: list[float], names: list[str], *, sampled: bool = True) -> Attribution:
    units = tuple(Unit(at, name) for at, name in enumerate(names))
    named = "probe", item, "plain", "dpo", "base", "path", "layer"
    return Attribution(*named, units, np.array(values), sum(values) + 0.5, sampled=sampled)  # type: ignore[arg-type]


def test_attributions_line_up_by_the_names_of_their_units() -> None:
    table = _table()
    (parts,) = parts_of(
        table,
        [
            _attribution("x0", [1.0, 2.0], ["layer 0", "layer 1"]),
            _attribution("x1", [4.0, 3.0], ["layer 1", "layer 0"]),
            _attribution("x2", [9.0, 9.0], ["layer 0", "layer 1"], sampled=False),
        ],
    )
    places = [item.id for item in table.items]
    assert parts.units == ("layer 0", "layer 1")
    assert parts.values[places.index("x1")].tolist() == [3.0, 4.0]
    assert [places[at] for at in np.flatnonzero(parts.known)] == ["x0", "x1"]
    assert parts.totals[places.index("x0")] == 3.5


def test_words_and_tokens_are_averaged_by_role_only() -> None:
    table = _table()
    units = (Unit(0, "are", HARMFUL, role="frame"), Unit(1, "bad", HARMFUL, role="predicate"), Unit(-1, "(baseline)"))
    own = Attribution("probe", "x0", "plain", "dpo", None, "ig", "word", units, np.array([1.0, 2.0, 4.0]), 7.0)
    assert not list(parts_of(table, [own]))
    (parts,) = parts_of(table, [by_role(own)])
    named = dict(zip(parts.units, parts.values[0].tolist(), strict=True))
    assert (parts.level, named["frame"], named["predicate"], named["(baseline)"]) == ("role", 1.0, 2.0, 4.0)


def test_of_heads_only_what_is_specific_to_a_marked_identity_is_told() -> None:
    swapped = [
        pair(f"s{cluster}", cluster=f"s{cluster}", design="identity_swap", identity="z", candidates=WORDS)
        for cluster in range(3)
    ]
    probe = probe_of(*_items(), *swapped)
    table = line_up(probe, "plain", [FakeScorer(_logprobs).score(one, [probe]) for one in SERIES.checkpoints])
    values = np.arange(1.0, 1 + len(table.items))[:, None]
    every = np.ones(len(table.items), dtype=bool)
    parts = Parts("dpo", "base", "path", "head", ("layer 0 head 0",), values, values[:, 0], every)
    cells = attributed_cells(table, match_items(table), parts)
    assert {(one.identity, one.role, one.theme, one.contrast) for one in cells} == {
        ("x", "marked", None, "excess"),
        ("y", "marked", None, "excess"),
        ("z", "marked", None, "raw"),
    }


def test_rows_that_were_not_attributed_count_nowhere() -> None:
    table = _table()
    known = np.array([item.id in ("x0", "x1", "r0") for item in table.items])
    values = np.ones((len(table.items), 1))
    parts = Parts("dpo", None, "path", "layer", ("layer 0",), values, values[:, 0], known)
    cells = attributed_cells(table, match_items(table), parts)
    raw = _cell(cells, identity="x", theme=None, contrast="raw")
    # Without its reference row, x1 has no excess.
    excess = _cell(cells, identity="x", theme=None, contrast="excess")
    assert (raw.items, excess.items, excess.estimate) == (2, 1, 0.0)
    assert not [one for one in cells if one.identity == "y"]


def test_of_very_many_rows_whole_match_keys_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.core.attributed._MOST_ROWS", 5)
    table = _table()
    cells = attribute_outputs(table, match_items(table), SERIES, 0)
    # Four rows a key: the second makes it more than five.
    raw = [one for one in cells if (one.theme, one.contrast, one.reference) == (None, "raw", None)]
    assert {one.items for one in raw} == {2}
    assert {one.identity for one in raw} == {"x", "y", "r", "c"}
