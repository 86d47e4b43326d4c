"""``manifest.json``: the schema other people's programs read. Keys are added, never renamed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from auditor.core.attributions import AttributionMethod
from auditor.core.scores import Render
from auditor.core.series import Objective, Quantity

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class _Entry(BaseModel):
    # Other keys are the manifest's to add: only what a program may rely on is named here.
    model_config = ConfigDict(extra="allow", frozen=True)


class SeriesEntry(_Entry):
    """One checkpoint: as in ``results.json``, beside what is known of its files."""

    name: str
    source: str
    reference: str | None
    objective: Objective
    objective_source: str
    beta: float | None
    quantity: Quantity = "logprob"
    other_references: tuple[str, ...] = ()


class ProbeEntry(_Entry):
    """One probe: its card, and how many items were asked."""

    name: str
    sha256: Sha256
    items: Annotated[int, Field(ge=0)]


class Finished(_Entry):
    """A checkpoint whose scores are in the tables.

    Attributes:
        fingerprint: hash of the weights, config and tokenizer that gave them.
        notes: remarks made while it was scored.
    """

    name: str
    fingerprint: str
    notes: tuple[str, ...] = ()


class Timings(_Entry):
    """Seconds spent on one checkpoint; ``noise_s`` on a sample of it in float32, where that was not all."""

    load_s: Seconds
    tokenize_s: Seconds
    forward_s: Seconds
    store_s: Seconds
    noise_s: Seconds = 0.0


class Work(_Entry):
    """What it took to score one checkpoint.

    Attributes:
        texts: sequences asked for, each candidate in each rendering.
        recalled: of these, how many a store held.
        tokens: token ids of all texts.
        nodes: token ids that go through the model by the plan, 0 where nothing was packed.
        packs: rows of the plan.
        split: passes more than planned, because memory ran out or a store held parts of packs; where it is 0 and no
            score was recalled from another plan, equal plans give equal bits.
        plan: SHA-256 of the sequences and the packs they lie in, empty where nothing was packed.
    """

    forward: Literal["packed", "padded"]
    texts: Count
    recalled: Count
    tokens: Count
    nodes: Count
    packs: Count
    split: Count
    plan: str


class AttributedWith(_Entry):
    """What one method of attribution was asked with; other keys are settings of its own.

    Attributes:
        clusters: drawn on each axis, whose items the means stand on (those of ``tokens`` on all items).
        picked: how many items were picked for their size.
        identities, checkpoints: that alone were looked at; empty for all, and where training ends.
        passes: texts that went through a model the last time one was asked, or more; ``seconds`` that took.
    """

    method: AttributionMethod
    clusters: Count
    picked: Count
    identities: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    passes: Count | None = None
    seconds: Seconds | None = None


class InTraining(_Entry):
    """What an audit during a training says of it, and what the audits have taken so far; see docs/training.md.

    Attributes:
        step: updates the model has had.
        tier: that was asked.
        budget: largest share of the time of training, null for no limit.
        beginning_s: seconds of the audit of the model that training began with; ``audits_s``: of all since;
            ``training_s``: of training, without them.
        audited: steps that were audited so far; ``skipped``: steps that were not, to keep to the budget.
    """

    step: Count
    epoch: float | None
    tier: str
    budget: float | None
    beginning_s: Seconds
    audits_s: Seconds
    training_s: Seconds
    audited: tuple[int, ...]
    skipped: tuple[int, ...]


class Manifest(_Entry):
    """What was asked, with what, and how far it came."""

    schema_version: Literal[1]
    status: Literal["interrupted", "complete"]
    auditor: str = Field(description="version of the package")
    created: str = Field(description="UTC, ISO 8601")
    command: str
    request_id: Sha256 = Field(description="equal requests share it")
    request: dict[str, Any] = Field(description="options that identify the audit")
    arguments: dict[str, Any] | None = Field(None, description="what else asks for the same audit again")
    engine: dict[str, str]
    environment: dict[str, str]
    renders: tuple[Render, ...]
    renders_reason: str
    first_rendered: dict[str, str] = Field(description="by rendering; empty with --private")
    series: Annotated[tuple[SeriesEntry, ...], Field(min_length=1)]
    probes: Annotated[tuple[ProbeEntry, ...], Field(min_length=1)]
    finished: tuple[Finished, ...]
    timings: dict[str, Timings] = Field(description="by checkpoint")
    work: dict[str, Work] = Field({}, description="by checkpoint")
    tokens: Literal["all", "sample", "none"] = Field("all", description="the items whose tokens are in the tables")
    tokens_items: int | None = Field(None, ge=0, description="how many items these are")
    package: Sha256 | None = Field(None, description="hash of the package's code and templates")
    files: dict[str, Sha256] = Field({}, description="hashes of tables and results, once the run is complete")
    training: InTraining | None = Field(None, description="where a model was audited while it was trained")
    attributions: tuple[AttributedWith, ...] = Field((), description="methods that audit attribute was asked for")
