"""The version, where every layer can read it: `auditor` itself leads on to all of them."""

from __future__ import annotations

__version__ = "0.1.0"
