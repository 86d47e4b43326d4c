"""docs/commands.md, written from the commands themselves: every command, argument and option, or none of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import typer

from auditor.cli.main import app

_HEAD = """# Commands

Every command of `audit` and every option, as `audit COMMAND --help` prints them. This page is made of the commands
themselves; it is written anew by `UPDATE_DOCS=1 make docs`. Options with a variable can also be set in the environment.
How they belong together is told in the [README](../README.md).
"""
# By the type of a value without a name of its own; a flag takes none.
_VALUES: dict[Any, str] = {Path: "PATH", int: "N", float: "NUMBER", str: "TEXT", bool: ""}


def reference() -> str:
    """The whole page."""
    group = typer.main.get_command(app)
    commands = sorted(_commands(group, "audit"), key=lambda one: one[0])
    return "\n".join([_HEAD, *(line for name, command in commands for line in _lines(name, command))])


def _commands(group: Any, words: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


def _lines(name: str, command: Any) -> Iterator[str]:
    said = " ".join(_unwrapped(command.help, name).split())
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = " ".join([name, *(_argument(one) for one in arguments), "[OPTIONS]"])
    yield from (f"## {name}", "", _plain(said), "", f"    {usage}", "")
    for one in arguments:
        yield f"- `{_metavar(one)}`: {_plain(_unwrapped(one.help, f'{name} {one.name}'))}"
    panels: dict[str, list[str]] = {}
    for one in options:
        panels.setdefault(one.rich_help_panel or "", []).append(_option(one, name))
    for panel, lines in panels.items():
        if panel:
            yield from ("", f"{panel}:", "")
        yield from lines
    yield ""


def _unwrapped(text: str | None, where: str) -> str:
    assert text, f"{where} says nothing of itself"
    # The terminal's markup is written in brackets, so that brackets that are meant stand behind a backslash.
    return text.replace("\\[", "[")


def _argument(one: Any) -> str:
    word = _metavar(one)
    return word if one.required or word.startswith("[") else f"[{word}]"


def _metavar(one: Any) -> str:
    return str(one.metavar or one.name.upper())


def _option(one: Any, command: str) -> str:
    flags = "`, `".join(f"{flag} {_value(one)}".strip() for flag in [*one.opts, *one.secondary_opts])
    said = _plain(_unwrapped(one.help, f"{command} {one.opts[0]}"))
    notes = []
    if one.default is not False and one.default not in (None, "", []) and "efault" not in said:
        default = one.default.value if isinstance(one.default, Enum) else one.default
        notes.append(f"default `{default}`")
    if one.multiple and "repeatable" not in said:
        notes.append("repeatable")
    if one.envvar:
        notes.append(f"variable `{one.envvar}`")
    return f"- `{flags}`: {said}" + (f" ({'; '.join(notes)})" if notes else "")


def _value(one: Any) -> str:
    if one.metavar:
        return str(one.metavar)
    kinds = [kind for kind in _kinds(one.type_descriptor.annotation) if kind is not NoneType]
    if all(isinstance(kind, str) for kind in kinds):  # of a Literal
        return "|".join(kinds)
    (kind,) = kinds
    return "|".join(kind) if issubclass(kind, Enum) else _VALUES[kind]


def _kinds(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [kind for one in inner for kind in _kinds(one)] if inner else [annotation]


def _plain(text: str) -> str:
    """The text as Markdown that says just that."""
    return re.sub(r"([*_<>`\[\]])", r"\\\1", text)
