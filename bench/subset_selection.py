"""Which thousand of ten thousand rated examples to train on: every rule against random and against all of them.

    python -m bench.subset_selection [--cache FOLDER] [--json OUT]

The other use of choosing: labels are there and cost nothing, training time does. For each seed ten thousand examples
are drawn from the training side, and a model in use is made of five hundred others: its probabilities, and as score
what it gives the rated label, are all that a rule sees beside the labels. A probe (logistic regression on frozen
embeddings) learns from the thousand chosen rows and is judged on the test side. In `… 10% wrong` a tenth of the
ratings name another class, for the rules and for the training alike.

A rule beats random when the 95% interval of its gain, seed by seed, lies above zero. The winner has the largest mean
gain over all sets among the rules that beat random on one and are nowhere below it; else it is random.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.label_curves import interval
from bench.labelled_texts import LabelledTexts, UnreadableData, read_known
from bench.measuring import RESULTS, write_json
from bench.probe import Probe, accuracy, macro_f1
from bench.text_vectors import CACHE, embedded

SETS = ("clinc150", "davidson")
RATED, BUDGET, IN_USE, SEEDS = 10_000, 1_000, 500, 5
WRONG_SHARES = (0.0, 0.1)
ALL, BASELINE = "all", "random"
TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Rated:
    """What is there to choose from, and what it is judged on."""

    vectors: Any
    labels: Any  # as rated: with wrong_share some are not the true ones
    probabilities: Any  # of the model in use
    scores: Any
    test_vectors: Any
    test_labels: Any
    test_in_use: Any  # what the model in use says to the test rows
    rows: Any  # of the data set
    classes: int
    seed: int

    def rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])


def main() -> int:
    from threadpoolctl import threadpool_limits

    parser = argparse.ArgumentParser(prog="python -m bench.subset_selection")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where embeddings stay (default {CACHE})")
    parser.add_argument("--json", type=Path, default=RESULTS / "subset_selection.json")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    given = parser.parse_args()
    try:
        sets = [read_known(name) for name in SETS]
    except UnreadableData as error:
        print(error, file=sys.stderr)
        return 2
    result: dict[str, Any] = {"schema": "adaptd.bench.subset_selection/1", "rated": RATED, "budget": BUDGET,
                              "seeds": given.seeds, "sets": {}}  # fmt: skip
    for data in sets:
        vectors, result["encoder"] = embedded(data, given.cache)
        with threadpool_limits(1):  # CPU seconds are compared
            for wrong_share in WRONG_SHARES:
                name = data.name + (f", {wrong_share:.0%} wrong" if wrong_share else "")
                result["sets"][name] = measured(data, vectors, wrong_share, given.seeds)
                print_table(name, result["sets"][name])
    result["winner"] = winner(result["sets"])
    print(told_of_winner(result["winner"]))
    write_json(given.json, result)
    return 0


def measured(data: LabelledTexts, vectors: Any, wrong_share: float, seeds: int) -> dict[str, Any]:
    """Every rule, seed by seed."""
    metric = "macro_f1" if data.largest_share > 0.5 else "accuracy"
    choosers = rules()
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in choosers}
    for seed in range(seeds):
        rated = rated_examples(data, vectors, wrong_share, seed)
        for name, choose in choosers.items():
            taken[name].append(trained(rated, choose, metric))
    return {"metric": metric, "classes": len(data.classes), "rules": summary(taken)}


def rated_examples(data: LabelledTexts, vectors: Any, wrong_share: float, seed: int) -> Rated:
    pool, test = data.split(seed)
    rng = np.random.default_rng([seed, zlib.crc32(b"rated")])
    shuffled = rng.permutation(pool)
    rows, others = shuffled[:RATED], shuffled[RATED : RATED + IN_USE]
    classes = len(data.classes)
    in_use = Probe(classes, tolerance=TOLERANCE).fit(vectors[others], data.labels[others])
    probabilities = in_use.probabilities(vectors[rows])
    labels = data.labels[rows].copy()
    wrong = rng.random(len(rows)) < wrong_share
    labels[wrong] = (labels[wrong] + rng.integers(1, classes, wrong.sum())) % classes
    scores = 100.0 * probabilities[np.arange(len(rows)), labels]
    in_test = in_use.probabilities(vectors[test]).argmax(axis=1)
    true = data.labels[test]
    return Rated(vectors[rows], labels, probabilities, scores, vectors[test], true, in_test, rows, classes, seed)


def rules() -> dict[str, Callable[[Rated], Any]]:
    """Every rule of the component, and training on all."""
    from components.active_learner import TRAIN_RULES

    return {ALL: lambda rated: np.arange(len(rated.labels)), **{name: _by(name) for name in TRAIN_RULES}}


def _by(name: str) -> Callable[[Rated], Any]:
    def choose(rated: Rated) -> Any:
        from components.active_learner import choose_to_train

        return choose_to_train(
            rated.vectors,
            BUDGET,
            rule=name,
            labels=rated.labels,
            scores=rated.scores,
            probabilities=rated.probabilities,
            classes=np.arange(rated.classes),
            rng=rated.rng(name),
        ).rows

    return choose


def trained(rated: Rated, choose: Callable[[Rated], Any], metric: str) -> dict[str, float]:
    began = time.process_time()
    rows = choose(rated)
    chosen = time.process_time()
    probe = Probe(rated.classes, tolerance=TOLERANCE).fit(rated.vectors[rows], rated.labels[rows])
    done = time.process_time()
    predicted = probe.probabilities(rated.test_vectors).argmax(axis=1)
    score = accuracy(predicted, rated.test_labels)
    if metric == "macro_f1":
        score = macro_f1(predicted, rated.test_labels, rated.classes)
    return {
        "score": score,
        "choosing_seconds": chosen - began,
        "training_seconds": done - chosen,
        "passes": probe.steps * len(rows) / len(rated.labels),  # over the ten thousand
    }


def summary(taken: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """For each rule its score, what it gained on random seed by seed, and what it cost."""
    randoms = [one["score"] for one in taken[BASELINE]]
    told: dict[str, Any] = {}
    for name, runs in taken.items():
        gain = interval([one["score"] - other for one, other in zip(runs, randoms, strict=True)])
        told[name] = {"score": interval([one["score"] for one in runs]), "gain": gain, "verdict": verdict(gain)}
        for cost in ("choosing_seconds", "training_seconds", "passes"):
            told[name][cost] = round(float(np.mean([one[cost] for one in runs])), 3)
    return dict(sorted(told.items(), key=lambda item: -item[1]["score"]["mean"]))


def verdict(gain: dict[str, Any]) -> str:
    """better or worse than random, or no difference that could be seen."""
    if gain.get("low", gain["mean"]) > 0:
        return "better"
    return "worse" if gain.get("high", gain["mean"]) < 0 else "no difference seen"


def winner(sets: dict[str, Any]) -> dict[str, Any]:
    """The rule to ship: what beats random somewhere and is nowhere below it, with the largest mean gain; or random."""
    gains: dict[str, list[dict[str, Any]]] = {}
    for figures in sets.values():
        for name, one in figures["rules"].items():
            gains.setdefault(name, []).append(one)
    fit = {
        name: round(float(np.mean([one["gain"]["mean"] for one in ones])), 5)
        for name, ones in gains.items()
        if name not in (ALL, BASELINE)
        and any(one["verdict"] == "better" for one in ones)
        and all(one["verdict"] != "worse" for one in ones)
    }
    if not fit:
        return {"rule": BASELINE, "mean_gain": 0.0, "beats_random": False}
    best = max(fit, key=lambda name: fit[name])
    return {"rule": best, "mean_gain": fit[best], "beats_random": fit[best] > 0}


def told_of_winner(one: dict[str, Any]) -> str:
    if not one["beats_random"]:
        return "no rule beats random on one set without being below it on another: random is to be shipped"
    return f"{one['rule']} is to be shipped: {100 * one['mean_gain']:+.1f} points on random over all sets"


def print_table(name: str, figures: dict[str, Any]) -> None:
    print(f"\n{name}: {figures['metric']} of a model that learnt from {BUDGET} of {RATED}")
    print(f"{'rule':20}{'score':>8}{'gain on random [95%]':>28}{'choosing s':>12}{'training s':>12}{'passes':>8}")
    for rule, one in figures["rules"].items():
        gain = one["gain"]
        spread = f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]" if "low" in gain else ""
        print(f"{rule:20}{one['score']['mean']:>8.3f}{spread:>28}{one['choosing_seconds']:>12.2f}"
              f"{one['training_seconds']:>12.2f}{one['passes']:>8.1f}  {one['verdict']}")  # fmt: skip
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
