"""The examples view against the plain second implementation of what it means."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.memory_log import MemoryEventLog
from daemon.views.examples import Examples
from daemon.views.page import Vocabulary
from daemon.views.store import fold_next
from tests.contracts.any_view import AnyView, Saved
from tests.contracts.view_histories import (
    DAY,
    entries_of,
    histories,
    judged,
    key_of,
    log_of,
    shuffled,
    volume_of,
    waiting_of,
)


class TestExamplesView(AnyView):
    """The battery for this view."""

    def make(self):
        return Examples()


def folded(log, pages=7):
    examples, position, count = Examples(), 0, 1
    vocabulary = Vocabulary()
    while count:
        position, count = fold_next(log, [examples], position, pages, vocabulary)
    return examples


def as_dicts(examples):
    """What the view says, output key by output key, with None for nan."""
    columns = examples.resolved()
    rows = {}
    for row in range(len(columns["key"])):
        one = {name: column[row].item() for name, column in columns.items()}
        rows[one["key"]] = {name: None if value != value else value for name, value in one.items()}
    return rows


def expected(history):
    return {key_of(output): judgement for output, judgement in judged(history).items()}


def cut_to(rows, like):
    return {key: {name: rows[key][name] for name in like[key]} for key in like}


def named_volume(examples):
    names = examples.names["artifact_type"].listed()
    return {
        (day - 20_000, names[number]): counts
        for (day, number), counts in examples.volume.counts.items()
        if day >= 0 and any(counts)
    }


@given(histories(), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_every_judgement_is_that_of_the_slow_second_implementation(history, page):
    """To the bit, means included, for any paging."""
    got, want = as_dicts(folded(log_of(history), page)), expected(history)
    assert got.keys() == want.keys()
    assert cut_to(got, want) == want


@given(histories(), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_settling_in_between_changes_nothing(history, page):
    """Examples that are resolved again and again end where those end that are resolved once."""
    log, examples, vocabulary, position, count = log_of(history), Examples(), Vocabulary(), 0, 1
    while count:
        position, count = fold_next(log, [examples], position, page, vocabulary)
        examples.resolved()
    want = expected(history)
    assert cut_to(as_dicts(examples), want) == want


POSITIONS = {"seq", "category_seq", "correction_seq", "preference_seq", "newest_seq"}


def without_positions(history):
    """The judgements with the events' ids in place of their positions, which depend on the order of arrival."""
    ids = {0: None} | {seq: event["id"] for seq, event in enumerate(history, 1)}
    rows = as_dicts(folded(log_of(history)))
    kept = {}
    for key, like in expected(history).items():
        one = {name: rows[key][name] for name in like if name != "newest_seq"}
        kept[key] = {name: ids[value] if name in POSITIONS else value for name, value in one.items()}
    return kept


@given(histories(decided=True), st.integers(0, 1 << 30))
@settings(max_examples=300, deadline=None)
def test_the_order_of_arrival_does_not_matter_where_counters_and_supersedes_decide(history, seed):
    """The same events in another order in the log: the same judgements of the same events."""
    assert without_positions(shuffled(history, seed)) == without_positions(history)


