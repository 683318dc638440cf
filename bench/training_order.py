"""Whether the order of examples, or a share of hard ones, makes a model learn in fewer steps.

    python -m bench.training_order [--cache FOLDER] [--json OUT]

What V2 calls curriculum learning («40% faster») and hard negative mining («30% edge cases», a share of 35%), tried on
a linear head on frozen sentence embeddings: Adam, batches of 32, as many steps for every way as one pass over the ten
thousand rated examples has. What is easy or hard is told by a model in use that learnt from five hundred others, or by
the text's length. *Steps* is how many a way takes to 80, 90 and 95% of what all ten thousand give; *edge cases* are the
test rows that the model in use gets wrong. Mining within a batch looks at four rows for each hard one that it takes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.label_curves import interval, labels_needed, labels_to, share_of_random
from bench.labelled_texts import LabelledTexts, UnreadableData, read_known
from bench.measuring import RESULTS, write_json
from bench.probe import Probe, accuracy, macro_f1
from bench.subset_selection import SETS, TOLERANCE, Rated, rated_examples
from bench.text_vectors import CACHE, embedded

SEEDS, BATCH, EVERY, RATE = 5, 32, 4, 0.02
SHARES = (80, 90, 95)
HARD_SHARE = 0.35  # the document's
CANDIDATES = 4  # rows looked at for each that is trained on, where a batch is mined
BASELINE = "shuffled"
Batches = Callable[[Rated, "Head"], Any]


class Head:
    """Softmax regression by Adam; its state and one step."""

    def __init__(self, dimensions: int, classes: int) -> None:
        self.weights = np.zeros((dimensions + 1, classes), dtype=np.float32)
        self._first, self._second, self._steps = np.zeros_like(self.weights), np.zeros_like(self.weights), 0

    def step(self, vectors: Any, labels: Any) -> None:
        rows = np.hstack([vectors, np.ones((len(vectors), 1), dtype=np.float32)])
        error = _softmax(rows @ self.weights)  # (batch, classes)
        error[np.arange(len(labels)), labels] -= 1
        gradient = rows.T @ error / len(labels)
        self._steps += 1
        self._first += 0.1 * (gradient - self._first)
        self._second += 0.001 * (gradient**2 - self._second)
        size = RATE * np.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps)
        self.weights -= size * self._first / (np.sqrt(self._second) + 1e-8)

    def scores(self, vectors: Any) -> Any:
        return vectors @ self.weights[:-1] + self.weights[-1]

    def losses(self, vectors: Any, labels: Any) -> Any:
        return -np.log(np.maximum(_softmax(self.scores(vectors))[np.arange(len(labels)), labels], 1e-12))


def _softmax(scores: Any) -> Any:
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def main() -> int:
    from threadpoolctl import threadpool_limits

    parser = argparse.ArgumentParser(prog="python -m bench.training_order")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where embeddings stay (default {CACHE})")
    parser.add_argument("--json", type=Path, default=RESULTS / "training_order.json")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    given = parser.parse_args()
    try:
        sets = [read_known(name) for name in SETS]
    except UnreadableData as error:
        print(error, file=sys.stderr)
        return 2
    result: dict[str, Any] = {
        "schema": "adaptd.bench.training_order/1",
        "batch": BATCH,
        "seeds": given.seeds,
        "sets": {},
    }
    for data in sets:
        vectors, result["encoder"] = embedded(data, given.cache)
        with threadpool_limits(1):
            result["sets"][data.name] = measured(data, vectors, given.seeds)
        print_table(data.name, result["sets"][data.name])
    write_json(given.json, result)
    return 0


def measured(data: LabelledTexts, vectors: Any, seeds: int) -> dict[str, Any]:
    metric = "macro_f1" if data.largest_share > 0.5 else "accuracy"
    ways = {
        BASELINE: _shuffled,
        "easy to hard, by the model in use": _in_stages(lambda rated, _: -_belief(rated)),
        "easy to hard, by length": _in_stages(lambda _, lengths: lengths),
        "hard to easy": _in_stages(lambda rated, _: _belief(rated)),
        "35% hard ones, by the model in use": _with_hard_ones,
        "35% hardest of the moment": _mined,
    }
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for seed in range(seeds):
        rated = rated_examples(data, vectors, 0.0, seed)
        lengths = np.array([len(data.texts[row]) for row in rated.rows], dtype=np.float64)
        probe = Probe(rated.classes, tolerance=TOLERANCE).fit(rated.vectors, rated.labels)
        full = _score(probe.probabilities(rated.test_vectors).argmax(axis=1), rated, metric)
        for name, way in ways.items():
            taken[name].append(learnt(rated, lengths, way, metric) | {"full": full})
    return {"metric": metric, "steps": taken[BASELINE][0]["steps"][-1], "ways": summary(taken)}


def learnt(rated: Rated, lengths: Any, way: Any, metric: str) -> dict[str, Any]:
    """The scores on the way, and at the end that of the edge cases."""
    head = Head(rated.vectors.shape[1], rated.classes)
    run: dict[str, Any] = {"steps": [], "scores": []}
    for step, rows in enumerate(way(rated, lengths, head), 1):
        head.step(rated.vectors[rows], rated.labels[rows])
        if step % EVERY == 0:
            predicted = head.scores(rated.test_vectors).argmax(axis=1)
            run["steps"].append(step)
            run["scores"].append(_score(predicted, rated, metric))
    predicted = head.scores(rated.test_vectors).argmax(axis=1)
    wrong = rated.test_in_use != rated.test_labels
    return run | {"edge_cases": accuracy(predicted[wrong], rated.test_labels[wrong])}


def _score(predicted: Any, rated: Rated, metric: str) -> float:
    if metric == "accuracy":
        return accuracy(predicted, rated.test_labels)
    return macro_f1(predicted, rated.test_labels, rated.classes)


def _belief(rated: Rated) -> Any:
    return rated.probabilities[np.arange(len(rated.labels)), rated.labels]


def _whole_batches(order: Any) -> Any:
    return order[: len(order) // BATCH * BATCH].reshape(-1, BATCH)


def _shuffled(rated: Rated, _lengths: Any, _head: Head) -> Any:
    yield from _whole_batches(rated.rng("order").permutation(len(rated.labels)))


def _in_stages(difficulty: Callable[[Rated, Any], Any]) -> Any:
    """Three stages of equal size, shuffled within: the document's easy, medium and hard."""

    def batches(rated: Rated, lengths: Any, _head: Head) -> Any:
        stages = np.array_split(np.argsort(difficulty(rated, lengths), kind="stable"), 3)
        yield from _whole_batches(np.concatenate([rated.rng("order").permutation(stage) for stage in stages]))

    return batches


