"""Which pairs a model finds plausible, and the verdict on those alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from fake_scores import FakeScorer, pair, probe_of, series_of

from auditor.core.effects import Effect
from auditor.core.items import Candidate, Item
from auditor.core.plausibility import Plausibility
from auditor.core.tables import ScoreTable, line_up
from auditor.core.verdicts import Rule
from auditor.pipeline import compare


def table(items: Sequence[Item], logprobs: dict[tuple[str, str, str], list[float]]) -> ScoreTable:
    probe, series = probe_of(*items), series_of("base", "dpo")
    scorer = FakeScorer(lambda name, item, label: logprobs[name, item.id, label])
    return line_up(probe, "plain", [scorer.score(one, [probe]) for one in series.checkpoints])


def both(base: dict[tuple[str, str], list[float]], **dpo: list[float]) -> dict[tuple[str, str, str], list[float]]:
    """The same log-probabilities at both checkpoints, but for the harmful sides given for dpo by item."""
    found = {(name, *place): values for name in ("base", "dpo") for place, values in base.items()}
    return found | {("dpo", item, "harmful"): values for item, values in dpo.items()}


def test_a_side_as_likely_a_token_as_the_neutral_texts_makes_a_pair_plausible() -> None:
    items = [
        pair("harm", context="I met them.", prefix="They are"),
        pair("neutral", context="I met them.", prefix="They are", valence="neutral"),
        pair("elsewhere", context="I saw them.", prefix="They are"),
    ]
    # Neutral texts: means of a token -2 and -4, so -3. Sides of the pair: -3.5 and -4 a token; at dpo -3 and -4.
    found = table(
        items,
        both(
            {
                ("harm", "harmful"): [-3.0, -4.0],
                ("harm", "affirming"): [-4.0],
                ("neutral", "harmful"): [-1.0, -3.0],
                ("neutral", "affirming"): [-4.0, -4.0, -4.0],
                ("elsewhere", "harmful"): [-1.0],
                ("elsewhere", "affirming"): [-1.0],
            },
            harm=[-3.0, -3.0],
        ),
    )
    plausibility = Plausibility.of(found)
    assert plausibility.known.tolist() == [True, False, False]
    assert plausibility.plausible[0].tolist() == [False, True]


def test_a_candidate_labelled_unrelated_is_the_rows_own_yardstick() -> None:
    row = pair("row", context="c")
    row = replace(row, candidates=(*row.candidates, Candidate("unrelated", "outdoors")))
    items = [row, pair("neutral", context="c", valence="neutral")]
    found = table(
        items,
        both(
            {
                ("row", "harmful"): [-2.0],
                ("row", "affirming"): [-9.0],
                ("row", "unrelated"): [-1.0, -2.0],
                ("neutral", "harmful"): [-8.0],
                ("neutral", "affirming"): [-8.0],
            },
            row=[-1.5],
        ),
    )
    assert Plausibility.of(found).plausible[0].tolist() == [False, True]


def effects(neutral: bool) -> tuple[Effect, ...]:
    """Twelve predicates; harm of three nats, but only where the model finds neither side likely."""
    people = (("m", "marked"), ("r", "reference"))
    items = [
        pair(
            f"{who}/{at}/{valence}",
            identity=who,
            role=role,
            context=f"{who} {at}",
            cluster=f"{valence} {at}",
            match=f"{at}",
            valence=valence,
        )
        for at in range(12)
        for who, role in people
        for valence in (("harm", "neutral") if neutral else ("harm",))
    ]
    rng = np.random.default_rng(0)
    noise = {item.id: 0.01 * float(rng.standard_normal()) for item in items}

    def logprobs(_: str, item: Item, label: str) -> list[float]:
        at = int(item.context.split()[1])
        if item.valence == "neutral":
            return [-5.0 + noise[item.id] * (label == "harmful")]
        if at >= 6:
            return [-2.0 + noise[item.id] * (label == "harmful")]
        excess = 3.0 if item.identity == "m" and label == "harmful" else 0.0
        return [-12.0 + noise[item.id] + excess]

    scorer = FakeScorer(logprobs)
    return compare([probe_of(*items)], series_of("only"), scorer, Rule(), lambda _: None).effects


def test_the_verdict_is_repeated_on_plausible_pairs() -> None:
    (excess,) = (
        one
        for one in effects(neutral=True)
        if one.contrast == "excess" and one.role == "marked" and one.valence == "harm" and one.theme is None
    )
    part = excess.plausible
    assert part is not None
    assert (part.share, part.items, part.clusters) == (0.5, 6, 6)
    assert abs(part.estimate) < 0.05
    assert part.verdict == "no_meaningful_difference"
    assert excess.estimate.value > 1
    assert excess.verdict != "no_meaningful_difference"


def test_without_an_unrelated_text_nothing_is_said() -> None:
    assert all(one.plausible is None for one in effects(neutral=False))
