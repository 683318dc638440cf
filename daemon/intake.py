"""Where an event enters: one way from a received line into the log, whichever door it came through.

A batch of lines becomes one commit: each line an event, a repeat, or something kept aside with its reason. How far the
spool files were read is committed with it. It never crashes over what somebody sent, and it never loses a line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from hashlib import blake2b
from itertools import accumulate
from json import dumps
from pathlib import Path
from typing import Any, NamedTuple

from daemon import spool_erasing, spool_reading
from daemon.clock_and_chance import Chance
from daemon.entry_making import EntryMaker, Examples, Waiting
from daemon.event_kinds import EVENT_REFUSED, LINE_QUARANTINED, SPOOL_FINISHED, own_event
from daemon.event_log import AppendFailed, Entry, EventLog, Found, IdsExist
from daemon.line_batch import LineBatch, Outcome
from daemon.line_naming import subjects_in
from daemon.line_redacting import redacted, redacted_bytes
from daemon.quarantine import Kept, Quarantine, sealed_piece
from daemon.received import Recorded, canonical
from daemon.redacting import RedactionFailed, Redactor
from daemon.sealing import Sealing, SubjectForgotten
from daemon.spool_reading import Endless, Line, Piece, SpoolReader, Unfit, Unread

FINISHED = -1  # as a spool position: all of it is committed, the file may go
ASK_FOR_LOCKS_EVERY = 8  # looks: how often a silent file is asked whether its host is gone
ENDED_AT_ONCE = 64  # each is held open until the commit
TOLD_ONE_BY_ONE = 20  # bad lines of one source in one batch: more are one event, or a flood would fill the log
ROW_BYTES = 64 << 20  # longer lines are kept aside as files

Place = Callable[[int], tuple[str, int]]  # the line's number → its source and where in it


class IntakeRules(NamedTuple):
    """What config.toml says about taking in."""

    max_event_bytes: int = 1 << 20
    commit_events: int = 1000
    commit_bytes: int = 4 << 20
    split_by: str = "input"
    encrypt: str = "subjects"
    redact: Redactor | None = None


class IntakeReport(NamedTuple):
    """What one batch from the spool did."""

    events: int = 0
    repeats: int = 0
    quarantined: int = 0
    refused: int = 0
    bytes: int = 0
    finished: int = 0
    more: bool = False
    problems: tuple[str, ...] = ()


class _Aside(NamedTuple):
    """A line that is kept aside, and the reason as the log may hold it: without anything of the line."""

    kept: Kept
    public_reason: str


class Intake:
    """Takes in what hosts wrote. The caller keeps `examples` folded up to the log's head between calls."""

    def __init__(
        self,
        log: EventLog,
        examples: Examples,
        spool_dir: Path,
        quarantine: Quarantine,
        sealing: Sealing,
        chance: Chance,
        rules: IntakeRules = IntakeRules(),
    ) -> None:
        self._log = log
        self._spool_dir = spool_dir
        self._quarantine = quarantine
        self._sealing = sealing
        self._chance = chance
        self._examples = examples
        self._looks = 0
        self._positions: dict[str, int] = {}
        self._held_back: dict[str, str] = {}  # writers, since a hook fails on a line of theirs, with the problem
        self._gone: dict[str, None] = {}  # files that are deleted, and whose positions go with the next commit
        self.follow(rules)
        self._end_what_was_begun()

    @property
    def looks_until_all_are_asked(self) -> int:
        """After as many quiet looks every silent file was asked whether its host is gone."""
        return ASK_FOR_LOCKS_EVERY

    def follow(self, rules: IntakeRules) -> None:
        """From now on by these rules: a reloaded configuration."""
        self.rules = rules
        self._held_back.clear()
        self._reader = SpoolReader(self._spool_dir, rules.max_event_bytes)
        self._maker = EntryMaker(
            self._log.salt,
            self._examples,
            self._sealing,
            self._log.find,
            rules.split_by,
            encrypt_all=rules.encrypt == "all",
        )

    # From the spool

    def take_spools(self, now: int) -> IntakeReport:
        """Takes in one batch of unread lines, and lets go of files that were read to their end and left by a host."""
        if self._looks % ASK_FOR_LOCKS_EVERY == 0:
            self._held_back.clear()  # their hook is asked again
        rules = self.rules
        unread = self._reader.look(self._positions, rules.commit_events, rules.commit_bytes, self._held_back)
        self._looks += 1
        unread, redacted_lines = self._redacted(unread)
        with ExitStack() as held:
            ended = self._at_their_end(unread, held)
            report = self._take_unread(unread, redacted_lines, ended, now)
            for name in ended:
                with suppress(PermissionError):  # another look may have more luck
                    self._drop(self._spool_dir / name)
        torn = self._finish_left_files(unread, now)
        if not unread.more:
            self._forget_gone_files()
        return report._replace(
            quarantined=report.quarantined + sum(torn),
            finished=len(ended) + len(torn),
            more=unread.more,
            problems=(*unread.problems, *self._held_back.values()),
        )

    def _redacted(self, unread: Unread) -> tuple[Unread, list[Line] | None]:
        """What of it may be stored, and how; None for all of it as it is.

        A writer's file is read up to the line on which a hook fails: that line waits where it is, and so does what
        comes after it; other writers do not.
        """
        redact = self.rules.redact
        if redact is None:
            return unread, None
        lines: list[Line] = []
        pieces = [cut for piece in unread.pieces if (cut := self._redacted_piece(piece, redact, lines)) is not None]
        unfit = [found for found in unread.unfit if self._may_be_kept(found, redact)]
        more = unread.more and bool(pieces or unfit)  # for a hook that fails nobody need hurry
        return unread._replace(pieces=pieces, unfit=unfit, more=more), lines

    def _redacted_piece(self, piece: Piece, redact: Redactor, lines: list[Line]) -> Piece | None:
        """The piece as far as it could be redacted, and its lines added to `lines`."""
        for number, line in enumerate(piece.lines):
            if spool_reading.writer_of(piece.name) in self._held_back:
                return None
            try:
                lines.append(redacted(line, redact))
            except RedactionFailed as failed:
                end = piece.place_of(number)
                self._hold_back(piece.name, end, failed)
                return piece._replace(lines=piece.lines[:number], end=end, more=True) if number else None
        return piece

    def _hold_back(self, name: str, place: int, failed: RedactionFailed) -> None:
        self._held_back[spool_reading.writer_of(name)] = f"spool/{name}: the line at byte {place:,} waits: {failed}"

    def _may_be_kept(self, unfit: Unfit, redact: Redactor) -> bool:
        """Asked beforehand, since its bytes are read when the other lines are about to be stored."""
        if spool_reading.writer_of(unfit.name) in self._held_back:
            return False
        try:
            self._redacted_range(unfit, redact)
        except RedactionFailed as failed:
            self._hold_back(unfit.name, unfit.start, failed)
            return False
        return True

    def _redacted_range(self, unfit: Unfit, redact: Redactor) -> bytes:
        """Nothing, where it is too much to be looked through."""
        if unfit.end - unfit.start > ROW_BYTES:
            return b""
        return redacted_bytes(spool_reading.read_range(self._spool_dir / unfit.name, unfit.start, unfit.end), redact)

    def _at_their_end(self, unread: Unread, held: ExitStack) -> list[str]:
        """Files that these pieces end and that no host has any more: their end goes into the same commit."""
        ended: list[str] = []
        for piece in unread.pieces:
            if not piece.more and len(ended) < ENDED_AT_ONCE:
                with suppress(OSError):  # no rights, or no descriptor left: another look may have more luck
                    size = held.enter_context(spool_reading.abandoned(self._spool_dir / piece.name))
                    if size == piece.end:
                        ended.append(piece.name)
        return ended

    def _take_unread(
        self, unread: Unread, redacted_lines: Sequence[Line] | None, ended: Sequence[str], now: int
    ) -> IntakeReport:
        unfit = [found for found in unread.unfit if self._has_room(found, unread.problems)]
        if not unread.pieces and not unfit:
            return IntakeReport()
        lines = [line for piece in unread.pieces for line in piece.lines]
        read_to = {piece.name: piece.end for piece in unread.pieces} | {found.name: found.end for found in unfit}
        ends = [self._end_of(name, read_to[name], now) for name in ended]
        read_to |= dict.fromkeys(ended, FINISHED)
        place_of = _places(unread.pieces)
        batch = self._take(lines, place_of, read_to, now, unfit, ends, redacted_lines=redacted_lines)
        self._erase_refused(batch, place_of)
        return IntakeReport(
            events=len(batch.entries),
            repeats=len(batch.repeats) + len(batch.repeats_line),
            quarantined=len(batch.aside) + len(unfit) - batch.refused_unfit,
            refused=len(batch.refused) + batch.refused_unfit,
            bytes=sum(piece.end - piece.start for piece in unread.pieces),
        )

    def _erase_refused(self, batch: LineBatch, place_of: Place) -> None:
        """Nothing of a refused line is kept, also where its host still holds the file."""
        for number in batch.refused:
            source, start = place_of(number)
            span = spool_erasing.Span(start, spool_reading.byte_length(batch.received[number]))
            with suppress(OSError):  # it goes with the file, then
                spool_erasing.blank(self._spool_dir / source.removeprefix("spool/"), [span])

    def _has_room(self, unfit: Unfit, problems: list[str]) -> bool:
        """Copies what is too long for a row; where that fails, this file waits, and the others do not wait for it."""
        if unfit.end - unfit.start <= ROW_BYTES or self.rules.redact is not None:
            return True
        kept_id = self._unfit_id(unfit)
        target = self._quarantine.file_for(kept_id)
        try:
            self._copy(unfit, kept_id, target)
        except OSError as error:
            target.unlink(missing_ok=True)
            size = unfit.end - unfit.start
            problems.append(f"spool/{unfit.name}: {error.strerror}; expected room to keep {size:,} bytes aside")
            return False
        return True

    def _copy(self, unfit: Unfit, kept_id: str, target: Path) -> None:
        source = self._spool_dir / unfit.name
        if self.rules.encrypt != "all":
            spool_reading.copy_range(source, unfit.start, unfit.end, target)
            return
        seal = self._sealing.seal_aside
        self._sealing.commit()  # the key is on disk before what only it opens
        spool_reading.copy_range(
            source, unfit.start, unfit.end, target, lambda number, piece: sealed_piece(number, piece, kept_id, seal)
        )

    def _unfit_id(self, unfit: Unfit) -> str:
        return self._aside_id(f"spool/{unfit.name}", unfit.start, b"%d" % unfit.end)

    def _end_of(self, name: str, size: int, now: int) -> Entry:
        body = {"spool": name, "bytes": size}
        return own_event(SPOOL_FINISHED, body, now, self._chance)

    def _finish_left_files(self, unread: Unread, now: int) -> list[int]:
        """Files that may be at their end: just read, or silent for a while. While there is more, only full ones.

        Returns for each file that was finished how many torn lines were kept aside.
        """
        just_read = {piece.name for piece in unread.pieces}
        ask_all = self._looks % ASK_FOR_LOCKS_EVERY == 1
        asked = [name for name in unread.names if ask_all or name in just_read]
        if unread.more:
            asked = [name for name in asked if self._is_read_to_its_end(name)]
        if ask_all:
            spool_reading.clear_stale_births(self._spool_dir, now)
        return [torn for name in asked if (torn := self._finish(name, now)) is not None]

    def _is_read_to_its_end(self, name: str) -> bool:
        try:
            return self._positions.get(name, 0) >= (self._spool_dir / name).stat().st_size
        except OSError:
            return False

    def _finish(self, name: str, now: int) -> int | None:
        """Deletes a file whose lock can be had and of which all is committed; a torn last line is kept aside first.

        Returns how many were torn, none or one; None when the file stays, or was finished before.
        """
        path = self._spool_dir / name
        try:
            with spool_reading.abandoned(path) as size:
                position = self._positions.get(name, 0)
                if size is None:
                    return None
                if position == FINISHED:
                    self._drop(path)  # it could not be deleted then
                    return None
                if position > size:
                    position = 0  # cut by somebody: see spool_reading.read_lines
                if position < size and not self._take_rest(path, position, size, now):
                    return None
                self._append([self._end_of(name, size, now)], {name: FINISHED}, full_sync=True)
                self._drop(path)
        except PermissionError:
            return None  # the reading of it reports the same, once a look
        return int(position < size)

    def _take_rest(self, path: Path, position: int, size: int, now: int) -> bool:
        """The end of an abandoned file: False when there are whole lines to read first."""
        rest = self._reader.read_on(path.name, position, 1)
        if rest is not None and not (isinstance(rest, Endless) and rest.searched_to >= size):
            return False
        torn = Unfit(path.name, position, size, "torn: its host ended, or its disk was full, in the middle of the line")
        if not self._has_room(torn, []) or (self.rules.redact and not self._may_be_kept(torn, self.rules.redact)):
            return False
        self._take([], _places([]), {path.name: size}, now, [torn])
        return True

    def _drop(self, path: Path) -> None:
        """The deed after its event: the file goes, and with the next commit its position."""
        path.unlink(missing_ok=True)
        self._positions.pop(path.name, None)
        self._gone[path.name] = None

    def _forget_gone_files(self) -> None:
        if self._gone:
            self._append([], {})

    def _end_what_was_begun(self) -> None:
        """After a start: files whose end is in the log go now; positions of files that are no more go too."""
        self._positions = self._log.read_to()
        for name, position in list(self._positions.items()):
            path = self._spool_dir / name
            if position == FINISHED or not path.exists():
                with suppress(PermissionError):  # another look may have more luck
                    self._drop(path)
        self._forget_gone_files()

    # From any door

    def take_lines(self, lines: Sequence[Line], source: str, now: int) -> list[Outcome]:
        """Takes in lines that came through another door; returns what became of each, once it is committed."""
        newest = self._log.head().seq
        redacted_lines, failed = self._redacted_one_by_one(lines)
        if failed:
            lines = [line for number, line in enumerate(lines) if number not in failed]
        batch = self._take(
            lines, lambda number: (source, number), {}, now, (), full_sync=True, redacted_lines=redacted_lines
        )
        outcomes = iter(batch.outcomes(newest))
        return [failed[number] if number in failed else next(outcomes) for number in range(len(lines) + len(failed))]

    def _redacted_one_by_one(self, lines: Sequence[Line]) -> tuple[list[Line] | None, dict[int, Outcome]]:
        """The lines as they may be stored, and what to answer for those on which a hook fails: they are not taken."""
        redact = self.rules.redact
        if redact is None:
            return None, {}
        made: list[Line] = []
        failed: dict[int, Outcome] = {}
        for number, line in enumerate(lines):
            try:
                made.append(redacted(line, redact))
            except RedactionFailed as failure:
                failed[number] = Outcome(None, error=f"not recorded: {failure}")
        return made, failed

    def _take(
        self,
        lines: Sequence[Line],
        place_of: Place,
        read_to: Mapping[str, int],
        now: int,
        unfit: Sequence[Unfit],
        ends: Sequence[Entry] = (),
        *,
        full_sync: bool = False,
        redacted_lines: Sequence[Line] | None = None,
    ) -> LineBatch:
        stored = lines if redacted_lines is None else redacted_lines
        batch = LineBatch(stored, self._maker.batch(now), self.rules.max_event_bytes, lines)
        kept_unfit = [_Aside(kept, found.reason) for found in unfit if (kept := self._keep_unfit(found, now))]
        batch.refused_unfit = len(unfit) - len(kept_unfit)
        known: dict[str, Found] = {}
        while True:
            self._refuse_unusable(batch)
            lines_kept = [
                _Aside(self._keep_line(batch, number, place_of(number), now), batch.aside[number].public)
                for number in batch.aside
            ]
            try:
                asides = [one for one in kept_unfit + lines_kept if one.kept.id not in known]
                entries = self._on_disk_first(batch, asides, known, now)
                self._append([*entries, *ends], read_to, full_sync=full_sync or bool(ends))
                return batch
            except IdsExist as error:
                found = self._log.find(error.ids)
                if found.keys() <= known.keys():
                    batch.settle_clash(error.ids)
                known |= found
                batch.settle_known(known, self._content_of, self.rules.redact)

    def _on_disk_first(
        self, batch: LineBatch, asides: Sequence[_Aside], known: Container[str], now: int
    ) -> list[Entry]:
        """The entries to commit, after what they rest on is on disk: keys of what is sealed, and lines kept aside."""
        came = batch.targets_came(self._waiting_for)
        self._sealing.commit()
        if asides:
            self._quarantine.keep([aside.kept for aside in asides])
        entries = batch.numbered(self._log.head().seq)
        entries += [entry for entry in came if entry.id not in known]
        entries += self._refusals(len(batch.refused) + batch.refused_unfit, now)
        entries += [entry for entry in _told_aside(asides) if entry.id not in known]
        return entries

    def _waiting_for(self, event_ids: Iterable[str]) -> dict[str, list[Waiting]]:
        """The events in the log that aim at these, which come only now."""
        columns = ("seq", "id", "subject", "sealed")
        return {
            event_id: [Waiting(*self._log.read_after(seq - 1, 1, columns)[0]) for seq in seqs]
            for event_id, seqs in self._examples.waiting_for(event_ids).items()
        }

    def _append(self, entries: Sequence[Entry], read_to: Mapping[str, int | None], *, full_sync: bool = False) -> None:
        """One commit, together with the positions; those of files that are gone by now are dropped with it."""
        try:
            self._log.append(entries, {**self._gone, **read_to}, full_sync=full_sync)
        except AppendFailed:
            self._positions = self._log.read_to()
            raise
        self._gone.clear()
        self._positions |= {name: position for name, position in read_to.items() if position is not None}

    def _content_of(self, found: Found, event: Recorded) -> bytes | None:
        """The digest that this event would have had, under the key of the one in the log."""
        if found.subject is None:
            return None
        try:
            return self._sealing.digest(found.subject, canonical(event))
        except SubjectForgotten:
            return None

    # What is kept aside

    def _refuse_unusable(self, batch: LineBatch) -> None:
        """A line that cannot be used and names a forgotten subject is not kept aside either."""
        for number in [number for number in batch.aside if self._names_forgotten(_as_bytes(batch.received[number]))]:
            del batch.aside[number]
            batch.refused.add(number)

    def _names_forgotten(self, raw: bytes) -> bool:
        marks = (self._sealing.mark_of(subject) for subject in subjects_in(raw))
        return any(self._sealing.is_forgotten(mark) for mark in marks)

    def _keep_line(self, batch: LineBatch, number: int, place: tuple[str, int], now: int) -> Kept:
        source, start = place
        line, reason = _as_bytes(batch.lines[number]), batch.aside[number]
        kept_id = self._aside_id(source, start, line)
        length = spool_reading.byte_length(batch.received[number])
        return self._as_kept(Kept(kept_id, source, start, length, str(reason), now, line), reason.public)

    def _as_kept(self, kept: Kept, public_reason: str) -> Kept:
        """Sealed, where everything is; the reason then without anything of the line, which it may quote."""
        if self.rules.encrypt != "all":
            return kept
        raw = None if kept.raw is None else self._sealing.seal_aside(kept.raw, kept.id)
        return kept._replace(reason=public_reason, raw=raw, sealed=True)

    def _keep_unfit(self, unfit: Unfit, now: int) -> Kept | None:
        """None where what is unfit is of a forgotten subject: the position passes over it, and nothing stays."""
        length = unfit.end - unfit.start
        path, redact, reason = self._spool_dir / unfit.name, self.rules.redact, unfit.reason
        raw = None  # copied before: see _has_room
        if length <= ROW_BYTES:
            raw = spool_reading.read_range(path, unfit.start, unfit.end)
            if self._names_forgotten(raw):
                spool_erasing.blank(path, [spool_erasing.Span(unfit.start, length)])
                return None
        if redact is not None:
            raw = self._redacted_range(unfit, redact)
            reason += "" if raw else "; its bytes were not kept: they are too many to be redacted"
        kept = Kept(self._unfit_id(unfit), f"spool/{unfit.name}", unfit.start, length, reason, now, raw)
        return self._as_kept(kept, reason)

    def _aside_id(self, source: str, start: int, line: bytes) -> str:
        """The same for the same bytes in the same place, so that taking in again after a crash keeps them once."""
        content = f"{source}:{start}:".encode() + line
        if self.rules.encrypt == "all":
            return "q-" + self._sealing.digest_aside(content, 12).hex()
        return "q-" + blake2b(content, key=self._log.salt, digest_size=12).hexdigest()

    def _refusals(self, count: int, now: int) -> list[Entry]:
        """An event for each refused line, or one for very many."""
        body: dict[str, Any] = {"reason": "its subject was forgotten"}
        if count > TOLD_ONE_BY_ONE:
            return [own_event(EVENT_REFUSED, body | {"count": count}, now, self._chance)]
        return [own_event(EVENT_REFUSED, body, now, self._chance) for _ in range(count)]


