import errno
import fcntl
import os
import random
import re
import signal
import stat
import threading
import time

import pytest

from adaptd import spool as spool_module
from adaptd import spool_file
from adaptd.errors import LineTooLong, SpoolFailed
from adaptd.spool import Spool
from tests.spooled_lines import events_in, host_process, ids_in, output_of, spool_files, whole_lines

NOW = 1_700_000_000_000_000


@pytest.fixture
def spool(tmp_path):
    made = Spool(str(tmp_path / "state" / "spool"))
    yield made
    made.close()


def put(spool, name, at=NOW, **more):
    spool.put("feedback_recorded/1", f'"{name}"', at, b'{"score":1}', **more)


def is_locked(path):
    fd = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def test_a_line_is_the_envelope_and_the_fields(spool, tmp_path):
    """Kind, id, writer, counter and time come first, in this order, without spaces."""
    put(spool, "a")
    [path] = spool_files(tmp_path / "state")
    assert path.read_bytes() == (
        b'{"kind":"feedback_recorded/1","id":"a","writer":"%b","n":1,"at":%d,"score":1}\n'
        % (spool.writer.encode(), NOW)
    )
    assert re.fullmatch(r"[0-9a-f]{16}-000001\.ndjson", path.name)


def test_the_host_holds_the_files_lock_until_it_lets_go(spool, tmp_path):
    """A daemon cannot have the lock of a file that is written to."""
    put(spool, "a")
    [path] = spool_files(tmp_path / "state")
    assert is_locked(path)
    spool.close()
    assert not is_locked(path)


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_modes_do_not_depend_on_the_umask(umask, tmp_path):
    """The file is 0660 and its folder 2770, for a service under another user; the state folder is its owner's, 2750."""
    before = os.umask(umask)
    try:
        spool = Spool(str(tmp_path / "state" / "spool"))
        put(spool, "a")
    finally:
        os.umask(before)
    [path] = spool_files(tmp_path / "state")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o2770
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o2750
    spool.close()


def test_a_full_file_is_followed_by_a_new_one(spool, tmp_path, monkeypatch):
    """The counter goes on over the rotation and the old file's lock is free."""
    monkeypatch.setattr(spool_module, "ROTATE_AT_BYTES", 1000)
    for i in range(40):
        put(spool, f"e{i}")
    files = spool_files(tmp_path / "state")
    assert len(files) > 3
    assert [event["n"] for path in files for event in whole_lines(path)] == list(range(1, 41))
    assert [is_locked(path) for path in files] == [False] * (len(files) - 1) + [True]


def test_a_full_file_goes_on_when_no_new_one_can_be_born(spool, tmp_path, monkeypatch):
    """Too long is better than lost."""
    put(spool, "a")
    monkeypatch.setattr(spool_module, "ROTATE_AT_BYTES", 1)
    monkeypatch.setattr(SpoolFileClass, "born", classmethod(_no_file))
    put(spool, "b")
    put(spool, "c")
    assert ids_in(tmp_path / "state") == ["a", "b", "c"]


SpoolFileClass = spool_file.SpoolFile


def _no_file(cls, folder, name):
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_removed_file_is_noticed_within_a_second(spool, tmp_path):
    """The next line after a second goes to a new file, in a folder made anew."""
    put(spool, "a")
    for path in spool_files(tmp_path / "state"):
        path.unlink()
    (tmp_path / "state" / "spool").rmdir()
    put(spool, "lost", at=NOW + 900_000)
    put(spool, "b", at=NOW + 1_100_000)
    assert ids_in(tmp_path / "state") == ["b"]
    assert spool.stats()["removed_files"] == 1


def test_a_clock_that_goes_back_does_not_stop_the_looking(spool, tmp_path):
    """An hour back, the file is looked for at once."""
    put(spool, "a")
    [path] = spool_files(tmp_path / "state")
    path.unlink()
    put(spool, "b", at=NOW - 3_600_000_000)
    assert ids_in(tmp_path / "state") == ["b"]


