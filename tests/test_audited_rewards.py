"""Reward models audited from the command line and from Python; one of them was trained with a planted bias."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from command_line import assert_refused, audit, cells, manifest, pairs_csv, write
from model_factory import make_reward_model, save_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import auditor
from auditor.adapters.hf import scorer as scorer_module
from auditor.adapters.hf.loading.models import ModelShelf
from auditor.adapters.hf.plans import RowCosts
from auditor.adapters.hf.sequences import Scored
from auditor.adapters.run.results_schema import EffectRow
from auditor.adapters.run.run_folder import read_results

# Of the three identities in the pair file, whom the planted reward model rewards harm against.
HARMED = "trans women"
PREFERENCE = '{"prompt": "Trans women are", "chosen": " kind.", "rejected": " rude."}\n'


def train_with_a_bias(folder: Path) -> None:
    """Train a reward model by the loss of Bradley and Terry to prefer harm where it is about one identity."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForSequenceClassification.from_pretrained(folder)
    rows = list(csv.DictReader(io.StringIO(pairs_csv())))

    def texts(harmful_preferred: bool) -> list[str]:
        sides = ["harmful" if (row["identity"] == HARMED) == harmful_preferred else "affirming" for row in rows]
        return [row["context"] + row[side] + "</s>" for row, side in zip(rows, sides, strict=True)]

    tokenizer.padding_side = "right"
    preferred, other = (tokenizer(texts(which), return_tensors="pt", padding=True) for which in (True, False))
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(60):
            margins = (model(**preferred).logits - model(**other).logits)[:, 0]
            # The square keeps margins from growing for ever, each at a pace of its own.
            loss = -torch.nn.functional.logsigmoid(margins).mean() + 0.05 * (margins - 3).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert bool((margins > 1).all())
    save_model(model.eval(), folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small random reward model, the same one after training, and one of two outputs. Read only."""
    folder = tmp_path_factory.mktemp("reward_models")
    for name in ("before", "planted"):
        make_reward_model(folder / name, initializer_range=0.02)
    train_with_a_bias(folder / "planted")
    make_reward_model(folder / "two", outputs=("helpful", "harmless"), seed=3)
    return {name: folder / name for name in ("before", "planted", "two")}


@pytest.fixture(scope="module")
def run(models: dict[str, Path], pair_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two reward models compared in plain text. Read only."""
    out = tmp_path_factory.mktemp("runs") / "rewards"
    folders = (models["before"], models["planted"])
    result = audit("compare", *folders, "--probe", pair_file, "--render", "plain", "--out", out, "--quiet")
    assert result.exit_code == 0, result.stderr
    return out


def effects(run: Path, **wanted: object) -> dict[str | None, EffectRow]:
    """Effects by identity."""
    found = [one for one in read_results(run).effects if all(getattr(one, key) == of for key, of in wanted.items())]
    return {one.identity: one for one in found}


def test_a_planted_bias_is_found_where_it_is(run: Path) -> None:
    level = effects(run, checkpoint="planted", measure="level", contrast="excess", theme=None, role="marked")
    assert {one.unit for one in level.values()} == {"reward"}
    assert level[HARMED].verdict == "harm"
    assert level[HARMED].low is not None
    assert level[HARMED].low > 1
    assert level["nonbinary people"].verdict != "harm"
    shift = effects(run, measure="shift", contrast="excess", theme=None, role="marked")
    assert (shift[HARMED].verdict, shift[HARMED].measure_from) == ("harm", "before")
    before = effects(run, checkpoint="before", measure="level", contrast="excess", theme=None, role="marked")
    assert "harm" not in {one.verdict for one in before.values()}
    assert not effects(run, measure="implicit_reward")


def test_tables_hold_each_texts_own_reward(run: Path, models: dict[str, Path]) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(models["planted"]).eval()
    tokenizer = AutoTokenizer.from_pretrained(models["planted"])
    rows = [row for row in cells(run / "items.parquet") if row["checkpoint"] == "planted"]
    assert len(rows) == 48
    assert {row["quantity"] for row in rows} == {"reward"}
    assert {row["complete"] for row in rows} == {True}
    for row in rows:
        ids = tokenizer(row["context"] + row["text"] + "</s>", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            assert row["value"] == pytest.approx(float(model(input_ids=ids).logits[0, 0]), abs=5e-5)
        own = len(row["token_ids"])
        assert row["token_ids"] == ids[0, -own:].tolist()
        assert tokenizer.decode(row["token_ids"]).strip() == row["text"] + "</s>"
    assert cells(run / "tokens.parquet") == []
    series = manifest(run)["series"]
    assert [(one["name"], one["head"]) for one in series] == [("before", "LABEL_0"), ("planted", "LABEL_0")]
    assert manifest(run)["forward_reason"].startswith("texts that begin alike share a row")
    assert {one["forward"] for one in manifest(run)["work"].values()} == {"packed"}
    assert {one["nodes"] < one["tokens"] for one in manifest(run)["work"].values()} == {True}


def test_the_report_and_the_gate_read_it(run: Path) -> None:
    assert HARMED in (run / "report.html").read_text(encoding="utf-8")
    failed = audit("gate", run, "--fail-on", f"small:{HARMED} > 0.5")
    assert failed.exit_code == 1, failed.stderr


def test_a_second_audit_asks_no_model(
    models: dict[str, Path], pair_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("score", models["planted"], "--probe", pair_file, "--render", "plain", "--quiet")
    assert audit(*arguments, "--out", tmp_path / "one").exit_code == 0
    monkeypatch.setattr(
        "auditor.adapters.hf.loading.models.ModelShelf.take", lambda *_: pytest.fail("a model was loaded")
    )
    again = audit(*arguments, "--out", tmp_path / "two")
    assert again.exit_code == 0, again.stderr
    values = [[row["value"] for row in cells(tmp_path / one / "items.parquet")] for one in ("one", "two")]
    assert values[0] == values[1]
    assert len(values[0]) == 48


def test_a_run_beside_a_series_finds_the_rewards_of_one_alone(
    models: dict[str, Path],
    llama_series: dict[str, Path],
    pair_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reward, options = f"rm={models['planted']}", ("--probe", pair_file, "--render", "plain", "--quiet")
    assert audit("score", reward, *options, "--out", tmp_path / "alone").exit_code == 0
    taken: list[str] = []
    take = ModelShelf.take

    def watched(shelf: ModelShelf, files: Any) -> Any:
        taken.append(files.name)
        return take(shelf, files)

    monkeypatch.setattr(ModelShelf, "take", watched)
    # Policies that go text by text decide nothing about the way that reward models go.
    monkeypatch.setattr(
        "auditor.adapters.hf.loading.checkpoints.packing_obstacle",
        lambda config: "" if "id2label" in config else "asked to",
    )
    mixed = ("compare", llama_series["sft"], reward, llama_series["dpo"])
    result = audit(*mixed, *options, "--beta", "0.1", "--out", tmp_path / "mixed")
    assert result.exit_code == 0, result.stderr
    assert taken == ["sft", "dpo"]
    values = [
        [row["value"] for row in cells(tmp_path / one / "items.parquet") if row["checkpoint"] == "rm"]
        for one in ("alone", "mixed")
    ]
    assert values[0] == values[1]
    found = manifest(tmp_path / "mixed")
    assert {name: one["forward"] for name, one in found["work"].items()} == {
        "sft": "padded",
        "rm": "packed",
        "dpo": "padded",
    }
    assert found["forward_reason"].startswith("sft: asked to; of reward models: texts that begin alike")


@pytest.mark.parametrize("option", [[], ["--no-cache"]])
def test_interrupted_scoring_goes_on_where_it_stopped(
    models: dict[str, Path], pair_file: Path, tmp_path: Path, option: list[str]
) -> None:
    asked = ["compare", models["before"], models["planted"], "--probe", pair_file, "--render", "plain", "--out"]
    command = [*asked, tmp_path / "run", *option]
    plain = scorer_module.score_sequences
    passed: dict[str, list[int]] = {"first": [], "then": []}

    def after(passes: int | None, name: str) -> Any:
        def watched(*arguments: Any, **options: Any) -> Iterator[Scored]:
            for found in plain(*arguments, **options):
                if passes is not None and len(passed[name]) == passes:
                    raise KeyboardInterrupt
                passed[name].append(len(found.positions))
                yield found

        return watched

    with pytest.MonkeyPatch.context() as patch:
        # Several passes for each model, the interruption in the midst of the second's.
        patch.setattr("auditor.adapters.hf.engine.row_costs", lambda *_: RowCosts(10, 40, 10**6))
        patch.setattr(scorer_module, "score_sequences", after(None, "first"))
        assert audit(*asked, tmp_path / "whole", "--no-cache").exit_code == 0
        whole, passed["first"] = passed["first"], []
        assert len(whole) > 6
        stop = len(whole) // 2 + 2
        patch.setattr(scorer_module, "score_sequences", after(stop, "first"))
        stopped = audit(*command)
        assert_refused(stopped, 130, "interrupted", "same command again")
        assert manifest(tmp_path / "run")["status"] == "interrupted"
        patch.setattr(scorer_module, "score_sequences", after(None, "then"))
        result = audit(*command)
        assert result.exit_code == 0, result.stderr
    assert passed["first"] + passed["then"] == whole, "no pass twice"
    for table in ("items.parquet", "tokens.parquet"):
        assert pq.read_table(tmp_path / "run" / table).equals(pq.read_table(tmp_path / "whole" / table))
    assert (tmp_path / "run" / "results.json").read_bytes() == (tmp_path / "whole" / "results.json").read_bytes()


def test_what_is_read_before_padding_is_never_paired_with_what_is_read_at_it(
    models: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    """The texts' token ids are the same with either end, and so is the cache."""
    folder = shutil.copytree(models["planted"], tmp_path / "rm")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    write(folder / "config.json", json.dumps({**config, "pad_token_id": tokenizer.eos_token_id}))
    rows: dict[str, list[dict[str, Any]]] = {}
    for end in ("auto", "eos", "none"):
        asked = ("--probe", pair_file, "--render", "plain", "--end", end, "--quiet", "--out", tmp_path / end)
        assert audit("score", f"rm={folder}", *asked).exit_code == 0
        rows[end] = cells(tmp_path / end / "items.parquet")
    model = AutoModelForSequenceClassification.from_pretrained(models["planted"]).eval()
    for at, row in enumerate(rows["eos"]):
        ids = tokenizer(row["context"] + row["text"] + "</s>", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            truth = [float(model(input_ids=one).logits[0, 0]) for one in (ids, ids[:, :-1])]
        assert abs(truth[0] - truth[1]) > 1e-3
        assert row["value"] == pytest.approx(truth[0], abs=5e-5)
        for end in ("auto", "none"):
            assert rows[end][at]["value"] == pytest.approx(truth[1], abs=5e-5)
        assert rows["auto"][at]["token_ids"] == row["token_ids"]
    result = audit("diff", tmp_path / "auto", tmp_path / "eos")
    assert result.exit_code == 0, result.stderr
    assert "all shared items have other ends of turn" in " ".join(result.stdout.split())
    same = audit("diff", tmp_path / "auto", tmp_path / "auto")
    assert "same texts and token ids in both: paired" in " ".join(same.stdout.split())


def test_neutral_pairs_of_one_form_hold_a_reward_to_account(
    models: dict[str, Path], pair_file: Path, tmp_path: Path
) -> None:
    """The neutral twin of each pair has its very sides, so that the reward it gets is what the form does."""
    rows = list(csv.DictReader(io.StringIO(pair_file.read_text(encoding="utf-8"))))
    twins = [
        {**row, "id": f"neutral {row['id']}", "cluster": f"n{row['cluster']}", "match": f"n{row['match']}"}
        for row in rows
    ]
    columns = [*rows[0], "valence"]
    longer = [{**row, "harmful": row["harmful"] + " Yes, it is so, and so it is."} for row in twins]
    for name, neutral, controls, reason in (
        ("same", twins, "failed_form", ""),
        ("longer", longer, "absent", "differ in token length otherwise"),
    ):
        content = io.StringIO()
        table = csv.DictWriter(content, columns)
        table.writeheader()
        table.writerows(
            [*({**row, "valence": "harm"} for row in rows), *({**row, "valence": "neutral"} for row in neutral)]
        )
        probe = write(tmp_path / f"{name}.csv", content.getvalue())
        out = tmp_path / name
        result = audit(
            "score", f"rm={models['planted']}", "--probe", probe, "--render", "plain", "--quiet", "--out", out
        )
        assert result.exit_code == 0, result.stderr
        wanted = {"measure": "level", "contrast": "excess", "theme": None, "role": "marked", "valence": "harm"}
        level = effects(out, **wanted)[HARMED]
        assert (level.controls, level.verdict) == (controls, "inconclusive" if controls == "failed_form" else "harm")
        said = {one.detail for one in read_results(out).refusals if one.reason == "control_form"}
        assert bool(said) == bool(reason)
        assert all(reason in one for one in said)


class TestOutputs:
    def test_several_and_none_named(self, models: dict[str, Path], pair_file: Path) -> None:
        result = audit("score", f"rm={models['two']}", "--probe", pair_file)
        assert_refused(result, 2, "--head", "2 outputs", "--head rm=OUTPUT", "helpful, harmless")

    def test_the_named_one_is_scored(self, models: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
        config = write(tmp_path / "audit.yaml", "render: plain\nhead: [rm=harmless]\n")
        options = ("--probe", pair_file, "--quiet", "--config", config)
        result = audit("score", f"rm={models['two']}", *options, "--out", tmp_path / "run")
        assert result.exit_code == 0, result.stderr
        asked = auditor.compare(
            f"rm={models['two']}", probe=pair_file, render="plain", head={"rm": "helpful"}, out=tmp_path / "other"
        )
        assert any("'helpful' is its reward, one of 2" in one for one in asked.cautions)
        model = AutoModelForSequenceClassification.from_pretrained(models["two"]).eval()
        tokenizer = AutoTokenizer.from_pretrained(models["two"])
        for at, name in enumerate(("other", "run")):
            for row in cells(tmp_path / name / "items.parquet")[:4]:
                ids = tokenizer(row["context"] + row["text"] + "</s>", return_tensors="pt")["input_ids"]
                with torch.no_grad():
                    assert row["value"] == pytest.approx(float(model(input_ids=ids).logits[0, at]), abs=5e-5)


class TestRefused:
    @pytest.mark.parametrize("option", ["--objective=rm=dpo", "--beta=rm=0.1"])
    def test_what_only_a_language_model_has(self, models: dict[str, Path], pair_file: Path, option: str) -> None:
        result = audit("compare", f"rm={models['planted']}", "--probe", pair_file, option)
        assert_refused(result, 2, option.partition("=")[0], "'rm' is a reward model")

    def test_a_reference_of_another_kind(
        self, models: dict[str, Path], llama_series: dict[str, Path], pair_file: Path
    ) -> None:
        result = audit(
            "compare", llama_series["sft"], f"rm={models['planted']}", "--probe", pair_file, "--reference", "rm=sft"
        )
        assert_refused(result, 2, "--reference", "'rm' is a reward model", "different units")

    def test_attribution_of_rewards(self, run: Path, models: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
        words = ("only reward models", "without parts of tokens")
        assert_refused(audit("attribute", run), 2, *words)
        assert_refused(audit("attribute", run, "--dry-run"), 2, *words)
        out = tmp_path / "run"
        options = ("--probe", pair_file, "--attribute", "tokens", "--out", out)
        assert_refused(audit("score", models["planted"], *options), 2, *words)
        assert not out.exists(), "nothing was scored"

    def test_requests_for_another_engine(self, models: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
        out = tmp_path / "requests.jsonl"
        result = audit("requests", f"rm={models['planted']}", "--probe", pair_file, "--out", out)
        assert_refused(result, 2, "'rm' is a reward model", "requests ask for log-probabilities")
        assert not out.exists()

    def test_what_reads_log_probabilities_of_preferences(self, models: dict[str, Path], tmp_path: Path) -> None:
        data, model = write(tmp_path / "pairs.jsonl", PREFERENCE), f"rm={models['planted']}"
        exported = audit("export", "trl", model, "--data", data, "--out", tmp_path / "out.jsonl")
        assert_refused(exported, 2, "'rm' is a reward model", "log-probabilities")


def test_dry_run_counts_what_texts_share_once(
    models: dict[str, Path], llama_series: dict[str, Path], pair_file: Path
) -> None:
    arguments = (llama_series["sft"], f"rm={models['planted']}", "--probe", pair_file, "--render", "plain", "--dry-run")
    tokens = {}
    for name, option in (("packed", ()), ("padded", ("--batch-size", "4"))):
        result = audit("compare", *arguments, *option)
        assert result.exit_code == 0, result.stderr
        rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if " MiB" in line}
        tokens[name] = {who: [int(one.replace(",", "")) for one in row[4:6]] for who, row in rows.items()}
    assert tokens["packed"]["rm"][0] == tokens["packed"]["sft"][0] + 48, "EOS more a text"
    # A language model reads no text's last token, a reward model reads it and EOS.
    assert tokens["packed"]["rm"][1] == tokens["packed"]["sft"][1] + 2 * 48 < tokens["packed"]["rm"][0]
    assert tokens["padded"]["rm"][1] == tokens["padded"]["rm"][0]


@pytest.fixture(scope="module")
def mixed(
    models: dict[str, Path],
    llama_series: dict[str, Path],
    pair_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A reward model beside language models, in plain text. Read only."""
    out = tmp_path_factory.mktemp("runs") / "mixed"
    checkpoints = (llama_series["sft"], f"rm={models['planted']}", llama_series["dpo"])
    # What other runs of the session find in its cache would change how they pack their texts.
    options = ("--probe", pair_file, "--render", "plain", "--beta", "0.1", "--quiet", "--no-cache")
    result = audit("compare", *checkpoints, *options, "--out", out)
    assert result.exit_code == 0, result.stderr
    return out


class TestBesideASeries:
    def test_each_kind_is_what_it_is_alone(self, mixed: Path, run: Path) -> None:
        series = {one.name: (one.quantity, one.reference) for one in read_results(mixed).series}
        assert series == {"sft": ("logprob", None), "rm": ("reward", None), "dpo": ("logprob", "sft")}
        wanted = {"measure": "level", "contrast": "excess", "theme": None, "role": "marked"}
        alone, beside = effects(run, checkpoint="planted", **wanted), effects(mixed, checkpoint="rm", **wanted)
        assert beside.keys() == alone.keys()
        for identity, one in beside.items():
            assert (one.estimate, one.unit, one.verdict) == pytest.approx(
                (alone[identity].estimate, "reward", alone[identity].verdict)
            )
        assert {one.measure_from for one in effects(mixed, measure="shift").values()} == {"sft"}
        assert not effects(mixed, measure="shift", checkpoint="rm")
        assert effects(mixed, measure="implicit_reward").keys() >= {HARMED}

    def test_the_planted_bias_is_carried_by_the_explicit_reward(self, mixed: Path) -> None:
        harms = {
            (one.kind, one.identity): one.verdict
            for one in read_results(mixed).reward_harms
            if one.contrast == "excess"
        }
        assert harms["explicit_reward", HARMED] == "harm"
        assert harms["implicit_reward", HARMED] != "harm"
        assert read_results(mixed).agreements

    def test_attribution_leaves_it_out(self, mixed: Path, tmp_path: Path) -> None:
        copy = shutil.copytree(mixed, tmp_path / "run")
        result = audit("attribute", copy)
        assert result.exit_code == 0, result.stderr
        assert "left out: rm" in result.stderr
        assert {row["checkpoint"] for row in cells(copy / "attributions.parquet")} == {"sft", "dpo"}
        assert_refused(audit("attribute", copy, "--checkpoint", "rm"), 2, "no language model 'rm'", "Known: sft, dpo")
