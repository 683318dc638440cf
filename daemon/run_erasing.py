"""This file knows what of a run's folder may hold somebody's words, and takes it away when it has to go.

Texts of derived examples, and whatever the child printed. A model that has learnt from somebody is not taken away here:
it is told.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np

from daemon.event_log import EventLog
from daemon.run_folder import RunFolder, run_folders

PAGE_EVENTS = 5000
FORGOTTEN = "subject_forgotten/1"


def erase_over(folder: RunFolder) -> None:
    """Of a run that is over: what only going on needs."""
    (folder.path / "derived.jsonl").unlink(missing_ok=True)
    for path in (folder.checkpoints, folder.path / ".model.unfinished"):
        shutil.rmtree(path, ignore_errors=True)


def erase_forgotten(state_dir: Path, log: EventLog, pseudonyms: Iterable[int]) -> int:
    """Takes the words away from every run that was to learn from these; returns how many folders held them."""
    wanted = set(pseudonyms)
    paths = sorted(run_folders(state_dir).glob("run-*"))
    keys = _output_keys(log, wanted) if paths and wanted else set()
    held = [RunFolder(path) for path in paths if keys & _keys_of(log, RunFolder(path))]
    for folder in held:
        folder.erase_private()
    return len(held)


def holds_forgotten(log: EventLog, folder: RunFolder) -> bool:
    """Whether somebody was forgotten since the batch was formed whose output, or feedback, is in it."""
    pseudonyms = {number for body in _forgettings(log, folder.spec().position) for number in body["pseudonyms"]}
    return bool(pseudonyms) and bool(_output_keys(log, pseudonyms) & _keys_of(log, folder))


def _forgettings(log: EventLog, after: int) -> list[dict[str, list[int]]]:
    found = []
    while rows := log.read_after(after, PAGE_EVENTS, ("seq", "kind")):
        for seq, kind in rows:
            if kind == FORGOTTEN:
                ((body,),) = log.read_after(seq - 1, 1, ("body",))
                found.append(json.loads(body))
        after = rows[-1][0]
    return found


def _output_keys(log: EventLog, pseudonyms: set[int]) -> set[int]:
    """The outputs that anything under these pseudonyms is about."""
    keys: set[int] = set()
    seq = 0
    while rows := log.read_after(seq, PAGE_EVENTS, ("seq", "subject", "output_key")):
        keys |= {key for _, subject, key in rows if subject in pseudonyms and key is not None}
        seq = rows[-1][0]
    return keys


def _keys_of(log: EventLog, folder: RunFolder) -> set[int]:
    """The outputs that the run learns from, or stops by."""
    keys: set[int] = set()
    for name in ("columns", "validation"):
        for seq in _seqs(folder.path / f"{name}.npz"):
            rows = log.read_after(seq - 1, 1, ("seq", "output_key"))
            keys |= {key for found, key in rows if found == seq and key is not None}
    return keys


def _seqs(path: Path) -> list[int]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            both = np.concatenate([stored["example"], stored["derived_from"]])
    except (OSError, ValueError, KeyError, EOFError):
        return []
    seqs: list[int] = np.unique(both[both > 0]).tolist()
    return seqs


def erase_trials(state_dir: Path) -> None:
    """What a search that was killed may have left of its last trial: a model, and what the trial printed."""
    for folder in (state_dir / "tuning").glob("*/*"):
        shutil.rmtree(folder / "trial", ignore_errors=True)
        (folder / "out.log").unlink(missing_ok=True)


# Line by line

RUNS, DERIVED_TEXTS, PRINTED = "runs", "derived.jsonl", "out.log"


def erase_derived_texts(state_dir: Path, outputs: Collection[int]) -> int:
    """Overwrites every text that was derived from these outputs, by their numbers; returns how many there were."""
    wanted = frozenset(outputs)
    return sum(_erase(path, wanted) for path in sorted((state_dir / RUNS).glob(f"*/{DERIVED_TEXTS}"))) if wanted else 0


def erase_printed(state_dir: Path, outputs: Collection[int]) -> int:
    """Empties what the processes of runs printed that learn from these outputs; returns of how many runs.

    A workload may print what it reads. A child that still runs goes on at the file's new end.
    """
    paths = sorted((state_dir / RUNS).glob(f"*/{PRINTED}")) if outputs else []
    mine = [path for path in paths if path.stat().st_size and not outputs_of(path.parent).isdisjoint(outputs)]
    for path in mine:
        os.truncate(path, 0)
    return len(mine)


def outputs_of(folder: Path) -> set[int]:
    """The outputs that a run's folder learns from or stops by, by their numbers; none where it cannot be read."""
    found: set[int] = set()
    for name in ("columns", "validation"):
        try:
            with (folder / f"{name}.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
                both = np.concatenate([stored["example"], stored["derived_from"]])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            continue
        found.update(both[both > 0].tolist())
    return found


def _erase(path: Path, wanted: frozenset[int]) -> int:
    spans = list(_spans(path, wanted))
    if spans:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            for start, line in spans:
                os.pwrite(descriptor, line, start)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return len(spans)


def _spans(path: Path, wanted: frozenset[int]) -> Iterator[tuple[int, bytes]]:
    """Where a line begins that has to go, and what takes its place; a line that cannot be read goes as well."""
    start = 0
    for line in path.read_bytes().splitlines(keepends=True):
        kept = _kept(line, wanted)
        if kept is not None:
            yield start, kept.ljust(len(line.rstrip(b"\n")))[: len(line.rstrip(b"\n"))]
        start += len(line)


def _kept(line: bytes, wanted: frozenset[int]) -> bytes | None:
    """What stays of a line, None where all of it does."""
    try:
        told = json.loads(line)
        numbers = {name: int(told[name]) for name in ("example", "derived_from")}
    except (ValueError, TypeError, KeyError):
        return b""
    if numbers["derived_from"] not in wanted or told == numbers:
        return None
    return json.dumps(numbers, separators=(",", ":")).encode()
