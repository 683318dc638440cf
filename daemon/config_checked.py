"""This file knows whether the configuration is good, without loading what checks it when it was found good before.

A verb that is called thousands of times asks this. What is remembered holds for the same file, unchanged since, under
the same variables and the same rules.
"""

from __future__ import annotations

import os

from adaptd.locating import SETTLED_NS, cache_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = os.path.dirname(os.path.abspath(__file__))
RULES = [os.path.join(_HERE, name) for name in ("settings.py", "night_settings.py")]


def faults_of(config_path: str | None, environ: Mapping[str, str]) -> list[str]:
    """A line for each fault; none when all is well."""
    try:
        mark = _mark(config_path, environ)
        kept = os.path.join(cache_folder(environ), f"checked-{_number_of(config_path)}")
    except OSError:
        return checked(config_path, environ)
    if mark is None or _read(kept) == mark:
        return []
    faults = checked(config_path, environ)
    if not faults and _settled(config_path):
        _keep(kept, mark)
    return faults


def checked(config_path: str | None, environ: Mapping[str, str]) -> list[str]:
    """The same, looked at now."""
    from pathlib import Path

    from daemon.config_faults import BadConfig
    from daemon.settings import read_settings

    try:
        read_settings(None if config_path is None else Path(config_path), environ)
    except BadConfig as bad:
        return bad.lines()
    return []


def _mark(config_path: str | None, environ: Mapping[str, str]) -> str | None:
    """All that the answer depends on; None when there is nothing that could be wrong."""
    variables = [f"{name}={environ[name]}" for name in sorted(environ) if name.startswith("ADAPTD__")]
    if config_path is None and not variables:
        return None
    return repr([config_path and _stamp(config_path), *map(_stamp, RULES), variables])


def _stamp(path: str) -> list[object]:
    found = os.stat(path)
    return [path, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]


def _number_of(config_path: str | None) -> str:
    if config_path is None:
        return "environment"
    found = os.stat(config_path)
    return f"{found.st_dev:x}-{found.st_ino:x}"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


def _settled(config_path: str | None) -> bool:
    """A file that was changed this instant may change again within one tick of its time stamp."""
    from time import time_ns

    return config_path is None or time_ns() - os.stat(config_path).st_mtime_ns > SETTLED_NS


def _keep(path: str, mark: str) -> None:
    """Where that fails, the next one checks again."""
    unfinished = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(mark)
        os.replace(unfinished, path)
    except OSError:
        return
