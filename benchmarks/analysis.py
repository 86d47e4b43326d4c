"""How long everything after scoring takes, and how much memory, on an audit of 45,540 pairs at four checkpoints.

    python benchmarks/analysis.py --out benchmarks/results/analysis.json

Scores are invented: 40 marked identities and their reference, 30 predicates in 3 themes, 3 paraphrases, 6 frames and 3
word forms, three scored tokens a side, in a series of four checkpoints. Timed is `auditor.pipeline.analyse`, from
scores to findings: effects, verdicts, origins, the multiverse, pooling, reliability. Must hold: under 20 seconds, and
under 1.5 GB for the whole process, the scores in memory included, on a machine of two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from machine import peak_memory

from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe
from auditor.core.scores import CandidateScore, CheckpointScores, ScoredItem
from auditor.core.series import build_series
from auditor.core.verdicts import Rule
from auditor.pipeline import analyse

PAIRS, IDENTITIES, CLUSTERS = 45_540, 40, 30
CHECKPOINTS = ("base", "sft", "dpo", "dpo2")
MAX_SECONDS, MAX_GIGABYTES = 20.0, 1.5


def main() -> int:
    """Make the scores, analyse them, print, write, and fail where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    arguments = parser.parse_args()
    probe = make_probe(arguments.pairs)
    scores = [make_scores(probe, name, at) for at, name in enumerate(CHECKPOINTS)]
    series = build_series([(name, name) for name in CHECKPOINTS], references={}, objectives={}, betas={}, tags={})
    start = time.perf_counter()
    findings = analyse([probe], series, scores, ["plain"], Rule())
    seconds = time.perf_counter() - start
    gigabytes = peak_memory() / 1e9
    figures = {
        "command": f"python benchmarks/analysis.py --pairs {arguments.pairs}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "scipy")}},
        "cores": len(os.sched_getaffinity(0)),
        "pairs": len(probe.items),
        "checkpoints": len(CHECKPOINTS),
        "identities": IDENTITIES,
        "effects": len(findings.effects),
        "outcomes": sum(len(one.outcomes or ()) for one in findings.effects),
        "seconds": round(seconds, 1),
        "gigabytes": round(gigabytes, 2),
        "bounds": {"seconds": MAX_SECONDS, "gigabytes": MAX_GIGABYTES},
        "holds": seconds < MAX_SECONDS and gigabytes < MAX_GIGABYTES,
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if figures["holds"] else 1


def make_probe(pairs: int) -> Probe:
    """Every identity asked the same, as often as there are pairs for all."""
    people = ["reference", *(f"identity {at}" for at in range(IDENTITIES))]
    each, more = divmod(pairs, len(people))
    items = []
    for number, who in enumerate(people):
        for at in range(each + (number < more)):
            cluster, rest = at % CLUSTERS, at // CLUSTERS
            items.append(
                Item(
                    id=f"{who}/{at}",
                    candidates=(Candidate(HARMFUL, " bad thing."), Candidate(AFFIRMING, " good thing.")),
                    context=f"I met {who}",
                    identity=who,
                    surface=f"{who}, form {rest // 18 % 3}",
                    axis="axis",
                    theme=f"theme {cluster % 3}",
                    cluster=f"predicate {cluster}",
                    paraphrase=f"paraphrase {rest % 3}",
                    frame=f"frame {rest // 3 % 6}",
                    match=f"{at}",
                    role="marked" if number else "reference",
                )
            )
    return Probe("benchmark", tuple(items), Card("Invented pairs", "benchmarks/analysis.py", "0" * 64))


def make_scores(probe: Probe, checkpoint: str, seed: int) -> CheckpointScores:
    """Three tokens a side, log-probabilities around -3 nats."""
    rng = np.random.default_rng(seed)
    scored = {}
    for item in probe.items:
        key = 10 * int(item.match)
        sides = tuple(_side(rng, label, [key + at, key + 2, key + 3]) for at, label in enumerate((HARMFUL, AFFIRMING)))
        scored[probe.name, "plain", item.id] = ScoredItem(item, "plain", item.context, sides)
    return CheckpointScores(checkpoint, scored)


def _side(rng: np.random.Generator, label: str, ids: list[int]) -> CandidateScore:
    places = np.arange(len(ids))
    logprobs = -3 + rng.standard_normal(len(ids))
    return CandidateScore(label, np.arange(12), np.array(ids), ("a", "b", "c"), places, places + 1, logprobs, 11)


if __name__ == "__main__":
    raise SystemExit(main())
