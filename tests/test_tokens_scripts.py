"""auditor.adapters.hf.tokens on what is not plain English: emoji, marks, other scripts, other alphabets."""

from __future__ import annotations

import pytest
from token_cases import bpe, encoded, names, plain
from tokenizers import normalizers
from transformers import PreTrainedTokenizerFast

ACUTE, GRAVE = "\u0301", "\u0300"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
TEXTS = {
    "emoji": ("I feel ", "\U0001f600", "\U0001f308"),
    "emoji_with_skin": (" ok", " \U0001f44d\U0001f3fd", " \U0001f44d\U0001f3ff"),
    "zwj_sequence": ("My family: ", FAMILY, "\U0001f469\u200d\U0001f467"),
    "boundary_inside_zwj": ("\U0001f468\u200d", "\U0001f469\u200d\U0001f467", "\U0001f467"),
    "flags": ("", "\U0001f1e9\U0001f1ea", "\U0001f1e9\U0001f1f0"),
    "combining": ("cafe", f"{ACUTE} noir", f"{GRAVE} noir"),
    "stacked_marks": ("o", f"{GRAVE}{ACUTE}", f"{ACUTE}{GRAVE}x"),
    "hebrew": ("\u05d4\u05df ", "\u05d8\u05d5\u05d1\u05d5\u05ea", "\u05e8\u05e2\u05d5\u05ea"),
    "arabic_with_marks": ("\u0647\u0645 ", "\u0637\u064e\u064a\u0651\u0628", "\u0633\u064a\u0651\u0626"),
    "bidi_controls": ("x\u200f", "\u202b\u05d0\u202c", "\u2067\u05d1\u2069"),
    "chinese": ("\u4ed6\u4eec", "\u5f88\u597d", "\u4e0d\u597d"),
    "hangul_jamo": ("\u1112", "\u1161\u11ab", "\u1165"),
    "no_break_spaces": ("a\u00a0", "\u2003b", "c\u3000"),
    "controls": ("a\x00", "\x01b", "\x7f"),
    "line_ends": ("a\r\n", "b\u2028", "\u0085c"),
    "beyond_the_plane": ("\U00010348 ", "\U00020000", "\U0001f9d1"),
}


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.parametrize("end", ["auto", "eos"])
def test_every_character_is_scored(
    case: str, end: str, byte_tokenizer: PreTrainedTokenizerFast, metaspace_tokenizer: PreTrainedTokenizerFast
) -> None:
    context, *texts = TEXTS[case]
    for tokenizer in (bpe(), byte_tokenizer, metaspace_tokenizer, bpe(normalizer=normalizers.NFC())):
        # `encoded` checks every rule; here that no candidate was lost on the way to them.
        assert len(encoded(tokenizer, plain(context, *texts), end).spans) == len(texts)


def test_tokens_of_one_emoji_share_its_character() -> None:
    # U+1F600 is F0 9F 98 80: four byte tokens, one character.
    result = encoded(bpe(), plain("x", "\U0001f600", "y"))
    assert len(result.spans[0].tokens) == 4
    assert result.spans[0].starts.tolist() == [0, 0, 0, 0]
    assert result.spans[0].ends.tolist() == [1, 1, 1, 1]


def test_token_that_holds_a_space_and_half_an_emoji_straddles(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    # The trained merges join a space with the first two bytes of an emoji.
    result = encoded(byte_tokenizer, plain("x ", "\U0001f600", "\U0001f308"))
    assert result.straddles
    assert names(result)[0][0].startswith("Ġð")


class TestCombiningMarks:
    def test_without_normaliser_the_mark_is_a_token_of_its_own(self) -> None:
        # U+0301 is CC 81: two bytes after the e of the context.
        result = encoded(bpe(), plain("cafe", ACUTE, GRAVE))
        assert [len(span.tokens) for span in result.spans] == [2, 2]
        assert not result.straddles

    def test_composed_letter_straddles(self) -> None:
        # NFC makes one letter of the context's e and the candidate's accent; its offsets leave the
        # accent out, so a reader of offsets alone would find the candidate empty.
        tokenizer = bpe(normalizer=normalizers.NFC())
        assert tokenizer(f"e{ACUTE}", return_offsets_mapping=True)["offset_mapping"] == [(0, 1), (0, 1)]
        result = encoded(tokenizer, plain("cafe", ACUTE, GRAVE))
        assert result.straddles
        # e with acute is C3 A9, with grave C3 A8: the first bytes are equal, both letters are scored whole.
        assert [len(span.tokens) for span in result.spans] == [2, 2]
        assert [(span.starts.tolist(), span.ends.tolist()) for span in result.spans] == [([0, 0], [1, 1])] * 2

    def test_composed_letter_that_both_share_is_scored(self) -> None:
        result = encoded(bpe(normalizer=normalizers.NFC()), plain("cafe", f"{ACUTE} x", f"{ACUTE} y"))
        assert result.straddles
        assert [len(span.tokens) for span in result.spans] == [4, 4]

    def test_only_one_side_composes(self) -> None:
        result = encoded(bpe(normalizer=normalizers.NFC()), plain("cafe", ACUTE, "s"))
        # C3 A9 against e s: scored from where they differ, the context's e included.
        assert [len(span.tokens) for span in result.spans] == [2, 2]
        assert names(result)[1] == ["e", "s"]

    def test_syllable_composed_of_letters_straddles(self) -> None:
        # Hangul letters are no marks, and compose all the same: U+1112 U+1161 become U+D558.
        assert encoded(bpe(normalizer=normalizers.NFC()), plain("\u1112", "\u1161", "\u1165")).straddles


def test_right_to_left_offsets_follow_logical_order() -> None:
    result = encoded(bpe(), plain("\u05d4\u05df ", "\u05d8\u05d5", "\u05e8\u05e2"))
    # The context's space is a token; each Hebrew letter is two bytes.
    assert result.spans[0].starts.tolist() == [0, 0, 1, 1]
