"""What a correction should weigh beside a thumb up, when a classifier learns from what people said of its answers.

    python -m bench.told_weight [--seeds 5] [--cache FOLDER] [--json OUT]

A model in use, right three times in five, answers texts of the training side of CLINC150; people put a thumb up where
it is right, else five in eight give the right label and the others a thumb down. The weights are those of the stage
reward_feedback, by its setting `told_weight`. Learnt is in two ways: all ratings at once by a model that knew nothing,
and fourteen nights of eighty ratings, each gone on from the night before with a quarter replayed. Two heads learn: the
workload tiny_classifier as shipped, and logistic regression on frozen sentence embeddings, whose nights have 24 steps.

Judged on texts of the training side that are neither learnt nor rated; all at once also with a tenth of the corrections
wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.label_curves import interval
from bench.labelled_texts import LabelledTexts, Rows, UnreadableData, read_known
from bench.measuring import RESULTS, write_json
from bench.text_vectors import CACHE, embedded
from bench.weighed_head import WeighedHead

SEEDS, RATED, TESTED, NIGHTS, A_NIGHT, REPLAY = 5, 1200, 3000, 14, 80, 0.25
WRONG = 0.1  # of the corrections, where some are
CORRECTED = 5 / 8  # of what was wrong
BASELINE = "as_reward"
WEIGHTS: Mapping[str, Mapping[str, Any]] = {
    BASELINE: {"told_weight": 0.0},
    "told_1": {"told_weight": 1.0},
    "told_1.5": {"told_weight": 1.5},
    "told_2": {"told_weight": 2.0},
    "told_3": {"told_weight": 3.0},
    "uniform": {"weight": "none"},
}


class Ratings(NamedTuple):
    """What was said of answers: the rows of the data, the label that it teaches, whether as the right one, a weight."""

    rows: Rows
    labels: NDArray[np.int64]
    right: NDArray[np.bool_]
    weights: NDArray[np.float64]

    def and_of(self, other: Ratings, places: Rows) -> Ratings:
        return Ratings(*(np.concatenate([own, more[places]]) for own, more in zip(self, other, strict=True)))


class Learner(Protocol):
    """A kind of model: how many labels make it right three times in five, and how it learns and answers."""

    in_use: int

    def learnt(self, ratings: Ratings, base: Any, seed: int) -> Any: ...
    def answers(self, model: Any, rows: Rows) -> NDArray[np.int64]: ...


@dataclass
class Tiny:
    """The workload tiny_classifier with its shipped settings; a model is a folder."""

    data: LabelledTexts
    place: Path
    in_use: int = 1600
    _made: int = 0

    def learnt(self, ratings: Ratings, base: Any, seed: int) -> Path:
        from adaptd.plugin import Job
        from plugins.workloads.tiny_classifier import TinyClassifier, TinySettings

        self._made += 1
        settings, folder = TinySettings(), self.place / str(self._made)
        TinyClassifier(settings).train(
            Job(
                dataset=self._labelled(ratings), validation=None, base_model=base, out=folder / "model",
                checkpoints=folder / "checkpoints", settings=settings, mode="full", device="cpu",
                rng=np.random.default_rng(seed), log=lambda _: None, should_stop=lambda: False,
            )
        )  # fmt: skip
        return folder / "model"

    def _labelled(self, ratings: Ratings) -> Any:
        from plugins.workloads.tiny_classifier import Labelled

        texts = tuple(self.data.texts[row] for row in ratings.rows.tolist())
        labels = tuple(self.data.classes[label] for label in ratings.labels.tolist())
        return Labelled(texts, labels, ratings.right, ratings.weights, ("",) * len(texts), ratings.rows)

    def answers(self, model: Any, rows: Rows) -> NDArray[np.int64]:
        from plugins.workloads.tiny_classifier import Model

        loaded = Model.load(model)
        places = np.array([self.data.classes.index(name) for name in loaded.classes])
        found: NDArray[np.int64] = places[
            loaded.chances([self.data.texts[row] for row in rows.tolist()], "cpu").argmax(1)
        ]
        return found


@dataclass
class Logistic:
    """A linear head on frozen embeddings: to its end where it knew nothing, else 24 steps of 32 from where it was."""

    data: LabelledTexts
    vectors: NDArray[np.float32]
    in_use: int = 300

    def learnt(self, ratings: Ratings, base: Any, seed: int) -> WeighedHead:
        head = WeighedHead(len(self.data.classes)) if base is None else base.copy()
        given = (self.vectors[ratings.rows], ratings.labels, ratings.right, ratings.weights)
        return head.fit(*given) if base is None else head.step_on(*given, steps=24, seed=seed)

    def answers(self, model: Any, rows: Rows) -> NDArray[np.int64]:
        found: NDArray[np.int64] = model.scores(self.vectors[rows]).argmax(1)
        return found


def main() -> int:
    from threadpoolctl import threadpool_limits

    parser = argparse.ArgumentParser(prog="python -m bench.told_weight")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where embeddings stay (default {CACHE})")
    parser.add_argument("--json", type=Path, default=RESULTS / "told_weight.json")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    given = parser.parse_args()
    try:
        data = read_known("clinc150")
    except UnreadableData as error:
        print(error, file=sys.stderr)
        return 2
    vectors, encoder = embedded(data, given.cache)
    result: dict[str, Any] = {"schema": "adaptd.bench.told_weight/1", "encoder": encoder, "seeds": given.seeds,
                              "rated": RATED, "nights": NIGHTS, "a_night": A_NIGHT, "tested": TESTED}  # fmt: skip
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        learners: dict[str, Learner] = {"logistic": Logistic(data, vectors), "tiny": Tiny(data, Path(folder))}
        result["heads"] = {name: measured(name, data, one, given.seeds) for name, one in learners.items()}
    write_json(given.json, result)
    return 0


class Start(NamedTuple):
    """A model in use, what it learnt from, and the texts that are rated and judged on."""

    model: Any
    known: Ratings
    rated: Rows
    tested: Rows
    answers: NDArray[np.int64]  # of the model in use, to what is judged on


def measured(name: str, data: LabelledTexts, learner: Learner, seeds: int) -> dict[str, Any]:
    """For each way of weighing its scores, and what it gained on the reward's magnitude, seed by seed."""
    runs: list[dict[str, dict[str, float]]] = []
    for seed in range(seeds):
        start = start_of(data, learner, seed)
        runs.append({how: scores_of(data, learner, start, how, seed) for how in WEIGHTS})
        print(f"{name}: seed {seed + 1} of {seeds}", file=sys.stderr, flush=True)
    told = summary(runs)
    print_table(name, told)
    return told


