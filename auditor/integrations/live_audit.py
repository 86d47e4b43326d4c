"""The audit of one training: the same question asked of the model as it began, once, and of the model as it is now."""

from __future__ import annotations

import copy
import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from auditor.adapters.hf.kept_scores import KeptScores, scope_of
from auditor.adapters.hf.live_models import LiveModel, LiveShelf, generators_as_they_were
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.hf.loading.reward_heads import choose_heads
from auditor.adapters.hf.scorer import HFScorer, engine_of
from auditor.adapters.hf.shared_settings import choose_forward, choose_rendering
from auditor.adapters.progress import Silent
from auditor.adapters.report.page import render_report
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import RunFolder
from auditor.cli import request as asked
from auditor.cli.asked_probes import first_with_text
from auditor.cli.manifest import describe_files, manifest_of
from auditor.cli.options import AuditOptions
from auditor.cli.understanding import rule_of
from auditor.core.items import Probe
from auditor.core.sampling import sample_tokens
from auditor.core.scores import CheckpointScores, Render
from auditor.core.series import Checkpoint, Objective, Series, build_series
from auditor.errors import ModelLoadError, NotComparableError, UsageError
from auditor.integrations.kept_beginning import beginning_store
from auditor.pipeline import compare

_log = logging.getLogger(__name__)

START = "start"


@dataclass(frozen=True, slots=True)
class Training:
    """What an audit must know of a training.

    Attributes:
        name: for people, such as the folder it writes to.
        objective: its preference objective against the model it began with.
        beta: of that objective.
    """

    name: str
    objective: Objective = "none"
    beta: float | None = None


@dataclass(frozen=True, slots=True)
class AuditedStep:
    """A finished audit.

    Attributes:
        run: its folder.
        checkpoint: what the model is called there.
    """

    run: Path
    checkpoint: str
    results: Results


