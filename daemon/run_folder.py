"""This file knows what lies in the folder of a run, and how each thing is written whole or not at all.

`spec.json`, `columns.npz`, `validation.npz` and `derived.jsonl` say what is learnt and never change; `start.json` is
for one start of the child; `progress.json` is its heartbeat, `result.json` its last word, `stop` the daemon's wish that
it pause. Whatever is read here may be torn, or put there by somebody: it is checked, and no pickle is read.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct

from adaptd.errors import AdaptdError
from adaptd.plugin.pool import COLUMNS, Pool, Texts, WrongPool
from daemon.state_folder import sync_folder

FORMAT = 1
RUN_ID = re.compile(r"run-\d{4,}")
MODE = 0o700
MANIFEST = "adaptd-manifest.json"  # of a model's files, beside them
MOST_BYTES = 64 << 20  # of a JSON file in a run's folder; ours are far smaller
MOST_STOP_BYTES = 4000


class BadRunFolder(AdaptdError):
    """A run's folder holds something that no run of ours has left."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(
            f"{path}: found {found}, expected {expected}. The run cannot go on with it; a run of a new batch begins "
            "with a folder of its own."
        )
        self.path = path


class Spec(Struct, frozen=True):
    """What the run is. The code hash of the plan is what the child must find."""

    run: Annotated[str, Meta(pattern=r"^run-\d{4,}$")]
    batch: int
    workload: str
    plugin: str  # as config.toml names it
    code: str
    mode: Literal["full", "lora"]
    settings: dict[str, Any]
    base_model: str | None
    seed: Annotated[int, Meta(ge=0)]
    names: dict[str, dict[str, list[str | None]]]  # of the two pools
    position: int = 0  # the newest event that the batch knows
    devices: tuple[str, ...] = ("cpu", "cuda")
    memory_bytes: int = 0
    format: Literal[1] = 1


class Start(Struct, frozen=True):
    """What holds for one start of the child."""

    start: Annotated[int, Meta(ge=1)]
    device: str
    beside: str  # the folder of config.toml, where plugins are looked for first
    seconds: float | None = None  # what is left of the window
    halvings: Annotated[int, Meta(ge=0, le=30)] = 0  # of the micro-batch, since memory ran out
    format: Literal[1] = 1


class Progress(Struct, frozen=True):
    """How far a start is. The figures of a run that stands still are those of its last start."""

    start: int
    beat: int = 0  # changes whenever the child is alive and not stuck in a step
    step: int = 0
    steps: int | None = None
    loss: float | None = None
    seconds: float = 0.0
    rate: float | None = None  # steps a second, of this start
    left_seconds: float | None = None
    losses: list[tuple[int, float]] = []  # thinned out


class Result(Struct, frozen=True):
    """How a start ended."""

    start: int
    state: Literal["finished", "paused", "unhealthy", "failed"]
    step: int = 0
    steps: int | None = None
    seconds: float = 0.0
    rate: float | None = None
    checkpoint_seconds: float | None = None  # from the wish to the checkpoint's being there
    metrics: dict[str, float | None] = {}
    flags: list[str] = []
    model_hash: str | None = None
    reason: str | None = None
    how: str | None = None  # of one that failed: "memory", "refused", "error"
    format: Literal[1] = 1


class Held(NamedTuple):
    """What the holder of a run's lock has written into it; a pid of 0 was not told yet."""

    pid: int
    start: int
    device: str
    from_step: int


_T = TypeVar("_T", bound=Struct)


