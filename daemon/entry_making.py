"""How received events become entries of the log: keys, sides, and what is sealed under whose key.

A batch at a time, since what an event is about may stand in the log, in the views, or earlier in the same batch.
It writes nothing but new keys; appending is the intake's.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from daemon import sides
from daemon.event_kinds import TARGET_CAME
from daemon.event_log import NOT_COME_YET, Entry, Found
from daemon.received import (
    FeedbackRecorded,
    Recorded,
    canonical,
    has_private,
    normalised,
    says_of,
    split_private,
    to_json,
    writer_number,
)
from daemon.sealing import Sealing, SubjectForgotten
from daemon.spool_reading import Line

_new_tuple = tuple.__new__  # half the time of Entry(...), and there are as many as there are events
_int64 = struct.Struct(">q").unpack
Keys = npt.NDArray[np.int64]


class Examples(Protocol):
    """What the making of entries asks about outputs that are in the log already."""

    def find(self, keys: Keys) -> npt.NDArray[Any]: ...

    def subject_of(self, rows: npt.NDArray[Any]) -> Keys: ...

    def has_output(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]: ...

    def side_of_bucket(self, bucket: int) -> int: ...

    def rated_judge_examples(self) -> int: ...

    def key_at(self, seq: int) -> int | None: ...

    def waiting_for(self, event_ids: Iterable[str]) -> dict[str, list[int]]: ...


def _text(line: Line) -> str:
    return line if isinstance(line, str) else line.decode()


def _as_int64(digest: bytes) -> int:
    number: int = _int64(digest)[0]
    return number


def aimed_at(event: Recorded) -> str | None:
    """The id of the event that this one supersedes or retracts."""
    return event.supersedes or event.retracts if type(event) is FeedbackRecorded else None


class Waiting(NamedTuple):
    """An event that came before the one that it revises, as it lies in the log."""

    seq: int
    id: str
    subject: int | None
    sealed: bytes | None


class EntryMaker:
    """Makes the entries of one log."""

    def __init__(
        self,
        salt: bytes,
        examples: Examples,
        sealing: Sealing,
        find: Callable[[Iterable[str]], dict[str, Found]],
        split_by: str = "input",
        *,
        encrypt_all: bool = False,
    ) -> None:
        self.salt = salt
        self.examples = examples
        self.sealing = sealing
        self.find = find
        self.split_by = split_by
        self.encrypt_all = encrypt_all
        self.buckets = sides.Buckets(salt)
        self._key_hash = blake2b(key=salt, digest_size=8, person=b"output")

    def output_key(self, output_id: str) -> int:
        """The 64-bit key under which the views know an output."""
        hashed = self._key_hash.copy()
        hashed.update(output_id.encode())
        return _as_int64(hashed.digest())

    def batch(self, now: int) -> Batch:
        return Batch(self, now)


class Batch:
    """The making of one batch's entries, with what is known meanwhile."""

    def __init__(self, maker: EntryMaker, now: int) -> None:
        self._maker = maker
        self._sealing = maker.sealing
        self._now = now
        self._rated_judge_examples = maker.examples.rated_judge_examples()
        self._found: dict[str, Found] = {}
        self._here: dict[str, Recorded] = {}
        self._pseudonyms: dict[int, int] = {}
        self._outputs: set[int] = set()
        self._sides: dict[int, int] = {}
        self._writers: dict[str | None, int | None] = {None: None}

    def simple(self, event: Recorded, line: Line) -> Entry | None:
        """The entry of an event that speaks of no other and belongs to nobody; None for any other event."""
        if (
            event.output is None
            or type(event) is not FeedbackRecorded
            or event.subject is not None
            or event.supersedes is not None
            or event.retracts is not None
            or self._maker.encrypt_all
        ):
            return None
        key = self._maker.output_key(event.id)
        self._outputs.add(key)
        return self._row(event, key, None, None, _text(line), None)

    def referring(self, events: Sequence[Recorded], lines: Sequence[Line]) -> list[Entry | None]:
        """The entries of the others, in their order; None where the subject was forgotten."""
        self._aim(events)
        keys = [self._key_of(event) for event in events]
        self._learn_pseudonyms(keys)
        return [self._entry(event, line, key) for event, line, key in zip(events, lines, keys, strict=True)]

    # What an event is about

    def _aim(self, events: Sequence[Recorded]) -> None:
        """Looks up what is superseded or retracted, in the log and in the batch."""
        targets = [target for event in events if (target := aimed_at(event))]
        if targets:
            self._found = self._maker.find(targets)
            self._here = {event.id: event for event in reversed(events)}  # of two with one id the first will stay

    def _key_of(self, event: Recorded) -> int | None:
        if event.output_id is not None or event.output is not None:
            return self._maker.output_key(event.output_id or event.id)
        target, passed = aimed_at(event), set[str]()
        while target and target not in passed:  # events may supersede each other in a ring
            passed.add(target)
            if target in self._found:
                found = self._found[target]
                key = self._maker.examples.key_at(found.seq) if found.output_key is None else found.output_key
                if key is not None:
                    return key
                target = self._aim_further(found)
            elif target in self._here:
                event = self._here[target]
                if event.output_id is not None or event.output is not None:
                    return self._maker.output_key(event.output_id or event.id)
                target = aimed_at(event)
            else:
                return self._key_of_simple(target)
        return None

    def _aim_further(self, found: Found) -> str | None:
        """What an event of the log, which waits for it, aims at; it may be in this batch."""
        body = json.loads(found.body)
        target: str | None = body.get("supersedes") or body.get("retracts")
        if target and target not in self._here and target not in self._found:
            self._found |= self._maker.find([target])
        return target

    def _key_of_simple(self, target: str) -> int | None:
        """An event of this batch that brought its own output is the output; anything else is not known yet."""
        key = self._maker.output_key(target)
        return key if key in self._outputs else None

    # Under whose key it lies

    def _learn_pseudonyms(self, keys: list[int | None]) -> None:
        """Which of the outputs spoken of are there, and which lie under a pseudonym already."""
        asked = {key for key in keys if key is not None}
        wanted = np.fromiter(asked, np.int64, len(asked))
        rows = self._maker.examples.find(wanted)
        wanted, rows = wanted[rows >= 0], rows[rows >= 0]
        self._outputs |= set(wanted[self._maker.examples.has_output(rows)].tolist())
        subjects = self._maker.examples.subject_of(rows).tolist()
        self._pseudonyms = {key: subject for key, subject in zip(wanted.tolist(), subjects, strict=True) if subject}

    def _entry(self, event: Recorded, line: Line, key: int | None) -> Entry | None:
        try:
            pseudonym = self._pseudonym(event, key)
            if event.output is not None and key is not None:
                self._outputs.add(key)
            if pseudonym is None:
                return self._row(event, key, None, None, _text(line), None)
            return self._sealed_row(event, key, pseudonym)
        except SubjectForgotten:
            return None

    def _sealed_row(self, event: Recorded, key: int | None, pseudonym: int) -> Entry:
        clear, private = split_private(event)
        sealed = self._sealing.seal(pseudonym, private, event.id) if private else None
        content = self._sealing.digest(pseudonym, canonical(event))
        return self._row(event, key, pseudonym, content, to_json(clear).decode(), sealed)

    def _pseudonym(self, event: Recorded, key: int | None) -> int | None:
        """Feedback falls under its output's key; an output under its own subject's, whoever spoke of it before."""
        known = self._pseudonyms.get(key) if key is not None else None
        if event.output is None:
            return self._of_feedback(event, key, known)
        if key in self._outputs:  # a repeat, or another content under its id: nobody's ownership follows from it
            return known if known is not None or event.subject is None else self._sealing.pseudonym_of(event.subject)
        own = self._of_output(event, known)
        if own is not None and known is None and key is not None:
            self._pseudonyms[key] = own  # else all that is said of it stays under the early key: a rater is one rater
        return own

    def _of_output(self, event: Recorded, early: int | None) -> int | None:
        """Its subject becomes an owner of what was said of it before it came."""
        if event.subject is None:
            return self._sealing.pseudonym_for_early() if self._maker.encrypt_all and has_private(event) else None
        own = self._sealing.pseudonym_of(event.subject)
        if early is not None and early != own:
            self._sealing.adopt(early, event.subject)
        return own

    def _of_feedback(self, event: Recorded, key: int | None, known: int | None) -> int | None:
        """Private feedback that comes early gets a key for its output alone, which the output's subject will adopt."""
        if known is not None:
            return known if event.subject is None else self._sealing.pseudonym_beside(known, event.subject)
        early = key not in self._outputs
        if event.subject is not None and not early:
            return self._sealing.pseudonym_of(event.subject)
        if event.subject is None and not (has_private(event) and (early or self._maker.encrypt_all)):
            return None
        if event.subject is not None:
            self._sealing.pseudonym_of(event.subject)  # refuses one who was forgotten
        made = self._sealing.pseudonym_for_early()
        if event.subject is not None:
            self._sealing.adopt(made, event.subject)
        if early and key is not None:
            self._pseudonyms[key] = made
        return made

    # What waited for its target

    def target_came(self, waiting: Waiting, target: Entry) -> Entry | None:
        """What is known of an event now that the one came which it revises: whose it is, and which rater's.

        None where there is nothing to tell: in the clear, or readable for nobody any more.
        """
        if waiting.subject is None or waiting.sealed is None or target.output_key is None:
            return None
        private = self._sealing.unseal(waiting.subject, waiting.sealed, waiting.id)
        if private is None:
            return None
        becomes, under = self._find_its_place(waiting.subject, target.output_key)
        if target.subject is not None and target.subject != waiting.subject:
            self._sealing.join(waiting.subject, target.subject)
        rater = private.get("rater")
        return Entry(
            id=self._own_id(waiting, target),
            kind=TARGET_CAME.stored_as,
            received_at=self._now,
            occurred_at=self._now,
            output_key=target.output_key,
            rater_key=self._rater_key(rater, under) if rater is not None and under != waiting.subject else None,
            target_seq=waiting.seq,
            subject=becomes,
            body=to_json({"event": waiting.id, "target": target.id}).decode(),
        )

    def _find_its_place(self, early: int, key: int) -> tuple[int | None, int | None]:
        """What becomes the output's pseudonym by it, and under which its rater counts, as if it had come in order."""
        known, subject = self._known_pseudonym(key), self._sealing.subject_of(early)
        if known is not None and known != early:
            is_owners = subject is None or self._sealing.owns(subject, known)
            beside = None if is_owners or subject is None else self._sealing.found_beside(known, subject)
            self._sealing.join(early, beside or known)
            return None, known if is_owners else beside or early
        if known is None and key in self._outputs:  # in the clear: to speak of it makes nobody its subject
            return None, None if subject is None else self._sealing.pseudonym_of(subject)
        self._pseudonyms[key] = early
        return early, early

    def _known_pseudonym(self, key: int) -> int | None:
        if key not in self._pseudonyms:
            self._learn_more(key)
        return self._pseudonyms.get(key)

    def _learn_more(self, key: int) -> None:
        rows = self._maker.examples.find(np.array([key], np.int64))
        if rows[0] >= 0:
            if self._maker.examples.has_output(rows)[0]:
                self._outputs.add(key)
            if subject := int(self._maker.examples.subject_of(rows)[0]):
                self._pseudonyms[key] = subject

    def _rater_key(self, rater: str, under: int | None) -> int | None:
        try:
            return self._identifier_key(rater, under)
        except SubjectForgotten:
            return None

    def _own_id(self, waiting: Waiting, target: Entry) -> str:
        """The same for the same two, so that it is told once."""
        told = f"{waiting.id}\0{target.id}".encode()
        return "t-" + blake2b(told, key=self._maker.salt, digest_size=12).hexdigest()

    # The row

    def _row(
        self,
        event: Recorded,
        key: int | None,
        pseudonym: int | None,
        content: bytes | None,
        body: str,
        sealed: bytes | None,
    ) -> Entry:
        bucket = side = says = score = source = rater_key = target_seq = None
        if event.output is not None:
            bucket, side = self._side(event)
        if type(event) is FeedbackRecorded:
            says, score, source = says_of(event), event.score, event.source
            if event.rater is not None:
                rater_key = self._identifier_key(event.rater, pseudonym)
            if event.supersedes is not None or event.retracts is not None:
                found = self._found.get(aimed_at(event) or "")
                target_seq = found.seq if found else NOT_COME_YET  # a null would hide from the views that there is one
            kind = "feedback_recorded/1"
        else:
            kind = "output_recorded/1"
        return _new_tuple(
            Entry,
            (
                event.id,
                kind,
                self._now,
                event.occurred_at or event.at or self._now,
                self._writer_number(event.writer),
                event.n,
                key,
                event.artifact_type,
                event.model,
                side,
                bucket,
                says,
                score,
                source,
                rater_key,
                self._identifier_key(event.episode, pseudonym) if event.episode is not None else None,
                target_seq,
                event.propensity,
                pseudonym,
                content,
                body,
                sealed,
            ),
        )

    def _identifier_key(self, identifier: str, pseudonym: int | None) -> int:
        """A number that stands for a rater or an episode; under a subject's key it means nothing once that is gone."""
        if pseudonym is not None:
            return _as_int64(self._sealing.digest(pseudonym, identifier.encode(), 8))
        return _as_int64(blake2b(identifier.encode(), key=self._maker.salt, digest_size=8).digest())

    def _side(self, event: Recorded) -> tuple[int, str]:
        bucket = self._maker.buckets.of(self._split_key(event))
        side = self._sides.get(bucket) or self._maker.examples.side_of_bucket(bucket)
        if not side:
            side = sides.draw(bucket, self._rated_judge_examples)
        self._sides[bucket] = side
        return bucket, sides.SIDES[side]

    def _split_key(self, event: Recorded) -> bytes:
        split_by = self._maker.split_by
        if split_by == "subject" and event.subject is not None:
            return b"subject " + event.subject.encode()
        if split_by == "episode" and event.episode is not None:
            return b"episode " + event.episode.encode()
        return normalised(event.input) if event.input is not None else b"id " + event.id.encode()

    def _writer_number(self, writer: str | None) -> int | None:
        if writer not in self._writers and writer is not None:
            self._writers[writer] = writer_number(writer)
        return self._writers[writer]
