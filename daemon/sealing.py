"""Who can be forgotten: subjects, their pseudonyms and keys, and the sealing of what is private under a key.

The log holds a random pseudonym and sealed bytes; `keys.db` holds what turns them back into a person and a text, so
that destroying a key destroys the text everywhere the log was copied to. A key may have several owners (an early
feedback whose output came later; a feedback by one person on the output of another): any owner's leaving destroys it.
It does not decide what is private, and it does not clean other files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adaptd.errors import AdaptdError
from daemon.clock_and_chance import Chance

NONCE_BYTES = 12

_SCHEMA = """
BEGIN EXCLUSIVE;
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE keys (pseudonym INTEGER PRIMARY KEY, key BLOB NOT NULL, beside INTEGER) STRICT;
CREATE TABLE owners (
  subject TEXT, pseudonym INTEGER, own INTEGER NOT NULL, PRIMARY KEY (subject, pseudonym)
) STRICT, WITHOUT ROWID;
CREATE INDEX owners_of ON owners (pseudonym);
CREATE INDEX keys_beside ON keys (beside) WHERE beside IS NOT NULL;
CREATE TABLE destroyed (pseudonym INTEGER PRIMARY KEY) STRICT;
CREATE TABLE forgotten (mark BLOB PRIMARY KEY, forgotten_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version=1;
"""


class SubjectForgotten(AdaptdError):
    """An event of a subject that was forgotten came: nothing of it may be kept."""


class KeysMissing(AdaptdError):
    """The log's events lie under a key that keys.db never destroyed, and does not have."""

    def __init__(self, pseudonym: int) -> None:
        super().__init__(
            f"keys.db has no key {pseudonym}, under which events of the log lie, and never destroyed it; expected the "
            "keys.db that belongs to events.db. Put both back from the same backup (`adaptd restore`); until then "
            "nothing is taken in, and nothing is lost."
        )
        self.pseudonym = pseudonym


class Sealing:
    """The keys of one state folder. New keys wait in a transaction until `commit`, which comes before the log's."""

    def __init__(self, connection: sqlite3.Connection, chance: Chance | None) -> None:
        self.is_new = False  # made just now: then no event can lie under a key of it
        self._connection = connection
        self._chance = chance
        self._known: dict[str, int] = {}  # subject → its own pseudonym; at most _KNOWN_AT_MOST of them
        self._key_of = lru_cache(maxsize=20_000)(self._read_key)
        row = connection.execute("SELECT value FROM secrets WHERE name = 'marks'").fetchone()
        self._marks_secret: bytes = row[0] if row else b""

    _KNOWN_AT_MOST = 50_000

    @classmethod
    def open(cls, path: Path, chance: Chance) -> Sealing:
        """Opens keys.db for the log's one writer, and makes it when there is none."""
        path.touch(mode=0o600)
        path.chmod(0o600)  # before there is anything in it, and again where a copy made it wider
        connection = sqlite3.connect(path, timeout=10, isolation_level=None)
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA journal_mode=DELETE")  # no WAL: a destroyed key must not live on beside the file
        connection.execute("PRAGMA synchronous=FULL")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO secrets VALUES ('marks', ?)", (chance.secret_bytes(32),))
            connection.execute("COMMIT")
        opened = cls(connection, chance)
        opened.is_new = not tables
        return opened

    @classmethod
    def open_read_only(cls, path: Path) -> Sealing:
        """Opens keys.db to read sealed texts; raises sqlite3.OperationalError where this user may not."""
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        return cls(connection, None)

    # Who

    def pseudonym_of(self, subject: str) -> int:
        """The subject's own pseudonym, made at first sight; raises SubjectForgotten for one that was forgotten."""
        known = self._known.get(subject)
        if known is not None:
            return known
        row = self._connection.execute(
            "SELECT pseudonym FROM owners WHERE subject = ? AND own = 1", (subject,)
        ).fetchone()
        if row is None:
            self._refuse_forgotten(subject)
        pseudonym = row[0] if row else self._new_key(subject, own=True, beside=None)
        if len(self._known) >= self._KNOWN_AT_MOST:
            self._known.clear()
        self._known[subject] = pseudonym
        return pseudonym

    def pseudonym_for_early(self) -> int:
        """A new pseudonym for private feedback on an output that is not there yet; nobody owns it so far."""
        return self._new_key(None, own=False, beside=None)

    def subject_of(self, pseudonym: int) -> str | None:
        """Whose events lie under it: of several owners, the one who was not there before it was made."""
        query = (
            "SELECT subject FROM owners WHERE pseudonym = :it ORDER BY subject IN (SELECT subject FROM owners "
            "WHERE pseudonym = (SELECT beside FROM keys WHERE pseudonym = :it)), own DESC, subject LIMIT 1"
        )
        row = self._connection.execute(query, {"it": pseudonym}).fetchone()
        return row[0] if row else None

    def adopt(self, pseudonym: int, subject: str) -> None:
        """The output of early feedback came, and is this subject's: so are the early key and those made beside it."""
        self._refuse_forgotten(subject)
        self._write("INSERT OR IGNORE INTO owners VALUES (?, ?, 0)", (subject, pseudonym))
        self._write(
            "INSERT OR IGNORE INTO owners SELECT :subject, pseudonym, 0 FROM keys "
            "WHERE beside = :it OR beside IN (SELECT pseudonym FROM keys WHERE beside = :it)",
            {"subject": subject, "it": pseudonym},
        )

    def join(self, early: int, pseudonym: int) -> None:
        """What lies under `early` turns out to be said of what lies under the other: who owns that owns it too."""
        self._write("UPDATE keys SET beside = ? WHERE pseudonym = ? AND beside IS NULL", (pseudonym, early))
        self._write(
            "INSERT OR IGNORE INTO owners SELECT subject, ?, 0 FROM owners WHERE pseudonym = ?", (early, pseudonym)
        )

    def pseudonym_beside(self, pseudonym: int, subject: str) -> int:
        """For this subject's feedback on an output under another's pseudonym: a key that either's leaving destroys."""
        if self._known.get(subject) == pseudonym or self.owns(subject, pseudonym):
            return pseudonym
        self._refuse_forgotten(subject)
        self._key(pseudonym)  # of an output whose subject was forgotten nothing more is said
        found = self.found_beside(pseudonym, subject)
        if found is not None:
            return found
        made = self._new_key(subject, own=False, beside=pseudonym)
        self._write(
            "INSERT OR IGNORE INTO owners SELECT subject, ?, 0 FROM owners WHERE pseudonym = ?", (made, pseudonym)
        )
        return made

    def found_beside(self, pseudonym: int, subject: str) -> int | None:
        """The key beside that one for this subject, where there is one already."""
        row = self._connection.execute(
            "SELECT k.pseudonym FROM keys k JOIN owners o ON o.pseudonym = k.pseudonym "
            "WHERE k.beside = ? AND o.subject = ?",
            (pseudonym, subject),
        ).fetchone()
        return int(row[0]) if row else None

    def owns(self, subject: str, pseudonym: int) -> bool:
        query = "SELECT 1 FROM owners WHERE subject = ? AND pseudonym = ?"
        return self._connection.execute(query, (subject, pseudonym)).fetchone() is not None

    def _refuse_forgotten(self, subject: str) -> None:
        query = "SELECT 1 FROM forgotten WHERE mark = ?"
        if self._connection.execute(query, (self.mark_of(subject),)).fetchone():
            raise SubjectForgotten("the event's subject was forgotten; expected no more events of this subject")

    def mark_of(self, subject: str) -> bytes:
        """What is remembered of a forgotten subject: enough to know the name again, too little to read it."""
        return blake2b(subject.encode(), key=self._marks_secret, digest_size=16).digest()

    # Forgetting

    def is_forgotten(self, mark: bytes) -> bool:
        return self._connection.execute("SELECT 1 FROM forgotten WHERE mark = ?", (mark,)).fetchone() is not None

    def forgotten(self) -> list[bytes]:
        """The marks of all who were forgotten."""
        return [mark for (mark,) in self._connection.execute("SELECT mark FROM forgotten ORDER BY forgotten_at, mark")]

    def destroyed(self) -> list[int]:
        """The pseudonyms whose keys are gone."""
        return [number for (number,) in self._connection.execute("SELECT pseudonym FROM destroyed ORDER BY pseudonym")]

    def owned_by(self, mark: bytes) -> list[int]:
        """Every pseudonym that the subject of this mark owns, alone or with others."""
        subjects = self._connection.execute("SELECT DISTINCT subject FROM owners").fetchall()
        return sorted(
            pseudonym
            for (subject,) in subjects
            if self.mark_of(subject) == mark
            for (pseudonym,) in self._connection.execute("SELECT pseudonym FROM owners WHERE subject = ?", (subject,))
        )

    def destroy(self, mark: bytes, pseudonyms: Iterable[int], now: int) -> int:
        """Marks the subject as forgotten and destroys these keys, in one commit; returns how many were there."""
        gone = [(pseudonym,) for pseudonym in pseudonyms]
        self._write("INSERT OR IGNORE INTO forgotten VALUES (?, ?)", (mark, now))
        with self._undone_on_error():
            destroyed = self._connection.executemany("DELETE FROM keys WHERE pseudonym = ?", gone).rowcount
            self._connection.executemany("DELETE FROM owners WHERE pseudonym = ?", gone)
            self._connection.executemany("INSERT OR IGNORE INTO destroyed VALUES (?)", gone)
        self.commit()
        self._known.clear()
        self._key_of.cache_clear()
        return max(0, destroyed)

    # Keys

    def seal(self, pseudonym: int, private: dict[str, Any], event_id: str) -> bytes:
        """The private fields, readable only with the key, and only as part of this event."""
        assert self._chance is not None, "opened for reading"
        nonce = self._chance.secret_bytes(NONCE_BYTES)
        text = msgspec.json.encode(private)
        return nonce + AESGCM(self._key(pseudonym)).encrypt(nonce, text, event_id.encode())

    def unseal(self, pseudonym: int, sealed: bytes, event_id: str) -> dict[str, Any] | None:
        """The private fields; None when the key is gone or these bytes are not what was sealed for this event."""
        key = self._key_of(pseudonym)
        if key is None:
            return None
        try:
            text = AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], event_id.encode())
        except (InvalidTag, ValueError):  # ValueError: cut off within the nonce
            return None
        found: dict[str, Any] = msgspec.json.decode(text)
        return found

    def digest(self, pseudonym: int, content: bytes, size: int = 16) -> bytes:
        """A keyed digest that says nothing once the key is destroyed."""
        return blake2b(content, key=self._key(pseudonym), digest_size=size).digest()

    # What is kept aside belongs to nobody that is known

    def seal_aside(self, raw: bytes, told_as: str) -> bytes:
        """Bytes that could not be taken in, readable only with the key for those, and only under this name."""
        assert self._chance is not None, "opened for reading"
        nonce = self._chance.secret_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._key_aside()).encrypt(nonce, raw, told_as.encode())

    def open_aside(self, sealed: bytes, told_as: str) -> bytes | None:
        """The bytes again; None where they are not what was sealed under this name and key."""
        key = self._secret("aside")
        try:
            return key and AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], told_as.encode())
        except (InvalidTag, ValueError):
            return None

    def digest_aside(self, content: bytes, size: int) -> bytes:
        """A keyed digest for what is kept aside."""
        return blake2b(content, key=self._key_aside(), digest_size=size).digest()

    def _key_aside(self) -> bytes:
        """Made when it is first needed."""
        key = self._secret("aside")
        if key is None:
            assert self._chance is not None, "opened for reading"
            key = self._chance.secret_bytes(32)
            self._write("INSERT INTO secrets VALUES ('aside', ?)", (key,))
        return key

    def _secret(self, name: str) -> bytes | None:
        row = self._connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def _key(self, pseudonym: int) -> bytes:
        key = self._key_of(pseudonym)
        if key is not None:
            return key
        query = "SELECT 1 FROM destroyed WHERE pseudonym = ?"
        if self._connection.execute(query, (pseudonym,)).fetchone():
            raise SubjectForgotten("the output's subject was forgotten; expected no more feedback on this output")
        raise KeysMissing(pseudonym)

    def _read_key(self, pseudonym: int) -> bytes | None:
        row = self._connection.execute("SELECT key FROM keys WHERE pseudonym = ?", (pseudonym,)).fetchone()
        return row[0] if row else None

    def _new_key(self, subject: str | None, *, own: bool, beside: int | None) -> int:
        assert self._chance is not None, "opened for reading"
        pseudonym = int.from_bytes(self._chance.secret_bytes(8)) >> 1 or 1
        key = self._chance.secret_bytes(32)
        self._write("INSERT INTO keys VALUES (?, ?, ?)", (pseudonym, key, beside))
        if subject is not None:
            self._write("INSERT INTO owners VALUES (?, ?, ?)", (subject, pseudonym, int(own)))
        return pseudonym

    # Keeping

    def _write(self, statement: str, values: tuple[Any, ...] | dict[str, Any]) -> None:
        with self._undone_on_error():
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(statement, values)

    def commit(self) -> None:
        """Puts new keys on disk. A key whose event never came is harmless; an event whose key is lost is not."""
        with self._undone_on_error():
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    @contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        """A full disk makes SQLite drop the whole transaction: what is remembered of it must go too."""
        try:
            yield
        except sqlite3.Error:
            self.rollback()
            raise

    def rollback(self) -> None:
        """Forgets keys that were made since the last commit."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._known.clear()
        self._key_of.cache_clear()

    def close(self) -> None:
        self._connection.close()
