"""Which outputs to ask about: every strategy keeps the same promises, and each does what its name says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.active_learner import STRATEGIES, ask_limit, choose_to_ask
from components.asking import first_of_each, labels_suffice
from components.bad_input import BadInput
from components.uncertainty import entropies, margins
from tests.components.test_clustering import blobs, some_rows
from tests.components.test_uncertainty import chances


def ask(rows, budget, strategy, seed=0, **known):
    return choose_to_ask(rows, budget, strategy=strategy, rng=np.random.default_rng(seed), **known)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(st.integers(0, 1000), st.integers(0, 12), st.booleans(), st.sampled_from([np.float16, np.float32, np.float64]))
@settings(max_examples=15)
def test_every_strategy_gives_distinct_free_rows_and_a_reason_for_each(strategy, seed, labels, by_probe, dtype):
    """The same for a seed; whatever the numbers' type; without touching what it was given."""
    rows = some_rows(seed, rows=40, dtype=dtype)
    labelled = np.random.default_rng(seed).choice(40, 12 + labels, replace=False)
    classes = np.array(["a", "b", "c"])[np.arange(len(labelled)) % 3]
    known = {"labelled": labelled, "labels": classes, "probabilities": None if by_probe else chances(seed, rows=40)}
    copies = rows.copy(), labelled.copy()
    budget = 40 - len(labelled) if seed % 4 == 0 else 9
    one, two = (ask(rows, budget, strategy, seed, **known) for _ in range(2))
    assert one.rows.dtype == np.int64
    assert len(set(one.rows.tolist())) == budget
    assert not set(one.rows.tolist()) & set(labelled.tolist())
    assert np.array_equal(one.rows, two.rows)
    assert one.terms
    assert all(len(values) == budget and np.isfinite(values).all() for values in one.terms.values())
    assert (one.strategy, one.how) == (strategy, "exact")
    assert np.array_equal(rows, copies[0])
    assert np.array_equal(labelled, copies[1])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_pool_of_copies_is_chosen_from_too(strategy):
    """A hundred equal rows, twenty picks: any twenty."""
    rows = np.ones((100, 4), dtype=np.float32) / 2
    found = ask(rows, 20, strategy, labelled=[0, 1], labels=["a", "b"], probabilities=np.full((100, 2), 0.5))
    assert len(set(found.rows.tolist())) == 20


@pytest.mark.parametrize("strategy", ["random", "typiclust", "k_center", "probcover", "typical_then_margin", "v2_mix"])
def test_what_needs_no_beliefs_begins_without_labels(strategy):
    """The first rows of all are asked about before anybody has said anything."""
    assert len(set(ask(some_rows(1), 10, strategy).rows.tolist())) == 10
    assert len(ask(some_rows(1)[:1], 1, strategy).rows) == 1


@pytest.mark.parametrize("strategy", ["margin", "entropy", "badge", "cluster_margin"])
def test_what_needs_beliefs_says_so(strategy):
    """Neither probabilities nor labels: the message names the strategy that begins without."""
    with pytest.raises(BadInput) as told:
        ask(some_rows(1), 10, strategy, labelled=[1, 2])
    assert str(told.value) == (
        f"strategy {strategy}: found 'neither probabilities nor labels', expected one of them. "
        "Give probabilities or labels, or use typical_then_margin, which begins without either."
    )
    with pytest.raises(BadInput, match=r"labels: found .*one class only \(\['a'\]\)"):
        ask(some_rows(1), 10, strategy, labelled=[1, 2], labels=["a", "a"])


def test_margin_and_entropy_take_the_least_certain():
    """Exactly those at the head of a sorted list, of equals the first."""
    rows, beliefs = some_rows(2), chances(2, rows=60).round(1)
    beliefs /= beliefs.sum(axis=1, keepdims=True)
    free = [row for row in range(60) if row not in (5, 6)]
    slow = sorted(free, key=lambda row: (margins(beliefs)[row], row))[:10]
    assert ask(rows, 10, "margin", labelled=[5, 6], probabilities=beliefs).rows.tolist() == slow
    slow = sorted(free, key=lambda row: (-entropies(beliefs)[row], row))[:10]
    assert ask(rows, 10, "entropy", labelled=[5, 6], probabilities=beliefs).rows.tolist() == slow


