"""What the report says of rewards and preference side by side: how far they agree, and which of them carries a harm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from auditor.adapters.report.probe_findings import ProbeFindings
from auditor.adapters.run.results_schema import Results
from auditor.adapters.run.reward_rows import RewardAgreementRow, RewardHarmRow, SensitivityRow
from auditor.core.contrasts import Contrast
from auditor.core.reference_sensitivity import Variant
from auditor.core.reward_signals import SignalKind

# A kind of signal and the checkpoint whose it is.
Name = tuple[SignalKind, str]

_WORDS: dict[SignalKind, str] = {
    "explicit_reward": "explicit reward",
    "implicit_reward": "implicit reward",
    "preference": "preference",
}


@dataclass(frozen=True, slots=True)
class SignalsOfIdentity:
    """One marked identity in every signal.

    Attributes:
        harms: in the order of the view's signals, None where one says nothing of it.
    """

    identity: str
    axis: str
    harms: tuple[RewardHarmRow | None, ...]

    @property
    def carriers(self) -> tuple[RewardHarmRow, ...]:
        """Those in which it is harm."""
        return tuple(one for one in self.harms if one is not None and one.verdict == "harm")


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """The implicit reward of one checkpoint in every variant.

    Attributes:
        variants: name and reference of each; the series' own first.
        rows: of each identity, by name, in the order of the variants; None where one says nothing of it.
    """

    checkpoint: str
    variants: tuple[tuple[Variant, str | None], ...]
    rows: tuple[tuple[SensitivityRow | None, ...], ...]

    @property
    def own(self) -> SensitivityRow:
        """The first identity's in the series' own variant."""
        return next(one for row in self.rows for one in row if one is not None)


@dataclass(frozen=True, slots=True)
class RewardView:
    """One probe in the headline rendering, in one design of its rows.

    Attributes:
        signals: all there are, explicit rewards first.
        pairs: every two of them on the items that both have.
        identities: those that some signal harms first, then by name.
        references: what each implicit reward is counted from.
    """

    title: str
    signals: tuple[Name, ...]
    pairs: tuple[RewardAgreementRow, ...]
    identities: tuple[SignalsOfIdentity, ...]
    references: tuple[ReferenceTable, ...]

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """How its signals are read, each reading once; a signal without reference rows is read raw."""
        return tuple(dict.fromkeys(one.contrast for row in self.identities for one in row.harms if one is not None))

    @property
    def apart(self) -> tuple[tuple[Name, Name], ...]:
        """Every two signals that could not be set against each other."""
        compared = {((one.kind, one.checkpoint), (one.other_kind, one.other_checkpoint)) for one in self.pairs}
        return tuple(both for both in combinations(self.signals, 2) if both not in compared)

    @property
    def carried(self) -> tuple[SignalsOfIdentity, ...]:
        """The identities that some signal harms."""
        return tuple(one for one in self.identities if one.carriers)

    @property
    def judged(self) -> bool:
        """Whether any signal has a verdict on any identity that is no refusal."""
        verdicts = {one.verdict for row in self.identities for one in row.harms if one is not None}
        return bool(verdicts - {None, "refused"})


def signal_words(kind: SignalKind) -> str:
    """A kind of signal in words."""
    return _WORDS[kind]


def reward_views(results: Results, probes: Iterable[ProbeFindings], render: str) -> Iterator[RewardView]:
    """A view for each of the page's probes on which two signals were compared."""
    for probe in probes:
        pairs = tuple(
            one
            for one in results.agreements
            if (one.probe, one.design, one.render) == (probe.name, probe.design, render)
        )
        if pairs:
            harms = [
                one
                for one in results.reward_harms
                if (one.probe, one.design, one.render) == (probe.name, probe.design, render)
            ]
            signals = tuple(dict.fromkeys((one.kind, one.checkpoint) for one in harms))
            sensitivities = [
                one
                for one in results.sensitivities
                if (one.probe, one.design, one.render) == (probe.name, probe.design, render)
            ]
            identities = tuple(_identities(harms, signals))
            yield RewardView(probe.title, signals, pairs, identities, tuple(_references(sensitivities)))


def _references(sensitivities: Iterable[SensitivityRow]) -> Iterator[ReferenceTable]:
    by_checkpoint: dict[str, list[SensitivityRow]] = {}
    for one in sensitivities:
        by_checkpoint.setdefault(one.checkpoint, []).append(one)
    for checkpoint, own in by_checkpoint.items():
        variants = tuple(dict.fromkeys((one.variant, one.measure_from) for one in own))
        rows: dict[tuple[str, str], dict[tuple[Variant, str | None], SensitivityRow]] = {}
        for one in sorted(own, key=lambda row: (row.identity.casefold(), row.identity, row.axis)):
            rows.setdefault((one.identity, one.axis), {})[one.variant, one.measure_from] = one
        yield ReferenceTable(checkpoint, variants, tuple(tuple(map(row.get, variants)) for row in rows.values()))


def _identities(harms: Iterable[RewardHarmRow], signals: tuple[Name, ...]) -> list[SignalsOfIdentity]:
    found: dict[tuple[str, str], dict[Name, RewardHarmRow]] = {}
    for one in harms:
        found.setdefault((one.identity, one.axis), {})[one.kind, one.checkpoint] = one
    rows = [SignalsOfIdentity(*who, tuple(own.get(name) for name in signals)) for who, own in found.items()]
    return sorted(rows, key=lambda one: (not one.carriers, one.identity.casefold(), one.identity, one.axis))
