"""Twin of auditor.adapters.notebook.run_figures."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from run_factory import BRANCHED, HARMED, HOSTILE, make_run, question_probe
from test_page import Page

from auditor.adapters.notebook.audit_run import AuditRun
from auditor.adapters.notebook.run_figures import RunFigure, find_figure, leading_figures
from auditor.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> AuditRun:
    return AuditRun.read(make_run(tmp_path_factory.mktemp("runs") / "run", **BRANCHED))


def figure(run: AuditRun, name: str, probe: str | None = None, checkpoint: str | None = None) -> RunFigure:
    return find_figure(run.results, run.manifest, name, probe, checkpoint)


def test_the_first_of_a_name_unless_said_which(run: AuditRun) -> None:
    first = figure(run, "forest")
    assert (first.name, first.probe, first.checkpoint) == ("forest", "small", "dpo<b>")
    assert figure(run, "forest", "swap").probe == "swap"
    assert figure(run, "forest", checkpoint="dpo2").checkpoint == "dpo2"
    assert figure(run, "forest", "swap", "dpo2").svg != figure(run, "forest", "swap").svg


def test_it_carries_its_data_and_what_is_to_be_seen(run: AuditRun) -> None:
    found = figure(run, "forest")
    assert HARMED in found.csv
    assert HARMED in "".join(ET.fromstring(found.svg).itertext())
    assert "identities" in found.alternative


@pytest.mark.parametrize(
    ("name", "probe", "checkpoint", "said"),
    [
        ("pie", None, None, "no figure 'pie'"),
        ("forest", "other", None, "no figure 'forest' of 'other'"),
        ("forest", None, "base", "no figure 'forest' at 'base'"),
    ],
)
def test_a_figure_that_is_not_there_says_which_are(
    run: AuditRun, name: str, probe: str | None, checkpoint: str | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as error:
        figure(run, name, probe, checkpoint)
    assert "forest of small at dpo2" in error.value.fix


def test_runs_side_by_side_in_a_notebook_share_no_identifier(run: AuditRun) -> None:
    other = {**run.manifest, "request_id": "of another run \udcff"}
    shown = [figure(run, "forest"), find_figure(run.results, other, "forest", None, None)]
    shown += [*leading_figures(run.results, run.manifest), *leading_figures(run.results, other)]
    found = [one for each in shown for one in re.findall(r'\bid="([^"]+)"', each.svg)]
    assert len(found) == len(set(found)) > 0


def test_a_run_without_levels_has_none(tmp_path: Path) -> None:
    bare = AuditRun.read(make_run(tmp_path / "run", probes=[question_probe()], renders=("plain",)))
    assert leading_figures(bare.results, bare.manifest) == ()
    with pytest.raises(UsageError, match="no figure 'forest'") as error:
        figure(bare, "forest")
    assert "none, for want of levels" in error.value.fix


def test_the_leading_ones_have_ids_of_their_own(run: AuditRun) -> None:
    found = leading_figures(run.results, run.manifest)
    assert {(one.probe, one.checkpoint, one.name) for one in found} == {
        (probe, leaf, name)
        for probe in ("small", "swap")
        for leaf in ("dpo<b>", "dpo2")
        for name in ("forest", "slope")
    }
    ids = [own.get("id") for one in found for own in ET.fromstring(one.svg).iter() if own.get("id")]
    assert len(set(ids)) == len(ids)


def test_a_notebook_shows_one_as_text_and_lines() -> None:
    for text in HOSTILE:
        page = Page(RunFigure("forest", text, text, "<svg></svg>", text, "")._repr_html_())
        assert [tag for tag, _ in page.tags] == ["figure", "svg", "figcaption"]
