"""How `adaptd train sbert` tells what it did, in eighty columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WAYS = {
    "head": "head",
    "knn": "five nearest neighbours",
    "regression": "logistic regression",
    "tfidf": "TF-IDF and logistic regression",
    "tfidf_balanced": "the same, classes balanced",
}
PLACES = {
    "purity": "purity of 12 clusters",
    "balanced_purity": "purity, classes drawn equally",
    "silhouette": "silhouette of the classes",
}
_MOST_CLASSES = 20  # that are told; of more, those with the lowest F1


def told_model(document: Mapping[str, Any]) -> Iterable[str]:
    """Of one model."""
    yield from _notes(document)
    rows = document["rows"]
    yield f"{rows['train']} texts to learn from, {rows['validate']} to validate, {rows['test']} to test on"
    if document["trained"]:
        trained = document["trained"]
        best = f", the best weights after {trained['best_step']:.0f}" if "best_step" in trained else ""
        yield f"{trained['steps']:.0f} steps{best}"
    yield f"model: {document['model']}"
    yield from _figures(document["results"])
    yield from _of_classes(document["results"])
    yield from _gains(document["gained"], "over the test texts")
    if "few_labels" in document:
        yield from _few(document["few_labels"])
    yield from (f"drawn: {path}" for path in document["pictures"])


def told_folds(document: Mapping[str, Any]) -> Iterable[str]:
    """Of a model for each fold."""
    yield from _notes(document)
    folds = document["folds"]
    yield f"{len(folds)} folds in {document['model']}, each tested on what its model has not seen:"
    for one in folds:
        head = one["results"]["fine-tuned"]["head"]
        rows = one["rows"]
        told = f"  fold {one['fold']}: {rows['train']} learnt, {rows['test']} tested"
        yield f"{told:<46}{head['accuracy']:>10.3f}{head['macro_f1']:>10.3f}"
    yield ""
    yield f"{'mean of the folds, 95% interval':<38}{'accuracy':>20}{'macro-F1':>20}"
    for name, found in document["results"].items():
        yield name
        for way, one in found.items():
            if way in WAYS:
                yield f"  {WAYS[way]:<36}{_mean(one['accuracy']):>20}{_mean(one['macro_f1']):>20}"
        for place in (place for place in PLACES if place in found):
            yield f"  {PLACES[place]:<36}{_mean(found[place]):>20}"
    yield from _gains(document["gained"], "over the folds")
    yield from (f"drawn: {path}" for path in document.get("pictures", ()))


def _notes(document: Mapping[str, Any]) -> Iterable[str]:
    for note in document["notes"]:
        yield from textwrap.wrap(note, 80, subsequent_indent="  ")


def _mean(one: Mapping[str, float]) -> str:
    return f"{one['mean']:.3f} ±{one['high'] - one['mean']:.3f}"


def _figures(results: Mapping[str, Any]) -> Iterable[str]:
    yield ""
    yield f"{'on the test texts':<40}{'accuracy':>10}{'macro-F1':>10}"
    for name, found in results.items():
        yield name
        for way, one in found.items():
            if way in WAYS:
                yield f"  {WAYS[way]:<38}{one['accuracy']:>10.3f}{one['macro_f1']:>10.3f}"
        for place in (place for place in PLACES if place in found):
            yield f"  {PLACES[place]:<38}{found[place]:>10.3f}"


def _of_classes(results: Mapping[str, Any]) -> Iterable[str]:
    """F1 of each class: fine-tuned, base and a bag of words beside each other."""
    columns = [("head", results["fine-tuned"]["head"])]
    columns += [("base k-NN", results["base"]["knn"])] if "base" in results else []
    columns += [("TF-IDF bal.", results["bag of words"]["tfidf_balanced"])]
    of_head = columns[0][1]["per_class"]
    names = sorted(of_head, key=lambda name: of_head[name])[:_MOST_CLASSES]
    yield ""
    which = f"F1 of each class, {len(names)} of {len(of_head)}" if len(names) < len(of_head) else "F1 of each class"
    yield f"{which:<40}{''.join(f'{name:>13}' for name, _ in columns)}"
    for name in names:
        values = "".join(_or_none(one["per_class"].get(name)) for _, one in columns)
        yield f"  {_cut(name, 37):<38}{values}"


def _or_none(value: float | None) -> str:
    return f"{'–':>13}" if value is None else f"{value:>13.3f}"


def _gains(gained: Sequence[Mapping[str, Any]], drawn: str) -> Iterable[str]:
    """One pair a line; a star where the interval leaves nothing out."""
    if not gained:
        return
    yield ""
    yield f"gained, with 95% intervals {drawn} (* beyond chance)"
    for one in gained:
        yield f"  {one['from']} → {one['to']}"
        told = [f"{name} {_gain(one[key])}" for key, name in (("accuracy", "accuracy"), ("macro_f1", "macro-F1"))]
        yield f"    {told[0]:<36}{told[1]}"


def _gain(one: Mapping[str, float]) -> str:
    star = " *" if one["low"] > 0 or one["high"] < 0 else ""
    return f"{one['gain']:+.3f} ({one['low']:+.3f} … {one['high']:+.3f}){star}"


def _few(few: Mapping[str, Any]) -> Iterable[str]:
    yield ""
    yield f"by {few['labels']} labels, {few['without']} texts without; a training of {few['seconds']:.0f} seconds"
    for name, one in few["results"].items():
        yield f"  {name.replace('_', ', '):<38}{one['accuracy']:>10.3f}{one['macro_f1']:>10.3f}"


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
