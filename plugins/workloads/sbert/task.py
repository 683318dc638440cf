"""What the training loop is given: which texts a step sees, what they weigh, and how the model is looked at.

A row of the task is an example, or with `balance_classes` one of its repetitions. Partners and mined negatives are
drawn by the step's own chance, so that a run goes on with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.contrastive_mining import mine_negatives, nearest_of_same_label
from components.near_equal_inputs import group_inputs
from components.training_loop import Task
from plugins.workloads.sbert.encoder import Rows, Tokens, embedded
from plugins.workloads.sbert.labels import Labelled
from plugins.workloads.sbert.objectives import Views, logits_of, losses_of, unlikeliness
from plugins.workloads.sbert.settings import SbertSettings

if TYPE_CHECKING:
    import torch

_COMPARING = ("contrast", "triplet", "ranking", "classify_contrast")
_CROWDED = 4  # with fewer than so many texts of a class in a batch, each gets a partner of its class


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learnt from, as numbers."""

    tokens: Tokens
    labels: NDArray[np.int64]  # places among the classes
    right: NDArray[np.bool_]
    weights: NDArray[np.float64]
    rows: Rows  # of the task → examples
    negatives: Rows | None = None  # (examples, mined), -1 where there is none
    near: Rows | None = None  # near-duplicates have the same number; None where no texts are compared
    rejected: Rows | None = None  # the class that somebody said the right one is better than, -1 for none


def lesson_of(
    data: Labelled, tokens: Tokens, classes: Sequence[str], settings: SbertSettings, rng: np.random.Generator
) -> Lesson:
    """The examples with what each weighs; the only class has no others that a wrong label could stand for."""
    places = {label: place for place, label in enumerate(classes)}
    labels = np.array([places[label] for label in data.labels], np.int64)
    wrong = settings.wrong_weight if len(classes) > 1 and settings.has_head else 0.0
    weights = np.where(data.right, data.weights, wrong * data.weights)
    if settings.objective == "simcse":
        weights = data.weights
    of_class = _class_weights(labels, data.right, settings.class_weights)[labels]
    weights = np.where(data.right, weights * of_class, weights)  # that a label is wrong says nothing of its class
    rows = _balanced(labels, data.right, rng) if settings.balance_classes else np.arange(len(labels))
    near = group_inputs(data.inputs) if settings.objective in _COMPARING else None
    rejected = np.array([places.get(label, -1) for label in data.rejected or ("",) * len(labels)], np.int64)
    return Lesson(tokens, labels, data.right, weights, rows, near=near, rejected=rejected)


def with_negatives(lesson: Lesson, encoder: Any, settings: SbertSettings, device: str, precision: str) -> Lesson:
    """For `ranking`: the nearest texts of other labels that are not nearly as near as the nearest of the own label."""
    several = len(np.unique(lesson.labels[lesson.right])) > 1
    if settings.objective != "ranking" or not settings.hard_negatives or not several:
        return lesson
    usable = np.flatnonzero(lesson.right)
    vectors = embedded(encoder, lesson.tokens, device, precision).cpu().numpy()[usable]
    labels = lesson.labels[usable]
    positives = nearest_of_same_label(vectors, labels)
    most = min(settings.hard_negatives, len(usable))
    mined = mine_negatives(
        vectors, vectors, positives, num_negatives=most, anchor_labels=labels, candidate_labels=labels
    )
    found = np.full((len(lesson.labels), most), -1, np.int64)
    found[usable] = np.where(mined.rows >= 0, usable[mined.rows], -1)
    return replace(lesson, negatives=found)


def task_of(
    lesson: Lesson,
    settings: SbertSettings,
    device: str,
    version: str,
    evaluate: Callable[[Any], Mapping[str, float]] | None,
) -> Task:
    """For the loop."""
    others = _Partners(lesson, settings)
    return Task(
        rows=len(lesson.rows),
        collate=partial(_batch, lesson, others, device),
        losses=lambda network, batch, _part: losses_of(network.head, _views(network, batch), settings),
        weights=lesson.weights[lesson.rows],
        lengths=lesson.tokens.lengths[lesson.rows],
        loss_weights={"contrast": settings.contrast_weight} if settings.objective == "classify_contrast" else {},
        evaluate=evaluate,
        version=version,
    )


# A batch


