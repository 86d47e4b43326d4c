"""Twin of auditor.adapters.report.probe_titles."""

from __future__ import annotations

from auditor.adapters.report.probe_titles import design_title, probe_titles, title_of_all


def test_a_title_that_two_probes_bear_is_followed_by_the_name() -> None:
    entries = [{"name": "a", "title": "Pairs"}, {"name": "b", "title": "Pairs"}, {"name": "c", "title": "Others"}, {}]
    found = probe_titles(entries, ["a", "b", "c", "unnamed"])
    assert found == {"a": "Pairs (a)", "b": "Pairs (b)", "c": "Others", "unnamed": "unnamed"}
    assert probe_titles(entries, ["a"]) == {"a": "Pairs"}


def test_a_design_is_named_where_it_stands_beside_another() -> None:
    both = ("text_swap", "identity_swap")
    titles = [design_title("Pairs", one, both) for one in both]
    assert len(set(titles)) == 2
    assert titles[0] == design_title("Pairs", "identity_swap", ["identity_swap"]) == "Pairs"
    assert design_title("Pairs", "responsiveness", ["responsiveness"]) != "Pairs"
    assert [title_of_all(design_title("Pairs", one, (*both, "responsiveness"))) for one in both] == ["Pairs"] * 2
    assert title_of_all(design_title("Pairs", "responsiveness", both)) == "Pairs"
