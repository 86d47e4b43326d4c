"""Text of a run as Markdown shows it: it marks up nothing, links nothing and calls nobody.

Written for GitHub and the Hugging Face hub, which read tables, bare addresses, formulas and mentions beyond CommonMark.
An entity alone does not stop what looks at the finished page, as mentions do: an invisible break goes with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from auditor.adapters.printable import printable

_BREAK = "&#8203;"
_ACTING = re.compile(
    r"""
    ^[-+=]                          # a list, a line under a heading
    | ^\d+[.)]                      # a numbered list
    | [\\`*_{}\[\]|<>~&]           # markup, links, tags, entities, cells
    | [@#]                          # mentions, e-mail addresses; headings, issues
    | :(?=//|[\w+-]+:)              # addresses, :emoji:
    | (?<=www)\.                    # addresses without a scheme
    | (?<=\bgh)-(?=\d)              # GH-12
    | \$                            # formulas
    """,
    re.VERBOSE | re.IGNORECASE,
)


def markdown_text(text: object, limit: int | None = None) -> str:
    """Any text on one line, fit for a sentence, a list or a table cell.

    Args:
        limit: of characters as they are read; what goes beyond is cut.
    """
    line = " ".join(printable(str(text)).split())
    if limit is not None and len(line) > limit:
        line = line[: limit - 1] + "\u2026"
    return _ACTING.sub(_written, line)


def _written(found: re.Match[str]) -> str:
    text, last = found[0][:-1], found[0][-1]
    if last == "$":
        return "<span>&#36;</span>"
    return f"{text}&#{ord(last)};" + (_BREAK if last in "@#:.-" else "")


def fenced(text: str) -> str:
    """A text on one line as a block of code that it cannot end."""
    line = " ".join(printable(text).split())
    longest = max(map(len, re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{line}\n{fence}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are written already; a heading that ends with ``:`` is of numbers."""
    rule = ["---:" if one.endswith(":") else "---" for one in headings]
    whole = ([one.removesuffix(":") for one in headings], rule, *rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in whole)


def folded(summary: str, *blocks: str) -> str:
    """Blocks that open with a click on a line that is written already."""
    return "\n\n".join((f"<details><summary>{summary}</summary>", *blocks, "</details>"))
