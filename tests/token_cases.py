"""Hand-made tokenizers, short ways to encode, and the rules every span must keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from auditor.adapters.hf.rendering import Rendered
from auditor.adapters.hf.tokens import Encoded, Encoder, End
from auditor.core.refusals import Reason

# The merges of "the", "cat", "car" (with its space) and of space + newline.
MERGES = ("t h", "th e", "c a", "ca t", "ca r", "Ġ cat", "Ġ car", "Ġ Ċ")
LOOK_AHEAD = normalizers.Replace(Regex("a(?= b)"), "A")


def bpe(merges: Sequence[str] = MERGES, normalizer: Any = None, post_processor: Any = None, **specials: Any) -> Any:
    """A byte-level BPE tokenizer with exactly these merges; <s>, </s> and <pad> are ids 0, 1 and 2."""
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    names = ["<s>", "</s>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, pairs)]
    core = Tokenizer(models.BPE(vocab={name: at for at, name in enumerate(names)}, merges=pairs))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if normalizer is not None:
        core.normalizer = normalizer
    if post_processor is not None:
        core.post_processor = post_processor
    return PreTrainedTokenizerFast(
        tokenizer_object=core, **{"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", **specials}
    )


def adds(before: str = "", after: str = "") -> Any:
    """A post-processor that adds BOS and EOS around the text."""
    return processors.TemplateProcessing(
        single=f"{before} $A {after}".strip(), special_tokens=[("<s>", 0), ("</s>", 1)]
    )


def plain(context: str, *texts: str) -> Rendered:
    """As `render_plain` makes it."""
    return Rendered(context, texts, (0,) * len(texts))


def encode(tokenizer: PreTrainedTokenizerBase, item: Rendered, end: End = "auto") -> Encoded | Reason:
    """One item."""
    return next(Encoder(tokenizer, end).encode([item]))


def encoded(tokenizer: PreTrainedTokenizerBase, item: Rendered, end: End = "auto") -> Encoded:
    """One item that must not be refused, with every rule checked."""
    result = encode(tokenizer, item, end)
    assert isinstance(result, Encoded), result
    check_rules(tokenizer, item, result, end)
    return result


def names(result: Encoded) -> list[list[str]]:
    """The scored tokens of each candidate."""
    return [list(span.tokens) for span in result.spans]


def check_rules(tokenizer: PreTrainedTokenizerBase, item: Rendered, result: Encoded, end: End) -> None:
    """Ids are the tokenizer's own, the context is shared, every character of a candidate is scored."""
    first = result.spans[0]
    for span, text, skipped in zip(result.spans, item.texts, item.skipped, strict=True):
        whole = item.context + text + (item.ending if end == "auto" else "")
        own = list(tokenizer(whole, add_special_tokens=not item.has_specials)["input_ids"])
        if not item.has_specials and own[-1:] == [tokenizer.eos_token_id] and not whole.endswith("</s>"):
            own.pop()
        if end == "eos" and own[-1:] != [tokenizer.eos_token_id]:
            own.append(tokenizer.eos_token_id)
        ids = span.ids.tolist()
        # BOS may stand in front of what the tokenizer's own call gives, nothing else may differ.
        assert ids in (own, [tokenizer.bos_token_id, *own])
        assert span.start >= 1
        assert len(ids) > span.start
        assert len(span.tokens) == len(span.starts) == len(span.ends) == len(ids) - span.start
        assert tokenizer.convert_ids_to_tokens(ids[span.start :]) == list(span.tokens)
        if not result.first_unscored:
            assert span.start == first.start
            assert ids[: span.start] == first.ids[: first.start].tolist()
            covered = {at for begin, stop in zip(span.starts, span.ends, strict=True) for at in range(begin, stop)}
            assert covered == set(range(skipped, skipped + len(text)))
