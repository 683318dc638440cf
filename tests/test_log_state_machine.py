"""Appends, repeats, crashes and reads in any order: the log is always the plain list of what was acknowledged."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_log import GONE, AppendFailed, Entry, IdsExist
from daemon.memory_log import MemoryEventLog
from daemon.sqlite_log import SqliteEventLog
from tests.contracts.any_event_log import slow_chain

NAMES = st.integers(0, 30).map(lambda number: f"e-{number}")
OPTIONAL_INT = st.none() | st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(max_size=20) | st.just("x" * 9000)
ENTRIES = st.builds(
    Entry,
    id=NAMES,
    kind=st.sampled_from(["output_recorded/1", "feedback_recorded/1"]),
    received_at=st.integers(-(2**63), 2**63 - 1),
    occurred_at=st.integers(0, 2**53),
    writer=OPTIONAL_INT,
    counter=st.none(),
    output_key=OPTIONAL_INT,
    artifact_type=st.none(),
    model=st.none() | TEXTS,
    side=st.none(),
    bucket=st.none() | st.integers(0, 2**20 - 1),
    says=st.none(),
    score=st.none() | st.floats(allow_nan=False) | st.integers(-5, 100),
    source=st.none(),
    rater_key=st.none(),
    episode_key=st.none(),
    target_seq=st.none(),
    propensity=st.none() | st.floats(0.001, 1),
    subject=st.none(),
    content=st.none() | st.binary(max_size=40),
    body=TEXTS,
    sealed=st.none() | st.binary(max_size=300),
)
READ_TO = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(-1, 2**40), max_size=3)


def stored(entry):
    """What a column gives back for it."""
    return entry if entry.score is None else entry._replace(score=float(entry.score) + 0.0)


class LogAgainstList(RuleBasedStateMachine):
    """The model is two containers: the entries in order, and the positions."""

    def __init__(self):
        super().__init__()
        self.entries = []
        self.positions = {}
        self.log = None

    # What may happen

    @rule(batch=st.lists(ENTRIES, max_size=6), read_to=READ_TO, full_sync=st.booleans())
    def append(self, batch, read_to, full_sync):
        """All of it, or IdsExist with exactly the ids that are not new."""
        refused = self.not_new(batch)
        try:
            newest = self.log.append(batch, read_to, full_sync=full_sync)
        except IdsExist as error:
            self.agree_on_refusal(error.ids, refused)
        else:
            assert not refused
            self.took(batch, read_to)
            assert newest == len(self.entries)

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), fresh=ENTRIES, same=st.booleans())
    def append_what_is_known(self, data, fresh, same):
        """A repeat or a conflicting event under a known id refuses everything beside it."""
        known = data.draw(st.sampled_from(self.entries))
        self.append([fresh, known if same else known._replace(body="other")], {"a": 1}, full_sync=False)

    @rule(after=st.integers(-3, 60), limit=st.integers(0, 20))
    def read_a_page(self, after, limit):
        """Any page is the list's slice."""
        start = max(after, 0)
        expected = [(start + place, entry.id) for place, entry in enumerate(self.entries[start : start + limit], 1)]
        assert self.log.read_after(after, limit, ("seq", "id")) == expected

    @rule(ids=st.lists(NAMES))
    def find(self, ids):
        """What is found under ids is what the list has under them."""
        numbered = {entry.id: (seq, entry) for seq, entry in enumerate(self.entries, 1)}
        expected = {
            event_id: (seq, e.kind, e.output_key, e.subject, e.content, e.body)
            for event_id in ids
            if event_id in numbered
            for seq, e in [numbered[event_id]]
        }
        assert self.log.find(ids) == expected

    @rule()
    def verify(self):
        """Always sound, with all events."""
        assert self.log.verify() == (len(self.entries), self.log.head(), None, None)

    # What always holds

    @invariant()
    def it_is_the_list(self):
        """Every column of every event, and every position."""
        if self.log is None:
            return
        rows = self.log.read_after(0, 10_000)
        assert [row[1:-1] for row in rows] == [tuple(entry) for entry in self.entries]
        assert [repr(row[13]) for row in rows] == [repr(entry.score) for entry in self.entries]
        assert self.log.head() == (len(self.entries), slow_chain(self.log.salt, [row[:-1] for row in rows]))
        assert self.log.read_to() == self.positions

    def not_new(self, batch):
        known = {entry.id for entry in self.entries}
        ids = [entry.id for entry in batch]
        return [event_id for event_id in dict.fromkeys(ids) if event_id in known or ids.count(event_id) > 1]

    def agree_on_refusal(self, ids, expected):
        assert ids
        assert ids == expected

    def took(self, batch, read_to):
        self.entries += map(stored, batch)
        for name, position in read_to.items():
            if position is GONE:
                self.positions.pop(name, None)
            else:
                self.positions[name] = position


