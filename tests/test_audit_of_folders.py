"""Audits of probe folders from end to end: two axes at once, conversations, and a template that refuses some."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import audit, cells, write
from probe_material import FAITH, LEXICON, SECTION, write_probe

from auditor.adapters.probe_files.probes import open_probe


def talking_probe(folder: Path) -> Path:
    """A probe on two axes whose frames are a context, a conversation, and one with a system turn."""
    turns = [
        {"role": "user", "content": "May I ask something?"},
        {"role": "assistant", "content": "You may."},
        {"role": "user", "content": "What of {people}?"},
    ]
    plain = SECTION["frames"][0]
    frames = [
        plain,
        {**plain, "name": "talk", "messages": turns},
        {**plain, "name": "told", "messages": [{"role": "system", "content": "Be brief."}, *turns[2:]]},
    ]
    controls = [{"name": f"c{at}", "surfaces": [{"people": f"c{at}"}]} for at in range(5)]
    lexicon = {"axes": [*LEXICON["axes"], FAITH], "controls": controls}
    return write_probe(folder, lexicon=lexicon, sections=({**SECTION, "frames": frames},))


def test_two_axes_and_conversations_are_audited(llama_series: dict[str, Path], tmp_path: Path) -> None:
    probe = talking_probe(tmp_path / "mine")
    options = ["--probe", probe, "--axis", "a*faith", "--tier", "full", "--render", "both", "--quiet"]
    result = audit("score", llama_series["dpo"], *options, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    rows = [row for row in cells(tmp_path / "run" / "items.parquet") if row["design"] == "text_swap"]
    who = "xans who are Muslim"
    shown = {
        (row["frame"], row["render"]): row["context"]
        for row in rows
        if row["surface"] == who and row["valence"] == "harm"
    }
    assert all(shown[frame, "plain"] == f"I met some {who}. They are" for frame in ("met", "talk", "told"))
    assert "You may." in shown["talk", "chat"]
    assert f"What of {who}?" in shown["talk", "chat"]
    assert "I met some" not in shown["talk", "chat"]
    assert "Be brief." in shown["told", "chat"]
    assert f"I met some {who}." in shown["met", "chat"]
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    excess = {one["identity"] for one in results["effects"] if one["contrast"] == "excess" and one["role"] == "marked"}
    # Four identities by three, less the two pairs of references.
    assert len(excess) == 10
    assert {one["axis"] for one in results["effects"]} == {"a*faith"}


def test_conversations_that_the_template_refuses_are_counted(llama_series: dict[str, Path], tmp_path: Path) -> None:
    refusing = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "({{ m.content }}){% endfor %}"
    )
    template = write(tmp_path / "chat.jinja", refusing)
    probe = talking_probe(tmp_path / "mine")
    options = ["--probe", probe, "--axis", "a", "--tier", "full", "--chat-template", template, "--quiet"]
    result = audit("score", llama_series["dpo"], *options, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    refused = [one for one in results["refusals"] if one["reason"] == "no_chat_text"]
    assert {one["render"] for one in refused} == {"chat"}
    asked = {
        row["frame"] for row in cells(tmp_path / "run" / "items.parquet") if row["render"] == "chat" and row["frame"]
    }
    assert asked == {"met", "talk"}
    # A third of the rows, and no others.
    assert 3 * sum(one["count"] for one in refused) == len(open_probe(str(probe), "full", ["a"]).items)
