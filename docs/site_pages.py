"""Pages of the docs site that lie elsewhere in the repository: taken as they are, so that no copy can drift.

A hook of mkdocs (mkdocs.yml). Links between pages are turned to where the pages stand on the site; files of the
repository that a page links to, such as figures and scripts of benchmarks, go along under ``repository/``.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
# Page of the site -> file of the repository.
PAGES = {
    "index.md": "README.md",
    "architecture.md": "ARCHITECTURE.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "reports.md": "reports/README.md",
    **{
        f"probes/{path.parent.name}.md": f"probes/{path.parent.name}/README.md"
        for path in ROOT.glob("probes/*/README.md")
    },
}
SCHEMAS = "schema/index.md"
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages, and every file that some page links to."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, SCHEMAS, content=_schemas()))
    for page in files.documentation_pages():
        for found in _LINK.finditer(page.content_string):
            target = _target(page.src_uri, found[2])
            if (
                target is not None
                and _place(target).startswith("repository/")
                and not files.get_file_from_path(_place(target))
            ):
                files.append(File.generated(config, _place(target), abs_src_path=str(ROOT / target)))
    return files


def _schemas() -> str:
    """A page that leads to the files of a folder that others link to."""
    names = sorted(path.name for path in (ROOT / "docs" / "schema").glob("*.schema.json"))
    said = "What the files hold: [run-folder.md](../run-folder.md) and [external-scores.md](../external-scores.md)."
    return "\n".join(["# JSON Schemas", "", said, "", *(f"- [{name}]({name})" for name in names), ""])


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001 - mkdocs names them
    """Turn the links of a page to where their targets stand on the site."""

    def turned(found: re.Match[str]) -> str:
        target = _target(page.file.src_uri, found[2])
        if target is None:
            return found[0]
        way = posixpath.relpath(_place(target), posixpath.dirname(page.file.src_uri))
        return f"{found[1]}{way}{found[3] or ''})"

    return _LINK.sub(turned, markdown)


def _target(page: str, link: str) -> str | None:
    """The file of the repository that a link of a page leads to, None for an address."""
    if re.match(r"[a-z]+:", link):
        return None
    source = PAGES.get(page, f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _place(target: str) -> str:
    """Where a file of the repository stands on the site."""
    pages = {"docs/schema": SCHEMAS, **{source: page for page, source in PAGES.items()}}
    if target in pages:
        return pages[target]
    return target.removeprefix("docs/") if target.startswith("docs/") else f"repository/{target}"
