"""This file knows how stages that learn from history are fed it, and where what they remember is kept.

A file per workload and stage in state/derived/stages/: a head of one JSON line (the position up to which the stage was
fed, and by which code and settings), then the stage's own bytes. All of it is a cache: what is gone, damaged, of other
code, or fed beyond the wanted moment is made again from the first example.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import Pool, Rows
from daemon.stage_line import LineStage

PAGE_ROWS = 10_000
FOLDER_MODE = 0o700
NewestOf = Callable[[Rows], Rows]


class StageMemory:
    """The memories of one workload's stages. Without a folder they are made from the start, and kept nowhere."""

    def __init__(self, folder: Path | None, pool: Pool, newest_of: NewestOf) -> None:
        self._folder = folder
        self._pool = pool
        self._newest_of = newest_of  # numbers of the newest feedback on each example

    def bring_up(self, one: LineStage, moment: Moment) -> str:
        """Feeds the stage what it has not heard up to the moment, keeps its memory, and gives the memory's hash."""
        position = self._restored(one, moment.log_position)
        for page in self._pages_after(position):
            one.stage.remember(page)
        memory = one.stage.memory()
        if self._folder is not None and position < moment.log_position:
            self._keep(one, moment.log_position, memory)
        return blake2b(memory, digest_size=16).hexdigest()

    def _pages_after(self, position: int) -> Any:
        newest = self._newest_of(self._pool["example"])
        rows = np.flatnonzero(newest > position)
        rows = rows[np.argsort(newest[rows], kind="stable")]
        for start in range(0, len(rows), PAGE_ROWS):
            some = rows[start : start + PAGE_ROWS]
            yield {name: column[some] for name, column in self._pool.columns.items()}

    def _restored(self, one: LineStage, up_to: int) -> int:
        """The position that the stage stands at after taking up its kept memory; 0 where it begins anew."""
        head, memory = self._kept(one)
        if head.get("made_by") != _made_by(one) or not 0 < head.get("position", 0) <= up_to:
            return 0
        one.stage.restore(memory)
        return int(head["position"])

    def _kept(self, one: LineStage) -> tuple[Mapping[str, Any], bytes]:
        if self._folder is None:
            return {}, b""
        try:
            line, _, memory = self._path(one).read_bytes().partition(b"\n")
            head = json.loads(line)
        except (OSError, ValueError):
            return {}, b""
        whole = isinstance(head, dict) and head.get("hash") == blake2b(memory, digest_size=16).hexdigest()
        return (head, memory) if whole else ({}, b"")

    def _keep(self, one: LineStage, position: int, memory: bytes) -> None:
        """With a new file that takes the old one's place; no sync, since a torn one is as one that is gone."""
        assert self._folder is not None
        _make_folders(self._folder)
        head = {"position": position, "made_by": _made_by(one), "hash": blake2b(memory, digest_size=16).hexdigest()}
        path = self._path(one)
        beside = path.with_suffix(".new")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(json.dumps(head).encode() + b"\n" + memory)
        beside.replace(path)

    def _path(self, one: LineStage) -> Path:
        assert self._folder is not None
        return self._folder / (blake2b(one.named.encode(), digest_size=8).hexdigest() + ".memory")


def _make_folders(folder: Path) -> None:
    """With those above it that are missing, for their owner alone."""
    for path in reversed([folder, *folder.parents]):
        if not path.is_dir():
            path.mkdir(mode=FOLDER_MODE)


def _made_by(one: LineStage) -> str:
    return blake2b(json.dumps(one.told, sort_keys=True).encode(), digest_size=16).hexdigest()