@given(histories(), st.integers(0, 1 << 30), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_volume_counts_feedback_under_its_outputs_type_in_any_order(history, seed, page):
    """Also when the output, or what is superseded, comes after it."""
    for order in (history, shuffled(history, seed)):
        assert named_volume(folded(log_of(order), page)) == volume_of(history)


@given(histories(), st.integers(1, 24))
@settings(max_examples=100, deadline=None)
def test_what_is_counted_again_after_a_start_is_what_it_was(history, stop):
    """Subjects, sides, chains and judgements follow from the saved tables, wherever the daemon was stopped."""
    log, saved, vocabulary, restored = log_of(history), Saved(), Vocabulary(), Examples()
    position = 0
    for limit in (stop, 1_000, 1_000):
        position, _ = fold_next(log, [restored], position, limit, vocabulary)
        saved.save(restored)
        restored = saved.load(Examples())
    examples = folded(log)
    assert as_dicts(restored) == as_dicts(examples)
    assert restored._side_of_bucket.tobytes() == examples._side_of_bucket.tobytes()
    assert restored.rated_judge_examples() == examples.rated_judge_examples()


def told(*events):
    """A history by hand: events with what matters, the rest as usual."""
    usual = {"writer": "w1", "day": 0, "says": ("score",)}
    return [{**usual, "n": number, "id": f"id-{number}", **event} for number, event in enumerate(events, 1)]


def judgement(*events):
    (one,) = as_dicts(folded(log_of(told(*events)))).values()
    return one


@given(histories(), st.integers(0, 1000), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_what_waits_for_its_output_is_counted(history, seed, page):
    """How much, and since when, as it is told after every page and after a start; in any order of arrival."""
    history = shuffled(history, seed)
    log, examples, position, count, vocabulary = log_of(history), Examples(), 0, 1, Vocabulary()
    saved = Saved()
    while count:
        position, count = fold_next(log, [examples], position, page, vocabulary)
        saved.save(examples)
        waiting = waiting_of(history[:position])
        oldest = log.read_after(waiting[0] - 1, 1, ("received_at",))[0][0] if waiting else None
        assert (examples.awaiting.count, examples.awaiting.since()) == (len(waiting), oldest)
        assert saved.cells.get("waiting") == (f"{len(waiting)} {oldest}" if waiting else None)
    again = saved.load(Examples())
    assert (again.awaiting.count, again.awaiting.since()) == (examples.awaiting.count, examples.awaiting.since())


def test_a_raters_second_score_replaces_the_first():
    """By the writer's counter, whichever came first."""
    first, second = {"output": "o", "rater": "ann", "score": 10.0}, {"output": "o", "rater": "ann", "score": 90.0}
    assert judgement(first, second)["mean_score"] == 90.0
    assert judgement({**second, "n": 2}, {**first, "n": 1})["mean_score"] == 90.0


def test_scores_without_a_rater_all_count():
    """Nobody knows that they are of the same person."""
    assert judgement({"output": "o", "score": 10.0}, {"output": "o", "score": 90.0})["scores"] == 2


def test_a_retraction_brings_nothing_older_back():
    """The rater has no score then."""
    said = {"output": "o", "rater": "ann", "score": 10.0}, {"output": "o", "rater": "ann", "score": 90.0}
    one = judgement(*said, {"says": ("retract",), "retracts": "id-2", "output": "o"})
    assert (one["scores"], one["mean_score"], one["signals"]) == (0, None, 3)


def test_what_was_superseded_through_another_process_stays_out_when_it_comes_last():
    """The revision arrived before both of the signals that it makes old."""
    revision = {"id": "r", "output": "o", "rater": "ann", "score": 50.0, "writer": "w2", "supersedes": "s2"}
    first = {"id": "s1", "output": "o", "rater": "ann", "score": 10.0, "n": 1}
    second = {"id": "s2", "output": "o", "rater": "ann", "score": 90.0, "n": 2}
    assert judgement(revision, first, second)["mean_score"] == 50.0


def test_a_signal_cannot_take_out_one_of_another_output():
    """Each output's signals are for themselves."""
    rows = as_dicts(folded(log_of(told(
        {"output": "o", "score": 10.0}, {"output": "p", "score": 20.0, "supersedes": "id-1"},
    ))))  # fmt: skip
    assert rows[key_of("o")]["scores"] == 1


def test_a_retraction_of_a_retraction_that_came_first_finds_its_output():
    """Neither names an output: both learn theirs when the first of the three arrives."""
    one = judgement(
        {"says": ("retract",), "retracts": "id-3"},
        {"says": ("retract",), "retracts": "id-1"},
        {"output": "o", "score": 10.0},
    )
    assert (one["signals"], one["scores"]) == (3, 0)


def test_a_signal_that_learnt_its_output_later_keeps_it_over_a_start():
    """It was saved when it was about nothing yet; its retraction holds after two starts."""
    history = told({"says": ("retract",), "retracts": "id-2"}, {"output": "o", "score": 10.0})
    log, saved, vocabulary, examples = log_of(history), Saved(), Vocabulary(), Examples()
    for position in (0, 1, 2):
        fold_next(log, [examples], position, 1, vocabulary)
        saved.save(examples)
        examples = saved.load(Examples())
    (one,) = as_dicts(examples).values()
    assert (one["signals"], one["scores"]) == (2, 0)


@pytest.mark.parametrize("scores", list(permutations((0.1, 0.2, 0.3))))
def test_a_mean_is_the_same_to_the_bit_in_any_order(scores):
    """Summed from the smallest up: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1."""
    assert judgement(*({"output": "o", "score": score} for score in scores))["mean_score"] == (0.1 + 0.2 + 0.3) / 3


def test_of_two_outputs_under_one_key_the_first_stays():
    """Two ids with the same 64-bit key: on one page or on two."""
    history = told(bringing("o", 1, "learn"), {**bringing("o", 2, "judge"), "id": "p"})
    for page in (1, 9):
        (one,) = as_dicts(folded(log_of(history), page)).values()
        assert (one["seq"], one["bucket"], one["signals"]) == (1, 1, 2)


def test_a_retracted_output_is_marked():
    """A retraction may name the event that brought the output."""
    one = judgement({"id": "o", "output": "o", "brings": True, "says": None, "bucket": 1, "side": "learn"},
                    {"says": ("retract",), "retracts": "o"})  # fmt: skip
    assert one["output_retracted"]


def bringing(name, bucket, side, **more):
    return {"id": name, "output": name, "brings": True, "says": ("output", "score"), "score": 1.0, "bucket": bucket,
            "side": side, **more}  # fmt: skip


def test_the_intake_learns_rows_outputs_subjects_and_sides():
    """What it asks before it takes in the next batch."""
    events = told({"output": "late", "says": ("up",), "subject": 77}, bringing("o", 0, "judge"))
    examples = folded(log_of(events))
    rows = examples.find(np.array([key_of("o"), key_of("late"), 12345]))
    assert rows.tolist() == [1, 0, -1]
    assert examples.subject_of(rows[:2]).tolist() == [0, 77]
    assert examples.has_output(rows[:2]).tolist() == [True, False]
    assert (examples.side_of_bucket(0), examples.side_of_bucket(6)) == (3, 0)
    assert examples.rated_judge_examples() == 1


def test_a_bucket_keeps_its_first_side():
    """Whatever a later event says."""
    examples = folded(log_of(told(bringing("o", 5, "judge"), bringing("p", 5, "learn"))), 1)
    assert examples.side_of_bucket(5) == 3
    assert folded(log_of(told(bringing("o", 5, "judge"), bringing("p", 5, "learn"))), 9).side_of_bucket(5) == 3


def test_an_output_that_was_only_spoken_of_is_not_rated_judge():
    """Its side is not drawn yet."""
    assert folded(log_of(told({"output": "o", "score": 1.0}))).rated_judge_examples() == 0


def test_days_are_utc_days_of_arrival():
    """One microsecond before midnight counts with the day before."""
    events = told(bringing("o", 1, "learn", type="erd"), bringing("p", 2, "learn", type="erd"))
    log = log_of([{**events[0], "day": 1}, {**events[1], "day": 1}])
    rows = log._rows
    midnight = 20_001 * DAY
    rows[0] = (*rows[0][:3], midnight - 1, *rows[0][4:])
    rows[1] = (*rows[1][:3], midnight, *rows[1][4:])
    days = {day: counts for (day, _), counts in folded(log).volume.counts.items() if day >= 0}
    assert days == {20_000: [1, 1], 20_001: [1, 1]}


def test_one_output_with_very_many_signals_is_resolved_in_one_look():
    """A long chain is not walked link by link."""
    history = told(
        *({"output": "o", "rater": f"r{number % 50}", "score": float(number % 101)} for number in range(3000))
    )
    history += told(*({"output": f"p{number}", "score": 5.0, "id": f"p-{number}"} for number in range(40)))
    want = expected(history)
    assert cut_to(as_dicts(folded(log_of(history), 500)), want) == want


def test_names_beyond_the_cap_share_one_number():
    """A million artifact types fill no memory, and nothing is lost of the counts."""
    history = told(*(bringing(f"o{number}", number, "learn", type=f"type {number}") for number in range(50)))
    examples = Examples({"artifact_type": 10})
    fold_next(log_of(history), [examples], 0, 1000, Vocabulary())
    assert len(examples.names["artifact_type"].listed()) == 12
    assert examples.volume.counts[-1, 1] == [40, 40]


def test_an_unknown_word_says_that_the_log_is_newer():
    """The error names the word and what to do."""
    entry = entries_of(told({"output": "o", "score": 1.0}))[0]._replace(says="score+applauded")
    log = MemoryEventLog(b"salt")
    log.append([entry])
    with pytest.raises(ValueError, match=r"'applauded' is unknown here.*upgrade this one"):
        folded(log)


@given(histories(), st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_settling_in_parts_ends_where_settling_at_once_does(history, most):
    """Some examples a turn, until none are left; what is asked for between is settled whole."""
    examples = folded(log_of(history))
    left = [examples.settle(most)]
    while left[-1]:
        left.append(examples.settle(most))
    assert left == sorted(left, reverse=True)
    whole = folded(log_of(history))
    assert {name: column.tobytes() for name, column in examples.resolved().items()} == {
        name: column.tobytes() for name, column in whole.resolved().items()
    }


@given(histories())
@settings(max_examples=50, deadline=None)
def test_single_columns_are_those_of_all(history):
    """By name."""
    examples = folded(log_of(history))
    whole = examples.resolved()
    assert all(examples.resolved(name)[name].tobytes() == column.tobytes() for name, column in whole.items())
