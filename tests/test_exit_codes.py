"""Each error ends with its documented code and one message."""

from __future__ import annotations

import pytest
import typer
from command_line import assert_one_message

from auditor import errors
from auditor.cli.exit_codes import errors_as_exit_codes

TREE = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.AuditError)]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_ends_with_its_code(kind: type[errors.AuditError], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, errors_as_exit_codes(debug=False):
        raise kind("it broke", where="there", fix="Mend it.")
    assert caught.value.exit_code == kind.exit_code
    assert capsys.readouterr().err == "audit: there: it broke\nMend it.\n"


def test_a_fault_of_ours_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, errors_as_exit_codes(debug=False):
        raise ZeroDivisionError("two\nlines")
    assert caught.value.exit_code == 70
    message = capsys.readouterr().err
    assert_one_message(message, "internal error: ZeroDivisionError: two lines", "--debug")


def test_debug_shows_the_trace_and_keeps_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, errors_as_exit_codes(debug=True):
        raise ZeroDivisionError
    assert caught.value.exit_code == 70
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert "raise ZeroDivisionError" in shown


def test_ctrl_c_before_anything_began(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, errors_as_exit_codes(debug=False):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130
    assert_one_message(capsys.readouterr().err, "interrupted before anything was kept", "same command again")


def test_io_failure_nobody_foresaw(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, errors_as_exit_codes(debug=False):
        raise OSError(5, "Input/output error")
    assert caught.value.exit_code == 5
    assert_one_message(capsys.readouterr().err, "Input/output error", "Check the disk")
