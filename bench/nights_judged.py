"""What fourteen nights say: scores per night, labels to a share of the full score, promotions tested, forgetting.

Arithmetic on what bench/nights_lived.py kept of each night. A promotion is compared with its predecessor on the test
texts that both answered: exactly (McNemar, one-sided), held at 5% over all promotions together by Holm's steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.label_curves import labels_to
from bench.labelled_texts import LabelledTexts
from bench.measuring import RESULTS, goal
from bench.nights_lived import Sizes, late_classes, rows_of_test

LEVEL = 0.05
SHARES = (80, 90)
MOST_FORGOTTEN = 2.0  # points, at the upper bound
_Z = 1.6449  # one-sided 95%
_WEEK = 7

Nights = Sequence[dict[str, Any]]


def summary(data: LabelledTexts, sizes: Sizes, arms: dict[str, Any], nights: int) -> dict[str, Any]:
    """Of one data set: every arm that has lived a night."""
    metric = "macro_f1" if data.largest_share > 0.5 else "accuracy"
    full = full_score(data.name)
    told = {name: {str(seed): life(data, sizes, seed, one, metric, full) for seed, one in lives.items()}
            for name, lives in arms.items()}  # fmt: skip
    return {
        "metric": metric,
        "full_score": full,
        "classes": len(data.classes),
        "sizes": sizes.key(),
        "whole": all(len(one) >= nights for lives in arms.values() for one in lives.values()),
        "arms": told,
        "against": {arm: found for arm in arms if (found := beside(data, sizes, arms, arm))},
    }


def beside(data: LabelledTexts, sizes: Sizes, arms: dict[str, Any], other: str) -> dict[str, Any] | None:
    """The shipped arm's accuracy less another's after the last night that both lived, text by text, in points."""
    seeds = [seed for seed in arms.get("shipped", {}) if seed in arms[other]]
    if other == "shipped" or not seeds:
        return None
    gaps, night = [], 0
    for seed in seeds:
        ours, theirs = arms["shipped"][seed], arms[other][seed]
        night = min(len(ours), len(theirs))
        truth = data.labels[rows_of_test(data, seed, sizes)]
        gaps.append(_right(truth, ours[night - 1]) - _right(truth, theirs[night - 1]))
    gap = 100 * np.concatenate(gaps)
    half = float(1.96 * gap.std(ddof=1) / len(gap) ** 0.5)
    mean = float(gap.mean())
    return {"night": night, "points": round(mean, 2), "low": round(mean - half, 2), "high": round(mean + half, 2)}


def _right(truth: NDArray[np.int64], night: dict[str, Any]) -> NDArray[np.float64]:
    return np.asarray(answered(truth, night["answers"]) == truth, np.float64)


def full_score(name: str) -> float | None:
    """What all labels of the set together reach, by logistic regression over frozen embeddings."""
    path = RESULTS / "label_efficiency.json"
    known = json.loads(path.read_text())["sets"] if path.is_file() else {}
    return known[name]["all_labels"]["mean"] if name in known else None


def life(
    data: LabelledTexts, sizes: Sizes, seed: int, nights: Nights, metric: str, full: float | None
) -> dict[str, Any]:
    truth = data.labels[rows_of_test(data, seed, sizes)]
    scores = [score(truth, night["answers"], metric, len(data.classes)) for night in nights]
    labels = [night["labels"] for night in nights]
    figures: dict[str, Any] = {
        "nights": len(nights),
        "tested": len(truth),
        "scores": scores,
        "accuracy": [score(truth, night["answers"], "accuracy", len(data.classes)) for night in nights],
        "labels": labels,
        "cpu_seconds": [night["cpu_seconds"] for night in nights],
        "training_seconds": [night.get("run", {}).get("seconds") for night in nights],
        "promotions": list(promotions(truth, nights)),
        "refusals": [{"night": night["night"], "why": night["why"], "clauses": night.get("failed_clauses", [])}
                     for night in nights if not night["promoted"]],
        "batches": [night.get("batch") for night in nights],
        "forgetting": forgetting(data, sizes, seed, truth, nights),
    }  # fmt: skip
    if full is not None:
        reached = {share: labels_to(labels, scores, full * share / 100) for share in SHARES}
        figures["labels_to"] = {str(share): _or_none(value) for share, value in reached.items()}
    return figures


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 1)


def answered(truth: NDArray[np.int64], told: Sequence[int] | None) -> NDArray[np.int64]:
    """Without any model, the commonest class always."""
    return np.full(len(truth), np.bincount(truth).argmax()) if told is None else np.array(told)


def score(truth: NDArray[np.int64], told: Sequence[int] | None, metric: str, classes: int) -> float:
    said = answered(truth, told)
    if metric == "accuracy":
        return round(float((said == truth).mean()), 4)
    from sklearn.metrics import f1_score

    return round(float(f1_score(truth, said, labels=np.arange(classes), average="macro", zero_division=0)), 4)


# Promotions


def promotions(truth: NDArray[np.int64], nights: Nights) -> Iterator[dict[str, Any]]:
    """Each with how its test answers compare with its predecessor's; of the first there is none."""
    before: Sequence[int] | None = None
    for night in nights:
        if night["promoted"]:
            told = {"night": night["night"], "model": night["champion"]}
            yield told | (compared(truth, before, night["answers"]) if before is not None else {"first": True})
        before = night["answers"]


