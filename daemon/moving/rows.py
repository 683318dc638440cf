"""This file knows what a row of any format becomes: the events that a host would have recorded for it.

It knows the names of the fields and which of them are an output's, not how rows are written. Values are checked as a
host's are (`adaptd.records`); the line that follows is checked as the intake checks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from adaptd.errors import AdaptdError
from adaptd.plain_values import Unusable
from adaptd.records import FEEDBACK_ALIASES, FEEDBACK_RULES, OUTPUT_RULES, feedback_fields, identifier, output_fields

OUTPUT, FEEDBACK = "output_recorded/1", "feedback_recorded/1"
SAYS = ("score", "thumb", "feedback_type", "category", "comment", "correction", "verdict", "implicit", "retracts")
FIELDS = frozenset(("id", *OUTPUT_RULES, *FEEDBACK_RULES, *FEEDBACK_ALIASES))
OF_THE_OUTPUT = ("input", "output", "artifact_type", "model", "latency_ms", "propensity", "subject", "episode")
ONLY_OF_THE_OUTPUT = ("input", "output", "latency_ms", "propensity")
FEEDBACK_ALONE = frozenset(FEEDBACK_RULES) - frozenset(OUTPUT_RULES) - {"output_id"}


class BadRow(AdaptdError):
    """A row cannot become an event; the text says why."""


class Row(NamedTuple):
    """One row of a file: where it begins, its bytes, and its fields, or why it has none."""

    number: int
    raw: bytes
    value: Any = None
    reason: str | None = None


class Draft(NamedTuple):
    """An event that is about to be recorded; without an id it gets one from its row's content."""

    kind: str
    id: str | None
    at: int | None
    fields: dict[str, Any]


class Defaults(NamedTuple):
    """What holds for rows that do not say it themselves."""

    artifact_type: str | None = None
    source: str | None = None


def drafts_of(given: Mapping[str, Any], defaults: Defaults) -> Iterator[Draft]:
    """The output, the feedback, or both, that the fields of a row speak of. Raises BadRow."""
    fields = _in_new_names({name: value for name, value in given.items() if value is not None})
    own_id = _own_id(fields.pop("id", None))
    if defaults.artifact_type is not None:
        fields.setdefault("artifact_type", defaults.artifact_type)
    if not any(name in fields for name in SAYS):
        yield _output(own_id, fields)
        return
    if defaults.source is not None:
        fields.setdefault("source", defaults.source)
    output_id = _own_id(fields.get("output_id"))
    if "output" in fields and output_id is not None:
        if own_id == output_id:
            del fields["output_id"]
        else:
            yield _output(output_id, {name: fields[name] for name in OF_THE_OUTPUT if name in fields})
            fields = {name: value for name, value in fields.items() if name not in ONLY_OF_THE_OUTPUT}
    yield Draft(FEEDBACK, own_id, None, _checked(feedback_fields, fields))


def _output(own_id: str | None, fields: dict[str, Any]) -> Draft:
    alone = sorted(FEEDBACK_ALONE & fields.keys())
    if "output" not in fields:
        raise BadRow(f"neither an output nor feedback: expected output, or one of {', '.join(SAYS)}")
    if alone:
        raise BadRow(f"{', '.join(alone)} without feedback: expected one of {', '.join(SAYS)} beside it")
    output_id = fields.pop("output_id", None)
    return Draft(OUTPUT, own_id or _own_id(output_id), None, _checked(output_fields, fields))


def _in_new_names(fields: dict[str, Any]) -> dict[str, Any]:
    """V2's names for four of the fields mean the same, in outputs too."""
    for alias, name in FEEDBACK_ALIASES.items():
        if alias in fields:
            fields.setdefault(name, fields.pop(alias))
    return fields


def _own_id(value: Any) -> str | None:
    return None if value is None else str(_checked(lambda given: {"id": identifier(given)}, value, "id")["id"])


def _checked(check: Any, given: Any, place: str = "") -> dict[str, Any]:
    try:
        fields: dict[str, Any] = check(given)
    except Unusable as unusable:
        where = unusable.place or place
        value = given.get(where) if isinstance(given, dict) else given
        found = unusable.found or repr(value)[:100]
        raise BadRow(f"{where}: expected {unusable.expected}, found {found}") from None
    return fields
