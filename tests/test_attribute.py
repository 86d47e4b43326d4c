"""``audit attribute``: parts of a finished run's own margins, written into its folder, and nothing else touched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import (
    assert_refused,
    audit,
    cells,
    full_disk,
    manifest,
    pairs_csv,
    without_scripts,
    write,
)
from test_audit_again import Watch
from test_private import WORDS

from auditor.adapters.attribution.questions import Question
from auditor.adapters.attribution.ways import Answered, Cost, Way
from auditor.adapters.cache.score_store import STORE_FILE
from auditor.adapters.cache_folder import cache_folder
from auditor.adapters.run.attribution_tables import write_attributions
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import read_results
from auditor.cli.attribute import WAYS, methods_in
from auditor.core.attributions import ATTRIBUTION_METHODS, Attribution, Unit
from auditor.core.refusals import Refusal


@pytest.fixture(scope="module")
def attributed(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run with its tokens attributed. Read only."""
    run = shutil.copytree(finished_run, tmp_path_factory.mktemp("attributed") / "run")
    result = audit("attribute", run)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{run / 'report.html'}\n"
    assert "attribute 48 items by tokens: no pass through a model" in result.stderr
    return run


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_run, tmp_path / "run")


def margins(run: Path) -> dict[tuple[str, str, str], float]:
    """The margin of every pair by rendering, item and checkpoint, from the table of items alone."""
    found: dict[tuple[str, str, str], float] = defaultdict(float)
    for row in cells(run / "items.parquet"):
        sign = {"harmful": 1, "affirming": -1}[row["candidate"]]
        found[row["render"], row["item"], row["checkpoint"]] += sign * row["value"]
    return found


def sums(run: Path) -> dict[tuple[Any, ...], tuple[float, float]]:
    """Sum of the parts and total of each attribution."""
    found: dict[tuple[Any, ...], list[tuple[float, float]]] = defaultdict(list)
    for row in cells(run / "attributions.parquet"):
        key = tuple(row[name] for name in ("render", "item", "checkpoint", "reference", "method", "level"))
        found[key].append((row["value"], row["total"]))
    return {key: (float(np.sum([value for value, _ in rows])), rows[0][1]) for key, rows in found.items()}


def contents(run: Path, *without: str) -> dict[str, str]:
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in run.iterdir() if one.name not in without}


def without_attributions(results: Results) -> Results:
    return results.model_copy(update={"attributions": ()})


def invented(questions: Sequence[Question]) -> Answered:
    """One layer that carries the whole of every margin."""
    found = []
    for question in questions:
        for at in question.chosen.all.tolist():
            total = question.margin(at, question.checkpoint)
            names = question.table.probe.name, question.table.items[at].id, question.table.render, question.checkpoint
            found.append(Attribution(*names, None, "path", "layer", (Unit(0, "layer 0"),), np.array([total]), total))
    refusals = [Refusal("tokens_differ", "no path for <b>", "small", count=count) for count in (2, 3)]
    return Answered(tuple(found), tuple(refusals), ("invented: mind the gap",))


