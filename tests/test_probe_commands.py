"""`audit probes list`, `show` and `validate`, as a user calls them."""

from __future__ import annotations

import re
from pathlib import Path

from command_line import assert_refused, audit, pairs_csv, write
from probe_material import FAITH, LEXICON, SECTION, write_probe

from auditor.adapters.probe_files.probe_folders import TIERS

CONTROLS = [{"name": f"c{at}", "surfaces": [{"people": f"c{at}"}]} for at in range(5)]
SOUND = {**LEXICON, "controls": CONTROLS}


def test_list_names_probes_axes_and_sizes() -> None:
    result = audit("probes", "list")
    assert result.exit_code == 0, result.stderr
    for name in ("stigma", "affirmation"):
        line = next(line for line in result.stdout.splitlines() if line.startswith(name))
        quick, standard, full = (int(number.replace(",", "")) for number in re.findall(r"[\d,]{3,}", line)[-3:])
        assert quick <= standard < full
    assert "gender*" in result.stdout
    heads = [line.split()[0] for line in result.stdout.splitlines() if line.strip()]
    assert heads[0] == "probe", "every probe is one line, and no name is broken where no terminal is"
    assert {"affirmation", "stigma"} <= set(heads)
    assert len(heads) == 5
    assert "sexual-orientation" in result.stdout


def test_show_prints_card_people_and_rows(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "mine", lexicon=SOUND)
    result = audit("probes", "show", folder, "--tier", "quick", "--rows", "1")
    assert result.exit_code == 0, result.stderr
    assert "mine: Mine 2, quick tier, a" in result.stdout
    assert "content warning: Mild stigma." in result.stdout
    assert re.search(r"xans\s+marked\s+a\s+2\s*\n", result.stdout)
    assert "I met some refs. They are | harmful: false. / affirming: frank." in result.stdout
    assert result.stdout.count(" | harmful:") == 1
    for command in ("show", "validate"):
        refused = audit("probes", command, folder, "--axis", "a", "--axis", "b")
        assert_refused(refused, 2, "no probe has the axis 'b'", "Known: a")


def test_a_title_cannot_write_a_line_of_its_own(tmp_path: Path) -> None:
    result = audit("probes", "show", write_probe(tmp_path / "mine", card={"title": "Mine\nvalid"}), "--rows", "0")
    assert result.exit_code == 0, result.stderr
    assert "mine: Mine\\nvalid 2, " in result.stdout


def test_show_prints_conversations(tmp_path: Path) -> None:
    frame = {**SECTION["frames"][0], "messages": [{"role": "user", "content": "Who are {people}?"}]}
    result = audit("probes", "show", write_probe(tmp_path / "mine", sections=({**SECTION, "frames": [frame]},)))
    assert "| harmful: false. / affirming: frank. | in a chat | user: Who are refs?" in result.stdout


def test_show_prints_what_each_tier_holds_and_finds(tmp_path: Path) -> None:
    wordings = [["false", "frank"], ["fond of lies", "fond of truth"]]
    two = [{"name": f"p{at}", "wordings": [[f"{one}{at}" for one in pair] for pair in wordings]} for at in range(2)]
    folder = write_probe(tmp_path / "mine", lexicon=SOUND, sections=({**SECTION, "predicates": two},))
    result = audit("probes", "show", folder, "--rows", "0")
    assert result.exit_code == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith(TIERS)]
    assert [row[:5] for row in rows] == [
        # Two predicates; four people in two forms and five in one; in full two wordings, frames and forms.
        ["quick", "a", "18", "36", "2"],
        ["standard", "a", "36", "72", "2"],
        ["full", "a", "104", "208", "2"],
    ]  # fmt: skip
    effects = [float(row[5]) for row in rows]
    assert effects == sorted(effects, reverse=True)
    for word in ("80% power", "d = 0.22", "hh-mini", "audit plan --pilot"):
        assert word in result.stdout


def test_show_takes_a_file(tmp_path: Path) -> None:
    result = audit("probes", "show", write(tmp_path / "own.csv", pairs_csv()), "--rows", "0")
    assert result.exit_code == 0, result.stderr
    assert "own: own.csv" in result.stdout
    refused = audit("probes", "show", tmp_path / "own.csv", "--axis", "b")
    assert_refused(refused, 2, "no probe has the axis 'b'", "none, only probes with a lexicon")
    assert re.search(r"\nall\s+24\s+48\s+4\s+\d", result.stdout)


