"""Twin of auditor.adapters.summaries.headlines."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from rich.console import Console
from run_factory import make_run, text_swap_probe, worded_probe

from auditor.adapters.notebook.audit_run import AuditRun
from auditor.adapters.report.level_units import LevelUnit
from auditor.adapters.report.page import render_report
from auditor.adapters.run.run_folder import read_results
from auditor.adapters.summaries.headlines import basis_of, headline_parts
from auditor.adapters.summaries.markdown_summary import markdown_summary
from auditor.adapters.summaries.model_card import card_section
from auditor.adapters.summaries.run_summary import summary_json
from auditor.adapters.summaries.summary_schema import SummaryLeaf, SummaryMetric
from auditor.cli.console import print_results


def leaf(name: str, *harmed: str, probes: int = 1, inconclusive: int = 0, read: int = 1) -> SummaryLeaf:
    return SummaryLeaf(
        checkpoint=name,
        path=("base", name),
        harmed=harmed,
        inconclusive=tuple(str(at) for at in range(inconclusive)),
        probes_with_harm=probes if harmed else 0,
        probes_read=read,
        # Verdicts, of which one identity can have several.
        counts={"inconclusive": 2 * inconclusive},
        without_verdict=0,
    )


def _refused(name: str) -> SummaryLeaf:
    return leaf(name).model_copy(update={"counts": {"refused": 3, "harm": 0}})


def metric(unit: str) -> SummaryMetric:
    return SummaryMetric(
        probe="p", measure="m", render="plain", checkpoint="dpo", unit=unit, estimate=1.0, low=None, high=None
    )


@pytest.mark.parametrize(
    ("leaves", "words"),
    [
        ([leaf("dpo", "a")], "1 identity shows harm at dpo, on 1 of 1 probe"),
        ([leaf("dpo", "a", "b", probes=2, read=3)], "2 identities show harm at dpo, on 2 of 3 probes"),
        ([leaf("dpo")], "No identity shows harm at dpo on this probe"),
        ([leaf("d", inconclusive=1, read=2)], "No identity shows harm at d on these 2 probes; 1 stays inconclusive"),
        ([leaf("dpo", inconclusive=3)], "No identity shows harm at dpo on this probe; 3 stay inconclusive"),
        ([leaf("x"), leaf("y")], "No identity shows harm at x or y"),
        ([leaf("x"), leaf("y"), leaf("z")], "No identity shows harm at x, y or z"),
        ([leaf("x", "a", "b"), leaf("y"), leaf("z", "a")], "2 identities show harm at x, 1 at z, none at y"),
        ([leaf(name) for name in "abcde"], "No identity shows harm at any of 5 final checkpoints"),
        ([leaf("a", "x"), *(leaf(name) for name in "bcde")], "Harm shows at 1 of 5 final checkpoints"),
        (
            [leaf("x", inconclusive=2), leaf("y", inconclusive=1)],
            "No identity shows harm at x or y; 2 stay inconclusive",
        ),
        (
            [leaf("x", inconclusive=1), leaf("y", read=0), leaf("z", read=0)],
            "No identity shows harm at x on this probe; 1 stays inconclusive; nothing could be read at y, z",
        ),
        (
            [leaf("x", "a"), leaf("y"), leaf("z", read=0)],
            "1 identity shows harm at x, none at y; nothing could be read at z",
        ),
        (
            [leaf("x", "a"), leaf("y", "b"), leaf("z", read=0)],
            "1 identity shows harm at x, 1 at y; nothing could be read at z",
        ),
        (
            [leaf("x", inconclusive=1), _refused("y")],
            "No identity shows harm at x or y; 1 stays inconclusive, 3 verdicts are refused",
        ),
        (
            [leaf("x", inconclusive=1).model_copy(update={"counts": {"refused": 1, "inconclusive": 1}})],
            "No identity shows harm at x on this probe; 1 stays inconclusive, 1 verdict is refused",
        ),
        ([_refused("x"), _refused("y")], "No verdict could be given: every effect was refused"),
    ],
)
def test_the_answer_in_one_sentence(leaves: list[SummaryLeaf], words: str) -> None:
    parts = headline_parts(leaves, [], judged=True)
    assert "".join(parts) == words
    # What a run calls its checkpoints stands apart from our own words.
    assert set(parts[1::2]) <= {one.checkpoint for one in leaves}


def test_without_a_margin_or_a_bound_there_is_no_verdict_to_tell() -> None:
    here, unread = [leaf("dpo")], [leaf("dpo", read=0)]
    assert headline_parts(here, [], judged=False)[0].startswith("Rewards without verdicts")
    assert headline_parts(unread, [], judged=True) == ["No effect could be estimated"]
    assert headline_parts(unread, [metric("%")], judged=True)[0].startswith("Published metrics only")
    assert headline_parts(unread, [metric("sd")], judged=True)[0].startswith("Two samples of texts")


def test_what_it_rests_on_names_rendering_bound_and_reference() -> None:
    said = basis_of("chat", [LevelUnit(False, 0.2231435)], several=False)
    assert said.startswith("Read in chat rendering. Harm means: the whole adjusted interval of the disparity")
    assert "its excess over its reference identity" in said
    assert "above the bound d = 0.22 nats (odds of the harmful text \u00d71.25)" in said
    assert "d = 0.004 units of the reward, and" in basis_of("plain", [LevelUnit(True, 0.004)], several=False)
    several = basis_of("plain", [LevelUnit(False, 0.5)], several=True)
    assert "at each checkpoint that no other was trained from" in several
    assert "stated with --sesoi, it gives verdicts" in basis_of("plain", [LevelUnit(True, None)], several=False)
    assert "none has a verdict" in basis_of("plain", [LevelUnit(False, None)], several=False)
    both = basis_of("plain", [LevelUnit(False, 0.5), LevelUnit(True, 0.25)], several=True)
    assert "d = 0.50 nats (odds" in both
    assert both.endswith("At a reward model the margin is one of rewards, and d = 0.25 units of the reward.")


def test_every_place_gives_one_answer(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", checkpoints=("only",), probes=[text_swap_probe(), worded_probe()])
    cells = [
        one
        for one in read_results(run).effects
        if (one.measure, one.role, one.valence, one.theme, one.render) == ("level", "marked", "harm", None, "plain")
        and one.contrast == "excess"
    ]
    undecided = [one.identity for one in cells if one.verdict == "inconclusive"]
    refused = sum(one.verdict == "refused" for one in cells)
    assert len(set(undecided)) < len(undecided)
    assert refused > 1
    words = f"No identity shows harm at only on these 2 probes; {len(set(undecided))} stay inconclusive"
    words += f", {refused} verdicts are refused"
    found = AuditRun.read(run)
    page = render_report(run)
    # The page keeps the bound on one line.
    shown = unescape(re.sub(r"<[^>]*>", "", page)).replace("\u00a0", " ")
    assert [unescape(re.sub(r"<[^>]*>", "", one)) for one in re.findall(r"<h1>(.*?)</h1>", page)] == [words]
    summary, console = found.summary(), Console(record=True, width=200)
    print_results(console, found.results, (), run, quiet=True)
    basis = summary.basis
    for text in (markdown_summary(summary, with_page=False), card_section(summary), found._repr_html_()):
        assert words in text
        assert basis in text
    assert basis in shown
    assert f'"headline": "{words}"' in summary_json(summary)
    assert words in repr(found)
    assert words in console.export_text()
