"""What is derived from the inputs of outputs, and kept beside the log: vectors, and which inputs are nearly equal.

`state/derived/FINGERPRINT/` holds a row for each output in the order of the log; the fingerprint is that of the model
that makes the vectors. A cache: deleted, it is made again. daemon/deriving.py writes it, in a child process; whoever
forms pools reads it here, at any earlier place in the log too. A forgotten subject's rows are erased in place.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from daemon import sides
from daemon.near_pairs import BANDS, Written
from daemon.near_texts import EDGE, NO_TEXT, near_to, together
from daemon.row_files import Committed, RowFiles
from daemon.views.columns import places_of

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
FOLDER, ABOUT, LOCK, CURRENT = "derived", "about.json", "lock", "current.json"
FOLDER_MODE = 0o700
ANOTHER_IS_AT_IT = 75  # how a child ends that may not write
GOLDEN_SIDE = len(sides.SIDES)
"""Golden examples have rows as outputs have, and are held out from everything."""
NOTHING_TO_READ, THERE, GONE = 0, 1, 2
"""States of a row: an output without an input, or under a key that is gone; one with a vector; an erased one."""
ROW = np.dtype([("seq", "<i8"), ("subject", "<i8"), ("text", "<i4"), ("side", "|i1"), ("state", "|i1"), ("", "<i2")])
PATIENCE_SECONDS, LOOK_SECONDS = 10.0, 0.02


def files_in(folder: Path, dimension: int) -> RowFiles:
    """The files of one fingerprint's folder."""
    return RowFiles(
        folder,
        {
            "rows": ROW,
            "vectors": np.dtype((np.float16, (dimension,))),
            "keys": np.dtype("<i8"),
            "bands": np.dtype((np.uint32, (BANDS,))),
            "hashes": np.dtype((np.uint8, (128,))),
            "edges": EDGE,
        },
    )


