"""Mixtures hold what was planted, and the gates and the suspicion are measured against it."""

import numpy as np
import pytest

from components.bad_input import BadInput
from components.label_noise import neighbour_probabilities, suspect_labels
from components.planted_mixtures import FLAWS, GENERIC, measure_gates, measure_label_noise, plant_flaws, sound_examples
from components.quality_gates import QualityGates


def test_generic_content_falls_from_a_fifth_to_under_three_percent():
    """The document's claim, on 1,000 planted examples: 20% before, at most 3% after; hardly a sound one is lost."""
    measured = measure_gates(plant_flaws(sound_examples(1000, seed=7), generic_share=0.2, seed=7))
    assert measured.generic_share_before == 0.2
    assert measured.generic_share_after <= 0.03
    assert measured.precision >= 0.99
    assert measured.recall >= 0.95
    assert set(measured.recall_by_flaw) == set(FLAWS)


def test_sound_examples_are_sound_and_differ():
    """The gates refuse none of them; the same seed makes the same ones."""
    rows = sound_examples(300, seed=1)
    assert QualityGates().check(rows).refused == ()
    assert rows == sound_examples(300, seed=1) != sound_examples(300, seed=2)
    assert {row["artifact_type"] for row in rows} == {"erd", "json", "code_prototype", "architecture", "chat"}


def test_as_much_is_planted_as_was_asked_for():
    """A fifth generic in three kinds, 2% of each other flaw; the caller's examples stay as they were."""
    rows = sound_examples(500)
    before = [dict(row) for row in rows]
    mixture = plant_flaws(rows, seed=3)
    counts = {flaw: mixture.flaws.count(flaw) for flaw in FLAWS}
    assert sum(counts[flaw] for flaw in GENERIC) == 100
    assert all(counts[flaw] == 10 for flaw in FLAWS[len(GENERIC) :])
    assert rows == before
    assert mixture == plant_flaws(rows, seed=3)


def test_measures_are_counted_by_hand():
    """Eight rows judged by a made-up check: each figure from its definition."""
    mixture = plant_flaws(sound_examples(20), generic_share=0.2, share_of_each_flaw=0.05, seed=0)
    flawed = np.array([bool(flaw) for flaw in mixture.flaws])
    generic = np.array([flaw in GENERIC for flaw in mixture.flaws])
    refused = flawed & ~(np.array(mixture.flaws) == "cut off")
    refused[np.flatnonzero(~flawed)[0]] = True
    found = measure_gates(mixture, lambda _: ~refused)
    assert found.precision == pytest.approx((refused & flawed).sum() / refused.sum())
    assert found.recall == pytest.approx((refused & flawed).sum() / flawed.sum())
    assert (found.lost, found.recall_by_flaw["cut off"], found.recall_by_flaw["empty"]) == (1, 0.0, 1.0)
    assert found.generic_share_after == 0.0
    let_all = measure_gates(mixture, lambda rows: np.ones(len(rows), bool))
    assert (let_all.precision, let_all.recall) == (1.0, 0.0)
    assert let_all.generic_share_after == pytest.approx(generic.mean())
    assert "generic: 20.0% before, 20.0% after" in let_all.why()


def test_planted_label_noise_is_measured():
    """On clear clouds nine of ten changed labels are found, and told rightly."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 60)
    vectors = rng.standard_normal((4, 12))[truth] + 0.3 * rng.standard_normal((240, 12))
    found = measure_label_noise(truth, lambda given: suspect_labels(given, neighbour_probabilities(vectors, given)))
    assert found.planted > 10
    assert min(found.precision, found.recall, found.right_suggestion) >= 0.9


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: plant_flaws([]), "examples: found '0 examples', expected at least 2, to hold 0 flaws"),
        (lambda: plant_flaws(sound_examples(4), generic_share=1.0), r"generic_share\[0\]: found 1.0"),
        (lambda: plant_flaws(sound_examples(10), generic_share=0.9, share_of_each_flaw=0.1), "examples: found '10 ex"),
        (lambda: measure_label_noise([0, 0], lambda given: None), "labels: found '1 class', expected at least two"),
        (lambda: sound_examples(-1), "count: found -1"),
    ],
)
def test_what_cannot_be_planted_is_told(call, told):
    """Too few examples, too many flaws, one class only."""
    with pytest.raises(BadInput, match=told):
        call()
