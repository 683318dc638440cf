"""What may be wrong with a place, and what to do about each thing: the findings that `adaptd doctor` prints.

It only looks, except for `watch_one_event`, which records an event to see it arrive. It imports nothing to find out
whether it is there.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from daemon import import_origins
from daemon.clock_and_chance import Clock
from daemon.config_faults import BadConfig
from daemon.moments import moment_of
from daemon.queries import Status, config_faults, read_log, runs_listed
from daemon.run_telling import UNFINISHED
from daemon.state_folder import BESIDE, DATABASES, SPOOL_MODE, STATE_MODE
from daemon.state_lock import running_pid

OK, WARN, BAD = "ok", "warn", "bad"
WAL_RESET_FROM, WAL_RESET_TO = (3, 7, 0), (3, 51, 2)
"""SQLite with the bug that may lose commits when several connections write or checkpoint (docs/decisions)."""
LITTLE_BYTES, TOO_LITTLE_BYTES = 2 << 30, 256 << 20
CLOCK_SLACK_US = 60_000_000
STALE_SPOOL_US = 3600 * 1_000_000
FAR_BEHIND = 10_000
LONG_WAITED_US = 86_400 * 1_000_000


class Finding(NamedTuple):
    """One thing that was looked at; `next_step` where there is something to do."""

    name: str
    level: str
    found: str
    next_step: str = ""


def examine(state_dir: Path, status: Status, clock: Clock) -> list[Finding]:
    """Everything, in the order in which it is put right."""
    return [
        configuration(status.config_faults),
        *workloads(status),
        sqlite(sqlite3.sqlite_version_info),
        disk(shutil.disk_usage(_existing(state_dir)).free),
        time_of_day(clock.now(), read_log(str(state_dir / "events.db")).newest_at),
        *permissions(state_dir),
        *floors(),
        distributions(),
        spools(status, oldest_unread(state_dir / "spool", status.log.read_to), clock.now()),
        quarantine(status),
        feedback(status, clock.now()),
        views(status),
        runs(state_dir),
        unfinished_forgetting(state_dir),
        prepared(state_dir),
        redaction(status),
        torch(),
        gpu(),
    ]


def configuration(faults: Sequence[str]) -> Finding:
    if faults:
        found = f"wrong in {len(faults)} places, the first: {faults[0]}" if faults[1:] else faults[0]
        return Finding("config", BAD, found, "correct it: `adaptd config check` names every place")
    return Finding("config", OK, "every key and value can be used")


def workloads(status: Status) -> Iterator[Finding]:
    """What they name is loaded to see whether it can be; nothing is said where there is none."""
    if not status.workloads:
        return
    path = Path(status.config_path) if status.config_path else None
    faults = BadConfig(path, config_faults(path, os.environ)).lines()
    if faults:
        found = f"wrong in {len(faults)} places, the first: {faults[0]}" if faults[1:] else faults[0]
        yield Finding("workloads", BAD, found, "correct it: `adaptd config check` names every place")
    else:
        names = ", ".join(one.name for one in status.workloads)
        yield Finding("workloads", OK, f"{names}: plugins and stages can be used")


def sqlite(version: tuple[int, ...]) -> Finding:
    text = ".".join(map(str, version))
    if WAL_RESET_FROM <= version <= WAL_RESET_TO:
        return Finding(
            "sqlite",
            WARN,
            f"{text}, which may lose commits when several connections write or checkpoint",
            "adaptd has one writer and is not affected; let no other program write to its files, or use 3.51.3",
        )
    return Finding("sqlite", OK, text)


def disk(free: int) -> Finding:
    told = f"{free / (1 << 30):.1f} GiB free"
    if free < TOO_LITTLE_BYTES:
        return Finding("disk", BAD, told, "make room: soon nothing can be recorded")
    return Finding("disk", WARN, told, "make room before long") if free < LITTLE_BYTES else Finding("disk", OK, told)


def time_of_day(now: int, newest_at: int | None) -> Finding:
    """A clock that was set back shows in the log, since the log was there when it was later."""
    if newest_at is not None and newest_at > now + CLOCK_SLACK_US:
        return Finding(
            "clock",
            BAD,
            f"it is {moment_of(now)[:19]}, and the newest event came at {moment_of(newest_at)[:19]}",
            "set the clock right (timedatectl); if the log's was wrong, wait or live with it",
        )
    return Finding("clock", OK, f"{moment_of(now)[:19]}, not before the newest event")


def permissions(state_dir: Path) -> Iterator[Finding]:
    """Files and folders that more may read than need to, or that this user may not use."""
    if not state_dir.is_dir():
        yield Finding("permissions", BAD, f"{state_dir}: no folder there", "make it: adaptd init")
        return
    faults = list(_mode_faults(state_dir))
    yield from faults
    if not faults:
        yield Finding("permissions", OK, "databases 0600 or 0640, folder its owner's, spool 2770")


def _mode_faults(state_dir: Path) -> Iterator[Finding]:
    spool = state_dir / "spool"
    if not spool.is_dir():
        yield Finding("permissions", BAD, f"{spool}: no folder there", f"mkdir -m 2770 {spool}")
    elif _mode(spool) != SPOOL_MODE:
        yield Finding("permissions", WARN, f"{spool}: mode {_mode(spool):04o}", f"chmod 2770 {spool}")
    yield from _folder_faults(state_dir)
    for name, widest in DATABASES.items():
        for suffix in BESIDE:
            yield from _database_faults(state_dir / f"{name}{suffix}", widest)


def _folder_faults(state_dir: Path) -> Iterator[Finding]:
    """Whoever may write in the folder may put another log in the place of ours."""
    mode, owner = _mode(state_dir), state_dir.stat().st_uid
    if mode & 0o022:
        told = f"{state_dir}: mode {mode:04o}, so that others may replace the log"
        yield Finding("permissions", BAD, told, f"chmod {STATE_MODE:04o} {state_dir}")
    elif mode & 0o007:
        yield Finding("permissions", WARN, f"{state_dir}: mode {mode:04o}", f"chmod o= {state_dir}")
    log = state_dir / "events.db"
    if log.exists() and (daemon := log.stat().st_uid) != owner:
        told = f"{state_dir}: belongs to user {owner}, and the log in it to user {daemon}"
        yield Finding("permissions", BAD, told, f"chown {daemon} {state_dir} && chmod {STATE_MODE:04o} {state_dir}")


def _database_faults(path: Path, widest: int) -> Iterator[Finding]:
    """What others may write is bad, and so are keys and kept lines that they may read; the rest is a warning."""
    if path.exists() and (more := _mode(path) & ~widest):
        level = BAD if more & 0o022 or widest == 0o600 else WARN
        yield Finding("permissions", level, f"{path}: mode {_mode(path):04o}", f"chmod {widest:04o} {path}")


def floors() -> Iterator[Finding]:
    """Modules of ours that an import would take from somebody else's file."""
    strangers = import_origins.misplaced()
    for stranger in strangers:
        told = f"{stranger.module} would come from {stranger.found}, not from {stranger.expected}"
        yield Finding("modules", BAD, told, "install adaptd into an environment of its own")
    if not strangers:
        yield Finding("modules", OK, "every one is adaptd's own")


