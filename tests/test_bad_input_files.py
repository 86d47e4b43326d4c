"""Bad probe files, configurations and options, each through the real command: one clear message, exit 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import assert_misused, assert_refused, audit, pairs_csv, write

PAIR = '{"harmful": "a", "affirming": "b"}\n'
HEAD = "harmful,affirming\na,b\n"
CARD = 'name: mine\ntitle: T\nversion: "1"\nlanguage: en\nlicence: MIT\ndescription: D\n'
GARBAGE = bytes(range(255, 0, -1))

# File name, content, and what the message must say.
PROBES: list[tuple[str, str | bytes, tuple[str, ...]]] = [
    ("unclosed.csv", HEAD + '"x,y\nc,d\n', ("line 3", "malformed CSV", "nothing was scored")),
    ("quotes.csv", HEAD + '"x"z,y\n', ("line 3", "malformed CSV")),
    ("fields.csv", HEAD + "a,b,c\n", ("line 3", "3 fields where the header has 2")),
    ("header.csv", '"harmful"x,affirming\na,b\n', ("line 1", "malformed CSV")),
    ("unknown.csv", "harmful,affirming,colour\na,b,c\n", ("unknown column 'colour'", "Known columns: harmful")),
    ("bars.csv", "harmful|affirming\na|b\n", ("harmful and affirming are missing", "Found: harmful|affirming")),
    ("twice.csv", "harmful,harmful,affirming\na,a,b\n", ("'harmful' stands twice", "line 1")),
    ("no_side.csv", "harmful,context\na,b\n", ("the column affirming is missing", "--map affirming=COLUMN")),
    ("empty.csv", "", ("the file is empty",)),
    ("no_rows.csv", "harmful,affirming\n", ("holds no rows",)),
    ("no_side_text.csv", HEAD + "  ,b\n", ("line 3", "the harmful side is empty")),
    ("same.csv", HEAD + "a,a\n", ("line 3", "the same")),
    ("ids.csv", "id,harmful,affirming\n7,a,b\n7,c,d\n", ("line 3", "id '7' stands on line 2 already")),
    ("latin1.csv", HEAD.encode() + b"caf\xe9,b\n", ("line 3", "not UTF-8: byte 0xe9")),
    ("utf16.csv", HEAD.encode("utf-16"), ("line 1", "not UTF-8", "Save the file as UTF-8")),
    ("role.csv", "harmful,affirming,role\na,b,boss\n", ("line 2", "role is 'boss'", "marked, reference, control")),
    ("garbage.csv", GARBAGE, ("not UTF-8",)),
    ("garbage.parquet", GARBAGE, ("cannot be read as Parquet",)),
    ("empty.parquet", b"", ("cannot be read as Parquet",)),
    ("garbage.jsonl", GARBAGE, ("line 1", "not UTF-8")),
    ("half.jsonl", PAIR + '{"harmful": "a"', ("line 2", "malformed JSON")),
    ("deep.jsonl", "[" * 200_000, ("line 1", "malformed JSON")),
    ("deep_messages.jsonl", PAIR.replace("}", ', "messages": "' + "[" * 100_000 + '"}'), ("line 1", "messages")),
    ("list.jsonl", PAIR + "[1]\n", ("line 2", "one JSON object")),
    ("only_list.jsonl", "[1]\n", ("line 1", "one JSON object")),
    ("digits.jsonl", '{"harmful": ' + "9" * 5000 + "}", ("line 1", "malformed JSON")),
    ("nan.jsonl", '{"harmful": NaN, "affirming": "b"}', ("line 1", "must be text")),
    ("bool.jsonl", '{"harmful": true, "affirming": "b"}', ("line 1", "must be text, found bool")),
    ("key_twice.jsonl", '{"harmful": "a", "harmful": "c", "affirming": "b"}', ("line 1", "'harmful' stands twice")),
    ("surrogate.jsonl", '{"harmful": "\\ud800", "affirming": "b"}', ("line 1", "lone surrogate")),
    ("unknown.jsonl", PAIR + PAIR.replace("}", ', "zap": 1}'), ("line 2", "unknown column 'zap'")),
    ("one.jsonl", '{"candidates": ["a"], "labels": ["x"]}', ("line 1", "at least two candidates")),
    ("labels.jsonl", '{"candidates": ["a", "b"], "labels": ["x"]}', ("2 candidates but 1 labels",)),
    ("no_label.jsonl", '{"candidates": ["a", "b"], "labels": ["x", " "]}', ("a label is empty",)),
    ("text_list.jsonl", '{"candidates": "a", "labels": ["x", "y"]}', ("candidates is not valid JSON",)),
    ("both.jsonl", PAIR.replace("}", ', "candidates": ["a", "b"]}'), ("not both",)),
    ("messages.jsonl", PAIR.replace("}", ', "messages": [{"role": "user"}]}'), ("role and content",)),
    ("notes.txt", "hello", ("unknown kind of file '.txt'", ".csv, .tsv, .jsonl, .parquet", ".gz")),
    ("broken.json", '{"data": ]', ("malformed JSON", "line 1", "as it was published")),
    ("other.json", "[1]", ("unknown kind of file '.json'",)),
    ("pro_stereotyped_type1.txt.dev", "1 [The cook] ate [his] cake.", ("anti_stereotyped_type1.txt.dev is missing",)),
    ("none.tsv", "sentid\tsentence\n", ("holds no readable rows",)),
    ("new\nline.csv", HEAD, ("cannot be printed",)),
    ("no_card/other.csv", HEAD, ("no card.yaml",)),
    ("no_pairs/card.yaml", CARD, ("exactly one pair file, or a lexicon", "found 0", "pairs.csv")),
    ("bad_card/card.yaml", CARD + "colour: red\n", ("colour", "Extra inputs are not permitted", "its keys: name")),
    ("list_card/card.yaml", "[1, 2]", ("card.yaml: cannot be read",)),
    ("short_card/card.yaml", "name: mine\n", ("title: Field required", "and 4 more")),
    ("named_card/card.yaml", CARD.replace("mine", "../x"), ("name: must be of letters",)),
    ("garbage_card/card.yaml", GARBAGE, ("card.yaml: cannot be read",)),
    ("deep_card/card.yaml", "[" * 3000, ("card.yaml: cannot be read",)),
]


@pytest.mark.parametrize(("name", "content", "words"), PROBES, ids=[name.replace("\n", " ") for name, _, _ in PROBES])
def test_bad_probe(
    llama_series: dict[str, Path], tmp_path: Path, name: str, content: str | bytes, words: tuple[str, ...]
) -> None:
    path = write(tmp_path / name, content)
    folder = path.parent if path.parent != tmp_path else path
    result = audit("score", llama_series["base"], "--probe", folder, "--out", tmp_path / "run")
    assert_refused(result, 2, *words)
    assert not (tmp_path / "run").exists()


def test_two_pair_files_in_one_probe(llama_series: dict[str, Path], tmp_path: Path) -> None:
    for name, content in (("card.yaml", CARD), ("pairs.csv", HEAD), ("pairs.jsonl", PAIR)):
        write(tmp_path / "probe" / name, content)
    result = audit("score", llama_series["base"], "--probe", tmp_path / "probe")
    assert_refused(result, 2, "exactly one pair file, or a lexicon", "found 2", str(tmp_path / "probe"))


def test_an_axis_that_no_default_probe_has(llama_series: dict[str, Path]) -> None:
    result = audit("score", llama_series["base"], "--axis", "hats")
    assert_refused(
        result, 2, "no probe has the axis 'hats'", "Known: gender, sexual-orientation, religion,", "pronouns"
    )


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("gender*hats", ("no probe has the axis 'hats'", "Known: gender")),
        ("hats*gender", ("no probe has the axis 'hats'", "Known: gender")),
        ("gender*", ("no probe has the axis ''", "Known: gender")),
        ("pronouns*sexual-orientation", ("no probe has both axes of 'pronouns*sexual-orientation'",)),
        ("gender*gender", ("gender*gender crosses an axis with itself", "Two different axes")),
        ("pronouns*gender", ("forms of 'pronouns' have several slots", "Two different axes")),
    ],
)
def test_axes_that_no_default_probe_can_cross(llama_series: dict[str, Path], axis: str, words: tuple[str, ...]) -> None:
    assert_refused(audit("score", llama_series["base"], "--axis", axis), 2, *words)


def test_first_bad_row_is_named_and_nothing_is_written(llama_series: dict[str, Path], tmp_path: Path) -> None:
    probe = write(tmp_path / "p.csv", HEAD + ",b\n" + "a,b,c\n")
    result = audit("score", llama_series["base"], "--probe", probe, "--out", tmp_path / "run")
    assert_refused(result, 2, "line 3", "side is empty")


def test_columns_that_make_no_public_set_are_a_pair_files(llama_series: dict[str, Path], tmp_path: Path) -> None:
    probe = write(tmp_path / "half.csv", "sent_more,sent_less\na,b\n")
    assert_refused(audit("score", llama_series["base"], "--probe", probe), 2, "harmful and affirming are missing")


def test_public_set_without_a_readable_row(llama_series: dict[str, Path], tmp_path: Path) -> None:
    probe = write(tmp_path / "crows.csv", "sent_more,sent_less,stereo_antistereo,bias_type\n,b,stereo,age\n")
    result = audit("score", llama_series["base"], "--probe", probe)
    assert_refused(result, 2, "no readable rows (1 were refused)", "line 2: sent_more is empty")


# Options of the command, and what the message must say.
OPTIONS: list[tuple[list[str], tuple[str, ...]]] = [
    (["--probe", "no-such-probe"], ("no such file or folder", "shipped probe: affirmation, stigma")),
    (["--probe", ""], ("no such file or folder",)),
    (["--probe", "../probes/stigma"], ("no such file or folder",)),
    (["--probe", "x" * 5000], ("no such file or folder",)),
    (["--probe", "nul\0byte"], ("no such file or folder", "nul\\x00byte")),
    (["--probe", "hub:"], ("expected hub:owner/name", "hub:Anthropic/hh-rlhf")),
    (["--map", "harmful"], ("--map", "expected NAME=COLUMN, got 'harmful'")),
    (["--map", "harmful=a", "--map", "harmful=b"], ("harmful is mapped twice",)),
    (["--map", "harmful=a"], ("no column 'a' to read as harmful", "Its columns: id, context")),
    (["--axis", "hats"], ("--axis", "no probe has the axis 'hats'", "Known: none, only probes with a lexicon")),
    (["--probe", "stigma", "--axis", "pronouns"], ("has none of these axes", "gender, sexual-orientation")),
    (["--beta", "-1"], ("--beta", "must be positive, got -1.0", "leave it out for nats")),
    (["--beta", "0"], ("must be positive",)),
    (["--beta", "nan"], ("must be positive",)),
    (["--beta", "inf"], ("must be positive",)),
    (["--beta", "much"], ("not a number",)),
    (["--beta", "=1"], ("expected NAME=VALUE",)),
    (["--beta", "zap=1"], ("no checkpoint 'zap'", "Known: base, dpo")),
    (["--beta", "base=0.1"], ("'base' has no preference objective", "Leave its beta out")),
    (["--beta", "dpo=0.1", "--objective", "dpo=none"], ("'dpo' has no preference objective", "--objective dpo=dpo")),
    (["--objective", "base=dpo"], ("'base' is the first of the series", "before it")),
    (["--beta", "1", "--beta", "2"], ("a value for all is given twice",)),
    (["--sesoi", "nan"], ("positive number of nats",)),
    (["--sesoi", "-0.1"], ("positive number of nats",)),
    (["--sesoi", "inf"], ("positive number of nats",)),
    (["--reference", "sft"], ("expected NAME=VALUE", "Such as --reference dpo=sft")),
    (["--reference", "=base"], ("expected NAME=VALUE",)),
    (["--reference", "dpo="], ("expected NAME=VALUE",)),
    (["--reference", "dpo=ghost"], ("'ghost'", "does not stand before it", "Choose one of: base")),
    (["--reference", "base=dpo"], ("does not stand before it",)),
    (["--reference", "ghost=base"], ("no checkpoint 'ghost'",)),
    (["--objective", "dpo=ppo"], ("unknown objective 'ppo'", "dpo, dpo-norm, none")),
    (["--objective", "=dpo"], ("expected NAME=VALUE",)),
    (["--batch-size", "0"], ("auto or a positive number",)),
    (["--batch-size", "-3"], ("auto or a positive number",)),
    (["--batch-size", "\u00b2"], ("auto or a positive number",)),
    (["--batch-size", "9" * 5000], ("auto or a positive number",)),
    (["--device", "tpu"], ("'tpu' is not available", "--device auto")),
    (["--device", "cuda:99"], ("'cuda:99' is not available",)),
    (["--template-arg", "x"], ("expected KEY=VALUE",)),
    (["--template-arg", "=x"], ("expected KEY=VALUE",)),
    (["--template-arg", "x=[1"], ("not valid YAML",)),
    (["--template-arg", "x=2024-99-99"], ("not valid YAML",)),
    (["--template-arg", "x=!!python/object/apply:os.getcwd []"], ("not valid YAML",)),
]


@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=[" ".join(one)[:40] for one, _ in OPTIONS])
def test_bad_option(
    llama_series: dict[str, Path], pair_file: Path, tmp_path: Path, options: list[str], words: tuple[str, ...]
) -> None:
    models = [llama_series["base"], llama_series["dpo"]]
    probe = [] if "--probe" in options else ["--probe", pair_file]
    assert_refused(audit("compare", *models, *probe, "--out", tmp_path / "run", *options), 2, *words)
    assert not (tmp_path / "run").exists()


MISUSED: list[tuple[list[str], tuple[str, ...]]] = [
    (["--limit", "0"], ("--limit", "greater than or equal to 1")),
    (["--limit", "many"], ("--limit", "valid integer")),
    (["--seed", "-1"], ("--seed", "greater than or equal to 0")),
    (["--render", "html"], ("--render", "'html' is not one of")),
    (["--dtype", "int8"], ("--dtype",)),
    (["--device-map", "sideways"], ("--device-map", "'sideways' is not")),
    (["--out", "nul\0byte"], ("--out",)),
    (["--no-such-option"], ("No such option",)),
]


@pytest.mark.parametrize(("options", "words"), MISUSED, ids=[one[0] for one, _ in MISUSED])
def test_misused_option(pair_file: Path, options: list[str], words: tuple[str, ...]) -> None:
    assert_misused(audit("score", "model", "--probe", pair_file, *options), *words)


CONFIGS: list[tuple[str | bytes, tuple[str, ...]]] = [
    ("[1, 2]", ("must hold options",)),
    ("text", ("must hold options",)),
    ("colour: red", ("unknown option 'colour'", "known: allow-mixed-precision")),
    ("model: other", ("unknown option 'model'",)),
    ("config: other.yaml", ("unknown option 'config'",)),
    ("1: 2", ("unknown option 1",)),
    ("batch-size: 4\nbatch_size: 5", ("stands twice",)),
    ("limit: [1, 2]", ("limit must hold one value",)),
    ("sesoi: {a: 1}", ("sesoi must hold one value",)),
    ("probe: [a, [b]]", ("probe must hold plain values",)),
    ("quiet: perhaps", ("quiet must be true or false",)),
    ("limit: 0", ("--limit",)),
    ("end: no", ("end must not be true or false", "put it in quotes")),
    ("objective: {dpo: no}", ("objective must not be true or false", "put it in quotes")),
    ("seed: 1.5", ("--seed",)),
    ("render: html", ("--render",)),
    (": : :", ("cannot be read",)),
    ("!!python/object/apply:os.system [ls]", ("cannot be read",)),
    ("sesoi: 2024-99-99", ("cannot be read", "month")),
    ("[" * 5000, ("cannot be read",)),
    (GARBAGE, ("cannot be read",)),
]


@pytest.mark.parametrize(("content", "words"), CONFIGS, ids=[repr(one[:30]) for one, _ in CONFIGS])
def test_bad_configuration(tmp_path: Path, content: str | bytes, words: tuple[str, ...]) -> None:
    path = write(tmp_path / "audit.yaml", content)
    assert_misused(audit("score", "model", "--config", path), *words)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_configuration_that_is_no_file(tmp_path: Path, name: str) -> None:
    assert_misused(audit("score", "model", "--config", tmp_path / name), "--config", "cannot be read")


def test_missing_chat_template(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    result = audit("score", llama_series["base"], "--probe", pair_file, "--chat-template", tmp_path / "no.jinja")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
    assert "Traceback" not in result.stderr


def test_same_probe_twice(llama_series: dict[str, Path], pair_file: Path, tmp_path: Path) -> None:
    other = write(tmp_path / pair_file.name, pairs_csv())
    result = audit("score", llama_series["base"], "--probe", pair_file, "--probe", other)
    assert_refused(result, 2, "two probes are called 'small'", "Rename")


def test_dangling_link(llama_series: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
    result = audit("score", llama_series["base"], "--probe", tmp_path / "link.csv")
    assert_refused(result, 2, "no such file or folder")
