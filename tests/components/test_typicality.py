"""The typical rows of the largest clusters with the fewest labels are taken first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.clustering import Clusters, kmeans
from components.typicality import clusters_wanted, most_typical, typical_rows, typicality
from tests.components.test_clustering import blobs, some_rows


def slow_typicality(members, neighbours):
    found = []
    for row in members.astype(float):
        apart = np.sort(np.sqrt(((members.astype(float) - row) ** 2).sum(axis=1)))[1 : neighbours + 1]
        found.append(1 / apart.mean())
    return np.array(found)


def slow_picks(rows, of_row, labelled, budget):
    """TypiClust, one pick after another, as the paper tells it."""
    taken, picks = set(labelled), []
    while len(picks) < budget:
        free = [c for c in set(of_row.tolist()) if any(i not in taken for i in np.flatnonzero(of_row == c))]
        labels = {c: sum(1 for i in taken if of_row[i] == c) for c in free}
        best = min(free, key=lambda c: (labels[c], -(of_row == c).sum(), c))
        members = np.flatnonzero(of_row == best)
        worth = typicality(rows[members])  # itself compared with a slow one above; of two rows both are as typical
        row = max((i for i in range(len(members)) if members[i] not in taken), key=lambda i: worth[i])
        picks.append(int(members[row]))
        taken.add(picks[-1])
    return picks


@given(st.integers(0, 1000), st.integers(1, 19))
def test_typicality_is_one_over_the_mean_distance_to_the_nearest(seed, neighbours):
    """As a sorted list of distances gives it."""
    rows = some_rows(seed, rows=20)
    assert np.allclose(typicality(rows, neighbours), slow_typicality(rows, neighbours), rtol=1e-3)


def test_twenty_neighbours_count_or_a_quarter_of_the_members():
    """The paper's number in a small cluster, a share in a large one, all others in a tiny one."""
    small, large, tiny = some_rows(1, rows=60), some_rows(2, rows=200), some_rows(3, rows=5)
    assert np.allclose(typicality(small), slow_typicality(small, 20), rtol=1e-3)
    assert np.allclose(typicality(large), slow_typicality(large, 50), rtol=1e-3)
    assert np.allclose(typicality(tiny), slow_typicality(tiny, 4), rtol=1e-3)


def test_a_row_alone_has_no_typicality_and_copies_have_much():
    """One row has no neighbours; distance zero gives a large number, never infinity."""
    assert typicality(np.ones((1, 3), dtype=np.float32)).tolist() == [0.0]
    assert np.isfinite(typicality(np.ones((9, 3), dtype=np.float32))).all()


def test_blocks_do_not_change_typicality(monkeypatch):
    """A large cluster is compared piece by piece."""
    rows = some_rows(4, rows=50)
    whole = typicality(rows)
    monkeypatch.setattr("components.typicality._BLOCK", 7)
    assert np.allclose(typicality(rows), whole)


@given(st.integers(0, 500), st.integers(1, 30))
def test_typicality_in_a_stack_of_clusters_is_that_in_each(seed, size):
    """To the bit: picks do not depend on which clusters happen to have as many members."""
    clusters = some_rows(seed, rows=4 * size).reshape(4, size, -1)
    assert typicality(clusters).tolist() == [typicality(members).tolist() for members in clusters]


@pytest.mark.parametrize("block", [7, 25, 2048])
def test_clusters_of_one_size_are_looked_at_some_at_once(monkeypatch, block):
    """Twelve clusters of five rows: the picks do not depend on how many go together."""
    rows, of_row = some_rows(7), np.arange(60) % 12
    clusters = Clusters(rows[:12], of_row, np.zeros(60, np.float32))
    monkeypatch.setattr("components.typicality._BLOCK", block)
    assert most_typical(rows, clusters, np.arange(3), 20).rows.tolist() == slow_picks(rows, of_row, range(3), 20)


@given(st.integers(0, 500), st.integers(1, 30), st.integers(0, 20))
def test_picks_are_those_of_one_pick_after_another(seed, budget, labels):
    """The vectorised order equals the paper's loop, in which each pick counts as a label for the next."""
    rows = some_rows(seed, rows=60)
    clusters = kmeans(rows, 7, np.random.default_rng(seed))
    labelled = np.random.default_rng(seed + 1).choice(60, labels, replace=False)
    found = most_typical(rows, clusters, labelled, budget)
    assert found.rows.tolist() == slow_picks(rows, clusters.of_row, labelled.tolist(), budget)


def test_the_largest_cluster_without_a_label_comes_first():
    """Three blobs, the largest labelled: the second largest is asked about, then the smallest."""
    rows, of_blob = blobs(1, [50, 30, 10])
    found = typical_rows(rows, np.array([0]), 2, np.random.default_rng(0))
    assert of_blob[found.rows].tolist() == [1, 2]
    assert found.labelled_in_cluster.tolist() == [0, 0]
    assert found.cluster_size.tolist() == [30, 10]


def test_more_blobs_are_seen_than_by_chance():
    """Ten blobs, the first of them three times as large, and ten picks: one blob more is seen than by drawing rows."""
    rows, of_blob = blobs(2, [120] + [40] * 9, spread=0.3)

    def seen(choose):
        return np.mean([len(set(of_blob[choose(np.random.default_rng(seed))])) for seed in range(10)])

    by_chance = seen(lambda rng: rng.choice(480, 10, replace=False))
    assert seen(lambda rng: typical_rows(rows, np.empty(0, int), 10, rng).rows) > by_chance + 1


def test_every_row_can_be_taken():
    """A budget of all free rows takes each once, whichever clusters they are in."""
    rows = some_rows(5, rows=40)
    found = typical_rows(rows, np.arange(10), 30, np.random.default_rng(0))
    assert sorted(found.rows.tolist()) == list(range(10, 40))


@pytest.mark.parametrize("budget", [1, 40])
def test_in_a_huge_cluster_an_election_stands_for_all_pairs(budget):
    """Candidates near the centre, voters spread over the distances: the winner is as typical as nine in ten rows."""
    rows = some_rows(6, rows=400)
    middle = rows.mean(axis=0, keepdims=True)
    clusters = Clusters(middle, np.zeros(400, int), ((rows - middle) ** 2).sum(axis=1))
    found = most_typical(rows, clusters, np.array([3]), budget, all_pairs_up_to=100)
    assert len(set(found.rows.tolist())) == budget
    assert 3 not in found.rows
    assert typicality(rows)[found.rows[0]] > np.quantile(typicality(rows), 0.9)


def test_there_are_as_many_clusters_as_labels_and_picks_up_to_a_limit():
    """Beyond six hundred, only a larger budget makes more."""
    assert [clusters_wanted(*one) for one in ((0, 100), (300, 100), (900, 100), (900, 1000))] == [100, 400, 600, 1000]
