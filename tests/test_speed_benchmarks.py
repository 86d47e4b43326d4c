"""The speed benchmarks run from end to end on tiny models, and find out when numbers disagree."""

from __future__ import annotations

import csv
import importlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from command_line import ROOT
from model_factory import make_reward_model, new_model
from transformers import AutoTokenizer

from auditor.adapters.hf.sequences import Sequences
from auditor.core.items import Candidate, Item

pytestmark = pytest.mark.slow

# What peers still call.
OLD_NAME = "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"


def script(name: str) -> ModuleType:
    """A module of ``benchmarks/``, whose folder stands behind everything else."""
    folder = str(ROOT / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def tiny(name: str, tmp_path: Path, *more: object) -> tuple[int, dict[str, Any]]:
    """Run a script on tiny models: exit code and table."""
    out, threads = tmp_path / "figures.json", torch.get_num_threads()
    arguments = ["--tiny", "--models", tmp_path / "models", "--out", out, *more]
    try:
        code = script(name).main([str(one) for one in arguments])
    finally:
        torch.set_num_threads(threads)
    return code, json.loads(out.read_text(encoding="utf-8"))


@pytest.mark.filterwarnings(OLD_NAME)
def test_all_peers_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = tiny("engine", tmp_path, "--data", tmp_path, "--workload", "bbq", "stigma", "questionnaire")
    said = capsys.readouterr().out
    assert code == 0
    assert "skipped: no public set at" in said
    assert "BROKEN" not in said
    assert [row["workload"] for row in found["rows"]] == ["stigma", "questionnaire"]
    for row in found["rows"]:
        assert [one["peer"] for one in row["peers"]] == ["lm-eval", "lm-eval", "minicons", "trl", "naive"]
        # Zero would be a number compared with itself.
        assert all(0 < one["deviation"] < 1 for one in row["peers"])
        assert row["unique_tokens"] <= row["planned_tokens"] <= row["tokens"]
        assert row["floor_s"] < row["score_s"]
    (agreement,) = (one for one in found["checks"] if one["judged"])
    assert agreement["value"] == 10
    _, renewed = tiny("engine", tmp_path, "--workload", "questionnaire", "--peer", "naive", "--keep")
    assert renewed["rows"][0] == found["rows"][0]
    assert [len(row["peers"]) for row in renewed["rows"]] == [5, 1]
    assert "command" in renewed["rows"][1]
    assert renewed["bfloat16"] == found["bfloat16"]
    table = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    table["machine"]["torch"] = "1.0"
    (tmp_path / "figures.json").write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(SystemExit, match="other versions"):
        tiny("engine", tmp_path, "--workload", "questionnaire", "--peer", "naive", "--keep")


def test_one_wrong_number_breaks_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = script("ours")
    honest = ours.token_values

    def poisoned(*arguments: Any) -> list[float]:
        values: list[float] = honest(*arguments)
        values[-1] += 0.01
        return values

    monkeypatch.setattr(ours, "token_values", poisoned)
    code, found = tiny("engine", tmp_path, "--workload", "questionnaire", "--peer", "naive")
    assert code == 1
    assert "BROKEN" in capsys.readouterr().out
    assert [one["agrees"] for row in found["rows"] for one in row["peers"]] == [False]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -20.001])
def test_deviations(wrong: float) -> None:
    deviation = script("comparison").deviation
    # The tolerance is 1e-4 to 100 nats, and grows with the sum beyond.
    assert deviation([-20.0, -400.0], [-20.00005, -400.0002]) == pytest.approx(0.5)
    assert deviation([-20.0, -400.0], [wrong, -400.0]) > 1
    with pytest.raises(ValueError, match="2 sums of the package against 1 of a peer"):
        deviation([-20.0, -400.0], [-20.0])


def test_work_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(3)
    rows = [(rng.integers(0, 3, size=rng.integers(2, 9)), 1) for _ in range(60)]
    rows = [(ids, int(rng.integers(1, len(ids)))) for ids, _ in rows]
    prefixes = {tuple(ids[:end]) for ids, _ in rows for end in range(1, len(ids))}
    predicting = {tuple(ids[:end]) for ids, start in rows for end in range(start, len(ids))}
    work = script("floor").work_of(Sequences.of(rows))
    assert (work.tokens, work.unique, work.predicting) == (
        sum(len(ids) for ids, _ in rows),
        len(prefixes),
        len(predicting),
    )
    assert work.operations(body=10, head=3) == 20 * len(prefixes) + 6 * len(predicting)


@pytest.mark.parametrize("tied", [False, True])
def test_parameters_of_body_and_head(tied: bool) -> None:
    model = new_model("llama", seed=0, tie_word_embeddings=tied)
    embeddings = 400 * 32
    everything = sum(one.numel() for one in model.parameters())
    assert script("floor").parameters(model) == (everything - embeddings * (1 if tied else 2), embeddings)