class RunFolder:
    """One of them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run(self) -> str:
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def out_log(self) -> Path:
        return self.path / "out.log"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    def is_whole(self) -> bool:
        """Whether the plan lies here: the folder gets its name when all of it does."""
        return (self.path / "spec.json").is_file()

    # What is learnt

    def spec(self) -> Spec:
        """BadRunFolder where it is none, or of another run."""
        spec = self._read("spec.json", Spec)
        if spec.run != self.path.name:
            raise BadRunFolder(self.path / "spec.json", f"run {spec.run!r}", f"run {self.path.name!r}")
        return spec

    def pool(self, name: Literal["columns", "validation"], texts: Texts) -> Pool:
        """What is learnt from, or validated on; texts of recorded examples come from `texts`."""
        path = self.path / f"{name}.npz"
        derived = self._derived() if name == "columns" else {}
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                columns = {column: stored[column] for column in stored.files}
            pool = Pool.of(columns, names=self.names(name), derived=derived, fetch_texts=texts)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, WrongPool) as error:
            raise BadRunFolder(path, str(error) or type(error).__name__, "the columns of a pool") from None
        missing = set(pool["example"][pool["example"] < 0].tolist()) - derived.keys()
        if missing:
            raise BadRunFolder(self.path / "derived.jsonl", f"no example {max(missing)}", "every one that was derived")
        return pool

    def names(self, pool: str) -> Mapping[str, list[str | None]]:
        """What the numbers in that pool's columns stand for."""
        return self.spec().names.get(pool, {})

    def _derived(self) -> dict[int, Mapping[str, Any]]:
        path = self.path / "derived.jsonl"
        try:
            lines = path.read_bytes().splitlines()
            rows = [json.loads(line) for line in lines]
            return {int(row["example"]): dict(row["text"]) for row in rows}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BadRunFolder(path, f"{type(error).__name__}: {error}", "a derived example a line") from None

    # What daemon and child tell each other

    def start(self) -> Start:
        return self._read("start.json", Start)

    def progress(self) -> Progress | None:
        """The last heartbeat; None where there is none that can be read."""
        with suppress(BadRunFolder):
            return self._read("progress.json", Progress)
        return None

    def result(self, start: int) -> Result | None:
        """The last word of that start; None where it said none. BadRunFolder where it cannot be believed."""
        if not (self.path / "result.json").exists():
            return None
        result = self._read("result.json", Result)
        return result if result.start == start else None

    def write(self, name: str, content: Struct) -> None:
        """One of the JSON files, whole and at once; result.json also against a power cut."""
        put_whole(self.path / name, msgspec.json.encode(content), durable=name != "progress.json")

    def clear_for(self, start: Start) -> None:
        """Makes the folder ready for a start: nothing of the one before is taken for its word."""
        for name in ("stop", "waiting", "result.json"):
            (self.path / name).unlink(missing_ok=True)
        self.write("start.json", start)

    def ask_to_stop(self, reason: str) -> None:
        put_whole(self.path / "stop", reason.encode(), durable=False)

    def stop_reason(self) -> str | None:
        """Why the child was asked to pause; None when it was not."""
        try:
            with (self.path / "stop").open("rb") as file:
                return file.read(MOST_STOP_BYTES).decode(errors="replace").strip()
        except OSError:
            return None

    def checkpointed_step(self) -> int:
        """The newest step of which a checkpoint lies here with its manifest; 0 without one."""
        steps = [0]
        for path in self.checkpoints.glob("step-*/manifest.json"):
            number = path.parent.name.removeprefix("step-")
            steps += [int(number)] if number.isdecimal() else []
        return max(steps)

    def check_model(self, model_hash: str | None) -> None:
        """BadRunFolder unless the model that the result tells of lies here."""
        path = self.model / MANIFEST
        try:
            found = blake2b(path.read_bytes(), digest_size=32).hexdigest()
        except OSError as error:
            raise BadRunFolder(path, error.strerror or str(error), "the manifest of a finished model") from None
        if found != model_hash:
            raise BadRunFolder(path, f"hash {found[:16]}…", f"that of the run's model, {str(model_hash)[:16]}…")

    def erase_private(self) -> None:
        """What may hold texts: of derived examples, and of whatever the child printed."""
        for name in ("derived.jsonl", "out.log"):
            (self.path / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Renamed first: a half-removed folder must not look like a run's."""
        gone = self.path.with_name(f".{self.path.name}.gone")
        shutil.rmtree(gone, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _read(self, name: str, kind: type[_T]) -> _T:
        path = self.path / name
        try:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
            return msgspec.json.decode(data, type=kind)
        except FileNotFoundError:
            raise BadRunFolder(path, "no such file", f"the {kind.__name__.lower()} of a run") from None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRunFolder(path, str(error), f"the {kind.__name__.lower()} of a run") from None


def run_folders(state_dir: Path) -> Path:
    """Where the folders of runs lie."""
    return state_dir / "runs"


def folder_of(state_dir: Path, run: str) -> RunFolder:
    """Of this run; BadRunFolder where that is no run's id, so that no path is made of it."""
    if not RUN_ID.fullmatch(run):
        raise BadRunFolder(run_folders(state_dir), f"run {run!r}", "an id such as run-0007")
    return RunFolder(run_folders(state_dir) / run)


def number_of(run: str) -> int:
    return int(run.removeprefix("run-"))


def id_of(number: int) -> str:
    return f"run-{number:04}"


def write_folder(state_dir: Path, spec: Spec, pool: Pool, validation: Pool) -> RunFolder:
    """The whole folder under its name, or nothing of it; one that lies there without its spec is put aside first."""
    folder = folder_of(state_dir, spec.run)
    folder.path.parent.mkdir(mode=MODE, exist_ok=True)
    folder.path.parent.chmod(MODE)
    beside = folder.path.with_name(f".{spec.run}.unfinished")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=MODE)
    for name, columns in (("columns", pool), ("validation", validation)):
        with (beside / f"{name}.npz").open("wb") as file:
            np.savez(file, **columns.columns)  # type: ignore[arg-type]
    _write_derived(beside / "derived.jsonl", pool)
    (beside / "spec.json").write_bytes(msgspec.json.encode(spec))
    for path in beside.iterdir():
        sync_file(path)
    sync_folder(beside)
    if folder.path.exists():
        folder.remove()
    beside.rename(folder.path)
    sync_folder(folder.path.parent)
    return folder


def _write_derived(path: Path, pool: Pool) -> None:
    """With the example that each was made from, so that forgetting finds it (daemon.run_erasing)."""
    sources = dict(zip(pool["example"].tolist(), pool["derived_from"].tolist(), strict=True))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        for number in sorted((one for one in sources if one < 0), reverse=True):
            text = dict(pool.derived.get(number, {}))
            row = {"example": number, "derived_from": sources[number], "text": text}
            file.write(msgspec.json.encode(row) + b"\n")


def names_of(pool: Pool) -> dict[str, list[str | None]]:
    """A pool's names, as the spec keeps them."""
    return {name: list(names) for name, names in pool.names.items() if name in COLUMNS or name in pool.columns}


def put_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """The file, as it was or as it shall be."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(descriptor)
    unfinished.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
