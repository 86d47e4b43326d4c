"""Twin of auditor.adapters.summaries.markdown_summary; an independent reader of Markdown is the oracle."""

from __future__ import annotations

from pathlib import Path

import pytest
from rendered_markdown import TAGS, Shown
from run_factory import (
    BRANCHED,
    HARMED,
    HOSTILE,
    SCRIPT,
    controlled_probe,
    make_run,
    question_probe,
    responsive_probe,
    strip_manifest,
    worded_probe,
)

from auditor.adapters.printable import printable
from auditor.adapters.run.results_schema import RefusalRow
from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.run.run_status import INTERRUPTED
from auditor.adapters.summaries.markdown_summary import markdown_summary
from auditor.adapters.summaries.run_summary import summary_of
from auditor.core.metrics import METRICS

DENIED = "An audit finds evidence of harm on the probes it was given; it never certifies that a model is fair."
FORBIDDEN = ("debias", "unbiased", "normal", "ranked", "toxic", "caused")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()])


def written(run: Path, *, with_page: bool = True) -> str:
    return markdown_summary(summary_of(read_results(run), read_manifest(run)), with_page=with_page)


def test_it_answers_first_and_never_certifies(run: Path) -> None:
    lines = written(run).splitlines()
    assert lines[0] == "## Audit: 1 identity shows harm at dpo&#60;b&#62;, on 1 of 1 probe"
    text = Shown(written(run)).text
    assert "Read in plain rendering. Harm means: the whole adjusted interval of the disparity of an identity" in text
    # The default bound is ln 1.25: odds up by a quarter.
    assert "the bound d = 0.22 nats (odds of the harmful text \u00d71.25)" in text
    assert DENIED in text
    for word in FORBIDDEN:
        assert word not in text.casefold()


def test_an_ordinary_audit_is_short(run: Path) -> None:
    assert len(written(run).splitlines()) < 60
    # Of many rows most are folded: what stands open of the shipped probes is as short.


def test_it_says_what_was_audited(run: Path) -> None:
    text = Shown(written(run)).text
    assert "Series: base → sft → dpo<b>" in text
    assert "Probe: Controlled pairs;" in text
    assert "Made with auditor 0.1.0 on 2026-01-02, in plain and chat rendering" in text
    assert printable(str(read_manifest(run)["command"])) in text


def test_cautions_stand_once_for_all_probes_they_are_said_of(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[worded_probe(), responsive_probe()], renders=("plain",))
    results = read_results(run)
    changed = results.model_copy(update={"cautions": ("worded: beware", "pronouns: beware", "of *all*")})
    text = markdown_summary(summary_of(changed, read_manifest(run)), with_page=False)
    assert "- worded, pronouns: beware\n- of &#42;all&#42;\n" in text
    many = results.model_copy(update={"cautions": tuple(f"caution {at}" for at in range(11))})
    text = markdown_summary(summary_of(many, read_manifest(run)), with_page=False)
    assert text.count("- caution") == 8
    assert "- and 3 more, in results.json" in text


def test_the_page_is_linked_only_where_it_lies_beside(run: Path) -> None:
    assert Shown(written(run)).links == ["report.html"]
    assert Shown(written(run, with_page=False)).links == []


def test_hostile_texts_are_shown_and_do_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", checkpoints=("base", "dpo | @all", "<!-- x", "![a](b)"))
    hostile = read_results(run).model_copy(update={"cautions": (*HOSTILE, "small: # x\n- [link](http://x.example)")})
    summary = summary_of(hostile, {**read_manifest(run), "command": "audit ``` \n# x <script>"})
    shown = Shown(markdown_summary(summary, with_page=True))
    assert set(shown.tags) <= TAGS
    assert shown.links == ["report.html"]
    assert f"Small probe {SCRIPT}" in shown.text
    assert "audit ``` # x <script>" in shown.text
    assert not any(one in shown.text for one in "\u202e\x1b\x07\0")
    # Every row of a table has as many cells as its head.
    for row in shown.cells():
        assert len(row) in {5, 6, 7, 8}


def test_published_metrics_have_a_table_and_no_verdict(tmp_path: Path) -> None:
    shown = Shown(written(make_run(tmp_path / "run", probes=[question_probe()])))
    assert "Published metrics only" in shown.text
    rows = {row[1] for row in shown.cells() if row[0] == "Questions"}
    assert rows == {METRICS["bbq_accuracy_ambiguous"].title}
    assert "Harm:" not in shown.text


def test_branches_are_told_apart(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], **BRANCHED)
    text = Shown(written(run)).text
    assert "1 identity shows harm at dpo<b>, none at dpo2" in text
    assert "Controlled pairs, at dpo<b>" in text
    assert "Series: base → sft → dpo2" in text
    assert HARMED in text


def test_an_interrupted_run_says_so_at_the_top(run: Path) -> None:
    manifest = {**read_manifest(run), "status": "interrupted"}
    lines = markdown_summary(summary_of(read_results(run), manifest), with_page=False).splitlines()
    assert lines[2] == f"> **Interrupted.** {INTERRUPTED}"
    assert "Interrupted" not in written(run)


def test_refused_items_and_refused_numbers_are_told_apart(run: Path) -> None:
    row = RefusalRow(
        reason="too_long", detail="", probe="p", item="a", render="plain", checkpoint="sft", identity=None, count=2
    )
    rows = (row, row.model_copy(update={"reason": "mixed_signs", "item": None, "count": 1}))
    results = read_results(run).model_copy(update={"refusals": rows})
    text = markdown_summary(summary_of(results, read_manifest(run)), with_page=False)
    assert "- Refused items: too long (2)\n- Refused numbers and comparisons made of items: mixed signs (1)\n" in text


def test_a_manifest_without_a_command_has_none(tmp_path: Path) -> None:
    run = strip_manifest(make_run(tmp_path / "run", probes=[controlled_probe()]), command="")
    assert "```" not in written(run)
