"""The battery for workloads finds every way in which one can break its contract, and nothing in one that holds."""

import dataclasses
import json
import random
import socket
from pathlib import Path

import numpy as np
import pytest

from adaptd.plugin import Description, Judged, Metric, Pool, Toy, Trained
from adaptd.plugin.checking_workloads import problems_of_workload
from adaptd.plugin.lessons import lesson_pool
from tests.contracts.any_workload import AnyWorkload

TWICE = []


class Counter:
    """The smallest workload that holds: it counts answers, a step for each, and predicts the most frequent."""

    name = "counter"

    @dataclasses.dataclass(frozen=True)
    class Settings:
        noise: float = 0.0

    def __init__(self, settings):
        self.settings = settings

    def describe(self):
        return Description("counts", ("full",), ("correction", "score"), (Metric("correct", binary=True),))

    def examples(self, pool):
        texts = pool.texts(np.arange(len(pool)))
        return [text["correction"] or text["output"] for text in texts if text.get("output")]

    def train(self, job):
        saved = job.checkpoints / "counts.json"
        step, counts = json.loads(saved.read_text()) if saved.exists() else (0, {})
        for label in job.dataset[step:]:
            if job.should_stop():
                saved.write_text(json.dumps([step, counts]))
                return Trained("paused", {"step": step})
            step += 1
            counts[label] = counts.get(label, 0) + 1
            job.log({"step": step, "steps": len(job.dataset)})
        (job.out / "counts.json").write_text(json.dumps(counts, sort_keys=True))
        return Trained("finished", {"steps": step})

    def _best(self, model):
        counts = json.loads((model / "counts.json").read_text())
        return max(sorted(counts), key=counts.get)

    def judge(self, model, dataset, device):
        correct = np.array([float(label == self._best(model)) for label in dataset])
        return Judged({"correct": correct}, {"correct": float(correct.mean())})

    def predict(self, model, inputs, device):
        return [self._best(model) for _ in inputs]

    def export(self, model, out, form):
        raise ValueError(f"form: found {form!r}, expected json")


class TestCounter(AnyWorkload):
    def make(self):
        return Counter(Counter.Settings())


def problems(**methods):
    """Of a workload with these methods in place of its own; each may call the one that was there."""
    kind = type("Broken", (Counter,), methods)
    return problems_of_workload(lambda: kind(Counter.Settings()))


def describing(**changes):
    whole = Counter(None).describe()
    return {"describe": lambda self: dataclasses.replace(whole, **changes)}


def training(change):
    """A training that does something beside its own."""

    def train(self, job):
        ended = Counter.train(self, job)
        return change(job, ended) or ended

    return {"train": train}


def _write_chance(draw):
    return lambda job, ended: (job.out / "chance").write_text(str(draw(job))) and None


def _raise(*_):
    raise KeyError("budget")


def _call_home(job, ended):
    with socket.socket() as talk:
        talk.connect(("127.0.0.1", 9))


def _ask_for_home(job, ended):
    socket.getaddrinfo("example.org", 80)


def _called_twice(job):
    TWICE.append(1)
    return len(TWICE)


def _force(self, pool):
    if len(pool):
        column = pool.columns["weight"]
        try:
            column.flags.writeable = True
        except ValueError:
            column = column.base
        column += 1
    return Counter.examples(self, pool)


def _began_anew(self, job):
    for path in job.checkpoints.iterdir():
        path.unlink()
    return Counter.train(self, job)


def _said(**change):
    def judge(self, model, dataset, device):
        return dataclasses.replace(Counter.judge(self, model, dataset, device), **change)

    return {"judge": judge}


