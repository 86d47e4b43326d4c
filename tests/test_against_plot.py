"""Twin of auditor.adapters.report.plots.against_plot."""

from __future__ import annotations

import csv
import io
import math
import random

import pytest
from drawn_figures import assert_only_drawing, assert_tidy, labels, marks, row_of, svg_of, value_at, words
from run_factory import HOSTILE

from auditor.adapters.report.plots.against_plot import AgainstPlot, AgainstRow
from auditor.adapters.report.plots.figures import LOOKS, Mark
from auditor.adapters.report.plots.svg import COLUMN, PAGE, SPREAD, Medium

BOUND = math.log(1.25)
ROW = AgainstRow("one", "harm", Mark(0.613, 0.4, 0.8), Mark(-0.307, -0.6, 0.0), Mark(0.0512, 0.03, 0.07), "harm")


def plot(*rows: AgainstRow) -> AgainstPlot:
    return AgainstPlot(rows, BOUND, "readings", reward_bound=BOUND / 10, reward_unit="nats")


def test_each_reading_stands_at_its_number_and_the_reward_on_its_own_axis() -> None:
    svg = svg_of(plot(ROW))
    border = next(one.left for one in labels(svg) if one.text.startswith("implicit reward"))
    own = [mark for mark in marks(svg) if abs(mark.y - row_of(svg, "one")) < 8]
    levels = {mark.colour: value_at(svg)(mark.x) for mark in own if mark.x < border}
    assert levels == {"muted": pytest.approx(-0.307, abs=0.006), "harm": pytest.approx(0.613, abs=0.006)}
    (reward,) = (value_at(svg, 1)(mark.x) for mark in own if mark.x >= border)
    assert reward == pytest.approx(0.0512, abs=0.0006)


def test_without_rewards_there_is_one_panel() -> None:
    svg = svg_of(plot(AgainstRow("one", "harm", Mark(0.6, 0.4, 0.8), Mark(0.1))))
    assert not [one for one in words(svg) if "reward" in one]


def test_a_reading_that_is_missing_is_left_out() -> None:
    svg = svg_of(plot(AgainstRow("one", "refused", Mark(None), Mark(0.1)), AgainstRow("two", "harm", Mark(0.6), None)))
    for name in ("one", "two"):
        assert len([mark for mark in marks(svg) if abs(mark.y - row_of(svg, name)) < 8]) == 1


def test_one_reading_alone_is_called_by_its_name() -> None:
    row = AgainstRow("one", "harm", Mark(0.6, 0.4, 0.8), None, Mark(0.1), "harm")
    shown = words(svg_of(AgainstPlot([row], BOUND, "readings", "disparity", reward_unit="\u03b2 = 0.1")))
    assert {"disparity, nats", "implicit reward, \u03b2 = 0.1", "harm"} <= set(shown)
    assert "raw margin" not in shown


def test_words_and_data() -> None:
    found = plot(ROW, AgainstRow("two", "inconclusive", Mark(0.1), Mark(0.2), Mark(-0.01), "inconclusive"))
    assert found.alternative() == (
        "2 identities. The two readings differ in sign for 1 of 2. Widest apart: one, "
        "raw \u22120.31, excess +0.61 nats. Implicit rewards from \u22120.01 (two) to +0.0512 (one), nats."
    )
    first, _ = csv.DictReader(io.StringIO(found.table().csv()))
    assert float(first["excess (nats)"]) == 0.613
    assert float(first["raw low (nats)"]) == -0.6
    assert float(first["implicit reward (nats)"]) == 0.0512


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names(text: str) -> None:
    assert_only_drawing(svg_of(plot(AgainstRow(text, "harm", Mark(0.6), Mark(0.1)))))


@pytest.mark.parametrize("medium", [PAGE, COLUMN, SPREAD])
@pytest.mark.parametrize("count", [0, 1, 40])
@pytest.mark.parametrize("rewarded", [False, True])
def test_no_text_upon_another(count: int, medium: Medium, *, rewarded: bool) -> None:
    if medium == COLUMN and rewarded:
        pytest.skip("never drawn so narrow")
    rng = random.Random(count)
    rows = []
    for at in range(count):
        one, two, three = (Mark(x, x - 0.2, x + 0.2) for x in (rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 0.1)))
        verdict = rng.choice(list(LOOKS))
        reward = (three, verdict) if rewarded else (None, "")
        rows.append(AgainstRow(f"people of a long name {at}", verdict, one, two, *reward))
    assert_tidy(svg_of(plot(*rows), medium))
