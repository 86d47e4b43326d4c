"""The manifest says what was audited, with what, and the command that did it."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from command_line import audit

from auditor import __version__
from auditor.cli.manifest import manifest_of
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe
from auditor.core.series import build_series


def test_says_what_was_audited(finished_run: Path, pair_file: Path, llama_series: dict[str, Path]) -> None:
    manifest = json.loads((finished_run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["auditor"] == __version__
    engine = manifest["engine"]
    assert (engine["device"], engine["dtype"], engine["forward"], engine["end"]) == ("cpu", "float32", "packed", "auto")
    assert engine["torch"].split("+")[0] == version("torch").split("+")[0]
    assert len(manifest["request"]["chat_template_sha256"]) == 64
    assert manifest["environment"]["torch"] == version("torch")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(manifest["created"])).total_seconds()) < 3600
    assert manifest["request"]["beta"] == ["0.1"]
    assert manifest["request"]["sesoi"] == pytest.approx(0.2231, abs=1e-4)
    assert set(manifest["first_rendered"]) == {"plain", "chat"}
    (probe,) = manifest["probes"]
    assert (probe["name"], probe["items"], probe["source"]) == ("small", 24, pair_file.name)
    dpo = manifest["series"][-1]
    assert (dpo["source"], dpo["reference"], dpo["objective"]) == (str(llama_series["dpo"]), "sft", "dpo")
    assert (dpo["objective_source"], dpo["beta"], dpo["saved_dtype"]) == ("name", 0.1, "float32")
    assert dpo["parameters"] > 10_000
    assert dpo["model_type"] == "llama"


def test_says_in_which_languages_a_probe_asks() -> None:
    sides = (Candidate(HARMFUL, "a"), Candidate(AFFIRMING, "b"))
    items = tuple(Item(str(at), sides, language=language) for at, language in enumerate(("en", "", "de", "en")))
    series = build_series([("base", "base")], references={}, objectives={}, betas={}, tags={})
    manifest = manifest_of(
        request_id="a" * 64,
        request={},
        engine={},
        forward_reason="",
        probes=[Probe("small", items, Card("Small", "small.csv", "0" * 64))],
        series=series,
        files={"base": {}},
        renders=["plain"],
        renders_reason="",
        first_rendered={},
    )
    assert [one["languages"] for one in manifest["probes"]] == [["de", "en"]]


def test_command_can_be_pasted(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = [
        "score",
        f"my model={llama_series['base']}",
        "--probe",
        str(pair_file),
        "--out",
        str(tmp_path / "a b"),
        "--quiet",
    ]
    monkeypatch.setattr("sys.argv", ["/somewhere/audit", *line])
    assert audit(*line).exit_code == 0
    manifest = json.loads((tmp_path / "a b" / "manifest.json").read_text(encoding="utf-8"))
    assert shlex.split(manifest["command"]) == ["audit", *line]
