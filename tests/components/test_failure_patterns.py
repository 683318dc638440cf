"""What separates failures from successes is found, and what chance explains is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.failure_patterns import (
    NUMBERS,
    _areas,
    _corrected,
    log_odds,
    measured,
    separating_numbers,
    separating_words,
)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=4, max_size=40))
@settings(deadline=None)
def test_areas_and_their_chance_are_those_of_scipy(rows):
    """Pairs counted one by one for the area; scipy's Mann-Whitney test for the probability, ties and all."""
    stats = pytest.importorskip("scipy.stats")
    values, failed = np.array([v for v, _ in rows], dtype=float), np.array([f for _, f in rows])
    if failed.all() or not failed.any():
        return
    area, chance = _areas(values[:, None], failed)
    pairs = [(a > b) + 0.5 * (a == b) for a in values[failed] for b in values[~failed]]
    assert area[0] == pytest.approx(np.mean(pairs))
    if len(set(values.tolist())) > 1:
        tested = stats.mannwhitneyu(values[failed], values[~failed], use_continuity=False, method="asymptotic")
        assert chance[0] == pytest.approx(tested.pvalue)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(deadline=None)
def test_the_correction_is_that_of_scipy(chances):
    """Benjamini and Hochberg's adjusted probabilities."""
    stats = pytest.importorskip("scipy.stats")
    assert _corrected(np.array(chances)) == pytest.approx(stats.false_discovery_control(chances))


def test_log_odds_are_those_of_the_paper():
    """Monroe et al., equations 15, 16, 20 and 22, word by word."""
    counts = np.array([[10.0, 2.0, 8.0], [1.0, 9.0, 10.0]])
    prior = counts.sum(axis=0)  # fewer than 500 words in all: the corpus is its own prior
    for word, found in enumerate(log_odds(counts)):
        own = [counts[side, word] + prior[word] for side in (0, 1)]
        rest = [counts[side].sum() + prior.sum() - own[side] for side in (0, 1)]
        delta = np.log(own[0] / rest[0]) - np.log(own[1] / rest[1])
        assert found == pytest.approx(delta / np.sqrt(1 / own[0] + 1 / own[1]))


def test_longer_inputs_among_failures_are_said_in_words():
    """The direction, both medians and how sure it is are in the sentence."""
    rng = np.random.default_rng(0)
    words = np.concatenate([rng.integers(30, 50, 40), rng.integers(3, 12, 60)]).astype(float)
    found = separating_numbers(words[:, None], np.arange(100) < 40, names=["input_words"])
    assert len(found) == 1
    assert found[0].more
    assert found[0].strength == 1.0
    assert found[0].why.startswith("failures have more words in the input: median ")
    assert found[0].why.endswith("(100% of pairs)")


def test_fewer_is_said_as_well():
    """An area under a half is told as less."""
    values = np.array([1.0] * 10 + [5.0] * 10)[:, None]
    (found,) = separating_numbers(values, np.arange(20) < 10, names=["size"])
    assert (found.more, found.why) == (False, "failures have less size: median 1 against 5 (100% of pairs)")


def test_chance_is_not_reported():
    """Of 200 columns of noise next to none comes through; so it is with words."""
    rng = np.random.default_rng(1)
    failed = rng.random(300) < 0.4
    names = [f"noise{i}" for i in range(200)]
    assert len(separating_numbers(rng.standard_normal((300, 200)), failed, names=names)) <= 1
    words = [" ".join(rng.choice(["red", "blue", "green", "grey", "pink"], 3)) for _ in range(300)]
    assert separating_words(words, failed) == []


def test_words_of_failures_are_found_with_their_counts():
    """A word of failures and one of successes, each once per text."""
    texts = ["nested loans loans and rates"] * 30 + ["simple shop with rates"] * 40
    found = separating_words(texts, np.arange(70) < 30)
    told = {one.name: one.why for one in found}
    assert told["word:loans"] == "failures say «loans» more often: 30 of 30 failures, 0 of 40 successes"
    assert told["word:shop"] == "failures say «shop» less often: 0 of 30 failures, 40 of 40 successes"
    assert "word:rates" not in told
    assert len(separating_words(texts, np.arange(70) < 30, limit=1)) == 1


def test_few_failures_or_one_side_only_tell_nothing():
    """Four failures are no pattern; without successes there is nothing to compare with."""
    values = np.arange(20.0)[:, None]
    assert separating_numbers(values, np.arange(20) < 4, names=["x"]) == []
    assert separating_numbers(values, np.ones(20, bool), names=["x"]) == []
    assert separating_words(["a b"] * 3, [True] * 3) == []
    assert separating_words(["ab cd", "ef gh"], [True, False]) == []


def test_what_is_measured_of_texts():
    """Figures, lines, brackets and the rest, of the input and of the output; odd texts included."""
    table = measured(["Draw 2 or 3.5 shops, now?", "", "😀 Straße"], ["a {\nb", "x", "x" * 1_000_000])
    row = dict(zip(NUMBERS, table[0].tolist(), strict=True))
    assert (row["input_words"], row["input_figures"], row["input_questions"], row["input_commas"]) == (6, 2, 1, 1)
    assert (row["output_lines"], row["output_open_brackets"]) == (2, 1)
    assert dict(zip(NUMBERS, table[2].tolist(), strict=True))["input_beyond_ascii"] == 2
    assert measured([], []).shape == (0, len(NUMBERS))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: separating_numbers([[1.0]], [True], names=["a", "b"]), "numbers: found .*, expected 1 rows and 2"),
        (lambda: separating_numbers([[np.nan]], [True], names=["a"]), r"numbers\[0\]: found nan"),
        (lambda: separating_words(["a"], [True, False]), "failed: found .*, expected one flag for each of 1 texts"),
    ],
)
def test_columns_that_do_not_fit_are_told(call, told):
    """Shapes and numbers that make no table."""
    with pytest.raises(BadInput, match=told):
        call()
