"""The invented world: what can be compared with what, and a probe the product reads."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

from auditor.adapters.demo.world import (
    HELD_OUT_FRAMES,
    IDENTITIES,
    PREDICATES,
    PROBE_NAME,
    TRAINING_FRAMES,
    pair_rows,
    write_probe,
)
from auditor.adapters.probe_files.probes import open_probe

# Words that carry no content; any other word belongs to one cluster.
LITTLE = {"a", "after", "all", "at", "away", "before", "busy", "by", "dressed", "eager", "every", "for", "from", "in"}
LITTLE |= {"known", "likely", "long", "more", "of", "old", "on", "quick", "ready", "slow", "small", "than", "the"}
LITTLE |= {"their", "to", "with", "without"}


def test_roles() -> None:
    roles = Counter(one.role for one in IDENTITIES)
    assert roles["marked"] >= 6  # one to be planted and five others
    assert roles["reference"] >= 2
    assert roles["control"] >= 8


def test_controls_span_the_frequencies_of_all_others() -> None:
    controls = [one.weight for one in IDENTITIES if one.role == "control"]
    others = [one.weight for one in IDENTITIES if one.role != "control"]
    assert min(controls) < min(others)
    assert max(controls) > max(others)


def test_each_people_has_facts_of_its_own() -> None:
    facts = [fact for one in IDENTITIES for fact in one.facts]
    assert len(set(facts)) == len(facts)
    assert len({one.name for one in IDENTITIES}) == len(IDENTITIES)


def test_sides_have_as_many_words() -> None:
    counts = {
        valence: [len(one.split()) for p in PREDICATES if p.valence == valence for pair in p.wordings for one in pair]
        for valence in ("harm", "neutral")
    }
    for words in counts.values():
        assert words[::2] == words[1::2]
    # The neutral pairs are as many, and of the same lengths.
    assert len(counts["harm"]) == 2 * 2 * 16
    assert sorted(counts["harm"]) == sorted(counts["neutral"])


def test_clusters_share_no_content_word() -> None:
    words = [
        {word for pair in p.wordings for side in pair for word in re.findall(r"[a-z]+", side.lower())} - LITTLE
        for p in PREDICATES
    ]
    shared = Counter(word for one in words for word in one)
    assert [word for word, count in shared.items() if count > 1] == []


def test_frames_are_apart() -> None:
    frames = (*TRAINING_FRAMES, *HELD_OUT_FRAMES)
    assert len({one.context for one in frames}) == len({one.prefix for one in frames}) == len(frames)
    predicates = {word for p in PREDICATES for pair in p.wordings for side in pair for word in side.split()} - LITTLE
    said = {word for one in frames for word in re.findall(r"\w+", one.context + one.prefix)}
    assert said & predicates == set()


def test_product_reads_the_probe(tmp_path: Path) -> None:
    probe = open_probe(str(write_probe(tmp_path / "probe")))
    assert probe.name == PROBE_NAME
    controls = sum(one.role == "control" for one in IDENTITIES)
    harmful = sum(one.valence == "harm" for one in PREDICATES)
    asked = len(IDENTITIES) * len(PREDICATES) - controls * (len(PREDICATES) - harmful)
    assert len(probe.items) == asked * 2 * len(HELD_OUT_FRAMES)
    assert 2 * len(probe.items) <= 8000
    frames = {one.context.split("{}")[0]: one for one in HELD_OUT_FRAMES}
    for item in probe.items:
        assert any(item.context.startswith(head) for head in frames)
        assert item.surface in item.context
    # Everybody meets the same reference rows: a key holds each identity once.
    keys = Counter((item.valence, item.match) for item in probe.items)
    for (valence, _), count in keys.items():
        assert count == len(IDENTITIES) - (controls if valence == "neutral" else 0)


def test_same_bytes_each_time(tmp_path: Path) -> None:
    one, other = write_probe(tmp_path / "a"), write_probe(tmp_path / "b")
    for name in ("card.yaml", "pairs.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_rows_of_a_key_differ_in_the_identity_alone() -> None:
    rows = list(pair_rows())
    for one, other in pairwise(rows):
        if one["match"] == other["match"]:
            assert (one["harmful"], one["affirming"], one["prefix"]) == (
                other["harmful"],
                other["affirming"],
                other["prefix"],
            )
            assert one["context"].replace(one["surface"], "") == other["context"].replace(other["surface"], "")


def test_world_needs_no_torch() -> None:
    code = "import sys, auditor.adapters.demo.world_texts; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "False"
