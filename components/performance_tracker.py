"""How the models did, evaluation after evaluation: what to validate on, what came out, which was best, when to stop.

The V2 document's tracker: an 80/20 split by artifact type (components/validation_split.py), four metrics for each type
(mean score, success rate at 70 and above, mean reward, latency), the best model, early stopping on a plateau, the
trend, and a drop (components/score_trends.py). What it remembers is a value, `state`: a tuple of evaluations that can
be stored as JSON and restored.

It trains nothing, judges nothing and keeps no model file; a best mean score is no proof that a model is better: the
gate's paired test is.

    >>> tracker = PerformanceTracker()
    >>> for model, scores in (("m1", [60, 72]), ("m2", [75, 81]), ("m3", [70, 88])):
    ...     noted = tracker.record_evaluation(model, scores, ["erd", "erd"])
    >>> noted.metrics["erd"].mean_score, noted.metrics["erd"].success_rate
    (79.0, 1.0)
    >>> tracker.get_performance_trend("erd")["scores"], tracker.best_model("erd").model
    ([66.0, 78.0, 79.0], 'm3')
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):  # python components/performance_tracker.py
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, same_length, whole_number
from components.bad_input import scores as checked_scores
from components.category_columns import Coded, coded
from components.example_fields import as_text, column, field
from components.score_trends import Drop, Plateau, drop_of, plateau_of, trend_of
from components.validation_split import input_key, split_rows

Floats = NDArray[np.float64]
ALL = "all"  # the name under which every artifact type together is found
STATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Metrics:
    """What an evaluation found of one artifact type; NaN where nothing was given."""

    examples: int
    mean_score: float
    score_error: float  # standard error of the mean score; NaN of one example
    success_rate: float  # share of scores at `success_score` and above
    mean_reward: float
    mean_latency_ms: float
    latency_ms_p95: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One model, evaluated once: its metrics for each artifact type, and for `all`."""

    number: int  # counted from 1
    model: str
    metrics: Mapping[str, Metrics]


@dataclass(frozen=True, slots=True)
class Noted:
    """What an evaluation changes: its metrics, whether it is the best so far, and whether it is time to stop."""

    number: int
    metrics: Mapping[str, Metrics]
    is_best: bool
    plateau: Plateau


