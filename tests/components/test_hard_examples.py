"""Difficulty follows its formula, and hard examples fill a third of a batch where they exist."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.hard_examples import difficulties, mix_hard

rows = st.lists(
    st.tuples(
        st.floats(0, 100), st.integers(1, 50), st.floats(-5, 1000), st.integers(0, 9), st.floats(0, 1, allow_nan=False)
    ),
    min_size=1,
    max_size=20,
)


def slowly(score, failures, age, since, doubt):
    depth = max(0.0, 60 - score) / 60
    repeats = 1 - 0.5 ** (failures - 1)
    recency = 0.95 ** max(0.0, age)
    return (0.5 * depth + 0.25 * repeats + 0.25 * recency) * 0.5**since * (1 - doubt)


@given(rows)
def test_the_formula_holds_for_every_row(given_rows):
    """Columns give what a loop over rows gives, from 0 to 1."""
    score, failures, age, since, doubt = map(list, zip(*given_rows, strict=True))
    found = difficulties(score, failures, age, successes_since=since, suspicion=doubt)
    assert found.difficulty == pytest.approx([slowly(*row) for row in given_rows])
    assert found.difficulty.min() >= 0
    assert found.difficulty.max() <= 1


@pytest.mark.parametrize(
    ("easier", "harder"),
    [
        ((50, 1, 0), (40, 1, 0)),
        ((50, 1, 0), (50, 2, 0)),
        ((50, 1, 9), (50, 1, 1)),
    ],
)
def test_deeper_oftener_and_later_is_harder(easier, harder):
    """Each term alone moves the difficulty its way."""
    found = difficulties(*map(list, zip(easier, harder, strict=True)))
    assert found.difficulty[0] < found.difficulty[1]


def test_a_success_halves_and_a_doubt_takes_away():
    """A success since: half of it. A suspicion of 1: nothing is left."""
    found = difficulties([0, 0, 0], [1, 1, 1], [0, 0, 0], successes_since=[0, 1, 0], suspicion=[0, 0, 1])
    assert found.difficulty.tolist() == [0.75, 0.375, 0.0]
    assert found.hardest(2).tolist() == [0, 1]
    assert found.hardest(0).tolist() == []


def test_equals_keep_their_order():
    """Among equally hard ones the earlier row goes first."""
    assert difficulties([30] * 4, [1] * 4, [0] * 4).hardest(4).tolist() == [0, 1, 2, 3]


@given(seed=st.integers(0, 99), failures=st.integers(0, 60), others=st.integers(0, 60), budget=st.integers(0, 150))
def test_a_mix_never_holds_more_hard_ones_than_its_share(seed, failures, others, budget):
    """Hard ones: the share of the budget or all there are; nothing twice, nothing beyond budget or pool."""
    score = np.random.default_rng(seed).permutation([30.0] * failures + [80.0] * others)
    mix = mix_hard(score, budget, rng=np.random.default_rng(seed))
    assert mix.hard == min(failures, int(0.35 * budget + 1e-9))
    assert len(mix.rows) == min(mix.hard + others, budget)
    assert len(set(mix.rows.tolist())) == len(mix.rows)
    assert np.all(score[mix.rows[: mix.hard]] < 60)
    assert np.all(score[mix.rows[mix.hard :]] >= 60)


def test_the_hardest_are_taken_and_those_of_no_use_are_not():
    """By difficulty where it is given; a difficulty of 0 leaves a failure out."""
    score = [10.0, 20.0, 30.0, 40.0] + [90.0] * 6
    chosen = mix_hard(score, 6, rng=np.random.default_rng(0))
    assert chosen.rows[:2].tolist() == [0, 1]
    told = mix_hard(score, 6, rng=np.random.default_rng(0), difficulty=[0.0, 0.1, 0.2, 0.9] + [0.0] * 6)
    assert told.rows[:2].tolist() == [3, 2]
    few = mix_hard(score, 10, rng=np.random.default_rng(0), difficulty=[0.0, 0.0, 0.0, 0.9] + [0.0] * 6)
    assert few.rows[: few.hard].tolist() == [3]


@pytest.mark.parametrize(
    ("scores", "budget", "why"),
    [
        ([20.0] * 50 + [90.0] * 50, 40, "14 of 40 are hard (35%)"),
        ([20.0] * 3 + [90.0] * 50, 40, "3 of 40 are hard (8%); 14 were wanted (35% of 40), no more failures exist"),
        ([20.0] * 50, 40, "14 of 14 are hard (100%); 26 of 40 seats stay empty"),
        ([], 10, "nothing was taken; 3 were wanted (35% of 10), no more failures exist; 10 of 10 seats stay empty"),
        ([90.0], 0, "nothing was taken"),
    ],
)
def test_the_mix_says_how_it_came_about(scores, budget, why):
    """Enough, too few failures, too few others, nothing at all."""
    assert mix_hard(scores, budget, rng=np.random.default_rng(0)).why == why


def test_the_share_of_an_empty_mix_is_nought():
    """No division by nothing."""
    assert mix_hard([], 5, rng=np.random.default_rng(0)).hard_share == 0.0


def test_a_seed_repeats_its_mix():
    """The same generator gives the same rows."""
    score = np.tile([20.0, 80.0], 50)
    first, again = (mix_hard(score, 30, rng=np.random.default_rng(4)).rows.tolist() for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: difficulties([101], [1], [0]), r"failed_scores\[0\]: found 101.0, expected numbers from 0 to 100"),
        (lambda: difficulties([50], [0], [0]), r"failures\[0\]: found 0.0, expected numbers from 1 to inf"),
        (lambda: difficulties([50], [1], [np.nan]), r"ages_days\[0\]: found nan, expected finite numbers"),
        (lambda: difficulties([50], [1, 2], [0]), "columns: found .*, expected the same number of rows in each"),
        (lambda: difficulties([50], [1], [0], suspicion=[2]), r"suspicion\[0\]: found 2.0"),
        (lambda: mix_hard([50], -1, rng=np.random.default_rng(0)), "budget: found -1"),
        (lambda: mix_hard([50], 1, rng=np.random.default_rng(0), hard_share=35), r"hard_share\[0\]: found 35.0"),
        (lambda: mix_hard([50], 1, rng=np.random.default_rng(0), difficulty=[1, 2]), "columns: found"),
    ],
)
def test_numbers_that_make_no_sense_are_told(call, told):
    """Out of range, not finite, of other lengths."""
    with pytest.raises(BadInput, match=told):
        call()
