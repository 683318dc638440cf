"""Better settings by trying them: a search that learns from each trial where to look next.

Tree-structured Parzen estimation (Bergstra et al., NeurIPS 2011, in optuna) proposes the parameters; an objective that
reports its progress can be stopped early when it falls behind (Hyperband, arXiv 1603.06560) or is worse on the same
examples (Wilcoxon's signed ranks). A search starts with what is known: the champion's parameters, the best of other
artifact types in the same storage, the defaults. Each artifact type has a study of its own (`study_keeping`), which
goes on where `kill -9` ended it.

It deliberately judges nothing: the score is the objective's, higher is better, and must not come from examples that
the gate judges on. It never runs two trials at a time. The best of the *study* counts, earlier searches included: when
the data have changed so much that old scores mean nothing, take another storage. Without optuna the champion's
parameters and the defaults are all that is tried, and the result says so.

The same seed gives the same trials, for the same objective and versions of optuna and numpy; also when the search was
killed and continued (but for Hyperband, whose brackets go by the number of the trial).

>>> def objective(config):
...     return 90.0 - 4 * abs(math.log10(config["learning_rate"] / 3e-5)) - abs(config["num_epochs"] - 4)
>>> result = HyperparameterOptimizer(seed=1).optimize(objective, n_trials=30, artifact_type="erd")
>>> round(objective(DEFAULTS), 1), round(result.best_score, 1), len(result.trials)
(85.7, 89.9, 30)
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import logging
import math
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, finite_numbers, one_of, whole_number
from components.search_space import DEFAULTS, SEARCH_SPACE, Params, Range, checked_params, checked_space
from components.study_keeping import (
    AGAIN,
    FAILED,
    ORIGIN,
    close_storage,
    is_lost,
    is_settled,
    open_storage,
    open_study,
    quiet,
    quiet_log,
    take_up_lost_trials,
)
from components.trial_scoring import Objective, Search, Trial

SAMPLERS = ("tpe", "random")
PRUNERS = ("hyperband", "wilcoxon", "none")
MOST_SIBLINGS = 3
_NO_OPTUNA = "optuna is not installed (pip install optuna): nothing was searched"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Optimization:
    """The best parameters of a study, their score, and every trial that was made."""

    artifact_type: str
    best_params: Params
    best_score: float  # NaN when no trial came to a score
    trials: tuple[Trial, ...]
    searched: bool  # False: nothing could be searched or scored, best_params are what is taken without a search
    note: str = ""  # what the caller should know: why nothing was searched, how many trials failed

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Scores (NaN where there is none) and each parameter (NaN where it was not drawn), a row per trial."""
        scores = [math.nan if trial.score is None else trial.score for trial in self.trials]
        names = sorted({name for trial in self.trials for name in trial.params})
        drawn = {name: [trial.params.get(name, math.nan) for trial in self.trials] for name in names}
        return {name: np.array(values, dtype=np.float64) for name, values in {"score": scores, **drawn}.items()}


