"""`audit data`, as a user calls it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import assert_refused, audit, cells, environment, pairs_csv, write
from model_factory import make_reward_model

from auditor.adapters.hf.scorer import HFScorer
from auditor.core.series import Checkpoint

FILES = {"data.json", "mentions.csv", "preferences.csv", "pairs.csv", "report.html"}
ROWS = (
    {"prompt": "Who is she?", "chosen": " A teacher.", "rejected": " One of those Muslim people."},
    {"prompt": "Who is he?", "chosen": " A Muslim man who bakes bread.", "rejected": " Nobody."},
    {"prompt": "What of Jewish people?", "chosen": " They are friendly.", "rejected": " They are rude."},
    {"prompt": "And of dogs?", "chosen": " They sleep.", "rejected": " They jump."},
)


def data(folder: Path, *rows: Any) -> Path:
    return write(folder / "set.jsonl", "".join(json.dumps(row) + "\n" for row in rows or ROWS))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_set_is_counted_without_a_model(tmp_path: Path) -> None:
    result = audit("data", data(tmp_path), "--axis", "religion", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "out" / "report.html")
    assert "2 of 7 identities are mentioned in 4 pairs" in result.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    rows = {(one["identity"], one["reading"]): one for one in table(tmp_path / "out" / "mentions.csv")}
    assert (rows["Muslim people", "names"]["in_chosen"], rows["Muslim people", "names"]["in_rejected"]) == ("0", "1")
    assert (rows["Muslim people", "words"]["in_chosen"], rows["Muslim people", "words"]["pairs"]) == ("1", "2")
    assert rows["Jewish people", "names"]["in_prompt"] == "1"
    assert len(table(tmp_path / "out" / "pairs.csv")) == 1 + 2 + 1 + 1


def test_no_model_library_is_loaded_to_count(tmp_path: Path) -> None:
    code = (
        "import sys; from auditor.cli.data_audit import run_data; from auditor.cli.data_options import DataOptions; "
        "from pathlib import Path; run_data(sys.argv[1], [], DataOptions(Path(sys.argv[2]), quiet=True)); "
        "print(*{'torch', 'transformers', 'datasets', 'trl'}.intersection(sys.modules))"
    )
    arguments = [sys.executable, "-c", code, str(data(tmp_path)), str(tmp_path / "out")]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, env=environment())
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("render", ["plain", "chat"])
def test_margins_are_an_audits_turned_round(render: str, llama_series: dict[str, Path], tmp_path: Path) -> None:
    file, models = data(tmp_path), [f"{name}={llama_series[name]}" for name in ("sft", "dpo")]
    found = audit("data", file, *models, "--render", render, "--out", tmp_path / "out")
    assert found.exit_code == 0, found.stderr
    run = audit("compare", *models, "--probe", file, "--render", render, "--out", tmp_path / "run")
    assert run.exit_code == 0, run.stderr
    # The audit scored nothing: it found the same texts, cut alike.
    assert "score sft" not in run.stderr
    values = {
        (row["checkpoint"], row["item"], row["candidate"]): row["value"]
        for row in cells(tmp_path / "run" / "items.parquet")
    }
    rows = table(tmp_path / "out" / "pairs.csv")
    assert {row["checkpoint"] for row in rows} == {"sft", "dpo"}
    for row in rows:
        sides = [values[row["checkpoint"], row["pair"], side] for side in ("affirming", "harmful")]
        assert float(row["margin"]) == pytest.approx(sides[0] - sides[1], abs=1e-9)
    summary = json.loads((tmp_path / "out" / "data.json").read_text(encoding="utf-8"))
    assert (summary["checkpoints"], summary["render"]) == (["sft", "dpo"], render)
    assert summary["end_of_turn"] is (render == "chat")


@pytest.fixture(scope="module")
def reward_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A reward model of one output and one of two. Read only."""
    folder = tmp_path_factory.mktemp("reward_models")
    make_reward_model(folder / "rm")
    make_reward_model(folder / "two", outputs=("helpful", "harmless"), seed=3)
    return {name: folder / name for name in ("rm", "two")}


