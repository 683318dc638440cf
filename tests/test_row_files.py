"""Files in chunks: what a chunk says is there as a whole or not at all, however the tail was torn."""

import numpy as np
import pytest

from daemon.row_files import CHUNKS, Committed, RowFiles

KINDS = {
    "numbers": np.dtype("<i8"),
    "vectors": np.dtype((np.float16, (3,))),
    "few": np.dtype([("a", "<i4"), ("b", "|i1")]),
}


def chunk(*numbers):
    few = np.zeros(1, KINDS["few"])
    few["a"] = numbers[0]
    return {"numbers": np.array(numbers), "vectors": np.outer(numbers, [1, 2, 3]).astype(np.float16), "few": few}


@pytest.fixture
def files(tmp_path):
    made = RowFiles(tmp_path, KINDS)
    made.open_to_write()
    return made


@pytest.fixture
def written(files):
    """Two chunks, of two records and of three."""
    first = files.append(files.committed(), 10, chunk(1, 2))
    files.append(first, 20, chunk(3, 4, 5))
    return files


def read(files):
    found = files.committed()
    return found, {name: files.read(name, rows).tolist() for name, rows in zip(KINDS, found.rows, strict=True)}


def test_nothing_is_there_at_first(files):
    """Empty files, of the right shapes."""
    assert files.committed() == Committed(0, (0, 0, 0))
    assert files.read("vectors", 0).shape == (0, 3)


def test_chunks_follow_each_other(written):
    """Each file has as many records as it was given."""
    found, records = read(written)
    assert found == Committed(20, (5, 5, 2))
    assert records["numbers"] == [1, 2, 3, 4, 5]
    assert records["vectors"][4] == [5, 10, 15]


@pytest.mark.parametrize("name", [*KINDS, CHUNKS])
def test_a_tail_that_was_cut_anywhere_is_absent(written, tmp_path, name):
    """The chunk before it stays, for readers and for the next writer, who goes on there."""
    whole = (tmp_path / name).read_bytes()
    second = len(whole) // 2 if name in (CHUNKS, "few") else len(whole) * 2 // 5
    for size in range(second, len(whole)):
        (tmp_path / name).write_bytes(whole[:size])
        assert written.committed() == Committed(10, (2, 2, 1)), size
    assert written.open_to_write() == Committed(10, (2, 2, 1))
    written.append(written.committed(), 30, chunk(9))
    assert read(written)[1]["numbers"] == [1, 2, 9]


@pytest.mark.parametrize("name", KINDS)
def test_bytes_without_their_chunk_are_cut_off(written, tmp_path, name):
    """A kill between the data and what tells of it."""
    with (tmp_path / name).open("ab") as file:
        file.write(b"torn")
    assert written.committed().position == 20
    written.append(written.open_to_write(), 30, chunk(9))
    assert read(written)[1]["numbers"] == [1, 2, 3, 4, 5, 9]


@pytest.mark.parametrize("name", [*KINDS, CHUNKS])
def test_a_damaged_chunk_is_made_again(written, tmp_path, name):
    """A byte of the newest chunk that is not what was written."""
    raw = bytearray((tmp_path / name).read_bytes())
    raw[-1] ^= 1
    (tmp_path / name).write_bytes(raw)
    assert written.open_to_write() == Committed(10, (2, 2, 1))


def test_overwritten_records_stay_in_whole_chunks(written):
    """Once the sums are made anew."""
    written.overwrite("numbers", np.array([0, 4]), np.zeros((), "<i8"))
    written.overwrite("vectors", np.array([4]), np.zeros((), np.float16))
    written.checked_anew()
    assert written.open_to_write() == Committed(20, (5, 5, 2))
    assert read(written)[1]["numbers"] == [0, 2, 3, 4, 0]
    assert read(written)[1]["vectors"][4] == [0, 0, 0]


def test_others_cannot_read_them(written, tmp_path):
    """What was derived from a text is as private as the text."""
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
