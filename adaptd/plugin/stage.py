"""The contract of a stage: a class that shapes the pool into what is learnt tonight.

A module in plugins/stages/, or named in config.toml, has the class under the name STAGE. `tests/contracts/any_stage.py`
meets every stage that is found, and `adaptd plugins check FILE` runs the same battery for an author.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import Pool


class StageRefused(Exception):
    """A stage cannot do its work on this pool; its words stand in the event, so they name value and expectation."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"stage {stage!r}: {reason}")
        self.stage, self.reason = stage, reason


@runtime_checkable
class Stage(Protocol):
    """Shapes a pool.

    `Settings` is a frozen dataclass whose fields all have defaults; config.toml fills it. `shape` filters, orders,
    weights, adds columns or derived examples, and says why. It never sees validate or judge examples, leaves its input
    as it was, gives the same output for the same moment, and costs numpy time, not Python time per row.

    Optional: `remember(page)` to fold history, with `memory() -> bytes` and `restore(bytes)` to keep it; and
    `fires_at(pool, moment)`, to say how many new examples fire a run.
    """

    name: ClassVar[str]
    Settings: ClassVar[type]

    def __init__(self, settings: Any) -> None: ...

    def shape(self, pool: Pool, moment: Moment) -> Pool: ...


@dataclass(frozen=True, slots=True)
class FiresAt:
    """How many new examples a run is worth, and in words why so many."""

    new_examples: int
    words: str


@runtime_checkable
class Sizing(Protocol):
    """A stage that knows when there is enough to learn from; asked before any stage shapes, on the whole pool."""

    def fires_at(self, pool: Pool, moment: Moment) -> FiresAt: ...


@runtime_checkable
class Remembering(Protocol):
    """A stage that learns from what was recorded before, beyond what the pool says.

    A page is columns, as a pool has them, of learnable examples about which something was said since the page before;
    an example comes again when something more is said of it.
    """

    def remember(self, page: Mapping[str, Any]) -> None: ...

    def memory(self) -> bytes: ...

    def restore(self, memory: bytes) -> None: ...
