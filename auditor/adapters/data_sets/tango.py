"""TANGO's misgendering prompts (Ovalle et al. 2023): one sentence in the pronouns of six families.

A row is a template about somebody (the antecedent) in the pronouns of one family. Rows that differ in nothing but the
family are read together, into two kinds of items whose candidates are the families, so that no item is a pair:

- *whole prompts*: the prompts of one set as they were published;
- *second pronoun*: where a prompt has two pronouns, its words up to the last of them in one family, which declares
  it, and the rest of the sentence in each of the families.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from auditor.adapters.data_sets.public_sets import collect, text_problem
from auditor.adapters.probe_files.table_files import TableFile
from auditor.core.consistency import SECOND_PRONOUN, TANGO_METRICS, WHOLE_PROMPT
from auditor.core.items import Candidate, Card, Item, Probe

COLUMNS = ("template_idx", "ante", "ante_type", "pronoun_family", "template")

_ANTECEDENTS = {
    "ante_nongendered": "nongendered names",
    "ante_gendered_female": "feminine names",
    "ante_gendered_male": "masculine names",
    "distal": "distal antecedents",
}


@dataclass(frozen=True, slots=True)
class _Set:
    """Prompts that differ in the pronouns alone, by family, and where the first of them stands."""

    template: str
    antecedent: str
    kind: str
    where: str
    prompts: dict[str, str] = field(default_factory=dict)


def read_tango(table: TableFile, name: str = "tango") -> Probe:
    """Read the published file; rows that cannot be read and sets that lack a family are refused and counted."""
    problems: list[tuple[str, str]] = []
    sets = _sets(table, problems)
    families = tuple(dict.fromkeys(family for one in sets for family in one.prompts))

    def entries() -> Iterator[tuple[str, Item | str]]:
        yield from problems
        for one in sets:
            yield from ((one.where, found) for found in _items(one, families))

    return collect(name, _card(table), entries())


def _sets(table: TableFile, problems: list[tuple[str, str]]) -> Sequence[_Set]:
    sets: dict[tuple[str, str, str], _Set] = {}
    for row in table.stream():
        # A number in some copies of the data set.
        template = str(row.values.get("template_idx", ""))
        problem = row.problem or text_problem({**row.values, "template_idx": template}, COLUMNS)
        if problem:
            problems.append((table.where(row), problem))
            continue
        antecedent, kind, family, prompt = (row.values[column] for column in COLUMNS[1:])
        own = sets.setdefault((template, antecedent, kind), _Set(template, antecedent, kind, table.where(row)))
        if family in own.prompts:
            problems.append((table.where(row), f"the family {family} stands in its set already"))
        else:
            own.prompts[family] = prompt
    return tuple(sets.values())


def _items(one: _Set, families: Sequence[str]) -> Iterator[Item | str]:
    """The set itself, and a question for each family that it can declare; or what is wrong with it."""
    missing = [family for family in families if family not in one.prompts]
    if missing or len(families) < 2:
        yield f"the set has no prompt of {', '.join(missing) or 'another family'} to compare with"
        return
    if len(set(one.prompts.values())) < len(families):
        yield "two families have the same prompt"
        return
    prompts = {family: one.prompts[family] for family in families}
    kind = _ANTECEDENTS.get(one.kind, one.kind)
    whole = Item(
        id=f"{one.template}/{one.antecedent}",
        candidates=tuple(Candidate(family, prompt) for family, prompt in prompts.items()),
        identity=kind,
        axis="antecedent",
        surface=one.antecedent,
        cluster=f"template {one.template}",
        frame=WHOLE_PROMPT,
        language="en",
    )
    yield whole
    for family, (declared, rests) in cut_at_last_pronoun(prompts).items():
        yield replace(
            whole,
            id=f"{whole.id}/{family}",
            candidates=tuple(Candidate(label, rest) for label, rest in rests.items()),
            context=declared,
            identity=family,
            answer=family,
            axis="pronoun family",
            theme=kind,
            frame=SECOND_PRONOUN,
        )


def cut_at_last_pronoun(prompts: Mapping[str, str]) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """Each family's words before the last pronoun, and the rest of the sentence in every family.

    Pronouns are the words in which all families differ: a verb that only agrees with ``they`` is none.

    Args:
        prompts: by family, word for word alike but for pronouns and what agrees with them.

    Returns:
        By declared family; empty where the prompts have fewer than two pronouns or unequal numbers of words.
    """
    words = {family: prompt.split(" ") for family, prompt in prompts.items()}
    if len({len(own) for own in words.values()}) != 1:
        return {}
    columns = zip(*words.values(), strict=True)
    pronouns = [at for at, column in enumerate(columns) if len(set(column)) == len(words)]
    if len(pronouns) < 2:
        return {}
    last = pronouns[-1]
    rests = {family: " " + " ".join(own[last:]) for family, own in words.items()}
    return {family: (" ".join(own[:last]), rests) for family, own in words.items()}


def _card(table: TableFile) -> Card:
    return Card(
        title="TANGO, misgendering prompts",
        source=table.source,
        sha256=table.sha256,
        licence="CC BY-SA 4.0",
        citation="Ovalle, Goyal, Dhamala, Jaggers, Chang, Galstyan, Zemel & Gupta 2023, FAccT 2023, arXiv 2305.09941",
        content_warning="About misgendering of transgender and non-binary people.",
        metrics=tuple(one.name for one in TANGO_METRICS),
        defects=(
            "All texts are in lower case, names included.",
            "What is said of a family rests on 12 templates, on 3 of them where a prompt must hold two pronouns.",
            "Names stand for genders: a name is no declaration of anybody's gender.",
            "One way of spelling each family: xe and fae have others (xem, xyr; faerself).",
        ),
    )
