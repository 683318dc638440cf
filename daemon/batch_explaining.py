"""This file knows why an example is in a batch, or why not: at which stage it was left out, or what it is apart from.

For what is in a batch the event has the reasons; for what is not the batch is formed again, as far as that can be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from daemon.batch_making import Line, Standing
from daemon.batches import said_of_row
from daemon.pooling import LEARN, WHY_APART, Pooled
from daemon.sides import SIDES
from daemon.stage_line import Shaped
from daemon.views import saying
from daemon.views.examples import Examples

APART = {
    "subject": "held apart: its subject has a held-out example too",
    "episode": "held apart: its episode has a held-out example too",
    "near": "held apart: its input is nearly that of a held-out example",
}


class Said(NamedTuple):
    """What one stage said of the example, and whether it stayed."""

    stage: str
    words: str
    kept: bool = True


class Explained(NamedTuple):
    """Of one output and one batch: whether it is in it, with what weight, what stages said, and else why not."""

    workload: str
    batch: int | None  # None: what would be formed now
    output: int  # the number of the event that brought it
    there: bool
    weight: float | None = None
    times_learnt: int | None = None
    derived: int = 0
    said: tuple[Said, ...] = ()
    why_not: str | None = None


def output_of(examples: Examples, seq: int) -> int | None:
    """The output that the event of that number brought or is about; None where it is about none that has come."""
    if (examples.outputs["seq"] == seq).any():
        return seq
    rows = np.flatnonzero(examples.signals["seq"] == seq)
    example = int(examples.signals["example"][rows[0]]) if len(rows) else -1
    if example < 0:
        return None
    brought = examples.outputs["seq"][examples.outputs["example"] == example]
    return int(brought[0]) if len(brought) else None


def from_body(body: Mapping[str, Any], output: int) -> Explained | None:
    """What the log says of it; None where the batch does not have it."""
    rows = body["rows"]
    if output not in rows["example"]:
        return None
    place = rows["example"].index(output)
    said = tuple(Said(stage, words) for stage, words in said_of_row(body, place))
    derived = rows["derived_from"].count(output)
    weight, times = rows["weight"][place], rows["times_learnt"][place]
    return Explained(body["workload"], body["batch"], output, True, weight, times, derived, said)


def from_stages(line: Line, batch: int | None, output: int, taken: Pooled, shaped: Shaped | None) -> Explained | None:
    """What the stages say of it, formed now or again; None where it is not in the pool that they were given."""
    places = np.flatnonzero(taken.pool["example"] == output)
    if not len(places):
        return None
    times = int(taken.pool["times_learnt"][places[0]])
    if shaped is None:
        why_not = "nothing is formed yet: no trigger fires"
        return Explained(line.workload, batch, output, False, None, times, why_not=why_not)
    pool = shaped.pool
    said = tuple(Said(*told) for told in pool.reasons_for(output))
    here = np.flatnonzero(pool["example"] == output)
    derived = int(np.count_nonzero(pool["derived_from"] == output))
    if len(here):
        weight = float(pool["weight"][here[0]])
        return Explained(line.workload, batch, output, True, weight, times, derived, said)
    return Explained(line.workload, batch, output, False, None, times, 0, said, _left_out_by(said))


def _left_out_by(said: tuple[Said, ...]) -> str:
    gone = [one for one in said if not one.kept]
    return f"left out by {gone[-1].stage}: {gone[-1].words}" if gone else "left out by a stage that gave no reason"


def why_not_learnable(standing: Standing, line: Line, output: int) -> str:
    """Why no stage was even asked about it, as of that position."""
    examples = standing.examples
    names = ("seq", "side", "artifact_type", "output_retracted", "said", "owner", "episode_key")
    columns = examples.resolved(*names)
    rows = np.flatnonzero(columns["seq"] == output)
    if not len(rows):
        return "its output came after this batch was formed"
    row = {name: column[rows[0]] for name, column in columns.items()}
    if row["side"] != LEARN:
        return f"held out: it is on the {SIDES[row['side']]} side, from which nothing is learnt"
    if row["output_retracted"]:
        return "its output was taken back"
    if row["owner"] in standing.source.destroyed:
        return "its subject was forgotten"
    named = examples.listed("artifact_type")[row["artifact_type"]]
    if line.wanted.artifact_types and named not in line.wanted.artifact_types:
        return f"its artifact type is {named or 'not given'}, expected {' or '.join(line.wanted.artifact_types)}"
    bits = sum(saying.BIT[word] for word in line.needs if word in saying.BIT)
    if not row["said"] & bits:
        return f"unrated: the workload needs {' or '.join(line.needs)}, and nothing of these stands"
    return _apart_by(standing, columns, row)


def _apart_by(standing: Standing, columns: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    held, derived = columns["side"] > LEARN, standing.source.derived
    shares = {
        "subject": row["owner"] != 0 and (columns["owner"][held] == row["owner"]).any(),
        "episode": row["episode_key"] != 0 and (columns["episode_key"][held] == row["episode_key"]).any(),
        "near": derived is not None and derived.near(np.array([row["seq"]], np.int64), standing.position)[0],
    }
    return next((APART[reason] for reason in WHY_APART if shares[reason]), "held apart from what is held out")