def _with_hard_ones(rated: Rated, _lengths: Any, _head: Head) -> Any:
    """In each batch 35% from the tenth that the model in use believes least, again and again; the rest as shuffled."""
    rng = rated.rng("order")
    hard = np.argsort(_belief(rated), kind="stable")[: len(rated.labels) // 10]
    count = round(HARD_SHARE * BATCH)
    for rows in _whole_batches(rng.permutation(len(rated.labels))):
        yield np.concatenate([rows[count:], rng.choice(hard, count, replace=False)])


def _mined(rated: Rated, _lengths: Any, head: Head) -> Any:
    """In each batch 35% are those with the largest loss just now among four times as many; the rest at random."""
    rng = rated.rng("order")
    count = round(HARD_SHARE * BATCH)
    for rows in _whole_batches(rng.permutation(len(rated.labels))):
        looked_at = rng.choice(len(rated.labels), CANDIDATES * count, replace=False)
        losses = head.losses(rated.vectors[looked_at], rated.labels[looked_at])
        yield np.concatenate([rows[count:], looked_at[np.argsort(-losses, kind="stable")[:count]]])


def summary(taken: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    told = {}
    for name, runs in taken.items():
        told[name] = {
            "end": interval([run["scores"][-1] / run["full"] for run in runs]),
            "edge_cases": interval([run["edge_cases"] for run in runs]),
            "edge_gain": interval(
                [run["edge_cases"] - one["edge_cases"] for run, one in zip(runs, taken[BASELINE], strict=True)]
            ),
            "steps_to": {str(share): _steps_to(runs, taken[BASELINE], share) for share in SHARES},
        }
    return told


def _steps_to(runs: list[Any], shuffled: list[Any], share: int) -> dict[str, Any]:
    own, others = (
        [labels_to(run["steps"], run["scores"], run["full"] * share / 100) for run in some] for some in (runs, shuffled)
    )
    return labels_needed(own) | {"of_shuffled": share_of_random(own, others, runs[0]["steps"][-1])}


def print_table(name: str, figures: dict[str, Any]) -> None:
    print(f"\n{name}: {figures['metric']}, {figures['steps']} steps; steps to a share of what all examples give")
    print(f"{'':36}{'80 %':>6}{'90 %':>6}{'95 %':>6}{'90 %, of shuffled [95%]':>26}{'end':>7}{'edge cases':>12}")
    for way, one in figures["ways"].items():
        steps = [one["steps_to"][str(share)].get("mean") for share in SHARES]
        cells = "".join(f"{'-' if step is None else round(step):>6}" for step in steps)
        share = one["steps_to"]["90"]["of_shuffled"]
        told = "-" if share["mean"] is None else f"{share['mean']:.2f} [{share['low']:.2f}, {share['high']:.2f}]"
        print(f"{way:36}{cells}{told:>26}{one['end']['mean']:>7.3f}{one['edge_cases']['mean']:>12.3f}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
