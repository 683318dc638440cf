"""When a run is worth it, and what it learns: new examples, a share of earlier ones, and what was made of them."""

from dataclasses import replace

import numpy as np
import pytest

from adaptd.plugin import FiresAt, Moment
from adaptd.plugin.checking import MOMENT, made_pool
from components.batch_manager_adaptive import AdaptiveBatchManager
from daemon.plugin_loading import BadSettings
from tests.plugins.stages_made import made, pool_of, words_of


def fires(pool, **settings):
    return made("size_batch", **settings).fires_at(pool, MOMENT)


# When


def test_one_artifact_type_is_sized_as_the_component_says():
    """By what waits, its quality and its rarity; the words have the factors."""
    pool = pool_of(score=[75.0] * 60, artifact_type=[1] * 60)
    found = fires(pool)
    assert found.new_examples == AdaptiveBatchManager().calculate_optimal_batch_size("erd", 60, 0.75) == 38
    factors = "50 × 0.77 (60 available) × 0.97 (quality 0.75, target 0.7) × 1.00 (rarity 0.00) × 1.00 (+0.0 a turn)"
    assert found.words == f"38 for erd: {factors}"


def test_several_types_give_the_mean_by_their_new_examples():
    """Each with its own quality, rarity and trend, all of them waiting together."""
    types = np.array([1] * 90 + [2] * 30)
    score = np.where(types == 1, 90.0, 40.0)
    learnt = np.arange(120) % 2
    found = fires(pool_of(score=score, artifact_type=types, times_learnt=learnt))
    manager = AdaptiveBatchManager()
    sizes = [
        manager.calculate_optimal_batch_size("erd", 60, 0.9, rarity=0.0),
        manager.calculate_optimal_batch_size("chat", 60, 0.4, rarity=0.5),
    ]
    assert found.new_examples == round((45 * sizes[0] + 15 * sizes[1]) / 60)
    told = f"the mean over artifact types of {sizes[0]} for erd (45 new), {sizes[1]} for chat (15 new)"
    assert found.words == f"{found.new_examples}, {told}"


def test_rising_scores_wait_for_more():
    """Five turns of twenty scored examples, the oldest first."""
    rising = pool_of(score=np.linspace(40, 90, 100), artifact_type=[1] * 100, age_days=np.arange(100)[::-1])
    falling = rising.with_columns(age_days=np.arange(100))
    assert fires(rising).new_examples > fires(falling).new_examples


def test_nothing_new_is_said():
    """Whatever was learnt before."""
    assert fires(pool_of(score=[1.0], times_learnt=[1])) == FiresAt(20, "nothing new to learn from yet")


def test_the_number_stays_within_its_bounds():
    """The document's 20 to 100, and V1's fifty whatever there is."""
    assert fires(pool_of(score=[99.0] * 3)).new_examples == 20
    assert fires(made_pool(5_000)).new_examples == 100
    fixed = {"min_batch_size": 50, "default_batch_size": 50, "max_batch_size": 50}
    assert fires(made_pool(5_000), **fixed).new_examples == 50


def test_worth_stands_for_a_score_that_nobody_gave():
    """A thumb up is quality, too; of nothing known the target is taken."""
    rows = {"artifact_type": [1] * 60}
    by_worth, by_score = fires(pool_of(worth=[0.5] * 60, **rows)), fires(pool_of(score=[75.0] * 60, **rows))
    assert by_worth.new_examples == by_score.new_examples
    assert fires(pool_of(**rows)).new_examples == fires(pool_of(score=[70.0] * 60, **rows)).new_examples


def test_many_types_are_named_in_part():
    """Three, and how many more."""
    found = fires(pool_of(artifact_type=np.arange(60) % 6))
    assert found.words.endswith(
        "39 for those of no type (10 new), 39 for erd (10 new), 39 for chat (10 new) and 3 more"
    )


# What


def batch(new, earlier, **settings):
    """The shaped batch of so many new and earlier examples, embedded in clusters."""
    rows = new + earlier
    points = np.eye(16, dtype=np.float32)[np.arange(rows) % 16]
    points = points + np.random.default_rng(1).normal(0, 0.05, points.shape).astype(np.float32)
    pool = pool_of(
        times_learnt=[1] * earlier + [0] * new, embedding_row=np.arange(rows), age_days=np.arange(rows)[::-1]
    )
    pool = replace(pool, fetch_embeddings=lambda places: points[places])
    return made("size_batch", **settings).shape(pool, MOMENT)


@pytest.mark.parametrize("new", [0, 1, 3, 40, 150, 1600, 2000, 2100])
@pytest.mark.parametrize("earlier", [0, 5, 900])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_the_counts_are_what_a_slow_count_gives(new, earlier, share):
    """New first; of the earlier ones as many as make their share, as far as there are any and there is room."""
    shaped = batch(new, earlier, replay_share=share, replay_rule="random")
    fresh = min(new, 2000)
    replay = 0
    while replay < min(earlier, 2000 - fresh) and replay + 0.5 < fresh * share / (1 - share):
        replay += 1
    assert (shaped["times_learnt"] == 0).sum() == fresh
    assert (shaped["times_learnt"] > 0).sum() == replay


