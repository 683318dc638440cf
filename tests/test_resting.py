"""Columns that rest in files: the same columns, in less memory."""

import os
import resource

import numpy as np

from bench.log_maker import entries, fill
from daemon.memory_log import MemoryEventLog
from daemon.views.columns import Columns
from daemon.views.key_index import KeyIndex
from daemon.views.resting import Resting
from daemon.views.store import Views, rebuild_digests

MEGABYTE = 1 << 20


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mapped(folder):
    """The nameless files of this process in that folder."""
    with open("/proc/self/maps") as file:
        return [line for line in file if f"{folder}/" in line and "(deleted)" in line]


def test_a_table_at_rest_is_read_written_and_grows_as_before(tmp_path):
    """Through several rests, and beyond the room that it rested with."""
    resting, table, expected = Resting(tmp_path, least_bytes=64), Columns({"a": "<i8", "b": "|i1"}), []
    for round_ in range(6):
        new = list(range(round_ * 1000, round_ * 1000 + 50 * 4**round_))
        table.append(len(new), a=np.array(new), b=round_)
        expected += new
        table.rest(resting)
        table["a"][round_] = expected[round_] = -round_
        resting.let_go()
        assert table["a"].tolist() == expected
    assert len(mapped(tmp_path)) == 2


def test_an_index_at_rest_finds_and_learns(tmp_path):
    """Runs that were laid down are merged with those that were not."""
    index, resting = KeyIndex(), Resting(tmp_path, least_bytes=64)
    for start in range(0, 3000, 300):
        index.add(np.arange(start, start + 300) * 7919, np.arange(start, start + 300))
        index.rest(resting)
        resting.let_go()
        assert index.find(np.arange(start + 300) * 7919).tolist() == list(range(start + 300))
        assert mapped(tmp_path)


def test_views_that_rest_fold_on_as_others(tmp_path):
    """After every page, with what is resolved of them; and the file has it all."""
    log = MemoryEventLog(b"salt")
    source = entries(1200, 5)
    with Views.open(tmp_path / "views.db", log, resting=Resting(tmp_path, least_bytes=64)) as views:
        for _ in range(12):
            fill(log, source, 100)
            views.catch_up()
            views.rest()
            resolved = views.examples.resolved()
        assert mapped(tmp_path)
        assert views.digests() == rebuild_digests(log)
    with Views.open(tmp_path / "views.db", log) as views:
        again = views.examples.resolved()
        assert {name: values.tobytes() for name, values in again.items()} == {
            name: values.tobytes() for name, values in resolved.items()
        }


def test_what_rests_is_in_no_memory_until_it_is_asked_for(tmp_path):
    """And leaves no name in the folder, which a kill would leave behind."""
    resting, table = Resting(tmp_path), Columns({"a": "<i8"})
    table.append(8 * MEGABYTE, a=np.arange(8 * MEGABYTE))
    before = resident()
    table.rest(resting)
    resting.let_go()
    assert before - resident() > 50 * MEGABYTE
    assert int(table["a"].sum()) == 4 * MEGABYTE * (8 * MEGABYTE - 1)
    assert resident() > before - 10 * MEGABYTE
    assert not list(tmp_path.iterdir())


def test_a_mapping_goes_with_its_last_array(tmp_path):
    """What outgrows its file leaves none behind."""
    resting, table = Resting(tmp_path, least_bytes=64), Columns({"a": "<i8"})
    table.append(1000, a=1)
    table.rest(resting)
    assert len(mapped(tmp_path)) == 1
    table.append(1000, a=2)
    assert not mapped(tmp_path)


def test_where_a_file_cannot_be_made_columns_stay_in_memory(tmp_path):
    """A disk without room, or a folder that is gone, costs memory and nothing else."""
    table = Columns({"a": "<i8"})
    table.append(100_000, a=np.arange(100_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        table.rest(Resting(tmp_path, least_bytes=64))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    table.rest(Resting(tmp_path / "gone", least_bytes=64))
    assert not mapped(tmp_path)
    assert table["a"].tolist() == list(range(100_000))
