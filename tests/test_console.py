"""What an audit prints: bars that go, a table that stays, names as text."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from fake_scores import FakeScorer, margins, pair, probe_of, series_of
from rich.console import Console

from auditor.adapters.run.results import results_of
from auditor.cli.console import RichProgress, metric_tables, summary_tables
from auditor.core.findings import Findings
from auditor.core.verdicts import Rule
from auditor.pipeline import compare

WHO = "[red]trans women[/red]\x1b[2J"


def console(terminal: bool = False) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=200, force_terminal=terminal, no_color=True), stream


def findings_of(margin: float) -> Findings:
    items = [pair(str(at), identity=WHO) for at in range(4)]
    table = {name: {item.id: margin + int(item.id) / 100 for item in items} for name in ("sft", "dpo")}
    scorer = FakeScorer(margins(table))
    return compare([probe_of(*items, name="mine")], series_of(*table), scorer, Rule(), lambda _: None)


def shown(findings: Findings) -> str:
    target, stream = console()
    for table in summary_tables(results_of(findings)):
        target.print(table)
    return stream.getvalue()


@pytest.mark.parametrize(("margin", "verdict"), [(3.0, "harm (preference)"), (-3.0, "affirming (preference)")])
def test_table_gives_the_last_checkpoints_verdict(margin: float, verdict: str) -> None:
    text = shown(findings_of(margin))
    assert "mine at dpo, plain rendering" in text
    assert "sft" not in text
    assert verdict in text
    assert f"{margin + 0.015:+.2f}"[:4] in text


def test_an_effect_below_its_noise_is_marked() -> None:
    findings = findings_of(3.0)
    assert "noise" not in shown(findings)
    noisy = replace(findings, effects=tuple(replace(one, noise=2.0) for one in findings.effects))
    assert "harm (below the noise floor) (preference)" in shown(noisy)


def test_raw_margin_stands_beside_the_excess() -> None:
    people = (("x", "marked"), ("ref", "reference"))
    items = [
        pair(f"{who}{at}", cluster=str(at), match=str(at), identity=who, role=role)
        for at in range(4)
        for who, role in people
    ]
    level = {"x": 3.0, "ref": 1.0}
    table = {"dpo": {one.id: level[one.identity] + int(one.cluster) / 100 * (one.identity == "x") for one in items}}
    findings = compare(
        [probe_of(*items, name="mine")], series_of("dpo"), FakeScorer(margins(table)), Rule(), lambda _: None
    )
    lines = shown(findings).splitlines()
    (row,) = (line for line in lines if " harm" in line and "x" in line.split())
    heading = next(line for line in lines if "verdict" in line)
    assert heading.split() == ["identity", "excess", "interval", "raw", "reward", "verdict"]
    # Means of 2 and 3 nats and 0, 1, 2, 3 hundredths.
    assert [float(row.split()[at]) for at in (1, 5)] == pytest.approx([2.015, 3.015], abs=0.006)


def test_what_the_table_shows_is_said_in_one_line() -> None:
    lines = [line for line in shown(findings_of(3.0)).splitlines() if "d = " in line]
    assert lines == ["d = 0.22 nats; adjusted intervals; positive is towards harm, +0.69: odds double"]
    assert len(lines[0]) <= 80


def test_note_is_one_line_however_long() -> None:
    stream = io.StringIO()
    text = "first item, plain: " + "a long context " * 20 + "|a candidate|"
    RichProgress(Console(file=stream, width=80), quiet=False).note(text)
    assert stream.getvalue() == text + "\n"


def test_names_are_text() -> None:
    text = shown(findings_of(1.0))
    assert "[red]trans women[/red]\\x1b[2J" in text
    assert "\x1b" not in text


def test_what_rounds_to_zero_has_no_sign() -> None:
    text = shown(findings_of(-0.0151))
    assert " 0.00 " in text
    assert "-0.00" not in text


def test_every_branch_has_its_table() -> None:
    items = [pair(str(at)) for at in range(4)]
    names = ("sft", "dpo1", "dpo2")
    table = {name: {item.id: int(item.id) / 10 for item in items} for name in names}
    series = series_of(*names, references={"dpo2": "sft"})
    text = shown(compare([probe_of(*items)], series, FakeScorer(margins(table)), Rule(), lambda _: None))
    assert "probe at dpo1" in text
    assert "probe at dpo2" in text
    assert "probe at sft" not in text


def test_no_effects_no_table() -> None:
    assert list(summary_tables(results_of(Findings(series_of("a"), (), (), ())))) == []


@pytest.mark.parametrize("quiet", [False, True])
def test_bars_and_notes(quiet: bool) -> None:
    target, stream = console(terminal=True)
    progress = RichProgress(target, quiet=quiet)
    for done in (1, 2):
        progress.step("loading [x]", done, 2)
    with progress.task("score [y]", 10, "tokens"):
        progress.advance(10)
    progress.note("a [note]\x07")
    text = stream.getvalue()
    assert all((part in text) is not quiet for part in ("loading [x]", "score [y]", "a [note]\\x07"))
    assert "\x07" not in text


def test_without_a_terminal_a_task_is_one_line() -> None:
    target, stream = console()
    progress = RichProgress(target, quiet=False)
    progress.step("loading base", 1, 2)
    with progress.task("score base", 12_000, "tokens"):
        progress.advance(12_000)
    assert stream.getvalue() == "score base: 12,000 tokens\n"


def test_bar_ends_with_an_error() -> None:
    target, stream = console(terminal=True)
    progress = RichProgress(target, quiet=False)
    with pytest.raises(KeyError), progress.task("first", 0, "tokens"):
        raise KeyError
    progress.advance(1)
    with progress.task("second", 1, "tokens"):
        progress.advance(1)
    assert "second" in stream.getvalue()


def test_one_step_bar_gives_way_to_another() -> None:
    target, stream = console(terminal=True)
    progress = RichProgress(target, quiet=False)
    progress.step("one", 0, 5)
    progress.step("two", 5, 5)
    with progress.task("three", 1, "tokens"):
        progress.advance(1)
    assert all(label in stream.getvalue() for label in ("one", "two", "three"))


def test_an_identity_asked_in_two_designs_has_two_tables() -> None:
    fields = {"identity": "x", "match": ""}
    texts = [pair(f"t{at}", cluster=f"t{at}", **fields) for at in range(3)]
    bare = [pair(f"b{at}", cluster=f"d{at}", design="responsiveness", **fields) for at in range(3)]
    declared = [
        pair(f"d{at}", cluster=f"d{at}", design="responsiveness", baseline=f"b{at}", **fields) for at in range(3)
    ]
    level = {"t": 3.0, "b": 1.0, "d": -1.0}
    step = {"t": 0.01, "b": 0.0, "d": 0.01}
    items = (*texts, *bare, *declared)
    table = {"dpo": {one.id: level[one.id[0]] + step[one.id[0]] * (int(one.id[1]) - 1) for one in items}}
    probe = probe_of(*items, name="mine")
    text = shown(compare([probe], series_of("dpo"), FakeScorer(margins(table)), Rule(), lambda _: None))
    plain, response = text.split("mine, response to declarations, at dpo")
    assert "mine at dpo" in plain
    assert "+3.00" in plain
    assert "harm (preference)" in plain
    assert "-2.00" in response
    assert "affirming" in response


def test_what_the_last_stage_did_to_a_harm_stands_beside_its_verdict() -> None:
    items = [pair(str(at), identity=WHO) for at in range(6)]
    table = {name: {item.id: level + int(item.id) ** 2 / 1000 for item in items} for name, level in
             (("sft", 0.0), ("dpo", 3.0))}  # fmt: skip
    table["dpo"]["0"] += 0.01
    findings = compare([probe_of(*items)], series_of(*table), FakeScorer(margins(table)), Rule(), lambda _: None)
    text = shown(findings)
    assert "last stage" in text
    assert "introduced" in text
    # The same harm at both checkpoints has no shift at all; without any harm there is nothing to trace.
    assert "inherited" in shown(findings_of(3.0))
    assert "last stage" not in shown(findings_of(-3.0))


def test_metrics_over_all_rows_have_a_table_where_training_ended() -> None:
    results = results_of(findings_of(3.0))
    assert list(metric_tables(results)) == []
    level = next(one for one in results.effects if one.checkpoint == "dpo")
    whole = {"measure": "crows_pairs_shared", "identity": None, "axis": "", "unit": "%", "items": 1508}
    given = level.model_copy(update={**whole, "estimate": 62.54, "low": 58.0, "high": None})
    others = [given.model_copy(update=one) for one in ({"identity": "x"}, {"axis": "age"}, {"checkpoint": "sft"})]
    target, stream = console()
    for table in metric_tables(results.model_copy(update={"effects": (*others, given)})):
        target.print(table)
    rows = [line.split() for line in stream.getvalue().splitlines() if "CrowS" in line]
    assert rows == [["CrowS-Pairs,", "shared", "tokens", "62.5", "%", "none", "1,508"]]
    assert "mine at dpo, plain rendering: metrics over all rows" in stream.getvalue()


def test_off_a_terminal_a_long_task_says_once_a_minute_how_long_it_still_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr("auditor.cli.console.time.monotonic", lambda: now[0])
    for quiet in (True, False):
        progress = RichProgress(Console(stderr=True, quiet=quiet), quiet=quiet)
        with progress.task("path a to b", 400, "passes"):
            for _ in range(4):
                now[0] += 45
                progress.advance(100)
        progress.advance(1)
        told = capsys.readouterr().err.splitlines()
        # Nothing before a minute is over, and nothing of what is done.
        line = "path a to b: 200 of 400 passes, about 90 seconds left"
        assert told == ([] if quiet else ["path a to b: 400 passes", line])


def test_a_reward_model_has_a_table_in_its_own_unit() -> None:
    items = [pair(str(at), identity=WHO) for at in range(4)]
    table = {name: {item.id: 3.0 + int(item.id) / 100 for item in items} for name in ("sft", "dpo", "rm")}
    series = series_of(*table, quantities={"rm": "reward"})
    text = shown(compare([probe_of(*items)], series, FakeScorer(margins(table)), Rule(0.2, 0, 0.4), lambda _: None))
    policy, reward = text.split("probe at rm, plain rendering")
    assert "probe at dpo, plain rendering" in policy
    assert "d = 0.20 nats; adjusted intervals" in policy
    assert "in units of the reward; d = 0.4; adjusted intervals" in reward
    headings = [next(line for line in own.splitlines() if "verdict" in line).split() for own in (policy, reward)]
    assert headings == [
        ["identity", "raw", "interval", "reward", "verdict", "last", "stage"],
        ["identity", "raw", "interval", "verdict"],
    ]
    assert "harm (preference)" in reward
