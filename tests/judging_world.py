"""A state folder with outputs to judge on, models that are right as often as they say, and judging stepped by hand.

The runs are told of in the log and have left their models; nothing was trained. `guessing` needs no torch, and its
models nest: who is right more often is right wherever the other one is.
"""

import json
import os
import shutil
import time
from types import SimpleNamespace

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_kinds import KINDS, own_event
from daemon.gpus import NoGpus
from daemon.judge_planning import NoGoldens
from daemon.judging import Judging, Stands
from daemon.main_loop import MainLoop
from daemon.night_building import shelves_of
from daemon.opening import open_state
from daemon.pool_sources import Sources
from daemon.run_child import UNFINISHED, _keep_model
from daemon.run_folder import folder_of
from daemon.run_queue import Place
from daemon.settings import settings_of
from daemon.shelves import JudgesAndKeeps
from daemon.views.models import Models
from tests import made_state

NOW = made_state.NOW
DAY = 86_400.0
PATIENCE_SECONDS = 60
WEIGHTS = bytes(2000)  # models are alike in size, whatever lies beside them
NIGHT = SimpleNamespace(date=None)  # only that there is one counts here
CONFIG = """
[adaptd]
[device]
use = "cpu"
[embeddings]
model = "hashing"
[gate]
judge_wanted = 20
[workloads.guessing]
ratings = "all"
"""
GUESSING = '''
"""Right as often as the model says; what goes wrong is said by the model, too."""

import json
import os
import signal
import time
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from adaptd.plugin import Description, Judged, Metric


@dataclass(frozen=True)
class Settings:
    names_rows: bool = True


class Dataset(list):
    pass


class Guessing:
    name = "guessing"
    Settings = Settings

    def __init__(self, settings):
        self.settings = settings

    def describe(self):
        metrics = (Metric("correct", binary=True), Metric("cost", higher_is_better=False))
        return Description("guesses", ("full",), ("correction", "score"), metrics, devices=("cpu",))

    def examples(self, pool):
        rows = [row for row in range(len(pool)) if row % 5 != 4]
        dataset = Dataset(pool.texts([row])[0].get("input") for row in rows)
        if self.settings.names_rows:
            dataset.examples = pool["example"][rows]
        return dataset

    def train(self, job):
        raise NotImplementedError

    def judge(self, model, dataset, device):
        told = json.loads((model / "model.json").read_text())
        wrong = told.get("wrong")
        if wrong == "raise":
            raise RuntimeError("a secret text")
        if wrong == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if wrong == "hang":
            time.sleep(600)
        return answers(dataset, told["right"], None if wrong == "nan" else 1.0)

    def baseline(self, dataset):
        return answers(dataset, 0.3, 1.0)

    def predict(self, model, inputs, device):
        return []

    def export(self, model, out, form):
        raise ValueError(form)


def answers(dataset, right, factor):
    drawn = [int.from_bytes(blake2b(str(one).encode(), digest_size=4).digest()) / 2**32 for one in dataset]
    correct = np.array([float(one < right) for one in drawn])
    correct = correct if factor is not None else correct * np.nan
    return Judged({"correct": correct, "cost": 1.0 - correct}, {})


WORKLOAD = Guessing
'''
BARE = GUESSING.replace("def baseline", "def no_baseline").replace("guessing", "bare")


class BuildsNothing:
    """No workload here has an index."""

    def follow(self, settings):
        pass

    def turn(self, now):
        return []

    def stop(self):
        return []


