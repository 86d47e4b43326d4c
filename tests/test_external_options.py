"""The options of the two commands: flags, variables, help; those they share with ``compare`` are the same."""

from __future__ import annotations

from dataclasses import fields

import pytest
import typer

from auditor.cli.external_options import AnalyseOptions, RequestsOptions
from auditor.cli.main import app
from auditor.cli.options import AuditOptions

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
KINDS = {"requests": RequestsOptions, "analyse": AnalyseOptions}


@pytest.mark.parametrize("name", KINDS)
def test_every_field_is_an_option_with_a_variable_and_a_text(name: str) -> None:
    options = {one.name: one for one in COMMANDS[name].params if isinstance(one, typer.core.TyperOption)}
    assert set(options) == {one.name for one in fields(KINDS[name])}
    for field, option in options.items():
        assert option.opts == ["--" + field.replace("_", "-")]
        assert option.envvar == f"AUDIT_{field.upper()}"
        assert option.help


@pytest.mark.parametrize("kind", KINDS.values())
def test_shared_options_have_the_same_defaults(kind: type) -> None:
    own, audit = kind(), AuditOptions()
    shared = {one.name for one in fields(kind)} & {one.name for one in fields(AuditOptions)} - {"out"}
    assert shared >= {"probe", "tier", "axis", "limit", "seed", "quiet", "debug"}
    assert {name: getattr(own, name) for name in shared} == {name: getattr(audit, name) for name in shared}