def test_a_torn_write_is_closed_by_a_newline_and_written_again(spool, tmp_path, monkeypatch):
    """The torn piece is a line of its own, the event is whole after it."""
    put(spool, "a")
    monkeypatch.setattr(spool_file, "_write", short_once(20))
    put(spool, "b")
    put(spool, "c")
    [path] = spool_files(tmp_path / "state")
    lines = path.read_bytes().split(b"\n")
    assert lines[1] == b'{"kind":"feedback_re'
    assert ids_in(tmp_path / "state") == ["a", "b", "c"]
    assert spool.stats()["bytes"] == path.stat().st_size


def short_once(length):
    """A write that tears the first piece it is given."""
    torn = []

    def write(fd, data):
        if torn:
            return os.write(fd, data)
        torn.append(data)
        return os.write(fd, data[:length])

    return write


def test_a_torn_batch_goes_on_at_the_torn_line(spool, tmp_path, monkeypatch):
    """The lines before the tear are not written twice."""
    monkeypatch.setattr(spool_file, "_write", short_once(150))
    spool.put_many("feedback_recorded/1", [(f'"{i}"', NOW, b'{"score":1}') for i in range(5)])
    put(spool, "5")
    assert ids_in(tmp_path / "state") == ["0", "1", "2", "3", "4", "5"]
    assert [event["n"] for event in events_in(tmp_path / "state")] == [1, 2, 3, 4, 5, 6]


def test_a_write_that_fails_goes_to_a_new_file_at_once(spool, tmp_path):
    """A host that closed our descriptor loses no event."""
    put(spool, "a")
    os.close(spool._file.fd)
    put(spool, "b")
    assert ids_in(tmp_path / "state") == ["a", "b"]


def test_a_descriptor_that_is_another_files_is_left_alone(spool, tmp_path):
    """After a host closed ours and opened its own under the number, we write elsewhere and do not close it."""
    put(spool, "a")
    fd = spool._file.fd
    os.close(fd)
    theirs = os.open(tmp_path / "theirs", os.O_CREAT | os.O_WRONLY)
    assert theirs == fd
    put(spool, "b", at=NOW + 1_100_000)
    assert ids_in(tmp_path / "state") == ["a", "b"]
    assert os.fstat(theirs).st_size == 0
    os.close(theirs)


def test_a_full_disk_fails_and_is_tried_again(spool, tmp_path, monkeypatch):
    """The error names folder, reason and remedy; the next call after a pause works, and no empty files are left."""
    monkeypatch.setattr(spool_file, "_write", full_disk)
    for i in range(5):
        with pytest.raises(SpoolFailed, match=r"No space left.*Make room on the disk"):
            put(spool, f"lost{i}", at=NOW + i)
    assert spool_files(tmp_path / "state") == []
    monkeypatch.undo()
    with pytest.raises(SpoolFailed):
        put(spool, "in the pause", at=NOW + 5)
    put(spool, "a", at=NOW + 2_000_000)
    assert [(event["id"], event["n"]) for event in events_in(tmp_path / "state")] == [("a", 1)]


def full_disk(fd, data):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_broken_folder_is_not_tried_at_every_call(tmp_path, monkeypatch):
    """The first failure is tried again at once; after that there are pauses of up to a second."""
    (tmp_path / "state").write_text("a file where a folder should be")
    spool = Spool(str(tmp_path / "state" / "spool"))
    tries = []
    monkeypatch.setattr(spool_module, "make_folder", tries.append)
    born = SpoolFileClass.born
    monkeypatch.setattr(SpoolFileClass, "born", classmethod(lambda cls, *place: (tries.append(place), born(*place))[1]))
    for i in range(1000):
        with pytest.raises(SpoolFailed, match="Not a directory"):
            put(spool, "a", at=NOW + i * 1000)
    assert 5 <= len(tries) <= 12


def fails(spool, at):
    try:
        put(spool, "lost", at=at)
    except SpoolFailed:
        return True
    return False


def test_after_a_good_second_a_failure_is_tried_again_at_once(spool, tmp_path, monkeypatch):
    """Pauses begin anew when a file has been written to for a second."""
    monkeypatch.setattr(spool_file, "_write", full_disk)
    for i in range(4):
        assert fails(spool, at=NOW + i * 100_000)
    monkeypatch.undo()
    put(spool, "a", at=NOW + 2_000_000)
    put(spool, "b", at=NOW + 3_100_000)
    with monkeypatch.context() as broken:
        broken.setattr(spool_file, "_write", full_disk)
        assert fails(spool, at=NOW + 3_200_000)
    put(spool, "c", at=NOW + 3_200_001)
    assert ids_in(tmp_path / "state") == ["a", "b", "c"]


