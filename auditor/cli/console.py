"""What an audit prints: bars while it works, a table at the end. All names are data, never markup."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.table import Table
from rich.text import Text

from auditor.adapters.printable import duration, on_one_line, printable, signed, span
from auditor.adapters.run.branches import branches_of
from auditor.adapters.run.results_schema import EffectRow, Results
from auditor.adapters.summaries.run_summary import summary_of
from auditor.core.metrics import METRICS

# What tells apart the effects of one measure.
Subject = tuple[object, ...]

_MINUTE = 60.0
_STYLES = {
    "harm": "bold red",
    "lower_than_reference": "cyan",
    "affirming": "cyan",
    "no_meaningful_difference": "green",
    "inconclusive": "yellow",
    "refused": "dim",
}


class _Rate(TextColumn):
    """Units a second, once there is something to divide."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: RichTask) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "", style="progress.data.speed")


@dataclass
class _Lines:
    """A task where nobody sees a bar: how far it came, said once a minute."""

    label: str
    total: int
    unit: str
    began: float
    said: float
    done: int = 0

    def advance(self, amount: int, now: float) -> str:
        """The line that is due, "" for none."""
        self.done += amount
        if now - self.said < _MINUTE or not 0 < self.done < self.total:
            return ""
        self.said = now
        left = duration((now - self.began) / self.done * (self.total - self.done))
        return f"{self.label}: {self.done:,} of {self.total:,} {self.unit}, about {left} left"


class RichProgress:
    """Progress bars with rate and time left; off a terminal a line a task and minute, and silent when asked."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._lines: _Lines | None = None
        self._steps: Progress | None = None
        self._step_label = ""

    @staticmethod
    def _columns() -> tuple[ProgressColumn, ...]:
        label = TextColumn("{task.fields[label]}", markup=False)
        return (SpinnerColumn(), label, BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())

    @contextmanager
    def task(self, label: str, total: int, unit: str) -> Iterator[None]:
        """Show one bar until the block ends."""
        if self._quiet or not self._console.is_terminal:
            self.note(f"{label}: {total:,} {unit}")
            now = time.monotonic()
            self._lines = _Lines(label, total, unit, now, now)
            try:
                yield
            finally:
                self._lines = None
            return
        self._close_steps()
        with Progress(*self._columns(), console=self._console, transient=True) as bars:
            self._bars, self._task = bars, bars.add_task("", total=total or None, label=printable(label), unit=unit)
            try:
                yield
            finally:
                self._bars = self._task = None

    def advance(self, amount: int) -> None:
        """Move the open bar."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, amount)
        elif self._lines is not None and (line := self._lines.advance(amount, time.monotonic())):
            self.note(line)

    def step(self, label: str, done: int, total: int) -> None:
        """Show work that reports by callback: a bar that opens at its first step and closes at its last."""
        if self._quiet or not self._console.is_terminal:
            return
        if self._steps is None or self._step_label != label:
            self._close_steps()
            self._step_label = label
            self._steps = Progress(*self._columns(), console=self._console, transient=True)
            self._steps.add_task("", label=printable(label), unit="")
            self._steps.start()
        self._steps.update(TaskID(0), completed=done, total=total or None)
        if done >= total:
            self._close_steps()

    def _close_steps(self) -> None:
        if self._steps is not None:
            self._steps.stop()
            self._steps = None

    def note(self, text: str) -> None:
        """Print one line, however long."""
        if not self._quiet:
            # Unwrapped: what is shown verbatim must be there to copy verbatim.
            self._console.print(Text(printable(text)), soft_wrap=True)


def widen(console: Console, table: Table) -> None:
    """Give a table all the width it asks for, so that no name in it is broken."""
    unbounded = console.options.update(max_width=10_000)
    console.width = max(console.width, console.measure(table, options=unbounded).maximum)


def summary_tables(results: Results) -> Iterator[RenderableType]:
    """Verdicts where training ended: a table for each such checkpoint, probe and rendering, and how to read it."""
    rewards = {_subject(one): one for one in results.effects if one.measure == "implicit_reward"}
    origins = {_subject(one): one.origin for one in results.effects if one.measure == "shift" and one.origin}
    raws = {_subject(one): one for one in results.effects if one.measure == "level" and one.contrast == "raw"}
    groups: dict[tuple[str, str, str, str], list[EffectRow]] = {}
    for branch in branches_of(results.series):
        for effect in _headline(results.effects, branch.leaf):
            groups.setdefault((branch.leaf, effect.probe, effect.design, effect.render), []).append(effect)
    for (leaf, probe, design, render), effects in groups.items():
        what = f"{probe}, response to declarations," if design == "responsiveness" else probe
        title = Text(on_one_line(f"{what} at {leaf}, {render} rendering"))
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        table.add_column("identity", overflow="fold")
        has_excess = any(one.contrast == "excess" for one in effects)
        # A reward model's own numbers are rewards already, and it has no implicit ones.
        implicit = all(one.unit != "reward" for one in effects)
        for heading in ("excess", "interval", "raw") if has_excess else ("raw", "interval"):
            table.add_column(heading, justify="right", no_wrap=True)
        if implicit:
            table.add_column("reward", justify="right", no_wrap=True)
        table.add_column("verdict")
        traced = any(_subject(one) in origins for one in effects)
        if traced:
            table.add_column("last stage")
        for effect in effects:
            cells = _cells(effect, raws, rewards if implicit else None, has_excess)
            table.add_row(*cells, *([origins.get(_subject(effect), "")] if traced else []))
        yield Group(table, Text(_how_to_read(effects), style="dim"), Text())


