"""Files read while something else is computed, so that they lie in memory when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from auditor.adapters.hf.devices import total_memory

_BLOCK = 2**22


class ReadAhead:
    """Reads files once, in a thread of its own, and keeps nothing: what stays is the system's page cache.

    Args:
        files: read in this order; none where they are larger than half of the machine's memory, since the first
            would be gone again when the last is read.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files if _fit(files) else ()
        self._stopped = Event()
        self._thread = Thread(target=self._read, name="read ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # What is still to come is read by whoever needs it, in the same order.
        self._stopped.set()
        self._thread.join()

    def _read(self) -> None:
        block = bytearray(_BLOCK)
        for file in self._files:
            # Whoever needs the file meets the same error, and says so.
            with suppress(OSError), file.open("rb", buffering=0) as stream:
                while stream.readinto(block) and not self._stopped.is_set():
                    pass


def _fit(files: Sequence[Path]) -> bool:
    n_bytes = 0
    for file in files:
        with suppress(OSError):
            n_bytes += file.stat().st_size
    return n_bytes <= total_memory("cpu") / 2
