"""The log in SQLite: what is on the disk, who may change it, and what happens when the disk does."""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import traceback
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import COLUMNS, AppendFailed, Entry, IdsExist, LogError
from daemon.sqlite_log import CHECKPOINT_PAGES, SqliteEventLog
from tests.contracts.any_event_log import FULL, AnyEventLog, entries, entry

NOW = 1_790_000_000_000_000
FAULTS = Path(__file__).parent / "faults"
REPOSITORY = Path(__file__).parent.parent


class Salted:
    """Chance that gives the salt that it was told, so that a log's hashes are known."""

    def __init__(self, salt):
        self._salt = salt

    def secret_bytes(self, count):
        return self._salt[:count]


def opened(path, **options):
    return SqliteEventLog.open(path, StoppedClock(NOW), SeededChance(1), **options)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.db"


@pytest.fixture
def log(path):
    with opened(path) as made:
        yield made


def raw(path):
    """A connection of somebody who does not know our rules; it closes itself."""
    return closing(sqlite3.connect(path, isolation_level=None))


@contextmanager
def without_triggers(path):
    """The file as somebody with the password to everything would write to it."""
    with raw(path) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)


def in_child(work):
    """Runs `work` in a forked process, which may be killed or lose its rights; fails with its traceback."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os.write(writing, traceback.format_exc().encode()[-4000:])
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, text
    return status


class TestSqliteEventLog(AnyEventLog):
    @pytest.fixture
    def make_log(self, tmp_path):
        made = []

        def make(salt):
            log = SqliteEventLog.open(tmp_path / f"{len(made)}.db", StoppedClock(NOW), Salted(salt))
            made.append(log)
            return log

        yield make
        for log in made:
            log.close()


class TestReadOnlyAsAnyLog:
    def test_a_reader_keeps_the_same_promises_of_reading(self, path, log):
        """A reader's answers equal the writer's."""
        log.append([FULL, *entries(2, 900)], {"a": 1})
        with SqliteEventLog.open_read_only(path) as reader:
            assert reader.read_after(3, 700) == log.read_after(3, 700)
            assert reader.find([FULL.id]) == log.find([FULL.id])
            assert (reader.head(), reader.read_to()) == (log.head(), log.read_to())
            assert reader.verify() == log.verify()
            assert (reader.salt, reader.log_id) == (log.salt, log.log_id)


class TestTheFile:
    def test_the_columns_are_those_that_are_hashed(self, path, log):
        """The table's columns, in order, are COLUMNS; an Entry is those between the number and the hash."""
        with raw(path) as connection:
            columns = connection.execute("SELECT name, type, \"notnull\" FROM pragma_table_info('events')").fetchall()
        assert tuple(name for name, _, _ in columns) == COLUMNS
        assert COLUMNS[1:-1] == Entry._fields
        required = {name for name, _, notnull in columns if notnull}
        assert required == {"id", "kind", "received_at", "occurred_at", "body", "chain"}

    def test_its_settings_are_those_that_were_measured(self, path, log):
        """WAL, a full sync at each commit, pages of 8 kB, strict tables, our mark and format."""
        log.append(entries(1, 1))
        settings = {
            name: log._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "page_size", "recursive_triggers", "wal_autocheckpoint")
        }
        assert settings == {
            "journal_mode": "wal",
            "synchronous": 2,
            "page_size": 8192,
            "recursive_triggers": 1,
            "wal_autocheckpoint": CHECKPOINT_PAGES,
        }
        with raw(path) as connection:
            strict = dict(connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'"))
            marks = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        assert {name: strict[name] for name in ("events", "spools_read", "meta")} == dict.fromkeys(
            ("events", "spools_read", "meta"), 1
        )
        assert marks == [0x61647064, 1]

    def test_its_group_may_read_whatever_the_umask_says(self, path):
        """The log, its WAL and its index are 0640 from the beginning: only their owner writes."""
        before = os.umask(0o077)
        try:
            with opened(path) as log:
                log.append(entries(1, 1))
                modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        finally:
            os.umask(before)
        assert modes == dict.fromkeys(("events.db", "events.db-wal", "events.db-shm"), 0o640)

    def test_it_goes_on_where_it_was(self, path):
        """Opened again it has the same id, salt, head, events and positions, and its chain goes on."""
        with opened(path) as log:
            log.append([FULL], {"a": 5})
            before = (log.log_id, log.salt, log.head(), log.read_after(0), log.read_to())
        with SqliteEventLog.open(path, StoppedClock(9), SeededChance(99)) as log:
            assert (log.log_id, log.salt, log.head(), log.read_after(0), log.read_to()) == before
            assert log.append([entry(2)]) == 2
            assert log.verify().ok

    def test_two_logs_never_share_their_salt(self, tmp_path):
        """Id and salt are drawn for each new log."""
        chance = SeededChance(3)
        made = [SqliteEventLog.open(tmp_path / name, StoppedClock(NOW), chance) for name in ("a.db", "b.db")]
        assert made[0].log_id != made[1].log_id
        assert made[0].salt != made[1].salt
        assert len(made[0].salt) == 32
        for log in made:
            log.close()

    def test_a_checkpoint_empties_the_wal(self, path, log):
        """After a checkpoint everything is in the main file."""
        log.append(entries(1, 50))
        wal = path.with_name("events.db-wal")
        assert wal.stat().st_size > 0
        log.checkpoint()
        assert wal.stat().st_size == 0
        assert b"event-50" in path.read_bytes()


class TestNothingChanges:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE events SET body = '{}' WHERE seq = 1",
            "UPDATE OR REPLACE events SET id = 'event-2' WHERE seq = 1",
            "DELETE FROM events WHERE seq = 2",
            "DELETE FROM events",
        ],
    )
    def test_nobody_updates_or_deletes(self, path, log, statement):
        """Triggers in the file refuse it on any connection."""
        log.append(entries(1, 2))
        before = log.read_after(0)
        with (
            raw(path) as connection,
            pytest.raises(sqlite3.IntegrityError, match="the log is append-only: events are never"),
        ):
            connection.execute(statement)
        assert log.read_after(0) == before

    @pytest.mark.parametrize("columns", ["seq, id", "id, seq"])
    def test_our_own_connection_cannot_replace(self, log, columns):
        """INSERT OR REPLACE would delete: with recursive triggers it is refused, by number and by id."""
        log.append(entries(1, 2))
        values = {"seq, id": "1, 'new'", "id, seq": "'event-1', 9"}[columns]
        with pytest.raises(sqlite3.IntegrityError, match="events are never deleted"):
            log._connection.execute(
                f"INSERT OR REPLACE INTO events ({columns}, kind, received_at, occurred_at, body, chain) "
                f"VALUES ({values}, 'k', 1, 1, '{{}}', x'00')"
            )
        assert log.verify().ok

    def test_a_stranger_who_replaces_is_found_out(self, path, log):
        """SQLite lets a connection without recursive triggers replace a row: verify names its number."""
        log.append(entries(1, 3))
        with raw(path) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO events (seq, id, kind, received_at, occurred_at, body, chain) "
                "SELECT 2, 'mine', kind, received_at, occurred_at, body, chain FROM events WHERE seq = 2"
            )
        assert log.verify().bad_seq == 2

    def test_a_value_of_the_wrong_type_is_refused_whole(self, log):
        """STRICT columns: the append fails with the column's name, and nothing was written."""
        with pytest.raises(LogError, match=r"cannot store TEXT value in INTEGER column events\.bucket; expected rows"):
            log.append([entry(1), entry(2, bucket="many")], {"a": 1})
        assert (log.head().seq, log.read_to()) == (0, {})
        assert log.append(entries(1, 2)) == 2

    @pytest.mark.parametrize("columns", [{"counter": 2**63}, {"writer": -(2**63) - 1}, {"body": None}, {"body": []}])
    def test_a_value_that_no_column_holds_is_refused_whole(self, log, columns):
        """Too large a number, no body, an object: nothing was written, and the log goes on."""
        with pytest.raises((OverflowError, sqlite3.Error, LogError)):
            log.append([entry(1), entry(2, **columns)], {"a": 1})
        assert (log.head().seq, log.read_to(), log.read_after(0)) == (0, {}, [])
        assert log.append(entries(1, 2)) == 2
        assert log.verify().ok

    @pytest.mark.parametrize("read_to", [{"\udc80": 1}, {"a": 2**63}, {"a": "far"}, {"a": [1]}])
    def test_a_position_that_cannot_be_kept_takes_its_events_back(self, log, read_to):
        """Events and positions are one commit; a position that fails leaves no transaction behind."""
        with pytest.raises((ValueError, OverflowError, sqlite3.Error, LogError)):
            log.append(entries(1, 2), read_to)
        assert not log._connection.in_transaction
        assert log.read_after(0) == []
        assert log.append(entries(1, 2), {"a": 1}) == 2
        assert log.verify().ok

    def test_an_interruption_in_the_middle_leaves_no_transaction(self, log):
        """Whatever is raised between two statements, what was begun is undone."""

        def positions():
            yield "a", 1
            raise KeyboardInterrupt

        class Interrupting(dict):
            items = staticmethod(positions)

        with pytest.raises(KeyboardInterrupt):
            log.append(entries(1, 2), Interrupting(a=1), full_sync=True)
        assert not log._connection.in_transaction
        assert (log.read_after(0), log.read_to()) == ([], {})
        assert log.append(entries(1, 2)) == 2


