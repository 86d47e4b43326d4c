"""From an item to the text a model reads: plain, or as a conversation through a chat template.

One template serves the whole series, rendered by one tokenizer, so that every checkpoint reads the
same characters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from transformers import PreTrainedTokenizerBase

from auditor.core.items import Item
from auditor.errors import UsageError

# Templates that print "today" would make every audit differ from the next; this is the date that
# Llama 3.1's own template falls back to.
FROZEN_DATE = datetime(2024, 7, 26)
_DIRECTIVES = [f"%{flag}{letter}" for flag in ("-", "") for letter in "aAbBcdHIjmMpSuUVwWxXyYG"]
# transformers hands no functions to a template, so this one is defined in it, in place of its own.
_FROZEN_CLOCK = (
    "{% macro strftime_now(format) %}{% set text = namespace(value=format) %}"
    "{% for directive, value in auditor_frozen_date.items() %}"
    "{% set text.value = text.value.replace(directive, value) %}"
    "{% endfor %}{{ text.value }}{% endmacro %}\n"
)
# Conversations whose rendering is remembered: rows about one context stand close together.
_KEPT_FRAMES = 1 << 14
# Letters of both cases, quotes and brackets: a template that changes or escapes the words it is given
# would score other text than the candidate's, and does not pass unseen.
_PLACEHOLDER = "Auditor\"Candidate'<&>"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One item as text.

    Attributes:
        context: everything before the candidates, template included.
        texts: the candidates as scored, in order.
        skipped: characters removed from the front of each candidate as given.
        ending: the template's end of turn that follows a candidate; "" in plain rendering.
        has_specials: the text holds its special tokens already, BOS included.
    """

    context: str
    texts: tuple[str, ...]
    skipped: tuple[int, ...]
    ending: str = ""
    has_specials: bool = False


def render_plain(item: Item) -> Rendered | None:
    """Context + prefix + candidate, verbatim; None for a conversation without a plain context."""
    if item.messages and not item.context:
        return None
    texts = tuple(candidate.text for candidate in item.candidates)
    return Rendered(item.context + item.prefix, texts, (0,) * len(texts))


class ChatTemplate:
    """The one chat template of a series.

    Args:
        tokenizer: supplies the special tokens and, where ``template`` is None, the template itself.
        template: Jinja source that takes its place.
        system: content of a system turn put before every item.
        arguments: variables handed to the template.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        template: str | None = None,
        system: str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._system = system
        self._arguments = {"auditor_frozen_date": _frozen_date(), **(arguments or {})}
        self._frames: dict[tuple[str | tuple[str, str], ...], tuple[str, str]] = {}

    @property
    def sha256(self) -> str:
        """Hash of the template's text: with another text, items are other prompts."""
        text = self._tokenizer.chat_template if self._template is None else self._template
        return hashlib.sha256(json.dumps(text, sort_keys=True).encode()).hexdigest()

    def render(self, item: Item) -> Rendered | None:
        """The item as a conversation whose last, assistant, turn is prefix + candidate.

        Leading white space of that turn is removed: templates put their own.

        Returns:
            None where the item brings turns of its own that the template cannot render: other items may do.

        Raises:
            UsageError: the template cannot render a context as a user's turn.
        """
        if item.design == "naming":
            return self._render_name(item)
        try:
            before, ending = self._frame(item)
        except UsageError:
            if item.messages:
                return None
            raise
        prefix = item.prefix.lstrip()
        texts = tuple(one.text if prefix else one.text.lstrip() for one in item.candidates)
        skipped = tuple(len(one.text) - len(text) for one, text in zip(item.candidates, texts, strict=True))
        return Rendered(before + prefix, texts, skipped, ending, has_specials=True)

    def context_place(self, item: Item, rendered: Rendered) -> int | None:
        """Where the first character of the item's context stands, or would, in its rendered context.

        Returns:
            None where it does not stand there: the item brings turns of its own, or the template changes its words.
        """
        if item.messages:
            return None
        turns = [] if self._system is None else [("system", self._system)]
        try:
            before, _ = self._around(turns, "user")
        except UsageError:
            return None
        words = item.context.strip()
        # Templates may take white space off, or put some of their own.
        at = len(before) + _leading(rendered.context[len(before) :])
        if not rendered.context.startswith(before) or not rendered.context.startswith(words, at):
            return None
        return at - _leading(item.context)

    def _render_name(self, item: Item) -> Rendered:
        """A name where rows have it: in the user's turn, after the beginning of the context, and without an end."""
        turns = [] if self._system is None else [("system", self._system)]
        before, _ = self._around(turns, "user")
        texts = tuple(one.text if item.context else one.text.lstrip() for one in item.candidates)
        skipped = tuple(len(one.text) - len(text) for one, text in zip(item.candidates, texts, strict=True))
        return Rendered(before + item.context, texts, skipped, has_specials=True)

    def _frame(self, item: Item) -> tuple[str, str]:
        """What the template puts before and after the assistant's words."""
        turns = [(turn.role, turn.content) for turn in item.messages] or [("user", item.context)]
        if self._system is not None and turns[0][0] != "system":
            turns.insert(0, ("system", self._system))
        return self._around(turns, "assistant")

    def _around(self, turns: list[tuple[str, str]], role: str) -> tuple[str, str]:
        """What the template puts before and after the words of one more turn, of this role."""
        key: tuple[str | tuple[str, str], ...] = (role, *turns)
        if key not in self._frames:
            if len(self._frames) >= _KEPT_FRAMES:
                self._frames.clear()
            self._frames[key] = self._render_around(turns, role)
        return self._frames[key]

    def _render_around(self, turns: list[tuple[str, str]], speaker: str) -> tuple[str, str]:
        placeholder = _PLACEHOLDER
        while any(placeholder in content for _, content in turns):
            placeholder += "X"
        conversation = [{"role": role, "content": content} for role, content in [*turns, (speaker, placeholder)]]
        try:
            source = self._tokenizer.get_chat_template(self._template)
            if "strftime_now" in source:
                source = _FROZEN_CLOCK + source
            text = self._tokenizer.apply_chat_template(
                conversation, chat_template=source, tokenize=False, **self._arguments
            )
        except Exception as error:  # a template is a program and can fail in any way
            raise UsageError(
                f"the chat template cannot render a conversation of roles {', '.join(role for role, _ in turns)}: "
                f"{error}",
                where="--chat-template" if self._template else "chat template",
                fix="Use --render plain, leave out --system, or give a template with --chat-template FILE.",
            ) from error
        parts = str(text).split(placeholder)
        if len(parts) != 2:
            raise UsageError(
                f"the chat template shows the {speaker}'s words {len(parts) - 1} times instead of once",
                where="--chat-template" if self._template else "chat template",
                fix="Use --render plain or give another template with --chat-template FILE.",
            )
        return parts[0], parts[1]


def _leading(text: str) -> int:
    """White space in front of a text, in characters."""
    return len(text) - len(text.lstrip())


def _frozen_date() -> dict[str, str]:
    return {directive: FROZEN_DATE.strftime(directive) for directive in _DIRECTIVES}
