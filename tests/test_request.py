"""A request in plain values: what options mean, what tells two audits apart, where one goes."""

from __future__ import annotations

import inspect
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from auditor.cli.options import CHECKPOINTS, AuditOptions, Dtype, End, Render, Tier, Tokens, command
from auditor.cli.request import (
    batch_size,
    betas,
    bound,
    command_line,
    default_out,
    describe_arguments,
    describe_request,
    named_values,
    references,
    request_id,
    template_arguments,
)
from auditor.errors import UsageError


def test_named_values() -> None:
    assert named_values("--reference", ["dpo=sft", "a=b=c"]) == {"dpo": "sft", "a=b": "c"}
    assert betas(["0.1"]) == {"": 0.1}
    assert betas(["dpo=0.1", "5e-1"]) == {"dpo": 0.1, "": 0.5}


def test_of_several_references_the_first_is_the_series_own() -> None:
    assert references(["dpo=sft", "kto=sft", "dpo=base", "dpo=other"]) == (
        {"dpo": "sft", "kto": "sft"},
        {"dpo": ("base", "other")},
    )
    assert references([]) == ({}, {})
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        references(["dpo=sft", "base"])


@pytest.mark.parametrize("values", [["x"], ["=x"], ["x="], [""], ["="], ["a=1", "a=2"]])
def test_named_values_without_sense(values: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        named_values("--reference", values)
    assert caught.value.where == "--reference"
    assert caught.value.fix


def test_template_arguments_are_yaml() -> None:
    values = template_arguments(["thinking=false", "depth=3", "text=a=b", "empty=", "quoted='1'"])
    assert values == {"thinking": False, "depth": 3, "text": "a=b", "empty": None, "quoted": "1"}


def test_numbers() -> None:
    assert (batch_size("auto"), batch_size("16"), batch_size("007")) == (None, 16, 7)
    assert (bound(None, 0.22), bound(0.5, 0.22)) == (0.22, 0.5)


OTHER: dict[str, Any] = {
    "limit": 3, "seed": 1, "render": Render.chat, "chat_template": Path("t"), "system": "s", "template_arg": ["a=1"],
    "end": End.eos, "reference": ["a=b"], "objective": ["a=dpo"], "beta": ["1"], "sesoi": 1.0, "private": True,
    "reward_sesoi": 2.0,
    "device": "cpu", "dtype": "bfloat16", "device_map": "auto", "allow_mixed_precision": True,
    "trust_remote_code": True, "allow_pickle": True, "tier": Tier.quick, "axis": ["gender"], "map": ["a=b"],
    "language": "fr", "head": ["a=b"],
}  # fmt: skip
SAME: dict[str, Any] = {
    "config": Path("c"), "probe": ["p"], "batch_size": "4", "no_cache": True, "out": Path("o"), "dry_run": True,
    "quiet": True, "debug": True, "offline": True, "rehash": True, "tokens": Tokens.none,
    "attribute": "tokens",
}  # fmt: skip


def identity(options: AuditOptions, probes: tuple[str, ...] = ("p 0",), **engine: str) -> str:
    return request_id(describe_request(["a", "b"], options), probes, engine)


def test_every_option_is_known_to_matter_or_not() -> None:
    assert {one.name for one in fields(AuditOptions)} == OTHER.keys() | SAME.keys()


@pytest.mark.parametrize("name", OTHER)
def test_options_that_make_another_audit(name: str) -> None:
    assert identity(replace(AuditOptions(), **{name: OTHER[name]})) != identity(AuditOptions())


@pytest.mark.parametrize("name", SAME)
def test_options_that_make_the_same_audit(name: str) -> None:
    assert identity(replace(AuditOptions(), **{name: SAME[name]})) == identity(AuditOptions())


def test_probes_checkpoints_and_engine_count() -> None:
    ids = {
        identity(AuditOptions()),
        identity(AuditOptions(), ("p 1",)),
        identity(AuditOptions(), dtype="float32"),
        request_id(describe_request(["b", "a"], AuditOptions()), ("p 0",), {}),
    }
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["base", "dpo"], "base-dpo-01234567"),
        (["../../etc/passwd"], "etc_passwd-01234567"),
        (["<script>", "\u2603"], "script-01234567"),
        (["..", "."], "audit-01234567"),
        (["x" * 500], "x" * 60 + "-01234567"),
    ],
)
def test_default_folder_is_one_tame_name(names: list[str], folder: str) -> None:
    assert default_out(names, "0123456789") == Path("reports") / folder


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {**OTHER, "dtype": Dtype.bfloat16, "device_map": None},
        {**SAME, "config": None},
        {"system": "--quiet", "probe": ["-p", "a b", "it's"], "out": Path("-o")},
    ],
)
def test_the_command_that_asks_for_the_same(changes: dict[str, Any]) -> None:
    seen: list[tuple[list[str], AuditOptions]] = []
    app = typer.Typer()
    first = inspect.Parameter("checkpoints", inspect.Parameter.KEYWORD_ONLY, annotation=CHECKPOINTS)
    app.command("compare")(command(first, lambda *given: seen.append(given), "compare", "Compare."))
    options = replace(AuditOptions(), **changes)
    words = shlex.split(command_line(["my base=a b", "dpo"], options))
    assert words[:2] == ["audit", "compare"]
    assert CliRunner().invoke(app, words[2:]).exit_code == 0
    assert seen == [(["my base=a b", "dpo"], options)]


def test_what_asks_again_is_told_beside_what_identifies() -> None:
    options = replace(AuditOptions(), probe=["p.csv"], batch_size="4", offline=True, attribute="tokens")
    assert describe_arguments(options) == {"probe": ["p.csv"], "batch_size": "4", "offline": True}
    assert not describe_arguments(options).keys() & describe_request(["a"], options).keys()
