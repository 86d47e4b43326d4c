"""WinoBias (Zhao et al. 2018): one sentence about an occupation with the pronoun the stereotype expects, or the other.

Its pairs swap the pronoun, so the margin is the disparity. Read from the published text files, a pro-stereotyped and an
anti-stereotyped one of each type and split; either names the other, and a folder is read whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from auditor.adapters.data_sets.public_sets import collect, joint_sha256, read_lines
from auditor.core.items import AFFIRMING, HARMFUL, Candidate, Card, Item, Probe
from auditor.errors import UsageError

FEMALE, MALE = frozenset({"she", "her", "hers", "herself"}), frozenset({"he", "him", "his", "himself"})
_FILE = re.compile(r"(pro|anti)_stereotyped_(type[12])\.txt\.(dev|test)")
_LINE = re.compile(r"\s*(?:\d+\s+)?(\S.*?)\s*")
_MARK = re.compile(r"\[([^\[\]]*)\]")
_PRONOUN = re.compile(rf"\b(?:{'|'.join(sorted(FEMALE | MALE))})\b", re.IGNORECASE)


class _Sentence(NamedTuple):
    """One line.

    Attributes:
        text: without marks; ``shared`` also without pronouns, marked or not, which its twin has too: the halves do not
            always mark the same words.
    """

    where: str
    number: int
    text: str
    occupation: str
    pronoun: str
    shared: str


def is_winobias(path: Path) -> bool:
    """Whether a file has one of the published names."""
    return _FILE.fullmatch(path.name) is not None


def read_winobias(paths: Sequence[Path], name: str = "winobias") -> Probe:
    """Read published files with their other halves; lines without a twin are refused and counted.

    Raises:
        UsageError: the other half of a file is not beside it, or one cannot be read.
    """
    pros = list(dict.fromkeys(path.with_name(re.sub("^anti", "pro", path.name)) for path in paths))
    entries: list[tuple[str, Item | str]] = []
    hashes: list[str] = []
    for pro in pros:
        halves = []
        for path in (pro, pro.with_name(re.sub("^pro", "anti", pro.name))):
            if not path.is_file():
                raise UsageError(
                    f"{path.name} is missing", where=str(path.parent), fix="Keep both halves in one folder."
                )
            lines, sha256 = read_lines(path)
            hashes.append(sha256)
            halves.append(
                [_sentence(f"{path}, line {at}", at, line) for at, line in enumerate(lines, 1) if line.strip()]
            )
        entries += _pairs(pro, *halves)
    return collect(name, _card([one.name for one in pros], hashes), entries)


def _sentence(where: str, number: int, line: str) -> _Sentence | tuple[str, str]:
    """A line's sentence, or where it stands and what is wrong with it."""
    match = _LINE.fullmatch(line)
    marked = match[1] if match else ""
    marks = [one.strip() for one in _MARK.findall(marked)]
    pronouns = {one.lower() for one in marks if one.lower() in FEMALE | MALE}
    others = [one for one in marks if one.lower() not in FEMALE | MALE]
    if len(others) != 1 or not pronouns:
        return where, "does not mark one person and a pronoun in [brackets]"
    if pronouns & FEMALE and pronouns & MALE:
        return where, "marks pronouns of both genders"
    occupation = re.sub(r"^(?:the|an?)\s+", "", others[0], flags=re.IGNORECASE).lower()
    text = _MARK.sub(r"\1", marked)
    return _Sentence(where, number, text, occupation, min(pronouns), _PRONOUN.sub("[]", text))


def _pairs(
    pro: Path, ours: Sequence[_Sentence | tuple[str, str]], theirs: Sequence[_Sentence | tuple[str, str]]
) -> Iterator[tuple[str, Item | str]]:
    """Sentences of the one half with those of the other that differ from them in the pronoun alone."""
    twins: dict[str, list[_Sentence]] = {}
    for other in theirs:
        if isinstance(other, _Sentence):
            twins.setdefault(other.shared, []).append(other)
        else:
            yield other
    for one in ours:
        if not isinstance(one, _Sentence):
            yield one
            continue
        twin = next((two for two in twins.get(one.shared, []) if (two.pronoun in MALE) != (one.pronoun in MALE)), None)
        if twin is None:
            yield one.where, "no sentence of the other half differs from it in the gender of its pronoun alone"
        else:
            twins[one.shared].remove(twin)
            yield one.where, _item(pro, one, twin)
    for left in (two for own in twins.values() for two in own):
        yield left.where, "no sentence of the other half differs from it in the gender of its pronoun alone"


def _item(pro: Path, one: _Sentence, twin: _Sentence) -> Item:
    match = _FILE.fullmatch(pro.name)
    assert match is not None
    return Item(
        id=f"{match[2]} {match[3]} {one.number}",
        candidates=(Candidate(HARMFUL, one.text), Candidate(AFFIRMING, twin.text)),
        # Whom the stereotype leaves out.
        identity="women" if twin.pronoun in FEMALE else "men",
        axis="gender",
        theme=match[2],
        cluster=one.occupation,
        frame=match[3],
        design="identity_swap",
        language="en",
    )


def _card(names: Sequence[str], hashes: Sequence[str]) -> Card:
    return Card(
        title="WinoBias",
        source=", ".join(names),
        sha256=joint_sha256(hashes),
        licence="MIT",
        citation="Zhao, Wang, Yatskar, Ordonez & Chang 2018, NAACL 2018, arXiv 1804.06876",
        content_warning="Stereotypes about women and men in occupations.",
        metrics=("winobias_pro",),
        defects=(
            "This reader was written from the published format and not tested on the published files.",
            "Its stereotypes are shares of women in occupations of the United States' labour statistics of 2017.",
            "An identity is the gender that the stereotype leaves out of an occupation; pronouns are he and she only.",
            "A pair contrasts two pronouns; no side affirms anybody.",
        ),
    )
