"""The checkpoint arguments of a command, parsed: what each is called and where it comes from.

    org/model   org/model@revision   folder   adapter          one place
    BASE+ADAPTER                                                an adapter on a base named by hand
    name=...                                                    any of these under a chosen name

An existing path wins over ``=``, ``+`` and ``@``: a folder really called ``a=b@c+d`` is that folder.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.errors import UsageError

# Cc control characters, Cs undecodable bytes, Zl and Zp line breaks: each would break a table or a file.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Source:
    """One place a model or an adapter comes from.

    Attributes:
        location: a folder as given, or a hub id such as ``org/name``.
        revision: branch, tag or commit of a hub id; None for the default branch and for folders.
    """

    location: str
    revision: str | None = None

    @property
    def path(self) -> Path | None:
        """The existing file or folder of that name, None where it can only be a hub id."""
        return _expanded(self.location) if self.revision is None and _exists(self.location) else None

    @property
    def looks_like_path(self) -> bool:
        """Whether it can't be a hub id, which is ``name`` or ``org/name``."""
        text = self.location
        return text.startswith((".", "/", "~")) or text.endswith("/") or "\\" in text or text.count("/") > 1

    def __str__(self) -> str:
        return f"{self.location}@{self.revision}" if self.revision else self.location


@dataclass(frozen=True, slots=True)
class Spec:
    """One checkpoint argument.

    Attributes:
        name: as shown and as used in every file; text of the user's, never trusted.
        model: a whole model, or an adapter whose base its own config names.
        adapter: only for ``BASE+ADAPTER``; ``model`` is then the base.
        text: the argument as it was given.
    """

    name: str
    model: Source
    adapter: Source | None
    text: str


def parse_specs(texts: Sequence[str]) -> tuple[Spec, ...]:
    """Parse the checkpoint arguments of one command, in order.

    Raises:
        UsageError: an argument or a part of it is empty, a name holds control characters, a folder is
            given a revision, or two checkpoints have the same name.
    """
    specs = tuple(_parse(text) for text in texts)
    for position, spec in enumerate(specs):
        for earlier in specs[:position]:
            if earlier.name == spec.name:
                raise UsageError(
                    f"two checkpoints are called {spec.name!r}: {earlier.text!r} and {spec.text!r}",
                    where="checkpoints",
                    fix=f"Give one of them a name of its own, such as name={_unnamed_text(spec)}",
                )
    return specs


def _parse(text: str) -> Spec:
    name, rest = _split_name(text)
    model, adapter = _split_adapter(text, rest)
    if name is None:
        name = _default_name(adapter or model)
    _check_name(name, text)
    return Spec(name, model, adapter, text)


def _split_name(text: str) -> tuple[str | None, str]:
    """Cut ``name=`` off, unless the ``=`` belongs to an existing path."""
    if "=" not in text or _exists(text):
        return None, text
    for left, right in _cuts(text):
        if all(_exists(side) for side in (left, right) if "=" in side):
            return None, text
    name, _, rest = text.partition("=")
    return name, rest


def _split_adapter(text: str, rest: str) -> tuple[Source, Source | None]:
    """Cut at the ``+`` that leaves most existing paths; the first of several equally good ones."""
    cuts = list(_cuts(rest))
    if _exists(rest) or not cuts:
        return _source(text, rest), None
    # max() keeps the first of equals.
    base, adapter = max(cuts, key=lambda cut: sum(map(_exists, cut)))
    return _source(text, base), _source(text, adapter)


def _cuts(text: str) -> Iterator[tuple[str, str]]:
    for position, character in enumerate(text):
        if character == "+":
            yield text[:position], text[position + 1 :]


def _source(text: str, part: str) -> Source:
    if not part.strip():
        raise UsageError(
            "a checkpoint, or one side of its '=' or '+', is empty",
            where=f"checkpoint {text!r}",
            fix="Give a folder, a hub id, id@revision, or BASE+ADAPTER, each optionally after name=.",
        )
    location, at, revision = part.partition("@")
    if _exists(part) or not at:
        return Source(part)
    if not location or not revision:
        raise UsageError(
            "nothing stands " + ("after" if location else "before") + " the '@'",
            where=f"checkpoint {text!r}",
            fix="Write a hub id and its branch, tag or commit, such as org/name@main.",
        )
    if _exists(location):
        raise UsageError(
            f"{location!r} is a folder, and a folder has no revisions",
            where=f"checkpoint {text!r}",
            fix=f"Leave '@{revision}' out, or give the hub id the revision belongs to.",
        )
    return Source(location, revision)


def _default_name(source: Source) -> str:
    path = _expanded(source.location)
    # "." and ".." and "/" have no name of their own; what they stand for has.
    return path.name if path.name not in ("", "..") else path.resolve().name


def _check_name(name: str, text: str) -> None:
    if not name.strip():
        what = "the checkpoint has no name"
    elif any(unicodedata.category(character) in _UNPRINTABLE for character in name):
        what = f"the name {name!r} holds control characters or bytes that are no text"
    else:
        return
    raise UsageError(
        what,
        where=f"checkpoint {text!r}",
        fix="Put a printable name and '=' in front, such as sft=PATH.",
    )


def _unnamed_text(spec: Spec) -> str:
    return str(spec.model) if spec.adapter is None else f"{spec.model}+{spec.adapter}"


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no user of that name
        return Path(text)


def _exists(text: str) -> bool:
    try:
        return bool(text) and _expanded(text).exists()
    except (OSError, ValueError):  # too long, unreadable, a NUL in it
        return False
