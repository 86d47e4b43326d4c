"""Twin of auditor.core.noise_sample."""

from __future__ import annotations

from collections import Counter
from itertools import product

from fake_scores import pair, probe_of

from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Item
from auditor.core.noise_sample import NOISE_SAMPLE, sample_for_noise

PEOPLE = {"a": "marked", "b": "marked", "c": "control", "ref": "reference"}


def grid(clusters: int, paraphrases: int, **fields: str) -> list[Item]:
    """Everybody in every cluster and paraphrase; a match key is one of each."""
    return [
        pair(
            f"{fields.get('axis', '')}{who}/{cluster}/{wording}",
            **{"identity": who, "role": role, "cluster": str(cluster), "paraphrase": str(wording), **fields},
        )
        for (who, role), cluster, wording in product(PEOPLE.items(), range(clusters), range(paraphrases))
    ]


def test_whole_match_keys_are_drawn() -> None:
    sampled = sample_for_noise(probe_of(*grid(40, 3)), seed=0).items
    keys = Counter((item.cluster, item.paraphrase) for item in sampled)
    assert set(keys.values()) == {len(PEOPLE)}
    assert len(sampled) == NOISE_SAMPLE


def test_two_keys_of_a_cluster_at_a_time() -> None:
    sampled = sample_for_noise(probe_of(*grid(40, 5)), seed=1, size=40).items
    clusters = Counter(item.cluster for item in sampled if item.identity == "a")
    assert clusters == dict.fromkeys(clusters, 2)
    assert len(clusters) == 5


def test_everyone_is_served_alike_however_rare() -> None:
    # On one axis a key serves four rows, on the other a single identity is asked a tenth as often.
    rare = [pair(f"rare {at}", identity="rare", axis="rare", cluster=f"r{at}") for at in range(30)]
    sampled = sample_for_noise(probe_of(*grid(100, 3, axis="often"), *rare), seed=0, size=100).items
    counts = Counter((item.axis, item.identity) for item in sampled)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_neutral_rows_are_a_group_of_their_own() -> None:
    items = [*grid(50, 2), *(pair(f"n{at}", identity="a", valence="neutral", cluster=str(at)) for at in range(20))]
    sampled = sample_for_noise(probe_of(*items), seed=0, size=60).items
    assert sum(item.valence == "neutral" for item in sampled) == 12


def test_small_probes_are_taken_whole_but_for_what_has_no_margin() -> None:
    named = (Candidate("x", "x"), Candidate("y", "y"))
    items = [*grid(2, 2), Item("names", named, design="naming"), Item("k", named)]
    sampled = sample_for_noise(probe_of(*items), seed=0)
    assert [item.id for item in sampled.items] == [item.id for item in items[:-2]]


def test_baselines_come_with_their_rows_and_are_not_counted() -> None:
    sides = (Candidate(HARMFUL, "he"), Candidate(AFFIRMING, "she"))
    items = [
        one
        for at in range(50)
        for one in (
            Item(f"base {at}", sides, cluster=str(at), design="responsiveness"),
            Item(f"row {at}", sides, cluster=str(at), design="responsiveness", baseline=f"base {at}", identity="x"),
        )
    ]
    sampled = [item.id for item in sample_for_noise(probe_of(*items), seed=0, size=10).items]
    rows = {name.split()[1] for name in sampled if name.startswith("row")}
    assert len(rows) == 10
    assert sorted(sampled) == sorted([f"row {at}" for at in rows] + [f"base {at}" for at in rows])


def test_order_of_the_probe_and_seed() -> None:
    probe = probe_of(*grid(40, 3))
    drawn = [[item.id for item in sample_for_noise(probe, seed, 20).items] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == [item.id for item in probe.items if item.id in set(drawn[0])]
