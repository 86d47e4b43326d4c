"""One workload on one model, scored by the package and its peers in turn: seconds, agreement, distance to the floor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import ours
import torch
from floor import Work, parameters, work_of
from machine import at_least, square_rate
from peers import Peer, make_peers
from shapes import model_folder
from simulation import say
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from workloads import Workload, sample

from auditor.core.items import Item

# A further round of the package over the whole workload follows unless the first took longer than this, seconds.
LONG_ROUND = 60.0
# Sides of the squares whose product is timed; on a card, small ones would leave most of it idle.
SQUARES, CARD_SQUARES = (1024, 2048), (8192,)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with its tokenizer.

    Attributes:
        shape: its name in `shapes`.
        folder: both can be loaded from there.
    """

    shape: str
    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    body: int
    head: int


@dataclass(frozen=True, slots=True)
class Asked:
    """How a workload is scored.

    Attributes:
        peers: names of `peers`.
        tokens: each peer is timed on whole items drawn until they hold so many; lm-eval on ``lm_eval_tokens``.
        rounds: package and peers take turns so many times, the best counts.
        exact: numbers are float32 and must agree; else they are not compared.
        squares: sides of the matrices whose product tells the machine's rate.
    """

    peers: Sequence[str]
    tokens: int
    lm_eval_tokens: int
    rounds: int = 2
    exact: bool = True
    squares: Sequence[int] = SQUARES


def load(shape: str, texts: Sequence[str], where: Path, device: str = "cpu", dtype: str = "float32") -> Loaded:
    """Make a model of random weights if need be, and load it."""
    folder = model_folder(where, shape, texts, dtype, device=device)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).to(device).eval()
    loaded = Loaded(shape, folder, model, AutoTokenizer.from_pretrained(folder), *parameters(model))
    say(
        f"{shape}: {loaded.body:,} parameters in the body and {loaded.head:,} in the head; "
        f"a tokenizer of {len(loaded.tokenizer):,} entries"
    )
    return loaded


def compare(loaded: Loaded, workload: Workload, asked: Asked) -> dict[str, Any]:
    """Time everything on one workload; a row for the table."""
    items = ours.comparable(loaded.tokenizer, workload.items)
    sequences = ours.sequences_of(loaded.tokenizer, items)
    work = work_of(sequences)
    say(f"\n{workload.name} on {loaded.shape}: {workload.note}")
    say(
        f"  {len(items):,} items ({len(workload.items) - len(items)} left out), {len(sequences):,} texts of "
        f"{work.tokens:,} tokens; {work.unique:,} unique, {work.predicting:,} predicting prefixes"
    )
    lengths = np.bincount(sequences.items, weights=sequences.lengths).astype(int).tolist()
    drawn = {
        tokens: [items[at] for at in sample(items, lengths, tokens)] for tokens in (asked.tokens, asked.lm_eval_tokens)
    }
    peers = make_peers(asked.peers, loaded.folder, loaded.model, _longest(items))
    samples = [drawn[asked.lm_eval_tokens if peer.name == "lm-eval" else asked.tokens] for peer in peers]
    own, sums, seconds, rates = _take_turns(loaded, items, peers, samples, asked)
    by_item = dict(zip([item.id for item in items], _split(own[0].sums, items), strict=True))
    best = min(own, key=lambda one: one.seconds)
    own_figures = _against_floor(loaded, work, own, rates)
    rows = [
        _peer_row(loaded, peer, chosen, found, taken, best.seconds / len(sequences), by_item, asked.exact)
        for peer, chosen, found, taken in zip(peers, samples, sums, seconds, strict=True)
    ]
    return {
        "workload": workload.name,
        "model": loaded.shape,
        "vocabulary": len(loaded.tokenizer),
        "note": workload.note,
        "items": len(items),
        "left_out": len(workload.items) - len(items),
        "texts": len(sequences),
        "seconds": best.seconds,
        "rounds": len(own),
        **own_figures,
        "peers": rows,
    }


def _longest(items: Sequence[Item]) -> list[Item]:
    """A batch's worth, the longest text first: what a tool that sorts by length begins with."""
    by_length = sorted(items, key=lambda item: -max(len(one.text) for one in item.candidates) - len(item.context))
    return by_length[:16]


def _take_turns(
    loaded: Loaded, items: Sequence[Item], peers: Sequence[Peer], samples: Sequence[Sequence[Item]], asked: Asked
) -> tuple[list[ours.Scoring], list[list[float]], list[float], list[dict[str, float]]]:
    """Package, peers, package, peers: each round's own scoring, the peers' sums and best seconds, rates in between."""
    ours.score(loaded.model, loaded.tokenizer, items[:16])
    for peer, chosen in zip(peers, samples, strict=True):
        peer.sums(chosen[:16])
    own: list[ours.Scoring] = []
    sums: list[list[float]] = [[]] * len(peers)
    seconds = [float("inf")] * len(peers)
    rates = [_rates(loaded, asked.squares)]
    for _ in range(asked.rounds):
        if not own or own[0].seconds < LONG_ROUND:
            own.append(ours.score(loaded.model, loaded.tokenizer, items))
            rates.append(_rates(loaded, asked.squares))
        for at, (peer, chosen) in enumerate(zip(peers, samples, strict=True)):
            began = time.perf_counter()
            sums[at] = peer.sums(chosen)
            seconds[at] = min(seconds[at], time.perf_counter() - began)
    return own, sums, seconds, [*rates, _rates(loaded, asked.squares)]


