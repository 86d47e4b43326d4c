"""``audit compare`` and ``audit score``: put the pieces together, run the pipeline, say what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from auditor.adapters.cache.audit_stores import AuditStores
from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.adapters.cache_folder import cache_folder
from auditor.adapters.hf.checkpoints import CheckpointFiles, LoadPolicy, fingerprint, resolve
from auditor.adapters.hf.devices import pick_device
from auditor.adapters.hf.engine import Forward
from auditor.adapters.hf.kept_scores import KeptScores, scope_of
from auditor.adapters.hf.models import ModelShelf, load_tokenizer
from auditor.adapters.hf.scorer import HFScorer, engine_of
from auditor.adapters.hf.shared_settings import (
    Rendering,
    check_precision,
    choose_dtype,
    choose_forward,
    choose_rendering,
    precision_caution,
)
from auditor.adapters.hf.specs import parse_specs
from auditor.adapters.report.page import render_report
from auditor.adapters.run.finished_runs import finished_results
from auditor.adapters.run.lost_items import lost_items
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import REPORT, RunFolder
from auditor.cli import request as asked
from auditor.cli.asked_probes import asked_probes, first_with_text
from auditor.cli.console import RichProgress, print_results
from auditor.cli.dry_run import print_dry_run
from auditor.cli.manifest import describe_files, environment, manifest_of
from auditor.cli.options import AuditOptions
from auditor.core.items import Probe
from auditor.core.sampling import TokenSample, sample_tokens
from auditor.core.series import Series, build_series
from auditor.core.verdicts import DEFAULT_SESOI, Rule
from auditor.errors import AuditInterruptedError, NotComparableError
from auditor.pipeline import compare

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Characters of the first item that are printed; the manifest holds all of it.
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class _Audit:
    """An audit that has been understood but not begun."""

    probes: tuple[Probe, ...]
    series: Series
    files: dict[str, CheckpointFiles]
    tokenizers: dict[str, PreTrainedTokenizerBase]
    policy: LoadPolicy
    rendering: Rendering
    rule: Rule
    forward: Forward
    forward_reason: str
    batch_size: int | None
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Request:
    """What identifies an audit, and where it goes."""

    identity: str
    values: dict[str, Any]
    engine: dict[str, str]
    out: Path
    tokens: TokenSample


def run_audit(checkpoints: Sequence[str], options: AuditOptions, command: str | None = None) -> Path | None:
    """Run one audit and print where its report lies.

    Args:
        command: that does the same, for the manifest; None for the one that started this process.

    Returns:
        Its run folder, None if nothing was to be scored.
    """
    console = Console(stderr=True, quiet=options.quiet)
    progress = RichProgress(console, quiet=options.quiet)
    audit = _understand(checkpoints, options, progress)
    cache = None if options.no_cache else cache_folder()
    hashes = WeightHashes(cache, rehash=options.rehash)
    scorer = HFScorer(
        audit.files,
        audit.tokenizers,
        ModelShelf(audit.policy, progress.step),
        renders=audit.rendering.renders,
        template=audit.rendering.template,
        end=options.end.value,
        forward=audit.forward,
        batch_size=audit.batch_size,
        progress=progress,
        digest=hashes.digest,
        seed=options.seed,
    )
    if options.dry_run:
        print_dry_run(scorer, audit.probes, audit.files, audit.policy, audit.forward)
        return None
    _show_first(audit, options, progress)
    request = _request_of(checkpoints, options, audit)
    if not options.no_cache and (results := _finished(request, audit, hashes)) is not None:
        progress.note("nothing to do: this audit is complete, and neither weights nor probes have changed since")
        _show(request.out / REPORT, results, (), options)
        return request.out
    folder = _open_folder(request, options, audit, command)
    engine = request.engine
    stores = AuditStores(cache, folder.path)
    scorer.keep_in = lambda fingerprint, dtype: KeptScores(
        stores.stores, scope_of(fingerprint, {**engine, "dtype": dtype})
    )
    finished = abandoned = False
    try:
        findings = compare(audit.probes, audit.series, scorer, audit.rule, folder.keep, audit.cautions)
        results = folder.finish(findings)
        report = folder.write_report(render_report(folder.path))
        finished = True
    except KeyboardInterrupt as error:
        raise _interrupted(folder) from error
    except NotComparableError:
        finished = abandoned = True
        raise
    finally:
        cautions = stores.cautions
        stores.close(finished=finished)
        if abandoned:
            folder.abandon()
    _show(report, results, cautions, options)
    return folder.path


def _show(report: Path, results: Results, cautions: Sequence[str], options: AuditOptions) -> None:
    console, said = Console(stderr=True, quiet=options.quiet), (*cautions, *lost_items(report.parent, results))
    print_results(console, results, said, report, quiet=options.quiet)


def _understand(checkpoints: Sequence[str], options: AuditOptions, progress: RichProgress) -> _Audit:
    """Everything that can go wrong before a weight is read goes wrong here."""
    rule = Rule(asked.bound(options.sesoi, DEFAULT_SESOI), options.seed)
    batch_size = asked.batch_size(options.batch_size)
    template_arguments = asked.template_arguments(options.template_arg)
    betas = asked.betas(options.beta)
    probes = asked_probes(options)
    specs = parse_specs(checkpoints)
    device = pick_device(options.device)
    access = _access(options, device)
    files = {spec.name: resolve(spec, access, progress.step) for spec in specs}
    series = build_series(
        [(spec.name, spec.text) for spec in specs],
        references=asked.named_values("--reference", options.reference),
        objectives=asked.objectives(options.objective),
        betas=betas,
        tags={name: one.tags for name, one in files.items()},
    )
    caution = check_precision(list(files.values()), allow_mixed=options.allow_mixed_precision)
    policy = replace(access, dtype=choose_dtype(options.dtype.value, list(files.values()), device))
    tokenizers = {name: load_tokenizer(one, policy) for name, one in files.items()}
    rendering = choose_rendering(
        options.render.value,
        tokenizers,
        first_with_text(probes),
        template_file=options.chat_template,
        system=options.system,
        arguments=template_arguments,
    )
    cautions = tuple(filter(None, (caution, precision_caution(policy.dtype), asked.idle_beta(betas, series))))
    forward = choose_forward(list(files.values()), batch_size)
    return _Audit(probes, series, files, tokenizers, policy, rendering, rule, *forward, batch_size, cautions)


def _access(options: AuditOptions, device: str) -> LoadPolicy:
    """What may be read and from where, before the number format is known."""
    return LoadPolicy(
        device=device,
        device_map=options.device_map and options.device_map.value,
        offline=options.offline,
        trust_remote_code=options.trust_remote_code,
        allow_pickle=options.allow_pickle,
        describe_only=options.dry_run,
    )


def _show_first(audit: _Audit, options: AuditOptions, progress: RichProgress) -> None:
    """Print the first item as every checkpoint will read it, the scored part between bars."""
    if not options.private:
        for render, text in audit.rendering.first_rendered(audit.probes[0].items[0]).items():
            shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} [...] {text[-_SHOWN // 2 :]}"
            progress.note(f"first item, {render}: {shown}")


def _request_of(checkpoints: Sequence[str], options: AuditOptions, audit: _Audit) -> _Request:
    values = asked.describe_request(checkpoints, options)
    if audit.rendering.template is not None and "chat" in audit.rendering.renders:
        # A path, or the checkpoint's own template, says nothing of the text that stands there today.
        values["chat_template_sha256"] = audit.rendering.template.sha256
    engine = engine_of(audit.policy, options.end.value, audit.forward)
    identity = asked.request_id(values, [f"{probe.name} {probe.card.sha256}" for probe in audit.probes], engine)
    out = options.out or asked.default_out(audit.series.names, identity)
    return _Request(identity, values, engine, out, sample_tokens(audit.probes, options.tokens.value, options.seed))


def _finished(request: _Request, audit: _Audit, hashes: WeightHashes) -> Results | None:
    """Results of this very audit, where it has been made already."""
    return finished_results(
        request.out,
        request.identity,
        request.tokens.name,
        environment(),
        lambda: {name: fingerprint(one, hashes.digest) for name, one in audit.files.items()},
    )


def _open_folder(request: _Request, options: AuditOptions, audit: _Audit, command: str | None) -> RunFolder:
    manifest = manifest_of(
        request_id=request.identity,
        request={**request.values, "sesoi": audit.rule.sesoi},
        engine=request.engine,
        forward_reason=audit.forward_reason,
        probes=audit.probes,
        series=audit.series,
        files={name: describe_files(one) for name, one in audit.files.items()},
        renders=audit.rendering.renders,
        renders_reason=audit.rendering.reason,
        first_rendered={} if options.private else audit.rendering.first_rendered(audit.probes[0].items[0]),
        command=command,
    )
    return RunFolder(request.out, manifest, private=options.private, tokens=request.tokens)


def _interrupted(folder: RunFolder) -> AuditInterruptedError:
    return AuditInterruptedError(
        "interrupted; every score that was finished is kept",
        where=str(folder.path),
        fix="Run the same command again to continue.",
    )
