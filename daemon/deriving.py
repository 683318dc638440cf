"""The writing of what is derived: new outputs of the log, page by page, each page a chunk that is whole or absent.

It needs the generator of vectors, which may load a model: so it runs in a child process (daemon/prepare_child.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon import sides
from daemon.derived import (
    ABOUT,
    CURRENT,
    FOLDER,
    FOLDER_MODE,
    GOLDEN_SIDE,
    NOTHING_TO_READ,
    ROW,
    THERE,
    About,
    files_in,
    written_texts,
)
from daemon.event_kinds import GOLDEN_RECORDED
from daemon.near_pairs import Written
from daemon.near_texts import EDGE, NO_TEXT, NearTexts
from daemon.received import normalised
from daemon.telling import Tell, silent
from daemon.texts import ReadsLog, Unseal

OUTPUTS_AT_ONCE = 2_000
EVENTS_AT_ONCE = 2_000
GOLDEN = GOLDEN_RECORDED.stored_as
_COLUMNS = ("seq", "id", "subject", "side", "body", "sealed", "kind")


class Generator(Protocol):
    """What components.embeddings.EmbeddingGenerator is to this file."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class Input(NamedTuple):
    """One output's input, as text; None where there is none, or nobody can read it any more."""

    seq: int
    subject: int
    side: int
    text: str | None


def inputs_after(log: ReadsLog, unseal: Unseal, position: int, last: int) -> Iterator[tuple[int, list[Input]]]:
    """The outputs and golden examples after an event, up to the event `last`, in pages.

    With each the event up to which it looked.
    """
    waiting: list[Input] = []
    while position < last and (rows := log.read_after(position, min(EVENTS_AT_ONCE, last - position), _COLUMNS)):
        position = rows[-1][0]
        waiting += [_input_of(row, unseal) for row in rows if row[3] is not None or row[6] == GOLDEN]
        while len(waiting) > OUTPUTS_AT_ONCE:
            page, waiting = waiting[:OUTPUTS_AT_ONCE], waiting[OUTPUTS_AT_ONCE:]
            yield page[-1].seq, page
    yield position, waiting


def _input_of(row: tuple[Any, ...], unseal: Unseal) -> Input:
    seq, event_id, subject, side, body, sealed, _ = row
    given = msgspec.json.decode(body).get("input")
    if given is None and sealed is not None:
        given = (unseal(subject, sealed, event_id) or {}).get("input")
    number = GOLDEN_SIDE if side is None else sides.SIDES.index(side)
    return Input(seq, subject or 0, number, as_text(given))


def as_text(given: Any) -> str | None:
    """An input as the one text that stands for it; None for one in which there is nothing to read."""
    if given is None:
        return None
    text = given if isinstance(given, str) else normalised(given).decode()
    return text if text.strip() else None


class Deriver:
    """The one writer of a fingerprint's folder; the caller owns the folder (`derived.owned`)."""

    def __init__(self, state_dir: Path, about: About, generator: Generator) -> None:
        folder = state_dir / FOLDER / about.fingerprint
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self._files = files_in(folder, about.dimension)
        self._committed = self._files.open_to_write()
        self._generator = generator
        self._dimension = about.dimension
        if About.read(folder / ABOUT) is None:
            about.write(folder / ABOUT)
        about.write(state_dir / FOLDER / CURRENT)
        edges = self._files.read("edges", self._committed.rows[5])
        self._near = NearTexts(self._texts(), edges)

    @property
    def position(self) -> int:
        return self._committed.position

    def take(self, position: int, page: Sequence[Input]) -> None:
        """These outputs, and that the log was looked through up to there: one chunk."""
        readable = np.array([place for place, one in enumerate(page) if one.text is not None], np.int64)
        texts = [str(page[place].text) for place in readable.tolist()]
        rows = np.zeros(len(page), ROW)
        for name in ("seq", "subject", "side"):
            rows[name] = [getattr(one, name) for one in page]
        rows["text"], rows["state"] = NO_TEXT, NOTHING_TO_READ
        vectors = np.zeros((len(page), self._dimension), np.float16)
        new, edges = self._nothing_new()
        if texts:
            vectors[readable] = self._generator.encode(texts)
            rows["text"][readable], new, edges = self._near.take(texts, rows["seq"][readable])
            rows["state"][readable] = THERE
        chunk = {"rows": rows, "vectors": vectors, **new._asdict(), "edges": edges}
        self._committed = self._files.append(self._committed, position, chunk)
        self._near.grown(self._texts())

    def _nothing_new(self) -> tuple[Written, NDArray[np.void]]:
        return self._texts().take(np.empty(0, np.int64)), np.empty(0, EDGE)

    def _texts(self) -> Written:
        return written_texts(self._files, self._committed)


def derive(deriver: Deriver, log: ReadsLog, unseal: Unseal, last: int, tell: Tell = silent) -> int:
    """Takes what is new up to the event `last`; returns how many outputs."""
    count = 0
    for position, page in inputs_after(log, unseal, deriver.position, last):
        deriver.take(position, page)
        count += len(page)
        tell("preparing", position, last)
    return count
