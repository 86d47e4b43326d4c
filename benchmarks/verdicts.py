"""How often a verdict, or the label of an origin, says what is not so, on cluster means whose truth is known.

    OMP_NUM_THREADS=1 python benchmarks/verdicts.py --draws 20000 --out benchmarks/results/verdicts.json

Each cell draws cluster means, estimates them as an audit does (t, or with skewed means the wider of t and studentised
bootstrap at each end), and hands the effects to the package's own rule. Everything is in units of d, the smallest
effect size of interest. Must hold:

1. One identity, its excess exactly at the bound: `harm` in at most 5.5% of draws where it is d, and
   `no_meaningful_difference` in at most 5.5% where it is d or -d, at 8, 15, 30 and 100 clusters, for normal, t(3) and
   contaminated means. For exponential ones, whose misses lie all on one side, at most 8%: what is left to that side by
   the 92% that their intervals must cover (benchmarks/coverage.py). The standard error is a tenth of d, so that absence
   is missed at one bound only; a larger one makes that claim rarer, and changes nothing for harm.
2. A family of 40 with normal means, 5 of them harmed by d and 4 standard errors, 35 at 0 or, the hardest, at exactly
   d: the false discovery rate of `harm` (false ones among those found, 0 where none is found, mean over draws) is at
   most 5.5%.
3. A family of 40, 20 of them at 0 and 20 at exactly d: the same of `no_meaningful_difference` is at most 5.5%.
4. Origins of a stage: of the labels that were given, at least 95% are right. Cluster means before and after have a
   correlation of 0.8, as a wording keeps its own spread. The true label is the package's definition applied to true
   numbers: before, after and shift each get the verdict of an interval of no width. So a number exactly at a bound has
   none, and where that leaves the stage `unresolved`, or where neither end is harm, any label is wrong.
   `unresolved` and no label do not count as given.

Families of 40 with exponential means, all the others at exactly d, are shown and not bounded: adjusted for so many, an
interval has to know a tail that few clusters do not show. An audit says so where its verdicts rest on such clusters.

Families of 40 are judged by a faster form of the rule; in each cell the rule itself must say the same of 100 draws.

References are shared (all identities of a family subtract the same rows, half of the variance) or each identity has
its own; in origins they are shared. Errors are Monte-Carlo standard errors over draws, in points.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import special, stats
from simulation import disparity, finish, options, say

from auditor.core.bootstrap import Bootstrap
from auditor.core.contrasts import Mask
from auditor.core.effects import Origin, VerdictName
from auditor.core.origins import name_origins, origin_of
from auditor.core.statistics import Estimate, FloatArray, Interval, mean_over_clusters
from auditor.core.verdicts import ALPHA, Rule, decide, verdict

Row = dict[str, Any]
Cell = Callable[[list[int], int], list[Row]]
Draw = Callable[[np.random.Generator, tuple[int, ...]], FloatArray]

D = 1.0
ALONE_CLUSTERS, FAMILY_CLUSTERS, ORIGIN_CLUSTERS = (8, 15, 30, 100), (8, 30, 100), (15, 30, 100)
# How to draw cluster means of mean 0 and standard deviation 1.
SHAPES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "t(3)": lambda rng, shape: rng.standard_t(3, shape) / math.sqrt(3),
    "10% contaminated": lambda rng, shape: (
        rng.standard_normal(shape) * np.where(rng.random(shape) < 0.1, 5, 1) / math.sqrt(0.9 + 0.1 * 25)
    ),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "exponential, mirrored": lambda rng, shape: 1 - rng.exponential(size=shape),
}
FAMILY, HARMED, ABSENT = 40, 5, 20
# Standard errors of claims of absence, alone and in a family, and standard deviations of cluster means otherwise.
ALONE_ERROR, ABSENCE_ERROR, SPREAD, STAGE_SPREAD = 0.1, 0.25, 2.0, 1.5
# The claim, the distribution, where those lie of whom it is not true, and whether references are shared. The skewed
# ones have their long tail on the side away from the claim, where a sample that misses it leads to the claim.
FAMILIES: tuple[tuple[VerdictName, str, float, bool], ...] = (
    ("harm", "normal", 0.0, True),
    ("harm", "normal", 0.0, False),
    ("harm", "normal", D, True),
    ("harm", "normal", D, False),
    ("harm", "exponential, mirrored", D, False),
    ("no_meaningful_difference", "normal", D, True),
    ("no_meaningful_difference", "normal", D, False),
    ("no_meaningful_difference", "exponential", D, False),
)
CORRELATION = 0.8
# Excess before and after a stage; some changes are small, and the last numbers lie at a bound or change too little.
STAGES = (
    *((0.0, 0.0), (0.5, 0.5), (-2.0, -2.0), (0.0, 1.0)),
    *((0.0, 3.0), (0.5, 2.0), (0.75, 1.25)),
    *((2.5, 5.0), (1.5, 3.0)),
    *((3.0, 3.0), (3.0, 3.5), (1.5, 1.5)),
    *((4.0, 2.0), (3.0, 0.0)),
    *((-3.0, 3.0), (2.0, -1.5)),
    *((1.0, 3.0), (2.0, 3.0), (3.0, 2.0), (1.5, 0.75)),
)
CHECKED = 100
WRONG, WRONG_ON_ONE_SIDE, RIGHT = (0.0, 5.5), (0.0, 8.0), (95.0, 100.0)


def main() -> int:
    """Simulate, print, write, and fail where a bound does not hold."""
    parser = options(__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time; they do not depend on it")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        started = [pool.submit(cell, [arguments.seed, at], arguments.draws) for at, cell in enumerate(cells())]
        for one in started:
            rows += one.result()
            say("\n".join(json.dumps(row) for row in one.result()))
    return finish("verdicts.py", arguments, rows)


def cells() -> list[Cell]:
    """Everything that is simulated; each is yet to get its seed and number of draws."""
    alone_ = [partial(alone, shape, n, truth) for shape in SHAPES for n in ALONE_CLUSTERS for truth in (D, -D)]
    families = [
        partial(family, claim, shape, n, others, shared)
        for claim, shape, others, shared in FAMILIES
        for n in FAMILY_CLUSTERS
    ]
    return [*alone_, *families, *(partial(origins, n) for n in ORIGIN_CLUSTERS)]


def alone(shape: str, clusters: int, truth: float, seed: list[int], draws: int) -> list[Row]:
    """Wrong claims about one identity, a row for each claim."""
    rng, bootstrap = np.random.default_rng(seed), Bootstrap(seed[0])
    means = truth + ALONE_ERROR * math.sqrt(clusters) * SHAPES[shape](rng, (draws, clusters))
    found = np.array([verdicts_of([estimate_of(one, bootstrap)])[0] for one in means])
    claims = ("harm", "no_meaningful_difference") if truth > 0 else ("no_meaningful_difference",)
    about = {"distribution": shape, "clusters": clusters, "truth": truth}
    bounds = WRONG_ON_ONE_SIDE if "exponential" in shape else WRONG
    return [
        {"claim": claim, "identities": 1, **about, **_figures("wrong", found == claim, np.ones(draws), bounds)}
        for claim in claims
    ]


def family(
    claim: VerdictName, shape: str, clusters: int, others: float, shared: bool, seed: list[int], draws: int
) -> list[Row]:
    """Wrong claims among all claims about a family, in which the claim is true of some and not of the others."""
    error = SPREAD / math.sqrt(clusters) if claim == "harm" else ABSENCE_ERROR
    true = np.arange(FAMILY) < (HARMED if claim == "harm" else ABSENT)
    truths = np.where(true, D + 4 * error if claim == "harm" else 0.0, others)
    rng, bootstrap = np.random.default_rng(seed), Bootstrap(seed[0])
    found = np.zeros((draws, FAMILY), dtype=bool)
    for at in range(draws):
        means = truths[:, None] + error * math.sqrt(clusters) * _noise(rng, shape, (FAMILY, clusters), shared)
        found[at] = claims_of(claim, means, bootstrap)
        if at < CHECKED:
            judged = verdicts_of([mean_over_clusters(one, bootstrap) for one in means])
            assert found[at].tolist() == [one == claim for one in judged]
    share = found[:, ~true].sum(axis=1) / np.maximum(1, found.sum(axis=1))
    row = {"claim": claim, "identities": FAMILY, "distribution": shape, "clusters": clusters, "others": others}
    row |= {"references": "shared" if shared else "own", "found": _percent(found[:, true].mean())}
    return [{**row, **_figures("wrong", share, np.ones(draws), WRONG if shape == "normal" else None)}]


def origins(clusters: int, seed: list[int], draws: int) -> list[Row]:
    """Right labels among those that were given, over all stages and by the true label."""
    before, after = np.array(STAGES).T
    truths = [true_origin(*stage) for stage in STAGES]
    rng, bootstrap = np.random.default_rng(seed), Bootstrap(seed[0])
    given, right = np.zeros((2, draws, len(STAGES)), dtype=bool)
    for at in range(draws):
        kept, *own = (_noise(rng, "normal", (len(STAGES), clusters), shared=True) for _ in range(3))
        ends = [
            truth[:, None] + STAGE_SPREAD * (math.sqrt(CORRELATION) * kept + math.sqrt(1 - CORRELATION) * noise)
            for truth, noise in zip((before, after), own, strict=True)
        ]
        labels = origins_of(ends[0], ends[1], bootstrap)
        given[at] = [label not in (None, "unresolved") for label in labels]
        right[at] = [label == truth for label, truth in zip(labels, truths, strict=True)] & given[at]
    by_label = {}
    for label in dict.fromkeys(truths):
        own_stages = [truth == label for truth in truths]
        count = given[:, own_stages].sum()
        share = _percent(right[:, own_stages].sum() / count) if count else None
        by_label[label or "none"] = {"given": _percent(given[:, own_stages].mean()), "right": share}
    figures = _figures("right", right.sum(axis=1), given.sum(axis=1), RIGHT)
    row = {"claim": "origin", "identities": len(STAGES), "clusters": clusters, "given": _percent(given.mean())}
    return [{**row, **figures, "by_true_label": by_label}]


def verdicts_of(estimates: Sequence[Estimate]) -> list[VerdictName | None]:
    """Verdicts of one family."""
    effects = [disparity(str(at), one) for at, one in enumerate(estimates)]
    return [one.verdict for one in decide(effects, Rule(D))]


def claims_of(claim: VerdictName, means: FloatArray, bootstrap: Bootstrap) -> Mask:
    """Of which identities of one family the rule makes a claim, from cluster means of shape (identities, clusters).

    Harm and absence are Benjamini-Hochberg tests, each in a family of its own, so that of effects no more than their p
    is needed. The bootstrap only makes a p larger: one that is beyond 5% with t alone is not selected either way.
    """
    value, se = means.mean(axis=1), means.std(axis=1, ddof=1) / math.sqrt(means.shape[1])
    beyond = np.abs(value) - D if claim == "harm" else D - np.abs(value)
    p = np.minimum(1, 2 * special.stdtr(means.shape[1] - 1, -beyond / se))
    for at in np.flatnonzero(p <= ALPHA):
        estimate = mean_over_clusters(means[at], bootstrap)
        if claim != "harm":
            one_sided = max(estimate.p_below(D), estimate.p_above(-D))
        else:
            one_sided = estimate.p_above(D) if value[at] > 0 else estimate.p_below(-D)
        p[at] = min(1, 2 * one_sided)
    selected = stats.false_discovery_control(p) <= ALPHA
    return selected & (value > 0) if claim == "harm" else selected


def origins_of(before: FloatArray, after: FloatArray, bootstrap: Bootstrap) -> list[Origin | None]:
    """Labels of one stage for all identities, from cluster means of shape (identities, clusters)."""
    effects = []
    for at in range(len(before)):
        effects.append(disparity(str(at), estimate_of(before[at], bootstrap), checkpoint="before"))
        # Of what came after and of the shift the ends are read as well as the verdict: no short cut.
        effects.append(disparity(str(at), mean_over_clusters(after[at], bootstrap)))
        shift = mean_over_clusters(after[at] - before[at], bootstrap)
        effects.append(disparity(str(at), shift, "shift", measure_from="before"))
    return [one.origin for one in name_origins(decide(effects, Rule(D))) if one.measure == "shift"]


def true_origin(before: float, after: float) -> Origin | None:
    """The label that a stage deserves."""
    blank = replace(disparity("", Estimate(0.0, 0.0, 0)), sesoi=D)
    known = (Interval(one, one) for one in (before, after, after - before))
    return origin_of(*(replace(blank, adjusted=one, verdict=verdict(one, D, disparity=True)) for one in known))


def estimate_of(means: FloatArray, bootstrap: Bootstrap) -> Estimate:
    """The package's estimate, without resamples where they could alter no verdict.

    The bootstrap and the family only widen t's 95% interval. One that decides nothing at that width is selected in no
    family, and never decides.
    """
    plain = mean_over_clusters(means)
    if verdict(plain.interval(ALPHA), D, disparity=True) == "inconclusive":
        return plain
    return mean_over_clusters(means, bootstrap)


def _noise(rng: np.random.Generator, shape: str, size: tuple[int, int], shared: bool) -> FloatArray:
    """Cluster means of a family around their truths, shape (identities, clusters)."""
    own = SHAPES[shape](rng, size)
    return (own - SHAPES[shape](rng, size[1:])) / math.sqrt(2) if shared else own


def _figures(name: str, hits: FloatArray, of: FloatArray, bounds: tuple[float, float] | None) -> Row:
    """The ratio of two sums over draws, with its error: that of the mean of what is left of ``hits``."""
    share = hits.sum() / of.sum()
    error = np.std(hits - share * of) / of.mean() / math.sqrt(len(hits))
    holds = bounds is None or bool(bounds[0] <= 100 * share <= bounds[1])
    return {name: _percent(share), "error": _percent(error), "bounds": bounds, "holds": holds}


def _percent(share: float) -> float:
    return round(100 * float(share), 2)


if __name__ == "__main__":
    raise SystemExit(main())