def test_the_probe_knows_where_two_classes_meet():
    """Without a model, rows between the labelled blobs have the smallest margins; scores serve as labels."""
    rows = np.linspace(-1, 1, 81, dtype=np.float32)[:, None] * np.ones((1, 3), dtype=np.float32)
    labelled = np.array([0, 5, 10, 70, 75, 80])
    by_label = ask(rows, 5, "margin", labelled=labelled, labels=list("nnnyyy"))
    by_score = ask(rows, 5, "margin", labelled=labelled, scores=[10, 20, 69.9, 70, 95, 100])
    assert set(by_label.rows.tolist()) == {38, 39, 40, 41, 42}
    assert np.array_equal(by_label.rows, by_score.rows)


def test_cluster_margin_takes_the_best_of_each_cluster():
    """Among the ten times ten least certain no two picks share a cluster, where each cluster has a row."""
    rows, of_blob = blobs(3, [30] * 10, spread=0.02)
    beliefs = chances(3, rows=300)
    found = ask(rows, 10, "cluster_margin", probabilities=beliefs)
    assert len(set(found.terms["cluster"].tolist())) == 10
    unsure = np.argsort(margins(beliefs), kind="stable")[:100]
    assert set(found.rows.tolist()) <= set(unsure.tolist())
    assert (np.diff(found.terms["margin"]) >= 0).all()
    assert len(set(of_blob[found.rows].tolist())) >= 7  # ten by margin alone would be of some six blobs


@pytest.mark.parametrize(
    ("labelled", "classes", "enough"),
    [(99, 3, False), (100, 3, True), (299, 100, False), (300, 100, True), (499, 400, False), (500, 400, True)],
)
def test_typicality_gives_way_when_labels_suffice(labelled, classes, enough):
    """A hundred labels, three for each class if that is more, five hundred at most."""
    assert labels_suffice(labelled, classes) is enough


def test_typical_then_margin_changes_its_mind_by_the_labels():
    """Typical rows before, least certain ones after; and typical ones while only one class has been seen."""
    rows, beliefs = some_rows(4, rows=300), chances(4, rows=300)
    labels = np.array(["a", "b"])[np.arange(100) % 2]
    before = ask(rows, 5, "typical_then_margin", labelled=range(99), labels=labels[:99], probabilities=beliefs)
    after = ask(rows, 5, "typical_then_margin", labelled=range(100), labels=labels, probabilities=beliefs)
    one_class = ask(rows, 5, "typical_then_margin", labelled=range(100), labels=["a"] * 100)
    assert ["typicality" in found.terms for found in (before, after, one_class)] == [True, False, True]
    assert np.array_equal(after.rows, ask(rows, 5, "cluster_margin", labelled=range(100), probabilities=beliefs).rows)
    assert np.array_equal(before.rows, ask(rows, 5, "typiclust", labelled=range(99)).rows)


def test_v2_mix_is_the_documents_sum():
    """.4 uncertainty + .3 distance to all before, as a share of the largest, + .3 quality, one pick after another."""
    rows, beliefs = some_rows(5, rows=40), chances(5, rows=40)
    found = ask(rows, 8, "v2_mix", labelled=[0, 1], probabilities=beliefs)
    taken, sure = [0, 1], beliefs.max(axis=1)
    for place, row in enumerate(found.rows.tolist()):
        pairs = np.sqrt(((rows.astype(float)[:, None] - rows[taken].astype(float)) ** 2).sum(axis=2)).min(axis=1)
        free = [one for one in range(40) if one not in taken]
        total = 0.4 * (1 - sure) + 0.3 * pairs / pairs[free].max() + 0.3 * sure
        assert found.terms["sum"][place] == pytest.approx(total[free].max(), abs=1e-4)
        assert total[row] == pytest.approx(total[free].max(), abs=1e-4)
        assert found.why(place)["quality"] == pytest.approx(sure[row])
        taken.append(row)


def test_v2_mix_without_beliefs_is_diversity_alone():
    """Nothing is known of any row: the farthest goes first."""
    rows = some_rows(6)
    assert np.array_equal(ask(rows, 6, "v2_mix", labelled=[3]).rows, ask(rows, 6, "k_center", labelled=[3]).rows)


