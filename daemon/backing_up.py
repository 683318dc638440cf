"""A backup: one archive of copies of the log, the keys and the quarantine, taken while the daemon runs and checked.

The copies are SQLite's own, each of one moment; keys come last but one, so that every event in the copied log has its
key. Restoring puts them in an empty place, or over a log when that is asked for, and forgets again what was forgotten
since. Views are not in it: they are folded again. What waits in the spool is not in it either.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from adaptd.errors import AdaptdError
from daemon import forgetting
from daemon.clock_and_chance import Chance, Clock
from daemon.event_log import Head
from daemon.opening import State, intake_rules, open_state
from daemon.sealing import Sealing
from daemon.settings import Settings
from daemon.sqlite_log import SqliteEventLog
from daemon.state_folder import BESIDE, DATABASES, sync_folder
from daemon.telling import Tell, silent

SCHEMA = "adaptd.backup/1"
MANIFEST = "manifest.json"
COPIED = ("events.db", "keys.db", "quarantine.db")
LONG_LINES = "quarantine"  # a folder
REPLACED = ("events.db", "keys.db", "quarantine.db", "views.db")
Again = dict[bytes, list[int]]
"""Marks of those who are forgotten again, with the pseudonyms that were theirs in the backup."""
PAGES_AT_ONCE = 4096
EVENTS_AT_ONCE = 50_000


class BadBackup(AdaptdError):
    """An archive that is no backup, or not as it was written."""

    def __init__(self, path: Path, problem: object) -> None:
        super().__init__(f"{path}: {problem}; expected a backup as `adaptd backup` wrote it. Try an older one.")


class NotEmpty(AdaptdError):
    """A log is there already."""

    def __init__(self, state_dir: Path, head: Head) -> None:
        super().__init__(
            f"{state_dir}: has a log of {head.seq} events, expected an empty place; nothing was changed. "
            "Restore into another folder with --to DIR, or replace this log with --force."
        )


class Made(NamedTuple):
    """A backup, as it was checked after it was written."""

    path: Path
    head: Head
    bytes: int


class Restored(NamedTuple):
    """What is there now. `forgotten` counts the subjects that were forgotten again."""

    state_dir: Path
    head: Head
    forgotten: int
    problems: tuple[str, ...]


def back_up(state_dir: Path, path: Path, clock: Clock, *, tell: Tell = silent) -> Made:
    """Writes the archive, reads it back and checks it, and only then gives it its name; 0600, since keys are in it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with _working_folder(path.parent) as folder:
            head = _copy(state_dir, folder, tell)
            _archive(folder, unfinished, head, clock)
        with _working_folder(path.parent) as folder:
            checked = unpack(unfinished, folder, tell)
        assert checked == head, "the archive was checked to have the log that was copied"
        os.replace(unfinished, path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            unfinished.unlink()
        raise
    return Made(path, head, path.stat().st_size)


def restore(
    path: Path,
    state_dir: Path,
    clock: Clock,
    chance: Chance,
    *,
    force: bool = False,
    known: Sequence[Path] = (),
    tell: Tell = silent,
    settings: Settings = Settings(),
    beside: Path | None = None,
) -> Restored:
    """Puts a checked backup there; the caller holds the folder's lock. Nothing is changed before all of it is checked.

    What waits in the spool is taken in by these `settings`; `beside` is the folder of their config.toml.
    Whom the `known` keys.db say to be forgotten is forgotten again, and so is whom the backup's own log says.
    """
    intake_rules(settings, beside)  # fails before anything is changed
    there = _head_of(state_dir / "events.db")
    if there is not None and there.seq and not force:
        raise NotEmpty(state_dir, there)
    with _working_folder(state_dir) as folder:
        unpack(path, folder, tell)
        again, problems = _destroy_again(known, folder / "keys.db", clock.now(), chance)
        _put_in_place(folder, state_dir)
    with open_state(state_dir, settings, clock, chance, beside=beside) as state:
        _fold(state, tell)
        problems += _forget_again(state, again, clock, chance)
        state.views.catch_up()
        return Restored(state_dir, state.log.head(), len(again), tuple(problems))


def unpack(path: Path, folder: Path, tell: Tell = silent) -> Head:
    """Unpacks into the folder and checks every byte: hashes, the chain, the log's head. BadBackup otherwise."""
    try:
        with tarfile.open(path, "r:") as archive:
            manifest = _manifest_of(path, archive)
            for name, told in manifest["files"].items():
                _unpack_one(path, archive, name, told, folder, tell)
            told_head = Head(manifest["head"]["seq"], bytes.fromhex(manifest["head"]["chain"]))
    except (tarfile.TarError, KeyError, ValueError, TypeError, AttributeError, EOFError) as error:
        raise BadBackup(path, f"cannot be read ({error})") from None
    with SqliteEventLog.open_read_only(folder / "events.db") as log:
        newest = log.head().seq
        verified = log.verify(lambda seq: tell("verifying the log", seq, newest))
    if not verified.ok or verified.head != told_head:
        raise BadBackup(path, f"its log does not verify ({verified.problem or 'another head'})")
    for name in ("keys.db", "quarantine.db"):
        _check_database(path, folder / name)
    return verified.head


# Writing


def _copy(state_dir: Path, folder: Path, tell: Tell) -> Head:
    """The log before the keys: a key is on disk before its event. A forgetting between the two destroys in the copy."""
    for name in COPIED:
        if (state_dir / name).exists():
            _copy_database(state_dir / name, folder / name, tell)
    for long_line in sorted((state_dir / LONG_LINES).glob("*.bin")):
        (folder / LONG_LINES).mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # erased meanwhile
            (folder / LONG_LINES / long_line.name).write_bytes(long_line.read_bytes())
    head = _head_of(folder / "events.db")
    if head is None:
        raise AdaptdError(f"{state_dir}: no log there, expected one to back up. Start the daemon once: adaptd run")
    return head


def _copy_database(source: Path, target: Path, tell: Tell) -> None:
    """Of one moment: what is read stays open all the while, so a commit elsewhere does not make SQLite begin anew."""
    uri = f"{source.resolve().as_uri()}?mode=ro"
    target.touch(mode=0o600)
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=30)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.execute("BEGIN")
        reading.execute("SELECT 1 FROM sqlite_master").fetchone()
        doing = f"copying {source.name}"
        reading.backup(
            writing, pages=PAGES_AT_ONCE, progress=lambda _status, left, total: tell(doing, total - left, total)
        )
        writing.execute("PRAGMA journal_mode=DELETE")


