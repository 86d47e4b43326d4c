"""Twin of auditor.adapters.hf.tokens: where a candidate begins, and which special tokens stand around it.

In token names Ġ is a space and Ċ a newline.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_factory import make_tokenizer
from token_cases import LOOK_AHEAD, MERGES, adds, bpe, encode, encoded, names, plain
from tokenizers import normalizers, processors
from transformers import PreTrainedTokenizerFast

from auditor.adapters.hf.rendering import Rendered
from auditor.adapters.hf.tokens import Encoded, Encoder, End
from auditor.errors import ModelLoadError, UsageError

CHAT = Rendered("<s>user: hi\nbot: ", ("the cat", "the car"), (0, 0), "</s>\n", has_specials=True)


class TestBoundary:
    def test_clean_boundary_scores_the_candidate_alone(self) -> None:
        result = encoded(bpe(), plain("the", " cat", " car the"))
        assert names(result) == [["Ġcat"], ["Ġcar", "Ġ", "the"]]
        assert [span.ids[: span.start].tolist() for span in result.spans] == [bpe()("the")["input_ids"]] * 2
        assert not result.straddles

    def test_straddling_token_is_scored_whole_and_counted(self) -> None:
        # "the ca" alone ends in Ġ ca; with t or r it becomes Ġcat or Ġcar: both begin in the context.
        result = encoded(bpe(), plain("the ca", "t", "r s"))
        assert names(result) == [["Ġcat"], ["Ġcar", "Ġ", "s"]]
        assert result.straddles
        # Offsets index the candidate: the part of Ġcat that lies in the context is cut off.
        assert (result.spans[0].starts.tolist(), result.spans[0].ends.tolist()) == ([0], [1])

    def test_one_candidate_straddles_and_the_other_does_not(self) -> None:
        # ... Ġcat against ... Ġ ca b: the first token that differs is where the context's space stands.
        result = encoded(bpe(), plain("the ca", "t", "b"))
        assert names(result) == [["Ġcat"], ["Ġ", "ca", "b"]]
        assert result.straddles
        assert result.spans[1].ends.tolist() == [0, 0, 1]

    def test_straddling_token_that_both_share_is_scored_in_both(self) -> None:
        result = encoded(bpe(), plain("the ca", "t a", "t b"))
        assert names(result) == [["Ġcat", "Ġ", "a"], ["Ġcat", "Ġ", "b"]]
        assert result.straddles

    def test_context_that_changes_before_the_straddling_token(self) -> None:
        # Two spaces and a letter split as Ġ Ġc..., before another space as ĠĠ Ġc...: GPT-2's look-ahead.
        result = encoded(bpe((*MERGES, "Ġ Ġ")), plain("a  ", "cat", " cat"))
        assert names(result) == [["Ġ", "Ġcat"], ["ĠĠ", "Ġcat"]]
        assert result.straddles

    def test_straddling_at_the_very_first_token(self) -> None:
        # No token is left as context, so bos_token gives the first one a predecessor.
        result = encoded(bpe(), plain("ca", "t", "r"))
        assert names(result) == [["cat"], ["car"]]
        assert [span.ids.tolist()[0] for span in result.spans] == [0, 0]

    def test_context_ids_that_differ_where_nothing_straddles_are_refused(self) -> None:
        # GPT-2's pattern reads ahead: space, newline, letter are three pieces; before a space the
        # first two are one piece, and a merge makes them one token. No token crosses the boundary.
        assert encode(bpe(), plain("a \n", "b", " cat")) == "boundary"
        # The same through a normaliser that reads ahead.
        assert encode(bpe(normalizer=LOOK_AHEAD), plain("a", " b", " c")) == "boundary"

    def test_candidates_that_differ_in_the_last_token_only(self) -> None:
        result = encoded(bpe(), plain("x", " the cat", " the car"))
        first, second = (span.ids for span in result.spans)
        assert first[:-1].tolist() == second[:-1].tolist()
        assert names(result) == [["Ġ", "the", "Ġcat"], ["Ġ", "the", "Ġcar"]]

    @pytest.mark.parametrize("texts", [(" cat", " cat the"), (" cat the", " cat"), (" ca", " cat")])
    def test_one_candidate_is_a_prefix_of_the_other(self, texts: tuple[str, str]) -> None:
        result = encoded(bpe(), plain("the", *texts))
        assert not result.straddles
        assert result.spans[0].start == 1

    def test_trailing_space_is_scored(self) -> None:
        result = encoded(bpe(), plain("the", " cat ", " cat"))
        assert names(result) == [["Ġcat", "Ġ"], ["Ġcat"]]

    def test_three_candidates_share_one_context(self) -> None:
        result = encoded(bpe(), plain("the ca", "t", "r", "b"))
        assert [span.start for span in result.spans] == [1, 1, 1]

    def test_empty_candidate_is_refused(self) -> None:
        assert encode(bpe(), plain("the", "", " cat")) == "empty_span"
        assert encode(bpe(), plain("the", "", " cat"), "eos") == "empty_span"

    def test_candidate_a_normaliser_removes_is_refused(self) -> None:
        assert encode(bpe(normalizer=normalizers.Strip()), plain("the", " ", " cat")) == "empty_span"

    @pytest.mark.parametrize("end", ["auto", "none", "eos"])
    def test_end_of_turn_alone_is_no_candidate(self, end: str) -> None:
        # White space is removed from the front of an assistant's turn; its end is not the candidate.
        item = replace(CHAT, texts=("", "the cat"), skipped=(1, 0))
        assert encode(bpe(), item, end) == "empty_span"
        # Nor is it where it merges with the end of the context: space and newline are one token.
        assert encode(bpe(), replace(item, context="<s>bot: ", ending="\n"), end) == "empty_span"
        # Nor where a normaliser removes all of a candidate.
        silent = bpe(normalizer=normalizers.Replace("x", ""))
        assert encode(silent, replace(CHAT, texts=("xx", "the cat")), end) == "empty_span"


class TestBos:
    def test_own_call_adds_it(self) -> None:
        for context in ("", "the"):
            result = encoded(bpe(post_processor=adds("<s>")), plain(context, " cat", " car"))
            assert result.spans[0].ids.tolist().count(0) == 1
            assert names(result) == [["Ġcat"], ["Ġcar"]]

    def test_own_call_does_not_add_it(self) -> None:
        with_context = encoded(bpe(), plain("the", " cat", " car"))
        assert 0 not in with_context.spans[0].ids
        without = encoded(bpe(), plain("", "cat", "car"))
        assert [span.ids.tolist()[0] for span in without.spans] == [0, 0]
        assert not without.first_unscored

    def test_none_at_all_leaves_the_first_token_unscored(self) -> None:
        tokenizer = bpe(bos_token=None)
        result = encoded(tokenizer, plain("", "the cat", "a car"))
        assert result.first_unscored
        assert names(result) == [["Ġcat"], ["Ġcar"]]
        assert result.spans[0].ids.tolist() == tokenizer("the cat")["input_ids"]
        assert not encoded(tokenizer, plain("x", "the cat", "a car")).first_unscored

    @pytest.mark.parametrize("end", ["none", "eos"])
    def test_single_token_without_predecessor_is_refused(self, end: str) -> None:
        # With EOS appended something would be scored, but nothing of the candidate.
        assert encode(bpe(bos_token=None), plain("", "cat", "the cat"), end) == "no_first_token"

    def test_template_that_writes_it_is_not_doubled(self) -> None:
        result = encoded(bpe(post_processor=adds("<s>")), CHAT)
        assert result.spans[0].ids.tolist().count(0) == 1

    def test_template_that_does_not_write_it_gets_none(self) -> None:
        item = replace(CHAT, context="user: hi\nbot: ")
        assert 0 not in encoded(bpe(post_processor=adds("<s>")), item).spans[0].ids


class TestEnd:
    def test_eos_of_the_own_call_is_removed(self) -> None:
        tokenizer = bpe(post_processor=adds("<s>", "</s>"))
        assert tokenizer("the")["input_ids"][-1] == 1
        result = encoded(tokenizer, plain("the", " cat", " car"))
        assert names(result) == [["Ġcat"], ["Ġcar"]]
        assert not result.complete

    def test_eos_appends_exactly_one(self) -> None:
        for post_processor in (None, adds("<s>", "</s>")):
            result = encoded(bpe(post_processor=post_processor), plain("the", " cat", " car"), "eos")
            assert names(result) == [["Ġcat", "</s>"], ["Ġcar", "</s>"]]
            assert result.complete
            # What only ends the turn stands after the text: " cat" has four characters.
            assert (result.spans[0].starts.tolist(), result.spans[0].ends.tolist()) == ([0, 4], [4, 4])

    def test_auto_takes_the_template_end_of_turn(self) -> None:
        result = encoded(bpe(), CHAT, "auto")
        assert names(result)[0] == ["the", "Ġcat", "</s>", "Ċ"]
        assert result.complete
        assert result.spans[0].starts.tolist() == [0, 3, 7, 7]

    def test_auto_without_an_end_of_turn_is_a_prefix(self) -> None:
        assert not encoded(bpe(), replace(CHAT, ending=""), "auto").complete
        assert not encoded(bpe(), plain("x", " cat", " car"), "auto").complete

    def test_none_ends_no_turn_in_chat(self) -> None:
        result = encoded(bpe(), CHAT, "none")
        assert names(result)[0] == ["the", "Ġcat"]
        assert not result.complete

    def test_eos_in_chat_takes_the_place_of_the_template_end(self) -> None:
        assert names(encoded(bpe(), CHAT, "eos"))[0] == ["the", "Ġcat", "</s>"]

    def test_without_an_eos_token(self) -> None:
        with pytest.raises(UsageError, match="no EOS token"):
            Encoder(bpe(eos_token=None), "eos")


def test_offsets_index_the_text_as_given() -> None:
    # Two spaces were removed from the front of the first candidate, none from the second.
    result = encoded(bpe(), replace(CHAT, skipped=(2, 0)))
    assert [span.starts.tolist() for span in result.spans] == [[2, 5, 9, 9], [0, 3, 7, 7]]
    assert result.spans[0].ends.tolist() == [5, 9, 9, 9]


def test_white_space_token_is_scored_though_the_tokenizer_trims_offsets() -> None:
    trimmed = processors.Sequence([processors.ByteLevel(trim_offsets=True), adds("<s>")])
    tokenizer = bpe(post_processor=trimmed)
    own = tokenizer("the cat  x", return_offsets_mapping=True)
    # The trap: in the tokenizer's own offsets the token of one space holds no character.
    assert (7, 8) not in own["offset_mapping"]
    assert names(encoded(tokenizer, plain("the", " cat  x", "  "))) == [["Ġcat", "Ġ", "Ġ", "x"], ["Ġ", "Ġ"]]
    # The tokenizer itself stays as it was.
    assert tokenizer("the cat  x", return_offsets_mapping=True) == own


class TestSentencePiece:
    def test_leading_space_is_added_once(self, metaspace_tokenizer: PreTrainedTokenizerFast) -> None:
        result = encoded(metaspace_tokenizer, plain("", "people", "they"))
        assert [tokens[0][0] for tokens in names(result)] == ["▁", "▁"]
        assert result.spans[0].start == 1

    def test_space_belongs_to_the_candidate(self, metaspace_tokenizer: PreTrainedTokenizerFast) -> None:
        result = encoded(metaspace_tokenizer, plain("The", " people", " they"))
        assert not result.straddles
        assert names(result)[1] == ["▁they"]

    def test_space_in_the_context_straddles(self, metaspace_tokenizer: PreTrainedTokenizerFast) -> None:
        result = encoded(metaspace_tokenizer, plain("The ", "people", "they"))
        assert result.straddles
        assert names(result)[1] == ["▁they"]
        assert (result.spans[1].starts.tolist(), result.spans[1].ends.tolist()) == ([0], [4])

    def test_bytes_of_an_unseen_character_share_it(self, metaspace_tokenizer: PreTrainedTokenizerFast) -> None:
        result = encoded(metaspace_tokenizer, plain("The", " 你", " they"))
        # U+4F60 is E4 BD A0 in UTF-8.
        assert names(result)[0] == ["▁", "<0xE4>", "<0xBD>", "<0xA0>"]
        assert result.spans[0].starts.tolist() == [0, 1, 1, 1]


class TestEncoder:
    def test_backend_that_disagrees_with_the_call_is_an_error(self) -> None:
        class Other(PreTrainedTokenizerFast):
            def __call__(self, text: str, **options: object) -> dict[str, list[int]]:  # type: ignore[override]
                return {"input_ids": [*super().__call__(text, **options)["input_ids"], 7]}

        with pytest.raises(ModelLoadError, match="no offsets can be trusted"):
            encode(Other(tokenizer_object=bpe().backend_tokenizer), plain("the", " cat", " car"))

    def test_truncation_and_padding_of_the_tokenizer_are_not_used(self) -> None:
        tokenizer = bpe()
        tokenizer.backend_tokenizer.enable_padding(length=50, pad_id=2, pad_token="<pad>")
        tokenizer.backend_tokenizer.enable_truncation(max_length=2)
        assert names(encoded(tokenizer, plain("the the", " cat the", " car"))) == [["Ġcat", "Ġ", "the"], ["Ġcar"]]

    def test_very_long_text(self, byte_tokenizer: PreTrainedTokenizerFast) -> None:
        long = "The nurse said that they would call back. \u0301" * 5000
        result = encoded(byte_tokenizer, plain(long, " They did.", long))
        assert result.spans[1].ends[-1] == len(long)

    def test_order_is_kept_over_chunks_and_mixed_renderings(self) -> None:
        # 4,100 items: more than one chunk of 4,096, with chat items in between.
        items = [replace(CHAT, texts=(f"{n}", "x")) if n % 7 == 0 else plain("n", f"{n}", "x") for n in range(4100)]
        results = list(Encoder(bpe(post_processor=adds("<s>")), "none").encode(items))
        assert len(results) == len(items)
        for n, result in enumerate(results):
            assert isinstance(result, Encoded)
            assert "".join(result.spans[0].tokens) == str(n)
            assert result.spans[0].ids.tolist().count(0) == 1

    def test_tokenizer_from_disk(self, tmp_path: object) -> None:
        tokenizer = make_tokenizer(str(tmp_path), bos=False)
        assert encoded(tokenizer, plain("They", " are", " is")).spans[0].start >= 1


@pytest.mark.parametrize("end", ["none", "eos"])
def test_places_are_those_of_all_tokens_in_the_whole_text(byte_tokenizer: PreTrainedTokenizerFast, end: End) -> None:
    item = plain("My caf\u00e9 \U0001f600", " is kind", " isn't \U0001f308")
    result = encoded(byte_tokenizer, item, end)
    for places, span, text in zip(
        Encoder(byte_tokenizer, end).places(item, result), result.spans, item.texts, strict=True
    ):
        whole = item.context + text
        assert places.shape == (len(span.ids), 2)
        # BOS holds nothing, and the rest holds everything, in order.
        assert places[0].tolist() == [0, 0]
        assert {at for begin, stop in places for at in range(begin, stop)} == set(range(len(whole)))
        assert (np.diff(places[:, 0]) >= 0).all()
        scored = np.clip(places[span.start :] - len(item.context), 0, len(text))
        assert scored[:, 0].tolist() == span.starts.tolist()
        assert scored[:, 1].tolist() == span.ends.tolist()


def test_a_bos_that_is_put_in_front_has_a_place_too() -> None:
    item = plain("", "cat", "car")
    result = encoded(bpe(), item)
    places = Encoder(bpe(), "auto").places(item, result)
    assert [one[0].tolist() for one in places] == [[0, 0], [0, 0]]
    assert [len(one) for one in places] == [len(span.ids) for span in result.spans]


class TestWholeTexts:
    """A reward model is asked as it was trained: nothing is put before a text, and a plain one ends in EOS."""

    def whole(self, tokenizer: PreTrainedTokenizerFast, item: Rendered, end: End = "auto") -> Encoded:
        encoder = Encoder(tokenizer, end, whole=True)
        result = next(encoder.encode([item]))
        assert isinstance(result, Encoded)
        for places, span in zip(encoder.places(item, result), result.spans, strict=True):
            assert len(places) == len(span.ids)
        return result

    def test_what_ends_in_eos_gets_no_second_one(self, byte_tokenizer: PreTrainedTokenizerFast) -> None:
        item, eos = plain("She is", " kind</s>", " rude"), byte_tokenizer.eos_token_id
        for result in (self.whole(byte_tokenizer, item), encoded(byte_tokenizer, item, "eos")):
            assert [span.ids[-2:].tolist().count(eos) for span in result.spans] == [1, 1]
            assert [span.ids[-1] for span in result.spans] == [eos, eos]
            assert [int(span.ends[-1]) for span in result.spans] == [len(" kind</s>"), len(" rude")]

    def test_plain_texts_end_in_eos(self) -> None:
        item, tokenizer = plain("the", " cat", " car"), bpe()
        ours = self.whole(tokenizer, item)
        assert ours.complete
        assert [span.ids.tolist() for span in ours.spans] == [
            tokenizer("the" + text + "</s>")["input_ids"] for text in (" cat", " car")
        ]

    def test_without_an_eos_token_they_end_as_they_are(self) -> None:
        ours = self.whole(bpe(eos_token=None), plain("the", " cat"))
        assert not ours.complete
        assert len(ours.spans[0].ids) == 2

    @pytest.mark.parametrize(("end", "complete"), [("none", False), ("eos", True)])
    def test_what_is_asked_for_is_done(self, end: End, complete: bool) -> None:
        ours = self.whole(bpe(), plain("the", " cat"), end)
        assert ours.complete == complete
        assert len(ours.spans[0].ids) == 2 + complete

    def test_chat_ends_as_its_template_does(self) -> None:
        ours, theirs = self.whole(bpe(), CHAT), encoded(bpe(), CHAT)
        assert ours.complete
        assert [span.ids.tolist() for span in ours.spans] == [span.ids.tolist() for span in theirs.spans]

    def test_nothing_needs_to_stand_before_a_text(self) -> None:
        tokenizer = bpe()
        assert encoded(tokenizer, plain("", "the cat")).spans[0].ids[0] == tokenizer.bos_token_id
        for one in (tokenizer, bpe(bos_token=None)):
            ours = self.whole(one, plain("", "the", "the cat"))
            assert not ours.first_unscored
            assert [span.start for span in ours.spans] == [0, 0]
            assert ours.spans[0].ids.tolist() == one("the</s>")["input_ids"]
