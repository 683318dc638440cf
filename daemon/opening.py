"""This file knows how a state folder is opened for its one owner: which files, in which order.

It does not take the folder's lock: the caller holds it (`daemon.state_lock`), or knows that nobody else is there.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daemon.clock_and_chance import Chance, Clock
from daemon.file_systems import refuse_network
from daemon.forgetting import finish_begun
from daemon.intake import Intake, IntakeRules
from daemon.quarantine import Quarantine
from daemon.redacting import redactor_of
from daemon.sealing import KeysMissing, Sealing
from daemon.settings import Settings
from daemon.sqlite_log import SqliteEventLog
from daemon.state_folder import DATABASE_MODE, make_folders, narrow_databases
from daemon.views.store import Views


@dataclass(frozen=True)
class State:
    """Everything that is open on one state folder."""

    state_dir: Path
    log: SqliteEventLog
    views: Views
    intake: Intake
    sealing: Sealing
    quarantine: Quarantine
    closing: ExitStack

    def close(self) -> None:
        """Close everything, in the opposite order of opening."""
        self.closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def intake_rules(settings: Settings, beside: Path | None = None) -> IntakeRules:
    """What the configuration says about taking in; its hooks are looked for in the folder `beside` first.

    Raises RedactionUnusable.
    """
    return IntakeRules(
        max_event_bytes=settings.intake.max_event_bytes,
        commit_events=settings.intake.commit_events,
        split_by=settings.sides.split_by,
        encrypt=settings.privacy.encrypt,
        redact=redactor_of(settings.privacy.redact, beside),
    )


def open_state(
    state_dir: Path, settings: Settings, clock: Clock, chance: Chance, *, beside: Path | None = None
) -> State:
    """Open, and make where it is new, all that the daemon keeps. NetworkFileSystem where SQLite's WAL is not safe.

    `beside` is the folder of config.toml: see `intake_rules`.
    """
    rules = intake_rules(settings, beside)
    refuse_network(state_dir)
    make_folders(state_dir)
    narrow_databases(state_dir)
    with ExitStack() as closing:
        log = SqliteEventLog.open(state_dir / "events.db", clock, chance, durability=settings.log.durability)
        closing.callback(log.close)
        sealing = Sealing.open(state_dir / "keys.db", chance)
        closing.callback(sealing.close)
        if sealing.is_new and (subject := log.any_subject()) is not None:
            (state_dir / "keys.db").unlink()  # it was made just now, and is empty
            raise KeysMissing(subject)
        quarantine = Quarantine(state_dir / "quarantine.db")
        closing.callback(quarantine.close)
        (state_dir / "views.db").touch(mode=DATABASE_MODE)
        views = Views.open(state_dir / "views.db", log)
        closing.callback(views.close)
        intake = Intake(log, views.examples, state_dir / "spool", quarantine, sealing, chance, rules)
        state = State(state_dir, log, views, intake, sealing, quarantine, closing.pop_all())
    try:
        finish_begun(state, clock.now())
    except BaseException:
        state.close()
        raise
    return state
