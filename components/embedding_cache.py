"""Vectors of texts, kept on disk by the hash of what was embedded.

Two files per model, `<fingerprint>-<dimension>.keys` and `.vectors`: rows of a fixed size that are only ever appended,
the vectors as a float16 memory map. Several processes may read and write one folder; two models never share a file.
Each row carries a check, so that a torn or damaged one counts as absent: it is embedded again, never handed out wrong.

Forgetting overwrites the rows with zeros, in the files of every model. What it deliberately does not do: shrink the
files, limit their size, or promise that a row survives a power cut (it is a cache: what is lost is made again).

>>> import tempfile
>>> cache = EmbeddingCache(tempfile.mkdtemp(), "a-model", 2)
>>> cache.put([content_hash("good")], np.array([[0.6, 0.8]]))
>>> found, vectors = cache.get([content_hash("good"), content_hash("never seen")])
>>> found.tolist(), vectors.round(3).tolist()
([True, False], [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]])
>>> cache.forget(["good"]), len(cache)
(1, 0)
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, whole_number

HASH_BYTES: Final = 16
_KEY: Final = np.dtype([("hash", np.uint64, 2), ("check", np.uint64)])
_PAGE_ROWS: Final = 8192  # rows that are checked and widened at a time
_LONGEST_TAIL: Final = 4096  # rows that are looked up in a dict before they are sorted in among the rest
_Page = tuple[slice, NDArray[np.bool_], NDArray[np.float16]]


def content_hash(text: str) -> bytes:
    """What a text is known by: 16 bytes of BLAKE2b; half a surrogate pair counts as a character like any other."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()


