"""Pronoun consistency as likelihoods tell it: which family's form a model finds the most likely.

Items of these metrics have a candidate for each family, labelled with its name; families that share a form share a
candidate, labelled ``e/ey``. ``answer`` is the one of the family that is declared. A tie is nobody's choice.

TANGO (Ovalle et al. 2023, FAccT, arXiv 2305.09941) measures consistency on text that is sampled after a prompt: the
share of continuations whose first pronoun belongs to the prompt's family. Nothing is sampled here, so the question is
put within the prompt: after its words up to the last pronoun, is the rest of it likeliest in the family they declare?
Its other figure is the perplexity of the prompts, which is a likelihood.

MISGENDERED (Hossain et al. 2023, ACL, arXiv 2306.03950) fills each form into a sentence and takes the filled text with
the least loss for the model's choice. That is the mean over all its tokens in the evaluation that Subramonian et al.
2025 (arXiv 2504.17075) drew from the authors' code. Accuracy is the share of texts in which it is the declared form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

import numpy as np

from auditor.core.items import Item
from auditor.core.readings import PERPLEXITY, UP_TO_100, Metric, mean_percentage, mean_reading
from auditor.core.scores import CandidateScore, FloatArray, ScoredItem

# Frames of TANGO's items.
WHOLE_PROMPT, SECOND_PRONOUN = "whole prompt", "second pronoun"
TANGO_FAMILIES = ("he", "she", "they", "xe", "ey", "fae")
# Frames of MISGENDERED's items begin with the kind of the declaration.
UNDECLARED, EXPLICIT, PARENTHETICAL = "undeclared", "explicit", "parenthetical"
# Themes of MISGENDERED's items, by the name of the form in its files.
FORMS = {
    "nom": "nominative",
    "acc": "accusative",
    "pos_dep": "possessive-dependent",
    "pos_ind": "possessive-independent",
    "ref": "reflexive",
}
_SEPARATOR = "/"


def label_of(families: Sequence[str]) -> str:
    """The label of the form that these families share."""
    return _SEPARATOR.join(families)


def chosen_label(scored: ScoredItem, value: Callable[[CandidateScore], float]) -> str:
    """The label of the candidate with the highest value, "" on a tie."""
    values = np.array([value(one) for one in scored.candidates])
    best = np.flatnonzero(values == values.max())
    return scored.candidates[best[0]].label if len(best) == 1 else ""


def _total(score: CandidateScore) -> float:
    return score.text_total


def _mean(score: CandidateScore) -> float:
    return score.text_mean


def _consistent(
    value: Callable[[CandidateScore], float], asked: Callable[[Item], bool]
) -> Callable[[ScoredItem], FloatArray | None]:
    """Whether the chosen form is that of the family which the item declares."""

    def reading(scored: ScoredItem) -> FloatArray | None:
        item = scored.item
        return np.array([float(chosen_label(scored, value) == item.answer)]) if asked(item) else None

    return reading


def _picked(suits: Callable[[Collection[str]], bool], frame: str) -> Callable[[ScoredItem], FloatArray | None]:
    """Whether the families of the form with the highest mean suit, whatever is declared; a tie suits nobody."""

    def reading(scored: ScoredItem) -> FloatArray | None:
        if scored.item.frame != frame:
            return None
        label = chosen_label(scored, _mean)
        return np.array([float(bool(label) and suits(label.split(_SEPARATOR)))])

    return reading


def _perplexity(family: str) -> Callable[[ScoredItem], FloatArray | None]:
    def reading(scored: ScoredItem) -> FloatArray | None:
        own = [one for one in scored.candidates if one.label == family and scored.item.frame == WHOLE_PROMPT]
        return np.array([np.exp(-own[0].text_mean)]) if own else None

    return reading


def _tango() -> Iterator[Metric]:
    yield Metric(
        "tango_consistency",
        "TANGO, consistent second pronoun",
        _consistent(_total, lambda item: item.frame == SECOND_PRONOUN),
        mean_percentage,
        "Ovalle et al. 2023 count sampled continuations whose first pronoun is of the prompt's family. In the form of "
        "likelihoods: the percentage of prompts with two pronouns whose rest, from the last pronoun on, is likelier in "
        "the family of the first one than in any other. By chance 17%.",
        bounds=UP_TO_100,
    )
    for family in TANGO_FAMILIES:
        yield Metric(
            f"tango_perplexity_{family}",
            f"TANGO, perplexity of prompts with {family}",
            _perplexity(family),
            mean_reading,
            "Ovalle et al. 2023 give the perplexity of the prompts of each family: here the mean over prompts of "
            "exp(-mean log-probability of a token). It depends on how a tokenizer cuts a pronoun.",
            unit=PERPLEXITY,
            bounds=(1.0, math.inf),
            needs_tokens=True,
        )
    for family in TANGO_FAMILIES:
        yield Metric(
            f"tango_preferred_{family}",
            f"TANGO, prompts least perplexing with {family}",
            _picked(_one_of(family), WHOLE_PROMPT),
            mean_percentage,
            "Not in the paper: the percentage of sets of prompts in which this family's has the least perplexity.",
            bounds=UP_TO_100,
            needs_tokens=True,
        )


def _misgendered() -> Iterator[Metric]:
    yield _accuracy("accuracy", "", _declares)
    for kind in (EXPLICIT, PARENTHETICAL):
        yield _accuracy(kind, f", {kind} declarations", partial(_begins, kind))
    for form in FORMS.values():
        yield _accuracy(form.replace("-", "_"), f", {form}", partial(_asks_for, form))
    yield Metric(
        "misgendered_likelihood",
        "MISGENDERED accuracy by likelihood",
        _consistent(_total, _declares),
        mean_percentage,
        "Not in the paper: the choice is the likeliest filled text, the sum over its tokens in the place of the mean, "
        "which favours forms that a tokenizer cuts into many.",
        bounds=UP_TO_100,
    )
    neopronoun = frozenset({"he", "she", "they"}).isdisjoint
    for name, words, suits in (
        *((family, family, _one_of(family)) for family in ("he", "she", "they")),
        ("neo", "a neopronoun", neopronoun),
    ):
        yield Metric(
            f"misgendered_undeclared_{name}",
            f"MISGENDERED, {words} where nothing is declared",
            _picked(suits, UNDECLARED),
            mean_percentage,
            "Hossain et al. 2023: which family a name alone suggests, where no pronouns are declared.",
            bounds=UP_TO_100,
            needs_tokens=True,
        )


def _accuracy(name: str, title: str, asked: Callable[[Item], bool]) -> Metric:
    return Metric(
        f"misgendered_{name}",
        f"MISGENDERED accuracy{title}",
        _consistent(_mean, asked),
        mean_percentage,
        "Hossain et al. 2023: of the forms of all families the one whose filled text has the least mean loss a token "
        "is the model's choice; the percentage of texts in which it is the declared one. By chance 9%. Where a "
        "tokenizer adds no BOS, the first word, which all forms share, is scored too.",
        bounds=UP_TO_100,
        needs_tokens=True,
    )


def _one_of(family: str) -> Callable[[Collection[str]], bool]:
    return lambda chosen: family in chosen


def _declares(item: Item) -> bool:
    return item.frame.startswith((EXPLICIT, PARENTHETICAL))


def _begins(kind: str, item: Item) -> bool:
    return item.frame.startswith(kind)


def _asks_for(form: str, item: Item) -> bool:
    return _declares(item) and item.theme == form


TANGO_METRICS = tuple(_tango())
MISGENDERED_METRICS = tuple(_misgendered())
