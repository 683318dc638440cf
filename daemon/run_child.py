"""The process in which a run is trained: `python -P -m daemon.run_child RUN_FOLDER`, started by the daemon.

It reads its folder, and texts from the log; loads the workload, whose code must be that of the plan; trains; leaves the
model under its name when all of it is on the disk, and result.json last. It writes nothing outside its folder, and
knows no clock but one that measures how long something took.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import stat
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from adaptd.errors import AdaptdError
from adaptd.plugin.pool import Pool, Rows, Text
from adaptd.plugin.workload import Job, Trained
from components.bad_input import BadInput
from daemon import plugin_loading, run_lock
from daemon.clock_and_chance import seeded_rng
from daemon.heartbeat import Heart
from daemon.model_shelf import Shelf, is_of_a_shelf
from daemon.run_folder import MANIFEST, Held, Result, RunFolder, Spec, Start, put_whole, sync_file
from daemon.state_folder import sync_folder
from daemon.texts import SEQS, TextSource

if TYPE_CHECKING:
    from adaptd.plugin.workload import Workload

OK, FAILED, NO_MEMORY, IN_USE = 0, 1, 12, 75
NICENESS = 10
UNFINISHED = ".model.unfinished"


class Refused(AdaptdError):
    """The run cannot be done as it was planned; another try will not help."""


class SaysWorkload(Protocol):
    """The part of a plan that says which workload it is of, and with which code and settings."""

    @property
    def workload(self) -> str: ...
    @property
    def plugin(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def settings(self) -> dict[str, Any]: ...


class Told:
    """Whether TERM came. Ctrl-C at the daemon's terminal is the daemon's to hear."""

    def __init__(self) -> None:
        self.stop = False
        signal.signal(signal.SIGTERM, self._hear)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the run of that folder; the exit code says how it went, and result.json says more."""
    options = options_of(arguments)
    folder = RunFolder(Path(options.folder).resolve())
    told = Told()
    start = folder.start()
    from_step = folder.checkpointed_step()
    held = Held(os.getpid(), start.start, start.device, from_step)
    if not have_lock(folder, held, options.lock):
        print(f"{folder.run}: another process trains it", flush=True)
        return IN_USE
    if options.lease is not None:
        os.set_inheritable(options.lease, False)
    with suppress(OSError):
        os.nice(NICENESS)
    heart = Heart(folder, start, lambda: told.stop)
    heart.take_up(folder.progress(), from_step)
    heart.beat(now=True)
    print(f"{folder.run}, start {start.start} on {start.device}, from step {from_step}", flush=True)
    result = _result(folder, start, heart)
    heart.beat(now=True)
    folder.write("result.json", result)
    print(f"{folder.run}: {result.state} at step {result.step}", result.reason or "", flush=True)
    return OK if result.state in ("finished", "paused") else NO_MEMORY if result.how == "memory" else FAILED


def options_of(arguments: Sequence[str] | None, prog: str = "daemon.run_child") -> argparse.Namespace:
    """What every child is started with: its folder, and the locks that it inherits."""
    parser = argparse.ArgumentParser(prog=f"python -P -m {prog}")
    parser.add_argument("folder", metavar="FOLDER", help="such as state/runs/run-0007")
    parser.add_argument("--lock", type=int, metavar="FD", help="the run's lock, held by the descriptor")
    parser.add_argument("--lease", type=int, metavar="FD", help="the device's lock")
    return parser.parse_args(arguments)


def have_lock(folder: RunFolder, held: Held, inherited: int | None) -> bool:
    if inherited is None:
        return run_lock.take(folder.lock, held) is not None
    os.set_inheritable(inherited, False)
    run_lock.tell(inherited, held)
    return True


def _result(folder: RunFolder, start: Start, heart: Heart) -> Result:
    """The edge: whatever a workload does ends in a result, with its traceback in out.log."""
    try:
        trained, model_hash = _train(folder, start, heart)
    except Exception as error:  # noqa: BLE001 somebody else's code is run here, and its end has to be told
        traceback.print_exc()
        return _ended(heart, start, "failed", reason=words_of(error), how=kind_of(error))
    state, reason = trained.state, trained.problem
    if state == "paused":
        reason = heart.stopped_by
        if reason is None:
            return _ended(heart, start, "failed", reason="the workload paused, and nobody had asked it to", how="error")
    how = "unhealthy" if state == "unhealthy" else None
    ended = _ended(heart, start, state, reason=reason, how=how, flags=list(trained.flags), model_hash=model_hash)
    return msgspec.structs.replace(ended, metrics={name: _number(value) for name, value in trained.metrics.items()})


def _ended(heart: Heart, start: Start, state: Any, **rest: Any) -> Result:
    return Result(
        start=start.start,
        state=state,
        step=heart.step,
        steps=heart.steps,
        seconds=round(heart.seconds, 3),
        rate=heart.rate,
        checkpoint_seconds=heart.yielded_in() if state == "paused" else None,
        **rest,
    )


def _number(value: Any) -> float | None:
    """A figure as JSON can hold it."""
    number = float(value)
    return number if np.isfinite(number) else None


def words_of(error: Exception) -> str:
    """Our own errors say what to do; of others the kind and the place alone, since their words may quote a text."""
    if isinstance(error, AdaptdError | BadInput):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" at {last[0].filename}:{last[0].lineno}" if last else ""
    return f"{type(error).__name__}{place}; out.log has the rest"


def kind_of(error: Exception) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "memory"
    return "refused" if isinstance(error, AdaptdError) else "error"


# Training


