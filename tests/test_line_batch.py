"""What becomes of each line of one batch, without a file or a log."""

import numpy as np
import pytest

from daemon.clock_and_chance import SeededChance
from daemon.entry_making import EntryMaker
from daemon.event_log import NOT_COME_YET, Found
from daemon.line_batch import LineBatch, Outcome
from daemon.received import canonical, read_line
from daemon.sealing import Sealing
from tests.intake_world import NOW, feedback, inline, output

MOST = 10_000


class Nothing:
    """Examples of an empty log."""

    def find(self, keys):
        return np.full(len(keys), -1, np.int64)

    def subject_of(self, rows):
        return np.zeros(len(rows), np.int64)

    def has_output(self, rows):
        return np.zeros(len(rows), np.bool_)

    def side_of_bucket(self, bucket):
        return 0

    def rated_judge_examples(self):
        return 0


@pytest.fixture
def sealing(tmp_path):
    made = Sealing.open(tmp_path / "keys.db", SeededChance(1))
    yield made
    made.close()


@pytest.fixture
def batch_of(sealing):
    def made(*lines, in_log=None, most=MOST):
        known = in_log or {}
        maker = EntryMaker(
            b"s" * 32, Nothing(), sealing, lambda ids: {each: known[each] for each in ids if each in known}
        )
        return LineBatch(lines, maker.batch(NOW), most)

    return made


def found(seq, line, content=None, subject=None):
    return Found(seq, "feedback_recorded/1", 7, subject, content, line.decode())


def test_entries_stand_in_the_order_of_their_lines(batch_of):
    """Whatever needs a second look keeps its place."""
    batch = batch_of(output("o"), inline("i"), feedback("f", "o", score=1), b"bad", inline("j"))
    assert [entry.id for entry in batch.entries.values()] == ["o", "i", "f", "j"]
    assert list(batch.entries) == [0, 1, 2, 4]
    assert list(batch.aside) == [3]


def test_an_empty_line_is_nothing(batch_of):
    """It closes a write that failed before its first byte."""
    batch = batch_of(b"", inline("i"), b"")
    assert batch.outcomes(10) == [Outcome(None), Outcome("i", 11), Outcome(None)]


@pytest.mark.parametrize("text", ["x", "é", "😀"])
def test_the_limit_counts_bytes_with_both_kinds_of_line(batch_of, text):
    """Exactly the limit is an event; a byte more is kept aside with the numbers."""
    line = inline("i", comment=text * 1000)
    for form in (line, line.decode()):
        assert not batch_of(form, most=len(line)).aside
        (problem,) = batch_of(form, most=len(line) - 1).aside.values()
        assert str(problem) == f"{len(line)} bytes, expected at most {len(line) - 1} (intake.max_event_bytes)"


class TestRepeatsWithinABatch:
    def test_the_second_time_is_a_repeat(self, batch_of):
        """It gets the number of the first."""
        batch = batch_of(inline("i", n=1, at=5), inline("j"), inline("i", n=2, at=6), inline("i"))
        assert batch.outcomes(0) == [
            Outcome("i", 1),
            Outcome("j", 2),
            Outcome("i", 1, repeat=True),
            Outcome("i", 1, repeat=True),
        ]

    def test_other_content_under_its_id_is_kept_aside(self, batch_of):
        """The first stays, and a third that is like it is still its repeat."""
        batch = batch_of(inline("i"), inline("i", score=1), inline("i"))
        reason = "id 'i' is in the log with other content; expected a new id, or the same content again"
        assert batch.outcomes(0) == [Outcome("i", 1), Outcome(None, error=reason), Outcome("i", 1, repeat=True)]
        assert batch.aside[1].public == "its " + reason.replace("'i' ", "")

    def test_what_a_twin_aimed_at_is_not_the_firsts_aim(self, batch_of):
        """Two lines with one id and two targets: the first is the event, with its own target."""
        log = {"a": found(3, feedback("a", "o", score=1)), "b": found(4, feedback("b", "o", score=1))}
        batch = batch_of(feedback("x", "o", retracts="a"), feedback("x", "o", retracts="b"), in_log=log)
        assert [(entry.id, entry.target_seq) for entry in batch.numbered(10)] == [("x", 3)]
        batch = batch_of(
            feedback("x", "o", score=1), feedback("x", "p", score=1), feedback("y", supersedes="x", score=2)
        )
        assert len({entry.output_key for entry in batch.numbered(10)}) == 1
        batch = batch_of(inline("t"), inline("x"), feedback("x", "o", retracts="t"))
        assert [(entry.id, entry.target_seq) for entry in batch.numbered(10)] == [("t", None), ("x", None)]


