"""A file of requests made by a tokenizer of the tests, and the answers of an engine that gives what it is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from auditor import __version__
from auditor.adapters.external.request_files import describe_probe, write_requests
from auditor.adapters.hf.rendering import ChatTemplate, render_plain
from auditor.adapters.hf.tokens import Encoder
from auditor.adapters.hf.workload import Workload, prepare, tokenizer_identity
from auditor.core.items import Probe
from auditor.core.scores import Render

RENDERS: tuple[Render, ...] = ("plain", "chat")


def workload(probes: Sequence[Probe], tokenizer: PreTrainedTokenizerBase, window: int | None = None) -> Workload:
    """What the audit itself would score."""
    template = ChatTemplate(tokenizer)
    return prepare(
        probes,
        RENDERS,
        lambda item, render: render_plain(item) if render == "plain" else template.render(item),
        Encoder(tokenizer, "auto"),
        window,
    )


def requests_file(
    path: Path, probes: Sequence[Probe], tokenizers: Mapping[str, PreTrainedTokenizerBase], window: int | None = None
) -> Path:
    """Requests for checkpoints of these names, each with a tokenizer of its own."""
    work = [workload(probes, one, window) for one in tokenizers.values()]
    header: dict[str, Any] = {
        "auditor": __version__,
        "end": "auto",
        "renders": RENDERS,
        "renders_reason": "asked for",
        "selection": {"tier": "standard", "axis": ["gender"], "limit": None, "seed": 0},
        "probes": [describe_probe(probe) for probe in probes],
        "tokenizers": [
            {
                "sha256": tokenizer_identity(tokenizer),
                "checkpoints": [name],
                "refusals": [
                    {"reason": one.reason, "probe": one.probe, "item": one.item, "render": one.render}
                    for one in own.refusals
                ],
            }
            for (name, tokenizer), own in zip(tokenizers.items(), work, strict=True)
        ],
        "series": [{"name": name, "source": f"models/{name}"} for name in tokenizers],
    }
    write_requests(path, header, [own.spans for own in work])
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The sequences of a file of requests."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]


def answer(
    path: Path,
    requests: Path,
    logprob: Callable[[Mapping[str, Any], int], float],
    header: Mapping[str, Any] | None = None,
) -> Path:
    """Write what an engine gives.

    Args:
        logprob: of a line's scored token, counted from 0.
    """
    lines = [] if header is None else [json.dumps(dict(header))]
    for one in lines_of(requests):
        values = [logprob(one, at) for at in range(len(one["ids"]) - one["start"])]
        lines.append(json.dumps({"id": one["id"], "logprobs": values}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
