"""Twin of auditor.adapters.notebook.run_html."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from run_factory import HARMED, IMAGE, SCRIPT, make_run, question_probe
from test_page import Page, plain

from auditor.adapters.notebook.audit_run import AuditRun
from auditor.adapters.notebook.run_html import MAX_CELLS, run_html
from auditor.adapters.summaries.summary_schema import RunSummary


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> AuditRun:
    return AuditRun.read(make_run(tmp_path_factory.mktemp("runs") / "run"))


@pytest.fixture(scope="module")
def html(run: AuditRun) -> str:
    return run._repr_html_()


def test_answer_verdicts_and_figures(run: AuditRun, html: str) -> None:
    words = plain(Page(html))
    assert run.summary().headline in words
    assert re.search(rf"{HARMED}dpo<b>disparity\+\d\.\d\d\+\d\.\d\d to \+\d\.\d\d\W\d+\.?\d* ?▲ harm", words)
    assert "never certifies that a model is fair" in words
    assert run.summary().basis in words
    for caution in run.cautions:
        assert caution[:40] in words


def test_it_runs_nothing_and_asks_for_nothing(html: str) -> None:
    page = Page(html)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "iframe", "b", "object", "embed", "form", "link", "input", "meta"}
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert not [value for _, attrs in page.tags for name, value in attrs.items() if name in ("src", "href")]
    assert "@import" not in html
    assert SCRIPT in page.text
    assert IMAGE not in html


def test_its_style_reaches_nothing_else(html: str) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)
    selectors = [one.strip() for rule in re.findall(r"([^{}]+)\{", style) for one in rule.split(",")]
    assert selectors
    assert all(one.startswith(".auditor-run") for one in selectors)


def test_texts_of_probes_are_no_part_of_it(html: str) -> None:
    for text in ("Everyone knows", "deluded", "I think"):
        assert text not in html


def test_words(html: str) -> None:
    assert not re.findall(r"\b(debias\w*|unbiased|normal)\b", Page(html).text.lower())


def test_a_run_without_verdicts_is_shown(tmp_path: Path) -> None:
    bare = AuditRun.read(make_run(tmp_path / "run", probes=[question_probe()], renders=("plain",)))
    words = plain(Page(bare._repr_html_()))
    assert "Published metrics only" in words
    assert "positive means harm" not in words


def test_of_very_many_cells_the_first_are_shown(run: AuditRun) -> None:
    summary = run.summary()
    (cell,) = (one for one in summary.cells if one.headline and one.verdict == "harm")
    many = RunSummary.model_validate({**summary.model_dump(), "cells": [cell.model_dump()] * (MAX_CELLS + 3)})
    html = run_html(many, ())
    assert html.count("<tr>") == MAX_CELLS + 1
    assert "and 3 more" in plain(Page(html))
