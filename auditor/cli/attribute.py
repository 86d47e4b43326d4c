"""``audit attribute``: which words, which tokens and which part of a model carry what a run found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from auditor.adapters.attribution.questions import Attribute, marked, output_attributions, questions_of
from auditor.adapters.cache.audit_stores import AuditStores
from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.adapters.cache_folder import cache_folder
from auditor.adapters.hf.kept_scores import KeptScores, scope_of
from auditor.adapters.report.page import render_report
from auditor.adapters.run.attribution_tables import read_attributions, rows_without, write_attributions
from auditor.adapters.run.results import attribution_rows
from auditor.adapters.run.run_folder import REPORT, read_results, replace_file, replace_results
from auditor.cli.console import RichProgress
from auditor.cli.remade import Remade, remake
from auditor.cli.understanding import scorer_of
from auditor.core.attributed import AttributedCell, attributed_cells, parts_of
from auditor.core.attributions import ATTRIBUTION_METHODS, Attribution, AttributionMethod
from auditor.core.contrasts import match_items
from auditor.core.scores import CheckpointScores
from auditor.core.series import Series
from auditor.core.tables import ScoreTable, line_up
from auditor.errors import AuditInterruptedError, UsageError


@dataclass(frozen=True, slots=True)
class AttributeOptions:
    """What a user may say about an attribution.

    Attributes:
        methods: as `methods_in` reads them.
        identities: marked ones to look at; all if there are none.
        checkpoints: whose margins and shifts; those where training ends if there are none.
        top: items picked for their size; ``sample``: clusters drawn on each axis.
    """

    methods: tuple[AttributionMethod, ...]
    identities: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    top: int = 50
    sample: int = 12
    no_cache: bool = False
    quiet: bool = False


def methods_in(text: str) -> tuple[AttributionMethod, ...]:
    """The methods of a comma list, each once.

    Raises:
        UsageError: one is unknown, or there is none.
    """
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for one in named:
        if one not in get_args(AttributionMethod):
            known = ", ".join(ATTRIBUTION_METHODS)
            raise UsageError(f"no such method: {one!r}", where="--method", fix=f"Give some of {known}.")
    return cast(tuple[AttributionMethod, ...], named)


def run_attribute(run: Path, options: AttributeOptions) -> Path:
    """Attribute a finished run's margins, write them into its folder, and its report again.

    Returns:
        The report.

    Raises:
        UsageError: the run cannot be asked again, or knows no such checkpoint or identity.
        ModelLoadError: a checkpoint could not be loaded.
        StorageError: the disk is full.
        AuditInterruptedError: it was interrupted; what was computed is kept.
    """
    progress = RichProgress(Console(stderr=True, quiet=options.quiet), quiet=options.quiet)
    results, earlier = read_results(run), read_attributions(run)
    remade = remake(run, progress, no_cache=options.no_cache)
    checkpoints = _checkpoints(remade.audit.series, options)
    cache = None if options.no_cache else cache_folder()
    hashes = WeightHashes(cache, rehash=remade.options.rehash)
    with _stores(cache, run) as stores:
        scorer = scorer_of(remade.audit, remade.options, progress, hashes)
        engine = remade.request.engine
        scorer.keep_in = lambda fingerprint, dtype: KeptScores(
            stores.stores, scope_of(fingerprint, {**engine, "dtype": dtype})
        )
        scores = [scorer.score(one, remade.audit.probes) for one in remade.audit.series.checkpoints]
        tables = _tables(remade, scores)
        _check_identities(tables, options.identities)
        ways: Mapping[AttributionMethod, Attribute] = {"tokens": output_attributions}
        asked = list(
            questions_of(
                tables,
                remade.audit.series,
                checkpoints,
                identities=options.identities,
                clusters=options.sample,
                top=options.top,
                seed=remade.options.seed,
            )
        )
        found = [
            one for method in options.methods for question in asked for one in marked(question, ways[method](question))
        ]
    cells = [cell for table in tables for cell in _cells(table, found)]
    kept = None if earlier is None else rows_without(earlier, options.methods)
    write_attributions(run, found, private=remade.options.private, kept=kept)
    # The tokens' own cells stand on all items, and stay.
    stay = tuple(one for one in results.attributions if one.method == "tokens" or one.method not in options.methods)
    replace_results(run, results.model_copy(update={"attributions": (*stay, *attribution_rows(cells))}))
    page = render_report(run)
    replace_file(run / REPORT, lambda partial: partial.write_bytes(page.encode()))
    return run / REPORT


@contextmanager
def _stores(cache: Path | None, run: Path) -> Iterator[AuditStores]:
    """Stores that forget what was kept in the run folder alone only when all is done."""
    stores, finished = AuditStores(cache, run), False
    try:
        yield stores
        finished = True
    except KeyboardInterrupt as error:
        raise AuditInterruptedError(
            "interrupted; everything that was computed is kept",
            where=str(run),
            fix="Run the same command again to continue.",
        ) from error
    finally:
        stores.close(finished=finished)


def _tables(remade: Remade, scores: Sequence[CheckpointScores]) -> list[ScoreTable]:
    renders = remade.audit.rendering.renders
    tables = [line_up(probe, render, scores) for probe in remade.audit.probes for render in renders]
    return [table for table in tables if table.items]


def _cells(table: ScoreTable, found: Sequence[Attribution]) -> Iterator[AttributedCell]:
    matching = match_items(table)
    for parts in parts_of(table, [one for one in found if one.method != "tokens"]):
        yield from attributed_cells(table, matching, parts)


def _checkpoints(series: Series, options: AttributeOptions) -> tuple[str, ...]:
    for name in options.checkpoints:
        if name not in series.names:
            known = ", ".join(series.names)
            raise UsageError(
                f"there is no checkpoint {name!r} in the run", where="--checkpoint", fix=f"Known: {known}."
            )
    return options.checkpoints or series.leaves


def _check_identities(tables: Sequence[ScoreTable], identities: Sequence[str]) -> None:
    known = dict.fromkeys(item.identity for table in tables for item in table.items if item.role == "marked")
    for name in identities:
        if name not in known:
            listed = ", ".join(sorted(known)[:20]) or "none"
            raise UsageError(f"the run asks about no identity {name!r}", where="--identity", fix=f"Known: {listed}.")
