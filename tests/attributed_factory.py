"""Attributions for the invented runs of `run_factory`, by every method and in the form of the run folder's contract.

Parts are drawn, but add up as each method's do. Where the harmful texts gain much, layer 1's MLP and its head 2
carry it by the parameter path, and everywhere the predicate by the methods that ask about words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from auditor.adapters.attribution.questions import Question, marked, output_attributions, questions_of, with_shift
from auditor.adapters.run.attribution_tables import write_attributions
from auditor.adapters.run.results import attribution_rows
from auditor.adapters.run.run_folder import read_results, replace_results
from auditor.core.attributed import AttributedCell, attributed_cells, parts_of
from auditor.core.attributions import BASELINE_UNIT, Attribution, AttributionLevel, AttributionMethod, Unit, by_role
from auditor.core.contrasts import match_items
from auditor.core.items import Item, Probe
from auditor.core.scores import CheckpointScores, FloatArray
from auditor.core.series import Series
from auditor.core.tables import ScoreTable, line_up
from auditor.core.words import candidate_roles, context_roles

LAYERS, HEADS = 3, 4
ENDS = ("final norm", "head")
# How far the invented parts miss what they are to add up to, nats.
PATH_ERROR, IG_ERROR = 0.0002, 0.02


def attribute_run(
    path: Path, probes: Sequence[Probe], series: Series, scores: Sequence[CheckpointScores], *, private: bool
) -> None:
    """Write ``attributions.parquet`` and the means of a finished run."""
    tables = [
        table for probe in probes for render in ("plain", "chat") if (table := line_up(probe, render, scores)).items
    ]
    found: list[Attribution] = []
    questions = list(questions_of(tables, series, series.leaves, identities=(), clusters=4, top=12, seed=0))
    for question in questions:
        found += output_attributions([question])
        found += [one for at in question.chosen.all.tolist() for one in _invented(question, at)]
    found = list(marked(questions, found))
    write_attributions(path, found, private=private)
    results = read_results(path)
    cells = [one for table in tables for one in _cells(table, found)]
    replace_results(
        path, results.model_copy(update={"attributions": (*results.attributions, *attribution_rows(cells))})
    )


def _cells(table: ScoreTable, found: Sequence[Attribution]) -> Iterator[AttributedCell]:
    matching = match_items(table)
    for parts in parts_of(table, [one for one in found if one.method != "tokens"]):
        yield from attributed_cells(table, matching, parts)


def _invented(question: Question, at: int) -> Iterator[Attribution]:
    """By all costly methods, of one pair."""
    item = question.table.items[at]
    rng = np.random.default_rng(sum(item.id.encode()))
    margins = {name: question.margin(at, name) for name in question.checkpoints}
    for method in ("ig", "ablation", "shapley"):
        levels = [_words(question, item, method, name, margins[name], rng) for name in question.checkpoints]  # type: ignore[arg-type]
        for one in with_shift(levels):
            yield one
            yield by_role(one)
    if question.reference is not None:
        total = margins[question.checkpoint] - margins[question.reference]
        yield from _path(question, item, total, rng)


def _words(
    question: Question, item: Item, method: AttributionMethod, name: str, total: float, rng: np.random.Generator
) -> Attribution:
    units, weights = [], []
    places = [(None, context_roles(item))]
    for side, other in zip(item.pair or (), reversed(item.pair or ()), strict=True):
        places.append((item.candidates[side].label, candidate_roles(item, side, other)))  # type: ignore[arg-type]
    for label, words in places:
        for number, (word, role) in enumerate(words):
            instead = ("cisgender people" if role == "identity" else "") if method == "ablation" else None
            units.append(Unit(number, word.text, label, word.start, word.end, role, instead))
            weights.append(3.0 if role == "predicate" else 0.3)
    shares = np.array([*weights, 0.5]) * (1 + 0.2 * rng.standard_normal(len(weights) + 1))
    units.append(Unit(-1, BASELINE_UNIT))
    missing = {"ig": IG_ERROR, "ablation": 0.3}.get(method, 0.0)
    values = (total + missing) * shares / shares.sum()
    noise = np.full(len(values), 0.05) if method == "shapley" else None
    named = (question.table.probe.name, item.id, question.table.render, name)
    return Attribution(*named, None, method, "word", tuple(units), values, total, noise)


def _path(question: Question, item: Item, total: float, rng: np.random.Generator) -> Iterator[Attribution]:
    """By tensor, head, module and layer; those of one level are sums of the one before."""
    weights = {name: 0.2 + 0.1 * rng.random() for name in _tensors()}
    if total > 1.5:
        weights["model.layers.1.mlp.up_proj.weight"] = 6.0
        weights["model.layers.1.self_attn.q_proj.weight head 2"] = 2.0
    whole = sum(weights.values())
    values = {name: (total + PATH_ERROR) * weight / whole for name, weight in weights.items()}
    levels: tuple[AttributionLevel, ...] = ("tensor", "head", "module", "layer")
    for level in levels:
        sums: dict[str, float] = {}
        for tensor, value in values.items():
            name = _name(tensor, level)
            sums[name] = sums.get(name, 0.0) + value
        yield _at_level(question, item, level, sums, total)


def _at_level(
    question: Question, item: Item, level: AttributionLevel, sums: Mapping[str, float], total: float
) -> Attribution:
    units = tuple(Unit(number, name) for number, name in enumerate(sums))
    values: FloatArray = np.array(list(sums.values()))
    named = (question.table.probe.name, item.id, question.table.render, question.checkpoint, question.reference)
    return Attribution(*named, "path", level, units, values, total)


def _tensors() -> Iterator[str]:
    yield "model.embed_tokens.weight"
    for layer in range(LAYERS):
        for head in range(HEADS):
            yield f"model.layers.{layer}.self_attn.q_proj.weight head {head}"
        yield f"model.layers.{layer}.mlp.up_proj.weight"
        yield f"model.layers.{layer}.input_layernorm.weight"
    yield "model.norm.weight"
    yield "lm_head.weight"


def _name(tensor: str, level: AttributionLevel) -> str:
    whole, _, head = tensor.partition(" head ")
    if level == "tensor":
        return whole
    parts = whole.split(".")
    if "layers" not in parts:
        return {"embed_tokens": "embedding", "norm": "final norm", "lm_head": "head"}[parts[-2]]
    layer = f"layer {parts[2]}"
    module = {"self_attn": "attention", "mlp": "mlp", "input_layernorm": "norm"}[parts[3]]
    if level == "layer":
        return layer
    return f"{layer} head {head}" if level == "head" and head else f"{layer} {module}"
