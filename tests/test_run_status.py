"""Twin of auditor.adapters.run.run_status."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.adapters.run.run_status import records, require_complete, status_of
from auditor.errors import UsageError


def test_only_a_manifest_that_says_so_is_of_an_interrupted_audit() -> None:
    assert status_of({"status": "complete"}) == "complete"
    assert status_of({}) == "complete"
    assert status_of({"status": "interrupted"}) == "interrupted"
    assert status_of({"status": None}) == "interrupted"


def test_nothing_is_decided_by_an_interrupted_audit() -> None:
    require_complete(Path("run"), {"status": "complete"})
    with pytest.raises(UsageError, match="interrupted, or is still at work") as caught:
        require_complete(Path("run"), {"status": "interrupted"})
    assert (caught.value.where, caught.value.fix) == ("run", "Run the same audit again: it continues where it stopped.")


def test_records_are_objects() -> None:
    assert records({"probes": [{"name": "a"}, 3, None]}, "probes") == [{"name": "a"}]
    assert records({"probes": "text"}, "probes") == []
