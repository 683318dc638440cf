"""Where this process records: what the host asked for, the spool that follows from it, and what a fork changes.

It knows nothing of fields and rules.
"""

from __future__ import annotations

import os
from _thread import RLock
from time import monotonic

from adaptd.complaints import complaints
from adaptd.errors import AdaptdError, BrokenElsewhere, ConfigUnreadable
from adaptd.locating import Place, find
from adaptd.spool import MOST_LINE_BYTES, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from adaptd.errors import LineTooLong

    class Sink(Protocol):
        """What events are put into."""

        def put(self, kind: str, quoted_id: str, at: int, body: bytes, *, durable: bool = False) -> None: ...
        def put_many(self, kind: str, events: list[tuple[str, int, bytes]]) -> list[LineTooLong | None]: ...
        def flush(self) -> None: ...
        def close(self) -> None: ...
        def in_child(self) -> Sink: ...
        def stats(self) -> dict[str, Any]: ...


SECONDS_BETWEEN_SEARCHES = 1.0  # for a config that is not there


class Wishes:
    """What the host asked for by configure()."""

    def __init__(self) -> None:
        self.config: str | None = None
        self.state_dir: str | None = None
        self.socket = False
        self.durable = False
        self.strict = False


class Here:
    """This process's sink; None until the first call, and again after configure()."""

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.is_disabled = False
        self.no_place: AdaptdError | None = None  # why no sink could be made,
        self.no_place_until = 0.0  # and until when that is believed (seconds of the monotonic clock)
        self.wishes = Wishes()
        self.lock = RLock()
        self.lines_before = self.flushes_before = self.bytes_before = 0  # of sinks that configure() replaced


here = Here()


def configure(
    *,
    config: str | os.PathLike[str] | None = None,
    state_dir: str | os.PathLike[str] | None = None,
    socket: bool | None = None,
    durable: bool | None = None,
    strict: bool | None = None,
    on_error: Callable[[Exception], object] | None = None,
) -> None:
    """Say where and how this process records; what is not given stays as it was. At any time, from any thread.

    `config` (a config.toml) or `state_dir` say where; one replaces the other. `socket` sends to the running daemon
    first. `durable` makes every call wait for the disk. `strict` makes a call that leaves no event raise NotRecorded.
    `on_error` is called with each such error instead of a warning once per reason. Nothing is opened before the first
    call.
    """
    if config is not None and state_dir is not None:
        raise AdaptdError(
            f"configure(config={os.fspath(config)!r}, state_dir={os.fspath(state_dir)!r}): both say where to record, "
            "expected one of them. A config.toml names its state_dir itself."
        )
    with here.lock:
        wishes = here.wishes
        if config is not None or state_dir is not None:
            wishes.config = None if config is None else os.path.abspath(config)
            wishes.state_dir = None if state_dir is None else os.path.abspath(os.path.expanduser(state_dir))
        wishes.socket = wishes.socket if socket is None else socket
        wishes.durable = wishes.durable if durable is None else durable
        wishes.strict = wishes.strict if strict is None else strict
        complaints.on_error = complaints.on_error if on_error is None else on_error
        if config is not None or state_dir is not None or socket is not None:
            _replace_sink()


def _replace_sink() -> None:
    old, here.sink, here.is_disabled = here.sink, None, False
    here.no_place = None
    if old is None:
        return
    old.close()
    past = old.stats()
    here.lines_before += past["lines"]
    here.flushes_before += past["durable_flushes"]
    here.bytes_before += past["bytes"]


def open_sink() -> Sink | None:
    """Return the sink, made now if need be; None when ADAPTD_DISABLED is set. Raises AdaptdError without a place."""
    with here.lock:
        if here.sink is None and not here.is_disabled:
            if os.environ.get("ADAPTD_DISABLED", "") not in ("", "0"):
                here.is_disabled = True
            else:
                _take(_sought_sink())
        return here.sink


def _take(sink: Sink) -> None:
    if here.sink is None:  # else a signal handler has made one meanwhile
        here.sink = sink


def _sought_sink() -> Sink:
    if here.no_place is not None and monotonic() < here.no_place_until:
        raise here.no_place
    try:
        return _made_sink(here.wishes)
    except AdaptdError as trouble:
        here.no_place, here.no_place_until = trouble, monotonic() + SECONDS_BETWEEN_SEARCHES
        raise


def _made_sink(wishes: Wishes) -> Sink:
    place = _found(wishes)
    spool = Spool(f"{place.state_dir}/spool", most_line_bytes=_most_line_bytes(place))
    if not wishes.socket:
        return spool
    from adaptd.socket_client import SocketSink

    return SocketSink(f"{place.state_dir}/adaptd.sock", spool)


def _found(wishes: Wishes) -> Place:
    """Return the place; with a warning the state folder that is there, where only other tables are broken."""
    try:
        return find(wishes.config, wishes.state_dir)
    except ConfigUnreadable as unreadable:
        state_dir = unreadable.state_dir
        if state_dir is None or not os.path.isdir(f"{state_dir}/spool"):
            raise
        complaints.tell(BrokenElsewhere(unreadable, state_dir), "broken config")
        return Place(unreadable.path, state_dir, unreadable.why, {})


def _most_line_bytes(place: Place) -> int:
    """Return the longest line that the daemon takes; the default, and a warning, where something else is given."""
    intake = place.table.get("intake", {})
    most = intake.get("max_event_bytes", MOST_LINE_BYTES) if isinstance(intake, dict) else intake
    if isinstance(most, int) and not isinstance(most, bool) and most > 0:
        return most
    where = place.config_path or place.state_dir
    found = f"{_variable('ADAPTD__INTAKE__MAX_EVENT_BYTES')}[intake] max_event_bytes = {most!r}, expected bytes"
    complaints.tell(ConfigUnreadable(where, place.why, found, "See `adaptd config check`"), "max_event_bytes")
    return MOST_LINE_BYTES


def _variable(name: str) -> str:
    return f"environment {name}: " if os.environ.get(name) else ""


def flush() -> bool:
    """Return True when everything recorded so far is on disk; False when that failed (and is told once)."""
    sink = here.sink
    if sink is None:
        return True
    try:
        sink.flush()
    except Exception as trouble:  # noqa: BLE001 - never breaks the host
        complaints.tell(trouble, "flush", type(trouble).__name__)
        return False
    return True


def stats() -> dict[str, Any]:
    """Return what this process did (recorded, rejected, failed, durable_flushes, bytes) and where (spool, writer)."""
    with here.lock:
        sink = here.sink
        now: dict[str, Any] = {} if sink is None else sink.stats()
        return {
            "recorded": here.lines_before + now.get("lines", 0) - complaints.rejected_lines,
            "rejected": complaints.rejected,
            "failed": complaints.failed,
            "durable_flushes": here.flushes_before + now.get("durable_flushes", 0),
            "bytes": here.bytes_before + now.get("bytes", 0),
            "spool": now.get("spool"),
            "writer": now.get("writer"),
            "removed_files": now.get("removed_files", 0),
        }


def _in_child() -> None:
    """Begin anew in a forked child: own lock, own file, own writer, counts from zero."""
    here.lock = RLock()
    here.lines_before = here.flushes_before = here.bytes_before = 0
    complaints.begin_anew()
    if here.sink is not None:
        here.sink = here.sink.in_child()


os.register_at_fork(after_in_child=_in_child)
