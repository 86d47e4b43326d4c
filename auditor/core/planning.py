"""How many clusters an audit needs before its verdict rule (`auditor.core.verdicts`) can be expected to say something.

The power is exact where cluster means are normal and identities independent:

- harm, by the noncentral t; absence, two one-sided tests (Schuirmann 1987, "A comparison of the two one-sided tests
  procedure and the power approach for assessing the equivalence of average bioavailability"), by the integral over the
  estimated standard deviation that Owen's Q (1965) is. Chow, Shao & Wang 2008, "Sample Size Calculations in Clinical
  Research", section 3.1, give both for large samples;
- over a family, by how many its step-up selects (Glueck et al. 2008, "Exact calculations of average power for the
  Benjamini-Hochberg procedure").

Two things about the rule are left out: the bootstrap, which widens the intervals of skewed means, and identities of the
other kind, which are only rarely selected along with those that are sought. ``benchmarks/power.py`` asks the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, special, stats

from auditor.core.statistics import FloatArray, Interval
from auditor.core.verdicts import ALPHA

# Nobody writes so many predicates; beyond it the answer is that there is none.
MAX_CLUSTERS = 1_000_000
# Of fewer, a normal sample is often so skewed by chance that an audit takes a wider interval than t's, and the power is
# less than is planned here (benchmarks/results/power.json).
MIN_CLUSTERS = 20
# Share of the standard deviation's estimates that may lie outside its interval.
SD_ALPHA = 0.05

# Gauss-Legendre on a smooth bell: the error lies far below that of any spread that could be stated.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_TAIL = 1e-13
_NEGLIGIBLE = 1e-15
# Of a smallest effect, as a share of the spread.
_EXACT = 1e-6


@dataclass(frozen=True, slots=True)
class Goal:
    """A verdict that is to be reached.

    Attributes:
        verdict: ``harm``, or ``no_meaningful_difference`` which claims absence.
        excess: the true excess of those identities that are to get it, nats.
        bound: d, nats.
        sought: how many identities are to get it; ``identities``: how many are judged in one family.
    """

    verdict: Literal["harm", "no_meaningful_difference"]
    excess: float
    bound: float
    sought: int
    identities: int

    def power(self, clusters: int, sd: float) -> float:
        """Share of the sought identities that get the verdict, on average; with one, its probability.

        With k of m selected an interval has two-sided error 0.05 k / m, so each finding helps the others.

        Args:
            clusters: at least 2.
            sd: true standard deviation of cluster means, nats, above 0.
        """
        errors = ALPHA * np.arange(1, self.sought + 1) / self.identities
        if self.verdict == "harm":
            chances = harm_power(clusters, sd, self.excess, self.bound, errors)
        else:
            chances = absence_power(clusters, sd, self.excess, self.bound, errors)
        return share_selected(chances)


def harm_power(clusters: int, sd: float, excess: float, bound: float, errors: FloatArray) -> FloatArray:
    """Probability that the t interval over normal cluster means lies above ``bound``, for each two-sided error.

    Args:
        sd, excess, bound: nats.
        errors: shape (k,).
    """
    reach = special.stdtrit(clusters - 1, 1 - errors / 2)
    found: FloatArray = stats.nct.sf(reach, clusters - 1, (excess - bound) * np.sqrt(clusters) / sd)
    return found


def absence_power(clusters: int, sd: float, excess: float, bound: float, errors: FloatArray) -> FloatArray:
    """Probability that the t interval over normal cluster means lies within -bound and bound, for each two-sided error.

    With an estimate s times sd the mean must lie within bound - t s sd / sqrt(clusters); the integral is over s, whose
    square is chi-square over its degrees of freedom.

    Args:
        sd, excess, bound: nats.
        errors: shape (k,).
    """
    freedom, se = clusters - 1, sd / np.sqrt(clusters)
    reach = special.stdtrit(freedom, 1 - errors / 2)[:, None]
    spread = stats.chi(freedom, scale=1 / np.sqrt(freedom))
    low = spread.ppf(_TAIL)
    # Beyond bound / (t se) the interval is longer than what it has to lie within.
    high = np.maximum(np.minimum(spread.isf(_TAIL), bound / (reach * se)), low)
    at = low + (high - low) * (_NODES + 1) / 2
    within = special.ndtr((bound - excess) / se - reach * at) - special.ndtr((-bound - excess) / se + reach * at)
    found: FloatArray = np.sum(_WEIGHTS * spread.pdf(at) * within, axis=1) * (high - low)[:, 0] / 2
    return found


def share_selected(chances: FloatArray) -> float:
    """Mean share of n independent cells that Benjamini and Hochberg's (1995) step-up selects.

    From the last step down, the cells below its threshold are a binomial share of those below the one before; the
    procedure stops where there are as many as the step's number.

    Args:
        chances: probability of one cell's p to lie at most at the threshold of step 1, ..., n; shape (n,), ascending.
    """
    n = len(chances)
    # Probability of each number of cells below the threshold, while no step has stopped.
    below = np.zeros(n + 1)
    below[n] = 1.0
    selected, before = 0.0, 1.0
    for step in range(n, 0, -1):
        chance = float(chances[step - 1])
        possible = np.flatnonzero(below > _NEGLIGIBLE)
        if not len(possible) or chance <= 0:
            break
        kept = stats.binom.pmf(np.arange(step + 1), possible[:, None], min(1.0, chance / before))
        below = below[possible] @ kept
        selected += step * float(below[step])
        below, before = below[:step], chance
    return selected / n


def clusters_needed(goal: Goal, sd: float, power: float) -> int | None:
    """The fewest clusters with which a goal is reached with a power; None beyond `MAX_CLUSTERS`.

    Args:
        sd: true standard deviation of cluster means, nats, above 0.
        power: at least a half, from where on it rises with the clusters.
    """
    high = 2
    while goal.power(high, sd) < power:
        if high == MAX_CLUSTERS:
            return None
        high = min(2 * high, MAX_CLUSTERS)
    # Half as many did not reach it.
    low = max(high // 2, 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if goal.power(middle, sd) >= power else (middle, high)
    return high


def sd_interval(sd: float, degrees: float) -> Interval:
    """95% chi-square interval of a standard deviation that was estimated with so many degrees of freedom."""
    low, high = stats.chi2.ppf(np.array([1 - SD_ALPHA / 2, SD_ALPHA / 2]), degrees)
    return Interval(float(sd * np.sqrt(degrees / low)), float(sd * np.sqrt(degrees / high)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a goal needs, given a spread.

    Attributes:
        clusters: the fewest, at least `MIN_CLUSTERS`; None beyond `MAX_CLUSTERS`, as in all that follow from it.
        power: what they give if the spread is right, at least what was asked.
        spreads: where the true spread may lie, nats; None where it was stated, as are the two below.
        range: clusters needed at the low and at the high end of ``spreads``.
        powers: what ``clusters`` give at the low and at the high end of ``spreads``.
    """

    clusters: int | None
    power: float | None
    spreads: Interval | None
    range: tuple[int | None, int | None] | None
    powers: tuple[float, float] | None


