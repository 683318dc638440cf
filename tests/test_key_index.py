"""Keys and rows, against a dict."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.views.key_index import TIMES_LONGER, KeyIndex

KEYS = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.lists(KEYS, max_size=40), max_size=12), st.lists(KEYS, max_size=20))
def test_it_finds_what_a_dict_finds(batches, others):
    """Known keys have their rows, others have -1."""
    index, rows = KeyIndex(), {}
    for batch in batches:
        new = [key for key in dict.fromkeys(batch) if key not in rows]
        rows |= {key: len(rows) + place for place, key in enumerate(new)}
        index.add(np.array(new, np.int64), np.array([rows[key] for key in new], np.int64))
    asked = [*rows, *others]
    assert index.find(np.array(asked, np.int64)).tolist() == [rows.get(key, -1) for key in asked]


def test_a_search_goes_through_few_runs():
    """However small the batches in which a hundred thousand keys came."""
    index = KeyIndex()
    for start in range(0, 100_000, 100):
        index.add(np.arange(start, start + 100) * 7919, np.arange(start, start + 100))
    lengths = [len(keys) for keys, _ in index._runs]
    assert len(lengths) <= 6
    assert all(longer >= TIMES_LONGER * shorter for longer, shorter in pairwise(lengths))