class LiveAudit:
    """Audits of one model in training, each a run folder of its own.

    Args:
        tokenizer: of the model; a copy of it is used.
        options: of ``audit compare``, as far as they say what is asked.
        out: folder of the run folders.

    Raises:
        UsageError: an option is wrong; a reward model was given an objective, or which of its outputs is the reward is
            not said.
        ModelLoadError: the tokenizer gives no character offsets.
    """

    def __init__(
        self,
        live: LiveModel,
        tokenizer: object,
        training: Training,
        probes: Sequence[Probe],
        options: AuditOptions,
        out: Path,
    ) -> None:
        self._live, self._training, self._options, self._out = live, training, options, out
        self._tokenizer = _fast(tokenizer)
        self._probes = tuple(probes)
        self._rule = rule_of(options)
        batch_size = asked.batch_size(options.batch_size)
        self._files = self._described(START, 0, trained=False)
        if training.objective != "none" and self._files[START].quantity == "reward":
            raise UsageError(
                "a reward model is trained: its rewards are explicit, and there is no implicit one",
                where="objective",
                fix="Leave the objective out.",
            )
        self._tokenizers = {START: self._tokenizer}
        self._rendering = choose_rendering(
            options.render.value,
            self._tokenizers,
            first_with_text(self._probes),
            template_file=options.chat_template,
            system=options.system,
            arguments=asked.template_arguments(options.template_arg),
            reward_models=[name for name, one in self._files.items() if one.quantity == "reward"],
        )
        self._forward, self._forward_reason = choose_forward(list(self._files.values()), batch_size)
        self._engine = engine_of(live.policy, options.end.value, self._forward)
        self._scorer = HFScorer(
            self._files,
            self._tokenizers,
            LiveShelf(live),
            renders=self._rendering.renders,
            template=self._rendering.template,
            end=options.end.value,
            forward=self._forward,
            batch_size=batch_size,
            progress=Silent(),
            digest=_no_file,
            seed=options.seed,
        )
        # A second model in float32 would be a copy, and training may have left no room for one.
        self._scorer.measures_noise = False
        self._start: CheckpointScores | None = None

    @property
    def renders(self) -> Sequence[Render]:
        """The renderings the model is scored in."""
        return self._scorer.renders

    def begin(self, *, resumed: bool) -> CheckpointScores:
        """Score the model that training begins with, and keep the scores for when training is resumed.

        Args:
            resumed: the model has been trained already, and what was kept is recalled. Where nothing was, the language
                model under an adapter is taken for the beginning, which it is if the adapter was new.

        Raises:
            UsageError: training is resumed, and the scores of its beginning are not in the folder; or this is not the
                place for them.
            ModelLoadError: the model gives NaN or infinity.
            StorageError: the disk is full or fails.
        """
        checkpoint = self._series(0)[START]
        if not resumed:
            # As it is: an adapter that training goes on with is part of what it begins with.
            self._files |= self._described(START, 0, trained=True)
        head = self._files[START].head
        told = f"the beginning of {self._training.name}" + ("" if head is None else f", {head}")
        scope = scope_of(told, self._engine)
        with beginning_store(self._out / START, resumed=resumed) as store, generators_as_they_were():
            self._scorer.keep_in = lambda *_: KeptScores([store], scope)
            try:
                if resumed and self._scorer.unknown_texts(checkpoint, self._probes):
                    self._go_on_without_what_was_kept()
                found = self._scorer.score(checkpoint, self._probes)
            finally:
                self._scorer.keep_in = None
        self._start = replace(found, fingerprint="")
        return self._start

    def _go_on_without_what_was_kept(self) -> None:
        if not self._live.keeps_beginning:
            raise UsageError(
                "training is resumed, and the folder does not hold the scores of its beginning for this probe",
                where=str(self._out),
                fix="Give the folder and options of the training that is resumed, or leave the callback out.",
            )
        _log.warning(
            "training is resumed, and %s does not hold the scores of its beginning: the model without its adapter is "
            "taken for it, which is right if the adapter was new",
            self._out,
        )

    def score(self, checkpoint: Checkpoint, probes: Sequence[Probe]) -> CheckpointScores:
        """What the kernel asks for: the beginning is remembered, anything else is the model as it is now."""
        if checkpoint.name == START and self._start is not None:
            work = dict(self._start.work)
            return replace(self._start, timings=dict.fromkeys(self._start.timings, 0.0), work=_recalled(work))
        return replace(self._scorer.score(checkpoint, probes), fingerprint="")

    def audit(self, step: int) -> AuditedStep:
        """Audit the model as it is now against the one training began with, which must be scored.

        Args:
            step: updates it has had; 0 for the beginning alone.

        Raises:
            NotComparableError: no item could be scored.
            ModelLoadError: the model gives NaN or infinity.
            StorageError: the disk is full or fails.
            UsageError: the folder of the run holds something else.
        """
        series = self._series(step)
        name = series.names[-1]
        self._files |= self._described(name, step, trained=step > 0)
        self._tokenizers[name] = self._tokenizer
        with generators_as_they_were():
            folder = self._folder(step, series)
            try:
                findings = compare(self._probes, series, self, self._rule, folder.keep, self._cautions())
            except NotComparableError:
                folder.abandon()
                raise
            results = folder.finish(findings)
            folder.write_report(render_report(folder.path))
        return AuditedStep(folder.path, name, results)

    def _described(self, name: str, step: int, *, trained: bool) -> dict[str, CheckpointFiles]:
        """The model after so many updates, by its name; which of its outputs is the reward is chosen."""
        found = self._live.describe(name, self._source(step), trained=trained)
        head = next((one.partition("=")[2] for one in self._options.head), None)
        return choose_heads({name: found}, {} if head is None else {name: head}, option="head", form="head=OUTPUT")

    def _series(self, step: int) -> Series:
        name = step_name(step)
        sources = [(START, self._source(0)), *([(name, self._source(step))] if step else [])]
        objective = self._training.objective if step else "none"
        beta = self._training.beta
        series = build_series(
            sources,
            references={},
            objectives={name: objective} if step and self._files[START].quantity == "logprob" else {},
            betas={name: beta} if beta is not None and objective != "none" else {},
            tags={},
            quantities=dict.fromkeys((START, name), self._files[START].quantity),
        )
        last = series.checkpoints[-1]
        said = replace(last, objective_source="training arguments") if objective != "none" else last
        return Series((*series.checkpoints[:-1], said))

    def _source(self, step: int) -> str:
        """Where a checkpoint comes from; all of one training differ in nothing but the step, as its history needs."""
        return f"{self._training.name}@{step_name(step)}"

    def _folder(self, step: int, series: Series) -> RunFolder:
        values = {
            **asked.describe_request(series.names, self._options),
            "sesoi": self._rule.sesoi,
            "training": self._training.name,
            "step": step,
            "objective": self._training.objective,
            "beta": self._training.beta,
        }
        first = {} if self._options.private else self._rendering.first_rendered(self._probes[0].items[0])
        manifest = manifest_of(
            request_id=asked.request_id(
                values, [f"{one.name} {one.card.sha256}" for one in self._probes], self._engine
            ),
            request=values,
            engine=self._engine,
            forward_reason=self._forward_reason,
            probes=self._probes,
            series=series,
            files={name: describe_files(self._files[name]) for name in series.names},
            renders=self._rendering.renders,
            renders_reason=self._rendering.reason,
            first_rendered=first,
            # Without its arguments: those of somebody else's program may hold keys to a hub or a tracker.
            command=shlex.join(["python", sys.argv[0]]),
        )
        tokens = sample_tokens(self._probes, self._options.tokens.value, self._options.seed)
        return RunFolder(self._out / step_name(step), manifest, private=self._options.private, tokens=tokens)

    def _cautions(self) -> tuple[str, ...]:
        dtype = self._live.policy.dtype
        rounded = (
            f"Scored in {dtype}, as it is trained: rounding adds noise to every margin, and is not measured during "
            "training; audit the saved checkpoint to know how much."
        )
        coarse = (
            "Products of matrices are rounded, as they are in this training (TF32): audit the saved checkpoint for "
            "numbers in full float32."
        )
        is_coarse = dtype == "float32" and self._engine["matmul_precision"] != "highest"
        new_head = (
            f"{START} is the reward model before its first step: where its head was new, its rewards were random, and "
            "a shift from there says little; read the level."
        )
        said = {rounded: dtype != "float32", coarse: is_coarse, new_head: self._files[START].quantity == "reward"}
        return tuple(text for text, applies in said.items() if applies)


def step_name(step: int) -> str:
    """What the model after so many updates is called, and its run folder; names sort by step."""
    return f"step-{step:06}"


def _fast(tokenizer: object) -> PreTrainedTokenizerBase:
    """A copy of it: a trainer's own goes on being used as it was set up."""
    if not (isinstance(tokenizer, PreTrainedTokenizerBase) and tokenizer.is_fast):
        raise ModelLoadError(
            f"the trainer's processing class ({type(tokenizer).__name__}) is no fast tokenizer and gives no character "
            "offsets",
            where="training",
            fix="Give the trainer processing_class=AutoTokenizer.from_pretrained(...).",
        )
    return copy.deepcopy(tokenizer)


def _no_file(path: Path) -> str:  # noqa: ARG001
    """A model in training lies in no file."""
    return ""


def _recalled(work: Mapping[str, Any]) -> dict[str, Any]:
    return {**work, "recalled": work["texts"]} if "texts" in work else dict(work)
