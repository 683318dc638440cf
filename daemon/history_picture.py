"""This file knows how the history is drawn as a PNG: per workload a panel with the model in use, night after night.

`components.charts` says how it looks, and what is to be installed. Nothing else of the daemon loads either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.charts import COLOURS, FAINT, HEIGHT, dates_along, heading, names_at_ends, picture

if TYPE_CHECKING:
    from daemon.history_telling import HistoryTold
    from daemon.night_course import Happened

IN_USE, OTHER = COLOURS[0], COLOURS[1]
NAME_SHARE = 0.09  # of the width: what a model's name takes
FAILED = "run failed"
FEW = 40  # things that happened: their marks are large, and promotions say the model's number


def draw(told: Sequence[HistoryTold], path: Path) -> None:
    """All of them below each other. ChartsMissing where nothing is there that could draw."""
    with picture(path, height=HEIGHT * max(1, len(told))) as figure:
        panels = figure.subplots(max(1, len(told)), squeeze=False)[:, 0]
        for panel, one in zip(panels, told, strict=False):
            _draw_one(panel, one)


def _draw_one(panel: Any, told: HistoryTold) -> None:
    part = "" if told.artifact_type is None else f" of {told.artifact_type}"
    heading(
        panel,
        f"{told.workload}: {told.course.metric or 'nothing judged yet'}{part}, night by night",
        "The model in use, on that night's held-out examples, with its 95% interval. Hollow: turned down.",
    )
    placed = list(_placed(told.shown))
    figures = [(x, one, figure) for x, one in placed if (figure := told.figure(one)) is not None and one.tells]
    if not figures:
        panel.set_axis_off()
        return
    few = len(placed) <= FEW
    _draw_line(panel, figures, few=few)
    others = [(x, told.challenger(one)) for x, one in placed if one.in_use != one.model]
    _draw_others(panel, [(x, figure.mean) for x, figure in others if figure is not None], few=few)
    if few:
        _draw_names(panel, figures)
        _draw_failures(panel, [x for x, one in placed if one.what == FAILED], figures[-1][0] - figures[0][0])
    days = [date.fromisoformat(one.night) for _, one in placed]
    dates_along(panel, min(days), max(days))
    _, newest, figure = figures[-1]
    names_at_ends(panel, [(figures[-1][0], figure.mean, f"model {newest.in_use}", IN_USE)])


def _placed(happened: Sequence[Happened]) -> Iterator[tuple[datetime, Happened]]:
    """Where each stands: at its date, several of one date beside each other."""
    nights = [one.night for one in happened]
    for place, one in enumerate(happened):
        of_it = nights.count(one.night)
        before = nights[:place].count(one.night)
        yield datetime.combine(date.fromisoformat(one.night), time()) + timedelta(days=before / of_it), one


def _draw_line(panel: Any, figures: Sequence[tuple[datetime, Happened, Any]], *, few: bool) -> None:
    xs, means = [x for x, _, _ in figures], [figure.mean for _, _, figure in figures]
    size = 5 if few else 2.5
    panel.plot(xs, means, color=IN_USE, marker="o", markersize=size, drawstyle="steps-post", zorder=3)  # till the next
    sure = [(x, figure) for x, one, figure in figures if one.measured]
    lows, highs = [figure.low for _, figure in sure], [figure.high for _, figure in sure]
    if few:
        panel.vlines([x for x, _ in sure], lows, highs, color=IN_USE, alpha=0.35, linewidth=1.5, zorder=2)
    else:
        panel.fill_between(
            [x for x, _ in sure], lows, highs, color=IN_USE, alpha=0.15, linewidth=0, zorder=2, step="post"
        )


def _draw_others(panel: Any, points: Sequence[tuple[datetime, float]], *, few: bool) -> None:
    style = {"edgecolors": OTHER, "facecolors": "none", "linewidths": 1.4, "marker": "s", "s": 70 if few else 16}
    panel.scatter([x for x, _ in points], [mean for _, mean in points], zorder=3.5, **style)  # around an equal one


def _draw_names(panel: Any, figures: Sequence[tuple[datetime, Happened, Any]]) -> None:
    """Which model came into use, above its interval, where there is room; which one came back, at the bottom."""
    low, high = panel.get_ylim()
    low, high = low - 0.06 * (high - low), high + 0.04 * (high - low)
    panel.set_ylim(low, high)
    free, room = figures[0][0], (figures[-1][0] - figures[0][0]) * NAME_SHARE
    for x, one, figure in figures:
        if one.what.startswith("promoted") and x >= free:
            _name(panel, f"model {one.in_use}", (x, figure.high if one.measured else figure.mean), (0, 4), "center")
            free = x + room
        elif one.what == "rolled back":
            panel.vlines(x, low, figure.mean, color=FAINT, linewidth=0.8, linestyle=":", zorder=1)
            _name(panel, f"back to {one.in_use}", (x, low), (4, 4), "left")


def _draw_failures(panel: Any, nights: Sequence[datetime], span: timedelta) -> None:
    """At the bottom, where there is room: in place of a mark."""
    low, _ = panel.get_ylim()
    free = nights[0] if nights else None
    for x in nights:
        if free is not None and x >= free:
            _name(panel, FAILED, (x, low), (0, 4), "center")
            free = x + span * NAME_SHARE


def _name(panel: Any, words: str, at: tuple[datetime, float], moved: tuple[int, int], side: str) -> None:
    panel.annotate(words, at, moved, textcoords="offset points", ha=side, color=FAINT, fontsize=8)
