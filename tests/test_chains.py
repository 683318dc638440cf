"""Which signals belong to an example, walked or looked up at once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.views.chains import LONG, Chains


@given(st.lists(st.lists(st.integers(-1, 5), max_size=40), max_size=6), st.sets(st.integers(0, 5)))
def test_the_signals_of_some_examples_are_found(pages, asked):
    """All of them and no others, whatever the pages."""
    chains, example_of = Chains(), []
    chains.add_examples(6)
    for page in pages:
        chains.add_signals(np.array(page, np.int64))
        example_of += page
    examples = np.array(sorted(asked), np.int64)
    want = [signal for signal, example in enumerate(example_of) if example in asked]
    assert sorted(chains.signals_of(examples, np.array(example_of, np.int32)).tolist()) == want
    assert chains.lengths(examples).tolist() == [example_of.count(example) for example in examples]
    assert sorted(chains._walk(examples).tolist() if want else []) == want


def test_a_signal_may_learn_its_example_later():
    """Then it is in that chain."""
    chains = Chains()
    chains.add_examples(2)
    chains.add_signals(np.array([0, -1, 0]))
    chains.attach(np.array([1]), np.array([0]))
    assert sorted(chains._walk(np.array([0])).tolist()) == [0, 1, 2]


def test_long_chains_are_not_walked():
    """One look at all signals answers for them."""
    chains = Chains()
    chains.add_examples(2)
    examples = np.array([0] * (LONG + 1) + [1], np.int64)
    chains.add_signals(examples)
    chains._walk = None
    assert len(chains.signals_of(np.array([0]), examples.astype(np.int32))) == LONG + 1
