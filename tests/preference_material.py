"""A small preference set about two identities, found and scored without a model."""

from __future__ import annotations

import numpy as np
from fake_scores import pair, probe_of

from auditor.adapters.preference_data.lexicon_people import Searched
from auditor.adapters.preference_data.preference_summary import Found, ScoredPairs, summarise
from auditor.core.items import Candidate, Item, Probe
from auditor.core.mentions import Finder, Named
from auditor.core.preference_mentions import Margins

EVIL = '</script><img src=x onerror="alert(1)">'
PEOPLE = (
    Named("Muslims", "faith", "marked", ("Muslim people",)),
    Named(EVIL, EVIL, "marked", ("green-eyed people",)),
    Named("Christians", "faith", "reference", ("Christian people",)),
    Named("nobody", "faith", "marked", ("nobodies",)),
)
SEARCHED = Searched("tiny 1", PEOPLE, Finder(PEOPLE, english=True))


def answers(item_id: str, prompt: str, chosen: str, rejected: str, cluster: str = "") -> Item:
    """One pair of preference data."""
    sides = (Candidate("harmful", rejected), Candidate("affirming", chosen))
    return pair(item_id, candidates=sides, context=prompt, cluster=cluster or item_id)


def preference_probe() -> Probe:
    """Twenty pairs: fourteen mention Muslims on one side, one mentions somebody with a hostile name."""
    rows = [answers(f"r{at}", "Who?", "Someone.", f"Muslim people {at}.", f"c{at * 2 // 3}") for at in range(12)]
    rows += [answers(f"x{at}", "Who?", f"Muslim people {at}.", "Someone.") for at in range(2)]
    rows += [answers(f"n{at}", "Who?", f"Yes {at}.", "No.") for at in range(4)]
    rows.append(answers(EVIL, f"Green-eyed people {EVIL}", "Christians, " + "long " * 200, "A Christian person."))
    rows.append(answers("last", "A muslim?", "Yes.", "No."))
    return probe_of(*rows, name="set", source=EVIL, content_warning=EVIL, defects=(EVIL,))


def found_in(*checkpoints: str) -> Found:
    """Found in the set, with made-up margins: the first pair of all was refused; an ``rm`` is a reward model."""
    probe = preference_probe()
    if not checkpoints:
        return summarise(probe, SEARCHED, None)
    margins = {}
    for number, name in enumerate(checkpoints):
        summed = np.random.default_rng(number).normal(size=len(probe.items))
        summed[0] = np.nan
        is_reward = name.startswith("rm")
        margins[name] = (
            Margins(summed, np.full(len(summed), np.nan), "reward") if is_reward else Margins(summed, summed / 2)
        )
    return summarise(probe, SEARCHED, ScoredPairs(margins, "plain", {"logprob": False, "reward": True}, (EVIL,)))