def _archive(folder: Path, path: Path, head: Head, clock: Clock) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    manifest = {
        "schema": SCHEMA,
        "made_at": clock.now(),
        "head": {"seq": head.seq, "chain": head.chain.hex()},
        "files": {
            str(file.relative_to(folder)): {"bytes": file.stat().st_size, "sha256": _hash_of(file)} for file in files
        },
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w:", format=tarfile.PAX_FORMAT) as archive:
            text = json.dumps(manifest, indent=1).encode()
            member = tarfile.TarInfo(MANIFEST)
            member.size, member.mode = len(text), 0o600
            archive.addfile(member, BytesIO(text))
            for file in files:
                archive.add(file, str(file.relative_to(folder)), filter=_nobodys)
        raw.flush()
        os.fsync(raw.fileno())


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


# Reading


def _manifest_of(path: Path, archive: tarfile.TarFile) -> dict[str, Any]:
    member = archive.extractfile(MANIFEST)
    manifest: dict[str, Any] = json.load(member) if member is not None else {}
    if manifest.get("schema") != SCHEMA:
        raise BadBackup(path, f"says {manifest.get('schema')!r}, not {SCHEMA!r}")
    return manifest


def _unpack_one(
    path: Path, archive: tarfile.TarFile, name: str, told: dict[str, Any], folder: Path, tell: Tell
) -> None:
    """Only names that a backup has, and only plain files: an archive may come from anywhere."""
    long_line = name.startswith(f"{LONG_LINES}/q-") and name.endswith(".bin") and name.count("/") == 1
    if name not in COPIED and not long_line:
        raise BadBackup(path, f"holds {name!r}, which is no file of a backup")
    packed = archive.extractfile(name)
    if packed is None:
        raise BadBackup(path, f"{name} is no plain file")
    size = archive.getmember(name).size
    target = folder / name
    target.parent.mkdir(exist_ok=True)
    digest = hashlib.sha256()
    with target.open("wb") as file:
        while data := packed.read(1 << 20):
            digest.update(data)
            file.write(data)
            tell(f"unpacking {name}", file.tell(), size)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != told["sha256"]:
        raise BadBackup(path, f"{name} is damaged: its hash is another")


def _check_database(path: Path, database: Path) -> None:
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database)) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        answer = str(error)
    if answer != "ok":
        raise BadBackup(path, f"{database.name} is damaged: {answer}")


