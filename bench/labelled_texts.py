"""Which texts carry which label, which of them a bench may learn from and which it is judged on.

Read from JSON lines, gzipped or not: `text`, `label` and, where there is one, `split`. It does not repair: a line that
cannot be read is told with its place. Texts that are equal but for case and spaces count once, so that no text is in
the pool and in the test.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
POOL_WORDS = frozenset({"train", "training", "learn", "pool"})
TEST_WORDS = frozenset({"test", "testing", "judge"})
VALIDATION_WORDS = frozenset({"val", "valid", "validation", "validate", "dev"})  # judged on where there is no test
TEST_SHARE = 0.2
Rows = NDArray[np.int64]


class UnreadableData(Exception):
    """A file that a bench cannot work with: which, where, what was expected."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTexts:
    """Texts with their classes. `pool` and `test` are row numbers when the file says its split, else None."""

    name: str
    texts: tuple[str, ...]
    labels: Rows  # into `classes`
    classes: tuple[str, ...]
    pool: Rows | None = None
    test: Rows | None = None
    notes: tuple[str, ...] = ()  # what was left out, and why

    def split(self, seed: int) -> tuple[Rows, Rows]:
        """What may be asked about, and what is judged on: the file's own split, or a stratified one by the seed."""
        if self.pool is not None and self.test is not None:
            return self.pool, self.test
        rows = np.arange(len(self.texts)) if self.pool is None else self.pool
        return stratified_split(rows, self.labels[rows], seed)

    @property
    def fingerprint(self) -> str:
        """The same for the same texts, labels and split."""
        parts = [self.texts, self.labels.tolist(), self.classes]
        parts += [None if rows is None else rows.tolist() for rows in (self.pool, self.test)]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()

    @property
    def largest_share(self) -> float:
        """The share of the largest class among what may be asked about."""
        rows = slice(None) if self.pool is None else self.pool
        return float(np.bincount(self.labels[rows]).max() / len(self.labels[rows]))


def stratified_split(rows: Rows, labels: Rows, seed: int, share: float = TEST_SHARE) -> tuple[Rows, Rows]:
    """A fifth of each class for the test, at least one row of two; a class of one row stays in the pool."""
    rng = np.random.default_rng([seed, zlib.crc32(b"split")])
    test = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        taken = min(len(members) - 1, max(1, round(share * len(members))))
        test.append(members[:taken])
    held = np.sort(np.concatenate(test))
    return np.delete(rows, held), rows[held]


def read_labelled(path: Path, name: str = "") -> LabelledTexts:
    """The file's rows. Raises UnreadableData with the line that is wrong."""
    rows = list(_lines(path))
    if not rows:
        raise UnreadableData(f"{path}: found no rows, expected a JSON object per line with `text` and `label`.")
    return made(name or path.name.split(".")[0], rows, str(path))


def read_known(name: str, folder: Path = SHARED) -> LabelledTexts:
    """One of the sets in ../shared/data as it is measured here."""
    needed = {"clinc150": ["clinc150"], "davidson": ["davidson"]}
    needed["clinc150_imbalanced"] = ["clinc150", "clinc150_imbalanced_train"]
    for one in needed[name]:
        if not (folder / f"{one}.jsonl.gz").exists():
            raise UnreadableData(
                f"{folder / one}.jsonl.gz: not there. Without ../shared/data name a file of your own: --data FILE.jsonl"
            )
    rows = [row for row in _lines(folder / f"{needed[name][0]}.jsonl.gz") if row[1] != "oos"]
    if name == "clinc150_imbalanced":  # its own training rows, judged on the test rows of the full set
        rows = [row for row in rows if row[2] == "test"]
        rows += [(text, label, "train") for text, label, _ in _lines(folder / "clinc150_imbalanced_train.jsonl.gz")]
    return made(name, rows, name)


