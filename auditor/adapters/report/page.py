"""``report.html``: one self-contained page, from a run folder alone.

Everything that comes from a run is text: Jinja escapes it, the figures escape their own labels, and the page's policy
forbids requests and every script but one, the explorer of items, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from auditor.adapters.data_files import data_folder
from auditor.adapters.printable import printable
from auditor.adapters.probe_files.probe_folders import SENTENCES
from auditor.adapters.report.answers import tally
from auditor.adapters.report.attribution_section import FILTERS, ProbeView, adjusted_p, probe_views
from auditor.adapters.report.charts import LeafFigures, figures_of
from auditor.adapters.report.citations import bibtex
from auditor.adapters.report.figures import MAX_LABELS, MAX_ROWS
from auditor.adapters.report.glosses import SCALE
from auditor.adapters.report.landmarks import identity_anchor, probe_anchor
from auditor.adapters.report.report_data import ReportData, read_report
from auditor.adapters.report.reward_views import RewardView, reward_views, signal_words
from auditor.adapters.report.role_plot import MAX_PARTED
from auditor.adapters.run.results_schema import EffectRow
from auditor.adapters.run.run_status import INTERRUPTED, records
from auditor.adapters.summaries.headlines import WHAT_AN_AUDIT_SAYS, headline_parts
from auditor.adapters.summaries.run_summary import summary_of
from auditor.core.metrics import METRICS
from auditor.core.verdicts import DEFAULT_SESOI

Appearance = Literal["auto", "light", "dark"]

# The page's one script, in this order.
SCRIPTS = ("explorer_texts.js", "explorer_parts.js", "explorer.js")
# Shown elsewhere on the page, or in a run that keeps its texts private not at all.
_NOT_IN_MANIFEST = ("first_rendered",)
_RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
# Differences worth knowing by heart, in nats.
NATS = (
    (0.1, "a tenth more"),
    (DEFAULT_SESOI, "a quarter more: the default bound d"),
    (0.5, "two thirds more"),
    (math.log(2), "doubled"),
    (1.0, "nearly trebled"),
    (math.log(10), "ten times"),
    (-math.log(2), "halved"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page as its contents name it, with anchors and names of its parts."""

    anchor: str
    words: str
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of one probe.

    Attributes:
        tier: how much of a probe folder, empty where a file was asked whole.
    """

    title: str
    count: object
    axes: tuple[str, ...]
    languages: tuple[str, ...]
    tier: str


def render_report(run: Path, appearance: Appearance = "auto") -> str:
    """The report of a finished run as one HTML document.

    Args:
        appearance: light or dark; ``auto`` follows the reader's system.

    Raises:
        UsageError: the folder holds no finished run, or its files do not follow the contract.
    """
    data = read_report(run)
    summary = summary_of(data.results, data.manifest)
    figures = {probe.place: figures_of(probe, f"f{at}") for at, probe in enumerate(data.probes)}
    cards, attributed = records(data.manifest, "probes"), probe_views(data)
    rewards = tuple(reward_views(data.results, data.probes, data.render))
    # Its hash lets exactly this script run: nothing may be added to it, not even a line break.
    script = "".join((data_folder("templates") / "report" / one).read_text(encoding="utf-8") for one in SCRIPTS)
    page = environment("report").get_template("page.html")
    return page.render(
        data=data,
        appearance=appearance,
        interrupted=INTERRUPTED if summary.status == "interrupted" else "",
        headline=headline_parts(summary.leaves, summary.metrics, judged=not data.unit.unjudged),
        basis=summary.basis,
        what_it_says=WHAT_AN_AUDIT_SAYS,
        leaves=tuple(branch.leaf for branch in data.branches),
        titles=data.titles,
        sections=tuple(_sections(data, figures, attributed, rewards)),
        figures=figures,
        attributed=attributed,
        rewards=rewards,
        cards=cards,
        asked=tuple(_asked(data, cards)),
        renders=_renders(data),
        nats=NATS,
        bibtex=bibtex(data.manifest, cards),
        checkpoints=_checkpoints(data),
        command=_command(data.manifest),
        manifest_text=_manifest_text(data.manifest),
        first_rendered={} if data.private else _texts(data.manifest.get("first_rendered")),
        metrics=METRICS,
        max_rows=MAX_ROWS,
        max_parted=MAX_PARTED,
        max_labels=MAX_LABELS,
        scale=SCALE,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def environment(*folders: str) -> Environment:
    """What renders templates of these folders: everything put in is text, and filters write numbers as the report does.

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
        "plain": _plain,
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


def _sections(
    data: ReportData,
    figures: Mapping[tuple[str, str], Sequence[LeafFigures]],
    attributed: Sequence[ProbeView],
    rewards: Sequence[RewardView],
) -> Iterator[Section]:
    """The sections this run fills; one that is empty is left out."""
    answer = (
        ("cautions", "Cautions", bool(data.cautions)),
        ("table", "Every identity", bool(data.probes) and not data.unit.unjudged),
        ("audited", "What was asked", True),
        ("verdicts", "Every number", True),
    )
    method = (
        ("definitions", "Definitions", True),
        ("nats", "How to read a nat", not data.unit.of_rewards),
        ("attribution-method", "Attribution", bool(data.attributed.methods)),
        ("probes", "Probes", True),
        ("refusals", "Refusals", True),
        ("comparability", "Checkpoints", True),
        ("manifest", "Manifest, command", True),
        ("cite", "How to cite", True),
    )
    yield Section("answer", "Answer", _filled(answer))
    for anchor, words, filled in (
        ("series", "Series", data.staged),
        ("identities", "Identities", any(one.forest for own in figures.values() for one in own)),
        ("agreement", "Rewards and preference", bool(rewards)),
        ("attribution", "Attribution", bool(attributed)),
        ("metrics", "Published metrics", bool(data.metrics)),
        ("cohens", "Standardised differences", bool(data.cohens)),
        ("items", "Evidence", data.explorer is not None),
        ("robustness", "Robustness", data.examined),
    ):
        if filled:
            yield Section(anchor, words)
    yield Section("method", "Method and limits", _filled(method))


def _filled(parts: Sequence[tuple[str, str, bool]]) -> tuple[tuple[str, str], ...]:
    return tuple((anchor, words) for anchor, words, filled in parts if filled)


def _asked(data: ReportData, cards: Sequence[Mapping[str, Any]]) -> Iterator[Asked]:
    request = data.manifest.get("request")
    tier = request.get("tier") if isinstance(request, dict) else None
    for card in cards:
        axes = (axis for probe in data.probes if probe.name == card.get("name") for axis in probe.axes)
        languages = card.get("languages")
        yield Asked(
            title=data.titles.get(str(card.get("name")), "") or str(card.get("title") or card.get("name") or ""),
            count=card.get("items", 0),
            axes=tuple(dict.fromkeys(axes)),
            languages=tuple(map(str, languages)) if isinstance(languages, list) else (),
            tier=str(tier) if tier and str(card.get("source")).endswith(SENTENCES) else "",
        )


def _renders(data: ReportData) -> list[str]:
    renders = data.manifest.get("renders")
    return [brief(one, 40) for one in renders] if isinstance(renders, list) and renders else [data.render]


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
