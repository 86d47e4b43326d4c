"""Twin of auditor.adapters.run.scoring_speed."""

from __future__ import annotations

from typing import Any

import pytest

from auditor.adapters.run.scoring_speed import scoring_speed

TIMED = {"load_s": 9.0, "tokenize_s": 9.0, "forward_s": 6.0, "store_s": 9.0}
WORK = {"texts": 300, "recalled": 0, "tokens": 3000, "nodes": 1000}


def told(timed: Any = TIMED, work: Any = WORK) -> dict[str, Any]:
    return {"timings": {"a": timed}, "work": {"a": work}}


def test_seconds_of_a_text_with_and_without_its_neighbours() -> None:
    speed = scoring_speed(told())
    assert speed is not None
    # A third of the tokens went through the model, since the others were shared.
    assert (speed.shared, speed.alone) == pytest.approx((0.02, 0.06))
    plain = scoring_speed(told(work={**WORK, "nodes": 0}))
    assert plain is not None
    assert plain.shared == plain.alone == pytest.approx(0.02)


def test_what_was_kept_took_no_time() -> None:
    speed = scoring_speed(told(work={**WORK, "recalled": 200}))
    assert speed is not None
    assert speed.shared == pytest.approx(0.06)
    assert scoring_speed(told(work={**WORK, "recalled": 300})) is None
    both = {"timings": {"a": TIMED, "b": {**TIMED, "forward_s": 0.0}}, "work": {"a": WORK, "b": WORK}}
    assert scoring_speed(both) == scoring_speed(told())


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"timings": [], "work": {}},
        {"timings": {}, "work": {"a": WORK}},
        told(timed={"forward_s": "fast"}),
        told(timed={"forward_s": float("inf")}),
        told(work={**WORK, "tokens": 0, "nodes": 0}),
        told(work=7),
    ],
)
def test_nothing_is_known_of_a_run_that_recorded_nothing(manifest: dict[str, Any]) -> None:
    assert scoring_speed(manifest) is None
