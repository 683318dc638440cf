"""This file knows what each format of an export says: every event, every output as a chat, or a table with feedback."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from daemon import queries
from daemon.event_reading import EventReader
from daemon.moving import chat
from daemon.moving.csv_rows import cell_of
from daemon.moving.rows import ONLY_OF_THE_OUTPUT

AsJson = Callable[[object], bytes]
COLUMNS = (
    *("id", "output_id", "input", "output", "artifact_type", "model", "score", "thumb", "feedback_type", "category"),
    *("comment", "correction", "verdict", "compared_with", "compared_with_id", "implicit", "amount", "source", "rater"),
    *("rationale", "occurred_at", "subject", "episode", "latency_ms", "propensity", "tags", "context"),
)


def native(state_dir: str, as_json: AsJson) -> Iterator[bytes]:
    """Every event as a line."""
    with closing(EventReader.open(state_dir)) as reader:
        yield from map(as_json, reader.exported())


def chats(state_dir: str, as_json: AsJson) -> Iterator[bytes]:
    """Every output as a line: with the correction that holds now in its place, where there is one."""
    for output, _, correction in queries.outputs_told(state_dir):
        body = output["body"]
        if "output" in body:  # else its texts cannot be read any more
            more = {name: body.get(name) for name in ("artifact_type", "model")} | {"subject": output.get("subject")}
            last = body["output"] if correction is None else correction
            yield as_json(chat.row_of(output["id"], body.get("input"), last, more))


def table(state_dir: str, as_json: AsJson) -> Iterator[bytes]:  # noqa: ARG001 all formats are asked alike
    """A header; then a row for each feedback that stands, beside its output, or for an output that has none."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    yield _taken(text)
    for output, feedback, _ in queries.outputs_told(state_dir):
        if "output" in output["body"]:
            own = [event for event in feedback if event["id"] == output["id"]]
            others = [event for event in feedback if event["id"] != output["id"]]
            for event in own + others:
                writer.writerow(_row(output, event))
            if not feedback:
                writer.writerow(_row(output, None))
            yield _taken(text)


def _row(output: dict[str, Any], event: dict[str, Any] | None) -> dict[str, Any]:
    body = output["body"]
    said = event["body"] if event is not None else {name: body[name] for name in ("tags", "context") if name in body}
    told = {name: body[name] for name in (*ONLY_OF_THE_OUTPUT, "artifact_type", "model", "episode") if name in body}
    told |= {name: value for name, value in said.items() if name in COLUMNS}
    told |= {"id": (event or output)["id"], "output_id": output["id"], "subject": (event or output).get("subject")}
    if "occurred_at" in said or (event is None and "occurred_at" in body):
        told["occurred_at"] = (event or output)["occurred_at"]
    return {name: cell_of(value) for name, value in told.items()}


def _taken(text: io.StringIO) -> bytes:
    data = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return data


FORMATS: dict[str, Callable[[str, AsJson], Iterator[bytes]]] = {"native": native, "chat": chats, "csv": table}
