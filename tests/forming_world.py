"""A state folder in which batches are formed: real log, views, keys and plugins, a stopped clock, nothing embedded."""

import datetime
import json
from contextlib import ExitStack

import msgspec
import numpy as np

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_kinds import current, own_event
from daemon.forming import Forming
from daemon.night_settings import TriggerSettings, WorkloadSettings
from daemon.nights import Night
from daemon.opening import open_state
from daemon.pooling import Source
from daemon.settings import LogSettings, Settings
from daemon.standing import FoldedStanding, LiveStanding
from daemon.texts import TextSource
from tests.test_stage_line import write_stage

NOW = 1_763_600_000_000_000
DAY = 86_400
WORKLOAD = """
from dataclasses import dataclass
from adaptd.plugin import Description, Metric

@dataclass(frozen=True)
class Settings:
    epochs: int = 1

class Echo:
    name = "echo"
    Settings = Settings

    def __init__(self, settings):
        self.settings = settings

    def describe(self):
        return Description("says again", ("full",), ("score", "up", "down", "correction"), (Metric("exact"),))

    def examples(self, pool): ...
    def train(self, job): ...
    def judge(self, model, dataset, device): ...
    def predict(self, model, inputs, device): ...
    def export(self, model, out, form): ...

WORKLOAD = Echo
"""
STAGES = {
    "keep_good": 'return pool.keep(pool["score"] >= self.settings.amount, self.name, "score {0:.0f}", pool["score"])',
    "weigh": 'return pool.with_columns(weight=1 + pool["age_days"]).because('
    'self.name, "{0:.2f} days old", np.arange(len(pool)), pool["age_days"])',
    "say_again": "rows = moment.rng(self.name).permutation(len(pool))[:2]\n"
    '        texts = [dict(text, input=text["input"].upper()) for text in pool.texts(rows)]\n'
    '        return pool.derive(rows, texts, self.name, "in capitals", weight=0.5)',
}


def settings_of(workload):
    return Settings(workloads={"sums": WorkloadSettings(**workload)}, log=LogSettings(durability="normal"))


class NothingDerived:
    """No embeddings, and nothing near to anything."""

    fingerprint = "none"
    position = 1 << 60

    def rows_of(self, seqs):
        return np.full(len(seqs), -1, np.int64)

    def near(self, seqs, position):
        return np.zeros(len(seqs), np.bool_)

    def near_held_out(self, texts, position):
        return np.zeros(len(texts), np.bool_)

    def embeddings(self, rows):
        return np.zeros((len(rows), 0), np.float32)


class World:
    """One state folder; `reopen` is a daemon that was killed and started again."""

    def __init__(self, folder, **workload):
        self.folder, self.clock = folder, StoppedClock(NOW)
        for name, work in STAGES.items():
            write_stage(folder, name, work)
        path = folder / "plugins" / "workloads" / "echo.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(WORKLOAD)
        defaults = {"plugin": "echo", "stages": tuple(STAGES), "trigger": TriggerSettings(new_examples=10)}
        self.settings = settings_of(defaults | workload)
        self.derived, self.seed = NothingDerived(), 1
        self._said = 0
        self.open()

    def open(self):
        self.state = open_state(self.folder / "state", self.settings, self.clock, SeededChance(self.seed))
        self.seed += 1
        self.log, self.views = self.state.log, self.state.views
        self.views.catch_up()
        memories = self.folder / "state" / "derived" / "stages"
        self.stands = LiveStanding(self.log, self.views, self.source, memories)
        self.forming = Forming(self.log, self.views, self.stands, self.settings, self.folder, SeededChance(self.seed))

    def source(self, examples):
        return Source(examples, self.derived, TextSource(self.log, self.state.sealing.unseal))

    def close(self):
        self.state.close()

    def reopen(self):
        self.close()
        self.open()

    def follow(self, **workload):
        """Another configuration."""
        kept = msgspec.structs.asdict(self.settings.workloads["sums"])
        self.settings = settings_of(kept | workload)
        self.forming.follow(self.settings)

    # What hosts say

    def say(self, *events):
        lines = [json.dumps({"kind": "feedback_recorded/1"} | event).encode() for event in events]
        outcomes = self.state.intake.take_lines(lines, "socket", self.clock.now())
        assert [outcome.error for outcome in outcomes] == [None] * len(lines)
        self.views.catch_up()

    def tell(self, kind, body):
        """What another part of the daemon writes."""
        self.log.append([own_event(kind, body, self.clock.now(), SeededChance(1000 + self.seed))])
        self.views.catch_up()
        self.seed += 1

    def rate(self, count, **fields):
        """So many outputs of their own, each with a score of 60 to 99."""
        numbers = range(self._said, self._said + count)
        self._said += count
        self.say(*({"id": f"o{n}", "input": f"{n} and {n}?", "output": f"{2 * n}", "score": 60 + n % 40} | fields
                   for n in numbers))  # fmt: skip

    def rate_learnt(self, wanted, **fields):
        """So many outputs of the learn side; more of others come between."""
        while wanted > 0:
            before = self.learn_side()
            self.rate(1, **fields)
            wanted -= self.learn_side() - before

    def learn_side(self):
        return int((self.views.examples.resolved("side")["side"] == 1).sum())

    # What the daemon does

    def turn(self, night="2026-11-25", *, asked=False, workload="sums"):
        date = datetime.date.fromisoformat(night) if night else None
        of_tonight = Night(date, NOW, NOW + DAY * 1_000_000) if date else None
        return self.forming.turn(self.clock.now(), of_tonight, workload, asked=asked)

    def bodies(self, kind):
        rows = self.log.read_after(0, 100_000, ("kind", "body"))
        return [current(stored, json.loads(body))[1] for stored, body in rows if stored == f"{kind}/1"]

    def read_only(self):
        """As a verb stands on it."""
        return FoldedStanding(self.log, self.source, self.folder / "state" / "views.db")


def worlds():
    """A maker of worlds, and what closes them."""
    closing = ExitStack()

    def world(folder, **workload):
        made = World(folder, **workload)
        closing.callback(made.close)
        return made

    return world, closing
