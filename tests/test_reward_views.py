"""Twin of auditor.adapters.report.reward_views."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_factory import HARMED, MIXED, identity_swap_probe, make_run, text_swap_probe

from auditor.adapters.report.report_data import ReportData, read_report
from auditor.adapters.report.reward_views import RewardView, reward_views, signal_words


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    probes = [text_swap_probe(), identity_swap_probe()]
    return read_report(make_run(tmp_path_factory.mktemp("runs") / "run", probes=probes, **MIXED))


@pytest.fixture(scope="module")
def views(data: ReportData) -> tuple[RewardView, ...]:
    return tuple(reward_views(data.results, data.probes, data.render))


def test_every_two_signals_of_each_probe_in_the_rendering_of_the_page(
    data: ReportData, views: tuple[RewardView, ...]
) -> None:
    assert [view.title for view in views] == [probe.title for probe in data.probes]
    for view, probe in zip(views, data.probes, strict=True):
        assert view.signals == (("explicit_reward", "rm"), ("implicit_reward", "dpo<b>"), ("preference", "sft"))
        assert [(one.kind, one.other_kind) for one in view.pairs] == [
            ("explicit_reward", "implicit_reward"),
            ("explicit_reward", "preference"),
            ("implicit_reward", "preference"),
        ]
        assert {(one.probe, one.render) for one in view.pairs} == {(probe.name, "plain")}


def test_who_is_harmed_in_some_signal_leads(views: tuple[RewardView, ...]) -> None:
    small, swap = views
    assert [one.identity for one in small.carried] == [small.identities[0].identity] == [HARMED]
    assert [(one.kind, one.checkpoint) for one in small.carried[0].carriers] == [
        ("explicit_reward", "rm"),
        ("implicit_reward", "dpo<b>"),
    ]
    assert swap.carried == ()
    assert [one.identity for one in swap.identities] == ["Gay", "Lesbian"]


def test_where_every_signal_was_refused_nothing_was_judged(data: ReportData, views: tuple[RewardView, ...]) -> None:
    assert [view.judged for view in views] == [True, True]
    for verdict in ("refused", None):
        harms = tuple(one.model_copy(update={"verdict": verdict}) for one in data.results.reward_harms)
        unjudged = data.results.model_copy(update={"reward_harms": harms})
        assert [view.judged for view in reward_views(unjudged, data.probes, data.render)] == [False, False]


def test_numbers_are_those_of_the_results(data: ReportData, views: tuple[RewardView, ...]) -> None:
    for view in views:
        for one in view.identities:
            assert [(own.kind, own.checkpoint) for own in one.harms if own] == list(view.signals)
            assert all(own in data.results.reward_harms for own in one.harms)


def test_what_a_signal_says_nothing_of_is_left_open(data: ReportData) -> None:
    fewer = data.results.model_copy(
        update={"reward_harms": tuple(one for one in data.results.reward_harms if one.kind != "preference"
                                      or one.identity != HARMED)}
    )  # fmt: skip
    view = next(iter(reward_views(fewer, data.probes, data.render)))
    assert [own is None for own in view.identities[0].harms] == [False, False, True]


def test_signals_that_are_read_unlike_are_named_and_no_caption_speaks_for_both(
    data: ReportData, views: tuple[RewardView, ...]
) -> None:
    """As where a reward model's tokenizer leaves rows without comparable reference rows."""
    assert [(view.contrasts, view.apart) for view in views] == [(("excess",), ()), (("raw",), ())]
    results = data.results
    place, rm = views[0].pairs[0].probe, "explicit_reward"
    unlike = results.model_copy(
        update={
            "agreements": tuple(one for one in results.agreements if one.probe != place or one.kind != rm),
            "reward_harms": tuple(
                one.model_copy(update={"contrast": "raw"}) if (one.probe, one.kind) == (place, rm) else one
                for one in results.reward_harms
            ),
        }
    )
    view = next(iter(reward_views(unlike, data.probes, data.render)))
    assert view.contrasts == ("raw", "excess")
    explicit, implicit, preferred = view.signals
    assert view.apart == ((explicit, implicit), (explicit, preferred))


def test_one_signal_has_no_view(tmp_path: Path) -> None:
    data = read_report(make_run(tmp_path / "run", checkpoints=("only",)))
    assert list(reward_views(data.results, data.probes, data.render)) == []


def test_words() -> None:
    assert [signal_words(one) for one in ("explicit_reward", "implicit_reward", "preference")] == [
        "explicit reward",
        "implicit reward",
        "preference",
    ]


def test_what_an_implicit_reward_is_counted_from_is_a_table_of_its_checkpoint(
    data: ReportData, views: tuple[RewardView, ...]
) -> None:
    (table,) = views[0].references
    assert (table.checkpoint, table.own.variant) == ("dpo<b>", "own")
    assert table.variants == (("own", "sft"), ("summed", None), ("per_token", None))
    names = [next(one for one in row if one).identity for row in table.rows]
    assert names == sorted(names, key=str.casefold)
    for row in table.rows:
        for one, (variant, before) in zip(row, table.variants, strict=True):
            assert one is None or (one.variant, one.measure_from) == (variant, before)
            assert one is None or one in data.results.sensitivities
