"""``--dry-run``: what an audit would cost, without reading a weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditor.adapters.hf.devices import matmul_rate
from auditor.adapters.hf.loading.checkpoints import CheckpointFiles, LoadPolicy
from auditor.adapters.hf.padded import BATCH_LOGITS
from auditor.adapters.hf.plans import distinct_prefixes
from auditor.adapters.hf.scorer import HFScorer
from auditor.adapters.hf.shared_settings import Forwards
from auditor.adapters.printable import printable
from auditor.cli.console import widen
from auditor.core.items import Probe

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def print_dry_run(
    scorer: HFScorer,
    probes: Sequence[Probe],
    files: Mapping[str, CheckpointFiles],
    policy: LoadPolicy,
    forwards: Forwards,
) -> None:
    """Print items, texts, tokens, weights, estimated time and memory for each checkpoint, whatever is quiet.

    Time is 2 x parameters x unique tokens over the matmul rate measured here and now, so it is a floor; a
    forward pass reaches between a half and two thirds of it. Unique are tokens after another beginning: texts that
    begin alike share what they share; where each goes through the model by itself, only those that are all alike.
    """
    rate = matmul_rate(policy.device, policy.dtype)
    title = f"Dry run: {policy.device}, {policy.dtype}, {rate / 1e9:,.0f} GFLOP/s matmul; times are the least possible"
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for heading in ("checkpoint", "items", "refused", "texts", "tokens", "unique", "weights", "memory", "time"):
        table.add_column(heading, justify="left" if heading == "checkpoint" else "right", no_wrap=True)
    for name, one in files.items():
        work = scorer.prepare(name, probes)
        parameters = one.n_parameters or one.weight_bytes // _BYTES[policy.dtype]
        memory = parameters * _BYTES[policy.dtype] + 4 * BATCH_LOGITS.get(policy.device, BATCH_LOGITS["cpu"])
        asked = work.sequences
        if forwards.of[one.quantity] == "packed":
            tokens = distinct_prefixes(asked if one.quantity == "logprob" else asked.read_to_the_end())
        else:
            tokens = int(asked.lengths[asked.distinct()[0]].sum())
        costs = (_size(one.weight_bytes), _size(memory), f"{2 * parameters * tokens / rate:,.1f} s")
        table.add_row(
            Text(printable(name)),
            f"{work.items:,}",
            f"{len(work.refusals):,}",
            f"{work.texts:,}",
            f"{work.tokens:,}",
            f"{tokens:,}",
            *(costs if parameters else ("unknown",) * len(costs)),
        )
    console = Console()
    # Names and numbers are to be copied: a line too long for the terminal is the terminal's to break.
    widen(console, table)
    console.print(Text(title), soft_wrap=True)
    console.print(table)


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 2**20:,.0f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:,.1f} GiB"
