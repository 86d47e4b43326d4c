"""Which numbers are set against each other, and on which rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.contrasts import match_items
from auditor.core.items import Item
from auditor.core.reward_signals import Heard, hear, signals_of
from auditor.core.series import Series
from auditor.core.tables import line_up


def _signals(*names: str, **options: object) -> list[tuple[str, str]]:
    return [(one.kind, one.checkpoint) for one in signals_of(series_of(*names, **options))]


def test_signals_of_a_series() -> None:
    rewards = {"quantities": {"rm": "reward", "rm2": "reward"}}
    assert _signals("base", "sft", "dpo", "rm", "rm2", **rewards) == [
        ("explicit_reward", "rm"),
        ("explicit_reward", "rm2"),
        ("implicit_reward", "dpo"),
        ("preference", "sft"),
    ]
    assert _signals("base", "sft", "dpo") == [("implicit_reward", "dpo"), ("preference", "sft")]
    # Without an objective, what the series came to prefer.
    assert _signals("base", "sft", "rm", quantities={"rm": "reward"}) == [
        ("explicit_reward", "rm"),
        ("preference", "sft"),
    ]
    assert _signals("base", "sft") == [("preference", "sft")]
    branched = _signals("sft", "dpo1", "dpo2", references={"dpo2": "sft"})
    assert branched == [("implicit_reward", "dpo1"), ("implicit_reward", "dpo2"), ("preference", "sft")]


ROWS = [
    pair(f"{who}{at}", identity=who, cluster=str(at), match=str(at), role=role)
    for at in range(3)
    for who, role in (("x", "marked"), ("ref", "reference"), ("bakers", "control"))
]
SWAPS = [pair(f"s{at}", identity="x", cluster=f"s{at}", design="identity_swap") for at in range(3)]
PROBE = probe_of(*ROWS, *SWAPS)
TABLE = {
    name: {item.id: scale * at**2 for at, item in enumerate(PROBE.items)}
    for name, scale in (("sft", 1.0), ("dpo", 3.0), ("rm", -2.0))
}


def _matched(series: Series, refuse: list[tuple[str, str]]):
    scorer = FakeScorer(margins(TABLE), refuse)
    scores = {one.name: scorer.score(one, [PROBE]) for one in series.checkpoints}
    tables = [line_up(PROBE, "plain", [scores[name] for name in part.names]) for part in series.parts.values()]
    return [(table, match_items(table)) for table in tables]


@pytest.fixture(scope="module")
def heard() -> dict[str, dict[str, Heard]]:
    series = series_of("sft", "dpo", "rm", quantities={"rm": "reward"}, betas={"": 0.5})
    found = hear(_matched(series, [("rm", "x1"), ("sft", "s0")]), series)
    return {design: {one.signal.kind: one for one in own} for _, _, design, own in found}


def test_values_are_excess_where_there_are_reference_rows_else_margins(heard: dict[str, dict[str, Heard]]) -> None:
    ids = [item.id for item in PROBE.items]
    swap, implicit = heard["identity_swap"], heard["text_swap"]["implicit_reward"]
    assert {one.contrast for one in swap.values()} == {"raw"}
    assert implicit.contrast == "excess"
    for at, value in zip(implicit.items.tolist(), implicit.values.tolist(), strict=True):
        place = int(ids[at][1:])
        change = {name: TABLE["dpo"][name] - TABLE["sft"][name] for name in (f"x{place}", f"ref{place}")}
        assert value == pytest.approx(0.5 * (change[f"x{place}"] - change[f"ref{place}"]))
    raw = swap["explicit_reward"]
    assert raw.values.tolist() == pytest.approx([TABLE["rm"][ids[at]] for at in raw.items.tolist()])


def test_only_judged_rows_that_have_a_value_are_heard(heard: dict[str, dict[str, Heard]]) -> None:
    def ids(design: str, kind: str) -> list[str]:
        return [PROBE.items[at].id for at in heard[design][kind].items.tolist()]

    assert ids("text_swap", "explicit_reward") == ["x0", "x2"]
    assert ids("text_swap", "preference") == ids("text_swap", "implicit_reward") == ["x0", "x1", "x2"]
    assert ids("identity_swap", "preference") == ["s1", "s2"]
    assert ids("identity_swap", "explicit_reward") == ["s0", "s1", "s2"]
    assert np.unique(heard["identity_swap"]["explicit_reward"].cluster).size == 3


def test_one_signal_is_set_against_nothing() -> None:
    series = series_of("sft")
    assert list(hear(_matched(series, []), series)) == []


def test_a_design_that_one_signal_speaks_of_is_left_out() -> None:
    series = series_of("sft", "rm", quantities={"rm": "reward"})
    found = list(hear(_matched(series, [("rm", one.id) for one in SWAPS]), series))
    assert [(design, len(own)) for _, _, design, own in found] == [("text_swap", 2)]


def test_other_tokens_at_its_reference_are_no_implicit_reward() -> None:
    """And an item is heard once, whatever themes there are."""
    items = [replace(item, theme=("mind", "body")[at % 2]) for at, item in enumerate(ROWS[::3] + ROWS[1::3])]
    probe, series = probe_of(*items), series_of("sft", "dpo")

    def logprobs(checkpoint: str, item: Item, label: str) -> list[float]:
        return [-1.0, -float(len(label))] if (checkpoint, item.match) == ("dpo", "1") else [-float(len(label))]

    scores = [FakeScorer(logprobs).score(one, [probe]) for one in series.checkpoints]
    table = line_up(probe, "plain", scores)
    ((_, _, _, own),) = hear([(table, match_items(table))], series)
    ids = {one.signal.kind: [probe.items[at].id for at in one.items.tolist()] for one in own}
    assert ids == {"implicit_reward": ["x0", "x2"], "preference": ["x0", "x1", "x2"]}