def test_weights_of_the_mix_can_be_given():
    """All weight on quality: the surest rows."""
    rows, beliefs = some_rows(7), chances(7, rows=60)
    found = ask(rows, 5, "v2_mix", probabilities=beliefs, weights=(0, 0, 1))
    assert found.rows.tolist() == np.argsort(-beliefs.max(axis=1), kind="stable")[:5].tolist()


def test_random_gives_every_free_row_its_chance():
    """Each of ten rows comes about as often as the others."""
    drawn = np.concatenate([ask(some_rows(8, rows=12), 5, "random", seed, labelled=[0, 1]).rows for seed in range(400)])
    counts = np.bincount(drawn, minlength=12)
    assert counts[:2].tolist() == [0, 0]
    assert (abs(counts[2:] - 200) < 60).all()
    assert ask(some_rows(8), 6, "random").why(0) == {"chance": 0.1}


def test_typical_rows_teach_rare_classes_sooner_than_chance():
    """Twelve classes of falling size, twenty-four labels: the nearest label is right more often, class by class."""
    sizes = (400 / np.arange(1, 13)).astype(int)
    rows, of_blob = blobs(9, sizes, width=6, spread=0.25)

    def right(strategy, seed):
        rows_asked = ask(rows, 24, strategy, seed).rows
        apart = ((rows[:, None] - rows[rows_asked]) ** 2).sum(axis=2)
        good = of_blob[rows_asked][apart.argmin(axis=1)] == of_blob
        return np.mean([good[of_blob == one].mean() for one in range(12)])

    shares = {name: np.mean([right(name, seed) for seed in range(5)]) for name in ("random", "typical_then_margin")}
    assert shares["typical_then_margin"] > 1.1 * shares["random"]


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"strategy": "best"}, "strategy: found 'best', expected one of random, margin, entropy, badge, typiclust, "),
        ({"over": "half"}, "over: found 'half', expected one of auto, all"),
        ({"budget": 61}, "budget: found 61, expected at most 60"),
        ({"labelled": [1], "labels": ["a", "b"]}, "columns: found {'labelled': 1, 'labels': 2}, expected the same"),
        ({"labelled": [1], "scores": [1, 2]}, "columns: found {'labelled': 1, 'scores': 2}, expected the same"),
        ({"labelled": [1], "scores": [101]}, "scores[0]: found 101.0, expected numbers from 0 to 100"),
        ({"labelled": [1], "scores": [float("nan")]}, "scores[0]: found nan, expected numbers from 0 to 100"),
        ({"labelled": [1], "labels": ["a"], "scores": [1]}, "labels and scores: found 'both', expected one of them."),
        (
            {"labelled": [1, 2], "labels": ["a", None]},
            "labels[1]: found None, expected a class. Leave rows without one out.",
        ),
        ({"labelled": [1, 2], "labels": [float("nan"), 1]}, "labels[0]: found nan, expected a class."),
        ({"labelled": [1, 2], "labels": ["a", 1]}, "labels: found ['a', 1], expected classes of one kind"),
        ({"probabilities": np.full((60, 2), 0.7)}, "probabilities[0]: found"),
        ({"labelled": [60]}, "labelled: found 'row 60', expected row numbers from 0 to 59"),
        ({"weights": (0, 0, 0)}, "weights: found (0, 0, 0), expected three numbers of at least 0, one of them above"),
    ],
)
def test_what_cannot_be_worked_with_is_told(known, message):
    """Each complaint names the thing, what was found and what was expected."""
    with pytest.raises(BadInput) as told:
        choose_to_ask(some_rows(1), known.pop("budget", 5), rng=np.random.default_rng(0), **known)
    assert str(told.value).startswith(message)


def test_limits_are_those_of_strategies_that_compare_all_rows_for_each_pick():
    """The others take a million rows."""
    assert [name for name in STRATEGIES if ask_limit(name)] == ["badge", "k_center", "probcover", "v2_mix"]
    assert ask_limit("badge") == 50_000
    with pytest.raises(BadInput, match="strategy: found 'best'"):
        ask_limit("best")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 30))
def test_the_first_of_each_goes_before_all_second_ones(groups, count):
    """Order within a group is kept."""
    seen, turns = {}, []
    for place, group in enumerate(groups):
        seen[group] = seen.get(group, -1) + 1
        turns.append((seen[group], place))
    assert first_of_each(np.array(groups), count).tolist() == [place for _, place in sorted(turns)][:count]