def _spoiling(method):
    def spoil(self, model, given, device):
        (model / "cache").write_text("x")
        return getattr(Counter, method)(self, model, given, device)

    return {method: spoil}


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        ({"describe": lambda self: None}, "describe returned NoneType, expected a Description"),
        (describing(summary=" "), "describe: summary = ' ', expected a few words"),
        (describing(modes=("big",)), "describe: modes = ('big',), expected some of full, lora"),
        (describing(needs=("stars",)), "describe: needs = ('stars',), expected some of score, up"),
        (describing(metrics=()), "describe: metrics = (), expected at least one, each name once"),
        (describing(devices=()), "describe: devices = (), expected some of cpu, cuda"),
        (describing(memory_bytes=-1), "describe: memory_bytes = -1, expected 0 or more"),
        ({"examples": _force}, "examples of one example: it changed the pool it was given"),
        ({"examples": _raise}, "examples of an empty pool raised KeyError: 'budget'"),
        ({"examples": lambda self, pool: iter(())}, "expected something with a length: how many examples"),
        ({"examples": lambda self, pool: [1]}, "examples of an empty pool: 1 examples of nothing"),
        ({"examples": lambda self, pool: []}, "the lesson teaches it nothing; give it a method toy(folder)"),
        (
            {"examples": lambda self, pool: Counter.examples(self, pool) + [str(random.random())] * bool(pool)},
            "drew from the global random generators; expected job.rng",
        ),
        (training(_raise), "train (whole) raised KeyError: 'budget'"),
        (training(lambda job, ended: 3), "train returned int, expected a Trained"),
        (
            training(lambda job, ended: Trained("unhealthy", {}, (), "nan")),
            "train ended as 'unhealthy' (nan), expected",
        ),
        (training(lambda job, ended: Trained("finished", {"loss": np.nan})), "train: metric 'loss' is nan, expected"),
        (
            training(lambda job, ended: (job.out / "counts.json").unlink(missing_ok=True)),
            "train left nothing in job.out, expected a model",
        ),
        (
            training(lambda job, ended: (job.out / "card.json").write_text("{}") and None),
            "train left card.json in job.out, expected another name",
        ),
        (training(lambda job, ended: job.log({"step": 3})), "job.log was told (3, None) as step and steps"),
        (training(lambda job, ended: job.log({"step": 1, "steps": 84})), "job.log was told steps that do not rise"),
        (
            training(lambda job, ended: (job.out.parent / "cache").mkdir(exist_ok=True)),
            "train wrote cache beside job.out, expected nothing there",
        ),
        (training(_write_chance(lambda job: random.random())), "train (whole) drew from the global random generators"),
        (training(_write_chance(lambda job: np.random.rand())), "two trainings from one seed left different bytes in"),
        (training(_write_chance(_called_twice)), "left different bytes in chance; chance comes from job.rng"),
        (training(_call_home), "it called socket.connect; nothing may leave the box"),
        (training(_ask_for_home), "it called socket.getaddrinfo; nothing may leave the box"),
        (training(_call_home), "train (whole) raised NoNetwork: socket.connect: nothing leaves the box"),
        (
            training(lambda job, ended: dataclasses.replace(ended, state="finished")),
            "of 84, it ended as 'finished', expected 'paused'",
        ),
        (
            training(lambda job, ended: (job.out / "early").write_text("x") and None),
            "paused, it left early in job.out, expected nothing before it is finished",
        ),
        ({"train": _began_anew}, "it began anew; expected the steps that were left"),
        (_said(per_example={}), "judge: metric 'correct' has shape (0,), expected one finite number for each of 21"),
        (_said(per_example={"correct": np.full(21, np.nan)}), "judge: metric 'correct' has one that is not finite"),
        (_said(overall={}), "judge: overall['correct'] is None, expected a finite number"),
        ({"judge": lambda self, model, dataset, device: {}}, "judge returned dict, expected a Judged"),
        (_spoiling("judge"), "judge changed the model's folder"),
        (_spoiling("predict"), "predict changed the model's folder"),
        ({"predict": lambda self, model, inputs, device: ["a"]}, "predict gave 1 answers for 21 inputs"),
        ({"predict": lambda self, model, inputs, device: ["a"] * 21}, "predict gave answers for no inputs"),
        ({"predict": _raise}, "predict raised KeyError"),
        ({"export": lambda self, model, out, form: None}, "export took 'no such form', expected an error that names"),
        ({"export": _raise}, "export refused a form that there is not with KeyError: 'budget', expected words"),
        ({"toy": _raise}, "toy raised KeyError: 'budget'; expected a Toy"),
    ],
)
def test_each_broken_promise_is_found(methods, told):
    """And named, with what was expected."""
    found = problems(**methods)
    assert any(told in problem for problem in found), found


