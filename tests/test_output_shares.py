"""A margin by the parts its tokens play: exact, for every tokenizer's cuts, baselines included."""

from __future__ import annotations

import numpy as np
import pytest
from fake_scores import probe_of
from hypothesis import given
from hypothesis import strategies as st

from auditor.core import output_shares
from auditor.core.attributions import Unit, by_role
from auditor.core.items import Candidate, Item
from auditor.core.output_shares import role_shares, token_shares
from auditor.core.scores import CandidateScore, CheckpointScores, ScoredItem
from auditor.core.tables import ScoreTable, line_up
from auditor.core.words import WORD_ROLES, Word


def _item(name: str, harmful: str, affirming: str, **fields: str) -> Item:
    candidates = (Candidate("harmful", harmful), Candidate("affirming", affirming))
    return Item(name, candidates, cluster=name, **fields)  # type: ignore[arg-type]


def _scored(item: Item, cuts: list[list[int]], logprobs: list[list[float]]) -> ScoredItem:
    """Candidates cut at these characters."""
    sides = []
    for candidate, ends, values in zip(item.candidates, cuts, logprobs, strict=True):
        begins = [0, *ends[:-1]]
        tokens = tuple(candidate.text[begin:end] for begin, end in zip(begins, ends, strict=True))
        ids = np.arange(len(ends)) + 1
        spans = np.array(begins), np.array(ends), np.array(values)
        sides.append(CandidateScore(candidate.label, np.array([0]), ids, tokens, *spans, len(candidate.text)))
    return ScoredItem(item, "plain", item.context, tuple(sides))


def _table(*scored: ScoredItem) -> ScoreTable:
    scores = CheckpointScores("base", {("probe", "plain", one.item.id): one for one in scored})
    return line_up(probe_of(*(one.item for one in scored)), "plain", [scores])


# Tokens " are", " cru", "el", "." and then the end of the turn, which stands behind the text.
CRUEL = _scored(
    _item("1", " are cruel.", " are kind."),
    [[4, 8, 10, 11, 11], [4, 9, 10, 10]],
    [[-1.0, -2.0, -0.5, -0.25, -3.0], [-1.0, -4.0, -0.125, -1.0]],
)


def _shares(table: ScoreTable) -> np.ndarray:
    return role_shares(table, np.ones(len(table.items), dtype=bool))


def _told(shares: np.ndarray) -> dict[str, float]:
    return {role: float(value) for role, value in zip(WORD_ROLES, shares, strict=True) if value}


def test_each_role_holds_the_tokens_of_its_words() -> None:
    # predicate: (-2 - 0.5) - (-4); punctuation: -0.25 + 0.125; end: -3 + 1; the shared word cancels.
    shares = _shares(_table(CRUEL))
    assert _told(shares[0, 0]) == {"predicate": 1.5, "punctuation": -0.125, "end": -2.0}
    assert shares[0, 0].sum() == _table(CRUEL).sides.margins()[0, 0]


def test_tokens_come_with_their_signs_places_and_roles() -> None:
    shares = token_shares(_table(CRUEL), 0, "base")
    assert [(unit.name, unit.candidate, unit.role) for unit in shares.units][:5] == [
        (" are", "harmful", "frame"),
        (" cru", "harmful", "predicate"),
        ("el", "harmful", "predicate"),
        (".", "harmful", "punctuation"),
        ("", "harmful", "end"),
    ]
    assert shares.values.tolist() == [-1.0, -2.0, -0.5, -0.25, -3.0, 1.0, 4.0, 0.125, 1.0]
    assert shares.completeness_error == 0


def test_a_token_over_two_words_counts_for_the_longer_part_and_white_space_for_the_next_word() -> None:
    item = _item("1", " we hate  them", " we like  them", surface="them")
    scored = _scored(item, [[4, 8, 9, 14], [8, 10, 14]], [[-1.0, -2.0, -4.0, -8.0], [-1.0, -2.0, -4.0]])
    # " we " frame, "hate" predicate, " " and " them" identity; " we like" predicate, "  " and "them" identity.
    assert _told(_shares(_table(scored))[0, 0]) == {"frame": -1.0, "predicate": -1.0, "identity": -6.0}


def test_a_context_s_last_tokens_are_frame_and_what_closes_the_turn_is_its_end() -> None:
    # Where a token straddles the boundary, scoring starts before the candidate: such tokens hold nothing of it.
    scored = _scored(_item("1", "bad", "fine"), [[0, 3, 3], [0, 4, 4]], [[-1.0, -2.0, -4.0], [-1.5, -2.5, -3.0]])
    assert _told(_shares(_table(scored))[0, 0]) == {"frame": 0.5, "predicate": 0.5, "end": -1.0}
    assert [unit.role for unit in token_shares(_table(scored), 0, "base").units] == ["frame", "predicate", "end"] * 2