def start_of(data: LabelledTexts, learner: Learner, seed: int) -> Start:
    order = np.random.default_rng([seed, 1]).permutation(data.split(0)[0])
    before, tested, rated = np.split(order, [learner.in_use, learner.in_use + TESTED])
    known = confirmed(before, data.labels[before], "uniform")
    model = learner.learnt(known, None, seed)
    return Start(model, known, rated, tested, learner.answers(model, tested))


def scores_of(data: LabelledTexts, learner: Learner, start: Start, how: str, seed: int) -> dict[str, float]:
    """Accuracies: all at once, and of the texts that the model in use had wrong; of the last night and of all."""
    truth = data.labels[start.tested]
    lost = start.answers != truth

    def right(ratings: Ratings) -> NDArray[np.bool_]:
        agrees: NDArray[np.bool_] = learner.answers(learner.learnt(ratings, None, seed), start.tested) == truth
        return agrees

    honest, mistaken = (
        right(rated_by(data, learner, start.model, start.rated[:RATED], how, wrong, seed)) for wrong in (0.0, WRONG)
    )
    nights = [
        (learner.answers(model, start.tested) == truth).mean() for model in lived(data, learner, start, how, seed)
    ]
    found = {
        "in use": (~lost).mean(),
        "at once": honest.mean(),
        "at once, of what was wrong": honest[lost].mean(),
        "at once, a tenth of the corrections wrong": mistaken.mean(),
        "last night": nights[-1],
        "mean of the nights": np.mean(nights),
    }
    return {name: float(value) for name, value in found.items()}


