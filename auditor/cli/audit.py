"""``audit compare`` and ``audit score``: put the pieces together, run the pipeline, say what came out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.adapters.cache_folder import cache_folder
from auditor.adapters.hf.loading.checkpoints import fingerprint
from auditor.adapters.report.page import render_report
from auditor.adapters.run.finished_runs import finished_results
from auditor.adapters.run.lost_items import lost_items
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import REPORT, RunFolder, read_results
from auditor.cli import request as asked
from auditor.cli.attribute import attribute_audit, methods_in
from auditor.cli.attribute_options import AttributeOptions
from auditor.cli.console import RichProgress, print_results
from auditor.cli.dry_run import print_dry_run
from auditor.cli.manifest import describe_files, environment, manifest_of
from auditor.cli.open_audit import OpenAudit, open_audit
from auditor.cli.options import AuditOptions
from auditor.cli.understanding import Audit, Request, policies_of, request_of, scorer_of, understand
from auditor.core.attributions import AttributionMethod
from auditor.errors import AuditInterruptedError, NotComparableError
from auditor.pipeline import compare

# Characters of the first item that are printed; the manifest holds all of it.
_SHOWN = 2000


def run_audit(checkpoints: Sequence[str], options: AuditOptions, command: str | None = None) -> Path | None:
    """Run one audit and print where its report lies.

    Args:
        command: that does the same, for the manifest; None for the one that started this process.

    Returns:
        Its run folder, None if nothing was to be scored.
    """
    methods = methods_in(options.attribute, "--attribute") if options.attribute else ()
    progress = RichProgress(Console(stderr=True, quiet=options.quiet), quiet=options.quiet)
    audit = understand(checkpoints, options, progress)
    if methods:
        # That nothing can be attributed is known before anything is scored.
        policies_of(audit)
    cache = None if options.no_cache else cache_folder()
    hashes = WeightHashes(cache, rehash=options.rehash)
    scorer = scorer_of(audit, options, progress, hashes)
    if options.dry_run:
        print_dry_run(scorer, audit.probes, audit.files, audit.policy, audit.forwards)
        return None
    _show_first(audit, options, progress)
    request = request_of(checkpoints, options, audit)
    results = None if options.no_cache else _finished(request, audit, hashes)
    if results is not None:
        said = "this audit is complete, and neither weights nor probes have changed since"
        progress.note(said if methods else f"nothing to do: {said}")
        if not methods:
            _show(request.out / REPORT, results, (), options)
            return request.out
    folder = None if results is not None else _open_folder(request, options, audit, command)
    opened = open_audit(audit, request, options, scorer, hashes, progress, cache=cache)
    _show(request.out / REPORT, *_carry_out(opened, folder, methods), options)
    return request.out


def _carry_out(
    opened: OpenAudit, folder: RunFolder | None, methods: tuple[AttributionMethod, ...]
) -> tuple[Results, Sequence[str]]:
    """Make an audit and attribute what it found; close its stores.

    Args:
        folder: None where the audit is made already.

    Returns:
        Its results, and cautions about the stores.
    """
    audit, complete, finished = opened.audit, folder is None, False
    try:
        if folder is not None:
            findings = compare(audit.probes, audit.series, opened.scorer, audit.rule, folder.keep, audit.cautions)
            folder.finish(findings)
            folder.write_report(render_report(folder.path))
            complete = True
        if methods:
            attribute_audit(opened, AttributeOptions(methods))
        finished = True
    except KeyboardInterrupt as error:
        raise _interrupted(opened.request.out) from error
    except NotComparableError:
        # Nothing could be concluded; that something cannot be attributed takes nothing away.
        finished = not complete
        raise
    finally:
        cautions = opened.stores.cautions
        opened.stores.close(finished=finished)
        if folder is not None and finished and not complete:
            folder.abandon()
    return read_results(opened.request.out), cautions


def _show(report: Path, results: Results, cautions: Sequence[str], options: AuditOptions) -> None:
    console, said = Console(stderr=True, quiet=options.quiet), (*cautions, *lost_items(report.parent, results))
    print_results(console, results, said, report, quiet=options.quiet)


def _show_first(audit: Audit, options: AuditOptions, progress: RichProgress) -> None:
    """Print the first item as every checkpoint will read it, the scored part between bars."""
    if not options.private:
        for render, text in audit.rendering.first_rendered(audit.probes[0].items[0]).items():
            shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} [...] {text[-_SHOWN // 2 :]}"
            progress.note(f"first item, {render}: {shown}")


def _finished(request: Request, audit: Audit, hashes: WeightHashes) -> Results | None:
    """Results of this very audit, where it has been made already."""
    return finished_results(
        request.out,
        request.identity,
        request.tokens.name,
        environment(),
        lambda: {name: fingerprint(one, hashes.digest) for name, one in audit.files.items()},
    )


def _open_folder(request: Request, options: AuditOptions, audit: Audit, command: str | None) -> RunFolder:
    manifest = manifest_of(
        request_id=request.identity,
        request=request.values,
        arguments=asked.describe_arguments(options),
        engine=request.engine,
        forward_reason=audit.forwards.reason,
        probes=audit.probes,
        series=audit.series,
        files={name: describe_files(one) for name, one in audit.files.items()},
        renders=audit.rendering.renders,
        renders_reason=audit.rendering.reason,
        first_rendered={} if options.private else audit.rendering.first_rendered(audit.probes[0].items[0]),
        command=command,
    )
    return RunFolder(request.out, manifest, private=options.private, tokens=request.tokens)


def _interrupted(run: Path) -> AuditInterruptedError:
    return AuditInterruptedError(
        "interrupted; every score that was finished is kept",
        where=str(run),
        fix="Run the same command again to continue.",
    )
