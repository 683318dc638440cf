"""Chance hangs on seed and text alone, and is even."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from components.dice import Dice


@given(st.integers(0, 2**70), st.text())
def test_seed_and_text_decide(seed, text):
    """The same rolls for both the same."""
    first, again = Dice(seed, text), Dice(seed, text)
    assert [first.below(9) for _ in range(5)] == [again.below(9) for _ in range(5)]


def test_other_seeds_and_texts_roll_otherwise():
    """Of a hundred neighbours hardly two agree on a large die."""
    rolls = {Dice(seed, text).below(10**9) for seed in range(10) for text in "abcdefghij"}
    assert len(rolls) == 100


def test_sides_come_up_evenly():
    """Six thousand rolls: each side within 15% of a thousand; a chance of .3 comes in 30%."""
    dice = Dice(0, "x")
    counts = Counter(dice.below(6) for _ in range(6000))
    assert all(850 < counts[side] < 1150 for side in range(6))
    assert 0.27 < sum(dice.chance(0.3) for _ in range(3000)) / 3000 < 0.33


def test_a_shuffle_has_them_all_in_every_order():
    """Each of six orders of three comes up about as often."""
    orders = Counter(tuple(Dice(seed, "x").shuffled([1, 2, 3])) for seed in range(1200))
    assert len(orders) == 6
    assert min(orders.values()) > 140
    given_list = [1, 2, 3]
    Dice(0, "x").shuffled(given_list)
    assert given_list == [1, 2, 3]
    assert Dice(3, "y").one_of([7]) == 7
