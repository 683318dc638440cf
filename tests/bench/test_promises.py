"""The small experiments count what they say."""

import numpy as np
import pytest

from bench.promises import TYPOS, roc_area, with_typos


def test_the_area_is_scikit_learns():
    """With ties, which count half."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    values, positive = rng.integers(0, 5, 200) / 4, rng.random(200) < 0.3
    assert roc_area(values, positive) == pytest.approx(roc_auc_score(positive, values))
    assert roc_area([0.5, 0.5], np.array([True, False])) == 0.5


def test_a_typing_mistake_changes_places_and_no_letters():
    """About as many as it says, the same for the same seed; an empty text stays."""
    text = "how do i set up direct deposit" * 50
    (changed,) = with_typos([text], 3)
    assert sorted(changed) == sorted(text)
    moved = np.mean([a != b for a, b in zip(changed, text, strict=True)])
    assert TYPOS < moved < 2.2 * TYPOS
    assert with_typos([text, ""], 3)[0] == changed
    assert with_typos([""], 3) == [""]
