"""How one trial of a search gets its score, or the reason why it has none.

An objective may take the parameters alone, or a `Progress` as well, by which it is stopped when it falls behind or the
time is over. It may also raise, or return a NaN or nothing: that is written down, and the search goes on.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from components.bad_input import BadInput, whole_number
from components.search_space import Params, Range
from components.study_keeping import FAILED, quiet

STATES = ("finished", "pruned", "failed", "lost")
Objective = Callable[..., float]


@dataclass(frozen=True, slots=True)
class Trial:
    """Parameters that were tried, and what came of it."""

    number: int
    params: Params
    score: float | None  # of a finished trial
    state: str  # one of STATES
    reason: str  # why it has no score, or ""
    origin: str  # whose parameters: "search", "champion", "defaults" or "the best of ARTIFACT TYPE"


class Progress:
    """What an objective with a second argument is given: `report(score, step)` stops it when it need not go on."""

    def __init__(self, seconds_left: Callable[[], float], told: Callable[[float, int], str]) -> None:
        self._seconds_left, self._told = seconds_left, told

    @property
    def seconds_left(self) -> float:
        """Of the search's budget; infinite without one."""
        return self._seconds_left()

    def report(self, score: float, step: int) -> None:
        """Tell the score so far: after `step` units of training (Hyperband), or on example `step` (Wilcoxon)."""
        reason = self._told(_number(score, f"reported at step {step}"), whole_number("step", step))
        if reason:
            raise StoppedEarly(reason)


class StoppedEarly(Exception):
    """Raised by `Progress.report`: let it pass."""


class Search:
    """One search: the objective, its budget, and how a single trial goes."""

    def __init__(
        self, objective: Objective, artifact_type: str, n_trials: int, deadline: float, clock: Callable[[], float]
    ) -> None:
        self.objective, self.artifact_type, self.n_trials = objective, artifact_type, n_trials
        self.reports = _takes_progress(objective)
        self._deadline, self._clock = deadline, clock

    def seconds_left(self) -> float:
        return self._deadline - self._clock()

    def tried(self, trial: Any, space: Mapping[str, Range]) -> float:
        """One trial within optuna: draws the parameters, and leaves the reason of a failure in the study."""
        import optuna

        params = {name: _drawn(trial, name, range_) for name, range_ in space.items()}

        def told(score: float, step: int) -> str:
            with quiet():
                trial.report(score, step)
                worse = trial.should_prune()
            return f"it fell behind at step {step}" if worse else self._late()

        try:
            return self._scored(params, told)
        except StoppedEarly as stopped:
            trial.set_user_attr(FAILED, str(stopped))
            raise optuna.TrialPruned(str(stopped)) from None
        except optuna.TrialPruned:
            trial.set_user_attr(FAILED, "the objective stopped it")
            raise
        except Exception as error:
            trial.set_user_attr(FAILED, _told(error))
            raise

    def alone(self, number: int, params: Params, origin: str) -> Trial:
        """One trial without optuna."""
        try:
            score = self._scored(params, lambda _score, _step: self._late())
        except StoppedEarly as stopped:
            return Trial(number, params, None, "pruned", str(stopped), origin)
        except Exception as error:  # noqa: BLE001 - the objective is the caller's and may raise anything
            return Trial(number, params, None, "failed", _told(error), origin)
        return Trial(number, params, score, "finished", "", origin)

    def _scored(self, params: Params, told: Callable[[float, int], str]) -> float:
        extra = (Progress(self.seconds_left, told),) if self.reports else ()
        return _number(self.objective(dict(params), *extra), "returned")

    def _late(self) -> str:
        return "the time for the search was over" if self.seconds_left() <= 0 else ""


def _takes_progress(objective: Objective) -> bool:
    """Whether the objective has room for a second argument that it needs to be given by position."""
    try:
        parameters = inspect.signature(objective).parameters.values()
    except (TypeError, ValueError):  # some callables of C have no signature
        return False
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in by_place and p.default is inspect.Parameter.empty]
    return len(required) > 1


def _drawn(trial: Any, name: str, range_: Range) -> int | float:
    if range_.whole:
        return int(trial.suggest_int(name, int(range_.low), int(range_.high), log=range_.log))
    return float(trial.suggest_float(name, range_.low, range_.high, log=range_.log))


def _number(value: Any, how: str) -> float:
    """A score as a float; whatever is no finite number is refused by what it is."""
    try:
        if isinstance(value, str | bytes | bool | None):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise BadInput("score", value, f"a finite number, {how}") from None
    if not math.isfinite(number):
        raise BadInput("score", number, f"a finite number, {how}")
    return number


def _told(error: Exception) -> str:
    """What went wrong, on one line of at most 300 characters."""
    text = str(error) if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:299]}…"
