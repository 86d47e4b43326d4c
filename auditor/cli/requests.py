"""``audit requests``: what another engine is to score, as token ids; reads tokenizers and no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from auditor.adapters.external.request_files import BEGINNING, describe_probe, write_requests
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy
from auditor.adapters.hf.loading.models import load_tokenizer
from auditor.adapters.hf.loading.reward_heads import refuse_reward_models
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.adapters.hf.loading.tokenizer_sources import resolve_tokenizer
from auditor.adapters.hf.shared_settings import Rendering, choose_rendering
from auditor.adapters.hf.tokens import Encoder
from auditor.adapters.hf.workload import Workload, prepare, tokenizer_identity
from auditor.adapters.printable import on_one_line, printable
from auditor.cli import request as asked
from auditor.cli.asked_probes import asked_probes, first_with_text
from auditor.cli.console import RichProgress
from auditor.cli.external_options import RequestsOptions
from auditor.core.items import Probe
from auditor.errors import UsageError
from auditor.version import __version__

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def run_requests(checkpoints: Sequence[str], options: RequestsOptions) -> None:
    """Write the requests and print where they lie.

    Raises:
        UsageError: an option, a probe or a checkpoint argument is wrong.
        ModelLoadError: a tokenizer cannot be found or loaded.
    """
    console = Console(stderr=True, quiet=options.quiet)
    progress = RichProgress(console, quiet=options.quiet)
    asked.writable(options.out, "--out")
    _keep_others(options.out)
    arguments = asked.template_arguments(options.template_arg)
    probes = asked_probes(options)
    # Nothing but tokenizers is read, so weights may be pickled.
    policy = LoadPolicy(
        offline=options.offline, trust_remote_code=options.trust_remote_code, allow_pickle=True, describe_only=True
    )
    specs = parse_specs(checkpoints)
    files = {spec.name: resolve_tokenizer(spec, policy, progress.step) for spec in specs}
    refuse_reward_models(files.values(), "requests ask for log-probabilities of tokens")
    tokenizers = {name: load_tokenizer(one, policy) for name, one in files.items()}
    rendering = choose_rendering(
        options.render.value,
        tokenizers,
        first_with_text(probes),
        template_file=options.chat_template,
        system=options.system,
        arguments=arguments,
    )
    groups = _groups(tokenizers)
    work = [_prepare(own, files, tokenizers, rendering, probes, options) for own in groups.values()]
    described = [_tokenizer(*one, files) for one in zip(groups.items(), work, strict=True)]
    header = _header(options, probes, rendering, files, described)
    count = write_requests(options.out, header, [one.spans for one in work])
    refused = sum(len(one.refusals) for one in work)
    words = (
        f"{count:,} sequences for {len(groups)} tokenizer{'s' if len(groups) > 1 else ''}; {refused:,} items refused"
    )
    console.print(Text(on_one_line(words)))
    if not options.quiet:
        Console().print(Text(printable(str(options.out))), soft_wrap=True)


def _keep_others(out: Path) -> None:
    """Requests replace requests, and nothing else: a slip must not cost somebody their probe or their scores."""
    if out.is_file():
        with out.open("rb") as stream:
            start = stream.read(len(BEGINNING))
        if start not in (b"", BEGINNING):
            raise UsageError(
                f"{out} is there already and holds no requests", where="--out", fix="Give another file: it is kept."
            )


def _groups(tokenizers: Mapping[str, PreTrainedTokenizerBase]) -> dict[str, list[str]]:
    """Names of the checkpoints whose texts are cut alike, by what their tokenizers are."""
    groups: dict[str, list[str]] = {}
    for name, tokenizer in tokenizers.items():
        groups.setdefault(tokenizer_identity(tokenizer), []).append(name)
    return groups


def _window(names: Sequence[str], files: Mapping[str, CheckpointFiles]) -> int | None:
    """The smallest context window: what one checkpoint refuses is dropped at all of them."""
    return min((window for name in names if (window := files[name].context_window) is not None), default=None)


def _prepare(
    names: Sequence[str],
    files: Mapping[str, CheckpointFiles],
    tokenizers: Mapping[str, PreTrainedTokenizerBase],
    rendering: Rendering,
    probes: Sequence[Probe],
    options: RequestsOptions,
) -> Workload:
    encoder = Encoder(tokenizers[names[0]], options.end.value)
    return prepare(probes, rendering.renders, rendering.text_of, encoder, _window(names, files))


def _tokenizer(group: tuple[str, list[str]], work: Workload, files: Mapping[str, CheckpointFiles]) -> dict[str, Any]:
    identity, names = group
    return {
        "sha256": identity,
        "checkpoints": names,
        "window": _window(names, files),
        "first_unscored": work.first_unscored,
        "refusals": [
            {"reason": one.reason, "probe": one.probe, "item": one.item, "render": one.render} for one in work.refusals
        ],
    }


def _header(
    options: RequestsOptions,
    probes: Sequence[Probe],
    rendering: Rendering,
    files: Mapping[str, CheckpointFiles],
    tokenizers: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    chat = rendering.template is not None and "chat" in rendering.renders
    return {
        "auditor": __version__,
        "end": options.end.value,
        "renders": rendering.renders,
        "renders_reason": rendering.reason,
        "template_sha256": rendering.template.sha256 if chat and rendering.template is not None else None,
        "first_rendered": rendering.first_rendered(probes[0].items[0]),
        "selection": {
            "tier": options.tier.value,
            "axis": list(options.axis),
            "limit": options.limit,
            "seed": options.seed,
        },
        "probes": [describe_probe(probe) for probe in probes],
        "tokenizers": tokenizers,
        "series": [{"name": name, "source": one.source, "tags": one.tags} for name, one in files.items()],
    }
