"""What a log of events is: its rows, the chain of hashes through them, and what any log promises.

It does not know what keeps the rows (daemon/sqlite_log.py, daemon/memory_log.py), nor what an event means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from hashlib import sha256
from math import isnan
from typing import Any, NamedTuple, Protocol

import msgspec

from adaptd.errors import AdaptdError

COLUMNS = (
    "seq",
    "id",
    "kind",
    "received_at",
    "occurred_at",
    "writer",
    "counter",
    "output_key",
    "artifact_type",
    "model",
    "side",
    "bucket",
    "says",
    "score",
    "source",
    "rater_key",
    "episode_key",
    "target_seq",
    "propensity",
    "subject",
    "content",
    "body",
    "sealed",
    "chain",
)
Row = tuple[Any, ...]

NOT_COME_YET = -1  # as `target_seq`: the event names one that was not in the log before it; its body has the id
GONE = None  # as a position in `read_to`: forget this spool file
_pack = msgspec.msgpack.Encoder().encode


class LogError(AdaptdError):
    """Something is wrong with the log itself."""


class AppendFailed(LogError):
    """A commit did not succeed: none of its events may be taken as recorded. The log was reopened and goes on."""


class IdsExist(LogError):
    """Some of the ids are in the log already; nothing of this append was written."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(
            f"ids in the log already: {', '.join(ids[:3])}{' …' if len(ids) > 3 else ''} ({len(ids)} in all); "
            "expected new ids. Drop those whose content is the same, keep the others aside."
        )
        self.ids = ids


Asked = str | tuple[str, ...]
"""A column to be read; or of several the first that was given."""


class Entry(NamedTuple):
    """One event about to be appended: a row without its number and its hash."""

    id: str
    kind: str
    received_at: int
    occurred_at: int
    writer: int | None = None
    counter: int | None = None
    output_key: int | None = None
    artifact_type: str | None = None
    model: str | None = None
    side: str | None = None
    bucket: int | None = None
    says: str | None = None
    score: float | None = None
    source: str | None = None
    rater_key: int | None = None
    episode_key: int | None = None
    target_seq: int | None = None
    propensity: float | None = None
    subject: int | None = None
    content: bytes | None = None
    body: str = "{}"
    sealed: bytes | None = None


class Head(NamedTuple):
    """The newest event's number and hash; number 0 and the log's first hash when it is empty."""

    seq: int
    chain: bytes


class Found(NamedTuple):
    """What the log holds under an id."""

    seq: int
    kind: str
    output_key: int | None
    subject: int | None
    content: bytes | None
    body: str


class Verification(NamedTuple):
    """What `verify` found: how many events are whole, and the first that is not."""

    events: int
    head: Head
    bad_seq: int | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        return self.problem is None


class EventLog(Protocol):
    """What a log promises, whatever keeps it. tests/contracts/any_event_log.py is its battery."""

    salt: bytes

    def append(
        self, entries: Sequence[Entry], read_to: Mapping[str, int | None] | None = None, *, full_sync: bool = False
    ) -> int:
        """Appends all or nothing, durably, together with the spool positions; returns the newest number."""

    def read_after(self, seq: int, limit: int = 500, columns: Sequence[Asked] = COLUMNS) -> list[Row]:
        """The next events in commit order, at most `limit` of them; see `Asked`."""

    def read(self, seqs: Sequence[int], columns: Sequence[Asked] = COLUMNS) -> list[Row]:
        """The events of these numbers, each once and in any order; those that are there."""

    def head(self) -> Head: ...

    def verify(self, progress: Callable[[int], None] | None = None) -> Verification:
        """Recomputes every hash from the stored bytes."""

    def find(self, ids: Iterable[str]) -> dict[str, Found]: ...

    def read_to(self) -> dict[str, int]:
        """How far each spool file was read, as committed with its events."""


def first_chain(salt: bytes) -> bytes:
    """What the first event's hash builds on."""
    return sha256(b"adaptd log " + salt).digest()


def chained(entries: Sequence[Entry], head: Head) -> tuple[list[Row], Head]:
    """The rows to store: each with its number and sha256(hash before + MessagePack of [number, [the entry]])."""
    seq, chain = head
    rows: list[Row] = []
    keep = rows.append
    for given in entries:
        score = given.score
        entry = given if score is None or (score > 0 and score.__class__ is float) else _as_stored(given, score)
        seq += 1
        chain = sha256(chain + _pack((seq, entry))).digest()
        keep((seq, *entry, chain))
    return rows, Head(seq, chain)


def _as_stored(entry: Entry, score: float) -> Entry:
    """The entry as SQLite gives it back: its score a float and never -0.0, so that the hash is the row's."""
    if isnan(score):
        raise ValueError(f"event {entry.id!r}: score {score}, expected a number, since no column can hold it")
    return entry._replace(score=score + 0.0)


def check_chain(rows: Iterable[Row], head: Head) -> tuple[Head, str | None]:
    """Follows the chain over whole rows; returns how far it held, and what is wrong with the row after that."""
    for row in rows:
        if row[0] != head.seq + 1:
            return head, f"expected event {head.seq + 1} next, found {row[0]}"
        if row[-1] != _hash_of(head.chain, row[0], row[1:-1]):
            return head, "its stored bytes do not give its stored hash"
        head = Head(row[0], row[-1])
    return head, None


def _hash_of(chain: bytes, seq: int, entry: Row) -> bytes | None:
    try:
        return sha256(chain + _pack((seq, entry))).digest()
    except (UnicodeEncodeError, OverflowError):
        return None  # bytes that never came from us


def ids_not_new(entries: Sequence[Entry], known: Container[str]) -> list[str]:
    """The ids that are in the log already, or twice among these entries."""
    times = Counter(entry.id for entry in entries)
    return [event_id for event_id, count in times.items() if count > 1 or event_id in known]
