"""What lies in the spool folder: order, torn and long lines, who still writes, and what is left alone."""

import fcntl
import os

import pytest

from daemon import spool_reading
from daemon.spool_reading import (
    Endless,
    Piece,
    SpoolReader,
    Unfit,
    abandoned,
    clear_stale_births,
    read_lines,
    spool_names,
    strangers,
)
from tests.intake_world import Host

A, B, C = "a" * 16, "b" * 16, "c" * 16
NOW = 1_700_000_000_000_000


def name(writer, rotation=1):
    return f"{writer}-{rotation:06}.ndjson"


def put(folder, writer, data, rotation=1):
    path = folder / name(writer, rotation)
    path.write_bytes(data)
    return path


def as_bytes(lines):
    return [text.encode() if isinstance(text, str) else text for text in lines]


class TestNames:
    def test_come_in_the_order_of_each_writers_rotation(self, tmp_path):
        """The millionth file is read after the one before it."""
        for writer, rotation in ((B, 2), (B, 1), (A, 1_000_000), (A, 999_999), (A, 3)):
            put(tmp_path, writer, b"", rotation)
        assert spool_names(tmp_path) == [name(A, 3), name(A, 999_999), name(A, 1_000_000), name(B, 1), name(B, 2)]

    @pytest.mark.parametrize(
        "other",
        [
            "README",
            "A" * 16 + "-000001.ndjson",
            "a" * 15 + "-000001.ndjson",
            "a" * 16 + "-00001.ndjson",
            "a" * 16 + "-000001.ndjson~",
            "a" * 16 + "-000001.ndjson\n",
            ".nfs0001",
            "a" * 16 + "-٠٠٠٠٠١.ndjson",
        ],
    )
    def test_of_others_are_left_alone_and_shown(self, tmp_path, other):
        """A file is a host's when its whole name says so."""
        (tmp_path / other).write_bytes(b"x\n")
        assert spool_names(tmp_path) == []
        assert strangers(tmp_path) == [other]

    def test_of_births_are_nobodys_yet(self, tmp_path):
        """A file that is being made is neither read nor strange."""
        (tmp_path / f".{name(A)}.new").write_bytes(b"")
        assert spool_names(tmp_path) == strangers(tmp_path) == []

    def test_of_folders_links_and_pipes_are_strange(self, tmp_path):
        """A link leads elsewhere, and to open a named pipe is to wait for ever."""
        (tmp_path / "elsewhere").write_bytes(b"x\n")
        (tmp_path / name(A)).mkdir()
        (tmp_path / name(B)).symlink_to(tmp_path / "elsewhere")
        os.mkfifo(tmp_path / name(C))
        os.mkfifo(tmp_path / f".{name(C)}.new")
        assert spool_names(tmp_path) == []
        assert strangers(tmp_path) == sorted([f".{name(C)}.new", name(A), name(B), name(C), "elsewhere"])
        assert clear_stale_births(tmp_path, NOW * 2) == 0


