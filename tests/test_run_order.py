"""Twin of auditor.adapters.history.run_order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_factory import HOSTILE

from auditor.adapters.history.run_order import Place, in_order, training_step


def place(day: int, training: str = "", step: int | None = None, name: str = "run") -> Place:
    return Place(datetime(2026, 3, day, tzinfo=UTC), training, step, name)


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("checkpoint-500", "out/dpo/checkpoint-500", ("out/dpo/checkpoint-*", 500)),
        ("late", "late=out/dpo/checkpoint-1500", ("out/dpo/checkpoint-*", 1500)),
        ("step=500", "step=500=out/model", ("out/model step=*", 500)),
        ("m", "org/model@step143000", ("org/model@step*", 143000)),
        ("m", "runs/global_step20/hf", ("runs/global_step*/hf", 20)),
        ("m", "runs/checkpoint-1/epoch/checkpoint-30", ("runs/checkpoint-1/epoch/checkpoint-*", 30)),
        ("m", "out/ckpt_7", ("out/ckpt_*", 7)),
        ("dpo", "dpo=models/dpo", ("", None)),
        ("m", "org/quickstep3-model", ("", None)),
        ("m", "org/model-500", ("", None)),
    ],
)
def test_a_step_is_read_off_the_source_then_the_name(name: str, source: str, expected: tuple[str, int | None]) -> None:
    assert training_step(name, source) == expected


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_read_as_text(text: str) -> None:
    assert training_step(text, f"{text}=checkpoint-3 {text}") == (f"checkpoint-* {text}", 3)


def test_runs_stand_by_time() -> None:
    assert in_order([place(3), place(1), place(2)]) == (1, 2, 0)


def test_checkpoints_of_a_training_stand_together_by_step() -> None:
    places = [
        place(1, name="nightly"),
        place(5, "a/*", 1000),
        place(2, "a/*", 500),
        place(3, name="nightly"),
        place(4, "b/*", 10),
        place(6, "a/*", 500, "again"),
    ]
    # Training a was audited last on day 6: step 500, the same again, step 1000; training b on day 4.
    assert in_order(places) == (0, 3, 4, 2, 5, 1)


def test_a_new_checkpoint_is_the_latest_whatever_was_audited_since_its_training_began() -> None:
    places = [place(1, "a/*", 500), place(2, name="of something else"), place(3, "a/*", 1000)]
    assert in_order(places) == (1, 0, 2)


@given(st.permutations(range(6)))
def test_the_order_does_not_depend_on_the_folders(order: list[int]) -> None:
    places = [place(at % 3 + 1, "t" if at % 2 else "", at if at % 2 else None, f"run {at}") for at in range(6)]
    shuffled = [places[at] for at in order]
    assert [shuffled[at] for at in in_order(shuffled)] == [places[at] for at in in_order(places)]
