"""``audit analyse``: scores made elsewhere end where an audit's own would."""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from command_line import ROOT, assert_refused, audit, cells, environment, manifest, pairs_csv, without_scripts, write
from request_factory import answer, lines_of
from transformers import AutoModelForCausalLM

from auditor.adapters.probe_files.probes import open_probe
from auditor.adapters.report.page_words import signed

SCHEMAS = ROOT / "docs" / "schema"
NAMES = ("base", "sft", "dpo")
HEADER = {"format": "auditor-logprobs", "version": 1, "engine": "plain forward, float32"}


def results(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    return content


def effects(run: Path, **wanted: object) -> list[dict[str, Any]]:
    return [one for one in results(run)["effects"] if all(one[key] == value for key, value in wanted.items())]


def keyed(run: Path) -> dict[tuple[object, ...], dict[str, Any]]:
    names = ("probe", "identity", "theme", "render", "role", "measure", "contrast", "checkpoint", "measure_from")
    return {tuple(one[name] for name in names): one for one in results(run)["effects"]}


def assert_sound(run: Path) -> None:
    """Both files follow their schemas, and the report speaks."""
    for name in ("manifest", "results"):
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(json.loads((run / f"{name}.json").read_text(encoding="utf-8")))
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "An audit finds evidence of harm" in page
    assert "nan" not in without_scripts(page).lower().replace("finance", "")


@pytest.fixture(scope="module")
def asked(llama_series: dict[str, Path], pair_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Requests of the small series. Read only."""
    out = tmp_path_factory.mktemp("asked") / "requests.jsonl"
    result = audit("requests", *llama_series.values(), "--probe", pair_file, "--out", out, "--quiet")
    assert result.exit_code == 0, result.stderr
    return out


@pytest.fixture(scope="module")
def answered(llama_series: dict[str, Path], asked: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What another engine makes of them: each sequence alone through the model's own plain forward. Read only."""
    folder = tmp_path_factory.mktemp("answered")
    files = []
    for name, checkpoint in llama_series.items():
        model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
        lines = [json.dumps({**HEADER, "checkpoint": name})]
        for one in lines_of(asked):
            ids = torch.tensor([one["ids"]])
            with torch.no_grad():
                logprobs = torch.log_softmax(model(ids).logits[0], dim=-1)
            scored = logprobs[one["start"] - 1 : -1].gather(1, ids[0, one["start"] :, None])[:, 0]
            lines.append(json.dumps({"id": one["id"], "logprobs": scored.tolist()}))
        files.append(write(folder / f"{name}-scores.jsonl", "\n".join(lines) + "\n"))
    return files


@pytest.fixture(scope="module")
def analysed(answered: list[Path], asked: Path, pair_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of what the other engine gave. Read only."""
    out = tmp_path_factory.mktemp("analysed") / "run"
    given = ("--requests", asked, "--probe", pair_file, "--beta", "0.1", "--out", out, "--quiet")
    result = audit("analyse", *answered, *given)
    assert result.exit_code == 0, result.stderr
    return out


def test_another_engine_finds_what_the_audit_finds(analysed: Path, finished_run: Path) -> None:
    own, other = keyed(finished_run), keyed(analysed)
    assert list(own) == list(other)
    for key, one in own.items():
        found = other[key]
        assert (one["items"], one["clusters"], one["verdict"]) == (found["items"], found["clusters"], found["verdict"])
        # What follows from these is held to be the same where the scores are: intervals of two clusters or with a
        # bootstrap make much of little.
        for name in ("estimate", "se"):
            assert found[name] == pytest.approx(one[name], abs=1e-4), (key, name)
    assert results(analysed)["series"][1:] == [
        {**one, "source": two["source"]}
        for one, two in zip(results(finished_run)["series"][1:], results(analysed)["series"][1:], strict=True)
    ]
    assert_sound(analysed)


def test_our_own_scores_give_our_own_effects(finished_run: Path, asked: Path, pair_file: Path, tmp_path: Path) -> None:
    """What the tables of a run hold, handed back as if another engine had computed it."""
    tokens: dict[tuple[str, ...], list[float]] = {}
    for row in cells(finished_run / "tokens.parquet"):
        place = (row["checkpoint"], row["item"], row["render"], row["candidate"])
        tokens.setdefault(place, []).append(row["logprob"])
    files = [
        answer(
            tmp_path / f"{name}.jsonl",
            asked,
            lambda one, at, name=name: tokens[name, one["item"], one["render"], one["candidate"]][at],  # type: ignore[misc]
            HEADER,
        )
        for name in NAMES
    ]
    out = tmp_path / "run"
    given = ("--requests", asked, "--probe", pair_file, "--beta", "0.1", "--out", out, "--quiet")
    assert audit("analyse", *files, *given).exit_code == 0
    own, other = keyed(finished_run), keyed(out)
    assert list(own) == list(other)
    for key, one in own.items():
        found = other[key]
        for name in ("estimate", "se", "low", "high", "low_adjusted", "high_adjusted", "p", "p_adjusted"):
            assert found[name] == pytest.approx(one[name], abs=1e-9), (key, name)
        assert (found["verdict"], found["robustness"]) == (one["verdict"], one["robustness"])
    for name in ("reliabilities", "scorings", "transitions", "contributions"):
        assert results(out)[name] == results(finished_run)[name]


def test_what_the_run_says_of_the_scores(analysed: Path) -> None:
    found = manifest(analysed)
    engine = found["engine"]
    assert (engine["scoring"], engine["engine"], engine["end"]) == ("elsewhere", HEADER["engine"], "auto")
    assert found["status"] == "complete"
    assert "torch" not in found["environment"]
    assert set(found["first_rendered"]) == {"plain", "chat"}
    assert any("computed by plain forward, float32" in one for one in results(analysed)["cautions"])
    rows = cells(analysed / "items.parquet")
    assert {(row["quantity"], row["checkpoint"]) for row in rows} == {("logprob", name) for name in NAMES}
    assert all(row["tokens"] and row["key"] for row in rows)


def test_the_run_is_one_for_gate_report_and_diff(analysed: Path, finished_run: Path) -> None:
    for rule in ("small:any > 50", "small:any > 0", "small:trans women:level/raw@base > 0"):
        own, other = (audit("gate", run, "--fail-on", rule) for run in (finished_run, analysed))
        assert (own.exit_code, own.stdout.count("\n")) == (other.exit_code, other.stdout.count("\n")), rule
    assert audit("report", analysed).exit_code == 0
    result = audit("diff", finished_run, analysed, "--checkpoint", "dpo")
    assert result.exit_code == 0, result.stderr
    assert "24 of 24 items" in result.stdout
    assert "scored with engine" in result.stdout


def test_the_same_request_continues_and_another_is_refused(
    answered: list[Path], asked: Path, pair_file: Path, tmp_path: Path
) -> None:
    given = ("--requests", asked, "--probe", pair_file, "--out", tmp_path / "run", "--quiet")
    assert audit("analyse", *answered, *given).exit_code == 0
    assert audit("analyse", *answered, *given).exit_code == 0
    assert_refused(audit("analyse", *answered, *given, "--sesoi", "1"), 2, "another audit")


def test_private(answered: list[Path], asked: Path, pair_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = audit("analyse", *answered, "--requests", asked, "--probe", pair_file, "--out", out, "--private")
    assert result.exit_code == 0, result.stderr
    everything = b"".join(path.read_bytes() for path in out.iterdir()) + result.stderr.encode()
    assert b"are rude" not in everything
    assert "are rude" not in str(cells(out / "items.parquet")) + str(cells(out / "tokens.parquet"))


def test_no_model_library_is_imported(answered: list[Path], asked: Path, pair_file: Path, tmp_path: Path) -> None:
    line = ["analyse", *answered, "--requests", asked, "--probe", pair_file, "--out", tmp_path / "run", "--quiet"]
    code = (
        "import sys\nfrom auditor.cli.main import app\n"
        "try:\n app(prog_name='audit')\nexcept SystemExit as stop:\n assert not stop.code, stop.code\n"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, *map(str, line)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert "pyarrow" in done.stdout.split()
    assert not {"torch", "transformers", "tokenizers", "peft"}.intersection(done.stdout.split())


def test_what_an_engine_left_out_is_counted(answered: list[Path], asked: Path, pair_file: Path, tmp_path: Path) -> None:
    lines = answered[1].read_text(encoding="utf-8").splitlines()
    short = write(tmp_path / "sft.jsonl", "\n".join(lines[:-1]) + "\n")
    out = tmp_path / "run"
    files = (answered[0], short, f"dpo={answered[2]}")
    result = audit("analyse", *files, "--requests", asked, "--probe", pair_file, "--out", out, "--quiet")
    assert result.exit_code == 0, result.stderr
    loud = audit("analyse", *files, "--requests", asked, "--probe", pair_file, "--out", out)
    assert "24 items refused: not_scored 1 (chat rendering)" in loud.stderr
    missing = [one for one in results(out)["refusals"] if one["reason"] == "not_scored"]
    last = lines_of(asked)[-1]
    assert [(one["checkpoint"], one["item"], one["render"], one["count"]) for one in missing] == [
        ("sft", last["item"], "chat", 1)
    ]
    (raw,) = effects(out, measure="level", checkpoint="base", render="chat", identity="cis women", theme=None)
    assert raw["items"] == 7
    (raw,) = effects(out, measure="level", checkpoint="base", render="plain", identity="cis women", theme=None)
    assert raw["items"] == 8


def test_files_that_do_not_fit(answered: list[Path], asked: Path, pair_file: Path, tmp_path: Path) -> None:
    given = ("--requests", asked, "--probe", pair_file, "--out", tmp_path / "run")
    other = answer(tmp_path / "other.jsonl", asked, lambda *_: -1.0, {**HEADER, "engine": "other"})
    assert_refused(audit("analyse", answered[0], other, *given), 3, "'other'", "same engine")
    bare = answer(tmp_path / "bare.jsonl", asked, lambda *_: -1.0)
    assert_refused(audit("analyse", bare, *given), 2, "which engine", "--engine")
    empty = write(tmp_path / "empty.jsonl", json.dumps(HEADER) + "\n")
    assert_refused(audit("analyse", empty, *given), 3, "not_scored", "every line of the requests")
    assert_refused(audit("analyse", tmp_path / "none.jsonl", *given), 2, "cannot be read")
    assert_refused(audit("analyse", answered[0], *given, "--limit", "6"), 2, "other items of it")
    assert_refused(audit("analyse", answered[0], *given, "--column", "harmful=x"), 2, "--requests there are none")
    assert_refused(audit("analyse", answered[0], "--quantity", "logprob"), 2, "--requests FILE")
    assert_refused(audit("analyse", f"={answered[0]}", *given), 2, "[NAME=]FILE")
    assert not (tmp_path / "run").exists() or not (tmp_path / "run" / "results.json").exists()
    bad = write(tmp_path / "other.csv", pairs_csv().replace("bake bad bread", "bake bread badly"))
    assert_refused(audit("analyse", answered[0], *given[:2], "--probe", bad), 2, "the probes given are other")


# Bare scores.

COLUMNS = "id,model,side,score,identity,role,theme,cluster,match"
PEOPLE = (("trans women", "marked"), ("nonbinary people", "marked"), ("cis women", "reference"))
SIDES = ("rejected", "chosen")


def scores(seed: int = 0) -> dict[tuple[str, str, str], float]:
    """Log-probabilities by item, checkpoint and side: 12 clusters about three identities."""
    rng = np.random.default_rng(seed)
    found = {}
    for cluster in range(12):
        for who, _ in PEOPLE:
            for name in NAMES:
                harm = 3.0 if (who, name) == ("trans women", "dpo") else 0.0
                for side in SIDES:
                    extra = harm if side == "rejected" else 0.0
                    found[f"{who}/{cluster}", name, side] = round(-20 + extra + rng.normal(0, 0.3), 4)
    return found


def about(item: str) -> tuple[str, ...]:
    who, cluster = item.split("/")
    return who, dict(PEOPLE)[who], ("conduct", "mind")[int(cluster) % 2], f"c{cluster}", f"m{cluster}"


def long_csv(path: Path, values: dict[tuple[str, str, str], float]) -> Path:
    rows = [",".join([item, name, side, str(value), *about(item)]) for (item, name, side), value in values.items()]
    return write(path, "\n".join([COLUMNS, *rows]) + "\n")


LONG = ("--map", "item=id,checkpoint=model,candidate=side,value=score", "--side", "harmful=rejected,affirming=chosen")


def test_long_wide_and_a_file_a_checkpoint_are_the_same(tmp_path: Path) -> None:
    values = scores()
    items = list(dict.fromkeys(item for item, _, _ in values))
    columns = [f"{name}_{side}" for name in NAMES for side in SIDES]
    wide = [
        {
            "id": item,
            **dict(zip(("identity", "role", "theme", "cluster", "match"), about(item), strict=True)),
            **{f"{name}_{side}": values[item, name, side] for name in NAMES for side in SIDES},
        }
        for item in items
    ]
    jsonl = write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, wide)) + "\n")
    wide_map = [
        part
        for column in columns
        for part in ("--column", f"{column.replace('_rejected', '.harmful').replace('_chosen', '.affirming')}={column}")
    ]
    files = [
        long_csv(tmp_path / f"{name}.csv", {key: value for key, value in values.items() if key[1] == name})
        for name in NAMES
    ]
    sides = [
        f"{name}.{side}={write_side(tmp_path / f'{name}-{side}.csv', values, name, side)}"
        for name in NAMES
        for side in SIDES
    ]
    whole = long_csv(tmp_path / "whole.csv", values)
    ways = {
        "long": (whole, *LONG),
        "wide": (jsonl, *wide_map),
        "files": (*files, *LONG),
        "sides": (*sides, "--map", "item=id,value=score", "--side", "harmful=rejected,affirming=chosen"),
        "mapping": (whole, "--mapping", write(tmp_path / "map.yaml", (
            "map: {item: id, checkpoint: model, candidate: side, value: score}\n"
            "sides: {harmful: rejected, affirming: chosen}\n"
        ))),
    }  # fmt: skip
    found = {}
    for name, way in ways.items():
        out = tmp_path / "runs" / name
        result = audit("analyse", *way, "--quantity", "logprob", "--out", out, "--quiet")
        assert result.exit_code == 0, (name, result.stderr)
        found[name] = [{**one, "probe": ""} for one in results(out)["effects"]]
    assert found["wide"] == found["files"] == found["sides"] == found["mapping"] == found["long"]
    assert_sound(tmp_path / "runs" / "long")


def write_side(path: Path, values: dict[tuple[str, str, str], float], name: str, side: str) -> Path:
    rows = [
        ",".join([item, str(value), *about(item)])
        for (item, model, own), value in values.items()
        if (model, own) == (name, side)
    ]
    return write(path, "\n".join(["id,score,identity,role,theme,cluster,match", *rows]) + "\n")


@pytest.fixture(scope="module")
def bare_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of bare log-probabilities. Read only."""
    folder = tmp_path_factory.mktemp("bare")
    path, out = long_csv(folder / "scores.csv", scores()), folder / "run"
    result = audit("analyse", path, *LONG, "--quantity", "logprob", "--beta", "0.1", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "d = 0.22 nats" in result.stderr
    return out


def test_bare_log_probabilities_give_everything_that_needs_no_tokens(bare_run: Path) -> None:
    values = scores()
    margins = {
        (who, name): [
            values[f"{who}/{at}", name, "rejected"] - values[f"{who}/{at}", name, "chosen"] for at in range(12)
        ]
        for who, _ in PEOPLE
        for name in NAMES
    }
    for who in ("trans women", "nonbinary people"):
        for name in NAMES:
            pairs = zip(margins[who, name], margins["cis women", name], strict=True)
            expected = statistics.mean(marked - reference for marked, reference in pairs)
            (one,) = effects(bare_run, identity=who, checkpoint=name, measure="level", contrast="excess", theme=None)
            assert one["estimate"] == pytest.approx(expected, abs=1e-9)
            assert (one["unit"], one["items"], one["clusters"]) == ("nats", 12, 12)
    (harm,) = effects(
        bare_run, identity="trans women", checkpoint="dpo", measure="level", contrast="excess", theme=None
    )
    assert harm["verdict"] == "harm"
    assert {one["dimension"] for one in harm["robustness"]} == {"cluster"}
    (reward,) = effects(bare_run, identity="trans women", measure="implicit_reward", contrast="raw", theme=None)
    shift = statistics.mean(margins["trans women", "dpo"]) - statistics.mean(margins["trans women", "sft"])
    assert reward["estimate"] == pytest.approx(0.1 * shift, abs=1e-9)
    assert results(bare_run)["scorings"] == []
    rows = cells(bare_run / "items.parquet")
    assert {row["quantity"] for row in rows} == {"logprob"}
    assert {(row["tokens"], row["bytes"], row["text"], row["key"]) for row in rows} == {(None, None, None, None)}
    assert sum(row["value"] for row in rows) == pytest.approx(sum(values.values()))
    assert cells(bare_run / "tokens.parquet") == []
    assert manifest(bare_run)["tokens"] == "none"
    assert_sound(bare_run)


def test_standardised_differences_stand_beside_the_effects(bare_run: Path) -> None:
    values = scores()
    sides = [
        [value for (item, name, own), value in values.items() if name == "dpo" and own == side and "cis" not in item]
        for side in SIDES
    ]
    pooled = math.sqrt(statistics.mean(statistics.variance(one) for one in sides))
    (found,) = effects(bare_run, measure="cohens_d", checkpoint="dpo", identity=None)
    assert found["estimate"] == pytest.approx((statistics.mean(sides[0]) - statistics.mean(sides[1])) / pooled)
    assert (found["unit"], found["verdict"], found["items"]) == ("sd", None, 48)
    margins = [a - b for a, b in zip(*sides, strict=True)]
    (paired,) = effects(bare_run, measure="cohens_dz", checkpoint="dpo", identity=None)
    assert paired["estimate"] == pytest.approx(statistics.mean(margins) / statistics.stdev(margins))
    page = (bare_run / "report.html").read_text(encoding="utf-8")
    assert "how each checkpoint cut it is not known" in page
    assert "Standardised differences" in page
    assert "Published metrics" not in page


def test_a_gate_holds_bare_scores(bare_run: Path) -> None:
    assert audit("gate", bare_run, "--fail-on", "scores:nonbinary people > 1").exit_code == 0
    result = audit("gate", bare_run, "--fail-on", "scores:any > 1")
    assert result.exit_code == 1
    assert "trans women" in result.stdout
    result = audit("diff", bare_run, bare_run)
    assert result.exit_code == 0, result.stderr
    assert "cannot be compared in nats: bare scores have no tokens to compare" in result.stdout


def test_bare_rewards_have_no_tokens_to_compare_either(tmp_path: Path) -> None:
    path, out = long_csv(tmp_path / "scores.csv", scores()), tmp_path / "run"
    result = audit("analyse", path, *LONG, "--quantity", "reward", "--sesoi", "0.5", "--out", out)
    assert result.exit_code == 0, result.stderr
    result = audit("diff", out, out, "--checkpoint", "dpo")
    assert result.exit_code == 0, result.stderr
    assert "in units of the reward: bare scores have no tokens to compare" in result.stdout


def test_published_metrics_of_bare_scores(tmp_path: Path) -> None:
    """CrowS-Pairs over whole sentences needs no tokens; over shared tokens it does."""
    header = "sent_more,sent_less,stereo_antistereo,bias_type,annotations,anon_writer,anon_annotators"
    texts = [f'"They are {word}.","We are {word}.",stereo,gender,"[]",a0,"[]"' for word in ("bad", "sad", "mad")]
    probe = write(tmp_path / "crows.csv", "\n".join([header, *texts]) + "\n")
    shown = audit("probes", "show", probe, "--rows", 3)
    assert shown.exit_code == 0, shown.stderr
    from auditor.adapters.probe_files.probes import open_probe

    ids = [item.id for item in open_probe(str(probe)).items]
    rows = [f"{one},{side},{-10 - at}" for one in ids for at, side in enumerate(("harmful", "affirming"))]
    path = write(tmp_path / "s.csv", "\n".join(["id,candidate,value", *rows]) + "\n")
    out = tmp_path / "run"
    result = audit("analyse", path, "--quantity", "logprob", "--probe", probe, "--out", out, "--quiet")
    assert result.exit_code == 0, result.stderr
    assert {one["measure"] for one in results(out)["effects"]} >= {"crows_pairs_sentence"}
    assert all(one["estimate"] == 100 for one in effects(out, measure="crows_pairs_sentence"))
    (refused,) = [one for one in results(out)["refusals"] if one["reason"] == "no_tokens"]
    assert "crows_pairs_shared" in refused["detail"]
    assert refused["count"] == 3
    assert {row["text"] for row in cells(out / "items.parquet")} >= {"They are bad."}


# Rewards.


def reward_rows(path: Path) -> tuple[Path, dict[str, list[float]]]:
    """Rows in the shape of a published reward benchmark: two models, a list for each score in one of them."""
    rng = np.random.default_rng(7)
    margins: dict[str, list[float]] = {"rm_a": [], "rm_b": []}
    lines = []
    for at in range(40):
        row: dict[str, Any] = {"id": at, "subset": ("chat", "safety")[at % 2], "prompt": f"question {at}"}
        for name, scale in (("rm_a", 1.0), ("rm_b", 30.0)):
            chosen, rejected = (scale * rng.normal(mean, 1) for mean in (1.0, 0.0))
            margins[name].append(rejected - chosen)
            wrap = (lambda value: [value]) if name == "rm_b" else (lambda value: value)
            row[f"{name}/score_chosen"], row[f"{name}/score_rejected"] = wrap(chosen), wrap(rejected)
        row |= {"text_chosen": f"good <b>{at}</b>", "text_rejected": f"bad {at}"}
        lines.append(json.dumps(row))
    return write(path, "\n".join(lines) + "\n"), margins


REWARDS = (
    *("--quantity", "reward", "--map", "theme=subset,context=prompt,harmful=text_rejected,affirming=text_chosen"),
    *(
        part
        for name in ("rm_a", "rm_b")
        for side, word in (("harmful", "rejected"), ("affirming", "chosen"))
        for part in ("--column", f"{name}.{side}={name}/score_{word}")
    ),
)


def test_rewards_in_their_own_unit(tmp_path: Path) -> None:
    path, margins = reward_rows(tmp_path / "rewards.jsonl")
    out = tmp_path / "run"
    result = audit("analyse", path, *REWARDS, "--sesoi", "0.5", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "units of the reward; d = 0.5" in result.stderr
    for name, values in margins.items():
        (level,) = effects(out, measure="level", contrast="raw", checkpoint=name, theme=None)
        assert level["estimate"] == pytest.approx(statistics.mean(values), abs=1e-9)
        assert (level["unit"], level["beta"], level["sesoi"]) == ("reward", None, 0.5)
        assert level["verdict"] == "affirming"
        (d,) = effects(out, measure="cohens_dz", checkpoint=name, identity=None)
        assert d["estimate"] == pytest.approx(statistics.mean(values) / statistics.stdev(values), abs=1e-9)
    assert {one["measure"] for one in results(out)["effects"]} == {"level", "cohens_d", "cohens_dz"}
    assert [one["reference"] for one in results(out)["series"]] == [None, None]
    rows = cells(out / "items.parquet")
    assert {row["quantity"] for row in rows} == {"reward"}
    assert {row["context"] for row in rows} >= {"question 0"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "good &lt;b&gt;" in page
    assert "<b>3</b>" not in page
    assert "units of the reward" in page
    assert "odds of the harmful text" not in page
    assert_sound(out)
    assert audit("gate", out, "--fail-on", "rewards:any:level/raw > 1").exit_code == 0
    # Texts without tokens: side by side, and no advice to keep what there never was.
    result = audit("diff", out, out, "--checkpoint", "rm_a")
    assert result.exit_code == 0, result.stderr
    assert "in units of the reward: bare scores have no tokens to compare" in " ".join(result.stdout.split())


def test_rewards_without_a_bound_have_no_verdict(tmp_path: Path) -> None:
    path, margins = reward_rows(tmp_path / "rewards.jsonl")
    out = tmp_path / "run"
    result = audit("analyse", path, *REWARDS, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "no verdict without --sesoi" in result.stderr
    found = results(out)
    assert {one["verdict"] for one in found["effects"]} == {None}
    assert {one["sesoi"] for one in found["effects"]} == {None}
    (refused,) = [one for one in found["refusals"] if one["reason"] == "no_bound"]
    assert refused["count"] == 2
    (level,) = effects(out, measure="level", contrast="raw", checkpoint="rm_b", theme=None)
    assert level["estimate"] == pytest.approx(statistics.mean(margins["rm_b"]), abs=1e-9)
    assert level["low"] < level["estimate"] < level["high"]
    assert manifest(out)["request"]["sesoi"] is None
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "no bound d is stated in their unit" in page
    assert "There are none: nothing was judged" in page
    assert "djusted interval" not in page
    assert "No identity shows harm" not in page
    assert_sound(out)
    for rule in ("rewards:any:level/raw > 1", "rewards/chat:any:level/raw > 1"):
        result = audit("gate", out, "--fail-on", rule)
        assert result.exit_code == 1
        assert "no bound was stated" in result.stdout


def test_a_reward_model_trained_from_another_has_a_shift(tmp_path: Path) -> None:
    path, margins = reward_rows(tmp_path / "rewards.jsonl")
    out = tmp_path / "run"
    given = ("--reference", "rm_b=rm_a", "--sesoi", "1", "--out", out, "--quiet")
    assert audit("analyse", path, *REWARDS, *given).exit_code == 0
    (shift,) = effects(out, measure="shift", contrast="raw", theme=None)
    expected = statistics.mean(margins["rm_b"]) - statistics.mean(margins["rm_a"])
    assert (shift["unit"], shift["measure_from"]) == ("reward", "rm_a")
    assert shift["estimate"] == pytest.approx(expected, abs=1e-9)
    assert_sound(out)


def test_a_shift_of_rewards_without_a_bound_keeps_its_interval(tmp_path: Path) -> None:
    path, _ = reward_rows(tmp_path / "rewards.jsonl")
    out = tmp_path / "run"
    assert audit("analyse", path, *REWARDS, "--reference", "rm_b=rm_a", "--out", out, "--quiet").exit_code == 0
    (shift,) = effects(out, measure="shift", contrast="raw", theme=None)
    assert (shift["low_adjusted"], shift["verdict"]) == (None, None)
    series = (out / "report.html").read_text(encoding="utf-8").partition('<section id="series"')[2]
    table = series.partition("</table>")[0]
    assert f"{signed(shift['low'])} to {signed(shift['high'])}" in table
    assert "Adjusted interval" not in table
    assert "no interval" not in table


def test_rewards_have_no_implicit_one(tmp_path: Path) -> None:
    path, _ = reward_rows(tmp_path / "rewards.jsonl")
    for option in (("--beta", "0.1"), ("--objective", "rm_b=dpo")):
        assert_refused(audit("analyse", path, *REWARDS, *option, "--out", tmp_path / "x"), 2, "rewards already")


def test_two_samples_without_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    groups = {"A": rng.normal(1, 1, 30).round(4), "B": rng.normal(0, 1, 20).round(4)}
    rows = [f"{name},{value}" for name, values in groups.items() for value in values]
    path = write(tmp_path / "two.csv", "\n".join(["group,score", *rows]) + "\n")
    out = tmp_path / "run"
    given = ("--map", "candidate=group,value=score", "--side", "harmful=A,affirming=B", "--quantity", "reward")
    result = audit("analyse", f"rm={path}", *given, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "two samples are compared as they are" in result.stderr
    found = results(out)["effects"]
    assert {one["measure"] for one in found} == {"cohens_d"}
    spread = (29 * np.var(groups["A"], ddof=1) + 19 * np.var(groups["B"], ddof=1)) / 48
    expected = (groups["A"].mean() - groups["B"].mean()) / math.sqrt(spread)
    assert found[0]["estimate"] == pytest.approx(expected, abs=1e-9)
    assert found[0]["items"] == 50
    assert_sound(out)
    assert "Two samples of texts" in (out / "report.html").read_text(encoding="utf-8")


TWO = ("--quantity", "reward", "--sesoi", "0.2")


def two_csv(path: Path) -> Path:
    return write(path, "group,score\n" + "".join(f"{side},{at}\n" for at in range(5) for side in "AB"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--side", "harmful=A,affirming=typo"), ("no score is of a side 'typo'; found: A, B", "--side")),
        (("--side", "harmful=A"), ("no score is of the side affirming; found: A, B",)),
        (("--side", "harmful=x"), ("no score is of a side 'x'; found: A, B",)),
        ((), ("no score is of the side harmful or affirming; found: A, B",)),
    ],
)
def test_a_side_that_no_row_has(given: tuple[str, ...], words: tuple[str, ...], tmp_path: Path) -> None:
    path = two_csv(tmp_path / "two.csv")
    columns = ("--map", "candidate=group,value=score")
    assert_refused(audit("analyse", f"rm={path}", *TWO, *columns, *given, "--out", tmp_path / "run"), 2, *words)
    assert not (tmp_path / "run").exists()


def test_one_side_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "id,bad,good,more\n1,2,1,4\n2,3,1,4\n")
    given = (path, *TWO, "--out", tmp_path / "run", "--column", "rm.harmful=bad")
    assert_refused(audit("analyse", *given), 2, "no score is of the side affirming; found: harmful")
    assert_refused(
        audit("analyse", *given, "--column", "two.harmful=more", "--column", "rm.affirming=good"), 3, "'two'"
    )
    assert_refused(audit("analyse", *given, "--column", "rm.affirming=good", "--side", "harmful=z"), 2, "side 'z'")


def one_side(path: Path, values: dict[str, float], names: str = "id") -> Path:
    rows = [f"{item},{value}" if names else str(value) for item, value in values.items()]
    return write(path, "\n".join([f"{names},value" if names else "value", *rows]) + "\n")


def test_partners_that_are_missing_are_counted_aloud(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    bad, good = ({f"q{at}": round(rng.normal(), 3) for at in range(count)} for count in (60, 30))
    files = (f"rm.harmful={one_side(tmp_path / 'b.csv', bad)}", f"rm.affirming={one_side(tmp_path / 'g.csv', good)}")
    out = tmp_path / "run"
    result = audit("analyse", *files, *TWO, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "30 of 60 items refused: not_scored 30" in " ".join(result.stderr.split())
    assert "no_pairs" not in {one["reason"] for one in results(out)["refusals"]}
    (level,) = effects(out, measure="level", contrast="raw")
    assert level["estimate"] == pytest.approx(statistics.mean(bad[one] - good[one] for one in good), abs=1e-9)
    page, xml = tmp_path / "gate.md", tmp_path / "gate.xml"
    written = ("--markdown", page, "--junit", xml)
    gate = audit("gate", out, "--fail-on", "scores:any:level/raw > 9", *written)
    assert gate.exit_code == 0, gate.stdout
    assert "30 of 60 items refused: not_scored 30" in gate.stdout
    assert "30 of 60 items refused" in page.read_text(encoding="utf-8")
    assert "30 of 60 items refused" in xml.read_text(encoding="utf-8")
    quiet = audit("analyse", *files, *TWO, "--out", tmp_path / "other", "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_rows_that_a_probe_could_not_read_are_counted_aloud(tmp_path: Path) -> None:
    good = [{"prompt": f"question {at}?", "chosen": f"A kind answer {at}.", "rejected": "No."} for at in range(6)]
    rows = [*good, {"prompt": "question?", "chosen": "x"}]
    probe = write(tmp_path / "p.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    ids = [item.id for item in open_probe(str(probe)).items]
    lines = [f"{item},{side},{at}" for at, item in enumerate(ids) for side in ("harmful", "affirming")]
    path = write(tmp_path / "rm.csv", "\n".join(["item,candidate,value", *lines]) + "\n")
    result = audit("analyse", path, *TWO, "--probe", probe, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    assert "1 of 7 items refused: unreadable_row 1" in " ".join(result.stderr.split())


def test_files_of_two_sides_without_a_common_id(tmp_path: Path) -> None:
    sides = {"harmful": [1.0, 2.5, 3.0], "affirming": [0.0, 1.0, 0.5]}

    def files(names: str) -> list[str]:
        return [
            f"rm.{side}={one_side(tmp_path / f'{side}.csv', {f'{side}{at}': one for at, one in enumerate(own)}, names)}"
            for side, own in sides.items()
        ]

    assert_refused(
        audit("analyse", *files("id"), *TWO, "--out", tmp_path / "run"), 3, "none of their ids match", "same id"
    )
    result = audit("analyse", *files(""), *TWO, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    assert {one["measure"] for one in effects(tmp_path / "run")} == {"cohens_d"}
    gate = audit("gate", tmp_path / "run", "--fail-on", "two:any > 1")
    assert gate.exit_code == 1
    assert "holds no verdict or effect that a rule can be held to" in gate.stdout


def test_an_unknown_side_is_named_where_it_stands(tmp_path: Path, pair_file: Path) -> None:
    item = open_probe(str(pair_file)).items[0].id
    rows = [f"{item},harmful,-1", f"{item},affirming,-2", f"{item},rejected,-3"]
    path = write(tmp_path / "m.csv", "\n".join(["item,candidate,value", *rows]) + "\n")
    given = ("--probe", pair_file, "--quantity", "logprob", "--out", tmp_path / "run")
    assert_refused(audit("analyse", path, *given), 2, "no side 'rejected'", "m.csv, line 4")


@pytest.mark.parametrize("given", [("--tier", "full"), ("--axis", "gender"), ("--limit", "3"), ("--language", "fr")])
def test_what_chooses_items_of_a_probe_needs_one(given: tuple[str, str], tmp_path: Path) -> None:
    path = long_csv(tmp_path / "x.csv", scores())
    result = audit("analyse", path, *LONG, "--quantity", "logprob", *given, "--out", tmp_path / "run")
    assert_refused(result, 2, f"{given[0]}", "no probe is given", "--probe")


def test_constant_scores_are_remarked_on(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "id,bad,good,h,a\n" + "".join(f"{at},2,2,{at},1\n" for at in range(5)))
    columns = [f"{name}={column}" for name, column in (("rm.harmful", "bad"), ("rm.affirming", "good"))]
    columns += ["other.harmful=h", "other.affirming=a"]
    given = [part for one in columns for part in ("--column", one)]
    result = audit("analyse", path, *TWO, *given, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert "All scores of rm are the same number" in said
    assert "All scores of other" not in said


def test_options_that_would_do_nothing(tmp_path: Path) -> None:
    path, _ = reward_rows(tmp_path / "rewards.jsonl")
    for given, words in ((("--tokens", "all"), "no tokens to keep"), (("--complete",), "the scores are rewards")):
        assert_refused(audit("analyse", path, *REWARDS, *given, "--out", tmp_path / "run"), 2, given[0], words)


def test_a_reward_per_token_needs_tokens(tmp_path: Path) -> None:
    path = long_csv(tmp_path / "x.csv", scores())
    given = ("--quantity", "logprob", "--objective", "dpo=dpo-norm", "--out", tmp_path / "run")
    assert_refused(audit("analyse", path, *LONG, *given), 2, "nats a token")


def test_form_matched_controls_cannot_be_seen_to_match(tmp_path: Path) -> None:
    rows = [
        ",".join([f"{valence}/{item}", name, side, str(value), *about(item)[:-1], f"{valence} {item[-2:]}", valence])
        for valence in ("harm", "neutral")
        for (item, name, side), value in scores().items()
    ]
    path = write(tmp_path / "x.csv", "\n".join([COLUMNS + ",valence", *rows]) + "\n")
    out = tmp_path / "run"
    result = audit("analyse", path, *LONG, "--quantity", "logprob", "--out", out, "--quiet")
    assert result.exit_code == 0, result.stderr
    found = [one for one in results(out)["refusals"] if one["reason"] == "control_form"]
    assert {one["identity"] for one in found} == {"trans women", "nonbinary people"}
    assert "hold no tokens" in found[0]["detail"]


def test_private_bare_scores(tmp_path: Path) -> None:
    path, _ = reward_rows(tmp_path / "rewards.jsonl")
    out = tmp_path / "run"
    result = audit("analyse", path, *REWARDS, "--sesoi", "1", "--out", out, "--private")
    assert result.exit_code == 0, result.stderr
    everything = "".join(path.read_text(encoding="utf-8") for path in out.iterdir() if path.suffix != ".parquet")
    assert "question 3" not in everything + str(cells(out / "items.parquet"))
    assert "bad 3" not in everything + str(cells(out / "items.parquet"))


def test_several_probes_for_bare_scores(tmp_path: Path, pair_file: Path) -> None:
    path = long_csv(tmp_path / "x.csv", scores())
    two = ("--probe", pair_file, "--probe", "stigma", "--quantity", "logprob")
    assert_refused(audit("analyse", path, *LONG, *two), 2, "of one probe")
