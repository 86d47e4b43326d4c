"""Twin of auditor.adapters.hf.path.path_costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from model_factory import new_model, save_lora
from path_cases import files_of, save_two, shelf, some_pairs

from auditor.adapters.hf.path.parameter_path import path_record
from auditor.adapters.hf.path.path_costs import path_cost
from auditor.adapters.hf.path.weight_maps import weight_map

PAIRS = some_pairs(items=3)
# Rows of each pair are as long as its longer text: 4 + 3, 5 + 4, 6 + 5.
TOKENS = [14, 18, 22]


def test_whole_models(tmp_path: Path) -> None:
    reference, policy = (files_of(one.name, one) for one in save_two(tmp_path, "llama"))
    record = path_record(reference, policy, shelf(), PAIRS, nodes=4)
    cost = path_cost(reference, policy, PAIRS, record)
    parameters = sum(one.numel() for one in new_model("llama", 0).parameters())
    assert (cost.passes, cost.kept, cost.moving, cost.memory) == (12, 0, parameters, 8 * parameters)
    assert cost.operations == 6 * parameters * 4 * sum(TOKENS)
    assert cost.seconds(1e9) == cost.operations / 1e9

    record.begin(weight_map(new_model("llama", 0)), np.zeros(3), np.zeros(3))
    units = record._parts.shape[-1]
    for node in range(3):
        record.add(1, node, np.zeros(units, np.float32))
    some = path_cost(reference, policy, PAIRS, record)
    assert (some.passes, some.kept) == (9, 3)
    assert some.operations == 6 * parameters * (4 * (14 + 22) + 18)


def test_an_adapter_takes_little_more_than_its_base(tmp_path: Path) -> None:
    folder, _ = save_two(tmp_path, "llama")
    save_lora(folder, tmp_path / "lora", seed=0)
    reference, policy = files_of("base", folder), files_of("lora", folder, tmp_path / "lora")
    cost = path_cost(reference, policy, PAIRS, path_record(reference, policy, shelf(), PAIRS, nodes=1))
    adapter = 2 * 4 * (32 + 32 + 32 + 16)
    assert cost.moving == adapter
    assert cost.memory == 4 * (reference.n_parameters + 2 * adapter)
    # Forward and back to what went in through all; back to the weights through the adapter alone.
    assert cost.operations == 2 * (2 * (reference.n_parameters + adapter) + adapter) * sum(TOKENS)


def test_sizes_that_no_header_tells(tmp_path: Path) -> None:
    reference, policy = (files_of(one.name, one) for one in save_two(tmp_path, "llama"))
    pickled = replace(policy, weights=replace(policy.weights, shapes={}, pickled=True))
    cost = path_cost(reference, pickled, PAIRS, path_record(reference, policy, shelf(), PAIRS, nodes=2))
    assert cost.passes == 6
    assert (cost.moving, cost.memory, cost.operations, cost.seconds(1.0)) == (None, None, None, None)
