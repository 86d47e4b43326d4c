"""Options are declared once: as a dataclass, as flags, as variables, with help for each."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import get_type_hints

import pytest
import typer
from command_line import audit

from auditor.cli.data_options import DataOptions
from auditor.cli.export_options import TrlOptions
from auditor.cli.external_options import AnalyseOptions, RequestsOptions
from auditor.cli.main import app
from auditor.cli.options import AuditOptions, command

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["compare", "score"])
def test_every_field_is_an_option_with_a_variable_and_a_text(name: str) -> None:
    options = {one.name: one for one in COMMANDS[name].params if isinstance(one, typer.core.TyperOption)}
    assert set(options) == {one.name for one in fields(AuditOptions)}
    for field, option in options.items():
        assert option.opts == ["--" + field.replace("_", "-")]
        assert option.envvar == f"AUDIT_{field.upper()}"
        assert option.help


def test_defaults_are_the_dataclass_ones() -> None:
    seen = []
    first = inspect.Parameter("model", inspect.Parameter.KEYWORD_ONLY, annotation=str)
    run = command(first, lambda model, options: seen.append((model, options)), "score", "Score.")
    values = {one.name: one.default for one in inspect.signature(run).parameters.values() if one.name != "model"}
    run(model="m", **values)
    assert seen == [("m", AuditOptions())]


def test_lists_are_not_shared_between_calls() -> None:
    AuditOptions().probe.append("x")
    assert AuditOptions().probe == []


def test_help_names_them_all() -> None:
    shown = audit("compare", "--help").stdout
    for field in fields(AuditOptions):
        assert "--" + field.name.replace("_", "-") in shown
    assert "0.22" in shown


# Options that decide how a model is asked: the same whoever asks.
OF_MODELS = ("device", "dtype", "batch_size", "offline", "trust_remote_code", "allow_pickle", "no_cache", "debug")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (DataOptions, (*OF_MODELS, "limit", "seed", "end", "head", "quiet")),
        (TrlOptions, (*OF_MODELS, "quiet")),
        (
            RequestsOptions,
            ("map", "language", "limit", "seed", "render", "chat_template", "system", "offline", "debug"),
        ),
        (AnalyseOptions, ("language", "limit", "seed", "objective", "beta", "out", "offline", "private", "debug")),
    ],
)
def test_what_commands_share_is_written_once(kind: type, names: tuple[str, ...]) -> None:
    own, compare = (get_type_hints(one, include_extras=True) for one in (kind, AuditOptions))
    for name in names:
        # Of "quiet" compare alone says what it does not hush.
        shared = get_type_hints(RequestsOptions, include_extras=True) if name == "quiet" else compare
        assert own[name].__metadata__[0] is shared[name].__metadata__[0], name
