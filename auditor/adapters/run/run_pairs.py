"""Two finished runs side by side: which checkpoints are set against each other, and on which items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from auditor.adapters.run.branches import branches_of
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.run_folder import read_manifest, read_results
from auditor.adapters.run.run_status import INTERRUPTED, records, status_of
from auditor.adapters.run.stored_scores import Key, StoredCheckpoint, read_checkpoint
from auditor.core.items import Card, Item, Probe
from auditor.core.run_changes import Changes, changes_between
from auditor.core.scores import CheckpointScores, ScoredItem
from auditor.core.series import Quantity
from auditor.core.verdicts import DEFAULT_SESOI, Rule
from auditor.errors import UsageError

# What margins are given in, as it follows a number.
UNITS: Mapping[Quantity, str] = {"logprob": "nats", "reward": "units of the reward"}
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
        """Where its paths of training end, at least one."""
        return tuple(branch.leaf for branch in branches_of(self.results.series))

    def quantity(self, checkpoint: str) -> Quantity:
        """What a checkpoint of its series gives."""
        return next(one.quantity for one in self.results.series if one.name == checkpoint)

    def model_type(self, checkpoint: str) -> str | None:
        """The family of a checkpoint's model, None where the manifest does not say."""
        return self._said(checkpoint, "model_type")

    def head(self, checkpoint: str) -> str | None:
        """Which output of a reward model is its reward, None of any other, or where the manifest does not say."""
        return self._said(checkpoint, "head")

    def _said(self, checkpoint: str, key: str) -> str | None:
        of = next((one for one in records(self.manifest, "series") if one.get("name") == checkpoint), {})
        return str(of[key]) if of.get(key) else None

    def engine_of(self, checkpoint: str) -> Mapping[str, Any]:
        """What else decided a checkpoint's numbers; empty where the manifest does not say."""
        engine, work = self.manifest.get("engine"), self.manifest.get("work")
        if not isinstance(engine, dict):
            return {}
        # Reward models may have gone another way than the language models they stand beside.
        own = work.get(checkpoint) if isinstance(work, dict) else None
        return {**engine, "forward": own["forward"]} if isinstance(own, dict) and "forward" in own else engine

    def sesoi(self, quantity: Quantity | None = None) -> float | None:
        """The bound d that levels of a quantity were judged by; without one, of whichever come first."""
        names = {one.name for one in self.results.series if quantity in (None, one.quantity)}
        levels = (one for one in self.results.effects if one.measure == "level" and one.checkpoint in names)
        return next((one.sesoi for one in levels if one.sesoi is not None), None)

    def rule(self, sesoi: float | None = None, quantity: Quantity | None = None) -> Rule:
        """The rule that verdicts of a quantity were given by, or the same with another bound."""
        request = self.manifest.get("request")
        seed = request.get("seed") if isinstance(request, dict) else None
        known = self.sesoi(quantity)
        own = DEFAULT_SESOI if known is None else known
        return Rule(own if sesoi is None else sesoi, seed if isinstance(seed, int) and seed >= 0 else 0)


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two checkpoints of two runs.

    Attributes:
        changes: on the items both share in the same tokens; None where margins cannot be compared.
        apart: why they cannot, "" where they can.
        shared: how many items of the later run were paired, in one rendering or more; ``unpaired``: how many were not.
        cautions: which of the runs was interrupted, and what they were made with that differs.
    """

    changes: Changes | None
    apart: str
    shared: int
    unpaired: int
    cautions: tuple[str, ...]


def pair_runs(
    before: tuple[Run, str],
    after: tuple[Run, str],
    rule: Rule,
    read: Callable[[Path, str], StoredCheckpoint] = read_checkpoint,
    *,
    probes: Collection[str] | None = None,
    themes: bool = True,
) -> Pairing:
    """Set one checkpoint of a run against one of another.

    What an item is about (identity, theme, cluster, ...) is read from the later run.

    Args:
        read: gives a checkpoint's scores, of the earlier run first; another one may remember what it has read.
        probes: names of those that are compared, and so make up a family; None for all.
        themes: also compare each theme by itself.

    Raises:
        UsageError: the tables of a run cannot be read.
    """
    cautions = (
        *_interruptions(before[0], after[0]),
        *_cautions(*(run.engine_of(name) for run, name in (before, after))),
        *_of_rewards(*(run.head(name) for run, name in (before, after))),
    )
    if len({run.quantity(name) for run, name in (before, after)}) > 1:
        return Pairing(None, "one is a reward model and the other is none", 0, 0, cautions)
    families = [run.model_type(name) for run, name in (before, after)]
    if None not in families and families[0] != families[1]:
        why = f"they are of different model families ({families[0]} and {families[1]})"
        return Pairing(None, why, 0, 0, cautions)
    stored = [read(run.folder, name) for run, name in (before, after)]
    if any(one.private for one in stored):
        return Pairing(None, "a private run keeps no tokens to compare", 0, 0, cautions)
    if any(one.bare for one in stored):
        return Pairing(None, "bare scores have no tokens to compare", 0, 0, cautions)
    first, second = (
        {key: scored for key, scored in one.scored.items() if probes is None or key[0] in probes} for one in stored
    )
    differing = {key: _differing(first[key], one) for key, one in second.items() if key in first}
    same = [key for key, what in differing.items() if not what]
    if not same:
        reasons = Counter(differing.values()).most_common(1)
        why = f"all shared items have other {reasons[0][0]}" if reasons else "they share no item"
        return Pairing(None, why, 0, len(_items(second)), cautions)
    columns = (
        CheckpointScores("", {key: replace(first[key], item=second[key].item) for key in same}),
        CheckpointScores("", {key: second[key] for key in same}),
    )
    renders = tuple(dict.fromkeys(render for _, render, _ in same))
    changes = changes_between(_probes(second, same), renders, *columns, rule, themes=themes)
    paired = _items(same)
    return Pairing(changes, "", len(paired), len(_items(second) - paired), cautions)


def _differing(one: ScoredItem, other: ScoredItem) -> str:
    """What keeps an item from being the same question in the same tokens; "" for nothing."""
    if (one.context, one.item.candidates) != (other.context, other.item.candidates):
        return "texts"
    if one.complete != other.complete:
        return "ends of turn"
    sides = zip(one.candidates, other.candidates, strict=True)
    return "" if all(np.array_equal(a.token_ids, b.token_ids) for a, b in sides) else "token ids"


def _items(keys: Iterable[Key]) -> set[tuple[str, str]]:
    return {(probe, item) for probe, _, item in keys}


def _probes(scored: Mapping[Key, ScoredItem], keys: Iterable[Key]) -> tuple[Probe, ...]:
    items: dict[str, dict[str, Item]] = {}
    for key in keys:
        items.setdefault(key[0], {}).setdefault(key[2], scored[key].item)
    return tuple(Probe(name, tuple(own.values()), Card(name, name, "")) for name, own in items.items())


def _interruptions(*runs: Run) -> Iterator[str]:
    for run in runs:
        if status_of(run.manifest) != "complete":
            yield f"{run.folder}: {INTERRUPTED}"


def _cautions(*engines: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys(key for engine in engines for key in engine):
        values = [str(engine.get(key)) for engine in engines]
        if values[0] != values[1]:
            weight = "another version" if key in _VERSIONS else "part of a difference may come from it"
            yield f"The runs were scored with {key} {values[0]} and {values[1]}: {weight}."


def _of_rewards(before: str | None, after: str | None) -> Iterator[str]:
    """What makes two rewards other than two log-probabilities, by the names of the outputs they are."""
    if before is None or after is None:
        return
    yield (
        "A reward has its model's own unit: a difference of two says something where both models were trained by one "
        "loss, or one from the other."
    )
    if before != after:
        yield f"The rewards are outputs of other names, {before!r} and {after!r}: they may mean another thing."


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
    # Reward models stand beside a series: where its training ends is said of the others.
    leaves = [name for name in run.leaves if run.quantity(name) == "logprob"] or list(run.leaves)
    if len(leaves) != 1:
        raise UsageError(
            f"training ends in several checkpoints: {', '.join(leaves)}",
            where=str(run.folder),
            fix="Name one with --checkpoint NAME, or NAME=NAME where the two runs call it otherwise.",
        )
    return leaves[0]
