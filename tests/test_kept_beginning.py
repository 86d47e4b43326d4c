"""Twin of auditor.integrations.kept_beginning."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from auditor.adapters.cache.score_store import STORE_FILE, ScoreStore
from auditor.errors import UsageError
from auditor.integrations.kept_beginning import beginning_store

SCOPE, KEY = "ab" * 32, b"k" * 32


def kept_in(folder: Path, *, resumed: bool) -> bool:
    """Whether it holds a score, which it does afterwards."""
    with beginning_store(folder, resumed=resumed) as store:
        found = store.find(SCOPE, [KEY])[0] is not None
        store.keep(SCOPE, [(KEY, np.ones(2, dtype=np.float32))])
    return found


def test_only_a_training_that_is_resumed_finds_what_was_kept(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "start"
    assert not kept_in(folder, resumed=False)
    assert kept_in(folder, resumed=True)
    assert not kept_in(folder, resumed=False), "a new one takes none of the old one's scores"


@pytest.mark.parametrize("resumed", [False, True])
def test_nothing_of_anybody_elses_is_removed(resumed: bool, tmp_path: Path) -> None:
    """A folder of runs may well hold one that is called as ours is."""
    (tmp_path / "results.json").write_text("{}", encoding="utf-8")
    with (
        pytest.raises(UsageError, match=r"holds something else: 'results.json'"),
        beginning_store(tmp_path, resumed=resumed),
    ):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["results.json"]


def test_a_path_that_is_no_folder_and_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used"), beginning_store(tmp_path / "file", resumed=False):
        pass
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / STORE_FILE).write_bytes(b"no database at all" * 100)
    with (
        pytest.raises(UsageError, match="what is kept of the beginning"),
        beginning_store(tmp_path / "start", resumed=True),
    ):
        pass


def test_scores_that_could_not_be_kept_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), beginning_store(tmp_path, resumed=False) as store:
        assert isinstance(store, ScoreStore)
        store.caution = "the file was damaged"
    assert "cannot be resumed with its audits: the file was damaged" in caplog.text