def _as_bytes(line: Line) -> bytes:
    return line.encode() if isinstance(line, str) else line


def _told_aside(asides: Sequence[_Aside]) -> list[Entry]:
    """An event for each line; where one source sent very many in one batch, one event for all of those."""
    by_source: dict[str, list[_Aside]] = {}
    for aside in asides:
        by_source.setdefault(aside.kept.source, []).append(aside)
    entries: list[Entry] = []
    for some in by_source.values():
        entries += [_quarantined(some)] if len(some) > TOLD_ONE_BY_ONE else [_quarantined([one]) for one in some]
    return entries


def _quarantined(asides: Sequence[_Aside]) -> Entry:
    first, last = asides[0].kept, asides[-1].kept
    told_id = first.id if len(asides) == 1 else _id_of_all(asides)
    body = {
        "source": first.source,
        "offset": first.place,
        "length": first.length if len(asides) == 1 else sum(one.kept.length for one in asides),
        "reason": asides[0].public_reason,
        "quarantine_id": first.id,
    }
    if len(asides) > 1:
        body |= {"count": len(asides), "last_offset": last.place}
    return Entry(told_id, LINE_QUARANTINED.stored_as, first.received_at, first.received_at, body=dumps(body))


def _id_of_all(asides: Sequence[_Aside]) -> str:
    """The same for the same lines; their own ids are keyed hashes, so that nobody can know it beforehand."""
    return "q-" + blake2b("".join(one.kept.id for one in asides).encode(), digest_size=12).hexdigest()


def _places(pieces: Sequence[Piece]) -> Place:
    """Where in which spool file the line of a number stands, all pieces counted through."""
    firsts = list(accumulate((len(piece.lines) for piece in pieces), initial=0))

    def place_of(number: int) -> tuple[str, int]:
        at = bisect_right(firsts, number) - 1
        return f"spool/{pieces[at].name}", pieces[at].place_of(number - firsts[at])

    return place_of
