"""What was found in a preference set as one self-contained page, in the look and under the policy of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.adapters.preference_data.preference_summary import Found, MentionRow, PreferenceRow
from auditor.adapters.report.page_words import environment
from auditor.core.mentions import Finder
from auditor.core.preference_mentions import READINGS, Margins, Mentioned, Reading, strongest_against, texts_of
from auditor.core.series import QUANTITIES, Quantity

# Characters of a text that are shown around the first mention in it.
_SHOWN = 240


@dataclass(frozen=True, slots=True)
class ShownPair:
    """One pair of an identity's list: its id, its margin and, where they may be shown, its three texts."""

    pair: str
    margin: float
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownPairs:
    """The pairs that speak most against what was chosen, of those that mention one identity."""

    identity: str
    reading: Reading
    of: int
    pairs: tuple[ShownPair, ...]


def render_preferences(found: Found, finder: Finder, *, top: int, private: bool) -> str:
    """The page as one HTML document.

    Args:
        top: how many pairs of each identity are listed.
        private: list them without their texts.
    """
    summary = found.summary
    judge = _judge(found)
    return (
        environment("data", "report")
        .get_template("data.html")
        .render(
            summary=summary,
            headline=headline(summary.mentions, summary.pairs),
            mentions={reading: _mentioned(summary.mentions, reading) for reading in READINGS},
            preferences=list(_tables(summary.preferences)),
            scored_by={quantity: _of(summary.quantities, quantity) for quantity in QUANTITIES},
            silent=_silent(summary.mentions),
            judge="" if judge is None else judge[0],
            shown=[] if judge is None else list(_shown(found, finder, judge[1], top, private=private)),
            private=private,
            warning=found.probe.card.content_warning,
            defects=found.probe.card.defects,
        )
    )


def headline(mentions: Sequence[MentionRow], pairs: int) -> str:
    """How many identities the set mentions, how many unequally often on the two sides, how many too rarely to tell."""
    own = [one for one in mentions if one.reading == "words"]
    there = [one for one in own if one.pairs]
    unequal = [one for one in there if one.low is not None and one.high is not None and one.low * one.high > 0]
    said = f"{len(there)} of {len(own)} identities are mentioned in {pairs:,} pairs"
    said = f"{said}, {len(unequal)} of them unequally often in chosen and in rejected answers"
    untold = sum(one.low is None for one in there)
    return f"{said}, {untold} too rarely to tell" if untold else said


def excerpt(text: str, finder: Finder, identity: str) -> str:
    """A part of a text: around the first mention of an identity, else its end."""
    if len(text) <= _SHOWN:
        return text
    at = next((one.start for one in finder.mentions(text) if one.identity == identity), len(text))
    start = max(0, min(at - _SHOWN // 3, len(text) - _SHOWN))
    end = start + _SHOWN
    return f"{'… ' if start else ''}{text[start:end]}{' …' if end < len(text) else ''}"


def _mentioned(mentions: Sequence[MentionRow], reading: Reading) -> list[tuple[str, list[MentionRow]]]:
    """Rows of identities that are mentioned, by axis."""
    rows = [one for one in mentions if one.reading == reading and one.pairs]
    return [(axis, [one for one in rows if one.axis == axis]) for axis in dict.fromkeys(one.axis for one in rows)]


def _tables(rows: Sequence[PreferenceRow]) -> Iterator[tuple[Reading, Quantity, list[PreferenceRow]]]:
    """Rows with a pair that was scored, a table a reading and a quantity: nats and rewards have no common unit."""
    for reading in READINGS:
        for quantity in QUANTITIES:
            own = [one for one in rows if (one.reading, one.quantity) == (reading, quantity) and one.pairs]
            if own:
                yield reading, quantity, own


def _of(quantities: Mapping[str, Quantity], quantity: Quantity) -> list[str]:
    return [name for name, own in quantities.items() if own == quantity]


def _judge(found: Found) -> tuple[str, Margins] | None:
    """Whose margins the listed pairs are picked by: the last language model, which training begins from, if any."""
    if found.scored is None:
        return None
    listed = list(found.scored.margins.items())
    return next((one for one in reversed(listed) if one[1].quantity == "logprob"), listed[-1])


def _silent(mentions: Sequence[MentionRow]) -> list[str]:
    """Identities that no pair mentions, in either reading."""
    return [one.identity for one in mentions if one.reading == "words" and not one.pairs]


def _shown(found: Found, finder: Finder, margins: Margins, top: int, *, private: bool) -> Iterator[ShownPairs]:
    """Of each identity, in its whole names where there are any and else in its words."""
    by_identity: dict[str, Mentioned] = {}
    for one in found.mentioned:
        if one.who.identity not in by_identity and one.anywhere.any():
            by_identity[one.who.identity] = one
    for one in by_identity.values():
        ranked = strongest_against(one, margins).tolist()
        pairs = [
            ShownPair(
                found.probe.items[at].id,
                float(margins.summed[at]),
                () if private else _texts(found, finder, at, one.who.identity),
            )
            for at in ranked[:top]
        ]
        if pairs:
            yield ShownPairs(one.who.identity, one.reading, len(ranked), tuple(pairs))


def _texts(found: Found, finder: Finder, at: int, identity: str) -> tuple[tuple[str, str], ...]:
    parts = zip(("prompt", "chosen", "rejected"), texts_of(found.probe.items[at]), strict=True)
    return tuple((part, excerpt(text, finder, identity)) for part, text in parts)
