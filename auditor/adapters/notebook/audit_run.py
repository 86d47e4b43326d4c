"""A finished run as an object: its numbers, tables and figures, and how a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from auditor.adapters.notebook.run_figures import FigureName, RunFigure, find_figure, leading_figures
from auditor.adapters.notebook.run_html import run_html
from auditor.adapters.run.attribution_tables import read_attributions
from auditor.adapters.run.results_schema import AttributionRow, EffectRow, Results
from auditor.adapters.run.reward_rows import RewardAgreementRow, RewardHarmRow
from auditor.adapters.run.run_folder import ITEMS_FILE, TOKENS_FILE, file_hash, read_manifest, read_results
from auditor.adapters.run.run_status import INTERRUPTED, status_of
from auditor.adapters.summaries.run_summary import summary_of
from auditor.adapters.summaries.summary_schema import RunSummary, SummaryCell
from auditor.errors import UsageError, one_line


@dataclass(frozen=True, slots=True, repr=False)
class AuditRun:
    """A finished run, as `auditor.compare` returns and `auditor.load` reads it.

    Shown in a notebook as its answer, its verdicts and its figures. Nothing of it changes when the folder does:
    tables are read when they are asked for, and refused if they are no longer those of this run.

    Attributes:
        folder: where it lies, as an absolute path.
        results: everything in ``results.json``.
        manifest: ``manifest.json`` as it stands: what was asked, with what.
    """

    folder: Path
    results: Results
    manifest: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> AuditRun:
        """Read a run folder; the tables are left until they are asked for.

        Raises:
            UsageError: the folder holds no finished run, or its files do not follow the contract.
        """
        return cls(folder.absolute(), read_results(folder), read_manifest(folder))

    @property
    def interrupted(self) -> bool:
        """Whether the audit did not come to its end, or is still at work: numbers may be those of an earlier one."""
        return status_of(self.manifest) == "interrupted"

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Names of the checkpoints in the order given."""
        return tuple(one.name for one in self.results.series)

    @property
    def effects(self) -> tuple[EffectRow, ...]:
        """Every effect; positive means harm. The attributes are the keys of docs/run-folder.md, in nats unless
        ``unit`` says otherwise, None where there is no number."""
        return self.results.effects

    @property
    def attributions(self) -> tuple[AttributionRow, ...]:
        """What carries each identity's levels and shifts: the mean part of every unit in every cell, in nats.

        Roles of scored tokens (method ``tokens``) are always there; words, layers and heads after ``audit attribute``.
        The attributes are the keys of docs/run-folder.md: ``estimate`` with its interval, positive towards the harmful
        side, and ``total``, which the parts of a cell add up to but for its ``completeness_error``.
        """
        return self.results.attributions

    @property
    def agreements(self) -> tuple[RewardAgreementRow, ...]:
        """How far explicit rewards, implicit rewards and preferences agree, two at a time, on each probe.

        The attributes are the keys of docs/run-folder.md: ``correlation`` of ranks and ``equal_signs`` over the items
        that both have, with 95% intervals. What each of them says of each identity stands in ``reward_harms``.
        """
        return self.results.agreements

    @property
    def reward_harms(self) -> tuple[RewardHarmRow, ...]:
        """What explicit rewards, implicit rewards and preferences say of each identity, in standard deviations."""
        return self.results.reward_harms

    @property
    def cautions(self) -> tuple[str, ...]:
        """Sentences a reader must know before a number, most serious first."""
        return ((INTERRUPTED,) if self.interrupted else ()) + self.results.cautions

    def summary(self) -> RunSummary:
        """The run in brief: the answer in one sentence, what was audited, the verdicts where training ends."""
        return summary_of(self.results, self.manifest)

    def verdicts(self) -> tuple[SummaryCell, ...]:
        """The verdicts the answer counts: of each marked identity where training ends, one for each probe.

        In the leading reading (disparity where it can be read, else preference) and rendering. An audit finds evidence
        of harm on the probes it was given; no verdict of it certifies that a model is fair.
        """
        return tuple(one for one in self.summary().cells if one.headline)

    def items(self) -> pa.Table:
        """``items.parquet``: a row for each item, candidate, checkpoint and rendering; ``value`` in nats.

        Raises:
            UsageError: the table is missing, damaged, or no longer that of this run.
        """
        return self._table(ITEMS_FILE)

    def tokens(self) -> pa.Table:
        """``tokens.parquet``: a row for each scored token of the items that the run kept tokens of.

        Raises:
            UsageError: the table is missing, damaged, or no longer that of this run.
        """
        return self._table(TOKENS_FILE)

    def attributed_items(self) -> pa.Table:
        """``attributions.parquet``: a row for each part of each attributed item, in nats.

        Raises:
            UsageError: the run was not attributed, the table is damaged, or the folder now holds another run.
        """
        table = read_attributions(self.folder)
        if table is None:
            raise UsageError(
                "no item of the run was attributed", where=str(self.folder), fix="Run audit attribute on the folder."
            )
        # What was attributed goes when the items are written anew.
        self._refuse_others(ITEMS_FILE)
        return table

    def figure(self, name: FigureName, probe: str | None = None, checkpoint: str | None = None) -> RunFigure:
        """One figure of the report.

        Args:
            name: ``slope`` (levels over the series), ``parts`` (what each stage added), ``forest`` (identities with
                intervals), ``heat`` (identity by theme), ``against`` (preference against disparity) or ``curves``
                (other specifications).
            probe: its name; None for the first that has such a figure.
            checkpoint: where training ends; None for the first such end.

        Raises:
            UsageError: there is no such figure; says which there are.
        """
        return find_figure(self.results, self.manifest, name, probe, checkpoint)

    def _table(self, name: str) -> pa.Table:
        try:
            found = pq.read_table(self.folder / name)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(name, error) from error
        self._refuse_others(name)
        return found

    def _refuse_others(self, name: str) -> None:
        """Raise where a file is no longer the one of this run."""
        path, files = self.folder / name, self.manifest.get("files")
        try:
            same = not isinstance(files, dict) or files.get(name) in (None, file_hash(path))
        except OSError as error:
            raise self._unreadable(name, error) from error
        if not same:
            raise UsageError(
                f"{name} is no longer the one of this run: the folder was written since",
                where=str(self.folder),
                fix="Read the run again with auditor.load.",
            )

    def _unreadable(self, name: str, error: Exception) -> UsageError:
        return UsageError(
            f"{name} cannot be read: {one_line(error)}",
            where=str(self.folder),
            fix="Run the same audit again: it replaces the file.",
        )

    def __repr__(self) -> str:
        """The answer in a line."""
        state = "interrupted; " if self.interrupted else ""
        return f"AuditRun({str(self.folder)!r}): {state}{self.summary().headline}"

    def _repr_html_(self) -> str:
        """The answer, the verdicts and the leading figures as HTML: no script, no request, no text of a probe."""
        return run_html(self.summary(), leading_figures(self.results, self.manifest))
