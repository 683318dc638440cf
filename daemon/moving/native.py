"""This file knows the rows that `adaptd export --format native` writes, and what of them another adaptd takes in.

Ids, times and what refers to other events stay as they are. Events of the daemon itself are passed over.
"""

from __future__ import annotations

from typing import Any

from daemon.event_kinds import KINDS
from daemon.moving.rows import FEEDBACK, OUTPUT, BadRow, Draft

NOT_CONTENT = ("kind", "id", "writer", "n", "at")


def draft_of(row: Any) -> Draft | None:
    """The event of a row, None for one of the daemon itself."""
    if not isinstance(row, dict) or not isinstance(row.get("body"), dict):
        raise BadRow("expected an event as `adaptd export --format native` writes it, with a kind, an id and a body")
    kind, body = row.get("kind"), row["body"]
    if kind not in (OUTPUT, FEEDBACK):
        if isinstance(kind, str) and kind.partition("/")[0] in KINDS.keys() - {"output_recorded", "feedback_recorded"}:
            return None
        raise BadRow(f"event kind {str(kind)[:60]!r} is not known here. A newer adaptd wrote it: upgrade this one")
    if row.get("sealed") == "not readable here":
        raise BadRow("its texts were sealed and could not be read where it was exported")
    if not isinstance(row.get("id"), str):
        raise BadRow("id: expected a text")
    fields = {name: value for name, value in body.items() if name not in NOT_CONTENT}
    if "subject" in row:
        fields["subject"] = row["subject"]
    return Draft(kind, row["id"], body.get("at"), fields)
