"""How often the verdict rule reaches the verdict that ``audit plan`` promised, on cluster means that are normal.

    python benchmarks/power.py --draws 20000 --out benchmarks/results/power.json

Each cell takes the clusters that `auditor.core.planning` says are needed for a goal, draws that many cluster means for
every identity of a family, independently, and asks the package for its verdicts as an audit does: the interval of
`mean_over_clusters` with its bootstrap, the family and rule of `decide`. Harmed identities have the excess that is to
be found, the others the one that is to be claimed absent. Must hold: the share of the sought identities that get the
verdict lies within 3 points of the planned power.

Cells of fewer than 20 clusters are shown and not bounded: there a normal sample is often so skewed by chance that the
audit takes the wider of t's and the bootstrap's interval, which the formulas leave out; ``bootstrapped`` says how
often. That is why ``audit plan`` asks for 20 at the least.

The Monte-Carlo error of a share p over N draws is sqrt(p (1 - p) / N): 0.28 points at 80% and 20,000. Identities of one
family share the draw, so with several of them it is taken from the spread over draws.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from simulation import disparity, finish, options, say

from auditor.core.bootstrap import Bootstrap
from auditor.core.planning import MIN_CLUSTERS, Goal, clusters_needed
from auditor.core.statistics import Estimate, mean_over_clusters
from auditor.core.verdicts import DEFAULT_SESOI, Rule, decide

TOLERANCE = 3.0
POWERS = (0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Cell:
    """A family and what is sought in it.

    Attributes:
        sd: of the cluster means, nats; ``harm`` and ``absent``: true excess of the harmed and of the others, nats.
    """

    verdict: str
    sd: float
    harm: float
    absent: float
    identities: int
    harmed: int

    @property
    def goal(self) -> Goal:
        """What is planned."""
        if self.verdict == "harm":
            return Goal("harm", self.harm, DEFAULT_SESOI, self.harmed, self.identities)
        unharmed = self.identities - self.harmed
        return Goal("no_meaningful_difference", self.absent, DEFAULT_SESOI, unharmed, self.identities)


HARM, ABSENCE = "harm", "no_meaningful_difference"
TWICE = 2 * DEFAULT_SESOI
CELLS = (
    Cell(HARM, 0.5, TWICE, 0.0, 1, 1),
    Cell(HARM, 0.25, TWICE, 0.0, 1, 1),
    Cell(HARM, 1.0, TWICE, 0.0, 1, 1),
    Cell(HARM, 1.0, 1.0, 0.0, 1, 1),
    Cell(ABSENCE, 0.25, TWICE, 0.0, 1, 0),
    Cell(ABSENCE, 0.5, TWICE, 0.0, 1, 0),
    Cell(ABSENCE, 0.5, TWICE, 0.1, 1, 0),
    Cell(HARM, 0.5, TWICE, 0.0, 6, 1),
    Cell(HARM, 0.5, TWICE, 0.0, 6, 3),
    Cell(ABSENCE, 0.5, TWICE, 0.0, 6, 3),
    # Just above the fewest clusters that are bounded.
    Cell(HARM, 0.34, TWICE, 0.0, 1, 1),
    Cell(ABSENCE, 0.3, TWICE, 0.0, 1, 0),
)


def main() -> int:
    """Simulate, print, write, and fail where a plan does not hold."""
    arguments = options(__doc__).parse_args()
    rows = []
    for row in simulate(arguments.draws, arguments.seed):
        say(json.dumps(row))
        rows.append(row)
    return finish("power.py", arguments, rows, sesoi=DEFAULT_SESOI)


def simulate(draws: int, seed: int) -> Iterator[dict[str, Any]]:
    """Planned and observed power of every cell."""
    bootstrap = Bootstrap(seed)
    for at, cell in enumerate(CELLS):
        for power in POWERS:
            clusters = clusters_needed(cell.goal, cell.sd, power)
            assert clusters is not None
            rng = np.random.default_rng([seed, at, int(100 * power)])
            shares, skewed = np.empty(draws), 0
            for draw in range(draws):
                estimates = draw_family(cell, clusters, rng, bootstrap)
                shares[draw] = share_reached(cell, estimates)
                skewed += sum(one.method != "t" for one in estimates)
            planned, observed = 100 * cell.goal.power(clusters, cell.sd), 100 * float(shares.mean())
            bounded = clusters >= MIN_CLUSTERS
            yield {
                "verdict": cell.verdict,
                "sd": cell.sd,
                "excess": round(cell.goal.excess, 4),
                "identities": cell.identities,
                "harmed": cell.harmed,
                "asked": round(100 * power),
                "clusters": clusters,
                "planned": round(planned, 2),
                "observed": round(observed, 2),
                "error": round(100 * float(shares.std()) / math.sqrt(draws), 2),
                "bootstrapped": round(100 * skewed / (draws * cell.identities), 2),
                "bounded": bounded,
                "holds": not bounded or abs(observed - planned) <= TOLERANCE,
            }


def draw_family(cell: Cell, clusters: int, rng: np.random.Generator, bootstrap: Bootstrap) -> list[Estimate]:
    """Estimates of every identity of one audit, the harmed first."""
    excesses = np.where(np.arange(cell.identities) < cell.harmed, cell.harm, cell.absent)
    means = rng.normal(excesses[:, None], cell.sd, (cell.identities, clusters))
    return [mean_over_clusters(one, bootstrap) for one in means]


def share_reached(cell: Cell, estimates: list[Estimate]) -> float:
    """Share of the sought identities that get the verdict in one audit."""
    decided = decide([disparity(str(at), one) for at, one in enumerate(estimates)], Rule())
    sought = decided[: cell.harmed] if cell.verdict == HARM else decided[cell.harmed :]
    return sum(one.verdict == cell.verdict for one in sought) / len(sought)


if __name__ == "__main__":
    raise SystemExit(main())
