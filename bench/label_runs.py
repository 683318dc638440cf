"""One curve: a strategy asks for labels step by step, and a probe learns from them. Kept on disk when it is done.

A strategy that passes its CPU seconds is stopped where it stands, by the kernel's timer of this process's CPU time, and
says how far it came. A curve that is on disk for the same texts, vectors, code and settings is not run again.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.asking import Situation, Strategy, ours, random_rows
from bench.labelled_texts import LabelledTexts
from bench.probe import Probe, accuracy, macro_f1

PROTOCOL = 1  # to be raised when what is done here changes: curves of another one are run again
TOLERANCE = 1e-5
PEER_MODULES = {"small_text": "small-text", "skactiveml": "scikit-activeml"}


@dataclass(frozen=True, slots=True)
class Steps:
    """After how many labels the probe is asked: start, then one step more, to the budget."""

    start: int
    step: int
    budget: int

    def within(self, pool: int) -> Steps:
        """The same for a pool that is smaller than the budget."""
        if pool >= self.budget:
            return self
        step = max(1, min(self.step, pool // 10))
        return Steps(min(self.start, step), step, pool)

    @property
    def counts(self) -> list[int]:
        return [*range(self.start, self.budget, self.step), self.budget]


@dataclass(frozen=True, slots=True)
class Task:
    """A curve to be run: what, by whom, with which seed. `texts_folder` holds what `lay_out` wrote."""

    texts_folder: str
    curves_folder: str
    strategy: str  # "" for the score of all labels together
    seed: int
    steps: Steps
    limit_seconds: float
    key: str

    @property
    def path(self) -> Path:
        name = self.strategy.replace(" ", "-") or "all-labels"
        return Path(self.curves_folder) / f"{Path(self.texts_folder).name}-{name}-{self.seed}-{self.key}.json"


class TimeIsUp(BaseException):
    """No Exception: a peer that catches those is stopped all the same."""


def lay_out(data: LabelledTexts, vectors: Any, cache: Path) -> Path:
    """Write what a child needs of a data set; the folder's name says what it holds."""
    content = hashlib.blake2b(np.round(vectors, 3).astype(np.float32).tobytes(), digest_size=6).hexdigest()
    folder = cache / "texts" / f"{data.name}-{data.fingerprint[:12]}-{content}"
    if not (folder / "labels.npz").exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "vectors.npy", vectors)
        known = {"labels": data.labels, "classes": len(data.classes)}
        known |= {name: rows for name, rows in (("pool", data.pool), ("test", data.test)) if rows is not None}
        np.savez(folder / "unfinished.npz", **known)
        os.replace(folder / "unfinished.npz", folder / "labels.npz")
    return folder


def tasks_of(
    folder: Path, cache: Path, strategy: Strategy | None, seeds: int, steps: Steps, limit_seconds: float
) -> list[Task]:
    """A task for each seed; no strategy means the score of all labels together."""
    name, code = (strategy.name, strategy.fingerprint) if strategy else ("", "")
    settings = [PROTOCOL, TOLERANCE, folder.name, asdict(steps) if strategy else None, code]
    key = hashlib.blake2b(json.dumps(settings).encode(), digest_size=6).hexdigest()
    curves = cache / "curves"
    curves.mkdir(parents=True, exist_ok=True)
    return [Task(str(folder), str(curves), name, seed, steps, limit_seconds, key) for seed in range(seeds)]


def kept(task: Task) -> dict[str, Any] | None:
    """What is on disk of this task, unless it was stopped earlier than it would be today, or failed."""
    try:
        curve: dict[str, Any] = json.loads(task.path.read_text())
    except (OSError, ValueError):
        return None
    stopped_early = curve["status"] == "stopped" and curve["limit_seconds"] < task.limit_seconds
    return None if stopped_early or curve["status"] == "failed" else curve


def run(task: Task) -> dict[str, Any]:
    """Run in a child. What it gives is on disk as well."""
    curve = _all_labels(task) if not task.strategy else _curve(task)
    unfinished = task.path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(curve))
    os.replace(unfinished, task.path)
    return curve


