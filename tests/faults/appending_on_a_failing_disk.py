"""Run under failing_disk.c: appends while the n-th write or sync fails, and checks what is in the log afterwards.

`python appending_on_a_failing_disk.py FOLDER PLAN_FILE` prints one JSON line for each way to fail.
"""

import json
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import AppendFailed, Entry, IdsExist, LogError
from daemon.sqlite_log import SqliteEventLog

GROUP = 3
APPENDS = 8


def group(number):
    ids = range(number * GROUP, number * GROUP + GROUP)
    return [Entry(f"event-{one}", "feedback_recorded/1", 1, 1, body="{}" + " " * 3000) for one in ids]


class Attempt:
    """One log, one failure, and what was acknowledged meanwhile."""

    def __init__(self, folder, plan_file, plan, durability, *, with_reader):
        self.path = folder / "events.db"
        self.plan_file = plan_file
        self.plan = plan
        self.acknowledged = []
        self.failed = []
        self.repeats = 0
        self.log = SqliteEventLog.open(self.path, StoppedClock(1), SeededChance(1), durability=durability)
        self.reader = SqliteEventLog.open_read_only(self.path) if with_reader else None

    def run(self):
        self.append(0)
        assert not self.failed
        self.plan_file.write_text(self.plan)
        for number in range(1, APPENDS):
            self.append(number)
            with suppress(sqlite3.Error, LogError):
                self.check(self.log)
            if number % 3 == 0:
                with suppress(sqlite3.Error, LogError):
                    self.log.checkpoint()
        self.plan_file.write_text("")
        for number in list(self.failed):
            self.append(number)
        self.append(APPENDS)
        assert sorted(self.acknowledged) == list(range(APPENDS + 1)), self.acknowledged
        self.check_all()

    def append(self, number):
        try:
            self.log.append(group(number), {"spool": number + 1})
        except AppendFailed:
            self.failed.append(number)
        except IdsExist as known:
            self.take_as_repeat(number, known.ids)
        else:
            self.acknowledged.append(number)

    def take_as_repeat(self, number, ids):
        """A commit that failed was on the disk after all."""
        assert number in self.failed, "an event that was never tried is there"
        assert len(ids) == GROUP, "a part of a commit is there"
        self.repeats += 1
        self.acknowledged.append(number)

    def check(self, log):
        """Whole groups only, each once, among them all that was acknowledged, and nothing that was never tried."""
        rows = log.read_after(0, 10_000, ("seq", "id"))
        assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
        numbers = [int(event_id.split("-")[1]) for _, event_id in rows]
        groups = [number // GROUP for number in numbers[::GROUP]]
        assert numbers == [int(one.id.split("-")[1]) for number in groups for one in group(number)]
        assert len(set(groups)) == len(groups)
        assert set(self.acknowledged) <= set(groups) <= set(self.acknowledged) | set(self.failed)

    def check_all(self):
        self.check(self.log)
        assert self.log.verify().ok, self.log.verify()
        head = self.log.head()
        if self.reader:
            self.check(self.reader)
            self.reader.close()
        self.log.close()
        with closing(SqliteEventLog.open_read_only(self.path)) as log:
            assert log.head() == head
            self.check(log)
            assert log.verify().ok


def main():
    folder, plan_file = Path(sys.argv[1]), Path(sys.argv[2])
    number = 0
    for kind, firsts in (("sync", range(1, 9)), ("write", (1, 2, 3, 4, 5, 8, 12, 16, 20, 30, 40)), ("any", (1, 6))):
        for first in firsts:
            for count in (1, 4, 1_000_000):
                number += 1
                scenario = folder / str(number)
                scenario.mkdir()
                durability = "normal" if number % 5 == 0 else "full"
                plan = f"{kind} {first} {count}"
                attempt = Attempt(scenario, plan_file, plan, durability, with_reader=number % 2 == 0)
                attempt.run()
                print(json.dumps({"plan": plan, "failed": len(set(attempt.failed)), "repeats": attempt.repeats}))


if __name__ == "__main__":
    main()
