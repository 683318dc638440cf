"""The small experiments count what they say."""

import gzip
import json

import numpy as np
import pytest

from bench.promises import TYPOS, answers_of_models, repeated_as, roc_area, with_typos


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


def test_repetitions_are_as_many_as_the_children_and_bring_nothing_new():
    """Each source at least as often as the last of them."""
    own = [("a", 0), ("b", 1), ("c", 0)]
    assert repeated_as(own, [*own, ("a child", 0)]) == [("a", 0), ("b", 1), ("c", 0), ("a", 0)]


def test_answers_come_once_each_with_what_was_asked(tmp_path):
    """Empty ones and what is no text are left out; without the file there are none."""
    rows = [{"instruction": "Say", "input": "it", "response1": "It.", "response2": "It."},
            {"instruction": "Go", "input": None, "response1": " ", "response2": "Gone."}]  # fmt: skip
    path = tmp_path / "answers.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    found = answers_of_models(path)
    assert [(one["input"], one["output"]) for one in found] == [("Say it", "It."), ("Go", "Gone.")]
    assert answers_of_models(tmp_path / "none.jsonl.gz") == []