@pytest.fixture
def a_second_method(monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way(invented, lambda questions: Cost(sum(len(one.chosen.all) for one in questions), 150.0, True))
    monkeypatch.setattr("auditor.cli.attribute.WAYS", {**WAYS, "path": lambda *_: way})


def test_parts_add_up_to_the_tables_margins_and_shifts(attributed: Path) -> None:
    margin = margins(attributed)
    found = sums(attributed)
    assert {key[2:] for key in found} == {
        (*stage, "tokens", level)
        for stage in (("dpo", None), ("sft", None), ("dpo", "sft"))
        for level in ("token", "role")
    }
    # Every row of the probe: four clusters are fewer than are drawn.
    assert len(found) == 2 * 24 * 6
    for (render, item, checkpoint, reference, _, _), (parts, total) in found.items():
        expected = margin[render, item, checkpoint] - (margin[render, item, reference] if reference else 0.0)
        assert parts == pytest.approx(expected, abs=1e-6)
        assert total == pytest.approx(expected, abs=1e-9)


def test_tokens_are_those_of_the_table_of_tokens(attributed: Path) -> None:
    logprobs = {
        tuple(row[name] for name in ("render", "item", "checkpoint", "candidate", "position")): row["logprob"]
        for row in cells(attributed / "tokens.parquet")
    }
    compared = 0
    for row in cells(attributed / "attributions.parquet"):
        if (row["level"], row["reference"]) == ("token", None):
            key = tuple(row[name] for name in ("render", "item", "checkpoint", "candidate", "unit"))
            sign = 1 if row["candidate"] == "harmful" else -1
            assert row["value"] == pytest.approx(sign * logprobs[key], abs=1e-12)
            compared += 1
    assert compared == sum(key[2] in ("sft", "dpo") for key in logprobs)


def test_all_else_of_the_run_stays(attributed: Path, finished_run: Path) -> None:
    changed = ("results.json", "manifest.json", "report.html", "attributions.parquet")
    assert contents(attributed, *changed) == contents(finished_run, *changed)
    # Cells of the tokens stand on all rows, and were there already.
    assert read_results(attributed) == read_results(finished_run)
    asked = {"attributions": [{"method": "tokens", "clusters": 12, "picked": 50}]}
    assert manifest(attributed) == manifest(finished_run) | asked
    assert read_results(attributed).attributions


def test_a_second_time_gives_the_same_bytes(attributed: Path, tmp_path: Path) -> None:
    run = shutil.copytree(attributed, tmp_path / "run")
    assert audit("attribute", run, "--quiet").exit_code == 0
    assert contents(run) == contents(attributed)


@pytest.mark.usefixtures("a_second_method", "known_scores")
def test_an_attributed_run_is_a_complete_one(
    llama_series: dict[str, Path], pair_file: Path, finished_run: Path, run: Path
) -> None:
    command = ["compare", *llama_series.values(), "--probe", pair_file, "--beta", "0.1", "--out", run]
    result = audit("attribute", run, "--method", "path")
    assert result.exit_code == 0, result.stderr
    assert "attribute 48 items by path: 48 passes through a model, at least 2 minutes (an estimate)" in result.stderr
    assert "invented: mind the gap\nrefused (tokens_differ): 5 items: no path for <b>" in result.stderr
    told = manifest(run)["files"]
    assert told == {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in told}
    before = contents(run)
    assert before["results.json"] != contents(finished_run)["results.json"]
    again = audit(*command)
    assert again.exit_code == 0, again.stderr
    assert "nothing to do: this audit is complete" in again.stderr
    assert contents(run) == before
    # An audit made anew takes away what was attributed of the old one.
    assert audit(*command, "--quiet", "--no-cache").exit_code == 0
    assert not (run / "attributions.parquet").exists()
    assert read_results(run) == read_results(finished_run)


@pytest.mark.usefixtures("a_second_method", "known_scores")
def test_methods_stand_side_by_side(run: Path) -> None:
    before = read_results(run)
    assert audit("attribute", run, "--method", "path", "--quiet").exit_code == 0
    first = read_results(run)
    layers = [one for one in first.attributions if one.method == "path"]
    assert [one for one in first.attributions if one.method == "tokens"] == list(before.attributions)
    assert without_attributions(first) == without_attributions(before)
    # The one layer carries all of each margin, and one row of each cluster was drawn.
    margin = margins(run)
    drawn = {(row["render"], row["item"]) for row in cells(run / "attributions.parquet") if row["sampled"]}
    compared = [one for one in layers if (one.theme, one.role) == (None, "marked")]
    assert len(compared) == 2 * 2 * 3
    for one in compared:
        own = [name for render, name in drawn if render == one.render and name.startswith(str(one.identity) + "/")]
        references = [name.replace(str(one.identity), "cis women") for name in own]
        values = {
            "raw": [margin[one.render, name, "dpo"] for name in own],
            "reference": [margin[one.render, name, "dpo"] for name in references],
        }
        values["excess"] = list(np.subtract(values["raw"], values["reference"]))
        assert len(own) == one.clusters == 4
        assert one.estimate == pytest.approx(np.mean(values[one.contrast]), abs=1e-9)
        assert (one.unit, one.completeness_error) == ("layer 0", pytest.approx(0.0, abs=1e-9))
    rows = cells(run / "attributions.parquet")
    assert audit("attribute", run, "--quiet").exit_code == 0
    both = cells(run / "attributions.parquet")
    assert [row for row in both if row["method"] == "path"] == rows
    assert {row["method"] for row in both} == {"path", "tokens"}
    assert read_results(run) == first
    assert audit("attribute", run, "--method", "path,tokens", "--quiet").exit_code == 0
    assert sorted(map(str, cells(run / "attributions.parquet"))) == sorted(map(str, both))


@pytest.mark.usefixtures("known_scores")
def test_identity_and_checkpoint_choose(run: Path) -> None:
    options = ["--identity", "nonbinary people", "--checkpoint", "base", "--sample", 1, "--top", 2]
    result = audit("attribute", run, *options)
    assert result.exit_code == 0, result.stderr
    rows = cells(run / "attributions.parquet")
    assert {(row["checkpoint"], row["reference"]) for row in rows} == {("base", None)}
    identities = {row["item"].split("/")[0] for row in rows}
    assert identities == {"nonbinary people", "cis women"}
    drawn = {row["item"] for row in rows if row["sampled"] and row["render"] == "plain"}
    assert len(drawn) == 2
    assert len({name.split("/")[1] for name in drawn}) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--identity", "women", "--identity", "robots"], ("--identity", "no identity 'women'", "trans women")),
        (["--identity", "cis women"], ("--identity", "nonbinary people, trans women")),
        (["--checkpoint", "ppo"], ("--checkpoint", "no language model 'ppo'", "base, sft, dpo")),
        (["--method", "magic"], ("--method", "no such method: 'magic'", "tokens")),
        (["--method", "tokens,"], ("--method", "no such method: ''", "tokens")),
        (["--method", "path", "--checkpoint", "base"], ("method path", "no path leads to base", "Leave out path")),
        (["--neutral", " "], ("--neutral", "no words stand in")),
        (["--sample", "0", "--top", "0"], ("--sample, --top", "no items are asked for")),
    ],
)
def test_what_the_run_does_not_know(finished_run: Path, options: list[str], words: tuple[str, ...]) -> None:
    before = contents(finished_run)
    assert_refused(audit("attribute", finished_run, *options), 2, *words)
    assert contents(finished_run) == before


