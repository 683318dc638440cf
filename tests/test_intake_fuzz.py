"""Whatever is written or sent: the intake goes on, and every line ends in exactly one way."""

import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.event_log import AppendFailed
from daemon.intake import IntakeRules
from daemon.received import FeedbackRecorded
from tests.intake_world import World, feedback, inline, output

BOUNDED = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # hundreds of small databases

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(
    st.sampled_from(FeedbackRecorded.__struct_fields__[1:] + ("id", "kind")), json_values, max_size=6
)
few_ids = st.sampled_from(["a", "b", "c", "d"])
odd_objects = st.builds(
    lambda kind, event_id, more: json.dumps({"kind": kind, "id": event_id, "output": "x", "score": 1} | more).encode(
        "utf-8", "surrogatepass"
    ),
    st.sampled_from(["feedback_recorded/1", "output_recorded/1", "rejected/1", "x"]),
    few_ids,
    fields,
)
subjects = st.none() | st.sampled_from(["anna", "ben", "gone"])
good_lines = st.one_of(
    st.builds(lambda i, s, c: inline(i, subject=s, comment=c), few_ids, subjects, st.text(max_size=3)),
    st.builds(lambda i, s, t: output(i, subject=s, input=t), few_ids, subjects, st.text(max_size=3)),
    st.builds(lambda i, o, s: feedback(i, o, score=1, comment="m", subject=s), few_ids, few_ids, subjects),
    st.builds(lambda i, t, s: feedback(i, supersedes=t, score=2, rater="r", subject=s), few_ids, few_ids, subjects),
    st.builds(lambda i, t: feedback(i, retracts=t), few_ids, few_ids),
)
brackets = st.builds(
    lambda levels, opening, closing: (
        b'{"kind":"output_recorded/1","id":"n","output":' + opening * levels + closing * levels + b"}"
    ),
    st.sampled_from([1, 399, 400, 401, 990, 5000]),
    st.sampled_from([b"[", b'{"a":']),
    st.sampled_from([b"]", b"}", b""]),
)
any_line = st.one_of(st.binary(max_size=60), odd_objects, good_lines, good_lines, brackets).map(
    lambda data: data.replace(b"\n", b"")
)


@contextmanager
def world_in_a_folder(**options):
    folder = tempfile.mkdtemp(dir=IN_MEMORY)
    world = World(folder, kind="memory", **options)
    world.forget("gone")
    try:
        yield world
    finally:
        world.leave_all()
        world.close()
        shutil.rmtree(folder)


def counted(world, kind):
    """How many lines these events tell of."""
    return sum(json.loads(event["body"]).get("count", 1) for event in world.rows(kind))


def ends_of(world, reports):
    """How many lines ended in which way, as the reports have it; the log must agree."""
    ends = {
        name: sum(getattr(report, name) for report in reports)
        for name in ("events", "repeats", "quarantined", "refused")
    }
    assert ends["events"] == len(world.recorded_ids()) == len(set(world.recorded_ids()))
    assert ends["quarantined"] == counted(world, "line_quarantined") == len(world.quarantine)
    assert ends["refused"] == counted(world, "event_refused")
    assert world.log.verify().ok
    return ends


@BOUNDED
@given(
    st.lists(any_line, max_size=12),
    st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"")),
    st.integers(1, 5),
)
def test_every_line_of_any_spool_ends_in_one_way(lines, torn, at_a_time):
    """Event, repeat, quarantined or refused; and the file goes."""
    with world_in_a_folder(rules=IntakeRules(commit_events=at_a_time)) as world:
        host = world.host()
        host.write(*lines)
        host.write_raw(torn)
        host.leave()
        ends = ends_of(world, world.take_all())
        assert sum(ends.values()) == sum(bool(each) for each in [*lines, torn])
        assert world.spool_names() == []


@BOUNDED
@given(st.binary(max_size=3000), st.integers(1, 200))
def test_any_bytes_are_a_spool(data, limit):
    """With a small limit, so that long and short lines meet."""
    with world_in_a_folder(rules=IntakeRules(max_event_bytes=limit)) as world:
        host = world.host()
        host.write_raw(data)
        host.leave()
        ends = ends_of(world, world.take_all())
        assert sum(ends.values()) == sum(bool(each) for each in data.split(b"\n"))
        raw = Counter(kept.raw.removesuffix(b"\n") for kept in world.kept())
        assert raw == Counter(each for each in data.split(b"\n") if each)


@BOUNDED
@given(st.lists(st.lists(any_line, max_size=8), max_size=3))
def test_every_line_of_any_door_has_its_outcome(batches):
    """One outcome for each line, in order, and each of exactly one kind."""
    with world_in_a_folder() as world:
        for lines in batches:
            outcomes = world.send(*lines)
            assert len(outcomes) == len(lines)
            for each, outcome in zip(lines, outcomes, strict=True):
                kinds = (outcome.seq is not None and not outcome.repeat, outcome.repeat, outcome.error is not None)
                assert sum(kinds) == bool(each)
                if outcome.seq is not None:
                    assert world.row(outcome.id)["seq"] == outcome.seq
        assert len(set(world.recorded_ids())) == len(world.recorded_ids())


@BOUNDED
@given(st.lists(good_lines, min_size=1, max_size=10), st.data())
def test_batches_make_no_difference_to_what_is_in_the_log(lines, data):
    """The same lines at once or in pieces: the same events, of the same outputs, aimed at the same targets."""
    cut = data.draw(st.integers(0, len(lines)))
    seen = []
    for batches in ([lines], [lines[:cut], lines[cut:]], [[each] for each in lines]):
        with world_in_a_folder() as world:
            for batch in batches:
                world.send(*batch)
            seen.append(
                [(row["id"], row["says"], row["target_seq"]) for row in world.rows() if row["says"] or row["side"]]
            )
    events = [[(event_id, says) for event_id, says, _ in rows] for rows in seen]
    assert events[0] == events[1] == events[2]


