"""inseq's contrastive integrated gradients, called as its documentation has it; run by an environment that has inseq.

Reads one request as JSON from standard input, writes one answer as JSON to standard output. inseq needs other versions
of what the package needs too, so neither imports the other: see `inseq_agreement`.
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from importlib.metadata import version
from typing import Any

import inseq


def attributed(model: Any, row: dict[str, str], steps: int) -> list[float]:
    """What each token of the prompt adds to log p(target) - log p(contrast), the first tokens of both."""
    found = model.attribute(
        row["prompt"],
        row["prompt"] + row["target"],
        attributed_fn="contrast_prob_diff",
        contrast_targets=row["prompt"] + row["contrast"],
        logprob=True,
        n_steps=steps,
        # Its contrastive functions take one text at a time, so nodes go one by one.
        internal_batch_size=1,
        method="integrated_gradients",
        show_progress=False,
        skip_special_tokens=False,
    )
    # Tokens x generated tokens x width: summed over the width, and not normalised as inseq's own views are.
    parts = found.sequence_attributions[0].target_attributions[:, 0]
    prompt = len(model.encode(row["prompt"]).input_ids[0])
    return [float(one) for one in parts[:prompt].double().sum(dim=-1)]


def main() -> int:
    """Answer the request."""
    request = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):
        model = inseq.load_model(request["folder"], "integrated_gradients")
        model.tokenizer.unk_token = request["absent"]
        parts = [attributed(model, row, request["steps"]) for row in request["rows"]]
    names = ("inseq", "captum", "torch", "transformers")
    json.dump({"parts": parts, "versions": {name: version(name) for name in names}}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
