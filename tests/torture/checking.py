"""What must hold when all hosts have ended and the daemon has taken in everything: counted, compared, rebuilt."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from daemon.clock_and_chance import SeededChance, StoppedClock, SystemClock
from daemon.event_log import EventLog, Row
from daemon.opening import open_state
from daemon.settings import Settings
from daemon.sqlite_log import SqliteEventLog
from daemon.views.store import Views, rebuild_digests
from tests.torture.place import Place, Wrong

FROM_HOSTS = ("output_recorded/1", "feedback_recorded/1")
TOLD_AT_MOST = 10
TWO_HOURS = 2 * 3600 * 1_000_000


@dataclass
class Result:
    """One scenario's figures, in the order in which they are shown, and what was wrong in it."""

    name: str
    figures: dict[str, str | int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def expect(self, holds: object, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    def expect_none(self, ids: list[str], problem: str) -> None:
        if ids:
            more = f" and {len(ids) - TOLD_AT_MOST} more" if len(ids) > TOLD_AT_MOST else ""
            self.problems.append(f"{len(ids)} {problem}: {', '.join(ids[:TOLD_AT_MOST])}{more}")

    def end(self, place: Place) -> Result:
        """Itself; Wrong, so that the place is kept, when there was a problem."""
        if self.problems:
            raise Wrong("\n".join(self.problems))
        return self


def check(result: Result, place: Place, *, may_skip_counters: bool = False) -> None:
    """Look at everything that is left, with the daemon down, and put figures and problems into the result.

    A call that fails may leave out a counter: that is allowed only where calls have to fail.
    """
    with SqliteEventLog.open_read_only(place.state / "events.db") as log:
        rows = _all_rows(log)
        _check_log(result, log, rows)
        _check_ids(result, place, rows)
        _check_counters(result, place, rows, may_skip=may_skip_counters)
        _check_spools(result, place, log, rows)
        _check_views(result, place.state / "views.db", log)
    _check_births(result, place)


def _all_rows(log: EventLog) -> list[Row]:
    """Number, id, kind, writer, counter, score and body of every event."""
    rows: list[Row] = []
    while page := log.read_after(len(rows), 5000, ("seq", "id", "kind", "writer", "counter", "score", "body")):
        rows += page
    return rows


def _check_log(result: Result, log: EventLog, rows: list[Row]) -> None:
    found = log.verify()
    result.expect(found.ok, f"events verify: event {found.bad_seq}: {found.problem}")
    result.expect([row[0] for row in rows] == list(range(1, found.head.seq + 1)), "the numbers of the events have gaps")


def _check_ids(result: Result, place: Place, rows: list[Row]) -> None:
    told = place.gather()
    stored = {row[1]: row[5] for row in rows if row[2] in FROM_HOSTS}
    times = Counter(row[1] for row in rows)
    lost = [event_id for event_id in told.times if event_id not in stored]
    doubled = [event_id for event_id, count in times.items() if count > 1]
    changed = [event_id for event_id in told.times if event_id in stored and told.scores[event_id] != stored[event_id]]
    result.figures |= {
        "ids returned": len(told.times),
        "in the log": len(told.times) - len(lost),
        "lost": len(lost),
        "doubled": len(doubled),
        "stored, id not yet returned": len(stored.keys() - told.times.keys()),
        "events that hosts sent twice": told.times.total() - len(told.times),
        "calls that returned None": told.refused,
    }
    result.expect(told.times, "no host was told any id")
    result.expect_none(lost, "ids were returned and are not in the log")
    result.expect_none(doubled, "ids are in the log more than once")
    result.expect_none(changed, "events are in the log with another score")


def _check_counters(result: Result, place: Place, rows: list[Row], *, may_skip: bool) -> None:
    """Each writer's events stand in the order of its counter and none is missing, where nothing was sent twice.

    Not so for hosts of the socket: what they spooled while the daemon was away may be read after what they sent later.
    """
    without_gaps = {int.from_bytes(bytes.fromhex(name), signed=True) for name in place.acknowledged.without_gaps}
    newest: dict[int, int] = dict.fromkeys(without_gaps, 0)
    count: Counter[int] = Counter()
    disordered: list[str] = []
    for _, event_id, kind, writer, counter, *_ in rows:
        if kind not in FROM_HOSTS or writer not in without_gaps:
            continue
        if counter <= newest[writer]:
            disordered.append(event_id)
        newest[writer] = counter
        count[writer] += 1
    gaps = [f"{writer & (1 << 64) - 1:016x}" for writer in newest if newest[writer] != count[writer]]
    result.figures["processes that recorded"] = len({row[3] for row in rows if row[3] is not None})
    result.expect_none(disordered, "events stand before an earlier one of the same writer")
    result.expect_none([] if may_skip else gaps, "writers have counters that are not in the log")


def _check_spools(result: Result, place: Place, log: EventLog, rows: list[Row]) -> None:
    finished = [json.loads(row[6]) for row in rows if row[2] == "spool_finished/1"]
    rotated = [body["spool"] for body in finished if not body["spool"].endswith("-000001.ndjson")]
    left = place.spool_files()
    twice = [name for name, count in Counter(body["spool"] for body in finished).items() if count > 1]
    result.figures |= {
        "spool files deleted": len(finished),
        "born by rotation": len(rotated),
        "lines in quarantine": len(place.kept_aside()),
    }
    result.expect_none(left, "spool files are left")
    result.expect_none(twice, "spool files were finished more than once")
    result.expect(not log.read_to(), f"positions of spool files are left: {log.read_to()}")
    others = sum(1 for _, reason, _, _ in place.kept_aside() if not _is_of_a_torn_line(reason))
    result.expect(not others, f"{others} lines are in quarantine that are not torn: {place.kept_aside()[:3]}")


def _is_of_a_torn_line(reason: str) -> bool:
    return reason.startswith("torn") or "JSON" in reason


def _check_views(result: Result, path: Path, log: EventLog) -> None:
    views = Views.open(path, log)
    try:
        kept, rebuilt, position = views.digests(), rebuild_digests(log), views.position
    finally:
        views.close()
    result.expect(position == log.head().seq, f"the views are at event {position}, expected {log.head().seq}")
    different = [name for name in rebuilt if kept.get(name) != rebuilt[name]]
    result.expect_none(different, "views differ from those rebuilt from the first event")


def _check_births(result: Result, place: Place) -> None:
    """Files whose host was killed while it made them are empty, and go after an hour."""
    unborn = [path for path in place.spool.iterdir() if path.name.startswith(".")]
    full = [path.name for path in unborn if path.stat().st_size]
    result.expect_none(full, "spool files have something in them although they were never born")
    if not unborn:
        return
    later = StoppedClock(SystemClock().now() + TWO_HOURS)
    with open_state(place.state, Settings(), later, SeededChance(1)) as state:
        state.intake.take_spools(later.now())
    left = [path.name for path in place.spool.iterdir()]
    result.expect_none(left, "files of hosts that were killed while they made them are left after two hours")
