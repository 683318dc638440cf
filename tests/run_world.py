"""A state folder with outputs to learn from, workloads that train in an instant, and a queue that is stepped by hand.

`counting` needs no torch, so that a child costs a third of a second; what it does wrong is one of its settings.
"""

import contextlib
import json
import os
import time

import numpy as np

from adaptd.plugin import Pool
from daemon import plugin_loading
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.gpus import NoGpus
from daemon.main_loop import MainLoop
from daemon.night_settings import DeviceSettings, RunsSettings, WorkloadSettings
from daemon.opening import open_state
from daemon.run_children import RunLog
from daemon.run_folder import folder_of
from daemon.run_queue import Place, RunQueue
from daemon.settings import Settings
from tests import made_state

NOW = made_state.NOW
PATIENCE_SECONDS = 40

COUNTING = '''
"""Adds up a number per step; the model is the sum. What it does wrong is said by its settings."""

import json
import os
import signal
import sys
import time
from dataclasses import dataclass

import numpy as np

from adaptd.plugin import Description, Metric, Trained


@dataclass(frozen=True)
class Settings:
    steps: int = 6
    every: int = 1  # steps between checkpoints
    pause: float = 0.0  # seconds a step takes
    wrong: str = ""
    at: int = 3  # the step at which it goes wrong
    times: int = 1  # how often it goes wrong
    micro_batch_size: int | None = None
    batch_size: int = 32


class Counting:
    name = "counting"
    Settings = Settings

    def __init__(self, settings):
        self.settings = settings

    def describe(self):
        return Description("adds up", ("full",), ("score",), (Metric("sum"),), memory_bytes=1 << 30)

    def examples(self, pool):
        return [[text.get("input"), text.get("output")] for text in pool.texts(np.arange(len(pool)))]

    def train(self, job):
        print("on", job.device, "of", os.environ.get("CUDA_VISIBLE_DEVICES") or "none")
        print("hello from", job.settings.wrong or "counting", len(job.dataset), "examples")
        print("and to stderr", file=sys.stderr)
        saved = sorted(path for path in job.checkpoints.glob("step-*") if (path / "manifest.json").exists())
        step, total = json.loads((saved[-1] / "manifest.json").read_text()) if saved else (0, 0.0)
        while step < job.settings.steps:
            if job.should_stop() and job.settings.wrong != "deaf":
                self.save(job, step, total)
                return Trained("paused", {"sum": total})
            time.sleep(job.settings.pause)
            self.go_wrong(job, step)
            total += float(np.random.default_rng([job.settings.steps, step]).random())
            step += 1
            job.log({"step": step, "steps": job.settings.steps, "loss": 1 / step})
            if step % job.settings.every == 0:
                self.save(job, step, total)
            if job.settings.wrong == "unhealthy" and step == job.settings.at and self.again(job):
                return Trained("unhealthy", {}, problem="not a number at step 3")
        if job.settings.wrong == "no model":
            return Trained("finished", {})
        if job.settings.wrong == "link":
            (job.out / "link").symlink_to("/etc/passwd")
        (job.out / "sum.json").write_text(json.dumps([total, job.dataset, job.settings.micro_batch_size]))
        return Trained("finished", {"sum": total, "odd": float("nan")}, ("a flag",))

    def save(self, job, step, total):
        folder = job.checkpoints / f"step-{step:08}"
        folder.mkdir(exist_ok=True)
        (folder / "new").write_text(json.dumps([step, total]))
        (folder / "new").rename(folder / "manifest.json")

    def again(self, job):
        """Whether it goes wrong once more."""
        marks = list(job.checkpoints.glob("wrong-*"))
        (job.checkpoints / f"wrong-{len(marks)}").touch()
        return len(marks) < job.settings.times

    def go_wrong(self, job, step):
        wrong = job.settings.wrong
        if step != job.settings.at or wrong in ("", "deaf", "unhealthy", "no model", "link") or not self.again(job):
            return
        if wrong == "raise":
            raise RuntimeError("a secret text")
        if wrong == "memory":
            raise MemoryError
        if wrong == "exit":
            os._exit(3)
        if wrong == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if wrong == "hang":
            time.sleep(600)

    def judge(self, model, dataset, device):
        raise NotImplementedError

    def predict(self, model, inputs, device):
        raise NotImplementedError

    def export(self, model, out, form):
        raise NotImplementedError


WORKLOAD = Counting
'''

