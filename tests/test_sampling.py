"""--limit keeps whole clusters; --tokens whole items."""

from collections import Counter

import pytest
from fake_scores import pair, probe_of

from auditor.core.items import VALENCES, Probe
from auditor.core.sampling import TokenSample, limit_clusters, sample_tokens

ITEMS = [
    pair(f"{valence}{cluster}{role}", cluster=f"{valence} {cluster}", role=role, valence=valence)
    for valence, n in (("harm", 8), ("neutral", 4))
    for cluster in range(n)
    for role in ("marked", "reference", "control")
]
PROBE = probe_of(*ITEMS)


def test_clusters_stay_whole() -> None:
    kept = limit_clusters(PROBE, 20, 0).items
    sizes = Counter((item.valence, item.cluster) for item in kept)
    assert set(sizes.values()) == {3}
    assert len(kept) == 21, "until the limit is reached, by whole clusters"


@pytest.mark.parametrize("seed", range(5))
def test_harmful_clusters_come_first_and_neutral_ones_in_turn(seed: int) -> None:
    for limit, harmful, neutral in ((1, 3, 0), (3, 3, 0), (4, 3, 3), (7, 6, 3), (18, 9, 9), (24, 12, 12), (30, 18, 12)):
        counts = Counter(item.valence for item in limit_clusters(PROBE, limit, seed).items)
        assert (counts["harm"], counts["neutral"]) == (harmful, neutral)


def test_a_cluster_larger_than_the_limit_is_a_harmful_one() -> None:
    # Neutral clusters may outnumber the others and stand first in the file.
    items = [
        pair(f"{cluster}/{at}", cluster=f"{cluster}", valence="harm" if cluster == 9 else "neutral")
        for cluster in range(10)
        for at in range(77)
    ]
    kept = limit_clusters(probe_of(*items), 40, 0).items
    assert [(item.cluster, item.valence) for item in kept] == [("9", "harm")] * 77


def test_a_row_keeps_its_references_and_controls_without_clusters_and_across_axes() -> None:
    # Three roles a match key, each row a cluster of its own, the controls on another axis.
    items = [
        pair(f"{key}{role}", match=str(key), role=role, axis="hobby" if role == "control" else "gender")
        for key in range(10)
        for role in ("marked", "reference", "control")
    ]
    kept = Counter(item.match for item in limit_clusters(probe_of(*items), 12, 3).items)
    assert list(kept.values()) == [3, 3, 3, 3]


def test_neutral_rows_of_a_harmful_cluster_come_with_it() -> None:
    items = [pair(f"{valence}{at}", cluster=str(at), valence=valence) for at in range(8) for valence in VALENCES]
    kept = Counter(item.cluster for item in limit_clusters(probe_of(*items), 6, 1).items)
    assert list(kept.values()) == [2, 2, 2]


def test_one_cluster_is_the_least() -> None:
    assert len(limit_clusters(PROBE, 1, 0).items) == 3


def test_order_of_the_file_and_seed() -> None:
    kept = [item.id for item in limit_clusters(PROBE, 12, 5).items]
    assert kept == [item.id for item in ITEMS if item.id in kept]
    assert kept == [item.id for item in limit_clusters(PROBE, 12, 5).items]
    assert any([item.id for item in limit_clusters(PROBE, 12, seed).items] != kept for seed in range(5))


def test_a_wide_limit_keeps_everything() -> None:
    assert limit_clusters(PROBE, 10_000, 0).items == PROBE.items


def _people(*sizes: int) -> tuple[Probe, Probe]:
    """Two probes with so many items about each identity."""
    items = [pair(f"{who} {at}", identity=str(who)) for who, size in enumerate(sizes) for at in range(size)]
    return probe_of(*items, name="one"), probe_of(*items, name="other")


def test_all_tokens_of_few_items(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = _people(3, 2)
    assert sample_tokens(probes, "auto", 0) == TokenSample("all", None, 10)
    monkeypatch.setattr("auditor.core.sampling.MANY_ITEMS", 10)
    assert sample_tokens(probes, "auto", 0).name == "sample"
    assert sample_tokens(probes, "all", 0).chosen is None
    assert sample_tokens(probes, "none", 0) == TokenSample("none", {}, 0)


def test_a_sample_takes_from_every_identity_in_proportion() -> None:
    sample = sample_tokens(_people(400, 80, 20), "sample", 7, size=100)
    assert sample.chosen is not None
    assert sample.items == sum(map(len, sample.chosen.values())) == 100
    counts = Counter((probe, item.split()[0]) for probe, own in sample.chosen.items() for item in own)
    # A tenth of each, give or take what is left to chance.
    for who, size in (("0", 40), ("1", 8), ("2", 2)):
        for probe in ("one", "other"):
            assert abs(counts[probe, who] - size) <= 1


def test_a_sample_depends_on_its_seed_alone() -> None:
    probes = _people(50, 50)
    assert sample_tokens(probes, "sample", 1, size=20) == sample_tokens(probes, "sample", 1, size=20)
    assert sample_tokens(probes, "sample", 1, size=20) != sample_tokens(probes, "sample", 2, size=20)
    assert sample_tokens(probes, "sample", 1, size=1000).items == 200


def test_small_groups_get_their_share() -> None:
    # Half of the items are the only one of their identity.
    sample = sample_tokens(_people(200, *[1] * 200), "sample", 0, size=80)
    assert sample.chosen is not None
    alone = sum(not item.startswith("0 ") for own in sample.chosen.values() for item in own)
    assert 25 <= alone <= 55


@pytest.mark.parametrize("seed", range(5))
def test_a_predicate_comes_with_its_own_twin(seed: int) -> None:
    # Every other predicate has a twin right behind it; two neutral clusters stand at the end.
    names = [(f"p{at}", valence) for at in range(8) for valence in VALENCES[: 1 + at % 2]]
    names += [("loose", "neutral"), ("last", "neutral")]
    items = [
        pair(f"{name}{valence}{role}", cluster=f"{name} {valence}", valence=valence, role=role)
        for name, valence in names
        for role in ("marked", "reference")
    ]
    kept = limit_clusters(probe_of(*items), 12, seed).items
    clusters = list(dict.fromkeys(item.cluster.split()[0] for item in kept if item.valence == "harm"))
    twins = {item.cluster.split()[0] for item in kept if item.valence == "neutral"}
    assert {name for name in clusters if int(name[1:]) % 2} <= twins
    assert twins - set(clusters) <= {"loose", "last"}
