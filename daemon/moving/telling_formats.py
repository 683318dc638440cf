"""This file knows which format a file is in, by its name and its first line."""

from __future__ import annotations

import json
from typing import Any

from adaptd.errors import AdaptdError

FORMATS = ("native", "chat", "csv")


class UnknownFormat(AdaptdError):
    """What the file holds is not one of the formats."""

    exit_code = 2


def format_of(name: str, first_line: bytes) -> str:
    """The format of the file of that name that begins with this line."""
    if name.lower().endswith((".csv", ".tsv")):
        return "csv"
    text = first_line.decode(errors="replace").strip().removeprefix("\ufeff")
    if text.startswith("["):
        raise UnknownFormat(f"{name}: a JSON list, expected one object a line. Make it so: jq -c '.[]' {name}")
    row = _object(text)
    if row is not None and {"kind", "body"} <= row.keys():
        return "native"
    if row is not None and ("messages" in row or {"user", "assistant"} <= row.keys()):
        return "chat"
    if row is None and not text.startswith("{") and any(mark in text for mark in ",;\t"):
        return "csv"
    raise UnknownFormat(
        f"{name}: its first line is that of no format that is known, expected one of {', '.join(FORMATS)}. "
        "Say which it is: --format"
    )


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
