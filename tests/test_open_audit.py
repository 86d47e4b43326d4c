"""An audit whose stores are open scores what no store holds, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from auditor.adapters.cache.score_store import STORE_FILE
from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.adapters.cache_folder import cache_folder
from auditor.cli.console import RichProgress
from auditor.cli.open_audit import OpenAudit, open_audit
from auditor.cli.options import AuditOptions, Render
from auditor.cli.understanding import request_of, scorer_of, understand

QUIET = RichProgress(Console(quiet=True), quiet=True)


def opened(models: list[str], options: AuditOptions, cache: Path | None) -> OpenAudit:
    audit, hashes = understand(models, options, QUIET), WeightHashes(cache, rehash=False)
    scorer = scorer_of(audit, options, QUIET, hashes)
    return open_audit(audit, request_of(models, options, audit), options, scorer, hashes, QUIET, cache=cache)


@pytest.mark.parametrize("cached", [True, False])
def test_scores_are_kept_and_found_again(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, cached: bool
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    options = AuditOptions(probe=[str(pair_file)], render=Render.plain, out=run)
    models = [str(llama_series[name]) for name in ("base", "sft")]
    cache = cache_folder() if cached else None
    first = opened(models, options, cache)
    assert first.unknown_texts() == 96
    scores = first.scores()
    assert [one.checkpoint for one in scores] == ["base", "sft"]
    assert first.unknown_texts() == 0
    first.stores.close(finished=False)
    assert (run / STORE_FILE).exists() != cached
    second = opened(models, options, cache)
    assert second.unknown_texts() == 0
    again = second.scores()
    assert [one.work["recalled"] for one in again] == [48, 48]
    for one, other in zip(scores, again, strict=True):
        assert {key: [side.total for side in of.candidates] for key, of in one.scored.items()} == {
            key: [side.total for side in of.candidates] for key, of in other.scored.items()
        }
    second.stores.close(finished=True)
    assert not (run / STORE_FILE).exists()
