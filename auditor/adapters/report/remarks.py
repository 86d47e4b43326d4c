"""What leads and what is missing: cautions and refusals, grouped so that each is read once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditor.adapters.run.results_schema import RefusalRow


@dataclass(frozen=True, slots=True)
class RefusalGroup:
    """All refusals of one reason."""

    reason: str
    details: tuple[str, ...]
    identities: tuple[str, ...]
    places: tuple[tuple[str, int], ...]
    count: int


@dataclass(frozen=True, slots=True)
class Caution:
    """One caution and the probes it was said of; none means the whole audit."""

    text: str
    probes: tuple[str, ...]


def group_refusals(refusals: Iterable[RefusalRow]) -> tuple[RefusalGroup, ...]:
    """Refusals by reason, most frequent first."""
    groups: dict[str, list[RefusalRow]] = {}
    for one in refusals:
        groups.setdefault(one.reason, []).append(one)
    return tuple(sorted((_group(reason, rows) for reason, rows in groups.items()), key=lambda one: -one.count))


def _group(reason: str, rows: Sequence[RefusalRow]) -> RefusalGroup:
    places: dict[str, int] = {}
    for one in rows:
        place = ", ".join(part for part in (one.probe, one.render, one.checkpoint) if part)
        places[place] = places.get(place, 0) + one.count
    return RefusalGroup(
        reason=reason,
        details=tuple(dict.fromkeys(one.detail for one in rows)),
        identities=tuple(dict.fromkeys(one.identity for one in rows if one.identity)),
        places=tuple(places.items()),
        count=sum(one.count for one in rows),
    )


def group_cautions(texts: Iterable[str], probes: Sequence[str]) -> tuple[Caution, ...]:
    """One caution said of several probes is one caution."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        probe = next((name for name in probes if text.startswith(f"{name}: ")), None)
        said_of = groups.setdefault(text if probe is None else text.removeprefix(f"{probe}: "), [])
        if probe is not None:
            said_of.append(probe)
    return tuple(Caution(text, tuple(said_of)) for text, said_of in groups.items())
