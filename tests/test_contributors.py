"""Twin of auditor.adapters.report.items.contributors: what it picks is recomputed from the tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from run_factory import BRANCHED, HOSTILE, PREDICATES, controlled_probe, make_run, text_swap_probe

from auditor.adapters.report.items.contributors import PER_PROBE, Contributor, Edit, _edit, contributors_of
from auditor.adapters.report.items.item_margins import ItemMargins
from auditor.adapters.run.attribution_tables import read_attributions
from auditor.adapters.run.branches import branches_of
from auditor.adapters.run.run_folder import read_results


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()], renders=("plain",), attributed=True
    )


def found_in(run: Path) -> tuple[Contributor, ...]:
    branches = branches_of(read_results(run).series)
    checkpoints = list(dict.fromkeys(name for one in branches for name in one.path))
    margins, table = ItemMargins(run / "items.parquet", "plain", checkpoints), read_attributions(run)
    return contributors_of(run, table, margins, render="plain", branches=branches)


def margins_of(run: Path) -> dict[tuple[str, str], float]:
    """By item and checkpoint."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    for row in pq.read_table(run / "items.parquet").to_pylist():
        values.setdefault((row["item"], row["checkpoint"]), {})[row["candidate"]] = row["value"]
    return {place: own["harmful"] - own["affirming"] for place, own in values.items() if "harmful" in own}


def parts_of(run: Path, item: str, method: str, level: str) -> list[dict[str, Any]]:
    table = read_attributions(run)
    wanted = (item, method, level, "sft", "dpo<b>")
    names = ("item", "method", "level", "reference", "checkpoint")
    return [row for row in table.to_pylist() if tuple(row[name] for name in names) == wanted]


def reference_of(item: str) -> str:
    return "/".join(["cisgender people", *item.split("/")[1:]])


def test_they_are_those_with_the_largest_excess_shift(run: Path) -> None:
    margins, found = margins_of(run), found_in(run)
    shift = {item: margins[item, "dpo<b>"] - margins[item, "sft"] for item, _ in margins}
    excess = {
        f"{who}/{predicate}/harm": shift[f"{who}/{predicate}/harm"] - shift[f"cisgender people/{predicate}/harm"]
        for who in ("trans women", "nonbinary people")
        for predicate in PREDICATES
    }
    order = sorted(excess, key=lambda item: -abs(excess[item]))
    attributed = {row["item"] for row in read_attributions(run).to_pylist()}
    assert [one.item for one in found] == [item for item in order if item in attributed][:PER_PROBE]
    for one in found:
        assert one.excess == pytest.approx(excess[one.item], abs=1e-6)
        assert one.number == pytest.approx(shift[one.item], abs=1e-6)


def test_the_token_carries_most_of_the_excess(run: Path) -> None:
    for one in found_in(run):
        own, other = (parts_of(run, item, "tokens", "token") for item in (one.item, reference_of(one.item)))
        beside = {(row["candidate"], row["unit"]): row["value"] for row in other}
        parts = [row["value"] - beside[row["candidate"], row["unit"]] for row in own]
        assert sum(parts) == pytest.approx(one.excess, abs=1e-6)
        assert one.token is not None
        assert one.token.value == pytest.approx(max(parts) if one.excess and one.excess > 0 else min(parts), abs=1e-9)
        assert one.token.text is not None
        assert "\u0120" not in one.token.text, "the text itself, not the tokenizer's name for it"


def test_the_edit_leaves_least_of_the_excess(run: Path) -> None:
    seen = 0
    for one in found_in(run):
        words = [row for row in parts_of(run, one.item, "ablation", "word") if row["name"] != "(baseline)"]
        # As its reference row a row has no excess: to say so is to say nothing.
        assert one.excess is not None
        words = [row for row in words if row["role"] != "identity"]
        left = {at: abs(one.number - row["value"] - one.shared) for at, row in enumerate(words)}
        best = words[min(left, key=lambda at: left[at])]
        assert one.shared == pytest.approx(one.number - (one.excess or 0))
        if min(left.values()) >= abs(one.number - one.shared):
            assert one.edit is None
            continue
        seen += 1
        assert one.edit is not None
        assert (one.edit.word, one.edit.replacement, one.edit.role) == (best["name"], best["replacement"], best["role"])
        assert one.edit.before == pytest.approx(one.number, abs=1e-6)
        assert one.edit.after == pytest.approx(one.number - best["value"], abs=1e-6)
    assert seen


def test_being_its_own_reference_row_is_no_edit_of_an_excess() -> None:
    about = {"method": "ablation", "level": "word", "total": 2.0}
    parts = [
        {**about, "name": "trans women", "role": "identity", "replacement": "women", "value": 1.75},
        {**about, "name": "met", "role": "frame", "replacement": "", "value": 0.5},
    ]
    pair = Contributor("p", "1", "trans women", "", "text_swap", ("sft", "dpo"), 2.0, 1.75)
    assert _edit(parts, pair) == Edit("met", "frame", "", 2.0, 1.5)
    # Without reference rows it may be what makes the difference.
    assert _edit(parts, replace(pair, excess=None)) == Edit("trans women", "identity", "women", 2.0, 0.25)


def test_at_most_one_an_identity_and_cluster(tmp_path: Path) -> None:
    probe = text_swap_probe()
    run = make_run(tmp_path / "run", probes=[probe], renders=("plain",), attributed=True)
    clusters = {item.id: item.cluster for item in probe.items}
    found = [(one.identity, clusters[one.item]) for one in found_in(run)]
    assert len(set(found)) == len(found) == PER_PROBE
    # Rows without a reference are told by the number itself.
    assert any(one.identity in HOSTILE and one.excess is None for one in found_in(run))


def test_each_leaf_has_its_own(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",), attributed=True, **BRANCHED)
    paths = [one.path for one in found_in(run)]
    assert set(paths) == {("base", "sft", "dpo<b>"), ("base", "sft", "dpo2")}
    assert len(paths) <= 12


def test_one_checkpoint_alone_is_told_by_its_margin(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", probes=[controlled_probe()], renders=("plain",), checkpoints=("only",), attributed=True
    )
    margins = margins_of(run)
    found = found_in(run)
    assert found
    assert all(one.number == pytest.approx(margins[one.item, "only"], abs=1e-6) for one in found)


def test_a_private_run_names_no_word(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",), private=True, attributed=True)
    found = found_in(run)
    assert found
    for one in found:
        assert one.token is None or one.token.text is None
        assert one.edit is None or (one.edit.word, one.edit.replacement) == (None, None)
