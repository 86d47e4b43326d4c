"""``audit plan``: how many clusters a probe needs, from a stated spread or from a pilot's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from auditor.adapters.pilot import Pilot, Spread, pilots_of
from auditor.adapters.printable import on_one_line, signed
from auditor.adapters.run.run_folder import read_results
from auditor.cli.request import bound
from auditor.core.planning import MAX_CLUSTERS, MIN_CLUSTERS, Goal, Plan, plan
from auditor.core.verdicts import DEFAULT_SESOI
from auditor.errors import UsageError

_SMALLEST, _LARGEST = 1e-6, 1e6
_LARGEST_FAMILY = 200
_NOTES = (
    "A cluster is a predicate with all its paraphrases and frames; more wordings of one predicate add none.",
    "Exact where cluster means are normal and identities independent, all with this spread.",
    "Skewed means need more: the audit takes the wider of two intervals. Few normal ones often look so as well:",
    f"no plan is for fewer than {MIN_CLUSTERS} clusters.",
    "Of several identities the power is the share that gets the verdict, on average.",
    "Harm must also survive the probe's controls. The excess minus that of form-matched pairs has a larger spread:",
    "without a line about it these are the fewest clusters for harm. The band of control identities is not planned.",
)


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a user may say about a plan; nats where nothing else is said.

    Attributes:
        effect: true excess that is to be found, None for twice d; ``absent_effect``: the one to be claimed absent.
        identities: size of the family, None for the pilot's own, or one.
    """

    sd: float | None
    pilot: Path | None
    probe: Sequence[str]
    effect: float | None
    absent_effect: float
    sesoi: float | None
    power: float
    identities: int | None
    harmed: int


def run_plan(options: PlanOptions) -> None:
    """Plan and print.

    Raises:
        UsageError: an option is out of its range, none or two spreads are given, or the pilot has none.
    """
    d = bound(options.sesoi, DEFAULT_SESOI)
    effect = 2 * d if options.effect is None else options.effect
    _check(options, d, effect)
    if options.sd is not None and options.pilot is None:
        lines = list(_stated(options, options.sd, d, effect))
    elif options.pilot is not None and options.sd is None:
        lines = list(_piloted(options, options.pilot, d, effect))
    else:
        raise UsageError(
            f"the spread of cluster means is {'missing' if options.sd is None else 'given twice'}",
            where="--sd, --pilot",
            fix="Give one of them: --sd NATS, or --pilot RUN of a finished audit.",
        )
    console = Console()
    excesses = f"harm at a true excess of {signed(effect)}, absence at one of {signed(options.absent_effect)}"
    for line in (f"d = {d:.2f} nats; {excesses}; power {_percent(options.power)}", "", *lines, "", *_NOTES):
        console.print(Text(on_one_line(line)), soft_wrap=True)


def _check(options: PlanOptions, d: float, effect: float) -> None:
    if options.pilot is None and options.probe:
        raise UsageError("chooses among a pilot's probes", where="--probe", fix="Give it with --pilot RUN.")
    for value, where in ((options.sd, "--sd"), (d, "--sesoi"), (effect, "--effect")):
        if value is not None and not _SMALLEST <= value <= _LARGEST:
            raise UsageError(
                f"must be a number of nats from {_SMALLEST:g} to {_LARGEST:,.0f}, got {value}",
                where=where,
                fix="Such as 0.5.",
            )
    if effect <= d:
        raise UsageError(
            f"harm of {effect:g} nats cannot be found: it is not above d = {d:g}",
            where="--effect",
            fix="Give a larger --effect, or a smaller --sesoi.",
        )
    if not abs(options.absent_effect) < d:
        raise UsageError(
            f"an excess of {options.absent_effect:g} nats cannot be claimed absent: it is not within d = {d:g}",
            where="--absent-effect",
            fix="Give one closer to 0, or a larger --sesoi.",
        )
    if not 0.5 <= options.power <= 0.999:
        raise UsageError(f"must lie from 0.5 to 0.999, got {options.power}", where="--power", fix="Such as 0.8.")


