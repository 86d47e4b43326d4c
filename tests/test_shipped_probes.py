"""The shipped probes have the form and the size their datasheets and the README promise."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from auditor.adapters.probe_files.lexicon import Axis, Lexicon
from auditor.adapters.probe_files.pair_writing import json_line
from auditor.adapters.probe_files.probe_folders import (
    TIERS,
    ProbeFolder,
    Tier,
    build_probe,
    read_folder,
    stream_rows,
)
from auditor.adapters.probe_files.probes import shipped_probes
from auditor.adapters.probe_files.sentences import Sentences
from auditor.cli.asked_probes import DEFAULT_PROBES
from auditor.core.items import Item
from auditor.core.naming import with_names

ROOT = Path(__file__).resolve().parent.parent
# SHA-256 of each shipped probe's rows, as lines of pairs.jsonl, by version and tier.
ROWS = Path(__file__).with_name("shipped_rows.json")
# How many texts that are on the axes asked by default, which the package tells.
SIZES = ROOT / "probes" / "sizes.json"
GENDER = {
    "transgender people": "cisgender people", "trans women": "cis women", "trans men": "cis men",
    "nonbinary people": "cisgender people", "genderqueer people": "cisgender people",
    "agender people": "cisgender people", "genderfluid people": "cisgender people",
    "two-spirit people": "cisgender people",
}  # fmt: skip
THEMES = {
    "pathologising", "criminality-danger", "immorality", "deception", "sexualisation", "incompetence", "burden",
    "unnaturalness", "rejection", "tragedy",
}  # fmt: skip
AXES = {
    "gender", "sexual-orientation", "religion", "race-ethnicity", "disability", "age", "nationality", "body-size",
    "class",
}  # fmt: skip
AFFIRMATION = {"pronouns", "pronouns-distant", "names", "titles", "recognition", "kinship", "replies"}
# Words without content of their own, which clusters may share.
FUNCTION_WORDS = frozenset(
    {
        "a",
        "about",
        "an",
        "around",
        "as",
        "at",
        "be",
        "by",
        "down",
        "every",
        "for",
        "from",
        "in",
        "like",
        "more",
        "most",
        "of",
        "on",
        "others",
        "our",
        "out",
        "than",
        "the",
        "their",
        "themselves",
        "they",
        "to",
        "under",
        "up",
        "us",
        "what",
        "who",
        "with",
    }
)


@cache
def folder(name: str) -> ProbeFolder:
    return read_folder(ROOT / "probes" / name)


def rows(name: str, tier: Tier, axes: tuple[str, ...] = ()) -> tuple[Item, ...]:
    return built(name, tier, axes or folder(name).default_axes)


@cache
def built(name: str, tier: Tier, axes: tuple[str, ...]) -> tuple[Item, ...]:
    return build_probe(folder(name), tier, axes).items


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows that were looked at once: a sum of their lines, how many texts are on the axes asked by default, all ids."""

    sha256: str
    texts: int
    ids: tuple[str, ...]


def counted(items: Iterable[Item], default_axes: tuple[str, ...]) -> Counted:
    digest, texts, ids = hashlib.sha256(), 0, []
    for item in items:
        digest.update(json_line(item).encode())
        texts += len(item.candidates) if item.axis in default_axes else 0
        ids.append(item.id)
    return Counted(digest.hexdigest(), texts, tuple(ids))


@cache
def counted_full(name: str) -> Counted:
    """Of the full tier, which is large, the axes asked by default; nothing keeps the rows."""
    axes = folder(name).default_axes
    return counted(stream_rows(folder(name), "full", axes), axes)


def material(name: str) -> tuple[Lexicon, Sentences]:
    found = folder(name)
    assert found.lexicon is not None
    assert found.sentences is not None
    return found.lexicon, found.sentences


def words(text: str) -> list[str]:
    return re.findall(r"[a-z'-]+", text.lower())


def sides(item: Item) -> tuple[str, str]:
    assert item.pair is not None
    harmful, affirming = (item.candidates[at].text for at in item.pair)
    return harmful, affirming


def test_the_default_probes_are_shipped() -> None:
    assert set(DEFAULT_PROBES) <= set(shipped_probes())


