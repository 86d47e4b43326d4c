"""``--config audit.yaml``: a file with any option of the command, under its long name.

A gate's options stand in a section ``gate``, so that one file serves the audit and its gate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
import typer.core

from auditor.errors import one_line

GATE = "gate"


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make the file's values the defaults of every option that neither flag nor environment sets.

    Raises:
        typer.BadParameter: the file cannot be read, is not YAML, or holds an unknown option.
    """
    if path is None:
        return None
    options = {one.name: one for one in context.command.params if isinstance(one, typer.core.TyperOption)}
    values: dict[str, Any] = {}
    for key, value in _section(_read(path), context, path).items():
        name = str(key).replace("-", "_")
        if name not in options or name == "config":
            known = ", ".join(sorted(str(one).replace("_", "-") for one in options if one != "config"))
            raise typer.BadParameter(f"{path}: unknown option {key!r}; known: {known}")
        if name in values:
            raise typer.BadParameter(f"{path}: {key!r} stands twice, once with '-' and once with '_'")
        # An empty value is no value: the default stands.
        if value is not None:
            values[name] = _as_given(value, options[name], f"{path}: {key}")
    context.default_map = {**(context.default_map or {}), **values}
    return path


def _section(content: dict[Any, Any], context: typer.Context, path: Path) -> dict[Any, Any]:
    """The part of a file that is the command's own."""
    if context.command.name != GATE:
        return {key: value for key, value in content.items() if key != GATE}
    section = content.get(GATE) or {}
    if not isinstance(section, dict):
        raise typer.BadParameter(f"{path}: {GATE!r} must hold options as 'name: value' lines")
    return section


def _read(path: Path) -> dict[Any, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {one_line(error)}") from error
    if content is not None and not isinstance(content, dict):
        raise typer.BadParameter(f"{path} must hold options as 'name: value' lines")
    return content or {}


def _as_given(value: Any, option: typer.core.TyperOption, where: str) -> Any:
    """A value in the form a command line would have given it; ``{dpo: 0.1}`` is ``dpo=0.1``."""
    if option.multiple:
        # Template arguments are read as YAML again, so a truth value stays one.
        if option.name != "template_arg":
            _refuse_booleans(value, where)
        if isinstance(value, dict):
            value = [f"{key}={one}" for key, one in value.items()]
        values = value if isinstance(value, list) else [value]
        if any(isinstance(one, dict | list) or one is None for one in values):
            raise typer.BadParameter(f"{where} must hold plain values, or a list of them")
        return [str(one) for one in values]
    if isinstance(value, dict | list):
        raise typer.BadParameter(f"{where} must hold one value")
    if option.is_flag and not isinstance(value, bool):
        raise typer.BadParameter(f"{where} must be true or false")
    if not option.is_flag:
        _refuse_booleans(value, where)
    return value


def _refuse_booleans(value: Any, where: str) -> None:
    """YAML takes a bare ``no``, ``off`` or ``yes`` for a truth value, and the word itself is lost."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    if any(isinstance(one, bool) for one in values):
        raise typer.BadParameter(
            f"{where} must not be true or false, which YAML also reads in yes, no, on and off; "
            "if the word itself is meant, put it in quotes"
        )