class TestReadLines:
    def test_gives_whole_lines_and_where_the_next_reading_starts(self, tmp_path):
        """A line without its end is not there yet."""
        path = put(tmp_path, A, b"one\ntwo\nthr")
        assert read_lines(path, 0, 10, 100) == Piece(path.name, 0, 8, ["one", "two"])
        assert read_lines(path, 4, 10, 100) == Piece(path.name, 4, 8, ["two"])
        assert read_lines(path, 8, 10, 100) is None

    def test_gives_no_more_than_asked_for(self, tmp_path):
        """The rest is said to be there."""
        path = put(tmp_path, A, b"1\n2\n\n4\n")
        found = read_lines(path, 0, 2, 100)
        assert found == Piece(path.name, 0, 4, ["1", "2"], more=True)
        assert read_lines(path, found.end, 2, 100) == Piece(path.name, 4, 7, ["", "4"])

    def test_knows_the_place_of_each_line_in_bytes(self, tmp_path):
        """Characters of several bytes count as what they take in the file."""
        path = put(tmp_path, A, "é\n😀x\ny\n".encode())
        found = read_lines(path, 0, 10, 100)
        assert [found.place_of(number) for number in range(3)] == [0, 3, 9]
        assert found.end == path.stat().st_size

    def test_gives_bytes_where_a_neighbour_is_no_text(self, tmp_path):
        """A line that is not UTF-8 spoils nothing but itself."""
        path = put(tmp_path, A, "é\n".encode() + b"\xff\xfe\n\xc3\n\nz\n")
        found = read_lines(path, 0, 10, 100)
        assert as_bytes(found.lines) == ["é".encode(), b"\xff\xfe", b"\xc3", b"", b"z"]
        assert found.place_of(2) == 6
        assert found.end == path.stat().st_size

    @pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
    def test_ends_a_line_at_newlines_only(self, tmp_path, separator):
        """Other marks that some programs take for line ends are part of the line."""
        path = put(tmp_path, A, f"a{separator}b\n".encode())
        assert read_lines(path, 0, 10, 100).lines == [f"a{separator}b"]

    @pytest.mark.parametrize("over", [1, 2, 1000])
    def test_a_line_over_the_limit_is_one_unfit_piece(self, tmp_path, over):
        """It is found at its start, its newline included, and the next line comes after it."""
        path = put(tmp_path, A, b"x" * (5_000_000 + over) + b"\nnext\n")
        found = read_lines(path, 0, 10, 5_000_000)
        assert isinstance(found, Unfit)
        assert (found.start, found.end) == (0, 5_000_000 + over + 1)
        assert found.reason == "longer than 5000000 bytes, the most that intake.max_event_bytes allows"
        assert read_lines(path, found.end, 10, 5_000_000).lines == ["next"]

    def test_a_line_of_exactly_the_limit_is_a_line(self, tmp_path):
        """The newline does not count."""
        path = put(tmp_path, A, b"x" * 5_000_000 + b"\n")
        assert len(read_lines(path, 0, 10, 5_000_000).lines[0]) == 5_000_000

    def test_waits_for_the_end_of_a_long_line(self, tmp_path):
        """As long as it may still be written."""
        path = put(tmp_path, A, b"x" * 5_000_001)
        assert read_lines(path, 0, 10, 5_000_000) == Endless(0, 5_000_001)

    def test_begins_again_in_a_file_that_was_cut(self, tmp_path):
        """What is new in it must not be passed over; what is old is known by its id."""
        path = put(tmp_path, A, b"new\n")
        assert read_lines(path, 500, 10, 100) == Piece(path.name, 0, 4, ["new"])
        assert read_lines(path, 4, 10, 100) is None
        put(tmp_path, A, b"")
        assert read_lines(path, 500, 10, 100) is None


