"""The score store: what it returns was kept, whatever happened to the file and to those who wrote it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from command_line import ROOT, environment, full_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_scores import ONE, TWO, entries, key, score

from auditor.adapters.cache import sqlite_files
from auditor.adapters.cache.score_store import STORE_FILE, Float32Array, ScoreStore
from auditor.adapters.cache.sqlite_files import FileUnavailableError
from auditor.errors import StorageError


def same(found: Float32Array | None, wanted: Float32Array) -> bool:
    """Bit for bit."""
    return found is not None and found.dtype == np.float32 and found.tobytes() == wanted.tobytes()


def assert_kept(store: ScoreStore, scope: str, numbers: Sequence[int]) -> None:
    found = store.find(scope, [key(one) for one in numbers])
    assert all(same(got, score(one)) for got, one in zip(found, numbers, strict=True))


@contextmanager
def sqlite(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file as anybody else would open it."""
    with closing(sqlite3.connect(folder / STORE_FILE, isolation_level=None)) as connection:
        yield connection


def test_what_was_kept_is_found_in_order_and_by_the_next_process(tmp_path: Path) -> None:
    with ScoreStore.open(tmp_path / "new" / "folder") as store:
        assert store.find(ONE, [key(1)]) == [None]
        store.keep(ONE, entries(range(1000)))
        assert store.caution is None
    with ScoreStore.open(tmp_path / "new" / "folder") as store:
        order = [7, 999, 7, 0]
        assert_kept(store, ONE, order)
        assert_kept(store, ONE, range(1000))
        assert store.find(ONE, [key(1000), key(3)])[0] is None
        assert store.find(ONE, []) == []
        assert store.find(TWO, [key(3)]) == [None]


KEPT = st.dictionaries(
    st.binary(min_size=32, max_size=32), st.lists(st.floats(width=32), max_size=12), min_size=1, max_size=20
)


@settings(max_examples=25, deadline=None)
@given(KEPT, st.binary(min_size=32, max_size=32), st.lists(st.binary(min_size=32, max_size=32), max_size=4))
def test_find_returns_exactly_what_keep_got(kept: dict[bytes, list[float]], scope: bytes, others: list[bytes]) -> None:
    values = {one: np.array(numbers, dtype=np.float32) for one, numbers in kept.items()}
    asked = [*reversed(list(kept)), *others]
    with tempfile.TemporaryDirectory() as folder, ScoreStore.open(Path(folder)) as store:
        store.keep(scope.hex(), list(values.items()))
        for name, found in zip(asked, store.find(scope.hex(), asked), strict=True):
            assert same(found, values[name]) if name in values else found is None


def test_the_first_value_of_a_key_stays(tmp_path: Path) -> None:
    with ScoreStore.open(tmp_path) as store:
        store.keep(ONE, [(key(1), score(1))])
        store.keep(ONE, [(key(1), score(2)), (key(3), score(3))])
        store.keep(TWO, [(key(1), score(4))])
        assert_kept(store, ONE, [1, 3])
        assert same(store.find(TWO, [key(1)])[0], score(4))


@pytest.mark.parametrize(
    "entry",
    [(key(1), np.zeros(3)), (key(1), np.zeros((3, 1), np.float32)), (b"short", np.zeros(3, np.float32))],
    ids=["float64", "two dimensions", "short key"],
)
def test_what_would_not_come_back_as_it_was_is_not_taken(tmp_path: Path, entry: tuple[bytes, Float32Array]) -> None:
    with ScoreStore.open(tmp_path) as store:
        with pytest.raises(ValueError, match="float32"):
            store.keep(ONE, [(key(2), score(2)), entry])
        assert store.find(ONE, [key(2)]) == [None]


def test_a_broken_row_is_a_miss_and_is_kept_anew(tmp_path: Path) -> None:
    with ScoreStore.open(tmp_path) as store:
        store.keep(ONE, entries(range(5)))
        store.keep(TWO, entries([7]))
    spoil = (
        "UPDATE scores SET value = zeroblob(length(value)) WHERE scope = 1 AND key = ?",
        "UPDATE scores SET value = 'text' WHERE scope = 1 AND key = ?",
        "UPDATE scores SET value = (SELECT value FROM scores WHERE scope = 2) WHERE scope = 1 AND key = ?",
    )
    with sqlite(tmp_path) as connection:
        for number, statement in enumerate(spoil):
            connection.execute(statement, (key(number),))
        # A whole row of another model.
        connection.execute("UPDATE scores SET scope = 1 WHERE scope = 2")
    with ScoreStore.open(tmp_path) as store:
        assert store.find(ONE, [key(one) for one in (0, 1, 2, 7)]) == [None] * 4
        store.keep(ONE, entries([0, 1, 2, 3, 4, 7]))
        assert_kept(store, ONE, [0, 1, 2, 3, 4, 7])
        assert store.caution is None


