"""Bare scores as the kernel takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import write
from fake_scores import pair, probe_of

from auditor.adapters.external.bare_scores import BareScores, read_bare_scores
from auditor.adapters.external.score_mapping import score_mapping
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Probe
from auditor.core.score_columns import Column, ScoreColumns
from auditor.errors import NotComparableError, UsageError

HEADER = "item,checkpoint,candidate,value"


def read(
    *paths: Path,
    quantity: str = "logprob",
    probe: Probe | None = None,
    chosen: tuple[str, ...] = (),
    complete: bool = False,
    **given: Any,
) -> BareScores:
    nothing: dict[str, Any] = {"fields": [], "columns": [], "sides": [], "file": None}
    mapping = score_mapping(**{**nothing, "quantity": quantity, **given})
    return read_bare_scores([(None, path) for path in paths], mapping, probe=probe, chosen=chosen, complete=complete)


def long(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    return write(tmp_path / "scores.csv", "\n".join([header, *rows]) + "\n")


def column(found: BareScores, checkpoint: str) -> Column:
    scored = found.scores[checkpoint].scored
    assert isinstance(scored, ScoreColumns)
    return scored.columns[found.probe.name, "plain"]


def test_scores_stand_in_the_order_of_their_sides(tmp_path: Path) -> None:
    path = long(tmp_path, "q,base,affirming,-2", "q,base,harmful,-3", "q,sft,harmful,-4", "q,sft,affirming,-1")
    found = read(path)
    assert list(found.scores) == ["base", "sft"]
    assert found.paired
    item = found.probe.items[0]
    assert (item.id, item.cluster, [one.label for one in item.candidates]) == ("q", "row q", [HARMFUL, AFFIRMING])
    assert found.probe.name == "scores"
    assert "1 items name no cluster" in found.probe.card.notes[0]
    for name, values in (("base", [-3.0, -2.0]), ("sft", [-4.0, -1.0])):
        scored = found.scores[name].scored["scores", "plain", "q"]
        assert [one.total for one in scored.candidates] == values
        assert scored.kind == "sum"
        assert not scored.complete
    assert len(found.scores["base"].fingerprint) == 64


def test_rewards_chosen_checkpoints_and_whole_turns(tmp_path: Path) -> None:
    rows = [f"q,{name},{side},{at}" for at, name in enumerate("abc") for side in (HARMFUL, AFFIRMING)]
    found = read(long(tmp_path, *rows), quantity="reward", chosen=("c", "a"), complete=True)
    assert list(found.scores) == ["c", "a"]
    scored = found.scores["c"].scored["scores", "plain", "q"]
    assert (scored.kind, scored.complete) == ("reward", True)


def test_what_is_missing_is_counted(tmp_path: Path) -> None:
    path = long(
        tmp_path, "q,a,harmful,-1", "q,a,affirming,-2", "r,a,harmful,-1", "r,a,affirming,", "s,a,harmful,-inf",
        "s,a,affirming,-1",
    )  # fmt: skip
    found = read(path)
    assert [(one.item, one.reason, one.checkpoint) for one in found.scores["a"].refusals] == [
        ("r", "not_scored", "a"),
        ("s", "not_finite", "a"),
    ]
    assert list(found.scores["a"].scored) == [("scores", "plain", "q")]


def test_equal_texts_get_equal_ids(tmp_path: Path) -> None:
    header = HEADER + ",text,identity,match,cluster,role"
    rows = [
        "m,a,harmful,-1,are bad,x,k,c,marked",
        "m,a,affirming,-2,are good,x,k,c,marked",
        "r,a,harmful,-1,are bad,y,k,c,reference",
        "r,a,affirming,-2,are nice,y,k,c,reference",
    ]
    found = read(long(tmp_path, *rows, header=header))
    ids = column(found, "a").spans.cuts.ids.tolist()
    assert ids[0] == ids[2]
    assert len({ids[0], ids[1], ids[3]}) == 3
    assert found.probe.items[0].candidates == (Candidate(HARMFUL, "are bad"), Candidate(AFFIRMING, "are good"))
    assert (found.probe.items[1].role, found.probe.items[1].identity) == ("reference", "y")
    assert found.probe.card.notes == ()


def test_two_samples(tmp_path: Path) -> None:
    found = read(
        long(tmp_path, "A,1.5", "A,2", "B,0", header="group,score"),
        quantity="reward",
        fields=["candidate=group,value=score"],
        sides=["harmful=A,affirming=B"],
    )
    assert not found.paired
    assert [len(item.candidates) for item in found.probe.items] == [1, 1, 1]
    assert len(found.scores["scores"].scored) == 3


def test_items_of_a_probe(tmp_path: Path) -> None:
    probe = probe_of(pair("q", identity="us"), pair("unscored"))
    found = read(long(tmp_path, "q,a,harmful,-1", "q,a,affirming,-2"), probe=probe)
    assert found.probe is probe
    assert [one.item for one in found.scores["a"].refusals] == ["unscored"]
    assert found.scores["a"].scored["probe", "plain", "q"].candidates[0].n_bytes == 3


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        (["q,a,harmful,-1", "q,a,harmful,-1"], HEADER, "a second score"),
        (["q,a,rejected,-1", "q,a,chosen,-1"], HEADER, "found: chosen, rejected"),
        ([], HEADER, "no scores"),
        (["q,a,harmful,-1,x", "q,a,affirming,-1,y"], HEADER + ",identity", "identity of item 'q' is another one"),
        (["q,a,harmful,-1,x"], HEADER + ",role", "role is 'x'"),
        (["q,a,harmful,-1,k,c", "r,a,harmful,-1,k,d"], HEADER + ",match,cluster", "match 'k' lies in cluster"),
        (["q,\x07,harmful,-1"], HEADER, "cannot be printed"),
    ],
)
def test_files_without_sense(tmp_path: Path, rows: list[str], header: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read(long(tmp_path, *rows, header=header))
    assert caught.value.fix
    assert caught.value.where


@pytest.mark.parametrize(("row", "words"), [("x,a,harmful,-1", "no item 'x'"), ("q,a,other,-1", "no side 'other'")])
def test_scores_that_the_probe_did_not_ask_for(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read(long(tmp_path, row), probe=probe_of(pair("q")))
    assert "line 2" in caught.value.where


def test_unknown_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no scores of 'b'"):
        read(long(tmp_path, "q,a,harmful,-1"), chosen=("b",))


def test_sides_of_other_names_stand_as_they_come_up(tmp_path: Path) -> None:
    names = [*"zyxwvutsrq", "affirming", *"ponm", "harmful"]
    found = read(long(tmp_path, *(f"q,a,{name},-1" for name in names)))
    expected = ["harmful", "affirming", *(name for name in names if len(name) == 1)]
    assert [one.label for one in found.probe.items[0].candidates] == expected


def test_a_row_cannot_name_the_baseline_it_would_need(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="design is 'responsiveness'") as caught:
        read(long(tmp_path, "q,a,harmful,-1,responsiveness", "q,a,affirming,-1,", header=HEADER + ",design"))
    assert "text_swap, identity_swap." in caught.value.fix


def test_texts_that_are_not_the_probes(tmp_path: Path) -> None:
    probe = probe_of(pair("q", candidates=(Candidate(HARMFUL, " are bad"), Candidate(AFFIRMING, " are good"))))
    header = HEADER + ",text"
    same = long(tmp_path, "q,a,harmful,-1,are bad", "q,a,affirming,-2,", header=header)
    assert read(same, probe=probe).paired
    with pytest.raises(UsageError, match="the harmful text of item 'q' is another one than the probe's") as caught:
        read(long(tmp_path, "q,a,affirming,-2,are good", "q,a,harmful,-1,are kind", header=header), probe=probe)
    assert "line 3" in caught.value.where


def test_a_side_nobody_scored_is_told_of_a_probe_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no score is of the side affirming"):
        read(long(tmp_path, "q,a,harmful,-1"), probe=probe_of(pair("q")))
    with pytest.raises(NotComparableError, match="'b' has no score of the affirming side"):
        read(long(tmp_path, "q,a,harmful,-1", "q,a,affirming,-1", "q,b,harmful,-1"), probe=probe_of(pair("q")))


def test_rows_that_are_paired_by_place_are_told(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.csv", "h,a\n-1,-2\n-3,-4\n") for name in ("sft", "dpo")]
    found = read(*paths, columns=["harmful=h", "affirming=a"])
    assert "same place of each file" in found.probe.card.notes[0]
    alone = read(paths[0], columns=["harmful=h", "affirming=a"])
    assert not any("place" in note for note in alone.probe.card.notes)
