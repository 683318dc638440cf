"""A reward is −1 to 1, falls with age and with plenty, and never falls because the task was harder."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.category_columns import coded
from components.feedback_values import IMPLICIT_WORDS, KINDS, WORDS
from components.reward_calculator_enhanced import NEGATIVE_DIFFICULTY, EnhancedRewardCalculator

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ROW = st.tuples(
    st.one_of(st.none(), st.floats(0, 100)),
    st.sampled_from([None, *KINDS, "needs_review"]),
    st.floats(0, 400),
    st.floats(0, 1),
    st.sampled_from([None, "erd", "code", "sonnet"]),
)
CALCULATOR = st.builds(
    EnhancedRewardCalculator,
    st.floats(0.5, 1),
    st.floats(1, 3),
    st.integers(1, 5),
    negative_difficulty=st.sampled_from(NEGATIVE_DIFFICULTY),
)


def columns(rows):
    scored = np.array([row[0] is not None for row in rows], bool)
    scores = np.array([0.0 if row[0] is None else row[0] for row in rows])
    return [scores, *([row[place] for row in rows] for place in range(1, 5))], scored


def slow(calculator, rows):
    """One row after the other, by the formula of the module."""
    counts = {}
    for *_, kind in rows:
        if kind is not None:
            counts[kind] = counts.get(kind, 0) + 1
    for score, word, days, hard, kind in rows:
        shift = (WORDS | IMPLICIT_WORDS if score is None else WORDS).get(word)
        if score is None and shift is None:
            yield math.nan
            continue
        worth = math.tanh(2 * shift if score is None else (score - 50) / 25 + (shift or 0.0))
        boost = 1 + (calculator.difficulty_weight - 1) * hard
        if worth < 0:
            boost = {"soften": 1 / boost, "boost": boost, "leave": 1.0}[calculator.negative_difficulty]
        reward = max(-1.0, min(1.0, worth * boost)) * calculator.time_decay_rate**days
        if kind is not None:
            fair = max(calculator.balance_threshold, sum(counts.values()) / len(counts))
            reward *= math.sqrt(min(1.0, fair / counts[kind]))
        yield reward


@given(calculator=CALCULATOR, rows=st.lists(ROW, max_size=25))
def test_the_columns_are_the_formula_row_by_row(calculator, rows):
    """To 1e-9, missing scores, words and types included."""
    given_columns, scored = columns(rows)
    found = calculator.calculate_rewards(*given_columns, scored=scored)
    np.testing.assert_allclose(found, list(slow(calculator, rows)), rtol=0, atol=1e-9)
    assert not (np.abs(found) > 1).any()


@given(calculator=CALCULATOR, rows=st.lists(ROW, min_size=1, max_size=10))
def test_codes_and_texts_and_lists_give_the_same_rewards(calculator, rows):
    """What holds the categories makes no difference."""
    (scores, kinds, ages, hard, types), scored = columns(rows)
    place = {kind: code for code, kind in enumerate(KINDS)}
    codes = np.array([place.get(kind, -1) for kind in kinds])
    by_code = calculator.calculate_rewards(scores, codes, ages, hard, coded("t", types).codes, scored=scored)
    texts = np.array([kind or "?" for kind in kinds])
    by_text = calculator.calculate_rewards(scores, texts, ages, hard, coded("t", types), scored=scored)
    np.testing.assert_array_equal(by_code, by_text)


@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_one_event_is_worth_what_its_row_is_worth(rows):
    """The V2 call and the columns agree, decay and difficulty included."""
    calculator = EnhancedRewardCalculator()
    for score, word, days, hard, kind in rows:
        event = {"validation_score": score, "difficulty": hard, "artifact_type": kind}
        event["implicit" if word in IMPLICIT_WORDS else "feedback_type"] = word
        if word in ("up", "down"):
            event |= {"feedback_type": None, "thumb": word}
        if word in ("better", "worse", "tie"):
            event |= {"feedback_type": None, "verdict": word}
        event["occurred_at"] = NOW - timedelta(days=days)
        given_columns, scored = columns([(score, word, days, hard, kind)])
        expected = calculator.calculate_rewards(*given_columns, scored=scored)[0]
        np.testing.assert_allclose(calculator.calculate_reward(event, NOW), expected, rtol=0, atol=1e-9)


@given(calculator=CALCULATOR, row=ROW, harder=st.floats(0, 1))
def test_a_harder_task_never_lowers_a_reward(calculator, row, harder):
    """Success earns more and failure costs less; only with "boost" does failure cost more."""
    (scores, kinds, *_), scored = columns([row, row])
    low, high = sorted((row[3], harder))
    easy, hard = calculator.calculate_rewards(scores, kinds, None, [low, high], scored=scored)
    if calculator.negative_difficulty == "boost" and easy < 0:
        assert hard <= easy
    elif not math.isnan(easy):
        assert hard >= easy


@given(st.floats(0, 100), st.floats(0, 3000), st.floats(0, 3000), st.integers(1, 5000), st.integers(1, 5000))
def test_age_and_plenty_only_shrink_a_reward(score, age, other_age, count, other_count):
    """Towards 0 from either side, and never through it."""
    calculator = EnhancedRewardCalculator()
    young, old = calculator.calculate_rewards([score] * 2, None, sorted((age, other_age)))
    assert abs(old) <= abs(young)
    assert old * young >= 0
    few, many = (
        abs(calculator.calculate_rewards([score], None, None, None, ["erd"], type_counts={"erd": n, "code": 200})[0])
        for n in sorted((count, other_count))
    )
    assert many <= few + 1e-15


def test_the_document_s_numbers_hold():
    """0.95 a day, 1.5 for the hardest, nothing before 100 examples, clipped to 1 after the boost."""
    calculator = EnhancedRewardCalculator()
    plain, decayed, boosted = calculator.calculate_rewards([70, 70, 70], None, [0, 1, 0], [0, 0, 1])
    assert decayed == pytest.approx(plain * 0.95)
    assert boosted == pytest.approx(min(1.0, plain * 1.5))
    assert calculator.calculate_rewards([100], None, [0], [1]).tolist() == [1.0]
    assert calculator.calculate_rewards([100], None, [1], [1]).tolist() == [0.95]  # decayed from the clipped reward
    assert calculator.balance(["erd"], {"erd": 100, "code": 1}).tolist() == [1.0]
    assert calculator.balance(["erd"], {"erd": 400, "code": 0}).tolist() == [1.0]  # alone, it is not too many
    assert calculator.balance(["erd"], {"erd": 400, "code": 2, "a": 2, "b": 2}) == pytest.approx(math.sqrt(101.5 / 400))


def test_the_counts_may_be_of_more_than_the_column():
    """By name or by code, types that the column does not have count among the average."""
    calculator = EnhancedRewardCalculator(balance_threshold=1)
    by_name = calculator.balance(["b", None], {"a": 10, "b": 90})
    assert by_name.tolist() == calculator.balance(np.array([1, -1]), [10, 90]).tolist() == [math.sqrt(50 / 90), 1.0]
    event = {"score": 80, "artifact_type": "b", "difficulty": 0}
    terms = calculator.explain_reward(event, type_counts={"a": 10, "b": 90})
    assert terms.why() == "worth +0.834; 90 of its type × 0.745 → +0.621"
    assert calculator.explain_reward({**event, "artifact_type": "new"}, type_counts={"a": 10}).balance == 1.0


def test_without_a_moment_an_event_is_new():
    """Its own time is taken as now, and with a moment it has its age."""
    calculator, event = EnhancedRewardCalculator(), {"score": 90, "timestamp": "2026-11-11T00:00:00Z"}
    assert calculator.explain_reward(event).age_days == 0.0
    assert calculator.explain_reward(event, NOW).age_days == 10.0
    assert calculator.explain_reward(event, "2020-01-01T00:00:00Z").age_days == 0.0


def test_nothing_said_is_no_reward():
    """NaN in a column and for an event, and a sentence that says so."""
    calculator = EnhancedRewardCalculator()
    assert math.isnan(calculator.calculate_reward({"comment": "hm"}, NOW))
    assert calculator.explain_reward({"comment": "hm"}).why() == "no reward: nothing that was said tells of quality"
    assert np.isnan(calculator.calculate_rewards([0.0], scored=[False])).all()


def test_the_difficulty_is_read_from_the_example_where_it_does_not_say_it():
    """Lengths and type of what the feedback is about; a low score is no excuse for itself."""
    calculator = EnhancedRewardCalculator()
    text = {"input_data": "x" * 400, "artifact_type": "architecture"}
    high, low = (calculator.explain_reward({**text, "score": score}) for score in (95, 5))
    assert high.difficulty == low.difficulty == pytest.approx((0.5 + 0.8) / 2)
    assert calculator.explain_reward({"output_id": "o", "score": 95}).difficulty is None


def test_many_feedbacks_make_one_reward_with_one_age():
    """The fold is undecayed, and ages from the newest moment that counts: the late thumb, not the retracted score."""
    calculator = EnhancedRewardCalculator()
    events = [
        {"id": "a", "rater": "ann", "score": 90, "occurred_at": NOW - timedelta(days=30)},
        {"id": "b", "rater": "bob", "thumb": "up", "occurred_at": NOW - timedelta(days=10)},
        {"id": "c", "rater": "eve", "score": 0, "occurred_at": NOW - timedelta(days=1)},
        {"id": "d", "retracts": "c", "occurred_at": NOW},
    ]
    terms = calculator.fold_feedback(events, NOW, example={"difficulty": 0.0})
    worth = (math.tanh(1.6) + math.tanh(1.0)) / 2
    assert (terms.undecayed, terms.age_days) == (pytest.approx(worth), 10.0)
    assert terms.reward == pytest.approx(worth * 0.95**10)
    assert terms.why() == f"worth {worth:+.3f}; 10.0 days × 0.599 → {worth * 0.95**10:+.3f}"


def test_the_caller_s_columns_are_left_as_they_are():
    """Nothing is changed in place, and the same call gives the same rewards."""
    scores, ages, hard = np.array([10.0, 90.0]), np.array([1.0, 2.0]), np.array([0.5, 1.0])
    kept = [column.copy() for column in (scores, ages, hard)]
    calculator = EnhancedRewardCalculator()
    once = calculator.calculate_rewards(scores, None, ages, hard)
    assert np.array_equal(once, calculator.calculate_rewards(scores, None, ages, hard))
    assert all(np.array_equal(now, before) for now, before in zip((scores, ages, hard), kept, strict=True))


def test_every_block_of_a_long_column_is_counted():
    """100,000 rows are those of the formula, wherever a block ends."""
    rng = np.random.default_rng(3)
    scores, days, hard = rng.uniform(0, 100, 100_000), rng.uniform(0, 9, 100_000), rng.uniform(0, 1, 100_000)
    worth = np.tanh((scores - 50) / 25)
    credited = np.clip(np.where(worth < 0, worth / (1 + hard / 2), worth * (1 + hard / 2)), -1, 1)
    found = EnhancedRewardCalculator().calculate_rewards(scores, None, days, hard, ["erd"] * 100_000)
    np.testing.assert_allclose(found, credited * 0.95**days, rtol=0, atol=1e-9)


def test_an_empty_pool_has_no_rewards():
    """And that is no mistake."""
    assert EnhancedRewardCalculator().calculate_rewards([], [], [], [], []).tolist() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.calculate_rewards([50, math.nan]), "scores[1]: found nan, expected numbers from 0 to 100."),
        (lambda c: c.calculate_rewards([103]), "scores[0]: found 103.0, expected numbers from 0 to 100."),
        (lambda c: c.calculate_rewards([1], None, [-1]), "ages_days[0]: found -1.0, expected numbers from 0 to inf."),
        (
            lambda c: c.calculate_rewards([1], None, None, [2]),
            "difficulties[0]: found 2.0, expected numbers from 0 to 1.",
        ),
        (lambda c: c.calculate_rewards([1], None, [1, 2]), "columns: found {'scores': 1, 'ages_days': 2}"),
        (lambda c: c.calculate_rewards([1], None, None, [0, 0]), "columns: found {'scores': 1, 'difficulties': 2}"),
        (
            lambda c: c.calculate_rewards([1], None, None, None, ["a", "b"]),
            "columns: found {'scores': 1, 'artifact_types'",
        ),
        (
            lambda c: c.balance(np.array([3]), [1, 2]),
            "type_counts: found '2 counts', expected one for each code up to 3.",
        ),
        (
            lambda c: c.balance(np.array([0]), [-1]),
            "type_counts: found [-1], expected a count per code of artifact_types",
        ),
        (lambda c: c.balance(np.array([0]), {"a": 1}), "type_counts: found 'names', expected a count per code"),
        (lambda c: c.balance(["a"], {"a": 1.5}), "type_counts['a']: found 1.5, expected a whole number of at least 0."),
        (
            lambda c: c.calculate_reward({"score": 1}, NOW),
            "occurred_at: found None, expected when the feedback was given. 1 events do not say.",
        ),
        (
            lambda c: c.calculate_reward({"score": 1, "difficulty": 7}),
            "difficulty[0]: found 7.0, expected numbers from 0",
        ),
        (
            lambda c: c.fold_feedback([{"score": 1, "artifact_type": "a"}, {"score": 2, "artifact_type": "b"}]),
            "artifact_type: found ['a', 'b'], expected one value in all feedback on one output.",
        ),
        (lambda c: type(c)(time_decay_rate=0), "time_decay_rate: found 0, expected a number above 0 and at most 1."),
        (lambda c: type(c)(time_decay_rate=True), "time_decay_rate: found True"),
        (lambda c: type(c)(difficulty_weight=0.5), "difficulty_weight: found 0.5, expected a number at least 1."),
        (lambda c: type(c)(balance_threshold=0), "balance_threshold: found 0, expected a whole number of at least 1."),
        (
            lambda c: type(c)(negative_difficulty="hide"),
            "negative_difficulty: found 'hide', expected one of soften, boost, leave.",
        ),
    ],
)
def test_what_makes_no_reward_is_refused(call, message):
    """The message names the column, the row, the value and what was expected."""
    with pytest.raises(BadInput) as told:
        call(EnhancedRewardCalculator())
    assert str(told.value).startswith(message)