def test_validate_says_valid(tmp_path: Path) -> None:
    result = audit("probes", "validate", write_probe(tmp_path / "mine", lexicon=SOUND))
    assert result.exit_code == 0, result.stderr
    assert "mine: 84 rows, 168 texts, 2 clusters" in result.stdout
    assert result.stdout.rstrip().endswith("valid")


def test_two_axes_are_shown_and_validated(tmp_path: Path) -> None:
    folder = write_probe(tmp_path / "mine", lexicon={**SOUND, "axes": [*SOUND["axes"], FAITH]})
    shown = audit("probes", "show", folder, "--axis", "a*faith", "--rows", "0")
    assert shown.exit_code == 0, shown.stderr
    assert re.search(r"xans who are Muslim\s+marked\s+a\*faith", shown.stdout)
    assert re.search(r"c0 who are Christian\s+control\s+a\*faith", shown.stdout)
    result = audit("probes", "validate", folder, "--axis", "a*faith")
    assert result.exit_code == 0, result.stderr
    # Twelve pairs of two forms with a twin, five controls of one, two wordings, two frames.
    assert "mine: 212 rows" in result.stdout
    whole = audit("probes", "validate", folder)
    assert "2 clusters" in whole.stdout
    for command in ("show", "validate"):
        refused = audit("probes", command, folder, "--axis", "faith*a")
        assert_refused(refused, 2, "'refs' has no 'who'", "the other way round")


def test_validate_lists_problems_and_fails(tmp_path: Path) -> None:
    result = audit("probes", "validate", write_probe(tmp_path / "mine", lexicon=SOUND, card={"canary": ""}))
    assert "problem: card.yaml: canary is missing" in result.stdout
    assert_refused(result, 2, "1 problem found", "canary is missing")


def test_validate_takes_a_file_and_remarks(tmp_path: Path) -> None:
    result = audit("probes", "validate", write(tmp_path / "own.csv", pairs_csv()))
    assert result.exit_code == 0, result.stderr
    assert "remark: trans women: no neutral pairs of the same form" in result.stdout
    assert result.stdout.rstrip().endswith("valid")


def test_a_hostile_name_is_printed_and_not_obeyed(tmp_path: Path) -> None:
    section = {
        **SECTION,
        "frames": [{"name": "\u001b[31mred", "context": "I met some {people}.", "prefix": "They are"}],
    }
    result = audit("probes", "show", write_probe(tmp_path / "mine", lexicon=SOUND, sections=(section,)))
    assert result.exit_code == 0, result.stderr
    assert "\u001b[31m" not in result.stdout


def test_nothing_of_that_name() -> None:
    for command in ("show", "validate"):
        assert_refused(audit("probes", command, "nowhere"), 2, "no such file or folder", "stigma")


def test_a_file_is_shown_and_validated_by_its_own_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "own.csv", pairs_csv().replace("harmful,affirming", "bad,good", 1))
    mapped = ("--map", "harmful=bad,affirming=good", "--language", "en")
    shown = audit("probes", "show", path, *mapped, "--rows", "1")
    assert shown.exit_code == 0, shown.stderr
    assert "| harmful:are wrong. / affirming:are kind." in shown.stdout
    assert audit("probes", "validate", path, *mapped[:2]).stdout.rstrip().endswith("valid")
    assert "one side is negated" in audit("probes", "validate", path, *mapped).stdout, "negation is known of English"
    for command in ("show", "validate"):
        assert_refused(audit("probes", command, path), 2, "columns harmful and affirming are missing")
        refused = audit("probes", command, "stigma", "--map", "harmful=bad")
        assert_refused(refused, 2, "--map", "columns could be mapped")
        assert_refused(audit("probes", command, "stigma", "--language", "fr"), 2, "--language")


def test_a_row_cannot_write_a_line_of_its_own(tmp_path: Path) -> None:
    rows = pairs_csv().replace("trans women", "trans\nvalid\nwomen").replace("are kind.", "are kind.\nvalid")
    path = write(tmp_path / "own.csv", rows)
    for command in (("show", "--rows", "30"), ("validate",)):
        result = audit("probes", command[0], path, *command[1:])
        assert "valid" not in result.stdout.splitlines()[:-1], result.stdout
        assert "trans\\nvalid\\nwomen" in result.stdout
