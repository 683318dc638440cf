"""This file knows what lies in the folder of an index that is being built: with which model, and what came of it.

`state/indexing/support-0003-articles/` is locked and started as a run's folder is; the index itself grows beside its
place on `daemon.index_shelf`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from daemon.judge_folder import JudgeFolder, JudgeResult
from daemon.run_folder import MODE, BadRunFolder, sync_file
from daemon.state_folder import sync_folder

FOLDER = "indexing"


class IndexSpec(Struct, frozen=True):
    """What is built, and with what."""

    judging: str  # the folder's name, as its children are told of
    workload: str
    plugin: str
    code: str
    settings: dict[str, Any]
    model: int
    index: str
    build: int
    texts: str | None  # a file; None for what was recorded
    by: str | None  # who writes it, FILE.py:function
    dtype: str
    position: int
    devices: tuple[str, ...] = ("cpu", "cuda")
    memory_bytes: int = 0
    format: Literal[1] = 1


class IndexResult(Struct, frozen=True):
    """How a start of the child ended."""

    start: int
    state: Literal["built", "failed"]
    fingerprint: str | None = None
    rows: int = 0
    dimension: int = 0
    texts: str | None = None  # the hash of ids and texts
    seconds: float = 0.0
    reason: str | None = None
    format: Literal[1] = 1


class IndexFolder(JudgeFolder):
    """One of them."""

    def judge_spec(self) -> IndexSpec:  # type: ignore[override]
        spec = self._read("spec.json", IndexSpec)
        if spec.judging != self.path.name:
            raise BadRunFolder(self.path / "spec.json", f"index {spec.judging!r}", f"index {self.path.name!r}")
        return spec

    def judge_result(self, start: int) -> JudgeResult | None:
        """As the children's keeper is told: only that there is one, and whether it failed."""
        found = self.index_result(start)
        if found is None:
            return None
        return JudgeResult(start, "failed" if found.state == "failed" else "judged", reason=found.reason)

    def index_result(self, start: int) -> IndexResult | None:
        """The last word of that start; None where it said none."""
        if not (self.path / "result.json").exists():
            return None
        result = self._read("result.json", IndexResult)
        return result if result.start == start else None

    def outputs(self) -> NDArray[np.int64]:
        """The numbers of the outputs whose inputs are indexed."""
        return np.asarray(np.load(self.path / "outputs.npy", allow_pickle=False), np.int64)


def index_folder(state_dir: Path, workload: str, model: int, index: str) -> IndexFolder:
    """Of this index."""
    return IndexFolder(state_dir / FOLDER / f"{workload}-{model:04}-{index}")


def write_indexing(state_dir: Path, spec: IndexSpec, outputs: NDArray[np.int64]) -> IndexFolder:
    """The whole folder under its name, in place of one that was there."""
    folder = index_folder(state_dir, spec.workload, spec.model, spec.index)
    folder.path.parent.mkdir(mode=MODE, exist_ok=True)
    beside = folder.path.with_name(f".{spec.judging}.unfinished")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=MODE)
    np.save(beside / "outputs.npy", outputs)
    (beside / "spec.json").write_bytes(msgspec.json.encode(spec))
    for path in beside.iterdir():
        sync_file(path)
    if folder.path.exists():
        folder.remove()
    beside.rename(folder.path)
    sync_folder(folder.path.parent)
    return folder
