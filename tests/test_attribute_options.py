"""Twin of auditor.cli.attribute_options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from auditor.cli.attribute_options import AttributeOptions, asked_with, recorded
from auditor.errors import UsageError


def run_with(folder: Path, *said: Any) -> Path:
    (folder / "manifest.json").write_text(json.dumps({"attributions": said}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("options", "where"),
    [({"neutral": ""}, "--neutral"), ({"neutral": " \t"}, "--neutral"), ({"sample": 0, "top": 0}, "--sample, --top")],
)
def test_what_would_attribute_nothing_is_refused(options: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        AttributeOptions(("tokens",), **options).check()
    assert caught.value.where == where
    AttributeOptions(("tokens",), sample=0).check()
    AttributeOptions(("tokens",), top=0).check()


def test_the_manifest_says_what_was_looked_at(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"method": "ig", "steps": "8"}, "no record", {"method": "magic"})
    (tokens, ig) = asked_with(run, AttributeOptions(("tokens",), ("a", "b"), ("dpo",), top=3, sample=2), {})
    assert tokens == {
        "method": "tokens",
        "clusters": 2,
        "picked": 3,
        "identities": ["a", "b"],
        "checkpoints": ["dpo"],
    }
    assert ig == {"method": "ig", "steps": "8"}
    (tokens, _) = asked_with(run, AttributeOptions(("tokens",)), {})
    assert tokens == {"method": "tokens", "clusters": 12, "picked": 50}


def test_seconds_are_those_of_the_last_time_a_model_was_asked(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"method": "path", "nodes": 4, "passes": 32, "seconds": 7.5})
    (kept,) = asked_with(run, AttributeOptions(("path",)), {})
    assert (kept["nodes"], kept["passes"], kept["seconds"]) == (8, 32, 7.5)
    (anew,) = asked_with(run, AttributeOptions(("path",)), {"path": {"passes": 64, "seconds": 20.0}})
    assert (anew["passes"], anew["seconds"]) == (64, 20.0)
    assert recorded(run)["path"]["passes"] == 32


def test_words_are_asked_about_with_the_seed() -> None:
    words = AttributeOptions(("shapley",), permutations=3, neutral="folk").words("shapley", 7)
    assert (words.method, words.neutral, words.permutations, words.seed) == ("shapley", "folk", 3, 7)
