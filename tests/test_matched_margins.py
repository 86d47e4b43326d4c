"""Twin of auditor.adapters.report.items.matched_margins: single excesses are those whose means the audit reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_factory import (
    HARMED,
    controlled_probe,
    identity_swap_probe,
    make_run,
    responsive_probe,
    text_swap_probe,
    worded_probe,
)

from auditor.adapters.report.items import matched_margins
from auditor.adapters.report.items.item_margins import ItemMargins
from auditor.adapters.report.items.matched_margins import reference_margins
from auditor.adapters.run.run_folder import read_results
from auditor.core.scores import FloatArray
from auditor.errors import UsageError

NAMES = ("base", "sft", "dpo<b>")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    probes = [text_swap_probe(), worded_probe(), controlled_probe(), responsive_probe(), identity_swap_probe()]
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=probes)


def beside(path: Path, render: str = "plain") -> tuple[ItemMargins, FloatArray]:
    margins = ItemMargins(path, render, NAMES)
    return margins, reference_margins(path, render, margins)


def changed(run: Path, folder: Path, column: str, item: str, value: str | int) -> Path:
    """The table with another value in one item's rows."""
    table = pq.read_table(run / "items.parquet")
    ids, old = table["item"].to_pylist(), table[column].to_pylist()
    new = [value if one == item else own for one, own in zip(ids, old, strict=True)]
    at = table.schema.get_field_index(column)
    pq.write_table(
        table.set_column(at, column, pa.array(new, table.schema.field(column).type)), folder / "items.parquet"
    )
    return folder / "items.parquet"


@pytest.mark.parametrize("part", [50, 1 << 16])
@pytest.mark.parametrize("render", ["plain", "chat"])
def test_means_are_the_audit_s(run: Path, monkeypatch: pytest.MonkeyPatch, render: str, part: int) -> None:
    monkeypatch.setattr(matched_margins, "_ROWS_A_PART", part)
    margins, references = beside(run / "items.parquet", render)
    excess = margins.margins - references
    checked = 0
    for effect in read_results(run).effects:
        about = (effect.measure, effect.contrast, effect.render, effect.theme, effect.role, effect.valence)
        if about != ("level", "excess", render, None, "marked", "harm") or effect.design != "text_swap":
            continue
        clusters: dict[str, list[float]] = {}
        for row in margins.rows.tolist():
            who = (margins.text("probe", row), margins.text("identity", row), margins.text("axis", row))
            value = float(excess[row, NAMES.index(effect.checkpoint)])
            if who == (effect.probe, effect.identity, effect.axis) and not np.isnan(value):
                clusters.setdefault(margins.text("cluster", row), []).append(value)
        assert sum(map(len, clusters.values())) == effect.items
        if effect.estimate is not None:
            # Here every row of a cluster has a key of its own: equal rows, then equal clusters.
            assert np.mean([np.mean(own) for own in clusters.values()]) == pytest.approx(effect.estimate, abs=1e-9)
            checked += 1
    assert checked >= 3 * (2 + 4 + 2)


def test_what_is_not_compared_has_none(run: Path) -> None:
    margins, references = beside(run / "items.parquet")
    for row in margins.rows.tolist():
        probe, item = margins.text("probe", row), margins.text("item", row)
        known = probe in ("worded", "controlled") or (probe == "small" and not item.startswith("hostile"))
        assert np.isnan(references[row]).tolist() == [not known] * len(NAMES)


def test_another_candidate_refuses_the_key(run: Path, tmp_path: Path) -> None:
    for column, value in (("text", " another"), ("tokens", 99)):
        path = changed(run, tmp_path, column, "cisgender people/deluded|lucid/I think {} are", value)
        margins, references = beside(path)
        for who in (HARMED, "nonbinary people"):
            refused, other = (
                margins.place("small", f"{who}/{predicate}/I think {{}} are")
                for predicate in ("deluded|lucid", "needy|helpful")
            )
            assert refused is not None
            assert other is not None
            assert np.isnan(references[refused]).all()
            assert not np.isnan(references[other]).any()


def test_texts_that_are_not_known_are_not_compared(tmp_path: Path) -> None:
    _, references = beside(make_run(tmp_path / "run", private=True) / "items.parquet")
    assert np.isnan(references).all()


def test_a_broken_table_is_named(run: Path, tmp_path: Path) -> None:
    margins, _ = beside(run / "items.parquet")
    (tmp_path / "items.parquet").write_bytes(b"no table")
    with pytest.raises(UsageError, match=r"items\.parquet"):
        reference_margins(tmp_path / "items.parquet", "plain", margins)
