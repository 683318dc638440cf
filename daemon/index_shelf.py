"""This file knows where indexes lie, which of them are shown, and which may go.

    state/indexes/support/0003/articles.1    an index, whole: it is renamed to this when it is
    state/indexes/support/0003/articles      → articles.1

An index lies under the number of the model that it was made with, and goes with it. Links are set to what the log says,
as those of models are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from daemon.state_folder import sync_folder
from daemon.views.models import INDEX_BUILT, Models, Standing
from daemon.views.runs import Runs

FOLDER = "indexes"
AView = TypeVar("AView")


class HasViews(Protocol):
    """The part of the views that is needed."""

    def of(self, kind: type[AView]) -> AView: ...


def of_model(state_dir: Path, workload: str, number: int) -> Path:
    """Where the indexes of that model are."""
    return state_dir / FOLDER / workload / f"{number:04}"


def build_of(state_dir: Path, workload: str, fact: Mapping[str, Any]) -> Path:
    """The folder of what an event says was built."""
    return of_model(state_dir, workload, fact["model"]) / f"{fact['index']}.{fact['build']}"


def is_there(state_dir: Path, workload: str, fact: Mapping[str, Any] | None) -> bool:
    """Whether it was built, and is there."""
    return fact is not None and fact["kind"] == INDEX_BUILT and build_of(state_dir, workload, fact).is_dir()


def link(state_dir: Path, workload: str, standing: Standing) -> Iterator[str]:
    """Each index of each model is the newest that was built; the one before goes."""
    for model in standing.models.values():
        for name, fact in model.indexes.items():
            build = build_of(state_dir, workload, fact)
            if is_there(state_dir, workload, fact) and _target(build.with_name(name)) != build.name:
                _point(build.with_name(name), build.name)
                for other in build.parent.glob(f"{name}.*"):
                    if other.name != build.name:
                        _remove(other)
                yield f"{workload}: index {name} of model {model.number} is build {fact['build']}"


def clean(state_dir: Path, workload: str, needed: Collection[int]) -> Iterator[str]:
    """Takes away the indexes of models that nobody needs."""
    folder = state_dir / FOLDER / workload
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not (path.name.isdigit() and int(path.name) in needed):
            _remove(path)
            yield f"{workload}: the indexes of model {path.name.lstrip('.0') or 0} are let go of"


def without_forgotten(state_dir: Path, views: HasViews) -> Iterator[str]:
    """Indexes of recorded texts that are older than somebody's forgetting go at once: it may be among them."""
    models, forgotten_at = views.of(Models), views.of(Runs).forgotten_at
    for workload in models.workloads():
        for model in models.standing(workload).models.values():
            for name, fact in model.indexes.items():
                old = bool(fact.get("recorded")) and fact["position"] < forgotten_at
                if old and is_there(state_dir, workload, fact):
                    build = build_of(state_dir, workload, fact)
                    build.with_name(name).unlink(missing_ok=True)
                    _remove(build)
                    yield f"{workload}: index {name} of model {model.number} is let go of, somebody was forgotten"


def _target(path: Path) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _point(path: Path, target: str) -> None:
    beside = path.with_name(f".{path.name}.link")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(path)
    sync_folder(path.parent)


def _remove(path: Path) -> None:
    """Renamed first: a half-deleted one must not look whole."""
    gone = path.with_name(f".{path.name.lstrip('.')}.gone")
    if path != gone:
        shutil.rmtree(gone, ignore_errors=True)
        path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