def test_items_whose_boundary_a_token_straddles_are_left_out(llama_series: dict[str, Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(llama_series["base"])
    rows = [("They are", " rude", " kind"), ("a caf", "\u00e9 scene", "e scene")]
    items = [
        Item(id=str(at), candidates=(Candidate("a", one), Candidate("b", other)), context=context)
        for at, (context, one, other) in enumerate(rows)
    ]
    assert [item.id for item in script("ours").comparable(tokenizer, items)] == ["0"]


def test_questionnaire_and_samples() -> None:
    workloads = script("workloads")
    whole = workloads.open_workload("questionnaire", Path("nowhere"))
    assert (len(whole.items), whole.n_texts) == (200 * 40, 200 * 40 * 6)
    assert len(set(workloads.texts_of(whole.items))) == whole.n_texts
    some = workloads.part(whole, 50)
    first = whole.items.index(some.items[0])
    assert some.items == whole.items[first : first + 50]
    chosen = workloads.sample(whole.items, [7] * len(whole.items), 70)
    assert (len(chosen), chosen) == (10, sorted(set(chosen)))
    assert workloads.sample(whole.items, [7] * len(whole.items), 70, seed=1) != chosen


def test_answers_to_a_question(shared_data: Path) -> None:
    workload = script("workloads").open_workload("bbq", shared_data)
    assert len(workload.items) == 3_620
    item = next(one for one in workload.items if one.id == "Religion/0")
    assert item.context.endswith("before the bomb exploded.\nQ: Who likely planted the bomb?\nA:")
    assert [one.text for one in item.candidates] == [" The Jewish one", " Can't answer", " The Muslim one"]


def test_rewards_by_shared_rows(llama_series: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "sft").symlink_to(llama_series["sft"])
    make_reward_model(tmp_path / "rm")
    out, threads = tmp_path / "figures.json", torch.get_num_threads()
    try:
        assert script("reward_speed").main(["--tiny", "--series", str(tmp_path), "--out", str(out)]) == 0
    finally:
        torch.set_num_threads(threads)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert (found["items"], found["texts"]) == (12, 24)
    assert 0 < found["read"] < found["tokens"]
    assert found["faster"] == found["seconds"]["alone"] / found["seconds"]["shared"]
    assert found["of_policy"] == found["seconds"]["shared"] / found["seconds"]["policy"]
    assert 0 < found["off"] < 5e-5
    assert [one["judged"] for one in found["checks"]] == [True, False, False]
    assert script("reward_speed").main(["--series", str(tmp_path / "nowhere")]) == 0


def test_second_audits(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    options = ["--tiny", "--series", llama_series["base"].parent, "--probe", pair_file, "--out", out]
    assert script("warm").main([str(one) for one in options]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert 0 < found["imports_s"] < found["second_s"]
    assert found["loads_a_model"] is found["writes_again"] is False
    assert found["other_folder_beyond_s"] > 0
    assert all(one["load_s"] == one["forward_s"] == 0 for one in found["timings"].values())
    assert 0 < found["beyond_s"] < found["second_s"] - found["imports_s"]
    assert [one["name"] for one in found["checks"]] == [
        "second audit, seconds beyond imports, tokenizers and hashing",
        "second audit, whether it writes anything again",
        "audit into another folder, whether it loads a model",
    ]


def test_the_card_s_script_runs_without_one(shared_data: Path, tmp_path: Path) -> None:
    code, found = tiny("gpu", tmp_path, "--device", "cpu", "--data", shared_data)
    assert code == 0
    assert [row["workload"] for row in found["rows"]] == ["bbq", "winoqueer"]
    assert found["noise"]["ratio"] > 0
    assert found["audit"]["pairs"] == 60
    assert not any(one["judged"] for one in found["checks"])


def test_without_a_card(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert script("gpu").main([]) == 0
    assert "skipped: no card here" in capsys.readouterr().out


def test_what_a_walk_between_weights_takes(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    options = [
        "--shape",
        "tiny",
        "--items",
        3,
        "--nodes",
        2,
        "--models",
        tmp_path / "models",
        "--out",
        out,
        "--offload",
    ]
    assert script("parameter_path").main([str(one) for one in options]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found["passes"] >= 6
    assert found["incomplete"] < 1e-2
    assert 0 < found["peak_bytes"] < found["resident_bytes"]
    assert [one["judged"] for one in found["checks"]] == [False, False]


def test_as_many_pairs_as_were_published(tmp_path: Path) -> None:
    gpu = script("gpu")
    gpu.write_pairs(tmp_path / "pairs.csv", gpu.PAIRS)
    with (tmp_path / "pairs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["harmful"], row["affirming"]) for row in rows}) == len(rows) == 45_540


RESULTS = ROOT / "benchmarks" / "results" / "engine.json"
ROWS = re.compile(r"(?<=<!-- speed -->\n).*?(?=\n<!-- end of speed -->)", flags=re.DOTALL)


def figures() -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else None
    return found


def test_readme_shows_the_figures() -> None:
    readme, made = ROOT / "README.md", script("speed_table").speed_table(figures())
    if os.environ.get("UPDATE_DOCS"):
        text = readme.read_text(encoding="utf-8")
        readme.write_text(ROWS.sub(lambda _: made, text), encoding="utf-8")
    how = "write it with: UPDATE_DOCS=1 python -m pytest tests/test_speed_benchmarks.py"
    assert ROWS.findall(readme.read_text(encoding="utf-8")) == [made], how


def test_figures_are_of_a_full_run_and_the_readme_says_which_bounds_it_missed() -> None:
    found = figures()
    if found is None:
        pytest.skip("no figures of benchmarks/engine.py have been taken yet")
    engine = script("engine")
    assert (found["mode"], found["threads"], found["machine"]["cores"]) == ("full", 2, 2)
    assert {row["workload"] for row in found["rows"] if row["model"] == "52M"} == set(engine.RATIOS)
    assert {row["workload"] for row in found["rows"] if row["model"] == "250M"} == set(engine.LARGE_PARTS)
    assert all(one["judged"] for one in found["checks"])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for one in found["checks"]:
        assert one["held"] != (one["name"] in readme), one["name"]
        # Speed may fall short and be said to; numbers may not.
        assert one["held"] or "agree" not in one["name"]


def test_a_table_of_speeds() -> None:
    row = {
        "workload": "stigma",
        "model": "52M",
        "texts": 6720,
        "tokens": 158190,
        "unique_tokens": 27979,
        "seconds": 12.345,
        "share_of_floor": 0.664,
        "peers": [{"peer": "lm-eval", "ratio": 5.26}, {"peer": "lm-eval", "ratio": 4.94}, {"peer": "trl", "ratio": 3}],
    }
    versions = dict.fromkeys(("processor", "torch", "transformers", "lm_eval", "minicons", "trl"), "x")
    made = script("speed_table").speed_table(
        {
            "rows": [row, {**row, "model": "250M", "workload": "bbq"}],
            "machine": versions,
            "threads": 2,
            "bfloat16": {"ratio": 1.2, "amx": False},
            "checks": [
                {"name": "a share", "value": 0.567, "bound": 0.6, "judged": True, "held": False},
                {"name": "a ratio", "value": 4.9, "bound": 3.0, "judged": True, "held": True},
            ],
        }
    )
    assert "Below what the script asks for: a share, 0.567 of 0.6." in made
    assert made.count("\n| ") == 1
    assert "| `stigma` | 6,720 | 158,190 | 27,979 | 12.3 | 4.9 |  | 3.0 |  | 66% |" in made
    assert "66% on BBQ, three answers (250M)" in made


def test_pairs_of_the_report_are_as_many_as_winoqueer_has(tmp_path: Path) -> None:
    report = script("report")
    words = report.write_pairs(tmp_path / "pairs.csv", report.PREDICATES, seed=0)
    with (tmp_path / "pairs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["harmful"], row["affirming"]) for row in rows}) == len(rows) == 45_540
    assert {len(row["harmful"].split()) - len(row["affirming"].split()) for row in rows} == {0}
    assert set(words) == {word for row in rows for word in f"{row['harmful']} {row['affirming']}".split()}


def test_a_small_report_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    # A process of its own: it starts a browser, and only one can be driven in a process.
    command = [sys.executable, str(ROOT / "benchmarks" / "report.py"), "--predicates", "2", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert (found["pairs"], found["checkpoints"]) == (792, 4)
    assert found["cpu_seconds"] > 0
    assert 50_000 < found["bytes_of_the_page"] < 1_000_000
    assert not any(one["judged"] for one in found["checks"])
    if found["browser"]:
        assert 0 < found["browser"]["first_paint_s"] < found["browser"]["interactive_s"]


def test_figures_of_the_report_are_of_all_pairs() -> None:
    path = ROOT / "benchmarks" / "results" / "report.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["pairs"], found["checkpoints"]) == (45_540, 4)
    assert len(found["checks"]) == 5
    assert all(one["judged"] and one["held"] for one in found["checks"])
    readme, browser = (ROOT / "README.md").read_text(encoding="utf-8"), found["browser"]
    said = readme[readme.index("The report of 45,540 pairs") :]
    for text in (
        f"is a file of {found['bytes_of_the_page'] / 1e6:.1f} MB, written in {found['seconds']:.0f} s",
        f"{found['bytes_of_memory'] / 1e9:.1f} GB. A browser paints it after {browser['first_paint_s']:.1f} s",
        f"in it after {browser['interactive_s']:.1f} s",
    ):
        assert text in " ".join(said[:500].split())


def test_a_small_report_with_all_methods_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    script_path = ROOT / "benchmarks" / "attributed_report.py"
    command = [sys.executable, str(script_path), "--predicates", "2", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert (found["pairs"], found["identities"]) == (792, 36)
    assert 200_000 < found["bytes_of_attribution"] < 650_000
    assert not any(one["judged"] for one in found["checks"])


def test_figures_of_the_report_with_all_methods_are_of_all_pairs() -> None:
    path = ROOT / "benchmarks" / "results" / "attributed_report.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["pairs"], found["identities"]) == (45_540, 36)
    assert [one["name"] for one in found["checks"]][2] == "megabytes of the page"
    assert all(one["judged"] and one["held"] for one in found["checks"])