def _goals(options: PlanOptions, d: float, effect: float, identities: int) -> tuple[Goal, Goal]:
    """Harm of the identities that are harmed, absence of the others, at least of one."""
    if not 1 <= identities <= _LARGEST_FAMILY:
        raise UsageError(
            f"must lie from 1 to {_LARGEST_FAMILY}, got {identities}",
            where="--identities",
            fix="Give how many identities are judged together.",
        )
    if not 1 <= options.harmed <= identities:
        raise UsageError(
            f"must lie from 1 to the {identities} of the family, got {options.harmed}",
            where="--harmed",
            fix="Give how many identities are expected to be harmed, and --identities for all of them.",
        )
    absent = max(identities - options.harmed, 1)
    return (
        Goal("harm", effect, d, options.harmed, identities),
        Goal("no_meaningful_difference", options.absent_effect, d, absent, identities),
    )


def _stated(options: PlanOptions, sd: float, d: float, effect: float) -> Iterator[str]:
    identities = 1 if options.identities is None else options.identities
    harm, absence = _goals(options, d, effect, identities)
    yield f"stated spread {sd:g} nats; {_family(options.harmed, identities)}"
    yield f"  harm: {_needs(plan(harm, sd, options.power))}"
    yield f"  absence: {_needs(plan(absence, sd, options.power))}"


def _piloted(options: PlanOptions, run: Path, d: float, effect: float) -> Iterator[str]:
    for pilot in _chosen(run, options.probe):
        identities = min(pilot.family, _LARGEST_FAMILY) if options.identities is None else options.identities
        goals = _goals(options, d, effect, identities)
        left_out = f" ({pilot.left_out} left out, without an interval)" if pilot.left_out else ""
        found = f"{len(pilot.spreads)} identities{left_out}; {_family(options.harmed, identities)}"
        what = f"{pilot.probe}, response to declarations," if pilot.design == "responsiveness" else pilot.probe
        yield f"{what} at {pilot.checkpoint}, {pilot.render} rendering: {found}"
        if options.identities is None and pilot.family > identities:
            yield f"  the pilot's family has {pilot.family}: it needs somewhat more than this plan for {identities}"
        if pilot.median is not pilot.widest:
            yield from _of_spread("median", pilot.median, goals, options.power)
        yield from _of_spread("widest", pilot.widest, goals, options.power)


def _chosen(run: Path, names: Sequence[str]) -> list[Pilot]:
    """The pilots with a spread, of the probes that were asked for."""
    results = read_results(run)
    pilots = [one for one in pilots_of(results) if one.spreads]
    if not pilots:
        raise UsageError(
            "no marked identity has a disparity with an interval where training ended, so no spread can be read",
            where=str(run),
            fix="A pilot needs a reference identity, or swapped identities, and two clusters or more; or state --sd.",
        )
    known = list(dict.fromkeys(one.probe for one in pilots))
    for name in names:
        if name not in known:
            raise UsageError(
                f"the pilot has no probe {name!r} with a spread", where="--probe", fix=f"It has: {', '.join(known)}."
            )
    return [one for one in pilots_of(results, names) if one.spreads]


def _of_spread(which: str, spread: Spread, goals: tuple[Goal, Goal], power: float) -> Iterator[str]:
    harm, absence = goals
    skewed = "; they are skewed, so count on more" if spread.skewed else ""
    who = spread.identity or "(no identity named)"
    yield f"  {which} spread {spread.sd:.2f} nats, {who}, {spread.clusters} cluster means{skewed}"
    yield f"    harm: {_needs(plan(harm, spread.sd, power, spread.clusters - 1))}"
    if spread.form_sd is not None:
        beside = f"minus its form-matched control, spread {spread.form_sd:.2f}"
        yield f"    harm {beside}: {_needs(plan(harm, spread.form_sd, power, spread.form_degrees))}"
    yield f"    absence: {_needs(plan(absence, spread.sd, power, spread.clusters - 1))}"


def _needs(needed: Plan) -> str:
    """What a goal needs, and how well that is known."""
    text = f"{_count(needed.clusters)} clusters"
    if needed.power is not None:
        text += f" (power {_percent(needed.power)})"
    if needed.spreads is None or needed.range is None:
        return text
    least, most = needed.range
    ends = f"{needed.spreads.low:.2f} to {needed.spreads.high:.2f} nats"
    text += f"; the pilot leaves the spread at {ends} (95%): {_count(least)} to {_count(most)} clusters"
    if needed.powers is not None:
        better, worse = needed.powers
        text += f", and with {_count(needed.clusters)} the power is {_percent(worse)} to {_percent(better)}"
    return text


def _count(clusters: int | None) -> str:
    return f"more than {MAX_CLUSTERS:,}" if clusters is None else f"{clusters:,}"


def _family(harmed: int, identities: int) -> str:
    return f"{harmed} expected to be harmed in a family of {identities}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
