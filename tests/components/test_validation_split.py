"""A fifth of each artifact type is validated on, equal inputs together, the same for the same seed in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.validation_split import input_key, split_rows

ROWS = st.lists(st.tuples(st.sampled_from(["erd", "code", "poem", None]), st.integers(0, 12)), max_size=60)
SHARE = st.floats(0.01, 0.99)


def strata(rows):
    """The inputs of each type; an input under several types belongs to the first by name, none coming first."""
    type_of = {}
    for kind, key in rows:
        type_of[key] = min(type_of.get(key, "~"), kind or "")
    return {kind: {key for key, at in type_of.items() if at == kind} for kind in set(type_of.values())}


@given(rows=ROWS, share=SHARE, seed=st.integers(0, 5))
def test_each_type_gives_its_share_of_inputs(rows, share, seed):
    """Rounded to the nearest, at least one of two, none of one; and all rows of an input lie on one side."""
    validated = split_rows([kind for kind, _ in rows], [key for _, key in rows], share=share, seed=seed)
    chosen = {key for (_, key), side in zip(rows, validated, strict=True) if side}
    trained = {key for (_, key), side in zip(rows, validated, strict=True) if not side}
    assert not chosen & trained
    for inputs in strata(rows).values():
        wanted = min(max(round(len(inputs) * share), 1), len(inputs) - 1)
        assert len(inputs & chosen) == wanted


@given(rows=ROWS, chance=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_makes_no_difference(rows, chance):
    """The same inputs are validated on, however the rows are shuffled."""
    order = list(range(len(rows)))
    chance.shuffle(order)
    types, keys = [kind for kind, _ in rows], [key for _, key in rows]
    one = split_rows(types, keys)
    other = split_rows([types[row] for row in order], [keys[row] for row in order])
    assert [bool(one[row]) for row in order] == other.tolist()


def test_a_seed_draws_its_own_split_again_and_another_seed_another():
    """The same seed gives the same rows, and two seeds differ about as much as two draws do."""
    keys = np.arange(1_000)
    one, again, other = (split_rows(np.zeros(1_000, np.int64), keys, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert one.sum() == other.sum() == 200
    assert 15 <= (one & other).sum() <= 70  # 40 expected


def test_new_examples_move_few_old_ones():
    """A tenth more examples moves at most a tenth of those validated on."""
    before = split_rows(np.zeros(1_000, np.int64), np.arange(1_000))
    after = split_rows(np.zeros(1_100, np.int64), np.arange(1_100))[:1_000]
    assert (before & ~after).sum() <= 20
    assert (after & ~before).sum() <= 20


def test_neighbouring_inputs_are_drawn_independently():
    """Codes in a row, as a caller may hand them over, are spread over both sides."""
    validated = split_rows(np.zeros(10_000, np.int64), np.arange(10_000))
    parts = validated.reshape(100, 100).sum(axis=1)
    assert parts.min() >= 5
    assert parts.max() <= 40


def test_codes_and_hashes_of_either_sign_are_taken():
    """A type code of -1 is no type; a negative hash is a hash."""
    assert split_rows(np.array([-1, -1, 0, 0]), np.array([-5, 7, 2**62, -(2**62)])).sum() == 2
    assert split_rows([], []).tolist() == []


def test_an_input_is_known_by_its_letters():
    """Case and outer spaces make no other input; emoji and half of one are texts."""
    assert input_key(" Draw ") == input_key("draw") != input_key("drawn")
    assert len({input_key(text) for text in ("", "😀", "\ud83d", "x" * 1_000_000)}) == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split_rows(["a"], [1], share=1), "share: found 1, expected a number between 0 and 1."),
        (lambda: split_rows(["a"], [1], share=0.0), "share: found 0.0, expected a number between 0 and 1."),
        (lambda: split_rows(["a"], [1], seed=-1), "seed: found -1, expected a whole number of at least 0."),
        (
            lambda: split_rows(["a"], [0.5]),
            "inputs: found 'an array of float64 and shape (1,)', expected one whole number",
        ),
        (lambda: split_rows(["a"], [1, 2]), "columns: found {'artifact_types': 1, 'inputs': 2}"),
    ],
)
def test_what_cannot_be_split_is_refused(call, message):
    """The message names the argument."""
    with pytest.raises(BadInput) as told:
        call()
    assert str(told.value).startswith(message)