def distributions() -> Finding:
    both = import_origins.both_distributions()
    if both is None:
        return Finding("installed", OK, "one distribution")
    found, _, step = both.partition(". ")
    return Finding("installed", BAD, found, step)


def oldest_unread(folder: Path, read_to: Mapping[str, int]) -> int | None:
    """When the spool file with unread lines that has been silent longest was last written, in microseconds."""
    moments = []
    for path in folder.glob("*.ndjson"):
        try:
            about = path.stat()
        except FileNotFoundError:
            continue
        if 0 <= read_to.get(path.name, 0) < about.st_size:
            moments.append(about.st_mtime_ns // 1000)
    return min(moments, default=None)


def spools(status: Status, oldest: int | None, now: int) -> Finding:
    waiting = status.spool.unread_files
    if oldest is None or now - oldest < STALE_SPOOL_US:
        return Finding("spool", OK, f"{waiting} files wait" if waiting else "nothing waits")
    found = f"{waiting} files wait, since {moment_of(oldest)[:19]}"
    if status.running:
        return Finding("spool", BAD, found, "see in the daemon's log why it cannot read them")
    return Finding("spool", WARN, found, "start the daemon: adaptd run")


def quarantine(status: Status) -> Finding:
    if not status.quarantined:
        return Finding("quarantine", OK, "empty")
    found = f"{status.quarantined} came that could not be taken in, the newest: {status.quarantine_reason}"
    return Finding("quarantine", WARN, found, "correct the program that sent it; see adaptd events tail")


def feedback(status: Status, now: int) -> Finding:
    """Early feedback waits for its output; what has waited for a day names an output that nobody recorded."""
    if status.waiting_since is None:
        return Finding("feedback", OK, "none waits for its output")
    found = f"{status.waiting:,} on outputs that have not come, the oldest since {moment_of(status.waiting_since)[:19]}"
    if now - status.waiting_since < LONG_WAITED_US:
        return Finding("feedback", OK, found)
    step = "see that your program gives the output_id that record_output returned: adaptd feedback list"
    return Finding("feedback", WARN, found, step)


def views(status: Status) -> Finding:
    if status.views_behind <= FAR_BEHIND and not (status.views_behind and not status.running):
        return Finding("views", OK, f"at event {status.views_at}")
    found = f"{status.views_behind} events behind the log"
    return Finding("views", WARN, found, "wait a moment" if status.running else "start the daemon: adaptd run")


def runs(state_dir: Path) -> Finding:
    """Their folders hold what models learnt from, and belong to the daemon's user alone; is the newest one well?"""
    folder = state_dir / "runs"
    if folder.is_dir() and (mode := _mode(folder)) & 0o077:
        return Finding("runs", BAD, f"{folder}: mode {mode:04o}", f"chmod 0700 {folder}")
    told = runs_listed(str(state_dir))
    newest = next((one for one in told if one.state in ("finished", "failed")), None)
    if newest is not None and newest.state == "failed":
        step = f"see what it printed: adaptd runs logs {newest.run}"
        return Finding("runs", WARN, f"{newest.run} was given up: {newest.last.get('reason')}", step)
    unfinished = sum(one.state in UNFINISHED for one in told)
    return Finding("runs", OK, f"{len(told)} in all, {unfinished} not over" if told else "none yet")


def unfinished_forgetting(state_dir: Path) -> Finding:
    if not (state_dir / "forgetting").exists():
        return Finding("forgetting", OK, "nothing is half done")
    return Finding("forgetting", BAD, "a forgetting is not finished", "start the daemon, which goes on: adaptd run")


def prepared(state_dir: Path) -> Finding:
    """Which model makes the vectors of inputs, and how far it got; hashing in its place knows spelling alone."""
    from daemon.derived import FOLDER, FOLDER_MODE, open_derived

    folder = state_dir / FOLDER
    if folder.is_dir() and (_mode(folder) & ~FOLDER_MODE & 0o777):
        return Finding("prepared", BAD, f"{folder}: mode {_mode(folder):04o}", f"chmod {FOLDER_MODE:04o} {folder}")
    derived = open_derived(state_dir)
    if derived is None:
        return Finding("prepared", OK, "nothing yet; a night prepares what it needs")
    found = f"up to event {derived.position}: {derived.about.described}"
    if derived.about.fell_back:
        return Finding("prepared", WARN, found, "install the model that embeddings.model names, or name another")
    return Finding("prepared", OK, found)


def redaction(status: Status) -> Finding:
    """What is taken out of the texts; each hook is loaded and tried, and told with its file and the hash of it."""
    from daemon.redacting import RedactionUnusable, redactor_of

    names = [name for name, _ in status.redactions]
    beside = Path(status.config_path).parent if status.config_path else None
    try:
        redact = redactor_of(names, beside)
    except RedactionUnusable as error:
        found, _, step = str(error).partition(". ")
        return Finding("redaction", BAD, found, step)
    if redact is None:
        return Finding("redaction", OK, "off: texts are stored as they come")
    told = (
        f"{about.name} from {about.file}, sha256 {about.sha256[:16]}" if about.sha256 else about.name
        for about in redact.identities
    )
    return Finding("redaction", OK, "; ".join(told))


def torch() -> Finding:
    return Finding("torch", OK, "installed" if find_spec("torch") else "not installed; nothing needs it yet")


def gpu(
    run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run, spec_of: Callable[[str], object] = find_spec
) -> Finding:
    """What nvidia-smi says; a machine without one is no fault, a GPU that runs cannot see is one."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        told = run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except FileNotFoundError:
        return Finding("gpu", OK, "none; runs have the CPU")
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("gpu", WARN, f"nvidia-smi fails: {error}", "look at the driver: nvidia-smi")
    if told and spec_of("pynvml") is None:
        step = "install it, so that runs can have the GPU and see who uses it: pip install 'adaptd[gpu]'"
        return Finding("gpu", WARN, f"{'; '.join(told.splitlines())}; nvidia-ml-py is not installed", step)
    return Finding("gpu", OK, "; ".join(told.splitlines()) or "none")


def watch_one_event(state_dir: Path, clock: Clock, pause: Callable[[], None], tries: int = 100) -> Finding:
    """Records one event as this user, as a host would, and waits until it is in the log."""
    import adaptd

    try:
        event_id = adaptd.record_output(None, "adaptd doctor --host", artifact_type="adaptd_doctor", strict=True)
    except adaptd.NotRecorded as error:
        return Finding("host", BAD, f"user {os.getuid()} cannot record: {error}", f"see the modes of {state_dir}/spool")
    began = clock.now()
    if running_pid(state_dir) is None:
        step = "start the daemon, and run this again: adaptd run"
        return Finding("host", WARN, "recorded into the spool; no daemon runs that would take it in", step)
    for _ in range(tries):
        if _arrived(state_dir, str(event_id)):
            seconds = (clock.now() - began) / 1e6
            return Finding("host", OK, f"event {event_id} was in the log after {seconds:.1f} seconds")
        pause()
    step = "see in the daemon's log why it cannot read this user's spool file"
    return Finding("host", BAD, f"event {event_id} is in the spool and did not arrive", step)


def _arrived(state_dir: Path, event_id: str) -> bool:
    uri = f"{(state_dir / 'events.db').resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=10)) as reader:
        return reader.execute("SELECT 1 FROM events WHERE id = ?", (event_id,)).fetchone() is not None


def _existing(path: Path) -> Path:
    return path if path.exists() else path.parent


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
