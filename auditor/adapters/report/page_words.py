"""How the page writes what it is given: the environment its templates live in, and the filters of numbers and words.

Everything put into a template is text until a filter or a macro has made it otherwise.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from auditor.adapters.data_files import data_folder
from auditor.adapters.printable import printable
from auditor.adapters.report.answers import tally
from auditor.adapters.report.attribution.attribution_section import FILTERS, adjusted_p
from auditor.adapters.report.items.glosses import SCALE
from auditor.adapters.report.landmarks import identity_anchor, probe_anchor
from auditor.adapters.report.reward_views import signal_words
from auditor.adapters.run.results_schema import EffectRow

_RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


@cache
def environment(*folders: str) -> Environment:
    """What renders templates of these folders: everything put in is text, and filters write numbers as the report does.

    One for each choice of folders, which keeps what it has compiled.

    Args:
        folders: below ``templates``, in the order in which a name is looked up.
    """
    made = Environment(
        loader=FileSystemLoader([data_folder("templates") / one for one in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    made.filters |= {
        **FILTERS,
        "signed": signed,
        "unsigned": unsigned,
        "percentage": percentage,
        "odds": odds,
        "span": span,
        "shade": shade,
        "p_value": p_value,
        "figure": figure,
        "brief": brief,
        "options": options,
        "plain": plain,
        "becomes": becomes,
        "tally": tally,
        "probe_anchor": probe_anchor,
        "signal_words": signal_words,
        "identity_anchor": lambda names: identity_anchor(*names),
    }
    return made


def _printable(value: Any) -> Any:
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign; a dash where there is none."""
    if value is None or math.isnan(value):
        return "\u2013"
    if value == 0:
        return "0"
    text = f"{value:+.{digits}f}" if abs(value) < 1e5 else f"{value:+.2e}"
    # Rounded to nothing, a number has no side.
    return (text if text.strip("+-0.") else text[1:]).replace("-", "\u2212")


def unsigned(value: float | None, digits: int = 2) -> str:
    """A number that takes no side; a dash where there is none."""
    return signed(value, digits).removeprefix("+")


def percentage(share: float | None) -> str:
    """A share as a percentage; a dash where there is none."""
    return "\u2013" if share is None else f"{100 * share:.0f}%".replace("-", "\u2212")


def odds(nats: float | None) -> str:
    """exp of a difference in nats, as a factor on the odds of harmful against the other text."""
    if nats is None:
        return "\u2013"
    if abs(nats) > 700:
        return "\u00d7 beyond 10\u00b3\u2070\u2070" if nats > 0 else "\u00d7 below 10\u207b\u00b3\u2070\u2070"
    factor = math.exp(nats)
    if 0.01 <= factor < 1000:
        return f"\u00d7{factor:.2f}" if factor < 100 else f"\u00d7{factor:.0f}"
    digits, power = f"{factor:.1e}".split("e")
    return f"\u00d7{digits}\u00b710{str(int(power)).translate(_RAISED)}"


def becomes(nats: float) -> float:
    """The percentage that a probability of one half becomes when its odds are multiplied by exp of ``nats``."""
    return 100 / (1 + math.exp(-nats))


def span(effect: EffectRow, kind: str = "adjusted", digits: int = 2) -> str:
    """An effect's interval, ``adjusted`` for its family or plain 95%; an end of which nothing is known is open."""
    low, high = (effect.low_adjusted, effect.high_adjusted) if kind == "adjusted" else (effect.low, effect.high)
    if low is None and high is None:
        return "no interval" if effect.verdict in (None, "refused") else "unbounded"
    ends = ("\u2212\u221e" if low is None else signed(low, digits), "\u221e" if high is None else signed(high, digits))
    return " to ".join(ends)


def p_value(effect: EffectRow) -> str:
    """An effect's p against 0; a dash where no interval could be given either."""
    return adjusted_p(None if effect.low is None and effect.high is None else effect.p)


def figure(value: float) -> str:
    """A metric's number, with one digit after the point."""
    return f"{value:z,.1f}".replace("-", "\u2212")


def options(text: str) -> list[str]:
    """A sentence cut at the command-line options in it, which come at odd positions."""
    return re.split(r"((?<!\S)--[a-z][a-z-]*)", text)


def shade(logprob: float | None) -> int:
    """Step on the colour scale, 0 for likely to 5 for surprising; 9 where there is no number."""
    if logprob is None or math.isnan(logprob):
        return 9
    return sum(logprob < limit for limit in SCALE)


def brief(text: object, limit: int = 80) -> str:
    """The beginning of a long text."""
    whole = str(text)
    return whole if len(whole) <= limit else whole[: limit - 1] + "\u2026"


def plain(value: object) -> str:
    """A value of a manifest in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(map(plain, value)) if isinstance(value, list) else str(value)