class TestReaders:
    def test_a_reader_cannot_append(self, path, log):
        """Appending through a reader is refused before anything happens."""
        with SqliteEventLog.open_read_only(path) as reader, pytest.raises(LogError) as refused:
            reader.append(entries(1, 1))
        assert str(refused.value) == f"{path}: opened for reading, expected the one writer. Appending is the daemon's."

    def test_a_reader_never_writes(self, path, log):
        """Its connection refuses any statement that would."""
        log.append(entries(1, 1))
        with SqliteEventLog.open_read_only(path) as reader:
            for statement in ("INSERT INTO spools_read VALUES ('a', 1)", "CREATE TABLE t (x)", "DROP TABLE meta"):
                with pytest.raises(sqlite3.OperationalError, match="readonly"):
                    reader._connection.execute(statement)

    def test_a_reader_sees_only_what_is_committed(self, path, log):
        """While a transaction is open its rows are nobody's; after the commit they are everybody's."""
        log.append(entries(1, 2))
        with SqliteEventLog.open_read_only(path) as reader:
            log._connection.execute("BEGIN IMMEDIATE")
            log._connection.execute("INSERT INTO spools_read VALUES ('a', 1)")
            assert (reader.head().seq, reader.read_to()) == (2, {})
            log._connection.execute("ROLLBACK")
            log.append(entries(3, 4), {"a": 1})
            assert (reader.head(), reader.read_to()) == (log.head(), {"a": 1})

    def test_no_reader_keeps_a_snapshot(self, path, log):
        """Between two calls a reader holds nothing, so the WAL can be emptied."""
        log.append(entries(1, 1000))
        with SqliteEventLog.open_read_only(path) as reader:
            reader.read_after(0, 10)
            assert log._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0

    def test_a_log_that_is_not_there_is_told(self, path):
        """Reading makes no log."""
        with pytest.raises(LogError) as refused:
            SqliteEventLog.open_read_only(path)
        assert (
            str(refused.value)
            == f"{path}: no log there, expected one that `adaptd run` has made. Start the daemon once."
        )
        assert not path.exists()

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody with fewer rights")
    def test_a_log_in_a_folder_that_may_not_be_written_to_can_be_read(self, tmp_path_factory):
        """A log that nobody has open reads whole, also for somebody who may not write beside it."""
        with readable_by_all(tmp_path_factory) as folder:
            path = folder / "events.db"
            with opened(path) as log:
                log.append(entries(1, 600))
                head = log.head()
            path.chmod(0o644)

            def read():
                become_nobody()
                with SqliteEventLog.open_read_only(path) as reader:
                    assert reader.head() == head
                    assert len(reader.read_after(0, 1000)) == 600
                    assert reader.verify().ok

            in_child(read)

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody with fewer rights")
    def test_a_log_that_this_user_may_not_read_is_told(self, tmp_path_factory):
        """Missing rights are an operator's mistake: the error names the file and what to look at."""
        with readable_by_all(tmp_path_factory) as folder:
            path = folder / "events.db"
            opened(path).close()

            def read():
                become_nobody()
                with pytest.raises(
                    LogError, match=r"expected adaptd's log, where this user may open it\. Look at its owner"
                ):
                    SqliteEventLog.open_read_only(path)

            in_child(read)


