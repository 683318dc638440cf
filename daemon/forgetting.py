"""How a subject is forgotten: the intent in the log, then its keys, then whatever still holds its words.

The intent is one event, `subject_forgotten/1`, which knows the subject by pseudonyms and a keyed mark alone; everything
after it can be done twice. A small file beside the log holds that event's id until all is done, so that the next start
goes on after a kill. Copies that were made before (backups, exports) are not reached; `restore` forgets again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from daemon import derived, spool_erasing
from daemon.clock_and_chance import Chance, new_id
from daemon.event_kinds import SUBJECT_FORGOTTEN, TARGET_CAME, own_event
from daemon.event_log import Entry, EventLog
from daemon.intake import Intake
from daemon.line_naming import ids_in, subjects_in
from daemon.quarantine import Quarantine
from daemon.run_erasing import erase_derived_texts, erase_printed, erase_trials
from daemon.sealing import Sealing
from daemon.state_folder import sync_folder
from daemon.telling import Tell, silent

PAGE_EVENTS = 5000
BEGUN = "forgetting"
MEMORIES = "derived/stages"


class KnowsOutputs(Protocol):
    """The part of the examples that a forgetting needs."""

    def outputs_under(self, pseudonyms: NDArray[np.int64]) -> NDArray[np.int64]: ...


class Catches(Protocol):
    """The part of the views that a forgetting needs."""

    @property
    def examples(self) -> KnowsOutputs: ...
    def catch_up(self, max_events: int | None = None) -> int: ...


class Place(Protocol):
    """The part of an opened state folder that a forgetting needs."""

    @property
    def state_dir(self) -> Path: ...
    @property
    def log(self) -> EventLog: ...
    @property
    def views(self) -> Catches: ...
    @property
    def intake(self) -> Intake: ...
    @property
    def sealing(self) -> Sealing: ...
    @property
    def quarantine(self) -> Quarantine: ...


class Forgotten(NamedTuple):
    """What was destroyed. `again` says that the subject was forgotten before; `problems` what is still to be done."""

    events: int = 0
    keys: int = 0
    quarantined: int = 0
    spooled: int = 0
    derived: int = 0
    again: bool = False
    problems: tuple[str, ...] = ()


class Intent(NamedTuple):
    """Who is meant, without the name: what `subject_forgotten/1` holds."""

    mark: bytes
    pseudonyms: tuple[int, ...]
    events: int = 0

    @classmethod
    def read(cls, body: str) -> Intent:
        """The intent that an event's body tells."""
        fields = json.loads(body)
        return cls(bytes.fromhex(fields["mark"]), tuple(fields["pseudonyms"]), fields["events"])


def forget(place: Place, subject: str, now: int, chance: Chance, tell: Tell = silent) -> Forgotten:
    """Everything of that subject, and from now on; what waits in the spool is taken in first."""
    return forget_mark(place, place.sealing.mark_of(subject), now, chance, tell)


def forget_mark(place: Place, mark: bytes, now: int, chance: Chance, tell: Tell = silent) -> Forgotten:
    """The same by the mark, which is all that is left of somebody who was forgotten before."""
    take_everything_in(place, now)
    pseudonyms = place.sealing.owned_by(mark)
    again = place.sealing.is_forgotten(mark)
    if again and not pseudonyms:
        return _clean(place, Intent(mark, pseudonyms_of(place.log, mark)), now)._replace(again=True)
    return forget_pseudonyms(place, mark, pseudonyms, now, chance, tell)._replace(again=again)


def forget_pseudonyms(
    place: Place, mark: bytes, pseudonyms: Sequence[int], now: int, chance: Chance, tell: Tell = silent
) -> Forgotten:
    """The intent and its deeds, once it is known what is meant."""
    intent = Intent(mark, tuple(pseudonyms), _count_events(place.log, set(pseudonyms), tell))
    event = _event_of(intent, now, chance)
    _note_begun(place.state_dir, event.id)
    place.log.append([event], full_sync=True)
    return carry_out(place, intent, now)


def carry_out(place: Place, intent: Intent, now: int) -> Forgotten:
    """The deeds after the intent: keys first, since without them nothing in the log or its copies can be read."""
    keys = place.sealing.destroy(intent.mark, intent.pseudonyms, now)
    done = _clean(place, intent, now)
    if not done.problems:
        _note_done(place.state_dir)
    return done._replace(events=intent.events, keys=keys)


def finish_begun(place: Place, now: int) -> Forgotten | None:
    """After a start: what a kill has interrupted is done again; None when there was nothing."""
    try:
        event_id = (place.state_dir / BEGUN).read_text()
    except FileNotFoundError:
        return None
    found = place.log.find([event_id]).get(event_id)
    if found is None:  # killed before the intent was in the log: nothing was begun
        _note_done(place.state_dir)
        return None
    return carry_out(place, Intent.read(found.body), now)