LINE = '''
"""A straight line and dropout, through the shared loop: a real model that is trained in a second."""

from dataclasses import dataclass

import numpy as np

from adaptd.plugin import Description, Metric, Trained


@dataclass(frozen=True)
class Settings:
    steps: int = 40
    pause: float = 0.0
    every: int = 5
    micro_batch_size: int | None = None
    batch_size: int = 8


class Line:
    name = "line"
    Settings = Settings

    def __init__(self, settings):
        self.settings = settings

    def describe(self):
        return Description("a line", ("full",), ("score",), (Metric("loss", higher_is_better=False),), devices=("cpu",))

    def examples(self, pool):
        texts = pool.texts(np.arange(len(pool)))
        return np.array([[len(str(text["input"])), score] for text, score in zip(texts, pool["score"])])

    def train(self, job):
        import time

        import torch
        from safetensors.torch import save_file

        from components.training_loop import Plan, Task, train

        torch.set_num_threads(1)
        torch.manual_seed(int(job.rng.integers(1 << 31)))
        x = torch.tensor(job.dataset[:, :1] / 10, dtype=torch.float32)
        y = torch.tensor(job.dataset[:, 1] / 100, dtype=torch.float32)
        layers = torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1)
        model = torch.nn.Sequential(*layers)

        def losses(net, rows, part):
            time.sleep(job.settings.pause)
            return {"square": (net(x[rows])[:, 0] - y[rows]).square()}

        task = Task(rows=len(x), collate=lambda rows, rng: rows, losses=losses)
        plan = Plan(max_steps=job.settings.steps, batch_size=8, learning_rate=0.01, checkpoint_every=job.settings.every)
        done = train(model, task, plan, job.checkpoints, log=job.log, should_stop=job.should_stop)
        figures = {"loss": done.history[-1]["loss"]} if done.history else {}
        if done.state == "paused":
            return Trained("paused", figures)
        history = torch.tensor([one["loss"] for one in done.history], dtype=torch.float64)
        save_file({**model.state_dict(), "history": history}, job.out / "model.safetensors")
        return Trained("finished", figures)

    def judge(self, model, dataset, device):
        raise NotImplementedError

    def predict(self, model, inputs, device):
        raise NotImplementedError

    def export(self, model, out, form):
        raise NotImplementedError


WORKLOAD = Line
'''


class Config:
    """The part of the configuration that runs go by."""

    def __init__(self, workloads=None, **runs):
        self.runs = RunsSettings(**runs)
        self.device = DeviceSettings(use="cpu")
        self.workloads = workloads or {"counting": WorkloadSettings(), "line": WorkloadSettings()}


class Formed:
    """A batch, as daemon.batches has it."""

    def __init__(self, number, pool, validation, body):
        self.number, self.pool, self.validation, self.body = number, pool, validation, body


class Batches:
    """Batches that were formed, and are formed again when asked."""

    def __init__(self, world):
        self.world, self.formed, self.lost = world, {}, set()

    def add(self, workload="counting", hash_=None, **more):
        number = len(self.formed) + 1
        self.formed[number] = {"batch": number, "workload": workload, "hash": hash_ or f"{number:032x}"}
        self.formed[number] |= {"night": None, "position": self.world.state.log.head().seq} | more
        return number

    def listed(self):
        return list(self.formed.values())

    def rebuild(self, number):
        told = self.formed[number]
        if number in self.lost:
            return f"batch {number}: formed again it has other rows"
        return Formed(number, self.world.pool(told), self.world.pool(told, validation=True), told | {"seed": 7})


