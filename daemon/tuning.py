"""A search for better training settings of one workload: trials in processes of their own, scored on validation alone.

Learn and validate are as they were when the search began, so that a search that was killed goes on, by the same
command, with what it had. No judge example is ever looked at. The settings that hold now are the first trial; those
that config.toml names are not searched. What comes of it is one event, `settings_chosen`, appended by whoever owns the
state folder.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from adaptd.errors import AdaptdError
from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import Pool
from adaptd.plugin.workload import Description
from components.hyperparameter_optimizer import HyperparameterOptimizer, Optimization
from components.search_space import Range
from components.trial_scoring import Progress, StoppedEarly
from daemon.derived import open_derived
from daemon.device import Choice, Need, choose
from daemon.device_lease import Lease, lease_folder
from daemon.gpus import LooksAtGpus, gpus_of_this_machine
from daemon.plugin_loading import Plugin, load
from daemon.pooling import Source, Wanted, pool_of, validation_of
from daemon.run_folder import put_whole
from daemon.sealing import Sealing
from daemon.settings import Settings
from daemon.telling import Tell, silent
from daemon.texts import TextSource
from daemon.tune_child import LEARN, VALIDATE, Trial, write_pool
from daemon.tuning_space import CannotTune, numbers, space_of
from daemon.tuning_trials import TrialFailed, tried
from daemon.views.chosen import Chosen
from daemon.views.examples import Examples
from daemon.views.page import Vocabulary
from daemon.views.store import PAGE_EVENTS, fold_next

FOLDER = "tuning"
ANY = "any"
TRIALS = 20
MOST_EXAMPLES = 2000  # the newest: as many as a batch holds, so that a trial takes what a run takes
FEWEST_VALIDATED = 10  # below that a score is chance


class TunedAlready(AdaptdError):
    """Another process searches for the same workload and artifact type."""

    exit_code = 75


class DeviceTaken(AdaptdError):
    """The device is somebody else's now."""

    exit_code = 75


class Asked(NamedTuple):
    """What is to be searched, and how long at most."""

    workload: str
    artifact_type: str | None = None
    trials: int = TRIALS
    minutes: float | None = None


class Place(NamedTuple):
    """Where it is done, and what holds there."""

    state_dir: Path
    beside: Path  # the folder of config.toml
    settings: Settings
    environ: Mapping[str, str]
    gpus: LooksAtGpus | None = None


class Study(Struct, frozen=True):
    """study.json: what the scores beside it are scores of."""

    position: int
    now: int
    fingerprint: str
    open: bool  # a search is under way, or was killed


def tune(place: Place, asked: Asked, now: int, tell: Tell = silent) -> dict[str, Any]:
    """The body of `settings_chosen`. CannotTune, NotPrepared, TunedAlready, DeviceTaken, or LogError without a log."""
    folder = study_folder(place.state_dir, asked)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder), TextSource.open(place.state_dir) as texts:
        before = _study(folder)
        begun = before if before is not None and before.open else None
        position, at = (begun.position, begun.now) if begun else (_newest(texts.log), now)
        search = _Search.prepare(place, asked, texts, Moment(at, position, 0))
        study = Study(position, at, search.fingerprint(), open=True)
        if before is None or before.fingerprint != study.fingerprint:
            _forget_scores(folder)
        _write(folder, study)
        began = time.monotonic()
        with _device(place, search.description) as choice:
            found = search.run(folder, choice, tell)
        _write(folder, msgspec.structs.replace(study, open=False))
    return search.told(found, time.monotonic() - began, folder.relative_to(place.state_dir))


def study_folder(state_dir: Path, asked: Asked) -> Path:
    """Of this workload and artifact type; a type may be any text, so it is hashed where it is no plain name."""
    kind = asked.artifact_type
    if kind is None:
        return state_dir / FOLDER / asked.workload / ANY
    plain = kind.isascii() and kind.replace("_", "").replace("-", "").isalnum() and len(kind) < 100
    name = kind if plain else blake2b(kind.encode(), digest_size=8).hexdigest()
    return state_dir / FOLDER / asked.workload / f"type-{name}"


