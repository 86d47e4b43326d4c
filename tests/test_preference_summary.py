"""What is written of a preference set for programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from preference_material import EVIL, SEARCHED, found_in, preference_probe

from auditor.adapters.preference_data.preference_summary import (
    PreferenceSummary,
    ScoredPairs,
    is_summary,
    pair_rows,
    summarise,
)
from auditor.core.preference_mentions import Margins


def test_mentions_by_hand() -> None:
    summary = found_in().summary
    rows = {(one.identity, one.reading): one for one in summary.mentions}
    names, words = rows["Muslims", "names"], rows["Muslims", "words"]
    assert (names.pairs, names.in_prompt, names.in_chosen, names.in_rejected, names.one_sided) == (14, 0, 2, 12, 14)
    assert (words.pairs, words.in_prompt) == (15, 1)
    assert names.difference == (2 - 12) / 20
    assert names.low is not None
    assert names.high is not None
    assert names.low < names.difference < names.high < 0
    christians = rows["Christians", "words"]
    assert (christians.in_chosen, christians.in_rejected, christians.difference, christians.low) == (1, 1, 0, None)
    assert rows["nobody", "words"].pairs == 0
    assert (summary.pairs, summary.prompts, summary.refused) == (20, 16, 0)
    assert summary.words == {
        "Muslims": ("muslim",),
        EVIL: ("green-eyed",),
        "Christians": ("christian",),
        "nobody": ("nobodies",),
    }


def test_without_a_checkpoint_there_are_no_margins() -> None:
    found = found_in()
    assert found.summary.preferences == ()
    assert found.summary.checkpoints == ()
    assert (found.summary.render, found.summary.end_of_turn) == (None, None)
    rows = pair_rows(found)
    assert {(one.checkpoint, one.margin, one.rank) for one in rows} == {(None, None, None)}
    assert sum(one.identity == "Muslims" and one.reading == "names" for one in rows) == 14


def test_each_checkpoint_has_its_margins_and_ranks() -> None:
    found = found_in("sft", "dpo")
    summary = found.summary
    assert summary.checkpoints == ("sft", "dpo")
    assert summary.unscored == 1
    rows = {(one.identity, one.reading, one.checkpoint): one for one in summary.preferences}
    assert found.scored is not None
    for name in ("sft", "dpo"):
        margins = found.scored.margins[name].summed
        one = rows["Muslims", "names", name]
        # The first pair was refused.
        assert (one.pairs, one.prompts) == (13, 10)
        assert one.mean == pytest.approx(margins[1:14].mean())
        assert one.beside_others == pytest.approx(margins[1:14].mean() - margins[14:].mean())
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.mean < one.high
        own = [
            row for row in pair_rows(found) if (row.identity, row.reading, row.checkpoint) == ("Muslims", "names", name)
        ]
        assert [row.rank for row in own] == [*range(1, 14), None]
        assert [row.margin for row in own[:13]] == sorted(margins[1:14].tolist())
        assert (own[-1].pair, own[-1].margin) == ("r0", None)
    nobody = rows["nobody", "names", "dpo"]
    assert (nobody.pairs, nobody.mean, nobody.share_chosen, nobody.beside_others) == (0, None, None, None)


def test_the_file_reads_back_and_holds_no_text() -> None:
    summary = found_in("dpo").summary
    content = summary.model_dump_json(indent=1)
    assert PreferenceSummary.model_validate_json(content) == summary
    assert "NaN" not in content
    assert "long long" not in content


def test_one_prompt_has_a_mean_and_no_interval() -> None:
    summary = found_in("dpo").summary
    (row,) = (one for one in summary.preferences if (one.identity, one.reading) == ("Christians", "words"))
    assert (row.pairs, row.prompts, row.low, row.beside_low) == (1, 1, None, None)
    assert row.mean is not None
    assert row.beside_others is not None


def test_its_own_files_are_known_from_others(tmp_path: Path) -> None:
    own = tmp_path / "data.json"
    assert not is_summary(own)
    for content in ("{", "[]", '{"schema_version": 1}', "\udcff"):
        own.write_bytes(content.encode(errors="surrogateescape"))
        assert not is_summary(own)
    own.write_text(found_in().summary.model_dump_json(), encoding="utf-8")
    assert is_summary(own)


def test_rewards_are_told_from_log_probabilities() -> None:
    found = found_in("sft", "rm")
    summary = found.summary
    assert summary.quantities == {"sft": "logprob", "rm": "reward"}
    assert (summary.end_of_turn, summary.reward_end_of_turn) == (False, True)
    rows = {(one.reading, one.checkpoint): one for one in summary.preferences if one.identity == "Muslims"}
    assert rows["names", "sft"].quantity == "logprob"
    assert rows["names", "sft"].per_token is not None
    reward = rows["names", "rm"]
    assert (reward.quantity, reward.per_token) == ("reward", None)
    assert found.scored is not None
    margins = found.scored.margins["rm"].summed[1:14]
    assert reward.mean == pytest.approx(margins.mean())
    assert reward.share_chosen == pytest.approx((margins > 0).mean())
    assert {(one.checkpoint, one.quantity) for one in pair_rows(found)} == {("sft", "logprob"), ("rm", "reward")}
    assert {one.quantity for one in pair_rows(found_in())} == {None}


@pytest.mark.parametrize("order", [("sft", "rm"), ("rm", "sft")])
def test_unscored_are_those_of_the_checkpoint_that_refused_most(order: tuple[str, str]) -> None:
    probe = preference_probe()
    values = {"sft": np.ones(20), "rm": np.ones(20)}
    values["rm"][:3] = np.nan
    margins = {name: Margins(values[name], values[name], "reward" if name == "rm" else "logprob") for name in order}
    assert summarise(probe, SEARCHED, ScoredPairs(margins, "plain", {}, ())).summary.unscored == 3
