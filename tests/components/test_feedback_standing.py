"""Which feedback stands is a fact of the set, by supersedes, then counter, then seq; never by order or clock."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.feedback_standing import Signals, current
from daemon.views import resolving, saying

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "group": st.sampled_from([0, 0, 1]),
            "rater": st.sampled_from([-1, 0, 0, 1]),
            "speaks": st.sampled_from([True, True, False]),
            "writer": st.sampled_from([-1, 0, 0, 1]),
            "counter": st.integers(0, 4),
            "aims": st.integers(-4, 9),
            "retracts": st.booleans(),
        }
    ),
    max_size=8,
)


def signals_of(rows, order):
    """The rows in this order; seq and counters are the rows' own, so that no two of a writer's are equal."""
    place = {row: at for at, row in enumerate(order)}
    picked = [rows[row] for row in order]
    return Signals.of(
        np.array([row["group"] for row in picked], np.int64),
        score=np.full(len(rows), 50.0),
        scored=np.array([row["speaks"] for row in picked], bool),
        rater=np.array([row["rater"] for row in picked], np.int64),
        seq=np.array([row + 1 for row in order], np.int64),
        writer=np.array([row["writer"] for row in picked], np.int64),
        counter=np.array([rows[row]["counter"] * 100 + row for row in order], np.int64),
        target=np.array([place.get(row["aims"], -1) for row in picked], np.int64),
        retracts=np.array([row["retracts"] for row in picked], bool),
    )


def slow(rows):
    """The rows that stand, one rater after the other, by the rule as it is told."""
    aims = [
        (row["aims"], here, row["retracts"])
        for here, row in enumerate(rows)
        if 0 <= row["aims"] < len(rows) and row["aims"] != here and rows[row["aims"]]["group"] == row["group"]
    ]
    superseded = {there for there, _, retracts in aims if not retracts}
    retracted = {there for there, _, retracts in aims if retracts}
    standing = {n for n, row in enumerate(rows) if row["speaks"] and row["rater"] < 0} - superseded - retracted
    for who in {(row["group"], row["rater"]) for row in rows if row["rater"] >= 0}:
        said = [n for n, row in enumerate(rows) if row["speaks"] and (row["group"], row["rater"]) == who]
        heads = []
        for writer in {rows[n]["writer"] if rows[n]["writer"] >= 0 else ("alone", n) for n in said}:
            run = [n for n in said if (rows[n]["writer"] if rows[n]["writer"] >= 0 else ("alone", n)) == writer]
            run.sort(key=lambda n: (rows[n]["counter"] * 100 + n, n))
            last = run[-1]
            may = [n for n in run if n not in superseded and (last not in superseded or (last, n, False) in aims)]
            heads += may[-1:]
        if heads and max(heads) not in retracted:
            standing.add(max(heads))
    return standing


@settings(max_examples=200)
@given(rows=ROWS, chance=st.randoms(use_true_random=False))
def test_the_rule_is_the_slow_rule_in_every_order(rows, chance):
    """The same rows stand, however they are shuffled, as one rater after the other says."""
    order = list(range(len(rows)))
    chance.shuffle(order)
    signals = signals_of(rows, order)
    assert {order[row] for row in current(signals, signals.scored)} == slow(rows)


@settings(max_examples=100)
@given(rows=ROWS)
def test_the_log_s_own_view_reads_feedback_by_the_same_rule(rows):
    """The daemon's examples view counts as many standing scores of each output."""
    signals = signals_of(rows, list(range(len(rows))))
    says = np.where(signals.scored, saying.BIT["score"], saying.BIT["comment"])
    says |= np.where(signals.retracts, saying.RETRACT, 0) | np.where(signals.rater >= 0, saying.HAS_RATER, 0)
    says |= np.where(signals.writer >= 0, saying.IS_COUNTED, 0)
    columns = {
        "seq": signals.seq, "says": says, "score": signals.score, "rater_key": signals.rater + 5,
        "writer": signals.writer + 5, "counter": signals.counter,
        "target_seq": np.where(signals.target >= 0, signals.target + 1, 0), "moment": signals.seq,
        "propensity": np.full(len(rows), np.nan),
    }  # fmt: skip
    resolved = resolving.resolve(columns, signals.group, np.zeros(3, np.int64))
    standing = current(signals, signals.scored)
    assert np.bincount(signals.group[standing], minlength=3).tolist() == resolved["scores"].tolist()


def test_two_words_of_one_rater_need_a_seq_a_counter_or_supersedes():
    """Without any of them nobody knows which is newer: that is told, not guessed."""
    twice = Signals.of([0, 0], score=[1, 2], rater=[3, 3])
    with pytest.raises(BadInput) as told:
        current(twice, twice.scored)
    assert str(told.value) == (
        "feedback of one rater on one output: found 'rows 0 and 1, without a seq or counter that tells the newer one', "
        "expected a seq (the place in the log) for each, or `supersedes`. "
        "Clocks and the order of the list are not asked."
    )
    for known in ({"target": [-1, 0]}, {"seq": [2, 1]}, {"writer": [0, 0], "counter": [2, 1]}):
        twice = Signals.of([0, 0], score=[1, 2], rater=[3, 3], **known)
        assert len(current(twice, twice.scored)) == 1


def test_a_counter_comes_before_a_seq_within_a_writer_and_after_it_between_writers():
    """What one writer numbered later is newer, whenever it arrived; of two writers the later arrival is."""
    said = {"score": [1, 2], "rater": [3, 3], "seq": [1, 2], "counter": [2, 1]}
    for writers, standing in (([5, 5], 0), ([5, 6], 1)):
        twice = Signals.of([0, 0], **said, writer=writers)
        assert current(twice, twice.scored).tolist() == [standing]


def test_one_seq_tells_nothing_of_another_feedback():
    """Both must have their place in the log."""
    twice = Signals.of([0, 0], score=[1, 2], rater=[3, 3], seq=[-1, 4])
    with pytest.raises(BadInput, match="rows 0 and 1"):
        current(twice, twice.scored)


def test_equal_counters_without_seq_are_refused_too():
    """One writer cannot number two events alike."""
    twice = Signals.of([0, 0], score=[1, 2], rater=[3, 3], writer=[0, 0], counter=[1, 1])
    with pytest.raises(BadInput, match="rows 0 and 1"):
        current(twice, twice.scored)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"group": [0.5]}, "group: found 'an array of float64 and shape (1,)', expected one whole number per row."),
        ({"group": [-1]}, "group: found -1, expected whole numbers of at least 0."),
        ({"group": [0], "seq": [-2]}, "seq: found -2, expected whole numbers of at least -1."),
        ({"group": [0], "target": [1]}, "target: found 1, expected a row below 1, or -1."),
        ({"group": [0], "rater": [1, 2]}, "columns: found "),
        ({"group": [0], "score": [101]}, "scores[0]: found 101.0, expected numbers from 0 to 100."),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns, message):
    """Each message names the column."""
    with pytest.raises(BadInput) as told:
        Signals.of(columns.pop("group"), **columns)
    assert str(told.value).startswith(message)


def test_no_feedback_at_all_is_no_mistake():
    """Nothing stands."""
    none = Signals.of([])
    assert current(none, none.scored).tolist() == []