def test_who_a_pair_is_about_matters_where_its_texts_say_so() -> None:
    texts = [[4, 10], [5, 11]], [[-1.0, -2.0], [-2.0, -4.0]]
    nobody, named = (_item(name, " xem people", " them people", surface=name) for name in ("nobody", "people"))
    shares = _shares(_table(_scored(nobody, *texts), _scored(named, *texts)))
    assert _told(shares[0, 0]) == {"pronoun": 1.0, "frame": 2.0}
    assert _told(shares[1, 0]) == {"pronoun": 1.0, "identity": 2.0}


def test_a_baseline_is_subtracted_token_by_token() -> None:
    cuts = [[4], [5]]
    fields = {"design": "responsiveness"}
    declared = _scored(_item("1", " xem", " them", baseline="0", **fields), cuts, [[-1.0], [-2.0]])
    undeclared = _scored(_item("0", " xem", " them", **fields), cuts, [[-4.0], [-0.5]])
    table = _table(declared, undeclared)
    assert [item.id for item in table.items] == ["1"]
    assert _told(_shares(table)[0, 0]) == {"pronoun": table.sides.margins()[0, 0]} == {"pronoun": 4.5}
    assert token_shares(table, 0, "base").values.tolist() == [3.0, 1.5]


def test_tokens_of_a_baseline_play_the_parts_they_play_in_the_row() -> None:
    fields = {"design": "responsiveness"}
    declared = _scored(_item("1", " xem", " them", baseline="0", surface="xem", **fields), [[4], [5]], [[-1.0], [-2.0]])
    # Who says nothing of themselves has no surface.
    undeclared = _scored(_item("0", " xem", " them", **fields), [[4], [5]], [[-4.0], [-0.5]])
    table = _table(declared, undeclared)
    by_token = {unit.name: value for unit, value in zip(*_by_role(table), strict=True)}
    assert _told(_shares(table)[0, 0]) == by_token == {"identity": 3.0, "pronoun": 1.5}


def _by_role(table: ScoreTable) -> tuple[tuple[Unit, ...], list[float]]:
    summed = by_role(token_shares(table, 0, "base"))
    return summed.units, summed.values.tolist()


def test_in_a_long_text_a_token_is_held_against_the_words_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole essay is a candidate too: held against all words of it, a thousand tokens would take a million looks."""
    looks = 0

    def counted(word: Word, begin: int, end: int) -> int:
        nonlocal looks
        looks += 1
        return min(end, word.end) - max(begin, word.start)

    monkeypatch.setattr(output_shares, "_overlap", counted)
    words = 1000
    item = _item("1", " bad" * words, " fine" * words)
    cuts = [[*range(2, size * words + 1, 2)] for size in (4, 5)]
    shares = _shares(_table(_scored(item, cuts, [[-1.0] * len(one) for one in cuts])))
    assert _told(shares[0, 0]) == {"predicate": len(cuts[1]) - len(cuts[0])}
    assert looks <= 2 * sum(map(len, cuts))


def test_what_is_no_pair_has_no_shares() -> None:
    item = Item("1", (Candidate("yes", " yes"), Candidate("no", " no")))
    table = _table(_scored(item, [[4], [3]], [[-1.0], [-2.0]]))
    assert np.isnan(_shares(table)).all()
    with pytest.raises(ValueError, match="no tokens"):
        token_shares(table, 0, "base")


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1)), min_size=1, max_size=6))
def test_roles_add_up_to_the_margin_however_a_text_is_cut(rows: list[tuple[int, int, int]]) -> None:
    scored = []
    for name, (one, other, seed) in enumerate(rows):
        item = _item(str(name), " they are dishonest, never.", " they are honest, always.")
        generator = np.random.default_rng(seed)
        cuts = [
            [*sorted(generator.choice(range(1, len(text.text)), count - 1, replace=False).tolist()), len(text.text)]
            for count, text in zip((one, other), item.candidates, strict=True)
        ]
        scored.append(_scored(item, cuts, [(-generator.exponential(2, len(cut))).tolist() for cut in cuts]))
    table = _table(*scored)
    assert _shares(table).sum(axis=2) == pytest.approx(table.sides.margins(), abs=1e-9)
    for at in range(len(rows)):
        assert abs(token_shares(table, at, "base").completeness_error) < 1e-9
