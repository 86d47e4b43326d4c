"""Twin of auditor.adapters.report.items.column_packs, read back by `unpacking`."""

from __future__ import annotations

import numpy as np
import pytest
from unpacking import unpacked

from auditor.adapters.report.items.column_packs import Interned, fitting, packed, quantised, steps_a_unit

TEXTS = ["</script><b>", "\u0000\u001b", "\ud800 half", "\U0001f3f3\ufe0f\u200d\U0001f308", "\u202eleft", "", "{{ 7 }}"]


def test_columns_and_head_come_back() -> None:
    rng = np.random.default_rng(0)
    columns = {f"c{top}": rng.integers(0, top, size=999) for top in (1, 2, 256, 65_536, 2**32)}
    columns["empty"] = np.array([], dtype=np.int64)
    columns["ends"] = np.array([0, 2**32 - 1, 255, 256])
    columns["256"] = np.array([256])
    found = unpacked(packed({"texts": TEXTS, "n": 1.5}, columns))
    assert found.head["texts"] == TEXTS
    assert found.head["n"] == 1.5
    for name, values in columns.items():
        assert found.column(name) == values.tolist()
    assert [found.head["columns"][name][2] for name in ("c1", "c256", "256", "ends")] == [1, 1, 2, 4]


def test_a_pack_can_stand_in_a_page_and_is_the_same_each_time() -> None:
    packs = {packed({"texts": TEXTS}, {"a": np.arange(1000)}) for _ in range(3)}
    assert len(packs) == 1
    assert not set("<>&\"'") & set(packs.pop())


def test_no_head_holds_what_json_does_not() -> None:
    with pytest.raises(ValueError, match="JSON"):
        packed({"n": float("nan")}, {})


def test_numbers_come_back_to_the_nearest_step() -> None:
    values = np.array([0.0, 1.2344, -1.2346, 1e-9, -1e-9, 123.456, -999.9994, np.nan, np.inf, -np.inf])
    found = unpacked(packed({"steps": 1000.0}, {"a": quantised(values, 1000.0)})).numbers("a")
    assert np.isnan(found[-3:]).all()
    assert found[:-3].tolist() == [0.0, 1.234, -1.235, 0.0, 0.0, 123.456, -999.999]


@pytest.mark.parametrize(("largest", "steps"), [(0.0, 1000), (5e5, 1000), (6e5, 100), (1e8, 1), (6e8, 0.1)])
def test_large_numbers_have_larger_steps(largest: float, steps: float) -> None:
    values = [np.array([0.5, -largest, np.nan]), np.array([])]
    assert steps_a_unit(values) == pytest.approx(steps)
    codes = quantised(values[0], steps_a_unit(values))
    assert 0 <= codes.max() < 2**32
    found = unpacked(packed({"steps": steps_a_unit(values)}, {"a": codes})).numbers("a")
    assert abs(found[1] + largest) <= 0.5 / steps * (1 + 1e-9)
    # The difference of two such numbers fits too.
    assert quantised(np.array([-2 * largest]), steps_a_unit(values)).max() < 2**32


def test_as_many_as_fit() -> None:
    asked = []

    def pack(count: int) -> str:
        asked.append(count)
        return "x" * (10 + 7 * count)

    text, count = fitting(pack, 1000, 700)
    assert len(text) <= 700
    assert 85 <= count <= 98
    assert len(asked) <= 3
    assert fitting(pack, 50, 700) == ("x" * 360, 50)
    # Where nothing fits, the empty pack is what is left.
    assert fitting(pack, 1000, 5) == ("x" * 10, 0)


def test_texts_by_number() -> None:
    interned = Interned()
    assert [interned.code(text) for text in ("b", None, "a", "b", "")] == [1, 0, 2, 1, 3]
    assert interned.texts == ["b", "a", ""]
    assert interned.characters == 2