class World:
    """One state folder, with a daemon that can be killed and come back."""

    def __init__(self, folder):
        self.folder = folder
        made_state.init(folder)
        for name, text in (("counting", COUNTING), ("line", LINE)):
            path = folder / "plugins" / "workloads" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.clock, self.chance, self.gpus = StoppedClock(NOW), SeededChance(1), NoGpus()
        self.config = Config()
        self.state = self._open()
        self.rate(12)
        self.batches = Batches(self)
        self.queue = self._queue()
        self.told, self.orphans = [], []

    def _open(self):
        return open_state(self.folder / "state", Settings(), self.clock, self.chance)

    def _queue(self):
        environ = dict(os.environ)
        place = Place(self.state.state_dir, self.folder, self.folder / "leases", environ)
        self.log = RunLog(self.state.log, self.state.views, self.chance)
        return RunQueue(place, self.log, self.batches, self.gpus, self.config)

    @property
    def children(self):
        return self.queue._children._entries

    def rate(self, count, **more):
        """So many outputs with a score each, in the log."""
        lines = [
            {"kind": "feedback_recorded/1", "id": f"f{n}-{len(more)}", "input": "in" * n, "output": f"out {n}"}
            | {"artifact_type": "erd", "score": 10.0 * (n % 10)}
            | more
            for n in range(count)
        ]
        made_state.spool(self.folder, lines, rotation=1 + len(more), writer=f"{0xAA + len(more):016x}")
        loop = MainLoop(self.state.intake, self.state.views)
        while loop.turn(self.clock.now()).events:
            pass

    def pool(self, told, *, validation=False):
        """All outputs of the log up to the batch's position, and one derived from the first."""
        rows = self.state.log.read_after(0, told["position"], ("seq", "kind", "score"))
        rows = [row for row in rows if row[1] == "feedback_recorded/1"]
        pool = Pool.of({"example": [row[0] for row in rows], "score": [row[2] for row in rows]})
        if validation:
            return pool.take(np.arange(2))
        return pool.take(np.arange(2, len(rows))).derive([0], [{"input": "derived", "output": "d"}], "test", "made")

    # The daemon

    def turn(self, night=None, seconds=0.05, *, starts=True):
        """What the shift does with the queue; the clock goes on a little. Without `starts` outside the window."""
        now = self.clock.advance(seconds=seconds)
        self.told += self.queue.reap(now)
        if not starts:
            return
        self.told += self.queue.plan(now)
        self.told += self.queue.start_next(now, night, ())

    def until(self, holds, **how):
        """Turns until that holds; AssertionError with what was told when it never does."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < end, self.told
            self.turn(**how)
            time.sleep(0.02)

    def die(self):
        """kill -9 of the daemon: nothing is told to anybody, what is in the log is in the log."""
        for entry in self.children.values():
            if entry.child._process is not None:
                self.orphans.append(entry.child._process)
        self.state.close()

    def come_back(self):
        self.state = self._open()
        self.state.views.catch_up()
        self.queue = self._queue()

    def close(self):
        for entry in self.children.values():
            entry.child.kill()
            entry.child.wait(5)
            entry.child.close()
        for process in self.orphans:
            process.kill()
            process.wait()
        with contextlib.suppress(Exception):
            self.state.close()

    # Looking

    def run(self, number=1):
        return self.log.view.by_id.get(f"run-{number:04}", {"state": "absent"})

    def is_(self, state, number=1):
        return lambda: self.run(number)["state"] == state

    def at_step(self, step, number=1):
        """Whether its child has told so much."""

        def holds():
            progress = self.of(number).progress()
            return progress is not None and progress.step >= step

        return holds

    def of(self, number=1):
        return folder_of(self.state.state_dir, f"run-{number:04}")

    def events(self):
        """The runs' events: kind and body."""
        rows = self.state.log.read_after(0, 1000, ("kind", "body"))
        return [(kind.partition("/")[0], json.loads(body)) for kind, body in rows if kind.startswith("run_")]

    def kinds(self):
        return [kind.removeprefix("run_") for kind, _ in self.events()]

    def sum(self, number=1):
        return json.loads((self.of(number).model / "sum.json").read_text())


def forget_loaded_plugins():
    """So that a changed file is loaded anew, as a daemon that starts does."""
    import sys

    for name in [name for name in sys.modules if name.startswith("adaptd_plugin_")]:
        del sys.modules[name]
    assert plugin_loading