class _Partners:
    """Which other texts each row of a batch is seen beside."""

    def __init__(self, lesson: Lesson, settings: SbertSettings) -> None:
        self.lesson, self.kind = lesson, settings.objective
        usable = np.flatnonzero(lesson.right)
        self.members = {
            int(label): usable[lesson.labels[usable] == label] for label in np.unique(lesson.labels[usable])
        }
        compares = self.kind in ("contrast", "triplet", "classify_contrast")
        self.partners = self.kind == "ranking" or (
            compares and len(self.members) * _CROWDED > settings.batch_size  # by chance a batch has too few of a class
        )

    def of(self, examples: Rows, rng: np.random.Generator) -> tuple[list[Rows], NDArray[np.bool_]]:
        """Further examples for each of these, and where the first of them is missing."""
        missing = np.zeros(len(examples), np.bool_)
        if self.kind in ("softmax_pair", "simcse"):
            return [examples], missing
        if not self.partners:
            return [], missing
        partner = np.array([self._partner(int(one), rng) for one in examples], np.int64)
        missing = partner < 0
        found = [np.where(missing, examples, partner)]
        if self.lesson.negatives is not None:
            found.append(self._negatives(examples, rng))
        return found, missing

    def _partner(self, example: int, rng: np.random.Generator) -> int:
        """Another text of the same label; -1 where there is none."""
        members = self.members.get(int(self.lesson.labels[example]), np.zeros(0, np.int64))
        draw = int(rng.integers(1 << 31))  # always drawn, so that no row's chance hangs on another's
        among = members[members != example]
        if self.lesson.near is not None and draw & 1:  # a near-duplicate of the same label, where there is one
            near = among[self.lesson.near[among] == self.lesson.near[example]]
            among = near if len(near) else among
        return int(among[(draw >> 1) % len(among)]) if len(among) and self.lesson.right[example] else -1

    def _negatives(self, examples: Rows, rng: np.random.Generator) -> Rows:
        """One of those mined for each, or a text of the label that was rejected.

        Where there is neither, any text stands in, which its label lets count or not.
        """
        assert self.lesson.negatives is not None
        mined = self.lesson.negatives[examples]
        chosen = mined[np.arange(len(examples)), rng.integers(0, mined.shape[1], len(examples))]
        anyone = rng.integers(0, len(self.lesson.labels), len(examples))
        found = np.where(chosen >= 0, chosen, np.where(mined[:, 0] >= 0, mined[:, 0], anyone))
        draws = rng.integers(1 << 31, size=len(examples))
        return np.array([self._of_rejected(*one) for one in zip(examples, found, draws, strict=True)], np.int64)

    def _of_rejected(self, example: int, mined: int, draw: int) -> int:
        """Every other time, where somebody said which label the right one is better than."""
        rejected = -1 if self.lesson.rejected is None else int(self.lesson.rejected[example])
        members = self.members.get(rejected)
        return int(members[(draw >> 1) % len(members)]) if members is not None and draw & 1 else mined


def _batch(lesson: Lesson, partners: _Partners, device: str, rows: Rows, rng: np.random.Generator) -> dict[str, Any]:
    """All texts of one step in one padded batch: the rows, then their partners."""
    import torch

    examples = lesson.rows[rows]
    others, missing = partners.of(examples, rng)
    tensor = partial(torch.as_tensor, device=device)
    return {
        "features": lesson.tokens.batch(np.concatenate([examples, *others]), device),
        "views": 1 + len(others),
        "labels": tensor(lesson.labels[examples]),
        "right": tensor(lesson.right[examples]),
        "missing": tensor(missing),
        "negative_labels": tensor(lesson.labels[others[1]]) if len(others) > 1 else None,
    }


def _views(network: Any, batch: Mapping[str, Any]) -> Views:
    whole = network.encoder(dict(batch["features"]))["sentence_embedding"]  # (views × rows, size)
    own, *others = whole.chunk(batch["views"])
    return Views(own, others, batch["labels"], batch["right"], batch["missing"], batch["negative_labels"])


# What examples weigh


def _class_weights(labels: NDArray[np.int64], right: NDArray[np.bool_], how: str) -> NDArray[np.float64]:
    """For each class, by how many examples say that it is right; 1 on the average of the examples."""
    counts = np.bincount(labels[right], minlength=int(labels.max(initial=0)) + 1)
    if how == "none" or not counts.any():
        return np.ones(len(counts))
    share = np.maximum(counts, 1) / counts.sum()
    weights = share ** (-1.0 if how == "inverse" else -0.5)
    return np.asarray(weights * counts.sum() / (weights * counts).sum())


