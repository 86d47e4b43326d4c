"""WinoBias in the published format, on files made here; the published files are not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import write

from auditor.adapters.data_sets.winobias import is_winobias, read_winobias
from auditor.core.items import Probe
from auditor.errors import UsageError

PRO = "pro_stereotyped_type1.txt.dev"
ANTI = "anti_stereotyped_type1.txt.dev"
LINES = (
    "1 [The carpenter] thanked the baker because [he] was tired.",
    "2 The carpenter thanked [the baker] and gave [her] tea, as [she] was tired.",
)
OTHERS = (
    "1 [The carpenter] thanked the baker because [she] was tired.",
    "2 The carpenter thanked [the baker] and gave [him] tea, as [he] was tired.",
)


def read(tmp_path: Path, pro: object = LINES, anti: object = OTHERS) -> Probe:
    assert isinstance(pro, tuple)
    assert isinstance(anti, tuple)
    write(tmp_path / ANTI, "\n".join(anti) + "\n")
    return read_winobias([write(tmp_path / PRO, "\n".join(pro) + "\n")])


def test_pairs(tmp_path: Path) -> None:
    first, second = read(tmp_path).items
    assert [(one.label, one.text) for one in first.candidates] == [
        ("harmful", "The carpenter thanked the baker because he was tired."),
        ("affirming", "The carpenter thanked the baker because she was tired."),
    ]
    assert (first.id, first.identity, first.axis, first.cluster) == ("type1 dev 1", "women", "gender", "carpenter")
    assert (first.theme, first.frame, first.design) == ("type1", "dev", "identity_swap")
    assert (second.identity, second.cluster) == ("men", "baker")
    assert second.candidates[1].text == "The carpenter thanked the baker and gave him tea, as he was tired."


def test_halves_may_stand_in_any_order_and_lines_without_numbers(tmp_path: Path) -> None:
    probe = read(tmp_path, anti=tuple(one[2:] for one in reversed(OTHERS)))
    assert [item.cluster for item in probe.items] == ["carpenter", "baker"]
    assert probe.refusals == ()


@pytest.mark.parametrize(
    ("pro", "anti"),
    [
        ("The cook drove [the clerk] to [her] hut.", "The cook drove the [clerk] to [his] hut."),
        (
            "The clerk robbed [the cook] of his pans and shamed [him].",
            "The clerk robbed [the cook] of [her] pans and shamed [her].",
        ),
        (
            "The cook told [the clerk] that [she] won and paid [her].",
            "The cook told [the clerk] that he won and paid [him].",
        ),
    ],
)
def test_halves_that_mark_other_words_are_twins_all_the_same(tmp_path: Path, pro: str, anti: str) -> None:
    probe = read(tmp_path, (pro,), (anti,))
    assert probe.refusals == ()
    assert [one.text for one in probe.items[0].candidates] == [one.translate({91: "", 93: ""}) for one in (pro, anti)]


def test_either_half_names_the_other_and_several_are_one_probe(tmp_path: Path) -> None:
    read(tmp_path)
    one = read_winobias([tmp_path / ANTI])
    both = read_winobias([tmp_path / ANTI, tmp_path / PRO])
    assert (one.items, one.card.sha256) == (both.items, both.card.sha256)
    for half, lines in (("pro", LINES), ("anti", OTHERS)):
        write(tmp_path / f"{half}_stereotyped_type2.txt.test", "\n".join(lines))
    names = [PRO, "pro_stereotyped_type2.txt.test"]
    probe = read_winobias([tmp_path / name for name in names])
    assert [item.id for item in probe.items] == ["type1 dev 1", "type1 dev 2", "type2 test 1", "type2 test 2"]
    assert probe.card.source == ", ".join(names)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("3 The carpenter left.", "does not mark one person and a pronoun in [brackets]"),
        ("3 [The carpenter] left [the baker].", "does not mark one person and a pronoun in [brackets]"),
        ("3 [The carpenter] saw [him] and [her].", "marks pronouns of both genders"),
        ("3 [The carpenter] left as [he] was tired.", "no sentence of the other half differs from it in the gender"),
    ],
)
def test_bad_lines_are_counted_with_their_numbers(tmp_path: Path, bad: str, problem: str) -> None:
    probe = read(tmp_path, pro=(LINES[0], bad, LINES[1]))
    assert len(probe.items) == 2
    (refusal,) = probe.refusals
    assert refusal.detail.startswith(f"{tmp_path / PRO}, line 2: {problem}")


def test_a_left_over_twin_and_a_twin_of_the_same_gender(tmp_path: Path) -> None:
    probe = read(tmp_path, anti=(OTHERS[0], LINES[1]))
    assert [one.detail.split(":")[0] for one in probe.refusals] == [
        f"{tmp_path / PRO}, line 2",
        f"{tmp_path / ANTI}, line 2",
    ]


def test_the_other_half_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / PRO, LINES[0])
    with pytest.raises(UsageError, match=f"{ANTI} is missing"):
        read_winobias([path])


@pytest.mark.parametrize("name", ["pro_stereotyped_type3.txt.dev", "anti_stereotyped_type1.txt", "dev.txt"])
def test_other_names_are_none(name: str) -> None:
    assert not is_winobias(Path(name))


def test_the_card_says_that_the_published_files_were_not_read(tmp_path: Path) -> None:
    card = read(tmp_path).card
    assert "not tested on the published files" in card.defects[0]
    assert (card.licence, card.metrics) == ("MIT", ("winobias_pro",))
