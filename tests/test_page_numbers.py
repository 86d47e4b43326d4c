"""Numbers and words of the page where several things look alike, are many, or have no end."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from run_factory import MIXED, controlled_probe, identity_swap_probe, make_run, text_swap_probe, worded_probe

from auditor.adapters.report.page import render_report
from auditor.adapters.report.page_words import p_value, signed, span
from auditor.adapters.run.run_folder import read_results
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe


def plain_pairs(name: str = "small") -> Probe:
    """The people of the text-swap probe alone."""
    probe = text_swap_probe()
    return replace(probe, name=name, items=tuple(one for one in probe.items if not one.id.startswith("hostile")))


def two_designs() -> Probe:
    """Rows of text swaps and of identity swaps in one probe."""
    pairs = plain_pairs()
    return replace(pairs, items=(*pairs.items, *identity_swap_probe().items))


def descriptions(html: str) -> list[str]:
    """What the figures say of themselves, in order."""
    return [unescape(one) for one in re.findall(r"<desc[^>]*>(.*?)</desc>", html)]


def text_of(html: str) -> str:
    """What a reader sees, on one line."""
    bare = re.sub(r"<(style|script|svg).*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", bare)))


def test_two_designs_of_one_probe_have_figures_and_headings_of_their_own(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[two_designs()], checkpoints=("only",), renders=("plain",))
    html = render_report(run)
    found = descriptions(html)
    assert any("trans women" in one for one in found)
    assert any("Gay" in one or "Lesbian" in one for one in found)
    assert len(set(found)) == len(found)
    assert len(set(re.findall(r'id="verdicts-\d">(.*?)</h4>', html))) == 2
    files = re.findall(r'download="(.*?)"', html)
    assert len(set(files)) == len(files) == len(found)


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


def test_an_interval_with_an_open_end_is_shown_as_far_as_it_is_known(tmp_path: Path) -> None:
    """Four clusters far apart leave the studentised bootstrap without an end on one side."""
    run = make_run(tmp_path / "run", probes=[two_designs()], renders=("plain",))
    levels = [one for one in read_results(run).effects if one.measure == "level" and one.theme is None]
    open_ones = [one for one in levels if one.verdict == "inconclusive" and one.high_adjusted is None]
    one = next(one for one in open_ones if one.checkpoint == "dpo<b>")
    assert one.low_adjusted is not None
    assert span(one) == f"{signed(one.low_adjusted)} to \u221e"
    assert span(one.model_copy(update={"low_adjusted": None})) == "unbounded"
    assert span(one.model_copy(update={"low_adjusted": None, "verdict": "refused"})) == "no interval"
    assert p_value(one.model_copy(update={"low": None})) == p_value(one) != "\u2013"
    html = render_report(run)
    text = text_of(html)
    assert f"{one.identity} \u25c7 inconclusive {signed(one.estimate)}" in text
    assert f"{signed(one.low_adjusted)} to \u221e" in text
    assert "of 1 the interval has an open end, which no bound holds" in text
    assert re.search(r"could be said from a bound of \d\.\d\d nats", text)
    assert any(f"({signed(one.low_adjusted)} to \u221e)" in said for said in descriptions(html))
    assert not re.search(r"\b(nan|inf)\b", text)


def test_where_all_was_refused_nothing_is_said_of_harm(tmp_path: Path) -> None:
    probe = plain_pairs()
    probe = replace(probe, items=tuple(replace(one, cluster="one") for one in probe.items))
    text = text_of(render_report(make_run(tmp_path / "run", probes=[probe], renders=("plain",))))
    assert "No verdict could be given: every effect was refused" in text
    assert "shows harm at" not in text
    assert "none of" not in text


def test_where_all_was_refused_no_reward_is_said_to_show_no_harm(tmp_path: Path) -> None:
    probe = plain_pairs()
    probe = replace(probe, items=tuple(replace(one, cluster="one") for one in probe.items))
    text = text_of(render_report(make_run(tmp_path / "run", probes=[probe], renders=("plain",), **MIXED)))
    assert "Nothing is known of harm: no verdict could be given." in text
    assert "None of them shows harm" not in text
    assert "Disparity, refused for want of an interval:" in text
    assert "Preference, refused for want of an interval:" in text


def test_open_ends_in_the_table_of_controls_are_infinite(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], checkpoints=("only",), renders=("plain",))
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    for one in results["effects"]:
        if one["measure"] == "level" and one["identity"] == "trans women":
            one["low"] = None
    (run / "results.json").write_text(json.dumps(results), encoding="utf-8")
    html = render_report(run)
    table = text_of(html[html.index('<table class="controls"') :].split("</table>")[0])
    assert re.search(r"trans women [+\u2212]\d\.\d\d \(\u2212\u221e to [+\u2212]\d", table)
    assert "(\u2013 to" not in table


def test_metrics_of_several_probes_say_whose_they_are(tmp_path: Path) -> None:
    one, another = identity_swap_probe(), replace(identity_swap_probe(), name="other")
    for probes, said in (([one, another], True), ([one], False)):
        run = make_run(tmp_path / str(said), probes=probes, checkpoints=("only",), renders=("plain",))
        html = render_report(run)
        section = html[html.index('id="metrics-head"') : html.index('id="items-head"')]
        assert ('<th scope="col">Probe</th>' in section) == said
        rows = re.findall(r"<tr>\s*<th scope=\"row\">.*?</tr>", section, re.DOTALL)
        firsts = [re.sub(r"<td class=\"n.*", "", row, flags=re.DOTALL) for row in rows]
        assert len(set(firsts)) == len(firsts) > 1


def many(themes: int, identities: int) -> Probe:
    """As many identities, each on as many themes of one predicate."""
    people = [*((f"group {at}", "marked") for at in range(identities)), ("others", "reference")]
    items = [
        Item(
            id=f"{who}/{theme}",
            candidates=(Candidate(HARMFUL, f" bad {theme}"), Candidate(AFFIRMING, f" good {theme}")),
            context=f"I think {who} are",
            identity=who,
            theme=f"theme {theme:02}",
            cluster=f"predicate {theme}",
            match=f"{theme}",
            role=role,  # type: ignore[arg-type]
        )
        for theme in range(themes)
        for who, role in people
    ]
    return Probe("many", tuple(items), Card("Many", "many.csv", "6" * 64))


@pytest.mark.slow
def test_what_is_left_out_of_a_figure_or_a_table_is_said(tmp_path: Path) -> None:
    checkpoints = tuple(f"step {at}" for at in range(6))
    run = make_run(tmp_path / "run", probes=[many(13, 41)], checkpoints=checkpoints, renders=("plain",))
    text = text_of(render_report(run))
    assert "Drawn are the first 12 of 13 themes." in text
    assert "Drawn are the last 4 of 5 stages." in text
    assert "The first 160 of 205 rows; all stand in results.json." in text
    # The table behind the verdicts, levels, contributions, other specifications.
    assert len(re.findall("The first 40 of 41 identities[^;]*; all stand in results.json", text)) >= 4
    assert "with 95% intervals, not adjusted" not in text


def test_bars_of_the_series_say_which_interval_they_are(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[plain_pairs()], renders=("plain",))
    assert "Disparity at each checkpoint, plain rendering, with 95% intervals, not adjusted." in text_of(
        render_report(run)
    )


def test_a_probe_read_in_another_rendering_alone_was_not_refused(tmp_path: Path) -> None:
    other = replace(plain_pairs("other"), card=Card("Talks", "talks.jsonl", "7" * 64))
    run = make_run(tmp_path / "run", probes=[plain_pairs(), other])
    path = run / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    results["effects"] = [one for one in results["effects"] if (one["probe"], one["render"]) != ("other", "plain")]
    path.write_text(json.dumps(results), encoding="utf-8")
    text = text_of(render_report(run))
    said = "nothing of it was read in plain rendering; its effects in chat rendering stand in results.json"
    assert text.count(said) == 2
    assert "very effect on this probe was refused" not in text


def test_any_number_may_be_absent(tmp_path: Path) -> None:
    """The contract writes null for each number that there is none of."""

    def without_numbers(part: Any) -> Any:
        if isinstance(part, dict):
            kept = ("beta", "sesoi")
            return {
                key: None if isinstance(value, float) and key not in kept else without_numbers(value)
                for key, value in part.items()
            }
        return [without_numbers(one) for one in part] if isinstance(part, list) else part

    run = make_run(tmp_path / "run", probes=[controlled_probe(), worded_probe()], renders=("plain",))
    path = run / "results.json"
    path.write_text(json.dumps(without_numbers(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    assert "\u2013" in text_of(render_report(run))
