"""Markdown as a page shows it, by a reader of its own: the tags that stand on it and the text between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from markdown_it import MarkdownIt

# An invisible break, which keeps mentions and addresses from being found in the finished page.
BREAK = "\u200b"
# What a summary's own Markdown makes.
TAGS = {"h2", "h3", "p", "strong", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "a",
        "pre", "code", "span"}  # fmt: skip


@dataclass
class Shown(HTMLParser):
    """What became of a Markdown text."""

    markdown: str
    tags: list[str] = field(default_factory=list)
    links: list[str | None] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
        self.html: str = reader.render(self.markdown)
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All text, breaks left out, white space as a browser shows it."""
        return " ".join("".join(self.texts).replace(BREAK, "").split())

    def cells(self) -> list[list[str]]:
        """Texts of the cells of every table, row by row."""
        rows: list[list[str]] = []
        for line in self.html.splitlines():
            if line == "<tr>":
                rows.append([])
            elif line.startswith(("<td", "<th")) and not line.startswith(("<thead", "<tbody")):
                rows[-1].append(Fragment(line).text)
        return rows


class Fragment(HTMLParser):
    """The text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._parts: list[str] = []
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        self._parts.append(data)

    @property
    def text(self) -> str:
        """Breaks left out."""
        return " ".join("".join(self._parts).replace(BREAK, "").split())
