"""Measures are weights over checkpoints."""

from fake_scores import series_of

from auditor.core.measures import measures_of


def test_measures_of_a_series_in_order() -> None:
    found = [(one.name, one.measure_from, one.checkpoint) for one in measures_of(series_of("base", "sft", "dpo"))]
    assert found == [
        ("level", None, "base"),
        ("level", None, "sft"),
        ("level", None, "dpo"),
        ("shift", "base", "sft"),
        ("shift", "sft", "dpo"),
        ("implicit_reward", "sft", "dpo"),
    ]


def test_implicit_reward_is_beta_times_its_shift() -> None:
    shift, reward = measures_of(series_of("sft", "dpo", betas={"": 0.1}))[-2:]
    assert {name: 0.1 * weight for name, weight in shift.weights.items()} == reward.weights
    assert (reward.unit, reward.beta) == ("reward", 0.1)


def test_without_beta_a_reward_is_in_nats() -> None:
    reward = measures_of(series_of("sft", "dpo"))[-1]
    assert (reward.unit, reward.beta, reward.weights) == ("nats", None, {"dpo": 1.0, "sft": -1.0})


def test_length_normalised_objective_takes_per_token_margins() -> None:
    reward = measures_of(series_of("sft", "dpo", objectives={"dpo": "dpo-norm"}))[-1]
    assert reward.per_token
    assert reward.unit == "nats/token"
    assert reward.same_tokens


def test_sft_has_a_shift_and_no_reward() -> None:
    assert not [one for one in measures_of(series_of("base", "sft")) if one.name == "implicit_reward"]


def test_every_two_ends_of_training_have_a_difference() -> None:
    series = series_of("sft", "a", "b", "c", references={"a": "sft", "b": "sft", "c": "sft"})
    found = [one for one in measures_of(series) if one.name == "difference"]
    assert [(one.measure_from, one.checkpoint) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    for one in found:
        assert one.weights == {one.checkpoint: 1.0, one.measure_from: -1.0}
        assert (one.unit, one.reference) == ("nats", None)


def test_reward_models_are_not_set_against_each_other_unless_one_was_trained_from_the_other() -> None:
    series = series_of("a", "b", "c", references={"c": "a"}, quantities=dict.fromkeys("abc", "reward"))
    found = [(one.name, one.measure_from, one.checkpoint, one.unit) for one in measures_of(series)]
    assert found == [
        ("level", None, "a", "reward"),
        ("level", None, "b", "reward"),
        ("level", None, "c", "reward"),
        ("shift", "a", "b", "reward"),
        ("shift", "a", "c", "reward"),
    ]


def test_nothing_is_counted_from_a_checkpoint_of_another_quantity() -> None:
    series = series_of("sft", "rm", "dpo", quantities={"rm": "reward"})
    found = [(one.name, one.measure_from, one.checkpoint, one.unit) for one in measures_of(series)]
    assert found == [
        ("level", None, "sft", "nats"),
        ("level", None, "rm", "reward"),
        ("level", None, "dpo", "nats"),
        ("shift", "sft", "dpo", "nats"),
        ("implicit_reward", "sft", "dpo", "nats"),
    ]