@BOUNDED
@given(st.lists(good_lines, min_size=1, max_size=10))
def test_no_subject_and_no_private_text_stands_in_the_log(lines):
    """Of an event that lies under a pseudonym, only ids, numbers and choices are in clear."""
    with world_in_a_folder() as world:
        world.send(*lines)
        for event in world.rows():
            if event["subject"] is not None:
                assert not {"subject", "comment", "input", "output", "rater"} & set(json.loads(event["body"]))
                assert world.sealing.unseal(event["subject"], event["sealed"], event["id"]) if event["sealed"] else True
            else:
                assert json.loads(event["body"]).get("subject") is None


class Disk(Exception):
    """The daemon's end in the middle of something."""


class HostsAndDaemon(RuleBasedStateMachine):
    """Hosts write, rotate, die and repeat themselves; the daemon takes in, fails, starts again. The model is a list."""

    @initialize(at_a_time=st.integers(1, 6))
    def begin(self, at_a_time):
        self.folder = tempfile.mkdtemp(dir=IN_MEMORY)
        self.world = World(self.folder, IntakeRules(commit_events=at_a_time, max_event_bytes=400), kind="memory")
        self.whole, self.bad, self.number = {}, 0, 0
        self.open_tail = {}

    def new_line(self, subject=None):
        self.number += 1
        text = inline(f"e{self.number}", subject=subject, n=self.number)
        self.whole[f"e{self.number}"] = text
        return text

    def close_tail(self, host):
        if self.open_tail.pop(host.writer, None):
            host.write_raw(b"\n")
            self.bad += 1

    @rule(number=st.integers(1, 3), subject=st.sampled_from([None, "anna"]), count=st.integers(1, 4))
    def writes(self, number, subject, count):
        host = self.world.host(number)
        self.close_tail(host)
        host.write(*(self.new_line(subject) for _ in range(count)))

    @rule(number=st.integers(1, 3), data=st.data())
    def repeats(self, number, data):
        assume(self.whole)
        host = self.world.host(number)
        self.close_tail(host)
        host.write(data.draw(st.sampled_from(list(self.whole.values()))))

    @rule(number=st.integers(1, 3), text=st.sampled_from([b"bad", b"{", b"x" * 500, b"\xff"]))
    def writes_badly(self, number, text):
        host = self.world.host(number)
        self.close_tail(host)
        host.write(text)
        self.bad += 1

    @rule(number=st.integers(1, 3))
    def is_torn(self, number):
        host = self.world.host(number)
        self.close_tail(host)
        host.write_raw(b'{"kind":')
        self.open_tail[host.writer] = True

    @rule(number=st.integers(1, 3))
    def rotates(self, number):
        host = self.world.host(number)
        self.close_tail(host)
        host.rotate()

    @rule(number=st.integers(1, 3))
    def dies(self, number):
        host = self.world.hosts.pop(f"{number:016x}", None)
        if host:
            host.leave()
            if self.open_tail.pop(host.writer, None):
                self.bad += 1
            self.world.hosts[f"{number:016x}"] = self.next_life(host)

    def next_life(self, host):
        """A new process has a new name; here it goes on counting its files, so that names stay unlike."""
        from tests.intake_world import Host

        born = Host.__new__(Host)
        born.spool, born.writer, born.rotation, born.fd = host.spool, host.writer, host.rotation, None
        born.rotate()
        return born

    @rule()
    def takes_in(self):
        self.world.take()

    @rule(data=st.data())
    def sends_by_the_socket(self, data):
        assume(self.whole)
        text = data.draw(st.sampled_from(list(self.whole.values())))
        (outcome,) = self.world.send(text, self.new_line())[:1]
        assert outcome.error is None

    @rule(after=st.booleans(), at=st.integers(1, 3), reopened=st.booleans())
    def takes_in_and_fails(self, after, at, reopened):
        real, calls = self.world.log.append, []

        def failing(entries, read_to=None, **more):
            calls.append(1)
            if len(calls) == at and not after:
                raise AppendFailed("no")
            found = real(entries, read_to, **more)
            if len(calls) == at:
                raise AppendFailed("no") if not reopened else Disk
            return found

        self.world.log.append = failing
        try:
            self.world.take()
        except (AppendFailed, Disk):
            pass
        finally:
            del self.world.log.append
        if reopened:
            self.world.crash()
        self.world.catch_up()

    @rule()
    def starts_again(self):
        self.world.crash()

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def nothing_is_there_twice_or_unasked(self):
        ids = self.world.recorded_ids()
        assert len(ids) == len(set(ids))
        assert set(ids) <= set(self.whole)

    def teardown(self):
        if not hasattr(self, "world"):
            return
        self.world.leave_all()
        self.bad += len(self.open_tail)
        self.world.take_all()
        assert sorted(self.world.recorded_ids()) == sorted(self.whole)
        assert len(self.world.quarantined()) == len(self.world.quarantine) == self.bad
        assert self.world.spool_names() == []
        self.world.crash()  # the position of a file that is gone may wait for the next start
        assert self.world.log.read_to() == {}
        self.world.close()
        shutil.rmtree(self.folder)


HostsAndDaemon.TestCase.settings = settings(
    deadline=None, max_examples=100, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
test_hosts_and_daemon = HostsAndDaemon.TestCase
