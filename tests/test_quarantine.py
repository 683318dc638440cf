"""What could not be taken in is kept whole, until somebody looks."""

import sqlite3
import stat
from contextlib import closing

import pytest

from daemon.quarantine import Kept, Quarantine, opened_pieces, read_kept, sealed_piece

LINE = Kept("q-1", "spool/aa-000001.ndjson", 4096, 5, "not JSON", 17, b"\xff\x00\n{}")


@pytest.fixture
def quarantine(tmp_path):
    with closing(Quarantine(tmp_path / "quarantine.db")) as made:
        yield made


def test_a_line_comes_back_byte_for_byte(quarantine):
    """With its place, its reason and when it came."""
    quarantine.keep([LINE])
    assert quarantine.find("q-1") == LINE


def test_what_is_not_there_is_none(quarantine):
    """An unknown id finds nothing."""
    assert quarantine.find("q-1") is None
    assert len(quarantine) == 0


def test_the_same_line_is_kept_once(quarantine):
    """Taking in again after a crash changes nothing of what is kept."""
    quarantine.keep([LINE, LINE])
    quarantine.keep([LINE._replace(reason="another", received_at=99), LINE._replace(id="q-2")])
    assert len(quarantine) == 2
    assert quarantine.find("q-1") == LINE


def test_it_outlives_the_process(tmp_path, quarantine):
    """What was kept is there in the file."""
    quarantine.keep([LINE])
    with closing(Quarantine(tmp_path / "quarantine.db")) as again:
        assert again.find("q-1") == LINE


def test_lines_are_kept_all_or_none(quarantine):
    """A line that cannot be kept takes its neighbours back, and the next lines can be kept."""
    with pytest.raises(sqlite3.IntegrityError):
        quarantine.keep([LINE, LINE._replace(id="q-2", place="nowhere")])
    assert len(quarantine) == 0
    quarantine.keep([LINE])
    assert len(quarantine) == 1


def test_a_failing_disk_is_told_as_such(quarantine):
    """SQLite may have ended the transaction itself: the error is the disk's, and the next lines can be kept."""
    quarantine._connection.execute("PRAGMA max_page_count=3")
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        quarantine.keep([LINE._replace(raw=b"x" * 100_000)])
    quarantine._connection.execute("PRAGMA max_page_count=1000")
    quarantine.keep([LINE])
    assert quarantine.find("q-1") == LINE


def test_a_long_line_has_a_file_of_its_own(tmp_path, quarantine):
    """Beside the database, named after the line; its row is without the bytes."""
    path = quarantine.file_for("q-9")
    assert path == tmp_path / "quarantine" / "q-9.bin"
    assert path.parent.is_dir()
    assert quarantine.file_for("q-8").parent == path.parent
    quarantine.keep([LINE._replace(id="q-9", raw=None)])
    assert quarantine.find("q-9").raw is None


def test_nobody_but_its_owner_may_read_it(tmp_path, quarantine):
    """What is kept aside may be private."""
    assert stat.S_IMODE((tmp_path / "quarantine.db").stat().st_mode) == 0o600
    assert not stat.S_IMODE(quarantine.file_for("q-9").parent.stat().st_mode) & 0o007


def test_erased_lines_leave_no_bytes(tmp_path, quarantine):
    """The file deletes securely and keeps no WAL beside it."""
    quarantine.keep([LINE._replace(raw=b"erase this line please")])
    assert b"erase this line" in (tmp_path / "quarantine.db").read_bytes()
    quarantine._connection.execute("DELETE FROM lines")
    assert b"erase this line" not in (tmp_path / "quarantine.db").read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["quarantine.db"]


def test_a_quarantine_of_an_earlier_version_is_read_and_goes_on(tmp_path):
    """Its lines are in the clear; by a reader before the daemon has opened it, and beside sealed ones afterwards."""
    path = tmp_path / "quarantine.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute(
            "CREATE TABLE lines (id TEXT PRIMARY KEY, source TEXT NOT NULL, place INTEGER NOT NULL, "
            "length INTEGER NOT NULL, reason TEXT NOT NULL, received_at INTEGER NOT NULL, raw BLOB) STRICT"
        )
        old.execute("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)", LINE[:7])
    assert read_kept(path, "q-1") == LINE
    sealed = LINE._replace(id="q-2", sealed=True)
    for _ in range(2):
        with closing(Quarantine(path)) as opened:
            opened.keep([sealed])
            assert (opened.find("q-1"), opened.find("q-2")) == (LINE, sealed)


def test_pieces_of_a_sealed_file_open_in_their_places_alone():
    """Each is sealed under its number; what does not open is left out."""

    def seal(raw, told_as):
        return f"{told_as}|".encode() + raw[::-1]

    def opened(stored, told_as):
        name, _, raw = stored.partition(b"|")
        return raw[::-1] if name == told_as.encode() else None

    pieces = [b"one", b"", b"three" * 1000]
    stored = [sealed_piece(number, piece, "q", seal) for number, piece in enumerate(pieces)]
    assert b"".join(opened_pieces(b"".join(stored), "q", opened)) == b"".join(pieces)
    assert b"".join(opened_pieces(b"".join(stored[::-1]), "q", opened)) == b""
    assert list(opened_pieces(b"", "q", opened)) == []
