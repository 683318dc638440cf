"""This file knows conversations as rows: `{"user", "assistant"}` and `{"messages": [{role, content} …]}`, both ways.

The last answer is the output and what came before it is the input: a text where that is one message of a user, else the
list of messages. It knows nothing of files and ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from daemon.moving.rows import FIELDS, BadRow

FLAT = ("system", "user", "assistant")
Message = dict[str, Any]


def fields_of(row: Any) -> dict[str, Any]:
    """The fields of the event that a chat row becomes; keys that no event has are kept in its context."""
    if not isinstance(row, dict):
        raise BadRow(f"expected a JSON object, found a {type(row).__name__}")
    messages, after = _messages(row)
    fields: dict[str, Any] = {name: value for name, value in row.items() if name in FIELDS}
    others = {name: value for name, value in row.items() if name not in FIELDS and name not in ("messages", *FLAT)}
    if after:
        others["messages_after"] = after
    for name in ("input", "output"):
        if name in fields:
            raise BadRow(f"{name} beside the messages: expected it in them")
    context = fields.get("context")
    if others and isinstance(context, dict | None):
        fields["context"] = others | (context or {})
    fields["input"] = _input(messages[:-1])
    fields["output"] = _output(messages[-1])
    return fields


def _messages(row: Mapping[str, Any]) -> tuple[list[Message], list[Message]]:
    """The messages up to the last one of the assistant, and those after it."""
    if "messages" not in row:
        if "user" not in row or "assistant" not in row:
            raise BadRow("expected messages, or user and assistant")
        roles = FLAT if row.get("system") is not None else FLAT[1:]
        return [{"role": role, "content": row[role]} for role in roles], []
    messages = row["messages"]
    if not isinstance(messages, list) or not all(_is_message(message) for message in messages):
        raise BadRow("messages: expected a list of objects, each with a role")
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    if not answers:
        raise BadRow("messages: expected one with the role assistant, found none")
    end = answers[-1] + 1
    return messages[:end], messages[end:]


def _is_message(message: object) -> bool:
    return isinstance(message, dict) and isinstance(message.get("role"), str)


def _input(before: list[Message]) -> Any:
    if not before:
        return None
    (first, *more) = before
    if not more and first.keys() == {"role", "content"} and first["role"] == "user":
        if isinstance(first["content"], str):
            return first["content"]
        if first["content"] is None:
            return None
    return before


def _output(answer: Message) -> Any:
    """Its content; an answer that calls tools is kept as the whole message, without its role."""
    rest = {name: value for name, value in answer.items() if name != "role"}
    content = answer.get("content")
    if rest.keys() <= {"content", "weight", "name"}:
        if isinstance(content, str | list | dict):
            return content
        raise BadRow(f"the last answer: expected a text, found {'nothing' if content is None else repr(content)[:60]}")
    return rest


def row_of(event_id: str, told_input: Any, told_output: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    """The chat row of an output: `more` beside it is what has a value."""
    messages = [*_as_messages(told_input), {"role": "assistant", "content": _as_text(told_output)}]
    return {"id": event_id, **{name: value for name, value in more.items() if value is not None}, "messages": messages}


def _as_messages(told_input: Any) -> list[Message]:
    if told_input is None:
        return []
    if isinstance(told_input, list) and told_input and all(_is_message(message) for message in told_input):
        return told_input
    return [{"role": "user", "content": _as_text(told_input)}]


def _as_text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