def test_a_line_that_is_too_long_says_how_long(tmp_path):
    """The size and the limit are named, and the counter is not used up."""
    spool = Spool(str(tmp_path / "state" / "spool"), most_line_bytes=200)
    with pytest.raises(LineTooLong, match="a line of 309 bytes, expected at most 200"):
        spool.put("feedback_recorded/1", '"a"', NOW, b'{"comment":"%b"}' % (b"x" * 200))
    put(spool, "b")
    assert [event["n"] for event in events_in(tmp_path / "state")] == [1]
    spool.close()


def test_callers_share_flushes(spool, tmp_path, monkeypatch):
    """64 threads that wait for the disk need at most a tenth as many flushes."""
    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: time.sleep(0.004))
    threads = [
        threading.Thread(target=lambda i=i: [put(spool, f"{i}-{j}", durable=True) for j in range(10)])
        for i in range(64)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids_in(tmp_path / "state")) == sorted(f"{i}-{j}" for i in range(64) for j in range(10))
    assert 640 / spool.stats()["durable_flushes"] >= 10


def test_a_durable_line_is_flushed_before_the_return_and_its_folder_once(spool, monkeypatch):
    """File and folder are flushed; the folder only after a file was born in it."""
    seen = []
    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: seen.append("file"))
    monkeypatch.setattr(spool_file, "_fsync", lambda fd: seen.append("folder"))
    put(spool, "a")
    seen.clear()
    put(spool, "b", durable=True)
    put(spool, "c", durable=True)
    assert seen == ["file", "folder", "file"]


def test_a_failed_flush_fails_all_who_wait_and_the_file_is_given_up(spool, tmp_path, monkeypatch):
    """After a failed flush the kernel has dropped the pages: nobody is told that a second try worked."""
    in_flush, go_on = threading.Event(), threading.Event()

    def broken(fd):
        in_flush.set()
        go_on.wait(5)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(spool_file, "_fdatasync", broken)
    failures = []

    def caller(name):
        with pytest.raises(SpoolFailed, match="Input/output error"):
            put(spool, name, durable=True)
        failures.append(name)

    threads = [threading.Thread(target=caller, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    in_flush.wait(5)
    while spool.counter < 3:
        time.sleep(0.001)
    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: None)
    go_on.set()
    for thread in threads:
        thread.join()
    assert sorted(failures) == ["a", "b", "c"]
    put(spool, "d", durable=True)
    assert len(spool_files(tmp_path / "state")) == 2
    assert spool.stats()["lines"] == 1


def test_who_waits_for_the_disk_is_served_before_a_rotation(spool, monkeypatch):
    """A rotation between a durable caller's write and its flush flushes for it, and the caller finds it done."""
    flushed, flush = [], spool._flush

    def rotated_before(file, n):
        spool.close()
        flush(file, n)

    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: flushed.append(os.fstat(fd)))
    monkeypatch.setattr(spool, "_flush", rotated_before)
    put(spool, "a", durable=True)
    assert len(flushed) == 1


def test_flush_reaches_files_that_were_let_go(spool, tmp_path, monkeypatch):
    """Every file written since the last flush is flushed, the rotated ones by their names."""
    monkeypatch.setattr(spool_module, "ROTATE_AT_BYTES", 300)
    for i in range(6):
        put(spool, f"e{i}")
    flushed = []
    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: flushed.append(os.fstat(fd).st_ino))
    spool.flush()
    assert sorted(flushed) == sorted(path.stat().st_ino for path in spool_files(tmp_path / "state"))
    spool.flush()
    assert len(flushed) == len(set(flushed))


