"""Twin of auditor.adapters.run.finished_runs; what the command makes of it is in test_audit_again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import manifest, write

import auditor.adapters.run.finished_runs as module
from auditor.adapters.run.finished_runs import finished_results, package_digest
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import read_results


def asked(run: Path, path: Path | None = None, **changes: str) -> Results | None:
    """What is found at ``path`` for the very question that ``run`` answers, but for some changes."""
    known = manifest(run)
    prints = {one["name"]: one["fingerprint"] for one in known["finished"]}
    if "fingerprint" in changes:
        prints["dpo"] = changes["fingerprint"]
    return finished_results(
        path or run,
        changes.get("request_id", known["request_id"]),
        changes.get("tokens", known["tokens"]),
        {**known["environment"], **({"torch": changes["torch"]} if "torch" in changes else {})},
        lambda: prints,
    )


def test_a_complete_run_answers_its_own_question(finished_run: Path) -> None:
    assert asked(finished_run) == read_results(finished_run)


@pytest.mark.parametrize("what", ["request_id", "tokens", "torch", "fingerprint"])
def test_and_no_other(finished_run: Path, what: str) -> None:
    assert asked(finished_run, **{what: "another"}) is None


def test_weights_are_asked_last(finished_run: Path) -> None:
    def never() -> dict[str, str]:
        raise AssertionError("weights were hashed for nothing")

    assert finished_results(finished_run, "another", "all", {}, never) is None


def test_other_code_concludes_anew(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "package_digest", lambda: "0" * 64)
    assert asked(finished_run) is None


def test_whatever_is_wrong_is_no_finished_run(finished_run: Path, tmp_path: Path) -> None:
    assert asked(finished_run, tmp_path / "nowhere") is None
    assert asked(finished_run, tmp_path) is None
    for name, content in (("manifest.json", "[]"), ("manifest.json", "{"), ("results.json", "{}")):
        run = tmp_path / f"{name}-{len(content)}"
        shutil.copytree(finished_run, run)
        (run / name).write_text(content, encoding="utf-8")
        assert asked(finished_run, run) is None


def test_digest_is_of_every_line_of_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, templates = tmp_path / "package", tmp_path / "templates"
    write(package / "adapters" / "run" / "finished_runs.py", "a")
    write(templates / "page.html", "b")
    monkeypatch.setattr(module, "__file__", str(package / "adapters" / "run" / "finished_runs.py"))
    monkeypatch.setattr(module, "data_folder", lambda _: templates)
    digests = [package_digest(), package_digest()]
    assert digests[0] == digests[1]
    write(package / "core" / "new.py", "c")
    digests.append(package_digest())
    write(templates / "page.html", "bb")
    digests.append(package_digest())
    assert len(set(digests)) == 3
