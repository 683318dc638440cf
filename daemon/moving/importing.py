"""This file knows how a file's rows are taken in: checked as the intake checks, then put into the spool.

The spool, and not the log: the one intake takes the rows, whether the daemon runs now or later, and its lock is nobody
else's business. Rows without an id of their own get one from their content, so that the same file adds nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain
from time import time_ns
from typing import IO, Any, NamedTuple, Protocol

import msgspec

from adaptd.errors import LineTooLong
from daemon.moving import chat, csv_rows, native
from daemon.moving.lines import Line
from daemon.moving.rows import BadRow, Defaults, Draft, Row, drafts_of
from daemon.received import NotUsable, Recorded, read_line

GROUP_BYTES = 256 << 10
GROUP_EVENTS = 500
_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_deterministic = msgspec.json.Encoder(order="deterministic").encode

Known = Callable[[Mapping[str, Recorded]], Mapping[str, bool]]
"""Which of these events' ids are in the log, and whether with the same content."""
Rejected = Callable[[Row, str], None]


class Sink(Protocol):
    """Where the lines go: the spool."""

    def put_many(self, kind: str, events: list[tuple[str, int, bytes]]) -> list[LineTooLong | None]: ...


class Counts:
    """What became of the rows so far."""

    def __init__(self) -> None:
        self.rows = self.taken = self.there_already = self.passed_over = self.rejected = 0


class _Made(NamedTuple):
    """An event that is ready to be written, and the row that it came from."""

    row: int
    kind: str
    id: str
    at: int
    body: bytes
    event: Recorded
    is_told_again: bool = False  # an output beside its feedback: where it is in the log already, that one holds


