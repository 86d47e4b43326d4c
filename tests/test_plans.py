"""Twin of auditor.adapters.hf.plans."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from engine_cases import alike
from hypothesis import given
from hypothesis import strategies as st
from test_packs import ROWS, prefixes

from auditor.adapters.hf import plans
from auditor.adapters.hf.packs import Pack
from auditor.adapters.hf.plans import Plan, RowCosts, distinct_prefixes, plan_packs, remaining, row_costs
from auditor.adapters.hf.sequences import Sequences

WIDE = RowCosts(50, 10**9, 10**6)
GIB = 2**30


def config(width: int, vocabulary: int) -> SimpleNamespace:
    return SimpleNamespace(hidden_size=width, vocab_size=vocabulary)


class TestRowCosts:
    def test_by_hand(self) -> None:
        costs = RowCosts(start=50, width=200, predicting=10)
        # 50 + 100 + 100^2 / 200
        assert costs.of(100) == 200
        # A node costs 1 + 50 / n + n / 200: least at n = sqrt(50 x 200) = 100, and rows are tried to twice that.
        assert min(range(1, 400), key=lambda n: costs.of(n) / n) == 100
        assert costs.longest == 200

    @pytest.mark.parametrize(("device", "start", "widths"), [("cpu", 50, 48), ("cuda", 300, 6), ("other", 300, 6)])
    def test_of_a_model(self, device: str, start: float, widths: int) -> None:
        costs = row_costs(config(512, 32000), device, 16 * GIB)
        # Attention of n nodes: 2 x n x 512 multiplications a node; the layer's weights: 12 x 512^2. Equal at 6 x 512;
        # at eight times that where seven eighths of attention are left out.
        assert (costs.start, costs.width) == (start, widths * 512)

    def test_logits_fill_a_64th_of_memory(self) -> None:
        # 16 GiB / 64 = 256 MiB = 2^26 numbers of 4 bytes; 2^26 / 2^15 = 2^11
        assert row_costs(config(512, 2**15), "cpu", 16 * GIB).predicting == 2**11

    def test_memory_counts_by_powers_of_two(self) -> None:
        assert row_costs(config(512, 2**15), "cpu", 31 * GIB) == row_costs(config(512, 2**15), "cpu", 16 * GIB)
        assert row_costs(config(512, 2**15), "cpu", 32 * GIB).predicting == 2**12

    def test_a_small_device_still_gets_work(self) -> None:
        assert row_costs(config(512, 2**18), "cpu", 1000).predicting == 16


def assert_partition(plan: Plan, sequences: Sequences, chosen: set[int]) -> None:
    """Every chosen sequence once, and the candidates of an item together."""
    parts = [*plan.packs, plan.long]
    assert sorted(position for part in parts for position in part.tolist()) == sorted(chosen)
    where = [set(sequences.items[part].tolist()) for part in parts]
    assert sum(map(len, where)) == len(set().union(*where))


class TestPlan:
    @given(ROWS, st.integers(0, 5), st.integers(1, 20), st.integers(1, 20), st.integers(1, 3))
    def test_keeps_items_whole_and_packs_small(
        self, rows: list[tuple[list[int], int]], start: int, width: int, predicting: int, candidates: int
    ) -> None:
        sequences = Sequences.of(rows, [at // candidates for at in range(len(rows))])
        costs = RowCosts(start, width, predicting)
        plan = plan_packs(sequences, costs)
        assert_partition(plan, sequences, set(range(len(rows))))
        packs = [Pack.of(sequences.take(positions)) for positions in plan.packs]
        assert plan.nodes == sum(len(pack.tokens) for pack in packs)
        for pack, positions in zip(packs, plan.packs, strict=True):
            alone = len(set(sequences.items[positions].tolist())) == 1
            assert alone or (len(pack.tokens) <= costs.longest and pack.n_predicting <= predicting)

    def test_one_pack_holds_every_prefix_once(self) -> None:
        plan = plan_packs(alike(), WIDE)
        assert len(plan.packs) == 1
        assert plan.nodes == len(prefixes(alike())[0])

    def test_the_longest_sequence_comes_first(self) -> None:
        plan = plan_packs(alike(), RowCosts(10, 40, 10**6))
        assert len(plan.packs) > 2
        longest = max(range(len(alike())), key=lambda at: len(alike()[at]))
        assert longest in plan.packs[0]

    def test_a_pack_ends_where_a_node_costs_least(self) -> None:
        # Two trees of 4 items on a stem of 6 tokens: 6 + 4 nodes each, and rows of up to 20 are tried. A node costs
        # (5 + 10 + 100 / 20) / 10 = 2 where the first tree ends, (5 + 17 + 289 / 20 + 6) / 17 = 2.5 an item later,
        # where 6 tokens would be read twice, and (5 + 20 + 400 / 20) / 20 = 2.25 with all of both.
        trees = [([tree] * 6 + [branch, 0], 7) for tree in (1, 2) for branch in range(4)]
        plan = plan_packs(Sequences.of(trees), RowCosts(5, 20, 10**6))
        assert [pack.tolist() for pack in plan.packs] == [[0, 1, 2, 3], [4, 5, 6, 7]]
        assert plan.nodes == 20

    def test_order_of_items_does_not_matter(self) -> None:
        order = np.arange(len(alike()))[::-1]
        turned = replace(alike().take(order), items=np.arange(len(alike())) // 1)
        straight = replace(alike(), items=np.arange(len(alike())))
        one, other = (plan_packs(each, RowCosts(10, 40, 10**6)) for each in (straight, turned))
        assert sorted(map(sorted, ([straight[at].tolist() for at in pack] for pack in one.packs))) == sorted(
            map(sorted, ([turned[at].tolist() for at in pack] for pack in other.packs))
        )

    def test_an_item_too_large_for_a_mask_goes_by_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(plans, "LONGEST_PACK", 30)
        sequences = Sequences.of([([1] * 40, 1), ([2] * 30, 1), ([2] * 20, 1)])
        plan = plan_packs(sequences, RowCosts(5, 30, 10**6))
        assert plan.long.tolist() == [0]
        assert_partition(plan, sequences, {0, 1, 2})

    def test_digest(self) -> None:
        digest = plan_packs(alike(), WIDE).digest
        assert digest == plan_packs(alike(), WIDE).digest
        assert digest != plan_packs(alike(), RowCosts(10, 40, 10**6)).digest
        other = replace(alike(), ids=np.where(np.arange(len(alike().ids)) == 3, 399, alike().ids).astype(np.int32))
        assert digest != plan_packs(other, WIDE).digest

    def test_nothing(self) -> None:
        plan = plan_packs(Sequences.of([]), WIDE)
        assert (plan.packs, plan.long.tolist(), plan.nodes) == ((), [], 0)


@given(ROWS)
def test_distinct_prefixes(rows: list[tuple[list[int], int]]) -> None:
    assert distinct_prefixes(Sequences.of(rows)) == len(prefixes(Sequences.of(rows))[0])


class TestRemaining:
    LIMITS = RowCosts(10, 40, 10**6)

    def left(self, known: list[int]) -> tuple[Plan, Plan]:
        plan = plan_packs(alike(), self.LIMITS)
        mask = np.isin(np.arange(len(alike())), known)
        return plan, remaining(plan, alike(), mask, self.LIMITS)

    def test_nothing_known_is_the_plan_itself(self) -> None:
        plan, left = self.left([])
        assert left is plan

    def test_whole_packs_known_leave_the_others_as_they_were(self) -> None:
        plan, left = self.left(plan_packs(alike(), self.LIMITS).packs[1].tolist())
        assert [one.tolist() for one in left.packs] == [one.tolist() for at, one in enumerate(plan.packs) if at != 1]
        assert left.digest == plan.digest

    def test_of_an_item_with_one_unknown_candidate_that_is_left(self) -> None:
        everything = set(range(len(alike())))
        unknown = 4
        _, left = self.left(sorted(everything - {unknown}))
        assert (alike().items == alike().items[unknown]).sum() > 1
        assert_partition(left, alike(), {unknown})

    def test_what_is_too_large_for_a_mask_when_alone_is_not_lost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Beside others the long one stands in a pack, for rows may be longer than the largest mask of one item.
        sequences = Sequences.of([([1] * 40, 1), ([1] * 40 + [2], 1)])
        plan = plan_packs(sequences, WIDE)
        assert [pack.tolist() for pack in plan.packs] == [[0, 1]]
        monkeypatch.setattr(plans, "LONGEST_PACK", 30)
        left = remaining(plan, sequences, np.array([True, False]), WIDE)
        assert left.long.tolist() == [1]

    @given(st.sets(st.integers(0, 36)))
    def test_the_rest_is_scored_once(self, known: set[int]) -> None:
        _, left = self.left(sorted(known))
        assert_partition(left, alike(), set(range(len(alike()))) - known)

    def test_everything_known(self) -> None:
        _, left = self.left(list(range(len(alike()))))
        assert left.packs == ()