def test_closed_is_a_fault_of_ours_and_no_damage(tmp_path: Path) -> None:
    store = ScoreStore.open(tmp_path)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.find(ONE, [key(1)])


def test_info_counts_and_dates(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    with ScoreStore.open(tmp_path) as store:
        assert store.info().scopes == ()
        store.keep(ONE, entries(range(3)))
        store.keep(TWO, entries(range(10)))
    with sqlite(tmp_path) as connection:
        connection.execute("UPDATE scopes SET created = 1000, used = 2000 WHERE id = 1")
    with ScoreStore.open(tmp_path) as store:
        info = store.info()
        assert [(one.scope, one.scores) for one in info.scopes] == [(TWO, 10), (ONE, 3)]
        assert info.scores == 13
        # 32 bytes of key and 8 of checksum; 1 + 2 + 3 values of 4 bytes.
        assert info.scopes[1].n_bytes == 3 * 40 + 6 * 4
        assert info.scopes[1].created == datetime(1970, 1, 1, 0, 16, 40, tzinfo=UTC)
        assert info.scopes[1].used == datetime(1970, 1, 1, 0, 33, 20, tzinfo=UTC)
        assert before < info.scopes[0].created <= info.scopes[0].used <= datetime.now(UTC)
        assert info.n_bytes >= (tmp_path / STORE_FILE).stat().st_size
        # Finding one is use.
        store.find(ONE, [key(1)])
        assert {one.scope for one in store.info().scopes if one.used > before} == {ONE, TWO}


def test_prune_forgets_what_was_not_used_and_shrinks(tmp_path: Path) -> None:
    with ScoreStore.open(tmp_path) as store:
        store.keep(ONE, entries(range(5000)))
        store.keep(TWO, entries(range(10)))
    with sqlite(tmp_path) as connection:
        connection.execute("UPDATE scopes SET used = used - 3 * 86400 WHERE id = 1")
    large = (tmp_path / STORE_FILE).stat().st_size
    with ScoreStore.open(tmp_path) as store:
        assert store.prune(older_than=timedelta(days=4)) == 0
        assert store.prune(older_than=timedelta(days=2)) == 5000
        assert store.find(ONE, [key(1)]) == [None]
        assert_kept(store, TWO, range(10))
    assert (tmp_path / STORE_FILE).stat().st_size < large / 10
    with ScoreStore.open(tmp_path) as store:
        assert store.prune(older_than=None) == 10
        assert store.info().scopes == ()
        store.keep(ONE, entries([1]))
        assert_kept(store, ONE, [1])


def test_pruned_by_another_while_in_use(tmp_path: Path) -> None:
    with ScoreStore.open(tmp_path) as store, ScoreStore.open(tmp_path) as other:
        store.keep(ONE, entries([1]))
        other.keep(TWO, entries([2]))
        other.prune(older_than=None)
        assert store.find(ONE, [key(1)]) == [None]
        # Numbers are given anew: what is kept now must not come under another model's.
        other.keep(TWO, entries([3]))
        store.keep(ONE, entries([4]))
        assert_kept(other, ONE, [4])
        assert_kept(store, TWO, [3])
        assert store.find(ONE, [key(3)]) == [None]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], ...]:
    """A store of 800 scores as it lies there when closed, and when the process was killed."""
    folder = tmp_path_factory.mktemp("store")
    with ScoreStore.open(folder) as store:
        store.keep(ONE, entries(range(600)))
    closed = {one.name: one.read_bytes() for one in folder.iterdir()}
    with ScoreStore.open(folder) as store:
        store.keep(TWO, entries(range(200)))
        killed = {one.name: one.read_bytes() for one in folder.iterdir() if not one.name.endswith("-shm")}
    assert len(killed) == 2
    return closed, killed


def damage(content: bytes, dice: random.Random) -> bytes:
    """Flipped bits, another header, a block in another place, or an end too early."""
    changed = bytearray(content)
    kind = dice.choice(["flip", "flips", "header", "block", "cut"])
    if kind == "cut":
        del changed[dice.randrange(len(changed)) :]
    elif kind == "block":
        start, size = dice.randrange(len(changed)), dice.randrange(1, 9000)
        block = changed[start : start + size]
        place = dice.randrange(len(changed))
        changed[place : place + len(block)] = block
    else:
        places = {"flip": (1, len(changed)), "flips": (200, len(changed)), "header": (3, 110)}
        times, end = places[kind]
        for _ in range(times):
            changed[dice.randrange(end)] ^= 1 << dice.randrange(8)
    return bytes(changed)


