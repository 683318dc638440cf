"""A state folder whose log has batches, runs and models, with the models' files on the shelf; no run was made."""

import json
import shutil

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_kinds import KINDS, own_event
from daemon.opening import open_state
from daemon.settings import Settings
from daemon.shelves import Shelves
from daemon.views.batches import Batches
from tests import made_state

NOW = made_state.NOW
PLUGIN = {"name": "tiny_classifier", "code": "c0de" * 8}
INTERVALS = {
    "champion": {"mean": 0.8, "low": 0.75, "high": 0.85},
    "challenger": {"mean": 0.9, "low": 0.86, "high": 0.93},
}
DECISION = {
    "verdict": "promote",
    "sentence": "Promoted: accuracy is 10 points better.",
    "clauses": [
        {"name": "enough", "holds": True, "words": "300 fair examples of the 200 that are wanted", "figures": {}},
        {"name": "better", "holds": True, "words": "accuracy +10.0 points, p = 0.001", "figures": {}},
    ],
    "evidence": {},
}


class World:
    """Opened, as a daemon has it; `close` before a verb is called."""

    def __init__(self, folder):
        self.folder = folder
        if not (folder / "config.toml").exists():
            made_state.init(folder)
        self.clock, self.chance = StoppedClock(NOW), SeededChance(1)
        self.open()
        self.clock.advance(seconds=self.state.log.head().seq)  # of a folder that is opened again, too

    def open(self):
        self.state = open_state(self.folder / "state", Settings(), self.clock, self.chance)
        self.state.views.catch_up()

    def close(self):
        self.state.close()

    def say(self, kind, **body):
        now = self.clock.advance(seconds=1)
        self.state.log.append([own_event(KINDS[kind], body, now, self.chance)])
        self.state.views.catch_up()
        return self.state.log.head().seq

    def shelves(self, keep=10):
        state = self.state
        return Shelves(state.state_dir, state.log, state.views, state.sealing, keep)

    def send(self, *lines):
        outcomes = self.state.intake.take_lines(lines, "socket", self.clock.now())
        assert all(outcome.error is None for outcome in outcomes), outcomes
        self.state.views.catch_up()
        return [outcome.seq for outcome in outcomes]

    def batch(self, number, outputs, workload="support", **more):
        outputs = list(outputs)
        size = len(outputs)
        rows = {"example": outputs, "derived_from": [0] * size, "weight": [1.0] * size, "times_learnt": [0] * size}
        body = {"batch": number, "workload": workload, "plugin": PLUGIN, "night": "2023-11-14", "by": ["new"]}
        body |= {"position": self.state.log.head().seq, "now": NOW, "seed": 1, "stages": [], "held_apart": {}}
        body |= {"fingerprints": {"embeddings": "e" * 8}, "rows": rows | {"hash": ["h"] * size}, "reasons": []}
        return self.say("batch_formed", **body, hash=f"{number:032x}", figures={"pool": size, "new": size}, **more)

    def run(self, number, batch, workload="support"):
        run = {"run": f"run-{number:04}"}
        plan = {"batch": batch, "batch_hash": f"{batch:032x}", "workload": workload, "plugin": PLUGIN, "mode": "full"}
        self.say("run_planned", **run, **plan, settings={"epochs": 3}, base_model=None, seed=1, night=None, attempts=3)
        self.say("run_finished", **run, step=9, metrics={"loss": 0.25}, seconds=5.0, model_hash="ab", flags=[])

    def shelve(self, number, workload="support", base=None, outputs=(), files=("weights",), decided=None):
        """A batch, its run, and the model that it left."""
        source = self.folder / "made" / f"{workload}-{number}"
        for name in files:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(f"{workload} {number}")
        made = {"run": None, "batch": None}
        if number:
            self.batch(number, outputs, workload)
            self.run(number, number, workload)
            made = {"run": f"run-{number:04}", "batch": number}
        whole = self.shelves().of(workload).put(number, source, {}, "")
        self.say("model_shelved", workload=workload, model=number, hash=whole, base=base, **made)
        if decided is not None:
            self.judge(number, workload)
            self.decide(number, workload, **decided)
        self.shelves().settle()

    def judge(self, number, workload="support", results="r" * 64):
        champion = self.shelves().view.standing(workload).champion
        told = {"champion": champion, "run": f"run-{number:04}", "outputs": [], "golden": None, "results": results}
        metrics = {"all": {"rows": 300, "accuracy": INTERVALS}}
        told |= {"metric": "accuracy", "metrics": metrics, "seconds": 1.0}
        told |= {"latency": {"champion": 0.002, "challenger": 0.0021}, "size": {"champion": 2000, "challenger": 2100}}
        told |= {
            "latencies": {"type erd": {"champion": 0.003, "challenger": 0.0032}, "type sql": {"challenger": 0.001}}
        }
        self.say("challenger_judged", workload=workload, model=number, **told)

    def decide(self, number, workload="support", verdict="promote"):
        champion = self.shelves().view.standing(workload).champion
        body = {"workload": workload, "model": number, "level": 0.01, "decision": DECISION | {"verdict": verdict}}
        if verdict == "promote":
            self.say("challenger_promoted", **body, previous=champion, by="gate", reason=None)
        else:
            self.say("challenger_turned_down", **body, champion=champion, failed=None)

    def told(self, batch):
        """The batch as it is listed."""
        return next(one for one in self.state.views.of(Batches).listed() if one["batch"] == batch)

    def events(self, *kinds):
        """The bodies of all events of these kinds."""
        rows = self.state.log.read_after(0, 10_000, ("kind", "body"))
        return [json.loads(body) for kind, body in rows if kind.partition("/")[0] in kinds]


PROMOTED, TURNED_DOWN = {"verdict": "promote"}, {"verdict": "turn down"}


def three_models(folder):
    """The base model, two that were promoted and one that was turned down."""
    world = World(folder)
    world.shelve(0)
    world.shelve(1, base=0, decided=PROMOTED)
    world.shelve(2, base=1, decided=PROMOTED)
    world.shelve(3, base=2, decided=TURNED_DOWN)
    return world


def copy_of(folder, to):
    shutil.copytree(folder, to, symlinks=True, dirs_exist_ok=True)
    return to
