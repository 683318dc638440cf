"""What becomes of each line of one batch: an event, a repeat of one, refused, or kept aside with a reason.

Only the sorting: it reads no file, asks no log, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from daemon.entry_making import Batch, Waiting, aimed_at
from daemon.event_log import Entry, Found
from daemon.line_redacting import Redact, without_private
from daemon.received import NotUsable, Recorded, canonical, read_line, same_received
from daemon.redacting import RedactionFailed
from daemon.spool_reading import Line, byte_length

ContentOf = Callable[[Found, Recorded], bytes | None]


class Outcome(NamedTuple):
    """What became of one line."""

    id: str | None
    seq: int | None = None
    repeat: bool = False
    error: str | None = None
    refused: bool = False


class LineBatch:
    """The lines of one commit. A line's number is its place in `lines`.

    `lines` are what may be stored; where something was redacted, `received` are the same lines as they came.
    """

    def __init__(
        self, lines: Sequence[Line], making: Batch, max_line_bytes: int, received: Sequence[Line] | None = None
    ) -> None:
        self.lines = lines
        self.received = lines if received is None else received
        self.entries: dict[int, Entry] = {}
        self.repeats: dict[int, int] = {}  # line → seq of the event that it repeats
        self.repeats_line: dict[int, int] = {}  # line → the line of this batch that it repeats
        self.aside: dict[int, NotUsable] = {}
        self.refused: set[int] = set()
        self.refused_unfit = 0  # what came beside the lines, too long or torn, of a forgotten subject
        self._targets: dict[int, str] = {}  # line → id of the event that it supersedes or retracts
        self._making = making
        self._read(max_line_bytes)
        if len({entry.id for entry in self.entries.values()}) < len(self.entries):
            self._settle_repeats_within()

    def _read(self, max_line_bytes: int) -> None:
        """One line at a time from bytes to entry, while it is warm; what speaks of another event comes second."""
        second: dict[int, Recorded] = {}
        simple, entries, received = self._making.simple, self.entries, self.received
        surely_fits = max_line_bytes // 4  # characters: none takes more bytes
        for number, line in enumerate(self.lines):
            try:
                if len(received[number]) > surely_fits:
                    _check_length(received[number], max_line_bytes)
                if not line:
                    continue  # an empty line closes a write that failed before its first byte
                event = read_line(line)
                entry = simple(event, line)
                if entry is None:
                    second[number] = event
                else:
                    entries[number] = entry
            except NotUsable as reason:
                self.aside[number] = reason
        if second:
            self._read_second(second)

    def _read_second(self, second: Mapping[int, Recorded]) -> None:
        self._targets = {number: target for number, event in second.items() if (target := aimed_at(event))}
        made = self._making.referring(list(second.values()), [self.lines[number] for number in second])
        for number, entry in zip(second, made, strict=True):
            if entry is None:
                self.refused.add(number)
            else:
                self.entries[number] = entry
        self.entries = dict(sorted(self.entries.items()))

    def _settle_repeats_within(self) -> None:
        first: dict[str, int] = {}
        for number, entry in list(self.entries.items()):
            earlier = first.setdefault(entry.id, number)
            if earlier == number:
                continue
            if same_received(self.lines[number], self.lines[earlier]):
                self.repeats_line[number] = earlier
                del self.entries[number]
            else:
                self._conflict(number)

    def _conflict(self, number: int) -> None:
        event_id = self.entries.pop(number).id
        reason = "is in the log with other content; expected a new id, or the same content again"
        self.aside[number] = NotUsable(f"id {event_id!r} {reason}", f"its id {reason}")

    def settle_clash(self, ids: Sequence[str]) -> None:
        """Keeps aside events whose id is that of something else in the same commit."""
        for number, entry in list(self.entries.items()):
            if entry.id in ids:
                self._conflict(number)

    def settle_known(self, known: Mapping[str, Found], content_of: ContentOf, redact: Redact | None = None) -> None:
        """Sorts out lines whose id is in the log: the same content is a repeat, other content is kept aside.

        What was stored before a redaction was asked for is the same as what says the same now, redacted or not.
        """
        for number, entry in list(self.entries.items()):
            found = known.get(entry.id)
            if found is None:
                continue
            if _is_repeat(found, self._said(number), content_of, redact):
                self.repeats[number] = found.seq
                del self.entries[number]
            else:
                self._conflict(number)

    def _said(self, number: int) -> list[Recorded]:
        """What a line says, and what it said before it was redacted."""
        said = [read_line(self.lines[number])]
        if self.received is not self.lines:
            with suppress(NotUsable):
                said.append(read_line(self.received[number]))
        return said

    def numbered(self, newest: int) -> list[Entry]:
        """The entries in order; what aims at an event before it in this batch gets that event's number."""
        entries = list(self.entries.values())
        if not self._targets:
            return entries
        number_of = {entry.id: newest + place for place, entry in enumerate(entries, 1)}
        for place, (number, entry) in enumerate(self.entries.items()):
            aimed = number_of.get(self._targets.get(number, ""))
            if aimed is not None and aimed <= newest + place:
                entries[place] = entry._replace(target_seq=aimed)
        return entries

    def targets_came(self, waiting_of: Callable[[Iterable[str]], dict[str, list[Waiting]]]) -> list[Entry]:
        """What is known now of events that came before the ones in this batch that they revise."""
        waiting = waiting_of(entry.id for entry in self.entries.values())
        entries = {entry.id: entry for entry in self.entries.values() if entry.id in waiting}
        told = (self._making.target_came(one, entries[target]) for target in waiting for one in waiting[target])
        return [entry for entry in told if entry is not None]

    def outcomes(self, newest_before: int) -> list[Outcome]:
        """What became of each line, after a commit that followed on `newest_before`."""
        found: list[Outcome] = [Outcome(None)] * len(self.lines)
        for place, (number, entry) in enumerate(self.entries.items(), 1):
            found[number] = Outcome(entry.id, newest_before + place)
        for number, seq in self.repeats.items():
            found[number] = Outcome(read_line(self.lines[number]).id, seq, repeat=True)
        for number, reason in self.aside.items():
            found[number] = Outcome(None, error=str(reason))
        for number in self.refused:
            found[number] = Outcome(None, error="refused: its subject was forgotten", refused=True)
        for number, earlier in self.repeats_line.items():
            found[number] = found[earlier]._replace(repeat=found[earlier].seq is not None)
        return found


def _check_length(line: Line, max_line_bytes: int) -> None:
    if (length := byte_length(line)) > max_line_bytes:
        raise NotUsable(f"{length} bytes, expected at most {max_line_bytes} (intake.max_event_bytes)")


def _is_repeat(found: Found, said: Sequence[Recorded], content_of: ContentOf, redact: Redact | None) -> bool:
    if found.content is not None:
        return found.content in [content_of(found, event) for event in said]
    try:
        stored = read_line(found.body)
    except NotUsable:
        return False  # the id of an event of the daemon itself
    contents = [canonical(event) for event in said]
    return canonical(stored) in contents or (redact is not None and _redacted(stored, redact) in contents)


def _redacted(stored: Recorded, redact: Redact) -> bytes:
    try:
        return canonical(without_private(stored, redact))
    except RedactionFailed:
        return b""  # nobody can say that it is the same
