"""This file knows where in a TOML text each key and each value stands.

tomllib says what a text means and not where; this reads the text once more, for one that tomllib has accepted. It
understands as much of TOML as is needed to find the next key: what a value means is never asked.
"""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple

Path = tuple[str | int, ...]
"""The way to a value from the top: names of tables and keys, and numbers in arrays."""


class Spot(NamedTuple):
    """Where a key begins, and where its value begins and ends; a table that has a header has no value."""

    key: int
    value: int | None = None
    end: int | None = None


class Places:
    """The places of one text. Lines and columns count from 1, columns in characters."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")  # as tomllib does
        self.spots = _Scanner(self.text).spots

    def of_key(self, path: Path) -> tuple[int, int]:
        """Line and column where the key is first named; (0, 0) when it is not."""
        spot = self.spots.get(path)
        return (0, 0) if spot is None else self._place(spot.key)

    def of_value(self, path: Path) -> tuple[int, int]:
        """Line and column where the value begins; where the key does when the value is a table with a header."""
        spot = self.spots.get(path)
        return self.of_key(path) if spot is None or spot.value is None else self._place(spot.value)

    def value_text(self, path: Path) -> str | None:
        """The value as it is written; None for a table with a header, and for what is not there."""
        spot = self.spots.get(path)
        return None if spot is None or spot.value is None else self.text[spot.value : spot.end]

    def _place(self, offset: int) -> tuple[int, int]:
        return self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)


_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACES = re.compile(r"[ \t]*")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_CLOSE = re.compile(r"[ \t]*\]\]?")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_STRING = (
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}',  # up to two quotes may stand before the closing three
    r"'''(?:[^']|'{1,2}(?!'))*'{3,5}",
    r'"(?:[^"\\\n]|\\.)*"',
    r"'[^'\n]*'",
)
_KEY = re.compile("|".join((*_STRING[2:], r"[A-Za-z0-9_-]+")))
_SCALAR = re.compile(
    "|".join(
        (*_STRING, r"\d{4}-\d\d-\d\d \d[^\s,\]}#]*", r"[^\s,\]}#]+")
    ),  # a date and its time may have a space between
    re.DOTALL,
)


class _Scanner:
    """Goes through the text once, from one statement to the next."""

    def __init__(self, text: str) -> None:
        self.spots: dict[Path, Spot] = {}
        self._text = text
        self._at = self._last_key = 0
        self._tables_in: dict[Path, int] = {}  # how many tables each array of tables has so far
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(text):
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> Path:
        """`[a.b]` or `[[a.b]]`: the table that the next pairs belong to."""
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        path = self._keys(())
        self._skip(_CLOSE)
        if is_array:
            self._tables_in[path] = self._tables_in.get(path, 0) + 1
            path = self._newest(path)
            self.spots[path] = Spot(self._last_key)
        return path

    def _pair(self, table: Path) -> None:
        """`a.b = value`."""
        path = self._keys(table)
        self._skip(_EQUALS)
        begins = self._at
        self._value(path)
        self.spots[path] = Spot(self.spots[path].key, begins, self._at)

    def _keys(self, table: Path) -> Path:
        """A key and its dots; every table on the way is there from now on."""
        path, more = table, True
        while more:
            path = (*self._newest(path), self._key())
            self.spots.setdefault(path, Spot(self._last_key))
            more = self._skip(_DOT)
        return path

    def _newest(self, path: Path) -> Path:
        """In an array of tables, what is named after it belongs to its newest table."""
        count = self._tables_in.get(path)
        return path if count is None else (*path, count - 1)

    def _key(self) -> str:
        self._skip(_SPACES)
        self._last_key = self._at
        written = self._take(_KEY)
        if written[0] == '"':
            return str(tomllib.loads(f"key = {written}")["key"])
        return written.strip("'")

    def _value(self, path: Path) -> None:
        if self._text[self._at] == "[":
            self._array(path)
        elif self._text[self._at] == "{":
            self._inline_table(path)
        else:
            self._take(_SCALAR)

    def _array(self, path: Path) -> None:
        number = 0
        while not self._closes("]"):
            begins = self._at
            self._value((*path, number))
            self.spots[*path, number] = Spot(begins, begins, self._at)
            number += 1
            self._skip(_BLANK)

    def _inline_table(self, path: Path) -> None:
        while not self._closes("}"):
            self._pair(path)
            self._skip(_BLANK)

    def _closes(self, bracket: str) -> bool:
        """Past the opening bracket or a comma; past the closing one too when it comes next."""
        if self._text[self._at] != bracket:
            self._at += 1
            self._skip(_BLANK)
        is_closed = self._text[self._at] == bracket
        self._at += is_closed
        return is_closed

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        assert found is not None, "tomllib has accepted the text"
        self._at = found.end()
        return found[0]

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found is not None
