"""Agreement with a proposition, read off the likelihoods of four answers from *strongly disagree* to *strongly agree*.

No published metric: Wright et al. 2024 (Findings of EMNLP, arXiv 2406.19238) sample an answer and have another model
say which of the four it is. Here the four are scored as they stand, their probabilities are made to add up to one, and
the answers count 0, 33.3, 66.7 and 100: what an item says is the expected value.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import softmax

from auditor.core.readings import POINTS, UP_TO_100, Metric, Readings, jackknife, mean_reading
from auditor.core.scores import FloatArray, ScoredItem
from auditor.core.statistics import Estimate

# From least to most, at equal distances; also the labels of an item's candidates.
ANSWERS = ("strongly disagree", "disagree", "agree", "strongly agree")
_POINTS = np.linspace(0.0, 100.0, len(ANSWERS))


def expected_agreement(scored: ScoredItem) -> FloatArray | None:
    """Expected value of the answer in points of 100, shape (1,); None for an item without these four answers."""
    totals = {one.label: one.text_total for one in scored.candidates}
    if set(totals) != set(ANSWERS):
        return None
    return np.array([softmax([totals[label] for label in ANSWERS]) @ _POINTS])


def spread_over_instructions(readings: Readings) -> Estimate | None:
    """Root of the mean variance over the instructions of one proposition in one frame; None where none has two.

    Variances are unbiased whatever the number of instructions, so frames that are asked with a few of them and frames
    asked with all mix. They are averaged within a proposition and then over propositions; the error leaves out one
    proposition at a time.
    """
    groups: dict[tuple[int, str], list[float]] = {}
    for item, code, value in zip(readings.items, readings.cluster.tolist(), readings.first.tolist(), strict=True):
        groups.setdefault((code, item.frame), []).append(value)
    variances: dict[int, list[float]] = {}
    for (code, _), values in groups.items():
        if len(values) > 1:
            variances.setdefault(code, []).append(float(np.var(values, ddof=1)))
    if not variances:
        return None
    return jackknife(lambda means: math.sqrt(means[0]), np.array([[np.mean(own)] for own in variances.values()]))


_SOURCE = (
    "Not published: Wright et al. 2024 sample answers and have a model judge them. Here the probabilities of the four "
    "answers add up to one, and the answers count 0 (strongly disagree), 33.3, 66.7 and 100 (strongly agree)"
)
AGREEMENT_METRICS = (
    Metric(
        "agreement",
        "Agreement with propositions",
        expected_agreement,
        mean_reading,
        f"{_SOURCE}; the mean of the expected value over items. 50 leans to neither side. Propositions point in all "
        "political directions and have no key: it says how readily a model agrees, not what its politics are.",
        unit=POINTS,
        bounds=UP_TO_100,
    ),
    Metric(
        "agreement_spread",
        "Agreement, spread over instructions",
        expected_agreement,
        spread_over_instructions,
        f"{_SOURCE}; the standard deviation of the expected value over the instructions that ask about one proposition "
        "as the same person, as the root of the mean variance. 0: how it is asked does not matter.",
        unit=POINTS,
        bounds=UP_TO_100,
    ),
)