def test_default_audit_asks_at_most_50_000_texts_in_both_renderings() -> None:
    probes = [with_names(build_probe(folder(name), "standard")) for name in DEFAULT_PROBES]
    assert 2 * sum(len(item.candidates) for probe in probes for item in probe.items) <= 50_000


def stigma_rows(axis: Axis) -> int:
    """Rows of all variants: two clusters a predicate, but one for control identities."""
    lexicon, sentences = material("stigma")
    (section,) = sentences.sections
    asked = [one for one in section.predicates if axis.name not in one.except_axes]
    variants = sum(len(one.wordings) for one in asked) * len(section.frames) * 3
    return variants * (2 * len(axis.identities) + len(lexicon.controls))


def test_datasheets_tell_the_numbers() -> None:
    text = (ROOT / "probes" / "stigma" / "README.md").read_text(encoding="utf-8")
    for axis in material("stigma")[0].axes:
        roles = [one.role for one in axis.identities]
        asked = sum(axis.name not in one.except_axes for one in material("stigma")[1].sections[0].predicates)
        numbers = (f"`{axis.name}`", roles.count("marked"), roles.count("reference"), asked, f"{stigma_rows(axis):,}")
        assert f"| {' | '.join(map(str, numbers))} |" in text
    other = (ROOT / "probes" / "affirmation" / "README.md").read_text(encoding="utf-8")
    for tier in TIERS[1:]:
        assert f"{len(rows('affirmation', tier)):,}" in other
    for name, sheet in (("stigma", text), ("affirmation", other)):
        assert f"Version {folder(name).card.version}" in sheet


@pytest.mark.slow
def test_the_full_tier_has_as_many_rows_as_its_datasheet_tells() -> None:
    own = {axis.name: axis for axis in material("stigma")[0].axes}
    assert len(counted_full("stigma").ids) == sum(stigma_rows(own[name]) for name in folder("stigma").default_axes)
    # Not all predicates are asked of age.
    assert sum(1 for _ in stream_rows(folder("stigma"), "full", ("age",))) == stigma_rows(own["age"])


def test_stigma_has_what_it_takes() -> None:
    lexicon, sentences = material("stigma")
    (section,) = sentences.sections
    themes = Counter(one.theme for one in section.predicates)
    assert set(themes) == THEMES
    assert set(themes.values()) == {12}
    for predicate in section.predicates:
        assert predicate.neutral is not None
        assert len(predicate.wordings) == len(predicate.neutral.wordings) == 5
    assert [bool(frame.messages) for frame in section.frames] == [False] * 6 + [True] * 2
    assert {axis.name for axis in lexicon.axes} == AXES
    gender = next(axis for axis in lexicon.axes if axis.name == "gender")
    assert {one.name: one.reference for one in gender.identities if one.role == "marked"} == GENDER
    for axis in lexicon.axes:
        assert {len(one.surfaces) for one in axis.identities} == {3}
        assert all(one.who for one in axis.identities), "any two axes can be crossed"
        asked = Counter(one.theme for one in section.predicates if axis.name not in one.except_axes)
        assert sum(count >= 12 for count in asked.values()) >= (5 if axis.name == "age" else 7)
    named = [one for one in lexicon.controls if one.name != "people"]
    assert len(named) >= 12
    assert len(lexicon.controls) == len(named) + 1


def test_affirmation_has_what_it_takes() -> None:
    lexicon, sentences = material("affirmation")
    pronouns = next(axis for axis in lexicon.axes if axis.name == "pronouns")
    families = {one.name.split("/")[0] for one in pronouns.identities}
    assert families == {"he", "she", "they", "xe", "ze", "ey", "fae", "it"}
    assert {one.name for one in pronouns.identities if one.role == "reference"} == {"he/him", "she/her"}
    harm = [section for section in sentences.sections if section.valence == "harm"]
    assert len({frame.context for section in harm for frame in section.frames}) >= 24
    for section in sentences.sections:
        assert {len(one.wordings) for one in section.predicates} == {2}


@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_affirmation_has_twelve_predicates_and_controls_in_every_theme_of_every_identity(tier: Tier) -> None:
    clusters: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for item in rows("affirmation", tier):
        if item.role == "marked":
            clusters[item.identity, item.theme][item.valence].add(item.cluster)
    assert {theme for _, theme in clusters} == AFFIRMATION
    for who, found in clusters.items():
        assert {valence: len(names) for valence, names in found.items()} == {"harm": 12, "neutral": 12}, who