def compared(truth: NDArray[np.int64], was: Sequence[int], now: Sequence[int]) -> dict[str, Any]:
    from scipy.stats import binomtest

    right_before, right_now = np.array(was) == truth, np.array(now) == truth
    better, worse = int((right_now & ~right_before).sum()), int((right_before & ~right_now).sum())
    chance = binomtest(worse, better + worse, 0.5, alternative="greater").pvalue if better + worse else 1.0
    gain = 100 * (better - worse) / len(truth)
    return {"gain_points": round(gain, 2), "better": better, "worse": worse, "p_worse": float(chance)}


def shown_worse(chances: Sequence[float], level: float = LEVEL) -> int:
    """How many of them Holm's steps reject: those shown to be worse, wrongly with a chance of `level` in all."""
    for place, chance in enumerate(sorted(chances)):
        if chance > level / (len(chances) - place):
            return place
    return len(chances)


# Forgetting


def forgetting(
    data: LabelledTexts, sizes: Sizes, seed: int, truth: NDArray[np.int64], nights: Nights
) -> dict[str, Any] | None:
    """Of the classes that the first week knew: what of their accuracy the second week cost, with its upper bound."""
    if len(nights) < 2 * _WEEK or nights[_WEEK - 1]["answers"] is None:
        return None
    known = ~np.isin(truth, late_classes(data, seed, sizes))
    after_first, after_second = (
        (np.array(nights[day - 1]["answers"]) == truth)[known].astype(float) for day in (_WEEK, 2 * _WEEK)
    )
    lost = 100 * (after_first - after_second)
    bound = float(lost.mean() + _Z * lost.std(ddof=1) / len(lost) ** 0.5)
    return {"texts": int(known.sum()), "points": round(float(lost.mean()), 2), "at_most": round(bound, 2)}


# Goals


def goals_of(sets: dict[str, Any]) -> dict[str, dict[str, Any]]:
    goals: dict[str, dict[str, Any]] = {}
    lives = [
        (name, arm, one) for name, found in sets.items() for arm, of in found["arms"].items() for one in of.values()
    ]
    chances = [each["p_worse"] for _, _, one in lives for each in one["promotions"] if "p_worse" in each]
    goals[f"promotions shown worse than their predecessor, of {len(chances)}"] = goal(
        shown_worse(chances), 0, at_most=True
    )
    for name, found in sets.items():
        shipped = found["arms"].get("shipped", {})
        bounds = [one["forgetting"]["at_most"] for one in shipped.values() if one["forgetting"]]
        if bounds:
            goals[f"{name}: forgetting of the shipped arm, points at most"] = goal(
                max(bounds), MOST_FORGOTTEN, at_most=True
            )
        goals |= _ahead(name, found)
    return goals


def _ahead(name: str, found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The shipped arm beside each other one, over the nights that both have lived: the mean of the difference."""
    for other in (arm for arm in found["arms"] if arm != "shipped" and "shipped" in found["arms"]):
        gaps = []
        for seed, one in found["arms"]["shipped"].items():
            theirs = found["arms"][other].get(seed)
            if theirs is not None:
                gaps += [a - b for a, b in zip(one["scores"], theirs["scores"], strict=False)]
        if gaps:
            yield (
                f"{name}: shipped ahead of {other}, points over {len(gaps)} nights",
                goal(100 * float(np.mean(gaps)), 0.0, at_most=False),
            )
