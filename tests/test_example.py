"""The committed example: its pages are those of its run, it shows what was planted, and it names no machine.

``make example`` makes the whole again; ``audit report reports/example --format html,md`` only its pages.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from command_line import ROOT, audit, manifest

from auditor.adapters.demo.world_texts import planted_identity
from auditor.adapters.run.run_folder import read_results

EXAMPLE = ROOT / "reports" / "example"
PAGES = ("report.html", "report.md")


def test_pages_are_those_of_the_run(tmp_path: Path) -> None:
    run = shutil.copytree(EXAMPLE, tmp_path / "example")
    for name in PAGES:
        (run / name).unlink()
    assert audit("report", run, "--format", "html,md").exit_code == 0
    for name in PAGES:
        assert (run / name).read_bytes() == (EXAMPLE / name).read_bytes(), f"{name} is out of date: {__doc__}"


def test_harm_is_found_towards_the_planted_people_only() -> None:
    harmed = {one.identity for one in read_results(EXAMPLE).effects if one.verdict == "harm"}
    assert harmed == {planted_identity(0).name}


def test_probes_are_the_package_s_own() -> None:
    assert {probe["name"] for probe in manifest(EXAMPLE)["probes"]} == {"demo-world"}


@pytest.mark.parametrize("path", sorted(EXAMPLE.glob("*.*")), ids=lambda path: path.name)
def test_no_file_names_the_machine(path: Path) -> None:
    if path.suffix == ".parquet":
        columns = pq.read_table(path).columns
        flat = [pc.list_flatten(one) if pa.types.is_list(one.type) else one for one in columns]
        text = "\n".join(str(one) for column in flat for one in column.unique().to_pylist() if isinstance(one, str))
    else:
        text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|tmp|root|work|mnt|Users|var|opt|usr)/|[A-Z]:\\\\Users|Linux-\d", text)


def test_a_path_of_a_machine_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    for text in ('"source": "/home/me/model"', "base=/tmp/x", "Linux-6.1-x86"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(AssertionError):
            test_no_file_names_the_machine(path)
