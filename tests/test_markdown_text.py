"""Twin of auditor.adapters.summaries.markdown_text; an independent reader of Markdown is the oracle."""

from __future__ import annotations

import re

import pytest
from rendered_markdown import BREAK, Shown
from run_factory import HOSTILE

from auditor.adapters.printable import printable
from auditor.adapters.summaries.markdown_text import fenced, folded, markdown_text, table

ACTING = (
    *HOSTILE,
    "a | b",
    "[x](https://example.org)",
    "![x](https://example.org/x.png)",
    "<https://example.org>",
    "*bold* _it_ **b** __b__ ~~s~~ `code` ``",
    "a\nb\r\n\n# heading",
    "# heading",
    "- item",
    "+ item",
    "1. item",
    "23) item",
    "> quote",
    "===",
    "---",
    "    indented",
    "\\| \\` trailing \\",
    "&lt;script&gt; &#60; &amp;",
    "<!-- auditor: end -->",
    "```\nfence",
    "<details><summary>x",
    "\u2066isolate\u2069 \u2028 \x07",
)


@pytest.mark.parametrize("text", ACTING)
@pytest.mark.parametrize("place", ["paragraph", "list", "cell", "after a word"])
def test_it_is_shown_as_it_stands_and_does_nothing(text: str, place: str) -> None:
    written = markdown_text(text)
    assert "\n" not in written
    frames = {
        "paragraph": (written, ["p"]),
        "list": (f"- {written}", ["ul", "li"]),
        "cell": (table(["a", "b"], [[written, "next"]]), None),
        "after a word": (f"word {written}", ["p"]),
    }
    markdown, tags = frames[place]
    shown = Shown(markdown)
    wanted = " ".join(printable(text).split())
    if tags is None:
        assert shown.cells() == [["a", "b"], [wanted, "next"]]
        assert set(shown.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "span"}
    else:
        assert [tag for tag in shown.tags if tag != "span"] == tags
        assert shown.text == " ".join([*(["word"] if place == "after a word" else []), wanted])
    assert shown.links == []


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("@everyone", r"(?<!\w)@\w"),
        ("me@example.org", r"\w@\w"),
        ("see #12 and owner/name#3", r"#\d"),
        ("GH-12", r"(?i)gh-\d"),
        ("https://example.org", r"https?://"),
        ("HTTP://example.org", r"(?i)https?://"),
        ("www.example.org", r"www\.\w"),
        (":skull:", r":\w+:"),
        ("ends:here", None),
    ],
)  # fmt: skip
def test_what_is_looked_for_in_the_finished_page_is_not_found(text: str, called: str | None) -> None:
    # GitHub finds mentions, issues and addresses in the text of the page that Markdown became.
    finished = "".join(Shown(markdown_text(text)).texts)
    assert finished.replace(BREAK, "").strip() == text
    if called:
        assert re.search(called, text)
        assert not re.search(called, finished)


def test_formulas_are_set_apart() -> None:
    # GitHub's way to write a dollar sign beside formulas: each in a tag of its own.
    assert markdown_text("$x$") == "<span>&#36;</span>x<span>&#36;</span>"


def test_it_is_cut_where_it_is_read() -> None:
    assert markdown_text("<<<<", 3) == "&#60;&#60;…"
    assert markdown_text("abc", 3) == "abc"
    assert len(markdown_text("w" * 10_000, 60)) == 60


def test_plain_words_stay_as_they_are() -> None:
    assert markdown_text("Stigma 2.0, standard tier: trans women, non-binary people") == (
        "Stigma 2.0, standard tier: trans women, non-binary people"
    )


@pytest.mark.parametrize("text", ["audit compare a b", "a ``` b", "`````", "a\nb ```\n# c", "</code></pre><script>"])
def test_a_block_of_code_holds_whatever_it_is_given(text: str) -> None:
    shown = Shown(fenced(text))
    assert shown.tags == ["pre", "code"]
    assert shown.text == " ".join(text.split())


def test_numbers_stand_to_the_right() -> None:
    assert table(["a", "b:"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_what_is_folded_is_still_markdown() -> None:
    shown = Shown(folded("3 more", table(["a"], [["x"]]), "- one"))
    assert shown.tags[:2] == ["details", "summary"]
    assert shown.cells() == [["a"], ["x"]]
    assert shown.tags[-2:] == ["ul", "li"]