def outcome(folder: Path) -> str:
    """Ask a damaged store for everything; "unavailable", "caution" or "fine", and never a wrong number."""
    try:
        store = ScoreStore.open(folder)
    except FileUnavailableError:
        return "unavailable"
    with store:
        for scope, numbers in ((ONE, range(600)), (TWO, range(200)), (ONE, range(1000, 1050))):
            store.keep(scope, entries(numbers[:50]))
            for number, found in zip(numbers, store.find(scope, [key(one) for one in numbers]), strict=True):
                assert found is None or same(found, score(number))
        return "fine" if store.caution is None else "caution"


def outcomes(files: tuple[dict[str, bytes], ...], folder: Path, seeds: range) -> set[str]:
    """What became of stores of which one file was damaged, one a seed."""
    found = set()
    for seed in seeds:
        dice = random.Random(seed)
        whole = dice.choice(files)
        hit = dice.choice(sorted(whole))
        folder.mkdir()
        for name, content in whole.items():
            (folder / name).write_bytes(damage(content, dice) if name == hit else content)
        found.add(outcome(folder))
        shutil.rmtree(folder)
    return found


def test_a_damaged_file_never_gives_a_wrong_number(files: tuple[dict[str, bytes], ...], tmp_path: Path) -> None:
    assert outcomes(files, tmp_path / "cache", range(120)) == {"unavailable", "caution", "fine"}


@pytest.mark.slow
def test_a_file_damaged_in_three_thousand_ways(files: tuple[dict[str, bytes], ...], tmp_path: Path) -> None:
    assert outcomes(files, tmp_path / "cache", range(1000, 4000)) == {"unavailable", "caution", "fine"}


def test_damage_met_while_reading_stops_writing(files: tuple[dict[str, bytes], ...], tmp_path: Path) -> None:
    content = bytearray(files[0][STORE_FILE])
    # Everything but the first page: the header and the tables' definitions.
    content[4096:] = bytes(len(content) - 4096)
    (tmp_path / STORE_FILE).write_bytes(content)
    with ScoreStore.open(tmp_path) as store:
        assert store.caution is None
        assert store.find(ONE, [key(1), key(2)]) == [None, None]
        assert store.caution is not None
        assert "is damaged" in store.caution
        assert "audit cache prune --all" in store.caution
        store.keep(ONE, entries([1]))
        with pytest.raises(FileUnavailableError, match="damaged"):
            store.info()
        with pytest.raises(FileUnavailableError, match="damaged"):
            store.prune(older_than=None)


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """As a user to whom a folder's permissions apply; root is somebody else for a while."""
    root = os.geteuid() == 0
    folder.chmod(0o555)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("killed", [False, True])
def test_a_folder_that_cannot_be_written_is_read(
    files: tuple[dict[str, bytes], ...], open_folder: Path, killed: bool
) -> None:
    for name, content in files[killed].items():
        (open_folder / name).write_bytes(content)
    with unprivileged(open_folder), ScoreStore.open(open_folder) as store:
        assert store.caution is not None
        assert "can be read and not written" in store.caution
        assert_kept(store, ONE, range(600))
        store.keep(ONE, entries([7000]))
        assert store.find(ONE, [key(7000)]) == [None]
        assert store.info().scopes[-1].scores == 600
        with pytest.raises(StorageError, match="cannot be written"):
            store.prune(older_than=None)
    assert {one.name: one.read_bytes() for one in open_folder.iterdir()} == files[killed]


def test_an_empty_folder_that_cannot_be_written(open_folder: Path) -> None:
    with unprivileged(open_folder), pytest.raises(FileUnavailableError, match="cannot be opened") as caught:
        ScoreStore.open(open_folder)
    assert "AUDIT_CACHE_DIR" in str(caught.value)
    assert not caught.value.removable


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileUnavailableError, match="cannot be opened"):
        ScoreStore.open(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_locked_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_files, "WAIT", 0.1)
    with ScoreStore.open(tmp_path) as store, sqlite(tmp_path) as other:
        store.keep(ONE, entries([1]))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="kept the file locked") as caught:
            store.keep(ONE, entries([2]))
        assert "same command again" in caught.value.fix
        # Reading needs no lock.
        assert_kept(store, ONE, [1])
        with pytest.raises(StorageError, match="kept the file locked"):
            ScoreStore.open(tmp_path)
        with pytest.raises(StorageError, match="kept the file locked"):
            store.prune(older_than=None)
        other.execute("ROLLBACK")
        store.keep(ONE, entries([2]))
        assert_kept(store, ONE, [1, 2])
        assert store.caution is None


