"""Data sets of the hub as tables: ``hub:owner/name[:config][@revision][#split]``.

The repository is fetched, or found in the hub's cache, and read with `datasets`; which reader takes its rows is decided
by their columns, as with a file. A folder in the hub's layout can stand in the place of ``owner/name``.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.adapters.hf.loading.hub import fetch_data
from auditor.adapters.probe_files.table_files import Row, TableFile
from auditor.errors import ModelLoadError, UsageError, one_line

PREFIX = "hub:"


@dataclass(frozen=True, slots=True)
class HubId:
    """A data set's name on the hub, or a folder, and which part of it; "" for what was left out."""

    name: str
    config: str = ""
    revision: str = ""
    split: str = ""


def parse_hub_id(argument: str) -> HubId:
    """Take ``hub:owner/name[:config][@revision][#split]`` apart.

    Raises:
        UsageError: it names no data set, or a part is empty.
    """
    rest, *split = argument.removeprefix(PREFIX).split("#", 1)
    rest, *revision = rest.split("@", 1)
    name, *config = rest.split(":", 1)
    if not name or "" in (*config, *revision, *split):
        raise UsageError(
            "expected hub:owner/name[:config][@revision][#split]",
            where=f"--probe {argument}",
            fix="Such as hub:Anthropic/hh-rlhf#test.",
        )
    return HubId(name, *("".join(part) for part in (config, revision, split)))


def read_hub_data(argument: str, *, offline: bool) -> TableFile:
    """Read one split of one configuration of a data set.

    Args:
        offline: use what lies in the hub's cache.

    Raises:
        UsageError: there is no such data set, configuration or split, it can't be had, or its files can't be read.
    """
    asked = parse_hub_id(argument)
    where = f"--probe {argument}"
    folder, origin = Path(asked.name), argument
    if not folder.is_dir():
        try:
            snapshot = fetch_data(asked.name, asked.revision or None, offline=offline)
        except ModelLoadError as error:
            raise UsageError(error.what, where=where, fix=error.fix) from error
        # A branch moves on; the commit that was read does not.
        folder, origin = snapshot.folder, f"{argument} at {snapshot.commit}"
    elif asked.revision:
        raise UsageError("a folder has no revisions", where=where, fix="Leave the revision out.")
    data, parts = _load(folder, asked, where)
    content = hashlib.sha256()
    for record in _records(data):
        content.update(json.dumps(record, sort_keys=True, default=str).encode())

    def rows() -> Iterator[Row]:
        for number, record in enumerate(_records(data), 1):
            yield Row(number, {name: value for name, value in record.items() if value is not None and value != ""})

    name = "-".join([Path(asked.name).resolve().name, *parts])
    return TableFile(
        Path(argument), tuple(data.column_names), rows, content.hexdigest(), "row", called=name, origin=origin
    )


def _load(folder: Path, asked: HubId, where: str) -> tuple[Any, list[str]]:
    """The split as a `datasets.Dataset`, and what had to be named to find it."""
    import datasets
    from datasets.exceptions import DatasetsError

    # What went wrong stands in the error; the library would print it too.
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    try:
        configs = datasets.get_dataset_config_names(str(folder))
        config = _one_of("configuration", asked.config, configs, where, "hub:owner/name:CONFIG")
        splits = datasets.get_dataset_split_names(str(folder), config)
        split = _one_of("split", asked.split, splits, where, "hub:owner/name#SPLIT")
        data = datasets.load_dataset(str(folder), config, split=split)
    except (DatasetsError, ValueError, RuntimeError, OSError) as error:
        raise UsageError(
            f"datasets cannot read it: {one_line(error.__cause__ or error)}",
            where=where,
            fix="Give a data set whose files are CSV, JSON lines or Parquet, or one of its files.",
        ) from error
    return data, [part for part, known in ((config, configs), (split, splits)) if len(known) > 1]


def _records(data: Any) -> Iterator[dict[str, Any]]:
    """Rows with words for the labels that are kept as numbers, and nothing for the -1 of rows without one."""
    from datasets import ClassLabel

    labels = {name: feature.names for name, feature in data.features.items() if isinstance(feature, ClassLabel)}
    for record in data:
        words = {name: _word(names, record[name]) for name, names in labels.items()}
        yield {**record, **words}


def _word(names: Sequence[str], label: int | None) -> str | None:
    return None if label is None or label < 0 else names[label]


def _one_of(kind: str, asked: str, known: Sequence[str], where: str, example: str) -> str:
    """The one that is asked for, or the only one there is."""
    if asked in known:
        return asked
    if not asked and len(known) == 1:
        return known[0]
    problem = f"it has no {kind} {asked!r}" if asked else f"it has more than one {kind}"
    raise UsageError(problem, where=where, fix=f"Name one, as in {example}: {', '.join(known)}.")