def made(name: str, rows: list[tuple[str, str, str | None]], place: str) -> LabelledTexts:
    """Labelled texts of (text, label, split) rows."""
    notes: list[str] = []
    rows = _once_each(rows, notes)
    sides = [_side(split) for _, _, split in rows]
    if "test" not in sides and "validation" in sides:
        sides = ["test" if side == "validation" else side for side in sides]
        notes.append("the validation rows are judged on, since there are no test rows")
    has_split = any(side in {"pool", "test"} for side in sides)
    kept = [number for number, side in enumerate(sides) if not has_split or side in {"pool", "test"}]
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} rows of other splits are left out")
    rows, sides = [rows[number] for number in kept], [sides[number] for number in kept]
    classes, labels = np.unique([label for _, label, _ in rows], return_inverse=True)
    pool = np.flatnonzero([side == "pool" for side in sides]) if has_split else None
    test = np.flatnonzero([side == "test" for side in sides]) if "test" in sides else None
    if pool is not None and not len(pool):  # test rows alone: they are split like any others
        pool, test = None, None
        notes.append("there are no training rows: the rows are split by seed")
    _check(place, labels, pool, tested=test is not None)
    texts = tuple(text for text, _, _ in rows)
    return LabelledTexts(name, texts, labels.astype(np.int64), tuple(classes.tolist()), pool, test, tuple(notes))


def _side(split: str | None) -> str:
    word = (split or "").strip().casefold()
    for side, words in (("pool", POOL_WORDS), ("test", TEST_WORDS), ("validation", VALIDATION_WORDS)):
        if word in words:
            return side
    return "other"


def _once_each(rows: list[tuple[str, str, str | None]], notes: list[str]) -> list[tuple[str, str, str | None]]:
    """Each text once. A test row wins over others, so that the test stays whole; else the first one stays."""
    best: dict[str, int] = {}
    contradicting = 0
    for number, (text, label, split) in enumerate(rows):
        key = " ".join(text.split()).casefold()
        if key not in best:
            best[key] = number
            continue
        contradicting += rows[best[key]][1] != label
        if _side(split) == "test" and _side(rows[best[key]][2]) != "test":
            best[key] = number
    if len(best) < len(rows):
        notes.append(f"{len(rows) - len(best)} repeated texts are left out, {contradicting} with another label")
    return [rows[number] for number in sorted(best.values())]


def _check(place: str, labels: NDArray[Any], pool: Rows | None, *, tested: bool) -> None:
    here = labels if pool is None else labels[pool]
    if len(np.unique(here)) < 2:
        raise UnreadableData(f"{place}: found {len(np.unique(here))} class to learn, expected at least two labels.")
    if len(here) < 10:
        raise UnreadableData(f"{place}: found {len(here)} different texts to learn from, expected at least 10.")
    if not tested and np.bincount(here).max() < 2:
        raise UnreadableData(f"{place}: found one text for each label, expected labels that several texts carry.")


def _lines(path: Path) -> Iterator[tuple[str, str, str | None]]:
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _row(f"{path}, line {number}", line)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableData(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def _row(place: str, line: bytes) -> tuple[str, str, str | None]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except ValueError as error:  # UnicodeDecodeError is one
        raise UnreadableData(f"{place}: no JSON in UTF-8 ({error}).") from error
    if not isinstance(row, dict):
        raise UnreadableData(f"{place}: found {type(row).__name__}, expected an object with `text` and `label`.")
    for field in ("text", "label"):
        if row.get(field) is None:
            raise UnreadableData(f"{place}: no `{field}`, found {', '.join(map(str, row)) or 'nothing'}.")
    text, label, split = row["text"], row["label"], row.get("split")
    if not isinstance(text, str):
        raise UnreadableData(f"{place}: `text` is {type(text).__name__}, expected a text.")
    if isinstance(label, list | dict):
        raise UnreadableData(f"{place}: `label` is {type(label).__name__}, expected one label: a text or a number.")
    if split is not None and not isinstance(split, str):
        raise UnreadableData(f"{place}: `split` is {type(split).__name__}, expected a text such as train or test.")
    return text.encode("utf-8", "replace").decode(), str(label), split


if __name__ == "__main__":
    for one in sys.argv[1:]:
        read = read_labelled(Path(one))
        print(read.name, len(read.texts), "texts,", len(read.classes), "classes;", "; ".join(read.notes))
