"""The whole kernel on scores without a model."""

import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.refusals import Refusal
from auditor.core.scores import CheckpointScores
from auditor.core.verdicts import Rule
from auditor.errors import NotComparableError
from auditor.pipeline import analyse, compare

ITEMS = [
    pair(f"{identity}{at}", cluster=str(at), match=str(at), identity=identity, role=role)
    for at in range(6)
    for identity, role in (("x", "marked"), ("ref", "reference"))
]
PROBE = probe_of(*ITEMS)
SERIES = series_of("base", "sft", "dpo", betas={"": 0.1})
NOISE = {item.id: 0.05 * (-1) ** (at // 2) for at, item in enumerate(ITEMS) if item.identity == "x"}
TABLE = {
    name: {item.id: boost + NOISE[item.id] if item.identity == "x" else 0.0 for item in ITEMS}
    for name, boost in (("base", 0.0), ("sft", 0.3), ("dpo", 2.0))
}


def _verdicts(table):
    findings = compare([PROBE], SERIES, FakeScorer(margins(table)), Rule(0.5), lambda _: None)
    return {
        (one.measure, one.checkpoint): one.verdict
        for one in findings.effects
        if one.identity == "x" and one.contrast == "excess" and one.theme is None
    }


def test_harm_is_found_where_it_was_put() -> None:
    # Excess 0.0, 0.3 and 2.0 nats (+-0.05 between clusters) against d = 0.5; the shifts, 0.3 and 1.7,
    # have no spread at all, since the noise is the same at every checkpoint.
    assert _verdicts(TABLE) == {
        ("level", "base"): "no_meaningful_difference",
        ("level", "sft"): "no_meaningful_difference",
        ("level", "dpo"): "harm",
        ("shift", "sft"): "refused",
        ("shift", "dpo"): "refused",
        ("implicit_reward", "dpo"): "refused",
    }


def test_the_stage_that_brought_it_is_found() -> None:
    spread = {name: {item: value * (1 + 0.02 * int(item[-1])) for item, value in row.items()}
              for name, row in TABLE.items()}  # fmt: skip
    verdicts = _verdicts(spread)
    assert verdicts["shift", "sft"] == "no_meaningful_difference"
    assert verdicts["shift", "dpo"] == verdicts["implicit_reward", "dpo"] == "harm"


def test_every_checkpoint_is_scored_once_in_order_and_kept() -> None:
    scorer, kept = FakeScorer(margins(TABLE)), []
    compare([PROBE], SERIES, scorer, Rule(), lambda done: kept.append([one.checkpoint for one in done]))
    assert scorer.calls == ["base", "sft", "dpo"]
    assert kept == [["base", "sft", "dpo"]]


def test_nothing_left_to_compare() -> None:
    scorer = FakeScorer(margins(TABLE), refuse=[("sft", item.id) for item in ITEMS])
    with pytest.raises(NotComparableError, match="no item could be scored at every checkpoint"):
        compare([PROBE], SERIES, scorer, Rule(), lambda _: None)


def test_way_out_depends_on_why_nothing_is_left() -> None:
    class Refusing(FakeScorer):
        def score(self, checkpoint, probes):
            reasons = ["no_plain_text"] * 9 + ["too_long"] * (len(ITEMS) - 9)
            refusals = tuple(
                Refusal(one, "", "probe", item.id) for one, item in zip(reasons, probes[0].items, strict=True)
            )
            return CheckpointScores(checkpoint.name, {}, refusals)

    with pytest.raises(NotComparableError, match=r"\(no_plain_text, too_long\)") as caught:
        compare([PROBE], SERIES, Refusing(margins(TABLE)), Rule(), lambda _: None)
    first, second = caught.value.fix.splitlines()
    assert "--render chat" in first
    assert "context window" in second
    assert "tokenizers" not in caught.value.fix


def test_the_same_scores_give_the_same_findings() -> None:
    scorer = FakeScorer(margins(TABLE))
    scores = [scorer.score(one, [PROBE]) for one in SERIES.checkpoints]
    first, second = (analyse([PROBE], SERIES, scores, ["plain"], Rule()) for _ in range(2))
    assert repr(first) == repr(second)


def test_known_cautions_lead() -> None:
    findings = compare([PROBE], SERIES, FakeScorer(margins(TABLE)), Rule(), lambda _: None, ["mixed precision"])
    assert findings.cautions[0] == "mixed precision"
