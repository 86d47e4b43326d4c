"""Published metrics by hand; real data and models are in tests/oracles."""

from dataclasses import replace

import numpy as np
import pytest
from fake_scores import pair, scored

from auditor.core.items import Candidate
from auditor.core.metrics import METRICS, sentence_difference, shared_token_difference
from auditor.core.scores import CandidateScore

PAIR_METRICS = ("winoqueer_score", "crows_pairs_shared", "crows_pairs_sentence", "winobias_pro")


def test_sentence_difference_is_the_difference_of_sums() -> None:
    one = scored(pair("1"), [[-1.0, -2.0], [-4.0]])
    assert sentence_difference(one) == pytest.approx(1.0)


def test_shared_tokens_leave_out_what_only_one_sentence_has() -> None:
    # Ids 7 | 8 9 against 5 6 | 8 9: shared are 8 and 9, each with its own sentence's log-probability:
    # (-1 - 2) - (-4 - 0.5) = 1.5. The group's own tokens (-100, -50, -60) do not count.
    one = scored(pair("1"), [[-100.0, -1.0, -2.0], [-50.0, -60.0, -4.0, -0.5]], [[7, 8, 9], [5, 6, 8, 9]])
    assert shared_token_difference(one) == pytest.approx(1.5)


def _with_end(score: CandidateScore) -> CandidateScore:
    length = len(score.starts) - 1
    return replace(score, starts=np.append(score.starts[:-1], length), ends=np.append(score.ends[:-1], length))


def test_the_end_of_turn_is_no_part_of_a_sentence() -> None:
    # The last token of each side stands behind the text: start = end = the text's length.
    one = scored(pair("1"), [[-1.0, -2.0, -7.0], [-4.0, -3.0]], [[7, 8, 2], [8, 2]])
    candidates = tuple(_with_end(score) for score in one.candidates)
    ended = replace(one, candidates=candidates)
    assert [score.closes_turn.tolist() for score in candidates] == [[False, False, True], [False, True]]
    assert sentence_difference(ended) == pytest.approx(-3.0 + 4.0)
    assert shared_token_difference(ended) == pytest.approx(-2.0 + 4.0)


def test_swapping_the_sides_flips_the_sign() -> None:
    first = scored(pair("1"), [[-3.0, -1.0], [-2.0, -4.0]], [[7, 8], [5, 8]])
    second = scored(pair("1"), [[-2.0, -4.0], [-3.0, -1.0]], [[5, 8], [7, 8]])
    for name in PAIR_METRICS:
        one, other = (METRICS[name].reading(scored_item) for scored_item in (first, second))
        assert one is not None
        assert other is not None
        assert one.tolist() == (-other).tolist()


def test_an_item_without_a_pair_has_no_metric() -> None:
    item = pair("1", candidates=(Candidate("a", "x"), Candidate("b", "y")))
    one = scored(item, [[-1.0], [-2.0]])
    with pytest.raises(ValueError, match="not a pair"):
        sentence_difference(one)
    assert all(METRICS[name].reading(one) is None for name in PAIR_METRICS)


def test_every_metric_says_where_it_is_defined() -> None:
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.title
        assert metric.source.endswith(".")


def test_metrics_of_bare_sums_read_nothing_but_sums() -> None:
    """What is read of one-token stand-ins must not depend on how many tokens there were."""
    needing = {name for name, metric in METRICS.items() if metric.needs_tokens}
    assert {"winoqueer_score", "crows_pairs_shared", "holisticbias_likelihood_bias", "misgendered_accuracy"} <= needing
    assert {one for one in METRICS if one.startswith("stereoset")} <= needing
    assert not {"crows_pairs_sentence", "bbq_accuracy_ambiguous", "winobias_pro", "misgendered_likelihood"} & needing
    assert not {"agreement", "agreement_spread"} & needing
    for metric in METRICS.values():
        assert metric.can_read("tokens")
        assert metric.can_read("sum") != metric.needs_tokens
        assert not metric.can_read("reward")
