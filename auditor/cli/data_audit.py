"""``audit data``: a preference set before training: whom it mentions where, and what checkpoints say of those pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from auditor.adapters.cache.score_store import STORE_FILE
from auditor.adapters.cache.weight_hashes import WeightHashes
from auditor.adapters.cache_folder import cache_folder
from auditor.adapters.exports.new_folder import check_new
from auditor.adapters.preference_data.lexicon_people import searched_people
from auditor.adapters.preference_data.preference_page import headline, render_preferences
from auditor.adapters.preference_data.preference_summary import (
    Found,
    MentionRow,
    PairRow,
    PreferenceRow,
    ScoredPairs,
    is_summary,
    pair_rows,
    summarise,
)
from auditor.adapters.printable import on_one_line, printable
from auditor.adapters.run.run_folder import replace_file
from auditor.adapters.summaries.csv_tables import write_csv
from auditor.cli.asked_probes import opened_probes
from auditor.cli.console import RichProgress
from auditor.cli.data_options import DataOptions
from auditor.cli.options import AuditOptions, Render
from auditor.core.preference_mentions import Margins, margins_by_pair
from auditor.core.series import Quantity
from auditor.core.tables import line_up
from auditor.errors import AuditInterruptedError, UsageError

if TYPE_CHECKING:
    from auditor.cli.open_audit import OpenAudit
    from auditor.cli.understanding import Audit
    from auditor.core.items import Probe

SUMMARY, PAGE = "data.json", "report.html"
MENTIONS, PREFERENCES, PAIRS = "mentions.csv", "preferences.csv", "pairs.csv"
_FILES = (SUMMARY, PAGE, MENTIONS, PREFERENCES, PAIRS)


def run_data(file: str, checkpoints: Sequence[str], options: DataOptions) -> None:
    """Search a preference set, let checkpoints score it, write what was found, and print where it lies.

    Args:
        file: of preference pairs, or a data set of the hub.
        checkpoints: in training order; without any nothing is scored.

    Raises:
        UsageError: an option or the file is wrong, or it holds no preference pairs.
        ModelLoadError: a checkpoint cannot be loaded.
        StorageError: the disk is full or fails.
    """
    console = Console(stderr=True, quiet=options.quiet)
    progress = RichProgress(console, quiet=options.quiet)
    _check_out(options.out)
    searched = searched_people(options.lexicon, options.axis)
    asked = _asked(file, options)
    probe = _preferences(asked)
    scored = _score(checkpoints, asked, probe, progress) if checkpoints else None
    with progress.task("search for identities", len(probe.items), "pairs"):
        found = summarise(probe, searched, scored)
    page = render_preferences(found, searched.finder, top=options.top, private=options.private)
    _write(found, page, options.out)
    console.print(Text(on_one_line(f"{headline(found.summary.mentions, found.summary.pairs)}.")), soft_wrap=True)
    if not options.quiet:
        Console().print(Text(printable(str(options.out / PAGE))), soft_wrap=True)


def _check_out(out: Path) -> None:
    """Know before the work that nothing of somebody's is replaced: files of these names may be anybody's.

    Raises:
        UsageError: the folder holds something else than what an earlier audit data wrote.
    """
    check_new(out, (*_FILES, STORE_FILE))
    there = [name for name in _FILES if (out / name).exists()]
    if there and not is_summary(out / SUMMARY):
        raise UsageError(
            f"{out} holds {there[0]}, and no {SUMMARY} says that an earlier audit data wrote it",
            where="--out",
            fix="Nothing of somebody else's is overwritten: give another folder.",
        )


def _asked(file: str, options: DataOptions) -> AuditOptions:
    """The audit whose scores the pairs get."""
    return AuditOptions(
        probe=[file],
        map=options.map,
        limit=options.limit,
        seed=options.seed,
        render=Render(options.render.value),
        end=options.end,
        head=options.head,
        # Nothing of one checkpoint is subtracted from another's.
        allow_mixed_precision=True,
        device=options.device,
        dtype=options.dtype,
        batch_size=options.batch_size,
        offline=options.offline,
        trust_remote_code=options.trust_remote_code,
        allow_pickle=options.allow_pickle,
        no_cache=options.no_cache,
        out=options.out,
        private=options.private,
        quiet=options.quiet,
    )


def _preferences(asked: AuditOptions) -> Probe:
    (probe,) = opened_probes(asked, asked.map)
    if "preference_accuracy" not in probe.card.metrics:
        raise UsageError(
            "holds no preference pairs: the columns chosen and rejected are missing",
            where=asked.probe[0],
            fix="Give a file with chosen and rejected, or say which columns they are: --map chosen=COLUMN.",
        )
    return probe


def _score(checkpoints: Sequence[str], asked: AuditOptions, probe: Probe, progress: RichProgress) -> ScoredPairs:
    from auditor.cli.open_audit import open_audit
    from auditor.cli.understanding import request_of, scorer_of, understand

    audit = understand(checkpoints, asked, progress)
    assert asked.out is not None
    _make(asked.out)
    # One rendering: where the checkpoints share a chat, the set is read as one.
    audit = replace(audit, probes=(probe,), rendering=replace(audit.rendering, renders=audit.rendering.renders[-1:]))
    cache = None if asked.no_cache else cache_folder()
    hashes = WeightHashes(cache, rehash=False)
    scorer = scorer_of(audit, asked, progress, hashes)
    scorer.measures_noise = False
    opened = open_audit(audit, request_of(checkpoints, asked, audit), asked, scorer, hashes, progress, cache=cache)
    finished = False
    try:
        found = _scored_pairs(opened, probe)
        finished = True
    except KeyboardInterrupt as error:
        raise AuditInterruptedError(
            "interrupted; every score that was finished is kept",
            where=str(asked.out),
            fix="Run the same command again to continue.",
        ) from error
    finally:
        opened.stores.close(finished=finished)
    return found


def _scored_pairs(opened: OpenAudit, probe: Probe) -> ScoredPairs:
    """Margins of all pairs: those that one language model cannot score have none at any, and so for reward models."""
    (render,) = opened.audit.rendering.renders
    margins: dict[str, Margins] = {}
    complete: dict[Quantity, bool] = {}
    notes = list(_cautions(opened.audit))
    for quantity, part in opened.audit.series.parts.items():
        scores = [opened.scorer.score(one, opened.audit.probes) for one in part.checkpoints]
        table = line_up(probe, render, scores)
        places = {item.id: at for at, item in enumerate(table.items)}
        summed, per_token = table.sides.margins(), table.sides.margins_per_token()
        for at, name in enumerate(table.checkpoints):
            margins[name] = Margins(
                margins_by_pair(probe.items, places, summed[:, at]),
                margins_by_pair(probe.items, places, per_token[:, at]),
                quantity,
            )
        if table.items:
            complete[quantity] = table.complete
        lost = Counter({one.item: one.detail for score in scores for one in score.refusals}.values())
        who = " and ".join(part.names)
        notes += [f"not scored by {who}, {count:,} of the pairs: {detail}" for detail, count in lost.items()]
        notes += [note for one in scores for note in one.notes]
    in_order = {name: margins[name] for name in opened.audit.series.names}
    return ScoredPairs(in_order, render, complete, (*notes, *opened.stores.cautions))


def _cautions(audit: Audit) -> Iterator[str]:
    """An audit's own, but of the noise of half precision, which an audit measures and this does not."""
    from auditor.adapters.hf.shared_settings import precision_caution

    dtype = audit.policy.dtype
    for one in audit.cautions:
        told = f"Scored in {dtype}: rounding adds noise to every margin, which was not measured; float32 adds far less."
        yield told if one == precision_caution(dtype) else one


def _make(out: Path) -> None:
    """Make the folder before hours of scoring, so that they are not lost to one that cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", where=f"--out {out}", fix="Give a folder that you may write to."
        ) from error


def _write(found: Found, page: str, out: Path) -> None:
    """Write all files, each whole at every moment."""
    _make(out)
    summary = found.summary
    # First, as it makes the folder one that may be filled again.
    replace_file(
        out / SUMMARY, lambda path: path.write_text(summary.model_dump_json(indent=1) + "\n", encoding="utf-8")
    )
    replace_file(out / MENTIONS, lambda path: write_csv(path, MentionRow, summary.mentions))
    replace_file(out / PREFERENCES, lambda path: write_csv(path, PreferenceRow, summary.preferences))
    replace_file(out / PAIRS, lambda path: write_csv(path, PairRow, pair_rows(found)))
    replace_file(out / PAGE, lambda path: path.write_text(page, encoding="utf-8"))