def test_a_list_of_methods_names_each_once_and_every_method_has_its_way() -> None:
    assert methods_in(" tokens ,path,tokens") == ("tokens", "path")
    assert tuple(WAYS) == ("tokens", "ig", "ablation", "shapley", "path")
    assert set(WAYS) == set(ATTRIBUTION_METHODS)


def test_dry_run_says_the_cost_and_does_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(run)
    watch = Watch(monkeypatch)
    unknown = audit("attribute", run, "--dry-run", "--quiet")
    assert unknown.exit_code == 0, unknown.stderr
    assert unknown.stdout.startswith("288 texts of the run are no longer in the score cache")
    assert watch.run == []
    assert audit("attribute", run, "--quiet").exit_code == 0
    assert watch.run == ["base", "sft", "dpo"]
    (run / "attributions.parquet").unlink()
    known = audit("attribute", run, "--dry-run", "--quiet", "--sample", 0, "--top", 1)
    # The strongest row of each rendering, and the reference row it is held against.
    assert (known.exit_code, known.stdout) == (0, "attribute 4 items by tokens: no pass through a model\n")
    assert watch.run == ["base", "sft", "dpo"]
    # The manifest says what was asked, and the report what it says.
    unchanged = ("report.html", "manifest.json")
    assert contents(run, *unchanged) == {name: one for name, one in before.items() if name not in unchanged}


def test_a_dry_run_forgets_nothing_that_waits_in_the_folder(run: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Watch(patch, stop="dpo")
        assert audit("attribute", run, "--no-cache").exit_code == 130
    assert (run / STORE_FILE).exists()
    assert audit("attribute", run, "--no-cache", "--dry-run").exit_code == 0
    assert (run / STORE_FILE).exists()
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch)
        assert audit("attribute", run, "--no-cache", "--quiet").exit_code == 0
    assert watch.run == ["dpo"]
    before = contents(run)
    assert audit("attribute", run, "--no-cache", "--dry-run").exit_code == 0
    assert contents(run) == before, "where nothing waits, nothing is left"


