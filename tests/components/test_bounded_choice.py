"""Picks from a large pool read few vectors, and are those of the measured rule where there are few rows."""

import numpy as np
import pytest

from components.bad_input import BadInput
from components.bounded_choice import choose_rows
from components.training_rows import choose_to_train
from components.typicality import typical_rows


def points_of(rows, clusters=12, seed=0):
    rng = np.random.default_rng(seed)
    points = np.eye(clusters, 24, dtype=np.float32)[rng.integers(0, clusters, rows)]
    return points + rng.normal(0, 0.1, points.shape).astype(np.float32)


def rng():
    return np.random.default_rng(5)


def test_few_rows_are_picked_exactly_as_the_rule_picks():
    """Rule by rule, terms included."""
    points = points_of(400)
    scores = np.linspace(0, 100, 400)
    for rule in ("typical", "k_center", "margin", "v2_mix"):
        found = choose_rows(lambda rows: points[rows], np.ones(400, bool), 20, rule=rule, rng=rng(), scores=scores)
        exact = choose_to_train(points, 20, rule=rule, scores=scores, rng=rng())
        assert found.rows.tolist() == exact.rows.tolist()
        assert found.terms.keys() == exact.terms.keys()
        assert (found.by_rule, found.looked_at) == (20, 400)


def test_every_typical_pick_has_a_cluster_of_its_own():
    """However many picks: two of one cluster teach little more than one."""
    points = points_of(3_000)
    found = choose_rows(lambda rows: points[rows], np.ones(3_000, bool), 300, rule="typical", rng=rng())
    assert found.rows.tolist() == typical_rows(points, np.empty(0, np.int64), 300, rng()).rows.tolist()


def test_in_haste_each_pick_has_a_cluster_of_its_own_too():
    """But for the clusters that stayed empty; the middle one as typical as all turns make it, but for a tenth."""
    points = points_of(8_000)
    found = choose_rows(lambda rows: points[rows], np.ones(8_000, bool), 600, rule="typical", rng=rng())
    exact = typical_rows(points, np.empty(0, np.int64), 600, rng())
    assert found.rows.tolist() != exact.rows.tolist()
    assert len(np.unique(found.rows)) == 600
    assert len(np.unique(found.terms["cluster"])) > 540
    assert np.median(found.terms["typicality"]) > 0.9 * np.median(exact.typicality)


def test_of_many_rows_some_of_each_stretch_are_looked_at():
    """At most as many as the caller says, and a hundred for each pick."""
    points, read = points_of(9_000), []

    def fetch(rows):
        read.append(rows)
        return points[rows]

    assert choose_rows(fetch, np.ones(9_000, bool), 50, rule="typical", rng=rng(), looked_at=900).looked_at == 900
    assert np.array_equal(read[0] // 10, np.arange(900))
    assert choose_rows(fetch, np.ones(9_000, bool), 30, rule="typical", rng=rng()).looked_at == 3_000


def test_rows_without_a_vector_have_their_share_by_age():
    """The youngest, of equals the last."""
    points = points_of(100)
    holds = np.arange(100) % 4 != 0
    ages = np.where(np.arange(100) < 50, 1.0, 2.0)
    found = choose_rows(lambda rows: points[rows], holds, 20, rule="typical", rng=rng(), ages=ages)
    assert found.by_rule == 15
    assert holds[found.rows[:15]].all()
    assert found.rows[15:].tolist() == [48, 44, 40, 36, 32]


@pytest.mark.parametrize("width", [0, 24])
def test_where_there_are_no_vectors_the_newest_are_taken(width):
    """Whether none was made, or none can be fetched."""
    holds = np.full(50, width == 0)
    found = choose_rows(lambda rows: np.zeros((len(rows), 0), np.float32), holds, 5, rule="typical", rng=rng())
    assert found.rows.tolist() == [49, 48, 47, 46, 45]
    assert (found.by_rule, found.looked_at) == (0, 0)


def test_chance_and_age_need_no_vector():
    """None is fetched."""
    fetch = pytest.fail
    drawn = choose_rows(fetch, np.ones(50, bool), 5, rule="random", rng=rng())
    assert len(np.unique(drawn.rows)) == 5
    assert drawn.looked_at == 0
    assert choose_rows(fetch, np.ones(50, bool), 2, rule="newest", rng=rng()).rows.tolist() == [49, 48]


def test_a_budget_above_the_rows_takes_all_and_none_takes_none():
    """No more than there are, and nothing from nothing."""
    points = points_of(30)
    for rule in ("typical", "random", "newest"):
        assert sorted(choose_rows(lambda rows: points[rows], np.ones(30, bool), 99, rule=rule, rng=rng()).rows) == list(
            range(30)
        )
        assert not len(choose_rows(lambda rows: points[rows], np.ones(30, bool), 0, rule=rule, rng=rng()).rows)
        assert not len(choose_rows(lambda rows: points[rows], np.ones(0, bool), 9, rule=rule, rng=rng()).rows)


def test_an_unknown_rule_is_refused():
    """With those that there are."""
    with pytest.raises(BadInput, match=r"rule: found 'best', expected one of random, .*, newest"):
        choose_rows(lambda rows: rows, np.ones(3, bool), 1, rule="best", rng=rng())
