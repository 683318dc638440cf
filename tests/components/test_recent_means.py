"""Means of the newest turns of each group are those of a slow count."""

import numpy as np
import pytest

from components.bad_input import BadInput
from components.recent_means import recent_means


def slowly(groups, ages, scores, size, turns):
    found = {}
    for group in sorted(set(groups.tolist())):
        rows = [row for row in range(len(groups)) if groups[row] == group and not np.isnan(scores[row])]
        rows.sort(key=lambda row: ages[row])
        means = []
        while len(rows) >= size and len(means) < turns:
            means.insert(0, sum(scores[row] for row in rows[:size]) / size)
            rows = rows[size:]
        if means:
            found[group] = means
    return found


@pytest.mark.parametrize(("size", "turns"), [(1, 1), (7, 3), (20, 5), (500, 2)])
def test_each_group_has_its_own_turns(size, turns):
    """The oldest first; rows without a score count not, and what is left over waits."""
    rng = np.random.default_rng(1)
    groups, ages = rng.integers(0, 5, 600), rng.permutation(600).astype(float)
    scores = np.where(rng.random(600) < 0.8, rng.uniform(0, 100, 600), np.nan)
    found = recent_means(groups, ages, scores, size=size, turns=turns)
    wanted = slowly(groups, ages, scores, size, turns)
    assert found.keys() == wanted.keys()
    assert all(np.allclose(found[group], wanted[group]) for group in wanted)


def test_only_the_newest_are_sorted():
    """And those as old as the oldest of them."""
    ages = np.array([0.0, 1, 1, 1, 2])
    assert recent_means(np.zeros(5, int), ages, np.arange(5.0), size=1, turns=9, among=2)[0].tolist() == [3, 2, 1, 0]


def test_columns_must_agree():
    """Unequal lengths are told."""
    with pytest.raises(BadInput, match="'groups': 1, 'ages': 2, 'scores': 1"):
        recent_means([0], [1.0, 2.0], [3.0], size=1, turns=1)
    with pytest.raises(BadInput, match="size: found 0"):
        recent_means([0], [1.0], [3.0], size=0, turns=1)
