"""Twin of auditor.adapters.summaries.verdict_tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from rendered_markdown import Shown
from run_factory import HARMED, MIXED, controlled_probe, make_run, responsive_probe

from auditor.adapters.report.probe_findings import probes_of
from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.summaries.run_summary import summary_of
from auditor.adapters.summaries.summary_schema import RunSummary, SummaryCell
from auditor.adapters.summaries.verdict_tables import odds_words, verdict_blocks


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    run = make_run(tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()])
    return summary_of(read_results(run), read_manifest(run))


def shown(summary: RunSummary) -> Shown:
    return Shown("\n\n".join(verdict_blocks(summary)))


def cell_of(summary: RunSummary, identity: str) -> SummaryCell:
    (found,) = (one for one in summary.cells if one.headline and one.identity == identity)
    return found


def with_cells(summary: RunSummary, cells: Sequence[SummaryCell]) -> RunSummary:
    return summary.model_copy(update={"cells": tuple(cells)})


def test_a_row_says_size_odds_interval_verdict_origin_and_the_other_rendering(summary: RunSummary) -> None:
    rows = shown(summary).cells()
    assert rows[0] == [
        "identity", "nats", "adjusted interval", "odds", "verdict", "where it came from", "in chat rendering",
    ]  # fmt: skip
    (row,) = (one for one in rows if one[0] == HARMED)
    cell = cell_of(summary, HARMED)
    assert cell.estimate is not None
    assert cell.odds is not None
    assert row[1] == f"{cell.estimate:+.2f}"
    assert row[2] == f"{cell.low_adjusted:+.2f} to {cell.high_adjusted:+.2f}"
    assert row[3] == f"\u00d7{cell.odds:.2f}"
    assert row[4].startswith("harm")
    assert row[5] == "origin unresolved at dpo<b>"
    assert row[6].endswith(", inconclusive")


def test_identities_stand_in_the_order_of_the_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",))
    results, manifest = read_results(run), read_manifest(run)
    names = sorted({str(one.identity) for one in results.effects if one.role == "marked"})
    # The page parts neither of the two from the other.
    verdicts = {names[0]: "affirming", names[1]: "lower_than_reference"}
    effects = tuple(
        one.model_copy(update={"verdict": verdicts.get(str(one.identity), one.verdict)})
        if one.measure == "level" and one.verdict
        else one
        for one in results.effects
    )
    results = results.model_copy(update={"effects": effects})
    page = [cell.identity for cell in probes_of(results, manifest, {})[0].leaves[0].headline]
    rows = [row[0] for row in shown(summary_of(results, manifest)).cells() if row[0] != "identity"]
    assert rows == page
    assert rows == names


def test_of_many_the_harmed_stand_open_and_the_rest_is_folded(summary: RunSummary) -> None:
    one = cell_of(summary, HARMED)
    others = [
        one.model_copy(
            update={
                "identity": f"people {at:02}",
                "verdict": "inconclusive" if at < 5 else "affirming",
                "low_adjusted": -1.0,
            }
        )
        for at in range(50)
    ]
    text = "\n\n".join(verdict_blocks(with_cells(summary, [one, *others])))
    open_part, folded = text.split("<details>")
    assert HARMED in open_part
    assert "people" not in open_part
    assert "<summary>The other 50: 5 inconclusive, 45 affirming</summary>\n\n|" in f"<{folded.lstrip('<')}"
    assert folded.count("| people") == 40
    assert "The first 40 of 50 in this order, which is not a ranking." in folded
    none = "\n\n".join(verdict_blocks(with_cells(summary, others[:8])))
    assert "<summary>None of 8 shows harm: 5 inconclusive, 3 affirming</summary>" in none
    few = "\n\n".join(verdict_blocks(with_cells(summary, [one, *others[:7]])))
    assert "<details>" not in few


def test_what_is_refused_is_counted(summary: RunSummary) -> None:
    one = cell_of(summary, HARMED)
    refused = one.model_copy(update={"identity": "x", "verdict": "refused", "low_adjusted": None})
    text = shown(with_cells(summary, [one, refused])).text
    assert "Refused, for want of an interval: 1." in text
    assert [row[0] for row in shown(with_cells(summary, [one, refused])).cells()] == ["identity", HARMED]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"controls": "absent"}, "harm; no controls"),
        ({"controls": "passed", "fragile": False}, "harm"),
        ({"fragile": True, "fragile_in": ("end", "length_difference")}, "harm; fragile (end, length difference)"),
        ({"verdict": "inconclusive", "low_adjusted": 0.1}, "inconclusive; leaning to harm"),
        ({"verdict": "inconclusive", "low_adjusted": -0.1}, "inconclusive"),
        ({"verdict": "inconclusive", "low_adjusted": 1.0, "controls": "failed_form"},
         "inconclusive; failed its form-matched control"),
        ({"verdict": "inconclusive", "low_adjusted": 1.0, "controls": "failed_band"},
         "inconclusive; within the control band"),
        ({"verdict": "lower_than_reference"}, "lower than reference"),
        ({"verdict": "lower_than_reference", "design": "identity_swap"}, "lower than the other group"),
        ({"verdict": "no_meaningful_difference", "below_noise": True},
         "no meaningful difference; below the noise floor"),
    ],
)  # fmt: skip
def test_a_verdict_comes_with_what_is_to_be_known_of_it(
    summary: RunSummary, changes: dict[str, object], words: str
) -> None:
    plain = {"controls": None, "fragile": False, "fragile_in": (), "below_noise": None}
    cell = cell_of(summary, HARMED).model_copy(update={**plain, **changes})
    assert shown(with_cells(summary, [cell])).cells()[1][4] == words


def test_a_probe_of_which_nothing_was_estimated_is_named(summary: RunSummary) -> None:
    assert "Nothing could be estimated" not in shown(summary).text
    text = shown(with_cells(summary, [])).text
    assert text == "Nothing could be estimated on Controlled pairs."


def test_each_reading_says_what_it_is(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[responsive_probe()], renders=("plain",))
    text = shown(summary_of(read_results(run), read_manifest(run))).text
    assert "Declared pronouns: response to a declaration" in text
    assert "Lost responsiveness: how much less a declaration moves" in text


def test_a_reward_has_no_odds_and_no_verdict_without_a_bound(summary: RunSummary) -> None:
    cell = cell_of(summary, HARMED).model_copy(
        update={"verdict": None, "unit": "reward", "odds": None, "low": 1.0, "high": 2.0, "fragile": None, "stages": ()}
    )
    own = {"unit": "reward", "sesoi": None}
    leaves = tuple(leaf.model_copy(update=own) for leaf in summary.leaves)
    rewards = with_cells(summary, [cell]).model_copy(update={**own, "leaves": leaves})
    rows = shown(rewards).cells()
    assert rows[0][:4] == ["identity", "units of the reward", "95% interval", "verdict"]
    assert rows[1][2:4] == ["+1.00 to +2.00", "no verdict"]


def test_odds_in_words() -> None:
    assert odds_words(1.25) == "\u00d71.25"
    assert odds_words(0.001) == "\u00d71.0e-03"
    assert odds_words(None) == "n/a"


def test_a_reward_models_table_is_in_its_own_unit_without_odds(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",), **MIXED)
    text = "\n\n".join(verdict_blocks(summary_of(read_results(run), read_manifest(run))))
    policy, reward = text.split("### ")[1:3]
    assert policy.splitlines()[0] == "Controlled pairs, at dpo&#60;b&#62;"
    assert reward.splitlines()[0] == "Controlled pairs, at the reward model rm"
    assert "| identity | nats | adjusted interval | odds |" in policy
    assert "| identity | units of the reward | adjusted interval | verdict |" in reward
