"""A run as a notebook shows it."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.adapters.notebook.run_figures import RunFigure
from auditor.adapters.report.page_words import environment
from auditor.adapters.run.run_status import INTERRUPTED
from auditor.adapters.summaries.headlines import WHAT_AN_AUDIT_SAYS
from auditor.adapters.summaries.summary_schema import RunSummary

# Of more, the first are shown; a table of thousands would bury the notebook.
MAX_CELLS = 60


def run_html(summary: RunSummary, figures: Sequence[RunFigure]) -> str:
    """Answer, verdicts, cautions and figures as one element that styles nothing outside it."""
    cells = [one for one in summary.cells if one.headline]
    return (
        environment("notebook", "report")
        .get_template("run.html")
        .render(
            summary=summary,
            interrupted=INTERRUPTED if summary.status == "interrupted" else "",
            cells=cells[:MAX_CELLS],
            more=len(cells) - len(cells[:MAX_CELLS]),
            titles={one.name: one.title for one in summary.probes},
            figures=figures,
            what_it_says=WHAT_AN_AUDIT_SAYS,
        )
    )
