"""The pictures of `adaptd train sbert --png FOLDER`."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.bad_input import BadInput
from components.charts import ChartsMissing
from components.classification_charts import draw_confusion, draw_maps
from components.flat_map import flat_map, same_of_each

MOST_ON_A_MAP = 1200
_BASE_WAYS = {"knn": "five nearest neighbours", "regression": "logistic regression"}


def ready_to_draw(folder: Path) -> None:
    """Before anything is trained: BadInput where nothing could be drawn into this folder."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ChartsMissing
    if folder.exists() and not folder.is_dir():
        raise BadInput("--png", str(folder), "a folder, or nothing yet")


def draw_all(folder: Path, results: Mapping[str, Any], vectors: tuple[Any, Any], truth: Any, seed: int) -> list[str]:
    """Confusions of the fine-tuned model and, where it was measured, of the base; the map before and after."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [_confusion(folder, "fine-tuned", "the head", results["fine-tuned"]["head"])]
    if "base" in results:
        way = max(_BASE_WAYS, key=lambda one: results["base"][one]["macro_f1"])
        drawn.append(_confusion(folder, "base", _BASE_WAYS[way], results["base"][way]))
    rows = same_of_each(truth, MOST_ON_A_MAP, np.random.default_rng([seed, 5]))
    if len(rows) >= 4:
        drawn.append(_map(folder, vectors, rows, truth, seed))
    return drawn


def draw_folds(folder: Path, confusion: Mapping[str, Any], folds: int) -> list[str]:
    """All folds in one matrix: each text was answered by the model that had not learnt from it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "confusion-folds.png"
    total = int(np.sum(confusion["counts"]))
    draw_confusion(
        path, confusion["classes"], confusion["counts"], f"{folds} folds, the head", f"{total:,} texts, each asked once"
    )
    return [str(path)]


def _confusion(folder: Path, name: str, way: str, found: Mapping[str, Any]) -> str:
    path = folder / f"confusion-{name}.png"
    table = found["confusion"]
    reached = f"accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}"
    below = f"{int(np.sum(table['counts'])):,} test texts; {reached}"
    draw_confusion(path, table["classes"], table["counts"], f"{name.capitalize()}, {way}", below)
    return str(path)


def _map(folder: Path, vectors: tuple[Any, Any], rows: Any, truth: Any, seed: int) -> str:
    path = folder / "map.png"
    maps = {name: flat_map(one[rows], seed) for name, one in zip(("before", "after"), vectors, strict=True)}
    most = int(np.unique(truth[rows], return_counts=True)[1].max())
    draw_maps(path, maps, truth[rows], f"{len(rows):,} test texts, at most {most:,} of each class")
    return str(path)