@contextmanager
def readable_by_all(tmp_path_factory):
    """A folder outside pytest's, which only its owner may enter."""
    folder = Path(f"/tmp/adaptd-{os.getpid()}-{random.getrandbits(40)}")
    folder.mkdir(mode=0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def become_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


class TestOtherFiles:
    def test_another_programs_database_is_refused_and_left_alone(self, path):
        """Its bytes are the same afterwards, and nothing lies beside it."""
        with raw(path) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        before = path.read_bytes()
        for open_it in (opened, SqliteEventLog.open_read_only):
            with pytest.raises(LogError) as refused:
                open_it(path)
            assert str(refused.value) == (
                f"{path}: application id 0x0, expected adaptd's 0x61647064. Is this another program's file?"
            )
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize(
        "content", [b"hello world\n" * 2000, b"SQLite format 3\0" + b"\xff" * 9000, b"notes", b"SQLite format 4\0"]
    )
    def test_a_file_that_is_no_database_is_refused(self, path, content):
        """The error names the file and what was expected; the file stays as it is."""
        path.write_bytes(content)
        for open_it in (opened, SqliteEventLog.open_read_only):
            with pytest.raises(LogError, match=f"{path}: .*expected"):
                open_it(path)
        assert path.read_bytes() == content

    def test_a_text_file_is_told_by_how_it_begins(self, path):
        """A few bytes are no empty log, though SQLite takes them for one."""
        path.write_text("my notes")
        with pytest.raises(LogError) as refused:
            opened(path)
        assert str(refused.value) == (
            f"{path}: begins with b'my notes', expected an SQLite file. Is this another program's file?"
        )

    def test_a_log_without_its_salt_is_told(self, path):
        """Nothing could be verified without it."""
        opened(path).close()
        with raw(path) as connection:
            connection.execute("DELETE FROM meta WHERE name = 'salt'")
        with pytest.raises(LogError, match=r"its own table is damaged, expected a log_id and a salt\. Restore it"):
            opened(path)

    def test_a_folder_in_the_logs_place_is_refused(self, path):
        """Nor is a folder taken for a log."""
        path.mkdir()
        for open_it in (opened, SqliteEventLog.open_read_only):
            with pytest.raises(LogError, match="expected adaptd's log"):
                open_it(path)

    def test_a_log_in_no_folder_is_refused(self, path):
        """A state folder that is missing is told as such."""
        with pytest.raises(LogError, match="No such file or directory"):
            opened(path / "deeper" / "events.db")

    def test_a_newer_format_is_refused_and_left_alone(self, path):
        """A log of a later adaptd is not written to."""
        opened(path).close()
        with raw(path) as connection:
            connection.execute("PRAGMA user_version=2")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.read_bytes()
        for open_it in (opened, SqliteEventLog.open_read_only):
            with pytest.raises(LogError) as refused:
                open_it(path)
            assert str(refused.value) == f"{path}: log format 2, expected 1. Use the adaptd that wrote it, or upgrade."
        assert path.read_bytes() == before


class TestDamage:
    BODY = '{"comment":"find me � here"}'

    @pytest.fixture
    def closed(self, path):
        """A closed log of 40 events; the seventh has every column and a body that is easily found."""
        with opened(path) as log:
            log.append(entries(1, 6))
            log.append([FULL._replace(id="the-seventh", body=self.BODY, model="findable-model", says="score+up")])
            log.append(entries(8, 40))
        return path

    def test_a_flipped_byte_anywhere_in_a_body_is_found(self, closed):
        """Every byte of the text, three ways: verify names the event's number."""
        whole = closed.read_bytes()
        wanted = self.BODY.encode()
        start = whole.index(wanted)
        for place in range(start, start + len(wanted)):
            for change in (0x01, 0x80, 0x1E):
                self.flip(closed, whole, place, change)
                assert verified(closed).bad_seq == 7, (place - start, change)

    @pytest.mark.parametrize("column", ["content", "sealed", "model", "says", "id", "artifact_type", "source", "side"])
    def test_a_flipped_byte_in_any_stored_column_is_found(self, closed, column):
        """Texts and blobs beside the body, each byte of them."""
        whole = closed.read_bytes()
        row = whole.index(self.BODY.encode())
        given = {"id": "the-seventh", "model": "findable-model", "says": "score+up"}
        wanted = given.get(column) or getattr(FULL, column)
        wanted = wanted.encode() if isinstance(wanted, str) else wanted
        start = whole.rindex(wanted, 0, row) if column != "sealed" else whole.index(wanted, row)
        for place in range(start, start + len(wanted)):
            self.flip(closed, whole, place, 0x02)
            assert verified(closed).bad_seq == 7, place - start

    def test_a_flipped_byte_in_a_hash_is_found(self, closed):
        """A wrong hash is wrong at its own event."""
        whole = closed.read_bytes()
        with SqliteEventLog.open_read_only(closed) as log:
            ((chain,),) = log.read_after(6, 1, ("chain",))
        start = whole.index(chain)
        for place in range(start, start + 32):
            self.flip(closed, whole, place, 0x40)
            assert verified(closed).bad_seq == 7

    @pytest.mark.parametrize("column", Entry._fields)
    def test_a_changed_column_is_found(self, closed, column):
        """Any promoted column, changed by somebody who dropped the triggers: found, and named by its number."""
        with without_triggers(closed) as connection:
            changed = {"TEXT": "'other'", "INTEGER": "12345", "REAL": "0.5", "BLOB": "x'0102'"}
            ((kind,),) = connection.execute("SELECT type FROM pragma_table_info('events') WHERE name = ?", (column,))
            connection.execute(f"UPDATE events SET {column} = {changed[kind]} WHERE seq = 7")
        found = verified(closed)
        assert (found.bad_seq, found.problem) == (7, "its stored bytes do not give its stored hash")

    @pytest.mark.parametrize(
        ("statement", "bad_seq", "problem"),
        [
            ("DELETE FROM events WHERE seq = 20", 20, "expected event 20 next, found 21"),
            ("DELETE FROM events WHERE seq = 1", 1, "expected event 1 next, found 2"),
            ("UPDATE events SET seq = 99 WHERE seq = 40", 40, "expected event 40 next, found 99"),
            ("UPDATE events SET seq = -1 WHERE seq = 5", 1, "expected event 1 next, found -1"),
        ],
    )
    def test_a_missing_event_is_found(self, closed, statement, bad_seq, problem):
        """An event that was taken out or renumbered leaves a gap that verify names."""
        with without_triggers(closed) as connection:
            connection.execute(statement)
        found = verified(closed)
        assert (found.bad_seq, found.problem) == (bad_seq, problem)

    def test_swapped_events_are_found(self, closed):
        """Two events that changed places: the first of them is named."""
        with without_triggers(closed) as connection:
            for before, after in ((10, 999), (11, 10), (999, 11)):
                connection.execute("UPDATE events SET seq = ? WHERE seq = ?", (after, before))
        assert verified(closed).bad_seq == 10

    def test_a_row_that_was_hashed_anew_is_found_at_the_next(self, closed):
        """Whoever changes an event and its own hash breaks the event after it."""
        from daemon.event_log import Head, chained

        with without_triggers(closed) as connection:
            rows = connection.execute("SELECT * FROM events WHERE seq IN (6, 7) ORDER BY seq").fetchall()
            forged = Entry(*rows[1][1:-1])._replace(body='{"comment":"forged"}')
            _, head = chained([forged], Head(6, rows[0][-1]))
            connection.execute("UPDATE events SET body = ?, chain = ? WHERE seq = 7", (forged.body, head.chain))
        assert verified(closed).bad_seq == 8

    def test_a_damaged_index_is_told(self, closed):
        """Hashes that are all right do not hide a broken index: SQLite's own check speaks, without a number."""
        whole = closed.read_bytes()
        place = max(found for found in range(len(whole)) if whole.startswith(b"event-33", found))
        row = min(found for found in range(len(whole)) if whole.startswith(b"event-33feedback", found))
        place = place if place != row else whole.index(b"event-33")
        self.flip(closed, whole, place + 2, 0x01)
        found = verified(closed)
        assert (found.ok, found.events, found.bad_seq) == (False, 40, None)
        assert "index" in found.problem

    def test_a_cut_tail_leaves_a_sound_but_shorter_log(self, closed):
        """The chain cannot see it, so heads are compared with one kept elsewhere."""
        with SqliteEventLog.open_read_only(closed) as log:
            anchored = log.head()
        with without_triggers(closed) as connection:
            connection.execute("DELETE FROM events WHERE seq > 30")
        found = verified(closed)
        assert found.ok
        assert found.head.seq == 30
        assert found.head != anchored

    def test_a_damaged_wal_shortens_the_log_and_the_head_tells(self, path, tmp_path):
        """After a crash, damage in the WAL looks like commits that never were: seen by the head alone."""
        with opened(path) as log:
            log.append(entries(1, 5))
            log.checkpoint()
            log.append(entries(6, 10))
            log.append(entries(11, 15))
            crashed = crashed_copy(path, tmp_path / "crashed")
            head = log.head()
        wal = crashed.with_name("events.db-wal")
        content = bytearray(wal.read_bytes())
        content[content.rindex(b"event-13") + 3] ^= 1
        wal.write_bytes(content)
        with opened(crashed) as log:
            assert log.head().seq == 10
            assert log.head() != head
            assert log.verify().ok
            assert log.append(entries(11, 15)) == 15

    @pytest.mark.parametrize("keep", [0, 1, 100, 8192, 12_000, 16_384, 24_576, -8192, -4096])
    def test_a_truncated_file_is_told(self, closed, keep):
        """Whatever is missing at the end, opening or verifying says so."""
        whole = closed.read_bytes()
        closed.write_bytes(whole[:keep])
        assert self.problem_of(closed)

    def problem_of(self, path):
        try:
            return verified(path).problem
        except LogError as error:
            return str(error)

    def test_no_flipped_byte_gives_other_events_that_verify(self, closed):
        """Bytes all over the file: refused, found, or without any effect on what is read."""
        whole = closed.read_bytes()
        with SqliteEventLog.open_read_only(closed) as log:
            expected = log.read_after(0)
        rng = random.Random(5)
        used = [place for place, byte in enumerate(whole) if byte] + list(range(200))
        for place in rng.sample(used, 600):
            self.flip(closed, whole, place, rng.randrange(1, 256))
            with suppress(LogError):
                found = verified(closed)
                if found.ok:
                    with SqliteEventLog.open_read_only(closed) as log:
                        assert log.read_after(0) == expected, place
                else:
                    assert found.problem

    def test_a_damaged_page_is_named_by_its_first_event(self, path):
        """Where rows cannot be read at all, the rows before them are still verified."""
        with opened(path) as log:
            log.append([entry(number, body=f'"{number:06}"' + " " * 1000) for number in range(1, 101)])
        whole = path.read_bytes()
        page = (whole.index(b'"000050"') // 8192) * 8192
        damaged = whole[:page] + b"\xff" * 8192 + whole[page + 8192 :]
        path.write_bytes(damaged)
        found = verified(path)
        assert 40 <= found.bad_seq <= 50
        assert found.events == found.bad_seq - 1
        assert found.problem.startswith("cannot be read from this event on: ")

    def flip(self, path, whole, place, change):
        changed = bytearray(whole)
        changed[place] ^= change
        path.write_bytes(changed)


def verified(path):
    with SqliteEventLog.open_read_only(path) as log:
        return log.verify()


def crashed_copy(path, folder):
    """What a killed writer leaves: the file and its WAL, without the index in memory."""
    folder.mkdir()
    for name in (path.name, path.name + "-wal"):
        if path.with_name(name).exists():
            shutil.copy(path.with_name(name), folder / name)
    return folder / path.name


class TestCrashes:
    def test_what_was_acknowledged_survives_a_kill(self, path):
        """A writer that is killed between two appends has lost nothing."""

        def work():
            log = opened(path)
            log.append([FULL], {"a": 1})
            log.append(entries(2, 500), {"a": 2})
            os.kill(os.getpid(), signal.SIGKILL)

        assert os.WTERMSIG(in_child(work)) == signal.SIGKILL
        with opened(path) as log:
            assert (log.head().seq, log.read_to()) == (500, {"a": 2})
            assert log.verify().ok

    def test_what_was_not_committed_is_gone_after_a_kill(self, path):
        """A writer that is killed inside a transaction leaves none of it."""

        def work():
            log = opened(path)
            log.append(entries(1, 3), {"a": 1})
            log._connection.execute("BEGIN IMMEDIATE")
            log._connection.execute("INSERT INTO spools_read VALUES ('b', 1)")
            os.kill(os.getpid(), signal.SIGKILL)

        in_child(work)
        with opened(path) as log:
            assert (log.head().seq, log.read_to()) == (3, {"a": 1})

    def test_a_log_whose_making_was_cut_off_is_made_again(self, path):
        """Killed while the tables were made: the next opening makes them."""
        with raw(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        with opened(path) as log:
            assert log.append(entries(1, 1)) == 1

    def test_a_second_writer_is_noticed(self, path, log):
        """The append of the one who did not know fails whole; it then knows, and goes on after the other's events."""
        log.append(entries(1, 2))
        with opened(path) as other:
            other.append(entries(3, 4))
        with pytest.raises(
            AppendFailed, match="another writer appended: newest is 4, expected 2; 1 events were not recorded"
        ):
            log.append([entry(5)])
        assert log.head().seq == 4
        assert log.append([entry(5)]) == 5
        assert log.verify().ok

    def test_a_writer_who_is_kept_waiting_fails_and_goes_on(self, path, log):
        """A lock that somebody holds too long fails the append, not the log."""
        log._connection.execute("PRAGMA busy_timeout=20")
        with raw(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(AppendFailed, match="database is locked; 1 events were not recorded"):
                log.append([entry(1)])
            connection.execute("ROLLBACK")
        assert log.append([entry(1)]) == 1

    def test_a_log_that_was_exchanged_is_not_written_to(self, path, log):
        """When after a failure the disk does not have the acknowledged head, the log is not gone on with."""
        log.append(entries(1, 3))
        interrupt(log)
        with without_triggers(path) as connection:
            connection.execute("UPDATE events SET chain = x'00' WHERE seq = 3")
        with pytest.raises(LogError, match=r"event 3 is not what was committed\. Run `adaptd events verify`\."):
            log.append([entry(4)])
        with pytest.raises(LogError, match="event 3 is not what was committed"):
            log.append([entry(4)])

    def test_a_log_that_is_gone_is_told(self, path, log):
        """A file that was deleted under the daemon is not made anew in its place."""
        log.append(entries(1, 3))
        interrupt(log)
        for file in path.parent.iterdir():
            file.unlink()
        with pytest.raises(LogError, match=r"closed or gone, expected an open log\. Restart adaptd\."):
            log.append([entry(4)])
        assert not path.exists()


def interrupt(log):
    """Makes the next statement of this connection fail, as a disk would in the middle of it."""
    log._connection.set_progress_handler(lambda: 1, 1)


class TestFailingDisk:
    def test_a_failed_commit_is_told_and_the_log_goes_on(self, path, log):
        """AppendFailed says how many events and what to look at; the same append succeeds after it."""
        log.append(entries(1, 2), {"a": 1})
        before = log.head()
        interrupt(log)
        with pytest.raises(AppendFailed) as failed:
            log.append(entries(3, 5), {"a": 2})
        assert str(failed.value) == (
            f"{path}: interrupted; 3 events were not recorded. Expected a commit that reaches the disk: "
            "look at free space and at the disk's health; the log was reopened and checked, and goes on."
        )
        assert (log.head(), log.read_to()) == (before, {"a": 1})
        assert log.append(entries(3, 5), {"a": 2}) == 5
        assert log.verify().ok

    def test_with_a_reader_in_the_midst_of_it_nothing_is_promised_on_top_of_lost_pages(self, path, log):
        """After a failed sync the WAL has to begin anew; while somebody reads it cannot, and appending fails."""
        log.append(entries(1, 2))
        with closing(sqlite3.connect(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            log.append(entries(3, 4))
            interrupt(log)
            for _ in range(2):
                with pytest.raises(AppendFailed, match="somebody is reading it, and what a failed sync left") as failed:
                    log.append(entries(5, 6))
                with pytest.raises(sqlite3.OperationalError, match="somebody is reading it"):
                    log.read_after(0)
            assert "the log could not be reopened" in str(failed.value)
        assert log.append(entries(5, 6)) == 6
        assert log._connection.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
        with closing(sqlite3.connect(path)) as reader:
            assert reader.execute("SELECT count(*) FROM events").fetchone() == (6,)
        assert log.verify().ok

    def test_a_file_that_may_not_grow_fails_and_recovers(self, path):
        """RLIMIT_FSIZE makes real writes fail: nothing acknowledged is lost, nothing is there twice."""

        def work():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            log = opened(path)
            size = max(file.stat().st_size for file in path.parent.iterdir())
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, resource.RLIM_INFINITY))
            acknowledged, failed = append_until(log, failures=5)
            assert acknowledged
            assert len(failed) == 5
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            for number in failed:
                with suppress(IdsExist):
                    log.append(group_of(number))
            expected = {one.id for number in (*acknowledged, *failed) for one in group_of(number)}
            ids = [row[0] for row in log.read_after(0, 100_000, ("id",))]
            assert len(ids) == len(set(ids))
            assert set(ids) == expected
            assert log.verify().ok
            log.close()

        in_child(work)
        assert verified(path).ok

    def test_no_single_failure_loses_or_doubles_anything(self, failing_disk, tmp_path):
        """The n-th write or sync fails, once, four times or for ever: the log is exactly what was acknowledged."""
        reports = failing_disk.run(FAULTS / "appending_on_a_failing_disk.py", tmp_path / "logs")
        assert len(reports) > 50
        assert sum(report["failed"] for report in reports) > 100
        assert any(report["repeats"] for report in reports), "no failed commit was on disk after all"

    @pytest.mark.parametrize(
        ("durability", "full_sync", "synced"), [("full", False, True), ("normal", False, False), ("normal", True, True)]
    )
    def test_a_commit_syncs_as_it_was_told(self, failing_disk, tmp_path, durability, full_sync, synced):
        """«full» syncs the WAL at each commit, «normal» does not, and full_sync does whatever the durability."""
        program = tmp_path / "append.py"
        program.write_text(
            "import json, sys\nfrom pathlib import Path\n"
            "from daemon.clock_and_chance import SeededChance, StoppedClock\n"
            "from daemon.event_log import Entry\n"
            "from daemon.sqlite_log import SqliteEventLog\n"
            "path, clock = Path(sys.argv[1]) / 'events.db', StoppedClock(1)\n"
            f"log = SqliteEventLog.open(path, clock, SeededChance(1), durability={durability!r})\n"
            "log.append([Entry('a', 'k/1', 1, 1)], full_sync=True)\n"
            "before = Path(sys.argv[3]).stat().st_size\n"
            f"log.append([Entry('b', 'k/1', 1, 1)], full_sync={full_sync})\n"
            "calls = Path(sys.argv[3]).read_text()[before:]\n"
            "log.append([Entry('c', 'k/1', 1, 1)])\n"
            "after = Path(sys.argv[3]).read_text()[before + len(calls):]\n"
            "print(json.dumps([calls, after]))\n"
        )
        ((calls, after),) = failing_disk.run(program, tmp_path / "logs")
        assert any(call.startswith("write") and call.endswith("-wal") for call in calls.splitlines())
        assert ("sync " in calls) is synced
        assert ("sync " in after) is (durability == "full")


def group_of(number):
    return [entry(100 * number + one, body='"' + "x" * 2000 + '"') for one in range(1, 4)]


def append_until(log, failures):
    acknowledged, failed = [], []
    number = 0
    while len(failed) < failures:
        number += 1
        assert number < 1000
        try:
            log.append(group_of(number))
            acknowledged.append(number)
        except AppendFailed:
            failed.append(number)
    return acknowledged, failed


class FailingDisk:
    """Programs run on a disk whose writes and syncs to the log can be told to fail."""

    def __init__(self, library, folder):
        self._library = library
        self._folder = folder

    def run(self, program, work):
        """The JSON lines that the program printed, run as `program WORK PLAN_FILE TRACE_FILE`."""
        work.mkdir()
        plan, trace = self._folder / "plan", self._folder / "trace"
        plan.write_text("")
        told = {"FAILING_DISK_MARK": "events.db", "FAILING_DISK_PLAN": str(plan), "FAILING_DISK_TRACE": str(trace)}
        done = subprocess.run(
            [sys.executable, str(program), str(work), str(plan), str(trace)],
            env={**os.environ, **told, "LD_PRELOAD": str(self._library), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            check=False,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def failing_disk(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler: the disk that fails at the n-th write could not be built")
    library = tmp_path / "failing_disk.so"
    source = FAULTS / "failing_disk.c"
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
        capture_output=True,
        check=False,
        text=True,
    )
    if built.returncode:
        pytest.skip(f"the disk that fails could not be built: {built.stderr.splitlines()[:1]}")
    return FailingDisk(library, tmp_path)
