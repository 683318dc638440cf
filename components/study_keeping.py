"""How a search is kept so that `kill -9` loses nothing of it but the minutes of one trial.

A study per artifact type lies in a relational database (optuna's RDBStorage), one SQLite file unless a URL says
otherwise. While a trial runs, optuna's heartbeat says so every second; a trial whose heart has stopped belongs to a
process that is dead, and its parameters are put in the queue again. What lies between is reconciled, not remembered:
every trial that ended without a result and without a reason is looked for a successor, so it does not matter between
which two lines the process died. A trial that has taken its process with it three times is given up.

It deliberately uses no journal file (a torn last line makes optuna's unreadable), and lets one process at a time work
on a study: SQLite is no meeting place. optuna's notes about its experimental parts are kept off the user's screen.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from components.bad_input import BadInput

Study: TypeAlias = Any  # optuna.Study; optuna is loaded when a study is first opened
Storage: TypeAlias = Any

HEARTBEAT_SECONDS = 1
GRACE_SECONDS = 4  # a heart that has not beaten for longer has stopped
MOST_ATTEMPTS = 3
FAILED = "failed"  # a trial's attribute: why it has no score
AGAIN = "again"  # a trial's attribute: the number of the lost trial whose parameters it tries again
ORIGIN = "from"  # a trial's attribute: whose parameters they are


def open_storage(place: str | os.PathLike[str] | None) -> Storage:
    """A storage in memory (None), in a SQLite file, or in the database that a URL names."""
    import optuna

    if place is None:
        return optuna.storages.InMemoryStorage()
    is_url = isinstance(place, str) and "://" in place
    if not is_url and not Path(place).absolute().parent.is_dir():
        raise BadInput("storage", os.fspath(place), "a file in a folder that exists")
    url = str(place) if is_url else f"sqlite:///{Path(place).absolute()}"
    waiting = {"engine_kwargs": {"connect_args": {"timeout": 60}}} if url.startswith("sqlite") else {}
    try:
        with quiet():
            return optuna.storages.RDBStorage(
                url,
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=lambda study, _: queue_lost_trials(study),
                **waiting,
            )
    except Exception as error:
        step = "Move the file away, or name another one."
        raise BadInput("storage", f"{url}: {_first_line(error)}", "a database that optuna can open", step) from error


def close_storage(storage: Storage) -> None:
    """Give the connections back, so that the file may be moved or copied."""
    engine = getattr(storage, "engine", None)
    if engine is not None:
        storage.remove_session()
        engine.dispose()


def open_study(storage: Storage, name: str, space: dict[str, str]) -> Study:
    """The study of that name, made when there is none; refused when it searched another space."""
    import optuna

    with quiet():
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    known = study.user_attrs.get("space")
    if known is None and study.get_trials(deepcopy=False):
        raise BadInput(
            f"study {name!r}", "trials that were not made here", "a study of our own", "Take another storage."
        )
    if known is None:
        study.set_user_attr("space", space)
    elif known != space:
        differing = sorted(n for n in known.keys() | space.keys() if known.get(n) != space.get(n))
        wanted = f"the bounds of this one for {', '.join(differing)}"
        raise BadInput(f"study {name!r}", "a search of another space", wanted, "Search it in another storage.")
    return study


def take_up_lost_trials(study: Study, storage: Storage, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Queue again what a dead process was trying; raises when the process is not dead.

    Where the last heartbeat is fresh it waits, some six seconds, to see whether another one comes. A trial that died
    before its first heartbeat is given one here, from which its silence counts.
    """
    from optuna.trial import TrialState

    if not hasattr(storage, "record_heartbeat"):
        for trial in _running(study):  # in memory: left behind by an exception that ended the loop
            study.tell(trial.number, state=TrialState.FAIL)
        queue_lost_trials(study)
        return
    _fail_stale(study)
    for trial in _running(study):
        storage.record_heartbeat(trial._trial_id)
    for _ in range(5 * (GRACE_SECONDS + 2)):  # whole seconds are all that SQLite's clock knows, hence two more
        if not _running(study):
            break
        sleep(0.2)
        _fail_stale(study)
    alive = _running(study)
    if alive:
        step = "Wait for it, or search in another storage."
        found = f"trial {alive[0].number}, which another process is running"
        raise BadInput(f"study {study.study_name!r}", found, "one process at a time", step)
    queue_lost_trials(study)


def _fail_stale(study: Study) -> None:
    import optuna

    with quiet():
        optuna.storages.fail_stale_trials(study)


def _running(study: Study) -> list[Any]:
    from optuna.trial import TrialState

    return list(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def queue_lost_trials(study: Study) -> None:
    """Put the parameters of every lost trial that has no successor yet in the queue."""
    trials = study.get_trials(deepcopy=False)
    followed = {trial.user_attrs.get(AGAIN) for trial in trials}
    for trial in trials:
        params = trial.params or trial.system_attrs.get("fixed_params")
        if is_lost(trial) and params and trial.number not in followed and attempts(trial, trials) < MOST_ATTEMPTS:
            attrs = {AGAIN: trial.number, ORIGIN: trial.user_attrs.get(ORIGIN, "search")}
            study.enqueue_trial(params, user_attrs=attrs)


def is_lost(trial: Any) -> bool:
    """Whether its process ended, or was interrupted, in the middle of it."""
    from optuna.trial import TrialState

    return trial.state == TrialState.FAIL and FAILED not in trial.user_attrs


def is_settled(trial: Any, trials: list[Any]) -> bool:
    """Whether the trial has its result, good or bad, and will not be tried again."""
    return trial.state.is_finished() and (not is_lost(trial) or attempts(trial, trials) >= MOST_ATTEMPTS)


def attempts(trial: Any, trials: list[Any]) -> int:
    """How often its parameters were tried, itself included, counted back over those whose successor it is."""
    before = trial.user_attrs.get(AGAIN)
    return 1 if before is None else 1 + attempts(trials[before], trials)


@contextmanager
def quiet() -> Iterator[None]:
    """Without optuna's warnings: of what is experimental, and of what its pruners cannot compare yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def quiet_log() -> Iterator[None]:
    """Without optuna's log lines below errors; its level is given back as it was."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