class Import:
    """One file on its way in. Rows are read, checked and written in small groups."""

    def __init__(
        self, told_format: str, defaults: Defaults, known: Known, sink: Sink | None, rejected: Rejected
    ) -> None:
        self.counts = Counts()
        self._format = told_format
        self._defaults = defaults
        self._known = known
        self._sink = sink
        self._rejected = rejected
        self._ids = _Ids(told_format)
        self._told_before: str | None = None  # the output that the row before told of

    def take(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Takes in the rows; gives each group's last one, when the group is through."""
        group: list[Row] = []
        size = 0
        for row in rows:
            group.append(row)
            size += len(row.raw)
            if size > GROUP_BYTES or len(group) >= GROUP_EVENTS:
                self._take_group(group)
                yield row
                group, size = [], 0
        if group:
            self._take_group(group)
            yield group[-1]

    def _take_group(self, group: list[Row]) -> None:
        made: list[_Made] = []
        reasons: dict[int, str] = {}
        passed = 0
        for place, row in enumerate(group):
            try:
                events = self._events_of(place, row)
            except (BadRow, NotUsable) as bad:
                reasons[place] = str(bad)
            else:
                made += events
                passed += not events
        there = self._settle_known(made, reasons)
        made = [one for one in made if one.row not in reasons and one.id not in there]
        self._write(made, reasons)
        self._count(group, {one.row for one in made} - reasons.keys(), passed, reasons)

    def _count(self, group: list[Row], taken: set[int], passed: int, reasons: Mapping[int, str]) -> None:
        counts = self.counts
        counts.rows += len(group)
        counts.taken += len(taken)
        counts.passed_over += passed
        counts.rejected += len(reasons)
        counts.there_already += len(group) - len(taken) - passed - len(reasons)
        for place, reason in sorted(reasons.items()):
            self._rejected(group[place], reason)

    # What a row becomes

    def _events_of(self, place: int, row: Row) -> list[_Made]:
        if row.reason is not None:
            raise BadRow(row.reason)
        drafts = self._drafts(row)
        now = time_ns() // 1000
        made_id = _no_id if all(draft.id for draft in drafts) else self._ids.of_row(row.value)
        made = [_made(place, draft, draft.id or made_id(number), now) for number, draft in enumerate(drafts)]
        return self._without_the_output_before(made) if made else made

    def _drafts(self, row: Row) -> list[Draft]:
        try:
            if self._format == "native":
                draft = native.draft_of(row.value)
                return [] if draft is None else [draft]
            fields = chat.fields_of(row.value) if self._format == "chat" else csv_rows.fields_of(row.value)
            return list(drafts_of(fields, self._defaults))
        except RecursionError:
            raise BadRow("nested too deeply") from None

    def _without_the_output_before(self, made: list[_Made]) -> list[_Made]:
        """A joined table tells an output again in the row of each feedback on it."""
        told = made[0].id if made[0].event.output is not None else None
        before, self._told_before = self._told_before, told or self._told_before
        if len(made) == 1:
            return made
        return made[1:] if told == before else [made[0]._replace(is_told_again=True), made[1]]

    # What is there already

    def _settle_known(self, made: list[_Made], reasons: dict[int, str]) -> set[str]:
        """The ids of events that are in the log as they are here; those that are there otherwise are bad rows."""
        known = self._known({one.id: one.event for one in made})
        for one in made:
            if known.get(one.id) is False and not one.is_told_again:
                reasons[one.row] = f"id {one.id!r} is in the log with other content, expected a new id"
        return set(known)

    # Into the spool

    def _write(self, made: list[_Made], reasons: dict[int, str]) -> None:
        if self._sink is None:
            return
        start = 0
        for end in range(1, len(made) + 1):
            if end == len(made) or made[end].kind != made[start].kind:
                some = made[start:end]
                answers = self._sink.put_many(some[0].kind, [(_quoted(one.id), one.at, one.body) for one in some])
                for one, answer in zip(some, answers, strict=True):
                    if answer is not None:
                        reasons[one.row] = f"{answer} ([intake] max_event_bytes)"
                start = end


def _made(place: int, draft: Draft, event_id: str, now: int) -> _Made:
    """Checked as the intake will check it. Raises NotUsable."""
    at = now if draft.at is None else draft.at
    body = _encode(draft.fields)
    head = _encode({"kind": draft.kind, "id": event_id, "at": at})
    event = read_line(head[:-1] + (b"," if draft.fields else b"") + body[1:])
    return _Made(place, draft.kind, event_id, at, body, event)


def _no_id(number: int) -> str:
    raise AssertionError(f"event {number} has an id of its own")


def _quoted(text: str) -> str:
    return _encode(text).decode()


class _Ids:
    """Ids for rows without one: of their content, and of how many rows of that content came before in this file."""

    def __init__(self, told_format: str) -> None:
        self._format = told_format
        self._seen: set[int] = set()  # 64 bits of each content
        self._again: Counter[int] = Counter()

    def of_row(self, value: Any) -> Callable[[int], str]:
        """From an event's number within its row to its id; to be asked for once a row."""
        content = blake2b(_deterministic(value), digest_size=16)
        short = int.from_bytes(content.digest()[:8])
        if short in self._seen:
            self._again[short] += 1
        self._seen.add(short)
        content.update(b"%d" % self._again.get(short, 0))
        return lambda number: f"{self._format}-{content.hexdigest()}" + (f"-{number}" if number else "")


def json_rows(lines: Iterable[Line]) -> Iterator[Row]:
    """A row of each line that is not empty."""
    for line in lines:
        if not line.data.strip():
            continue
        if not line.is_whole:
            yield Row(line.number, line.data, reason=f"a line of {line.size:,} bytes is too long")
            continue
        try:
            yield Row(line.number, line.data, _decode(line.data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield Row(line.number, line.data, reason=f"not one whole JSON object in UTF-8: {error}")


def first_full(lines: Iterator[Line]) -> tuple[bytes, Iterator[Line]]:
    """The first line that is not empty, and all lines again."""
    passed = []
    for line in lines:
        passed.append(line)
        if line.data.strip():
            return line.data, chain(passed, lines)
        passed.clear()
    return b"", iter(())


class RejectsFile:
    """The rows that were not taken, one JSON object a line; made when there is one."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def add(self, row: Row, reason: str) -> None:
        """Keep a row, as it was written, with its line and its reason."""
        if self._file is None:
            self._file = _private(self.path)
        told = {"line": row.number, "reason": reason, "row": row.raw.decode(errors="replace").rstrip("\r\n")}
        self._file.write(_encode(told) + b"\n")

    def close(self) -> None:
        """All of it is on the disk."""
        if self._file is not None:
            import os

            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


def _private(path: str) -> IO[bytes]:
    """The rows may be private: nobody else reads them."""
    import os

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb")
