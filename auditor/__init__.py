"""auditor: what alignment did to bias, read off a model's own probabilities.

    import auditor

    run = auditor.compare("base=path/to/base", "dpo=path/to/dpo", out="reports/mine")
    run = auditor.load("reports/mine")

The names below are fetched when they are first asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from auditor.version import __version__

if TYPE_CHECKING:
    from auditor.python_interface import AuditRun, compare, load

__all__ = ["AuditRun", "__version__", "compare", "load"]


def __getattr__(name: str) -> Any:
    """What the package offers in Python, from the module that holds it."""
    if name in __all__:
        return getattr(importlib.import_module("auditor.python_interface"), name)
    raise AttributeError(f"module 'auditor' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The names that are offered, fetched or not, and nothing that only makes them."""
    return sorted(__all__)
