"""The answer of an audit in one sentence, and what it rests on: made here for every place that gives them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from auditor.adapters.report.level_units import LevelUnit
from auditor.adapters.summaries.summary_schema import SummaryLeaf, SummaryMetric
from auditor.adapters.summaries.verdict_tables import odds_words
from auditor.core.cohens_d import SD

# Said wherever an answer stands.
WHAT_AN_AUDIT_SAYS = (
    "An audit finds evidence of harm on the probes it was given; it never certifies that a model is fair."
)
# More leaves than these are counted, not listed.
_LISTED = 4


def headline_parts(leaves: Sequence[SummaryLeaf], metrics: Sequence[SummaryMetric], *, judged: bool) -> list[str]:
    """How many identities show harm, where, and on how many probes; the headline once joined.

    Args:
        judged: whether a bound is stated in the unit of the levels.

    Returns:
        Our words at even places, names of checkpoints, which are anybody's words, at odd ones.
    """
    if not any(leaf.probes_read for leaf in leaves):
        return [_without_margins(metrics)]
    if not judged:
        return ["Rewards without verdicts: no bound d is stated in their unit"]
    if {verdict for leaf in leaves for verdict, count in leaf.counts.items() if count} == {"refused"}:
        return ["No verdict could be given: every effect was refused"]
    read = [leaf for leaf in leaves if leaf.probes_read]
    parts = _at_one(read[0]) if len(read) == 1 else list(_at_several(read))
    if len(read) == len(leaves):
        return parts
    lead, *names = _unread([leaf for leaf in leaves if not leaf.probes_read])
    return [*parts[:-1], parts[-1] + lead, *names] if len(parts) % 2 else [*parts, lead, *names]


def basis_of(render: str, units: Sequence[LevelUnit], *, several: bool) -> str:
    """What the answer rests on: rendering, bound d and reference; without a verdict, what stands in its place.

    Args:
        units: of levels; that of policies leads where there are any.
        several: whether training has several ends.
    """
    leading, *beside = units
    return _basis(render, leading, several=several) + "".join(map(_beside, beside))


def _beside(unit: LevelUnit) -> str:
    if unit.sesoi is None:
        return ""
    return f" At a reward model the margin is one of rewards, and d = {_bound(unit.sesoi)} {unit.words}."


def _basis(render: str, unit: LevelUnit, *, several: bool) -> str:
    sesoi = unit.sesoi
    where = ", at each checkpoint that no other was trained from" if several else ""
    read = f"Read in {render} rendering{where}."
    if unit.unjudged:
        return (
            f"{read} Estimates stand with 95% intervals, in units of each reward model. What difference would matter "
            "is not known of a reward; stated with --sesoi, it gives verdicts."
        )
    if sesoi is None:
        return f"{read} Estimates stand with 95% intervals; none has a verdict."
    odds = f" (odds of the harmful text {odds_words(math.exp(sesoi))})" if not unit.of_rewards else ""
    return (
        f"{read} Harm means: the whole adjusted interval of the disparity of an identity (its excess over its "
        "reference identity), or of its preference where a probe has no reference rows, lies above the bound "
        f"d = {_bound(sesoi)} {unit.words}{odds}, and a disparity survives the controls of its probe."
    )


def _bound(sesoi: float) -> str:
    """Two digits after the point, as in the tables; two that count where these would show none."""
    return f"{sesoi:.2f}" if sesoi >= 0.1 else f"{sesoi:.2g}"


def _without_margins(metrics: Sequence[SummaryMetric]) -> str:
    if any(one.unit != SD for one in metrics):
        return "Published metrics only: no verdict is asked of texts without a harmful side"
    return "Two samples of texts, compared in standard deviations" if metrics else "No effect could be estimated"


def _at_one(leaf: SummaryLeaf) -> list[str]:
    probes = leaf.probes_read
    if leaf.harmed:
        of = f"{leaf.probes_with_harm} of {probes} probe{'s' * (probes > 1)}"
        return [f"{_show(leaf)} harm at ", leaf.checkpoint, f", on {of}"]
    asked = "this probe" if probes == 1 else f"these {probes} probes"
    return ["No identity shows harm at ", leaf.checkpoint, f" on {asked}{_still_open([leaf])}"]


def _at_several(leaves: Sequence[SummaryLeaf]) -> Iterator[str]:
    with_harm = [leaf for leaf in leaves if leaf.harmed]
    if not with_harm and len(leaves) > _LISTED:
        yield f"No identity shows harm at any of {len(leaves)} final checkpoints{_still_open(leaves)}"
    elif not with_harm:
        for at, leaf in enumerate(leaves):
            yield "No identity shows harm at " if not at else " or " if at == len(leaves) - 1 else ", "
            yield leaf.checkpoint
        yield _still_open(leaves)
    elif len(leaves) > _LISTED:
        yield f"Harm shows at {len(with_harm)} of {len(leaves)} final checkpoints"
    else:
        for at, leaf in enumerate([*with_harm, *(one for one in leaves if not one.harmed)]):
            who = f"{len(leaf.harmed) or 'none'} at " if at else f"{_show(leaf)} harm at "
            yield f", {who}" if at else who
            yield leaf.checkpoint


def _unread(leaves: Sequence[SummaryLeaf]) -> Iterator[str]:
    """Where there is no harm to see because nothing was scored."""
    for at, leaf in enumerate(leaves):
        yield ", " if at else "; nothing could be read at "
        yield leaf.checkpoint


def _still_open(leaves: Sequence[SummaryLeaf]) -> str:
    """How many identities stay inconclusive at some of these ends of training, and of how much nothing is known."""
    count = len({identity for leaf in leaves for identity in leaf.inconclusive})
    refused = sum(leaf.counts.get("refused", 0) for leaf in leaves)
    parts = [f"{count} {'stays' if count == 1 else 'stay'} inconclusive"] if count else []
    parts += [f"{refused} {'verdict is' if refused == 1 else 'verdicts are'} refused"] if refused else []
    return f"; {', '.join(parts)}" if parts else ""


def _show(leaf: SummaryLeaf) -> str:
    count = len(leaf.harmed)
    return f"{count} {'identity shows' if count == 1 else 'identities show'}"
