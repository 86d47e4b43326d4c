"""What pydantic found wrong, in one line that quotes nothing."""

from __future__ import annotations

import json
import re
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from auditor.adapters.probe_files.format_schemas import FORMAT_PARTS, format_schema
from auditor.adapters.run.validation import PATTERNS, first_problem


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^\S(.*\S)?$")]
    sizes: Annotated[tuple[int, ...], Field(min_length=1)]

    @field_validator("name")
    @classmethod
    def _no_zebra(cls, value: str) -> str:
        if value == "zebra":
            raise ValueError("a zebra is refused")
        return value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a", "sizes": [1, "zebra"]}, "sizes.1: Input should be a valid integer, unable to parse"),
        ({"name": None}, "name: Input should be a valid string (and 1 more)"),
        ({"name": 1, "sizes": [1]}, "name: Input should be a valid string, not a number: put it in quotes"),
        ({"name": False, "sizes": [1]}, "name: Input should be a valid string, not true or false: a bare yes, no"),
        ({"name": " a", "sizes": [1]}, "name: must be one line that neither begins"),
        ({"name": "zebra", "sizes": [1]}, "name: a zebra is refused"),
        ({"name": "a", "sizes": [1], "zebra": "zebra"}, "zebra: Extra inputs are not permitted"),
    ],
)
def test_names_the_place(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Shape.model_validate(values)
    said = first_problem(caught.value)
    assert said.startswith(message)
    assert "\n" not in said
    assert "https://" not in said


def test_other_errors_are_made_one_line() -> None:
    assert first_problem(ValueError("two\n   lines")) == "two lines"
    assert first_problem(RecursionError()) == "RecursionError"
    assert first_problem(OSError(2, "No such file or directory", "x")) == "No such file or directory"
    assert first_problem(UnicodeDecodeError("utf-8", b"a\xff", 1, 2, "invalid")) == "it is no text in UTF-8 (byte 2)"


def test_a_wrong_entry_is_one_problem() -> None:
    with pytest.raises(ValidationError) as caught:
        Shape.model_validate({"name": "a", "sizes": ["zebra"]})
    assert len(caught.value.errors()) == 2, "the list without its entry is too short"
    assert "more)" not in first_problem(caught.value)
    with pytest.raises(ValidationError) as caught:
        Shape.model_validate({"name": "a", "sizes": []})
    assert "at least 1 item" in first_problem(caught.value)


def test_every_pattern_of_a_probe_is_put_in_words() -> None:
    found = {
        json.loads(f'"{one}"')
        for part in FORMAT_PARTS
        for one in re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(format_schema(part)))
    }
    assert found == set(PATTERNS)
