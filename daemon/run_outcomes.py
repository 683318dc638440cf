"""This file knows what an ended process means for its run: finished, paused, to be tried again, or given up. Pure.

The child's own last word decides where there is one. Without it, a checkpoint that is newer than the start says that
the time was not lost: nobody counts a machine's power cut as a run's failure. Everything else is a failure, and so many
of them are one too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from daemon.event_kinds import RUN_FAILED, RUN_FINISHED, RUN_PAUSED, Body, Kind
from daemon.run_folder import Result

UNHEALTHY_ONCE = 1
"""A run that became unhealthy goes on once from its last good checkpoint."""
REASON_KEPT = 1000  # characters


class End(NamedTuple):
    """What is known of a process that is gone."""

    code: int | None  # None: it was not ours to wait for
    result: Result | None
    from_step: int
    checkpointed: int  # the newest step that is safe
    killed: str | None = None  # why we ended it ourselves
    told: str | None = None  # what it had been told to pause for
    fault: str | None = None  # what is wrong with its result


def outcome(record: Mapping[str, Any], end: End, attempts: int) -> tuple[Kind, Body]:
    """The event of this end. `record` is the run as the view has it."""
    body: Body = {"run": record["run"]}
    result = end.result
    if result is not None and end.fault is None:
        body |= _measured(result)
        if result.state == "finished":
            told = {"metrics": result.metrics, "model_hash": result.model_hash, "flags": result.flags}
            return RUN_FINISHED, body | told
        if result.state == "paused":
            return RUN_PAUSED, body | {"step": end.checkpointed, "reason": result.reason or "daemon"}
        how = result.how or "error"
        return RUN_FAILED, body | _failure(record, how, result.reason or result.state, attempts)
    if end.killed is None and end.fault is None and end.code is None and end.checkpointed > end.from_step:
        return RUN_PAUSED, body | {"step": end.checkpointed, "steps": record.get("steps"), "reason": "daemon"}
    if end.killed is not None and end.told is not None and end.checkpointed > end.from_step:
        return RUN_PAUSED, body | {"step": end.checkpointed, "steps": record.get("steps"), "reason": end.told}
    how = "silent" if end.killed is not None else "died"
    return RUN_FAILED, body | _failure(record, how, end.fault or end.killed or _words_of(end.code), attempts)


def _measured(result: Result) -> Body:
    told: Body = {"step": result.step, "steps": result.steps, "seconds": result.seconds}
    if result.rate is not None:
        told["rate"] = round(result.rate, 6)
    if result.checkpoint_seconds is not None:
        told["checkpoint_seconds"] = result.checkpoint_seconds
    return told


def _failure(record: Mapping[str, Any], how: str, reason: str, attempts: int) -> Body:
    attempt = attempt_of(record)
    again = attempt < attempts and how != "refused"
    if how == "unhealthy":
        again = again and record["failures"].get(how, 0) < UNHEALTHY_ONCE
    return {"attempt": attempt, "how": how, "reason": reason[:REASON_KEPT], "final": not again}


def attempt_of(record: Mapping[str, Any]) -> int:
    """Which attempt is being made; pauses are none."""
    failures: Mapping[str, int] = record["failures"]
    return 1 + sum(failures.values())


def _words_of(code: int | None) -> str:
    if code is None:
        return "its process is gone, and it saved no checkpoint; out.log has what it printed"
    if code < 0:
        memory = ", as the kernel does when memory runs out" if code == -9 else ""
        return f"its process was ended by signal {-code}{memory}; out.log has what it printed"
    return f"its process ended with exit code {code} and without a result; out.log has what it printed"