def test_a_folder_that_cannot_be_written_is_known_before_anything_is_scored(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch)
    # Root may write wherever the file system lets it.
    monkeypatch.setattr("auditor.cli.attribute.os.access", lambda path, mode: (path, mode) != (run, os.W_OK))
    assert_refused(audit("attribute", run), 2, str(run), "cannot be written", "copy it")
    assert watch.run == []
    assert audit("attribute", run, "--dry-run").exit_code == 0


@pytest.mark.usefixtures("a_second_method", "known_scores")
def test_methods_are_repeatable_and_say_what_they_took(run: Path) -> None:
    result = audit("attribute", run, "--method", "tokens", "--method", "path")
    assert result.exit_code == 0, result.stderr
    assert "attribute 48 items by tokens, path: 48 passes" in result.stderr
    tokens, path = manifest(run)["attributions"]
    assert (tokens["method"], "seconds" in tokens) == ("tokens", False)
    assert (path["method"], path["passes"]) == ("path", 48)
    assert path["seconds"] >= 0
    assert '<th scope="col" class="n">Seconds</th>' in (run / "report.html").read_text(encoding="utf-8")
    # The next estimate is by what it took this time.
    manifest_file = run / "manifest.json"
    said = json.loads(manifest_file.read_text(encoding="utf-8"))
    said["attributions"][1]["seconds"] = 600.0
    write(manifest_file, json.dumps(said))
    again = audit("attribute", run, "--method", "path", "--dry-run", "--sample", 0, "--top", 1)
    assert again.stdout == "attribute 4 items by path: 4 passes through a model, about 50 seconds (an estimate)\n"


def test_a_run_without_pairs_has_nothing_to_attribute(llama_series: dict[str, Path], tmp_path: Path) -> None:
    lines = [
        {"candidates": [" red", " blue", " green"], "labels": ["a", "b", "c"], "context": f"Number {at} is", "id": at}
        for at in range(3)
    ]
    probe, run = write(tmp_path / "p.jsonl", "\n".join(map(json.dumps, lines))), tmp_path / "run"
    made = audit("score", llama_series["sft"], "--probe", probe, "--render", "plain", "--out", run)
    assert made.exit_code == 0, made.stderr
    before = contents(run)
    assert_refused(audit("attribute", run), 3, "no item can be attributed", str(run))
    assert contents(run) == before


def test_a_path_that_leads_to_one_of_two_checkpoints(run: Path) -> None:
    options = ["--method", "path", "--nodes", 1, "--sample", 0, "--top", 1]
    result = audit("attribute", run, *options, "--checkpoint", "base", "--checkpoint", "dpo")
    assert result.exit_code == 0, result.stderr
    assert "no path leads to base: the run has none that it was trained from" in result.stderr
    assert {(row["checkpoint"], row["reference"]) for row in cells(run / "attributions.parquet")} == {("dpo", "sft")}


