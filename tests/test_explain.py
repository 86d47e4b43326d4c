"""One item on the terminal: numbers that read without colours, texts that do nothing, and no model."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import audit, environment
from rich.console import Console
from run_factory import HARMED, identity_swap_probe, make_run, strip_manifest, text_swap_probe

from auditor.adapters.run.attribution_tables import write_attributions
from auditor.cli.explain import print_item
from auditor.core.attributions import Attribution, Unit

ITEM = f"{HARMED}/dangerous|harmless/Everyone knows {{}} are"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run", probes=[text_swap_probe()], renders=("plain",))


def explain(run: Path, name: str, *options: str, columns: int = 400) -> str:
    result = audit("attribute", run, "--explain", name, *options, env={"COLUMNS": str(columns)})
    assert result.exit_code == 0, result.stderr
    return result.stdout


def on_a_terminal(run: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    console = Console(force_terminal=True, color_system="truecolor", width=200, no_color=False)
    monkeypatch.setattr("auditor.cli.explain.Console", lambda: console)
    with console.capture() as captured:
        print_item(run, name, None)
    return captured.get()


def shades(shown: str, text: str) -> set[str]:
    """Backgrounds of a text on a terminal."""
    return set(re.findall(rf"48;2;(\d+;\d+;\d+)m\s*{re.escape(text)}", shown))


def test_both_sides_stand_over_each_other_with_their_numbers(run: Path) -> None:
    lines = explain(run, ITEM).splitlines()
    assert lines[0] == f"small: {ITEM}, plain rendering, dpo<b>, shift since sft"
    assert lines[1] == f"identity: {HARMED}; theme: conduct; role: marked"
    assert lines[2] == f"Everyone knows {HARMED} are"
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("harmful", "affirming"))}
    assert rows == {"harmful": ["dangerous", "s"], "affirming": ["harmless", "s"]}
    numbers = [line for line in lines if line.startswith(("  margin", "  shift"))]
    assert [len(line.split()) for line in numbers] == [3, 3, 3, 3]
    # The planted three nats stand on the first token of the harmful side.
    shift = float(numbers[1].split()[1])
    assert 2 < shift < 4
    assert any(line.startswith("excess ") for line in lines)
    assert any(line == f"reference rows: {ITEM.replace(HARMED, 'cisgender people')}" for line in lines)
    assert sum("parts add up to" in line and "nothing is missing" in line for line in lines) == 2


def test_no_colour_off_a_terminal(run: Path) -> None:
    assert "\x1b" not in explain(run, ITEM)


def test_shades_are_orange_for_harm_and_blue_for_the_other(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_a_terminal(run, ITEM, monkeypatch)
    # More than two nats have the full colour; log-probabilities of the sides are below and above 0.
    assert shades(shown, "dangerous") == {"213;94;0"}
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    margin = next(line for line in plain.splitlines() if line.startswith("  margin")).split()[2]
    assert float(margin) < -2
    assert shades(shown, margin) == {"0;114;178"}


def test_a_narrow_terminal_breaks_between_columns(run: Path) -> None:
    wide, narrow = explain(run, ITEM), explain(run, ITEM, columns=24)
    assert narrow.count("harmful ") > wide.count("harmful ")
    words = [line.split()[1:] for line in narrow.splitlines() if line.startswith("affirming ")]
    assert [word for line in words for word in line][:2] == ["harmless", "s"]


def test_texts_do_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(10):
        name = next(one.id for one in text_swap_probe().items if one.id.startswith(f"hostile {at} "))
        shown = explain(run, name)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066-\u2069]", shown)
    name = next(one.id for one in text_swap_probe().items if one.id.startswith("hostile 2 "))
    # Markup of the terminal in a text stays a text.
    assert "</style><b>bold</b>" in explain(run, name)
    colours = set(re.findall(r"\x1b\[([\d;]*)m", on_a_terminal(run, name, monkeypatch)))
    assert all(re.fullmatch(r"0|1|2|(1;)?38;2;[\d;]+|", one) for one in colours)


def test_parts_by_other_methods_are_told(run: Path) -> None:
    about = ("small", ITEM, "plain", "dpo<b>", "sft")
    words = (Unit(0, "dangerous[red]", "harmful", 1, 10, "predicate", "harmless"), Unit(-1, "(baseline)"))
    layers = tuple(Unit(at, f"layer {at}") for at in range(20))
    found = [
        Attribution(*about, "shapley", "word", words, np.array([2.5, 0.25]), 3.0, np.array([0.125, 0.0])),
        Attribution(*about[:4], None, "shapley", "word", words, np.array([9.0, 9.0]), 18.0),
        Attribution(*about, "path", "layer", layers, np.arange(20) / 10, 19.0),
        Attribution(*about, "path", "tensor", (Unit(0, "lm_head.weight"),), np.array([19.0]), 19.0),
        Attribution(*about, "ablation", "word", (Unit(0, "alone", replacement=""),), np.array([5.0]), 19.0),
    ]
    write_attributions(run, found, private=False)
    try:
        shown = explain(run, ITEM)
    finally:
        (run / "attributions.parquet").unlink()
    assert re.search(r"dangerous\[red\] \u2192 harmless +harmful +\+2\.50 +0\.1[23]", shown)
    assert (
        "shapley: parts add up to +2.7500 of the shift since sft of +3.0000 nats; off by -0.250000, 8.33% of it"
        in shown
    )
    assert "+9.00" not in shown
    assert "lm_head" not in shown
    assert re.search(r"alone left out +\+5\.00", shown)
    assert "of +19.0000 nats; each unit was taken out alone, so they need not" in shown
    # The twelve largest layers in their order, and the rest as one.
    assert re.findall(r"^layer (\d+) ", shown, flags=re.MULTILINE) == [str(at) for at in range(8, 20)]
    assert re.search(r"8 smaller ones +\+2\.80", shown)
    assert "nothing is missing" in shown


def test_a_private_run_shows_numbers_and_ids(tmp_path: Path, run: Path) -> None:
    private = make_run(tmp_path / "run", private=True, probes=[text_swap_probe()], renders=("plain",))
    role = (Unit(0, "predicate"),)
    about = ("small", ITEM, "plain", "dpo<b>", None)
    write_attributions(private, [Attribution(*about, "tokens", "role", role, np.array([1.0]), 1.0)], private=True)
    shown = explain(private, ITEM)
    assert "a private run: numbers and ids only" in shown
    assert re.search(r"^harmful +#0 +#1$", shown, flags=re.MULTILINE)
    assert "Everyone" not in shown.replace(ITEM, "")
    assert "no excess: a private run keeps nothing to find comparable reference rows by" in shown
    assert re.search(r"^predicate +\+1\.00", shown, flags=re.MULTILINE)
    margins = [re.findall(r"^margin .*", text, flags=re.MULTILINE)[0].split() for text in (shown, explain(run, ITEM))]
    assert margins[0] == margins[1]


def test_what_is_no_number_has_no_shade(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = (Unit(0, "layer 0"), Unit(1, "layer 1"))
    one = Attribution("small", ITEM, "plain", "dpo<b>", "sft", "path", "layer", layers, np.array([np.nan, 1.0]), 1.0)
    write_attributions(run, [one], private=False)
    try:
        shown = on_a_terminal(run, ITEM, monkeypatch)
    finally:
        (run / "attributions.parquet").unlink()
    assert re.search(r"layer 0 +n/a", re.sub(r"\x1b\[[\d;]*m", "", shown))


def test_sides_of_one_sentence_about_two_groups(tmp_path: Path) -> None:
    swapped = make_run(tmp_path / "run", probes=[identity_swap_probe()], renders=("plain",))
    shown = explain(swapped, "0")
    assert "pushes to the marked group side, - (blue) to the other group one" in shown
    assert "affirming" not in shown


def test_a_manifest_that_names_no_probe(tmp_path: Path) -> None:
    odd = make_run(tmp_path / "run", probes=[text_swap_probe()], renders=("plain",))
    strip_manifest(odd, probes=7, request=["private"])
    assert "parts add up to" in explain(odd, ITEM)


def test_no_model_library_is_read(run: Path) -> None:
    code = (
        "import sys; from auditor.cli.main import app; "
        "app(['attribute', sys.argv[1], '--explain', sys.argv[2]], standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run), ITEM], check=True, capture_output=True, text=True, env=environment()
    )
    assert "parts add up to" in done.stdout
    assert not {"torch", "transformers", "tokenizers", "peft"} & set(done.stdout.splitlines()[-1].split())
