"""docs/commands.md holds every command and option as the package has them."""

from __future__ import annotations

import os
from pathlib import Path

from command_reference import reference
from test_docs import options_of

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"


def test_the_page_is_the_packages_own() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(reference(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == reference(), "write it with: UPDATE_DOCS=1 make docs"


def test_nothing_is_left_out() -> None:
    sections = {part.splitlines()[0]: part for part in reference().split("\n## ")[1:]}
    assert set(sections) == {f"audit {name}" for name in options_of()}
    for name, options in options_of().items():
        for option in options:
            # The name of an argument is said in capitals.
            assert option in sections[f"audit {name}"] or not option.startswith("-"), (name, option)
