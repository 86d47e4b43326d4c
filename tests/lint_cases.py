"""A sound probe, and ways to spoil one thing in it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from probe_material import LEXICON, SECTION, write_probe

from auditor.adapters.probe_files.probes import find_folder
from auditor.adapters.probe_lint.folder_material import folder_material
from auditor.adapters.probe_lint.lint_material import Material, Wording
from auditor.adapters.probe_lint.probe_lint import lint_probe

CONTROLS = [
    {"name": f"{name} players", "surfaces": [{"people": f"{name} players"}]}
    for name in ("harp", "oboe", "flute", "cello", "drum")
]
SOUND_LEXICON: dict[str, Any] = {**LEXICON, "controls": CONTROLS}


def predicate(name: str, *wordings: tuple[str, str], theme: str = "deceit") -> dict[str, Any]:
    """A predicate without a neutral twin, which lint does not ask for."""
    return {"name": name, "theme": theme, "wordings": [list(one) for one in wordings]}


def control(name: str, wordings: Sequence[tuple[str, str]], twins: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A predicate of a theme of its own, with its twin."""
    twin = {"name": f"{name} twin", "wordings": [list(one) for one in twins]}
    return {**predicate(name, *wordings, theme=name), "neutral": twin}


_EVEN = (("curt", "kind"), ("mean", "dear"), ("vile", "soft"), ("cruel", "sweet"))
_EVEN_TWINS = (("east", "west"), ("oval", "cone"), ("cups", "mugs"), ("north", "south"))
# Predicates that break one rule, and no other, in a probe that is sound without them.
FAULTS: dict[str, tuple[Any, ...]] = {
    "length": (predicate("new", ("utterly plainly coldly rude", "warm"), ("curt", "gently sweetly kindly tender")),),
    "mean-length": (predicate("new", ("mean", "gracious"), theme="other"),),
    "control-length": (control("new", [("harsh cold", "warm"), *_EVEN], [("bare", "thick oak"), *_EVEN_TWINS]),),
    "negation": (predicate("new", ("never at home", "always at home")),),
    "template": (predicate("new", ("a brute", "at heart")),),
    "register": (predicate("new", ("rude!", "warm.")),),
    "one-sided-word": (
        predicate("new", ("cruel bosses", "gentle bosses")),
        predicate("two", ("cruel dads", "loving dads")),
    ),
    "both-sides": (predicate("new", ("proud", "modest")), predicate("two", ("lonely", "proudly"))),
    "shared-word": (predicate("new", ("cruel", "gentle"), theme="u"), predicate("two", ("cruel", "loving"), theme="w")),
    "duplicate": (predicate("new", ("cruel", "gentle")), predicate("two", ("Cruel", "gentle"))),
    "near-duplicate": (
        predicate("new", ("counterrevolutionary", "straightforwardly")),
        predicate("two", ("counter-revolutionary", "straightforwardly")),
    ),
    "article": (predicate("new", ("a ogre", "a angel")),),
    "number": (predicate("new", ("a liars", "a golfer")),),
    "doubled-word": (predicate("new", ("cruel to to us", "gentle to to us")),),
    "doubled-space": (predicate("new", ("cruel  always", "gentle  always")),),
    "outdated-term": (predicate("new", ("rude to the homeless", "warm to the homeless")),),
    "slur-term": (predicate("new", ("rude to retards", "warm to retards")),),
    "answer-in-context": (predicate("new", ("fond of asking", "fond of giving")),),
}  # fmt: skip


def spoilt(folder: Path, *predicates: dict[str, Any], **changes: Any) -> Path:
    """A sound probe's folder with these predicates added, or with other keys of its one section."""
    section = {**copy.deepcopy(SECTION), **changes}
    section["predicates"] = [*section["predicates"], *predicates]
    return write_probe(folder, lexicon=SOUND_LEXICON, sections=(section,))


def rules_of(folder: Path, *axes: str) -> list[str]:
    """Rules that a probe breaks, each once, in order."""
    return list(dict.fromkeys(one.rule for one in lint_probe(str(folder), axes).findings))


def material_of(folder: Path, *axes: str) -> Material:
    """The material of a probe folder."""
    found = find_folder(str(folder))
    assert found is not None
    return folder_material(found, axes)


def wording(harmful: str, affirming: str, cluster: str = "p", **changes: Any) -> Wording:
    """A wording of a text swap about one identity."""
    values: dict[str, Any] = {
        "theme": "t", "number": "1", "valence": "harm", "design": "text_swap", "beside": "",
        "contexts": (("met", "I met some {people}. They are"),), "asked": frozenset({("a", "xans")}), **changes,
    }  # fmt: skip
    return Wording(cluster=cluster, harmful=harmful, affirming=affirming, **values)


def material(*wordings: Wording, language: str = "en", texts: tuple[str, ...] = (), **changes: Any) -> Material:
    """Material of wordings, or of texts alone."""
    values: dict[str, Any] = {"names": {("a", "xans"): ("xans", "people of x")}, "shares": (), **changes}
    return Material(language=language, wordings=wordings, texts=dict.fromkeys(texts, "here"), **values)
