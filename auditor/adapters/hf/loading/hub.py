"""A hub id becomes a local folder: download or find in the cache, and say plainly why it failed.

HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN and HF_HOME work as everywhere else in the ecosystem.
"""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.adapters.hf.loading.weight_files import WeightFiles, read_json
from auditor.errors import AuditError, ModelLoadError, StorageError

# (what is being done, done so far, total or 0 where unknown)
Progress = Callable[[str, int, int], None]

_ALWAYS = ("*.json", "*.model", "*.jinja", "*.txt", "*.tiktoken", "README.md")
_WEIGHTS = ("*.safetensors",)
_PICKLES = ("*.bin", "*.pt")
_CODE = ("*.py",)
_DATA = ("README.md", "*.json", "*.jsonl", "*.csv", "*.tsv", "*.parquet", "*.gz")
# Weights in subfolders belong to other formats and to intermediate checkpoints.
_NEVER = ("*/*.safetensors", "*/*.bin", "*/*.pt", "consolidated*.safetensors", "training_args.bin", "optimizer.*")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_LOGIN = "Ask for access on its page, then log in: hf auth login, or set HF_TOKEN."


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository at one commit, on this disk."""

    folder: Path
    commit: str
    repo_id: str


def fetch(
    repo_id: str,
    revision: str | None = None,
    *,
    offline: bool = False,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    weights: bool = True,
    progress: Progress | None = None,
) -> Snapshot:
    """Download what is needed of a model repository, or find it in the cache.

    Args:
        repo_id: ``org/name`` or ``name``.
        revision: branch, tag or commit; the default branch if None.
        offline: look in the cache only.
        allow_pickle: fetch pickled weights, where there are no safetensors.
        trust_remote_code: fetch Python files too.
        weights: fetch the weights; without them, what describes a model and its tokenizer.
        progress: called with the bytes downloaded so far.

    Raises:
        ModelLoadError: the repository or revision doesn't exist, may not be read, isn't cached, or the
            hub can't be reached.
        StorageError: the disk is full.
    """
    patterns = [*_ALWAYS, *(_WEIGHTS if weights else ()), *(_CODE if trust_remote_code else ())]
    where = f"{repo_id}@{revision}" if revision else repo_id
    with _explained(repo_id, where, offline):
        folder = _download(repo_id, revision, patterns, offline, progress)
        if weights and allow_pickle and not any(folder.glob("*.safetensors")):
            folder = _download(repo_id, revision or folder.name, [*patterns, *_PICKLES], offline, progress)
    return Snapshot(folder, folder.name, repo_id)


def fetch_data(repo_id: str, revision: str | None = None, *, offline: bool = False) -> Snapshot:
    """Download the tables of a data set's repository and its card, or find them in the cache.

    Raises:
        ModelLoadError, StorageError: as `fetch`.
    """
    where = f"{repo_id}@{revision}" if revision else repo_id
    with _explained(repo_id, where, offline):
        folder = _download(repo_id, revision, list(_DATA), offline, None, kind="dataset")
    return Snapshot(folder, folder.name, repo_id)


def describe_weights(snapshot: Snapshot, entry: str, *, offline: bool) -> WeightFiles:
    """What the headers of safetensors files on the hub say of weights that were not downloaded.

    Where a file is missing, is no safetensors file or cannot be reached, nothing is known of them: 0
    bytes and, as of pickles, no number of elements. Whoever only asks for a size can do without.

    Args:
        entry: the one file, or what its index is named after.
    """
    from huggingface_hub import HfApi

    index = snapshot.folder / f"{entry.removesuffix('.index.json')}.index.json"
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    shapes: dict[str, tuple[int, ...]] = {}
    n_bytes = 0
    try:
        names = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else [entry]
        for name in [] if offline else names:
            tensors = api.parse_safetensors_file_metadata(snapshot.repo_id, name, revision=snapshot.commit).tensors
            shapes |= {key: tuple(tensor.shape) for key, tensor in tensors.items()}
            n_bytes += max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    except Exception:  # noqa: BLE001 - the client raises errors of many libraries, and none matters here
        n_bytes = 0
    return WeightFiles((), n_bytes, shapes=shapes) if n_bytes else WeightFiles((), 0, pickled=True)


def _download(
    repo_id: str,
    revision: str | None,
    patterns: list[str],
    offline: bool,
    progress: Progress | None,
    kind: str = "model",
) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            repo_id,
            repo_type=kind,
            revision=revision,
            endpoint=os.environ.get("HF_ENDPOINT") or None,
            local_files_only=offline,
            allow_patterns=patterns,
            ignore_patterns=list(_NEVER),
            tqdm_class=_bar(progress),
        )
    )


@contextmanager
def _explained(repo_id: str, where: str, offline: bool) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # the client raises errors of many libraries; unknown ones go on as they are
        explained = _explain(error, repo_id, where, offline)
        if explained is None:
            raise
        raise explained from error


def _explain(error: Exception, repo_id: str, where: str, offline: bool) -> AuditError | None:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    chain = list(_causes(error))
    if any(isinstance(cause, OSError) and cause.errno in _NO_SPACE for cause in chain):
        return StorageError(
            "the disk is full, the download stopped",
            where=where,
            fix="Free some space, or set HF_HOME to a folder on a larger disk.",
        )
    if any(isinstance(cause, HFValidationError) for cause in chain):
        return ModelLoadError(
            "there is no such folder, and this is no hub id either",
            where=where,
            fix="Give an existing folder, or a hub id such as org/name.",
        )
    for cause in chain:
        if isinstance(cause, HfHubHTTPError):
            return _explain_status(cause, repo_id, where)
    if not isinstance(error, LocalEntryNotFoundError) and not _is_network(chain):
        return None
    return _explain_absence(chain, where, offline)


def _explain_status(error: Any, repo_id: str, where: str) -> ModelLoadError:
    """Tell apart what the hub answered; it gives 401 for gated, private and (logged out) missing alike."""
    status, code = error.response.status_code, error.response.headers.get("X-Error-Code")
    if code == "RevisionNotFound":
        return ModelLoadError(
            "the repository exists, but not this branch, tag or commit",
            where=where,
            fix=f"Look the revision up on the hub, or leave it out: {repo_id}",
        )
    if code == "GatedRepo":
        return ModelLoadError("the repository is gated: its owner grants access", where=where, fix=_LOGIN)
    if status in (401, 403):
        refused = "not without logging in (401)" if status == 401 else "not with your token (403)"
        doubt = ". The hub gives the same answer for a missing one" if code == "RepoNotFound" else ""
        return ModelLoadError(
            f"the repository is private or gated and may not be read, {refused}{doubt}",
            where=where,
            fix=f"Check the spelling. {_LOGIN}",
        )
    if status == 404:
        return ModelLoadError(
            "there is no such repository on the hub, and no such folder here",
            where=where,
            fix="Check the spelling; a folder is found from the current directory.",
        )
    return ModelLoadError(
        f"the hub answered with status {status}", where=where, fix="Try again later, or check HF_ENDPOINT."
    )


def _explain_absence(chain: list[BaseException], where: str, offline: bool) -> ModelLoadError:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if offline or any(isinstance(cause, OfflineModeIsEnabled) for cause in chain):
        return ModelLoadError(
            "not in the local cache, or only in part, and this run is offline",
            where=where,
            fix="Run once without --offline and HF_HUB_OFFLINE, or give a local folder.",
        )
    return ModelLoadError(
        "the hub can't be reached, and the cache doesn't hold the repository (nor is there such a folder)",
        where=where,
        fix="Check the network, the proxy and HF_ENDPOINT, or give a local folder.",
    )


def _is_network(chain: list[BaseException]) -> bool:
    """Whether the HTTP library failed; it is another one in each major version of the client."""
    return any(
        isinstance(cause, ConnectionError | TimeoutError) or type(cause).__module__.startswith("httpx")
        for cause in chain
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _bar(progress: Progress | None) -> Any:
    """A progress bar class that draws nothing and reports the bytes to ``progress``."""
    from huggingface_hub.utils.tqdm import tqdm

    silent: Any = tqdm

    def start(bar: Any, *args: Any, **kwargs: Any) -> None:
        silent.__init__(bar, *args, **{**kwargs, "disable": True})
        bar.in_bytes, bar.reached = kwargs.get("unit") == "B", 0
        bar.total = kwargs.get("total") or 0

    def update(bar: Any, n: float | None = 1) -> None:
        bar.reached += int(n or 0)
        if progress is not None and bar.in_bytes:
            progress("downloading", bar.reached, max(bar.reached, int(bar.total or 0)))

    # Made by hand: the client insists on a subclass of a class that has no type hints.
    return type("Bar", (silent,), {"__init__": start, "update": update})
