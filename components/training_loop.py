"""One training loop for every model: read from top to bottom, it is the story of a run.

Each step draws its rows, adds up weighted losses over micro-batches, clips, looks at its own health, steps, averages,
and now and then evaluates and saves. A run that was paused or killed goes on from its newest checkpoint to the same
last bit on the CPU: the order of rows is a function of the step, everything else is in the checkpoint. It does not know
what it trains: a task brings rows, losses and metrics. No pickle, no wall clock, no hidden chance. What is no number
sends a run back to its newest checkpoint once; the second time it ends.

>>> import tempfile, torch
>>> x = torch.linspace(-1, 1, 64)[:, None]
>>> task = Task(rows=64, collate=lambda rows, rng: (x[rows], 3 * x[rows] + 1),
...             losses=lambda model, batch, part: {"square": (model(batch[0]) - batch[1]).square().mean(1)})
>>> with tempfile.TemporaryDirectory() as folder:
...     model = torch.nn.Linear(1, 1)
...     done = train(model, task, Plan(max_steps=300, batch_size=16, learning_rate=0.05), Path(folder))
>>> done.state, done.step, round(model.weight.item(), 1), round(model.bias.item(), 1)
('finished', 300, 3.0, 1.0)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components import checkpoints
from components.bad_input import BadInput
from components.batch_order import BatchOrder, step_rng
from components.checkpoints import Checkpoint
from components.schedules import Plateau, factor
from components.training_health import NOT_A_NUMBER, Finding, Rules
from components.training_plan import Outcome, Part, Plan, State, Task, row_lengths, row_weights
from components.training_state import (
    Swapped,
    copy_into,
    optimiser_state,
    restore_optimiser,
    set_chance,
    state_of_chance,
)
from components.weight_averaging import WeightAverage

if TYPE_CHECKING:
    import torch

__all__ = ["Outcome", "Part", "Plan", "Task", "train"]


def train(
    model: torch.nn.Module,
    task: Task,
    plan: Plan,
    folder: Path,
    *,
    parts: Sequence[Part] | None = None,
    device: str = "cpu",
    log: Callable[[Mapping[str, float]], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Trains the model in place; with checkpoints in `folder`, goes on from the newest of them.

    Where there is validation, the best weights are in the model at the end; else the last, or their average.
    """
    run = _Run(model, task, plan, folder, parts, device)
    run.resume()
    while run.step < run.steps:
        if should_stop():
            run.save()
            return run.outcome("paused")

        # One step: the effective batch, in as many pieces as fit.
        rows = run.rows[run.order.rows_of(run.step)]  # (batch,)
        losses = run.learn_from(rows)
        problem = run.rules.after_step(run.step, losses)
        if problem is not None and problem.ends:  # the weights are still those before this step
            if run.goes_back(problem):
                continue
            return run.outcome("unhealthy", problem)
        rate = run.apply()
        run.flag(problem)

        run.step += 1
        run.history.append(losses)
        log({"step": run.step, "steps": run.steps, **losses, "learning_rate": rate})

        if run.is_time(plan.evaluate_every) or run.step == run.steps:
            problem = run.evaluate()
            if problem is not None and problem.ends:
                if run.goes_back(problem):
                    continue
                return run.outcome("unhealthy", problem)
            run.flag(problem)
            if plan.patience is not None and run.without_better >= plan.patience:
                run.finish()
                return run.outcome("stopped early")
        if run.is_time(plan.checkpoint_every):
            run.save()
    run.finish()
    return run.outcome("finished")