def _planned(goal: Goal, sd: float, power: float) -> int | None:
    needed = clusters_needed(goal, sd, power)
    return None if needed is None else max(needed, MIN_CLUSTERS)


def plan(goal: Goal, sd: float, power: float, degrees: float | None = None) -> Plan:
    """What a goal needs.

    Args:
        sd: standard deviation of cluster means, nats, above 0.
        degrees: with which it was estimated, None where it was stated.
    """
    clusters = _planned(goal, sd, power)
    reached = None if clusters is None else goal.power(clusters, sd)
    if degrees is None:
        return Plan(clusters, reached, None, None, None)
    spreads = sd_interval(sd, degrees)
    least, most = (_planned(goal, end, power) for end in (spreads.low, spreads.high))
    if clusters is None:
        return Plan(None, None, spreads, (least, most), None)
    better, worse = (goal.power(clusters, end) for end in (spreads.low, spreads.high))
    return Plan(clusters, reached, spreads, (least, most), (better, worse))


def smallest_effect(clusters: int, sd: float, bound: float, identities: int, power: float) -> float | None:
    """The smallest true excess of one identity that gets ``harm`` with a power, nats.

    Args:
        clusters: of each identity.
        sd: true standard deviation of cluster means, nats, above 0.
        bound: d, nats.
        identities: how many are judged in one family.
        power: at least a half.

    Returns:
        None where there are fewer than two clusters, so no interval.
    """
    if clusters < 2:
        return None

    def missing(excess: float) -> float:
        return power - Goal("harm", excess, bound, 1, identities).power(clusters, sd)

    high = bound + sd
    while missing(high) > 0:
        high = bound + 2 * (high - bound)
    return float(optimize.brentq(missing, bound, high, xtol=_EXACT * sd))
