"""A log with its views, a shift over it, and parts that are small enough to see through: for tests of nights.

The parts do what the contracts of daemon.night_parts say, and keep all they know in the log or in a queue that
outlives the shift, as the real ones do in files. A restart is another shift over the same log.
"""

import json
from datetime import UTC, datetime

from daemon.clock_and_chance import SeededChance
from daemon.event_kinds import BATCH_FORMED, BATCH_NOT_FORMED, NIGHTS_PAUSED, NIGHTS_RESUMED, TRAINING_ASKED, own_event
from daemon.idle_parts import NobodyForms, NobodyJudges, NobodyPrepares, NobodyRuns
from daemon.memory_log import MemoryEventLog
from daemon.night_parts import Formed, NightParts, NotFormed
from daemon.night_shift import NightShift
from daemon.settings import sources_of
from daemon.views.nights import NightBook
from daemon.views.store import Views

MINUTE = 60_000_000
HOUR = 60 * MINUTE


def at(*when):
    return round(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000


def settings_for(timezone="UTC", window="01:00-06:00", catch_up="wait", workloads=("support",)):
    tables = "".join(f"[workloads.{name}]\n" for name in workloads)
    night = f'[night]\ntimezone = "{timezone}"\nwindow = "{window}"\ncatch_up = "{catch_up}"\n'
    return sources_of(night + tables, None, {}).settings()


class World:
    """One state folder without its folder."""

    def __init__(self, settings=None):
        self.log = MemoryEventLog(b"salt")
        self.views = Views.open(":memory:", self.log)
        self.chance = SeededChance(1)
        self.settings = settings or settings_for()
        self.prepares, self.forms, self.runs, self.judges = Preparing(), Forming(self), Queue(), Judge()
        self.shift = None

    def start(self, now):
        """A daemon begins; what an earlier one had in memory is gone."""
        parts = NightParts(self.prepares, self.forms, self.runs, self.judges)
        self.shift = NightShift(self.log, self.views, self.chance, parts, self.settings, now)

    def turn(self, now):
        self.views.catch_up()
        return self.shift.turn(now)

    def say(self, kind, now, **body):
        self.log.append([own_event(kind, body, now, self.chance)])

    def ask(self, now, workload="support"):
        self.say(TRAINING_ASKED, now, workload=workload)

    def pause(self, now, until=None):
        self.say(NIGHTS_PAUSED, now, until=until, reason=None)

    def resume(self, now):
        self.say(NIGHTS_RESUMED, now)

    def told(self, kind):
        """The bodies of all events of this kind."""
        rows = self.log.read_after(0, 100_000, ("kind", "body"))
        return [json.loads(body) for name, body in rows if name == kind.stored_as]

    def book(self):
        self.views.catch_up()
        return self.views.of(NightBook)


class Preparing(NobodyPrepares):
    """Needs as many turns as `needs` says."""

    def __init__(self):
        self.needs, self.turns, self.stops = 0, 0, 0

    def behind(self, position):
        assert position >= 0
        return self.needs > 0

    def turn(self, now):
        assert now
        self.needs -= 1
        self.turns += 1
        return ["prepared"] if not self.needs else []

    def stop(self, now):
        assert now
        self.stops += 1
        return []


class Forming(NobodyForms):
    """Forms a batch of each workload in `ready`; of the others it says once a night why not."""

    def __init__(self, world):
        self.world, self.ready, self.seen, self.said = world, set(), [], set()

    def turn(self, now, night, workload, *, asked):
        self.seen.append((workload, night and night.date.isoformat(), asked))
        about = {"workload": workload, "night": night and night.date.isoformat(), "asked": asked}
        if workload in self.ready:
            number = len(self.world.told(BATCH_FORMED)) + 1
            self.world.say(BATCH_FORMED, now, batch=number, **about)
            self.world.runs.waiting.append((workload, about["night"]))
            return Formed(number, workload)
        news = asked or (workload, about["night"]) not in self.said
        self.said.add((workload, about["night"]))
        if news:
            self.world.say(BATCH_NOT_FORMED, now, reason="nothing new", **about)
        return NotFormed(workload, "nothing new", news)


class Judge(NobodyJudges):
    """Judges at each turn what `waiting` names, one workload after the other."""

    def __init__(self):
        self.waiting, self.seen, self.stops = [], [], 0

    def busy(self, workload):
        return workload in self.waiting

    def turn(self, now, night, asked):
        assert now
        self.seen.append((night and night.date.isoformat(), list(asked)))
        return [f"{self.waiting.pop(0)}: judged"] if self.waiting and night else []

    def stop(self, now):
        assert now
        self.stops += 1
        return []


class Queue(NobodyRuns):
    """One run at a time: batches wait, are planned, run, and end when `end` is called."""

    def __init__(self):
        self.waiting, self.planned, self.running, self.yielding, self.ended = [], [], None, None, None
        self.cancelled = []

    def reap(self, now):
        assert now
        if self.ended is None:
            return []
        told, self.ended, self.running, self.yielding = [self.ended], None, None, None
        return told

    def busy(self, workload):
        runs = [*self.waiting, *self.planned, *([self.running] if self.running else [])]
        return workload in [name for name, _ in runs]

    def plan(self, now):
        assert now
        told = [f"{workload}: planned" for workload, _ in self.waiting]
        self.planned, self.waiting = self.planned + self.waiting, []
        return told

    def start_next(self, now, night, asked):
        assert now
        may = [run for run in self.planned if night or run[1] is None or run[0] in asked]
        if self.running or not may:
            return []
        self.running = may[0]
        self.planned.remove(may[0])
        return [f"{may[0][0]}: started"]

    def ask_to_yield(self, now, reason, keep=()):
        assert now
        if not self.running or self.yielding:
            return []
        if reason == "window" and (self.running[1] is None or self.running[0] in keep):
            return []
        self.yielding = reason
        return [f"{self.running[0]}: asked to yield, {reason}"]

    def cancel(self, run, reason, now):
        self.cancelled.append((run, reason, now))

    def end(self, how="finished"):
        """The child ends; a run that yielded is planned again."""
        if self.yielding:
            self.planned.append(self.running)
            how = "paused"
        self.ended = f"{self.running[0]}: {how}"

    def stop(self, now):
        told = self.ask_to_yield(now, "daemon")
        if self.running:
            self.end()
        return [*told, *self.reap(now)]
