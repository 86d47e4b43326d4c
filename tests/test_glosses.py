"""Twin of auditor.adapters.report.items.glosses, beside a plain reading of the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from run_factory import make_run

from auditor.adapters.report.items.glosses import MAX_TOKENS, TokenRow, glosses_of, names_with_tokens, token_rows
from auditor.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def rows_of(run: Path, **about: str) -> list[dict[str, Any]]:
    rows = pq.read_table(run / "tokens.parquet").to_pylist()
    return [row for row in rows if all(row[name] == value for name, value in about.items())]


def test_rows_are_those_of_the_table(run: Path) -> None:
    names = names_with_tokens(run, "chat", "sft")
    assert set(names) == {(row["probe"], row["item"]) for row in rows_of(run, render="chat")}
    assert len(set(names)) == len(names)
    # One id that two probes might share must not bring the other probe's.
    chosen = [("small", names[0][1]), ("swap", "3")]
    found = token_rows(run, "chat", [*chosen, ("nowhere", names[1][1])])
    assert {key[:2] for key in found} == set(chosen)
    for (probe, item, checkpoint, candidate), own in found.items():
        table = rows_of(run, probe=probe, item=item, checkpoint=checkpoint, candidate=candidate, render="chat")
        expected = [tuple(row[name] for name in ("position", "token", "start", "end", "logprob")) for row in table]
        assert [(one.position, one.token, one.start, one.end, one.logprob) for one in own] == sorted(expected)


def test_no_table_and_no_names(run: Path, tmp_path: Path) -> None:
    assert names_with_tokens(tmp_path, "plain", "sft") == []
    assert token_rows(tmp_path, "plain", [("small", "x")]) == {}
    assert token_rows(run, "plain", []) == {}


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokens.parquet").write_bytes(b"no table")
    with pytest.raises(UsageError, match=r"tokens\.parquet: cannot be read"):
        names_with_tokens(tmp_path, "plain", "sft")


def test_what_adds_no_character_is_named() -> None:
    cut = [("\u0120caf", 0, 4), ("\u00c3", 4, 5), ("\u00a9", 4, 5), ("</s>", 5, 5)]
    rows = {
        name: [TokenRow(at, *one, -float(at) - shift) for at, one in enumerate(cut)]
        for name, shift in (("a", 0), ("b", 1))
    }
    (gloss,) = glosses_of(" caf\u00e9", rows)
    assert gloss.checkpoints == ("a", "b")
    assert [(one.text, one.named) for one in gloss.tokens] == [
        (" caf", False), ("\u00e9", False), ("\u00a9", True), ("</s>", True),
    ]  # fmt: skip
    assert [one.logprobs for one in gloss.tokens] == [(-float(at), -float(at) - 1) for at in range(4)]


def test_other_cuts_have_their_own_gloss_and_long_ones_end() -> None:
    long = [TokenRow(at, "x", at, at + 1, -1.0) for at in range(MAX_TOKENS + 5)]
    short = [TokenRow(0, "x" * 65, 0, 65, -2.0)]
    first, second = glosses_of("x" * 65, {"a": long, "b": short, "c": long, "d": []})
    assert (first.checkpoints, second.checkpoints) == (("a", "c"), ("b",))
    assert (len(first.tokens), first.left_out) == (MAX_TOKENS, 5)
    assert (len(second.tokens), second.left_out) == (1, 0)