def test_margins_of_rewards_are_an_audits_turned_round(
    llama_series: dict[str, Path], reward_models: dict[str, Path], tmp_path: Path
) -> None:
    file, out = data(tmp_path), tmp_path / "out"
    # In any order: the two quantities are scored and told apart.
    models = [f"rm={reward_models['rm']}", f"sft={llama_series['sft']}", f"two={reward_models['two']}"]
    asked = [*models, "--head", "two=harmless", "--render", "plain"]
    found = audit("data", file, *asked, "--out", out)
    assert found.exit_code == 0, found.stderr
    run = audit("compare", *asked, "--probe", file, "--out", tmp_path / "run")
    assert run.exit_code == 0, run.stderr
    values = {
        (row["checkpoint"], row["item"], row["candidate"]): row["value"]
        for row in cells(tmp_path / "run" / "items.parquet")
    }
    rows = table(out / "pairs.csv")
    assert {(row["checkpoint"], row["quantity"]) for row in rows} == {
        ("rm", "reward"),
        ("sft", "logprob"),
        ("two", "reward"),
    }
    for row in rows:
        sides = [values[row["checkpoint"], row["pair"], side] for side in ("affirming", "harmful")]
        assert float(row["margin"]) == pytest.approx(sides[0] - sides[1], abs=1e-9)
    summary = json.loads((out / "data.json").read_text(encoding="utf-8"))
    assert summary["checkpoints"] == ["rm", "sft", "two"]
    assert summary["quantities"] == {"rm": "reward", "sft": "logprob", "two": "reward"}
    # A reward model is asked with EOS behind plain texts, as it was trained; a language model is not.
    assert (summary["end_of_turn"], summary["reward_end_of_turn"]) == (False, True)
    assert "two: its output 'harmless' is its reward, one of 2" in summary["notes"]
    preferences = table(out / "preferences.csv")
    assert {row["per_token"] for row in preferences if row["quantity"] == "reward"} == {""}
    assert "" not in {row["per_token"] for row in preferences if row["quantity"] == "logprob" and row["mean"]}


