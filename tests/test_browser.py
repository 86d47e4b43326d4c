"""Where no Chromium is, nobody takes a skipped test for one that passed."""

from __future__ import annotations

import browser
import pytest
from browser import started


@pytest.mark.parametrize(("asked", "outcome"), [("", pytest.skip.Exception), ("required", pytest.fail.Exception)])
def test_without_chromium(monkeypatch: pytest.MonkeyPatch, asked: str, outcome: type[BaseException]) -> None:
    monkeypatch.setattr(browser, "CHROMIUM", None)
    monkeypatch.setenv("BROWSER_TESTS", asked)
    with (
        pytest.raises(outcome, match="no Chromium: looked for chromium, chromium-browser and google-chrome"),
        started(),
    ):
        pass
