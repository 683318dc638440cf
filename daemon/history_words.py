"""This file knows how a plateau and a drop are said: «erd fell 6 points since 12 November».

Standard library alone, and nothing heavy of it: `status` comes here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

ALL = "all"
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def course_words(short: Mapping[str, Any]) -> Iterator[str]:
    """What the view of the history has in short of a workload: each drop, the deepest one first; else the plateau."""
    slices = short.get("slices") or []
    fell = [one for one in slices if one["drop"]]
    yield from (drop_words(one, short) for one in sorted(fell, key=lambda one: -depth_of(one["drop"])))
    yield from (
        plateau_words(one, short) for one in slices if one["plateau"] and one["slice"] == ALL and not one["drop"]
    )


def drop_words(one: Mapping[str, Any], short: Mapping[str, Any]) -> str:
    """«erd fell 6 points since 12 November»; in the metric's own unit where that is no share."""
    drop, since = one["drop"], day_words(one["drop"]["since"], short.get("newest"))
    who = slice_words(one["slice"], short)
    if short.get("in_points"):
        return f"{who} fell {points_of(depth_of(drop))} since {since}"
    return f"{who} worsened from {drop['from']:.3g} to {drop['to']:.3g} since {since}"


def plateau_words(one: Mapping[str, Any], short: Mapping[str, Any]) -> str:
    """«no gain for 9 nights: plateau since 12 November»."""
    plateau = one["plateau"]
    return f"no gain for {plateau['nights']} nights: plateau since {day_words(plateau['since'], short.get('newest'))}"


def slice_words(name: str, short: Mapping[str, Any]) -> str:
    """All together go by the name of the metric, an artifact type by its own."""
    if name == ALL:
        return str(short.get("metric"))
    return "the golden set" if name == "golden" else name.removeprefix("type ")


def depth_of(drop: Mapping[str, float]) -> float:
    """How far it is from then to now, in the metric's own unit."""
    return abs(drop["from"] - drop["to"])


def points_of(share: float) -> str:
    """«6 points», «0.8 points», «1 point»."""
    told = f"{100 * share:.1f}".removesuffix(".0")
    return f"{told} point" + ("" if told == "1" else "s")


def day_words(date: str, newest: str | None) -> str:
    """«12 November», with its year where that is not the newest one's."""
    year, month, day = date.split("-")
    told = f"{int(day)} {MONTHS[int(month) - 1]}"
    return told if newest is not None and newest.startswith(year) else f"{told} {year}"
