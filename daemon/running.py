"""This file knows the daemon as a process: who owns the folder, what signals mean, and how it waits between turns.

What a turn does is `daemon.main_loop`'s. Nothing here touches an event but those that the daemon writes about itself.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from structlog.typing import FilteringBoundLogger

from adaptd import __version__
from daemon import event_kinds, requests, serving_requests
from daemon.clock_and_chance import MICROSECONDS, Chance, Clock
from daemon.config_faults import BadConfig
from daemon.config_schema import keep_schema
from daemon.event_kinds import own_event
from daemon.event_log import AppendFailed
from daemon.file_systems import refuse_network
from daemon.intake import IntakeRules
from daemon.log_lines import logger_to
from daemon.main_loop import PASSING, MainLoop, TurnReport
from daemon.night_building import parts_of, shift_of
from daemon.notifying import ServiceManager
from daemon.opening import State, intake_rules, open_state
from daemon.redacting import RedactionUnusable
from daemon.serving_requests import REQUESTS, Owner
from daemon.settings import ONLY_AT_START, Settings, changed_keys
from daemon.socket_door import SocketDoor
from daemon.state_folder import make_folders
from daemon.state_lock import StateLock
from daemon.workload_checking import checked_settings

SOON_SECONDS = 0.1
IDLE_SECONDS = 0.25
TURNS_UNTIL_IDLE = 20
NOT_FOR_OTHERS = 0o007
"""What the daemon makes may be read and written by its group at most."""


class Signals:
    """What the process was told since somebody looked. `descriptor` becomes readable when something was told."""

    def __init__(self) -> None:
        self.stopped_by: str | None = None
        self._reload = False
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)

    @property
    def descriptor(self) -> socket.socket:
        """What to wait for."""
        return self._reading

    def take_reload(self) -> bool:
        """Whether HUP came since this was last asked."""
        asked, self._reload = self._reload, False
        return asked

    def drain(self) -> None:
        """Make the descriptor quiet again."""
        try:
            while self._reading.recv(4096):
                pass
        except BlockingIOError:
            return

    @contextmanager
    def heard(self) -> Iterator[None]:
        """While this lasts, TERM, INT and HUP are heard here instead of ending the process."""
        before = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        old = {number: signal.signal(number, self._hear) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            self._reading.close()
            self._writing.close()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self.stopped_by = signal.Signals(number).name


class Daemon:
    """One daemon on one state folder, from its start to its end."""

    def __init__(
        self,
        config_path: Path | None,
        settings: Settings,
        state: State,
        log: FilteringBoundLogger,
        manager: ServiceManager,
        clock: Clock,
        chance: Chance,
        lock: StateLock,
    ) -> None:
        self._lock = lock
        self._config_path = config_path
        self._settings = settings
        self._state = state
        self._log = log
        self._manager = manager
        self._clock = clock
        self._chance = chance
        self._selector = selectors.DefaultSelector()
        self._door = self._open_door()
        parts = parts_of(state, settings, config_path, clock, chance)
        self._shift = shift_of(state, settings, parts, clock, chance)
        self._loop = MainLoop(state.intake, state.views, self._door, settings.intake.commit_events, self._shift)
        self._failure: str | None = None
        self._problems: set[str] = set()
        self._quiet_turns = 0

    def serve(self, signals: Signals) -> None:
        """Turn after turn until a signal says stop; what was begun is finished, and the log says both."""
        self._selector.register(signals.descriptor, selectors.EVENT_READ, lambda _mask: signals.drain())
        self._state.views.catch_up()  # a log that was set back is noticed before anything is added to it
        self._note(event_kinds.DAEMON_STARTED, self._self_portrait())
        self._log.info("started", state_dir=str(self._state.state_dir), pid=os.getpid(), version=__version__)
        self._manager.ready(self._status())
        while signals.stopped_by is None:
            if signals.take_reload():
                self._reload()
            self._keep_lock()
            report = self._loop.turn(self._clock.now())
            self._serve_requests()
            self._tell(report)
            self._manager.alive()
            self._wait(0 if report.more else self._pause(report))
        self._end(signals.stopped_by)

    def close(self) -> None:
        """Let go of what this daemon opened itself."""
        if self._door is not None:
            self._door.close()
        self._selector.close()

    def _open_door(self) -> SocketDoor | None:
        path = self._state.state_dir / "adaptd.sock"
        try:
            return SocketDoor(path, self._selector, self._settings.intake.max_event_bytes, asks=self._answer_program)
        except OSError as error:
            self._log.warning("no socket: events come in by the spool alone", path=str(path), reason=str(error))
            return None

    def _wait(self, seconds: float) -> None:
        """Until something can be read or the time is up; a socket's bytes are fetched at once."""
        for key, mask in self._selector.select(seconds):
            key.data(mask)
            self._quiet_turns = 0

    def _pause(self, report: TurnReport) -> float:
        """How long to leave the spool alone: longer when nothing has come for a while, and when something failed."""
        self._quiet_turns = 0 if report.events or report.repeats else self._quiet_turns + 1
        if self._quiet_turns and self._quiet_turns % TURNS_UNTIL_IDLE == 0:
            self._state.views.rest()
        pause = IDLE_SECONDS if self._quiet_turns > TURNS_UNTIL_IDLE or report.failure else SOON_SECONDS
        return min(pause, self._manager.watchdog_seconds or pause)

    def _tell(self, report: TurnReport) -> None:
        """One line for a turn that did something; a failure that lasts is told once, and so is its end."""
        if report.failure and report.failure != self._failure:
            self._log.error("failed, and will be tried again", reason=report.failure)
        elif self._failure and not report.failure:
            self._log.info("works again")
        self._failure = report.failure
        for problem in set(report.problems) - self._problems:
            self._log.warning("look at this", problem=problem)
        self._problems = set(report.problems)
        if report.told:
            self._log.info("night", did=list(report.told))
        counts = {name: getattr(report, name) for name in ("events", "repeats", "quarantined", "refused", "bytes")}
        said = {name: count for name, count in counts.items() if count}
        if said:
            self._log.info("took in", **said, seq=self._state.log.head().seq)
            self._manager.status(self._status())

    def _keep_lock(self) -> None:
        """Before each turn: StateMoved ends the daemon before it writes where it is not known any more."""
        try:
            self._lock.keep()
        except OSError as error:
            self._log.error("lock cannot be looked at", path=str(self._lock.path), reason=str(error))

    def _serve_requests(self) -> None:
        """What a verb of the state's owner asks for. What fails on a disk stays asked for."""
        try:
            requests.serve(self._state.state_dir, self._do)
        except PASSING as error:
            self._log.error("a request failed, and will be tried again", reason=str(error))

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        owner = Owner(self._state, self._settings, self._shift.parts, self._clock, self._chance)
        answer = serving_requests.answer(owner, request)
        if "error" not in answer:
            served = REQUESTS[request["verb"]]
            self._log.info(served.said, **{name: answer[name] for name in served.details})
        return answer

    def _answer_program(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a program asks at the socket (adaptd/asking.py): which outputs are worth rating, and nothing else."""
        try:
            return self._do({**asked, "verb": "ask", "workload": None})
        except PASSING as error:
            return {"error": str(error)}

    def _reload(self) -> None:
        """Read config.toml again; a bad one changes nothing, and both outcomes are events."""
        self._manager.reloading(time.monotonic_ns() // 1000)
        try:
            settings = checked_settings(self._config_path)
            rules = intake_rules(settings, _folder_of(self._config_path))
        except (BadConfig, RedactionUnusable) as error:
            self._note(event_kinds.CONFIG_REFUSED, {"config": str(self._config_path), "reason": str(error)})
            self._log.error("config refused, the old one stays", reason=str(error))
        else:
            self._take_over(settings, rules)
        self._manager.ready(self._status())

    def _take_over(self, settings: Settings, rules: IntakeRules) -> None:
        changed = changed_keys(self._settings, settings)
        after_restart = [key for key in ONLY_AT_START if key in changed]
        self._settings = settings
        self._state.intake.follow(rules)
        self._shift.follow(settings)
        self._loop.lines_per_turn = settings.intake.commit_events
        if self._door is not None:
            self._door.max_line_bytes = settings.intake.max_event_bytes
        self._note(
            event_kinds.CONFIG_RELOADED, {"changed": changed, "after_restart": after_restart} | self._redactions()
        )
        self._log.info("config reloaded", changed=sorted(changed), after_restart=after_restart)

    def _note(self, kind: event_kinds.Kind, body: event_kinds.Body) -> None:
        """Write an event about the daemon itself; when that fails the daemon still does what it was told."""
        try:
            self._state.log.append([own_event(kind, body, self._clock.now(), self._chance)])
        except AppendFailed as error:
            self._log.error("not in the log", event_kind=kind.stored_as, reason=str(error))

    def _end(self, reason: str) -> None:
        self._manager.stopping("stopping")
        self._loop.shift = None
        stopped = self._shift.stop(self._clock.now())
        self._tell(TurnReport(told=stopped.told, failure=stopped.failure))
        self._note(event_kinds.DAEMON_STOPPED, {"reason": reason, "pid": os.getpid()})
        self._tell(self._loop.turn(self._clock.now()))
        self._log.info("stopped", reason=reason, seq=self._state.log.head().seq)

    def _self_portrait(self) -> event_kinds.Body:
        return {
            "version": __version__,
            "pid": os.getpid(),
            "sqlite": sqlite3.sqlite_version,
            "durability": self._settings.log.durability,
            "config": None if self._config_path is None else str(self._config_path),
        } | self._redactions()

    def _redactions(self) -> event_kinds.Body:
        """Which redactions hold from this event on: hooks with the hash of their code."""
        redact = self._state.intake.rules.redact
        return {} if redact is None else {"redact": [about._asdict() for about in redact.identities]}

    def _status(self) -> str:
        connections = self._door.connections if self._door else 0
        return f"{self._state.log.head().seq} events in the log; {connections} programs connected"


def _folder_of(config_path: Path | None) -> Path | None:
    return config_path and config_path.parent


def run(
    config_path: Path | None, state_dir: Path, out: TextIO, environ: Mapping[str, str], clock: Clock, chance: Chance
) -> None:
    """Be the daemon of that folder until TERM or INT.

    Raises BadConfig, StateInUse or NetworkFileSystem before anything is touched but the folder itself.
    """
    settings = checked_settings(config_path, environ)
    refuse_network(state_dir)
    os.umask(NOT_FOR_OTHERS)
    make_folders(state_dir)
    log = logger_to(out, clock, environ)
    signals = Signals()
    with ExitStack() as closing:
        closing.enter_context(signals.heard())
        started = datetime.fromtimestamp(clock.now() / MICROSECONDS, UTC).isoformat(timespec="seconds")
        lock = StateLock.take(state_dir, f"{os.getpid()} {started}", pause=lambda: time.sleep(0.025))
        closing.callback(lock.release)
        keep_schema(state_dir)
        state = closing.enter_context(open_state(state_dir, settings, clock, chance, beside=_folder_of(config_path)))
        daemon = Daemon(config_path, settings, state, log, ServiceManager(environ), clock, chance, lock)
        closing.callback(daemon.close)
        daemon.serve(signals)
