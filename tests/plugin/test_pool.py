"""A pool is columns that nobody changes; each step gives another pool and can say why."""

import numpy as np
import pytest

from adaptd.plugin import COLUMNS, Moment, Pool, WrongPool
from adaptd.plugin.checking import made_pool


def test_missing_columns_are_nothing():
    """Every pool has all columns, of their kinds."""
    pool = Pool.of({"example": [5, 7]})
    assert {name: column.dtype.type for name, column in pool.columns.items()} == COLUMNS
    assert np.isnan(pool["score"]).all()
    assert pool["weight"].tolist() == [1.0, 1.0]
    assert pool["embedding_row"].tolist() == [-1, -1]


def test_nobody_can_write_to_a_column():
    """Neither to what was given nor to what a step made."""
    pool = made_pool(10)
    for column in [*pool.columns.values(), *pool.take([1, 2]).columns.values()]:
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0


def test_what_is_left_out_keeps_its_reason():
    """With the values of its own row."""
    pool = Pool.of({"example": [10, 11, 12], "score": [80.0, 20.0, 50.0]})
    kept = pool.keep(pool["score"] >= 60, "keep_good", "score {0:.0f}, below {1:.0f}", pool["score"], np.full(3, 60.0))
    assert kept["example"].tolist() == [10]
    assert list(kept.reasons_for(11)) == [("keep_good", "score 20, below 60", False)]
    assert list(kept.reasons_for(10)) == []
    assert len(pool) == 3


def test_reasons_stay_with_their_examples_when_rows_move():
    """They are said of examples, not of places."""
    pool = Pool.of({"example": [10, 11, 12]}).because("s", "margin {0}", [2], np.array([0.1, 0.2, 0.3]))
    assert list(pool.take([2, 0]).reasons_for(12)) == [("s", "margin 0.3", True)]


def test_derived_examples_stand_behind_their_sources():
    """With a number of their own, their own text, the source's columns and no embedding."""
    pool = made_pool(4)
    grown = pool.derive([2, 0], [{"input": "x"}, {"input": "y"}], "augment", "a paraphrase", weight=0.5)
    grown = grown.derive([1], [{"input": "z"}], "augment", "another")
    assert grown["example"].tolist() == [0, 1, 2, 3, -2, -3, -4]
    assert grown["derived_from"].tolist() == [-1, -1, -1, -1, 2, 0, 1]
    assert grown["weight"].tolist() == [1, 1, 1, 1, 0.5, 0.5, 1]
    assert [text["input"] for text in grown.take([6, 0, 4]).texts([0, 2])] == ["z", "x"]
    assert grown.texts([1])[0]["input"] == pool.texts([1])[0]["input"]
    assert list(grown.reasons_for(-3)) == [("augment", "a paraphrase", True)]
    assert grown["embedding_row"][4:].tolist() == [-1, -1, -1]


def test_embeddings_are_zeros_where_there_are_none():
    """Row for row with what was asked."""
    pool = made_pool(50)
    found = pool.embeddings(np.arange(50))
    assert (np.linalg.norm(found, axis=1) > 0).tolist() == (pool["embedding_row"] >= 0).tolist()
    there = np.flatnonzero(pool["embedding_row"] >= 0)
    assert pool.embeddings(there).tolist() == found[there].tolist()
    assert pool.embeddings(there).dtype == found.dtype == np.float32
    assert pool.embeddings([]).shape[0] == 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda pool: Pool.of({"score": [1.0]}), "a pool without the column 'example': found score"),
        (lambda pool: Pool.of({"example": [1], "score": [1.0, 2.0]}), r"'score' has shape \(2,\), expected \(1,\)"),
        (lambda pool: Pool.of({"example": ["many"]}), "column 'example': .*, expected int64"),
        (lambda pool: pool["scores"], "no column 'scores', expected one of example, "),
        (lambda pool: pool.take([0, 0]), "a row was taken twice; give it more weight instead"),
        (lambda pool: pool.take([3]), r"expected row numbers from 0 to 2"),
        (lambda pool: pool.take([-1]), r"expected row numbers from 0 to 2"),
        (lambda pool: pool.keep([1, 0, 1], "s", "w"), r"a mask of int64 \(3,\), expected bool \(3,\)"),
        (lambda pool: pool.with_columns(side=[3, 3, 3]), "column 'side' is not a stage's to change"),
        (lambda pool: pool.with_columns(note=[{}, {}, {}]), "column 'note' holds Python objects"),
        (lambda pool: pool.derive([0], [], "s", "w"), "0 texts for 1 sources, expected one for each"),
        (lambda pool: pool.says("corrections"), "no feedback 'corrections', expected one of score, up, down"),
    ],
)
def test_what_cannot_be_is_told(wrong, told):
    """With what was found and what was expected."""
    with pytest.raises(WrongPool, match=told):
        wrong(Pool.of({"example": [1, 2, 3]}))


def test_chance_is_the_stages_own():
    """The same name draws the same; another name does not disturb it."""
    moment = Moment(now=1, log_position=2, seed=3)
    first = moment.rng("pick").random(3)
    moment.rng("other").random(100)
    assert moment.rng("pick").random(3).tolist() == first.tolist()
    assert moment.rng("other").random(3).tolist() != first.tolist()
    assert Moment(1, 2, 4).rng("pick").random(3).tolist() != first.tolist()


def test_rows_in_order_are_those_of_their_numbers():
    """Whatever the order in which they stand; of some where a mask says so."""
    pool = Pool.of({"example": [12, -2, 10, 11]})
    assert pool.in_order().tolist() == [1, 2, 3, 0]
    assert pool.in_order(pool["example"] >= 11).tolist() == [3, 0]
    assert made_pool(5).in_order().tolist() == [0, 1, 2, 3, 4]


def test_the_newest_rows_are_those_of_a_slow_count():
    """The youngest; of equal ages those recorded last; unknown ages are the oldest."""
    rng = np.random.default_rng(1)
    ages = np.where(rng.random(60) < 0.9, rng.integers(0, 6, 60), np.nan)
    pool = Pool.of({"example": rng.permutation(60), "age_days": ages})
    mask = rng.random(60) < 0.7
    by_age = sorted(
        np.flatnonzero(mask), key=lambda row: (np.inf if np.isnan(ages[row]) else ages[row], -pool["example"][row])
    )
    for most in (0, 1, 7, 30, 99):
        assert pool.newest(mask, most).tolist() == sorted(by_age[:most], key=lambda row: pool["example"][row])


def test_keeping_all_is_the_same_pool():
    """Nothing is copied for it."""
    pool = made_pool(10)
    assert pool.keep(np.ones(10, bool), "s", "gone") is pool