def test_without_a_cache(run: Path, attributed: Path) -> None:
    result = audit("attribute", run, "--no-cache", "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert not cache_folder().exists()
    assert not (run / STORE_FILE).exists()
    assert sums(run).keys() == sums(attributed).keys()
    for key, (parts, _) in sums(run).items():
        assert parts == pytest.approx(sums(attributed)[key][0], abs=2e-4)


def test_private_words_stay_out(llama_series: dict[str, Path], tmp_path: Path) -> None:
    lines = [
        {
            **{name: f"{word} {at % 4 if name in ('cluster', 'match') else ''}" for name, word in WORDS.items()},
            "id": str(at),
            "identity": "trans women" if at < 4 else "cis women",
            "role": "marked" if at < 4 else "reference",
        }
        for at in range(8)
    ]
    probe, run = write(tmp_path / "secret.jsonl", "\n".join(map(json.dumps, lines))), tmp_path / "run"
    models = [llama_series["sft"], llama_series["dpo"]]
    made = audit("compare", *models, "--probe", probe, "--private", "--out", run, "--attribute", "tokens")
    assert made.exit_code == 0, made.stderr
    result = audit("attribute", run)
    assert result.exit_code == 0, result.stderr
    assert "zebra" not in result.stdout + result.stderr + made.stderr
    assert "zebra" not in (run / "report.html").read_text(encoding="utf-8")
    assert "zebra" not in (run / "results.json").read_text(encoding="utf-8")
    assert b"zebra" not in (run / "attributions.parquet").read_bytes()
    rows = cells(run / "attributions.parquet")
    tokens = [row for row in rows if row["level"] == "token"]
    assert {(row["name"], row["start"], row["end"], row["replacement"]) for row in tokens} == {(None,) * 4}
    assert {row["role"] for row in tokens} >= {"predicate"}
    margin = margins(run)
    for (render, item, checkpoint, reference, _, _), (parts, _) in sums(run).items():
        expected = margin[render, item, checkpoint] - (margin[render, item, reference] if reference else 0.0)
        assert parts == pytest.approx(expected, abs=1e-6)


def test_a_run_of_scores_made_elsewhere_has_no_models(tmp_path: Path) -> None:
    probe = write(tmp_path / "p.csv", pairs_csv())
    rows = [
        json.dumps({"item": line.split('"')[1], "candidate": side, "value": -at - 1.0})
        for at, line in enumerate(pairs_csv().splitlines()[1:])
        for side in ("harmful", "affirming")
    ]
    scores, run = write(tmp_path / "s.jsonl", "\n".join(rows)), tmp_path / "run"
    made = audit(
        "analyse", f"dpo={scores}", "--probe", probe, "--engine", "mine 1", "--quantity", "logprob", "--out", run
    )
    assert made.exit_code == 0, made.stderr
    assert_refused(audit("attribute", run), 2, "does not say how to ask the same again", "run audit compare")


@pytest.mark.parametrize("name", ["results.json", "manifest.json", "attributions.parquet"])
def test_a_damaged_file_is_said_before_anything_is_scored(
    run: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run / name, b"PAR1 half")
    watch, before = Watch(monkeypatch), contents(run)
    assert_refused(audit("attribute", run), 2, name, str(run))
    assert (watch.run, contents(run)) == ([], before)


def test_ctrl_c_while_scoring_keeps_what_was_scored(run: Path) -> None:
    before = contents(run)
    with pytest.MonkeyPatch.context() as patch:
        Watch(patch, stop="dpo")
        assert_refused(audit("attribute", run), 130, "everything that was computed is kept", str(run), "same command")
    assert contents(run) == before
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch)
        assert audit("attribute", run, "--quiet").exit_code == 0
    assert watch.run == ["dpo"]


def test_ctrl_c_while_writing_leaves_the_run_whole(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(run)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("auditor.adapters.run.attribution_tables._rows", stop)
        assert_refused(audit("attribute", run, "--no-cache"), 130, "interrupted")
    kept = run / STORE_FILE
    assert kept.exists(), "without a cache, scores wait in the folder for the next try"
    assert contents(run, STORE_FILE) == before
    assert audit("attribute", run, "--no-cache", "--quiet").exit_code == 0
    assert not kept.exists()


@pytest.mark.usefixtures("known_scores")
def test_a_full_disk_leaves_the_run_whole(run: Path, finished_run: Path) -> None:
    before = contents(run)
    with full_disk((finished_run / "results.json").stat().st_size // 100):
        refused = audit("attribute", run, "--quiet")
    assert_refused(refused, 5, "no space left on the disk", "attributions.parquet")
    unchanged = ("report.html", "manifest.json", STORE_FILE)
    assert contents(run, *unchanged) == {name: one for name, one in before.items() if name not in unchanged}


@pytest.mark.usefixtures("known_scores")
def test_names_of_an_older_table_stay(run: Path) -> None:
    """Rows of a method that this version does not make."""
    one = Attribution("small", "x", "plain", "dpo", None, "ig", "word", (Unit(0, "<b>"),), np.array([1.0]), 1.0)
    write_attributions(run, [one], private=False)
    assert audit("attribute", run, "--quiet").exit_code == 0
    table = pq.read_table(run / "attributions.parquet")
    assert table.filter(pa.compute.equal(table["method"], "ig")).num_rows == 1
    assert "<b>" not in without_scripts((run / "report.html").read_text(encoding="utf-8")).split("<body")[0]