def _rates(loaded: Loaded, squares: Sequence[int]) -> dict[str, float]:
    dtype = str(loaded.model.dtype).removeprefix("torch.")
    return {str(size): square_rate(size, str(loaded.model.device), dtype) for size in squares}


def _against_floor(
    loaded: Loaded, work: Work, own: Sequence[ours.Scoring], rates: Sequence[dict[str, float]]
) -> dict[str, Any]:
    """The floor at the highest rate that any square reached meanwhile, and which share of the seconds it is."""
    best = {size: max(one[size] for one in rates) for size in rates[0]}
    floor = work.operations(loaded.body, loaded.head) / max(best.values())
    fastest = min(own, key=lambda one: one.score_s)
    whole = min(one.seconds for one in own)
    say(
        f"  auditor: {whole:.2f} s, of which {fastest.score_s:.2f} s from ids to log-probabilities; floor {floor:.2f} s"
        f" at {max(best.values()) / 1e9:.0f} GFLOP/s ("
        + ", ".join(f"{size}: {rate / 1e9:.0f}" for size, rate in best.items())
        + ")"
    )
    return {
        "tokens": work.tokens,
        "unique_tokens": work.unique,
        "predicting_prefixes": work.predicting,
        "planned_tokens": own[0].nodes,
        "score_s": fastest.score_s,
        "tokenize_s": fastest.tokenize_s,
        "matmul_rates": best,
        "floor_s": floor,
        "share_of_floor": floor / fastest.score_s,
        "share_of_floor_with_tokenising": floor / whole,
    }


def _peer_row(
    loaded: Loaded,
    peer: Peer,
    chosen: Sequence[Item],
    found: Sequence[float],
    seconds: float,
    own_per_text: float,
    by_item: dict[str, list[float]],
    exact: bool,
) -> dict[str, Any]:
    """One peer's seconds a text against the package's, and how far its numbers are off."""
    if peer.end == "none":
        own = [by_item[item.id] for item in chosen]
    else:
        # Their texts end in a token more, so the package scores the sample with it as well.
        own = _split(ours.score(loaded.model, loaded.tokenizer, chosen, peer.end).sums, chosen)
    expected = [value for item, values in zip(chosen, own, strict=True) for value in values[: peer.candidates(item)]]
    off = deviation(expected, found)
    ratio = seconds / len(found) / own_per_text
    whole = seconds / len(found) * sum(map(len, by_item.values()))
    said = f"largest deviation {off:.2g} of the tolerance{'' if off <= 1 else ': BROKEN'}" if exact else "not compared"
    say(
        f"  {peer.name} ({peer.setting}): {ratio:.2f} times the seconds a text; {seconds:.2f} s on a sample of "
        f"{len(chosen):,} items ({len(found):,} texts), so {whole:.0f} s for all; {said}"
    )
    return {
        "peer": peer.name,
        "setting": peer.setting,
        "items_timed": len(chosen),
        "texts_timed": len(found),
        "seconds": seconds,
        "seconds_a_text": seconds / len(found),
        "seconds_for_all": whole,
        "ratio": ratio,
        "deviation": off if exact else None,
        "agrees": bool(off <= 1) if exact else None,
    }


def deviation(own: Sequence[float], theirs: Sequence[float]) -> float:
    """Largest difference of two sums as a multiple of 1e-4 x max(1, |sum| / 100); what is no number is infinitely far.

    Raises:
        ValueError: not as many numbers on both sides, or none.
    """
    if len(own) != len(theirs) or not own:
        raise ValueError(f"{len(own)} sums of the package against {len(theirs)} of a peer")
    expected, found = np.array(own), np.array(theirs)
    off = np.abs(expected - found) / (1e-4 * np.maximum(1.0, np.abs(expected) / 100))
    return float(np.where(np.isfinite(off), off, np.inf).max())


def best_lm_eval(row: dict[str, Any]) -> float | None:
    """lm-eval's ratio at its best batch size, None where it was not asked."""
    return min((one["ratio"] for one in row["peers"] if one["peer"] == "lm-eval"), default=None)


def _split(sums: Sequence[float], items: Sequence[Item]) -> list[list[float]]:
    """Sums by item."""
    ends = np.cumsum([0, *(len(item.candidates) for item in items)]).tolist()
    return [list(sums[first:end]) for first, end in pairwise(ends)]


def agreement_checks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each comparison that disagrees, or one that says that none does."""
    broken = [(row, one) for row in rows for one in row["peers"] if not one["agrees"]]
    n_all = sum(len(row["peers"]) for row in rows)
    checks = [
        at_least(f"agreement with {one['peer']} on {row['workload']}, {row['model']}", 0, 1) for row, one in broken
    ]
    return checks or [at_least("comparisons whose numbers agree", n_all, n_all)]
