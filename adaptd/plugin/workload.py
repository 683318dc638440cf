"""The contract of a workload: a class that knows one kind of model, how to train it, judge it and predict with it.

A module in plugins/workloads/, or named in config.toml, has the class under the name WORKLOAD. It runs in a child
process; only `describe` and `examples` are asked for elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin.pool import Pool

RESERVED = ("card.json", "manifest.json")
"""Names that a model's files must not have: adaptd puts its own beside them."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure by which models of this kind are compared."""

    name: str
    higher_is_better: bool = True
    binary: bool = False  # each example is right or wrong: paired tests count flips


@dataclass(frozen=True, slots=True)
class Description:
    """What a workload says of itself before anything is trained."""

    summary: str
    modes: tuple[Literal["full", "lora"], ...]
    needs: tuple[str, ...]  # names of FEEDBACK, any of which an example must have
    metrics: tuple[Metric, ...]  # the first is the target
    devices: tuple[Literal["cpu", "cuda"], ...] = ("cpu", "cuda")
    memory_bytes: int = 0  # a guess of what training takes; 0 is not known


@dataclass(frozen=True, slots=True)
class Job:
    """What a run hands to `train`."""

    dataset: Any  # what `examples` made
    validation: Any
    base_model: Path | None
    out: Path  # an empty folder; what is in it when `train` returns is the model, none of it RESERVED
    checkpoints: Path
    settings: Any
    mode: Literal["full", "lora"]
    device: str
    rng: np.random.Generator
    log: Callable[[Mapping[str, float]], None]  # `step` and `steps` among the figures tell how far it is
    should_stop: Callable[[], bool]  # True: save a checkpoint at this step's end and return


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training ended. Paused: a checkpoint is saved, and the same job goes on from it another time."""

    state: Literal["finished", "paused", "unhealthy"]
    metrics: Mapping[str, float]
    flags: tuple[str, ...] = ()  # what a person should know, though the run went on
    problem: str | None = None  # of an unhealthy one


@dataclass(frozen=True, slots=True)
class Judged:
    """How a model did on each example, and in all."""

    per_example: Mapping[str, NDArray[np.float64]]  # a metric's name → one value per example, in their order
    overall: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Toy:
    """A lesson small enough for the battery: what is learnt, what is held out, and what else is needed for it."""

    pool: Pool
    held_out: Pool
    settings: Any = None  # with which it trains in seconds, in two steps at least; None: the defaults
    base_model: Path | None = None


@runtime_checkable
class Workload(Protocol):
    """Knows one kind of model.

    `Settings` is a frozen dataclass whose fields all have defaults; config.toml fills it, and it is kept as `settings`.

    Optional: `search`, a mapping from settings to the `Range` of each in which `adaptd tune` looks;
    `toy(folder) -> Toy`, for one that learns nothing from the battery's own lesson, or not in seconds, or needs a base
    model, which it writes into the folder; and `baseline(dataset) -> Judged`, what can be had without any model: where
    there is no base model, the first one is promoted above that alone. One whose models make embeddings can have
    indexes with `embed(model, inputs, device)`, an array of a row for each, and `embedding_fingerprint(model)`.
    """

    name: ClassVar[str]
    Settings: ClassVar[type]
    settings: Any

    def __init__(self, settings: Any) -> None: ...

    def describe(self) -> Description: ...

    def examples(self, pool: Pool) -> Any:
        """The dataset: which feedback teaches what. Its length is how many examples it has; of no pool, 0.

        Where it leaves rows of the pool out, its `examples` are the numbers of those that it has, in their order.
        """

    def train(self, job: Job) -> Trained:
        """Trains into job.out. Returns early, its checkpoint saved, when told to stop; goes on from job.checkpoints."""

    def judge(self, model: Path, dataset: Any, device: str) -> Judged: ...

    def predict(self, model: Path, inputs: Sequence[Any], device: str) -> Sequence[Any]: ...

    def export(self, model: Path, out: Path, form: str) -> None: ...
