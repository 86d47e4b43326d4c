"""Scores read back from a run's tables are those the kernel had, and a diff within a run is the run's own shift."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_factory import (
    MIXED,
    InventedScorer,
    controlled_probe,
    make_run,
    responsive_probe,
    text_swap_probe,
    without_reward_tokens,
)

from auditor.adapters.run.run_folder import ITEMS_FILE, MANIFEST, TOKENS_FILE
from auditor.adapters.run.stored_scores import read_checkpoint, read_items
from auditor.core.series import Checkpoint
from auditor.errors import UsageError

PROBES = [text_swap_probe(), controlled_probe(), responsive_probe()]
NAMES = ("base", "sft", "dpo<b>")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=PROBES)


def test_every_number_and_field_comes_back(run: Path) -> None:
    stored = read_checkpoint(run, "sft")
    given = InventedScorer(NAMES, ("plain", "chat")).score(Checkpoint("sft", ""), PROBES)
    assert not stored.private
    assert set(stored.scored) == set(given.scored)
    for key, one in given.scored.items():
        back = stored.scored[key]
        assert (back.context, back.complete, back.straddles) == (one.context, one.complete, one.straddles)
        for name in ("id", "identity", "surface", "axis", "theme", "cluster", "paraphrase", "frame", "match", "role"):
            assert getattr(back.item, name) == getattr(one.item, name)
        assert (back.item.valence, back.item.design, back.item.baseline) == (
            one.item.valence,
            one.item.design,
            one.item.baseline,
        )
        assert back.item.candidates == one.item.candidates
        for old, new in zip(one.candidates, back.candidates, strict=True):
            assert new.logprobs.tolist() == old.logprobs.tolist()
            assert new.token_ids.tolist() == old.token_ids.tolist()
            assert (new.total, new.text_total) == (old.total, old.text_total)
            assert (new.tokens, new.n_bytes) == (old.tokens, old.n_bytes)


def test_a_private_run_gives_nothing_back(tmp_path: Path) -> None:
    assert read_checkpoint(make_run(tmp_path / "run", private=True), "sft").private


@pytest.mark.parametrize("file", [ITEMS_FILE, TOKENS_FILE])
@pytest.mark.parametrize("harm", ["missing", "damaged", "short", "column"])
def test_tables_that_cannot_be_read_together_say_so(tmp_path: Path, file: str, harm: str) -> None:
    run = make_run(tmp_path / "run")
    path = run / file
    if harm == "missing":
        path.unlink()
    elif harm == "damaged":
        path.write_bytes(path.read_bytes()[:200])
    else:
        table = pq.read_table(path)
        changed = table.slice(0, 5) if harm == "short" else table.drop_columns(["candidate"])
        pq.write_table(changed, path)
    with pytest.raises(UsageError, match=r"parquet|no item"):
        read_checkpoint(run, "sft")


def test_a_checkpoint_that_is_not_there_says_so(run: Path) -> None:
    with pytest.raises(UsageError, match="no item of checkpoint 'other'"):
        read_checkpoint(run, "other")


@pytest.mark.parametrize(("tokens", "held"), [("sample", "a sample"), ("none", "no tokens")])
def test_runs_without_all_tokens_say_what_to_do(tmp_path: Path, tokens: str, held: str) -> None:
    run = make_run(tmp_path / "run")
    manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    (run / MANIFEST).write_text(json.dumps({**manifest, "tokens": tokens}), encoding="utf-8")
    with pytest.raises(UsageError, match=held) as raised:
        read_checkpoint(run, "sft")
    assert "--tokens all" in raised.value.fix
    assert raised.value.where == str(run)


def test_some_items_come_back_as_they_do_with_all(run: Path) -> None:
    ids = {item.id for item in PROBES[1].items[:3]}
    several = read_items(run, ["base", "sft"], "controlled", ids)
    assert list(several) == ["base", "sft"]
    found = several["sft"]
    whole = read_checkpoint(run, "sft").scored
    assert set(found) == {("controlled", render, name) for render in ("plain", "chat") for name in ids}
    for key, one in found.items():
        assert (one.item, one.context) == (whole[key].item, whole[key].context)
        assert [side.total for side in one.candidates] == [side.total for side in whole[key].candidates]


def test_numbers_of_a_private_run_come_back_alone(run: Path, tmp_path: Path) -> None:
    private = make_run(tmp_path / "run", private=True, probes=PROBES)
    name = PROBES[1].items[0].id
    for key, one in read_items(private, ["sft"], "controlled", [name])["sft"].items():
        (other,) = [of for at, of in read_items(run, ["sft"], "controlled", [name])["sft"].items() if at == key]
        assert (one.context, {side.text for side in one.item.candidates}) == ("", {""})
        for own, known in zip(one.candidates, other.candidates, strict=True):
            assert own.logprobs.tolist() == known.logprobs.tolist()
            assert own.token_ids.tolist() == list(range(len(known.token_ids)))
            assert set(own.tokens) == {""}


def test_tokens_are_read_of_checkpoints_that_have_some(tmp_path: Path) -> None:
    mixed = make_run(tmp_path / "run", probes=PROBES, **MIXED)
    ids = {PROBES[1].items[0].id}
    assert set(read_items(mixed, ["base", "sft"], "controlled", ids)) == {"base", "sft"}
    with pytest.raises(UsageError, match="one number a text"):
        read_items(mixed, ["base", "rm"], "controlled", ids)


class TestRewards:
    def test_every_number_comes_back_with_its_tokens(self, tmp_path: Path) -> None:
        mixed = make_run(tmp_path / "run", probes=PROBES, **MIXED)
        stored = read_checkpoint(mixed, "rm")
        names = (*NAMES, "rm")
        given = InventedScorer(names, ("plain", "chat")).score(Checkpoint("rm", "", quantity="reward"), PROBES)
        assert (stored.private, stored.bare) == (False, False)
        assert set(stored.scored) == set(given.scored)
        for key, one in given.scored.items():
            back = stored.scored[key]
            assert (back.kind, back.context, back.complete) == ("reward", one.context, one.complete)
            assert back.item.candidates == one.item.candidates
            for old, new in zip(one.candidates, back.candidates, strict=True):
                assert (new.total, new.n_tokens, new.n_bytes) == (old.total, old.n_tokens, old.n_bytes)
                assert new.token_ids.tolist() == old.token_ids.tolist()

    def test_of_tables_without_their_tokens_nothing_is_read(self, tmp_path: Path) -> None:
        bare = read_checkpoint(without_reward_tokens(make_run(tmp_path / "run", probes=PROBES, **MIXED)), "rm")
        assert (dict(bare.scored), bare.private, bare.bare) == ({}, False, True)
        private = read_checkpoint(make_run(tmp_path / "private", private=True, **MIXED), "rm")
        assert (dict(private.scored), private.private) == ({}, True)

    def test_without_all_tokens_it_says_what_to_do(self, tmp_path: Path) -> None:
        run = make_run(tmp_path / "run", **MIXED)
        manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
        (run / MANIFEST).write_text(json.dumps({**manifest, "tokens": "none"}), encoding="utf-8")
        with pytest.raises(UsageError, match="no tokens") as raised:
            read_checkpoint(run, "rm")
        assert "--tokens all" in raised.value.fix

    def test_rewards_made_elsewhere_never_had_any(self, tmp_path: Path) -> None:
        run = make_run(tmp_path / "run", **MIXED)
        table = pq.read_table(run / ITEMS_FILE)
        at = table.schema.get_field_index("token_ids")
        field = table.schema.field(at)
        pq.write_table(table.set_column(at, field, pa.nulls(len(table), field.type)), run / ITEMS_FILE)
        manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
        made = {**manifest, "tokens": "none", "engine": {"scoring": "elsewhere"}}
        (run / MANIFEST).write_text(json.dumps(made), encoding="utf-8")
        bare = read_checkpoint(run, "rm")
        assert (dict(bare.scored), bare.private, bare.bare) == ({}, False, True)

    def test_a_table_that_lacks_the_tokens_of_some_says_so(self, tmp_path: Path) -> None:
        run = make_run(tmp_path / "run", **MIXED)
        table = pq.read_table(run / ITEMS_FILE)
        at = table.schema.get_field_index("token_ids")
        field = table.schema.field(at)
        last = table["checkpoint"].to_pylist().index("rm")
        ids = [None if place == last else own for place, own in enumerate(table["token_ids"].to_pylist())]
        pq.write_table(table.set_column(at, field, pa.array(ids, field.type)), run / ITEMS_FILE)
        with pytest.raises(UsageError, match="cannot be read together"):
            read_checkpoint(run, "rm")
