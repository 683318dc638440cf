"""For hosts' own tests: record into a list in memory instead of a spool; nothing touches the disk.

`capture_feedback()` is a context manager; with pytest, `from adaptd.testing import recorded_feedback` in a conftest.py
gives the same as a fixture.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from threading import RLock

from adaptd.destination import here
from adaptd.errors import LineTooLong
from adaptd.event_ids import new_writer
from adaptd.spool import MOST_LINE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class MemorySink:
    """Takes events as the spool does, and keeps them as the wire's fields."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.writer = new_writer()
        self._lock = RLock()
        self._bytes = 0

    def put(self, kind: str, quoted_id: str, at: int, body: bytes, *, durable: bool = False) -> None:  # noqa: ARG002 - memory has no disk to wait for
        with self._lock:
            n = len(self.events) + 1
            head = f'{{"kind":"{kind}","id":{quoted_id},"writer":"{self.writer}","n":{n},"at":{at},'
            line = head.encode() + body[1:] + b"\n"
            if len(line) > MOST_LINE_BYTES:
                raise LineTooLong(len(line), MOST_LINE_BYTES)
            self._bytes += len(line)
            self.events.append(json.loads(line))

    def put_many(self, kind: str, events: list[tuple[str, int, bytes]]) -> list[LineTooLong | None]:
        answers: list[LineTooLong | None] = []
        for quoted_id, at, body in events:
            try:
                self.put(kind, quoted_id, at, body)
                answers.append(None)
            except LineTooLong as too_long:
                answers.append(too_long)
        return answers

    def flush(self) -> None:
        return

    def close(self) -> None:
        return

    def in_child(self) -> MemorySink:
        return MemorySink()

    def stats(self) -> dict[str, Any]:
        return {"lines": len(self.events), "bytes": self._bytes, "writer": self.writer}


@contextmanager
def capture_feedback() -> Iterator[list[dict[str, Any]]]:
    """Yield a list that fills with what is recorded inside the block: one dict per event, as on the wire.

    What is rejected appears there too, as kind "rejected/1". configure() inside the block ends the capturing.
    """
    sink = MemorySink()
    with here.lock:
        before, here.sink = here.sink, sink
    try:
        yield sink.events
    finally:
        with here.lock:
            if here.sink is sink:
                here.sink = before


if "pytest" in sys.modules:
    import pytest

    @pytest.fixture
    def recorded_feedback() -> Iterator[list[dict[str, Any]]]:
        """What this test records, as a list of dicts."""
        with capture_feedback() as events:
            yield events
