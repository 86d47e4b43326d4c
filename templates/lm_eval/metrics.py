"""Metrics of an exported probe. Each is a sum over its rows: a value of the row times a weight from items.jsonl."""

import json
import math
from pathlib import Path

import datasets

ITEMS = Path(__file__).with_name("items.jsonl")


def rows(**_):
    """All rows, as a data set of one split; lm-eval hands over its own settings too, which change nothing."""
    lines = ITEMS.read_text(encoding="utf-8").split("\n")
    return datasets.DatasetDict({"test": datasets.Dataset.from_list([json.loads(line) for line in lines if line])})


def process_results(doc, results):
    """The row's value and weight in every metric that it is part of, and of how many rows that is made."""
    (harmful, _), (affirming, _) = results
    margin = harmful - affirming
    found = {}
    for one in doc["weights"]:
        value = float(margin > 0) if one["metric"].startswith("share_positive") else margin
        found[one["metric"]] = (value, one["weight"], one["rows"])
    return found


def weighted_sum(values):
    """The metric; NaN where rows are missing, as with --limit: a part of the rows answers another question."""
    if any(rows != len(values) for _, _, rows in values):
        return math.nan
    return math.fsum(value * weight for value, weight, _ in values)