def test_a_call_in_the_midst_of_another_has_a_file_of_its_own(spool, tmp_path, monkeypatch):
    """A signal handler between a torn piece and its newline tears nothing, and every file is in counter order."""

    def write(fd, data):
        monkeypatch.setattr(spool_file, "_write", os.write)
        written = os.write(fd, data[:15])
        put(spool, "handler", durable=True)
        return written

    put(spool, "a")
    monkeypatch.setattr(spool_file, "_write", write)
    put(spool, "b")
    assert sorted(ids_in(tmp_path / "state")) == ["a", "b", "handler"]
    assert [sorted(event["n"] for event in whole_lines(path)) for path in spool_files(tmp_path / "state")] in (
        [[1, 2], [1]],
        [[1], [1, 2]],
    )
    assert spool.stats()["lines"] == 3


def test_an_interrupt_between_a_torn_piece_and_its_newline_gives_the_file_up(spool, tmp_path, monkeypatch):
    """The next line does not stand behind the torn piece."""

    def interrupted(fd, data):
        os.write(fd, data[:15])
        raise KeyboardInterrupt

    put(spool, "a")
    monkeypatch.setattr(spool_file, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(spool, "b")
    monkeypatch.undo()
    put(spool, "c")
    assert ids_in(tmp_path / "state").count("c") == 1


HOST = """
import os, signal, sys, threading
import adaptd
adaptd.configure(state_dir=sys.argv[1], strict=True)
def say(*ids):
    os.write(1, "".join(f"{os.getpid()} {i}\\n" for i in ids).encode())
"""


def ids_by_process(text):
    by_process = {}
    for line in text.splitlines():
        process, event_id = line.split()
        by_process.setdefault(process, []).append(event_id)
    return by_process


def assert_each_process_has_files_of_its_own(state_dir, by_process):
    """Every id that was returned is in the spool once, and no file has lines of two processes."""
    told = [event_id for ids in by_process.values() for event_id in ids]
    assert sorted(told) == sorted(ids_in(state_dir))
    for path in spool_files(state_dir):
        here = {event["id"] for event in whole_lines(path)}
        assert sum(1 for ids in by_process.values() if here & set(ids)) == 1
        counters = [event["n"] for event in whole_lines(path)]
        assert counters == sorted(counters)


def test_threads_and_forks_lose_and_repeat_nothing(tmp_path):
    """8 threads record while the process forks children that record with 8 threads each."""
    out = output_of(
        HOST
        + """
def work(times):
    for _ in range(times): say(adaptd.record_feedback(output_id="o", score=1, comment="x" * 500))
def eight(times):
    threads = [threading.Thread(target=work, args=(times,)) for _ in range(8)]
    for t in threads: t.start()
    return threads
adaptd.record_feedback(output_id="o", score=1, id="first"); say("first")
threads = eight(100)
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        for t in eight(25): t.join()
        os._exit(0)
    children.append(pid)
for t in threads: t.join()
assert all(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in children)
""",
        tmp_path,
    )
    by_process = ids_by_process(out)
    assert [len(ids) for ids in by_process.values()].count(200) == 4
    assert_each_process_has_files_of_its_own(tmp_path, by_process)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_record_in_their_own_files(method, tmp_path):
    """Forked children inherit the configuration, spawned ones make their own."""
    (tmp_path / "host.py").write_text(
        HOST
        + """
import multiprocessing
def work(_): say(*(adaptd.record_output("i", "o") for _ in range(20)))
if __name__ == "__main__":
    work(0)
    with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool: pool.map(work, range(4), chunksize=1)
"""
    )
    program = "import sys, runpy; sys.argv[1:1] = []; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    if method == "spawn":  # a spawned child imports the main module by its path
        program = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    out = output_of(program, tmp_path / "host.py", tmp_path / "state", method)
    by_process = ids_by_process(out)
    assert len(by_process) >= 2
    assert_each_process_has_files_of_its_own(tmp_path / "state", by_process)


def test_a_fork_frees_the_parents_file(tmp_path):
    """A child that lives on does not hold the lock of its parent's file."""
    process = host_process(
        HOST
        + """
import time
say(adaptd.record_output("i", "o"))
if os.fork() == 0:
    os.write(1, b"0 child\\n"); time.sleep(30); os._exit(0)
os._exit(0)
""",
        tmp_path,
        start_new_session=True,
    )
    said = [process.stdout.readline(), process.stdout.readline()]
    process.wait(10)
    assert any("child" in line for line in said)
    [path] = spool_files(tmp_path)
    assert not is_locked(path)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_an_executed_program_inherits_no_lock(tmp_path):
    """The file is free when the host has become another program."""
    process = host_process(HOST + 'say(adaptd.record_output("i", "o")); os.execvp("sleep", ["sleep", "30"])', tmp_path)
    process.stdout.readline()
    [path] = spool_files(tmp_path)
    deadline = time.monotonic() + 10
    while is_locked(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_locked(path)
    process.kill()
    process.communicate()


def test_a_fork_in_a_signal_handler_in_the_midst_of_a_write_writes_once(tmp_path):
    """The child goes back into the write it was forked in; that write leads nowhere, the parent's is the one."""
    out = output_of(
        HOST
        + """
from adaptd import spool_file
children = []
def write(fd, data):
    spool_file._write = os.write
    children.append(os.fork())
    if children[-1] == 0: children.append("in child")
    return os.write(fd, data)
say(adaptd.record_output("i", "o"))
spool_file._write = write
event_id = adaptd.record_output("i", "o")
if "in child" in children:
    say(adaptd.record_output("i", "o")); os._exit(0)
os.waitpid(children[0], 0)
say(event_id)
""",
        tmp_path,
    )
    assert_each_process_has_files_of_its_own(tmp_path, ids_by_process(out))


def test_a_killed_host_has_lost_no_id_that_it_told(tmp_path):
    """SIGKILL at any moment: every id that was returned is whole in the spool, once."""
    rng = random.Random(7)
    for turn in range(5):
        state_dir = tmp_path / str(turn)
        process = host_process(
            HOST
            + """
from adaptd import spool
spool.ROTATE_AT_BYTES = 20_000
def work():
    while True: say(adaptd.record_output("i", "o" * 1000))
for _ in range(3): threading.Thread(target=work).start()
""",
            state_dir,
        )
        process.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.1))
        process.kill()
        told = [line.split()[1] for line in process.communicate()[0].splitlines() if line.count(" ") == 1]
        found = ids_in(state_dir)
        assert len(found) == len(set(found))
        assert set(told) <= set(found)


