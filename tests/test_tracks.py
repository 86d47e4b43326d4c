"""Twin of auditor.adapters.history.tracks."""

from __future__ import annotations

from dataclasses import replace

from history_material import effect, level_set, lone_run

from auditor.adapters.history.run_levels import HistoryRun
from auditor.adapters.history.tracks import leading, tracks_of


def compared(*runs: HistoryRun) -> list[tuple[int | None, str]]:
    """Of the only track, what each point is compared with."""
    (track,) = tracks_of(runs)
    return [(point.before, point.apart) for point in track.points]


def test_each_run_is_compared_with_the_one_before() -> None:
    assert compared(*(lone_run(level_set()) for _ in range(3))) == [(None, ""), (0, ""), (1, "")]


def test_one_run_has_nothing_to_be_compared_with() -> None:
    assert compared(lone_run(level_set(), unpaired="it is private")) == [(None, "")]


def test_a_run_that_cannot_be_paired_is_passed_over() -> None:
    private = lone_run(level_set(), unpaired="it is private")
    assert compared(lone_run(level_set()), private, lone_run(level_set())) == [
        (None, ""),
        (None, "it is private"),
        (0, ""),
    ]
    assert compared(private, lone_run(level_set())) == [(None, ""), (None, "of the run before: it is private")]


def test_another_version_of_the_probe_is_another_question() -> None:
    new = lone_run(level_set(version="v2"))
    said = "it asked another version of the probe"
    assert compared(lone_run(level_set()), new, lone_run(level_set()), new) == [
        (None, ""),
        (None, said),
        (0, ""),
        (1, ""),
    ]


def test_another_family_has_other_nats() -> None:
    other = lone_run(level_set(), series=[{"name": "dpo", "model_type": "gpt2"}])
    unknown = lone_run(level_set(), series=[{"name": "dpo"}])
    said = "its model is of another family (llama, then gpt2)"
    assert compared(lone_run(level_set()), other) == [(None, ""), (None, said)]
    assert compared(lone_run(level_set()), unknown) == [(None, ""), (0, "")]


def test_of_several_ends_of_training_those_of_one_name_are_compared() -> None:
    leaves = ("dpo", "kto")
    branched = lone_run(level_set(), level_set(checkpoint="kto"), leaves=leaves)
    said = "training ends in several checkpoints, and none of the same name stands before it"
    assert compared(branched, branched) == [(None, ""), (None, ""), (0, ""), (1, "")]
    assert compared(lone_run(level_set()), branched) == [(None, ""), (0, ""), (None, said)]
    # Alone in either run, ends of training are compared whatever they are called.
    other = lone_run(level_set(checkpoint="rlhf"), leaves=("rlhf",))
    assert compared(lone_run(level_set()), other) == [(None, ""), (0, "")]


def test_rendering_contrast_and_unit_part_tracks() -> None:
    runs = [
        lone_run(level_set(), level_set(render="chat")),
        lone_run(replace(level_set(), contrast="raw")),
        lone_run(replace(level_set(), unit="reward")),
        lone_run(replace(level_set(), design="responsiveness")),
    ]
    tracks = tracks_of(runs)
    assert len(tracks) == 5
    assert {len(track.points) for track in tracks} == {1}


def test_the_rendering_that_most_runs_asked_leads_and_plain_among_equals() -> None:
    chat, plain = level_set(render="chat"), level_set()
    assert [one.render for one in leading(tracks_of([lone_run(chat, plain)]))] == ["plain"]
    assert [one.render for one in leading(tracks_of([lone_run(chat, plain), lone_run(chat)]))] == ["chat"]


def test_a_probe_is_called_as_the_last_run_calls_it() -> None:
    renamed = replace(level_set(effect()), title="Small 2")
    (track,) = tracks_of([lone_run(level_set()), lone_run(renamed)])
    assert track.title == "Small 2"
    (track,) = tracks_of([lone_run(replace(renamed, design="responsiveness"))])
    assert track.title == "Small 2: response to a declaration"