def test_reward_models_alone_score_a_set(reward_models: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = audit("data", data(tmp_path), reward_models["rm"], "--out", out)
    assert result.exit_code == 0, result.stderr
    summary = json.loads((out / "data.json").read_text(encoding="utf-8"))
    assert (summary["end_of_turn"], summary["reward_end_of_turn"]) == (None, True)
    assert "log p(chosen)" not in (out / "report.html").read_text(encoding="utf-8")


def test_an_output_is_named_where_there_are_several(reward_models: dict[str, Path], tmp_path: Path) -> None:
    asked = ["data", data(tmp_path), f"two={reward_models['two']}", "--out", tmp_path / "out"]
    assert_refused(audit(*asked), 2, "reward model of 2 outputs", "helpful, harmless")
    assert_refused(audit(*asked, "--head", "two=kind"), 2, "no output 'kind'")
    assert_refused(audit(*asked, "--head", "sft=kind"), 2, "no reward model 'sft'")
    assert not (tmp_path / "out").exists()


def test_what_one_quantity_refuses_the_other_keeps(llama_series: dict[str, Path], tmp_path: Path) -> None:
    # Far too long for the language model, and read whole by a reward model of a longer window.
    make_reward_model(tmp_path / "rm", max_position_embeddings=4096)
    long = {"prompt": "Who is Muslim?", "chosen": " They are." * 200, "rejected": " No."}
    out = tmp_path / "out"
    models = [f"sft={llama_series['sft']}", f"rm={tmp_path / 'rm'}", "--render", "plain"]
    result = audit("data", data(tmp_path, *ROWS, long), *models, "--out", out)
    assert result.exit_code == 0, result.stderr
    margins = {row["checkpoint"]: row["margin"] for row in table(out / "pairs.csv") if row["pair"] == "5"}
    assert margins["sft"] == ""
    assert margins["rm"] != ""
    notes = json.loads((out / "data.json").read_text(encoding="utf-8"))["notes"]
    assert "not scored by sft, 1 of the pairs: longer than the model's context window" in notes


def test_half_precision_is_not_said_to_be_measured(llama_series: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ["data", data(tmp_path), llama_series["sft"], "--dtype", "bfloat16", "--render", "plain"]
    assert audit(*asked, "--out", out).exit_code == 0
    notes = json.loads((out / "data.json").read_text(encoding="utf-8"))["notes"]
    assert any("was not measured" in note for note in notes)
    assert not any("is measured" in note for note in notes)


def test_a_folder_that_cannot_be_made_is_known_before_anything_is_scored(
    llama_series: dict[str, Path], tmp_path: Path
) -> None:
    taken = write(tmp_path / "file", "")
    result = audit("data", data(tmp_path), llama_series["sft"], "--out", taken / "below")
    assert_refused(result, 2, "cannot be written")
    assert "score sft" not in result.stderr


@pytest.mark.parametrize("option", [[], ["--no-cache"]])
def test_interrupted_scoring_goes_on_where_it_stopped(
    option: list[str], llama_series: dict[str, Path], reward_models: dict[str, Path], tmp_path: Path
) -> None:
    out, models = tmp_path / "out", [llama_series["sft"], reward_models["rm"]]
    asked = ["data", data(tmp_path), *models, "--render", "plain", "--out", out, *option]
    score = HFScorer.score

    def stopping(scorer: HFScorer, checkpoint: Checkpoint, probes: Any) -> Any:
        if checkpoint.quantity == "reward":
            raise KeyboardInterrupt
        return score(scorer, checkpoint, probes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HFScorer, "score", stopping)
        assert_refused(audit(*asked), 130, "every score that was finished is kept", "same command again")
    assert not (out / "data.json").exists()
    result = audit(*asked)
    assert result.exit_code == 0, result.stderr
    assert "score sft" not in result.stderr
    assert "score rm" in result.stderr
    assert {path.name for path in out.iterdir()} == FILES


def test_a_chat_is_read_as_one_where_all_can(llama_series: dict[str, Path], tmp_path: Path) -> None:
    renders = {}
    for models in (("sft", "dpo"), ("base", "dpo")):
        out = tmp_path / "-".join(models)
        result = audit("data", data(tmp_path), *(llama_series[one] for one in models), "--out", out, "--quiet")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
        renders[models] = json.loads((out / "data.json").read_text(encoding="utf-8"))["render"]
    assert renders["sft", "dpo"] == "chat"


def test_what_a_model_cannot_read_is_counted_and_said(llama_series: dict[str, Path], tmp_path: Path) -> None:
    long = {"prompt": "Who is Muslim?", "chosen": " They are." * 200, "rejected": " No."}
    out = tmp_path / "out"
    result = audit("data", data(tmp_path, *ROWS, long), llama_series["sft"], "--render", "plain", "--out", out)
    assert result.exit_code == 0, result.stderr
    summary = json.loads((out / "data.json").read_text(encoding="utf-8"))
    assert summary["unscored"] == 1
    assert "not scored by sft, 1 of the pairs: longer than the model's context window" in summary["notes"]
    (row,) = (row for row in table(out / "pairs.csv") if row["pair"] == "5" and row["reading"] == "words")
    assert (row["margin"], row["rank"]) == ("", "")


def test_the_same_folder_is_filled_again_and_another_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        assert audit("data", data(tmp_path), "--out", out).exit_code == 0
    write(out / "mine", "kept")
    assert_refused(audit("data", data(tmp_path), "--out", out), 2, "holds something else")


def test_a_set_of_the_name_of_a_table_is_not_written_over(tmp_path: Path) -> None:
    for name in ("pairs.csv", "data.json"):
        own = write(tmp_path / name / name, "prompt,chosen,rejected\nHi,Muslims are kind,No\n")
        kept, asked = own.read_bytes(), own if name == "pairs.csv" else data(tmp_path)
        assert_refused(audit("data", asked, "--out", own.parent), 2, f"holds {name}", "no data.json says")
        assert own.read_bytes() == kept
    # What was stopped between two files is gone on with.
    out = tmp_path / "out"
    assert audit("data", data(tmp_path), "--out", out).exit_code == 0
    (out / "report.html").unlink()
    assert audit("data", data(tmp_path), "--out", out).exit_code == 0
    assert {path.name for path in out.iterdir()} == FILES


def test_private_texts_stay_in_their_file(llama_series: dict[str, Path], tmp_path: Path) -> None:
    out, arguments = tmp_path / "out", [data(tmp_path), llama_series["sft"], "--render", "plain"]
    assert audit("data", *arguments, "--out", out, "--private").exit_code == 0
    assert all(b"One of those" not in path.read_bytes() for path in out.iterdir())
    assert audit("data", *arguments, "--out", tmp_path / "shown").exit_code == 0
    assert b"One of those" in (tmp_path / "shown" / "report.html").read_bytes()


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    file = write(tmp_path / "set.csv", "q,better,worse\nHi,Muslims are kind,No\n")
    mapped = ["--map", "prompt=q,chosen=better,rejected=worse"]
    assert audit("data", file, *mapped, "--out", tmp_path / "out").exit_code == 0
    assert len(table(tmp_path / "out" / "pairs.csv")) == 1


def test_what_holds_no_preferences_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "p.csv", pairs_csv())
    assert_refused(audit("data", file, "--out", tmp_path / "out"), 2, "holds no preference pairs", "--map")
    assert_refused(audit("data", "stigma", "--out", tmp_path / "out"), 2, "holds no preference pairs")
    assert_refused(audit("data", data(tmp_path), "--lexicon", file, "--out", tmp_path / "out"), 2, "it has no lexicon")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_published_set_at_a_trained_series(shared_data: Path, hh_mini: Path, tmp_path: Path) -> None:
    file = shared_data / "hh_rlhf" / "harmless-base" / "test.jsonl.gz"
    result = audit(
        "data", file, *(hh_mini / name for name in ("sft", "dpo")), "--limit", 300, "--out", tmp_path / "out"
    )
    assert result.exit_code == 0, result.stderr
    rows = table(tmp_path / "out" / "preferences.csv")
    scored = [row for row in rows if row["checkpoint"] == "dpo" and row["reading"] == "words" and row["mean"]]
    assert {"Black people", "white people"} <= {row["identity"] for row in scored}