def test_signal_handlers_and_finalisers_may_record(tmp_path):
    """A handler after each 0.2 ms and a `__del__` per turn record amid records: nothing hangs, tears or repeats."""
    out = output_of(
        HOST
        + """
import gc
ids = []
class Last:
    def __del__(self): ids.append(adaptd.record_output("i", "finaliser"))
def handler(*_):
    ids.append(adaptd.record_output("i", "handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.0002)  # not before: under load handlers would pile up in one another
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0002)
gc.set_threshold(5)
for i in range(2000):
    one = Last(); one.itself = one; del one
    ids.append(adaptd.record_output("i", ["loop"] * 20, durable=i % 100 == 0))
signal.signal(signal.SIGALRM, signal.SIG_IGN)
gc.collect()
say(*ids)
""",
        tmp_path,
    )
    told = [line.split()[1] for line in out.splitlines()]
    assert len(told) > 3000
    assert sorted(told) == sorted(ids_in(tmp_path))
    for path in spool_files(tmp_path):
        counters = [event["n"] for event in whole_lines(path)]
        assert counters == list(range(counters[0], counters[0] + len(counters)))


def test_a_limit_on_file_size_tears_no_event(tmp_path):
    """RLIMIT_FSIZE makes writes short and then fail: the event is whole in the next file."""
    out = output_of(
        HOST
        + """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (10_007, 10_007))
for _ in range(60): say(adaptd.record_output("i", "o" * 700))
""",
        tmp_path,
    )
    told = [line.split()[1] for line in out.splitlines()]
    assert sorted(told) == sorted(ids_in(tmp_path))
    assert len(spool_files(tmp_path)) >= 4


def test_too_few_descriptors_fail_the_call_and_then_work_again(tmp_path):
    """EMFILE at the birth of a file is told; when descriptors are free, the next call records."""
    out = output_of(
        HOST
        + """
import resource, time
adaptd.configure(strict=False)
import warnings; warnings.simplefilter("ignore")
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
assert adaptd.record_output("i", "o") is None
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
say(adaptd.record_output("i", "o"))
assert adaptd.stats()["failed"] == 1, adaptd.stats()
""",
        tmp_path,
    )
    assert [line.split()[1] for line in out.splitlines()] == ids_in(tmp_path)