def lived(data: LabelledTexts, learner: Learner, start: Start, how: str, seed: int) -> list[Any]:
    """The model of each night; what the first one had learnt is replayed as well."""
    model, learnt, models = start.model, confirmed(start.known.rows, start.known.labels, how), []
    for night in range(NIGHTS):
        rows = start.rated[night * A_NIGHT :][:A_NIGHT]
        new = rated_by(data, learner, model, rows, how, 0.0, seed * 100 + night)
        again = round(len(new.rows) * REPLAY / (1 - REPLAY))
        replayed = np.random.default_rng([seed, night, 3]).permutation(len(learnt.rows))[:again]
        model = learner.learnt(new.and_of(learnt, replayed), model, seed * 100 + night)
        learnt = new.and_of(learnt, np.arange(len(learnt.rows)))
        models.append(model)
    return models


def confirmed(rows: Rows, labels: NDArray[np.int64], how: str) -> Ratings:
    """What the model in use learnt from: thumbs up."""
    up = np.ones(len(rows), np.bool_)
    return Ratings(rows, labels, up, weights_of(up, ~up, WEIGHTS[how]))


def rated_by(
    data: LabelledTexts, learner: Learner, model: Any, rows: Rows, how: str, wrong: float, seed: int
) -> Ratings:
    """What people say of the model's answers, with the weights of the stage."""
    rng, truth = np.random.default_rng([seed, zlib.crc32(b"rated")]), data.labels[rows]
    answered, draws, errors = learner.answers(model, rows), rng.random(len(rows)), rng.random(len(rows))
    others = (truth + rng.integers(1, len(data.classes), len(rows))) % len(data.classes)
    up = answered == truth
    corrected = ~up & (draws < CORRECTED)
    labels = np.where(corrected, np.where(errors < wrong, others, truth), answered)
    return Ratings(rows, labels, up | corrected, weights_of(up, corrected, WEIGHTS[how]))


def weights_of(up: NDArray[np.bool_], corrected: NDArray[np.bool_], settings: Mapping[str, Any]) -> NDArray[np.float64]:
    """As the stage gives them; a bare thumb down where neither holds."""
    from adaptd.plugin import Pool
    from adaptd.plugin.checking import MOMENT
    from adaptd.plugin.pool import FEEDBACK
    from components.feedback_folding import fold_feedback
    from plugins.stages.reward_feedback import RewardFeedback, RewardSettings

    said = np.where(up, "up", np.where(corrected, "correction", "down"))
    worth = {"up": {"thumb": "up"}, "down": {"thumb": "down"}, "correction": {"correction": "x"}}
    worths = {name: fold_feedback([event]).worth for name, event in worth.items()}
    pool = Pool.of(
        {
            "example": np.arange(len(up)),
            "feedback": [FEEDBACK[one] for one in said.tolist()],
            "worth": [worths[one] for one in said.tolist()],
            "age_days": np.zeros(len(up)),
        }
    )
    return np.array(RewardFeedback(RewardSettings(**settings)).shape(pool, MOMENT)["weight"])


def summary(runs: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Means with their intervals over the seeds."""
    told: dict[str, Any] = {}
    for how in WEIGHTS:
        told[how] = {
            name: {
                "score": interval([run[how][name] for run in runs]),
                "gain": interval([run[how][name] - run[BASELINE][name] for run in runs]),
            }
            for name in runs[0][how]
        }
    return told


def print_table(title: str, told: dict[str, Any]) -> None:
    print(f"\n{title}: accuracy, and points on {BASELINE} [95%]")
    for name in told[BASELINE]:
        print(f"  {name}")
        for how, one in told.items():
            gain = {key: 100 * value for key, value in one[name]["gain"].items()}
            spread = f"[{gain['low']:+.2f}, {gain['high']:+.2f}]" if "low" in gain else ""
            print(f"    {how:12}{one[name]['score']['mean']:.4f} {gain['mean']:+7.2f} {spread}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
