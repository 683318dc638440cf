"""This file knows where a run's process reads what its examples say: from the log, as it was when the batch was formed.

Log and keys are opened for reading alone. A text whose key was destroyed since is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adaptd.plugin.pool import Rows, Text, Texts
from daemon.event_reading import EventReader
from daemon.views.examples import Examples
from daemon.views.page import Vocabulary
from daemon.views.store import PAGE_EVENTS, fold_next


class TextsGone(LookupError):
    """An example's output is not in the log up to that position, or its key is gone."""


@contextmanager
def texts_at(state_dir: Path, position: int) -> Iterator[Texts]:
    """What examples say, by the number of the event that brought the output."""
    reader = EventReader.open(state_dir)
    try:
        yield _Source(reader, position).texts
    finally:
        reader.close()


class _Source:
    def __init__(self, reader: EventReader, position: int) -> None:
        self._reader = reader
        resolved = _folded(reader, position).resolved()
        self._corrections = dict(zip(resolved["seq"].tolist(), resolved["correction_seq"].tolist(), strict=True))

    def texts(self, seqs: Rows) -> Sequence[Text]:
        return [self._text(seq) for seq in seqs.tolist()]

    def _text(self, seq: int) -> dict[str, Any]:
        text = dict(self._body(seq))
        correction = self._corrections.get(seq, 0)
        return text | ({"correction": self._body(correction).get("correction")} if correction else {})

    def _body(self, seq: int) -> dict[str, Any]:
        event = self._reader.at(seq)
        if event is None or event.get("sealed") == "not readable here":
            raise TextsGone(f"event {seq}: its text cannot be read, expected one that nobody has forgotten")
        body: dict[str, Any] = event["body"]
        return body


def _folded(reader: EventReader, position: int) -> Examples:
    examples, at, count, vocabulary = Examples(), 0, 1, Vocabulary()
    while count and at < position:
        at, count = fold_next(reader.log, [examples], at, min(PAGE_EVENTS, position - at), vocabulary)
    return examples
