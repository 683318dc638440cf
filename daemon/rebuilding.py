"""This file knows whether a batch can be formed again from the log, and whether what the log says of it is true.

Where code, settings, libraries and embeddings are those of then, it is formed again at its position and compared; else
its stored rows are checked one by one against the events that they stand on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
import numpy as np

from adaptd.errors import AdaptdError
from adaptd.plugin.moment import Moment
from daemon.batch_making import Line, Standing, begins_from, fingerprints, shape, take
from daemon.batches import FormedBatch, RowHashes, hash_over
from daemon.event_kinds import current
from daemon.event_log import EventLog
from daemon.forgetting import told_pseudonyms
from daemon.pooling import NotPrepared, Pooled
from daemon.stage_line import Shaped

if TYPE_CHECKING:
    from daemon.settings import Settings


MARK = "in_process"
"""The fingerprint of a batch that components of a host's own process have shaped: the words for what they are."""


class Earlier(Protocol):
    """Gives the log as it was."""

    def now(self) -> Standing: ...
    def at(self, position: int) -> Standing: ...


class Checked(NamedTuple):
    """What a check found. `why_not` says what keeps the batch from being formed again, None where it was."""

    batch: int
    rows: int
    why_not: str | None
    wrong: list[int]  # places of rows that are not what the log gives
    forgotten: list[int]  # places of rows of subjects that were forgotten since: no fault
    unchecked: list[int]  # places of derived rows, whose texts the log does not have
    hash_holds: bool

    @property
    def ok(self) -> bool:
        """Whether nothing was found that is not as it was."""
        return self.hash_holds and not self.wrong


def body_of(log: EventLog, event_seq: int) -> dict[str, Any]:
    """What the log says of a batch, in its newest shape."""
    ((kind, body),) = log.read_after(event_seq - 1, 1, ("kind", "body"))
    return current(kind, msgspec.json.decode(body))[1]


def rebuilt(number: int, earlier: Earlier, settings: Settings, beside: Path) -> FormedBatch | str:
    """The batch of that number formed again, equal to what the log says; else why not."""
    now = earlier.now()
    told = next((batch for batch in now.batches.listed() if batch["batch"] == number), None)
    if told is None:
        return f"batch {number}: the log has none of that number"
    body = body_of(now.log, told["seq"])
    standing = earlier.at(body["position"])
    line = line_of(body, settings, beside)
    if isinstance(line, str):
        return line
    made = _again(body, standing, line)
    if isinstance(made, str):
        return made
    if made.body["hash"] != body["hash"] or made.body["validation"]["hash"] != body["validation"]["hash"]:
        return f"batch {number}: formed again it has other rows"
    return made._replace(body=body)


def line_of(body: Mapping[str, Any], settings: Settings, beside: Path) -> Line | str:
    """The workload's line as it is configured now; else why the batch cannot be formed by it."""
    workload = body["workload"]
    if MARK in body["fingerprints"]:
        return f"shaped by what no config.toml can name: {body['fingerprints'][MARK]}"
    if workload not in settings.workloads:
        return f"workload {workload!r} is configured no more"
    try:
        line = Line.load(workload, settings.workloads[workload], beside)
    except AdaptdError as error:
        return str(error)
    changed = differences(body, line)
    return f"changed since: {', '.join(changed)}" if changed else line


def differences(body: Mapping[str, Any], line: Line) -> list[str]:
    """What of code and settings is not as it was, in words."""
    changed = []
    if body["plugin"]["code"] != line.plugin.code_hash:
        changed.append(f"the code of workload {line.plugin.name}")
    if body["filter"] != line.filter:
        changed += [f"{name}" for name in line.filter if body["filter"].get(name) != line.filter[name]]
    then, today = body["stages"], [one.told for one in line.stages.stages]
    if [one["name"] for one in then] != [one["name"] for one in today]:
        return [*changed, "the stages"]
    for was, one in zip(then, today, strict=True):
        if was["code"] != one["code"]:
            changed.append(f"the code of stage {one['name']}")
        if was["settings"] != one["settings"]:
            changed.append(f"the settings of stage {one['name']}")
    return changed


def formed_again(body: Mapping[str, Any], standing: Standing, line: Line) -> tuple[Pooled, Shaped] | str:
    """Pool and stages of this body once more, at its position; else what else has changed."""
    found = _shaped_again(body, standing, line)
    return found if isinstance(found, str) else found[:2]


