"""Twin of auditor.adapters.hf.path.path_records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from auditor.adapters.cache.score_store import ScoreStore
from auditor.adapters.hf.kept_vectors import KeptVectors
from auditor.adapters.hf.path.path_records import PathRecord, gauss_legendre
from auditor.adapters.hf.path.weight_units import Heads, Weight, WeightMap

SCOPES = ["ab" * 32, "cd" * 32, "ef" * 32]
KEYS = [bytes([at]) * 32 for at in range(3)]
# One unit, four, one; the first does not move.
WEIGHTS = WeightMap(
    (
        Weight("embed.weight", (9, 4), moves=False),
        Weight("layers.0.attn.q_proj.weight", (8, 4)),
        Weight("norm.weight", (4,)),
    ),
    Heads(4, 4, 2),
    "embed",
    "head",
)
BEFORE, AFTER = np.array([1 / 3, 0.0, -1e-9]), np.array([2 / 3, np.pi, 5.0])


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptVectors]:
    with ScoreStore.open(tmp_path) as store:
        yield KeptVectors([store])


def parts(item: int, node: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(10 * item + node).standard_normal(5).astype(np.float32)


def filled(record: PathRecord, *, but: set[tuple[int, int]] = frozenset()) -> PathRecord:
    for item in range(3):
        for node in range(2):
            if (item, node) not in but and not record.known[item, node]:
                record.add(item, node, parts(item, node))
    return record


@pytest.mark.parametrize("nodes", [1, 2, 5, 8])
def test_the_rule_is_exact_for_polynomials(nodes: int) -> None:
    places, weights = gauss_legendre(nodes)
    assert places.min() > 0
    assert places.max() < 1
    assert (np.diff(places) > 0).all()
    for degree in range(2 * nodes):
        assert (weights * places**degree).sum() == pytest.approx(1 / (degree + 1), rel=1e-12)
    assert (weights * places ** (2 * nodes)).sum() != pytest.approx(1 / (2 * nodes + 1), rel=1e-9)


def test_the_rule_agrees_with_another() -> None:
    places, weights = gauss_legendre(12)
    assert (weights * np.exp(np.sin(3 * places))).sum() == pytest.approx(quad(lambda x: np.exp(np.sin(3 * x)), 0, 1)[0])


def test_no_rule_without_nodes() -> None:
    with pytest.raises(ValueError, match="at least one node"):
        gauss_legendre(0)


def test_integral_puts_each_part_in_its_place() -> None:
    record = PathRecord(KeptVectors([]), SCOPES, KEYS)
    assert not record.complete
    record.begin(WEIGHTS, BEFORE, AFTER)
    assert not record.complete
    assert filled(record).complete
    found = record.integral()
    assert found.shape == (3, 6)
    assert (found[:, 0] == 0).all()
    for item in range(3):
        # Both nodes of the rule weigh a half.
        expected = (parts(item, 0).astype(float) + parts(item, 1).astype(float)) / 2
        np.testing.assert_allclose(found[item, 1:], expected, rtol=1e-14)


def test_a_walk_goes_on_where_it_stopped(kept: KeptVectors) -> None:
    begun = PathRecord(kept, SCOPES, KEYS)
    begun.begin(WEIGHTS, BEFORE, AFTER)
    filled(begun, but={(1, 0), (2, 1)})
    again = PathRecord(kept, SCOPES, KEYS)
    assert again.weights == WEIGHTS
    np.testing.assert_array_equal(again.known, [[True, True], [False, True], [True, False]])
    np.testing.assert_array_equal((again.before, again.after), (BEFORE, AFTER))
    again.begin(WEIGHTS, BEFORE, AFTER)
    assert filled(again).complete
    whole = PathRecord(kept, SCOPES, KEYS)
    assert whole.complete
    alone = PathRecord(KeptVectors([]), SCOPES, KEYS)
    alone.begin(WEIGHTS, BEFORE, AFTER)
    np.testing.assert_array_equal(whole.integral(), filled(alone).integral())


def test_parts_of_other_tensors_are_not_taken(kept: KeptVectors) -> None:
    record = PathRecord(kept, SCOPES, KEYS)
    record.begin(WEIGHTS, BEFORE, AFTER)
    filled(record)
    kept.keep_facts(SCOPES[0], WeightMap(WEIGHTS.weights[:2], WEIGHTS.heads, "embed", "head").to_json())
    assert not PathRecord(kept, SCOPES, KEYS).known.any()
    again = PathRecord(kept, SCOPES, KEYS)
    again.begin(WEIGHTS, BEFORE, AFTER)
    assert filled(again).complete


def test_parts_of_as_many_units_of_other_tensors_are_made_again(kept: KeptVectors) -> None:
    record = PathRecord(kept, SCOPES, KEYS)
    record.begin(WEIGHTS, BEFORE, AFTER)
    filled(record)
    other = WeightMap((*WEIGHTS.weights[:2], Weight("scale.weight", (4,))), WEIGHTS.heads, "embed", "head")
    kept.keep_facts(SCOPES[0], other.to_json())
    again = PathRecord(kept, SCOPES, KEYS)
    assert again.known.all()
    again.begin(WEIGHTS, BEFORE, AFTER)
    assert not again.known.any()


def test_more_items_later(kept: KeptVectors) -> None:
    record = PathRecord(kept, SCOPES, KEYS[:2])
    record.begin(WEIGHTS, BEFORE[:2], AFTER[:2])
    record.add(0, 0, parts(0, 0))
    more = PathRecord(kept, SCOPES, KEYS)
    np.testing.assert_array_equal(more.known, [[True, False], [False, False], [False, False]])
    np.testing.assert_array_equal(np.isnan(more.before), [False, False, True])


def test_nothing_was_loaded() -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        PathRecord(KeptVectors([]), SCOPES, KEYS).integral()
