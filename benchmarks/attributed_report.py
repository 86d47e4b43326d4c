"""How large a report of 45,540 pairs grows with every method of attribution, and how soon it is made and shown.

    python benchmarks/attributed_report.py --out benchmarks/results/attributed_report.json

36 groups on two axes, each beside the reference group of its axis, under 115 predicates in 11 sentences, are audited
with the real command on four tiny Llamas. What no tiny model would give is made by arithmetic: 20 groups show harm, and
every method has parts, of all groups in means and of items of 12 predicates one by one, of a model of 32 layers.
Measured is what `benchmarks/report.py` measures, and the bytes that attribution adds to the page.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from machine import at_most, finish, machine
from report import GIGABYTES, INTERACTIVE, MEGABYTES, PAINT, SECONDS, SENTENCES, measured, opened
from scale import WORDS, make_models
from simulation import say

from auditor.adapters.run.attribution_tables import write_attributions
from auditor.adapters.run.results_schema import AttributionRow, Results
from auditor.adapters.run.run_folder import read_results, replace_results
from auditor.core.attributions import BASELINE_UNIT, Attribution, AttributionLevel, AttributionMethod, Unit
from auditor.core.words import WORD_ROLES

GROUPS, AXES, PREDICATES, HARMED, CLUSTERS, LAYERS, HEADS = 36, 2, 115, 20, 12, 32, 8
NAMES = ("base", "sft", "dpo", "dpo2")
BY_WORDS: tuple[AttributionMethod, ...] = ("ig", "ablation", "shapley")
ROLES = ("identity", "predicate", "pronoun", "frame", "punctuation")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of texts, weights and parts")
    parser.add_argument("--predicates", type=int, default=PREDICATES, help="fewer for a trial: no bound is judged")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    options = parser.parse_args(arguments)
    whole = options.predicates == PREDICATES
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        make_run(Path(folder), run, options.predicates, options.seed)
        say("without attributions")
        replace_results(run, read_results(run).model_copy(update={"attributions": ()}))
        measured([sys.executable, "-m", "auditor", "report", str(run)])
        bare = (run / "report.html").stat().st_size
        say("with all of them")
        attribute(run, options.seed)
        rendered = measured([sys.executable, "-m", "auditor", "report", str(run)])
        page = run / "report.html"
        found = {
            "pairs": GROUPS * options.predicates * len(SENTENCES),
            "identities": GROUPS,
            "identities_with_harm": HARMED,
            "seconds": rendered["seconds"],
            "cpu_seconds": rendered["cpu_seconds"],
            "bytes_of_memory": rendered["bytes"],
            "bytes_of_the_page": page.stat().st_size,
            "bytes_of_attribution": page.stat().st_size - bare,
            "browser": opened(page),
        }
    checks = [
        at_most("processor seconds to render", found["cpu_seconds"], SECONDS, whole),
        at_most("gigabytes of memory", found["bytes_of_memory"] / 1e9, GIGABYTES, whole),
        at_most("megabytes of the page", found["bytes_of_the_page"] / 1e6, MEGABYTES, whole),
    ]
    if found["browser"]:
        checks += [
            at_most("seconds to the first paint", found["browser"]["first_paint_s"], PAINT, whole),
            at_most("seconds until the explorer answers", found["browser"]["interactive_s"], INTERACTIVE, whole),
        ]
    return finish({"machine": machine("auditor", "jinja2", "numpy", "pyarrow"), **found, "checks": checks}, options.out)


def make_run(folder: Path, out: Path, predicates: int, seed: int) -> None:
    """Audit the pairs."""
    probe = folder / "pairs.csv"
    words = write_pairs(probe, predicates, seed)
    models = make_models(folder, len(NAMES), words, deviation=0.4, seed=seed)
    series = [f"{name}={path}" for name, path in zip(NAMES, models, strict=True)]
    command = [sys.executable, "-m", "auditor", "compare", *series, "--probe", str(probe), "--render", "plain"]
    say("auditing")
    environment = {**os.environ, "AUDIT_CACHE_DIR": str(folder / "cache")}
    subprocess.run([*command, "--quiet", "--out", str(out)], check=True, stdout=subprocess.DEVNULL, env=environment)


def write_pairs(path: Path, predicates: int, seed: int) -> list[str]:
    """Every predicate in every sentence about every group and the reference group of its axis; the words of all."""
    rng = random.Random(seed)
    said = [rng.sample(WORDS, k=4) for _ in range(predicates)]
    people = [(f"group{at}", at % AXES, "marked") for at in range(GROUPS)]
    people += [(f"other{axis}", axis, "reference") for axis in range(AXES)]
    words: dict[str, None] = {}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["context", "harmful", "affirming", "identity", "surface", "axis", "theme", "cluster", "match", "role"]
        )
        for at, (one, two, three, four) in enumerate(said):
            for frame, sentence in enumerate(SENTENCES):
                for who, axis, role in people:
                    context, _, rest = sentence.partition(" {} {}")
                    sides = [f" are {a} and {b}{rest}" for a, b in ((one, two), (three, four))]
                    about = [who, who, f"axis {axis}", f"theme {at % 8}", f"predicate {at}", f"{at}/{frame}/{axis}"]
                    writer.writerow([f"{context} {who}", *sides, *about, role])
                    words |= dict.fromkeys(" ".join([context, who, *sides]).split())
    return list(words)


def attribute(run: Path, seed: int) -> None:
    """Parts by every method, and harm towards the first groups."""
    rng = np.random.default_rng(seed)
    results = read_results(run)
    harmed = {f"group{at}" for at in range(HARMED)}
    effects = tuple(
        one.model_copy(update={"verdict": "harm"}) if one.identity in harmed and one.verdict is not None else one
        for one in results.effects
    )
    means = tuple(one for method in ("tokens", *BY_WORDS, "path") for one in _means(results, method, rng))
    write_attributions(run, _items(run, rng), private=False)
    replace_results(run, results.model_copy(update={"effects": effects, "attributions": means}))


def _units(method: AttributionMethod) -> Iterator[tuple[AttributionLevel, list[str]]]:
    if method != "path":
        yield "role", [*ROLES, *(["end"] if method == "tokens" else [BASELINE_UNIT])]
        return
    layers = [f"layer {at}" for at in range(LAYERS)]
    yield "layer", ["embedding", *layers, "final norm", "head"]
    modules = [f"{one} {part}" for one in layers for part in ("attention", "mlp", "norm")]
    yield "module", ["embedding", *modules, "final norm", "head"]
    yield "head", [f"{one} head {at}" for one in layers for at in range(HEADS)]


def _means(results: Results, method: AttributionMethod, rng: np.random.Generator) -> Iterator[AttributionRow]:
    """Mean parts of every group at the last checkpoint and in every stage, in every contrast."""
    probe = results.effects[0].probe
    stages = [(one.name, one.reference) for one in results.series if one.reference] + [(NAMES[-1], None)]
    stages = stages if method == "tokens" else [one for one in stages if one[0] == NAMES[-1]]
    if method == "path":
        stages = [one for one in stages if one[1]]
    for checkpoint, reference in stages:
        for at in range(GROUPS):
            for level, units in _units(method):
                for contrast in ("excess",) if level == "head" else ("raw", "excess", "reference"):
                    parts = rng.normal(0.0, 0.4, len(units))
                    for number, (unit, part) in enumerate(zip(units, parts.tolist(), strict=True)):
                        yield AttributionRow(
                            probe=probe, identity=f"group{at}", axis=f"axis {at % AXES}", theme=None, render="plain",
                            role="marked", checkpoint=checkpoint, reference=reference, method=method, level=level,
                            unit=unit, number=number, contrast=contrast, estimate=part, low=part - 0.3, high=part + 0.3,
                            p=0.01, p_adjusted=float(rng.random() / 4), items=CLUSTERS, clusters=CLUSTERS,
                            total=float(parts.sum()), completeness_error=1e-6,
                        )  # fmt: skip


def _items(run: Path, rng: np.random.Generator) -> Iterator[Attribution]:
    """Tokens and words of one sentence of each of the first predicates, about every group and its reference."""
    columns = ["probe", "item", "cluster", "match", "context", "checkpoint", "candidate", "text"]
    chosen = {f"{at}/0/{axis}" for at in range(CLUSTERS) for axis in range(AXES)}
    table = pq.read_table(run / "items.parquet", columns=columns, filters=[("match", "in", chosen)])
    rows = [one for one in table.to_pylist() if one["checkpoint"] == NAMES[-1]]
    texts = {one["item"]: dict[str, Any](one) for one in rows}
    for row in rows:
        texts[row["item"]][row["candidate"]] = row["text"]
    for item, row in texts.items():
        for reference in (None, NAMES[-2]):
            about = (row["probe"], item, "plain", NAMES[-1], reference)
            for method in BY_WORDS:
                yield _parts(about, method, "word", [*_words(row["context"], None, method), *_sides(row, method)], rng)
            yield _parts(about, "tokens", "token", list(_sides(row, "tokens")), rng)


def _sides(row: dict[str, Any], method: AttributionMethod) -> Iterator[Unit]:
    for label in ("harmful", "affirming"):
        yield from _words(row[label], label, method)


def _words(text: str, label: str | None, method: AttributionMethod) -> Iterator[Unit]:
    end = 0
    for at, word in enumerate(text.split()):
        start = text.index(word, end)
        end = start + len(word)
        yield Unit(at, word, label, start, end, WORD_ROLES[at % 4], "" if method == "ablation" else None)


def _parts(
    about: tuple[Any, ...],
    method: AttributionMethod,
    level: AttributionLevel,
    units: Sequence[Unit],
    rng: np.random.Generator,
) -> Attribution:
    values = rng.normal(0.0, 0.4, len(units))
    return Attribution(*about, method, level, tuple(units), values, float(values.sum()))


if __name__ == "__main__":
    sys.exit(main())
