"""Several feedbacks on one output come to one worth: by rater, in no order, and never by a maximum."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.feedback_folding import IMPLICIT, NOTHING, SPOKEN, fold_columns, fold_feedback, newest
from components.feedback_standing import Signals, current
from components.feedback_values import IMPLICIT_WORDS, WORDS
from components.feedback_words import BIT, FIELDS, OTHER, words_of

EVENT = st.fixed_dictionaries(
    {
        "rater": st.sampled_from([None, "ann", "bob"]),
        "score": st.sampled_from([None, None, 0, 50.0, 100, 12.5, 85]),
        "feedback_type": st.sampled_from([None, None, "success", "failure", "rejected", "needs_review"]),
        "thumb": st.sampled_from([None, None, None, "up", "down"]),
        "correction": st.sampled_from([None, None, None, "so"]),
        "implicit": st.sampled_from([None, None, "copy", "regenerate", "dwell", "silence"]),
        "occurred_at": st.integers(0, 50),
    }
)
AIMS = st.lists(st.sampled_from([None, None, None, "supersedes", "retracts"]), min_size=7, max_size=7)


@st.composite
def feedbacks(draw):
    """Up to seven feedbacks on one output; each may take back or replace another one."""
    events = draw(st.lists(EVENT, max_size=7))
    for number, (event, aim) in enumerate(zip(events, draw(AIMS), strict=False)):
        event |= {"id": f"e{number}", "seq": number + 1}
        if aim:
            event[aim] = f"e{draw(st.integers(0, len(events) - 1))}"
    return events


def slow(events):
    """The rule of the module, in sets and loops: the worth, and the ids that it rests on."""
    aims = [(e.get("supersedes"), e.get("retracts"), e["id"]) for e in events]
    out = {one for one, _, by in aims if one != by} | {one for _, one, by in aims if one != by}
    replaced = {one for one, _, by in aims if one and one != by}
    taken_back = {one for _, one, by in aims if one and one != by}
    voices = {}
    for says in (lambda e: e["score"], *(lambda e, f=f: _word(e, f) for f in FIELDS)):
        for who in {e["rater"] or e["id"] for e in events}:
            said = [e for e in events if says(e) is not None and (e["rater"] or e["id"]) == who]
            standing = [e for e in said if e["id"] not in replaced]
            if standing and standing[-1]["id"] not in taken_back:
                voices.setdefault(who, []).append((standing[-1]["id"], says(standing[-1])))
    worths, rests_on = [], set()
    for said in voices.values():
        scores = [value for _, value in said if not isinstance(value, str)]
        shifts = [({**WORDS, "correction": -0.25}).get(value) for _, value in said if isinstance(value, str)]
        shifts = [shift for shift in shifts if shift is not None]
        shift = sum(shifts) / len(shifts) if shifts else 0.0
        if scores or shifts:
            worths.append(math.tanh((scores[0] - 50) / 25 + shift if scores else 2 * shift))
            rests_on |= {name for name, value in said if value != OTHER}
    if worths:
        return sum(worths) / len(worths), rests_on
    done = [e for e in events if e["implicit"] and e["id"] not in out]
    if done:
        return math.tanh(2 * sum(IMPLICIT_WORDS[word] for word in {e["implicit"] for e in done})), {
            e["id"] for e in done
        }
    return math.nan, set()


def _word(event, name):
    word = {"type": event["feedback_type"], "thumb": event["thumb"], "preference": None}.get(name)
    if name == "correction":
        return "correction" if event["correction"] else None
    return OTHER if word == "needs_review" else word


@settings(max_examples=400)
@given(events=feedbacks())
def test_the_fold_is_the_rule_as_it_is_told(events):
    """Worth, the feedback that it rests on and its newest moment are those of a slow reading of the rule."""
    folded = fold_feedback(events)
    worth, rests_on = slow(events)
    np.testing.assert_allclose(folded.worth, worth, rtol=0, atol=1e-12)
    counted = [event for place, event in enumerate(events) if place not in folded.left_out]
    assert {event["id"] for event in counted} == rests_on
    assert folded.moment == max((event["occurred_at"] for event in counted), default=None)


@settings(max_examples=300)
@given(events=feedbacks(), chance=st.randoms(use_true_random=False))
def test_the_order_of_arrival_makes_no_difference(events, chance):
    """Any permutation, and any event coming twice, gives the same worth to the last bit, and the same reasons."""
    shuffled = [*events, *events[:2]]
    chance.shuffle(shuffled)
    one, other = fold_feedback(events), fold_feedback(shuffled)
    assert one.worth == other.worth or (math.isnan(one.worth) and math.isnan(other.worth))
    assert (one.heard, one.moment) == (other.heard, other.moment)
    assert [(v.rater, v.worth) for v in one.voices] == [(v.rater, v.worth) for v in other.voices]
    reasons = {(events[place]["id"], reason) for place, reason in one.left_out.items()}
    again = {(shuffled[place]["id"], reason) for place, reason in other.left_out.items()}
    assert reasons == {pair for pair in again if pair[1] != "came before with the same id"}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_the_worth_lies_between_the_lowest_and_the_highest_voice(scores):
    """So all bad is bad, all good is good, and zeros stay zeros; no default takes the place of a negative worth."""
    worths = [fold_feedback([{"score": score}]).worth for score in scores]
    folded = fold_feedback([{"score": score} for score in scores]).worth
    assert min(worths) - 1e-15 <= folded <= max(worths) + 1e-15


def test_the_mean_is_the_same_to_the_last_bit_in_every_order():
    """Floating-point sums depend on their order, so the fold has one of its own."""
    chance = random.Random(1)
    scores = [chance.uniform(0, 100) for _ in range(9)]
    found = {fold_feedback([{"score": score} for score in chance.sample(scores, 9)]).worth for _ in range(50)}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("scores", "worth"),
    [([45, 27.5], -0.457), ([50, 27.5], -0.358), ([50, 50], 0.0), ([50], 0.0), ([], math.nan), ([100, 0], 0.0)],
)
def test_negative_zero_and_missing_are_three_things(scores, worth):
    """The cases in which a maximum from the smallest positive number answers with its default."""
    folded = fold_feedback([{"score": score} for score in scores])
    np.testing.assert_allclose(folded.worth, worth, atol=5e-4)


@given(st.floats(0, 100), st.lists(st.sampled_from(list(IMPLICIT_WORDS)), max_size=5))
def test_implicit_signals_are_silent_where_somebody_spoke(score, done):
    """A late score takes the place of all that was only seen."""
    seen = [{"implicit": word} for word in done]
    assert fold_feedback([*seen, {"score": score}]).worth == fold_feedback([{"score": score}]).worth


def test_a_hundred_copies_are_one():
    """How often somebody copied is no measure of quality, and silence says only that there was a chance to speak."""
    copies = [{"implicit": "copy"}] * 100
    assert fold_feedback(copies).worth == fold_feedback(copies[:1]).worth == pytest.approx(math.tanh(0.3))
    assert fold_feedback([{"implicit": "silence"}]).worth == 0.0
    assert fold_feedback([{"implicit": "copy"}, {"implicit": "regenerate"}]).worth == 0.0


def test_what_was_done_can_be_taken_back_and_replaced():
    """A retracted copy was none; one that was superseded gives way to what took its place."""
    assert math.isnan(fold_feedback([{"id": "c", "implicit": "copy"}, {"id": "r", "retracts": "c"}]).worth)
    instead = [{"id": "c", "implicit": "copy"}, {"id": "d", "implicit": "regenerate", "supersedes": "c"}]
    assert fold_feedback(instead).worth == pytest.approx(-math.tanh(0.3))


def test_a_retracted_word_brings_no_older_one_back():
    """Ann said 90, then 20, and took the 20 back: she has no score."""
    events = [
        {"id": "a", "rater": "ann", "score": 90, "seq": 1},
        {"id": "b", "rater": "ann", "score": 20, "seq": 2},
        {"id": "c", "retracts": "b", "seq": 3},
    ]
    folded = fold_feedback(events)
    assert (math.isnan(folded.worth), folded.heard, folded.why()) == (True, "nothing", "nothing is known")
    assert folded.left_out == {0: "the same rater said something newer", 1: "retracted", 2: "takes another back"}


def test_the_counter_of_a_writer_comes_before_the_place_in_the_log():
    """A spool that was read late does not make its older line the newer one."""
    late = [
        {"rater": "ann", "score": 80, "writer": "w", "n": 2, "seq": 1},
        {"rater": "ann", "score": 10, "writer": "w", "n": 1, "seq": 2},
    ]
    assert fold_feedback(late).worth == fold_feedback([{"score": 80}]).worth


def test_an_output_that_was_taken_back_has_no_worth():
    """Whether its id came with the feedback or with its own event."""
    events = [{"id": "f", "output_id": "o", "score": 90}, {"id": "r", "retracts": "o"}]
    folded = fold_feedback(events)
    assert (math.isnan(folded.worth), folded.left_out[0]) == (True, "its output was taken back")
    inline = [{"id": "o", "output": "text", "score": 90}, {"id": "r", "retracts": "o"}]
    assert math.isnan(fold_feedback(inline).worth)


def test_two_that_supersede_each_other_are_both_out():
    """There is no way to say which was meant."""
    ring = [{"id": "a", "score": 90, "supersedes": "b"}, {"id": "b", "score": 10, "supersedes": "a"}]
    assert fold_feedback(ring).left_out == {0: "superseded", 1: "superseded"}


def test_one_sentence_says_who_said_what():
    """The voices from the lowest up, or that nobody spoke."""
    events = [{"rater": "ann", "score": 90}, {"thumb": False}]
    assert fold_feedback(events).why() == "mean of 2: somebody -0.762, ann +0.922 = +0.080"
    assert fold_feedback([{"implicit": "copy"}]).why() == "implicit: +0.291"
    assert fold_feedback([{"comment": "hm", "score": None}]).left_out == {0: "says nothing of quality"}


def test_the_caller_s_events_are_left_as_they_are():
    """Folding changes nothing."""
    events = [{"id": "a", "score": 90}, {"id": "a", "score": 90}]
    assert fold_feedback(events).left_out == {1: "came before with the same id"}
    assert events == [{"id": "a", "score": 90}, {"id": "a", "score": 90}]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (
            [{"output_id": "o"}, {"output_id": "p"}],
            "feedback: found \"feedback on 2 outputs: ['o', 'p']\", expected feedback on one.",
        ),
        (
            [{"id": "a", "score": 1}, {"id": "a", "score": 2}],
            "feedback 'a': found 'two different feedbacks with this id', expected the same content each time.",
        ),
        ([{"score": "good"}], "score: found 'good', expected a number from 0 to 100."),
        ([{"score": True}], "score: found True, expected a number from 0 to 100."),
        ([{"score": []}], "score: found [], expected a number from 0 to 100."),
        ([{"score": math.inf}], "scores[0]: found inf, expected numbers from 0 to 100."),
        ([{"score": 103}], "scores[0]: found 103.0, expected numbers from 0 to 100."),
        ([{"score": 1, "seq": -1}], "seq: found -1, expected a whole number of at least 0."),
        ([{"rater": "a", "score": 1}, {"rater": "a", "score": 2}], "feedback of one rater on one output: found"),
    ],
)
def test_feedback_that_cannot_be_folded_is_refused(events, message):
    """A score outside 0 to 100 is never clipped."""
    with pytest.raises(BadInput) as told:
        fold_feedback(events)
    assert str(told.value).startswith(message)


def test_columns_and_events_fold_alike():
    """Two hundred outputs at once come to what each of them comes to alone."""
    chance, rows = random.Random(5), []
    for seq in range(1, 1_500):
        event = {"score": chance.choice([None, 0, 40, 90]), "thumb": chance.choice([None, "up", "down"])}
        event |= {"rater": chance.choice([None, "ann", "bob"]), "implicit": chance.choice([None, None, "copy"])}
        rows.append((chance.randrange(200), {**event, "seq": seq, "occurred_at": chance.randrange(1000)}))
    signals = Signals.of(
        [output for output, _ in rows],
        score=[event["score"] or 0.0 for _, event in rows],
        scored=[event["score"] is not None for _, event in rows],
        words=[words_of(event) for _, event in rows],
        rater=[{None: -1, "ann": 0, "bob": 1}[event["rater"]] for _, event in rows],
        seq=[event["seq"] for _, event in rows],
    )
    folded = fold_columns(signals, 201)
    moments = newest(np.array([float(event["occurred_at"]) for _, event in rows]), signals, folded)
    for output in range(201):
        alone = fold_feedback([event for at, event in rows if at == output])
        np.testing.assert_equal((folded.worth[output], folded.voices[output]), (alone.worth, len(alone.voices)))
        np.testing.assert_equal(moments[output], math.nan if alone.moment is None else alone.moment)
    assert folded.heard[200] == NOTHING
    assert set(folded.heard[:200].tolist()) <= {NOTHING, IMPLICIT, SPOKEN}


def test_a_column_may_say_which_outputs_were_taken_back():
    """Those have no worth, whoever spoke of them."""
    signals = Signals.of([0, 1], score=[90, 90], words=[0, BIT["copy"]])
    folded = fold_columns(signals, 2, [False, True])
    assert np.isnan(folded.worth).tolist() == [False, True]
    assert (folded.counts.tolist(), folded.voices.tolist()) == ([True, False], [1, 0])
    assert len(current(signals, signals.scored)) == 2
