"""Where no Chromium is, nobody takes a skipped test for one that passed."""

from __future__ import annotations

import browser
import pytest
from browser import started


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_chromium(monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]) -> None:
    monkeypatch.setattr(browser, "CHROMIUM", None)
    monkeypatch.setenv("CI", ci)
    with (
        pytest.raises(outcome, match="no Chromium: looked for chromium, chromium-browser and google-chrome"),
        started(),
    ):
        pass
