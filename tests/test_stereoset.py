"""StereoSet in the published format, on a file made here; the published file is not at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import audit, write

from auditor.adapters.data_sets.stereoset import is_stereoset, read_stereoset
from auditor.core.items import Probe

LABELS = ("stereotype", "anti-stereotype", "unrelated")


def entry(number: int = 0, **change: Any) -> dict[str, Any]:
    """One entry with the published keys, the sentences in an order of their own."""
    sentences = [
        {
            "id": f"{number}-{at}",
            "sentence": f"Bakers are {label} {number}.",
            "labels": [{"label": label, "human_id": "h"}],
            "gold_label": label,
        }
        for at, label in enumerate(reversed(LABELS))
    ]
    own = {"id": str(number), "target": "bakers", "bias_type": "profession", "context": "Bakers are BLANK."}
    return {**own, "sentences": sentences, **change}


def document(intra: object = (), inter: object = ()) -> str:
    return json.dumps({"version": "1.1", "data": {"intersentence": inter, "intrasentence": intra}})


def read(tmp_path: Path, content: str) -> Probe:
    return read_stereoset(write(tmp_path / "dev.json", content))


def test_within_a_sentence(tmp_path: Path) -> None:
    (item,) = read(tmp_path, document(intra=[entry()])).items
    assert [(one.label, one.text) for one in item.candidates] == [
        ("harmful", "Bakers are stereotype 0."),
        ("affirming", "Bakers are anti-stereotype 0."),
        ("unrelated", "Bakers are unrelated 0."),
    ]
    assert (item.context, item.frame, item.design) == ("", "intrasentence", "text_swap")
    assert (item.id, item.identity, item.axis) == ("0", "profession", "profession")
    assert (item.cluster, item.surface) == ("bakers", "bakers")


def test_a_sentence_that_follows(tmp_path: Path) -> None:
    (item,) = read(tmp_path, document(inter=[entry(context="He is a baker.")])).items
    assert (item.context, item.frame) == ("He is a baker.", "intersentence")
    assert item.candidates[0].text == " Bakers are stereotype 0."


def test_the_card_says_that_the_published_file_was_not_read(tmp_path: Path) -> None:
    card = read(tmp_path, document(intra=[entry()])).card
    assert "not tested on the published file" in card.defects[0]
    assert card.licence == "CC BY-SA 4.0"
    assert len(card.metrics) == 9


def sentences(*gold: str) -> list[dict[str, str]]:
    return [{"sentence": f"A {at}.", "gold_label": label} for at, label in enumerate(gold)]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("text", "is no object"),
        (entry(1, target=""), "target is empty"),
        (entry(1, context=7), "context is not text"),
        (entry(1, sentences=None), "the sentences are not one each of stereotype"),
        (entry(1, sentences=["A"]), "a sentence is no object"),
        (entry(1, sentences=sentences(*LABELS[:2])), "the sentences are not one each of stereotype"),
        (entry(1, sentences=sentences(*LABELS, "related")), "the sentences are not one each of stereotype"),
        (entry(1, sentences=sentences(*LABELS, "unrelated")), "two sentences are called unrelated"),
        (entry(1, sentences=[{"sentence": "A.", "gold_label": one} for one in LABELS]), "two sentences are the same"),
        (entry(1, sentences=[{"sentence": "\ud800", "gold_label": LABELS[0]}]), "sentence holds a lone surrogate"),
        (entry(0), "its id '0' stands in the file already"),
    ],
)
def test_bad_entries_are_counted_with_their_place(tmp_path: Path, bad: object, problem: str) -> None:
    probe = read(tmp_path, document(intra=[entry(), bad, entry(2)]))
    assert [item.id for item in probe.items] == ["0", "2"]
    (refusal,) = probe.refusals
    assert refusal.detail.startswith(f"{tmp_path / 'dev.json'}, data.intrasentence[1]: {problem}")


def test_a_part_that_is_no_list(tmp_path: Path) -> None:
    probe = read(tmp_path, document(intra=[entry()], inter={"a": 1}))
    assert [one.detail.rsplit(", ", 1)[1] for one in probe.refusals] == ["data.intersentence: is no list"]


@pytest.mark.parametrize("other", [[], {"data": []}, {"data": {"x": 1}}, "data", None])
def test_other_documents_are_none(other: object) -> None:
    assert not is_stereoset(other)


def test_an_audit_of_it(llama_series: dict[str, Path], tmp_path: Path) -> None:
    path = write(tmp_path / "dev.json", document([entry(at) for at in range(4)], [entry(at) for at in range(4, 8)]))
    out = tmp_path / "run"
    result = audit("score", llama_series["dpo"], "--probe", path, "--render", "plain", "--out", out, "--quiet")
    assert result.exit_code == 0, result.stderr
    effects = json.loads((out / "results.json").read_text(encoding="utf-8"))["effects"]
    whole = {one["measure"]: one for one in effects if one["identity"] is None}
    assert (whole["stereoset_ss"]["items"], whole["stereoset_intra_ss"]["items"]) == (8, 4)
    ss, lms, icat = (whole[f"stereoset_{name}"]["estimate"] for name in ("ss", "lms", "icat"))
    assert icat == pytest.approx(lms * min(ss, 100 - ss) / 50)
    assert whole["stereoset_icat"]["unit"] == "points of 100"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "StereoSet icat, both tests" in page
    assert "not tested on the published file" in page
    assert "CC BY-SA 4.0" in page
