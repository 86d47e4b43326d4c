"""Twin of auditor.adapters.report.attribution.attribution_splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from run_factory import (
    BRANCHED,
    CONTROL_PEOPLE,
    HARMED,
    controlled_probe,
    identity_swap_probe,
    make_run,
    text_swap_probe,
)

from auditor.adapters.report.attribution.attribution_splits import LeafSplits, ModulePlace, Splits, module_place
from auditor.adapters.report.report_data import read_report
from auditor.adapters.run.results_schema import AttributionRow
from auditor.adapters.run.run_folder import read_results


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()], renders=("plain",), attributed=True
    )


def leaf_of(run: Path, at: int = 0) -> LeafSplits:
    return read_report(run).probes[0].leaves[at].splits


def rows_of(run: Path, **wanted: object) -> list[AttributionRow]:
    return [
        one
        for one in read_results(run).attributions
        if all(getattr(one, name) == value for name, value in wanted.items())
    ]


def named(splits: tuple[Splits, ...]) -> list[tuple[str, str | None, str]]:
    return [(one.method, one.reference, one.checkpoint) for one in splits]


def test_the_last_stage_leads_and_the_level_comes_last(run: Path) -> None:
    found = leaf_of(run)
    stages = [("sft", "dpo<b>"), ("base", "sft"), (None, "dpo<b>")]
    assert named(found.roles)[:3] == [("tokens", *one) for one in stages]
    assert named(found.leading) == [(one, "sft", "dpo<b>") for one in ("tokens", "ig", "ablation", "shapley")]
    for own in (found.modules, found.layers, found.heads):
        assert named(own) == [("path", "sft", "dpo<b>")]
    # Of heads no reference rows are told, and they are parts of an excess all the same.
    assert found.heads[0].excess
    assert found.any
    assert not LeafSplits().any


def test_a_split_holds_the_rows_of_the_file(run: Path) -> None:
    splits = leaf_of(run).roles[0]
    assert splits.excess
    assert splits.marked[0].identity == HARMED
    wanted = {"method": "tokens", "checkpoint": "dpo<b>", "reference": "sft", "theme": None, "identity": HARMED}
    marked = {one.unit: one for one in rows_of(run, **wanted, contrast="excess")}
    assert splits.marked[0].parts == marked
    assert splits.marked[0].shared == {one.unit: one for one in rows_of(run, **wanted, contrast="reference")}
    assert abs(splits.marked[0].largest.estimate or 0) == max(abs(one.estimate or 0) for one in marked.values())
    total = sum(one.estimate or 0 for one in marked.values())
    assert total == pytest.approx(splits.marked[0].any.total, abs=1e-9)


def test_control_identities_stand_beside_in_the_same_contrast(run: Path) -> None:
    splits = leaf_of(run).roles[0]
    assert {one.identity for one in splits.controls} == set(CONTROL_PEOPLE)
    wanted = {"method": "tokens", "checkpoint": "dpo<b>", "reference": "sft", "theme": None, "unit": "predicate"}
    values = [one.estimate or 0 for one in rows_of(run, **wanted, role="control", contrast="excess")]
    assert splits.control_range("predicate") == (min(values), max(values))
    assert splits.control_range("pronoun") is None
    assert replace(splits, controls=splits.controls[:1]).control_range("predicate") is None


def test_who_shows_harm(run: Path) -> None:
    assert [one.identity for one in leaf_of(run).modules[0].harmed] == [HARMED]


def test_roles_stand_in_their_order_and_modules_in_that_of_the_model(run: Path) -> None:
    found = leaf_of(run)
    by_words = next(one for one in found.roles if one.method == "ig")
    assert by_words.units == ("identity", "predicate", "frame", "(baseline)")
    assert found.modules[0].units[:3] == ("embedding", "layer 0 attention", "layer 0 mlp")
    assert found.modules[0].units[-2:] == ("final norm", "head")


def test_each_leaf_has_the_stages_on_its_own_path(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[controlled_probe()], renders=("plain",), **BRANCHED)
    for at, leaf in enumerate(("dpo<b>", "dpo2")):
        assert named(leaf_of(run, at).roles) == [
            ("tokens", "sft", leaf),
            ("tokens", "base", "sft"),
            ("tokens", None, leaf),
        ]


def test_designs_of_one_probe_are_told_apart(tmp_path: Path) -> None:
    """The same identity in rows of both designs: each has its own parts."""
    pairs = [one for one in text_swap_probe().items if not one.id.startswith("hostile")]
    swapped = [replace(one, identity=HARMED, axis="gender identity") for one in identity_swap_probe().items]
    probe = replace(text_swap_probe(), items=(*pairs, *swapped))
    run = make_run(tmp_path / "run", probes=[probe], renders=("plain",))
    found = {one.design: one.leaves[0].splits for one in read_report(run).probes}
    assert set(found) == {"text_swap", "identity_swap"}
    assert found["text_swap"].roles[0].excess
    assert not found["identity_swap"].roles[0].excess
    for design, splits in found.items():
        for split in splits.roles[0].marked:
            total = sum(one.estimate or 0 for one in split.parts.values())
            assert total == pytest.approx(split.any.total, abs=1e-9), design


@pytest.mark.parametrize(
    ("unit", "place"),
    [
        ("layer 12 attention", ModulePlace(12, "", "attention")),
        ("layer 0 post attention norm", ModulePlace(0, "", "post attention norm")),
        ("layer 3", ModulePlace(3, "", "other")),
        ("embedding", ModulePlace(None, "embedding", "")),
        ("player 3 mlp", ModulePlace(None, "player 3 mlp", "")),
    ],
)
def test_where_a_module_stands(unit: str, place: ModulePlace) -> None:
    assert module_place(unit) == place
