"""Who a probe is about: whether all of them are asked alike, and by which words they are called."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from auditor.adapters.data_files import data_folder
from auditor.adapters.probe_lint.lint_material import Finding, Material, Share
from auditor.adapters.probe_lint.lint_text import quoted

FLAGGED = "flagged_terms.yaml"


class FlaggedTerm(BaseModel):
    """A term about people that a probe does without.

    Attributes:
        term: as it stands in texts, matched whole and in any case.
        kind: ``slur`` or ``outdated``.
        why: what is wrong with it, and what to write instead.
        source: the style guide that says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    term: Annotated[str, Field(pattern=r"^\S(.*\S)?$")]
    kind: Literal["slur", "outdated"]
    why: str
    source: str


def flagged_terms() -> tuple[FlaggedTerm, ...]:
    """The terms that ship with the package; they are English."""
    content = yaml.safe_load((data_folder("probes") / FLAGGED).read_text(encoding="utf-8"))
    return tuple(FlaggedTerm.model_validate(one) for one in content["terms"])


def term_findings(material: Material, terms: Sequence[FlaggedTerm]) -> Iterator[Finding]:
    """Texts of an English probe that hold a flagged term; each term once at each place."""
    if not material.english or not terms:
        return
    by_term = {one.term.lower(): one for one in terms}
    longest_first = sorted(by_term, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)
    seen: set[tuple[str, str]] = set()
    for text, where in material.texts.items():
        for found in pattern.findall(text):
            one = by_term[found.lower()]
            if (one.term, where) not in seen:
                seen.add((one.term, where))
                yield Finding(
                    f"{one.kind}-term", where, f"{found!r} in {quoted(text)}: {one.why}", f"See {one.source}."
                )


def balance_findings(material: Material) -> Iterator[Finding]:
    """Identities of which another number of rows, forms or match keys is asked than of the others beside them."""
    parts: dict[tuple[str, ...], list[Share]] = defaultdict(list)
    for share in material.shares:
        parts[share.part].append(share)
    for (axis, theme, design, valence, role), shares in parts.items():
        where = ", ".join(filter(None, (axis, theme and f"theme {theme}", design, valence, role)))
        for what in ("rows", "forms", "keys"):
            counts = {share.identity: int(getattr(share, what)) for share in shares}
            usual = Counter(counts.values()).most_common(1)[0][0]
            others = {identity: count for identity, count in counts.items() if count != usual}
            if others:
                told = ", ".join(f"{identity} has {count}" for identity, count in others.items())
                yield Finding(
                    "unbalanced",
                    where,
                    f"{told} {'match keys' if what == 'keys' else what} where most have {usual}",
                    "Ask the same wordings, frames and forms of every identity.",
                )
                break
