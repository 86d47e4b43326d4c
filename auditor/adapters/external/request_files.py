"""``requests.jsonl``: the token ids and spans that another engine is to score, written and read back.

What is read back is what a tokenizer would have made of the probes (`auditor.core.score_columns.Spans`), so everything
after scoring runs without one.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import ValidationError

from auditor.adapters.external.request_schema import AskedProbe, RequestHeader, RequestLine
from auditor.adapters.run.run_folder import replace_file
from auditor.adapters.run.validation import first_problem
from auditor.core.items import Item, Probe
from auditor.core.score_columns import Cuts, Spans
from auditor.core.scores import Render
from auditor.errors import NotComparableError, UsageError

# Of a hash that tells sequences apart: two of a million share one in ten million files.
_ID_LENGTH = 16
BEGINNING = b'{"format":"auditor-requests"'
_AGAIN = "Write the requests again with audit requests, and score those."


@dataclass(frozen=True, slots=True)
class Sequences:
    """The sequences of one tokenizer, ready to be given log-probabilities.

    Attributes:
        spans: by probe and rendering; all share one ``cuts``.
        places: which sequence each id is.
    """

    spans: Mapping[tuple[str, Render], Spans]
    places: Mapping[str, int]

    @property
    def cuts(self) -> Cuts:
        """Of all spans."""
        return next(iter(self.spans.values())).cuts


@dataclass(frozen=True, slots=True)
class Requests:
    """A file of requests, checked against its probes; ``sequences`` for each tokenizer of the header."""

    path: Path
    header: RequestHeader
    sequences: tuple[Sequences, ...]


def describe_probe(probe: Probe) -> AskedProbe:
    """What tells whether a probe that is given again asks the same items."""
    digest = hashlib.sha256()
    for item in probe.items:
        turns = [[turn.role, turn.content] for turn in item.messages]
        sides = [[one.label, one.text] for one in item.candidates]
        digest.update(json.dumps([item.id, item.context, item.prefix, turns, sides, item.baseline]).encode() + b"\n")
    return AskedProbe(
        name=probe.name, sha256=probe.card.sha256, items=len(probe.items), items_sha256=digest.hexdigest()
    )


def write_requests(path: Path, header: Mapping[str, Any], spans: Sequence[Mapping[tuple[str, Render], Spans]]) -> int:
    """Write a file of requests; how many sequences it holds.

    Args:
        header: all of `RequestHeader` but what is known once the lines are: their digest and number.
        spans: of each of the header's tokenizers, in order.

    Raises:
        StorageError: the disk is full or the file cannot be written.
    """
    names = [one["sha256"] for one in header["tokenizers"]]

    def lines() -> Iterator[bytes]:
        for at, (name, own) in enumerate(zip(names, spans, strict=True)):
            yield from _lines(at, name, own)

    # Twice through the lines rather than all of them in memory: the digest stands before them.
    digest, count = hashlib.sha256(), 0
    for line in lines():
        digest.update(line)
        count += 1
    first = {"format": "auditor-requests", "version": 1, **header, "digest": digest.hexdigest(), "sequences": count}
    content = RequestHeader.model_validate(first).model_dump(mode="json")

    def write(partial: Path) -> None:
        with partial.open("wb") as stream:
            stream.write(_json(content))
            stream.writelines(lines())

    replace_file(path, write)
    return count


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _lines(tokenizer: int, name: str, spans: Mapping[tuple[str, Render], Spans]) -> Iterator[bytes]:
    for (probe, render), own in spans.items():
        cuts = own.cuts
        for at in range(len(own)):
            item, first = own.item(at), int(own.firsts[at])
            for place, candidate in enumerate(item.candidates, first):
                ids = cuts.ids[cuts.bounds[place] : cuts.bounds[place + 1]].tolist()
                start = int(cuts.starts[place])
                scored = slice(cuts.scored[place], cuts.scored[place + 1])
                about = [name, probe, render, item.id, candidate.label, start, ids]
                yield _json(
                    {
                        "id": hashlib.sha256(json.dumps(about).encode()).hexdigest()[:_ID_LENGTH],
                        "ids": ids,
                        "start": start,
                        "probe": probe,
                        "item": item.id,
                        "render": render,
                        "candidate": candidate.label,
                        "tokenizer": tokenizer,
                        "tokens": cuts.names(place),
                        "begins": cuts.begins[scored].tolist(),
                        "ends": cuts.ends[scored].tolist(),
                        "bytes": int(cuts.n_bytes[place]),
                        "context": own.context_of(at),
                        "straddles": bool(own.straddles[at]),
                        "complete": bool(own.complete[at]),
                    }
                )


def read_requests(path: Path, probes: Sequence[Probe]) -> Requests:
    """Read a file of requests whose probes are given again.

    Raises:
        UsageError: it cannot be read, is not what was written, or the probes ask other items.
        NotComparableError: it holds no sequence.
    """
    try:
        with path.open("rb") as stream:
            header = _read_header(path, stream)
            _check_probes(path, header, probes)
            digest = hashlib.sha256()
            builders = [_Builder(probes, header.renders) for _ in header.tokenizers]
            for number, line in enumerate(stream, 2):
                digest.update(line)
                _add(builders, line, f"{path}, line {number}")
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}",
            where=f"--requests {path}",
            fix="Give the file that audit requests wrote.",
        ) from error
    _check_coverage(path, header, builders, probes)
    whole = sum(map(len, builders)) == header.sequences and not any(one.waits for one in builders)
    if digest.hexdigest() != header.digest or not whole:
        raise UsageError("the lines are not those that were written", where=f"--requests {path}", fix=_AGAIN)
    if not header.sequences:
        raise NotComparableError(
            "the requests hold no sequence: every item was refused", where=str(path), fix="Give other probes."
        )
    return Requests(path, header, tuple(one.finish() for one in builders))


def _read_header(path: Path, stream: IO[bytes]) -> RequestHeader:
    try:
        return RequestHeader.model_validate_json(stream.readline())
    except ValidationError as error:
        raise UsageError(
            f"the first line is no header of requests: {first_problem(error)}",
            where=f"--requests {path}",
            fix="Give the file that audit requests wrote.",
        ) from error


def _check_probes(path: Path, header: RequestHeader, probes: Sequence[Probe]) -> None:
    """The probes of the command must be those of the requests, in the same order."""
    written, given = list(header.probes), [describe_probe(probe) for probe in probes]
    if [one.name for one in written] != [one.name for one in given]:
        what = (
            f"the requests are of {', '.join(one.name for one in written)}, the probes given are "
            f"{', '.join(one.name for one in given)}"
        )
    else:
        other = [one.name for one, two in zip(written, given, strict=True) if one != two]
        if not other:
            return
        what = f"the probe {other[0]!r} is not the one the requests were written from, or other items of it are asked"
    chosen = " ".join(_option(key, value) for key, value in header.selection.items() if value not in (None, []))
    raise UsageError(
        what,
        where=f"--probe, --requests {path}",
        fix=f"Give the same probes and options as then{f' ({chosen})' if chosen else ''}.",
    )


def _check_coverage(path: Path, header: RequestHeader, builders: Sequence[_Builder], probes: Sequence[Probe]) -> None:
    """Every item is asked or refused, in each rendering and by each tokenizer."""
    everything = len(header.renders) * sum(len(probe.items) for probe in probes)
    for one, builder in zip(header.tokenizers, builders, strict=True):
        refused = {(each.probe, each.item, each.render) for each in one.refusals}
        if builder.items + len(refused) != everything:
            raise UsageError("some items are neither asked nor refused", where=f"--requests {path}", fix=_AGAIN)


def _option(name: str, value: object) -> str:
    return " ".join(f"--{name} {one}" for one in (value if isinstance(value, list) else [value]))


def _add(builders: Sequence[_Builder], line: bytes, where: str) -> None:
    try:
        one = RequestLine.model_validate_json(line)
        builders[one.tokenizer].add(one)
    except (ValueError, LookupError) as error:
        raise UsageError(f"no request: {first_problem(error)}", where=where, fix=_AGAIN) from error


@dataclass(slots=True)
class _Block:
    """One probe in one rendering, an item at a time."""

    items: Sequence[Item]
    rows: array[int] = field(default_factory=lambda: array("q"))
    firsts: array[int] = field(default_factory=lambda: array("q"))
    straddles: list[bool] = field(default_factory=list)
    complete: list[bool] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)


class _Builder:
    """Grows by a sequence at a time, in the order of the file."""

    def __init__(self, probes: Sequence[Probe], renders: Sequence[Render]) -> None:
        self._rows = {probe.name: {item.id: at for at, item in enumerate(probe.items)} for probe in probes}
        self._blocks = {(probe.name, render): _Block(probe.items) for probe in probes for render in renders}
        self._ids, self._begins, self._ends, self._named = array("i"), array("i"), array("i"), array("i")
        self._bounds, self._scored = array("q", [0]), array("q", [0])
        self._starts, self._bytes = array("q"), array("i")
        self._codes: dict[str, int] = {}
        self._places: dict[str, int] = {}
        # Labels of the item in hand that have not come yet, and the block it belongs to.
        self._waiting: list[str] = []
        self._block: _Block | None = None

    def add(self, one: RequestLine) -> None:
        """Take one sequence.

        Raises:
            ValueError, LookupError: it does not fit its item or itself.
        """
        block = self._blocks[one.probe, one.render]
        row = self._rows[one.probe][one.item]
        labels = [candidate.label for candidate in block.items[row].candidates]
        if not self._waiting:
            if block.rows and block is not self._block:
                raise ValueError("the items of a probe in one rendering do not stand together")
            self._begin(block, row, one)
            self._waiting, self._block = labels, block
        n = len(one.ids) - one.start
        if (
            block is not self._block
            or self._waiting[0] != one.candidate
            or block.rows[-1] != row
            or one.id in self._places
        ):
            raise ValueError("the candidates of an item do not stand together, each once")
        if n < 1 or not n == len(one.tokens) == len(one.begins) == len(one.ends):
            raise ValueError("the scored span has not as many tokens as names and places")
        self._waiting = self._waiting[1:]
        self._places[one.id] = len(self._starts)
        self._extend(one)

    def _begin(self, block: _Block, row: int, one: RequestLine) -> None:
        block.rows.append(row)
        block.firsts.append(len(self._starts))
        block.straddles.append(one.straddles)
        block.complete.append(one.complete)
        block.contexts.append(one.context)

    def _extend(self, one: RequestLine) -> None:
        try:
            self._ids.extend(one.ids)
            self._begins.extend(one.begins)
            self._ends.extend(one.ends)
            self._bytes.append(one.bytes)
        except OverflowError as error:
            raise ValueError("a number is too large") from error
        self._named.extend(self._codes.setdefault(name, len(self._codes)) for name in one.tokens)
        self._bounds.append(len(self._ids))
        self._scored.append(len(self._begins))
        self._starts.append(one.start)

    @property
    def items(self) -> int:
        """How many items have come, each rendering counted."""
        return sum(len(block.rows) for block in self._blocks.values())

    @property
    def waits(self) -> bool:
        """Whether an item lacks a candidate."""
        return bool(self._waiting)

    def __len__(self) -> int:
        return len(self._starts)

    def finish(self) -> Sequences:
        """All of them as flat arrays."""
        cuts = Cuts(
            np.asarray(self._ids),
            np.asarray(self._bounds),
            np.asarray(self._starts),
            np.asarray(self._scored),
            np.asarray(self._begins),
            np.asarray(self._ends),
            np.asarray(self._bytes),
            tuple(self._codes),
            np.asarray(self._named),
        )
        spans = {place: _spans(place[1], block, cuts) for place, block in self._blocks.items()}
        return Sequences(spans, self._places)


def _spans(render: Render, block: _Block, cuts: Cuts) -> Spans:
    lengths = [len(block.items[row].candidates) for row in block.rows]
    firsts = np.asarray(block.firsts)
    end = firsts[-1:] + lengths[-1] if len(firsts) else np.array([0])
    return Spans(
        render=render,
        items=block.items,
        rows=np.asarray(block.rows),
        firsts=np.concatenate([firsts, end]).astype(np.int64),
        straddles=np.array(block.straddles, dtype=bool),
        complete=np.array(block.complete, dtype=bool),
        context_of=block.contexts.__getitem__,
        cuts=cuts,
    )
