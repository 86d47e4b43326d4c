"""The docs site builds strictly, works from disk and asks nothing of any other host."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Elements that make a browser fetch something, and the attribute that says from where.
FETCHED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class Assets(HTMLParser):
    """Addresses that a page makes a browser fetch, and those that it leads to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.linked: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in FETCHED and found.get(FETCHED[tag]) and found.get("rel") != "canonical":
            self.fetched.append(str(found[FETCHED[tag]]))
        if tag == "a" and found.get("href"):
            self.linked.append(str(found["href"]))


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    result = build(ROOT, folder)
    assert result.returncode == 0, result.stderr
    return folder


def pages(site: Path) -> dict[str, Assets]:
    found = {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}
    return {name: Assets(path.read_text(encoding="utf-8")) for name, path in found.items()}


def test_every_page_there_is_stands_in_it(site: Path) -> None:
    docs = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in ROOT.glob("docs/**/*.md")}
    others = {
        "index.html",
        "architecture.html",
        "contributing.html",
        "changelog.html",
        "reports.html",
        "schema/index.html",
    }
    probes = {f"probes/{path.parent.name}.html" for path in ROOT.glob("probes/*/README.md")}
    assert set(pages(site)) == docs | others | probes | {"404.html"}
    assert "audit compare" in (site / "commands.html").read_text(encoding="utf-8")


def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    for name, page in pages(site).items():
        assert page.fetched
        outside = [one for one in page.fetched if re.match(r"([a-z]+:)?//", one) or one.startswith("http")]
        assert outside == [], name
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert "@import" not in text, sheet
        assert not [one for one in re.findall(r"url\(['\"]?([^'\")]+)", text) if re.match(r"(https?:)?//", one)], sheet


def test_all_that_it_fetches_or_leads_to_is_there(site: Path) -> None:
    for name, page in pages(site).items():
        # What is shown for an address that does not exist knows only where the site's root is.
        if name != "404.html":
            for one in [*page.fetched, *page.linked]:
                target = one.split("#")[0].split("?")[0]
                if target and not re.match(r"(https?|data|mailto|javascript):", target):
                    assert ((site / name).parent / target).exists(), (name, one)


@pytest.mark.parametrize("content", ["# Lost\n", "# Lost\n\n[nowhere](nowhere.md)\n"])
def test_a_page_or_a_link_that_leads_nowhere_stops_it(tmp_path: Path, content: str) -> None:
    root = tmp_path / "root"
    keep = shutil.ignore_patterns("__pycache__")
    for folder in ("docs", "probes", "benchmarks", "reports", "examples"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, root / folder, ignore=keep)
    for file in (*ROOT.glob("*.md"), *ROOT.glob("*.cff"), ROOT / "mkdocs.yml"):
        shutil.copy(file, root)
    assert build(root, tmp_path / "before").returncode == 0
    (root / "docs" / "lost.md").write_text(content, encoding="utf-8")
    result = build(root, tmp_path / "after")
    assert result.returncode != 0
    assert "lost.md" in result.stderr
