"""Twin of auditor.adapters.hf.reward_texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_scores import probe_of
from real_scores import files_of, pairs
from tokenizers.processors import ByteLevel
from transformers import PreTrainedTokenizerFast

from auditor.adapters.hf.loading.checkpoints import CheckpointFiles
from auditor.adapters.hf.rendering import ChatTemplate, Rendered, render_plain
from auditor.adapters.hf.reward_texts import passed_over, prepare_rewards, reward_notes
from auditor.adapters.hf.tokens import Encoder, End
from auditor.adapters.hf.workload import Workload, prepare
from auditor.core.column_codes import candidate_codes
from auditor.core.items import Candidate, Item, Probe
from auditor.core.score_columns import Column, Rows
from auditor.core.scores import Render

ROWS = [("She is", " rude", " kind"), ("He is", " rude", " kind"), ("They are", " wrong", " very kind")]
NAMES = Item("names", (Candidate("a", " oboists"), Candidate("b", " women")), context="I like", design="naming")
PROBE = probe_of(*pairs(ROWS), NAMES)


def plain(item: Item, _: Render) -> Rendered | None:
    return render_plain(item)


def work_of(
    tokenizer: PreTrainedTokenizerFast, end: End = "auto", probe: Probe = PROBE, over: int | None = None
) -> Workload:
    return prepare_rewards([probe], ("plain",), plain, Encoder(tokenizer, end, whole=True), None, over)


def test_each_text_has_one_number_read_at_its_last_token(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    work = work_of(byte_tokenizer)
    (spans,) = work.spans.values()
    assert spans.kind == "reward"
    assert work.texts == 2 * len(ROWS) == len(spans.cuts.names(0)) * 6
    np.testing.assert_array_equal(work.sequences.scored_bounds, np.arange(7))
    column = Column(spans, np.arange(6, dtype=np.float32), np.ones(len(spans), dtype=bool))
    for at, (context, *texts) in enumerate(ROWS):
        scored = column.scored(at)
        assert (scored.kind, scored.complete, scored.context) == ("reward", True, context)
        for place, (one, text) in enumerate(zip(scored.candidates, texts, strict=True)):
            ids = byte_tokenizer(context + text)["input_ids"]
            assert work.sequences[2 * at + place].tolist() == [*ids, byte_tokenizer.eos_token_id]
            assert [*one.prefix_ids, *one.token_ids] == [*ids, byte_tokenizer.eos_token_id]
            assert one.total == one.text_total == 2 * at + place
            assert (one.starts.tolist(), one.ends.tolist(), one.tokens) == ([0], [len(text)], ("",))
            own = byte_tokenizer(text, add_special_tokens=False)["input_ids"]
            assert one.n_tokens == len(one.token_ids) == len(own) + 1


def test_padding_at_the_end_is_passed_over(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    eos = byte_tokenizer.eos_token_id
    texts = [(context + side) for context, *sides in ROWS for side in sides]
    # EOS in the middle of a text is a token like others; at its end it goes, however often it stands there.
    twice = probe_of(*pairs([*ROWS, ("She is", " a</s>b", " a</s></s>")]))
    work = work_of(byte_tokenizer, probe=twice, over=eos)
    expected = [byte_tokenizer(text)["input_ids"] for text in [*texts, "She is a</s>b", "She is a"]]
    assert [work.sequences[at].tolist() for at in range(work.texts)] == expected
    np.testing.assert_array_equal(work.sequences.starts, work.sequences.lengths - 1)
    np.testing.assert_array_equal(work.sequences.items, np.repeat(np.arange(4), 2))
    # What was asked stays known: rows are compared by their candidates' tokens as everywhere.
    (spans,) = work.spans.values()
    (whole,) = work_of(byte_tokenizer, probe=twice).spans.values()
    np.testing.assert_array_equal(spans.cuts.ids, whole.cuts.ids)
    # What is passed over is no end that is read.
    assert (spans.complete.any(), whole.complete.all()) == (False, True)


def test_an_end_that_is_passed_over_is_not_read(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    """Item by item: what is said of one says nothing of those beside it, nor of another probe's."""
    probes = [probe_of(*pairs(ROWS)), replace(probe_of(*pairs(ROWS[1:])), name="other")]
    ends = {"She is": ".", "He is": "</s>", "They are": "."}

    def chat(item: Item, _: Render) -> Rendered:
        own = tuple(one.text for one in item.candidates)
        return Rendered(item.context, own, (0, 0), ending=ends[item.context], has_specials=True)

    for over, read in ((byte_tokenizer.eos_token_id, [True, False, True]), (None, [True] * 3)):
        asked = Encoder(byte_tokenizer, "auto", whole=True)
        work = prepare_rewards(probes, ("chat",), chat, asked, None, over)
        assert [one.complete.tolist() for one in work.spans.values()] == [read, read[1:]]
    without = prepare_rewards(probes, ("chat",), chat, Encoder(byte_tokenizer, "none", whole=True), None, None)
    assert not any(one.complete.any() for one in without.spans.values())


