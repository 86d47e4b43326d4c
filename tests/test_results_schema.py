"""The records of ``results.json`` read what other versions wrote."""

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
    }


def test_an_open_end_of_an_interval_is_null() -> None:
    fields = dict.fromkeys(EffectRow.model_fields, None)
    fields |= {"probe": "p", "axis": "", "render": "plain", "role": "marked", "valence": "harm", "design": "text_swap"}
    fields |= {"measure": "level", "contrast": "raw", "checkpoint": "dpo", "unit": "nats", "complete": True}
    fields |= {"ties": 0, "ties_clusters": 0, "items": 1, "clusters": 1, "interval_method": "t"}
    row = EffectRow.model_validate({**fields, "low": float("-inf"), "high": float("nan")})
    assert (row.low, row.high) == (None, None)
