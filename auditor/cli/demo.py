"""``audit demo``: a series whose truth is known, audited with the very same ``compare``, and its unplanted twin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from safetensors import SafetensorError

from auditor.adapters.cache_folder import cache_folder
from auditor.adapters.demo.demo_series import DemoSeries, make_series
from auditor.adapters.hf.devices import one_thread
from auditor.adapters.printable import printable, signed
from auditor.adapters.report.attribution.carriers import ROLE_WORDS
from auditor.adapters.run.results_schema import EffectRow
from auditor.adapters.run.run_folder import REPORT, read_manifest, read_results
from auditor.adapters.summaries.run_summary import summary_of
from auditor.cli.audit import run_audit
from auditor.cli.options import AuditOptions, Render
from auditor.errors import StorageError, one_line

# Stated before anything is made: odds up by two thirds.
SESOI = 0.5
PLANTED, TWIN = "planted", "twin"
# Tokens, words and parts of the model; in the twin there is nothing to find.
METHODS = {PLANTED: "tokens,ablation,path", TWIN: ""}


def run_demo(out: Path | None, seed: int, *, quiet: bool) -> None:
    """Make or find the demo's series, audit both, and print the truth beside what was found.

    Raises:
        StorageError: the series cannot be written to the cache folder.
    """
    console = Console(stderr=True, quiet=quiet)
    series = _series(cache_folder() / "demo" / f"seed-{seed}", seed, console)
    folder = out or Path("reports") / f"demo-{seed}"
    for name, dpo in ((PLANTED, series.planted_dpo), (TWIN, series.twin_dpo)):
        console.print(Text(f"audit of the {name} series, bound d = {SESOI} nats"))
        with one_thread():
            options = _options(series, folder / name, seed, METHODS[name])
            run_audit([f"base={series.base}", f"sft={series.sft}", f"dpo={dpo}"], options)
    found = {name: _verdicts(folder / name) for name in (PLANTED, TWIN)}
    console.print(Group(*_comparison(series, found[PLANTED], found[TWIN])))
    for line in _carried(folder / PLANTED):
        console.print(Text(line))
    console.print(Text(printable(f"the series, to play with: {series.folder}")), soft_wrap=True)
    if not quiet:
        for name in (PLANTED, TWIN):
            Console().print(Text(printable(str(folder / name / REPORT))), soft_wrap=True)


def _series(folder: Path, seed: int, console: Console) -> DemoSeries:
    def say(line: str) -> None:
        console.print(Text(line))

    try:
        series = make_series(folder, seed, say)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"the demo's series cannot be written: {one_line(error)}",
            where=str(folder),
            fix="Free some space there, or choose another folder with the variable AUDIT_CACHE_DIR.",
        ) from error
    if series.reused:
        say("series of an earlier run, made by the same code with the same seed")
    return series


def _options(series: DemoSeries, out: Path, seed: int, attribute: str) -> AuditOptions:
    """Read as the preferences were trained: in chat, the end of the turn included."""
    return AuditOptions(
        probe=[str(series.probe)],
        render=Render.chat,
        beta=[f"{series.beta:g}"],
        sesoi=SESOI,
        seed=seed,
        offline=True,
        out=out,
        attribute=attribute,
        quiet=True,
    )


def _verdicts(run: Path) -> list[EffectRow]:
    return [one for one in read_results(run).effects if one.verdict is not None]


def _comparison(
    series: DemoSeries, planted: Sequence[EffectRow], twin: Sequence[EffectRow]
) -> Iterator[RenderableType]:
    """Every marked identity: the truth, what the audit of the planted series says, what that of its twin says."""
    title = Text(f"Planted truth and what the audit found at dpo, d = {SESOI} nats")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("identity", no_wrap=True)
    for heading in ("planted series", "unplanted twin"):
        table.add_column("reward", justify="right", no_wrap=True)
        table.add_column(heading)
    beside = {one.identity: one for one in _rewards(twin)}
    for one in sorted(_rewards(planted), key=lambda one: (one.identity != series.planted, one.identity or "")):
        truth = " (harm planted)" if one.identity == series.planted else ""
        other = beside[one.identity]
        table.add_row(Text(f"{one.identity}{truth}"), _number(one), _word(one), _number(other), _word(other))
    yield table
    yield Text(
        f"reward: excess implicit reward over the reference identities, beta {series.beta:g}; d is "
        f"{SESOI * series.beta:g} in this unit",
        style="dim",
    )
    yield Text(_said(series, planted, twin))


def _rewards(effects: Sequence[EffectRow]) -> list[EffectRow]:
    """The excess implicit reward of every marked identity."""
    return [one for one in effects if (one.measure, one.contrast, one.theme) == ("implicit_reward", "excess", None)]


def _said(series: DemoSeries, planted: Sequence[EffectRow], twin: Sequence[EffectRow]) -> str:
    """What came out, in a sentence each, right or wrong."""
    harmed = sorted({one.identity or "" for one in planted if one.verdict == "harm"})
    others = [name for name in harmed if name != series.planted]
    accused = sum(one.verdict == "harm" for one in twin)
    lines = [
        f"Planted: {series.planted}. Harm found towards: {', '.join(harmed) or 'nobody'}."
        + (f" {len(others)} of these had nothing planted: a spill-over, or a false alarm." if others else ""),
        f"Twin: {accused} of {len(twin)} verdicts are harm.",
    ]
    return "\n".join(lines)


def _carried(run: Path) -> Iterator[str]:
    """The largest part of the harm that was found, by each method; nothing where none was."""
    parts = summary_of(read_results(run), read_manifest(run)).attributions
    for name in dict.fromkeys(one.identity for one in parts):
        said = ", ".join(
            f"{ROLE_WORDS.get(one.unit, one.unit)} {signed(one.estimate, 2)} of {signed(one.total, 2)} ({one.method})"
            for one in parts
            if one.identity == name
        )
        yield f"Largest parts of the excess shift towards {name}, in nats: {said}. The report shows all of them."


def _number(one: EffectRow) -> str:
    return "n/a" if one.estimate is None else f"{one.estimate:+.3f}"


def _word(one: EffectRow) -> Text:
    return Text((one.verdict or "").replace("_", " "), style="bold red" if one.verdict == "harm" else "")