class About(NamedTuple):
    """Which model made the vectors of a folder."""

    model: str  # as config.toml names it
    fingerprint: str
    dimension: int
    described: str
    fell_back: bool = False  # the model is not installed, and hashing took its place

    @classmethod
    def read(cls, path: Path) -> About | None:
        """None where there is none, or only a part."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Whole, or not at all."""
        new = path.with_name(f"{path.name}.new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(self._asdict()))
        os.replace(new, path)


class Derived:
    """One fingerprint's folder as it was when this was opened."""

    def __init__(self, folder: Path, about: About) -> None:
        self._files = files_in(folder, about.dimension)
        self._committed = self._files.committed()
        self.about = about
        rows = np.array(self._read("rows"))
        self._seqs, self._subjects = rows["seq"].copy(), rows["subject"].copy()
        self._texts, self._sides, self._states = rows["text"].copy(), rows["side"].copy(), rows["state"].copy()
        self._known: tuple[int, NDArray[np.int8]] | None = None

    @property
    def fingerprint(self) -> str:
        return self.about.fingerprint

    @property
    def position(self) -> int:
        return self._committed.position

    def __len__(self) -> int:
        return len(self._seqs)

    def take_served(self, seqs: Ints) -> Derived:
        """With these outputs, once the judge's, on the side of what is learnt: they served their last decision."""
        rows = self._places(np.asarray(seqs, np.int64))
        self._sides[rows[rows >= 0]] = sides.SIDES.index("learn")
        self._known = None
        return self

    def rows_of(self, seqs: Ints) -> Ints:
        """The row of each output, -1 where it has no vector."""
        rows = self._places(seqs)
        rows[rows >= 0] = np.where(self._states[rows[rows >= 0]] == THERE, rows[rows >= 0], -1)
        return rows

    def near(self, seqs: Ints, position: int) -> Mask:
        """Which of these outputs belonged, when the log ended there, together with one that is held out from them.

        A validate or judge example is held out from what is learnt, a judge example from what is tuned on, and a golden
        one from all of these.
        """
        rows, near = self._places(seqs), np.zeros(len(seqs), np.bool_)
        there = np.flatnonzero(rows >= 0)
        there = there[self._texts[rows[there]] != NO_TEXT]
        near[there] = self._highest_side(position)[self._texts[rows[there]]] > self._sides[rows[there]]
        return near

    def near_held_out(self, texts: Sequence[str], position: int) -> Mask:
        """Which of these texts, that no event brought, are near to one held out from learning at that place."""
        held = np.flatnonzero(self._highest_side(position) > sides.SIDES.index("learn"))
        return near_to(texts, written_texts(self._files, self._committed), held)

    def embeddings(self, rows: Ints) -> NDArray[np.float32]:
        """The vectors of these rows."""
        return np.asarray(self._read("vectors")[rows], np.float32)

    def _highest_side(self, position: int) -> NDArray[np.int8]:
        """By text: the highest side of any output whose input it belonged together with."""
        if self._known is None or self._known[0] != position:
            label = together(self._committed.rows[2], self._read("edges"), position)
            rows = np.flatnonzero((self._texts != NO_TEXT) & (self._seqs <= position))
            highest = np.zeros(len(label), np.int8)
            np.maximum.at(highest, label[self._texts[rows]], self._sides[rows])
            self._known = position, highest[label] if len(label) else highest
        return self._known[1]

    def _places(self, seqs: Ints) -> Ints:
        rows = np.full(len(seqs), -1, np.int64)
        known, at = places_of(seqs, self._seqs)
        rows[known] = at
        return rows

    def _read(self, name: str) -> NDArray[Any]:
        return self._files.read(name, self._committed.rows[list(self._files.kinds).index(name)])


def open_derived(state_dir: Path, model: str | None = None) -> Derived | None:
    """What was prepared last, with that model where one is named; None while nothing was."""
    about = About.read(state_dir / FOLDER / CURRENT)
    if about is None or model not in (None, about.model):
        return None
    folder = state_dir / FOLDER / about.fingerprint
    return Derived(folder, about) if About.read(folder / ABOUT) is not None else None


# One writer at a time


@contextmanager
def owned(state_dir: Path) -> Iterator[bool]:
    """Whether this process is the one that may write; whoever else wants to, knows it by its number."""
    (state_dir / FOLDER).mkdir(mode=FOLDER_MODE, exist_ok=True)
    descriptor = os.open(state_dir / FOLDER / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield True
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _end_writer(state_dir: Path) -> None:
    """A child that writes is ended: it may hold a text whose key was destroyed meanwhile, and it can be killed."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError, PermissionError):
        pid = int((state_dir / FOLDER / LOCK).read_text())
        if pid != os.getpid():
            os.kill(pid, signal.SIGKILL)


@contextmanager
def _taken_over(state_dir: Path) -> Iterator[None]:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with owned(state_dir) as mine:
            if mine:
                yield
                return
        if time.monotonic() > until:
            raise TimeoutError(
                f"{state_dir / FOLDER / LOCK}: held by another process for {PATIENCE_SECONDS:.0f} seconds"
            )
        _end_writer(state_dir)
        time.sleep(LOOK_SECONDS)


# Forgetting


def erase(state_dir: Path, pseudonyms: Collection[int]) -> int:
    """Overwrites all that was derived from inputs of these subjects, in every folder; returns how many rows."""
    if not (state_dir / FOLDER).is_dir() or not pseudonyms:
        return 0
    erased = 0
    with _taken_over(state_dir):
        for path in sorted((state_dir / FOLDER).glob(f"*/{ABOUT}")):
            about = About.read(path)
            if about is not None:
                erased += _erase_in(files_in(path.parent, about.dimension), pseudonyms)
    return erased


def _erase_in(files: RowFiles, pseudonyms: Collection[int]) -> int:
    committed = files.open_to_write()  # and cuts off what was not committed
    rows = np.array(files.read("rows", committed.rows[0]))
    whose = np.fromiter(pseudonyms, np.int64, len(pseudonyms))
    theirs = np.flatnonzero(np.isin(rows["subject"], whose) & (rows["state"] == THERE))
    if not len(theirs):
        return 0
    texts = np.unique(rows["text"][theirs])
    rows["text"][theirs], rows["state"][theirs] = NO_TEXT, GONE
    files.overwrite("vectors", theirs, np.zeros((), np.float16))
    _erase_texts(files, committed, texts[~np.isin(texts, rows["text"])])
    files.overwrite("rows", theirs, rows[theirs])
    files.checked_anew()
    return len(theirs)


def _erase_texts(files: RowFiles, committed: Committed, texts: Ints) -> None:
    """Those that nobody else's input is equal to."""
    assert committed.rows[2] >= len(texts)
    for name in ("keys", "bands", "hashes"):
        files.overwrite(name, texts[texts >= 0], np.zeros((), files.kinds[name].base))


def written_texts(files: RowFiles, committed: Committed) -> Written:
    """The texts as they lie in the files."""
    return Written(*(files.read(name, committed.rows[2]) for name in ("keys", "bands", "hashes")))
