"""This file knows what a new workload begins as: a small model for the shared loop to train, and a test of it."""

from __future__ import annotations

from string import Template

WORKLOAD = Template('''"""Foresee the score that an answer to a question will be given."""

import json
from dataclasses import dataclass

import numpy as np

from adaptd.plugin import Description, Judged, Metric, Trained
from components.example_fields import as_text
from components.hashing_vectors import hashed_vectors
from components.search_space import Range
from components.training_loop import Plan, Task, train

FEATURES = 256


@dataclass(frozen=True)
class Settings:
    epochs: float = 20.0
    learning_rate: float = 0.05
    batch_size: int = 16


@dataclass(frozen=True, eq=False)
class Scored:
    """What it learns from: questions, each with the score of its answer, 0 to 100."""

    inputs: list[str]
    scores: np.ndarray
    weights: np.ndarray

    def __len__(self):
        return len(self.inputs)


class $class_name:
    """What this workload is for, in a sentence; `adaptd plugins show` prints it."""

    name = "$name"
    Settings = Settings
    search = {"learning_rate": Range(0.005, 0.5, log=True), "epochs": Range(5, 40, whole=True)}

    def __init__(self, settings):
        self.settings = settings

    def describe(self):
        return Description(
            summary="foresees scores from hashed n-grams",
            modes=("full",),
            needs=("score",),
            metrics=(Metric("error", higher_is_better=False),),
        )

    def examples(self, pool):
        rows = np.flatnonzero(pool.says("score") & np.isfinite(pool["score"]))
        inputs = [as_text(text.get("input")) for text in pool.texts(rows)]
        return Scored(inputs, pool["score"][rows], pool["weight"][rows])

    def train(self, job):
        import torch
        from safetensors.torch import save_file

        vectors, scores = _tensors(job.dataset)
        model = torch.nn.Linear(FEATURES, 1)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.constant_(model.bias, 0.5)
        task = Task(
            rows=len(job.dataset),
            collate=lambda rows, rng: (vectors[rows], scores[rows]),
            losses=lambda model, batch, part: {"square": (model(batch[0]).squeeze(1) - batch[1]) ** 2},
            weights=job.dataset.weights,
        )
        plan = Plan(
            epochs=job.settings.epochs,
            learning_rate=job.settings.learning_rate,
            batch_size=job.settings.batch_size,
            checkpoint_every=100,
            seed=int(job.rng.integers(1 << 31)),
        )
        done = train(model, task, plan, job.checkpoints, log=job.log, should_stop=job.should_stop)
        metrics = {"loss": done.history[-1]["loss"]}
        if done.state in ("paused", "unhealthy"):
            return Trained(done.state, metrics, tuple(done.flags), done.problem)
        save_file(model.state_dict(), job.out / "model.safetensors")
        (job.out / "about.json").write_text(json.dumps({"workload": self.name, "examples": len(job.dataset)}))
        return Trained("finished", metrics, tuple(done.flags))

    def judge(self, model, dataset, device):
        error = np.abs(np.array(self.predict(model, dataset.inputs, device)) - dataset.scores)
        return Judged({"error": error}, {"error": float(error.mean())} if len(error) else {})

    def predict(self, model, inputs, device):
        from safetensors.numpy import load_file

        weights = load_file(model / "model.safetensors")
        vectors = hashed_vectors([as_text(value) for value in inputs], FEATURES)
        return (100 * (vectors @ weights["weight"][0] + weights["bias"])).tolist()

    def export(self, model, out, form):
        if form != "safetensors":
            raise ValueError(f"form: found {form!r}, expected safetensors")
        (out / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes())


def _tensors(dataset):
    """Vectors (rows, FEATURES), and scores between 0 and 1."""
    import torch

    return torch.tensor(hashed_vectors(dataset.inputs, FEATURES)), torch.tensor(dataset.scores / 100).float()


WORKLOAD = $class_name
''')

TEST = Template('''"""The workload $name holds to the contract of workloads, and does what it is for."""

import importlib.util
import sys
from pathlib import Path

import numpy as np

from adaptd.plugin import Job
from adaptd.plugin.checking import MOMENT
from adaptd.plugin.checking_workloads import problems_of_workload
from adaptd.plugin.lessons import lesson_pool

SPEC = importlib.util.spec_from_file_location("$name", Path(__file__).parent / "$name.py")
$name = importlib.util.module_from_spec(SPEC)
sys.modules["$name"] = $name
SPEC.loader.exec_module($name)


def made():
    return $name.WORKLOAD($name.Settings())


def test_it_holds_to_the_contract():
    """It trains twice to the same bytes, pauses and goes on, judges and predicts."""
    assert problems_of_workload(made) == []


def test_it_learns(tmp_path):
    """After training it errs less than one who always says 50."""
    workload = made()
    lesson = workload.examples(lesson_pool(210))
    job = Job(
        dataset=lesson,
        validation=None,
        base_model=None,
        out=tmp_path,
        checkpoints=tmp_path / "checkpoints",
        settings=workload.settings,
        mode="full",
        device="cpu",
        rng=MOMENT.rng("test"),
        log=lambda figures: None,
        should_stop=lambda: False,
    )
    assert workload.train(job).state == "finished"
    assert workload.judge(tmp_path, lesson, "cpu").overall["error"] < np.abs(lesson.scores - 50).mean()
''')
