"""A table as columns that only grow: numpy arrays with room to spare, and their packed form for saving.

Packed, the columns of a range of rows lie one after another, little-endian, in the order of the table's schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daemon.views.resting import Resting

FIRST_ROOM = 1024
ROOM_AT_REST = 8  # one row more for as many


class Columns:
    """Rows 0 to `rows` of the columns named in `types` (a numpy type code each, such as "<i8")."""

    def __init__(self, types: Mapping[str, str]) -> None:
        self.types = {name: np.dtype(code) for name, code in types.items()}
        self.row_bytes = sum(kind.itemsize for kind in self.types.values())
        self.rows = 0
        self._arrays: dict[str, NDArray[Any]] = {name: np.empty(0, kind) for name, kind in self.types.items()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column as a view: writing into it changes the table."""
        return self._arrays[name][: self.rows]

    def append(self, count: int, **values: Any) -> None:
        """Adds `count` rows; every column must be given, as an array or as one value for all of them."""
        start, stop = self.rows, self.rows + count
        self._make_room(stop)
        for name, array in self._arrays.items():
            array[start:stop] = values[name]
        self.rows = stop

    def _make_room(self, rows: int) -> None:
        room = min(map(len, self._arrays.values()))  # those that were laid down have less than others
        if rows <= room:
            return
        room = max(rows, 2 * room, FIRST_ROOM)
        for name, array in self._arrays.items():
            larger = np.empty(room, array.dtype)
            larger[: self.rows] = array[: self.rows]
            self._arrays[name] = larger

    def rest(self, resting: Resting) -> None:
        """Lays down what is large; nothing that is read or written changes by it."""
        self._arrays = {
            name: resting.laid(array, self.rows, self.rows + self.rows // ROOM_AT_REST)
            for name, array in self._arrays.items()
        }

    def packed(self, start: int, stop: int) -> bytes:
        return b"".join(array[start:stop].tobytes() for array in self._arrays.values())

    def append_packed(self, data: bytes) -> None:
        count, rest = divmod(len(data), self.row_bytes)
        if rest:
            raise ValueError(f"packed rows: {len(data)} bytes, expected a multiple of {self.row_bytes}")
        place, values = 0, {}
        for name, kind in self.types.items():
            values[name] = np.frombuffer(data, kind, count, place)
            place += count * kind.itemsize
        self.append(count, **values)


def places_of(wanted: NDArray[np.int64], among: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of the wanted numbers are among the others, which differ from each other, and at which place there."""
    if not len(wanted) or not len(among):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.argsort(among, kind="stable")  # quick where they rise already
    places = order[np.minimum(np.searchsorted(among, wanted, sorter=order), len(among) - 1)]
    known = np.flatnonzero(among[places] == wanted)
    return known, places[known]