def _balanced(labels: NDArray[np.int64], right: NDArray[np.bool_], rng: np.random.Generator) -> Rows:
    """All examples, and those of rarer classes again until each class has as many; what is wrong is not repeated."""
    usable = np.flatnonzero(right)
    counts = np.bincount(labels[usable])
    again = [np.arange(len(labels))]
    for label in np.flatnonzero(counts):
        members = usable[labels[usable] == label]
        again.append(rng.choice(members, counts.max() - len(members)))
    return np.concatenate(again).astype(np.int64)


# Looking at the model


def evaluation_of(
    data: Labelled | None,
    tokens: Tokens | None,
    classes: Sequence[str],
    settings: SbertSettings,
    device: str,
    precision: str,
) -> Callable[[Any], dict[str, float]] | None:
    """What is measured on validation examples now and then; None where there are none whose label is a class."""
    import torch

    known = [] if data is None else [row for row, label in enumerate(data.labels) if label in classes]
    if data is None or tokens is None or not known:
        return None
    places = {label: place for place, label in enumerate(classes)}
    labels = np.array([places[data.labels[row]] for row in known], np.int64)
    right = data.right[known]

    def evaluate(network: Any) -> dict[str, float]:
        vectors = embedded(network.encoder, tokens, device, precision)[known]
        if not settings.has_head:
            return _of_centres(vectors)
        with torch.no_grad():
            return _of_head(logits_of(single_head(network.head, vectors.shape[1]), vectors, _scale(settings)))

    def _of_head(logits: torch.Tensor) -> dict[str, float]:
        lost = unlikeliness(logits, torch.as_tensor(labels, device=device), torch.as_tensor(right, device=device))
        found = _agreement(logits.argmax(1).cpu().numpy(), labels, right)
        nll = float(lost.mean())
        return {**found, "nll": nll, "loss": nll, "score": _score({**found, "nll": nll}, settings.select_by)}

    def _of_centres(vectors: torch.Tensor) -> dict[str, float]:
        answers = nearest_centre(vectors.cpu().numpy(), labels, right)
        found = _agreement(answers, labels, right)
        spread = float(vectors.var(0, correction=0).sum())
        return {**found, "spread": spread, "score": _score(found, settings.select_by)}

    return evaluate


def single_head(head: Any, size: int) -> Any:
    """The head of one text: that of two folds into it, since u = v and |u - v| = 0 without dropout."""
    if head.weight.shape[1] == size:
        return head
    import torch

    folded = torch.nn.Linear(size, head.weight.shape[0], device="meta")
    weight = (head.weight[:, :size] + head.weight[:, size : 2 * size]).detach()
    folded.weight, folded.bias = torch.nn.Parameter(weight), torch.nn.Parameter(head.bias.detach())
    return folded


def _scale(settings: SbertSettings) -> float:
    return 1.0 if settings.objective == "softmax_pair" else settings.scale


def nearest_centre(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], right: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The class whose mean of the others is nearest: what an encoder without a head is selected by."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    member = np.zeros((len(labels), int(labels.max()) + 1), np.float32)
    member[np.flatnonzero(right), labels[right]] = 1.0
    sums, counts = member.T @ unit, member.sum(0)  # (classes, size), (classes,)
    near = unit @ sums.T / np.maximum(counts, 1)  # (rows, classes)
    own = np.flatnonzero(right)
    without = np.maximum(counts[labels[own]] - 1, 1)  # a text is not compared with itself
    near[own, labels[own]] = (np.einsum("rs,rs->r", unit[own], sums[labels[own]]) - 1.0) / without
    near[:, counts == 0] = -np.inf
    return np.asarray(near.argmax(1), np.int64)


def _agreement(answers: NDArray[Any], labels: NDArray[Any], right: NDArray[np.bool_]) -> dict[str, float]:
    from components.class_separation import macro_f1

    correct = float(((answers == labels) == right).mean())
    return {"correct": correct, "macro_f1": macro_f1(labels[right], answers[right]) if right.any() else correct}


def _score(found: Mapping[str, float], select_by: str) -> float:
    if select_by == "nll" and "nll" in found:
        return -found["nll"]
    if select_by == "both":
        return (found["correct"] + found["macro_f1"]) / 2
    return found["correct" if select_by in ("accuracy", "nll") else "macro_f1"]
