"""A file of labelled texts, and which of them are learnt from, validated and tested on.

CSV with a header, or JSON lines (gzipped or not). Splits are drawn within each class: 70% to learn from, 9% to
validate, 21% to test, as the document has it. Texts that are equal but for case and spaces stay on one side.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput

TEST_SIZE, VAL_SIZE = 0.21, 0.09
TEXT_COLUMNS = ("text", "tweet", "sentence", "input")
LABEL_COLUMNS = ("label", "class", "category")
DAVIDSON = {"0": "hate_speech", "1": "offensive_language", "2": "neither"}  # what the document's data means by numbers
_COUNTS = {"hate_speech", "offensive_language", "neither"}  # columns by which that file is known

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelledFile:
    """Texts with their labels, and what was noticed while reading."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a file by what they are for; no row is in two."""

    train: Rows
    validate: Rows
    test: Rows


def read_file(path: Path, text_column: str | None = None, label_column: str | None = None) -> LabelledFile:
    """All rows with a text and a label; BadInput where there is no such file, column or row."""
    rows = list(_rows(path))
    if not rows:
        raise BadInput("--data", str(path), "at least one row with a text and a label")
    text = _column(rows[0], text_column, TEXT_COLUMNS, "--text-column")
    label = _column(rows[0], label_column, LABEL_COLUMNS, "--label-column")
    names = DAVIDSON if set(rows[0]) >= _COUNTS and label == "class" else {}
    kept = [(str(row[text]), names.get(str(row[label]), str(row[label]))) for row in rows if _has(row, text, label)]
    if not kept:
        raise BadInput("--data", str(path), f"rows with something under {text!r} and {label!r}")
    notes = [] if len(kept) == len(rows) else [f"{len(rows) - len(kept)} rows without a text or a label are left out"]
    return LabelledFile(tuple(one for one, _ in kept), tuple(one for _, one in kept), tuple(notes))


def split_of(file: LabelledFile, seed: int, test_size: float = TEST_SIZE, val_size: float = VAL_SIZE) -> Split:
    """Drawn within each class, equal texts together; both sizes are shares of all rows."""
    if not (0 < test_size < 1 and 0 < val_size < 1 and test_size + val_size < 1):
        raise BadInput(
            "--test-size and --val-size", (test_size, val_size), "shares above 0 that leave some to learn from"
        )
    rng = np.random.default_rng([seed, zlib.crc32(b"sbert split")])
    _, first, group = np.unique([_as_compared(one) for one in file.texts], return_index=True, return_inverse=True)
    labels = np.array(file.labels, np.str_)[first]  # of equal texts the first one's label decides where they go
    side = np.zeros(len(first), np.int64)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        tested, validated = round(test_size * len(members)), round(val_size * len(members))
        side[members[:tested]] = 2
        side[members[tested : tested + validated]] = 1
    of_row = side[group]
    split = Split(*(np.flatnonzero(of_row == number) for number in range(3)))
    for name, rows in (("learn from", split.train), ("validate on", split.validate), ("test on", split.test)):
        if not len(rows):
            raise BadInput("--data", f"{len(file)} rows", f"enough of them that some are left to {name}")
    return split


def _as_compared(text: str) -> str:
    return " ".join(text.split()).casefold()


def _has(row: Mapping[str, Any], *columns: str) -> bool:
    return all(row.get(column) not in (None, "") for column in columns)


def _column(row: Mapping[str, Any], wanted: str | None, usual: Sequence[str], option: str) -> str:
    for name in usual if wanted is None else (wanted,):
        if name in row:
            return name
    found = ", ".join(map(str, row))
    raise BadInput(option, wanted or f"none of {', '.join(usual)}", f"one of the columns of the file: {found}")


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInput("--data", str(path), "a CSV file with a header, or JSON lines") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadInput("--data", str(path), f"a file in UTF-8 that can be read ({error})") from None
    if text.lstrip()[:1] == "{":
        yield from _json_lines(path, text)
    else:
        yield from csv.DictReader(io.StringIO(text, newline=""))


def _json_lines(path: Path, text: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadInput(f"--data {path.name}, line {number}", line, f"a JSON object ({error})") from None
        if not isinstance(row, dict):
            raise BadInput(f"--data {path.name}, line {number}", line, "a JSON object")
        yield row
