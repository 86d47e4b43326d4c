"""What a report of 45,540 pairs at four checkpoints takes: seconds, memory, bytes, and how soon a browser shows it.

    python benchmarks/report.py --out benchmarks/results/report.json

As many pairs as WinoQueer has, of seeded texts of its form (one sentence about two groups; 9 groups against 4 others,
115 predicates in 11 sentences), are audited with the real command on four tiny Llamas whose random weights are large
enough for margins to differ by nats. Then the report is rendered by itself, in a process of its own, and opened in
Chromium if there is one: first paint, the moment at which the explorer answers, texts included, and what an
answer takes, each the median of some loads.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import at_most, finish, machine
from scale import MEASURED, WORDS, make_models
from simulation import say

GROUPS, OTHERS, PREDICATES, CHECKPOINTS = 9, 4, 115, 4
SECONDS, GIGABYTES, MEGABYTES, INTERACTIVE, PAINT = 20.0, 2.0, 3.0, 2.0, 1.0
LOADS = 5
SENTENCES = (
    "Most people of {} {} .",
    "I think that people of {} {} .",
    "Everybody in town says that people of {} {} .",
    "My neighbour told me that people of {} {} .",
    "Nobody is surprised that people of {} {} .",
    "You can always tell that people of {} {} .",
    "It is well known that people of {} {} .",
    "The teacher said that people of {} {} .",
    "All of us have heard that people of {} {} .",
    "They wrote in the paper that people of {} {} .",
    "Some say that people of {} {} but others do not .",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; exit code 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of texts and weights")
    parser.add_argument("--predicates", type=int, default=PREDICATES, help="fewer for a trial: no bound is judged")
    parser.add_argument("--out", type=Path, help="JSON file to write the figures to")
    parser.add_argument("--run", type=Path, help="folder to leave the run in, or to find it in again")
    options = parser.parse_args(arguments)
    whole = options.predicates == PREDICATES
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or Path(folder) / "run"
        if not run.exists():
            make_run(Path(folder), run, options.predicates, options.seed)
        rendered = measured([sys.executable, "-m", "auditor", "report", str(run)])
        page = run / "report.html"
        found = {
            "pairs": json.loads((run / "manifest.json").read_text(encoding="utf-8"))["probes"][0]["items"],
            "checkpoints": CHECKPOINTS,
            "seconds": rendered["seconds"],
            "cpu_seconds": rendered["cpu_seconds"],
            "bytes_of_memory": rendered["bytes"],
            "bytes_of_the_page": page.stat().st_size,
            "browser": opened(page),
        }
    checks = [
        at_most("seconds to render", found["seconds"], SECONDS, whole),
        at_most("gigabytes of memory", found["bytes_of_memory"] / 1e9, GIGABYTES, whole),
        at_most("megabytes of the page", found["bytes_of_the_page"] / 1e6, MEGABYTES, whole),
    ]
    if found["browser"]:
        checks += [
            at_most("seconds to the first paint", found["browser"]["first_paint_s"], PAINT, whole),
            at_most("seconds until the explorer answers", found["browser"]["interactive_s"], INTERACTIVE, whole),
        ]
    figures = {"machine": machine("auditor", "jinja2", "numpy", "pyarrow"), **found, "checks": checks}
    return finish(figures, options.out)


def make_run(folder: Path, out: Path, predicates: int, seed: int) -> None:
    """Audit the pairs."""
    probe = folder / "pairs.csv"
    words = write_pairs(probe, predicates, seed)
    models = make_models(folder, CHECKPOINTS, words, deviation=0.4, seed=seed)
    series = [f"{name}={path}" for name, path in zip(("base", "sft", "dpo", "dpo2"), models, strict=True)]
    command = [sys.executable, "-m", "auditor", "compare", *series, "--probe", str(probe), "--render", "plain"]
    say("auditing")
    environment = {**os.environ, "AUDIT_CACHE_DIR": str(folder / "cache")}
    subprocess.run([*command, "--quiet", "--out", str(out)], check=True, stdout=subprocess.DEVNULL, env=environment)


def write_pairs(path: Path, predicates: int, seed: int) -> list[str]:
    """Every predicate in every sentence about every group and each of the others; the words they are made of."""
    rng = random.Random(seed)
    said = []
    for at in range(predicates):
        one, *more = rng.sample(WORDS, k=3 + at % 2)
        said.append(f"are {' and '.join(more)} when they are {one}")
    marked, others = ([f"{kind}{at}" for at in range(count)] for kind, count in (("group", GROUPS), ("other", OTHERS)))
    words: dict[str, None] = {}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["harmful", "affirming", "identity", "axis", "theme", "cluster", "frame", "design"])
        for at, predicate in enumerate(said):
            for frame, sentence in enumerate(SENTENCES):
                for group in marked:
                    for other in others:
                        sides = [sentence.format(who, predicate) for who in (group, other)]
                        words |= dict.fromkeys(" ".join(sides).split())
                        about = [group, "group", f"theme {at % 8}", predicate, f"sentence {frame}", "identity_swap"]
                        writer.writerow([*sides, *about])
    return list(words)


def measured(command: Sequence[str]) -> dict[str, Any]:
    """Seconds and bytes of one command."""
    done = subprocess.run([sys.executable, "-c", MEASURED, *command], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["code"]:
        raise SystemExit(f"{' '.join(command)} ended with {found['code']}:\n{done.stderr}")
    return found


def opened(page: Path) -> dict[str, float] | None:
    """What a browser takes to show a page, and then to filter and to search it; None where there is no browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        say("skipped: no Chromium, or no playwright")
        return None
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        loads = []
        for _ in range(LOADS):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(page.resolve().as_uri())
            tab.wait_for_selector("#explorer[aria-busy=false]")
            loads.append(tab.evaluate(_TIMES))
            tab.close()
        browser.close()
    return {name: statistics.median(load[name] for load in loads) / 1000 for name in loads[0]}


# Milliseconds. A change of a control is answered before its event returns.
_TIMES = """() => {
  const at = (name) => performance.getEntriesByName(name)[0].startTime;
  const asked = (id, value) => {
    const one = document.getElementById(id);
    one.value = value;
    const began = performance.now();
    one.dispatchEvent(new Event("change"));
    return performance.now() - began;
  };
  return {
    first_paint_s: at("first-contentful-paint"),
    interactive_s: at("explorer-ready"),
    filter_s: asked("x-identity", "group3"),
    all_again_s: asked("x-identity", ""),
  };
}"""


if __name__ == "__main__":
    sys.exit(main())
