"""The V2 document's active learner over examples: the document's rule by default, the measured ones by name."""

import json
import subprocess
import sys

import numpy as np
import pytest

from components.active_learner import STRATEGIES, TRAIN_RULES, ActiveLearner, choose_to_ask, choose_to_train
from components.bad_input import BadInput


def rated(count=60, seed=1):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((count, 8)).astype(np.float32)
    scores = rng.uniform(0, 100, count)
    return [
        {"input": f"q{row}", "score": float(scores[row]), "label": "ab"[row % 2], "embedding": vectors[row]}
        for row in range(count)
    ]


def test_the_rule_of_the_document_is_a_weighted_sum():
    """40% uncertainty, 30% distance to what was taken, 30% quality: beside a loop over all rows."""
    pool, picks = [one | {"label": None} for one in rated(30)], []
    vectors = np.array([one["embedding"] for one in pool], np.float64)
    quality = np.array([one["score"] / 100 for one in pool])
    for _ in range(8):
        far = np.ones(30)
        if picks:
            apart = np.array([min(np.linalg.norm(vectors[row] - vectors[pick]) for pick in picks) for row in range(30)])
            far = apart / max(apart[row] for row in range(30) if row not in picks)
        worth = 0.4 * (1 - quality) + 0.3 * far + 0.3 * quality
        picks.append(max((row for row in range(30) if row not in picks), key=lambda row: worth[row]))
    selected, metadata = ActiveLearner().select_informative_examples(pool, 8)
    assert metadata["rows"] == picks
    assert [one["input"] for one in selected] == [pool[row]["input"] for row in picks]


@pytest.mark.parametrize("rule", TRAIN_RULES)
def test_every_rule_selects_the_callers_own_objects(rule):
    """As many as asked, each once, the same for the same seed, and nothing of them is changed."""
    pool = rated()
    before = [dict(one) for one in pool]
    selected, metadata = ActiveLearner(rule).select_informative_examples(pool, 12)
    again, _ = ActiveLearner(rule).select_informative_examples(pool, 12)
    assert len({id(one) for one in selected} & {id(one) for one in pool}) == 12
    assert [id(one) for one in again] == [id(one) for one in selected]
    assert metadata["strategy"] == rule
    assert len(metadata["reasons"]) == 12
    assert all(one.keys() == old.keys() and one["score"] == old["score"] for one, old in zip(pool, before, strict=True))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_asks_about_what_has_no_label(strategy):
    """Those that have one count as asked already."""
    pool = rated()
    for one in pool[20:]:
        one["label"] = None
    chosen, metadata = ActiveLearner().ask(pool, 10, strategy=strategy)
    assert len(chosen) == 10
    assert all(one["label"] is None for one in chosen)
    assert metadata["strategy"] == strategy


def test_asking_goes_by_what_was_measured_best():
    """Whatever the rule for training is; a strategy that was named counts."""
    pool = [one | {"label": None} for one in rated()]
    assert ActiveLearner().ask(pool, 3)[1]["strategy"] == "typical_then_margin"
    assert ActiveLearner("margin").ask(rated()[:30] + pool[30:], 3)[1]["strategy"] == "margin"


def test_v2_spellings_and_objects_are_read_too():
    """Texts become vectors where the examples bring none; hashing needs no model."""

    class Event:
        def __init__(self, row):
            self.input_data, self.validation_score = f"draw the tables of shop {row} 🙂 注文", float(row)

    events = [Event(row) for row in range(20)]
    selected, _ = ActiveLearner(embed="hashing").select_informative_examples(events, 5)
    assert len({id(one) for one in selected} & {id(one) for one in events}) == 5


