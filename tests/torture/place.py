"""A throw-away place with a real daemon and real hosts. It ends only what it started, by process group.

Every process gets a session of its own, so that a kill reaches a host's forked children and nobody else's.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = "from adaptd._launch import main; raise SystemExit(main())"
VERB = (sys.executable, "-P", "-c", LAUNCH)
DIE_WITH_US = "import ctypes; ctypes.CDLL(None).prctl(1, 9)"  # PR_SET_PDEATHSIG, SIGKILL: nothing is left running
DAEMON = (sys.executable, "-P", "-c", f"{DIE_WITH_US}; {LAUNCH}")
HOST = (sys.executable, "-c", f"{DIE_WITH_US}; from tests.torture.host import main; main()")


class Wrong(Exception):
    """Something that must not happen, told so that it can be looked into."""


class Started:
    """One process that was started here, with all that it forks."""

    def __init__(self, name: str, command: list[str], environ: dict[str, str], **streams: Any) -> None:
        self.name = name
        self.process = subprocess.Popen(command, cwd=ROOT, env=environ, start_new_session=True, **streams)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL for the whole group. The leader is not waited for before, so its number is still its own."""
        if self.process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()

    def tell(self, number: signal.Signals) -> None:
        if self.process.returncode is None:
            os.kill(self.pid, number)

    def stop(self, seconds: float = 20) -> int:
        """TERM, and the exit code; Wrong when it does not end in time."""
        self.tell(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Wrong(f"{self.name}: TERM was not followed within {seconds} seconds") from None

    def limit_files_to(self, size: int | None) -> None:
        """A file of this process can grow to that many bytes and no further; None lifts it."""
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


class Acknowledged:
    """What hosts were told: every id that was returned, with its score, and how many calls returned None.

    `without_gaps` are the writers of whose counters the log must have every one.
    """

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()
        self.scores: dict[str, float | None] = {}
        self.refused = 0
        self.without_gaps: set[str] = set()

    def add(self, line: str) -> None:
        if line.startswith("# "):
            self.without_gaps.add(line[2:])
            return
        event_id, _, score = line.partition(" ")
        if event_id == "-":
            self.refused += 1
            return
        self.times[event_id] += 1
        self.scores[event_id] = None if score == "-" else float(score)

    def add_file(self, path: Path) -> None:
        *lines, _torn = path.read_text().split("\n")
        for line in lines:
            self.add(line)


class Place:
    """A state folder of its own, its daemon, its hosts and what they were told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.state = folder / "state"
        self.spool = self.state / "spool"
        self.acks = folder / "acks"
        self.daemon_log = folder / "daemon.log"
        self.hosts_log = folder / "hosts.log"
        self.acknowledged = Acknowledged()
        self.daemon: Started | None = None
        self._started: list[Started] = []
        self._listeners: list[Thread] = []
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ADAPTD_")}
        caches = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "CACHE")}
        self.environ |= {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1", **caches}

    @classmethod
    @contextmanager
    def made(cls, name: str) -> Iterator[Place]:
        """A new place. It is kept, and its path told, when what is done in it goes wrong."""
        place = cls(Path(tempfile.mkdtemp(prefix=f"adaptd-torture-{name}-")))
        try:
            place.acks.mkdir()
            place.verb("init", str(place.folder))
            yield place
        except Wrong as wrong:
            raise Wrong(f"{wrong}\n  everything is kept in {place.folder}") from None
        except Exception as trouble:
            trouble.add_note(f"everything is kept in {place.folder}")
            raise
        finally:
            place.end_all()
        shutil.rmtree(place.folder)

    def verb(self, *arguments: str, expected: int = 0) -> str:
        """What `adaptd …` prints; Wrong when it ends with another code than expected."""
        command = [*VERB, *self._addressed(arguments)]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )
        said = done.stdout + done.stderr
        if done.returncode != expected or "Traceback" in said:
            raise Wrong(f"adaptd {' '.join(arguments)}: exit {done.returncode}, expected {expected}: {said}")
        return said

    def _addressed(self, arguments: tuple[str, ...]) -> list[str]:
        return list(arguments) if arguments[0] == "init" else ["--config", str(self.config), *arguments]

    def start_daemon(self, limit: int | None = None) -> Started:
        """The daemon, its output appended to daemon.log; `limit` as in `limit_files_to`, from its first moment."""
        command = [*DAEMON, *self._addressed(("run",))]
        if limit is not None:
            command = ["sh", "-c", f'ulimit -S -f {limit}; exec "$@"', "sh", *command]
        self.daemon = self._start("daemon", command, self.daemon_log)
        return self.daemon

    def start_host(self, manner: str, seed: int, *options: str) -> Started:
        """A host that writes down its ids under `acks`."""
        return self._start(f"host {manner}", self._host(manner, seed, str(self.acks), options), self.hosts_log)

    def start_heard_host(self, manner: str, seed: int, *options: str) -> Started:
        """A host that tells its ids through a pipe, for when no file of its own can grow."""
        command = self._host(manner, seed, "-", options)
        with self.hosts_log.open("ab") as errors:
            started = Started(f"host {manner}", command, self.environ, stdout=subprocess.PIPE, stderr=errors)
        host = self._remember(started)
        self._listeners.append(Thread(target=self._listen, args=(host.process.stdout,), daemon=True))
        self._listeners[-1].start()
        return host

    def _host(self, manner: str, seed: int, acks: str, options: tuple[str, ...]) -> list[str]:
        where = ["--state", str(self.state), "--acks", acks]
        return [*HOST, *where, "--manner", manner, "--seed", str(seed), *options]

    def _start(self, name: str, command: list[str], out: Path) -> Started:
        with out.open("ab") as file:
            return self._remember(Started(name, command, self.environ, stdout=file, stderr=file))

    def _remember(self, started: Started) -> Started:
        self._started = [earlier for earlier in self._started if earlier.process.returncode is None]
        self._started.append(started)
        return started

    def _listen(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                if line.endswith(b"\n"):
                    self.acknowledged.add(line.decode().rstrip("\n"))

    def end_all(self) -> None:
        for started in self._started:
            started.kill()
        for listener in self._listeners:
            listener.join(10)

    def gather(self) -> Acknowledged:
        """All that hosts were told; they have to be gone by now."""
        for listener in self._listeners:
            listener.join(10)
        for path in self.acks.iterdir():
            self.acknowledged.add_file(path)
        return self.acknowledged

    def spool_files(self) -> list[str]:
        return sorted(path.name for path in self.spool.iterdir() if not path.name.startswith("."))

    def newest(self) -> int:
        """The number of the newest event, 0 when there is no log yet."""
        try:
            with closing(sqlite3.connect(f"file:{self.state / 'events.db'}?mode=ro", uri=True, timeout=10)) as log:
                return int(log.execute("SELECT ifnull(max(seq), 0) FROM events").fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    def in_the_log(self, ids: list[str]) -> int:
        """How many of them are events by now."""
        marks = ", ".join("?" * len(ids))
        with closing(sqlite3.connect(f"file:{self.state / 'events.db'}?mode=ro", uri=True, timeout=10)) as log:
            return int(log.execute(f"SELECT count(*) FROM events WHERE id IN ({marks})", ids).fetchone()[0])

    def drain(self, seconds: float = 120) -> None:
        """Wait until the running daemon has taken in and let go of every spool file and the log stands still."""
        self.wait_for(lambda: not self.spool_files(), seconds, "the daemon to take in and delete every spool file")
        newest = -1
        while newest != (newest := self.newest()):
            time.sleep(0.5)

    def stop_daemon(self) -> None:
        if self.daemon is None:
            raise Wrong("no daemon was started")
        code = self.daemon.stop()
        if code:
            raise Wrong(f"the daemon ended with {code} after TERM, expected 0\n{self.told()}")

    def wait_for(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Return when the condition holds; Wrong when the daemon ends meanwhile by itself, or the time is up."""
        end = time.monotonic() + seconds
        while not condition():
            self.refuse_a_dead_daemon()
            if time.monotonic() > end:
                raise Wrong(f"waited {seconds} seconds for {what}\n{self.told()}")
            time.sleep(0.02)

    def refuse_a_dead_daemon(self) -> None:
        if self.daemon is not None and not self.daemon.runs:
            raise Wrong(f"the daemon ended by itself with {self.daemon.process.returncode}\n{self.told()}")

    def told(self) -> str:
        """The last lines of the daemon."""
        lines = self.daemon_log.read_text(errors="replace").splitlines() if self.daemon_log.exists() else []
        return "\n".join(f"    {line[:300]}" for line in lines[-8:])

    def kept_aside(self) -> list[tuple[str, str, int, bytes]]:
        """The lines in quarantine: source, reason, place and bytes."""
        with closing(sqlite3.connect(self.state / "quarantine.db")) as quarantine:
            return quarantine.execute("SELECT source, reason, place, raw FROM lines ORDER BY rowid").fetchall()