class HyperparameterOptimizer:
    """Searches hyperparameters for one artifact type after the other.

    `storage` is a SQLite file (or a database URL) in which studies outlive the process; None keeps them in memory for
    as long as the optimizer lives. `space` and `defaults` replace the documented ones.
    """

    def __init__(
        self,
        storage: str | os.PathLike[str] | None = None,
        *,
        space: Mapping[str, Range] = SEARCH_SPACE,
        defaults: Mapping[str, int | float] | None = None,
        sampler: str = "tpe",
        pruner: str = "hyperband",
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.space = checked_space(space)
        usual = {
            name: DEFAULTS[name] if name in DEFAULTS and self._holds(name, DEFAULTS[name]) else range_.middle()
            for name, range_ in self.space.items()
        }
        self.defaults = checked_params("defaults", {**usual, **(defaults or {})}, self.space)
        self.sampler = one_of("sampler", sampler, SAMPLERS)
        self.pruner = one_of("pruner", pruner, PRUNERS)
        self.seed = whole_number("seed", seed)
        self.found: dict[str, Optimization] = {}  # by artifact type, what its last search came to
        self._place, self._clock = storage, clock
        self._in_memory: Any = None

    def optimize(
        self,
        objective_fn: Objective,
        n_trials: int = 50,
        artifact_type: str = "any",
        timeout_seconds: float | None = None,
        *,
        champion: Mapping[str, Any] | None = None,
        siblings: Sequence[str] | None = None,
    ) -> Optimization:
        """Try up to `n_trials` parameters, for up to `timeout_seconds`, and return the best of the study.

        `objective_fn(params)` or `objective_fn(params, progress)` returns a score, the higher the better. One that
        raises, or returns anything but a finite number, makes a failed trial with its reason, and the search goes on.
        Time is looked at between trials and at each report; a trial that neither reports nor returns is waited for.

        A search that was killed is continued: what it had done counts towards `n_trials`. `champion` is tried first;
        `siblings` are the artifact types whose best parameters are tried next: by default those with most trials.
        """
        _checked_type(artifact_type)
        whole_number("n_trials", n_trials, low=1)
        if timeout_seconds is not None and not finite_numbers("timeout_seconds", [timeout_seconds])[0] > 0:
            raise BadInput("timeout_seconds", timeout_seconds, "a number of seconds above 0, or None")
        known = checked_params("champion", champion, self.space) if champion else {}
        deadline = math.inf if timeout_seconds is None else self._clock() + timeout_seconds
        search = Search(objective_fn, artifact_type, n_trials, deadline, self._clock)
        try:
            import optuna  # noqa: F401 - whether it is there
        except ImportError:
            self.found[artifact_type] = self._without_optuna(search, known)
        else:
            self.found[artifact_type] = self._with_optuna(search, known, siblings)
        return self.found[artifact_type]

    def _without_optuna(self, search: Search, champion: Params) -> Optimization:
        """Try what a search would begin with: the champion's parameters and the defaults."""
        starts = {"defaults": self.defaults} if not champion else {"champion": champion, "defaults": self.defaults}
        trials: list[Trial] = []
        for origin, params in list(starts.items())[: search.n_trials]:
            if not trials or search.seconds_left() > 0:
                trials.append(search.alone(len(trials), {**self.defaults, **params}, origin))
        return self._result(search.artifact_type, trials, searched=False, note=_NO_OPTUNA)

    def _with_optuna(self, search: Search, champion: Params, siblings: Sequence[str] | None) -> Optimization:
        storage = self._storage()
        try:
            with quiet_log():
                space = {name: f"{range_}{', logarithmic' * range_.log}" for name, range_ in self.space.items()}
                study = open_study(storage, search.artifact_type, space)
                take_up_lost_trials(study, storage)
                left, note = _open_round(study, search.n_trials)
                if left:
                    starts = self._starts(storage, search.artifact_type, champion, siblings)
                    _queue(study, starts[: search.n_trials], first=study.user_attrs["round"]["first"])
                self._run(study, search, left)
                study.set_user_attr("round", {**study.user_attrs["round"], "open": False})
                trials = _read(study)
        finally:
            if storage is not self._in_memory:
                close_storage(storage)
        return self._result(search.artifact_type, trials, searched=True, note=note)

    def _storage(self) -> Any:
        if self._place is not None:
            return open_storage(self._place)
        self._in_memory = self._in_memory or open_storage(None)
        return self._in_memory

    def _run(self, study: Any, search: Search, left: int) -> None:
        study.pruner = self._pruner()
        for done in range(left):
            if done and search.seconds_left() <= 0:
                return
            trials = study.get_trials(deepcopy=False)
            settled = sum(is_settled(trial, trials) for trial in trials)
            # A generator per trial, from how many are settled: a continued search draws what the whole one would have.
            seeds = np.random.SeedSequence([self.seed, zlib.crc32(search.artifact_type.encode()), settled])
            study.sampler = self._sampler(int(seeds.generate_state(1)[0]))
            study.optimize(lambda trial: search.tried(trial, self.space), n_trials=1, catch=(Exception,))

    def _sampler(self, seed: int) -> Any:
        import optuna

        kind = optuna.samplers.TPESampler if self.sampler == "tpe" else optuna.samplers.RandomSampler
        with quiet():
            return kind(seed=seed)

    def _pruner(self) -> Any:
        import optuna

        if self.pruner == "wilcoxon" and not find_spec("scipy"):
            raise BadInput("pruner", "wilcoxon", "scipy to be installed (pip install scipy)")
        kinds = {"hyperband": optuna.pruners.HyperbandPruner, "wilcoxon": optuna.pruners.WilcoxonPruner}
        with quiet():
            return kinds.get(self.pruner, optuna.pruners.NopPruner)()

    def _starts(
        self, storage: Any, artifact_type: str, champion: Params, siblings: Sequence[str] | None
    ) -> list[tuple[str, Params]]:
        """What is known to be good, best known first, each with its origin."""
        starts = [("champion", champion)] if champion else []
        starts += [(f"the best of {name}", params) for name, params in self._siblings(storage, artifact_type, siblings)]
        return [*starts, ("defaults", dict(self.defaults))]

    def _siblings(self, storage: Any, artifact_type: str, wanted: Sequence[str] | None) -> list[tuple[str, Params]]:
        """The best parameters of other studies that searched this space, those with most trials first."""
        import optuna

        with quiet():
            known = {study.study_name: study for study in optuna.get_all_study_summaries(storage)}
        names = sorted(known, key=lambda name: (-known[name].n_trials, name)) if wanted is None else list(wanted)
        found = []
        for name in names:
            best = known[name].best_trial if name in known and name != artifact_type else None
            if best is not None and all(self._holds(key, value) for key, value in best.params.items()):
                found.append((name, dict(best.params)))
        return found[:MOST_SIBLINGS] if wanted is None else found

    def _holds(self, name: str, value: Any) -> bool:
        return name in self.space and self.space[name].low <= value <= self.space[name].high

    def _result(self, artifact_type: str, trials: list[Trial], *, searched: bool, note: str = "") -> Optimization:
        scored = [(trial.score, trial) for trial in trials if trial.score is not None]
        notes = [note] if note else []
        failed = [trial for trial in trials if trial.state in ("failed", "lost")]
        if failed:
            last = failed[-1]
            notes.append(f"{len(failed)} of {len(trials)} trials failed, the last one ({last.number}): {last.reason}")
        if not scored:
            notes.append("no trial came to a score: best_params are the defaults")
            best_score, best = math.nan, dict(self.defaults)
        else:
            best_score, trial = max(scored, key=lambda pair: (pair[0], -pair[1].number))
            best = dict(trial.params)
        said = "; ".join(notes)
        if not searched or not scored:
            logger.warning("hyperparameters of %s: %s", artifact_type, said)
        return Optimization(artifact_type, best, best_score, tuple(trials), searched and bool(scored), said)


def _checked_type(value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise BadInput("artifact_type", value, "a text of 1 to 200 characters, such as 'erd'")


def _open_round(study: Any, n_trials: int) -> tuple[int, str]:
    """How many trials are left to do: all, or those that an interrupted search did not come to; and what to say."""
    trials = study.get_trials(deepcopy=False)
    settled = sum(is_settled(trial, trials) for trial in trials)
    current = study.user_attrs.get("round", {"number": 0, "open": False})
    if current["open"]:
        done = settled - int(current["settled"])
        return max(0, n_trials - done), f"it continues a search that was interrupted after {done} trials"
    current = {"number": current["number"] + 1, "open": True, "settled": settled, "first": len(trials)}
    study.set_user_attr("round", current)
    return n_trials, ""


def _queue(study: Any, starts: list[tuple[str, Params]], *, first: int) -> None:
    """Queue the parameters that are not waiting already and that this round has not tried yet."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    now = [trial for trial in trials if trial.number >= first or trial.state == TrialState.WAITING]
    tried = [trial.system_attrs.get("fixed_params") or trial.params for trial in now]
    for origin, params in starts:
        if params not in tried:
            study.enqueue_trial(params, user_attrs={ORIGIN: origin})
            tried.append(params)


def _read(study: Any) -> list[Trial]:
    """All trials that were begun, as plain records."""
    trials = study.get_trials(deepcopy=False)
    followed = {trial.user_attrs[AGAIN]: trial.number for trial in trials if AGAIN in trial.user_attrs}
    return [_record(trial, followed) for trial in trials if trial.state.is_finished()]


def _record(trial: Any, followed: Mapping[int, int]) -> Trial:
    state = {"COMPLETE": "finished", "PRUNED": "pruned"}.get(trial.state.name, "failed")
    reason = trial.user_attrs.get(FAILED, "")
    if is_lost(trial):
        state = "lost"
        again = f"tried again as trial {followed[trial.number]}" if trial.number in followed else "given up"
        reason = f"its process ended in the middle of it: {again}"
    origin = trial.user_attrs.get(ORIGIN, "search")
    return Trial(trial.number, dict(trial.params), trial.value if state == "finished" else None, state, reason, origin)


def worked_example() -> str:
    """A search for settings of a made-up training run, whose best point is known."""

    def objective(config: Params) -> float:
        rate, rank = math.log10(config["learning_rate"] / 3e-5), math.log2(config["lora_r"] / 32)
        return 90 - 4 * abs(rate) - abs(rank) - abs(config["num_epochs"] - 4)

    optimizer = HyperparameterOptimizer(seed=1)
    first = optimizer.optimize(objective, n_trials=40, artifact_type="erd")
    second = optimizer.optimize(objective, n_trials=5, artifact_type="code_prototype")
    rows = [("the defaults", objective(optimizer.defaults), optimizer.defaults)]
    rows += [("erd, 40 trials", first.best_score, first.best_params)]
    rows += [("code_prototype, 5 trials", second.best_score, second.best_params)]
    lines = [f"{'':<26}{'score':>6}  rate     epochs  rank"]
    for name, score, params in rows:
        settings = f"{params['learning_rate']:.1e}  {params['num_epochs']:>6}  {params['lora_r']:>4}"
        lines.append(f"{name:<26}{score:>6.1f}  {settings}")
    return "\n".join([*lines, "", f"the second search began with {second.trials[0].origin}"])


if __name__ == "__main__":
    print(worked_example())
