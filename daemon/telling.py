"""This file knows how long work says how far it is: to a function of three, which those who do not care leave out."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much there is; 0 when nobody knows how much there is."""


def silent(_doing: str, _done: int, _total: int) -> None:
    """For those who do not want to know."""
