"""The pure function on bare columns; what it means is tested in test_examples.py."""

import numpy as np

from daemon.views import saying
from daemon.views.resolving import JUDGEMENTS, resolve


def columns(rows):
    names = ("seq", "says", "score", "rater_key", "writer", "counter", "target_seq")
    kinds = (np.int64, np.int32, np.float64, np.int64, np.int64, np.int64, np.int64)
    turned = zip(*rows, strict=True) if rows else [()] * 7
    beside = {"moment": np.ones(len(rows), np.int64), "propensity": np.full(len(rows), np.nan)}
    return beside | {name: np.array(column, kind) for name, kind, column in zip(names, kinds, turned, strict=True)}


def test_examples_without_signals_have_empty_judgements():
    """Zeros, and a mean that is nan; each column in its place."""
    judgements = resolve(columns([]), np.array([], np.int64), np.array([7, 0]))
    assert list(judgements) == list(JUDGEMENTS)
    unknown = ("mean_score", "worth", "asked_propensity")
    assert all(np.isnan(judgements.pop(name)).all() for name in unknown)
    assert {name: column.tolist() for name, column in judgements.items()} == {
        name: [0, 0] for name in JUDGEMENTS if name not in unknown
    }


def test_groups_do_not_mix():
    """Two examples with a rater of the same key each keep their own score."""
    bits = saying.BIT["score"] | saying.HAS_RATER | saying.IS_COUNTED
    signals = columns([(1, bits, 10.0, 5, 9, 1, 0), (2, bits, 20.0, 5, 9, 2, 0), (3, bits, 30.0, 5, 9, 3, 0)])
    judgements = resolve(signals, np.array([0, 1, 1]), np.array([0, 0]))
    assert judgements["mean_score"].tolist() == [10.0, 30.0]
    assert judgements["scores"].tolist() == [1, 1]
    assert judgements["newest_seq"].tolist() == [1, 3]


def test_a_target_that_is_not_among_the_signals_takes_nothing_out():
    """A number beyond the last, before the first, or its own."""
    bits = saying.BIT["score"]
    signals = columns([(5, bits, 1.0, 0, 0, 0, 99), (6, bits, 2.0, 0, 0, 0, 1), (7, bits, 3.0, 0, 0, 0, 7)])
    assert resolve(signals, np.array([0, 0, 0]), np.array([0]))["scores"].tolist() == [3]
