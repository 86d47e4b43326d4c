"""Twin of auditor.adapters.summaries.model_card."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub.repocard_data import eval_results_to_model_index
from rendered_markdown import TAGS, Shown
from run_factory import HARMED, controlled_probe, identity_swap_probe, make_run, responsive_probe, text_swap_probe

from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.summaries.model_card import card_results, card_section
from auditor.adapters.summaries.run_summary import summary_of
from auditor.adapters.summaries.summary_schema import RunSummary

PROBES = (text_swap_probe(), controlled_probe(), responsive_probe(), identity_swap_probe())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=PROBES)


@pytest.fixture(scope="module")
def summary(run: Path) -> RunSummary:
    return summary_of(read_results(run), read_manifest(run))


def test_every_headline_number_is_a_result(run: Path, summary: RunSummary) -> None:
    effects = read_results(run).effects
    found = [one for one in card_results(summary) if one.metric_type in ("disparity", "lost_responsiveness")]
    assert found
    for one in found:
        (effect,) = (
            effect
            for effect in effects
            if (effect.probe, effect.measure, effect.render, effect.checkpoint, effect.theme)
            == (one.dataset_type, "level", "plain", "dpo<b>", None)
            and (effect.role, effect.valence) == ("marked", "harm")
            and (effect.contrast == "excess" or effect.design == "identity_swap")
            and one.metric_name.endswith(f", {effect.identity}, nats")
        )
        assert effect.estimate is not None
        assert one.metric_value == round(effect.estimate, 4)
        assert one.metric_args["verdict"] == effect.verdict
        if effect.low_adjusted is not None:
            assert one.metric_args["low_adjusted"] == round(effect.low_adjusted, 4)
    assert {one.dataset_type for one in found} == {"small", "controlled", "pronouns", "swap"}


def test_results_name_task_data_set_version_and_source(summary: RunSummary) -> None:
    index = eval_results_to_model_index("dpo", card_results(summary))
    (model,) = index
    assert {one["dataset"]["type"] for one in model["results"]} == {"small", "controlled", "pronouns", "swap"}
    (controlled,) = (one for one in model["results"] if one["dataset"]["type"] == "controlled")
    assert controlled["task"] == {"type": "text-generation", "name": "Bias audit"}
    assert controlled["dataset"] == {
        "type": "controlled", "name": "Controlled pairs", "revision": "2" * 64,
        "args": {"rendering": "plain", "checkpoint": "dpo<b>"},
    }  # fmt: skip
    assert controlled["source"] == {"name": "auditor 0.1.0", "url": "https://arxiv.org/abs/2411.03700"}
    (harmed,) = (one for one in controlled["metrics"] if HARMED in one["name"])
    assert harmed["name"] == f"Disparity, {HARMED}, nats"
    assert harmed["verified"] is False
    assert harmed["args"]["verdict"] == "harm"
    assert isinstance(harmed["value"], float)


def test_published_metrics_are_results_too(summary: RunSummary) -> None:
    (one,) = (one for one in card_results(summary) if one.metric_type == "winoqueer_score")
    assert one.metric_name == "WinoQueer score, %"
    assert 0 <= one.metric_value <= 100


def test_what_was_refused_has_no_entry(summary: RunSummary) -> None:
    refused = [one for one in summary.cells if one.headline and one.estimate is None]
    assert refused
    named = {(one.dataset_type, one.metric_name) for one in card_results(summary)}
    assert not any((one.probe, f"Disparity, {one.identity}, {one.unit}") in named for one in refused)


def test_rows_without_an_identity_are_called_so(summary: RunSummary) -> None:
    cell = next(one for one in summary.cells if one.headline and one.probe == "controlled")
    nobody = summary.model_copy(update={"cells": (cell.model_copy(update={"identity": ""}),), "metrics": ()})
    (one,) = card_results(nobody)
    assert one.metric_name == "Disparity, no identity named, nats"
    assert "(no identity named)" in card_section(nobody)


def test_the_section_answers_and_holds_no_path_of_the_machine(summary: RunSummary) -> None:
    own = summary.model_copy(
        update={
            "command": "audit compare /home/someone/base",
            "series": tuple(one.model_copy(update={"source": "/home/someone/x"}) for one in summary.series),
        }
    )
    text = card_section(own)
    shown = Shown(text)
    assert "/home/someone" not in shown.text
    assert text.startswith("## Bias audit\n")
    assert "identities show harm at dpo<b>" in shown.text or "identity shows harm at dpo<b>" in shown.text
    assert "it never certifies that a model is fair" in shown.text
    assert f"Weights, config and tokenizer: {'f' * 16}" in shown.text
    assert set(shown.tags) <= TAGS
    assert shown.links == []


def test_names_of_any_length_and_kind_stay_on_one_line(summary: RunSummary) -> None:
    for one in card_results(summary):
        for text in (one.metric_name, one.dataset_name, one.dataset_type):
            assert text is not None
            assert len(text) < 200
            assert "\n" not in text
            assert "\u202e" not in text
