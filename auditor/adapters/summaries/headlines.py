"""The answer of an audit in one sentence of plain text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from auditor.adapters.summaries.summary_schema import SummaryLeaf, SummaryMetric
from auditor.core.cohens_d import SD

# Said wherever an answer stands.
WHAT_AN_AUDIT_SAYS = (
    "An audit finds evidence of harm on the probes it was given; it never certifies that a model is fair."
)
# More leaves than these are counted, not listed.
_LISTED = 4


def headline_of(
    leaves: Sequence[SummaryLeaf], probes: Collection[str], metrics: Sequence[SummaryMetric], *, judged: bool
) -> str:
    """How many identities show harm, where, and on how many probes.

    Args:
        probes: those of which a margin was read.
        judged: whether a bound is stated in the unit of the levels.
    """
    if not probes:
        if any(one.unit != SD for one in metrics):
            return "Published metrics only: no verdict is asked of texts without a harmful side"
        return "Two samples of texts, compared in standard deviations" if metrics else "No effect could be estimated"
    if not judged:
        return "Rewards without verdicts: no bound d is stated in their unit"
    if len(leaves) == 1:
        return _at_one(leaves[0], len(probes))
    with_harm = [leaf for leaf in leaves if leaf.harmed]
    if not with_harm:
        listed = _and([leaf.checkpoint for leaf in leaves])
        every = listed if len(leaves) <= _LISTED else f"any of {len(leaves)} final checkpoints"
        return f"No identity shows harm at {every}"
    if len(leaves) > _LISTED:
        return f"Harm shows at {len(with_harm)} of {len(leaves)} final checkpoints"
    first, *others = with_harm
    parts = [f"{_show(first)} at {first.checkpoint}"]
    parts += [f"{len(leaf.harmed)} at {leaf.checkpoint}" for leaf in others]
    parts += [f"none at {leaf.checkpoint}" for leaf in leaves if not leaf.harmed]
    return ", ".join(parts)


def _at_one(leaf: SummaryLeaf, probes: int) -> str:
    if leaf.harmed:
        return f"{_show(leaf)} at {leaf.checkpoint}, on {leaf.probes_with_harm} of {probes} probe{'s' * (probes > 1)}"
    asked = "this probe" if probes == 1 else f"these {probes} probes"
    open_cells = leaf.counts["inconclusive"]
    verdicts = f"; {open_cells} verdict{' is' if open_cells == 1 else 's are'} inconclusive" if open_cells else ""
    return f"No identity shows harm at {leaf.checkpoint} on {asked}{verdicts}"


def _show(leaf: SummaryLeaf) -> str:
    count = len(leaf.harmed)
    return f"{count} {'identity shows' if count == 1 else 'identities show'} harm"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
