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
from auditor.adapters.external.score_mapping import SIDES, WORDS, Quantity, ScoreMapping
from auditor.adapters.external.score_rows import ScoreRow, ScoreTable
from auditor.core.items import DESIGNS, ROLES, VALENCES, Candidate, Card, Item, Probe
from auditor.core.refusals import Reason, Refusal
from auditor.core.score_columns import Column, ScoreColumns
from auditor.core.scores import CandidateScore, CheckpointScores, ScoredItem, ScoreKind
from auditor.errors import UsageError

_ALLOWED: Mapping[str, Sequence[str]] = {"role": ROLES, "valence": VALENCES, "design": DESIGNS}
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
    """What has been read of one item: where first, what about it, and its sides in order."""

    where: str
    about: dict[str, str] = field(default_factory=dict)
    sides: dict[str, None] = field(default_factory=dict)


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
            checkpoint; an item is told in two ways; no item has a side.
    """
    tables = [ScoreTable.read(path, name, mapping) for name, path in files]
    drafts: dict[str, _Draft] = {}
    values: dict[str, dict[tuple[str, str], float]] = {}
    seen: dict[tuple[str, str, str], str] = {}
    for row in (row for table in tables for row in table.rows()):
        _take(row, drafts, values, seen)
    names = _checkpoints(list(values), chosen)
    digest = hashlib.sha256("".join(table.table.sha256 for table in tables).encode()).hexdigest()
    asked = _own_probe([path for _, path in files], digest, drafts) if probe is None else _checked(probe, drafts)
    labels = {one.label for item in asked.items for one in item.candidates}
    if probe is None and not labels & set(SIDES):
        raise UsageError(
            f"no side is called harmful or affirming; found: {', '.join(sorted(labels)[:10]) or 'none'}",
            where=str(files[0][1]),
            fix="Say which is which, such as --side harmful=rejected,affirming=chosen.",
        )
    codes: dict[str, int] = {"": 0}
    kind = _KINDS[mapping.quantity]
    scores = {name: _scores(name, asked, values[name], kind, codes, digest, complete=complete) for name in names}
    return BareScores(asked, scores, digest, any(item.pair is not None for item in asked.items))


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
    draft.sides.setdefault(row.side)
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
    """A probe that was given: what is scored must be among its items."""
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
                where=draft.where,
                fix=f"Its sides are {', '.join(labels)}; say which word is which with --side.",
            )
    return probe


def _own_probe(paths: Sequence[Path], digest: str, drafts: Mapping[str, _Draft]) -> Probe:
    """The items as the files tell them."""
    name = paths[0].stem if len(paths) == 1 and paths[0].stem.isprintable() else "scores"
    items = tuple(_item(one, draft) for one, draft in drafts.items())
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
    note = (
        f"{alone} items name no cluster and count as independent; paraphrases of one predicate are not, and intervals "
        "are then too narrow"
    )
    source = ", ".join(path.name for path in paths[:5]) + (" ..." if len(paths) > 5 else "")
    return Probe(name, items, Card(title=source, source=source, sha256=digest, notes=(note,) if alone else ()))


def _item(name: str, draft: _Draft) -> Item:
    order = sorted(draft.sides, key=lambda side: SIDES.index(side) if side in SIDES else len(SIDES))
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
