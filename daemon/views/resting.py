"""Where large columns lie while nobody asks for them: in nameless files, whose pages need not be in memory.

A daemon that nothing happens to would hold some 130 bytes for each event for ever. Laid down, an array is a shared
mapping of a file without a name in the folder of views.db: it is read and written as before, the kernel fetches the few
pages that an event needs, and takes them back as it likes. The file goes with the process that made it; what must
survive is in views.db alone.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_BYTES = 1 << 18  # smaller ones stay in memory: a file each is a descriptor each


class Resting:
    """The mappings of one process in one folder."""

    def __init__(self, folder: Path, least_bytes: int = LEAST_BYTES) -> None:
        self._folder = folder
        self._least_bytes = least_bytes
        self._maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()

    def laid(self, array: NDArray[Any], rows: int | None = None, room: int = 0) -> NDArray[Any]:
        """The array, or one in a file with the same first `rows`, all if not told, and with room for as many as `room`.

        A disk that is full, or no descriptor left: then it stays where it is.
        """
        rows = len(array) if rows is None else rows
        if _lies(array) or rows * array.itemsize < self._least_bytes:
            return array
        try:
            lying = np.frombuffer(self._mapping(max(rows, room) * array.itemsize), array.dtype)
        except OSError:
            return array
        lying[:rows] = array[:rows]
        return lying

    def _mapping(self, size: int) -> mmap.mmap:
        with tempfile.TemporaryFile(dir=self._folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)  # a page that finds no room on the disk later ends the process
            mapping = mmap.mmap(file.fileno(), size)
        self._maps.add(mapping)
        return mapping

    def let_go(self) -> None:
        """What is mapped leaves this process's memory; so does what was freed and not given back."""
        for mapping in list(self._maps):
            mapping.madvise(mmap.MADV_DONTNEED)  # of a shared mapping nothing is lost
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
        if trim is not None:
            trim(0)


def _lies(array: NDArray[Any]) -> bool:
    base: Any = array.base  # the mapping, or a memoryview of it
    return isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap)