class MemoryLogAgainstList(LogAgainstList):
    @initialize()
    def make(self):
        self.log = MemoryEventLog(bytes(32))


class SqliteLogAgainstList(LogAgainstList):
    """The same, and everything that can happen to a file and its process."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="adaptd-log-"))
        self.lives = 0
        self.reader = None

    @initialize(durability=st.sampled_from(["full", "normal"]))
    def make(self, durability):
        self.durability = durability
        self.path = self.folder / "events.db"
        self.open()

    def open(self):
        clock, chance = StoppedClock(1), SeededChance(1)
        self.log = SqliteEventLog.open(self.path, clock, chance, durability=self.durability)

    @rule()
    def close_and_reopen(self):
        """An orderly end."""
        self.log.close()
        self.open()

    @rule()
    def crash(self):
        """The process is gone: what lies in the files at this moment is all there is."""
        self.leave_reader()
        self.lives += 1
        folder = self.folder / str(self.lives)
        folder.mkdir()
        for name in ("events.db", "events.db-wal"):
            if self.path.with_name(name).exists():
                shutil.copy(self.path.with_name(name), folder / name)
        self.log.close()
        self.path = folder / "events.db"
        self.open()

    @rule(batch=st.lists(ENTRIES, min_size=1, max_size=4), read_to=READ_TO, steps=st.integers(1, 400))
    def append_while_the_disk_fails(self, batch, read_to, steps):
        """The commit is broken off after some steps: nothing of it is there, or it was quicker than the failure."""
        taken = iter(range(steps))
        self.log._connection.set_progress_handler(lambda: next(taken, None) is None, 1)
        refused = self.not_new(batch)
        try:
            self.log.append(batch, read_to)
        except AppendFailed:
            pass
        except IdsExist as error:
            self.agree_on_refusal(error.ids, refused)
        else:
            assert not refused
            self.took(batch, read_to)
        self.log._connection.set_progress_handler(None, 1)

    @rule(batch=st.lists(ENTRIES, min_size=1, max_size=3, unique_by=lambda entry: entry.id))
    def another_writer_appends(self, batch):
        """Somebody without the lock: noticed at our next append, which fails whole; then we go on after it."""
        if self.not_new(batch):
            return
        with SqliteEventLog.open(self.path, StoppedClock(1), SeededChance(1)) as other:
            other.append(batch)
        self.took(batch, {})
        with pytest.raises(AppendFailed, match="another writer appended"):
            self.log.append([Entry("never", "k/1", 1, 1)], {"a": 77})

    @rule()
    def checkpoint(self):
        """The WAL goes into the file."""
        self.log.checkpoint()

    @rule()
    def look_from_beside(self):
        """A reader has the same head and rows as the writer, and stays open."""
        if self.reader is None:
            self.reader = SqliteEventLog.open_read_only(self.path)
        assert self.reader.head() == self.log.head()
        assert self.reader.read_after(0, 10_000) == self.log.read_after(0, 10_000)

    def leave_reader(self):
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def teardown(self):
        self.leave_reader()
        if self.log is not None:
            self.log.close()
        shutil.rmtree(self.folder)


LIMITS = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # a failure is printed as it was found: shrinking files takes minutes
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

TestMemoryLogAgainstList = MemoryLogAgainstList.TestCase
TestMemoryLogAgainstList.settings = LIMITS
TestSqliteLogAgainstList = SqliteLogAgainstList.TestCase
TestSqliteLogAgainstList.settings = settings(LIMITS, max_examples=15)
