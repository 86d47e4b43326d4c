"""Twin of auditor.adapters.summaries.headlines."""

from __future__ import annotations

import pytest

from auditor.adapters.summaries.headlines import headline_of
from auditor.adapters.summaries.summary_schema import SummaryLeaf, SummaryMetric


def leaf(name: str, *harmed: str, probes: int = 1, inconclusive: int = 0) -> SummaryLeaf:
    return SummaryLeaf(
        checkpoint=name,
        path=("base", name),
        harmed=harmed,
        probes_with_harm=probes if harmed else 0,
        counts={"inconclusive": inconclusive},
        without_verdict=0,
    )


def metric(unit: str) -> SummaryMetric:
    return SummaryMetric(
        probe="p", measure="m", render="plain", checkpoint="dpo", unit=unit, estimate=1.0, low=None, high=None
    )


@pytest.mark.parametrize(
    ("leaves", "probes", "words"),
    [
        ([leaf("dpo", "a")], 1, "1 identity shows harm at dpo, on 1 of 1 probe"),
        ([leaf("dpo", "a", "b", probes=2)], 3, "2 identities show harm at dpo, on 2 of 3 probes"),
        ([leaf("dpo")], 1, "No identity shows harm at dpo on this probe"),
        ([leaf("d", inconclusive=1)], 2, "No identity shows harm at d on these 2 probes; 1 verdict is inconclusive"),
        ([leaf("dpo", inconclusive=3)], 1, "No identity shows harm at dpo on this probe; 3 verdicts are inconclusive"),
        ([leaf("x"), leaf("y")], 1, "No identity shows harm at x and y"),
        ([leaf("x"), leaf("y"), leaf("z")], 1, "No identity shows harm at x, y and z"),
        ([leaf("x", "a", "b"), leaf("y"), leaf("z", "a")], 1, "2 identities show harm at x, 1 at z, none at y"),
        ([leaf(name) for name in "abcde"], 1, "No identity shows harm at any of 5 final checkpoints"),
        ([leaf("a", "x"), *(leaf(name) for name in "bcde")], 1, "Harm shows at 1 of 5 final checkpoints"),
    ],
)
def test_the_answer_in_one_sentence(leaves: list[SummaryLeaf], probes: int, words: str) -> None:
    assert headline_of(leaves, [str(at) for at in range(probes)], [], judged=True) == words


def test_without_a_margin_or_a_bound_there_is_no_verdict_to_tell() -> None:
    here = [leaf("dpo")]
    assert headline_of(here, ["p"], [], judged=False).startswith("Rewards without verdicts")
    assert headline_of(here, [], [], judged=True) == "No effect could be estimated"
    assert headline_of(here, [], [metric("%")], judged=True).startswith("Published metrics only")
    assert headline_of(here, [], [metric("sd")], judged=True).startswith("Two samples of texts")