def test_of_a_text_of_padding_alone_its_first_token_is_read(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    eos = byte_tokenizer.eos_token_id
    bare = byte_tokenizer.__class__(tokenizer_object=byte_tokenizer.backend_tokenizer, eos_token="</s>")
    bare.backend_tokenizer.post_processor = ByteLevel(trim_offsets=False)
    work = work_of(bare, probe=probe_of(*pairs([("", "</s></s>", " kind")])), over=eos)
    assert work.sequences[0].tolist() == [eos]
    work = work_of(bare, probe=probe_of(*pairs([("", "</s>", " kind")])), over=eos)
    assert work.sequences[0].tolist() == [eos]


@pytest.mark.parametrize(("end", "over"), [("auto", 1), ("eos", None), ("none", None)])
def test_only_an_end_that_nobody_asked_for_is_passed_over(
    end: End, over: int | None, llama_series: dict[str, Path]
) -> None:
    policy = files_of("rm", llama_series["sft"])
    assert passed_over(replace(policy, heads=("r",), head="r", pad_id=1), end) == over
    assert passed_over(policy, end) is None


def test_names_are_not_asked(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    (spans,) = work_of(byte_tokenizer).spans.values()
    assert [spans.item(at).id for at in range(len(spans))] == ["0", "1", "2"]
    without = probe_of(*pairs(ROWS))
    (spans,) = work_of(byte_tokenizer, probe=without).spans.values()
    assert spans.items is without.items, "no copy where there is nothing to leave out"


def test_rows_are_compared_by_the_tokens_of_their_candidates(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    """As those of a language model are, though the token that is read is the same in all of them."""
    encoder = Encoder(byte_tokenizer, "auto")
    probe = probe_of(*pairs(ROWS))
    codes = []
    for work in (work_of(byte_tokenizer, probe=probe), prepare([probe], ("plain",), plain, encoder, None)):
        (spans,) = work.spans.values()
        column = Column(spans, np.zeros(spans.cuts.scored[-1], dtype=np.float32), np.ones(len(spans), dtype=bool))
        codes.append(candidate_codes(Rows(column, np.arange(len(spans)))))
    np.testing.assert_array_equal(*codes)
    assert codes[0][0] == codes[0][1] != codes[0][2]


def test_nothing_to_score(byte_tokenizer: PreTrainedTokenizerFast) -> None:
    work = work_of(byte_tokenizer, probe=probe_of(NAMES))
    assert (work.texts, work.items) == (0, 0)
    assert prepare_rewards([], ("plain",), plain, Encoder(byte_tokenizer, "auto", whole=True), None).spans == {}


class TestNotes:
    @pytest.fixture
    def files(self, llama_series: dict[str, Path]) -> CheckpointFiles:
        policy = files_of("rm", llama_series["sft"])
        return replace(policy, heads=("helpful", "harm\x1bless"), head="harm\x1bless", pad_id=2)

    def test_none_of_a_language_model(self, files: CheckpointFiles, byte_tokenizer: PreTrainedTokenizerFast) -> None:
        work = work_of(byte_tokenizer)
        assert list(reward_notes(replace(files, heads=(), head=None, pad_id=1), work, {})) == []

    def test_which_output_where_there_are_several(
        self, files: CheckpointFiles, byte_tokenizer: PreTrainedTokenizerFast
    ) -> None:
        work = work_of(byte_tokenizer)
        (note,) = reward_notes(files, work, {})
        assert "one of 2" in note
        assert "\x1b" not in note
        assert list(reward_notes(replace(files, heads=("r",), head="r"), work, {})) == []

    @pytest.mark.parametrize(
        ("end", "said"),
        [
            (
                "auto",
                "its own forward passes over, in TRL's training too: the reward is read at the token before",
            ),
            ("eos", "and the reward is read there; its own forward passes over it and reads the token before"),
            ("none", ""),
        ],
    )
    def test_a_text_that_ends_in_padding(
        self, files: CheckpointFiles, byte_tokenizer: PreTrainedTokenizerFast, end: End, said: str
    ) -> None:
        padded = replace(files, heads=("r",), head="r", pad_id=byte_tokenizer.eos_token_id)
        notes = list(reward_notes(padded, work_of(byte_tokenizer, end, over=passed_over(padded, end)), {}))
        assert len(notes) == bool(said)
        assert all(one.startswith("6 of 6 texts end in its padding token, ") and said in one for one in notes)
        assert list(reward_notes(replace(padded, pad_id=None), work_of(byte_tokenizer, end), {})) == []
        empty = work_of(byte_tokenizer, end, probe_of(NAMES), passed_over(padded, end))
        assert list(reward_notes(padded, empty, {})) == []

    def test_a_template_of_its_own(self, files: CheckpointFiles, byte_tokenizer: PreTrainedTokenizerFast) -> None:
        one, own = replace(files, heads=("r",), head="r"), ChatTemplate(byte_tokenizer)
        chat = prepare_rewards(
            [PROBE], ("chat",), lambda item, _: own.render(item), Encoder(byte_tokenizer, "auto", whole=True), None
        )
        assert list(reward_notes(one, chat, {"rm": own})) == [
            "asked in its own chat template, not in that of the series"
        ]
        assert list(reward_notes(one, chat, {"other": own})) == []
        assert list(reward_notes(one, work_of(byte_tokenizer), {"rm": own})) == [], "nothing was asked in chat"
