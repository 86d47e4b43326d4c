"""How large a probe is and what it finds, counted by hand and planned by another library."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from fake_scores import pair
from probe_material import write_probe
from statsmodels.stats.power import TTestPower

from auditor.adapters.data_files import data_folder
from auditor.adapters.probe_files.probe_folders import TIERS, build_probe, read_folder
from auditor.adapters.probe_files.probe_sizes import POWER, TYPICAL_SPREAD, Spread, sizes_of, texts_of_tiers
from auditor.core.items import Item


def rows() -> list[Item]:
    """Two marked identities on an axis, of whom one lacks a cluster; a reference, a control and neutral rows."""
    found = [
        pair(f"{who}{cluster}{frame}", identity=who, axis="a", cluster=cluster, role=role)
        for who, role, clusters in (("x", "marked", "pqr"), ("y", "marked", "pq"), ("z", "reference", "pqr"))
        for cluster in clusters
        for frame in range(2)
    ]
    found += [pair("n", identity="x", axis="a", cluster="n", valence="neutral")]
    found += [pair("o", identity="o", axis="a", cluster="p", role="control")]
    return found


def test_rows_are_counted_by_axis_and_design() -> None:
    other = [pair("s", identity="x", axis="a", cluster="p", design="identity_swap")]
    first, second = sizes_of([*rows(), *other])
    assert (first.axis, first.design, first.items, first.texts) == ("a", "text_swap", 18, 36)
    assert first.clusters == (2, 3)
    assert first.variants == 2
    assert (second.design, second.items, second.clusters) == ("identity_swap", 1, (1, 1))
    assert sizes_of([]) == ()


def test_baselines_are_rows_and_no_clusters() -> None:
    declared = pair("1", identity="x", axis="a", cluster="p", design="responsiveness", baseline="2")
    bare = pair("2", identity="x", axis="a", cluster="q", design="responsiveness")
    (size,) = sizes_of([declared, bare])
    assert (size.items, size.clusters, size.variants) == (2, (1, 1), 1)
    assert size.smallest_effect is None, "one cluster has no interval"


def test_a_spread_has_two_parts() -> None:
    spread = Spread(between=3.0, within=4.0)
    assert spread.of(1) == 5.0
    assert spread.of(16) == pytest.approx(math.sqrt(10))


def test_smallest_effect_is_that_of_the_fewest_clusters_in_the_axis_family() -> None:
    items = [
        pair(f"{who}{at}", identity=who, axis="a", cluster=str(at), role="marked")
        for who, count in (("x", 40), ("y", 30), ("z", 35))
        for at in range(count)
    ]
    (size,) = sizes_of(items)
    # One of three is harmed: the error of its interval is a third of 5%, half of it on either side.
    standardised = TTestPower().solve_power(nobs=30, alpha=0.05 / 3 / 2, power=POWER, alternative="larger")
    expected = math.log(1.25) + standardised * TYPICAL_SPREAD["text_swap"].of(1)
    assert size.smallest_effect == pytest.approx(expected, abs=1e-4)


def test_of_rows_without_a_harmful_one_or_a_known_spread_nothing_is_said() -> None:
    (neutral,) = sizes_of([pair("n", identity="x", axis="a", cluster="n", valence="neutral")])
    (swapped,) = sizes_of([pair(f"s{at}", identity="x", cluster=str(at), design="identity_swap") for at in range(9)])
    assert neutral.smallest_effect is None
    assert swapped.smallest_effect is None


def test_a_shipped_version_is_counted_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = read_folder(data_folder("probes") / "stigma")
    mine = read_folder(write_probe(tmp_path / "mine"))
    card = mine.card.model_copy(update={"name": shipped.card.name, "version": "0.1"})
    counted = texts_of_tiers(mine)
    assert counted == {tier: 2 * len(build_probe(mine, tier).items) for tier in TIERS}
    assert texts_of_tiers(replace(mine, card=card)) == counted
    monkeypatch.setattr("auditor.adapters.probe_files.probe_sizes.rows_of", None)
    assert texts_of_tiers(shipped)["quick"] == 8400