def _train(folder: RunFolder, start: Start, heart: Heart) -> tuple[Trained, str | None]:
    spec = folder.spec()
    workload, settings = workload_of(spec, start)
    with TextSource.open(folder.path.parent.parent) as source:
        dataset = workload.examples(pool_in(folder, "columns", source))
        validating = pool_in(folder, "validation", source)
        validation = workload.examples(validating) if len(validating) else None
        heart.beat(now=True)
        trained = workload.train(_job(folder, spec, start, heart, settings, dataset, validation))
    if not isinstance(trained, Trained):
        raise Refused(f"{spec.workload}: its train returned {type(trained).__name__}, expected a Trained")
    return trained, _keep_model(folder) if trained.state == "finished" else None


def pool_in(folder: RunFolder, name: Literal["columns", "validation"], source: TextSource) -> Pool:
    """A pool of the folder; what its recorded examples say is read by the numbers of the events that said it then."""
    columns: dict[str, NDArray[Any]] = {}
    nothing = np.zeros(0, np.int64)

    def texts(examples: Rows) -> Sequence[Text]:
        places = columns["order"][np.searchsorted(columns["sorted"], examples)]
        rows = {one: columns[one][places] if one in columns else np.zeros(len(places), np.int64) for one in needed}
        found = source.texts(rows)
        gone = [example for example, text in zip(examples.tolist(), found, strict=True) if not text]
        if gone:
            raise Refused(f"event {gone[0]}: its text cannot be read, expected one that nobody has forgotten")
        return found

    needed = ("example", *SEQS, "ups", "downs", "side")
    pool = folder.pool(name, texts)
    columns |= {one: pool[one] for one in needed if one in pool.columns}
    order = np.argsort(pool["example"], kind="stable") if len(pool) else nothing
    columns |= {"order": order, "sorted": pool["example"][order]}
    return pool


def workload_of(spec: SaysWorkload, start: Start) -> tuple[Workload, Any]:
    plugin = plugin_loading.load("workload", spec.plugin, Path(start.beside))
    if plugin.code_hash != spec.code:
        raise Refused(
            f"workload {spec.plugin!r}: its code is {plugin.code_hash}, the run was planned with {spec.code}, "
            f"expected the same. Put {plugin.where} back as it was; a run of the next batch takes the new code."
        )
    settings = plugin_loading.settings_of(
        plugin.made_by.Settings,  # type: ignore[attr-defined]
        spec.settings,
        f"workloads.{spec.workload}.settings",
    )
    settings = halved(settings, start.halvings)
    return plugin.made_by(settings), settings


def halved(settings: Any, times: int) -> Any:
    """Settings with so much less at once in memory, where they say how much; what one step learns from stays."""
    names = {field.name for field in dataclasses.fields(settings)}
    if not times or "micro_batch_size" not in names:
        return settings
    whole = settings.micro_batch_size or getattr(settings, "batch_size", None)
    return (
        dataclasses.replace(settings, micro_batch_size=max(1, whole >> times)) if isinstance(whole, int) else settings
    )


def _job(
    folder: RunFolder, spec: Spec, start: Start, heart: Heart, settings: Any, dataset: Any, validation: Any
) -> Job:
    out = folder.path / UNFINISHED
    _clear(out)
    out.mkdir()
    folder.checkpoints.mkdir(exist_ok=True)
    return Job(
        dataset=dataset,
        validation=validation,
        base_model=_base_model(spec),
        out=out,
        checkpoints=folder.checkpoints,
        settings=settings,
        mode=spec.mode,
        device=device_of(start.device),
        rng=seeded_rng(spec.seed),
        log=heart.log,
        should_stop=heart.should_stop,
    )


def device_of(device: str) -> str:
    """The daemon lets this process see its own GPU alone, which torch calls the first one."""
    return "cuda:0" if device.startswith("cuda") else device


def _base_model(spec: Spec) -> Path | None:
    if spec.base_model is None:
        return None
    path = Path(spec.base_model)
    if not path.is_dir():
        raise Refused(f"base_model {path}: no folder there, expected the model to begin from. Nothing is downloaded.")
    if is_of_a_shelf(path):
        Shelf(path.parent).check(int(path.name))  # nothing goes on from what is damaged
    return path


# The model


def _keep_model(folder: RunFolder) -> str:
    """The model under its name, every file of it on the disk, with their hashes; returns the hash of those."""
    made = folder.path / UNFINISHED
    files = {str(path.relative_to(made)): path for path in sorted(_files_in(made))}
    if not files:
        raise Refused(f"{folder.run}: the workload finished and left no model, expected files in job.out")
    manifest = {"format": 1, "files": {name: _hash_of(path) for name, path in files.items()}}
    data = msgspec.json.encode(manifest, order="deterministic")
    put_whole(made / MANIFEST, data)
    for path in files.values():
        sync_file(path)
    for path in [*(below for below in made.rglob("*") if below.is_dir()), made]:
        sync_folder(path)
    _clear(folder.model)
    made.rename(folder.model)
    sync_folder(folder.path)
    return blake2b(data, digest_size=32).hexdigest()


def _files_in(made: Path) -> list[Path]:
    """Plain files and folders alone: a link would hand out something else one day."""
    found = []
    for path in made.rglob("*"):
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise Refused(f"{path}: neither a file nor a folder, expected a model of plain files")
        found += [path] if stat.S_ISREG(mode) else []
    return found


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        hashed = blake2b(digest_size=32)
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    return hashed.hexdigest()


def _clear(path: Path) -> None:
    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _end(code: int) -> NoReturn:
    """At once: taking torch apart object by object costs a second or more, and somebody waits for the device."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _end(main())