# Keeps batches of 20 scores and says after each that it is kept.
WRITER = """
import sys
from pathlib import Path
from typing import ClassVar
from auditor.adapters.cache.score_store import ScoreStore
from auditor.errors import AuditError
from kept_scores import ONE, entries
folder, first, batches = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
try:
    with ScoreStore.open(folder) as store:
        for batch in range(batches):
            store.keep(ONE, entries(range(first + 20 * batch, first + 20 * batch + 20)))
            print(batch, flush=True)
        assert store.caution is None
except AuditError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def writer(folder: Path, first: int, batches: int, *, limit: int | None = None) -> subprocess.Popen[str]:
    """A process that has all it needs and waits for a line."""
    # A process begins with the limits of the one that starts it.
    with nullcontext() if limit is None else full_disk(limit):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(first), str(batches)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "tests")])),
        )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def started(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def killed_after(folder: Path, seconds: float, first: int) -> None:
    process = writer(folder, first, 100_000)
    started(process)
    time.sleep(seconds)
    process.kill()
    said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    with ScoreStore.open(folder) as store:
        assert_kept(store, ONE, range(first, first + 20 * len(said.splitlines())))
        # The batch in flight is there as a whole or not at all.
        assert all(count % 20 == 0 for _, count in _counts(folder))


def _counts(folder: Path) -> list[tuple[int, int]]:
    with sqlite(folder) as connection:
        return connection.execute("SELECT scope, count(*) FROM scores GROUP BY scope").fetchall()


def test_killed_while_writing(tmp_path: Path) -> None:
    for at, seconds in enumerate([0.0, 0.005, 0.02, 0.07, 0.2]):
        killed_after(tmp_path, seconds, 10_000_000 * at)
    assert _counts(tmp_path)[0][1] > 20


@pytest.mark.slow
def test_killed_while_writing_at_fifty_points(tmp_path: Path) -> None:
    dice = random.Random(0)
    for at in range(50):
        # Some meet a new file, some one that was left behind.
        killed_after(tmp_path / str(at % 25), dice.uniform(0, 0.1), 10_000_000 * (at // 25))


def test_two_processes_at_once(tmp_path: Path) -> None:
    # Both make the file, and half of the keys are the same.
    pair = [writer(tmp_path, first, 60) for first in (0, 600)]
    for process in pair:
        started(process)
    for process in pair:
        said, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        assert len(said.splitlines()) == 60
    with ScoreStore.open(tmp_path) as store:
        assert_kept(store, ONE, range(1800))
        assert store.info().scores == 1800


def test_full_disk_keeps_what_was_committed(tmp_path: Path) -> None:
    process = writer(tmp_path, 0, 1000, limit=600_000)
    started(process)
    said, stderr = process.communicate(timeout=60)
    assert process.returncode == 5, stderr
    assert "cannot be written" in stderr
    assert "Free some space on the disk and run the same command again" in stderr
    done = len(said.splitlines())
    assert 0 < done < 1000
    with ScoreStore.open(tmp_path) as store:
        assert_kept(store, ONE, range(20 * done))
        store.keep(ONE, entries(range(20 * done, 20 * done + 20)))
        assert_kept(store, ONE, range(20 * done + 20))


def test_interrupted_keep_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with ScoreStore.open(tmp_path) as store:
        with monkeypatch.context() as patch:
            patch.setattr(ScoreStore, "_number", interrupt)
            with pytest.raises(KeyboardInterrupt):
                store.keep(ONE, entries([1]))
        assert store.info().scopes == ()
        store.keep(ONE, entries([1]))
        assert_kept(store, ONE, [1])


class TestFacts:
    FACTS: ClassVar = {"notes": ["2 tensors are not used"], "vocabulary": 400}

    def test_round_trip(self, tmp_path: Path) -> None:
        with ScoreStore.open(tmp_path) as store:
            assert store.facts(ONE) is None
            store.keep_facts(ONE, {"notes": []})
            store.keep_facts(ONE, self.FACTS)
        with ScoreStore.open(tmp_path) as store:
            assert store.facts(ONE) == self.FACTS
            assert store.facts(TWO) is None

    def test_a_changed_byte_or_another_place_is_nothing(self, tmp_path: Path) -> None:
        with ScoreStore.open(tmp_path) as store:
            store.keep_facts(ONE, self.FACTS)
            store.keep_facts(TWO, {"vocabulary": 1})
        with sqlite(tmp_path) as connection:
            connection.execute("UPDATE facts SET value = (SELECT value FROM facts WHERE scope = 1) WHERE scope = 2")
            connection.execute("UPDATE facts SET value = CAST(replace(value, '400', '401') AS BLOB) WHERE scope = 1")
        with ScoreStore.open(tmp_path) as store:
            assert store.facts(ONE) is None
            assert store.facts(TWO) is None

    def test_go_with_their_scores(self, tmp_path: Path) -> None:
        with ScoreStore.open(tmp_path) as store:
            store.keep_facts(ONE, self.FACTS)
            store.keep(ONE, entries(range(2)))
            store.prune(older_than=None)
            store.keep(ONE, entries(range(2)))
            assert store.facts(ONE) is None
