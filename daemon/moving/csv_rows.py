"""This file knows CSV as rows: a header, columns with the names of fields, texts as values, both ways.

A row that is not well-formed costs itself and no neighbour: after an open quote reading goes on with the next line.
An empty cell is no value.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from daemon.moving.lines import Line
from daemon.moving.rows import FIELDS, BadRow, Row

NUMBERS = ("score", "validation_score", "amount", "latency_ms", "propensity")
JSON_CELLS = ("tags", "context")
DELIMITERS = ",;\t"
MOST_ROW_BYTES = 4 << 20
"""So far a quoted cell is followed over the ends of lines."""


class CsvRows:
    """The rows under one header."""

    def __init__(self, lines: Iterator[Line], mapping: Mapping[str, str]) -> None:
        csv.field_size_limit(sys.maxsize)
        self._lines = lines
        self._waiting: deque[Line] = deque()
        self._taken: list[Line] = []
        self._delimiter = ","
        self.header: list[str] = []
        self._read_header()
        self.columns = _columns(self.header, mapping)

    @property
    def others(self) -> list[str]:
        """Columns that no field has: they are kept in the context."""
        return [name for name, field in zip(self.header, self.columns, strict=True) if field is None and name]

    def rows(self) -> Iterator[Row]:
        """Every row that is not empty, good or bad, in order."""
        while (line := self._next_line()) is not None:
            if line.data.strip():
                yield self._row(line)

    def _row(self, first: Line) -> Row:
        if not first.is_whole:
            return Row(first.number, first.data, reason=f"a line of {first.size:,} bytes is too long")
        try:
            cells = self._cells(first)
            if len(cells) != len(self.header):
                raise BadRow(f"{len(cells)} cells, expected {len(self.header)} as the header has")
        except BadRow as bad:
            return self._only_the_first(first, str(bad))
        except csv.Error as error:
            return self._only_the_first(first, f"not well-formed: {error}")
        raw = b"".join(line.data for line in self._taken)
        return Row(first.number, raw, self._value(cells))

    def _only_the_first(self, first: Line, reason: str) -> Row:
        """Lines that were taken for the inside of a quoted cell are rows of their own."""
        self._waiting.extendleft(reversed(self._taken[1:]))
        return Row(first.number, first.data, reason=reason)

    def _cells(self, first: Line) -> list[str]:
        self._taken = []
        return next(csv.reader(self._texts_from(first), delimiter=self._delimiter, strict=True), [])

    def _texts_from(self, line: Line | None) -> Iterator[str]:
        """As many lines as one row takes, within limits: a quote that nobody closes does not swallow the file."""
        size = 0
        while line is not None and line.is_whole and size <= MOST_ROW_BYTES:
            self._taken.append(line)
            size += line.size
            try:
                yield line.data.decode()
            except UnicodeDecodeError as error:
                raise BadRow(f"not UTF-8: {error.reason} at byte {error.start + 1} of line {line.number}") from None
            line = self._next_line()
        if line is not None:
            self._waiting.appendleft(line)

    def _next_line(self) -> Line | None:
        return self._waiting.popleft() if self._waiting else next(self._lines, None)

    def _read_header(self) -> None:
        while (line := self._next_line()) is not None and not line.data.strip():
            pass
        if line is None:
            raise BadRow("expected a header, found an empty file")
        self._delimiter = max(DELIMITERS, key=line.data.decode(errors="replace").count)
        try:
            self.header = [name.strip() for name in self._cells(line)]
        except (csv.Error, BadRow) as error:
            raise BadRow(f"the header: {error}") from None

    def _value(self, cells: Sequence[str]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        others: dict[str, str] = {}
        for name, field, cell in zip(self.header, self.columns, cells, strict=True):
            if cell and field is not None:
                fields[field] = cell
            elif cell and name:
                others[name] = cell
        return fields if not others else fields | {"": others}


def _columns(header: Sequence[str], mapping: Mapping[str, str]) -> list[str | None]:
    """The field of each column: as it was told, else by the column's own name."""
    for field, name in mapping.items():
        if field not in FIELDS:
            raise BadRow(f"--column {field}={name}: no field {field!r}, expected one of {', '.join(sorted(FIELDS))}")
        if name not in header:
            raise BadRow(f"--column {field}={name}: no column {name!r}, expected one of {', '.join(header)}")
    told = {name: field for field, name in mapping.items()}
    columns = [told.get(name) or _by_its_name(name, mapping) for name in header]
    fields = [field for field in columns if field is not None]
    twice = sorted({field for field in fields if fields.count(field) > 1})
    if twice:
        raise BadRow(f"the header: more than one column for {', '.join(twice)}, expected one of each")
    return columns


def _by_its_name(name: str, mapping: Mapping[str, str]) -> str | None:
    field = name.lower().replace("-", "_").replace(" ", "_")
    return field if field in FIELDS and field not in mapping else None


def fields_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with numbers, moments and JSON read from their texts. Raises BadRow."""
    fields: dict[str, Any] = {name: _read(name, cell) for name, cell in value.items() if name}
    if "" in value:
        context = fields.get("context")
        fields["context"] = value[""] | (context if isinstance(context, dict) else {})
    return fields


def _read(name: str, cell: str) -> Any:
    try:
        if name in NUMBERS:
            return float(cell)
        if name == "occurred_at":
            return _moment(cell)
        if name in JSON_CELLS:
            return json.loads(cell) if cell[:1] in "{[" else [part.strip() for part in cell.split(",")]
    except (ValueError, RecursionError):
        expected = {"occurred_at": "a time such as 2026-11-21T09:30:00+01:00 or seconds since 1970"}.get(
            name, "JSON" if name in JSON_CELLS else "a number"
        )
        raise BadRow(f"{name}: expected {expected}, found {cell[:60]!r}") from None
    return cell


def _moment(cell: str) -> datetime | float:
    try:
        return float(cell)
    except ValueError:
        return datetime.fromisoformat(cell)


def cell_of(value: Any) -> Any:
    """A value as a cell: objects and lists as JSON."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value