def _cells(
    effect: EffectRow, raws: Mapping[Subject, EffectRow], rewards: Mapping[Subject, EffectRow] | None, has_excess: bool
) -> list[str | Text]:
    """One row; where disparities are read, the raw margin stands beside each.

    Args:
        rewards: implicit ones, None where none has a column.
    """
    reward = None if rewards is None else rewards.get(_subject(effect))
    raw = raws.get(_subject(effect.model_copy(update={"contrast": "raw"})))
    ends = (effect.low, effect.high) if effect.verdict is None else (effect.low_adjusted, effect.high_adjusted)
    return [
        Text(on_one_line(effect.identity or "(no identity named)")),
        signed(effect.estimate),
        "n/a" if effect.verdict == "refused" or effect.estimate is None else span(*ends),
        *([signed(raw.estimate) if raw else "n/a"] if has_excess else []),
        *([] if rewards is None else ["" if reward is None else signed(reward.estimate, 3)]),
        _verdict(effect),
    ]


def metric_tables(results: Results) -> Iterator[RenderableType]:
    """Published metrics over all rows where training ended: a table for each such checkpoint, probe and rendering."""
    groups: dict[tuple[str, str, str], list[EffectRow]] = {}
    for branch in branches_of(results.series):
        for effect in results.effects:
            over_all = (effect.identity, effect.axis, effect.checkpoint) == (None, "", branch.leaf)
            if over_all and effect.measure in METRICS:
                groups.setdefault((branch.leaf, effect.probe, effect.render), []).append(effect)
    for (leaf, probe, render), effects in groups.items():
        title = Text(on_one_line(f"{probe} at {leaf}, {render} rendering: metrics over all rows"))
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        table.add_column("metric", overflow="fold")
        for heading in ("value", "unit", "95% interval", "items"):
            table.add_column(heading, justify="right", no_wrap=True)
        for one in effects:
            value = "n/a" if one.estimate is None else f"{one.estimate:.1f}"
            known = one.low is not None and one.high is not None
            interval = f"{one.low:.1f} to {one.high:.1f}" if known else "none"
            table.add_row(METRICS[one.measure].title, value, one.unit, interval, f"{one.items:,}")
        yield table


def _how_to_read(effects: Sequence[EffectRow]) -> str:
    bounds = [one.sesoi for one in effects if one.sesoi is not None]
    if any(one.unit == "reward" for one in effects):
        judged = f"d = {bounds[0]:.3g}; adjusted intervals" if bounds else "95% intervals, no verdict without --sesoi"
        return f"in units of the reward; {judged}; positive is towards harm"
    bound = f"d = {bounds[0]:.2f} nats; " if bounds else ""
    return f"{bound}adjusted intervals; positive is towards harm, +0.69: odds double"


def print_results(console: Console, results: Results, cautions: Sequence[str], report: Path, *, quiet: bool) -> None:
    """The verdicts, the answer, what must be known before it, and where the report lies.

    Args:
        cautions: beside those of the results.
    """
    for table in (*summary_tables(results), *metric_tables(results)):
        console.print(table)
    console.print(Text(f"{on_one_line(summary_of(results, {}).headline)}.", style="bold"), soft_wrap=True)
    for caution in (*results.cautions, *cautions):
        console.print(Text(on_one_line(f"caution: {caution}"), style="yellow"))
    if not quiet:
        Console().print(Text(printable(str(report))), soft_wrap=True)


def _verdict(effect: EffectRow) -> Text:
    withdrawn = {"failed_form": " (failed its form-matched control)", "failed_band": " (within the control band)"}
    name = (effect.verdict or "no verdict") + withdrawn.get(effect.controls or "", "")
    if effect.below_noise:
        name += " (below the noise floor)"
    reading = " (preference)" if effect.contrast == "raw" and effect.design == "text_swap" else ""
    return Text(name.replace("_", " ") + reading, style=_STYLES.get(effect.verdict or "", ""))


def _headline(effects: Sequence[EffectRow], checkpoint: str) -> Iterator[EffectRow]:
    """The disparity of every marked identity; its preference where no disparity can be given."""
    levels = [
        one
        for one in effects
        if one.measure == "level"
        and one.checkpoint == checkpoint
        and one.theme is None
        # Those that get a verdict, where a bound is stated.
        and (one.role, one.valence) == ("marked", "harm")
        and one.contrast != "reference"
    ]
    with_excess = {_who(one) for one in levels if one.contrast == "excess" and one.items}
    for effect in levels:
        has_excess = _who(effect) in with_excess
        if (effect.contrast == "excess") == has_excess and effect.contrast in ("raw", "excess"):
            yield effect


def _who(effect: EffectRow) -> tuple[str, str | None, str, str, str]:
    return effect.probe, effect.identity, effect.axis, effect.design, effect.render


def _subject(effect: EffectRow) -> Subject:
    return (*_who(effect), effect.theme, effect.role, effect.valence, effect.contrast, effect.checkpoint)
