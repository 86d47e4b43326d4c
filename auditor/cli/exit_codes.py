"""How a command ends where something goes wrong: one clear message and the documented exit code."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from auditor.adapters.printable import printable
from auditor.errors import AuditError, AuditInterruptedError, StorageError, one_line


@contextmanager
def errors_as_exit_codes(*, debug: bool) -> Iterator[None]:
    """End the process with the documented exit code and one clear message."""
    try:
        yield
    except KeyboardInterrupt as error:
        stopped = AuditInterruptedError("interrupted before anything was kept", fix="Run the same command again.")
        raise _told(stopped, error, debug=debug) from error
    except AuditError as error:
        raise _told(error, error, debug=debug) from error
    except OSError as error:
        failed = StorageError(
            f"reading or writing failed: {one_line(error)}",
            fix="Check the disk and where the output goes, then run the same command again.",
        )
        raise _told(failed, error, debug=debug) from error
    except Exception as error:
        internal = AuditError(
            f"internal error: {type(error).__name__}: {one_line(error)}",
            fix="This is a fault of auditor, not yours: show where with --debug and report it.",
        )
        raise _told(internal, error, debug=debug) from error


def _told(error: AuditError, cause: BaseException, *, debug: bool) -> typer.Exit:
    """Print an error; the exit it ends with."""
    if debug:
        typer.echo(printable("".join(traceback.format_exception(cause))), err=True)
    typer.echo(printable(f"audit: {error}"), err=True)
    return typer.Exit(error.exit_code)
