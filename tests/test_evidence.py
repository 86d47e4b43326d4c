"""Twin of auditor.adapters.report.items.evidence."""

from __future__ import annotations

from pathlib import Path

from run_factory import make_run, question_probe

from auditor.adapters.report.items.evidence import Evidence, read_evidence
from auditor.adapters.report.items.explorer import Told
from auditor.adapters.run.branches import branches_of
from auditor.adapters.run.run_folder import read_results


def evidence_of(run: Path) -> Evidence:
    branches = branches_of(read_results(run).series)
    return read_evidence(run, render="plain", branches=branches, private=False, told=Told({}, {}, "nats"))


def test_the_strongest_are_among_all(tmp_path: Path) -> None:
    found = evidence_of(make_run(tmp_path / "run"))
    assert found.explorer is not None
    assert 0 < len(found.items) <= 12
    assert found.explorer.pairs == found.explorer.all_pairs > len(found.items)


def test_without_a_pair_there_is_neither(tmp_path: Path) -> None:
    assert evidence_of(make_run(tmp_path / "run", probes=[question_probe()])) == Evidence((), None, None, ())
