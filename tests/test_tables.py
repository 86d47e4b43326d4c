"""Scores lined up over a series."""

from dataclasses import replace

import numpy as np
import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, scored, series_of

from auditor.core.items import Candidate, Item
from auditor.core.measures import measures_of
from auditor.core.naming import with_names
from auditor.core.scores import CandidateScore, CheckpointScores
from auditor.core.tables import codes_of, line_up, weighted

PROBE = probe_of(pair("a"), pair("b"), pair("c"))
MARGINS = {"base": {"a": 1.0, "b": 2.0, "c": 3.0}, "dpo": {"a": 1.5, "b": 1.0, "c": 9.0}}
SERIES = series_of("base", "dpo")


def _table(refuse: list[tuple[str, str]] | None = None):
    scorer = FakeScorer(margins(MARGINS), refuse or [])
    return line_up(PROBE, "plain", [scorer.score(one, [PROBE]) for one in SERIES.checkpoints])


def test_margins_are_items_by_checkpoints() -> None:
    assert _table().sides.margins() == pytest.approx(np.array([[1.0, 1.5], [2.0, 1.0], [3.0, 9.0]]))


def test_an_item_refused_anywhere_is_dropped_everywhere() -> None:
    table = _table([("dpo", "b")])
    assert [item.id for item in table.items] == ["a", "c"]
    assert table.sides.margins() == pytest.approx(np.array([[1.0, 1.5], [3.0, 9.0]]))


def test_values_are_weighted_margins() -> None:
    shift = next(one for one in measures_of(SERIES) if one.name == "shift")
    assert _table().values(shift) == pytest.approx([0.5, -1.0, 6.0])


@pytest.mark.parametrize("beta", [0.1, 0.05, 0.3])
def test_equal_margins_at_two_checkpoints_give_a_reward_of_exactly_0(beta: float) -> None:
    equal = np.random.default_rng(0).normal(size=(1000, 1)) * 30
    assert (weighted(np.hstack([equal, equal]), np.array([-beta, beta])) == 0).all()


def test_per_token_margins_divide_by_tokens() -> None:
    item = pair("a")
    one = CheckpointScores("base", {("probe", "plain", "a"): scored(item, [[-1.0, -2.0], [-4.0]])})
    table = line_up(probe_of(item), "plain", [one])
    assert table.sides.margins()[0, 0] == pytest.approx(1.0)
    assert table.sides.margins_per_token()[0, 0] == pytest.approx(-1.5 + 4.0)


def test_other_token_ids_at_one_checkpoint_are_seen() -> None:
    item = pair("a")
    key = ("probe", "plain", "a")
    scores = [
        CheckpointScores("base", {key: scored(item, [[-1.0], [-2.0]], [[5], [6]])}),
        CheckpointScores("dpo", {key: scored(item, [[-1.0], [-2.0]], [[5], [7]])}),
    ]
    reward = measures_of(SERIES)[-1]
    assert reward.name == "implicit_reward"
    assert line_up(probe_of(item), "plain", scores).same_tokens(reward).tolist() == [False]


def test_an_item_that_is_no_pair_has_no_margin() -> None:
    item = pair("a", candidates=(Candidate("x", "1"), Candidate("y", "2"), Candidate("z", "3")))
    one = CheckpointScores("base", {("probe", "plain", "a"): scored(item, [[-1.0], [-2.0], [-3.0]])})
    assert np.isnan(line_up(probe_of(item), "plain", [one]).sides.margins()).all()


def test_codes_number_keys_by_first_appearance() -> None:
    assert codes_of("abcab").tolist() == [0, 1, 2, 0, 1]


def _responsive(**fields) -> tuple[Item, Item]:
    bare = pair("bare", design="responsiveness")
    return bare, pair("declared", design="responsiveness", baseline="bare", **fields)


def test_a_baseline_is_subtracted_and_is_no_row_of_its_own() -> None:
    table = {name: {"bare": 2.0, "declared": 0.5 + at} for at, name in enumerate(("base", "dpo"))}
    probe = probe_of(*_responsive())
    scorer = FakeScorer(margins(table))
    lined = line_up(probe, "plain", [scorer.score(one, [probe]) for one in SERIES.checkpoints])
    assert [item.id for item in lined.items] == ["declared"]
    assert lined.sides.margins() == pytest.approx(np.array([[-1.5, -0.5]]))
    assert lined.refusals == ()


