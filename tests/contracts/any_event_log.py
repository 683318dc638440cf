"""What every event log must do, whatever keeps it. A log joins by subclassing `AnyEventLog` with its `make_log`."""

import struct
from hashlib import sha256

import pytest

from daemon.event_log import COLUMNS, GONE, Entry, EventLog, Head, IdsExist, first_chain

SALT = bytes(range(32))

FULL = Entry(
    id="01980000-0000-7000-8000-000000000001",
    kind="feedback_recorded/1",
    received_at=1_790_000_000_000_001,
    occurred_at=1_789_999_999_999_999,
    writer=-(2**63),
    counter=7,
    output_key=2**63 - 1,
    artifact_type="erd",
    model="mistral:7b",
    side="learn",
    bucket=1_048_575,
    says="output+score",
    score=87.5,
    source="human",
    rater_key=-300,
    episode_key=70_000,
    target_seq=200,
    propensity=0.25,
    subject=2**40,
    content=b"\x00\xff" * 20,
    body='{"comment":"größer – 漢字 🙂"}',
    sealed=b"sealed" * 50,
)

OTHER = {
    "id": "another",
    "kind": "output_recorded/1",
    "received_at": 2,
    "occurred_at": 3,
    "writer": 4,
    "counter": 8,
    "output_key": None,
    "artifact_type": "erD",
    "model": None,
    "side": "judge",
    "bucket": 0,
    "says": "score",
    "score": 87.50000000000001,
    "source": "code",
    "rater_key": None,
    "episode_key": 70_001,
    "target_seq": 199,
    "propensity": None,
    "subject": 1,
    "content": b"",
    "body": "{}",
    "sealed": None,
}


def entry(number, **columns):
    """A small event of that number."""
    given = {"id": f"event-{number}", "kind": "feedback_recorded/1", "received_at": number, "occurred_at": number}
    return Entry(**(given | columns))


def entries(first, last):
    return [entry(number) for number in range(first, last + 1)]


def packed(value):
    """MessagePack as its specification says, slowly and by hand: the second opinion on what is hashed."""
    if value is None:
        return b"\xc0"
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, int):
        return packed_int(value)
    if isinstance(value, str):
        return sized(
            value.encode(), ((31, 0xA0, None), (0xFF, 0xD9, "B"), (0xFFFF, 0xDA, ">H"), (2**32 - 1, 0xDB, ">I"))
        )
    if isinstance(value, bytes):
        return sized(value, ((0xFF, 0xC4, "B"), (0xFFFF, 0xC5, ">H"), (2**32 - 1, 0xC6, ">I")))
    head = bytes([0x90 | len(value)]) if len(value) < 16 else b"\xdc" + struct.pack(">H", len(value))
    return head + b"".join(map(packed, value))


def packed_int(value):
    if 0 <= value < 128 or -32 <= value < 0:
        return struct.pack("B" if value >= 0 else "b", value)
    signs = ((0xCC, "B"), (0xCD, ">H"), (0xCE, ">I"), (0xCF, ">Q")) if value >= 0 else (
        (0xD0, "b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q"))  # fmt: skip
    for sign, form in signs:
        try:
            return bytes([sign]) + struct.pack(form, value)
        except struct.error:
            continue
    raise OverflowError(value)


def sized(raw, forms):
    most, sign, form = next(form for form in forms if len(raw) <= form[0])
    del most
    return (bytes([sign | len(raw)]) if form is None else bytes([sign]) + struct.pack(form, len(raw))) + raw


def slow_chain(salt, rows):
    """The newest hash of rows of the log (without their own), computed the slow way."""
    chain = sha256(b"adaptd log " + salt).digest()
    for seq, *columns in rows:
        chain = sha256(chain + packed([seq, columns])).digest()
    return chain