def _fold(state: State, tell: Tell) -> None:
    newest, done = state.log.head().seq, 0
    while folded := state.views.catch_up(EVENTS_AT_ONCE):
        done += folded
        tell("folding the log", done, newest)


# Forgetting again


def _destroy_again(known: Sequence[Path], restored: Path, now: int, chance: Chance) -> tuple[Again, list[str]]:
    """Before anything is put in place: a kill afterwards must not bring a forgotten subject back to life.

    The keys that go belong to whom the keys known here say to be forgotten, and the backup does not.
    """
    again: Again = {}
    problems = []
    with closing(Sealing.open(restored, chance)) as sealing:
        for path in dict.fromkeys(path.resolve() for path in known if path.exists()):
            with closing(Sealing.open_read_only(path)) as here:
                marks = [mark for mark in here.forgotten() if not sealing.is_forgotten(mark)]
                alike = here.mark_of("") == sealing.mark_of("")
            if marks and not alike:
                problems.append(f"{path}: is of another log, so its {len(marks)} forgotten subjects are not known here")
            for mark in marks if alike else ():
                again[mark] = sealing.owned_by(mark)
                sealing.destroy(mark, again[mark], now)
    return again, problems


def _forget_again(state: State, again: Again, clock: Clock, chance: Chance) -> list[str]:
    """In place, where hosts' spools are: as events of the restored log, and whom that log says was forgotten."""
    problems: list[str] = []
    told = forgetting.told_marks(state.log)
    for mark, pseudonyms in again.items():
        problems += forgetting.forget_pseudonyms(state, mark, pseudonyms, clock.now(), chance).problems
    for mark in told:
        problems += forgetting.forget_mark(state, mark, clock.now(), chance).problems
    return problems


# In place


def _put_in_place(folder: Path, state_dir: Path) -> None:
    """Old companions first, the log last: what a kill leaves between is a folder that refuses to open, or is whole."""
    for name in REPLACED:
        for suffix in BESIDE:
            with suppress(FileNotFoundError):
                (state_dir / f"{name}{suffix}").unlink()
    for long_line in (state_dir / LONG_LINES).glob("*.bin"):
        long_line.unlink()
    if (folder / LONG_LINES).exists():
        (state_dir / LONG_LINES).mkdir(mode=0o700, exist_ok=True)
        for long_line in (folder / LONG_LINES).glob("*.bin"):
            os.replace(long_line, state_dir / LONG_LINES / long_line.name)
    for name in ("keys.db", "quarantine.db", "events.db"):
        if (folder / name).exists():
            (folder / name).chmod(DATABASES[name])
            os.replace(folder / name, state_dir / name)
    sync_folder(state_dir)


@contextmanager
def _working_folder(beside: Path) -> Iterator[Path]:
    """On the same file system, for the owner alone, and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=".adaptd-backup-", dir=beside) as name:
        yield Path(name)


def _head_of(path: Path) -> Head | None:
    if not path.exists():
        return None
    with SqliteEventLog.open_read_only(path) as log:
        return log.head()


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