class TestWhatTheLogKnows:
    def test_the_same_content_is_a_repeat(self, batch_of):
        """With the number that it has there."""
        batch = batch_of(inline("i", at=9), inline("j"))
        batch.settle_known({"i": found(5, inline("i", at=1, n=2))}, lambda *_: None)
        assert batch.outcomes(20) == [Outcome("i", 5, repeat=True), Outcome("j", 21)]

    def test_other_content_is_kept_aside(self, batch_of):
        """Also when the id is that of an event of the daemon's own."""
        for body in (inline("i", score=1), b'{"spool":"x"}'):
            batch = batch_of(inline("i"), inline("j"))
            batch.settle_known({"i": found(5, body)}, lambda *_: None)
            assert [outcome.seq for outcome in batch.outcomes(20)] == [None, 21]
            assert "in the log with other content" in str(batch.aside[0])

    def test_sealed_content_is_compared_by_its_digest(self, batch_of):
        """The text itself may be unreadable by then."""
        line = inline("i", subject="s")
        same, other = found(5, b"{}", b"digest", 1), found(5, b"{}", b"another", 1)
        for known, repeat in ((same, True), (other, False)):
            batch = batch_of(line)
            batch.settle_known(
                {"i": known}, lambda _, event: b"digest" if canonical(event) == canonical(read_line(line)) else b""
            )
            assert batch.outcomes(0)[0].repeat is repeat

    def test_a_digest_that_cannot_be_made_is_no_repeat(self, batch_of):
        """The key is gone: nobody can say that it is the same."""
        batch = batch_of(inline("i", subject="s"))
        batch.settle_known({"i": found(5, b"{}", b"digest", 1)}, lambda *_: None)
        assert list(batch.aside) == [0]


class TestNumbers:
    def test_what_aims_at_an_event_before_it_gets_its_number(self, batch_of):
        """Counted from the log's newest."""
        batch = batch_of(inline("i"), feedback("f", supersedes="i", score=1), feedback("g", retracts="f"))
        assert [entry.target_seq for entry in batch.numbered(100)] == [None, 101, 102]

    def test_what_aims_at_itself_or_later_has_no_number_yet(self, batch_of):
        """The number is not known yet; the body has the id."""
        batch = batch_of(
            feedback("f", "o", retracts="g"), feedback("g", "o", retracts="g"), feedback("h", "o", retracts="?")
        )
        assert [entry.target_seq for entry in batch.numbered(0)] == [NOT_COME_YET] * 3

    def test_lines_that_fell_out_are_not_counted(self, batch_of):
        """Numbers are those that the log will give."""
        batch = batch_of(b"bad", inline("i"), inline("i"), inline("j"), feedback("f", retracts="j"))
        assert [(entry.id, entry.target_seq) for entry in batch.numbered(0)] == [("i", None), ("j", None), ("f", 2)]


def test_a_forgotten_subjects_line_is_refused(batch_of, sealing):
    """Neither an event nor kept aside."""
    sealing._connection.execute("INSERT INTO forgotten VALUES (?, 0)", (sealing.mark_of("anna"),))
    batch = batch_of(inline("i", subject="anna"), inline("j"))
    first, second = batch.outcomes(0)
    assert first == Outcome(None, error="refused: its subject was forgotten", refused=True)
    assert second == Outcome("j", 1)
    assert batch.aside == {}
