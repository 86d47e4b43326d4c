"""Integrated gradients of a margin against inseq's contrastive attribution (Sarti et al. 2023) on the same pairs.

    python -m venv /tmp/inseq && /tmp/inseq/bin/pip install inseq
    python benchmarks/inseq_agreement.py --python /tmp/inseq/bin/python --out benchmarks/results/inseq_agreement.json

inseq's ``contrast_prob_diff`` of log-probabilities, at the first token in which two continuations of one prompt differ,
is the margin of a pair whose candidates are one token each. Same weights, same tokens, the same nodes of the same rule.
inseq begins its path at the embedding of a token that it calls unknown, and moves BOS too, so the package is asked to
do so here. A part that differs by more than 1e-4 of the largest of its pair breaks the bound.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import at_most, finish, machine
from shapes import SPECIALS, model_folder
from transformers import AutoModelForCausalLM, AutoTokenizer

from auditor.adapters.hf.input_gradients import GradientText, integrated_gradients

STEPS = 64
BOUND = 1e-4
PROMPTS = (
    "The nurse said that they",
    "My neighbour is a teacher, and everyone at school",
    "I met some people from Tasmania last year. They",
    "People who are left-handed",
)
SIDES = (" hates", " likes")


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help="of the environment that has inseq")
    parser.add_argument("--out", type=Path, help="write the figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        texts = [prompt + side for prompt in PROMPTS for side in SIDES] * 50
        folder = model_folder(Path(scratch), "tiny", texts)
        theirs = _asked_of_inseq(options.python, folder)
        ours = _ours(folder)
    largest = [float(np.abs(mine).max()) for mine in ours]
    gaps = [float(np.abs(mine - np.array(own)).max()) for mine, own in zip(ours, theirs["parts"], strict=True)]
    shares = [gap / size for gap, size in zip(gaps, largest, strict=True)]
    checks = [at_most("largest difference of a part, as a share of its pair's largest", max(shares), BOUND)]
    figures = {
        "machine": {
            **machine("captum", "torch", "transformers"),
            "command": "python benchmarks/inseq_agreement.py --python PYTHON",
        },
        "inseq": theirs["versions"],
        "rows": [
            {"prompt": prompt, "largest_part": size, "largest_difference": gap}
            for prompt, size, gap in zip(PROMPTS, largest, gaps, strict=True)
        ],
        "checks": checks,
    }
    return finish(figures, options.out)


def _asked_of_inseq(python: Path, folder: Path) -> dict[str, Any]:
    rows = [{"prompt": prompt, "target": SIDES[0], "contrast": SIDES[1]} for prompt in PROMPTS]
    request = {"folder": str(folder), "rows": rows, "steps": STEPS, "absent": SPECIALS[-1]}
    script = Path(__file__).with_name("inseq_attribution.py")
    done = subprocess.run([python, script], input=json.dumps(request), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"inseq failed:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _ours(folder: Path) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    """Parts of each prompt's tokens in the margin."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval().requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    absent = model.get_input_embeddings()(torch.tensor(tokenizer.convert_tokens_to_ids(SPECIALS[-1]))).float()
    found = []
    for prompt in PROMPTS:
        sides = []
        for side in SIDES:
            ids = np.array(tokenizer(prompt + side)["input_ids"])
            start = len(tokenizer(prompt)["input_ids"])
            if len(ids) != start + 1:
                raise SystemExit(f"{side!r} is no single token after {prompt!r}")
            text = GradientText(ids, start, np.ones(len(ids), dtype=bool))
            sides.append(integrated_gradients(model, text, absent, STEPS).parts[:start])
        found.append(sides[0] - sides[1])
    return found


if __name__ == "__main__":
    sys.exit(main())