def test_a_row_whose_baseline_was_refused_is_dropped_and_counted() -> None:
    probe = probe_of(*_responsive())
    scorer = FakeScorer(margins({"base": {"bare": 0.0, "declared": 0.0}}), [("base", "bare")])
    table = line_up(probe, "plain", [scorer.score(SERIES["base"], [probe])])
    assert table.items == ()
    assert [(one.reason, one.count) for one in table.refusals] == [("no_baseline", 1)]


def test_a_baseline_with_other_candidate_tokens_cannot_be_subtracted() -> None:
    bare, declared = _responsive()
    rows = {
        ("probe", "plain", "bare"): scored(bare, [[-1.0], [-2.0]], [[5], [6]]),
        ("probe", "plain", "declared"): scored(declared, [[-1.0], [-2.0]], [[5], [7]]),
    }
    assert line_up(probe_of(bare, declared), "plain", [CheckpointScores("base", rows)]).items == ()


def _declared(ids: list[list[int]], bare_ids: list[list[int]], checkpoint: str = "base") -> CheckpointScores:
    bare, declared = _responsive()
    rows = {
        ("probe", "plain", "bare"): replace(scored(bare, [[-1.0, -2.0], [-4.0]], ids), candidates=_with(bare_ids, ids)),
        ("probe", "plain", "declared"): scored(declared, [[-3.0, -3.0], [-4.0]], ids),
    }
    return CheckpointScores(checkpoint, rows)


def _with(prefixes: list[list[int]], ids: list[list[int]]) -> tuple[CandidateScore, ...]:
    candidates = scored(_responsive()[0], [[-1.0, -2.0], [-4.0]], ids).candidates
    return tuple(replace(one, prefix_ids=np.array(own)) for one, own in zip(candidates, prefixes, strict=True))


def test_a_baseline_is_subtracted_per_token_too() -> None:
    # Declared: -3 + 4 = 1; undeclared: -1.5 + 4 = 2.5.
    table = line_up(probe_of(*_responsive()), "plain", [_declared([[5, 6], [7]], [[1], [1]])])
    assert table.sides.margins_per_token()[0, 0] == pytest.approx(-1.5)


def test_other_token_ids_of_the_baseline_are_seen() -> None:
    scores = [_declared([[5, 6], [7]], [[1], [1]]), _declared([[5, 6], [7]], [[2], [2]], "dpo")]
    reward = measures_of(SERIES)[-1]
    assert line_up(probe_of(*_responsive()), "plain", scores).same_tokens(reward).tolist() == [False]


def test_lengths_are_those_of_the_last_checkpoint() -> None:
    item = pair("a")
    key = ("probe", "plain", "a")
    scores = [
        CheckpointScores("base", {key: scored(item, [[-1.0], [-2.0]])}),
        CheckpointScores("dpo", {key: scored(item, [[-1.0, -1.0, -1.0], [-2.0]])}),
    ]
    assert line_up(probe_of(item), "plain", scores).length_differences.tolist() == [2.0]


def test_a_reward_of_a_name_is_not_how_likely_it_is() -> None:
    rows = [pair(who, identity=who, surface=who, context=f"Some {who} are", role=role, match="m")
            for who, role in (("x", "marked"), ("y", "control"), ("r", "reference"))]  # fmt: skip
    probe = with_names(probe_of(*rows))
    series = series_of("base", "rm", quantities={"rm": "reward"})
    scorer = FakeScorer(lambda _, item, label: [-1.0 - len(item.id), -2.0 if label == "harmful" else -1.0])
    policy, reward = (line_up(probe, "plain", [scorer.score(one, [probe])]) for one in series.checkpoints)
    assert np.isfinite(policy.names).all()
    assert np.isnan(reward.names).all()
    assert (policy.kind, reward.kind) == ("tokens", "reward")
    assert reward.sides.margins().tolist() == policy.sides.margins().tolist()
