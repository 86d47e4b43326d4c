"""Bare scores, one number a text, as the kernel takes them: with the items they are of, and without tokens.

Each candidate gets one "token" that stands for the whole of its text. Where texts are known, equal ones get equal ids,
so that rows of one match key are compared only if their candidates are the same, as everywhere; where none is known,
that cannot be seen.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from auditor.adapters.external.external_scorer import DETAIL
from auditor.adapters.external.score_files import by_place, read_tables
from auditor.adapters.external.score_mapping import SIDES, WORDS, ScoreMapping
from auditor.adapters.external.score_rows import ScoreRow, ScoreTable
from auditor.core.items import DESIGNS, ROLES, VALENCES, Candidate, Card, Item, Probe
from auditor.core.refusals import Reason, Refusal
from auditor.core.score_columns import Column, ScoreColumns
from auditor.core.scores import CandidateScore, CheckpointScores, ScoredItem, ScoreKind
from auditor.core.series import Quantity
from auditor.errors import NotComparableError, UsageError

# What is held against a baseline names it, which only items of a probe can do.
_OWN_DESIGNS = tuple(one for one in DESIGNS if one != "responsiveness")
_ALLOWED: Mapping[str, Sequence[str]] = {"role": ROLES, "valence": VALENCES, "design": _OWN_DESIGNS}
_KINDS: Mapping[Quantity, ScoreKind] = {"logprob": "sum", "reward": "reward"}


@dataclass(frozen=True, slots=True)
class BareScores:
    """Scores of one probe.

    Attributes:
        probe: the items, those of a probe that was given or those the tables speak of.
        scores: by checkpoint, in the order they are named in or come up.
        sha256: of all files.
        paired: whether some item has a score of both sides.
    """

    probe: Probe
    scores: Mapping[str, CheckpointScores]
    sha256: str
    paired: bool


@dataclass(slots=True)
class _Draft:
    """What has been read of one item: where first, what about it, and its sides in order with where each stands."""

    where: str
    about: dict[str, str] = field(default_factory=dict)
    sides: dict[str, str] = field(default_factory=dict)


def read_bare_scores(
    files: Sequence[tuple[str | None, Path]],
    mapping: ScoreMapping,
    *,
    probe: Probe | None,
    chosen: Sequence[str],
    complete: bool,
) -> BareScores:
    """Read all files of one set of scores.

    Args:
        files: what each argument calls its file, None for nothing, and where it lies.
        probe: whose items the scores are of, None where the files say it themselves.
        chosen: the checkpoints wanted and their order; all in the order they come up where none is named.
        complete: the texts were scored with their end of turn.

    Raises:
        UsageError: a file cannot be read; a score stands twice, is no number or of an unknown item, side or
            checkpoint; an item is told in two ways; a word for a side stands nowhere, or no item has one of the two.
        NotComparableError: a checkpoint has no score of one side, or no id of one side's file stands in the other's.
    """
    tables = read_tables(files, mapping, of_probe=probe is not None)
    drafts: dict[str, _Draft] = {}
    values: dict[str, dict[tuple[str, str], float]] = {}
    seen: dict[tuple[str, str, str], str] = {}
    words: dict[str, None] = {}
    for row in (row for table in tables for row in table.rows()):
        words.setdefault(row.word)
        _take(row, drafts, values, seen)
    names = _checkpoints(list(values), chosen)
    where = ", ".join(str(path) for _, path in files[:5]) + (" ..." if len(files) > 5 else "")
    _check_words(mapping, words, where)
    digest = hashlib.sha256("".join(table.table.sha256 for table in tables).encode()).hexdigest()
    asked = _own_probe(tables, digest, drafts) if probe is None else _checked(probe, drafts)
    if probe is None or any(item.pair is not None for item in probe.items):
        _check_sides(drafts, {name: values[name] for name in names}, words, where)
    if probe is None and not _paired(drafts) and any(one.of_one_side and one.id_column for one in tables):
        raise NotComparableError(
            "the files of the two sides share no item: none of their ids match",
            where=where,
            fix="Give both texts of an item the same id. Two samples without pairs are compared without ids.",
        )
    codes: dict[str, int] = {"": 0}
    kind = _KINDS[mapping.quantity]
    scores = {name: _scores(name, asked, values[name], kind, codes, digest, complete=complete) for name in names}
    return BareScores(asked, scores, digest, any(item.pair is not None for item in asked.items))


def _check_words(mapping: ScoreMapping, words: Iterable[str], where: str) -> None:
    """What --side names must be in the files; a slip would leave one side empty."""
    unknown = [word for word in mapping.sides if word not in words]
    if unknown:
        raise UsageError(
            f"no score is of a side {unknown[0]!r}; found: {_listed(words)}",
            where=f"--side, {where}",
            fix="Name a word of the file for each side, such as --side harmful=rejected,affirming=chosen.",
        )


def _check_sides(
    drafts: Mapping[str, _Draft],
    values: Mapping[str, Mapping[tuple[str, str], float]],
    words: Iterable[str],
    where: str,
) -> None:
    """There must be scores of both sides, and at every checkpoint."""
    named = {side for draft in drafts.values() for side in draft.sides}
    missing = [side for side in SIDES if side not in named]
    if missing:
        raise UsageError(
            f"no score is of the side {' or '.join(missing)}; found: {_listed(words)}",
            where=where,
            fix="Give scores of both sides, and say which is which: --side harmful=rejected,affirming=chosen.",
        )
    for name, own in values.items():
        scored = {side for _, side in own}
        for side in SIDES:
            if side not in scored:
                raise NotComparableError(
                    f"{name!r} has no score of the {side} side (not_scored)",
                    where=where,
                    fix="Give scores of both sides at every checkpoint, or leave it out with --checkpoint.",
                )


def _listed(words: Iterable[str]) -> str:
    named = sorted(words)
    return ", ".join(named[:10]) + (" ..." if len(named) > 10 else "")


def _paired(drafts: Mapping[str, _Draft]) -> bool:
    return any(all(side in draft.sides for side in SIDES) for draft in drafts.values())


def _take(
    row: ScoreRow,
    drafts: dict[str, _Draft],
    values: dict[str, dict[tuple[str, str], float]],
    seen: dict[tuple[str, str, str], str],
) -> None:
    place = (row.checkpoint, row.item, row.side)
    if place in seen:
        raise UsageError(
            f"item {row.item!r} has a second score of its {row.side} side at {row.checkpoint!r}",
            where=row.where,
            fix=f"Leave one out; the first stands at {seen[place]}.",
        )
    seen[place] = row.where
    if not row.checkpoint.isprintable():
        raise UsageError(
            f"the name {row.checkpoint!r} cannot be printed", where=row.where, fix="Give the checkpoint another."
        )
    draft = drafts.setdefault(row.item, _Draft(row.where))
    draft.sides.setdefault(row.side, row.where)
    for name, text in row.about.items():
        if draft.about.setdefault(name, text) != text:
            raise UsageError(
                f"{name} of item {row.item!r} is another one than at {draft.where}",
                where=row.where,
                fix="Tell an item alike wherever it stands, or give items ids of their own.",
            )
    own = values.setdefault(row.checkpoint, {})
    if row.value is not None:
        own[row.item, row.side] = row.value


def _checkpoints(found: Sequence[str], chosen: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in chosen if name not in found]
    if unknown or not found:
        raise UsageError(
            f"there are no scores of {unknown[0]!r}" if unknown else "the files hold no scores",
            where="--checkpoint" if unknown else "FILE",
            fix=f"There are scores of: {', '.join(found[:20])}." if found else "Give at least one row.",
        )
    return list(dict.fromkeys(chosen)) or found


def _checked(probe: Probe, drafts: Mapping[str, _Draft]) -> Probe:
    """A probe that was given: what is scored must be among its items, and say what they say."""
    for name, draft in drafts.items():
        item = probe.by_id.get(name)
        if item is None:
            raise UsageError(
                f"the probe {probe.name!r} has no item {name!r}",
                where=draft.where,
                fix="Give the probe that was scored, and the options that chose its items.",
            )
        labels = [one.label for one in item.candidates]
        unknown = [side for side in draft.sides if side not in labels]
        if unknown:
            raise UsageError(
                f"item {name!r} has no side {unknown[0]!r}",
                where=draft.sides[unknown[0]],
                fix=f"Its sides are {', '.join(labels)}; say which word is which with --side.",
            )
        for one in item.candidates:
            if draft.about.get(f"text of {one.label}", one.text).strip() != one.text.strip():
                raise UsageError(
                    f"the {one.label} text of item {name!r} is another one than the probe's",
                    where=draft.sides.get(one.label, draft.where),
                    fix="Give the probe that was scored, or leave the texts out.",
                )
    return probe


def _own_probe(tables: Sequence[ScoreTable], digest: str, drafts: Mapping[str, _Draft]) -> Probe:
    """The items as the files tell them."""
    name = tables[0].table.name if len(tables) == 1 and tables[0].table.name.isprintable() else "scores"
    paired = _paired(drafts)
    items = tuple(_item(one, draft, paired=paired) for one, draft in drafts.items())
    alone = sum("cluster" not in draft.about for draft in drafts.values())
    clusters: dict[tuple[str, str], str] = {}
    for item, draft in zip(items, drafts.values(), strict=True):
        if item.match and "cluster" in draft.about:
            cluster = clusters.setdefault((item.valence, item.match), item.cluster)
            if cluster != item.cluster:
                raise UsageError(
                    f"match {item.match!r} lies in cluster {item.cluster!r} and in {cluster!r}",
                    where=draft.where,
                    fix="Rows that share a match key share their cluster: mend one of the two.",
                )
    notes = []
    if by_place(tables):
        notes.append("the rows have no ids: those at the same place of each file are taken to be of the same item")
    if alone:
        notes.append(
            f"{alone} items name no cluster and count as independent; paraphrases of one predicate are not, and "
            "intervals are then too narrow"
        )
    source = ", ".join(one.table.path.name for one in tables[:5]) + (" ..." if len(tables) > 5 else "")
    return Probe(name, items, Card(title=source, source=source, sha256=digest, notes=tuple(notes)))


def _item(name: str, draft: _Draft, *, paired: bool) -> Item:
    """An item as drafted; among pairs, one whose partner stands in no row lacks a score and not a side."""
    partners = SIDES if paired and any(side in draft.sides for side in SIDES) else ()
    named = dict.fromkeys((*draft.sides, *partners))
    order = sorted(named, key=lambda side: SIDES.index(side) if side in SIDES else len(SIDES))
    candidates = tuple(Candidate(side, draft.about.get(f"text of {side}", "")) for side in order)
    about: dict[str, Any] = {key: text for key, text in draft.about.items() if not key.startswith("text of ")}
    for word in WORDS:
        if about.get(word, _ALLOWED[word][0]) not in _ALLOWED[word]:
            raise UsageError(
                f"{word} is {about[word][:40]!r}", where=draft.where, fix=f"Give one of: {', '.join(_ALLOWED[word])}."
            )
    return Item(**{"id": name, "candidates": candidates, "cluster": f"row {name}", **about})


def _scores(
    checkpoint: str,
    probe: Probe,
    values: Mapping[tuple[str, str], float],
    kind: ScoreKind,
    codes: dict[str, int],
    digest: str,
    *,
    complete: bool,
) -> CheckpointScores:
    scored: list[ScoredItem] = []
    refusals: list[Refusal] = []
    for item in probe.items:
        own = [values.get((item.id, one.label)) for one in item.candidates]
        reason = _problem(own)
        if reason is not None:
            refusals.append(
                Refusal(reason, DETAIL[reason], probe.name, item.id, "plain", checkpoint, item.identity or None)
            )
            continue
        sides = tuple(
            _candidate(one, value, codes) for one, value in zip(item.candidates, own, strict=True) if value is not None
        )
        scored.append(ScoredItem(item, "plain", item.context + item.prefix, sides, complete=complete, kind=kind))
    columns = ScoreColumns({(probe.name, "plain"): Column.of(scored)})
    timings = {"load_s": 0.0, "tokenize_s": 0.0, "forward_s": 0.0}
    return CheckpointScores(checkpoint, columns, tuple(refusals), timings, digest)


def _problem(values: Iterable[float | None]) -> Reason | None:
    listed = list(values)
    if any(one is None for one in listed):
        return "not_scored"
    return "not_finite" if any(one is not None and math.isinf(one) for one in listed) else None


def _candidate(one: Candidate, value: float, codes: dict[str, int]) -> CandidateScore:
    code = codes.setdefault(one.text, len(codes))
    return CandidateScore(
        one.label,
        np.array([], dtype=np.int64),
        np.array([code]),
        ("",),
        np.array([0]),
        # A text of no known length is no end of turn either.
        np.array([max(len(one.text), 1)]),
        np.array([value], dtype=np.float64),
        len(one.text.encode()),
    )
