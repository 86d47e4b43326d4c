"""Twin of auditor.adapters.cache.seals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.adapters.cache.seals import seal, unseal


@given(st.binary(), st.binary())
def test_round_trip(place: bytes, content: bytes) -> None:
    assert unseal(place, seal(place, content)) == content


@given(st.binary(), st.binary(), st.data())
def test_a_changed_bit_is_seen(place: bytes, content: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(place, content))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert unseal(place, bytes(sealed)) is None


@given(st.binary(), st.binary(), st.binary())
def test_another_place_is_seen(place: bytes, other: bytes, content: bytes) -> None:
    if place != other:
        assert unseal(other, seal(place, content)) is None


@pytest.mark.parametrize("value", [None, 3, 2.5, "text", b"", b"short"])
def test_anything_else(value: object) -> None:
    assert unseal(b"place", value) is None
