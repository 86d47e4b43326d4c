"""The records of ``results.json`` read what other versions wrote."""

import json
from pathlib import Path

from run_factory import MIXED, make_run

from auditor.adapters.run.results_schema import CheckpointRow, EffectRow, Results


def test_keys_of_later_versions_are_passed_over() -> None:
    row = {"name": "a", "source": "a", "reference": None, "objective": "none", "objective_source": "", "beta": None}
    assert CheckpointRow.model_validate({**row, "later": 1}).name == "a"


def test_keys_added_since_the_first_version_may_be_missing() -> None:
    added = {"interval_method", "share_clusters_positive", "ties_clusters", "beyond_forms", "scales", "robustness"}
    added |= {"origin", "in_step", "levelled_down", "control_checks", "pooled", "plausible", "noise", "below_noise"}
    assert {name for name, field in EffectRow.model_fields.items() if not field.is_required()} == added
    optional = {name for name, field in Results.model_fields.items() if not field.is_required()}
    assert optional == {
        "contributions",
        "transitions",
        "specifications",
        "persistences",
        "reliabilities",
        "scorings",
        "noise_floors",
        "attributions",
        "agreements",
        "reward_harms",
        "sensitivities",
    }


def test_an_open_end_of_an_interval_is_null() -> None:
    fields = dict.fromkeys(EffectRow.model_fields, None)
    fields |= {"probe": "p", "axis": "", "render": "plain", "role": "marked", "valence": "harm", "design": "text_swap"}
    fields |= {"measure": "level", "contrast": "raw", "checkpoint": "dpo", "unit": "nats", "complete": True}
    fields |= {"ties": 0, "ties_clusters": 0, "items": 1, "clusters": 1, "interval_method": "t"}
    row = EffectRow.model_validate({**fields, "low": float("-inf"), "high": float("nan")})
    assert (row.low, row.high) == (None, None)


def test_files_of_earlier_versions_say_by_their_units_which_checkpoints_are_reward_models(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", **MIXED) / "results.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    now = Results.model_validate(content)
    for one in content["series"]:
        del one["quantity"]
    assert [one.quantity for one in Results.model_validate(content).series] == [one.quantity for one in now.series]
    assert [one.quantity for one in now.series] == ["logprob", "logprob", "logprob", "reward"]
