"""What views.db says in short, for `status`: standard library only, and no more than a few hundred small reads.

Counts come from the views; nothing here reads the log or counts rows of large tables.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would cost more than all the reading
    from typing import Any

FORMAT = 1
TYPES_SHOWN = 50
DAYS_SHOWN = 14
SECONDS_A_DAY = 86_400
_Type = tuple[str, int, int]  # number, outputs, feedback
_BEYOND = "1"  # the number of all names beyond the cap; "0" is none given


def read_summary(views_db_path: str | os.PathLike[str]) -> dict[str, Any]:
    """Position, views, counts per kind, outputs and feedback per artifact type and day, quarantine and spools.

    `{"position": 0, "views": {}}` and empty parts where there is no file yet.
    """
    path = os.path.abspath(views_db_path)
    if not os.path.exists(path):
        return _summary([], {})
    connection = _open(path)
    try:
        connection.execute("BEGIN")
        if connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            return _summary([], {})
        views = connection.execute("SELECT name, version, position, current, generation FROM views").fetchall()
        current = {view[0]: _Cells(connection, view[4]) for view in views if view[3]}
        return _summary(views, current)
    finally:
        connection.close()


def read_runs(views_db_path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Every run as its view has it; none where there is no file yet."""
    path = os.path.abspath(views_db_path)
    if not os.path.exists(path):
        return []
    connection = _open(path)
    try:
        found = connection.execute("SELECT generation FROM views WHERE name = 'runs' AND current").fetchone()
        return [json.loads(text) for text in _Cells(connection, found[0]).under("run/").values()] if found else []
    finally:
        connection.close()


def _open(path: str) -> sqlite3.Connection:
    """For reading; also where the folder may not be written to, as long as nobody has the file open."""
    address = "file:" + path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        connection = sqlite3.connect(f"{address}?immutable=1", uri=True, isolation_level=None)
    return connection


class _Cells:
    """The small values of one view."""

    def __init__(self, connection: sqlite3.Connection | None = None, generation: int = 0) -> None:
        self._connection = connection
        self._generation = generation

    def under(self, prefix: str) -> dict[str, str]:
        """All values whose key begins so, without that beginning."""
        if self._connection is None:
            return {}
        rows = self._connection.execute(
            "SELECT substr(key, ?), value FROM cells WHERE generation = ? AND key >= ? AND key < ?",
            (len(prefix) + 1, self._generation, prefix, prefix + "\U0010ffff"),
        )
        return dict(rows)

    def newest_day(self) -> int | None:
        """The newest day that the volume knows, in days since 1970."""
        if self._connection is None:
            return None
        row = self._connection.execute(
            "SELECT max(key) FROM cells WHERE generation = ? AND key > 'volume/0' AND key < 'volume/:'",
            (self._generation,),
        ).fetchone()
        return int(row[0][7:13]) if row[0] else None


def _summary(views: list[tuple[Any, ...]], cells: dict[str, _Cells]) -> dict[str, Any]:
    none = _Cells()
    examples = cells.get("examples", none)
    current = [view for view in views if view[3]]
    return {
        "position": min((view[2] for view in current), default=0),
        "views": _versions(current),
        "being_rebuilt": _versions([view for view in views if not view[3]]),
        "kinds": {kind: int(count) for kind, count in sorted(cells.get("kinds", none).under("").items())},
        **_volume(examples),
        "rated_judge_examples": int(examples.under("count/").get("rated_judge", 0)),
        "asked_judge_examples": int(examples.under("count/").get("asked_judge", 0)),
        "quarantine": _newest(cells.get("quarantine", none), {"line_quarantined": 0, "event_refused": 0}),
        "spools": _newest(cells.get("spools", none), {"spool_finished": 0, "bytes": 0}),
        "nights": _nights(cells.get("nights", none)),
        "runs": _runs(cells.get("runs", none)),
        "history": {name: json.loads(text) for name, text in cells.get("history", none).under("short/").items()},
        "golden": {name: int(text) for name, text in cells.get("golden", none).under("short/").items()},
        "models": {name: json.loads(text) for name, text in cells.get("models", none).under("short/").items()},
    }


def _runs(cells: _Cells) -> dict[str, list[dict[str, Any]]]:
    """Those that are not over, oldest first, and the newest few that are."""
    text = cells.under("short").get("")
    short = json.loads(text) if text else {}
    return {"unfinished": short.get("unfinished", []), "over": short.get("over", [])}


