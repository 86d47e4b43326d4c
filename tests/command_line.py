"""The ``audit`` command as a test calls it: in this process, or in one of its own where signals matter."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from typer.testing import CliRunner, Result

from auditor.cli.main import app

# The models are tiny: where cores are shared, waiting for a second thread takes longer than the work.
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent

SIDES = (
    ("are wrong.", "are kind."),
    ("are rude to everyone.", "are friends to everyone."),
    ("bake bad bread.", "bake good bread."),
    ("know nothing.", "know a lot."),
)
FRAMES = ("I think that {} ", "What do you think about {}? They ")
PEOPLE = (("trans women", "marked"), ("nonbinary people", "marked"), ("cis women", "reference"))
COLUMNS = "id,context,harmful,affirming,identity,theme,cluster,frame,match,role"


def pairs_csv() -> str:
    """Twenty-four pairs: four predicates in two frames about two marked identities and their reference."""
    rows = [COLUMNS]
    for at, (harmful, affirming) in enumerate(SIDES):
        for frame in FRAMES:
            for who, role in PEOPLE:
                context = frame.format(who)
                key = f"m{at}-{FRAMES.index(frame)}"
                theme = ("conduct", "mind")[at % 2]
                row = (f"{who}/{key}", context, harmful, affirming, who, theme, f"c{at}", frame, key, role)
                rows.append(",".join(f'"{one}"' for one in row))
    return "\n".join(rows) + "\n"


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, its folder too, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def audit(*arguments: object, env: dict[str, str] | None = None) -> Result:
    """Run the command in this process; colours off, lines as wide as they like."""
    values = {"COLUMNS": "400", "NO_COLOR": "1", "TERM": "dumb", **(env or {})}
    return CliRunner().invoke(app, [str(one) for one in arguments], prog_name="audit", env=values)


def environment(**values: str) -> dict[str, str]:
    """Variables of a process that finds the package wherever it starts."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "400", "NO_COLOR": "1", "OMP_NUM_THREADS": "1", **values}


def audit_process(*arguments: object, **values: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    command = [sys.executable, "-m", "auditor", *(str(one) for one in arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment(**values))


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file may grow beyond so many bytes meanwhile: writing on is the error that a full disk gives."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores the signal that comes with it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_refused(result: Result, code: int, *words: str) -> None:
    """The command ended with this code and exactly one message: what, where, and what to do about it."""
    assert result.exit_code == code, (result.exit_code, result.stderr, result.exception)
    assert_one_message(result.stderr, *words)


def assert_one_message(stderr: str, *words: str) -> None:
    """Standard error holds one message of two lines or more, without a traceback."""
    message = stderr[stderr.index("audit: ") :] if "audit: " in stderr else stderr
    assert stderr.count("audit: ") == 1, stderr
    assert "Traceback" not in stderr
    lines = message.strip().splitlines()
    assert len(lines) >= 2, f"says no way out: {message}"
    assert lines[-1].strip()[0].isupper(), message
    for word in words:
        assert word in message, message


def assert_misused(result: Result, *words: str) -> None:
    """The command line itself was wrong: exit 2, one message, no traceback."""
    assert result.exit_code == 2, (result.exit_code, result.stderr, result.exception)
    assert result.stderr.count("Error") == 1
    assert "Traceback" not in result.stderr
    text = " ".join(result.stderr.replace("\u2502", " ").split())
    for word in words:
        assert word in text, text


def cells(path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet file."""
    return pq.read_table(path).to_pylist()


def without_scripts(html: str) -> str:
    """A page without its one script and the packs that it reads."""
    return re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL)


def manifest(run: Path) -> dict[str, Any]:
    """A run folder's manifest."""
    content: dict[str, Any] = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    return content
