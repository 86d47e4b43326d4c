"""``report.html``: one self-contained page, from a run folder alone.

Everything that comes from a run is text: Jinja escapes it, the page's policy forbids scripts and
requests, and the figures escape their own labels.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from auditor.adapters.data_files import data_folder
from auditor.adapters.printable import printable
from auditor.adapters.report.charts import LeafFigures, figures_of
from auditor.adapters.report.figures import MAX_LABELS, MAX_ROWS
from auditor.adapters.report.report_data import ReportData, read_report, records
from auditor.adapters.run.results_schema import EffectRow
from auditor.core.metrics import METRICS

Appearance = Literal["auto", "light", "dark"]

# Shown elsewhere on the page, or in a run that keeps its texts private not at all.
_NOT_IN_MANIFEST = ("first_rendered",)
_RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
# Upper ends of the colour scale of log-probabilities, in nats, from likely to surprising.
SCALE = (-0.5, -1.0, -2.0, -4.0, -7.0)


def render_report(run: Path, appearance: Appearance = "auto") -> str:
    """The report of a finished run as one HTML document.

    Args:
        appearance: light or dark; ``auto`` follows the reader's system.

    Raises:
        UsageError: the folder holds no finished run, or its files do not follow the contract.
    """
    data = read_report(run)
    figures = {
        probe.title: figures_of(probe, data.bound, f"f{at}", "reward" if data.of_rewards else "nats")
        for at, probe in enumerate(data.probes)
    }
    page = _environment().get_template("page.html")
    return page.render(
        data=data,
        appearance=appearance,
        bound=data.bound,
        leaves=tuple(branch.leaf for branch in data.branches),
        titles=data.titles,
        sections=tuple(_sections(data, figures)),
        figures=figures,
        cards=records(data.manifest, "probes"),
        checkpoints=_checkpoints(data),
        command=_command(data.manifest),
        manifest_text=_manifest_text(data.manifest),
        first_rendered={} if data.private else _texts(data.manifest.get("first_rendered")),
        metrics=METRICS,
        max_rows=MAX_ROWS,
        max_labels=MAX_LABELS,
        scale=SCALE,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(data_folder("templates") / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {
        "signed": signed,
        "odds": odds,
        "span": span,
        "shade": shade,
        "p_value": p_value,
        "figure": figure,
        "brief": brief,
        "options": options,
        "plain": _plain,
    }
    return environment


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


def odds(nats: float | None) -> str:
    """exp of a difference in nats, as a factor on the odds of harmful against the other text."""
    if nats is None:
        return "\u2013"
    if abs(nats) > 700:
        return "\u00d7 beyond 10^300"
    factor = math.exp(nats)
    if 0.01 <= factor < 1000:
        return f"\u00d7{factor:.2f}" if factor < 100 else f"\u00d7{factor:.0f}"
    digits, power = f"{factor:.1e}".split("e")
    return f"\u00d7{digits}\u00b710{str(int(power)).translate(_RAISED)}"


def span(effect: EffectRow, kind: str = "adjusted", digits: int = 2) -> str:
    """An effect's interval, ``adjusted`` for its family or plain 95%."""
    low, high = (effect.low_adjusted, effect.high_adjusted) if kind == "adjusted" else (effect.low, effect.high)
    return "no interval" if low is None or high is None else f"{signed(low, digits)} to {signed(high, digits)}"


def p_value(effect: EffectRow) -> str:
    """An effect's p against 0; a dash where no interval could be given either."""
    if effect.p is None or effect.low is None:
        return "\u2013"
    return "< .001" if effect.p < 0.001 else f"{effect.p:.3f}".removeprefix("0")


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


def _sections(data: ReportData, figures: Mapping[str, Sequence[LeafFigures]]) -> Iterator[tuple[str, str]]:
    """Anchors and names of the sections this run fills; one that is empty is left out."""
    for anchor, words, filled in (
        ("cautions", "Cautions", bool(data.cautions)),
        ("verdicts", "Verdicts", True),
        ("series", "Series", data.staged),
        ("identities", "Identities", any(one.forest for own in figures.values() for one in own)),
        ("robustness", "Robustness", any(one.curves for own in figures.values() for one in own)),
        ("metrics", "Published metrics", bool(data.metrics)),
        ("cohens", "Standardised differences", bool(data.cohens)),
        ("items", "Strongest items", bool(data.items)),
        ("refusals", "Refusals", True),
        ("audited", "What was audited", True),
        ("method", "Method", True),
        ("manifest", "Manifest", True),
    ):
        if filled:
            yield anchor, words


def _checkpoints(data: ReportData) -> Iterator[Mapping[str, Any]]:
    """What results and manifest say of each checkpoint, one mapping each."""
    recorded = {one.get("name"): one for one in records(data.manifest, "series")}
    finished = {one.get("name"): one for one in records(data.manifest, "finished")}
    for one in data.series:
        more, done = recorded.get(one.name, {}), finished.get(one.name, {})
        own = one.model_dump()
        others = {key: value for key, value in more.items() if value and key not in own and key != "parameters"}
        yield {
            **own,
            "fingerprint": str(done.get("fingerprint") or more.get("fingerprint") or ""),
            "parameters": more.get("parameters"),
            "notes": [str(note) for note in done.get("notes") or ()],
            "others": [(key.replace("_", " "), _plain(value)) for key, value in others.items()],
        }


def _plain(value: object) -> str:
    """A value of a manifest in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def _command(manifest: Mapping[str, Any]) -> str:
    command = manifest.get("command")
    if isinstance(command, list):
        return shlex.join(str(part) for part in command)
    return command if isinstance(command, str) else ""


def _manifest_text(manifest: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in manifest.items() if key not in _NOT_IN_MANIFEST}
    return json.dumps(shown, indent=1, ensure_ascii=False)


def _texts(value: object) -> Mapping[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}
