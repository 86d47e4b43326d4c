"""An audit that is killed again and again ends in the very tables of one that was not, and repeats a pack at most."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import ROOT, environment, manifest, write
from model_factory import SENTENCES

from auditor.adapters.cache.score_store import STORE_FILE

# Imports once and forks for each attempt: what is killed is an audit at work, not Python on its way there.
ATTEMPTS = """
import os, signal, sys, time
from auditor.adapters.hf.scorer import HFScorer
from auditor.cli.main import main

def attempt(arguments, seconds):
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        sys.argv = ["audit", *arguments]
        try:
            main()
        except SystemExit as error:
            os._exit(error.code or 0)
        os._exit(0)
    while time.monotonic() - began < seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return f"{os.waitstatus_to_exitcode(status)} {time.monotonic() - began}"
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "killed"

import json
for line in sys.stdin:
    print(attempt(*json.loads(line)), flush=True)
"""


class Attempts:
    """Starts audits and kills them after so many seconds."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, command: list[str], seconds: float = 600) -> str:
        """``killed``, or the exit code and the seconds it took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([command, seconds]) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


def kept(cache: Path) -> int:
    if not (cache / STORE_FILE).is_file():
        return 0
    with closing(sqlite3.connect(cache / STORE_FILE)) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'scores'").fetchone()[0]
        return int(connection.execute("SELECT count(*) FROM scores").fetchone()[0]) if tables else 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_50_random_points(llama_series: dict[str, Path], tmp_path: Path) -> None:
    generator = random.Random(0)
    words = SENTENCES[0].split()
    rows = [
        f'"{" ".join(generator.choices(words, k=8))} {at}","{" ".join(generator.choices(words, k=6))}",'
        f'"{" ".join(generator.choices(words, k=6))}",c{at % 20}'
        for at in range(200)
    ]
    probe = write(tmp_path / "p.csv", "context,harmful,affirming,cluster\n" + "\n".join(rows))
    models = [str(llama_series[name]) for name in ("base", "sft", "dpo")]
    command = ["compare", *models, "--probe", str(probe), "--quiet"]
    cache, kills, rounds = tmp_path / "cache", 0, 0
    with subprocess.Popen(
        [sys.executable, "-c", ATTEMPTS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(AUDIT_CACHE_DIR=str(cache), TOKENIZERS_PARALLELISM="false"),
        cwd=ROOT,
    ) as process:
        attempts = Attempts(process)
        code, seconds = attempts.run([*command, "--no-cache", "--out", str(tmp_path / "whole")]).split()
        assert code == "0"
        assert sum(work["packs"] for work in manifest(tmp_path / "whole")["work"].values()) > 30
        while kills < 50:
            out = tmp_path / f"run{rounds}"
            before = kept(cache)
            # A folder with a name of its own is a request of its own: what it finds are the scores.
            while (
                said := attempts.run([*command, "--out", str(out)], generator.uniform(0, float(seconds)))
            ) == "killed":
                kills += 1
                now = kept(cache)
                assert now >= before
                # Killed after its last word it is complete: the next attempt finds nothing to do, and its
                # manifest tells what had been kept before it, not what it kept itself.
                if not (out / "manifest.json").is_file() or manifest(out)["status"] != "complete":
                    before = now
            assert said.split()[0] == "0"
            rounds += 1
            assert manifest(out)["status"] == "complete"
            work = manifest(out)["work"].values()
            assert sum(one["recalled"] for one in work) >= before
            assert all(one["split"] == 0 for one in work)
            for table in ("items.parquet", "tokens.parquet"):
                assert pq.read_table(out / table).equals(pq.read_table(tmp_path / "whole" / table))
            assert (out / "results.json").read_bytes() == (tmp_path / "whole" / "results.json").read_bytes()
            for file in cache.glob(f"{STORE_FILE}*"):
                file.unlink()
        assert process.stdin is not None
        process.stdin.close()
    assert rounds > 1
