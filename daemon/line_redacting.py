"""This file knows which parts of a received line are free text, and gives the line back with those redacted.

It comes before everything else: what is stored, kept aside, hashed, or keyed is made from the line that leaves here. A
line that is an event is written anew from what was understood of it, so that nothing passes that was not looked at (a
name given twice, say). Identifiers stay: ids, subject, rater, episode, category, types and model join events together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from operator import is_
from typing import Any

import msgspec

from daemon.received import IMPLICIT, FeedbackRecorded, NotUsable, Recorded, Rejected, read_line, to_json
from daemon.spool_reading import Line

FREE = ("input", "output", "context", "comment", "rationale", "correction", "compared_with", "tags")
IDENTIFIERS = frozenset(
    (
        *("id", "writer", "output_id", "compared_with_id", "retracts", "supersedes", "artifact_type", "model"),
        *("rater", "subject", "episode", "category", "feedback_type", "call", "field"),
    )
)
OUR_WORDS = frozenset(
    (
        *("output_recorded/1", "feedback_recorded/1", "rejected/1", "up", "down", "better", "worse", "tie"),
        *("human", "llm_judge", "code", *IMPLICIT),
    )
)
"""Values that say nothing of anybody; what else stands in their fields may."""
KNOWN_NAMES = frozenset((*FeedbackRecorded.__struct_fields__, *Rejected.__struct_fields__, "kind"))
LEAST_NUMBER, MOST_NUMBER = 10**6, 10**40  # what might be a telephone or card number
NOT_READ = "[a torn text]"
Redact = Callable[[str], str]
_decode = msgspec.json.Decoder().decode
_TEXT = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)("|\\?\Z)', re.DOTALL)


def redacted(line: Line, redact: Redact) -> Line:
    """The line as it may be stored; raises what `redact` raises."""
    if not line:
        return line
    try:
        event = read_line(line)
    except NotUsable:
        return _unusable(line, redact)
    return to_json(_event(event, redact)).decode()


def redacted_bytes(raw: bytes, redact: Redact) -> bytes:
    """The same of bytes that are no line: torn, or too long."""
    return _unusable(raw, redact).encode("utf-8", "replace")


def without_private(event: Recorded, redact: Redact) -> Recorded:
    """An event as it would be stored now: one that was stored before this redaction was asked for."""
    return _event(event, redact)


def _event(event: Recorded, redact: Redact) -> Recorded:
    changed = {}
    for name in FREE:
        value = getattr(event, name, None)
        if value is not None and (made := _value(value, redact)) is not value:
            changed[name] = made
    return msgspec.structs.replace(event, **changed) if changed else event


def _value(value: Any, redact: Redact) -> Any:
    """The same object where nothing in it was private. One frame a level, since what came in may be deep."""
    kind = type(value)
    if kind is str:
        made = redact(value)
        return value if made == value else made
    if kind is dict:
        new: dict[str, Any] = {}
        for name, inner in value.items():
            new_name = redact(name)
            new[name if new_name == name else _unused(new_name, new, value)] = _value(inner, redact)
        return value if _is_same(new, value) else new
    if kind is list:
        items = []
        for inner in value:
            items.append(_value(inner, redact))  # noqa: PERF401 a comprehension is a frame of its own
        return value if all(map(is_, items, value)) else items
    return _number(value, redact) if kind is int or kind is float else value


def _is_same(new: dict[str, Any], old: dict[str, Any]) -> bool:
    return new.keys() == old.keys() and all(map(is_, new.values(), old.values()))


def _unused(name: str, made: dict[str, Any], given: dict[str, Any]) -> str:
    number, unused = 1, name
    while unused in made or unused in given:
        number += 1
        unused = f"{name} {number}"
    return unused


def _number(number: float, redact: Redact) -> Any:
    """A number of as many digits may be somebody's; it becomes a text where it is."""
    if not LEAST_NUMBER <= abs(number) < MOST_NUMBER or number != int(number):  # a bool is neither int nor float here
        return number
    text = str(int(number))
    made = redact(text)
    return number if made == text else made


# What is no event


def _unusable(line: Line, redact: Redact) -> str:
    try:
        found = _decode(line)
        if isinstance(found, dict):
            return json.dumps(_call(found, redact), ensure_ascii=False, separators=(",", ":"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return _torn(line if isinstance(line, str) else line.decode("utf-8", "replace"), redact)


def _call(found: dict[str, Any], redact: Redact) -> dict[str, Any]:
    """Everything but identifiers: an event that breaks a rule, or a call that a host could not use."""
    made: dict[str, Any] = {}
    for name, value in found.items():
        known = name in KNOWN_NAMES
        told = name if known else _unused(redact(name), made, {})
        if name == "given" and isinstance(value, dict):
            made[told] = _call(value, redact)
        else:
            spared = isinstance(value, str) and (name in IDENTIFIERS or value in OUR_WORDS)
            made[told] = value if spared else _value(value, redact)
    return made


def _torn(text: str, redact: Redact) -> str:
    """Of what is no JSON, the texts in quotes one by one and whatever is between them.

    A text that breaks off is left out: of half an address nobody can tell that it is one.
    """
    parts, done, name = [], 0, ""
    for found in _TEXT.finditer(text):
        between = text[done : found.start()]
        is_identifier = name in IDENTIFIERS and between.strip() == ":"
        parts += [redact(between), found[0] if is_identifier else _quoted(found, redact)]
        done, name = found.end(), found[1]
    return "".join([*parts, redact(text[done:])])


def _quoted(found: re.Match[str], redact: Redact) -> str:
    if found[2] != '"':
        return f'"{NOT_READ}'
    if not found[1] or found[1] in KNOWN_NAMES or found[1] in OUR_WORDS:
        return found[0]
    try:
        content = str(json.loads(found[0], strict=False)).encode("utf-8", "replace").decode()
    except ValueError:
        content = found[1]
    return json.dumps(redact(content), ensure_ascii=False)
