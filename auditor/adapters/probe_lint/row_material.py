"""The lint material of rows, as a pair file holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from auditor.adapters.probe_lint.lint_material import Material, Share, Who, Wording
from auditor.adapters.probe_lint.lint_text import last_word
from auditor.core.contrasts import match_key
from auditor.core.items import Item, Probe
from auditor.errors import UsageError


@dataclass(slots=True)
class _Asked:
    """What the rows of one wording add to it."""

    first: Item
    contexts: dict[str, str] = field(default_factory=dict)
    who: set[Who] = field(default_factory=set)


@dataclass(slots=True)
class _Counted:
    rows: int = 0
    forms: set[str] = field(default_factory=set)
    keys: set[Hashable] = field(default_factory=set)


def row_material(probe: Probe, language: str = "", axes: Sequence[str] = ()) -> Material:
    """The material of a probe's pairs; rows that are only subtracted from others are left out.

    Args:
        language: of rows that name none.
        axes: only rows on these; all where none is named.

    Raises:
        UsageError: no row is on one of the axes.
    """
    items = [
        item
        for item in probe.items
        if item.pair is not None and not item.is_baseline and (not axes or item.axis in axes)
    ]
    if axes and not items:
        raise UsageError(
            f"the probe {probe.name!r} has none of these axes",
            where=f"--axis {' --axis '.join(axes)}",
            fix=f"Its axes: {', '.join(sorted({item.axis or '(none)' for item in probe.items}))}.",
        )
    languages = {item.language or language for item in items}
    names: dict[Who, dict[str, None]] = defaultdict(dict)
    texts: dict[str, str] = {}
    for item in items:
        if item.role == "marked":
            names[item.axis, item.identity].update(dict.fromkeys(filter(None, (item.identity, item.surface))))
        before = _before(item)
        for text in (before, *(last_word(before) + one.text for one in item.candidates)):
            texts.setdefault(text, item.id)
    return Material(
        # One language is checked for what it is; of a mixture nothing is known.
        language=languages.pop() if len(languages) == 1 else "",
        wordings=tuple(_wordings(items)),
        names={who: tuple(words) for who, words in names.items()},
        shares=tuple(_shares(items)),
        texts=texts,
    )


def _wordings(items: Sequence[Item]) -> Iterator[Wording]:
    asked: dict[tuple[str, ...], _Asked] = {}
    for item in items:
        key = (item.theme, item.cluster, item.paraphrase, item.valence, item.design, *_sides(item))
        own = asked.setdefault(key, _Asked(item))
        own.contexts.setdefault(item.frame, _before(item))
        if item.role == "marked":
            own.who.add((item.axis, item.identity))
    for own in asked.values():
        harmful, affirming = _sides(own.first)
        yield Wording(
            theme=own.first.theme,
            cluster=own.first.cluster,
            number=own.first.paraphrase,
            valence=own.first.valence,
            design=own.first.design,
            harmful=harmful,
            affirming=affirming,
            # Where the sides repeat what the context declares, the context tells predicates apart.
            beside=own.first.prefix if own.first.design == "text_swap" else _before(own.first),
            contexts=tuple(own.contexts.items()),
            asked=frozenset(own.who),
        )


def _sides(item: Item) -> tuple[str, str]:
    assert item.pair is not None
    harmful, affirming = (item.candidates[at].text for at in item.pair)
    return harmful, affirming


def _before(item: Item) -> str:
    turns = " ".join(message.content for message in item.messages)
    return " ".join(filter(None, (turns, item.context))) + item.prefix


def _shares(items: Sequence[Item]) -> list[Share]:
    counted: dict[tuple[tuple[str, ...], str], _Counted] = defaultdict(_Counted)
    for item in items:
        own = counted[(item.axis, item.theme, item.design, item.valence, item.role), item.identity]
        own.rows += 1
        own.forms.add(item.surface)
        own.keys.add(match_key(item))
    return [Share(*who, rows=one.rows, forms=len(one.forms), keys=len(one.keys)) for who, one in counted.items()]
