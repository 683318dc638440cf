"""What a training is asked for, and what is told when it ends: the plan, the parts, the task, and the outcome.

Values that are checked when they are made; how they become steps is `components.training_loop`'s, which hands the names
on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, one_of, whole_number
from components.schedules import SCHEDULES

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float32", "bfloat16", "float16")
State = Literal["finished", "paused", "stopped early", "unhealthy"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to train. The same plan on the same data gives the same weights."""

    epochs: float = 1.0
    max_steps: int | None = None  # in place of epochs
    batch_size: int = 32  # what one step learns from
    micro_batch_size: int | None = None  # what fits into memory at once; None: all of it
    learning_rate: float = 1e-3
    schedule: str = "linear"
    warmup_share: float = 0.0
    weight_decay: float = 0.0
    max_grad_norm: float | None = 1.0
    precision: str = "float32"
    ema_decay: float | None = None
    evaluate_every: int | None = None  # steps
    watch: str = "score"  # the metric that early stopping, plateau and best weights go by; higher is better
    patience: int | None = None  # evaluations without a better one, then the run ends
    checkpoint_every: int | None = None
    keep_checkpoints: int = 2
    bucket_by_length: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate"):
            finite_numbers(name, [getattr(self, name)], low=0.0)
            if getattr(self, name) == 0:
                raise BadInput(name, 0, "more than 0")
        finite_numbers("warmup_share", [self.warmup_share], low=0.0, high=1.0)
        finite_numbers("weight_decay", [self.weight_decay], low=0.0)
        if self.ema_decay is not None:
            finite_numbers("ema_decay", [self.ema_decay], low=0.0, high=1.0)
        for name in ("batch_size", "keep_checkpoints"):
            whole_number(name, getattr(self, name), low=1)
        for name in ("max_steps", "micro_batch_size", "evaluate_every", "patience", "checkpoint_every"):
            if getattr(self, name) is not None:
                whole_number(name, getattr(self, name), low=1)
        whole_number("seed", self.seed)
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("precision", self.precision, PRECISIONS)
        if self.schedule == "plateau" and self.evaluate_every is None:
            raise BadInput("evaluate_every", None, "a number of steps, since the plateau goes by evaluations")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Parameters with an optimiser and losses of their own, as a GAN's two sides have; all step at the step's end."""

    name: str
    parameters: Sequence[torch.nn.Parameter]
    learning_rate: float | None = None  # None: the plan's
    weight_decay: float | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is learnt: how many rows, how they become a batch, and what each of them costs."""

    rows: int
    collate: Callable[[NDArray[np.int64], np.random.Generator], Any]
    losses: Callable[[Any, Any, str], Mapping[str, torch.Tensor]]  # (model, batch, part) → (rows of the batch,) each
    weights: ArrayLike | None = None
    lengths: ArrayLike | None = None
    loss_weights: Mapping[str, float] = field(default_factory=dict)  # 1 where it says nothing
    evaluate: Callable[[Any], Mapping[str, float]] | None = None
    version: str = ""  # of the data: a checkpoint of another version is refused


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended, and what it went through."""

    state: State
    step: int
    history: list[dict[str, float]]  # one for each step
    evaluations: list[dict[str, float]]
    best_step: int | None
    micro_batch_size: int
    flags: list[str]
    problem: str | None = None


def row_weights(task: Task) -> NDArray[np.float64]:
    """What each row weighs; BadInput where they do not fit the task, or nothing weighs anything."""
    if task.weights is None:
        return np.ones(whole_number("rows", task.rows, low=1))
    weights = finite_numbers("weights", task.weights, low=0.0)
    if len(weights) != task.rows or not weights.any():
        raise BadInput("weights", f"{len(weights)} with sum {weights.sum():g}", f"{task.rows}, not all of them 0")
    return weights


def row_lengths(task: Task) -> NDArray[np.float64]:
    """How long each row is; BadInput where they do not fit the task."""
    lengths = finite_numbers("lengths", task.lengths if task.lengths is not None else [], low=0.0)
    if len(lengths) != task.rows:
        raise BadInput("lengths", len(lengths), f"one for each of {task.rows} rows")
    return lengths
