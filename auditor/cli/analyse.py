"""``audit analyse``: everything after scoring, on scores that another program made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from auditor.adapters.external.bare_scores import BareScores, read_bare_scores
from auditor.adapters.external.external_scorer import ExternalScorer, is_constant, scores_of
from auditor.adapters.external.logprob_files import read_logprobs
from auditor.adapters.external.request_files import read_requests
from auditor.adapters.external.score_mapping import ScoreMapping, score_mapping
from auditor.adapters.report.page import render_report
from auditor.adapters.run.lost_items import lost_items
from auditor.adapters.run.run_folder import RunFolder
from auditor.cli import request as asked
from auditor.cli.asked_probes import asked_probes, opened_probes
from auditor.cli.console import print_results
from auditor.cli.external_options import AnalyseOptions
from auditor.cli.manifest import manifest_of
from auditor.cli.options import Tokens
from auditor.core.items import Probe
from auditor.core.sampling import TokenSample, sample_tokens
from auditor.core.scores import CheckpointScores
from auditor.core.series import Quantity, Series, build_series
from auditor.core.verdicts import DEFAULT_SESOI, Rule
from auditor.errors import NotComparableError, UsageError
from auditor.pipeline import compare

_NO_BOUND = float("nan")
_LIBRARIES = ("numpy", "scipy", "pyarrow")
# Options that only bare scores have a use for.
_BARE = ("quantity", "column", "side", "mapping", "checkpoint", "complete")
# Options that choose the items of a probe.
_CHOOSING = ("tier", "axis", "limit", "language")


@dataclass(frozen=True, slots=True)
class _Given:
    """What the files hold, ready to be analysed.

    Attributes:
        engine: what decided the scores, for the manifest.
        identity: what tells this request from another beside its options.
        cautions: known before anything is estimated.
    """

    probes: tuple[Probe, ...]
    series: Series
    scorer: ExternalScorer
    rule: Rule
    engine: Mapping[str, str]
    identity: Mapping[str, Any]
    renders_reason: str
    cautions: tuple[str, ...]
    tokens: TokenSample
    first_rendered: Mapping[str, str]


def run_analyse(files: Sequence[str], options: AnalyseOptions) -> None:
    """Analyse and print where the report lies.

    Raises:
        UsageError: an option or a file is wrong.
        NotComparableError: the files are of several engines, or nothing is left to compare.
    """
    console = Console(stderr=True, quiet=options.quiet)
    named = [_named(text) for text in files]
    given = _of_tokens(named, options) if options.requests else _bare(named, options)
    folder = _open_folder(files, options, given)
    try:
        findings = compare(given.probes, given.series, given.scorer, given.rule, folder.keep, given.cautions)
    except NotComparableError:
        folder.abandon()
        raise
    results = folder.finish(findings)
    report = folder.write_report(render_report(folder.path))
    print_results(console, results, tuple(lost_items(folder.path, results)), report, quiet=options.quiet)


def _named(text: str) -> tuple[str | None, Path]:
    """``NAME=FILE`` or ``FILE``; a file that is there wins over the sign."""
    name, sign, path = text.partition("=")
    if not sign or Path(text).exists():
        return None, Path(text)
    if not name.strip() or not path or not name.isprintable():
        raise UsageError(f"expected [NAME=]FILE, got {text!r}", where="FILE", fix="Such as dpo=dpo-logprobs.jsonl.")
    return name, Path(path)


def _of_tokens(files: Sequence[tuple[str | None, Path]], options: AnalyseOptions) -> _Given:
    """A log-probability for each token of what ``audit requests`` wrote."""
    assert options.requests is not None
    for name in _BARE:
        if getattr(options, name):
            option = f"--{name}"
            raise UsageError(
                f"{option} says how bare scores are read, and with --requests there are none",
                where=option,
                fix="Leave one of the two out.",
            )
    probes = asked_probes(options)
    requests = read_requests(options.requests, probes)
    header = requests.header
    found = read_logprobs(requests, files, options.engine)
    tags = {one.name: one.tags for one in header.series}
    series, idle = _series([(one.name, str(one.path)) for one in found], options, tags)
    scores = {one.name: scores_of(requests, one) for one in found}
    engine = found[0].engine
    caution = (
        f"Log-probabilities were computed by {engine} and not by this package: what its number format adds to a margin "
        "was not measured."
    )
    return _Given(
        probes,
        series,
        ExternalScorer(header.renders, scores.__getitem__),
        Rule(asked.bound(options.sesoi, DEFAULT_SESOI), options.seed),
        {"scoring": "elsewhere", "engine": engine, "end": header.end, "requests": header.digest},
        {"files": [one.sha256 for one in found], "requests": header.digest, "engine": engine},
        header.renders_reason,
        (caution, *_constant(scores), *idle),
        sample_tokens(probes, options.tokens.value, options.seed),
        header.first_rendered,
    )


def _bare(files: Sequence[tuple[str | None, Path]], options: AnalyseOptions) -> _Given:
    """One score a text."""
    mapping = score_mapping(
        fields=options.map,
        columns=options.column,
        sides=options.side,
        quantity=options.quantity,
        file=options.mapping,
    )
    _refuse_choosing(options)
    _refuse_idle(options, mapping)
    probes = opened_probes(options) if options.probe else ()
    if len(probes) > 1:
        raise UsageError("bare scores are of one probe", where="--probe", fix="Analyse the scores of each by itself.")
    found = read_bare_scores(
        files,
        mapping,
        probe=probes[0] if probes else None,
        chosen=options.checkpoint,
        complete=options.complete,
    )
    sources = [(name, ", ".join(str(path) for _, path in files)) for name in found.scores]
    rewards = mapping.quantity == "reward"
    series, idle = _reward_series(sources, options) if rewards else _series(sources, options, {})
    if any(one.objective == "dpo-norm" for one in series.checkpoints):
        raise UsageError(
            "a length-normalised objective counts nats a token, and bare scores say nothing of tokens",
            where="--objective",
            fix="Leave it out, or have the tokens scored: audit requests.",
        )
    bound = asked.bound(options.sesoi, _NO_BOUND if rewards else DEFAULT_SESOI)
    engine = {"scoring": "elsewhere", "engine": options.engine or "not stated", "quantity": mapping.quantity}
    return _Given(
        (found.probe,),
        series,
        ExternalScorer(("plain",), found.scores.__getitem__),
        Rule(bound, options.seed, reward_sesoi=bound if rewards else None),
        engine,
        {"files": found.sha256, "mapping": _as_json(mapping), "quantity": mapping.quantity},
        "bare scores say nothing of how their texts were rendered",
        (*_cautions(found, mapping, options), *idle),
        TokenSample("none", {}, 0),
        {},
    )


def _refuse_choosing(options: AnalyseOptions) -> None:
    """Items that come from the scores themselves are not chosen among; saying nothing would look as if they were."""
    default = AnalyseOptions()
    for name in _CHOOSING:
        if not options.probe and getattr(options, name) != getattr(default, name):
            option = f"--{name}"
            raise UsageError(
                f"{option} says which items of a probe are asked, and no probe is given",
                where=option,
                fix="Leave it out, or give the probe that was scored with --probe.",
            )


def _refuse_idle(options: AnalyseOptions, mapping: ScoreMapping) -> None:
    """What one number a text has no use for."""
    if options.tokens in (Tokens.all, Tokens.sample):
        raise UsageError("bare scores have no tokens to keep", where="--tokens", fix="Leave it out.")
    if options.complete and mapping.quantity == "reward":
        raise UsageError(
            "it speaks of log-probabilities, and the scores are rewards", where="--complete", fix="Leave it out."
        )


def _series(
    sources: Sequence[tuple[str, str]], options: AnalyseOptions, tags: Mapping[str, Sequence[str]]
) -> tuple[Series, Iterator[str]]:
    """The series, and the caution that a beta has nobody to apply to."""
    betas = asked.betas(options.beta)
    references, others = asked.references(options.reference)
    series = build_series(
        sources,
        references=references,
        objectives=asked.objectives(options.objective),
        betas=betas,
        tags=tags,
        other_references=others,
    )
    return series, filter(None, [asked.idle_beta(betas, series)])


def _reward_series(sources: Sequence[tuple[str, str]], options: AnalyseOptions) -> tuple[Series, Iterator[str]]:
    """Reward models stand side by side, each in its own unit, but for those trained from one another."""
    for option, values in (("--objective", options.objective), ("--beta", options.beta)):
        if values:
            raise UsageError(
                "the scores are rewards already, so there is no implicit one", where=option, fix="Leave it out."
            )
    references, others = asked.references(options.reference)
    quantities: dict[str, Quantity] = {name: "reward" for name, _ in sources}
    chained = build_series(
        sources,
        references=references,
        objectives={},
        betas={},
        tags={},
        quantities=quantities,
        other_references=others,
    )
    own = (one if one.name in references else replace(one, reference=None) for one in chained.checkpoints)
    return Series(tuple(own)), iter(())


def _cautions(found: BareScores, mapping: ScoreMapping, options: AnalyseOptions) -> Iterator[str]:
    yield (
        "Scores are one number a text, made elsewhere: how texts were rendered and cut into tokens, and whether all "
        "checkpoints read the same, is not known here; scorings, controls and metrics that need tokens are left out."
    )
    if mapping.quantity == "reward":
        yield (
            "A reward has its model's own unit: numbers of two models do not compare but in standard deviations "
            "(cohens_d), unless one was trained from the other and kept its scale."
        )
        if options.sesoi is None:
            yield "No bound d is stated in the unit of the reward, so there are no verdicts: give one with --sesoi."
    yield from _constant(found.scores)
    if not found.paired:
        yield (
            "No item has scores of both sides: the two samples are compared as they are, by cohens_d alone, and what "
            "else their texts differ in is not held equal."
        )


def _constant(scores: Mapping[str, CheckpointScores]) -> Iterator[str]:
    """Checkpoints that gave one and the same number throughout."""
    for name, one in scores.items():
        if is_constant(one):
            yield f"All scores of {name} are the same number, so they tell nothing apart: see how they were made."


def _as_json(mapping: ScoreMapping) -> Mapping[str, Any]:
    columns = [[one.checkpoint, one.side, one.column] for one in mapping.columns]
    return {"fields": dict(mapping.fields), "columns": columns, "sides": dict(mapping.sides)}


def _open_folder(files: Sequence[str], options: AnalyseOptions, given: _Given) -> RunFolder:
    sesoi = None if math.isnan(given.rule.sesoi) else given.rule.sesoi
    request = {**asked.describe_request(files, options), **given.identity, "sesoi": sesoi}
    identity = asked.request_id(request, [f"{one.name} {one.card.sha256}" for one in given.probes], given.engine)
    manifest = manifest_of(
        request_id=identity,
        request=request,
        engine=given.engine,
        forward_reason="scored elsewhere",
        probes=given.probes,
        series=given.series,
        files={name: {} for name in given.series.names},
        renders=given.scorer.renders,
        renders_reason=given.renders_reason,
        first_rendered={} if options.private else given.first_rendered,
        libraries=_LIBRARIES,
    )
    out = options.out or asked.default_out(given.series.names, identity)
    return RunFolder(out, manifest, private=options.private, tokens=given.tokens)
