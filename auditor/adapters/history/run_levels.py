"""What a history needs of one finished run: its levels where training ends, and what they can be compared by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from auditor.adapters.history.found_runs import FoundRun
from auditor.adapters.history.run_order import training_step
from auditor.adapters.report.cells import cells_of
from auditor.adapters.run.branches import branches_of
from auditor.adapters.run.results_schema import EffectRow, Results
from auditor.adapters.run.run_folder import ITEMS_FILE, REPORT, RESULTS, TOKENS_FILE
from auditor.adapters.run.run_pairs import Run
from auditor.adapters.run.validation import first_problem
from auditor.errors import UsageError

# An identity and its axis.
Who = tuple[str, str]

_UNKEPT = {"sample": "it keeps the tokens of a sample of its items", "none": "it keeps no tokens"}


@dataclass(frozen=True, slots=True)
class LevelSet:
    """The leading levels of one probe at one checkpoint in one rendering: disparities, else preferences.

    Attributes:
        version: hash of the probe's rows or files, "" where the manifest does not say.
        levels: by identity, in the report's order.
    """

    probe: str
    title: str
    version: str
    design: str
    render: str
    contrast: str
    unit: str
    checkpoint: str
    levels: Mapping[Who, EffectRow]


@dataclass(frozen=True, slots=True)
class HistoryRun:
    """One run as a history shows it.

    Attributes:
        run: its results hold only the levels where training ends, over all themes, of marked identities.
        training, step: of the checkpoint where training ends (`training_step`).
        unpaired: why it can be paired with no other run, "" if nothing speaks against it.
    """

    name: str
    run: Run
    created: datetime
    training: str
    step: int | None
    sets: tuple[LevelSet, ...]
    unpaired: str

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.run.folder

    @property
    def has_report(self) -> bool:
        """Whether there is a page to lead to."""
        return (self.folder / REPORT).is_file()

    @property
    def version(self) -> str:
        """Of the package that made it."""
        return str(self.run.manifest["auditor"])

    @property
    def headline(self) -> tuple[LevelSet, ...]:
        """The sets that its own report leads with: plain rendering, where that was asked."""
        renders = [one.render for one in self.sets]
        return tuple(one for one in self.sets if one.render == ("plain" if "plain" in renders else renders[0]))


def read_levels(found: FoundRun) -> HistoryRun:
    """Read one run; of a file of many megabytes little is kept.

    Raises:
        UsageError: its results cannot be read, or do not follow the schema.
    """
    results = _results(found.folder)
    leaves = [branch.leaf for branch in branches_of(results.series)]
    results = results.model_copy(update={"effects": tuple(one for one in results.effects if one.checkpoint in leaves)})
    run = Run(found.folder, results, found.manifest)
    ends = [one for one in results.series if one.name in run.leaves]
    # Reward models stand beside a series; its steps are those of the others.
    last = ([one for one in ends if one.quantity == "logprob"] or ends)[-1]
    training = training_step(last.name, last.source)
    return HistoryRun(found.name, run, found.created, *training, tuple(_sets(run)), _unpaired(found))


def _results(folder: Path) -> Results:
    path = folder / RESULTS
    try:
        content = json.loads(path.read_bytes())
        effects = [_lean(one) for one in content["effects"] if _is_level(one)]
        # Whatever else the file holds is no part of a history.
        kept = {key: content[key] for key in ("schema_version", "series", "cautions", "refusals")}
        return Results.model_validate({**kept, "refusals": [], "effects": effects})
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except KeyError as error:
        problem = f"does not follow the schema: there is no {error}"
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        problem = f"does not follow the schema: {first_problem(error)}"
    raise UsageError(f"{RESULTS} {problem}", where=str(folder), fix="Run the same audit again: it replaces the file.")


def _is_level(one: Mapping[str, Any]) -> bool:
    read = (one["measure"], one["theme"], one["role"], one["valence"]) == ("level", None, "marked", "harm")
    return read and one["contrast"] != "reference"


def _lean(one: Mapping[str, Any]) -> dict[str, Any]:
    """A level without what a history does not tell."""
    return {**one, "robustness": None, "scales": None, "control_checks": None, "plausible": None}


def _sets(run: Run) -> Iterator[LevelSet]:
    probes = {str(one.get("name")): one for one in run.manifest["probes"]}
    names = [one.name for one in run.results.series]
    groups: dict[tuple[str, str], list[EffectRow]] = {}
    for one in run.results.effects:
        groups.setdefault((one.probe, one.design), []).append(one)
    for leaf in run.leaves:
        for (probe, design), effects in groups.items():
            known = probes.get(probe, {})
            for render in dict.fromkeys(one.render for one in effects):
                readings = cells_of(effects, leaf, names, render)
                cells = readings[0][1] if readings else ()
                if cells:
                    first = cells[0].last
                    yield LevelSet(
                        probe,
                        str(known.get("title") or probe),
                        str(known.get("sha256") or ""),
                        design,
                        render,
                        first.contrast,
                        first.unit,
                        leaf,
                        {(cell.identity, cell.axis): cell.last for cell in cells},
                    )


def _unpaired(found: FoundRun) -> str:
    request = found.manifest["request"]
    if request.get("private") is True:
        return "it is private and keeps no tokens"
    tokens = found.manifest.get("tokens", "all")
    if tokens != "all":
        return _UNKEPT[tokens]
    gone = [name for name in (ITEMS_FILE, TOKENS_FILE) if not (found.folder / name).is_file()]
    return f"{gone[0]} is gone" if gone else ""
