"""Weights of rows against the effects that an audit makes of the same margins."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.items import Candidate, Item
from auditor.core.row_sums import row_sums
from auditor.core.verdicts import Rule
from auditor.pipeline import compare


def _items() -> list[Item]:
    """Unequal clusters: paraphrases, several reference rows to a key, a row without a match."""
    rows = []
    for cluster in range(4):
        for wording in range(1 + cluster):
            key = {"cluster": f"c{cluster}", "match": f"k{cluster}/{wording}", "axis": "gender"}
            rows += [
                pair(f"m{cluster}/{wording}/{form}", identity="trans women", surface=f"form {form}", **key)
                for form in range(1 + wording % 2)
            ]
            rows += [
                pair(f"r{cluster}/{wording}/{form}", identity="cis women", role="reference", **key)
                for form in range(1 + cluster % 2)
            ]
            rows.append(pair(f"n{cluster}/{wording}", identity="trans women", valence="neutral", **key))
            rows.append(pair(f"o{cluster}/{wording}", identity="oboists", role="control", **key))
    return [*rows, pair("alone", identity="trans women", axis="gender", cluster="c0", match="nobody's")]


Effects = dict[tuple[str, str], tuple[float, float]]


def _audited(items: Sequence[Item], values: Mapping[str, float]) -> Effects:
    """Estimate and share of each level, by identity and contrast, from the pipeline."""
    scorer = FakeScorer(margins({"base": dict(values)}))
    found = compare([probe_of(*items)], series_of("base"), scorer, Rule(0.2, 0), lambda _: None)
    return {
        (one.identity, one.contrast): (one.estimate.value, one.shares.items)
        for one in found.effects
        if one.theme is None and one.valence == "harm"
    }


@pytest.mark.parametrize("seed", range(3))
def test_they_give_the_levels_of_an_audit(seed: int) -> None:
    chance, items = random.Random(seed), _items()
    margin = {item.id: chance.gauss(0, 2) for item in items}
    effects, values = _audited(items, margin), np.array(list(margin.values()))
    seen = set()
    for one in row_sums(items):
        if one.identity:
            own = values > 0 if one.kind == "share_positive" else values
            expected = effects[one.identity, "excess" if one.kind == "excess" else "raw"]
            assert own[one.rows] @ one.weights == pytest.approx(expected[one.kind == "share_positive"], abs=1e-12)
            seen.add((one.identity, one.kind))
    assert seen == {
        ("trans women", "margin"),
        ("trans women", "share_positive"),
        ("trans women", "excess"),
        ("cis women", "margin"),
        ("cis women", "share_positive"),
    }


def test_overall_every_pair_about_a_marked_identity_counts_alike() -> None:
    items = _items()
    marked = [at for at, item in enumerate(items) if item.identity == "trans women" and item.valence == "harm"]
    overall = [one for one in row_sums(items) if not one.identity]
    assert [one.kind for one in overall] == ["margin", "share_positive"]
    for one in overall:
        assert one.rows.tolist() == marked
        assert one.weights == pytest.approx(1 / len(marked))


def test_weights_of_a_mean_sum_to_one_and_those_of_an_excess_to_zero() -> None:
    for one in row_sums(_items()):
        assert one.weights.sum() == pytest.approx(float(one.kind != "excess"), abs=1e-12)
        assert one.weights[one.weights > 0].sum() == pytest.approx(1)


def test_no_excess_over_a_reference_that_is_asked_about_other_texts() -> None:
    other = (Candidate("harmful", "bad"), Candidate("affirming", "better"))
    rows = [
        pair("m", match="k"),
        pair("r", match="k", identity="y", role="reference"),
        pair("s", match="k", identity="z", role="reference", candidates=other),
    ]
    assert "excess" in {one.kind for one in row_sums(rows[:2])}
    assert "excess" not in {one.kind for one in row_sums(rows)}


def test_designs_stay_apart_and_swaps_have_no_excess() -> None:
    # The swap shares a key with a reference row, and is a difference of two identities already.
    swap = pair("c", design="identity_swap", identity="z", match="k")
    rows = [pair("a", match="k"), pair("b", match="k", role="reference"), swap]
    overall = [(one.kind, one.design, one.rows.tolist()) for one in row_sums(rows) if not one.identity]
    assert overall == [
        ("margin", "text_swap", [0]),
        ("share_positive", "text_swap", [0]),
        ("margin", "identity_swap", [2]),
        ("share_positive", "identity_swap", [2]),
    ]
    assert {one.identity for one in row_sums(rows) if one.kind == "excess"} == {"x"}
