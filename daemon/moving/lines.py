"""This file knows how a file of any size is read line by line: no more of a line is kept than is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple

MOST_LINE_BYTES = 16 << 20
"""An event has 1 MiB as config.toml comes; written with escapes (`\\u00e9`) its row may be some times as long."""
SHOWN_OF_TOO_LONG = 1000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line with its end; of one that is too long only the beginning is there."""

    number: int
    data: bytes
    size: int

    @property
    def is_whole(self) -> bool:
        """Whether all of it is in `data`."""
        return len(self.data) == self.size


def lines_of(file: IO[bytes], most: int = MOST_LINE_BYTES) -> Iterator[Line]:
    """Every line, numbered from 1; a byte order mark at the file's beginning is no part of the first."""
    number = 0
    while data := file.readline(most + 1):
        number += 1
        size = len(data)
        if number == 1:
            data = data.removeprefix(BYTE_ORDER_MARK)
            size = len(data)
        if size > most and not data.endswith(b"\n"):
            size += _passed_over(file, most)
            data = data[:SHOWN_OF_TOO_LONG]
        yield Line(number, data, size)


def _passed_over(file: IO[bytes], most: int) -> int:
    """How many bytes the rest of this line has."""
    size = 0
    while data := file.readline(most):
        size += len(data)
        if data.endswith(b"\n"):
            break
    return size
