"""A byte of events.db that is not as it was written: `adaptd events verify` finds it and names the event's number."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from tests.torture.checking import Result
from tests.torture.place import Place, Wrong
from tests.torture.stepping import stepped

EVENTS = 60
SURELY_TOGETHER = 200  # bytes of a long text that lie on one page


def flipped_byte(*, times: int, seed: int) -> Result:
    """One bit at a time, in a text, an id or a hash of some event, found each time, and only then."""
    result = Result("a flipped byte in events.db")
    rng = random.Random(seed)
    with Place.made("flipped") as place:
        _record_some(place)
        database = place.state / "events.db"
        whole = database.read_bytes()
        place.verb("events", "verify")
        for seq, at in _places(place, whole, times, rng):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << rng.randrange(7)
            database.write_bytes(damaged)
            _expect_named(place, seq)
        database.write_bytes(whole)
        result.expect(place.verb("events", "verify").startswith("OK"), "verify does not find the restored log whole")
        result.figures |= {"events": place.newest(), "bits flipped": times, "found, and named by number": times}
        return result.end(place)


def _expect_named(place: Place, seq: int) -> None:
    said = place.verb("events", "verify", expected=1)
    if f"event {seq}:" not in said:
        raise Wrong(f"events verify says {said!r}, expected it to name event {seq}")
    found = json.loads(place.verb("events", "verify", "--json", expected=1).splitlines()[0])
    if found["bad_seq"] != seq or found["events"] != seq - 1:
        raise Wrong(f"events verify --json says {found}, expected bad_seq {seq}")


def _record_some(place: Place) -> None:
    """Events with texts of many lengths, taken in and moved from the WAL into the main file."""
    source = place.folder / "some.ndjson"
    lines = [{"input": f"question {n}", "output": f"marked-{n}-" + "y" * n * n, "score": n} for n in range(EVENTS)]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    place.verb("record-feedback", str(source))
    with stepped(place) as daemon:
        daemon.drain(place)


def _places(place: Place, whole: bytes, times: int, rng: random.Random) -> Iterator[tuple[int, int]]:
    """Numbers of events, each with the place in the file of one byte of what it stores."""
    with closing(sqlite3.connect(f"file:{place.state / 'events.db'}?mode=ro&immutable=1", uri=True)) as log:
        rows = log.execute("SELECT seq, id, body, chain FROM events WHERE kind = 'feedback_recorded/1'").fetchall()
    for _ in range(times):
        seq, event_id, body, chain = rng.choice(rows)
        body_at = whole.index(body.encode()[:SURELY_TOGETHER])
        # an id stands in the index and in the body too; that of the row comes before the body
        id_at = whole.rfind(event_id.encode(), 0, body_at)
        stored = [(id_at, len(event_id)), (body_at, len(body[:SURELY_TOGETHER])), (whole.index(chain), len(chain))]
        at, length = rng.choice(stored)
        yield seq, at + rng.randrange(length)