class AnyEventLog:
    """The battery. `make_log(salt)` gives an empty log; whatever it opens, it also closes."""

    @pytest.fixture
    def make_log(self):
        raise NotImplementedError("a subclass says how its log is made")

    @pytest.fixture
    def log(self, make_log) -> EventLog:
        return make_log(SALT)

    # append and head

    def test_an_empty_log_has_number_zero_and_the_first_hash(self, log):
        """Before the first event the head is number 0 with the hash that the salt gives."""
        assert log.head() == Head(0, first_chain(SALT))
        assert log.read_after(0) == []
        assert log.verify() == (0, log.head(), None, None)

    def test_appending_returns_the_newest_number(self, log):
        """Numbers begin at 1; append says the last one that it gave."""
        assert log.append(entries(1, 3)) == 3
        assert log.append(entries(4, 4)) == 4
        assert log.head().seq == 4

    def test_appending_nothing_changes_nothing(self, log):
        """An append without events returns the newest number there is."""
        assert log.append([]) == 0
        log.append(entries(1, 2))
        before = log.head()
        assert log.append([]) == 2
        assert log.head() == before

    def test_every_column_comes_back_as_it_was_given(self, log):
        """The row that is read is number, entry, hash."""
        log.append([FULL])
        (row,) = log.read_after(0)
        assert row[:-1] == (1, *FULL)
        assert [type(value) for value in row[1:-1]] == [type(value) for value in FULL]
        assert row[-1] == log.head().chain

    def test_texts_come_back_to_the_character(self, log):
        """NUL, line ends, characters beyond the BMP and the replacement character are kept."""
        texts = ["", "\0", "a\0b", "\r\n", "\ufffd", "\U0010ffff", " trailing ", "é", "e\u0301"]
        log.append([entry(number, body=text) for number, text in enumerate(texts, 1)])
        assert [row[0] for row in log.read_after(0, columns=("body",))] == texts
        assert log.verify().ok

    def test_numbers_come_back_to_the_bit(self, log):
        """Scores and propensities at the edges of what a float can say."""
        scores = [100.0, 1 / 3, 5e-324, 1.7976931348623157e308, 2.0**53 + 2, 1e15]
        log.append([entry(number, score=score, propensity=score) for number, score in enumerate(scores, 1)])
        assert log.read_after(0, columns=("score", "propensity")) == [(s, s) for s in scores]
        assert log.verify().ok

    @pytest.mark.parametrize("score", [0, 85, 0.0, -0.0, -1, True])
    def test_a_score_is_hashed_as_it_is_read(self, log, score):
        """Minus zero is zero and a whole number is a float before it is hashed: a column gives nothing else back."""
        log.append([entry(1, score=score)])
        ((kept,),) = log.read_after(0, columns=("score",))
        assert repr(kept) == repr(score + 0.0)
        assert log.verify().ok

    def test_a_score_that_is_no_number_is_not_taken(self, log):
        """A NaN would be stored as null under the hash of a NaN: it is refused, and nothing is written."""
        with pytest.raises(ValueError, match="event 'event-2': score nan, expected a number"):
            log.append([entry(1), entry(2, score=float("nan"))])
        assert log.head().seq == 0
        assert log.append(entries(1, 2)) == 2

    def test_a_text_that_is_no_text_is_not_taken(self, log):
        """A lone surrogate has no bytes: the append fails as a whole, and the log goes on."""
        with pytest.raises(UnicodeEncodeError):
            log.append([entry(1), entry(2, body="\ud800")], {"a": 1})
        assert (log.head().seq, log.read_to()) == (0, {})
        assert log.append(entries(1, 2)) == 2

    # all or nothing

    def test_a_known_id_refuses_the_whole_append(self, log):
        """IdsExist names the known ids; neither events nor positions were written."""
        log.append(entries(1, 3), {"spool": 10})
        before = log.head()
        with pytest.raises(IdsExist) as refused:
            log.append([entry(4), entry(2), entry(5), entry(1)], {"spool": 20, "other": 1})
        assert refused.value.ids == ["event-2", "event-1"]
        assert (log.head(), log.read_to()) == (before, {"spool": 10})
        assert log.append([entry(4)]) == 4
        assert log.verify().ok

    def test_an_id_twice_in_one_append_refuses_it(self, log):
        """The same id twice among the new ones is refused like a known one."""
        with pytest.raises(IdsExist) as refused:
            log.append([entry(1), entry(2), entry(1, body='{"a":1}')])
        assert refused.value.ids == ["event-1"]
        assert log.read_after(0) == []

    def test_the_error_says_which_ids_and_what_to_do(self, log):
        """Three ids are named, the rest are counted."""
        log.append(entries(1, 5))
        with pytest.raises(IdsExist) as refused:
            log.append(entries(1, 5))
        assert str(refused.value) == (
            "ids in the log already: event-1, event-2, event-3 … (5 in all); "
            "expected new ids. Drop those whose content is the same, keep the others aside."
        )

    def test_ids_differ_by_every_byte(self, log):
        """Case, spaces, Unicode form and NUL make ids different."""
        ids = ["a", "A", "a ", " a", "é", "e\u0301", "a\0", "a\0b"]
        log.append([entry(1, id=event_id) for event_id in ids])
        assert {event_id: found.seq for event_id, found in log.find(ids).items()} == {
            i: n for n, i in enumerate(ids, 1)
        }

    # reading

    def test_pages_follow_each_other_without_gap_or_overlap(self, log):
        """Reading page by page gives every number once, whatever the page's size."""
        for first in range(1, 1300, 100):
            log.append(entries(first, first + 99))
        for limit in (1, 7, 499, 500, 501, 5000):
            seen, after = [], 0
            while page := log.read_after(after, limit, ("seq",)):
                assert len(page) <= limit
                seen += [row[0] for row in page]
                after = seen[-1]
            assert seen == list(range(1, 1301))

    @pytest.mark.parametrize(
        ("after", "limit", "expected"),
        [
            (-5, 2, [1, 2]),
            (0, 0, []),
            (0, 1, [1]),
            (2, 2, [3, 4]),
            (3, 9, [4, 5]),
            (4, 1, [5]),
            (5, 9, []),
            (99, 9, []),
        ],
    )
    def test_a_page_begins_after_the_number_given(self, log, after, limit, expected):
        """`seq` is exclusive and `limit` the most: beyond the end there is nothing."""
        log.append(entries(1, 5))
        assert [row[0] for row in log.read_after(after, limit)] == expected

    def test_a_page_is_500_events_unless_told(self, log):
        """The default limit."""
        log.append(entries(1, 501))
        assert len(log.read_after(0)) == 500

    def test_only_the_wanted_columns_come_in_the_wanted_order(self, log):
        """Readers name their columns."""
        log.append([FULL])
        wanted = ("chain", "score", "seq", "id")
        assert log.read_after(0, columns=wanted) == [(log.head().chain, 87.5, 1, FULL.id)]
        assert log.read_after(0) == log.read_after(0, columns=COLUMNS)

    def test_of_several_columns_the_first_that_is_given_comes(self, log):
        """Asked as one; nothing when none of them is."""
        log.append([entry(1), entry(2)._replace(episode_key=7, propensity=0.5), FULL._replace(subject=0)])
        wanted = ("seq", ("subject", "episode_key", "propensity"), "kind")
        assert [row[1] for row in log.read_after(0, columns=wanted)] == [None, 7, 0]

    def test_events_are_read_by_their_numbers(self, log):
        """Each once, however often it is asked for, and more than a page has; what is not there is left out."""
        log.append(entries(1, 1203))
        asked = [1203, 7, -1, 9999, *range(100, 1200), 7]
        rows = log.read(asked, ("id", "seq", ("subject", "received_at")))
        assert sorted(rows) == sorted((f"event-{seq}", seq, seq) for seq in (7, 1203, *range(100, 1200)))
        assert log.read([7]) == log.read_after(6, 1)
        assert log.read([]) == []

    def test_found_events_tell_what_a_repeat_is_checked_by(self, log):
        """find gives number, kind, key, pseudonym, digest and body; ids that are not there are left out."""
        log.append([entry(1), FULL])
        assert log.find(["nobody"]) == {}
        assert log.find([]) == {}
        assert log.find(iter([FULL.id, "nobody", FULL.id])) == {
            FULL.id: (2, FULL.kind, FULL.output_key, FULL.subject, FULL.content, FULL.body)
        }

    def test_thousands_of_ids_are_found_at_once(self, log):
        """The number of ids asked for has no limit."""
        log.append(entries(1, 1201))
        found = log.find(f"event-{number}" for number in range(1000, 3500))
        assert [found[f"event-{number}"].seq for number in range(1000, 1202)] == list(range(1000, 1202))
        assert len(found) == 202

    # spool positions

    def test_positions_are_committed_with_the_events(self, log):
        """How far a spool was read stands beside the events that were read."""
        assert log.read_to() == {}
        log.append(entries(1, 1), {"a": 10, "b": 20})
        log.append(entries(2, 2), {"a": 15})
        assert log.read_to() == {"a": 15, "b": 20}

    def test_positions_can_be_committed_alone(self, log):
        """A file may be read on without a new event in it."""
        log.append([], {"a": 3})
        assert (log.read_to(), log.head().seq) == ({"a": 3}, 0)

    def test_a_file_that_is_gone_has_no_position(self, log):
        """GONE takes one position away, also one that never was."""
        log.append([], {"a": 3, "b": -1})
        log.append(entries(1, 1), {"a": GONE, "never": GONE, "c": 0})
        assert log.read_to() == {"b": -1, "c": 0}

    def test_what_read_to_returns_is_the_callers(self, log):
        """Changing the answer does not change the log."""
        log.append([], {"a": 3})
        log.read_to()["a"] = 9
        assert log.read_to() == {"a": 3}

    def test_a_full_sync_is_only_a_stronger_append(self, log):
        """full_sync changes nothing of what is written."""
        assert log.append(entries(1, 2), {"a": 1}, full_sync=True) == 2
        assert log.append(entries(3, 3)) == 3
        assert (log.read_to(), log.verify().ok) == ({"a": 1}, True)

    # the chain

    def test_the_chain_is_what_a_second_implementation_computes(self, make_log):
        """MessagePack by hand and hashlib give the same hashes, for every row."""
        log = make_log(SALT)
        log.append([FULL, entry(2), entry(3, body="x" * 70_000, content=b"y" * 300, score=0.0)])
        log.append([entry(number, occurred_at=number**9) for number in range(4, 40)])
        rows = log.read_after(0)
        for count in (1, 2, 3, 39):
            assert rows[count - 1][-1] == slow_chain(SALT, [row[:-1] for row in rows[:count]])

    def test_the_chain_of_release_1_is_for_ever(self, make_log):
        """The hash of a known log under a known salt; when this number changes, old logs no longer verify."""
        log = make_log(SALT)
        log.append([FULL, entry(2)])
        assert log.head().chain.hex() == "253fb845dfea06d8eeaed96e2c65964416079f1ebe64daf80d0206fa5022473e"

    def test_the_chain_does_not_depend_on_the_grouping(self, make_log):
        """One commit of ten or ten commits of one: the same hashes."""
        together, apart = make_log(SALT), make_log(SALT)
        together.append(entries(1, 10))
        for one in entries(1, 10):
            apart.append([one])
        assert together.read_after(0) == apart.read_after(0)

    def test_the_chain_depends_on_the_salt(self, make_log):
        """Two logs of the same events have different hashes."""
        one, other = make_log(SALT), make_log(b"\1" * 32)
        assert one.append([FULL]) == other.append([FULL])
        assert one.head().chain != other.head().chain

    @pytest.mark.parametrize("column", Entry._fields)
    def test_the_chain_covers_every_column(self, make_log, column):
        """Another value in one column is another hash, of this event and of all after it."""
        assert OTHER[column] != getattr(FULL, column)
        chains = []
        for first in (FULL, FULL._replace(**{column: OTHER[column]})):
            log = make_log(SALT)
            log.append([first, entry(2)])
            chains.append([row[0] for row in log.read_after(0, columns=("chain",))])
        assert all(one != other for one, other in zip(*chains, strict=True))

    def test_nothing_can_move_from_one_column_to_the_next(self, make_log):
        """A text in the neighbouring column gives another hash: the columns have borders."""
        chains = set()
        for columns in ({"artifact_type": "ab"}, {"model": "ab"}, {"artifact_type": "a", "model": "b"}):
            log = make_log(SALT)
            log.append([entry(1, **columns)])
            chains.add(log.head().chain)
        assert len(chains) == 3

    # verify

    def test_verify_counts_what_is_whole(self, log):
        """A sound log: as many events as were appended, and the head."""
        log.append([FULL, *entries(2, 1203)])
        progress = []
        found = log.verify(progress.append)
        assert found == (1203, log.head(), None, None)
        assert found.ok
        assert progress[-1] == 1203
