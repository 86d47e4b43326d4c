"""``audit compare`` and ``audit score`` from end to end on a tiny series: what they leave and what they say."""

from __future__ import annotations

import json
import math
import shutil
from collections import defaultdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest
from command_line import ROOT, assert_refused, audit, cells, pairs_csv, write

from auditor.core import sampling

# The contract of docs/run-folder.md: columns and keys may be added, never renamed.
ITEM_COLUMNS = (
    "probe item identity surface axis theme cluster paraphrase frame match role valence render checkpoint candidate "
    "context text quantity value tokens bytes"
)
TOKEN_COLUMNS = "probe item render checkpoint candidate position token_id token start end logprob"
EFFECT_KEYS = (
    "probe identity axis theme render role valence measure contrast checkpoint measure_from reference unit beta "
    "estimate low high low_adjusted high_adjusted p p_adjusted family share_positive ties items clusters sesoi "
    "verdict controls fragile"
)


def strict(path: Path) -> Any:
    """A JSON file without NaN or infinity, which are no JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{path.name} holds {name}")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def effect(run: Path, **wanted: Any) -> dict[str, Any]:
    found = [one for one in strict(run / "results.json")["effects"] if wanted.items() <= one.items()]
    assert len(found) == 1, (wanted, len(found))
    return dict(found[0])


def test_leaves_exactly_the_files_of_the_contract(finished_run: Path) -> None:
    names = {"manifest.json", "items.parquet", "tokens.parquet", "results.json", "report.html"}
    assert {one.name for one in finished_run.iterdir()} == names


def test_tables_have_the_columns_of_the_contract_and_a_row_each(finished_run: Path) -> None:
    assert set(ITEM_COLUMNS.split()) <= set(pq.read_schema(finished_run / "items.parquet").names)
    assert set(TOKEN_COLUMNS.split()) <= set(pq.read_schema(finished_run / "tokens.parquet").names)
    rows = cells(finished_run / "items.parquet")
    keys = {(one["item"], one["candidate"], one["checkpoint"], one["render"]) for one in rows}
    assert len(rows) == len(keys) == 24 * 2 * 3 * 2
    assert {one["quantity"] for one in rows} == {"logprob"}


def test_values_are_the_sums_of_their_tokens(finished_run: Path) -> None:
    tokens: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    name = ("probe", "item", "render", "checkpoint", "candidate")
    for one in cells(finished_run / "tokens.parquet"):
        tokens[tuple(one[key] for key in name)].append(one)
    for row in cells(finished_run / "items.parquet"):
        mine = tokens.pop(tuple(row[key] for key in name))
        assert [one["position"] for one in mine] == list(range(len(mine)))
        assert row["tokens"] == len(mine)
        assert row["value"] == pytest.approx(math.fsum(one["logprob"] for one in mine), abs=1e-12)
        assert row["bytes"] == len(row["text"].encode())
        # The offsets index the candidate's own text and cover it without a gap.
        assert (mine[0]["start"], max(one["end"] for one in mine)) == (0, len(row["text"]))
        assert all(one["end"] == other["start"] for one, other in pairwise(mine))
    assert not tokens


def test_levels_shifts_and_rewards_follow_from_the_items(finished_run: Path) -> None:
    logp = {
        (one["item"], one["checkpoint"], one["candidate"]): one["value"]
        for one in cells(finished_run / "items.parquet")
        if one["render"] == "plain"
    }

    def mean(who: str, checkpoint: str) -> float:
        ids = [f"{who}/m{cluster}-{frame}" for cluster in range(4) for frame in range(2)]
        margins = [logp[one, checkpoint, "harmful"] - logp[one, checkpoint, "affirming"] for one in ids]
        return math.fsum(margins) / len(margins)

    cell = {"identity": "trans women", "theme": None, "render": "plain"}
    raw = effect(finished_run, **cell, measure="level", checkpoint="dpo", contrast="raw")
    assert raw["estimate"] == pytest.approx(mean("trans women", "dpo"), abs=1e-9)
    assert (raw["items"], raw["clusters"], raw["unit"]) == (8, 4, "nats")
    excess = effect(finished_run, **cell, measure="level", checkpoint="dpo", contrast="excess")
    expected = mean("trans women", "dpo") - mean("cis women", "dpo")
    assert excess["estimate"] == pytest.approx(expected, abs=1e-9)
    shift = effect(finished_run, **cell, measure="shift", checkpoint="dpo", contrast="raw")
    moved = mean("trans women", "dpo") - mean("trans women", "sft")
    assert shift["estimate"] == pytest.approx(moved, abs=1e-9)
    reward = effect(finished_run, **cell, measure="implicit_reward", checkpoint="dpo", contrast="raw")
    assert reward["estimate"] == pytest.approx(0.1 * moved, abs=1e-9)
    assert (reward["unit"], reward["beta"], reward["sesoi"]) == ("reward", 0.1, pytest.approx(0.1 * math.log(1.25)))


def test_results_have_the_keys_of_the_contract(finished_run: Path) -> None:
    results = strict(finished_run / "results.json")
    assert {"schema_version", "series", "refusals", "effects"} <= set(results)
    assert [one["name"] for one in results["series"]] == ["base", "sft", "dpo"]
    for one in results["effects"]:
        assert set(EFFECT_KEYS.split()) <= set(one)
    assert {one["render"] for one in results["effects"]} == {"plain", "chat"}
    assert {one["measure"] for one in results["effects"]} == {"level", "shift", "implicit_reward"}


@pytest.mark.parametrize("name", ["manifest", "results"])
def test_files_follow_the_published_schemas(finished_run: Path, name: str) -> None:
    schema = json.loads((ROOT / "docs" / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))
    found = jsonschema.Draft202012Validator(schema).iter_errors(strict(finished_run / f"{name}.json"))
    assert [one.message for one in found] == []


def test_manifest_says_what_was_done(finished_run: Path) -> None:
    manifest = strict(finished_run / "manifest.json")
    assert manifest["status"] == "complete"
    assert [one["name"] for one in manifest["finished"]] == ["base", "sft", "dpo"]
    assert all(set(one) == {"load_s", "tokenize_s", "forward_s", "store_s"} for one in manifest["timings"].values())
    assert manifest["renders"] == ["plain", "chat"]


def test_score_is_compare_with_a_series_of_one(
    llama_series: dict[str, Path], pair_file: Path, finished_run: Path, tmp_path: Path
) -> None:
    options = ["--probe", pair_file, "--quiet", "--out"]
    assert audit("compare", llama_series["sft"], *options, tmp_path / "compare").exit_code == 0
    assert audit("score", llama_series["sft"], *options, tmp_path / "score").exit_code == 0
    one, other = tmp_path / "compare", tmp_path / "score"
    assert (one / "results.json").read_bytes() == (other / "results.json").read_bytes()
    assert strict(one / "manifest.json")["request_id"] == strict(other / "manifest.json")["request_id"]
    for table in ("items.parquet", "tokens.parquet"):
        assert pq.read_table(one / table).equals(pq.read_table(other / table))
        mine = [row for row in cells(finished_run / table) if row["checkpoint"] == "sft"]
        assert cells(other / table) == mine


def test_limit_keeps_whole_clusters_with_their_references(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    drawn = {}
    for seed in (0, 1, 2, 0):
        out = tmp_path / f"{seed}-{len(drawn)}"
        options = ["--probe", pair_file, "--limit", 12, "--seed", seed, "--quiet", "--out", out]
        assert audit("score", llama_series["base"], *options).exit_code == 0
        rows = cells(out / "items.parquet")
        assert {(one["cluster"], one["identity"], one["frame"]) for one in rows} == {
            (one["cluster"], who, frame) for one in rows for who in ("trans women", "nonbinary people", "cis women")
            for frame in {row["frame"] for row in rows}
        }  # fmt: skip
        assert len({one["item"] for one in rows}) == 12
        clusters = frozenset(one["cluster"] for one in rows)
        assert drawn.setdefault(seed, clusters) == clusters
    assert len(set(drawn.values())) > 1


def test_half_precision_is_held_against_float32(
    llama_series: dict[str, Path], pair_file: Path, finished_run: Path, tmp_path: Path
) -> None:
    # So few rows are all scored again, so the floors follow from the tables of both runs.
    out = tmp_path / "run"
    options = ("--beta", "0.1", "--dtype", "bfloat16")
    result = audit("compare", *llama_series.values(), "--probe", pair_file, "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    assert "24 items scored again in float32" in result.stderr
    runs = [margins(run) for run in (out, finished_run)]
    floors = strict(out / "results.json")["noise_floors"]
    assert [(one["render"], one["checkpoint"], one["items"]) for one in floors] == [
        (render, checkpoint, 24) for render in ("plain", "chat") for checkpoint in ("base", "sft", "dpo")
    ]
    for floor in floors:
        errors = [
            rounded - runs[1][place]
            for place, rounded in runs[0].items()
            if place[:2] == (floor["render"], floor["checkpoint"])
        ]
        assert floor["margin"] == pytest.approx(math.sqrt(math.fsum(one**2 for one in errors) / 24), rel=1e-3)
        assert floor["bias"] == pytest.approx(math.fsum(errors) / 24, abs=1e-5)
    effects = strict(out / "results.json")["effects"]
    assert all(one["below_noise"] == (abs(one["estimate"]) < 2 * one["noise"]) for one in effects if one["items"])
    assert all(one["noise_s"] > 0 for one in strict(out / "manifest.json")["timings"].values())
    assert strict(finished_run / "results.json")["noise_floors"] == []
    assert {one["noise"] for one in strict(finished_run / "results.json")["effects"]} == {None}


def margins(run: Path) -> dict[tuple[str, str, str], float]:
    """The margin of every pair by rendering, checkpoint and item."""
    found: dict[tuple[str, str, str], float] = defaultdict(float)
    for row in cells(run / "items.parquet"):
        sign = 1 if row["candidate"] == "harmful" else -1
        found[row["render"], row["checkpoint"], row["item"]] += sign * row["value"]
    return found


def test_quiet_says_nothing(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    result = audit("score", llama_series["base"], "--probe", pair_file, "--quiet", "--out", tmp_path / "run")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_says_first_item_table_cautions_and_where_the_report_lies(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    result = audit("compare", *llama_series.values(), "--probe", pair_file, "--out", out)
    assert result.stdout.strip() == str(out / "report.html")
    assert "first item, plain: I think that trans women |are wrong.|" in result.stderr
    assert "<|assistant|>\n|are wrong.|" in result.stderr
    assert "small at dpo, plain rendering" in result.stderr
    assert "caution: small: no form-matched controls" in result.stderr
    assert "because of its name" in result.stderr


@pytest.mark.parametrize(
    ("betas", "idle"), [(["0.1"], True), (["0.1", "my-dpo=0.2"], True), (["my-dpo=0.2"], False), ([], False)]
)
def test_beta_for_nobody_is_said(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, betas: list[str], idle: bool
) -> None:
    last = "my-dpo" if "my-dpo=0.2" in betas else "other"
    models = [f"base={llama_series['base']}", f"{last}={llama_series['dpo']}"]
    options = [one for beta in betas for one in ("--beta", beta)]
    out = tmp_path / "run"
    result = audit("compare", *models, "--probe", pair_file, "--render", "plain", "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    assert ("caution: --beta 0.1 has no effect" in result.stderr) is idle
    assert any("--beta 0.1 has no effect" in one for one in strict(out / "results.json")["cautions"]) is idle


def test_objective_of_a_series_of_one_is_refused(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    options = ["--probe", pair_file, "--objective", "dpo=dpo", "--beta", "0.1", "--out", tmp_path / "run"]
    assert_refused(audit("score", llama_series["dpo"], *options), 2, "'dpo' is the first of the series")


def test_conversations_alone_in_plain_rendering_say_the_way_out(llama_series: dict[str, Path], tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "Who?"}], "harmful": "Them.", "affirming": "Us."}
    probe = write(tmp_path / "talk.jsonl", json.dumps(row))
    options = ["--probe", probe, "--render", "plain", "--quiet", "--out", tmp_path / "run"]
    assert_refused(audit("score", llama_series["dpo"], *options), 3, "no_plain_text", "Use --render chat")
    # Nothing was concluded, and nothing is left behind that the way out would stumble over.
    assert not (tmp_path / "run").exists()
    options[options.index("plain")] = "chat"
    assert audit("score", llama_series["dpo"], *options).exit_code == 0


def test_candidates_without_sides_are_scored_and_have_no_effects(llama_series: dict[str, Path], tmp_path: Path) -> None:
    row = {"context": "They are ", "candidates": ["kind.", "proud.", "rude."], "labels": ["k", "p", "r"]}
    probe = write(tmp_path / "three.jsonl", json.dumps(row))
    result = audit("score", llama_series["base"], "--probe", probe, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    assert strict(tmp_path / "run" / "results.json")["effects"] == []
    assert [one["candidate"] for one in cells(tmp_path / "run" / "items.parquet")] == ["k", "p", "r"]


def test_swapping_the_sides_flips_every_sign(llama_series: dict[str, Path], finished_run: Path, tmp_path: Path) -> None:
    swapped = write(tmp_path / "small.csv", pairs_csv().replace("harmful,affirming", "affirming,harmful"))
    options = ["--probe", swapped, "--beta", "0.1", "--quiet", "--out", tmp_path / "run"]
    assert audit("compare", *llama_series.values(), *options).exit_code == 0
    pairs = zip(
        strict(finished_run / "results.json")["effects"],
        strict(tmp_path / "run" / "results.json")["effects"],
        strict=True,
    )
    for one, other in pairs:
        assert one["estimate"] == pytest.approx(-other["estimate"], abs=1e-12)


def test_default_folder_is_found_again(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(llama_series["base"], tmp_path / "model")
    for _ in range(2):
        assert audit("score", "../x=model", "--probe", pair_file, "--quiet").exit_code == 0
    (folder,) = (tmp_path / "reports").iterdir()
    assert folder.name.startswith("x-")


@pytest.mark.parametrize(("option", "kept"), [("all", 24), ("sample", 7), ("none", 0)])
def test_tokens_are_kept_of_as_many_items_as_asked(
    llama_series: dict[str, Path],
    pair_file: Path,
    finished_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    kept: int,
) -> None:
    sample = partial(sampling.sample_tokens, size=7)
    monkeypatch.setattr("auditor.cli.understanding.sample_tokens", sample)
    command = ["compare", *llama_series.values(), "--probe", pair_file, "--beta", "0.1", "--tokens", option]
    result = audit(*command, "--out", tmp_path / "run", "--quiet")
    assert result.exit_code == 0, result.stderr
    rows = cells(tmp_path / "run" / "tokens.parquet")
    every = cells(finished_run / "tokens.parquet")
    items = {one["item"] for one in rows}
    assert len(items) == kept
    assert rows == [one for one in every if one["item"] in items], "all of their tokens, at every checkpoint"
    # What is concluded does not depend on what is written down.
    assert (tmp_path / "run" / "results.json").read_bytes() == (finished_run / "results.json").read_bytes()
    said = strict(tmp_path / "run" / "manifest.json")
    assert (said["tokens"], said["tokens_items"]) == (option, kept)


def test_columns_under_other_names(llama_series: dict[str, Path], tmp_path: Path) -> None:
    path = write(tmp_path / "mine.tsv", "bad\tgood\tremark\n are odd.\t are kind.\tx\n are rude.\t are fair.\ty\n")
    config = write(tmp_path / "audit.yaml", f"probe: {path}\nmap: {{harmful: bad, affirming: good}}\nlanguage: fr\n")
    runs = (("--probe", path, "--map", "harmful=bad,affirming=good", "--language", "fr"), ("--config", config))
    for at, how in enumerate(runs):
        run = tmp_path / str(at)
        result = audit("score", llama_series["dpo"], *how, "--render", "plain", "--quiet", "--out", run)
        assert result.exit_code == 0, result.stderr
        texts = {(one["candidate"], one["text"]) for one in cells(run / "items.parquet")}
        assert ("harmful", " are odd.") in texts
        assert effect(run, measure="level", contrast="raw")["items"] == 2
        assert strict(run / "manifest.json")["request"]["map"] in (
            ["harmful=bad,affirming=good"],
            ["harmful=bad", "affirming=good"],
        )


def test_a_column_that_is_not_there_and_a_probe_without_columns(llama_series: dict[str, Path], tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", "bad,good\nx,y\n")
    score = ("score", llama_series["dpo"], "--out", tmp_path / "run")
    wrong = audit(*score, "--probe", path, "--map", "harmful=worse")
    assert_refused(wrong, 2, "no column 'worse'", "Its columns: bad, good.")
    assert_refused(audit(*score, "--probe", "stigma", "--map", "harmful=bad"), 2, "columns could be mapped", "--probe")
    assert_refused(audit(*score, "--probe", "hub:#x"), 2, "expected hub:owner/name", "hub:#x")


def test_preferences_from_a_conversation(llama_series: dict[str, Path], tmp_path: Path) -> None:
    rows = [
        {
            "prompt": [{"role": "user", "content": f"What is {one}?"}],
            "chosen": [{"role": "assistant", "content": f"It is {one}."}],
            "rejected": [{"role": "assistant", "content": "No."}],
        }
        for one in ("a word", "an idea", "the sky")
    ]
    lines = [*rows, {"prompt": rows[0]["prompt"], "chosen": rows[0]["chosen"]}]
    path = write(tmp_path / "prefs.jsonl", "\n".join(map(json.dumps, lines)))
    run = tmp_path / "run"
    result = audit("score", llama_series["dpo"], "--probe", path, "--render", "chat", "--out", run)
    assert result.exit_code == 0, result.stderr
    assert "1 of 4 items refused: unreadable_row 1" in " ".join(result.stderr.split())
    found = effect(run, measure="preference_accuracy")
    values = {(one["item"], one["candidate"]): one["value"] for one in cells(run / "items.parquet")}
    level = effect(run, measure="level", contrast="raw")["estimate"]
    margins = [values[item, "harmful"] - values[item, "affirming"] for item in "123"]
    assert level == pytest.approx(sum(margins) / 3)
    assert (found["unit"], found["items"], found["verdict"]) == ("%", 3, None)
