"""One item's numbers from the run folder alone: those of the tables, by an arithmetic of their own."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import cells, write
from run_factory import (
    BRANCHED,
    HARMED,
    MIXED,
    identity_swap_probe,
    make_run,
    question_probe,
    responsive_probe,
    text_swap_probe,
)

from auditor.adapters.run.attribution_tables import write_attributions
from auditor.adapters.run.explained_items import ExplainedItem, explain_item
from auditor.core.attributions import Attribution, Unit
from auditor.errors import UsageError

ITEM = f"{HARMED}/deluded|lucid/I think {{}} are"
PROBES = [text_swap_probe(), identity_swap_probe(), responsive_probe(), question_probe()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=PROBES)


def margins(run: Path, probe: str, render: str) -> dict[tuple[str, str], float]:
    """Margins by item and checkpoint, from the table of items."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    for row in cells(run / "items.parquet"):
        if (row["probe"], row["render"]) == (probe, render) and row["candidate"] in ("harmful", "affirming"):
            sign = 1 if row["candidate"] == "harmful" else -1
            found[row["item"], row["checkpoint"]] += sign * row["value"]
    return found


def explained(run: Path, name: str, render: str = "plain", **asked: Any) -> ExplainedItem:
    (one,) = [one for one in explain_item(run, name, **asked) if one.render == render]
    return one


@pytest.mark.parametrize("render", ["plain", "chat"])
def test_numbers_are_those_of_the_tables(run: Path, render: str) -> None:
    one = explained(run, ITEM, render)
    margin = margins(run, "small", render)
    names = ("base", "sft", "dpo<b>")
    assert (one.checkpoint, one.reference, one.checkpoints) == ("dpo<b>", "sft", names)
    assert one.margins == pytest.approx([margin[ITEM, name] for name in names], abs=1e-9)
    beside = ITEM.replace(HARMED, "cisgender people")
    assert one.reference_rows == (beside,)
    assert one.beside == pytest.approx([margin[beside, name] for name in names], abs=1e-9)
    assert one.level.total == pytest.approx(margin[ITEM, "dpo<b>"], abs=1e-9)
    assert one.shift is not None
    assert one.shift.values.sum() == pytest.approx(margin[ITEM, "dpo<b>"] - margin[ITEM, "sft"], abs=1e-9)
    logprobs = {
        (row["checkpoint"], row["candidate"], row["position"]): row["logprob"]
        for row in cells(run / "tokens.parquet")
        if (row["item"], row["render"]) == (ITEM, render)
    }
    for unit, value, change in zip(one.level.units, one.level.values, one.shift.values, strict=True):
        sign = 1 if unit.candidate == "harmful" else -1
        own = {name: logprobs[name, unit.candidate, unit.number] for name in names}
        assert value == pytest.approx(sign * own["dpo<b>"], abs=1e-12)
        assert change == pytest.approx(sign * (own["dpo<b>"] - own["sft"]), abs=1e-12)
    # The roles' parts add up to the margin, the shift and both excesses.
    excess = [own - other for own, other in zip(one.margins, one.beside, strict=True)]  # type: ignore[arg-type]
    roles = np.array([[part.margin, part.shift, part.excess, part.excess_shift] for part in one.roles])
    expected = [one.margins[2], one.margins[2] - one.margins[1], excess[2], excess[2] - excess[1]]
    assert roles.sum(axis=0) == pytest.approx(expected, abs=1e-9)
    assert {part.role for part in one.roles} == ({"predicate", "end"} if render == "chat" else {"predicate"})


def test_a_checkpoint_may_be_named(run: Path) -> None:
    one = explained(run, ITEM, checkpoint="base")
    assert (one.checkpoint, one.reference, one.shift) == ("base", None, None)
    assert {(part.shift, part.excess_shift) for part in one.roles} == {(None, None)}
    with pytest.raises(UsageError, match="no checkpoint 'ppo'"):
        explain_item(run, ITEM, "ppo")


def test_each_end_of_training_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", renders=("plain",), probes=[identity_swap_probe()], **BRANCHED)
    assert [(one.checkpoint, one.reference) for one in explain_item(run, "0")] == [("dpo<b>", "sft"), ("dpo2", "sft")]


def test_what_is_subtracted_stays_subtracted(run: Path) -> None:
    one = explained(run, "xe 1")
    margin = margins(run, "pronouns", "plain")
    names = ("base", "sft", "dpo<b>")
    lost = {
        who: [margin[f"{who} 1", at] - margin[f"{who} 1 undeclared", at] for at in names] for who in ("xe", "he", "she")
    }
    assert one.margins == pytest.approx(lost["xe"], abs=1e-9)
    assert one.beside == pytest.approx(np.mean([lost["he"], lost["she"]], axis=0), abs=1e-9)
    assert sorted(one.reference_rows) == ["he 1", "she 1"]
    assert one.level.values.sum() == pytest.approx(lost["xe"][2], abs=1e-9)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("0", "the margin itself is the disparity"),
        (ITEM.replace(HARMED, "cisgender people"), "itself a reference row"),
        ("hostile 2 </style><b>bold</b>", "no reference row shares the match key"),
    ],
)
def test_why_there_is_no_excess(run: Path, name: str, why: str) -> None:
    one = explained(run, name)
    assert (one.beside, one.reference_rows) == (None, ())
    assert why in one.why
    assert {part.excess for part in one.roles} == {None}


def test_an_id_in_several_probes_needs_its_probe(tmp_path: Path) -> None:
    probes = [identity_swap_probe(), replace(identity_swap_probe(), name="a:b")]
    run = make_run(tmp_path / "run", probes=probes, renders=("plain",))
    with pytest.raises(UsageError, match="several probes have an item '3'") as caught:
        explain_item(run, "3")
    assert caught.value.fix == "Say which: swap:3 or a:b:3."
    assert explained(run, "a:b:3").probe == "a:b"
    assert explained(run, "swap:3").probe == "swap"