@dataclasses.dataclass(frozen=True)
class _Search:
    """Everything that a search goes by, fixed when it begins."""

    place: Place
    asked: Asked
    plugin: Plugin
    description: Description
    fixed: dict[str, Any]  # what config.toml says
    space: dict[str, Range]
    current: dict[str, int | float]
    usual: dict[str, int | float]
    learn: Pool
    validate: Pool

    @classmethod
    def prepare(cls, place: Place, asked: Asked, texts: TextSource, moment: Moment) -> _Search:
        workload = place.settings.workloads[asked.workload]
        plugin = load("workload", workload.plugin or asked.workload, place.beside)
        made = plugin.make(workload.settings, f"workloads.{asked.workload}.settings")
        description: Description = made.describe()
        examples, chosen = _folded(texts.log, moment.log_position)
        own = chosen.settings_for(asked.workload, workload.artifact_types)
        newest = chosen.newest(asked.workload, asked.artifact_type)
        own |= dict(newest["settings"]) if newest else {}
        usual = numbers(plugin.make({}, asked.workload).settings)
        current = numbers(made.settings) | {name: own[name] for name in own if name not in workload.settings}
        space = space_of(plugin, asked.workload, workload.settings, usual, current)
        types = (asked.artifact_type,) if asked.artifact_type is not None else workload.artifact_types
        wanted = Wanted(types, tuple(description.needs))
        source = Source(examples, open_derived(place.state_dir), texts, _destroyed(place.state_dir))
        learn, validate = pool_of(source, wanted, {}, moment).pool, validation_of(source, wanted, moment)
        _check_enough(asked, learn, validate)
        return cls(
            place=place,
            asked=asked,
            plugin=plugin,
            description=description,
            fixed=dict(workload.settings),
            space=space,
            current={name: current[name] for name in space},
            usual={name: usual[name] for name in space},
            learn=_newest_of(learn),
            validate=_newest_of(validate),
        )

    def fingerprint(self) -> str:
        """Scores are comparable where code, data, and whatever is not searched are the same."""
        workload = self.place.settings.workloads[self.asked.workload]
        told = [self.plugin.code_hash, workload.mode, str(workload.base_model), self.fixed]
        space = {name: str(range_) for name, range_ in self.space.items()}
        hashed = blake2b(msgspec.json.encode([told, space], order="sorted"), digest_size=16)
        for pool in (self.learn, self.validate):
            hashed.update(pool["example"].tobytes() + pool["feedback"].tobytes())
        return hashed.hexdigest()

    def run(self, folder: Path, choice: Choice, tell: Tell) -> Optimization:
        for name, pool in ((LEARN, self.learn), (VALIDATE, self.validate)):
            write_pool(folder / name, pool)
        done: list[float] = []

        def objective(params: Mapping[str, Any], progress: Progress) -> float:
            tell("trials", len(done), self.asked.trials)
            done.append(0.0)
            return self._tried(folder, choice, params, progress.seconds_left)

        optimizer = HyperparameterOptimizer(
            folder / "study.sqlite3",
            space=self.space,
            defaults=self.usual,
            pruner="none",
            seed=int(self.fingerprint()[:8], 16),
        )
        seconds = None if self.asked.minutes is None else 60 * self.asked.minutes
        try:
            return optimizer.optimize(objective, self.asked.trials, ANY, seconds, champion=self.current, siblings=())
        finally:
            for name in (LEARN, VALIDATE, "trial"):
                shutil.rmtree(folder / name, ignore_errors=True)

    def _tried(self, folder: Path, choice: Choice, params: Mapping[str, Any], seconds: float) -> float:
        workload, device = self.place.settings.workloads[self.asked.workload], choice.device
        assert device is not None
        score = tried(
            folder / "trial",
            Trial(
                state_dir=str(self.place.state_dir.resolve()),
                beside=str(self.place.beside.resolve()),
                workload=self.asked.workload,
                plugin=workload.plugin or self.asked.workload,
                code=self.plugin.code_hash,
                mode=workload.mode,
                settings=self.fixed | dict(params),
                base_model=None if workload.base_model is None else str(self.place.beside / workload.base_model),
                device="cuda:0" if device.startswith("cuda") else device,
                seed=1,  # one for all trials: what differs is the settings
                metric=self.description.metrics[0].name,
                seconds=None if np.isinf(seconds) else seconds,
            ),
            self.place.environ,
            choice.uuid,
        )
        if score.late:
            raise StoppedEarly(score.reason or "")
        if score.value is None:
            raise TrialFailed(score.reason or "it left no score")
        return score.value if self.description.metrics[0].higher_is_better else -score.value

    def told(self, found: Optimization, seconds: float, study: Path) -> dict[str, Any]:
        """The choice, as the log keeps it; CannotTune where no trial came to a score."""
        if np.isnan(found.best_score):
            raise CannotTune(f"tune {self.asked.workload}: {found.note}. Nothing was chosen.")
        sign = 1 if self.description.metrics[0].higher_is_better else -1
        first = [trial.score for trial in found.trials if trial.origin == "champion" and trial.score is not None]
        return {
            "workload": self.asked.workload,
            "artifact_type": self.asked.artifact_type,
            "settings": found.best_params,
            "metric": self.description.metrics[0].name,
            "score": sign * found.best_score,
            "baseline_score": sign * first[-1] if first else None,
            "before": self.current,
            "trials": len(found.trials),
            "learnt": len(self.learn),
            "validated": len(self.validate),
            "seconds": round(seconds, 1),
            "study": str(study),
            "note": found.note,
        }