def test_it_is_only_ever_a_pronoun_that_somebody_declared() -> None:
    _, sentences = material("affirmation")
    assert not any("it/its" in section.against for section in sentences.sections)
    for item in rows("affirmation", "full"):
        if item.axis == "pronouns" and item.identity != "it/its":
            assert {"it", "its", "itself"}.isdisjoint(words(" ".join(sides(item)))), item.id


def test_affirmation_asks_at_most_8_000_texts() -> None:
    probe = build_probe(folder("affirmation"), "standard")
    own, all_texts = (sum(len(item.candidates) for item in one.items) for one in (probe, with_names(probe)))
    assert all_texts <= 8_000
    text = (ROOT / "probes" / "affirmation" / "README.md").read_text(encoding="utf-8")
    assert f"{own:,} texts" in text
    assert f"{all_texts:,}" in text


def test_a_distant_pronoun_stands_sentences_or_clauses_after_a_declaration_of_the_near_ones() -> None:
    _, sentences = material("affirmation")
    near, far = (next(one for one in sentences.sections if one.name == f"pronouns{end}") for end in ("", "-distant"))
    for close, distant in zip(near.frames, far.frames, strict=True):
        declared, bare = close.context.removesuffix("."), close.baseline.removesuffix(".")
        assert distant.context.startswith(declared)
        assert distant.baseline.startswith(bare)
        between = distant.context.removeprefix(declared)
        assert between == distant.baseline.removeprefix(bare)
        assert "{" not in between
        assert len(words(between)) >= 15
    case = re.compile(r"\{(\w+)\}")
    cases = [
        [case.findall(word["affirming"]) for one in part.predicates for word in one.wordings] for part in (near, far)
    ]
    assert cases[0] == cases[1]


@pytest.mark.parametrize(
    "section", ["names-feminine", "names-masculine", "names-neutral", "towns", "kinship", "replies"]
)
def test_a_word_that_differs_between_sides_belongs_to_one_cluster(section: str) -> None:
    _, sentences = material("affirmation")
    own = {one.name for part in sentences.sections if part.name == section for one in part.predicates}
    differing: dict[str, set[str]] = defaultdict(set)
    for item in rows("affirmation", "full"):
        if item.cluster in own:
            harmful, affirming = map(set, map(words, sides(item)))
            differing[item.cluster] |= harmful ^ affirming
    assert set(differing) == own
    for one, other in combinations(differing, 2):
        assert differing[one].isdisjoint(differing[other]), (one, other)


def test_titles_and_kinship_terms_are_those_of_the_reference_or_of_neither_gender() -> None:
    lexicon, sentences = material("affirmation")
    gender = next(axis for axis in lexicon.axes if axis.name == "gender")
    forms = {one.name: [dict(surface) for surface in one.surfaces] for one in gender.identities}
    terms = {slot for slot in forms["cis women"][0] if f"not_{slot}" in forms["cis women"][0]}
    assert len(terms) == 13
    women, men = forms["cis women"][0], forms["cis men"][0]
    for slot in terms:
        assert (women[f"not_{slot}"], men[f"not_{slot}"]) == (men[slot], women[slot])
        for trans, cis in (("trans women", women), ("trans men", men)):
            assert {surface[slot] for surface in forms[trans]} == {cis[slot]}
        for name in ("nonbinary people", "genderqueer people", "agender people", "genderfluid people"):
            assert {women[slot], men[slot]} == {surface[f"not_{slot}"] for surface in forms[name]}
            assert {women[slot], men[slot]}.isdisjoint(surface[slot] for surface in forms[name])
    kinship = next(section for section in sentences.sections if section.name == "kinship")
    assert set(forms) - set(kinship.identities) == {"transgender people", "two-spirit people"}


def test_sides_have_equal_words() -> None:
    for name in DEFAULT_PROBES:
        for item in rows(name, "standard", folder(name).axes):
            if item.design == "text_swap" and item.role != "control":
                harmful, affirming = sides(item)
                assert len(harmful.split()) == len(affirming.split()), item.id
    (section,) = material("stigma")[1].sections
    for one in section.predicates:
        for wording in (*one.wordings, *(one.neutral.wordings if one.neutral else ())):
            assert len(wording["harmful"].split()) == len(wording["affirming"].split()), wording


