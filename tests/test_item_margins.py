"""The largest margins of a table, beside a plain reading of its rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from run_factory import make_run, responsive_probe, text_swap_probe, worded_probe

from auditor.adapters.report.items import item_margins
from auditor.adapters.report.items.item_margins import ABOUT, ItemMargins
from auditor.adapters.run.branches import branches_of
from auditor.adapters.run.run_folder import read_results

NAMES = ("base", "sft", "dpo<b>")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    probes = [text_swap_probe(), worded_probe(), responsive_probe()]
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=probes)


def _expected(run: Path, share: int) -> list[tuple[str, str, tuple[str, ...]]]:
    """Probe, item and reasons, by the rules, from the rows themselves."""
    values: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    about = {}
    for row in pq.read_table(run / "items.parquet").to_pylist():
        asked = row["design"] != "responsiveness" or row["baseline"]
        if (row["render"], row["role"], row["valence"]) == ("plain", "marked", "harm") and asked:
            values.setdefault((row["probe"], row["item"]), {})[row["checkpoint"], row["candidate"]] = row["value"]
            about[row["probe"], row["item"]] = (row["identity"], row["cluster"])
    margins = {key: [own[name, "harmful"] - own[name, "affirming"] for name in NAMES] for key, own in values.items()}
    found = []
    for probe in dict.fromkeys(probe for probe, _ in margins):
        own = {key: value for key, value in margins.items() if key[0] == probe}
        reasons: dict[tuple[str, str], tuple[str, ...]] = {}
        sizes = (("margin", (share + 1) // 2, {key: one[-1] for key, one in own.items()}),
                 ("shift", share // 2, {key: one[-1] - one[-2] for key, one in own.items()}))  # fmt: skip
        for reason, count, size in sizes:
            taken: set[tuple[str, str]] = set()
            for key in sorted(size, key=lambda key: (-size[key], key[1])):
                if len(taken) < count and size[key] > 0 and about[key] not in taken:
                    taken.add(about[key])
                    reasons[key] = (*reasons.get(key, ()), reason)
        found += [(*key, why) for key, why in reasons.items()]
    return found


def _name(margins: ItemMargins, row: int) -> tuple[str, str]:
    return margins.text("probe", row), margins.text("item", row)


@pytest.mark.parametrize("rows", [7, 1 << 16])
@pytest.mark.parametrize("share", [1, 2, 5, 40])
def test_the_largest_by_the_rules(run: Path, monkeypatch: pytest.MonkeyPatch, rows: int, share: int) -> None:
    monkeypatch.setattr(item_margins, "_ROWS_A_PART", rows)
    (branch,) = branches_of(read_results(run).series)
    found = ItemMargins(run / "items.parquet", "plain", NAMES)
    assert found.probes == 3
    chosen = [(*_name(found, one.row), one.reasons) for one in found.largest(branch, share)]
    assert chosen == _expected(run, share)
    assert chosen


def test_pairs_of_equal_size_by_their_id(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[worded_probe()], checkpoints=("only",), beta=None)
    path = run / "items.parquet"
    table = pq.read_table(path)
    values = [1.0 if label == "harmful" else 0.0 for label in table["candidate"].to_pylist()]
    pq.write_table(table.set_column(table.schema.get_field_index("value"), "value", [values]), path)
    (branch,) = branches_of(read_results(run).series)
    found = ItemMargins(path, "plain", ["only"])
    ids = [found.text("item", one.row) for one in found.largest(branch, 8)]
    assert ids == sorted(ids)


def test_a_pair_that_one_checkpoint_lacks_is_left_out(run: Path, tmp_path: Path) -> None:
    table = pq.read_table(run / "items.parquet")
    rows = table.to_pylist()
    gone = next(row["item"] for row in rows if row["role"] == "marked")
    keep = [not (row["item"] == gone and row["checkpoint"] == "sft") for row in rows]
    pq.write_table(table.filter(keep), tmp_path / "items.parquet")
    (branch,) = branches_of(read_results(run).series)
    margins = ItemMargins(tmp_path / "items.parquet", "plain", NAMES)
    found = {margins.text("item", one.row) for one in margins.largest(branch, 1000)}
    assert found
    assert gone not in found
    assert gone not in {margins.text("item", row) for row in margins.rows.tolist()}
    assert gone in margins.named["item"]


def test_a_table_without_baselines_is_of_an_older_version(run: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(run / "items.parquet").drop_columns(["baseline"]), tmp_path / "items.parquet")
    assert ItemMargins(tmp_path / "items.parquet", "plain", NAMES).probes == 2


@pytest.mark.parametrize("part", [7, 1 << 16])
def test_every_column_and_number_is_the_table_s(run: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(item_margins, "_ROWS_A_PART", part)
    found = ItemMargins(run / "items.parquet", "chat", NAMES)
    table = {
        (row["probe"], row["item"], row["checkpoint"], row["candidate"]): row
        for row in pq.read_table(run / "items.parquet").to_pylist()
        if row["render"] == "chat"
    }
    asked = [key for key, row in table.items() if (row["role"], row["valence"]) == ("marked", "harm")]
    undeclared = {key[:2] for key in asked if table[key]["design"] == "responsiveness" and not table[key]["baseline"]}
    expected = list(dict.fromkeys(key[:2] for key in asked if key[:2] not in undeclared))
    assert [_name(found, row) for row in found.rows.tolist()] == expected
    for row in found.rows.tolist():
        probe, item = _name(found, row)
        assert found.place(probe, item) == row
        for name in ABOUT:
            assert found.text(name, row) == table[probe, item, "base", "harmful"][name]
        for at, checkpoint in enumerate(NAMES):
            harmful, affirming = (table[probe, item, checkpoint, side]["value"] for side in ("harmful", "affirming"))
            assert found.values[row, at].tolist() == [harmful, affirming]
            assert found.margins[row, at] == harmful - affirming
    rows = pq.read_table(run / "items.parquet", columns=["probe", "item"])
    places = [found.place(one["probe"], one["item"]) for one in rows.to_pylist()]
    assert found.places(rows).tolist() == [-1 if one is None else one for one in places]
    assert {None, 0} < set(places)
    assert found.place("small", "nothing") is None
    assert found.place("nowhere", expected[0][1]) is None
