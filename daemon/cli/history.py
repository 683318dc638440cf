"""This file knows `adaptd history`: night after night what came of it, and whether the models get better."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptd.errors import AdaptdError
from daemon.cli.main import add_config
from daemon.cli.printing import cut, folded, harmless, in_columns, line_width, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daemon.history_telling import HistoryTold
    from daemon.night_course import Happened

WIDTH, MOST_WIDE = 80, 1_000  # of the chart, and of the table, where no terminal says how wide it is
NIGHTS = 30
WIDE = 100  # columns from which on there is room for how long an example takes each night
SLOWEST = 4  # artifact types that are named with it


class NoPicture(AdaptdError):
    """What draws is not installed here."""


def add_history(parser: argparse.ArgumentParser) -> None:
    """The options of `history`."""
    parser.epilog = (
        "examples:\n  adaptd history                      the last nights of every workload\n"
        "  adaptd history support --artifact-type erd\n"
        "  adaptd history support --png chart.png\n"
        "  adaptd history --nights 400 --json | jq '.workloads[].nights'"
    )
    parser.add_argument("workload", metavar="WORKLOAD", nargs="?", help="one of them; without it all")
    parser.add_argument("--artifact-type", metavar="TYPE", help="how the models do on this one alone")
    parser.add_argument("--nights", metavar="N", type=_nights, default=NIGHTS, help=f"the last N, {NIGHTS} without it")
    parser.add_argument("--png", metavar="FILE", type=Path, help="draw the chart into this file, too; needs matplotlib")
    parser.add_argument("--json", action="store_true", help="as one JSON document, adaptd.history/1")
    add_config(parser)


def _nights(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a number of nights from 1 up, found {text!r}")
    return int(text)


def history(options: argparse.Namespace) -> int:
    """Look, and change nothing but the file that is drawn."""
    from adaptd.locating import find
    from daemon.cli.progress import progress
    from daemon.history_telling import Asked, histories

    place, asked = find(options.config), Asked(options.workload, options.artifact_type, options.nights)
    with progress() as tell:
        told = histories(place.state_dir, asked, tell)
    if told and options.png is not None:
        _draw(told, options.png)  # first: whoever reads the table may close the pipe
    if options.json:
        print_json({"schema": "adaptd.history/1", "workloads": [_document(one) for one in told]})
    else:
        print("\n\n".join("\n".join(_page(one)) for one in told), end="\n" if told else "")
    if not told:
        say("adaptd: no night yet. The first one comes when a workload is configured and its window opens.")
    return 0


def _draw(told: Sequence[HistoryTold], path: Path) -> None:
    from components.charts import ChartsMissing
    from daemon.history_picture import draw

    try:
        draw(told, path)
    except ChartsMissing as missing:
        raise NoPicture(f"{path}: {missing}") from None
    say(f"adaptd: the chart is in {path.resolve()}")


# For people


def _page(told: HistoryTold) -> list[str]:
    width = line_width()
    remarks = [line for remark in _remarks(told) for line in folded(harmless(remark), width)]
    parts = (folded(harmless(_title(told)), width), _table(told, width), _chart(told, width or WIDTH), remarks)
    return [line for part in parts if part for line in ("", *part)][1:]


def _title(told: HistoryTold) -> str:
    if told.course.metric is None:
        return f"{told.workload}: no model was judged yet"
    part = "" if told.artifact_type is None else f" of {told.artifact_type}"
    return f"{told.workload}: {told.course.metric}{part}, of the model in use, on that night's held-out examples"


def _table(told: HistoryTold, width: int | None) -> list[str]:
    """With its head wherever it goes: programs have --json."""
    head = ("night", told.course.metric or "", "95%", ">= 70", "of", "ms", "what happened")
    rows = [
        (one.night, *_cells(told, one, wide=width is None or width >= WIDE), _happening(told, one))
        for one in told.shown
    ]
    columns = [column for column in zip(head, *rows, strict=True) if any(column[1:])][:-1]
    left = None if width is None else max(20, width - sum(max(map(len, column)) + 2 for column in columns))
    return in_columns([(*row[:-1], cut(harmless(row[-1]), left)) for row in rows], head, width or MOST_WIDE)


def _cells(told: HistoryTold, one: Happened, *, wide: bool) -> tuple[str, str, str, str, str]:
    """In brackets, without the rest, what a model reached last that came into use without being judged that night."""
    figure = told.figure(one) if one.tells and told.course.metric is not None else None
    if figure is None:
        return "", "", "", "", ""
    if not one.measured:
        return f"({figure.mean:.3f})", "", "", "", ""
    success = "" if figure.success is None else f"{figure.success:.0%}"
    took = one.seconds(told.part) if wide else None
    latency = "" if took is None else f"{1000 * took:.3g}"
    return f"{figure.mean:.3f}", f"{figure.low:.3f}-{figure.high:.3f}", success, f"{figure.rows:,}", latency


def _happening(told: HistoryTold, one: Happened) -> str:
    if one.what == "rolled back":
        return f"back from {one.model} to {one.in_use}" + (f": {one.words}" if one.words else "")
    if one.model is None:
        return f"{one.what}: {one.words}" if one.what == "no run" else f"{one.words or one.what}"
    difference = _difference(told, one)
    why = one.words if not difference or one.what in ("promoted by hand", "judged") else ""
    return f"{one.model} {one.what}" + (f", {difference}" if difference else "") + (f": {why}" if why else "")


def _difference(told: HistoryTold, one: Happened) -> str:
    """By how much the challenger did better than the champion then, where the challenger was not all there was."""
    challenger = told.challenger(one)
    before = one.before.get(told.part)
    if challenger is None or before is None:
        return ""
    gain = challenger.mean - before.mean
    return f"{100 * gain:+.1f} points" if told.course.in_points else f"{before.mean:.3g} to {challenger.mean:.3g}"


def _chart(told: HistoryTold, width: int) -> list[str]:
    from daemon.history_chart import IN_USE, OTHER, Point, chart_of

    points: dict[str, Point] = {}
    for one in told.shown:
        figure, challenger = told.figure(one) if one.tells else None, told.challenger(one)
        other = None if challenger is None or one.in_use == one.model else challenger.mean
        before = points.get(one.night, Point(one.night, None))
        points[one.night] = Point(one.night, figure.mean if figure else before.in_use, other or before.other)
    lines = chart_of(list(points.values()), width)
    key = f"{IN_USE} the model in use   {OTHER} one that was turned down"
    return [*lines, f"{'':>10}{key}"] if lines else []


def _remarks(told: HistoryTold) -> Iterator[str]:
    from daemon.history_words import course_words, drop_words, plateau_words

    course, short, standing = told.course, told.course.short(), told.course.standing_of(told.part)
    if not course.measured:
        return
    if told.artifact_type is not None:
        words = (("drop", drop_words), ("plateau", plateau_words))
        yield from [said(standing, short) for what, said in words if standing[what]][:1]
    else:
        yield from course_words(short)
    if not standing["drop"] and not standing["plateau"]:
        yield _direction(told, standing)
    if (seconds := course.latency(told.part)) is not None:
        of_type = "" if told.artifact_type is None else f" of {told.artifact_type}"
        yield f"the model in use takes {1000 * seconds:.3g} ms an example{of_type}{_by_type(told)}"


def _by_type(told: HistoryTold) -> str:
    """«: erd 3.1, sql 0.9», the slowest first."""
    from daemon.history_words import slice_words

    parts = told.course.slices() if told.artifact_type is None else []
    took = {part: seconds for part in parts[1:] if (seconds := told.course.latency(part)) is not None}
    if len(took) < 2:
        return ""
    slowest = sorted(took, key=lambda part: -took[part])
    words = [f"{slice_words(part, {})} {1000 * took[part]:.3g}" for part in slowest[:SLOWEST]]
    return ": " + ", ".join(words) + (", …" if len(took) > SLOWEST else "")


def _direction(told: HistoryTold, standing: Mapping[str, Any]) -> str:
    """«rising, +1.3 points a night over 7 nights»."""
    from daemon.cli.printing import count_of

    words, nights = standing["direction"], count_of(standing["nights"], "night")
    if words == "unknown":
        return f"{nights} {'is' if standing['nights'] == 1 else 'are'} too little to say whether it gets better"
    if words == "steady":
        return f"neither better nor worse over {nights}"
    unit = " points" if told.course.in_points else ""
    better = "better" if words == "rising" else "worse"
    return f"{better}, by {abs(standing['slope']):.2g}{unit} a night over {nights}"


# For programs


def _document(told: HistoryTold) -> dict[str, Any]:
    course, kind = told.course, told.artifact_type
    return {
        "workload": told.workload,
        "artifact_type": kind,
        "metric": course.metric,
        "higher_is_better": course.higher_is_better,
        "nights": [_happened_document(told, one) for one in told.shown],
        "course": [course.standing_of(name) for name in (course.slices() if kind is None else [told.part])],
    }


def _happened_document(told: HistoryTold, one: Happened) -> dict[str, Any]:
    from daemon.moments import moment_of

    figure, challenger = told.figure(one), told.challenger(one)
    return {
        "night": one.night,
        "at": moment_of(one.at),
        "what": one.what,
        "words": one.words,
        "model": one.model,
        "in_use": one.in_use,
        "measured": one.measured,
        "figure": None if figure is None else figure._asdict(),
        "challenger": None if challenger is None else challenger._asdict(),
        "latency": one.latency if told.artifact_type is None else one.latencies.get(told.part),
        "latencies": dict(one.latencies),
    }
