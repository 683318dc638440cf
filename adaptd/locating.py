"""Where the configuration is: the one lookup that host, command line and daemon share, with a cache of what it says.

It reads config.toml as a table and finds the state folder; what the other keys mean is not known here.
"""

from __future__ import annotations

import os

from adaptd.errors import ConfigUnreadable, NotConfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CACHE_FORMAT = 1
SETTLED_NS = 50_000_000  # a file changed this lately may change again within one tick of its time stamp
SYSTEM_CONFIG = "/etc/adaptd/config.toml"
STATE_DIR_VARIABLE = "ADAPTD__ADAPTD__STATE_DIR"


class Place:
    """Where to record: `config_path` (None when only a state folder was given), `state_dir`, `why`, all of `table`."""

    __slots__ = ("config_path", "state_dir", "table", "why")

    def __init__(self, config_path: str | None, state_dir: str, why: str, table: dict[str, Any]) -> None:
        self.config_path, self.state_dir, self.why, self.table = config_path, state_dir, why, table

    def __repr__(self) -> str:
        return f"Place(config_path={self.config_path!r}, state_dir={self.state_dir!r}, why={self.why!r})"


def find(
    config: str | os.PathLike[str] | None = None,
    state_dir: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> Place:
    """Return the first place that is configured; raises NotConfigured or ConfigUnreadable.

    Order: `config`, `state_dir`, ADAPTD_CONFIG, the nearest config.toml with an [adaptd] table in or above the working
    folder, the user's folder (XDG_CONFIG_HOME, by default ~/.config), /etc/adaptd; then ADAPTD__ADAPTD__STATE_DIR.
    Whatever a file says, a variable ADAPTD__SECTION__KEY says otherwise.
    """
    environ = os.environ if environ is None else environ
    if config is not None:
        return _asked_for(os.fspath(config), "asked for by config=", environ)
    if state_dir is not None:
        return Place(None, os.path.abspath(os.path.expanduser(state_dir)), "state_dir=", _overridden({}, environ))
    if environ.get("ADAPTD_CONFIG"):
        return _asked_for(environ["ADAPTD_CONFIG"], "named by ADAPTD_CONFIG", environ)
    return _searched(environ, cwd)


def _asked_for(path: str, why: str, environ: Mapping[str, str]) -> Place:
    path = os.path.abspath(os.path.expanduser(path))
    next_step = "Run `adaptd init` to make one, or name another"
    try:
        table = read_table(path, environ=environ)
    except OSError as trouble:
        raise ConfigUnreadable(path, why, trouble.strerror or str(trouble), next_step) from trouble
    except ValueError as trouble:
        raise _broken(path, why, trouble, environ) from trouble
    return _place(path, why, table, environ)


def _searched(environ: Mapping[str, str], cwd: str | None) -> Place:
    looked_at = ["ADAPTD_CONFIG (not set)"]
    try:
        folder = os.getcwd() if cwd is None else cwd
        looked_at.append(f"config.toml in {folder} and the folders above it")
    except OSError:
        folder = None  # somebody removed the working folder
        looked_at.append("the working folder (it is gone)")
    while folder is not None:
        path = os.path.join(folder, "config.toml")
        place = _if_ours(path, "nearest config.toml", environ)
        if place is not None:
            return place
        if os.path.isfile(path):
            looked_at.append(f"{path} (it has no [adaptd] table)")
        above = os.path.dirname(folder)
        folder = above if above != folder else None
    for path, why in ((_users_config(environ), "the user's folder"), (SYSTEM_CONFIG, "the system's folder")):
        looked_at.append(path)
        place = _if_ours(path, why, environ)
        if place is not None:
            return place
    place = _from_environment(environ)
    if place is None:
        raise NotConfigured(looked_at)
    return place


def _users_config(environ: Mapping[str, str]) -> str:
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return os.path.join(home, "adaptd", "config.toml")


def _if_ours(path: str, why: str, environ: Mapping[str, str]) -> Place | None:
    """Return the place that this file configures; None when it is missing, or another program's config.toml."""
    try:
        table = read_table(path, environ=environ)
    except OSError:
        return None
    except ValueError as trouble:
        if _speaks_of_adaptd(path):
            raise _broken(path, why, trouble, environ) from trouble
        return None
    return _place(path, why, table, environ) if isinstance(table.get("adaptd"), dict) else None


def _broken(path: str, why: str, trouble: ValueError, environ: Mapping[str, str]) -> ConfigUnreadable:
    """What is wrong, with the state folder when the [adaptd] table can be read by itself."""
    unreadable = ConfigUnreadable(path, why, str(trouble), "Correct it at that line")
    try:
        unreadable.state_dir = _place(path, why, _own_table(path), environ).state_dir
    except (OSError, ValueError, RecursionError, ConfigUnreadable):
        pass
    return unreadable


def _own_table(path: str) -> dict[str, Any]:
    """The [adaptd] table alone; raises ValueError when it is broken, missing or there twice."""
    import tomllib

    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    begins = [number for number, line in enumerate(lines) if line.partition("#")[0].strip() == "[adaptd]"]
    if len(begins) != 1:
        raise ValueError(f"[adaptd] stands {len(begins)} times")
    following = (number for number in range(begins[0] + 1, len(lines)) if lines[number].lstrip().startswith("["))
    return tomllib.loads("\n".join(lines[begins[0] : next(following, len(lines))]))


def _speaks_of_adaptd(path: str) -> bool:
    with open(path, "rb") as file:
        return b"[adaptd" in file.read()


def _place(path: str, why: str, table: dict[str, Any], environ: Mapping[str, str]) -> Place:
    table = _overridden(table, environ)
    ours = table.get("adaptd", {})
    state_dir = ours.get("state_dir", "state") if isinstance(ours, dict) else None
    if not isinstance(state_dir, str) or not state_dir:
        expected = 'Give it a folder, as in state_dir = "state" under [adaptd]'
        raise ConfigUnreadable(path, why, f"{_named('[adaptd] state_dir', environ)} = {state_dir!r}", expected)
    beside = os.path.dirname(path)
    return Place(path, os.path.normpath(os.path.join(beside, os.path.expanduser(state_dir))), why, table)


def _from_environment(environ: Mapping[str, str]) -> Place | None:
    """Return the place that a variable names where no config.toml is found, as in a container; None without one."""
    if not environ.get(STATE_DIR_VARIABLE):
        return None
    table = _overridden({}, environ)
    ours = table.get("adaptd")
    state_dir = ours.get("state_dir") if isinstance(ours, dict) else None
    state_dir = os.path.expanduser(state_dir) if isinstance(state_dir, str) else state_dir
    if not isinstance(state_dir, str) or not os.path.isabs(state_dir):
        found = f"environment {STATE_DIR_VARIABLE}: adaptd.state_dir"
        raise ConfigUnreadable(found, "no config.toml was found", f"{state_dir!r} is no absolute path", "Give it one")
    return Place(None, os.path.normpath(state_dir), f"environment {STATE_DIR_VARIABLE}", table)


def _overridden(table: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The table as variables such as ADAPTD__INTAKE__MAX_EVENT_BYTES change it."""
    for name in environ:
        if name.startswith("ADAPTD__"):
            from adaptd.overriding import overridden

            return overridden(table, environ)
    return table


def _named(key: str, environ: Mapping[str, str]) -> str:
    return f"environment {STATE_DIR_VARIABLE}: {key}" if environ.get(STATE_DIR_VARIABLE) else key


def read_table(path: str, *, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a TOML file as a table, from the cache when it has not changed. Raises OSError or ValueError."""
    environ = os.environ if environ is None else environ
    found = os.stat(path)
    stamp = [CACHE_FORMAT, path, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]
    cached = _cache_path(found, environ)
    table = from_cache(cached, stamp)
    if table is None:
        table = _parsed(path)
        if _now_ns() - found.st_mtime_ns > SETTLED_NS:
            into_cache(cached, stamp, table)
    return table


def _now_ns() -> int:
    from time import time_ns

    return time_ns()


def _parsed(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _cache_path(found: os.stat_result, environ: Mapping[str, str]) -> str:
    return os.path.join(cache_folder(environ), f"config-{found.st_dev:x}-{found.st_ino:x}.json")


def cache_folder(environ: Mapping[str, str]) -> str:
    """Return this user's folder for what can be found out again."""
    home = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    return os.path.join(home, "adaptd")


def from_cache(cached: str, stamp: list[Any]) -> dict[str, Any] | None:
    """Return the table that this file keeps of what has this stamp; None when it has none."""
    from adaptd.json_text import read_json

    try:
        with open(cached, "rb") as file:
            kept = read_json(file.read().decode())
    except (OSError, ValueError):
        return None
    if not isinstance(kept, dict) or kept.get("stamp") != stamp or not isinstance(kept.get("table"), dict):
        return None
    table: dict[str, Any] = kept["table"]
    return table


def into_cache(cached: str, stamp: list[Any], table: dict[str, Any]) -> None:
    """Keep the table, so that the next process need not import tomllib; where that fails, it parses."""
    from adaptd.event_ids import new_writer
    from adaptd.json_text import make_writer

    unfinished = f"{cached}.{new_writer()}"
    try:
        text = make_writer(_no_json)({"stamp": stamp, "table": table})
        os.makedirs(os.path.dirname(cached), mode=0o700, exist_ok=True)
        with open(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(text.encode())
        os.replace(unfinished, cached)
    except (OSError, TypeError, ValueError):
        _remove(unfinished)


def _no_json(value: object) -> object:
    raise TypeError(f"a {type(value).__name__} would not come back from JSON as it was")


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # it was never made
