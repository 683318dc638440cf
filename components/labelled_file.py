"""A file of labelled texts: CSV with a header, or JSON lines, gzipped or not.

Columns are found by their usual names. Rows without a text or a label are left out and counted, blank ones among them;
what cannot be read is told with its place. Texts are given as they stand there. It splits nothing.

>>> file = LabelledFile(("a refund please", "where is it?", "my money!"), ("refund", "parcel", "refund"))
>>> file.counts()
{'parcel': 1, 'refund': 2}
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.bad_input import BadInput

TEXT_COLUMNS = ("text", "tweet", "sentence", "input")
LABEL_COLUMNS = ("label", "class", "category")
DAVIDSON = {"0": "hate_speech", "1": "offensive_language", "2": "neither"}  # what the document's data means by numbers
_COUNTS = {"hate_speech", "offensive_language", "neither"}  # columns by which that file is known
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # how files in UTF-16 begin


@dataclass(frozen=True, eq=False)
class LabelledFile:
    """Texts with their labels, and what was noticed while reading."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def counts(self) -> dict[str, int]:
        """How many rows each class has, by name."""
        return dict(sorted(Counter(self.labels).items()))


def read_file(path: Path, text_column: str | None = None, label_column: str | None = None) -> LabelledFile:
    """All rows with a text and a label; BadInput where there is no such file, column or row."""
    rows = list(_rows(path))
    if not rows:
        raise BadInput("--data", str(path), "at least one row with a text and a label")
    text = _column(rows[0], text_column, TEXT_COLUMNS, "--text-column")
    label = _column(rows[0], label_column, LABEL_COLUMNS, "--label-column")
    names = DAVIDSON if set(rows[0]) >= _COUNTS and label == "class" else {}
    kept = [(str(row[text]), _label(row[label], names)) for row in rows if _has(row, text, label)]
    if not kept:
        raise BadInput("--data", str(path), f"rows with something under {text!r} and {label!r}")
    left = len(rows) - len(kept)
    notes = [f"{left} row{'s' * (left > 1)} without a text or a label left out"] if left else []
    return LabelledFile(tuple(one for one, _ in kept), tuple(one for _, one in kept), tuple(notes))


def as_compared(text: str) -> str:
    """Two texts of which this is the same are equal but for case and spaces."""
    return " ".join(text.split()).casefold()


def _label(value: Any, names: Mapping[str, str]) -> str:
    told = str(value).strip()
    return names.get(told, told)


def _has(row: Mapping[str, Any], *columns: str) -> bool:
    return all(row.get(column) is not None and str(row[column]).strip() for column in columns)


def _column(row: Mapping[str, Any], wanted: str | None, usual: Sequence[str], option: str) -> str:
    for name in usual if wanted is None else (wanted,):
        if name in row:
            return name
    found = ", ".join(map(str, row))
    raise BadInput(option, wanted or f"none of {', '.join(usual)}", f"one of the columns of the file: {found}")


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    data = _bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"line {data.count(10, 0, error.start) + 1}: byte 0x{data[error.start]:02x}"
        kind = "utf-16" if data[:2] in _WIDE else "latin1"
        step = f"Convert it: iconv -f {kind} -t utf-8 {path.name} > utf8-{path.name}"
        raise BadInput("--data", str(path), f"a file in UTF-8 ({place} is none)", step) from None
    yield from _json_lines(path, text) if text.lstrip()[:1] == "{" else _csv_rows(path, text)


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except FileNotFoundError:
        raise BadInput("--data", str(path), "a CSV file with a header, or JSON lines") from None
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput("--data", str(path), f"a file that can be read ({error})") from None


def _csv_rows(path: Path, text: str) -> Iterator[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        with _fields_of_any_length():
            rows = list(reader)
    except csv.Error as error:
        raise BadInput(f"--data {path.name}, line {reader.line_num}", "no CSV", f"rows of columns ({error})") from None
    yield from rows


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """A text may be longer than the 131,072 characters that the csv module takes for a mistake."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


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
