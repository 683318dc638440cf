"""What a view is to those who keep it: a pure fold of log pages, with tables that only grow and small cells.

A fold reads no file, no clock and no configuration. Its version rises whenever the same log would give another state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from daemon.views.columns import Columns
from daemon.views.page import Page

OUTPUT_RECORDED = "output_recorded"
FEEDBACK_RECORDED = "feedback_recorded"
TARGET_CAME = "target_came"
OUTPUTS_ASKED = "outputs_asked"
EXAMPLES_SERVED = "examples_served"


class Wants(NamedTuple):
    """What a fold needs of a page beyond its columns: every event's id, and the decoded body of some events."""

    ids: bool = False
    bodies: Sequence[int] = ()


class Fold(Protocol):
    """One view. tests/contracts/any_view.py is its battery."""

    name: str
    version: int
    tables: Mapping[str, Columns]

    def columns(self) -> tuple[str, ...]:
        """The log's columns that the next page must have."""

    def wants(self, page: Page) -> Wants: ...

    def fold(self, page: Page) -> None: ...

    def take_cells(self) -> dict[str, str | None]:
        """The small values that changed since the last call, by key, as text; None for one that is gone."""

    def restore(self, cells: Mapping[str, str]) -> None:
        """Takes up saved cells, after the tables were filled."""

    def digest(self) -> str:
        """A hash of the state that depends neither on paging nor on the order in which rows were fed."""


def kind_name(kind: str) -> str:
    """The name of a kind without its version."""
    return kind.partition("/")[0]
