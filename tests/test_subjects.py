"""Twin of auditor.core.subjects: which rows a number is about, and its keys."""

from __future__ import annotations

import numpy as np
from fake_scores import FakeScorer, margins, pair, probe_of, series_of

from auditor.core.effects import Shares
from auditor.core.statistics import Estimate, Interval
from auditor.core.subjects import Subject, effect_about, named_clusters, subjects_of
from auditor.core.tables import line_up

ITEMS = [
    pair("0", identity="x", axis="age"),
    pair("1", identity="y", axis="age"),
    pair("2", identity="z", axis="race"),
    pair("3", identity="", axis="class"),
    pair("4", identity="x", axis="race"),
]


def found(*rows: int) -> list[tuple[str | None, str, list[int]]]:
    return [(one.identity, one.axis, one.rows.tolist()) for one in subjects_of(ITEMS, np.array(rows, dtype=np.intp))]


def test_axes_stand_between_all_rows_and_identities() -> None:
    assert found(0, 1, 2, 3) == [
        (None, "", [0, 1, 2, 3]),
        (None, "age", [0, 1]),
        # The only identity of an axis says all there is to say of it, unless it has no name.
        (None, "class", [3]),
        ("x", "age", [0]),
        ("y", "age", [1]),
        ("z", "race", [2]),
    ]


def test_one_axis_is_all_rows() -> None:
    assert found(0, 1) == [(None, "", [0, 1]), ("x", "age", [0]), ("y", "age", [1])]


def test_a_name_on_two_axes_is_two_identities() -> None:
    assert found(0, 4)[1:] == [("x", "age", [0]), ("x", "race", [4])]


def test_no_rows_are_about_nobody() -> None:
    assert found() == []


def test_a_predicate_is_one_cluster_on_whatever_axis() -> None:
    items = [pair("0", axis="age", cluster="lie"), pair("1", axis="race", cluster="lie"), pair("2", cluster="steal")]
    assert named_clusters(items).tolist() == [0, 0, 1]


def test_the_keys_of_an_effect() -> None:
    probe, series = probe_of(pair("0"), pair("1", design="identity_swap")), series_of("base")
    scorer = FakeScorer(margins({"base": {"0": 1.0, "1": 2.0}}))
    table = line_up(probe, "plain", [scorer.score(series["base"], [probe])])
    estimate, interval = Estimate(1.5, 0.5, 2), Interval(1.0, 2.0)
    shares = Shares.of(np.array([1.0, 0.0]), np.array([]))
    subject = Subject("x", "age", np.array([1]))
    one = effect_about(table, subject, "base", "m", estimate, unit="%", interval=interval, shares=shares, items=7)
    assert (one.probe, one.render, one.identity, one.axis, one.theme) == ("probe", "plain", "x", "age", None)
    assert (one.measure, one.checkpoint, one.unit, one.items) == ("m", "base", "%", 7)
    assert (one.estimate, one.interval, one.shares) == (estimate, interval, shares)
    # Read off the rows it is about; nothing is compared with anything, and nothing judged.
    assert (one.design, one.contrast, one.measure_from, one.verdict) == ("identity_swap", "raw", None, None)