def test_the_newest_are_learnt_first_when_there_are_too_many():
    """The others wait, and are told so."""
    shaped = batch(30, 0, max_examples=10)
    assert shaped["example"].tolist() == list(range(21, 31))
    assert words_of(shaped, 1) == ["new, but the batch is full: 10 examples"]
    assert words_of(shaped, 30) == ["new"]


def test_replay_is_typical_of_what_was_learnt():
    """Sixteen clusters and sixteen picks: nearly each has one; the reason says how it came in."""
    shaped = batch(48, 400)
    earlier = shaped["example"][shaped["times_learnt"] > 0]
    assert len(earlier) == 16
    assert len(set((earlier % 16).tolist())) >= 11
    (words,) = words_of(shaped, int(earlier[0]))
    assert words == "replay: the most typical of its cluster, of 400 looked at; learnt 1 times before"
    left = (set(range(1, 401)) - set(earlier.tolist())).pop()
    assert words_of(shaped, left) == ["learnt 1 times before, and not drawn for replay"]


def test_without_embeddings_replay_is_drawn_by_chance():
    """The same for the same moment, another for another."""
    pool = pool_of(times_learnt=[1] * 300 + [0] * 30)
    drawn = [made("size_batch").shape(pool, Moment(1, 1, seed)) for seed in (1, 1, 2)]
    first, same, other = (shaped["example"].tolist() for shaped in drawn)
    assert first == same != other
    words = "replay: drawn by chance, of 300 looked at; learnt 1 times before"
    assert words_of(drawn[0], first[0]) == [words]


def with_children(pool, sources):
    return pool.derive(np.asarray(sources), [{"input": "x"} for _ in sources], "maker", "made")


def test_what_was_made_of_an_example_goes_with_it_and_takes_seats():
    """Three examples with a child each fill six seats."""
    pool = with_children(pool_of(times_learnt=[0] * 5, age_days=[1.0, 2.0, 3.0, 4.0, 5.0]), range(5))
    shaped = made("size_batch", max_examples=6).shape(pool, MOMENT)
    assert sorted(shaped["example"].tolist()) == [-4, -3, -2, 1, 2, 3]
    assert words_of(shaped, -2) == ["made", "goes with the example that it was made from"]
    assert words_of(shaped, -5) == ["made", "what it was made from is not in the batch, or fills it with others"]


def test_children_of_children_go_with_what_was_recorded():
    """However long the line; and where that is gone, they go, too."""
    pool = with_children(with_children(pool_of(times_learnt=[0, 0]), [0]), [2])
    shaped = made("size_batch").shape(pool.take([3, 1, 2, 0]), MOMENT)
    assert sorted(shaped["example"].tolist()) == [-3, -2, 1, 2]
    orphans = made("size_batch").shape(pool.take([1, 2, 3]), MOMENT)
    assert orphans["example"].tolist() == [2]


def test_a_batch_of_one_seat_has_one_example():
    """Even where it has more children than there are seats."""
    pool = with_children(pool_of(times_learnt=[0]), [0, 0, 0])
    assert made("size_batch", max_examples=1).shape(pool, MOMENT)["example"].tolist() == [1]
    assert made("size_batch", max_examples=3).shape(pool, MOMENT)["example"].tolist() == [1, -2, -3]


def test_few_embeddings_are_read():
    """A hundred for each seat of the replay, and at most as many as the setting says."""
    read = []
    base = pool_of(times_learnt=[1] * 5_000 + [0] * 30, embedding_row=np.arange(5_030))
    pool = replace(
        base, fetch_embeddings=lambda rows: read.extend(rows) or np.eye(1, 8, dtype=np.float32).repeat(len(rows), 0)
    )
    made("size_batch", looked_at=500).shape(pool, MOMENT)
    assert len(read) == 500


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("min_batch_size", 0, "min_batch_size: found 0, expected a whole number"),
        ("max_batch_size", 10, "expected"),
        ("target_quality", 2.0, "target_quality: found 2.0, expected"),
        ("replay_share", 0.95, "replay_share: found 0.95, expected a number at least 0 and at most 0.9"),
        ("replay_rule", "hard", "replay_rule: found 'hard', expected one of random, typical, newest"),
        ("max_examples", 0, "max_examples: found 0, expected a whole number of at least 1"),
        ("looked_at", 0, "looked_at: found 0, expected a whole number of at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_told(setting, value, told):
    """By its name, with the value and what was expected."""
    with pytest.raises(BadSettings) as error:
        made("size_batch", **{setting: value})
    assert told in str(error.value)
