"""``audit attribute``: which words, which tokens and which part of a model carry what a run found."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.text import Text

from auditor.adapters.attribution.coalitions import WordMethod
from auditor.adapters.attribution.questions import Question, marked, output_attributions, questions_of
from auditor.adapters.attribution.ways import Answered, Cost, Way, cost_line
from auditor.adapters.cache.audit_stores import AuditStores
from auditor.adapters.cache.score_store import STORE_FILE
from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.adapters.cache_folder import cache_folder
from auditor.adapters.printable import on_one_line
from auditor.adapters.report.page import render_report
from auditor.adapters.run.attribution_tables import read_attributions, rows_without, write_attributions
from auditor.adapters.run.results import attribution_rows
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import REPORT, read_results, replace_file, replace_results
from auditor.cli.attribute_options import AttributeOptions, asked_with, recorded
from auditor.cli.console import RichProgress
from auditor.cli.model_ways import gradient_way, path_way, word_way
from auditor.cli.open_audit import OpenAudit, open_audit
from auditor.cli.remade import remake
from auditor.cli.understanding import policies_of, scorer_of
from auditor.core.attributed import AttributedCell, attributed_cells, parts_of
from auditor.core.attributions import Attribution, AttributionMethod
from auditor.core.contrasts import match_items
from auditor.core.refusals import Refusal
from auditor.core.scores import CheckpointScores
from auditor.core.series import Series
from auditor.core.tables import ScoreTable, line_up
from auditor.errors import AuditInterruptedError, NotComparableError, UsageError


def _words(method: WordMethod, opened: OpenAudit, scores: Sequence[CheckpointScores], options: AttributeOptions) -> Way:
    return word_way(opened, scores, options.words(method, opened.options.seed))


# How each method is made ready for an audit and its scores.
WAYS: Mapping[AttributionMethod, Callable[[OpenAudit, Sequence[CheckpointScores], AttributeOptions], Way]] = {
    "tokens": lambda *_: Way(lambda asked: Answered(tuple(output_attributions(asked))), lambda _: Cost()),
    "ig": lambda opened, scores, _: gradient_way(opened, scores),
    "ablation": lambda *asked: _words("ablation", *asked),
    "shapley": lambda *asked: _words("shapley", *asked),
    "path": lambda opened, _, options: path_way(opened, options.nodes),
}


def methods_in(text: str, option: str = "--method") -> tuple[AttributionMethod, ...]:
    """The methods of a comma list, each once.

    Args:
        option: that holds the list, for the message.

    Raises:
        UsageError: one is unknown, or there is none.
    """
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for one in named:
        if one not in WAYS:
            raise UsageError(f"no such method: {one!r}", where=option, fix=f"Give some of {', '.join(WAYS)}.")
    return cast(tuple[AttributionMethod, ...], named)


def run_attribute(
    run: Path, options: AttributeOptions, *, no_cache: bool = False, quiet: bool = False, dry_run: bool = False
) -> Path | None:
    """Attribute a finished run's margins, write them into its folder, and its report again.

    Args:
        dry_run: only say what that would cost.

    Returns:
        The report, None where nothing was to be done.

    Raises:
        UsageError: the run cannot be asked again, or knows no such checkpoint or identity.
        ModelLoadError: a checkpoint could not be loaded.
        StorageError: the disk is full.
        AuditInterruptedError: it was interrupted; what was computed is kept.
    """
    progress = RichProgress(Console(stderr=True, quiet=quiet), quiet=quiet)
    # What is wrong with options and files is known before anything is computed.
    options.check()
    read_results(run), read_attributions(run)
    if not dry_run and not os.access(run, os.W_OK):
        fix = "Attribution writes its parts into the run: copy it to where you may write."
        raise UsageError("the run folder cannot be written", where=str(run), fix=fix)
    cache = None if no_cache else cache_folder()
    hashes = WeightHashes(cache, rehash=False)
    remade = remake(run, progress, hashes.digest, no_cache=no_cache)
    scorer = scorer_of(remade.audit, remade.options, progress, hashes)
    asked = remade.audit, remade.request, remade.options
    kept = (run / STORE_FILE).exists()
    opened = open_audit(*asked, scorer, hashes, progress, cache=cache)
    # What an interrupted attribution without a cache kept in the run folder is not a dry run's to forget.
    with _closing(opened.stores, run, forget=not (dry_run and kept)):
        if dry_run:
            Console().print(Text(on_one_line(_cost_of(opened, options))), soft_wrap=True)
            return None
        attribute_audit(opened, options)
    return run / REPORT


def attribute_audit(opened: OpenAudit, options: AttributeOptions) -> Results:
    """Attribute what a finished audit found, write it into its run folder, and its report again.

    Returns:
        What ``results.json`` now holds.

    Raises:
        UsageError, ModelLoadError, StorageError: as `run_attribute`.
    """
    run = opened.request.out
    results, earlier = read_results(run), read_attributions(run)
    scores = opened.scores()
    if left_out := [one.name for one in opened.audit.series.checkpoints if one.quantity == "reward"]:
        opened.progress.note(f"left out: {', '.join(left_out)}: a reward has no parts of tokens")
    tables, questions = _asked(opened, options, scores)
    ways = _ways(opened, options, scores)
    costs = _costs(run, ways, questions)
    opened.progress.note(cost_line(questions, options.methods, sum(costs.values(), Cost())))
    found: list[Attribution] = []
    spent: dict[AttributionMethod, Mapping[str, Any]] = {}
    for method, way in ways.items():
        began = time.perf_counter()
        answered = way.attribute(questions)
        if costs[method].passes:
            spent[method] = {"passes": costs[method].passes, "seconds": round(time.perf_counter() - began, 1)}
        found += marked(questions, answered.attributions)
        for line in (*answered.notes, *_refused(answered.refusals)):
            opened.progress.note(line)
    cells = [cell for table in tables for cell in _cells(table, found)]
    kept = None if earlier is None else rows_without(earlier, options.methods)
    write_attributions(run, found, private=opened.options.private, kept=kept)
    # The tokens' own cells stand on all items, and stay.
    stay = tuple(one for one in results.attributions if one.method == "tokens" or one.method not in options.methods)
    results = results.model_copy(update={"attributions": (*stay, *attribution_rows(cells))})
    replace_results(run, results, attributions=asked_with(run, options, spent))
    page = render_report(run)
    replace_file(run / REPORT, lambda partial: partial.write_bytes(page.encode()))
    return results


def _ways(
    opened: OpenAudit, options: AttributeOptions, scores: Sequence[CheckpointScores]
) -> Mapping[AttributionMethod, Way]:
    return {method: WAYS[method](opened, scores, options) for method in options.methods}


def _costs(
    run: Path, ways: Mapping[AttributionMethod, Way], questions: Sequence[Question]
) -> Mapping[AttributionMethod, Cost]:
    """What each method would take, by what it took the last time where that is known."""
    known, found = recorded(run), {}
    for method, way in ways.items():
        cost = way.cost(questions)
        earlier = known.get(method, {})
        passes, seconds = earlier.get("passes"), earlier.get("seconds")
        if isinstance(passes, int) and isinstance(seconds, int | float) and passes > 0 and seconds > 0:
            cost = Cost(cost.passes, cost.passes * seconds / passes)
        found[method] = cost
    return found


def _refused(refusals: Sequence[Refusal]) -> Iterator[str]:
    """A line for each reason, with how many items it hit."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in refusals:
        counts[one.reason, one.detail] += one.count
    return (f"refused ({reason}): {count} items: {detail}" for (reason, detail), count in counts.items())