class _Run:
    """Everything that changes while a run goes on."""

    def __init__(
        self,
        model: torch.nn.Module,
        task: Task,
        plan: Plan,
        folder: Path,
        parts: Sequence[Part] | None,
        device: str,
    ) -> None:
        import torch

        self.model, self.task, self.plan, self.folder, self.device = model.to(device), task, plan, folder, device
        self.weights = row_weights(task)
        self.rows = np.flatnonzero(self.weights)  # a row without weight is no row
        lengths = row_lengths(task)[self.rows] if plan.bucket_by_length and task.lengths is not None else None
        self.order = BatchOrder(len(self.rows), plan.batch_size, plan.seed, lengths)
        self.steps = plan.max_steps or max(1, math.ceil(plan.epochs * self.order.steps_per_epoch))
        self.micro_batch_size = min(plan.micro_batch_size or plan.batch_size, plan.batch_size)
        self.parts = list(parts) if parts else [Part(name="all", parameters=list(model.parameters()))]
        self.optimisers = [self._optimiser(part) for part in self.parts]
        self.scaler = torch.amp.GradScaler(device, enabled=plan.precision == "float16" and device.startswith("cuda"))
        self.average = None if plan.ema_decay is None else WeightAverage(self.learnt(), plan.ema_decay)
        self.step, self.history, self.evaluations = 0, [], []  # type: ignore[var-annotated]
        self.rules, self.plateau, self.flags = Rules(), Plateau(), []  # type: ignore[var-annotated]
        self.best: dict[str, torch.Tensor] | None = None
        self.best_step: int | None = None
        self.best_metric: float | None = None
        self.without_better, self.went_back = 0, False
        torch.manual_seed(plan.seed)

    def _optimiser(self, part: Part) -> torch.optim.Optimizer:
        import torch

        learnt = [parameter for parameter in part.parameters if parameter.requires_grad]
        if not learnt:
            raise BadInput(f"part {part.name!r}", "no parameter that learns", "at least one with requires_grad")
        decay = self.plan.weight_decay if part.weight_decay is None else part.weight_decay
        fused = all(one.is_floating_point() and one.device.type in ("cpu", "cuda") for one in learnt)
        return torch.optim.AdamW(learnt, lr=self._base_rate(part), weight_decay=decay, fused=fused or None)

    def _base_rate(self, part: Part) -> float:
        return self.plan.learning_rate if part.learning_rate is None else part.learning_rate

    def rate_factor(self) -> float:
        """What every part's learning rate is multiplied with at this step."""
        warmup = round(self.plan.warmup_share * self.steps)
        return factor(self.plan.schedule, self.step, steps=self.steps, warmup=warmup) * self.plateau.factor

    def is_time(self, every: int | None) -> bool:
        return every is not None and self.step % every == 0

    # The step

    def learn_from(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """Gradients of the whole effective batch, part after part; memory that ran out halves the pieces."""
        import torch

        state = state_of_chance()
        while True:
            try:
                return self._gradients(rows)
            except torch.OutOfMemoryError:
                if self.micro_batch_size == 1:
                    raise
                self.micro_batch_size = -(-self.micro_batch_size // 2)
                self.flags.append(f"out of memory at step {self.step}: {self.micro_batch_size} rows at once from here")
                set_chance(state)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()

    def _gradients(self, rows: NDArray[np.int64]) -> dict[str, float]:
        told: dict[str, float] = {}
        whole = float(self.weights[rows].sum())  # the weight of the effective batch: pieces are divided by it
        for part, optimiser in zip(self.parts, self.optimisers, strict=True):
            optimiser.zero_grad(set_to_none=True)
            for start in range(0, len(rows), self.micro_batch_size):
                piece = rows[start : start + self.micro_batch_size]
                self._learn_piece(part, piece, whole, told, start)
        told["loss"] = sum(self.task.loss_weights.get(name, 1.0) * loss for name, loss in told.items())
        norm = sum(self._clip(optimiser) ** 2 for optimiser in self.optimisers) ** 0.5
        if not self.scaler.is_enabled():  # which skips steps whose gradients overflowed
            told["gradient_norm"] = norm
        return told

    def _clip(self, optimiser: torch.optim.Optimizer) -> float:
        """Cuts the gradients to the plan's norm; returns the norm that they had."""
        import torch

        self.scaler.unscale_(optimiser)
        limit = math.inf if self.plan.max_grad_norm is None else self.plan.max_grad_norm
        return float(torch.nn.utils.clip_grad_norm_(_parameters(optimiser), limit))

    def _learn_piece(
        self, part: Part, piece: NDArray[np.int64], whole: float, told: dict[str, float], start: int
    ) -> None:
        import torch

        batch = self.task.collate(piece, step_rng(self.plan.seed, self.step, start))
        weights = torch.as_tensor(self.weights[piece], dtype=torch.float32, device=self.device)  # (piece,)
        dtype = getattr(torch, self.plan.precision)
        self.model.train()
        with torch.autocast(self.device.partition(":")[0], dtype=dtype, enabled=self.plan.precision != "float32"):
            losses = self.task.losses(self.model, batch, part.name)  # (piece,) each
        total = torch.zeros((), device=self.device)
        for name, loss in losses.items():
            if loss.shape != weights.shape:
                raise BadInput(f"loss {name!r}", tuple(loss.shape), f"one number for each of {len(piece)} rows")
            mean = (weights * loss.float()).sum() / whole
            total = total + self.task.loss_weights.get(name, 1.0) * mean
            told[name] = told.get(name, 0.0) + float(mean.detach())
        learnt = [parameter for parameter in part.parameters if parameter.requires_grad]
        self.scaler.scale(total).backward(inputs=learnt)

    def apply(self) -> float:
        """Step and average; returns the plan's learning rate as it was at this step."""
        rate = self.rate_factor()
        for part, optimiser in zip(self.parts, self.optimisers, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = self._base_rate(part) * rate
            self.scaler.step(optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.learnt())
        return rate * self.plan.learning_rate

    def flag(self, finding: Finding | None) -> None:
        if finding is not None:
            self.flags.append(str(finding))

    def goes_back(self, finding: Finding) -> bool:
        """Once in a run, what is no number sends it back to the newest checkpoint, when there is one.

        To the same rows and the same chance: a slip of the machine passes and leaves no trace in the weights; what the
        data or the plan are to blame for comes again, and ends the run.
        """
        found, _ = checkpoints.newest(self.folder)
        if finding.rule != NOT_A_NUMBER or self.went_back or found is None:
            return False
        self.flags = []  # those since then are raised again
        self._restore(found)
        self.went_back = True
        self.flags.append(f"{finding}; gone back to step {found.step}")
        self.save()  # a kill before the next checkpoint must not make this the first time again
        return True

    # Evaluating

    def evaluate(self) -> Finding | None:
        """Metrics of the weights that would be handed out; remembers the best."""
        if self.task.evaluate is None:
            return None
        chance = state_of_chance()
        with self._handed_out():
            self.model.eval()
            metrics = {name: float(value) for name, value in self.task.evaluate(self.model).items()}
            self.evaluations.append({"step": float(self.step), **metrics})
            finding = self.rules.after_evaluation(self.step, self.rules.smoothed or 0.0, metrics)
            if finding is None or not finding.ends:
                self._watch(metrics)
        set_chance(chance)  # however often somebody evaluates, training draws the same
        return finding

    def _watch(self, metrics: Mapping[str, float]) -> None:
        metric = metrics.get(self.plan.watch)
        if metric is None:
            if self.plan.patience is not None or self.plan.schedule == "plateau":
                raise BadInput("watch", self.plan.watch, f"one of the metrics, {', '.join(metrics)}")
            return
        self.plateau = self.plateau.after(metric) if self.plan.schedule == "plateau" else self.plateau
        if self.best_metric is not None and metric <= self.best_metric:
            self.without_better += 1
            return
        self.best_metric, self.best_step, self.without_better = metric, self.step, 0
        self.best = {name: tensor.detach().clone() for name, tensor in self.learnt().items()}

    def _handed_out(self) -> Swapped:
        return Swapped(self.learnt(), self.average.tensors if self.average is not None else {})

    def finish(self) -> None:
        """The weights to hand out go into the model: the best, or the average, or the last."""
        if self.best is None and self.average is not None:
            self.best = self.average.tensors
        if self.best is not None:
            copy_into(self.learnt(), self.best)
        self.model.eval()

    def outcome(self, state: State, problem: Finding | None = None) -> Outcome:
        told = None if problem is None else str(problem)
        return Outcome(
            state=state,
            step=self.step,
            history=self.history,
            evaluations=self.evaluations,
            best_step=self.best_step,
            micro_batch_size=self.micro_batch_size,
            flags=self.flags,
            problem=told,
        )

    # Saving and going on

    def learnt(self) -> dict[str, torch.Tensor]:
        """What training changes: parameters that learn, and buffers. A frozen base model is not saved with it."""
        learning = {name for name, one in self.model.named_parameters() if one.requires_grad}
        buffers = {name for name, _ in self.model.named_buffers()}
        whole = self.model.state_dict(keep_vars=True)
        return {name: tensor for name, tensor in whole.items() if name in learning | buffers}

    def save(self) -> None:
        tensors = {"model": self.learnt()}
        scalars: dict[str, Any] = {}
        for part, optimiser in zip(self.parts, self.optimisers, strict=True):
            tensors[f"optimiser-{part.name}"], scalars[part.name] = optimiser_state(optimiser)
        if self.average is not None:
            tensors["average"] = self.average.tensors
        if self.best is not None:
            tensors["best"] = self.best
        values = {
            "plan": self._fingerprint(),
            "optimisers": scalars,
            "average_updates": self.average.updates if self.average is not None else 0,
            "history": self.history,
            "evaluations": self.evaluations,
            "rules": self.rules.state(),
            "plateau": asdict(self.plateau),
            "best_step": self.best_step,
            "best_metric": self.best_metric,
            "without_better": self.without_better,
            "went_back": self.went_back,
            "micro_batch_size": self.micro_batch_size,
            "flags": self.flags,
            "scaler": self.scaler.state_dict(),
            "chance": state_of_chance(),
        }
        checkpoints.save(self.folder, Checkpoint(self.step, tensors, values), self.plan.keep_checkpoints)

    def resume(self) -> None:
        """From the newest whole checkpoint, when there is one; else the beginning is saved, where any is to be."""
        checkpoints.clean(self.folder)
        found, not_whole = checkpoints.newest(self.folder)
        self.flags += [f"passed over {one.folder.name}: {one.why}" for one in not_whole]
        if found is not None:
            self._restore(found)
        elif self.plan.checkpoint_every is not None:
            self.save()

    def _restore(self, found: Checkpoint) -> None:
        values = found.values
        if values["plan"] != self._fingerprint():
            step = "Give it the folder of its own run, or an empty one."
            raise BadInput("checkpoints", str(self.folder), "those of this plan, these parts and this data", step)
        copy_into(self.learnt(), found.tensors["model"])
        for part, optimiser in zip(self.parts, self.optimisers, strict=True):
            restore_optimiser(optimiser, found.tensors[f"optimiser-{part.name}"], values["optimisers"][part.name])
        if self.average is not None:
            copy_into(self.average.tensors, found.tensors["average"])
            self.average.updates = values["average_updates"]
        self.best = (
            {name: one.to(self.device) for name, one in found.tensors["best"].items()}
            if "best" in found.tensors
            else None
        )
        self.step, self.history, self.evaluations = found.step, values["history"], values["evaluations"]
        self.rules, self.plateau = Rules.restored(values["rules"]), Plateau(**values["plateau"])
        self.best_step, self.best_metric = values["best_step"], values["best_metric"]
        self.without_better, self.went_back = values["without_better"], values["went_back"]
        self.micro_batch_size = values["micro_batch_size"]
        self.flags = values["flags"] + [flag for flag in self.flags if flag not in values["flags"]]
        self.scaler.load_state_dict(values["scaler"])
        set_chance(values["chance"])

    def _fingerprint(self) -> str:
        """What a checkpoint must agree with; how much fits into memory may differ."""
        plan = {
            name: value
            for name, value in asdict(self.plan).items()
            if name not in ("micro_batch_size", "keep_checkpoints")
        }
        shapes = {name: list(tensor.shape) for name, tensor in self.learnt().items()}
        parts = [[part.name, part.learning_rate, part.weight_decay] for part in self.parts]
        told = [plan, parts, shapes, self.task.rows, self.task.version, dict(self.task.loss_weights)]
        hashed = blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16)
        hashed.update(self.weights.tobytes())
        if self.order.lengths is not None:
            hashed.update(self.order.lengths.tobytes())
        return hashed.hexdigest()


def _parameters(optimiser: torch.optim.Optimizer) -> Iterator[torch.nn.Parameter]:
    for group in optimiser.param_groups:
        yield from group["params"]
