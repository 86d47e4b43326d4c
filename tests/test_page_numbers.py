"""Numbers and words of the page where several things look alike, are many, or have no end."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

from run_factory import identity_swap_probe, make_run, text_swap_probe

from auditor.adapters.report.page import render_report
from auditor.core.items import Probe


def plain_pairs(name: str = "small") -> Probe:
    """The people of the text-swap probe alone."""
    probe = text_swap_probe()
    return replace(probe, name=name, items=tuple(one for one in probe.items if not one.id.startswith("hostile")))


def descriptions(html: str) -> list[str]:
    """What the figures say of themselves, in order."""
    return [unescape(one) for one in re.findall(r"<desc[^>]*>(.*?)</desc>", html)]


def text_of(html: str) -> str:
    """What a reader sees, on one line."""
    bare = re.sub(r"<(style|script|svg).*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", bare)))


def test_two_designs_of_one_probe_have_figures_and_headings_of_their_own(tmp_path: Path) -> None:
    pairs, swapped = plain_pairs(), identity_swap_probe()
    both = replace(pairs, items=(*pairs.items, *swapped.items))
    html = render_report(make_run(tmp_path / "run", probes=[both], checkpoints=("only",), renders=("plain",)))
    found = descriptions(html)
    assert any("trans women" in one for one in found)
    assert any("Gay" in one or "Lesbian" in one for one in found)
    assert len(set(found)) == len(found)
    assert len(set(re.findall(r'id="(verdicts-\d)">(.*?)</h4>', html))) == 2


def test_two_probes_of_one_title_have_figures_and_headings_of_their_own(tmp_path: Path) -> None:
    one, another = plain_pairs("one"), plain_pairs("another")
    another = replace(another, items=tuple(replace(item, identity=f"{item.identity} 2") for item in another.items))
    run = make_run(tmp_path / "run", probes=[one, another], checkpoints=("only",), renders=("plain",))
    html = render_report(run)
    found = descriptions(html)
    assert len(set(found)) == len(found)
    # Each figure names somebody, and half of them somebody of the other probe.
    assert sum(bool(re.search("(women|people) 2", one)) for one in found) == len(found) / 2
    headings = re.findall(r'id="verdicts-\d"><bdi>(.*?)</bdi>', html)
    assert len(headings) == len(set(headings)) == 2