def take_everything_in(place: Place, now: int) -> None:
    """Until nothing waits, and every file that was left has been asked for its lock."""
    quiet = 0
    while quiet <= place.intake.looks_until_all_are_asked:
        place.views.catch_up()
        report = place.intake.take_spools(now)
        quiet = 0 if report.more else quiet + 1
    place.views.catch_up()


def _clean(place: Place, intent: Intent, now: int) -> Forgotten:
    """Lines kept aside, lines in the spool that its hosts still hold, and what SQLite keeps beside its files."""
    belongs = _belonging(place, intent)
    quarantined = place.quarantine.erase(belongs, place.sealing.open_aside)
    take_everything_in(place, now)
    spooled, problems = _blank_spooled(place.state_dir / "spool", place.log.read_to(), belongs)
    erased, more = _erase_derived(place, intent)
    return Forgotten(quarantined=quarantined, spooled=spooled, derived=erased, problems=(*problems, *more))


def _erase_derived(place: Place, intent: Intent) -> tuple[int, Sequence[str]]:
    """Vectors and near-duplicates of the subject's inputs, and texts that stages derived from its examples."""
    outputs = place.views.examples.outputs_under(np.array(intent.pseudonyms, np.int64)).tolist()
    try:
        erase_trials(place.state_dir)
        shutil.rmtree(place.state_dir / MEMORIES, ignore_errors=True)  # what stages remember may be anybody's words
        texts = erase_derived_texts(place.state_dir, outputs)
        erase_printed(place.state_dir, outputs)
        return texts + derived.erase(place.state_dir, intent.pseudonyms), ()
    except OSError as error:
        step = "Everything below derived/ may be deleted while no daemon runs; then forget again"
        return 0, (f"derived/, runs/ or tuning/: {error}; expected files one can write. {step}.",)


def _belonging(place: Place, intent: Intent) -> Callable[[bytes], bool]:
    """Whether a raw line is the subject's: it names the subject, or an event that lies under one of its keys."""
    pseudonyms = set(intent.pseudonyms)

    def belongs(raw: bytes) -> bool:
        if any(place.sealing.mark_of(subject) == intent.mark for subject in subjects_in(raw)):
            return True
        return any(found.subject in pseudonyms for found in place.log.find(ids_in(raw)).values())

    return belongs


def _blank_spooled(
    folder: Path, read_to: dict[str, int], belongs: Callable[[bytes], bool]
) -> tuple[int, Sequence[str]]:
    count, problems = 0, []
    for name, end in read_to.items():
        try:
            spans = spool_erasing.find_spans(folder / name, end, belongs)
            spool_erasing.blank(folder / name, spans)
            count += len(spans)
        except OSError as error:
            problems.append(
                f"spool/{name}: {error.strerror}; lines of the subject stay in it until its program ends. "
                "Give the daemon's user the right to write there, or end that program, then forget again."
            )
    return count, problems


def _count_events(log: EventLog, pseudonyms: set[int], tell: Tell) -> int:
    count = seq = 0
    newest = log.head().seq
    while pseudonyms and (rows := log.read_after(seq, PAGE_EVENTS, ("seq", "subject", "kind"))):
        count += sum(subject in pseudonyms for _, subject, kind in rows if kind != TARGET_CAME.stored_as)
        seq = rows[-1][0]
        tell("looking through the log", seq, newest)
    return count


def told_marks(log: EventLog) -> list[bytes]:
    """Whom the log says to be forgotten."""
    return list(dict.fromkeys(intent.mark for intent in _intents(log)))


def told_pseudonyms(log: EventLog, after: int = 0) -> set[int]:
    """Under which pseudonyms nothing can be read any more, as events after that number tell."""
    return {number for intent in _intents(log, after) for number in intent.pseudonyms}


def pseudonyms_of(log: EventLog, mark: bytes) -> tuple[int, ...]:
    """The pseudonyms that the forgettings of this subject have told."""
    return tuple(number for intent in _intents(log) if intent.mark == mark for number in intent.pseudonyms)


def _intents(log: EventLog, seq: int = 0) -> Iterator[Intent]:
    while rows := log.read_after(seq, PAGE_EVENTS, ("seq", "kind")):
        for number, kind in rows:
            if kind == SUBJECT_FORGOTTEN.stored_as:
                ((body,),) = log.read_after(number - 1, 1, ("body",))
                yield Intent.read(body)
        seq = rows[-1][0]


def _event_of(intent: Intent, now: int, chance: Chance) -> Entry:
    body = {"mark": intent.mark.hex(), "pseudonyms": list(intent.pseudonyms), "events": intent.events}
    return own_event(SUBJECT_FORGOTTEN, body, now, chance, new_id(now, chance))


def _note_begun(state_dir: Path, event_id: str) -> None:
    descriptor = os.open(state_dir / BEGUN, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w") as file:
        file.write(event_id)
        file.flush()
        os.fsync(descriptor)
    sync_folder(state_dir)


def _note_done(state_dir: Path) -> None:
    with suppress(FileNotFoundError):
        (state_dir / BEGUN).unlink()
        sync_folder(state_dir)
