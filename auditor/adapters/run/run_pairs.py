"""Two finished runs side by side: which checkpoints are set against each other, and on which items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.adapters.run.results_schema import EffectRow, Results
from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.run.stored_scores import Key, StoredCheckpoint, read_checkpoint
from auditor.core.items import Card, Item, Probe
from auditor.core.run_changes import Changes, changes_between
from auditor.core.scores import CheckpointScores, ScoredItem
from auditor.core.series import Checkpoint, Series
from auditor.core.verdicts import Rule
from auditor.errors import UsageError

# What else decides a number, of which another value is said and does not stop a comparison.
_VERSIONS = ("torch", "transformers")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run, read from its folder."""

    folder: Path
    results: Results
    manifest: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read it.

        Raises:
            UsageError: the folder holds no finished run.
        """
        return cls(folder, read_results(folder), read_manifest(folder))

    @property
    def leaves(self) -> tuple[str, ...]:
        """Where its paths of training end."""
        rows = (Checkpoint(one.name, one.source, one.reference) for one in self.results.series)
        return Series(tuple(rows)).leaves

    def entry(self, checkpoint: str) -> Mapping[str, Any]:
        """What the manifest says of a checkpoint's files."""
        series = self.manifest.get("series")
        found = (one for one in series if isinstance(one, dict) and one.get("name") == checkpoint) if series else ()
        return next(iter(found), {})

    def sesoi(self) -> float | None:
        """The bound d its levels were judged by."""
        levels: Iterable[EffectRow] = (one for one in self.results.effects if one.measure == "level")
        return next((one.sesoi for one in levels if one.sesoi is not None), None)


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two checkpoints of two runs.

    Attributes:
        changes: on the items both share in the same tokens; None where nats cannot be compared.
        apart: why they cannot, "" where they can.
        shared: items of harmful pairs and others that were paired; ``unpaired``: items that both were asked and that
            have other texts or other token ids.
        cautions: what the runs were made with that differs.
    """

    changes: Changes | None
    apart: str
    shared: int
    unpaired: int
    cautions: tuple[str, ...]


def pair_runs(before: tuple[Run, str], after: tuple[Run, str], rule: Rule) -> Pairing:
    """Set one checkpoint of a run against one of another.

    Raises:
        UsageError: the tables of a run cannot be read.
    """
    cautions = tuple(_cautions(before[0].manifest, after[0].manifest))
    entries = [run.entry(name) for run, name in (before, after)]
    for key, words in (("model_type", "model types"), ("parameters", "numbers of parameters")):
        values = [entry.get(key) for entry in entries]
        if values[0] != values[1]:
            return Pairing(None, f"they are of different {words} ({values[0]} and {values[1]})", 0, 0, cautions)
    stored = [read_checkpoint(run.folder, name) for run, name in (before, after)]
    if any(one.private for one in stored):
        return Pairing(None, "a private run keeps no tokens to compare", 0, 0, cautions)
    common = [key for key in stored[0].scored if key in stored[1].scored]
    same = [key for key in common if _same(stored[0].scored[key], stored[1].scored[key])]
    if not same:
        why = "they tokenise all shared items differently" if common else "they share no item"
        return Pairing(None, why, 0, len(common), cautions)
    first, second = (_scores(one, same) for one in stored)
    renders = tuple(dict.fromkeys(render for _, render, _ in same))
    changes = changes_between(_probes(stored[0], same), renders, first, second, rule)
    return Pairing(changes, "", len(same), len(common) - len(same), cautions)


def _same(one: ScoredItem, other: ScoredItem) -> bool:
    """The same question in the same tokens."""
    return (one.item, one.context, one.complete) == (other.item, other.context, other.complete) and all(
        a.token_ids.tolist() == b.token_ids.tolist() for a, b in zip(one.candidates, other.candidates, strict=True)
    )


def _scores(stored: StoredCheckpoint, keys: Iterable[Key]) -> CheckpointScores:
    return CheckpointScores("", {key: stored.scored[key] for key in keys})


def _probes(stored: StoredCheckpoint, keys: Iterable[Key]) -> tuple[Probe, ...]:
    items: dict[str, dict[str, Item]] = {}
    for key in keys:
        items.setdefault(key[0], {}).setdefault(key[2], stored.scored[key].item)
    return tuple(Probe(name, tuple(own.values()), Card(name, name, "")) for name, own in items.items())


def _cautions(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterable[str]:
    engines = [manifest.get("engine") or {} for manifest in (one, other)]
    for key in dict.fromkeys((*engines[0], *engines[1])):
        values = [str(engine.get(key)) for engine in engines]
        if values[0] != values[1]:
            weight = "another version" if key in _VERSIONS else "part of a difference may come from it"
            yield f"The runs were scored with {key} {values[0]} and {values[1]}: {weight}."


def level_at(run: Run, checkpoint: str | None) -> str:
    """The checkpoint of a run that is compared: the named one, else where its training ends.

    Raises:
        UsageError: there is no such checkpoint, or training ends in several.
    """
    names = [one.name for one in run.results.series]
    if checkpoint is not None:
        if checkpoint not in names:
            raise UsageError(
                f"the run has no checkpoint {checkpoint!r}", where=str(run.folder), fix=f"It has: {', '.join(names)}."
            )
        return checkpoint
    if len(run.leaves) != 1:
        raise UsageError(
            f"training ends in several checkpoints: {', '.join(run.leaves)}",
            where=str(run.folder),
            fix="Name one with --checkpoint NAME, or NAME=NAME where the two runs call it otherwise.",
        )
    return run.leaves[0]
