"""How classes and answers are drawn: which class was answered for which, and where texts lie before and after.

A cell is as dark as its share of the true class, and tells count and share. Of many classes those are drawn that are
confused most. It measures nothing.

>>> counts = np.diag(np.full(20, 5)) + np.eye(20, k=1, dtype=int)
>>> names, table = _most_confused([f"class {number}" for number in range(20)], counts)
>>> len(names), names[-1], int(table.sum())
(16, 'all others', 119)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.charts import FAINT, INK, PAPER, SHADES, heading, look_of, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLASSES = 16  # in a picture; the others are counted together
_CELL, _LEAST_SIDE = 0.72, 2.6  # inches
_DARK = 0.55  # from this share on, a cell is written on in white
_NAME = 24  # characters of a class's name
_ZEROS_TOLD = 6  # classes, up to which a cell without an answer says so
_MANY = 500  # texts, from which on their marks are smaller
_PANEL, _LEGEND_ROW = 3.9, 0.24  # inches
OTHERS = "all others"


def draw_confusion(path: Path, classes: Sequence[str], counts: ArrayLike, title: str, below: str = "") -> None:
    """A matrix, row: the true class, column: the answer."""
    names, table = _most_confused(list(classes), np.asarray(counts, np.int64))
    side = max(_LEAST_SIDE, _CELL * len(names))
    names = [_short(name) for name in names]
    longest = max(map(len, names))
    with picture(path, width=side + 1.6 + 0.075 * longest, height=side + 1.0 + 0.06 * longest) as figure:
        axes = figure.add_subplot()
        axes.grid(visible=False)
        share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        axes.imshow(share, cmap=SHADES, vmin=0, vmax=1)
        for row, column in np.ndindex(table.shape):
            if table[row, column] or len(names) <= _ZEROS_TOLD:
                _cell(axes, row, column, int(table[row, column]), float(share[row, column]))
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("answered")
        axes.set_ylabel("true")
        axes.tick_params(colors=INK, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        heading(axes, title, below)


def draw_maps(path: Path, maps: Mapping[str, NDArray[np.float64]], labels: NDArray[Any], title: str) -> None:
    """The same texts in each of the maps, beside each other; one legend for all."""
    labels, names = _most_frequent(labels)
    columns = 2 if len(maps) == 4 else min(len(maps), 3)
    rows = -(-len(maps) // columns)
    entry = 0.6 + 0.08 * max(len(_short(name)) for name in names)  # inches
    in_a_row = max(1, int(columns * _PANEL / entry))
    legend = _LEGEND_ROW * -(-len(names) // in_a_row)
    with picture(path, width=columns * _PANEL, height=rows * (_PANEL + 0.2) + legend + 0.5) as figure:
        figure.suptitle(title, x=0.012, ha="left", fontsize=11, fontweight="bold")
        panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
        for axes, (name, places) in zip(panels, maps.items(), strict=False):
            _panel(axes, name, places, labels, names)
        for axes in panels[len(maps) :]:
            axes.remove()
        handles, _ = panels[0].get_legend_handles_labels()
        shown = [_short(name) for name in names]
        figure.legend(handles, shown, loc="outside lower left", ncols=in_a_row, markerscale=2.2, fontsize=9)


def _cell(axes: Axes, row: int, column: int, count: int, share: float) -> None:
    colour = PAPER if share >= _DARK else (INK if count else FAINT)
    told = f"{count:,}\n{share:.1%}" if count else "0"
    axes.text(column, row, told, ha="center", va="center", color=colour, fontsize=8)


def _panel(axes: Axes, name: str, places: NDArray[np.float64], labels: NDArray[Any], names: list[Any]) -> None:
    axes.grid(visible=False)
    size = 9 if len(labels) > _MANY else 16
    for number, label in enumerate(names):
        rows = labels == label
        across, up = places[rows].T
        look = look_of(number) if label != OTHERS else {"color": "#C4C4C4", "marker": "."}
        axes.scatter(across, up, s=size, alpha=0.75, linewidths=0, label=str(label), **look)
    axes.set_title(name, fontsize=9, fontweight="normal", pad=6)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.04)
    axes.set_aspect("equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("#D0D0D0")


def _short(name: object) -> str:
    told = str(name)
    return told if len(told) <= _NAME else f"{told[: _NAME - 10]}…{told[-9:]}"  # names often differ at their ends


def _most_frequent(labels: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """The labels, of which rarer ones are together where there are many; and their names, those last."""
    names, counts = np.unique(labels, return_counts=True)
    if len(names) <= MOST_CLASSES:
        return labels, names.tolist()
    kept = sorted(names[np.argsort(-counts, kind="stable")[: MOST_CLASSES - 1]].tolist())
    return np.where(np.isin(labels, kept), labels.astype(object), OTHERS), [*kept, OTHERS]


def _most_confused(names: list[str], counts: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    if len(names) <= MOST_CLASSES:
        return names, counts
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-(off.sum(0) + off.sum(1)), kind="stable")
    kept = np.sort(order[: MOST_CLASSES - 1])
    rest = np.sort(order[MOST_CLASSES - 1 :])
    member = np.zeros((len(kept) + 1, len(names)), np.int64)
    member[np.arange(len(kept)), kept] = 1
    member[-1, rest] = 1
    return [*(names[place] for place in kept), OTHERS], member @ counts @ member.T
