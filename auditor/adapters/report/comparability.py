"""Whether the checkpoints of a run were asked the same thing in the same way, as far as its files tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.adapters.run.results_schema import RefusalRow

# Words of the caution that `auditor.core.findings` leads with where checkpoints tokenise items differently.
_OTHER_IDS = re.compile(r"\d+ of \d+ items have other token ids at some checkpoints")
_ENGINE = (
    ("dtype", "number format"),
    ("device", "device"),
    ("forward", "forward pass"),
    ("end", "end of turn"),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be the same at all checkpoints.

    Attributes:
        same: whether it is, None where nobody knows; what is not is dealt with as the finding says.
    """

    question: str
    same: bool | None
    finding: str


def checks_of(
    manifest: Mapping[str, Any],
    series: Sequence[Mapping[str, Any]],
    cautions: Iterable[str],
    refusals: Iterable[RefusalRow],
) -> tuple[Check, ...]:
    """What makes the checkpoints of a run comparable, and what stands against it.

    Args:
        series: the manifest's entries for checkpoints.
    """
    rewards = [str(one.get("name")) for one in series if one.get("quantity") == "reward"]
    mixed = 0 < len(rewards) < len(series)
    told = (*_tokens(manifest, cautions, rewards, mixed=mixed), *_engine(manifest, rewards))
    return (*told, *_weights(series), *_rendering(manifest), *_dropped(refusals, mixed=mixed))


def _tokens(
    manifest: Mapping[str, Any], cautions: Iterable[str], rewards: Sequence[str], *, mixed: bool
) -> Iterator[Check]:
    engine = manifest.get("engine")
    # Only of bare scores does an engine say what they are.
    if isinstance(engine, dict) and "quantity" in engine:
        yield Check("Same tokens", None, "the scores are one number a text: how each checkpoint cut it is not known")
        return
    if rewards and not mixed:
        yield Check("Same tokens", None, "not asked: rewards of a text are compared whatever tokens it is cut into")
        return
    differing = [match[0] for text in cautions if (match := _OTHER_IDS.search(text))]
    words = f"every item has the same token ids at every {'language model' if mixed else 'checkpoint'}"
    yield Check("Same tokens", not differing, "; ".join(differing) or words)


def _engine(manifest: Mapping[str, Any], rewards: Sequence[str]) -> Iterator[Check]:
    engine = manifest.get("engine")
    if isinstance(engine, dict) and engine:
        parts = [f"{words} {engine[key]}" for key, words in _ENGINE if engine.get(key)]
        if parts:
            own = [*_of_rewards(engine, manifest, rewards)] if rewards else []
            apart = f"; at {', '.join(rewards)}: {', '.join(own)}" if own else ""
            yield Check("Same arithmetic", True, f"one engine for all checkpoints: {', '.join(parts)}{apart}")


def _of_rewards(engine: Mapping[str, Any], manifest: Mapping[str, Any], rewards: Sequence[str]) -> Iterator[str]:
    """What an engine means for reward models, where it means something else for the others."""
    renders, work = manifest.get("renders"), manifest.get("work")
    done = [work[name] for name in rewards if isinstance(work, dict) and isinstance(work.get(name), dict)]
    ways = {str(one["forward"]) for one in done if one.get("forward")} - {str(engine.get("forward"))}
    if ways:
        yield f"forward pass {' and '.join(sorted(ways))}"
    if engine.get("end") == "auto" and isinstance(renders, list) and "plain" in renders:
        yield "plain texts end with EOS where the tokenizer has one"


def _weights(series: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    saved = {str(one.get("name")): _saved(one) for one in series if one.get("saved_dtype")}
    if saved:
        kinds = set(saved.values())
        words = kinds.pop() if len(kinds) == 1 else "; ".join(f"{name}: {kind}" for name, kind in saved.items())
        yield Check("Weights saved alike", len(set(saved.values())) == 1, words)


def _saved(one: Mapping[str, Any]) -> str:
    packed = one.get("quantization")
    return f"{one['saved_dtype']}{f', quantised ({packed})' if packed else ''}"


def _rendering(manifest: Mapping[str, Any]) -> Iterator[Check]:
    renders = manifest.get("renders")
    if isinstance(renders, list) and renders:
        reason = str(manifest.get("renders_reason") or "")
        yield Check("Same rendering", True, " and ".join(map(str, renders)) + (f": {reason}" if reason else ""))


def _dropped(refusals: Iterable[RefusalRow], *, mixed: bool) -> Iterator[Check]:
    dropped = {(one.probe, one.item) for one in refusals if one.checkpoint is not None and one.item is not None}
    many = "items were" if len(dropped) > 1 else "item was"
    words = (
        f"{len(dropped):,} {many} refused at some checkpoint and left out at all{' of its kind' if mixed else ''}"
        if dropped
        else "none was refused at one checkpoint alone"
    )
    yield Check("Same items", not dropped, words)
