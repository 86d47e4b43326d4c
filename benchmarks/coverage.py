"""How often a nominal 95% interval covers the truth, on distributions whose mean is known.

    python benchmarks/coverage.py --draws 20000 --out benchmarks/results/coverage.json

Each cell draws cluster means and asks the package for their interval as an audit does: t, or with skewed means the
wider of t and studentised bootstrap at each end. Must hold:

1. normal: 93.5% to 97.5%; t with 3 degrees of freedom and 10% contaminated (sd times 5): 92.5% to 98.5%;
   exponential: at least 92%, at 8, 15, 30 and 100 clusters. Log-normal and t with 2 are shown and not bounded.
2. two-way intervals (predicates and surface forms): at least 93% with 3, 5 and 8 forms.

The Monte-Carlo error of a share p over N draws is sqrt(p (1 - p) / N): 0.15 points at 95% and 20,000.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from simulation import finish, options, say

from auditor.core.bootstrap import Bootstrap
from auditor.core.statistics import Interval, mean_over_clusters
from auditor.core.two_way import beyond_forms

Draw = Callable[[np.random.Generator, int], np.ndarray]

CLUSTERS = (8, 15, 30, 100)
# Name, how to draw n cluster means, their true mean, and the bounds in percent (None where there is none).
DISTRIBUTIONS: tuple[tuple[str, Draw, float, tuple[float, float] | None], ...] = (
    ("normal", lambda rng, n: rng.standard_normal(n), 0.0, (93.5, 97.5)),
    ("t(3)", lambda rng, n: rng.standard_t(3, n), 0.0, (92.5, 98.5)),
    (
        "10% contaminated",
        lambda rng, n: rng.standard_normal(n) * np.where(rng.random(n) < 0.1, 5, 1),
        0.0,
        (92.5, 98.5),
    ),
    ("exponential", lambda rng, n: rng.exponential(size=n), 1.0, (92.0, 100.0)),
    ("log-normal", lambda rng, n: rng.lognormal(size=n), math.exp(0.5), None),
    ("t(2)", lambda rng, n: rng.standard_t(2, n), 0.0, None),
)
FORMS = (3, 5, 8)
# sd of predicates, of forms, and of what is left, in the two-way cells.
SPREADS = ((1.0, 0.0, 1.0), (1.0, 0.3, 1.0), (1.0, 1.0, 0.3), (0.3, 1.0, 1.0))
TWO_WAY_CLUSTERS = (8, 30)
TWO_WAY_BOUND = (93.0, 100.0)


def main() -> int:
    """Simulate, print, write, and fail where a bound does not hold."""
    arguments = options(__doc__).parse_args()
    rows = [*one_way(arguments.draws, arguments.seed), *two_way(arguments.draws, arguments.seed)]
    for row in rows:
        say(json.dumps(row))
    return finish("coverage.py", arguments, rows)


def one_way(draws: int, seed: int) -> list[dict[str, Any]]:
    """Coverage of the interval over clusters."""
    bootstrap = Bootstrap(seed)
    rows = []
    for at, (name, draw, truth, bounds) in enumerate(DISTRIBUTIONS):
        for n in CLUSTERS:
            rng = np.random.default_rng([seed, at, n])
            estimates = [mean_over_clusters(draw(rng, n), bootstrap) for _ in range(draws)]
            covered = _share([one.interval(0.05) for one in estimates], truth)
            bootstrapped = sum(one.method != "t" for one in estimates) / draws
            row = {"distribution": name, "clusters": n, "bootstrapped": round(100 * bootstrapped, 2)}
            rows.append({**row, **_figures(covered, draws, bounds)})
    return rows


def two_way(draws: int, seed: int) -> list[dict[str, Any]]:
    """Coverage of the interval over predicates and surface forms, each predicate asked in every form once."""
    rows = []
    for forms in FORMS:
        for clusters in TWO_WAY_CLUSTERS:
            cluster, form = np.repeat(np.arange(clusters), forms), np.tile(np.arange(forms), clusters)
            for at, spreads in enumerate(SPREADS):
                rng = np.random.default_rng([seed, 100 + at, forms, clusters])
                intervals = []
                for _ in range(draws):
                    parts = [
                        sd * rng.standard_normal(n) for sd, n in zip(spreads, (clusters, forms, len(form)), strict=True)
                    ]
                    values = parts[0][cluster] + parts[1][form] + parts[2]
                    found = beyond_forms(values, np.arange(len(form)), cluster, form)
                    assert found is not None
                    intervals.append(found.interval)
                row = {"forms": forms, "clusters": clusters, "sd of predicates, forms, rest": spreads}
                rows.append({**row, **_figures(_share(intervals, 0.0), draws, TWO_WAY_BOUND)})
    return rows


def _share(intervals: list[Interval], truth: float) -> float:
    return sum(one.low <= truth <= one.high for one in intervals) / len(intervals)


def _figures(share: float, draws: int, bounds: tuple[float, float] | None) -> dict[str, Any]:
    error = math.sqrt(share * (1 - share) / draws)
    holds = bounds is None or bounds[0] <= 100 * share <= bounds[1]
    return {"covered": round(100 * share, 2), "error": round(100 * error, 2), "bounds": bounds, "holds": holds}


if __name__ == "__main__":
    raise SystemExit(main())
