"""``audit export trl``: what a reference model makes of a preference set, as the columns TRL's DPOTrainer reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from auditor.adapters.cache.score_store import ScoreStore
from auditor.adapters.cache.sqlite_files import FileUnavailableError
from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.adapters.cache_folder import cache_folder
from auditor.adapters.exports.preference_rows import (
    COLUMNS,
    PreferenceRows,
    check_out,
    read_preference_rows,
    write_with_columns,
)
from auditor.adapters.hf.devices import pick_device
from auditor.adapters.hf.kept_scores import KeptScores, scope_of
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy, resolve
from auditor.adapters.hf.loading.models import ModelShelf, load_tokenizer
from auditor.adapters.hf.loading.reward_heads import refuse_reward_models
from auditor.adapters.hf.loading.specs import parse_specs
from auditor.adapters.hf.preference_tokens import UntrainableRowError, preference_sequences, sums_by_row
from auditor.adapters.hf.scorer import HFScorer, engine_of
from auditor.adapters.hf.shared_settings import choose_dtype, choose_forward
from auditor.adapters.printable import printable
from auditor.cli import request as asked
from auditor.cli.console import RichProgress
from auditor.cli.export_options import TrlOptions
from auditor.errors import AuditInterruptedError, UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from auditor.adapters.hf.sequences import Logprobs, Sequences
    from auditor.core.scores import IntArray


@dataclass(frozen=True, slots=True)
class _Reference:
    """The model that training will be held against."""

    files: CheckpointFiles
    tokenizer: PreTrainedTokenizerBase
    policy: LoadPolicy
    batch_size: int | None


def run_trl_export(checkpoint: str, options: TrlOptions) -> None:
    """Score both answers of every row and write the sums beside them.

    Raises:
        UsageError: an option, the file or a row of it is wrong.
        ModelLoadError: the checkpoint cannot be loaded.
        StorageError: the disk is full or fails.
    """
    console = Console(stderr=True, quiet=options.quiet)
    progress = RichProgress(console, quiet=options.quiet)
    asked.writable(options.out, "--out")
    if options.out.exists() and not options.force:
        raise UsageError(
            f"{options.out} is there already", where="--out", fix="Give another file, or --force to replace it."
        )
    batch_size = asked.batch_size(options.batch_size)
    rows = read_preference_rows(options.data)
    check_out(rows, options.out)
    reference = _reference(checkpoint, options, batch_size, progress)
    with progress.task("cut into tokens", len(rows.records), "rows"):
        sequences, kept = _cut(rows, reference, options)
    sums = _sums(sequences, kept, rows, reference, options, progress)
    columns = {name: sums[:, at] for at, name in enumerate(COLUMNS)}
    write_with_columns(rows, kept.tolist(), columns, options.out)
    dropped = len(rows.records) - len(kept)
    if dropped:
        words = f"{dropped:,} rows left out: their prompt alone has {options.max_length:,} tokens, and TRL drops them"
        console.print(Text(words))
    console.print(Text(f"{len(kept):,} rows; train with max_length={options.max_length} and the same tokenizer"))
    if not options.quiet:
        Console().print(Text(printable(str(options.out))), soft_wrap=True)


def _reference(checkpoint: str, options: TrlOptions, batch_size: int | None, progress: RichProgress) -> _Reference:
    (spec,) = parse_specs([checkpoint])
    device = pick_device(options.device)
    access = LoadPolicy(
        device=device,
        offline=options.offline,
        trust_remote_code=options.trust_remote_code,
        allow_pickle=options.allow_pickle,
    )
    files = resolve(spec, access, progress.step)
    refuse_reward_models([files], "a reference gives log-probabilities of tokens")
    policy = replace(access, dtype=choose_dtype(options.dtype.value, [files], device))
    return _Reference(files, load_tokenizer(files, policy), policy, batch_size)


def _cut(rows: PreferenceRows, reference: _Reference, options: TrlOptions) -> tuple[Sequences, IntArray]:
    """The rows in tokens.

    Raises:
        UsageError: TRL could not train on a row, all rows are too long, or a row is too long for the model.
    """
    where, tokenizer = f"--data {options.data}", reference.tokenizer
    if rows.conversational and not tokenizer.chat_template:
        raise UsageError(
            "the rows are conversations and the checkpoint's tokenizer has no chat template",
            where=where,
            fix="Give a checkpoint whose tokenizer has the template that training will use.",
        )
    try:
        sequences, kept = preference_sequences(rows.records, tokenizer, options.max_length)
    except UntrainableRowError as error:
        raise UsageError(str(error), where=where, fix="Mend the row, or use another tokenizer.") from error
    if not len(kept):
        raise UsageError(
            "every prompt alone fills the length", where="--max-length", fix="Give a larger one, as in DPOConfig."
        )
    longest, window = int(sequences.lengths.max()), reference.files.context_window
    if window is not None and longest > window:
        row = int(kept[sequences.items[int(sequences.lengths.argmax())]]) + 1
        raise UsageError(
            f"row {row} has {longest:,} tokens and the model was made for {window:,}",
            where=where,
            fix=f"Give --max-length {window}, here and in DPOConfig.",
        )
    return sequences, kept


def _sums(
    sequences: Sequences,
    kept: IntArray,
    rows: PreferenceRows,
    reference: _Reference,
    options: TrlOptions,
    progress: RichProgress,
) -> Logprobs:
    """Log-probability of each answer, nats, shape (rows, 2)."""
    files, policy = reference.files, reference.policy
    forward, _ = choose_forward([files], reference.batch_size)
    cache = None if options.no_cache else cache_folder()
    scorer = HFScorer(
        {files.name: files},
        {files.name: reference.tokenizer},
        ModelShelf(policy, progress.step),
        renders=(),
        template=None,
        end="auto",
        forward=forward,
        batch_size=reference.batch_size,
        progress=progress,
        digest=WeightHashes(cache, rehash=False).digest,
    )
    engine = engine_of(policy, "auto" if rows.conversational else "eos", forward)
    with _stores(scorer, cache is not None, engine, progress):
        logprobs = scorer.logprobs_of(files.name, sequences, lambda at: f"row {int(kept[at]) + 1}")
    return sums_by_row(sequences, logprobs)


@contextmanager
def _stores(scorer: HFScorer, cached: bool, engine: dict[str, str], progress: RichProgress) -> Iterator[None]:
    """Let the scorer find what the cache holds and keep there what it scores."""
    if not cached:
        yield
        return
    try:
        store = ScoreStore.open(cache_folder())
    except FileUnavailableError as error:
        progress.note(f"scores are not kept: {error}")
        yield
        return
    scorer.keep_in = lambda fingerprint, dtype, _: KeptScores(
        [store], scope_of(fingerprint, {**engine, "dtype": dtype})
    )
    try:
        yield
    except KeyboardInterrupt as error:
        raise AuditInterruptedError(
            "interrupted; every score that was finished is kept", fix="Run the same command again to continue."
        ) from error
    finally:
        store.close()
