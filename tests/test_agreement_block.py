"""Twin of auditor.adapters.summaries.agreement_block."""

from __future__ import annotations

from pathlib import Path

import pytest
from rendered_markdown import Shown
from run_factory import HARMED, MIXED, make_run, text_swap_probe

from auditor.adapters.printable import signed
from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.summaries.agreement_block import agreement_block
from auditor.adapters.summaries.run_summary import summary_of
from auditor.adapters.summaries.summary_schema import RunSummary


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    run = make_run(tmp_path_factory.mktemp("runs") / "run", probes=[text_swap_probe()], **MIXED)
    return summary_of(read_results(run), read_manifest(run))


def test_a_row_for_every_two_signals(summary: RunSummary) -> None:
    (block,) = agreement_block(summary)
    rows = Shown(block).cells()
    assert rows[0] == ["probe", "signals", "rank correlation", "on the same side", "items"]
    one = summary.agreements[0]
    assert one.correlation is not None
    assert rows[1][1] == "explicit reward at rm, implicit reward at dpo<b>"
    assert rows[1][2] == f"{signed(one.correlation)} ({signed(one.low)} to {signed(one.high)})"
    assert rows[1][3:] == [f"{100 * (one.equal_signs or 0):.0f}%", str(one.items)]
    assert len(rows) == 4


def test_who_is_harmed_in_what_is_said(summary: RunSummary) -> None:
    (block,) = agreement_block(summary)
    assert f"- {HARMED}: harm in explicit reward at rm, implicit reward at dpo&#60;b&#62;" in block
    assert block.startswith("<details>")


def test_long_lists_are_cut_and_say_so(summary: RunSummary) -> None:
    harm = next(one for one in summary.reward_harms if one.verdict == "harm")
    many = summary.model_copy(
        update={
            "agreements": summary.agreements * 5,
            "reward_harms": tuple(harm.model_copy(update={"identity": f"people {at}"}) for at in range(14)),
        }
    )
    (block,) = agreement_block(many)
    assert "The first 12 of 15; all stand in results.json." in block
    assert "- and 2 more, in report.json" in block


def test_nothing_is_said_where_nothing_was_compared(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", checkpoints=("only",))
    assert list(agreement_block(summary_of(read_results(run), read_manifest(run)))) == []
