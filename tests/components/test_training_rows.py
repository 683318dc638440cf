"""Which rated rows to train on: every rule keeps the same promises, and each does what its name says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.active_learner import TRAIN_RULES, choose_to_train
from components.bad_input import BadInput
from components.light_probe import fit_probe
from components.uncertainty import margins
from tests.components.test_clustering import blobs, some_rows
from tests.components.test_uncertainty import chances


def pick(rows, budget, rule, seed=0, **known):
    return choose_to_train(rows, budget, rule=rule, rng=np.random.default_rng(seed), **known)


@pytest.mark.parametrize("rule", TRAIN_RULES)
@given(st.integers(0, 1000), st.booleans(), st.sampled_from([np.float16, np.float32]))
@settings(max_examples=12)
def test_every_rule_gives_distinct_rows_and_a_reason_for_each(rule, seed, by_probe, dtype):
    """The same for a seed, up to a budget of all rows, without touching what it was given."""
    rows = some_rows(seed, rows=40, dtype=dtype)
    labels = np.array(["a", "b", "c"])[np.arange(40) % 3]
    known = {"labels": labels} if by_probe else {"labels": labels, "probabilities": chances(seed, 40, 3)}
    before = rows.copy()
    budget = 40 if seed % 4 == 0 else 9
    one, two = (pick(rows, budget, rule, seed, **known) for _ in range(2))
    assert one.rows.dtype == np.int64
    assert len(set(one.rows.tolist())) == budget
    assert np.array_equal(one.rows, two.rows)
    assert one.terms
    assert all(len(values) == budget for values in one.terms.values())
    assert all(np.isfinite(values).all() for values in one.terms.values() if values.dtype.kind == "f")
    assert (one.strategy, one.how) == (rule, "exact")
    assert np.array_equal(rows, before)


@pytest.mark.parametrize("rule", ["balanced", "balanced_typical", "herding"])
def test_classes_share_alike_as_far_as_they_go(rule):
    """Of classes of 50, 20 and 3 rows, 23 picks are 10, 10 and all 3; in turn, so that any beginning is balanced."""
    rows, of_blob = blobs(1, [50, 20, 3])
    labels = np.array(["big", "middle", "small"])[of_blob]
    found = pick(rows, 23, rule, labels=labels)
    assert np.bincount(of_blob[found.rows]).tolist() == [10, 10, 3]
    assert sorted(labels[found.rows[:3]].tolist()) == ["big", "middle", "small"]
    assert found.terms["class"].tolist() == labels[found.rows].tolist()


@given(st.integers(0, 200))
def test_herding_follows_the_mean(seed):
    """As the paper's loop does: each next row is the one nearest in direction to what the mean still owes."""
    rows = some_rows(seed, rows=30, width=4)
    found = pick(rows, 10, "herding", labels=["one"] * 30)
    mean, owed, taken = rows.astype(float).mean(axis=0), rows.astype(float).mean(axis=0), []
    for row in found.rows.tolist():
        pulls = rows.astype(float) @ owed
        assert pulls[row] == pytest.approx(max(pulls[i] for i in range(30) if i not in taken), abs=1e-4)
        taken.append(row)
        owed = owed + mean - rows[row]


def test_the_mean_of_herded_rows_is_nearer_than_that_of_random_ones():
    """Ten of two hundred: a third of the distance, or less."""
    rows = some_rows(3, rows=200)
    labels = ["one"] * 200

    def miss(rule, seed):
        return np.linalg.norm(rows[pick(rows, 10, rule, seed, labels=labels).rows].mean(axis=0) - rows.mean(axis=0))

    assert miss("herding", 0) < np.mean([miss("random", seed) for seed in range(20)]) / 3


def test_hard_and_easy_read_the_belief_in_the_true_label():
    """A model's probability of it comes first, then the score, then a probe that has not seen the row."""
    rows, of_blob = blobs(4, [20, 20, 20], spread=0.8)
    labels, beliefs = np.array(["a", "b", "c"])[of_blob], chances(4, 60, 3)
    true = beliefs[np.arange(60), of_blob]
    scores = np.random.default_rng(4).uniform(0, 100, 60)
    held_out = fit_probe(rows, labels).held_out[np.arange(60), of_blob]
    given = {"labels": labels, "probabilities": beliefs, "scores": scores}
    assert pick(rows, 9, "hard", **given).rows.tolist() == np.argsort(true, kind="stable")[:9].tolist()
    assert pick(rows, 9, "easy", **given).rows.tolist() == np.argsort(-true, kind="stable")[:9].tolist()
    assert pick(rows, 9, "hard", scores=scores).rows.tolist() == np.argsort(scores)[:9].tolist()
    assert pick(rows, 9, "hard", labels=labels).rows.tolist() == np.argsort(held_out, kind="stable")[:9].tolist()


def test_hard_trimmed_spares_the_twentieth_that_is_probably_mislabelled():
    """Of a hundred rows the five that are believed the least are left out, unless the budget needs them."""
    scores = np.arange(100.0)
    rows = some_rows(5, rows=100)
    assert pick(rows, 10, "hard_trimmed", scores=scores).rows.tolist() == list(range(5, 15))
    assert pick(rows, 98, "hard_trimmed", scores=scores).rows.tolist() == list(range(2, 100))


