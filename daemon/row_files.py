"""Files of fixed-size records that only grow, written in chunks: what a chunk says is there as a whole, or not at all.

`chunks` is the file that decides: a record per chunk with how long each file is afterwards, and checksums. It is
written last, so a tail that was torn by a kill or a full disk counts as absent, and is cut off by the next writer.
Whoever reads beside the writer sees whole chunks. One writer at a time; it does not see to that itself.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

CHUNKS = "chunks"
FILE_MODE = 0o600
_NUMBER = struct.Struct("<Q")
_SUM = struct.Struct("<I")


class Committed(NamedTuple):
    """How far a chunk brought it: a position of the log, and how many records each file has."""

    position: int
    rows: tuple[int, ...]

    @classmethod
    def nothing(cls, files: int) -> Committed:
        return cls(0, (0,) * files)


class RowFiles:
    """A folder of such files. `kinds` are the files' names and their records' types, the same for reader and writer."""

    def __init__(self, folder: Path, kinds: Mapping[str, np.dtype[Any]]) -> None:
        self.folder = folder
        self.kinds = dict(kinds)
        self._record_bytes = _NUMBER.size * (1 + len(self.kinds)) + 2 * _SUM.size

    # Reading

    def committed(self) -> Committed:
        """The newest chunk that is whole; nothing where there is none."""
        return self._whole(self._records())[-1]

    def read(self, name: str, rows: int) -> NDArray[Any]:
        """The first `rows` records of a file, not to be written to; read when they are looked at."""
        if not rows:
            return np.empty(0, self.kinds[name])
        return np.memmap(self.folder / name, self.kinds[name], "r", shape=(rows,))

    def _records(self) -> list[tuple[Committed, int]]:
        """Every chunk's record with the checksum of its data, up to the first that is torn."""
        try:
            raw = (self.folder / CHUNKS).read_bytes()
        except FileNotFoundError:
            return []
        found = []
        for start in range(0, len(raw) - self._record_bytes + 1, self._record_bytes):
            told = self._told(raw[start : start + self._record_bytes])
            if told is None:
                break
            found.append(told)
        return found

    def _told(self, record: bytes) -> tuple[Committed, int] | None:
        body, own = record[: -_SUM.size], _SUM.unpack(record[-_SUM.size :])[0]
        if crc32(body) != own:
            return None
        numbers = [_NUMBER.unpack_from(body, place)[0] for place in range(0, len(body) - _SUM.size, _NUMBER.size)]
        return Committed(numbers[0], tuple(numbers[1:])), _SUM.unpack(body[-_SUM.size :])[0]

    def _whole(self, records: Sequence[tuple[Committed, int]]) -> list[Committed]:
        """All that the files are long enough for; at least «nothing»."""
        sizes = [self._bytes_of(name) for name in self.kinds]
        found = [Committed.nothing(len(self.kinds))]
        for committed, _ in records:
            if any(rows * kind.itemsize > size for rows, kind, size in self._beside(committed, sizes)):
                break
            found.append(committed)
        return found

    def _beside(self, committed: Committed, sizes: Sequence[int]) -> list[tuple[int, np.dtype[Any], int]]:
        return list(zip(committed.rows, self.kinds.values(), sizes, strict=True))

    def _bytes_of(self, name: str) -> int:
        try:
            return (self.folder / name).stat().st_size
        except FileNotFoundError:
            return 0

    # Writing

    def open_to_write(self) -> Committed:
        """Cuts off what was torn, the newest chunk too where its data is not what was written; how far it goes."""
        records = self._records()
        whole = self._whole(records)
        while len(whole) > 1 and self._sum_of(whole[-2], whole[-1]) != records[len(whole) - 2][1]:
            whole.pop()
        for name, rows in zip(self.kinds, whole[-1].rows, strict=True):
            self._cut(name, rows * self.kinds[name].itemsize)
        self._cut(CHUNKS, (len(whole) - 1) * self._record_bytes)
        return whole[-1]

    def _cut(self, name: str, size: int) -> None:
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    def append(self, before: Committed, position: int, new: Mapping[str, NDArray[Any]]) -> Committed:
        """One chunk more, on disk when this returns."""
        check = 0
        for name, kind in self.kinds.items():
            data = np.ascontiguousarray(new[name], kind.base).tobytes()
            check = crc32(data, check)
            self._add(name, data)
        rows = tuple(count + len(new[name]) for count, name in zip(before.rows, self.kinds, strict=True))
        self._add(CHUNKS, self._record(Committed(position, rows), check))
        return Committed(position, rows)

    def _record(self, committed: Committed, check: int) -> bytes:
        body = b"".join(_NUMBER.pack(number) for number in (committed.position, *committed.rows)) + _SUM.pack(check)
        return body + _SUM.pack(crc32(body))

    def _add(self, name: str, data: bytes) -> None:
        with (self.folder / name).open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def overwrite(self, name: str, rows: NDArray[np.int64], value: NDArray[Any]) -> None:
        """Puts one value in the place of these records; `checked_anew` has to follow."""
        records = np.memmap(
            self.folder / name, self.kinds[name], "r+", shape=(self._bytes_of(name) // self._size(name),)
        )
        records[rows] = value
        records.flush()

    def _size(self, name: str) -> int:
        return self.kinds[name].itemsize

    def checked_anew(self) -> None:
        """The checksums of all chunks, after something in them was overwritten."""
        whole = self._whole(self._records())
        records = [self._record(now, self._sum_of(before, now)) for before, now in pairwise(whole)]
        path = self.folder / f"{CHUNKS}.new"
        path.touch(mode=FILE_MODE)
        path.write_bytes(b"".join(records))
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(self.folder / CHUNKS)

    def _sum_of(self, before: Committed, now: Committed) -> int:
        """The checksum of what the files hold between two chunks."""
        check = 0
        for name, first, end in zip(self.kinds, before.rows, now.rows, strict=True):
            with (self.folder / name).open("rb") as file:
                file.seek(first * self._size(name))
                check = crc32(file.read((end - first) * self._size(name)), check)
        return check
