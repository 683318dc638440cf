"""A state folder with a log and an intake, hosts that write to its spool, and slow, obvious answers to the intake."""

import fcntl
import json
import os
from pathlib import Path

import numpy as np

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import COLUMNS
from daemon.intake import ASK_FOR_LOCKS_EVERY, Intake, IntakeRules
from daemon.memory_log import MemoryEventLog
from daemon.quarantine import Quarantine
from daemon.sealing import Sealing
from daemon.sides import SIDES
from daemon.sqlite_log import SqliteEventLog

NOW = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z
JUDGING = {"score", "up", "down", "category", "correction", "better", "worse", "tie"}


def line(kind, event_id, **fields):
    return json.dumps({"kind": f"{kind}/1", "id": event_id} | fields, ensure_ascii=False).encode()


def output(event_id, **fields):
    return line("output_recorded", event_id, **{"output": "an answer"} | fields)


def feedback(event_id, output_id=None, **fields):
    about = {"output_id": output_id} if output_id else {}
    return line("feedback_recorded", event_id, **about | fields)


def inline(event_id, **fields):
    """Feedback that brings its output along."""
    return feedback(event_id, **{"input": "a question", "output": "an answer", "score": 50} | fields)


class SlowExamples:
    """What intake asks of the examples, answered by going through all events every time."""

    def __init__(self, log):
        self._log = log
        self.rated = None  # a number here overrides the count
        self.position = 0
        self._events = []
        self._sides = {}

    def catch_up(self):
        rows = self._log.read_after(self.position, 100_000)
        self._events += [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        for event in self._events[-len(rows) :] if rows else []:
            self._sides.setdefault(event["bucket"], event["side"])
        self.position = self._events[-1]["seq"] if self._events else 0

    def _keys(self):
        return list(dict.fromkeys(event["output_key"] for event in self._events if event["output_key"] is not None))

    def _about(self, row):
        key = self._keys()[row]
        return [event for event in self._events if event["output_key"] == key]

    def find(self, keys):
        known = self._keys()
        return np.array([known.index(key) if key in known else -1 for key in keys.tolist()], np.int64)

    def subject_of(self, rows):
        return np.array([self._subject_of(self._about(row)) for row in rows.tolist()], np.int64)

    @staticmethod
    def _subject_of(about):
        return next((event["subject"] or 0 for event in about if event["subject"] or event["side"]), 0)

    def has_output(self, rows):
        return np.array([any(event["side"] for event in self._about(row)) for row in rows.tolist()], np.bool_)

    def _signal(self, seq):
        return next(event for event in self._events if event["seq"] == seq)

    def _target_of(self, event):
        """The event that this one names, when it is there."""
        return next((other for other in self._events if other["id"] == _named_by(event)), None)

    def key_at(self, seq):
        event, passed = self._signal(seq), set()
        while event is not None and event["output_key"] is None and event["seq"] not in passed:
            passed.add(event["seq"])
            event = self._target_of(event)
        return event["output_key"] if event else None

    def waiting_for(self, event_ids):
        unknown = [event for event in self._events if event["says"] and event["output_key"] is None]
        unknown = [(event, _named_by(event)) for event in unknown if self.key_at(event["seq"]) is None]
        found = {event_id: self._waiting_for(event_id, unknown) for event_id in event_ids} if unknown else {}
        return {event_id: seqs for event_id, seqs in found.items() if seqs}

    def _waiting_for(self, event_id, unknown):
        found, names = [], {event_id}
        while more := [event for event, named in unknown if event["seq"] not in found and named in names]:
            found += [event["seq"] for event in more]
            names |= {event["id"] for event in more}
        return found

    def side_of_bucket(self, bucket):
        return SIDES.index(self._sides.get(bucket, ""))

    def rated_judge_examples(self):
        if self.rated is not None:
            return self.rated
        every = [self._about(row) for row in range(len(self._keys()))]
        return sum(
            any(event["side"] == "judge" for event in about)
            and any(JUDGING & set((event["says"] or "").split("+")) for event in about)
            for about in every
        )


def _named_by(event):
    body = json.loads(event["body"])
    return body.get("supersedes") or body.get("retracts")


class World:
    """One state folder. `crash()` leaves everything as it stands and starts a new daemon on it."""

    def __init__(self, folder, rules=None, kind="sqlite", views="slow"):
        self.folder, self.rules, self.kind, self.views_kind = Path(folder), rules or IntakeRules(), kind, views
        self.spool = self.folder / "spool"
        self.spool.mkdir(exist_ok=True)
        self.clock = StoppedClock(NOW)
        self.chance = SeededChance(1)
        self.hosts = {}
        self._memory = MemoryEventLog(b"salt" * 8)
        self._open()

    def _open(self):
        if self.kind == "sqlite":
            self.log = SqliteEventLog.open(self.folder / "events.db", self.clock, self.chance)
        else:
            self.log = self._memory
        self.sealing = Sealing.open(self.folder / "keys.db", self.chance)
        self.quarantine = Quarantine(self.folder / "quarantine.db")
        self._open_views()
        self.catch_up()
        self.start_intake()

    def start_intake(self):
        self.intake = Intake(
            self.log, self.examples, self.spool, self.quarantine, self.sealing, self.chance, self.rules
        )

    def _open_views(self):
        if self.views_kind == "slow":
            self.examples = SlowExamples(self.log)
            self.catch_up = self.examples.catch_up
        else:
            from daemon.views.store import Views

            self.views = Views.open(self.folder / "views.db", self.log)
            self.examples = self.views.examples
            self.catch_up = self.views.catch_up

    def close(self):
        if self.views_kind != "slow":
            self.views.close()
        if self.kind == "sqlite":
            self.log.close()
        self.sealing.close()
        self.quarantine.close()

    def crash(self):
        self.close()
        self._open()

    # Hosts

    def host(self, number=1):
        """The host of that number; the same one until it is left."""
        writer = f"{number:016x}"
        if writer not in self.hosts:
            self.hosts[writer] = Host(self.spool, writer)
        return self.hosts[writer]

    def leave_all(self):
        for host in self.hosts.values():
            host.leave()

    def path(self, number=1, rotation=1):
        return self.spool / f"{number:016x}-{rotation:06}.ndjson"

    # Taking in

    def take(self):
        report = self.intake.take_spools(self.clock.now())
        self.catch_up()
        return report

    def take_all(self):
        """Looks until there is nothing more, and long enough for every file to be asked for its lock."""
        reports = []
        quiet = 0
        while quiet <= ASK_FOR_LOCKS_EVERY:
            reports.append(self.take())
            assert len(reports) < 2000, reports[-3:]
            quiet = 0 if reports[-1].more else quiet + 1
        return reports

    def send(self, *lines, door="socket"):
        outcomes = self.intake.take_lines(lines, door, self.clock.now())
        self.catch_up()
        return outcomes

    # Looking

    def rows(self, kind=None):
        events = [dict(zip(COLUMNS, row, strict=True)) for row in self.log.read_after(0, 1_000_000)]
        return [event for event in events if kind is None or event["kind"] == f"{kind}/1"]

    def row(self, event_id):
        (found,) = [event for event in self.rows() if event["id"] == event_id]
        return found

    def recorded_ids(self):
        return [event["id"] for event in self.rows() if event["kind"].split("/")[0].endswith("_recorded")]

    def quarantined(self):
        return [json.loads(event["body"]) for event in self.rows("line_quarantined")]

    def kept(self):
        return [self.quarantine.find(body["quarantine_id"]) for body in self.quarantined()]

    def spool_names(self):
        return sorted(os.listdir(self.spool))

    def forget(self, subject):
        """What the forgetting of a subject leaves behind to refuse by."""
        self.sealing.commit()
        self.sealing._connection.execute("INSERT INTO forgotten VALUES (?, 0)", (self.sealing.mark_of(subject),))

    def owners(self, pseudonym):
        query = "SELECT subject FROM owners WHERE pseudonym = ? ORDER BY subject"
        return [row[0] for row in self.sealing._connection.execute(query, (pseudonym,))]


class Host:
    """Writes spool files as a host does: named, and under a lock that it holds while it lives."""

    def __init__(self, spool, writer):
        self.spool, self.writer, self.rotation, self.fd = spool, writer, 0, None
        self.rotate()

    @property
    def path(self):
        return self.spool / f"{self.writer}-{self.rotation:06}.ndjson"

    def rotate(self):
        before = self.fd
        self.rotation += 1
        self.fd = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o660)
        fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if before is not None:
            os.close(before)

    def write(self, *lines):
        os.write(self.fd, b"".join(each + b"\n" for each in lines))

    def write_raw(self, data):
        os.write(self.fd, data)

    def leave(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