class EmbeddingCache:
    """The vectors of one model, in one folder."""

    def __init__(self, folder: str | Path, fingerprint: str, dimension: int) -> None:
        self.dimension = whole_number("dimension", dimension, low=1)
        if not fingerprint or not fingerprint.replace("-", "").isalnum():
            raise BadInput("fingerprint", fingerprint, "letters, digits and hyphens: it is part of a file's name")
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._files = _Files(self.folder / f"{fingerprint}-{dimension}", dimension)
        self._index = _Index()
        self._turn = threading.Lock()

    def __len__(self) -> int:
        """How many texts can be found. Reads every row."""
        with self._turn:
            self._read_what_is_new()
            hashes = self._index.hashes()
            rows = self._index.rows(hashes)
            return sum(int(whole.sum()) for _, whole, _ in self._pages(hashes[rows >= 0], rows[rows >= 0]))

    def get(self, hashes: Sequence[bytes]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Which of them are there, and a row for each: its vector, or zeros."""
        wanted = _as_hashes(hashes)
        with self._turn:
            self._read_what_is_new()
            rows = self._index.rows(wanted)
            known = np.flatnonzero(rows >= 0)
            out = np.zeros((len(wanted), self.dimension), dtype=np.float32)
            found = np.zeros(len(wanted), dtype=np.bool_)
            for places, whole, vectors in self._pages(wanted[known], rows[known]):
                right = known[places][whole]
                found[right] = True
                out[right] = vectors[whole, : self.dimension]
        return found, out

    def _pages(self, hashes: NDArray[np.uint64], rows: NDArray[np.int64]) -> Iterator[_Page]:
        """The rows a page at a time: which they are, whether each is as it was written, and their vectors."""
        for start in range(0, len(rows), _PAGE_ROWS):
            places = slice(start, start + _PAGE_ROWS)
            vectors = self._files.vectors[rows[places]]
            yield places, _checks(hashes[places], vectors) == self._index.checks[rows[places]], vectors

    def put(self, hashes: Sequence[bytes], vectors: ArrayLike) -> None:
        """Append rows. A vector that float16 cannot hold, or that is not finite, is left out."""
        keys, given = _as_hashes(hashes), np.asarray(vectors)
        if given.shape != (len(keys), self.dimension):
            raise BadInput("vectors", f"an array of shape {given.shape}", f"({len(keys)}, {self.dimension})")
        with np.errstate(over="ignore"):
            halves = self._files.padded(given)
        holds = np.isfinite(halves).all(axis=1)
        self._files.append(keys[holds], halves[holds])

    def forget(self, texts_or_hashes: Iterable[str | bytes]) -> int:
        """Overwrite what is known of these texts (or hashes of texts), for every model in the folder; how many rows."""
        with self._turn:
            self._index = _Index()
            return forget_in(self.folder, texts_or_hashes)

    def _read_what_is_new(self) -> None:
        if self._files.replaced_or_cut():
            self._index, self._files = _Index(), _Files(self._files.stem, self.dimension)
        self._index.add(self._files.new_keys(len(self._index.checks)))


def forget_in(folder: str | Path, texts_or_hashes: Iterable[str | bytes]) -> int:
    """Overwrite every row of these texts (or hashes of texts) with zeros, whichever model made it; how many rows.

    What writes elsewhere instead of over (SSDs, btrfs, snapshots) may keep the old blocks for a while.
    """
    if isinstance(texts_or_hashes, str | bytes):
        raise BadInput("texts_or_hashes", texts_or_hashes, "a list of them", "Write [text].")
    unwanted = _as_hashes([one if isinstance(one, bytes) else content_hash(one) for one in texts_or_hashes])
    gone = 0
    for keys_file in sorted(Path(folder).glob("*.keys")):
        stem, _, dimension = keys_file.stem.rpartition("-")
        if stem and dimension.isdecimal():
            gone += _Files(keys_file.with_suffix(""), int(dimension)).overwrite(unwanted)
    return gone


class _Files:
    """The two files of a model: rows that are appended under a lock, and seen whole or not at all.

    A writer puts the vectors on disk before their keys, so the keys say how many rows there are. What an interrupted
    writer left behind (vectors without keys, a part of a key, after a power cut keys without vectors) is cut off later.
    """

    def __init__(self, stem: Path, dimension: int) -> None:
        self.stem, self.dimension = stem, dimension
        self._width = -(-dimension // 4) * 4  # rows of whole 8-byte words, so that a check reads 8 bytes at a time
        self._row_bytes = 2 * self._width
        self._keys, self._vectors, self._lock = (Path(f"{stem}.{end}") for end in ("keys", "vectors", "lock"))
        self._seen = (0, 0)  # inode of the vectors (mapped, so nobody else gets its number), rows that were mapped
        self.vectors: NDArray[np.float16] = np.zeros((0, self._width), dtype=np.float16)

    def padded(self, vectors: NDArray[Any]) -> NDArray[np.float16]:
        halves = np.zeros((len(vectors), self._width), dtype=np.float16)
        halves[:, : self.dimension] = vectors
        return halves

    def whole_rows(self) -> int:
        """How many rows are there in both files."""
        try:
            keys, vectors = self._keys.stat().st_size, self._vectors.stat().st_size
        except FileNotFoundError:
            return 0
        return min(keys // _KEY.itemsize, vectors // self._row_bytes)

    def replaced_or_cut(self) -> bool:
        """Whether what was read before no longer stands, so that reading begins again."""
        inode, rows = self._seen
        return rows > 0 and (inode != _inode(self._vectors) or self.whole_rows() < rows)

    def new_keys(self, after: int) -> NDArray[Any]:
        """The keys of the rows after so many, with the vectors mapped up to the last of them."""
        inode, rows = _inode(self._vectors), self.whole_rows()
        if rows <= after:
            return np.zeros(0, dtype=_KEY)
        with self._keys.open("rb") as file:
            file.seek(after * _KEY.itemsize)
            keys = np.frombuffer(file.read((rows - after) * _KEY.itemsize), dtype=_KEY)
        self.vectors = np.memmap(self._vectors, dtype=np.float16, mode="r", shape=(rows, self._width))
        self._seen = (inode, rows)
        return keys

    def append(self, hashes: NDArray[np.uint64], halves: NDArray[np.float16]) -> None:
        if not len(hashes):
            return
        keys = np.zeros(len(hashes), dtype=_KEY)
        keys["hash"], keys["check"] = hashes, _checks(hashes, halves)
        with self._alone():
            rows = self.whole_rows()
            _append_at(self._vectors, rows * self._row_bytes, halves.tobytes())
            _append_at(self._keys, rows * _KEY.itemsize, keys.tobytes())

    def overwrite(self, unwanted: NDArray[np.uint64]) -> int:
        """Zeros over each row that has one of these hashes; what a broken writer left behind is cut off."""
        with self._alone():
            rows = self.whole_rows()
            _append_at(self._vectors, rows * self._row_bytes, b"")
            _append_at(self._keys, rows * _KEY.itemsize, b"")
            keys = np.frombuffer(self._keys.read_bytes(), dtype=_KEY)
            wanted = set(map(bytes, unwanted.view("V16").ravel()))
            hashes = np.ascontiguousarray(keys["hash"]).view("V16").ravel()
            first = np.isin(keys["hash"][:, 0], unwanted[:, 0])
            gone = [int(row) for row in np.flatnonzero(first) if bytes(hashes[row]) in wanted]
            _zero(self._vectors, self._row_bytes, gone)
            _zero(self._keys, _KEY.itemsize, gone)
        return len(gone)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The only writer, among threads, processes and forks: each takes the lock through a file opened for that."""
        with self._lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class _Index:
    """Which row has which hash: sorted arrays, and a dict for the latest. Of equal hashes the newest row counts."""

    def __init__(self) -> None:
        self.checks: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)  # of every row
        self._hashes: NDArray[np.uint64] = np.zeros((0, 2), dtype=np.uint64)  # of every row
        self._order: NDArray[np.int64] = np.zeros(0, dtype=np.int64)  # rows by hash, for those that are sorted
        self._sorted: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)  # the first words, in that order
        self._tail: dict[bytes, int] = {}

    def hashes(self) -> NDArray[np.uint64]:
        """Each hash once; those of forgotten rows are zeros, or stand here although their rows are zeros."""
        return np.unique(self._hashes, axis=0)

    def add(self, keys: NDArray[Any]) -> None:
        if not len(keys):
            return
        before = len(self.checks)
        self.checks = np.concatenate([self.checks, keys["check"]])
        self._hashes = np.concatenate([self._hashes, keys["hash"]])
        if len(self.checks) - len(self._order) > _LONGEST_TAIL:
            self._order = np.argsort(self._hashes[:, 0], kind="stable")
            self._sorted = self._hashes[self._order, 0]
            self._tail = {}
        else:
            for row in range(before, len(self.checks)):
                self._tail[self._hashes[row].tobytes()] = row

    def rows(self, wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The row of each hash, or -1. Of two that begin with the same 8 bytes only the newer is found."""
        rows = np.full(len(wanted), -1, dtype=np.int64)
        if len(self._order):
            place = np.searchsorted(self._sorted, wanted[:, 0], side="right") - 1
            candidate = self._order[np.maximum(place, 0)]
            same = (place >= 0) & (self._hashes[candidate] == wanted).all(axis=1)
            rows[same] = candidate[same]
        if self._tail:
            for i, one in enumerate(wanted):
                rows[i] = self._tail.get(one.tobytes(), rows[i])
        return rows


def _checks(hashes: NDArray[np.uint64], halves: NDArray[np.float16]) -> NDArray[np.uint64]:
    """8 bytes that a row of zeros, a cut row, or a row with another's vector does not have."""
    words = np.concatenate([hashes, np.ascontiguousarray(halves).view(np.uint64)], axis=1)
    odd = np.arange(1, 2 * words.shape[1] + 1, 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = words ^ (words >> np.uint64(29))
    return np.asarray((mixed * (odd | np.uint64(1))).sum(axis=1, dtype=np.uint64) + np.uint64(0xA0761D6478BD642F))


def _as_hashes(hashes: Sequence[bytes]) -> NDArray[np.uint64]:
    """Rows of two words; a hash of another length is told."""
    for place, one in enumerate(hashes):
        if len(one) != HASH_BYTES:
            raise BadInput(f"hashes[{place}]", one, f"{HASH_BYTES} bytes", "content_hash(text) makes them.")
    return np.frombuffer(b"".join(hashes), dtype=np.uint64).reshape(-1, 2)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _append_at(path: Path, offset: int, data: bytes) -> None:
    """Cut the file to what is whole, then write behind it."""
    with path.open("ab") as file:
        if file.tell() != offset:
            file.truncate(offset)
        file.write(data)


def _zero(path: Path, row_bytes: int, rows: Sequence[int]) -> None:
    with path.open("r+b") as file:
        for row in rows:
            file.seek(row * row_bytes)
            file.write(bytes(row_bytes))
        file.flush()
        os.fsync(file.fileno())
