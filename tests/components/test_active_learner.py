"""The V2 call: candidates in, the most informative ones and the reasons out."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from components.active_learner import STRATEGIES, TRAIN_RULES, ActiveLearner
from components.bad_input import BadInput
from tests.components.test_uncertainty import chances


def example(number, score=None, **more):
    spot = np.random.default_rng(number).normal(size=4).tolist()
    return {"input_data": f"ask {number}", "ai_output": "say", "validation_score": score, "embedding": spot, **more}


def rated(count, **more):
    return [example(number, float(37 * number % 101), **more) for number in range(count)]


def test_the_documents_call_returns_the_callers_own_examples():
    """Thirty of sixty, each once, with as many reasons, and nothing altered."""
    candidates = rated(60, artifact_type="erd")
    before = json.dumps(candidates)
    selected, metadata = ActiveLearner().select_informative_examples(candidates, budget=30)
    assert len(selected) == len(metadata["why"]) == metadata["selected"] == 30
    assert all(one is candidates[row] for one, row in zip(selected, metadata["rows"], strict=True))
    assert len(set(metadata["rows"])) == 30
    assert (metadata["strategy"], metadata["use"], metadata["how"]) == ("v2_mix", "train", "exact")
    assert metadata["mean_score"] == pytest.approx(np.mean([one["validation_score"] for one in selected]))
    assert json.dumps(candidates) == before
    json.dumps(metadata)  # plain values, fit for a log


def test_the_first_pick_is_the_worst_and_the_terms_are_the_documents():
    """At first all are equally far, and .4 uncertainty + .3 quality is largest where the score is least."""
    selected, metadata = ActiveLearner().select_informative_examples(rated(20), 2)
    assert selected[0]["validation_score"] == 0.0
    assert metadata["why"][0] == {"sum": 0.7, "uncertainty": 1.0, "diversity": 1.0, "quality": 0.0}


def test_weights_move_the_choice():
    """All weight on quality: the best scores; on diversity: those of the farthest-first walk."""
    best, _ = ActiveLearner("v2_mix", 0.0, 0.0, 1.0).select_informative_examples(rated(20), 3)
    assert [one["validation_score"] for one in best] == sorted((37 * n % 101 for n in range(20)), reverse=True)[:3]
    _, metadata = ActiveLearner("v2_mix", 0.0, 1.0, 0.0).select_informative_examples(rated(20), 5)
    assert [why["diversity"] for why in metadata["why"]] == [1.0] * 5


@pytest.mark.parametrize("strategy", sorted({*STRATEGIES, *TRAIN_RULES}))
def test_every_name_works_on_rated_examples(strategy):
    """Rules for training by the scores and the artifact types; strategies for asking take scores for beliefs."""
    candidates = [*rated(15, artifact_type="erd"), *rated(15, artifact_type="code")]
    learner = ActiveLearner(strategy, seed=3)
    one, two = (learner.select_informative_examples(candidates, 6)[1] for _ in range(2))
    assert one["rows"] == two["rows"]
    assert len(set(one["rows"])) == 6
    assert one["strategy"] == strategy


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_where_some_have_no_score_the_choice_is_among_those(strategy):
    """A rating would tell something about them; the rated ones are what the probe learns from."""
    candidates = [example(n, [20.0, 90.0, None][n % 3]) for n in range(30)]
    _, metadata = ActiveLearner(strategy).select_informative_examples(candidates, 4)
    assert metadata["use"] == "ask"
    assert metadata["mean_score"] is None
    assert all(row % 3 == 2 for row in metadata["rows"])


def test_a_models_probabilities_are_taken_where_every_candidate_has_them():
    """Margin then takes the smallest of them."""
    beliefs = chances(1, rows=12, classes=3)
    candidates = [example(n, probabilities=beliefs[n].tolist()) for n in range(12)]
    _, metadata = ActiveLearner("margin").select_informative_examples(candidates, 3)
    apart = np.sort(beliefs, axis=1)
    assert metadata["rows"] == np.argsort(apart[:, 2] - apart[:, 1])[:3].tolist()


def test_objects_with_todays_names_are_examples_too():
    """Fields are read however they are spelt."""
    candidates = [SimpleNamespace(input="a", score=float(n), embedding=np.ones(3) * n) for n in range(5)]
    selected, _ = ActiveLearner().select_informative_examples(candidates, 2)
    assert selected[0] is candidates[0]


@pytest.mark.parametrize("text", ["", "x" * 1_000_000, "¿Qué? 日本語 🙂 naïve", {"ask": "as an object"}, None])
def test_any_text_is_embedded(text):
    """Empty, a megabyte, mixed languages and emoji, an object, or nothing: texts go to `embed`, each as one text."""
    seen = []

    def lengths(texts):
        seen.extend(texts)
        return [[len(one), 1.0] for one in texts]

    candidates = [{"input": text, "output": f"o{n}", "score": 50.0} for n in range(3)]
    _, metadata = ActiveLearner(embed=lengths).select_informative_examples(candidates, 2)
    assert all(isinstance(one, str) for one in seen)
    assert metadata["embedding"] == "the function given as embed"


def test_without_vectors_the_texts_are_embedded_by_our_own():
    """Examples about two matters: one of each is chosen, and the metadata say whose vectors decided."""
    embeddings = pytest.importorskip("components.embeddings")
    generator = embeddings.EmbeddingGenerator("hashing")
    texts = ["my card is locked", "my card was locked", "the card is locked now", "Wie wird das Wetter morgen?"]
    candidates = [{"input_data": text, "validation_score": 50.0} for text in texts]
    chosen, _ = ActiveLearner(embed=generator.encode).select_informative_examples(candidates, 2)
    assert candidates[3] in chosen


@pytest.mark.parametrize(
    ("candidates", "budget", "message"),
    [
        ([], 1, "candidates: found 'an empty pool', expected at least one example. Record outputs first."),
        (rated(3), 4, "budget: found 4, expected at most 3, the rows that can be chosen. Lower it, or wait for more."),
        ([*rated(3), example(9)], 2, "budget: found 2, expected at most 1, the rows that can be chosen."),
        (rated(3), 0, "budget: found 0, expected a whole number of at least 1"),
        ([example(1, float("nan"))], 1, "scores[0]: found nan, expected numbers from 0 to 100"),
        ([example(1, 1.0), example(2, 101)], 1, "scores[1]: found 101.0, expected numbers from 0 to 100"),
        ([example(1, float("inf"))], 1, "scores[0]: found inf, expected numbers from 0 to 100"),
        ([example(1, 1.0), {"score": 1.0, "embedding": [1.0]}], 1, "embedding: found [["),
        (
            [{"score": 1.0, "embedding": 3.0}],
            1,
            "embedding: found 'an array of shape (1,)', expected numbers, as many on",
        ),
        ([{"score": 1.0, "embedding": [float("nan")]}], 1, "embeddings[0]: found 'NaN or infinite numbers'"),
    ],
)
def test_what_cannot_be_worked_with_is_told(candidates, budget, message):
    """Each complaint names the thing, what was found and what was expected."""
    with pytest.raises(BadInput) as told:
        ActiveLearner().select_informative_examples(candidates, budget)
    assert str(told.value).startswith(message)


def test_a_rule_for_training_does_not_choose_what_to_ask():
    """Hard examples are those with a low score: what has none cannot be one."""
    with pytest.raises(BadInput) as told:
        ActiveLearner("hard").select_informative_examples([*rated(3), example(9)], 1)
    assert str(told.value) == (
        "strategy hard: found '1 candidates without a score', expected a score on each. Use one of random, margin, "
        "entropy, badge, typiclust, cluster_margin, k_center, probcover, typical_then_margin, v2_mix."
    )


def test_one_class_of_ratings_leaves_diversity():
    """All rated ones are successes: nobody can say where doubt is, so the far ones are asked about."""
    candidates = [*(example(n, 90.0) for n in range(5)), *(example(n) for n in range(5, 20))]
    _, metadata = ActiveLearner().select_informative_examples(candidates, 3)
    assert {why["uncertainty"] for why in metadata["why"]} == {0.5}
    with pytest.raises(BadInput, match=r"one class only \(\[True\]\)"):
        ActiveLearner("margin").select_informative_examples(candidates, 3)


@pytest.mark.parametrize("wrong", [{"strategy": "best"}, {"quality_weight": -1.0}, {"seed": 1.5}])
def test_wrong_settings_are_refused_when_the_learner_is_made(wrong):
    """Not at its first use."""
    with pytest.raises(BadInput):
        ActiveLearner(**wrong)


@pytest.mark.parametrize("command", [["-m", "components.active_learner"], ["components/active_learner.py"]])
def test_run_by_itself_it_prints_a_worked_example(command):
    """Both ways of starting it, within eighty columns, and without a heavy library."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60, check=True)
    assert "typical_then_margin  rows [14, 16]  topics AB" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_importing_it_loads_no_heavy_library():
    """numpy and our own files."""
    code = (
        "import sys, components.active_learner; print([m for m in ('sklearn', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
