"""An audit that has been understood but not begun: everything that can go wrong before a weight is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.adapters.hf.devices import pick_device
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, resolve
from auditor.adapters.hf.loading.models import ModelShelf, load_tokenizer
from auditor.adapters.hf.loading.reward_heads import choose_heads
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.adapters.hf.scorer import HFScorer, engine_of
from auditor.adapters.hf.shared_settings import (
    Forwards,
    Rendering,
    check_precision,
    choose_dtype,
    choose_forwards,
    choose_rendering,
    precision_caution,
)
from auditor.cli import request as asked
from auditor.cli.asked_probes import asked_probes, first_with_text
from auditor.cli.console import RichProgress
from auditor.cli.options import AuditOptions
from auditor.core.items import Probe
from auditor.core.sampling import TokenSample, sample_tokens
from auditor.core.series import Series, build_series
from auditor.core.verdicts import DEFAULT_SESOI, Rule
from auditor.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Audit:
    """What is asked of which checkpoints, and how."""

    probes: tuple[Probe, ...]
    series: Series
    files: dict[str, CheckpointFiles]
    tokenizers: dict[str, PreTrainedTokenizerBase]
    policy: LoadPolicy
    rendering: Rendering
    rule: Rule
    forwards: Forwards
    batch_size: int | None
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What identifies an audit, and where it goes."""

    identity: str
    values: dict[str, Any]
    engine: dict[str, str]
    out: Path
    tokens: TokenSample


def understand(checkpoints: Sequence[str], options: AuditOptions, progress: RichProgress) -> Audit:
    """Everything that can go wrong before a weight is read goes wrong here."""
    rule = rule_of(options)
    batch_size = asked.batch_size(options.batch_size)
    template_arguments = asked.template_arguments(options.template_arg)
    betas, heads = asked.betas(options.beta), asked.named_values("--head", options.head)
    probes = asked_probes(options)
    specs = parse_specs(checkpoints)
    device = pick_device(options.device)
    access = _access(options, device)
    files = choose_heads({spec.name: resolve(spec, access, progress.step) for spec in specs}, heads)
    references, others = asked.references(options.reference)
    series = build_series(
        [(spec.name, spec.text) for spec in specs],
        references=references,
        objectives=asked.objectives(options.objective),
        betas=betas,
        tags={name: one.tags for name, one in files.items()},
        other_references=others,
        quantities={name: one.quantity for name, one in files.items()},
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
        reward_models=[name for name, one in files.items() if one.quantity == "reward"],
    )
    idle = asked.idle_beta(betas, series), asked.idle_reward_bound(options.reward_sesoi, series)
    cautions = tuple(filter(None, (caution, precision_caution(policy.dtype), *idle)))
    forwards = choose_forwards(list(files.values()), batch_size)
    return Audit(probes, series, files, tokenizers, policy, rendering, rule, forwards, batch_size, cautions)


def rule_of(options: AuditOptions) -> Rule:
    """The rule of its verdicts.

    Raises:
        UsageError: a bound is not positive.
    """
    sesoi, of_rewards = asked.bound(options.sesoi, DEFAULT_SESOI), options.reward_sesoi
    if of_rewards is None:
        return Rule(sesoi, options.seed)
    return Rule(sesoi, options.seed, asked.bound(of_rewards, sesoi, "--reward-sesoi", "units of the reward"))


def policies_of(audit: Audit) -> Series:
    """The language models of an audit's series: what gives tokens log-probabilities, which can be attributed.

    Raises:
        UsageError: there are only reward models.
    """
    policies = audit.series.parts.get("logprob")
    if policies is None:
        raise UsageError(
            "there are only reward models: a reward is one number of a whole text, without parts of tokens",
            where="attribution",
            fix="Attribute a run of language models; what a reward model gives each text stands in items.parquet.",
        )
    return policies


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


def request_of(checkpoints: Sequence[str], options: AuditOptions, audit: Audit) -> Request:
    """What tells this audit from others, and where it goes."""
    values = {**asked.describe_request(checkpoints, options), "sesoi": audit.rule.sesoi}
    if audit.rendering.template is not None and "chat" in audit.rendering.renders:
        # A path, or the checkpoint's own template, says nothing of the text that stands there today.
        values["chat_template_sha256"] = audit.rendering.template.sha256
    engine = engine_of(audit.policy, options.end.value, audit.forwards.leading)
    identity = asked.request_id(values, [f"{probe.name} {probe.card.sha256}" for probe in audit.probes], engine)
    out = options.out or asked.default_out(audit.series.names, identity)
    return Request(identity, values, engine, out, sample_tokens(audit.probes, options.tokens.value, options.seed))


def scorer_of(audit: Audit, options: AuditOptions, progress: RichProgress, hashes: WeightHashes) -> HFScorer:
    """What scores an audit; it keeps nothing until it is told where."""
    return HFScorer(
        audit.files,
        audit.tokenizers,
        ModelShelf(audit.policy, progress.step),
        renders=audit.rendering.renders,
        template=audit.rendering.template,
        own_templates=audit.rendering.own_templates,
        end=options.end.value,
        forward=audit.forwards.leading,
        reward_forward=audit.forwards.of.get("reward"),
        batch_size=audit.batch_size,
        progress=progress,
        digest=hashes.digest,
        seed=options.seed,
    )
