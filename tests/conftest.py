"""What several test modules share: tiny checkpoints made once a session, public data where it is present."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from browser import started
from command_line import audit, pairs_csv, write
from model_factory import CHAT_TEMPLATE, make_series, make_tokenizer
from playwright.sync_api import Browser
from transformers import PreTrainedTokenizerFast

from auditor.adapters.cache_folder import VARIABLE, cache_folder


def pytest_collection_finish() -> None:
    """What is imported by now stays: without it in sight, collecting garbage takes a tenth of the time.

    Every model that is put away asks for a collection, and tests load hundreds of them.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Plugins that report at the end may ask who holds what."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What fixtures of the whole session keep."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv(VARIABLE, str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds scores of another one; the folder is made by whoever keeps something."""
    monkeypatch.setenv(VARIABLE, str(tmp_path_factory.getbasetemp() / "caches" / uuid4().hex))


SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, for all files of a worker: only one can drive it in a process."""
    with started() as one:
        yield one


@pytest.fixture(scope="session")
def byte_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    """Byte-level BPE whose own call adds BOS, with a chat template."""
    return make_tokenizer(tmp_path_factory.mktemp("byte_bpe"), "byte_bpe", CHAT_TEMPLATE)


@pytest.fixture(scope="session")
def metaspace_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    """SentencePiece's way: a leading space is added, bytes are the fallback."""
    return make_tokenizer(tmp_path_factory.mktemp("metaspace"), "metaspace", CHAT_TEMPLATE)


@pytest.fixture(scope="session")
def llama_series(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random base, sft and dpo; the last two have a chat template. Read only."""
    return {folder.name: folder for folder in make_series(tmp_path_factory.mktemp("llama_series"))}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public data sets beside the checkout."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}")
    return folder


@pytest.fixture(scope="session")
def hh_mini() -> Path:
    """A really trained base, sft and dpo beside the checkout."""
    folder = SHARED / "weights" / "hh-mini"
    if not folder.is_dir():
        pytest.skip(f"no trained weights at {folder}")
    return folder


@pytest.fixture(scope="session")
def pair_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pair file with references, themes and clusters. Read only."""
    return write(tmp_path_factory.mktemp("pairs") / "small.csv", pairs_csv())


@pytest.fixture(scope="session")
def finished_run(llama_series: dict[str, Path], pair_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a whole audit over the small series. Read only."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    result = audit("compare", *llama_series.values(), "--probe", pair_file, "--beta", "0.1", "--out", out, "--quiet")
    assert result.exit_code == 0, result.stderr
    return out


@pytest.fixture
def known_scores(cache_of_the_session: Path, finished_run: Path) -> Path:
    """`finished_run`, its scores in this test's cache: asked the same again, no model is run."""
    shutil.copytree(cache_of_the_session, cache_folder())
    return finished_run