class TestAbandoned:
    def test_is_a_file_whose_lock_is_free(self, tmp_path):
        """The size is told, and the lock is held meanwhile."""
        path = put(tmp_path, A, b"12345")
        with abandoned(path) as size, path.open() as another:
            assert size == 5
            with pytest.raises(BlockingIOError):
                fcntl.flock(another, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with abandoned(path) as size:
            assert size == 5

    def test_is_not_a_file_that_a_host_holds(self, tmp_path):
        """Until the host is gone."""
        host = Host(tmp_path, A)
        with abandoned(host.path) as size:
            assert size is None
        host.leave()
        with abandoned(host.path) as size:
            assert size == 0

    def test_is_not_a_file_that_is_gone_or_closed_to_us(self, tmp_path, monkeypatch):
        """Nobody can say, so nothing is deleted."""
        with abandoned(tmp_path / name(A)) as size:
            assert size is None
        path = put(tmp_path, A, b"")
        monkeypatch.setattr(os, "open", closed_to_us)
        with abandoned(path) as size:
            assert size is None


def closed_to_us(path, *_):
    raise PermissionError(13, "Permission denied", str(path))


class TestStaleBirths:
    @staticmethod
    def born(folder, seconds_ago):
        path = folder / f".{name(A)}.new"
        path.write_bytes(b"")
        os.utime(path, (NOW / 1e6 - seconds_ago,) * 2)
        return path

    def test_are_cleared_after_an_hour_without_a_host(self, tmp_path):
        """A host that died while it made its file left it behind."""
        path = self.born(tmp_path, 3601)
        assert clear_stale_births(tmp_path, NOW) == 1
        assert not path.exists()

    def test_may_be_young(self, tmp_path):
        """A young one is not even asked for its lock: its host is about to take it."""
        path = self.born(tmp_path, 3599)
        with path.open() as file, pytest.MonkeyPatch.context() as patch:
            patch.setattr(fcntl, "flock", lambda *_: pytest.fail("the lock was tried"))
            assert clear_stale_births(tmp_path, NOW) == 0
            assert file.readable()
        assert path.exists()

    def test_may_be_held(self, tmp_path):
        """A host that was stopped for a day still has its file."""
        path = self.born(tmp_path, 86_400)
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert clear_stale_births(tmp_path, NOW) == 0
        assert path.exists()

    def test_may_vanish_or_be_closed_to_us(self, tmp_path, monkeypatch):
        """Neither is an error of the intake."""
        path = self.born(tmp_path, 3601)
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", closed_to_us)
            assert clear_stale_births(tmp_path, NOW) == 0
        real = os.open

        def taken_away(*arguments):
            descriptor = real(*arguments)
            path.unlink()
            return descriptor

        monkeypatch.setattr(os, "open", taken_away)
        assert clear_stale_births(tmp_path, NOW) == 0

    def test_are_the_only_files_cleared(self, tmp_path):
        """Old files of others, and old spool files, stay."""
        for other in (".something.new", name(A), ".hidden"):
            (tmp_path / other).write_bytes(b"")
            os.utime(tmp_path / other, (0, 0))
        assert clear_stale_births(tmp_path, NOW) == 0
        assert len(os.listdir(tmp_path)) == 3


class TestPieces:
    def test_copies_a_range_in_pieces(self, tmp_path, monkeypatch):
        """Byte for byte, also where a piece ends within it."""
        monkeypatch.setattr(spool_reading, "_READ_BYTES", 7)
        path = put(tmp_path, A, bytes(range(100)))
        spool_reading.copy_range(path, 5, 95, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == spool_reading.read_range(path, 5, 95) == bytes(range(5, 95))


def lines_of(found):
    return [text for piece in found.pieces for text in piece.lines]


class TestSpoolReader:
    def test_reads_a_writers_files_in_their_order(self, tmp_path):
        """The second file only when the first is read to its end."""
        put(tmp_path, A, b"1\n2\n3\n", 1)
        put(tmp_path, A, b"4\n", 2)
        put(tmp_path, A, b"5\n", 10)
        reader = SpoolReader(tmp_path, 100)
        first = reader.look({}, 2, 1 << 20)
        assert (lines_of(first), first.more) == (["1", "2"], True)
        second = reader.look({name(A): 4}, 100, 1 << 20)
        assert lines_of(second) == ["3", "4", "5"]
        assert not second.more

    def test_keeps_that_order_for_as_many_files_as_come(self, tmp_path):
        """Batch by batch, the lines of one writer are in the order of their writing."""
        numbers = iter(range(10_000))
        for rotation in range(1, 12):
            put(tmp_path, A, b"".join(b"%d\n" % next(numbers) for _ in range(7)), rotation)
            put(tmp_path, B, b"".join(b"b%d\n" % number for number in range(3)), rotation)
        reader, positions, seen = SpoolReader(tmp_path, 100), {}, []
        while (found := reader.look(positions, 5, 1 << 20)).pieces:
            positions |= {piece.name: piece.end for piece in found.pieces}
            seen += [int(text) for text in lines_of(found) if not text.startswith("b")]
        assert seen == list(range(77))

    def test_gives_a_quiet_host_its_turn_beside_busy_ones(self, tmp_path):
        """Whoever has one line waits for a round of the others, not for their end."""
        put(tmp_path, A, b"busy\n" * 10_000)
        put(tmp_path, B, b"busy\n" * 10_000)
        put(tmp_path, C, b"quiet\n")
        reader, positions = SpoolReader(tmp_path, 100), {}
        for _ in range(3):
            found = reader.look(positions, 100, 1 << 20)
            assert found.more
            positions |= {piece.name: piece.end for piece in found.pieces}
            if "quiet" in lines_of(found):
                return
        pytest.fail("three looks, and the quiet host's line was not among them")

    def test_stops_when_the_bytes_are_enough(self, tmp_path):
        """A batch of many long lines is bounded, and the others' turn comes with the next look."""
        put(tmp_path, A, b"x" * 50 + b"\n")
        put(tmp_path, B, b"y" * 50 + b"\n")
        reader = SpoolReader(tmp_path, 100)
        first, second = reader.look({}, 100, 10), reader.look({}, 100, 10)
        assert [lines_of(first)[0][0], lines_of(second)[0][0]] == ["x", "y"]
        assert first.more
        assert len(lines_of(first)) == 1

    def test_passes_over_files_that_are_done_with(self, tmp_path):
        """A negative position says so."""
        put(tmp_path, A, b"1\n")
        found = SpoolReader(tmp_path, 100).look({name(A): -1}, 100, 1 << 20)
        assert (found.names, found.pieces, found.more) == ([name(A)], [], False)

    def test_a_file_may_vanish_between_listing_and_reading(self, tmp_path, monkeypatch):
        """What is gone is not waited for, and the next file of its writer is read."""
        put(tmp_path, A, b"1\n", 1)
        put(tmp_path, A, b"2\n", 2)
        listed = spool_names(tmp_path)
        monkeypatch.setattr(spool_reading, "spool_names", lambda _: listed)
        (tmp_path / name(A)).unlink()
        found = SpoolReader(tmp_path, 100).look({}, 100, 1 << 20)
        assert lines_of(found) == ["2"]
        assert found.problems == []

    def test_a_file_that_may_not_be_read_is_a_problem_of_its_own(self, tmp_path, monkeypatch):
        """It is named with what is wrong, and the others are read."""
        put(tmp_path, A, b"1\n")
        put(tmp_path, B, b"2\n")
        real = spool_reading.read_lines
        closed = lambda path, *more: closed_to_us(path) if path.name == name(A) else real(path, *more)  # noqa: E731
        monkeypatch.setattr(spool_reading, "read_lines", closed)
        found = SpoolReader(tmp_path, 100).look({}, 100, 1 << 20)
        assert lines_of(found) == ["2"]
        assert found.problems == [
            f"spool/{name(A)}: Permission denied; expected a file that the daemon's user may read"
        ]

    def test_an_unfit_line_ends_its_writers_turn(self, tmp_path):
        """What comes after it waits, so that the order stays."""
        put(tmp_path, A, b"1\n", 1)
        put(tmp_path, A, b"x" * 200_000 + b"\n3\n", 2)
        reader = SpoolReader(tmp_path, 100_000)
        found = reader.look({}, 1, 1 << 20)
        assert (lines_of(found), found.unfit, found.more) == (["1"], [], True)
        found = reader.look({name(A): 2}, 10, 1 << 20)
        assert (lines_of(found), [unfit.name for unfit in found.unfit], found.more) == ([], [name(A, 2)], True)


class TestWhatIsNoSpoolFile:
    def test_a_link_to_a_file_of_the_state_is_not_opened(self, tmp_path):
        """Closing the log's own file would drop SQLite's locks on it."""
        spool = tmp_path / "spool"
        spool.mkdir()
        (tmp_path / "events.db").write_bytes(b"SQLite format 3\n")
        linked = spool / f"{A}-000001.ndjson"
        os.link(tmp_path / "events.db", linked)
        with pytest.raises(FileNotFoundError, match="not a spool file"):
            spool_reading.open_plain(linked)
        assert spool_reading.SpoolReader(spool, 1000).look({}, 10, 1000).pieces == []
        with spool_reading.abandoned(linked) as size:
            assert size is None

    def test_a_link_from_a_backup_does_no_harm(self, tmp_path):
        """Copies made with hard links are ordinary; the file is still read."""
        spool = tmp_path / "spool"
        spool.mkdir()
        path = put(spool, A, b"1\n")
        os.link(path, tmp_path.parent / f"{tmp_path.name}-copy")
        assert spool_reading.read_lines(path, 0, 10, 100).lines == ["1"]

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        """Though it took the place of a file after the folder was looked at."""
        os.mkfifo(tmp_path / A)
        with pytest.raises(FileNotFoundError, match="not a spool file"):
            spool_reading.read_lines(tmp_path / A, 0, 10, 100)


def test_one_writers_many_files_fill_no_more_than_a_commit(tmp_path):
    """The bytes of a batch are bounded over all files of a writer."""
    for number in range(1, 9):
        (tmp_path / f"{A}-{number:06}.ndjson").write_bytes(b"x" * 99 + b"\n")
    found = spool_reading.SpoolReader(tmp_path, 1000).look({}, 1000, 250)
    assert len(found.pieces) == 3
    assert found.more


class TestALineThatNeverEnds:
    """Nobody knows when its newline comes; it must not be read from its beginning at every look until then."""

    LIMIT = 5_000_000

    @pytest.fixture
    def counted(self, monkeypatch):
        """How many bytes were read since this was last asked."""
        read, real = [0], os.pread

        def counting(descriptor, length, place):
            data = real(descriptor, length, place)
            read[0] += len(data)
            return data

        def since():
            before, read[0] = read[0], 0
            return before

        monkeypatch.setattr(spool_reading.os, "pread", counting)
        return since

    def looked(self, reader):
        return reader.look({}, 10, 1 << 30)

    def test_is_looked_through_once(self, tmp_path, counted):
        """Later looks read what was added alone; when it ends, all of it is unfit, and what follows is read."""
        path = put(tmp_path, A, b"x" * 20_000_000)
        reader = SpoolReader(tmp_path, self.LIMIT)
        first = self.looked(reader)
        assert (first.pieces, first.unfit, first.more) == ([], [], False)
        assert counted() == 20_000_000
        for _ in range(3):
            self.looked(reader)
        assert counted() == 0
        with path.open("ab") as file:
            file.write(b"y" * 1000)
        self.looked(reader)
        assert counted() == 1000
        with path.open("ab") as file:
            file.write(b"\nnext\n")
        (unfit,) = self.looked(reader).unfit
        assert (unfit.start, unfit.end) == (0, 20_001_001)
        assert counted() == 6
        (piece,) = reader.look({path.name: unfit.end}, 10, 1 << 30).pieces
        assert piece.lines == ["next"]

    def test_is_looked_through_in_parts_that_let_others_in(self, tmp_path, counted, monkeypatch):
        """As long as there is more to search, another look is wanted at once."""
        monkeypatch.setattr(spool_reading, "SEARCHED_AT_ONCE", 8 << 20)
        put(tmp_path, A, b"x" * (40 << 20))
        put(tmp_path, B, b"theirs\n")
        reader = SpoolReader(tmp_path, self.LIMIT)
        looks = [self.looked(reader)]
        assert [piece.lines for piece in looks[0].pieces] == [["theirs"]]
        while looks[-1].more:
            looks.append(reader.look({name(B): 7}, 10, 1 << 30))
        assert len(looks) in (5, 6)

    def test_that_was_cut_is_read_from_where_it_stands(self, tmp_path):
        """Somebody truncated the file, and its host wrote on."""
        path = put(tmp_path, A, b"x" * 20_000_000)
        reader = SpoolReader(tmp_path, self.LIMIT)
        self.looked(reader)
        path.write_bytes(b"one\ntwo\n")
        assert self.looked(reader).pieces[0].lines == ["one", "two"]

    def test_is_forgotten_with_its_file(self, tmp_path):
        """Another file of that name begins anew."""
        path = put(tmp_path, A, b"x" * 20_000_000)
        reader = SpoolReader(tmp_path, self.LIMIT)
        self.looked(reader)
        path.unlink()
        self.looked(reader)
        put(tmp_path, A, b"y" * 6_000_000 + b"\n" + b"z" * 15_000_000)
        (unfit,) = self.looked(reader).unfit
        assert unfit.end == 6_000_001
