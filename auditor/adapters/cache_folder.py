"""Where things that can be made again are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "AUDIT_CACHE_DIR"


def cache_folder() -> Path:
    """``AUDIT_CACHE_DIR``, else the platform's user cache folder; not created."""
    return Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else user_cache_path("auditor", appauthor=False)