# What is searched, and on what


def _check_enough(asked: Asked, learn: Pool, validate: Pool) -> None:
    if not len(learn) or len(validate) < FEWEST_VALIDATED:
        kind = f" of {asked.artifact_type!r}" if asked.artifact_type is not None else ""
        raise CannotTune(
            f"tune {asked.workload}: {len(learn)} rated examples{kind} to learn from and {len(validate)} to validate "
            f"on, expected at least 1 and {FEWEST_VALIDATED}. Rate more outputs (`adaptd ask`)."
        )


def _newest_of(pool: Pool) -> Pool:
    return pool.take(np.arange(len(pool))[-MOST_EXAMPLES:])


def _folded(log: Any, position: int) -> tuple[Examples, Chosen]:
    """What was known at that place in the log."""
    examples, chosen = Examples(), Chosen()
    at, count, vocabulary = 0, 1, Vocabulary()
    while count and at < position:
        page = min(PAGE_EVENTS, position - at)
        at, count = fold_next(log, [examples, chosen], at, page, vocabulary)
    return examples, chosen


def _destroyed(state_dir: Path) -> Any:
    path = state_dir / "keys.db"
    if not path.exists():
        return np.empty(0, np.int64)
    sealing = Sealing.open_read_only(path)
    try:
        return np.array(sealing.destroyed(), np.int64)
    finally:
        sealing.close()


def _newest(log: Any) -> int:
    return int(log.head().seq)


# One at a time, on a device that is free


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise TunedAlready(f"{folder}: another process searches there, expected none. Wait for it to end.") from None
    finally:
        os.close(descriptor)


@contextmanager
def _device(place: Place, description: Description) -> Iterator[Choice]:
    """A device that no run has, for as long as the search takes."""
    need = Need(description.devices, description.memory_bytes)
    wants_gpu = place.settings.device.use != "cpu" and "cuda" in need.devices
    gpus = list((place.gpus or gpus_of_this_machine()).look()) if wants_gpu else []
    choice = choose(place.settings.device, need, gpus)
    lease = None if choice.device is None else Lease.take(lease_folder(place.environ), choice.uuid or choice.device)
    if lease is None:
        why = choice.why_not or f"a run has {choice.device}"
        raise DeviceTaken(f"no device is free: {why}. Try later, or set [device] use.")
    try:
        yield choice
    finally:
        lease.close()


# What is kept


def _study(folder: Path) -> Study | None:
    with suppress(FileNotFoundError, msgspec.DecodeError):
        return msgspec.json.decode((folder / "study.json").read_bytes(), type=Study)
    return None


def _write(folder: Path, study: Study) -> None:
    put_whole(folder / "study.json", msgspec.json.encode(study))


def _forget_scores(folder: Path) -> None:
    for path in folder.glob("study.sqlite3*"):
        path.unlink()
