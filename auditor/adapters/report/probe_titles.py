"""What probes are called on the page: by their own titles, and by what tells apart those that share one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

RESPONSIVENESS = ": response to a declaration"
_IDENTITY_SWAP = ": one text about two groups"


def probe_titles(entries: Iterable[Mapping[str, Any]], names: Iterable[str]) -> dict[str, str]:
    """The title of each probe, by name; one that several probes bear is followed by the name.

    Args:
        entries: the manifest's, as far as they name probes.
        names: of the probes.
    """
    stated = {one.get("name"): one.get("title") for one in entries}
    own = {name: str(stated.get(name) or name) for name in names}
    bearers = Counter(own.values())
    return {name: title if bearers[title] == 1 else f"{title} ({name})" for name, title in own.items()}


def design_title(title: str, design: str, designs: Collection[str]) -> str:
    """The title of a probe's rows of one design, told apart from those of its other designs.

    Args:
        title: the probe's.
        designs: all that its rows have.
    """
    if design == "responsiveness":
        return title + RESPONSIVENESS
    return title + _IDENTITY_SWAP if design == "identity_swap" and len(designs) > 1 else title


def title_of_all(title: str) -> str:
    """The title of the whole probe from that of its rows of one design."""
    return title.removesuffix(RESPONSIVENESS).removesuffix(_IDENTITY_SWAP)
