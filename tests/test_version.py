"""Twin of auditor.version."""

from __future__ import annotations

import re

import auditor
from auditor.version import __version__


def test_the_version_is_one() -> None:
    assert auditor.__version__ == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