class World:
    """One state folder, with a daemon that can be killed and come back."""

    def __init__(self, folder, config=CONFIG):
        self.folder = made_state.init(folder)
        for name, text in (("guessing", GUESSING), ("bare", BARE)):
            path = self.folder / "plugins" / "workloads" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.clock, self.chance, self.goldens = StoppedClock(NOW), SeededChance(1), NoGoldens()
        (self.folder / "config.toml").write_text(config)
        self.settings = settings_of(config, self.folder / "config.toml")
        self.runs = self.rated = 0
        self.told = []
        self.come_back()

    def come_back(self):
        """A daemon begins; what an earlier one had in memory is gone."""
        self.state = open_state(self.folder / "state", self.settings, self.clock, self.chance)
        self.state.views.catch_up()
        place = Place(self.state.state_dir, self.folder, self.folder / "leases", dict(os.environ))
        sources = Sources(self.state.state_dir, self.state.log, self.state.sealing, lambda: self.settings)
        stands = Stands(self.state.log, self.state.views, sources)
        self.judging = Judging(place, stands, NoGpus(), self.settings, self.chance, self.goldens)
        self.keeps = JudgesAndKeeps(self.judging, shelves_of(self.state, self.settings), BuildsNothing())

    def die(self):
        """kill -9 of the daemon: a child goes on."""
        self.state.close()

    def close(self):
        self.judging.stop(self.clock.now())
        self.state.close()

    def rate(self, count, **more):
        """So many outputs on new inputs, each confirmed; some two in five are judged on."""
        lines = [
            {"kind": "feedback_recorded/1", "id": f"f{n}", "input": f"question {n} {n * n}", "output": f"out {n}"}
            | {"artifact_type": ("erd", "sql")[n % 2], "score": 90.0}
            | more
            for n in range(self.rated, self.rated + count)
        ]
        made_state.spool(self.folder, lines, rotation=self.rated + 1, writer=f"{0xAA + self.rated:016x}")
        self.rated += count
        loop = MainLoop(self.state.intake, self.state.views)
        while loop.turn(self.clock.now()).events:
            pass

    def say(self, kind, **body):
        self.state.log.append([own_event(KINDS[kind], body, self.clock.now(), self.chance)])
        self.state.views.catch_up()

    def finish_run(self, right, workload="guessing", night="2023-11-14", **more):
        """A run that has left a model which is right so often."""
        self.runs += 1
        run = f"run-{self.runs:04}"
        folder = folder_of(self.state.state_dir, run)
        made = folder.path / UNFINISHED
        made.mkdir(parents=True)
        (made / "model.json").write_text(json.dumps({"right": right} | more))
        (made / "weights").write_bytes(WEIGHTS)
        plan = {"batch": self.runs, "batch_hash": f"{self.runs:032x}", "workload": workload, "night": night}
        self.say("run_planned", run=run, seed=1, **plan)
        self.say("run_finished", run=run, step=1, metrics={}, model_hash=_keep_model(folder), flags=[])
        return folder

    def turn(self, night=NIGHT, asked=(), seconds=0.05):
        told = self.keeps.turn(self.clock.advance(seconds=seconds), night, asked)
        self.told += told
        return told

    def until(self, happened, **how):
        """Turns until it has; real children need real time, which does not move the clock."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            assert time.monotonic() < end, self.told
            self.turn(**how)
            time.sleep(0.02)

    def decide(self, **how):
        """Turns until the newest run's model is decided about; the kind and the body of that event."""
        self.until(lambda: not self.judging.busy("guessing"), **how)
        return self.events("challenger_promoted", "challenger_turned_down")[-1]

    # Looking

    def events(self, *kinds):
        rows = self.state.log.read_after(0, 1_000_000, ("kind", "body"))
        found = [(kind.partition("/")[0], json.loads(body)) for kind, body in rows]
        return [one for one in found if one[0] in kinds]

    def kinds(self):
        wanted = ("model_", "challenger_", "champion_", "examples_served")
        rows = self.state.log.read_after(0, 1_000_000, ("kind",))
        return [kind.partition("/")[0] for (kind,) in rows if kind.startswith(wanted)]

    def standing(self, workload="guessing"):
        return self.state.views.of(Models).standing(workload)

    def shelf(self, workload="guessing"):
        return self.folder / "state" / "models" / workload

    def links(self):
        return {path.name: os.readlink(path) for path in self.shelf().iterdir() if path.is_symlink()}

    def base(self, right, name="base"):
        """The folder of a model to begin from."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        (path / "model.json").write_text(json.dumps({"right": right}))
        (path / "weights").write_bytes(WEIGHTS)
        return path