def test_the_digits_of_a_folded_page_name_an_item(run: Path) -> None:
    row = pq.read_table(run / "items.parquet", columns=["probe", "item"]).to_pylist()[0]
    # The first 12 hexadecimal digits of SHA-256 over probe, zero byte, id.
    digits = hashlib.sha256(f"{row['probe']}\0{row['item']}".encode()).hexdigest()[:12]
    assert {(one.probe, one.item.id) for one in explain_item(run, digits)} == {(row["probe"], row["item"])}


@pytest.mark.parametrize("name", ["0123456789ab", "nobody", "swap:nobody", "nobody:0", ""])
def test_no_such_item(run: Path, name: str) -> None:
    with pytest.raises(UsageError, match="the run holds no item") as caught:
        explain_item(run, name)
    assert caught.value.where == "--explain"


@pytest.mark.parametrize("name", ["age 1", "xe 1 undeclared"])
def test_what_has_no_margin_is_said(run: Path, name: str) -> None:
    with pytest.raises(UsageError, match="has no margin in this run"):
        explain_item(run, name)


def test_tokens_that_were_not_kept_are_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[identity_swap_probe()])
    path = run / "tokens.parquet"
    table = pq.read_table(path)
    pq.write_table(table.filter(pa.compute.not_equal(table["item"], "3")), path)
    told = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    write(run / "manifest.json", json.dumps({**told, "tokens": "sample"}))
    assert explained(run, "2").margins
    with pytest.raises(UsageError, match="tokens of a sample of the items, and not those of '3'") as caught:
        explain_item(run, "3")
    assert "--tokens all" in caught.value.fix


def test_reference_rows_outside_the_sample_are_not_half_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[text_swap_probe(), responsive_probe()])
    path = run / "tokens.parquet"
    table = pq.read_table(path)
    pq.write_table(table.filter(pa.compute.not_equal(table["item"], "she 1")), path)
    told = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    write(run / "manifest.json", json.dumps({**told, "tokens": "sample"}))
    one = explained(run, "xe 1")
    assert (one.beside, one.why) == (None, "the run did not keep the tokens of all its reference rows")
    assert {part.excess for part in one.roles} == {None}
    assert explained(run, "xe 2").beside is not None


def test_scores_without_tokens_have_no_parts(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[identity_swap_probe()])
    path = run / "items.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("tokens")
    pq.write_table(table.set_column(at, "tokens", pa.nulls(table.num_rows, pa.int64())), path)
    with pytest.raises(UsageError, match="one number a text"):
        explain_item(run, "3")


@pytest.mark.parametrize("name", ["items.parquet", "tokens.parquet", "attributions.parquet"])
def test_damaged_tables_are_one_error(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run", probes=[identity_swap_probe()])
    write(run / name, b"PAR1")
    with pytest.raises(UsageError, match="cannot be read"):
        explain_item(run, "3")


def test_other_methods_parts_come_along(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[identity_swap_probe()], renders=("plain",))
    about = ("swap", "3", "plain", "dpo<b>", "sft")
    words = (Unit(0, "odd", "harmful", 0, 3, "predicate", "even"), Unit(1, "them", None, 4, 8, "frame"))
    own = Attribution(
        *about, "shapley", "word", words, np.array([1.5, -0.5]), 1.25, np.array([0.1, 0.0]), sampled=False
    )
    tokens = Attribution(*about, "tokens", "role", (Unit(0, "frame"),), np.array([1.0]), 1.0)
    other = Attribution("swap", "2", *about[2:], "path", "layer", (Unit(0, "layer 0"),), np.array([1.0]), 1.0)
    write_attributions(run, [own, tokens, other], private=False)
    (found,) = explained(run, "3").others
    assert (found.units, found.values.tolist(), found.total) == (words, [1.5, -0.5], 1.25)
    assert found.noise is not None
    assert (found.noise.tolist(), found.sampled) == ([0.1, 0.0], False)


def test_a_private_run_gives_numbers_alone(tmp_path: Path, run: Path) -> None:
    private = make_run(tmp_path / "run", private=True, probes=PROBES)
    one, open_one = explained(private, ITEM, "chat"), explained(run, ITEM, "chat")
    assert one.private
    assert (one.context, one.roles, one.beside) == ("", (), None)
    assert {candidate.text for candidate in one.item.candidates} == {""}
    assert {(unit.name, unit.start, unit.role) for unit in one.level.units} == {("", -1, None)}
    assert one.margins == pytest.approx(open_one.margins, abs=1e-12)
    assert one.level.values == pytest.approx(open_one.level.values, abs=1e-12)
    lost = explained(private, "xe 1")
    assert lost.margins == pytest.approx(explained(run, "xe 1").margins, abs=1e-12)


def test_a_pair_is_explained_where_its_tokens_have_scores(run: Path, tmp_path: Path) -> None:
    mixed = make_run(tmp_path / "run", probes=PROBES, **MIXED)
    (one, same) = (explained(folder, ITEM) for folder in (mixed, run))
    assert (one.checkpoints, one.margins, one.beside) == (same.checkpoints, same.margins, same.beside)
    with pytest.raises(UsageError, match="rm gives a text one reward"):
        explain_item(mixed, ITEM, "rm")
    rewards = make_run(tmp_path / "rewards", probes=PROBES, checkpoints=("rm",), rewards=("rm",))
    with pytest.raises(UsageError, match="rm gives a text one reward"):
        explain_item(rewards, ITEM)
