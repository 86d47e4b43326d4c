"""An audit that can score: what is asked, its models, and the stores that scores are kept in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.adapters.cache.audit_stores import AuditStores
from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.adapters.hf.kept_scores import KeptScores, scope_of
from auditor.adapters.hf.scorer import HFScorer
from auditor.cli.console import RichProgress
from auditor.cli.options import AuditOptions
from auditor.cli.understanding import Audit, Request, policies_of
from auditor.core.scores import CheckpointScores


@dataclass(frozen=True, slots=True)
class OpenAudit:
    """An audit whose stores are open.

    Attributes:
        hashes: of weight files.
    """

    audit: Audit
    request: Request
    options: AuditOptions
    scorer: HFScorer
    stores: AuditStores
    hashes: WeightHashes
    progress: RichProgress

    def scores(self) -> Sequence[CheckpointScores]:
        """Of all language models; only what no store holds is scored.

        Raises:
            UsageError: there are only reward models.
            ModelLoadError: a checkpoint cannot be loaded.
            StorageError: the disk is full or fails.
        """
        return [self.scorer.score(one, self.audit.probes) for one in policies_of(self.audit).checkpoints]

    def unknown_texts(self) -> int:
        """How many texts of language models no store holds."""
        return sum(self.scorer.unknown_texts(one, self.audit.probes) for one in policies_of(self.audit).checkpoints)


def open_audit(
    audit: Audit,
    request: Request,
    options: AuditOptions,
    scorer: HFScorer,
    hashes: WeightHashes,
    progress: RichProgress,
    *,
    cache: Path | None,
) -> OpenAudit:
    """Open the stores and let the scorer keep its scores there; whoever asks closes them.

    Args:
        cache: its folder, None to keep scores in the run folder until the audit is finished.

    Raises:
        StorageError: another process kept a store locked.
    """
    stores, engine = AuditStores(cache, request.out), request.engine
    scorer.keep_in = lambda fingerprint, dtype, forward: KeptScores(
        stores.stores, scope_of(fingerprint, {**engine, "dtype": dtype, "forward": forward})
    )
    return OpenAudit(audit, request, options, scorer, stores, hashes, progress)
