"""What every workload must hold to, whoever wrote it: the battery that tests and `adaptd plugins check` run.

It trains on a small lesson, twice, and once with a pause; judges, predicts, and looks at what was written. It does not
judge whether the model is any good: the gate does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from adaptd.plugin.checking import copied, equal, other_chance, pools
from adaptd.plugin.lessons import SUBJECTS, lesson_pool
from adaptd.plugin.pool import FEEDBACK, Pool
from adaptd.plugin.watching import watched
from adaptd.plugin.workload import RESERVED, Description, Job, Judged, Toy, Trained

ROWS, HELD_OUT = 84, 21
SEED = 11
Words = Iterator[str]


def problems_of_workload(make: Callable[[], Any]) -> list[str]:
    """What is wrong with a workload, in words; nothing when it holds. `make` gives a new one, with its defaults."""
    with tempfile.TemporaryDirectory(prefix="adaptd-check-") as name, watched(Path(name)) as seen:
        found = list(_problems(make, Path(name)))
    found += [f"it wrote {path}; expected job.out and job.checkpoints alone" for path in sorted(set(seen.written))]
    return found + [f"it called {name}; nothing may leave the box" for name in sorted(set(seen.called))]


def _problems(make: Callable[[], Any], folder: Path) -> Words:
    steps: tuple[Callable[[_Lesson], Words], ...] = (
        _wrong_description,
        _wrong_examples,
        _wrong_training,
        _wrong_again,
        _wrong_pause,
        _wrong_judging,
        _wrong_answers,
        _wrong_export,
    )
    try:
        lesson = _Lesson.of(make, folder)
    except Exception as error:  # noqa: BLE001 whatever an author's code does is what is looked for
        yield f"toy raised {_told(error)}; expected a Toy"
        return
    for step in steps:
        with other_chance(SEED) as drawn:
            try:
                found = list(step(lesson))
            except Exception as error:  # noqa: BLE001 as above
                found = [f"{lesson.doing} raised {_told(error)}"]
        lesson.drew += [lesson.doing] if drawn else []
        yield from found
        for doing in sorted(set(lesson.drew)):
            yield f"{doing} drew from the global random generators; expected job.rng"
        lesson.drew.clear()
        if found and step in (_wrong_description, _wrong_examples, _wrong_training):
            return  # what comes after would tell the same again


@dataclass
class _Run:
    """One training and all that it told."""

    job: Job
    ended: Any  # a Trained, where it holds
    steps: Sequence[Mapping[str, float]]

    def files(self) -> dict[str, str]:
        return _hashes(self.job.out)


@dataclass
class _Lesson:
    """A workload, what it is taught, and how far the battery has come."""

    make: Callable[[], Any]
    folder: Path
    toy: Toy
    held_out: Pool
    doing: str = "describe"
    runs: dict[str, _Run] = field(default_factory=dict)
    drew: list[str] = field(default_factory=list)  # what used the global generators

    @classmethod
    def of(cls, make: Callable[[], Any], folder: Path) -> _Lesson:
        workload = make()
        toys = folder / "toy"
        toys.mkdir()
        toy = workload.toy(toys) if hasattr(workload, "toy") else Toy(lesson_pool(ROWS), lesson_pool(HELD_OUT, 4))
        if toy.settings is not None:
            kind, given = type(workload), toy.settings
            return cls(lambda: kind(given), folder, toy, toy.held_out)
        return cls(make, folder, toy, toy.held_out)

    def train(self, named: str, chance: int, stop_after: int | None = None) -> _Run:
        """One run in a folder of its name, or its continuation; a global generator that it drew from differs."""
        workload, folder = self.make(), self.folder / named
        told: list[Mapping[str, float]] = []
        description: Description = workload.describe()
        (folder / "out").mkdir(parents=True, exist_ok=True)
        (folder / "checkpoints").mkdir(exist_ok=True)
        job = Job(
            dataset=workload.examples(copied(self.toy.pool)),
            validation=workload.examples(copied(self.held_out)),
            base_model=self.toy.base_model,
            out=folder / "out",
            checkpoints=folder / "checkpoints",
            settings=workload.settings,
            mode=description.modes[0],
            device="cpu",
            rng=np.random.default_rng(SEED),
            log=lambda figures: told.append(dict(figures)),
            should_stop=lambda: stop_after is not None and len(told) >= stop_after,
        )
        self.doing = f"train ({named})"
        with other_chance(chance) as drawn:
            self.runs[named] = _Run(job, workload.train(job), told)
        if drawn:
            self.drew.append(self.doing)
        return self.runs[named]


# Each step


def _wrong_description(lesson: _Lesson) -> Words:
    lesson.doing = "describe"
    said = lesson.make().describe()
    if not isinstance(said, Description):
        yield f"describe returned {type(said).__name__}, expected a Description"
        return
    names = [metric.name for metric in said.metrics]
    wrong = {
        "summary": not said.summary.strip(),
        "modes": not said.modes or bool(set(said.modes) - {"full", "lora"}),
        "needs": not said.needs or bool(set(said.needs) - set(FEEDBACK)),
        "metrics": not names or len(set(names)) < len(names),
        "devices": not said.devices or bool(set(said.devices) - {"cpu", "cuda"}),
        "memory_bytes": said.memory_bytes < 0,
    }
    wanted = {
        "summary": "a few words",
        "modes": "some of full, lora",
        "needs": f"some of {', '.join(FEEDBACK)}",
        "metrics": "at least one, each name once",
        "devices": "some of cpu, cuda",
        "memory_bytes": "0 or more",
    }
    for name in (name for name, is_wrong in wrong.items() if is_wrong):
        yield f"describe: {name} = {getattr(said, name)!r}, expected {wanted[name]}"


def _wrong_examples(lesson: _Lesson) -> Words:
    """On pools of all sorts, as long as they are rated."""
    sorts = [
        *pools(),
        ("one subject", lesson_pool(ROWS, subjects=tuple(SUBJECTS)[:1])),
        ("the lesson", lesson.toy.pool),
    ]
    for named, pool in sorts:
        lesson.doing = f"examples of {named}"
        before = copied(pool)
        dataset = lesson.make().examples(pool)
        if not equal(pool, before):
            yield f"{lesson.doing}: it changed the pool it was given"
        if not hasattr(dataset, "__len__"):
            yield f"examples returned {type(dataset).__name__}, expected something with a length: how many examples"
            return
        if len(dataset) > len(pool) and named == "an empty pool":
            yield f"{lesson.doing}: {len(dataset)} examples of nothing"
    for named, pool in (("the lesson", lesson.toy.pool), ("what is held out", lesson.held_out)):
        if not len(lesson.make().examples(pool)):
            yield f"{named} teaches it nothing; give it a method toy(folder) with a Toy that does"


def _wrong_training(lesson: _Lesson) -> Words:
    run = lesson.train("whole", chance=1)
    if not isinstance(run.ended, Trained):
        yield f"train returned {type(run.ended).__name__}, expected a Trained"
        return
    if run.ended.state != "finished":
        yield f"train ended as {run.ended.state!r} ({run.ended.problem}), expected 'finished'"
    yield from (
        f"train: metric {name!r} is {value}, expected a finite number"
        for name, value in run.ended.metrics.items()
        if not np.isfinite(value)
    )
    if not run.files():
        yield "train left nothing in job.out, expected a model"
    for name in sorted(set(RESERVED) & set(run.files())):
        yield f"train left {name} in job.out, expected another name: adaptd puts its own {name} beside a model"
    yield from _wrong_progress(run.steps)
    beside = {path.name for path in run.job.out.parent.iterdir()} - {"out", "checkpoints"}
    yield from (f"train wrote {name} beside job.out, expected nothing there" for name in sorted(beside))


def _wrong_progress(told: Sequence[Mapping[str, float]]) -> Words:
    steps = [(figures.get("step"), figures.get("steps")) for figures in told]
    if not steps or any(step is None or of is None or not 0 < step <= of for step, of in steps):
        found = next((pair for pair in steps if None in pair or not 0 < (pair[0] or 0) <= (pair[1] or 0)), "nothing")
        yield f"job.log was told {found} as step and steps, expected 1 to steps, after each step"
    elif [step for step, _ in steps] != sorted({step for step, _ in steps}):  # type: ignore[type-var]
        yield "job.log was told steps that do not rise"


def _wrong_again(lesson: _Lesson) -> Words:
    again = lesson.train("again", chance=2)
    if again.files() != lesson.runs["whole"].files():
        names = _different(again.files(), lesson.runs["whole"].files())
        yield f"two trainings from one seed left different bytes in {names}; chance comes from job.rng, no time is read"


def _wrong_pause(lesson: _Lesson) -> Words:
    steps = len(lesson.runs["whole"].steps)
    if steps < 2:
        yield f"the lesson is learnt in {steps} steps, expected at least 2: a pause cannot be tried"
        return
    stop_after = int(np.random.default_rng(SEED).integers(1, steps))
    paused = lesson.train("paused", chance=3, stop_after=stop_after)
    if paused.ended.state != "paused":
        yield f"told to stop after step {stop_after} of {steps}, it ended as {paused.ended.state!r}, expected 'paused'"
        return
    if paused.files():
        yield f"paused, it left {', '.join(paused.files())} in job.out, expected nothing before it is finished"
    if not _hashes(paused.job.checkpoints):
        yield "paused, it left nothing in job.checkpoints"
    resumed = lesson.train("paused", chance=4)
    if resumed.files() != lesson.runs["whole"].files():
        names = _different(resumed.files(), lesson.runs["whole"].files())
        yield f"paused after step {stop_after} and gone on, it left other bytes in {names} than without the pause"
    if resumed.ended.state == "finished" and len(resumed.steps) >= steps:
        yield f"gone on after step {stop_after}, it began anew; expected the steps that were left"


def _wrong_judging(lesson: _Lesson) -> Words:
    lesson.doing = "judge"
    workload, model = lesson.make(), lesson.runs["whole"].job.out
    before, dataset = _hashes(model), workload.examples(lesson.held_out)
    judged = workload.judge(model, dataset, "cpu")
    if not isinstance(judged, Judged):
        yield f"judge returned {type(judged).__name__}, expected a Judged"
        return
    for name in (metric.name for metric in workload.describe().metrics):
        values = np.asarray(judged.per_example.get(name, ()), np.float64)
        if values.shape != (len(dataset),) or not np.isfinite(values).all():
            found = f"shape {values.shape}" if values.shape != (len(dataset),) else "one that is not finite"
            yield f"judge: metric {name!r} has {found}, expected one finite number for each of {len(dataset)} examples"
        if not np.isfinite(judged.overall.get(name, np.nan)):
            yield f"judge: overall[{name!r}] is {judged.overall.get(name)}, expected a finite number"
    if _hashes(model) != before:
        yield "judge changed the model's folder"


def _wrong_answers(lesson: _Lesson) -> Words:
    lesson.doing = "predict"
    workload, model = lesson.make(), lesson.runs["whole"].job.out
    before = _hashes(model)
    inputs = [text.get("input", "") for text in lesson.held_out.texts(np.arange(len(lesson.held_out)))]
    answers = workload.predict(model, inputs, "cpu")
    if len(answers) != len(inputs):
        yield f"predict gave {len(answers)} answers for {len(inputs)} inputs"
    if len(workload.predict(model, [], "cpu")):
        yield "predict gave answers for no inputs"
    if _hashes(model) != before:
        yield "predict changed the model's folder"


def _wrong_export(lesson: _Lesson) -> Words:
    lesson.doing = "export"
    out = lesson.folder / "exported"
    out.mkdir()
    try:
        lesson.make().export(lesson.runs["whole"].job.out, out, "no such form")
    except Exception as error:  # noqa: BLE001 any refusal will do that says so
        if "no such form" not in str(error):
            yield f"export refused a form that there is not with {_told(error)}, expected words that name it"
    else:
        yield "export took 'no such form', expected an error that names it and the forms there are"


# What is compared


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in files}


def _different(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    return ", ".join(sorted(name for name in {**one, **other} if one.get(name) != other.get(name)))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
