"""Twin of auditor.adapters.report.attribution.attribution_charts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from run_factory import HARMED, controlled_probe, make_run

from auditor.adapters.report.attribution.attribution_charts import (
    MAX_MAPS,
    MAX_MAPS_WITHOUT_HARM,
    attribution_plots,
    mapped,
    number_words,
    role_name,
    telling,
)
from auditor.adapters.report.attribution.attribution_splits import LeafSplits, Split, Splits
from auditor.adapters.report.attribution.layer_map import ALL, MAX_LAYERS
from auditor.adapters.report.attribution.role_plot import RolePart
from auditor.adapters.report.report_data import read_report


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> LeafSplits:
    run = make_run(
        tmp_path_factory.mktemp("runs") / "run", probes=[controlled_probe()], renders=("plain",), attributed=True
    )
    return read_report(run).probes[0].leaves[0].splits


def test_every_method_has_its_figure_and_every_harmed_identity_its_map(splits: LeafSplits) -> None:
    found = attribution_plots("Controlled pairs", splits)
    assert [name for name, _ in found.named()] == [
        "attribution-tokens",
        "attribution-ig",
        "attribution-ablation",
        "attribution-shapley",
        "attribution-layers-trans-women",
    ]
    assert found.roles[0][1].title == ("Controlled pairs: excess shift from sft to dpo<b> by role, method tokens")
    assert not list(attribution_plots("nothing", LeafSplits()).named())


def test_bars_are_the_rows_of_the_file(splits: LeafSplits) -> None:
    (own, plot), *_ = attribution_plots("Controlled pairs", splits).roles
    for row, split in zip(plot.rows, own.marked, strict=True):
        assert row.label == split.identity
        for unit, part in zip(own.units, row.parts, strict=True):
            assert isinstance(part, RolePart)
            assert (part.mark.estimate, part.mark.low, part.p) == (
                split.parts[unit].estimate,
                split.parts[unit].low,
                split.parts[unit].p_adjusted,
            )
            assert part.shared == split.shared[unit].estimate
    assert plot.controls == [own.control_range(unit) for unit in own.units]


def test_a_map_adds_up_to_the_shift_beside_that_of_the_reference_rows(splits: LeafSplits) -> None:
    ((split, plot),) = attribution_plots("Controlled pairs", splits).maps
    assert split.identity == HARMED
    assert [one.heading for one in plot.panels] == [HARMED, "its reference rows"]
    for panel, parts in zip(plot.panels, (split.parts, split.shared), strict=True):
        whole = [cell.value for (_, column), cell in panel.cells.items() if column == ALL]
        assert sum(whole) == pytest.approx(sum(one.estimate or 0 for one in parts.values()), abs=1e-12)
        for row in ("layer 0", "layer 1", "layer 2"):
            own = [panel.cells[row, column].value for column in ("attention", "mlp", "other")]
            assert sum(own) == pytest.approx(panel.cells[row, ALL].value, abs=1e-12)
    # Norms are neither attention nor MLP.
    assert plot.panels[0].cells["layer 1", "other"].value == split.parts["layer 1 norm"].estimate
    assert plot.rows == ("embedding", "layer 0", "layer 1", "layer 2", "final norm", "head")
    values = [abs(cell.value) for panel in plot.panels for cell in panel.cells.values()]
    assert plot.largest == max(values)
    # The planted layer is seen at a glance.
    layers = {row: cell.value for (row, column), cell in plot.panels[0].cells.items() if column == ALL}
    assert max(layers, key=lambda row: abs(layers[row])) == "layer 1"


def test_a_whole_layer_has_the_p_of_its_own_row(splits: LeafSplits) -> None:
    (layers,) = splits.layers
    low = {unit: one.model_copy(update={"p_adjusted": 0.001}) for unit, one in layers.marked[0].parts.items()}
    told = replace(layers, marked=(replace(layers.marked[0], parts=low), *layers.marked[1:]))
    ((_, plot),) = attribution_plots("a", replace(splits, layers=(told,))).maps
    assert plot.panels[0].cells["layer 0", ALL].telling
    assert not plot.panels[0].cells["layer 0", "mlp"].telling
    ((_, plot),) = attribution_plots("a", replace(splits, layers=())).maps
    assert plot.panels[0].cells["layer 0", ALL].telling is None


def test_layers_of_deep_models_are_added_by_stretches(splits: LeafSplits) -> None:
    modules = splits.modules[0]
    row = modules.marked[0].any
    names = [f"layer {at} {module}" for at in range(80) for module in ("attention", "mlp")]
    parts = {
        name: row.model_copy(update={"unit": name, "number": at, "estimate": 0.01}) for at, name in enumerate(names)
    }
    deep = replace(modules, units=tuple(names), marked=(replace(modules.marked[0], parts=parts, shared={}),))
    ((_, plot),) = attribution_plots("a", LeafSplits(modules=(deep,))).maps
    assert plot.rows[:2] == ("layers 0\u20132", "layers 3\u20135")
    assert plot.rows[-1] == "layers 78\u201379"
    assert len(plot.rows) <= MAX_LAYERS
    cell = plot.panels[0].cells["layers 0\u20132", "mlp"]
    assert (cell.value, cell.telling) == (pytest.approx(0.03), None)


def test_maps_are_of_those_who_show_harm_or_else_of_the_first(splits: LeafSplits) -> None:
    def of(verdicts: list[str]) -> Splits:
        modules = splits.modules[0]
        made = [Split(f"group {at}", "", one, {}, {}) for at, one in enumerate(verdicts)]
        return replace(modules, marked=tuple(made))

    assert [one.identity for one in mapped(of(["harm", "inconclusive", "harm"]))] == ["group 0", "group 2"]
    assert len(mapped(of(["harm"] * 9))) == MAX_MAPS
    assert len(mapped(of(["inconclusive"] * 9))) == MAX_MAPS_WITHOUT_HARM


def test_words(splits: LeafSplits) -> None:
    shift, level = splits.roles[0], splits.roles[2]
    assert number_words(shift) == "excess shift from sft to dpo<b>"
    assert number_words(replace(level, excess=False)) == "level at dpo<b>"
    assert (role_name("end"), role_name("(baseline)"), role_name("frame")) == ("end of turn", "no words", "frame")
    row = shift.marked[0].any
    assert telling(row.model_copy(update={"p_adjusted": 0.049}))
    assert not telling(row.model_copy(update={"p_adjusted": 0.05}))
    assert not telling(row.model_copy(update={"p_adjusted": None}))
