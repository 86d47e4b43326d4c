"""How fast a run's texts went through its models, as its manifest recorded it: a measure for what comes next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ScoringSpeed:
    """Seconds of one text forward through a model of the run.

    Attributes:
        shared: with texts of one beginning packed together, as the run did it.
        alone: each text by itself.
    """

    shared: float
    alone: float


def scoring_speed(manifest: Mapping[str, Any]) -> ScoringSpeed | None:
    """The speed over all checkpoints; None where every score was kept from before, or nothing was recorded."""
    timings, works = manifest.get("timings"), manifest.get("work")
    if not isinstance(timings, Mapping) or not isinstance(works, Mapping):
        return None
    seconds = texts = saved = 0.0
    for name, work in works.items():
        try:
            forward, asked = float(timings[name]["forward_s"]), int(work["texts"])
            left = asked - int(work["recalled"])
            share = float(work["tokens"]) / (float(work["nodes"]) or float(work["tokens"]))
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            continue
        if left > 0 and forward > 0 and math.isfinite(forward):
            seconds, texts, saved = seconds + forward, texts + left, saved + left * share
    return ScoringSpeed(seconds / texts, seconds / texts * saved / texts) if texts else None
