"""``report.html``: one self-contained page, from a run folder alone.

Everything that comes from a run is text: Jinja escapes it, the figures escape their own labels, and the page's policy
forbids requests and every script but one, the explorer of items, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from auditor.adapters.data_files import data_folder
from auditor.adapters.probe_files.probe_folders import SENTENCES
from auditor.adapters.report.attribution.attribution_section import ProbeView, probe_views
from auditor.adapters.report.attribution.role_plot import MAX_PARTED
from auditor.adapters.report.citations import bibtex
from auditor.adapters.report.items.glosses import SCALE
from auditor.adapters.report.page_words import brief, environment, plain
from auditor.adapters.report.plots.charts import LeafFigures, figures_of
from auditor.adapters.report.plots.figures import MAX_LABELS, MAX_ROWS
from auditor.adapters.report.report_data import ReportData, read_report
from auditor.adapters.report.reward_views import RewardView, reward_views
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
            "others": [(key.replace("_", " "), plain(value)) for key, value in others.items()],
        }


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