def test_a_pause_that_loses_something_is_found():
    """What was counted before it is missing afterwards; or the checkpoint is somewhere else."""

    def train(self, job):
        ended = Counter.train(self, job)
        saved = job.checkpoints / "counts.json"
        if ended.state == "paused":
            saved.write_text(json.dumps([json.loads(saved.read_text())[0], {}]))
        return ended

    (found,) = problems(train=train)
    assert found.startswith("paused after step ")
    assert found.endswith("and gone on, it left other bytes in counts.json than without the pause")


def test_a_pause_without_a_checkpoint_is_found():
    """Nothing is there to go on from."""

    def forgetful(self, job):
        ended = Counter.train(self, job)
        for path in job.checkpoints.iterdir():
            path.unlink()
        return ended

    assert "paused, it left nothing in job.checkpoints" in problems(train=forgetful)


def test_what_is_written_elsewhere_is_told(tmp_path):
    """With its path, by whatever way of Python's it was written."""
    found = problems(**training(lambda job, ended: (tmp_path / "cache").write_text("x") and None))
    assert found == [f"it wrote {tmp_path / 'cache'}; expected job.out and job.checkpoints alone"]
    found = problems(**training(lambda job, ended: (tmp_path / "folder").mkdir(exist_ok=True)))
    assert found == [f"it wrote {tmp_path / 'folder'}; expected job.out and job.checkpoints alone"]


def test_a_lesson_of_its_own_is_used():
    """With its settings and the base model that it wrote."""
    seen = []

    def toy(self, folder):
        (folder / "base").mkdir()
        return Toy(lesson_pool(30), lesson_pool(10, 4), Counter.Settings(noise=1.0), folder / "base")

    def train(self, job):
        seen.append((job.settings.noise, len(job.dataset), job.base_model.name, self.settings is job.settings))
        return Counter.train(self, job)

    assert problems(toy=toy, train=train) == []
    assert set(seen) == {(1.0, 30, "base", True)}


def test_a_lesson_of_one_step_is_too_small_to_try_a_pause():
    """And the author is told."""
    toy = lambda self, folder: Toy(lesson_pool(1), lesson_pool(1, 4))  # noqa: E731
    assert problems(toy=toy) == ["the lesson is learnt in 1 steps, expected at least 2: a pause cannot be tried"]


def test_the_global_generators_are_afterwards_as_before():
    """Whoever checks a plugin in the midst of something goes on as if nothing had been."""
    random.seed(5)
    np.random.seed(5)
    wanted = random.random(), np.random.rand()
    random.seed(5)
    np.random.seed(5)
    problems()
    assert (random.random(), np.random.rand()) == wanted


def test_a_lesson_can_be_learnt_and_says_everything():
    """The same for the same seed; its words say what is right."""
    pool = lesson_pool(70)
    assert isinstance(pool, Pool)
    for said in ("correction", "up", "down", "score", "category", "better", "worse"):
        assert pool.says(said).sum() == 10
    assert pool.texts([3]) == lesson_pool(70).texts([3])
    assert pool.texts([3]) != lesson_pool(70, seed=4).texts([3])
    assert lesson_pool(5, first=100)["example"].tolist() == [100, 101, 102, 103, 104]
    assert lesson_pool(5, first=100).texts([0]) == lesson_pool(5).texts([0])
    assert len(lesson_pool(0)) == 0


def test_nothing_is_left_behind():
    """The folder of the check is gone, also when it found something."""
    before = set(Path("/tmp").glob("adaptd-check-*"))
    problems(**training(_raise))
    assert set(Path("/tmp").glob("adaptd-check-*")) <= before
