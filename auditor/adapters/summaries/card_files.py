"""An audit written into a model card that is somebody else's: their text stays as it is, byte for byte.

Only two places change: the key ``model-index`` of the front matter, in which other results stay, and what stands
between two markers. The front matter is cut where the hub cuts it, and what comes out must be readable to its client.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard
from huggingface_hub.repocard import REGEX_YAML_BLOCK
from huggingface_hub.repocard_data import eval_results_to_model_index

from auditor.errors import UsageError, one_line

# The argument of a result's data set by which the name that an audit gave is told from one that people gave.
CHECKPOINT = "checkpoint"
BEGIN, END = "<!-- auditor: begin -->", "<!-- auditor: end -->"
_INDEX = "model-index"
_BOM = "\ufeff"


class _BrokenCardError(Exception):
    """What is wrong with a card, and what to do about it."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


def audited_card(path: Path, name: str, results: Sequence[EvalResult], section: str, source: str) -> bytes:
    """A card's bytes with an audit written in; those of a new one where there is none.

    Args:
        name: of the checkpoint: the model's, where the card's metadata do not say it, or say that of an earlier audit.
        results: entries of the ``model-index`` with this name as the argument `CHECKPOINT` of their data set; they
            replace those whose source begins with ``source``.
        section: Markdown, which replaces what an earlier audit wrote.

    Raises:
        UsageError: the card cannot be read, or its front matter or markers are broken.
    """
    where = f"--card {path}"
    try:
        content = path.read_bytes().decode() if path.exists() else ""
        return _with_audit(content, name, results, section, source).encode()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=where, fix="Give another file.") from error
    except UnicodeDecodeError as error:
        what = f"is no text in UTF-8 (byte {error.start + 1})"
        raise UsageError(what, where=where, fix="Save it as UTF-8.") from error
    except _BrokenCardError as error:
        raise UsageError(error.what, where=where, fix=error.fix) from error


def _with_audit(content: str, name: str, results: Sequence[EvalResult], section: str, source: str) -> str:
    bom = _BOM if content.startswith(_BOM) else ""
    text = content.removeprefix(_BOM)
    line = "\r\n" if re.match(r"[^\n]*\r\n", text) else "\n"
    opening, metadata, closing, body = _parted(text, line)
    merged = _with_results(metadata, name, results, source, line)
    _check(metadata, merged)
    head = bom + opening + merged + closing
    return head + _with_section(head, body, section.strip("\n").replace("\n", line), line)


def _parted(text: str, line: str) -> tuple[str, str, str, str]:
    """Front matter and the rest, as the hub parts them: opening, metadata, closing, body."""
    found = REGEX_YAML_BLOCK.search(text)
    if found:
        return found[1], found[2], found[3], text[found.end() :]
    if re.match(r"\s*---[ \t]*(\r?\n|$)", text):
        raise _BrokenCardError("the front matter does not stand between two lines '---'", "Mend them.")
    return f"---{line}", "", f"{line}---{line}", text


def _with_results(metadata: str, name: str, results: Sequence[EvalResult], source: str, line: str) -> str:
    """The metadata, all but the model index as it was."""
    try:
        root = yaml.compose(metadata, Loader=yaml.SafeLoader)
        data = yaml.safe_load(metadata)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _broken(one_line(error)) from error
    index = eval_results_to_model_index(name, list(results))
    ours = yaml.compose(yaml.safe_dump(index, sort_keys=False), Loader=yaml.SafeLoader)
    if root is None:
        return metadata + (line if metadata.strip() else "") + _dumped(ours, line)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise _broken("it is no list of 'key: value' lines")
    found = [(key, value) for key, value in root.value if key.value == _INDEX]
    if not found:
        return metadata + line + _dumped(ours, line)
    if len(found) > 1:
        raise _broken(f"it has the key {_INDEX} twice")
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(metadata)):
        raise _broken(f"it has {_INDEX} and uses aliases (*), which might refer to what is replaced")
    key, value = found[0]
    end = len(metadata[: _end_of(value)].rstrip())
    if data[_INDEX]:
        _merge(value, data[_INDEX], ours, source)
        ours = value
    return metadata[: key.start_mark.index] + _dumped(ours, line) + metadata[end:]


def _merge(node: Any, data: Any, ours: Any, source: str) -> None:
    """Change the results of the first model in a node with this data: ours of an earlier audit go, others stay.

    So does its name, unless an earlier audit gave it the name of its checkpoint: then it takes that of this one.
    """
    try:
        model, made = node.value[0], {key.value: value for key, value in ours.value[0].value}
        (old,) = (value for key, value in model.value if key.value == "results")
        if not isinstance(old, yaml.SequenceNode):
            raise TypeError
        values = data[0]["results"] or []
        earlier = [str((one.get("source") or {}).get("name", "")).startswith(f"{source} ") for one in values]
        kept = [one for one, own in zip(old.value, earlier, strict=True) if not own]
        names = [(one["dataset"].get("args") or {}).get(CHECKPOINT) for one in itertools.compress(values, earlier)]
        if data[0].get("name") in names:
            model.value = [(key, made["name"] if key.value == "name" else value) for key, value in model.value]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise _broken(f"its {_INDEX} is not a list of models with results") from error
    old.value, old.flow_style = [*kept, *made["results"].value], False
    node.flow_style = model.flow_style = False


def _dumped(index: Any, line: str) -> str:
    """The key and its value, scalars written as they were, without the last line break."""
    key = yaml.ScalarNode("tag:yaml.org,2002:str", _INDEX)
    node = yaml.MappingNode("tag:yaml.org,2002:map", [(key, index)], flow_style=False)
    # Lines are never folded: a folded one could begin like the end of the front matter.
    text: str = yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=float("inf"))
    return text.rstrip("\n").replace("\n", line)


def _end_of(node: Any) -> int:
    """Where a node's own text ends; the mark of a block lies behind the comments that follow it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        end: int = node.end_mark.index
        return end
    last = node.value[-1]
    return _end_of(last[1] if isinstance(last, tuple) else last)


def _check(before: str, after: str) -> None:
    """The hub's client reads the card, and all else says what it said."""
    try:
        # The last line ends where the front matter is closed.
        if _others(yaml.safe_load(before + "\n")) != _others(yaml.safe_load(after + "\n")):
            raise _broken(f"other keys than {_INDEX} would change")
        ModelCard(f"---\n{after}\n---\n")
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise _broken(one_line(error)) from error


def _others(metadata: Any) -> Mapping[str, Any]:
    return {key: value for key, value in (metadata or {}).items() if key != _INDEX}


def _with_section(head: str, body: str, section: str, line: str) -> str:
    written = line.join((BEGIN, section, END))
    counts = body.count(BEGIN), body.count(END)
    if counts == (0, 0):
        # A card whose last line does not end keeps it so; what stands between is ours.
        ends = line if (head + body).endswith("\n") else ""
        gap = (line if body else "") + ("" if ends else line)
        return body + gap + written + ends
    start, end = body.find(BEGIN), body.find(END)
    if counts != (1, 1) or end < start:
        raise _BrokenCardError(
            f"the markers {BEGIN} and {END} do not enclose one place", "Leave one of each, in this order, or neither."
        )
    return body[:start] + written + body[end + len(END) :]


def _broken(why: str) -> _BrokenCardError:
    return _BrokenCardError(f"the front matter cannot be merged with: {why}", "Mend it; the file is as it was.")
