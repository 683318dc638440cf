"""The file's chunks: appended, put together, never lost."""

import numpy as np
import pytest

from daemon.views.columns import Columns
from daemon.views.saving import CHUNK_BYTES, ViewsFile, ViewsUnreadable


@pytest.fixture
def file(tmp_path):
    file = ViewsFile(tmp_path / "views.db")
    yield file
    file.close()


def grow(table, count):
    table.append(count, a=np.arange(table.rows, table.rows + count))


def loaded(file, generation):
    table = Columns({"a": "<i8"})
    file.load_rows(generation, "rows", table)
    return table["a"].tolist()


@pytest.mark.parametrize("sizes", [[1] * 200, [3, 70, 1] * 40, [CHUNK_BYTES // 8 * 2 + 5, 1, 1]])
def test_rows_come_back_whole_and_in_few_chunks(file, sizes):
    """In steps of any size."""
    view, table, chunks = file.add("v", 1, current=True), Columns({"a": "<i8"}), []
    for size in sizes:
        grow(table, size)
        file.save_rows(view.generation, "rows", table, chunks)
    assert loaded(file, view.generation) == list(range(sum(sizes)))
    assert len(chunks) <= 30


def test_a_failed_transaction_leaves_what_was(file):
    """Rows, cells and position are of the same moment."""
    view, table, chunks = file.add("v", 1, current=True), Columns({"a": "<i8"}), []
    grow(table, 5)
    with pytest.raises(OSError, match="disk"), file.transaction():  # noqa: PT012 - the failure comes after the work
        file.save_rows(view.generation, "rows", table, chunks)
        file.save_cells(view.generation, {"k": "v"})
        file.move(view.generation, 5, b"x")
        raise OSError("disk")
    assert (loaded(file, view.generation), file.cells(view.generation)) == ([], {})
    assert file.views() == [view]


def test_a_removed_state_takes_its_chunks_and_cells_along(file):
    """The others stay."""
    kept, gone = file.add("v", 1, current=True), file.add("v", 2, current=False)
    table = Columns({"a": "<i8"})
    grow(table, 5)
    for view in (kept, gone):
        file.save_rows(view.generation, "rows", table, [])
        file.save_cells(view.generation, {"k": "v"})
    file.remove(gone.generation)
    assert (loaded(file, gone.generation), file.cells(gone.generation)) == ([], {})
    assert (loaded(file, kept.generation), file.views()) == ([0, 1, 2, 3, 4], [kept])


def test_a_cell_without_a_value_is_gone(file):
    """None takes it out of the file."""
    view = file.add("v", 1, current=True)
    file.save_cells(view.generation, {"a": "1", "b": "2"})
    file.save_cells(view.generation, {"a": None, "b": "3"})
    assert file.cells(view.generation) == {"b": "3"}


def test_missing_rows_are_noticed(file):
    """A chunk that does not follow upon the one before."""
    view, table = file.add("v", 1, current=True), Columns({"a": "<i8"})
    grow(table, 5)
    file.save_rows(view.generation, "rows", table, [])
    file._connection.execute("UPDATE chunks SET start = 3, stop = 8")
    with pytest.raises(ViewsUnreadable, match=r"rows 3 to 8 of rows follow upon row 5.*move it away"):
        loaded(file, view.generation)
