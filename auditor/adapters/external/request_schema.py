"""The lines of the two files exchanged with an engine that is not run here; docs/external-scores.md says how.

Keys are added, never renamed; readers pass over those they do not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from auditor.core.refusals import Reason
from auditor.core.scores import Render

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class AskedProbe(_Line):
    """A probe: ``sha256`` of its file or folder, ``items_sha256`` of the items that were asked."""

    name: str
    sha256: Sha256
    items: Count
    items_sha256: Sha256


class RefusedItem(_Line):
    """An item that the tokenizer cannot cut."""

    reason: Reason
    probe: str
    item: str
    render: Render


class AskedTokenizer(_Line):
    """One way of cutting texts into tokens, and the checkpoints it belongs to."""

    sha256: Sha256
    checkpoints: Annotated[tuple[str, ...], Field(min_length=1)]
    window: int | None = Field(None, description="the smallest context window among them, in tokens")
    first_unscored: Count = Field(0, description="items whose first token has no predecessor, so no probability")
    refusals: tuple[RefusedItem, ...] = ()


class AskedCheckpoint(_Line):
    """A checkpoint the requests were written for; its tags say what objective it was trained with."""

    name: str
    source: str
    tags: tuple[str, ...] = ()


class RequestHeader(_Line):
    """The first line of a file of requests."""

    format: Literal["auditor-requests"]
    version: Literal[1]
    auditor: str = Field(description="version of the package that wrote it")
    digest: Sha256 = Field(description="SHA-256 of everything after this line's line feed")
    sequences: Count
    end: Literal["auto", "none", "eos"]
    renders: Annotated[tuple[Render, ...], Field(min_length=1)]
    renders_reason: str
    template_sha256: str | None = None
    first_rendered: dict[str, str] = Field({}, description="an item by rendering, its first candidate between bars")
    selection: dict[str, Any] = Field(description="the options that chose the items of the probes")
    probes: Annotated[tuple[AskedProbe, ...], Field(min_length=1)]
    tokenizers: Annotated[tuple[AskedTokenizer, ...], Field(min_length=1)]
    series: Annotated[tuple[AskedCheckpoint, ...], Field(min_length=1)]


class RequestLine(_Line):
    """One sequence: an engine needs ``id``, ``ids`` and ``start``; the rest is for whoever reads the scores back."""

    id: str = Field(description="hash of the line's tokenizer, item, rendering, candidate, token ids and start")
    ids: Annotated[tuple[int, ...], Field(min_length=2)] = Field(description="token ids, context and candidate")
    start: Annotated[int, Field(ge=1)] = Field(description="index of the first scored token; all after it are scored")
    probe: str
    item: str
    render: Render
    candidate: str = Field(description="its label within the item")
    tokenizer: Count = Field(description="place in the header's list")
    tokens: tuple[str, ...] = Field(description="the tokenizer's name of each scored token")
    begins: tuple[int, ...] = Field(description="first character of each scored token in the candidate's text")
    ends: tuple[int, ...] = Field(description="one past the last")
    bytes: Count = Field(description="UTF-8 bytes of the candidate's text as rendered")
    context: str = Field(description="the rendered text before the candidate")
    straddles: bool = Field(description="a token holds characters of both; scoring starts there")
    complete: bool = Field(description="the scored span includes the end of the turn")


class LogprobHeader(_Line):
    """The first line of a file of log-probabilities; it may be missing where ``--engine`` names the engine."""

    format: Literal["auditor-logprobs"]
    version: Literal[1]
    engine: Annotated[str, Field(min_length=1)] = Field(
        description="all that decides a log-probability besides weights and token ids: program, version, number format"
    )
    checkpoint: str | None = Field(None, description="default name of the checkpoint")
    requests: str | None = Field(None, description="digest of the requests that were scored")


class LogprobLine(_Line):
    """The scores of one sequence."""

    id: str
    logprobs: tuple[float, ...] = Field(
        description="natural logarithms of p(ids[t] | ids[:t]) for t from start to the end, one for each scored token"
    )