def _asked(
    opened: OpenAudit, options: AttributeOptions, scores: Sequence[CheckpointScores]
) -> tuple[list[ScoreTable], list[Question]]:
    """The audit's tables, and what is asked of them.

    Raises:
        UsageError: the audit knows no such checkpoint or identity, or a path is asked for where there is none.
        NotComparableError: nothing in it can be attributed.
    """
    series, probes = policies_of(opened.audit), opened.audit.probes
    checkpoints = _checkpoints(series, options)
    lined_up = [line_up(probe, render, scores) for probe in probes for render in opened.audit.rendering.renders]
    tables = [table for table in lined_up if table.items]
    _check_identities(tables, options.identities)
    questions = list(
        questions_of(
            tables,
            series,
            checkpoints,
            identities=options.identities,
            clusters=options.sample,
            top=options.top,
            seed=opened.options.seed,
        )
    )
    if not questions:
        raise NotComparableError(
            "no item can be attributed: none is a pair about a marked identity that was scored at every checkpoint",
            where=str(opened.request.out),
            fix="Attribute a run of a probe that has such pairs.",
        )
    _check_path(questions, options)
    return tables, questions


def _cost_of(opened: OpenAudit, options: AttributeOptions) -> str:
    """What an attribution would cost; scores nothing."""
    if unknown := opened.unknown_texts():
        _checkpoints(policies_of(opened.audit), options)
        return (
            f"{unknown:,} texts of the run are no longer in the score cache and would be scored first; "
            "which items are then attributed follows from their scores"
        )
    scores = opened.scores()
    questions = _asked(opened, options, scores)[1]
    costs = _costs(opened.request.out, _ways(opened, options, scores), questions)
    return cost_line(questions, options.methods, sum(costs.values(), Cost()))


@contextmanager
def _closing(stores: AuditStores, run: Path, *, forget: bool) -> Iterator[None]:
    """Close stores in the end, which forget what was kept in the run folder alone only when all is done.

    Args:
        forget: whether all is done by then.
    """
    finished = False
    try:
        yield
        finished = forget
    except KeyboardInterrupt as error:
        raise AuditInterruptedError(
            "interrupted; everything that was computed is kept",
            where=str(run),
            fix="Run the same command again to continue.",
        ) from error
    finally:
        stores.close(finished=finished)


def _cells(table: ScoreTable, found: Iterable[Attribution]) -> Iterator[AttributedCell]:
    matching = match_items(table)
    for parts in parts_of(table, [one for one in found if one.method != "tokens"]):
        yield from attributed_cells(table, matching, parts)


def _checkpoints(series: Series, options: AttributeOptions) -> tuple[str, ...]:
    for name in options.checkpoints:
        if name not in series.names:
            known = ", ".join(series.names)
            raise UsageError(
                f"there is no language model {name!r} in the run", where="--checkpoint", fix=f"Known: {known}."
            )
    return options.checkpoints or series.leaves


def _check_path(questions: Sequence[Question], options: AttributeOptions) -> None:
    if "path" in options.methods and not any(one.reference for one in questions):
        names = ", ".join(dict.fromkeys(one.checkpoint for one in questions))
        raise UsageError(
            f"no path leads to {names}: the run has no checkpoint that it was trained from",
            where="method path",
            fix="Leave out path, or name a --checkpoint that was trained from another one.",
        )


def _check_identities(tables: Sequence[ScoreTable], identities: Sequence[str]) -> None:
    known = dict.fromkeys(item.identity for table in tables for item in table.items if item.role == "marked")
    for name in identities:
        if name not in known:
            listed = ", ".join(sorted(known)[:20]) or "none"
            raise UsageError(f"the run asks about no identity {name!r}", where="--identity", fix=f"Known: {listed}.")
