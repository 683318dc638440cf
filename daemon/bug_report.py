"""This file knows what a report to adaptd's authors holds: versions, counts, findings and which settings were changed.

Whatever somebody recorded, named or typed is left out or masked: quoted values, folders, the names of the user and of
the machine. It only looks, and a place that is broken is reported as it is.
"""

from __future__ import annotations

import getpass
import importlib.metadata
import os
import platform
import re
import sqlite3
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from adaptd import __version__
from adaptd.errors import AdaptdError
from adaptd.locating import Place, find
from daemon.clock_and_chance import Clock
from daemon.examining import Finding, examine
from daemon.moments import moment_of
from daemon.queries import Status, status_of
from daemon.settings import Settings, changed_keys, read_settings

SHOWN_DISTRIBUTIONS = ("adaptd", "adaptd-client", "cryptography", "msgspec", "numpy", "structlog", "torch")
_OUR_WORDS = ("input", "subject", "episode", "subjects", "all", "normal")
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|«[^»\n]*»")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


class BugReport(NamedTuple):
    """Everything that is reported, masked already."""

    versions: dict[str, str]
    settings: dict[str, Any]
    counts: dict[str, int]
    findings: list[Finding]
    troubles: list[str]


def bug_report(config: str | None, clock: Clock) -> BugReport:
    """What can be found out; what cannot is among the troubles."""
    troubles: list[str] = []
    place = _tried(lambda: find(config), troubles)
    hide = Masking(place)
    status = _tried(lambda: _status(place, clock), troubles) if place else None
    findings = _tried(lambda: examine(Path(status.state_dir), status, clock), troubles) if status else None
    return BugReport(
        versions=versions(),
        settings=_settings(place, troubles),
        counts=_counts(status) if status else {},
        findings=[hide.finding(one) for one in findings or ()],
        troubles=[hide.text(trouble) for trouble in troubles],
    )


def versions() -> dict[str, str]:
    """adaptd, Python, the system, SQLite, and what of our dependencies is installed."""
    told = {
        "adaptd": __version__,
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "sqlite": sqlite3.sqlite_version,
    }
    for name in SHOWN_DISTRIBUTIONS:
        try:
            told.setdefault(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            continue
    return told


class Masking:
    """Takes out of a text what says who or where."""

    def __init__(self, place: Place | None) -> None:
        state, config = (place.state_dir, place.config_path) if place else (None, None)
        folders = {state: "<state>", config and os.path.dirname(config): "<config>", os.path.expanduser("~"): "~"}
        names = {_user(): "<user>", platform.node(): "<machine>"}
        self._folders = [(path, told) for path, told in folders.items() if path and path != "/"]
        self._names = [(re.compile(rf"\b{re.escape(name)}\b"), told) for name, told in names.items() if name]

    def text(self, text: str) -> str:
        for path, told in self._folders:
            text = text.replace(path, told)
        text = _ADDRESS.sub("<address>", _QUOTED.sub("<text>", text))
        for name, told in self._names:
            text = name.sub(told, text)
        return text

    def finding(self, one: Finding) -> Finding:
        return one._replace(found=self.text(one.found), next_step=self.text(one.next_step))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _tried(ask: Callable[[], Any], troubles: list[str]) -> Any:
    """The answer; else None, and what was in the way."""
    try:
        return ask()
    except (AdaptdError, OSError, sqlite3.Error) as error:
        troubles.append(f"{type(error).__name__}: {error}")
        return None


def _status(place: Place, clock: Clock) -> Status:
    return status_of(place.state_dir, place.config_path, place.table, moment_of(clock.now())[:10])


def _settings(place: Place | None, troubles: list[str]) -> dict[str, Any]:
    """The keys that differ from what holds without a file; a text only where it is one of a few known words."""
    path = Path(place.config_path) if place and place.config_path else None
    read = _tried(lambda: read_settings(path), troubles)
    if read is None:
        return {}
    changed: Mapping[str, list[object]] = changed_keys(Settings(), read)
    return {key: value if _is_plain(value) else "<set>" for key, (_, value) in changed.items()}


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int | float) or value in (
        "input",
        "subject",
        "episode",
        "subjects",
        "all",
        "normal",
    )


def _counts(status: Status) -> dict[str, int]:
    return {
        "events": status.log.events,
        "outputs": status.volume.outputs,
        "feedback": status.volume.feedback,
        "artifact_types": len(status.artifact_types),
        "quarantined": status.quarantined,
        "spool_files": status.spool.files,
        "spool_bytes_unread": status.spool.unread_bytes,
        "views_behind": status.views_behind,
        "daemon_running": int(status.running),
    }
