"""Which probes a command asks: those named, else the shipped ones of the default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from auditor.adapters.data_files import data_folder
from auditor.adapters.probe_files.column_mapping import parse_mapping
from auditor.adapters.probe_files.probe_folders import build_probe, read_folder
from auditor.adapters.probe_files.probes import Reading, check_axes, find_folder, is_table, open_probe
from auditor.cli.options import Tier
from auditor.core.items import Item, Probe
from auditor.core.naming import with_names
from auditor.core.sampling import limit_clusters
from auditor.errors import UsageError

# What is asked where no probe is named.
DEFAULT_PROBES = ("stigma", "affirmation")


class ProbeOptions(Protocol):
    """The options that say what is asked, of whichever command."""

    @property
    def probe(self) -> Sequence[str]:
        """Files, folders or names."""

    @property
    def tier(self) -> Tier:
        """How much of a probe with a lexicon."""

    @property
    def axis(self) -> Sequence[str]:
        """Axes of its lexicon."""

    @property
    def map(self) -> Sequence[str]:
        """Columns of probe files under other names."""

    @property
    def language(self) -> str:
        """Of a probe file's rows that name none."""

    @property
    def offline(self) -> bool:
        """Whether data sets are only looked for on this machine."""

    @property
    def limit(self) -> int | None:
        """Items a probe at most."""

    @property
    def seed(self) -> int:
        """Of which clusters those are."""


def first_with_text(probes: Sequence[Probe]) -> Item:
    """The item that renderings are tried on: one that has plain text too, where the first probe holds any."""
    items = probes[0].items
    return next((item for item in items if not item.messages), items[0])


def asked_probes(options: ProbeOptions) -> tuple[Probe, ...]:
    """Open the probes, with the names of their identities as items where control identities need them.

    Raises:
        UsageError: one cannot be opened or holds no row, two have one name, or none has an axis that is asked.
    """
    return tuple(with_names(probe) for probe in opened_probes(options, options.map))


def opened_probes(options: ProbeOptions, columns: Sequence[str] = ()) -> tuple[Probe, ...]:
    """The same without the names, for scores that nobody was asked for.

    Args:
        columns: of probe files under other names.

    Raises:
        UsageError: as above, or there is no file whose columns could be mapped.
    """
    reading = reading_of(options.probe, columns, options.language, offline=options.offline)
    asked_for = [open_probe(one, options.tier.value, options.axis, reading) for one in options.probe]
    probes = asked_for or _default_probes(options)
    if options.probe and options.axis:
        check_axes(options.axis, [folder for folder in map(find_folder, options.probe) if folder is not None])
    names = [probe.name for probe in probes]
    for probe in probes:
        if names.count(probe.name) > 1:
            raise UsageError(f"two probes are called {probe.name!r}", where="--probe", fix="Rename one of the files.")
        if not probe.items:
            raise UsageError(
                f"the probe holds no readable rows ({len(probe.refusals)} were refused)",
                where=f"--probe {probe.card.source}",
                fix=f"The first: {probe.refusals[0].detail}" if probe.refusals else "Give at least one pair.",
            )
    if options.limit is not None:
        probes = [limit_clusters(probe, options.limit, options.seed) for probe in probes]
    return tuple(probes)


def reading_of(probes: Sequence[str], columns: Sequence[str], language: str, *, offline: bool = False) -> Reading:
    """How probe files are read.

    Args:
        probes: that were named.
        columns: ``--map``, of files under other names; ``language``: ``--language``, of rows that name none.

    Raises:
        UsageError: there is no file that either could be said of.
    """
    files = any(map(is_table, probes))
    for option, given, what in (
        ("--map", columns, "columns could be mapped"),
        ("--language", language, "rows could lack a language"),
    ):
        if given and not files:
            raise UsageError(
                f"no probe is a file whose {what}",
                where=option,
                fix="Name a file, in an audit with --probe, or leave the option out.",
            )
    return Reading(parse_mapping(columns), language, offline)


def _default_probes(options: ProbeOptions) -> list[Probe]:
    """The shipped probes of the default that have an axis that is asked, whatever lies in the current folder."""
    folders = [read_folder(data_folder("probes") / name) for name in DEFAULT_PROBES]
    check_axes(options.axis, folders)
    asked = [one for one in folders if not options.axis or any(map(one.has_axis, options.axis))]
    return [build_probe(one, options.tier.value, options.axis) for one in asked]
