"""This file knows what lies in the folder of a judging: which models, what they answer to, and what came of it.

`state/judging/WORKLOAD-0003/` is written whole before its child begins, and is locked and started as a run's folder is.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct

from adaptd.plugin.pool import Pool
from daemon.run_folder import MODE, BadRunFolder, RunFolder, sync_file
from daemon.state_folder import sync_folder

FOLDER, RESULTS = "judging", "results.npz"
FAIR, FAIR_WEIGHT = "fair", "fair_weight"
"""Columns of the pool that is judged on, beside those that every pool has."""


class JudgeSpec(Struct, frozen=True):
    """What is judged, and on what."""

    judging: str
    workload: str
    plugin: str
    code: str
    settings: dict[str, Any]
    run: str | None
    model: int
    champion: int | None
    names: dict[str, list[str | None]]
    golden: list[int] = []  # events of the golden set
    golden_version: int | None = None
    position: int = 0
    devices: tuple[str, ...] = ("cpu", "cuda")
    memory_bytes: int = 0
    format: Literal[1] = 1


class JudgeResult(Struct, frozen=True):
    """How a start of the child ended."""

    start: int
    state: Literal["judged", "failed"]
    outputs: list[int] = []  # the judge side's, that both answered
    metric: str | None = None  # the one that is to become better
    higher_is_better: bool = True  # of that metric
    success: dict[str, Any] | None = None  # shares of examples that reach 70 of 100; of a metric without a scale none
    results: str | None = None  # the hash of results.npz
    metrics: dict[str, Any] = {}
    latency: dict[str, float] | None = None  # seconds an example; of the challenger alone where there is no champion
    latencies: dict[str, dict[str, float]] = {}  # the same by artifact type, as `type NAME`
    size: dict[str, int] | None = None  # bytes
    seconds: float = 0.0
    reason: str | None = None
    format: Literal[1] = 1


class JudgeFolder(RunFolder):
    """One of them."""

    @property
    def results(self) -> Path:
        return self.path / RESULTS

    def judge_spec(self) -> JudgeSpec:
        """BadRunFolder where it is none, or of another judging."""
        spec = self._read("spec.json", JudgeSpec)
        if spec.judging != self.path.name:
            raise BadRunFolder(self.path / "spec.json", f"judging {spec.judging!r}", f"judging {self.path.name!r}")
        return spec

    def names(self, pool: str) -> Mapping[str, list[str | None]]:  # noqa: ARG002 there is one pool
        return self.judge_spec().names

    def judge_result(self, start: int) -> JudgeResult | None:
        """The last word of that start; None where it said none. BadRunFolder where it cannot be believed."""
        if not (self.path / "result.json").exists():
            return None
        result = self._read("result.json", JudgeResult)
        return result if result.start == start else None

    def started(self) -> int:
        """How often its child was begun."""
        return self.start().start if (self.path / "start.json").exists() else 0


def judgings(state_dir: Path) -> Path:
    """Where the folders lie."""
    return state_dir / FOLDER


def judge_folder(state_dir: Path, workload: str, model: int) -> JudgeFolder:
    """Of this model."""
    return JudgeFolder(judgings(state_dir) / f"{workload}-{model:04}")


def write_judging(state_dir: Path, spec: JudgeSpec, pool: Pool) -> JudgeFolder:
    """The whole folder under its name, in place of one that was there."""
    folder = judge_folder(state_dir, spec.workload, spec.model)
    folder.path.parent.mkdir(mode=MODE, exist_ok=True)
    beside = folder.path.with_name(f".{spec.judging}.unfinished")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=MODE)
    with (beside / "columns.npz").open("wb") as file:
        np.savez(file, **pool.columns)  # type: ignore[arg-type]
    (beside / "spec.json").write_bytes(msgspec.json.encode(spec))
    for path in beside.iterdir():
        sync_file(path)
    sync_folder(beside)
    if folder.path.exists():
        folder.remove()
    beside.rename(folder.path)
    sync_folder(folder.path.parent)
    return folder