def test_neutral_twins_have_the_words_of_their_predicate() -> None:
    for _, sentences in map(material, DEFAULT_PROBES):
        for section in sentences.sections:
            for one in section.predicates:
                for own, twin in zip(one.wordings, one.neutral.wordings if one.neutral else (), strict=False):
                    for side in ("harmful", "affirming"):
                        assert len(own[side].split()) == len(twin[side].split()), (own, twin)


def test_stigma_clusters_share_no_word_that_differs_between_sides() -> None:
    owner: dict[str, str] = {}
    (section,) = material("stigma")[1].sections
    for predicate in section.predicates:
        for cluster in filter(None, (predicate, predicate.neutral)):
            for wording in cluster.wordings:
                harmful, affirming = (set(words(wording[side])) for side in ("harmful", "affirming"))
                for word in (harmful ^ affirming) - FUNCTION_WORDS:
                    assert owner.setdefault(word, cluster.name) == cluster.name, (word, cluster.name, owner[word])


@pytest.mark.parametrize("name", DEFAULT_PROBES)
@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_every_marked_row_has_its_reference_and_nothing_but_the_identity_differs(name: str, tier: Tier) -> None:
    items = rows(name, tier)
    references: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.role == "reference" and not item.is_baseline:
            references[item.match].append(item)
    for item in items:
        if item.is_baseline or item.role == "reference":
            continue
        partners = references[item.match]
        assert partners, item.id
        for partner in partners:
            own = (item.cluster, item.paraphrase, item.frame, item.valence, item.design)
            assert own == (partner.cluster, partner.paraphrase, partner.frame, partner.valence, partner.design)
            if item.design == "text_swap":
                assert item.candidates == partner.candidates
                assert item.context.replace(item.surface, "X") == partner.context.replace(partner.surface, "X")


@pytest.mark.parametrize("tiers", [TIERS[:2], pytest.param(TIERS, marks=pytest.mark.slow)], ids=["smaller", "all"])
@pytest.mark.parametrize("name", shipped_probes())
def test_rows_of_a_version_are_the_same_to_the_byte(name: str, tiers: tuple[Tier, ...]) -> None:
    counts = {tier: counted_tier(name, tier) for tier in tiers}
    for file, told_of in ((ROWS, "sha256"), (SIZES, "texts")):
        found = {tier: getattr(one, told_of) for tier, one in counts.items()}
        assert found.items() <= told(file, name, found).items(), (
            "rows changed: results are no longer comparable. Raise the version in card.yaml, then write the tables: "
            "UPDATE_ROWS=1 python -m pytest -m 'slow or not slow' tests/test_shipped_probes.py"
        )


def counted_tier(name: str, tier: Tier) -> Counted:
    own = folder(name)
    if tier == "full":
        return counted_full(name)
    return counted(rows(name, tier, own.axes), own.default_axes)


def told(file: Path, name: str, found: dict[str, object]) -> dict[str, object]:
    """What a table says of a probe's version, written anew from all tiers where that is asked for."""
    table = json.loads(file.read_text(encoding="utf-8"))
    version = f"{name} {folder(name).card.version}"
    if os.environ.get("UPDATE_ROWS") and tuple(found) == TIERS:
        kept = {key: value for key, value in table.items() if not key.startswith(f"{name} ")}
        table = dict(sorted({**kept, version: found}.items()))
        file.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    own: dict[str, object] = table.get(version, {})
    return own


@pytest.mark.parametrize("name", DEFAULT_PROBES)
def test_smaller_tiers_nest_and_ids_are_unique(name: str) -> None:
    quick, standard = ([item.id for item in rows(name, tier)] for tier in TIERS[:2])
    assert set(quick) <= set(standard)
    assert len(set(standard)) == len(standard)


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFAULT_PROBES)
def test_the_full_tier_holds_the_standard_one_and_ids_are_unique(name: str) -> None:
    every = counted_full(name).ids
    assert {item.id for item in rows(name, "standard")} <= set(every)
    assert len(set(every)) == len(every)
