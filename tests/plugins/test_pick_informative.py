"""What a night has no time for is left out by a rule that was measured, and by no other."""

from dataclasses import replace

import numpy as np
import pytest

from adaptd.plugin import Moment
from adaptd.plugin.checking import MOMENT, made_pool
from components.training_rows import choose_to_train
from daemon.plugin_loading import BadSettings
from tests.plugins.stages_made import made, pool_of, words_of


def clustered(rows=200, clusters=20):
    """A pool whose embeddings lie in so many tight clusters."""
    rng = np.random.default_rng(4)
    points = np.eye(clusters, 32, dtype=np.float32)[np.arange(rows) % clusters]
    points = points + rng.normal(0, 0.05, points.shape).astype(np.float32)
    pool = pool_of(score=rng.uniform(0, 100, rows), embedding_row=np.arange(rows), age_days=rng.random(rows))
    return replace(pool, fetch_embeddings=lambda places: points[places]), points


def test_a_budget_above_the_pool_picks_nothing():
    """All stay, and nothing has to be said."""
    pool = made_pool(50)
    assert made("pick_informative", budget=50).shape(pool, MOMENT) is pool


def test_the_picks_are_those_of_the_measured_rule():
    """The component's, with the moment's chance; the reason has its terms."""
    pool, points = clustered()
    shaped = made("pick_informative", budget=20).shape(pool, MOMENT)
    choice = choose_to_train(points, 20, rule="typical", rng=MOMENT.rng("pick_informative"))
    assert shaped["example"].tolist() == sorted((choice.rows + 1).tolist())
    first = int(choice.rows[0]) + 1
    assert words_of(shaped, first)[0].startswith(f"picked, typical, typicality {choice.terms['typicality'][0]:.2f}")
    gone = sorted(set(range(1, 201)) - set(shaped["example"].tolist()))
    assert words_of(shaped, gone[0]) == ["not among the 20 picked of 200"]


def test_typical_examples_come_from_everywhere():
    """Twenty clusters and twenty picks: most clusters have one."""
    pool, _ = clustered()
    shaped = made("pick_informative", budget=20).shape(pool, MOMENT)
    assert len(set(((shaped["example"] - 1) % 20).tolist())) >= 15


def test_what_was_learnt_before_is_not_the_night_s_to_pick():
    """It stays for the replay, unless all are asked for."""
    pool = clustered()[0].with_columns(times_learnt=np.arange(200) % 2)
    shaped = made("pick_informative", budget=10).shape(pool, MOMENT)
    assert (shaped["times_learnt"] == 0).sum() == 10
    assert (shaped["times_learnt"] > 0).sum() == 100
    assert len(made("pick_informative", budget=10, among="all").shape(pool, MOMENT)) == 10


def test_without_embeddings_the_newest_are_picked():
    """And it is said."""
    pool = pool_of(score=[1.0] * 5, age_days=[3.0, 1.0, 2.0, 5.0, 4.0])
    shaped = made("pick_informative", budget=2).shape(pool, MOMENT)
    assert shaped["example"].tolist() == [2, 3]
    assert words_of(shaped, 2) == ["picked as one of the newest of those without an embedding: 1.0 days"]


def test_those_without_an_embedding_have_their_share():
    """A fifth of them, a fifth of the seats."""
    pool, _ = clustered()
    bare = np.arange(200) % 5 == 0
    pool = pool.with_columns(embedding_row=np.where(bare, -1, np.arange(200)))
    shaped = made("pick_informative", budget=50).shape(pool, MOMENT)
    picked_bare = (shaped["embedding_row"] < 0).sum()
    assert (len(shaped), picked_bare) == (50, 10)
    newest = np.sort(pool["age_days"][bare])[:10]
    assert np.allclose(np.sort(shaped["age_days"][shaped["embedding_row"] < 0]), newest)


@pytest.mark.parametrize("rule", ["typical", "random", "newest", "v2_mix", "margin", "k_center", "herding", "hard"])
def test_every_rule_picks_as_many_as_it_may(rule):
    """With scores, worths or nothing known of an example."""
    pool = made_pool(120).with_columns(worth=np.where(np.arange(120) % 2, 0.4, np.nan))
    shaped = made("pick_informative", budget=30, rule=rule).shape(pool, MOMENT)
    assert len(shaped) == 30


def test_another_seed_picks_others_by_chance():
    """And the same seed the same."""
    pool = made_pool(300)
    random = made("pick_informative", budget=30, rule="random")
    one, same, other = (random.shape(pool, Moment(1, 1, seed))["example"].tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_of_many_some_are_looked_at():
    """So many embeddings are read, one of each stretch of the log."""
    pool, points = clustered(2_000)
    read = []
    pool = replace(pool, fetch_embeddings=lambda places: read.extend(places) or points[places])
    shaped = made("pick_informative", budget=20, looked_at=100).shape(pool, MOMENT)
    assert (len(shaped), len(read)) == (20, 100)
    assert np.array_equal(np.sort(np.array(read) // 20), np.arange(100))


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("budget", 0, "budget: found 0, expected a whole number of at least 1"),
        ("rule", "best", "rule: found 'best', expected one of random, balanced, typical"),
        ("among", "old", "among: found 'old', expected one of new, all"),
        ("looked_at", 0, "looked_at: found 0, expected a whole number of at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_told(setting, value, told):
    """By its name, with the value and what was expected."""
    with pytest.raises(BadSettings) as error:
        made("pick_informative", **{setting: value})
    assert told in str(error.value)
