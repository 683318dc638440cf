"""Names as small numbers, with a cap: whoever sends a million different names fills no memory.

The first `cap` names in log order keep a number of their own; all later ones share `BEYOND`. Up to the cap, the order
of arrival does not matter to what is counted under a name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOT_GIVEN = 0
BEYOND = 1
FIRST = 2


class Names:
    """Numbers for names: 0 for none, 1 for those beyond the cap, 2 and up in order of appearance."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self._numbers: dict[str | None, int] = {None: NOT_GIVEN}
        self._unsaved: list[tuple[int, str]] = []

    def numbers(self, values: Iterable[str | None]) -> NDArray[np.int32]:
        return np.array([self._number(value) for value in values], np.int32)

    def _number(self, name: str | None) -> int:
        number = self._numbers.get(name)
        if number is not None:
            return number
        if len(self._numbers) > self.cap or name is None:
            return BEYOND
        number = self._numbers[name] = len(self._numbers) - 1 + FIRST
        self._unsaved.append((number, name))
        return number

    def take_unsaved(self) -> list[tuple[int, str]]:
        taken, self._unsaved = self._unsaved, []
        return taken

    def restore(self, saved: Iterable[tuple[int, str]]) -> None:
        self._numbers |= {name: number for number, name in sorted(saved)}

    def listed(self) -> list[str | None]:
        """Names by number; None at NOT_GIVEN and at BEYOND."""
        return [None, None, *(name for name in self._numbers if name is not None)]

    def ranks(self) -> NDArray[Any]:
        """For each number a rank that does not depend on the order of appearance."""
        names = [name for name in self._numbers if name is not None]
        order = sorted(range(len(names)), key=names.__getitem__)
        ranks = np.zeros(len(names) + FIRST, np.int32)
        ranks[BEYOND] = BEYOND
        ranks[np.array(order, np.intp) + FIRST] = np.arange(FIRST, len(names) + FIRST)
        return ranks
