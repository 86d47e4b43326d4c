"""How many of the items that were asked are in no number: one line, wherever a run's answer is shown."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from auditor.adapters.run.manifest_schema import Manifest
from auditor.adapters.run.results_schema import RefusalRow, Results
from auditor.adapters.run.run_folder import read_manifest
from auditor.core.naming import is_name
from auditor.core.refusals import Reason
from auditor.errors import UsageError

# Refused item by item.
_ITEMS: Collection[Reason] = (
    "too_long",
    "empty_span",
    "boundary",
    "no_plain_text",
    "no_chat_text",
    "no_first_token",
    "not_finite",
    "not_scored",
)
# All other refusals are of numbers and comparisons made of items.
OF_ITEMS: Collection[Reason] = (*_ITEMS, "unreadable_row", "no_pairs")


def lost_items(folder: Path, results: Results) -> Iterator[str]:
    """One sentence where a run lost items, none where it lost none; an item counts once, however often refused.

    Reward models beside policies lose items of their own, which count at the policies: a sentence of their own.
    """
    rewards = [one.name for one in results.series if one.quantity == "reward"]
    beside = rewards if len(rewards) < len(results.series) else []
    rows = sum(one.count for one in results.refusals if one.reason == "unreadable_row")
    everywhere = {"unreadable_row": rows, "no_pairs": _pairless(results)}
    asked = _asked(folder)
    of = "" if asked is None else f" of {asked + rows:,}"
    for own, others, where in ((False, everywhere, ""), (True, {}, f" at {', '.join(beside)}")):
        refused = [one for one in results.refusals if (one.checkpoint in beside) == own]
        count, reasons = _told(refused, others, several=len({one.render for one in results.effects}) > 1)
        if count:
            yield f"{count:,}{of} items refused{where}: {reasons}"


def _told(refusals: Collection[RefusalRow], others: Mapping[str, int], *, several: bool) -> tuple[int, str]:
    """How many items these refusals and ``others``, counted by reason, are about; and why."""
    lost = {reason: own for reason in _ITEMS if (own := [one for one in refusals if _is(one, reason)])}
    reasons = [f"{reason} {_reason(own, several=several)}" for reason, own in lost.items()]
    reasons += [f"{name} {count}" for name, count in others.items() if count]
    items = {(one.probe, one.item) for own in lost.values() for one in own}
    return len(items) + sum(others.values()), ", ".join(reasons)


def _is(one: RefusalRow, reason: Reason) -> bool:
    # What names say is asked beside the probe's own items.
    return one.reason == reason and one.item is not None and not is_name(one.item)


def _reason(own: Collection[RefusalRow], *, several: bool) -> str:
    """How many items, and in which rendering where there are several and it is not all of them."""
    renders = sorted({one.render or "" for one in own})
    where = f" ({renders[0]} rendering)" if several and len(renders) == 1 and renders[0] else ""
    return f"{len({(one.probe, one.item) for one in own}):,}{where}"


def _pairless(results: Results) -> int:
    """Items without a margin in probes where others have one; where none has, the probe asks something else."""
    paired = {one.probe for one in results.effects if one.measure == "level"}
    counts: dict[str, int] = {}
    for one in results.refusals:
        if one.reason == "no_pairs" and one.probe in paired:
            counts[one.probe] = max(counts.get(one.probe, 0), one.count)
    return sum(counts.values())


def _asked(folder: Path) -> int | None:
    """Items of all probes; None where the manifest is gone or of another version."""
    try:
        return sum(one.items for one in Manifest.model_validate(read_manifest(folder)).probes)
    except (UsageError, ValidationError):
        return None