def _nights(cells: _Cells) -> dict[str, Any]:
    """The newest pause (whether it is over is not known here), the end of the newest late night, and what came of asks.

    Each of a workload's moments is None where there is none; an ask that was answered is none.
    """
    parts = ("pause", "late", "asked/", "answered/", "batch_formed/", "batch_not_formed/")  # the dates are many
    told = {part + key: json.loads(text) for part in parts for key, text in cells.under(part).items()}
    names = sorted({key.partition("/")[2] for key in told if "/" in key})
    return {
        "pause": _pause(*told["pause"]) if "pause" in told else None,
        "late_until": told["late"][3] if "late" in told else None,
        "workloads": {name: _workload(told, name) for name in names},
    }


def _pause(_seq: int, since: int, kind: str, until: int | None, reason: str | None) -> dict[str, Any] | None:
    return {"since": since, "until": until, "reason": reason} if kind == "nights_paused" else None


def _workload(told: dict[str, list[Any]], name: str) -> dict[str, Any]:
    asked, answered = told.get(f"asked/{name}"), told.get(f"answered/{name}", [0])
    _, batch_at, batch = told.get(f"batch_formed/{name}", (0, None, None))
    _, not_formed_at, reason = told.get(f"batch_not_formed/{name}", (0, None, None))
    return {
        "asked_at": asked[1] if asked and asked[0] > answered[0] else None,
        "batch": batch,
        "batch_at": batch_at,
        "not_formed": reason,
        "not_formed_at": not_formed_at,
    }


def _versions(views: list[tuple[Any, ...]]) -> dict[str, dict[str, int]]:
    return {view[0]: {"version": view[1], "position": view[2]} for view in views}


def _volume(examples: _Cells) -> dict[str, Any]:
    names = examples.under("name/artifact_type/")
    types = [(number, *_counts(text)) for number, text in examples.under("volume/all/").items()]
    named = _largest_first(types, names)
    return {
        "outputs": sum(one[1] for one in types),
        "feedback": sum(one[2] for one in types),
        **_waiting(examples.under("waiting").get("")),
        "artifact_types": _shown(named, names),
        "other_artifact_types": _together(named[TYPES_SHOWN:] + [one for one in types if one[0] == _BEYOND]),
        "days": _days(examples, names),
    }


def _waiting(text: str | None) -> dict[str, Any]:
    """Feedback whose output has not come: how much, and since when (None when there is none)."""
    count, since = map(int, text.split()) if text else (0, None)
    return {"waiting": count, "waiting_since": since}


def _together(types: list[_Type]) -> dict[str, int]:
    """Those not listed one by one: the smaller ones, and all whose names came after the view's cap."""
    return {"outputs": sum(one[1] for one in types), "feedback": sum(one[2] for one in types)}


def _days(examples: _Cells, names: dict[str, str]) -> list[dict[str, Any]]:
    """The newest days, newest first; each with its largest artifact types."""
    newest = examples.newest_day()
    if newest is None:
        return []
    days = []
    for day in range(newest, newest - DAYS_SHOWN, -1):
        types = [(number, *_counts(text)) for number, text in examples.under(f"volume/{day:06d}/").items()]
        if types:
            date = time.strftime("%Y-%m-%d", time.gmtime(day * SECONDS_A_DAY))
            shown = _shown(_largest_first(types, names), names)
            days.append({"day": date, **_together(types), "artifact_types": shown})
    return days


def _largest_first(types: list[_Type], names: dict[str, str]) -> list[_Type]:
    """Those with a name of their own, and those that gave none."""
    return sorted(
        (one for one in types if one[0] != _BEYOND), key=lambda one: (-one[1] - one[2], names.get(one[0], ""))
    )


def _shown(types: list[_Type], names: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"artifact_type": names.get(number), "outputs": outputs, "feedback": feedback}
        for number, outputs, feedback in types[:TYPES_SHOWN]
    ]


def _counts(text: str) -> tuple[int, int]:
    outputs, feedback = text.split()
    return int(outputs), int(feedback)


def _newest(cells: _Cells, nothing: dict[str, int]) -> dict[str, Any]:
    text = cells.under("").get("state")
    state: dict[str, Any] = json.loads(text) if text else {"totals": nothing, "newest": []}
    return state
