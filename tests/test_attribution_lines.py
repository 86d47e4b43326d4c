"""Twin of auditor.adapters.summaries.attribution_lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from rendered_markdown import Shown
from run_factory import HARMED, controlled_probe, make_run

from auditor.adapters.printable import signed
from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.summaries.attribution_lines import attribution_line
from auditor.adapters.summaries.run_summary import summary_of
from auditor.adapters.summaries.summary_schema import RunSummary


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()], renders=("plain",), attributed=True
    )


def summary(run: Path) -> RunSummary:
    return summary_of(read_results(run), read_manifest(run))


def test_the_largest_part_of_each_harm_by_each_method(run: Path) -> None:
    found = summary(run).attributions
    assert [(one.identity, one.method) for one in found] == [
        (HARMED, one) for one in ("tokens", "ig", "ablation", "shapley", "path")
    ]
    rows = read_results(run).attributions
    for one in found:
        like = (one.method, one.identity, "sft", "dpo<b>", None)
        level = "module" if one.method == "path" else "role"
        own = [
            row for row in rows if (row.method, row.identity, row.reference, row.checkpoint, row.theme) == like
            and row.level == level
        ]  # fmt: skip
        best = max((row for row in own if row.contrast == "excess"), key=lambda row: abs(row.estimate or 0))
        assert (one.unit, one.estimate, one.p_adjusted, one.total) == (
            best.unit, best.estimate, best.p_adjusted, best.total
        )  # fmt: skip
        assert one.excess
        assert one.reference_part == next(
            row.estimate for row in own if row.contrast == "reference" and row.unit == one.unit
        )


def test_one_line_says_it(run: Path) -> None:
    (line,) = attribution_line(summary(run))
    assert "\n" not in line
    tokens = summary(run).attributions[0]
    assert (
        f"{HARMED}, excess shift sft \u2192 dpo<b>: the words of the predicate {signed(tokens.estimate)} of "
        f"{signed(tokens.total)}, reference rows {signed(tokens.reference_part)} (output tokens), layer 1 mlp"
        in Shown(line).text
    )


def test_of_many_the_first_are_told_and_none_where_none_shows_harm(run: Path, tmp_path: Path) -> None:
    whole = summary(run)
    many = [one.model_copy(update={"identity": f"<b>{at}"}) for at in range(7) for one in whole.attributions]
    (line,) = attribution_line(whole.model_copy(update={"attributions": tuple(many)}))
    assert line.endswith("; 3 more in report.json.")
    assert "<b>" not in line
    calm = make_run(tmp_path / "run", probes=[controlled_probe()], checkpoints=("a", "b"), renders=("plain",))
    assert summary(calm).attributions == ()
    assert list(attribution_line(summary(calm))) == []