def test_margin_reads_the_model_then_the_scores_then_a_probe():
    """Scores around 70, where failures become successes, are the least certain."""
    rows, of_blob = blobs(6, [30, 30], spread=0.8)
    beliefs, scores = chances(6, 60, 2), np.linspace(0, 100, 60)
    by_model = pick(rows, 9, "margin", probabilities=beliefs, scores=scores)
    by_score = pick(rows, 9, "margin", scores=scores)
    by_probe = pick(rows, 9, "margin", labels=of_blob)
    assert by_model.rows.tolist() == np.argsort(margins(beliefs), kind="stable")[:9].tolist()
    assert abs(scores[by_score.rows] - 70).max() < 12
    assert by_probe.rows.tolist() == np.argsort(margins(fit_probe(rows, of_blob).held_out), kind="stable")[:9].tolist()


def test_v2_mix_weighs_the_scores_of_the_feedback():
    """Without diversity .4 (1 - s) + .3 s: the worst first; with all weight on quality: the best."""
    rows, scores = some_rows(7), np.random.default_rng(7).permutation(60) * 1.5
    assert (
        pick(rows, 6, "v2_mix", scores=scores, weights=(0.4, 0, 0.3)).rows.tolist() == np.argsort(scores)[:6].tolist()
    )
    assert pick(rows, 6, "v2_mix", scores=scores, weights=(0, 0, 1)).rows.tolist() == np.argsort(-scores)[:6].tolist()
    assert set(pick(rows, 6, "v2_mix", scores=scores).terms) == {"sum", "uncertainty", "diversity", "quality"}


def test_columns_may_hold_classes_that_no_row_has():
    """A model knows more classes than the pool shows: their names are given."""
    beliefs = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])
    found = pick(
        some_rows(8, rows=3), 3, "hard", labels=["x", "z", "x"], probabilities=beliefs, classes=["x", "y", "z"]
    )
    assert found.terms["belief"].tolist() == [0.1, 0.1, 0.2]


@pytest.mark.parametrize("rule", ["balanced", "balanced_typical", "herding"])
def test_what_needs_labels_says_so(rule):
    """No rule falls back on another in silence."""
    with pytest.raises(BadInput) as told:
        pick(some_rows(1), 5, rule, scores=np.full(60, 50.0))
    assert str(told.value) == (
        f"rule {rule}: found 'no labels', expected a label for each row. Give labels, or use typical."
    )


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"rule": "best"}, "rule: found 'best', expected one of random, balanced, typical, "),
        ({"budget": 61}, "budget: found 61, expected at most 60"),
        ({"labels": ["a"]}, "columns: found {'embeddings': 60, 'labels': 1}, expected the same number of rows in each"),
        ({"scores": [1.0]}, "columns: found {'embeddings': 60, 'scores': 1}, expected the same number of rows in each"),
        ({"scores": np.full(60, -1.0)}, "scores[0]: found -1.0, expected numbers from 0 to 100"),
        ({"labels": ["a"] * 60, "rule": "margin"}, "labels: found \"one class only (['a'])\", expected at least two"),
        ({"rule": "hard"}, "rule hard: found 'no labels', expected a label for each row"),
        (
            {"labels": ["a", "b"] * 30, "probabilities": np.full((60, 4), 0.25)},
            "probabilities: found '2 classes and 4 columns', expected a column for each class. Name the columns: ",
        ),
        (
            {"labels": ["a", "b"] * 30, "probabilities": np.full((60, 2), 0.5), "classes": ["b", "a"]},
            "classes: found ['b', 'a'], expected sorted names that hold every label",
        ),
        (
            {"labels": ["a", "b"] * 30, "probabilities": np.full((60, 2), 0.5), "classes": ["a", "c"]},
            "classes: found ['a', 'c'], expected sorted names that hold every label",
        ),
    ],
)
def test_what_cannot_be_worked_with_is_told(known, message):
    """Each complaint names the thing, what was found and what was expected."""
    known = {"rule": "random", **known}
    with pytest.raises(BadInput) as told:
        choose_to_train(some_rows(1), known.pop("budget", 5), rng=np.random.default_rng(0), **known)
    assert str(told.value).startswith(message)


def test_beyond_fifty_thousand_rows_what_looks_at_embeddings_has_a_shortlist():
    """Rules that read beliefs or labels alone look at every row."""
    rows = np.random.default_rng(0).normal(size=(60_000, 4)).astype(np.float16)
    scores, labels = np.random.default_rng(1).uniform(0, 100, 60_000), np.arange(60_000) % 3
    exact = {
        rule: pick(rows, 30, rule, scores=scores, labels=labels) for rule in ("hard", "balanced", "cluster_margin")
    }
    assert {found.how for found in exact.values()} == {"exact"}
    assert exact["hard"].rows.tolist() == np.argsort(scores)[:30].tolist()
    for rule in ("typical", "herding", "v2_mix"):
        found = pick(rows, 30, rule, scores=scores, labels=labels)
        assert found.how == "shortlist of 50000 of 60000 rows, one of each stretch of 1.2"
        assert found.rows.max() > 50_000
    assert np.bincount(labels[pick(rows, 30, "herding", labels=labels).rows]).tolist() == [10, 10, 10]
    rows[7] = np.nan
    with pytest.raises(BadInput, match=r"embeddings\[7\]"):
        pick(rows, 59_999, "k_center")