@functools.lru_cache(maxsize=1)
def _loaded(folder: str, seed: int) -> tuple[Any, ...]:
    """Vectors and labels of the pool and of the test, and the number of classes."""
    with np.load(Path(folder) / "labels.npz") as known:
        parts = {name: known[name] for name in known.files}
    vectors, labels = np.load(Path(folder) / "vectors.npy"), parts["labels"]
    data = LabelledTexts("", ("",) * len(labels), labels, (), parts.get("pool"), parts.get("test"))
    pool, test = data.split(seed)
    return vectors[pool], labels[pool], vectors[test], labels[test], int(parts["classes"])


def _all_labels(task: Task) -> dict[str, Any]:
    vectors, labels, test_vectors, test_labels, classes = _loaded(task.texts_folder, task.seed)
    began = time.process_time()
    probe = Probe(classes, tolerance=TOLERANCE).fit(vectors, labels)
    predicted = probe.probabilities(test_vectors).argmax(axis=1)
    return {
        "status": "ended",
        "rows": len(labels),
        "test_rows": len(test_labels),
        "classes": len(np.unique(labels)),
        "accuracy": accuracy(predicted, test_labels),
        "macro_f1": macro_f1(predicted, test_labels, classes),
        "seconds": round(time.process_time() - began, 2),
    }


def _curve(task: Task) -> dict[str, Any]:
    vectors, labels, test_vectors, test_labels, classes = _loaded(task.texts_folder, task.seed)
    strategy = named(task.strategy)
    points: dict[str, list[float]] = {"counts": [], "accuracy": [], "macro_f1": []}
    curve: dict[str, Any] = {"status": "ended", "limit_seconds": task.limit_seconds, "choosing_seconds": 0.0, **points}
    probe, labelled = Probe(classes, tolerance=TOLERANCE), np.empty(0, dtype=np.int64)
    began = time.process_time()
    try:
        with _cpu_limit(task.limit_seconds):
            for count in task.steps.counts:
                asked = time.process_time()
                situation = _situation(vectors, labelled, labels, classes, probe, task.seed)
                labelled = np.concatenate([labelled, _choice(strategy, situation, count - len(labelled))])
                curve["choosing_seconds"] += time.process_time() - asked
                probe.fit(vectors[labelled], labels[labelled])
                predicted = probe.probabilities(test_vectors).argmax(axis=1)
                points["counts"].append(count)
                points["accuracy"].append(accuracy(predicted, test_labels))
                points["macro_f1"].append(macro_f1(predicted, test_labels, classes))
    except TimeIsUp:
        curve |= {"status": "stopped", "why": f"passed {task.limit_seconds:g} CPU seconds"}
    except Exception as error:
        curve |= {"status": "failed", "why": f"{type(error).__name__}: {error}"[:300]}
    return curve | {"seconds": round(time.process_time() - began, 2)}


def _situation(vectors: Any, labelled: Any, labels: Any, classes: int, probe: Probe, seed: int) -> Situation:
    if not len(labelled):
        return Situation(vectors, labelled, labels[labelled], classes, None, None, seed)
    return Situation(vectors, labelled, labels[labelled], classes, probe, probe.probabilities(vectors), seed)


def _choice(strategy: Strategy, situation: Situation, count: int) -> Any:
    """As many new rows as were asked for; anything else is the strategy's error."""
    free = situation.unlabelled
    if len(free) <= count:
        return free
    if not len(situation.labelled) and not strategy.starts_itself:
        return random_rows(situation, count)
    rows = np.asarray(strategy.choose(situation, count), dtype=np.int64)
    if len(rows) != count or len(np.unique(rows)) != count or np.isin(rows, situation.labelled).any():
        raise ValueError(f"chose {len(np.unique(rows))} rows of which some have labels, expected {count} new ones")
    return rows


@functools.cache
def strategies(with_peers: bool = True) -> list[Strategy]:
    """Ours, and where their libraries are installed, the peers'."""
    if not with_peers:
        return ours()
    from bench.asking_peers import peers

    return [*ours(), *peers()]


def missing_peers() -> list[str]:
    """The peers' libraries that are not installed here."""
    return [name for module, name in PEER_MODULES.items() if importlib.util.find_spec(module) is None]


def named(name: str) -> Strategy:
    """The strategy of that name; the peers' libraries are loaded for theirs alone."""
    with_peers = name.startswith(tuple(PEER_MODULES.values()))
    return next(one for one in strategies(with_peers) if one.name == name)


@contextmanager
def _cpu_limit(seconds: float) -> Iterator[None]:
    def end(*_: Any) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