class PerformanceTracker:
    """Splits, measures and remembers evaluations; `state` is all that it remembers."""

    def __init__(
        self,
        validation_share: float = 0.2,
        success_score: float = 70.0,
        *,
        patience: int = 3,
        least_gain: float = 0.5,
        seed: int = 0,
        state: Iterable[Evaluation] = (),
    ) -> None:
        self.validation_share = validation_share
        self.success_score = float(checked_scores("success_score", [success_score])[0])
        self.patience = whole_number("patience", patience, low=1)
        self.least_gain = float(finite_numbers("least_gain", [least_gain], low=0.0)[0])
        self.seed = whole_number("seed", seed)
        self.state: tuple[Evaluation, ...] = tuple(state)
        split_rows([], [], share=validation_share)  # complains of a share that is none, now rather than at the split

    # Splitting

    def split_train_validation(self, examples: Iterable[Any]) -> tuple[list[Any], list[Any]]:
        """The caller's own examples, in their order: those to train on, and those to validate on.

        Equal inputs go together; an example without an input is told apart by its id.
        """
        rows = list(examples)
        keys = np.array([input_key(_identity(row)) for row in rows], np.uint64)
        types = [getattr(kind, "value", kind) for kind in column(rows, "artifact_type")]
        validated = split_rows(types, keys, share=self.validation_share, seed=self.seed).tolist()
        sides: tuple[list[Any], list[Any]] = ([], [])
        for row, side in zip(rows, validated, strict=True):
            sides[side].append(row)
        return sides

    # Measuring

    def measure(
        self,
        scores: ArrayLike,
        artifact_types: Any = None,
        rewards: ArrayLike | None = None,
        latencies_ms: ArrayLike | None = None,
    ) -> dict[str, Metrics]:
        """The metrics of each artifact type that is there, by name, and of `all`; columns in, nothing remembered.

        Rows without a type count in `all` alone. NaN in rewards and latencies says that there was none.
        """
        numbers = checked_scores("scores", scores)
        given = {"rewards": rewards, "latencies_ms": latencies_ms}
        columns = {name: _numbers_or_nan(name, values, len(numbers)) for name, values in given.items()}
        if not len(numbers):
            raise BadInput("scores", "no evaluated example", "at least one")
        found = coded("artifact_types", [None] * len(numbers) if artifact_types is None else artifact_types)
        same_length(scores=numbers, artifact_types=found.codes)
        parts = {ALL: np.arange(len(numbers))} | _rows_of_types(found)
        return {
            name: self._metrics(numbers[rows], *(part[rows] for part in columns.values()))
            for name, rows in parts.items()
        }

    def _metrics(self, scores: Floats, rewards: Floats, latencies: Floats) -> Metrics:
        rewarded, timed = rewards[~np.isnan(rewards)], latencies[~np.isnan(latencies)]
        return Metrics(
            examples=len(scores),
            mean_score=float(scores.mean()),
            score_error=float(scores.std(ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else np.nan,
            success_rate=float((scores >= self.success_score).mean()),
            mean_reward=float(rewarded.mean()) if len(rewarded) else np.nan,
            mean_latency_ms=float(timed.mean()) if len(timed) else np.nan,
            latency_ms_p95=float(np.quantile(timed, 0.95)) if len(timed) else np.nan,
        )

    # Remembering

    def record_evaluation(
        self,
        model: str,
        scores: ArrayLike,
        artifact_types: Any = None,
        rewards: ArrayLike | None = None,
        latencies_ms: ArrayLike | None = None,
    ) -> Noted:
        """Measures a model and remembers it: a score per example, and what else is known of each."""
        name = _model_name(model)
        metrics = self.measure(scores, artifact_types, rewards, latencies_ms)
        number = self.state[-1].number + 1 if self.state else 1
        self.state = (*self.state, Evaluation(number, name, metrics))
        best = self.best_model()
        return Noted(number, metrics, best is not None and best.number == number, self.plateau())

    def record_examples(self, model: str, examples: Iterable[Any]) -> Noted:
        """The same for examples that carry score, artifact type, reward and latency themselves."""
        rows = list(examples)
        extra = [
            [np.nan if value is None else value for value in column(rows, name)] for name in ("reward", "latency_ms")
        ]
        types = [getattr(kind, "value", kind) for kind in column(rows, "artifact_type")]
        return self.record_evaluation(model, column(rows, "score"), types, *extra)

    def best_model(self, artifact_type: str = ALL) -> Evaluation | None:
        """The evaluation with the highest mean score, the earliest of equals; None before there is one."""
        seen = self._seen(artifact_type)
        return max(seen, key=lambda one: one.metrics[artifact_type].mean_score, default=None)

    def plateau(self, artifact_type: str = ALL) -> Plateau:
        """Whether the last `patience` evaluations brought no gain: the moment for early stopping."""
        scores = [one.metrics[artifact_type].mean_score for one in self._seen(artifact_type)]
        return plateau_of(scores, patience=self.patience, least_gain=self.least_gain)

    def should_stop(self, artifact_type: str = ALL) -> bool:
        """Early stopping: True on a plateau."""
        return self.plateau(artifact_type).reached

    def drop(self, artifact_type: str = ALL, *, least_drop: float = 1.0) -> Drop | None:
        """That the newest evaluation lies below an earlier one by more than noise; None where it does not."""
        metrics = [one.metrics[artifact_type] for one in self._seen(artifact_type)]
        scores, errors = [one.mean_score for one in metrics], [one.score_error for one in metrics]
        return drop_of(scores, errors, least_drop=least_drop)

    def get_performance_trend(self, artifact_type: str = ALL) -> dict[str, Any]:
        """How an artifact type did, evaluation after evaluation; empty lists for one that was never evaluated."""
        seen = self._seen(artifact_type)
        metrics = [one.metrics[artifact_type] for one in seen]
        scores = [one.mean_score for one in metrics]
        trend, plateau = trend_of(scores), plateau_of(scores, patience=self.patience, least_gain=self.least_gain)
        return {
            "artifact_type": artifact_type,
            "scores": scores,
            "score_errors": [one.score_error for one in metrics],
            "success_rates": [one.success_rate for one in metrics],
            "rewards": [one.mean_reward for one in metrics],
            "latencies_ms": [one.mean_latency_ms for one in metrics],
            "examples": [one.examples for one in metrics],
            "models": [one.model for one in seen],
            "slope": trend.slope,
            "direction": trend.direction,
            "plateaued": plateau.reached,
            "best_score": scores[plateau.best] if plateau.best is not None else None,
        }

    def _seen(self, artifact_type: str) -> list[Evaluation]:
        return [one for one in self.state if artifact_type in one.metrics]

    # Storing

    def state_as_json(self) -> dict[str, Any]:
        """All that is remembered, as plain values that JSON can hold; NaN becomes None."""
        return {"version": STATE_VERSION, "evaluations": [_plain(asdict(one)) for one in self.state]}

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Takes the place of what is remembered by what `state_as_json` gave."""
        if stored.get("version") != STATE_VERSION:
            raise BadInput("tracker state", stored.get("version"), f"version {STATE_VERSION}")
        self.state = tuple(_evaluation(one) for one in stored["evaluations"])


def _identity(example: Any) -> str:
    for name in ("input", "id"):
        value = field(example, name)
        if value is not None:
            return f"{name}:{as_text(value)}"
    raise BadInput("example", example, "an input, or an id")


def _model_name(model: Any) -> str:
    if isinstance(model, str) and model:
        return model
    raise BadInput("model", model, "the model's name")


def _numbers_or_nan(thing: str, values: ArrayLike | None, rows: int) -> Floats:
    if values is None:
        return np.full(rows, np.nan)
    try:
        numbers = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(thing, values, "numbers, or NaN where there is none") from error
    known = ~np.isnan(numbers)
    low, high = (-1.0, 1.0) if thing == "rewards" else (0.0, np.inf)
    finite_numbers(thing, np.where(known, numbers, 0.0), low=low, high=high)
    same_length(scores=range(rows), **{thing: numbers})
    return numbers


def _rows_of_types(found: Coded) -> dict[str, NDArray[np.int64]]:
    names = found.names or tuple(str(code) for code in range(int(found.codes.max(initial=-1)) + 1))
    order = np.argsort(found.codes, kind="stable")
    ends = np.searchsorted(found.codes[order], np.arange(len(names) + 1))
    parts = {name: order[ends[code] : ends[code + 1]] for code, name in enumerate(names)}
    if ALL in parts:
        raise BadInput("artifact_types", ALL, f"a name other than {ALL!r}, which stands for all of them together")
    return {name: rows for name, rows in sorted(parts.items()) if len(rows)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value


def _evaluation(stored: Mapping[str, Any]) -> Evaluation:
    try:
        metrics = {name: Metrics(**_not_given_is_nan(one)) for name, one in stored["metrics"].items()}
        return Evaluation(stored["number"], _model_name(stored["model"]), metrics)
    except (AttributeError, KeyError, TypeError) as error:
        raise BadInput("tracker state", stored, "an evaluation as `state_as_json` writes it") from error


def _not_given_is_nan(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.nan if value is None else value for name, value in metrics.items()}


if __name__ == "__main__":
    tracker = PerformanceTracker(patience=2)
    examples = [{"input": f"request {n}", "artifact_type": "erd" if n % 4 else "poem"} for n in range(20)]
    train, validation = tracker.split_train_validation(examples)
    print(f"Of {len(examples)} examples, {len(train)} to train on, {len(validation)} to validate on:")
    print(f"  {[one['artifact_type'] for one in validation]}\n")
    rng = np.random.default_rng(0)
    print("model   score        success   best so far   plateau")
    for turn, level in enumerate((62, 70, 76, 76, 75), start=1):
        scores = np.clip(rng.normal(level, 12, 60), 0, 100)
        noted = tracker.record_evaluation(f"m{turn}", scores, ["erd"] * 60)
        one = noted.metrics["erd"]
        best = "yes" if noted.is_best else "no"
        told = f"m{turn}      {one.mean_score:.1f} ± {one.score_error:.1f}   {one.success_rate:.0%}"
        print(f"{told:29s} {best:13s} {'stop' if noted.plateau.reached else 'go on'}")
    trend = tracker.get_performance_trend("erd")
    print(f"\nScore progression: {[round(score, 1) for score in trend['scores']]}")
    print(f"{trend['direction']}, {trend['slope']:+.1f} points per evaluation")
