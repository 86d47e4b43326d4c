"""The table of speeds in the README, made from what ``engine.py`` wrote."""

from __future__ import annotations

from typing import Any

_NONE = "No figures have been taken yet."
_NAMES = {
    "winoqueer": "WinoQueer (rebuilt prefix)",
    "crows_pairs": "CrowS-Pairs",
    "stigma": "`stigma`",
    "bbq": "BBQ, three answers",
    "questionnaire": "200 personas x 40 statements x 6 options",
}
_PEERS = {"lm-eval": "lm-eval", "minicons": "minicons", "trl": "TRL", "naive": "padded loop"}


def speed_table(figures: dict[str, Any] | None) -> str:
    """Markdown of the rows on the first model, and what they were taken with; a sentence if there are none."""
    if figures is None:
        return _NONE
    first = figures["rows"][0]["model"]
    head = ["workload", "texts", "tokens", "unique", "seconds", *_PEERS.values(), "of the floor"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    lines += [f"| {' | '.join(_cells(row))} |" for row in figures["rows"] if row["model"] == first]
    others = [row for row in figures["rows"] if row["model"] != first]
    shares = ", ".join(f"{row['share_of_floor']:.0%} on {_NAMES[row['workload']]} ({row['model']})" for row in others)
    machine = figures["machine"]
    taken = (
        f"{first} Llama with random weights, float32, {figures['threads']} threads on {machine['processor']}; "
        f"torch {machine['torch']}, transformers {machine['transformers']}, lm-eval {machine['lm_eval']} at its "
        f"better batch size, minicons {machine['minicons']}, TRL {machine['trl']}. Columns of peers say how many "
        "times as long they take for a text."
    )
    if shares:
        taken += f" Larger models: {shares} of the floor."
    bfloat16 = figures["bfloat16"]
    taken += f" bfloat16 is {bfloat16['ratio']:.2f} times as fast as float32" + (
        "." if bfloat16["amx"] else " (a processor without matrix units for it)."
    )
    missed = [one for one in figures["checks"] if one["judged"] and not one["held"]]
    if missed:
        said = "; ".join(f"{one['name']}, {one['value']:.3g} of {one['bound']:g}" for one in missed)
        taken += f" Below what the script asks for: {said}."
    return "\n".join([*lines, "", taken, "[Figures](benchmarks/results/engine.json), [script](benchmarks/engine.py)."])


def _cells(row: dict[str, Any]) -> list[str]:
    found = [_ratio(row, peer) for peer in _PEERS]
    counts = [f"{row[name]:,}" for name in ("texts", "tokens", "unique_tokens")]
    return [_NAMES[row["workload"]], *counts, f"{row['seconds']:.1f}", *found, f"{row['share_of_floor']:.0%}"]


def _ratio(row: dict[str, Any], peer: str) -> str:
    """The better of its settings."""
    ratios = [one["ratio"] for one in row["peers"] if one["peer"] == peer]
    return f"{min(ratios):.1f}" if ratios else ""
