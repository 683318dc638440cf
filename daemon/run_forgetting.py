"""This file knows whether a run would learn from somebody who was forgotten, and what a run that is over needs no more.

A model that has learnt from somebody is not taken away here: it is told.
"""

from __future__ import annotations

import shutil

from daemon.event_log import EventLog
from daemon.forgetting import told_pseudonyms
from daemon.run_erasing import outputs_of
from daemon.run_folder import RunFolder

PAGE_EVENTS = 5000


def erase_over(folder: RunFolder) -> None:
    """Of a run that is over: what only going on needs."""
    (folder.path / "derived.jsonl").unlink(missing_ok=True)
    for path in (folder.checkpoints, folder.path / ".model.unfinished"):
        shutil.rmtree(path, ignore_errors=True)


def holds_forgotten(log: EventLog, folder: RunFolder) -> bool:
    """Whether somebody was forgotten since the batch was formed whose output, or feedback, is in it."""
    pseudonyms = told_pseudonyms(log, after=folder.spec().position)
    return bool(pseudonyms) and bool(_output_keys(log, pseudonyms) & _keys_of(log, folder))


def _output_keys(log: EventLog, pseudonyms: set[int]) -> set[int]:
    """The outputs that anything under these pseudonyms is about."""
    keys: set[int] = set()
    seq = 0
    while rows := log.read_after(seq, PAGE_EVENTS, ("seq", "subject", "output_key")):
        keys |= {key for _, subject, key in rows if subject in pseudonyms and key is not None}
        seq = rows[-1][0]
    return keys


def _keys_of(log: EventLog, folder: RunFolder) -> set[int]:
    """The outputs that the run learns from, or stops by, by their keys."""
    keys: set[int] = set()
    for seq in outputs_of(folder.path):
        rows = log.read_after(seq - 1, 1, ("seq", "output_key"))
        keys |= {key for found, key in rows if found == seq and key is not None}
    return keys
