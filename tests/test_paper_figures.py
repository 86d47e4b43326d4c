"""Twin of auditor.adapters.report.paper_figures."""

from __future__ import annotations

import csv
import errno
import os
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from run_factory import BRANCHED, make_run, question_probe, worded_probe

from auditor.adapters.report import paper_figures
from auditor.adapters.report.paper_figures import DPI, medium_of, write_figures
from auditor.adapters.report.plots.figures import Mark
from auditor.adapters.report.plots.forest_plot import ForestPlot, ForestRow
from auditor.adapters.report.plots.svg import COLUMN, SPREAD
from auditor.errors import StorageError, UsageError

ENDINGS = {".svg", ".pdf", ".png", ".csv"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def files(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return write_figures(run, tmp_path_factory.mktemp("figures") / "new" / "folder")


def ending(files: tuple[Path, ...], suffix: str) -> list[Path]:
    return [one for one in files if one.suffix == suffix]


def test_every_figure_is_there_in_every_form(files: tuple[Path, ...]) -> None:
    assert {one.name for one in files[0].parent.iterdir()} == {one.name for one in files}
    stems = {one.stem for one in files}
    assert {f"small-dpo-b-{kind}" for kind in ("slope", "parts", "forest", "heat", "against", "curves")} <= stems
    assert {f"swap-dpo-b-{kind}" for kind in ("slope", "forest")} <= stems
    for stem in stems:
        assert re.fullmatch(r"[a-z0-9-]+", stem)
        assert {one.suffix for one in files if one.stem == stem} == ENDINGS


def test_widths_are_those_of_one_column_or_two(files: tuple[Path, ...]) -> None:
    widths = set()
    for svg, png in zip(ending(files, ".svg"), ending(files, ".png"), strict=True):
        root = ET.fromstring(svg.read_bytes())
        inches = float(str(root.get("width")).removesuffix("in"))
        widths.add(inches)
        with Image.open(png) as image:
            image.load()
            assert image.width == pytest.approx(inches * DPI, abs=1)
            assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
            assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 5
    assert widths == {3.3, 6.9}


def test_fonts_are_embedded_as_truetype(files: tuple[Path, ...]) -> None:
    for path in ending(files, ".pdf"):
        content = path.read_bytes()
        assert content.startswith(b"%PDF-")
        assert content.rstrip().endswith(b"%%EOF")
        assert b"/FontFile2" in content
        assert b"/Type3" not in content
        box = re.search(rb"/MediaBox \[ ?0 0 (\S+) ", content)
        assert box
        assert float(box[1]) / 72 == pytest.approx(3.3, abs=0.01) or float(box[1]) / 72 == pytest.approx(6.9, abs=0.01)


def test_colours_are_real_and_texts_readable(files: tuple[Path, ...]) -> None:
    for path in ending(files, ".svg"):
        text = path.read_text(encoding="utf-8")
        assert "var(" not in text
        assert "<script" not in text
        assert min(map(float, re.findall(r"font-size: ([\d.]+)px", text))) >= 7


def test_data_stand_beside(files: tuple[Path, ...]) -> None:
    for path in ending(files, ".csv"):
        with path.open(newline="", encoding="utf-8") as stream:
            assert list(csv.DictReader(stream))


def test_same_run_same_bytes(run: Path, files: tuple[Path, ...], tmp_path: Path) -> None:
    again = write_figures(run, tmp_path / "again")
    assert [one.name for one in again] == [one.name for one in files]
    assert [one.read_bytes() for one in again] == [one.read_bytes() for one in files]


def test_names_that_are_taken_get_numbers(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run",
        checkpoints=("base", "dpo<1>", "dpo>1<"),
        references={"dpo>1<": "base"},
        renders=("plain",),
        probes=[worded_probe()],
    )
    stems = {one.stem for one in write_figures(run, tmp_path / "figures")}
    assert {"worded-dpo-1-forest", "worded-dpo-1-forest-2"} <= stems


def test_branches_have_figures_of_their_own(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", renders=("plain",), probes=[worded_probe()], **BRANCHED)
    stems = {one.stem for one in write_figures(run, tmp_path / "figures")}
    assert {"worded-dpo-b-forest", "worded-dpo2-forest"} <= stems


def test_a_run_without_pairs_has_no_figures(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", probes=[question_probe()])
    assert write_figures(run, tmp_path / "figures") == ()
    assert list((tmp_path / "figures").iterdir()) == []


def test_other_files_are_left_alone(run: Path, files: tuple[Path, ...], tmp_path: Path) -> None:
    folder = shutil.copytree(files[0].parent, tmp_path / "figures")
    (folder / "mine.txt").write_text("mine", encoding="utf-8")
    (folder / files[0].name).write_text("old", encoding="utf-8")
    write_figures(run, folder)
    assert (folder / "mine.txt").read_text(encoding="utf-8") == "mine"
    assert (folder / files[0].name).read_bytes() == files[0].read_bytes()


def test_a_figure_takes_two_columns_where_its_names_are_long() -> None:
    def named(name: str) -> ForestPlot:
        return ForestPlot([ForestRow(name, "harm", Mark(0.1), 3)], 0.2, "forest")

    assert medium_of(named("trans women")) is COLUMN
    assert medium_of(named("people with intellectual disabilities")) is SPREAD


def test_a_file_in_the_way_is_a_usage_error(run: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    with pytest.raises(UsageError, match="is no folder"):
        write_figures(run, taken)


def test_what_may_not_be_written_is_a_usage_error(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, _: bytes) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(UsageError, match="--figures"):
        write_figures(run, tmp_path / "figures")


def test_a_full_disk_is_a_storage_error_and_leaves_no_half_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, path: Path, *__: object, **___: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(paper_figures, "_save", full)
    with pytest.raises(StorageError, match="no space left"):
        write_figures(run, tmp_path / "figures")
    assert {one.suffix for one in (tmp_path / "figures").iterdir()} == {".svg"}