def _shaped_again(
    body: Mapping[str, Any], standing: Standing, line: Line
) -> tuple[Pooled, Shaped, FormedBatch | None] | str:
    moment = Moment(body["now"], body["position"], body["seed"])
    try:
        taken = take(standing, line, moment, begins_from(body))
    except NotPrepared as error:
        return str(error)
    if changed := _changed_libraries(body, taken):
        return f"changed since: {', '.join(changed)}"
    return taken, *shape(standing, line, taken, moment, body["batch"], body["night"], list(body["by"]))


def _again(body: Mapping[str, Any], standing: Standing, line: Line) -> FormedBatch | str:
    """The batch of this body formed once more; else why it cannot be compared with what it was."""
    found = _shaped_again(body, standing, line)
    if isinstance(found, str):
        return found
    _, shaped, batch = found
    if batch is None:
        return "formed again, no row is left" if not shaped.refused else f"stage {shaped.failures[-1].stage!r} failed"
    for was, one in zip(body["stages"], batch.body["stages"], strict=True):
        if was.get("memory") != one.get("memory"):
            return f"what stage {one['name']} remembers, fed from the first example, is not what it was"
        if was["skipped"] != one["skipped"]:
            return f"stage {one['name']} failed then or now, and not both"
    return batch


def _changed_libraries(body: Mapping[str, Any], taken: Pooled) -> list[str]:
    today = fingerprints(taken)
    return [name for name, was in body["fingerprints"].items() if today.get(name) != was]


# Checking


def check(number: int, earlier: Earlier, settings: Settings, beside: Path) -> Checked | None:
    """Whether the batch is what the log says of it; None where there is none of that number."""
    now = earlier.now()
    told = next((batch for batch in now.batches.listed() if batch["batch"] == number), None)
    if told is None:
        return None
    body = body_of(now.log, told["seq"])
    standing = earlier.at(body["position"])
    forgotten = _forgotten_rows(now, body)
    line = line_of(body, settings, beside)
    if not isinstance(line, str) and told_pseudonyms(now.log, after=body["position"]):
        line = "a subject was forgotten since, whose texts a stage may have read"
    again = _again(body, standing, line) if isinstance(line, Line) else line
    if isinstance(again, str):
        return _stored_rows(body, standing, forgotten, again)
    return _compared(body, again.body, forgotten)


def _compared(body: Mapping[str, Any], again: Mapping[str, Any], forgotten: list[int]) -> Checked:
    """Row by row; what is formed again but was not there has no place, and shows in the hash."""
    columns = ("example", "derived_from", "weight", "hash")
    then = list(zip(*(body["rows"][name] for name in columns), strict=True))
    today = list(zip(*(again["rows"][name] for name in columns), strict=True))
    wrong = [place for place, row in enumerate(then) if place >= len(today) or row != today[place]]
    holds = body["hash"] == again["hash"] and body["validation"]["hash"] == again["validation"]["hash"]
    return Checked(body["batch"], len(then), None, wrong, forgotten, [], holds)


def _stored_rows(body: Mapping[str, Any], standing: Standing, forgotten: list[int], why_not: str) -> Checked:
    """Each recorded row's hash from the events that it stands on, and the batch's from the rows'."""
    rows = body["rows"]
    examples, sources = np.array(rows["example"], np.int64), np.array(rows["derived_from"], np.int64)
    recorded = np.flatnonzero(examples > 0)
    known = np.isin(examples, standing.examples.outputs["seq"])
    here = recorded[known[recorded]]
    weights = np.array(rows["weight"], np.float64)
    hashes = RowHashes(standing.log, standing.examples).of_rows(
        examples[here], sources[here], weights[here], [None] * len(here)
    )
    wrong = [place for place, hashed in zip(here.tolist(), hashes, strict=True) if rows["hash"][place] != hashed]
    wrong += recorded[~known[recorded]].tolist()
    excused = set(forgotten)
    return Checked(
        body["batch"],
        len(examples),
        why_not,
        sorted(place for place in wrong if place not in excused),
        forgotten,
        np.flatnonzero(examples < 0).tolist(),
        hash_over(standing.log.salt, rows["hash"]) == body["hash"],
    )


def _forgotten_rows(now: Standing, body: Mapping[str, Any]) -> list[int]:
    """The places of rows whose output lies under a key that was destroyed."""
    gone = np.array(sorted(told_pseudonyms(now.log)), np.int64)
    resolved = now.examples.resolved()
    outputs = resolved["seq"][np.isin(resolved["subject"], gone)]
    rows = body["rows"]
    sources = [source if example < 0 else example for example, source in _pairs(rows)]
    return np.flatnonzero(np.isin(np.array(sources, np.int64), outputs)).tolist()


def _pairs(rows: Mapping[str, Any]) -> list[tuple[int, int]]:
    return list(zip(rows["example"], rows["derived_from"], strict=True))