def test_a_budget_above_the_pool_is_all_of_it_and_said():
    """Nothing is selected twice to fill it up."""
    selected, metadata = ActiveLearner().select_informative_examples(rated(4), 30)
    assert len(selected) == 4
    assert metadata["note"] == "30 asked for, 4 could be chosen"


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda: ActiveLearner("best"), "strategy: found 'best', expected one of "),
        (lambda: ActiveLearner(uncertainty_weight=float("nan")), r"weights\[0\]: found nan"),
        (
            lambda: ActiveLearner("v2_mix", 0, 0, 0),
            r"weights: found \(0, 0, 0\), expected three numbers of at least 0",
        ),
        (lambda: ActiveLearner(seed=-1), "seed: found -1"),
        (lambda: ActiveLearner().select_informative_examples([], 3), "candidates: found 'an empty pool', expected at"),
        (
            lambda: ActiveLearner().ask([{"input": "a", "label": 1}, {"input": "b", "label": 2}], 1),
            "candidates: found '2, all of them rated', expected at least one that nobody has rated",
        ),
        (lambda: ActiveLearner().select_informative_examples(rated(3), 0), "budget: found 0"),
        (
            lambda: ActiveLearner().select_informative_examples([rated(1)[0], {"embedding": np.ones(8)}], 1),
            r"candidates\[1\].score: found None, expected a score from 0 to 100. Leave it out",
        ),
        (
            lambda: ActiveLearner().select_informative_examples([rated(1)[0] | {"score": 101.0, "label": None}], 1),
            r"scores\[0\]: found 101.0, expected numbers from 0 to 100",
        ),
        (lambda: ActiveLearner("badge").select_informative_examples(rated(3), 1), "strategy: found 'badge', expected"),
    ],
)
def test_what_cannot_be_used_is_told(act, told):
    """With what was found and what was expected."""
    with pytest.raises(BadInput, match=told):
        act()


def test_the_columnar_calls_are_here_too():
    """For pools that are arrays already."""
    points = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    rng = np.random.default_rng(0)
    assert len(choose_to_ask(points, 5, rng=rng).rows) == 5
    assert len(choose_to_train(points, 5, rule="typical", rng=rng).rows) == 5


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_scores_are_what_is_known_where_nothing_has_a_label(strategy):
    """The feedback's own scores and a light probe stand in for a model; what has a score is not asked about."""
    pool = [one | {"label": None, "score": [20.0, 90.0, None][row % 3]} for row, one in enumerate(rated(30))]
    _, metadata = ActiveLearner().ask(pool, 4, strategy=strategy)
    assert len(metadata["rows"]) == 4
    assert all(row % 3 == 2 for row in metadata["rows"])


def test_weights_move_the_choice():
    """All weight on quality: the best scores; on diversity: each the farthest from those before."""
    pool = [one | {"label": None} for one in rated(20)]
    best, _ = ActiveLearner("v2_mix", 0.0, 0.0, 1.0).select_informative_examples(pool, 3)
    assert [one["score"] for one in best] == sorted((one["score"] for one in pool), reverse=True)[:3]
    _, metadata = ActiveLearner("v2_mix", 0.0, 1.0, 0.0).select_informative_examples(pool, 5)
    assert [why["diversity"] for why in metadata["reasons"]] == [1.0] * 5
    json.dumps(metadata)  # plain values, fit for a log


def test_one_kind_of_rating_leaves_diversity():
    """All rated ones are successes: nobody can say where doubt is, so far ones are asked about; margin says why not."""
    pool = [one | {"label": None, "score": 90.0 if row < 5 else None} for row, one in enumerate(rated(20))]
    _, metadata = ActiveLearner().ask(pool, 3, strategy="v2_mix")
    assert {why["uncertainty"] for why in metadata["reasons"]} == {0.5}
    with pytest.raises(BadInput, match=r"one class only \(\[True\]\)"):
        ActiveLearner().ask(pool, 3, strategy="margin")


@pytest.mark.parametrize("text", ["", "x" * 1_000_000, "¿Qué? 日本語 🙂 naïve", {"ask": "as an object"}, None])
def test_any_text_is_embedded(text):
    """Empty, a megabyte, mixed languages and emoji, an object, or nothing at all."""
    pool = [{"input": text, "score": 50.0}, {"input": "another matter", "score": 60.0}, {"input": text, "score": 70.0}]
    selected, _ = ActiveLearner(embed="hashing").select_informative_examples(pool, 2)
    assert len(selected) == 2


@pytest.mark.parametrize("command", [["-m", "components.active_learner"], ["components/active_learner.py"]])
def test_run_by_itself_it_prints_a_worked_example(command):
    """Both ways of starting it, within eighty columns."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300, check=True)
    assert "(typical_then_margin):" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
