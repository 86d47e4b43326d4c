"""The YAML files of a probe folder, and where in them a mistake is: by the names of sections and predicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from auditor.adapters.run.validation import Details, first_problem
from auditor.errors import UsageError, one_line

_Model = TypeVar("_Model", bound=BaseModel)
_SINGULAR = {"axes": "axis", "identities": "identity"}


def read_yaml(file: Path, model: type[_Model]) -> _Model:
    """Read a file that follows a model.

    Raises:
        UsageError: it is missing, no YAML, or does not follow the model.
    """
    content: Any = None
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return model.model_validate(content)
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise UsageError(
            f"cannot be read: {_problem(content, error)}",
            where=str(file),
            fix=f"Mend the file; its keys: {', '.join(model.model_fields)}.",
        ) from error


def _problem(content: Any, error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {one_line(ValueError(error.problem))}"
    return first_problem(error, lambda problem: _place(content, problem))


def _place(content: Any, problem: Details) -> str:
    """The way to a problem, such as ``section 'main', predicate 'honesty', wording 2``."""
    steps: list[str] = []
    for step in problem["loc"]:
        content = _within(content, step)
        name = content.get("name") if isinstance(content, dict) else None
        if isinstance(step, int):
            kind = steps.pop() if steps else "entry"
            kind = _SINGULAR.get(kind, kind.removesuffix("s"))
            steps.append(f"{kind} {name!r}" if isinstance(name, str) else f"{kind} {step + 1}")
        else:
            steps.append(f"{step} {name!r}" if isinstance(name, str) else step)
    if steps and steps[-1] in problem["msg"]:
        # What the format itself finds wrong names its part.
        steps.pop()
    return ", ".join(steps)


def _within(content: Any, step: int | str) -> Any:
    if isinstance(content, dict):
        return content.get(step)
    return content[step] if isinstance(content, list) and isinstance(step, int) and step < len(content) else None
