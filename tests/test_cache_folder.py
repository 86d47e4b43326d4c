"""The cache lies where its variable says, else where the platform keeps caches."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.adapters.cache_folder import VARIABLE, cache_folder


def test_the_variable_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path


@pytest.mark.parametrize("value", ["", None])
def test_without_it_the_platform_decides(value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().name == "auditor"
