"""Twin of auditor.core.counterfactuals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from auditor.core.attributions import BASELINE_UNIT, Attribution, Unit
from auditor.core.counterfactuals import Counterfactual, counterfactual_of

WHO = Unit(0, "trans women", None, 0, 11, "identity", "women")
MET, HARM = Unit(1, "met", None, 12, 15, "frame", ""), Unit(0, "not", "harmful", 5, 8, "predicate", "")
ABLATION = Attribution(
    *("p", "1", "plain", "dpo", None, "ablation", "word"),
    (WHO, MET, HARM, Unit(-1, BASELINE_UNIT)),
    np.array([1.75, 0.5, 3.0, 2.0]),
    2.0,
)


def test_it_is_the_edit_that_leaves_least() -> None:
    assert counterfactual_of(ABLATION) == Counterfactual(WHO, before=2.0, after=0.25)


def test_of_an_excess_the_identity_is_no_edit_even_where_the_reference_is_at_0() -> None:
    assert counterfactual_of(ABLATION, reference_mean=0.0) == Counterfactual(HARM, before=2.0, after=-1.0)
    assert counterfactual_of(ABLATION, reference_mean=1.5) == Counterfactual(MET, before=0.5, after=0.0)


def test_what_is_left_without_all_words_is_no_edit() -> None:
    bare = replace(ABLATION, units=ABLATION.units[-1:], values=np.array([2.0]))
    assert counterfactual_of(bare) is None


def test_other_methods_do_not_say() -> None:
    with pytest.raises(ValueError, match="ablation"):
        counterfactual_of(replace(ABLATION, method="ig"))
