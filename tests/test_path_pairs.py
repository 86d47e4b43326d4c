"""From chosen items to the two sequences of each, and back to what the path says of an item."""

from __future__ import annotations

from typing import Any

import numpy as np
from fake_scores import pair, probe_of, scored

from auditor.adapters.attribution.path_pairs import PATH_LEVELS, path_answers, path_pairs
from auditor.adapters.attribution.questions import Question
from auditor.adapters.hf.path.weight_units import WeightUnit, summed
from auditor.adapters.hf.sequences import Sequences
from auditor.core.attribution_choice import Chosen
from auditor.core.contrasts import match_items
from auditor.core.items import AFFIRMING, HARMFUL, Candidate
from auditor.core.scores import CheckpointScores
from auditor.core.tables import line_up

# The harmful candidate stands behind the other one in the last row.
ITEMS = (
    pair("bare", design="responsiveness"),
    pair("declared", design="responsiveness", baseline="bare"),
    pair("turned", candidates=(Candidate(AFFIRMING, "good"), Candidate(HARMFUL, "bad"))),
)


def _question(other: str = "") -> Question:
    """All rows at two checkpoints; one of them has other token ids at the second."""
    columns = []
    for checkpoint, value in (("sft", -1.0), ("dpo", -3.0)):
        rows = {}
        for item in ITEMS:
            ids = [[7], [8]] if checkpoint == "dpo" and item.id == other else [[5], [6]]
            rows["probe", "plain", item.id] = scored(item, [[value], [-1.0]], ids)
        columns.append(CheckpointScores(checkpoint, rows))  # type: ignore[arg-type]
    table = line_up(probe_of(*ITEMS), "plain", columns)
    every = np.arange(len(table.items))
    return Question(table, match_items(table), Chosen(every, every[:0]), "dpo", "sft")


def _sequences() -> Sequences:
    rows: list[tuple[Any, int]] = [([1, 10 + at], 1) for at in range(2 * len(ITEMS))]
    return Sequences.of(rows, [at // 2 for at in range(len(rows))])


def test_both_sides_of_every_item_and_of_its_baseline_the_harmful_first() -> None:
    pairs, places = path_pairs(_sequences(), [_question()])
    assert [pairs[at].tolist()[1] for at in range(6)] == [10, 11, 12, 13, 15, 14]
    assert pairs.items.tolist() == [0, 0, 1, 1, 2, 2]
    assert places == {0: 0, 2: 1, 4: 2}


def test_a_baselines_parts_are_subtracted_and_totals_are_the_scores_own() -> None:
    question = _question()
    _, places = path_pairs(_sequences(), [question])
    units = tuple(WeightUnit(f"layers.{layer}.mlp.weight", "mlp", layer) for layer in range(2))
    values = np.array([[1.0, 1.0], [3.0, 1.5], [0.25, 2.0]])
    answers, left_out = path_answers(question, {level: summed(units, values, level) for level in PATH_LEVELS}, places)
    assert left_out == ()
    layers = {one.item: one for one in answers if one.level == "layer"}
    assert layers["declared"].values.tolist() == [2.0, 0.5]
    assert layers["turned"].values.tolist() == [0.25, 2.0]
    assert [unit.name for unit in layers["turned"].units] == ["layer 0", "layer 1"]
    # Harmful minus affirming goes from 0 to -2; with the sides turned, and for what a declaration adds, otherwise.
    assert (layers["turned"].total, layers["declared"].total) == (2.0, 0.0)
    assert (layers["turned"].checkpoint, layers["turned"].reference, layers["turned"].method) == ("dpo", "sft", "path")
    assert {one.level for one in answers} == {"layer", "module", "head", "tensor"}


def test_other_tokens_at_the_reference_have_no_path() -> None:
    question = _question("turned")
    pairs, places = path_pairs(_sequences(), [question])
    assert len(pairs) == 4
    answers, (refusal,) = path_answers(question, {"layer": (("layer 0",), np.zeros((2, 1)))}, places)
    assert [one.item for one in answers] == ["declared"]
    assert (refusal.reason, refusal.count, refusal.checkpoint) == ("tokens_differ", 1, "dpo")


def test_in_half_precision_rounding_is_a_part_of_its_own_and_the_error_the_paths() -> None:
    question = _question()
    _, places = path_pairs(_sequences(), [question])
    values = np.array([[1.0, 1.0], [3.0, 1.5], [0.25, 2.0]])
    # What the parts are to add up to; they miss it by 0.25, 0.5 and -0.125.
    totals = np.array([1.75, 4.0, 2.375])
    answers, _ = path_answers(question, {"layer": (("layer 0", "layer 1"), values)}, places, totals)
    found = {one.item: one for one in answers}
    # Scored were 2 where float32 has 2.375, and 0 where it has 4 - 1.75.
    assert found["turned"].values.tolist() == [0.25, 2.0, -0.375]
    assert found["declared"].values.tolist() == [2.0, 0.5, -2.25]
    assert [(unit.number, unit.name) for unit in found["turned"].units][2:] == [(-1, "(rounding)")]
    assert (found["turned"].total, found["declared"].total) == (2.0, 0.0)
    assert (found["turned"].completeness_error, found["declared"].completeness_error) == (-0.125, 0.25)


def test_an_item_without_finite_parts_is_refused() -> None:
    question = _question()
    _, places = path_pairs(_sequences(), [question])
    # Of the baseline of one, and of the other itself.
    for row, left in ((0, "turned"), (2, "declared")):
        values = np.ones((3, 2))
        values[row, 1] = np.nan
        answers, (refusal,) = path_answers(question, {"layer": (("layer 0", "layer 1"), values)}, places)
        assert [one.item for one in answers] == [left]
        assert (refusal.reason, refusal.count) == ("not_finite", 1)
