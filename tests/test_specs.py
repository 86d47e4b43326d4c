"""Twin of auditor.adapters.hf.loading.specs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.adapters.hf.loading.specs import Source, parse_specs
from auditor.errors import UsageError


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "name", "model", "adapter"),
    [
        ("gpt2", "gpt2", Source("gpt2"), None),
        ("org/model", "model", Source("org/model"), None),
        ("org/model@v1.0", "model", Source("org/model", "v1.0"), None),
        ("org/model@refs/pr/1", "model", Source("org/model", "refs/pr/1"), None),
        ("sft=org/model@main", "sft", Source("org/model", "main"), None),
        ("dpo=org/base+org/lora", "dpo", Source("org/base"), Source("org/lora")),
        ("dpo=org/base@a+org/lora@b", "dpo", Source("org/base", "a"), Source("org/lora", "b")),
        ("org/base+org/lora", "lora", Source("org/base"), Source("org/lora")),
        ("./runs/sft/", "sft", Source("./runs/sft/"), None),
        ("a=b=c", "a", Source("b=c"), None),
        ("<script>=org/model", "<script>", Source("org/model"), None),
    ],
)
def test_forms(text: str, name: str, model: Source, adapter: Source | None) -> None:
    (spec,) = parse_specs([text])
    assert (spec.name, spec.model, spec.adapter, spec.text) == (name, model, adapter, text)


def test_existing_path_wins_over_every_sign() -> None:
    Path("a=b@c+d").mkdir()
    (spec,) = parse_specs(["a=b@c+d"])
    assert (spec.name, spec.model, spec.adapter) == ("a=b@c+d", Source("a=b@c+d"), None)
    (named,) = parse_specs(["x=a=b@c+d"])
    assert (named.name, named.model) == ("x", Source("a=b@c+d"))


def test_existing_path_wins_inside_a_base_and_adapter_pair() -> None:
    Path("my+base@1").mkdir()
    Path("l=r").mkdir()
    (spec,) = parse_specs(["dpo=my+base@1+l=r"])
    assert (spec.name, spec.model, spec.adapter) == ("dpo", Source("my+base@1"), Source("l=r"))
    (unnamed,) = parse_specs(["l=r+org/lora"])
    assert (unnamed.name, unnamed.model, unnamed.adapter) == ("lora", Source("l=r"), Source("org/lora"))


def test_path_is_known_only_for_what_exists() -> None:
    Path("here").mkdir()
    assert Source("here").path == Path("here")
    assert Source("org/model").path is None
    assert Source("here", "main").path is None


def test_dot_is_named_after_the_folder(tmp_path: Path) -> None:
    (spec,) = parse_specs(["."])
    assert spec.name == tmp_path.name


def test_same_names_are_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match=r"two checkpoints are called 'model'") as caught:
        parse_specs(["a/model", "b/model@x"])
    assert "name=b/model@x" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("name=", "is empty"),
        ("=org/model", "has no name"),
        (" =org/model", "has no name"),
        ("x=base+", "is empty"),
        ("x=+adapter", "is empty"),
        ("org/model@", "nothing stands after the '@'"),
        ("@main", "nothing stands before the '@'"),
        ("a\nb=org/model", "control characters"),
        ("a\x1b[31m=org/model", "control characters"),
        ("a\udcff=org/model", "no text"),
        ("a\u2028b=org/model", "control characters"),
    ],
)
def test_malformed(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_specs([text])
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_revision_of_a_folder_is_refused() -> None:
    Path("model").mkdir()
    with pytest.raises(UsageError, match="a folder has no revisions"):
        parse_specs(["model@main"])


@given(st.text(max_size=40) | st.text(alphabet="ab~@=+/.", max_size=12))
def test_any_text_parses_or_is_refused_by_name(text: str) -> None:
    try:
        (spec,) = parse_specs([text])
    except UsageError:
        return
    assert spec.text == text
    assert spec.name.strip()
