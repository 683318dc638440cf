"""This file knows how what a run has left becomes a model with a number: its files on the shelf, and what the log says.

The base model comes first, as number 0 and champion, where the workload has one and no champion yet. Files are put
before the event: put twice, they are put once. A model whose files are not as the run left them gets its number, and is
turned down with it.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from daemon.event_kinds import CHALLENGER_TURNED_DOWN, MODEL_SHELVED, Body, Kind
from daemon.model_shelf import ModelDamaged, NoSuchModel, Shelf
from daemon.run_folder import BadRunFolder, RunFolder, folder_of
from daemon.views.models import FIRST, Standing
from daemon.views.runs import Record, Runs

FULL = (errno.ENOSPC, errno.EDQUOT)


def newest_finished(runs: Runs, workload: str, shelved: Collection[str | None], state_dir: Path) -> Record | None:
    """The run that finished last, where its model is not on the shelf yet; one whose folder is gone has left none."""
    finished = [one for one in runs.by_id.values() if one["state"] == "finished" and _workload_of(one) == workload]
    newest = max(finished, key=lambda one: int(one["seq"]), default=None)
    if newest is None or newest["run"] in shelved or not folder_of(state_dir, newest["run"]).path.is_dir():
        return None
    return newest


def _workload_of(record: Record) -> Any:
    return record.get("plan", {}).get("workload")


def shelve(
    shelf: Shelf, workload: str, run: Record, folder: RunFolder, number: int, standing: Standing, base: Path | None
) -> Iterator[tuple[Kind, Body]]:
    """What the log is to be told, each after its deed. OSError where the disk is full: it is done when it is not."""
    champion, name, batch = standing.champion, run["run"], run["plan"].get("batch")
    began = _began_from(shelf, run, champion)
    try:
        if base is not None and champion is None:
            told = shelf.put(FIRST, base, *_told(workload, FIRST), foreign=True)
            yield MODEL_SHELVED, _body(workload, FIRST, None, None, told, None)
            champion, began = FIRST, _began_from(shelf, run, FIRST)
        folder.check_model(run["last"].get("model_hash"))
        _let_go_of_another(shelf, number, name)
        told = shelf.put(number, folder.model, *_told(workload, number, run=name, batch=batch, base=began))
    except (BadRunFolder, ModelDamaged, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        yield MODEL_SHELVED, _body(workload, number, name, batch, None, began)
        body = {"workload": workload, "model": number, "run": name, "champion": champion, "level": 0.0}
        yield CHALLENGER_TURNED_DOWN, body | {"decision": None, "failed": str(error)}
    else:
        yield MODEL_SHELVED, _body(workload, number, name, batch, told, began)


def _began_from(shelf: Shelf, run: Record, champion: int | None) -> int | None:
    """The number of the model that the run was planned to begin from; None for none of this shelf's.

    The base model of config.toml is number 0. That is the champion when the first run is planned, and not there yet.
    """
    planned = run["plan"].get("base_model")
    if planned is None:
        return None
    path = Path(planned)
    on_shelf = path.parent == shelf.folder and path.name.isdigit()
    return int(path.name) if on_shelf else FIRST if champion is not None else None


def _body(workload: str, number: int, run: str | None, batch: int | None, told: str | None, base: int | None) -> Body:
    return {"workload": workload, "model": number, "run": run, "batch": batch, "hash": told, "base": base}


def _told(workload: str, number: int, **more: Any) -> tuple[dict[str, Any], str]:
    """Its card and README, until what is known of it in the log is written there."""
    return {"workload": workload, **more}, f"# {workload}, model {number}\n"


def _let_go_of_another(shelf: Shelf, number: int, run: str) -> None:
    """A folder under this number that no event knows, of another run: left by a daemon whose log was set back."""
    if not shelf.path(number).is_dir():
        return
    try:
        left_by = shelf.card(number).get("run")
    except (ModelDamaged, NoSuchModel):
        left_by = None
    if left_by != run:
        shelf.remove(number)
