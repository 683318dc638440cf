"""This file knows where two models differ: examples that one gets better than the other, as they were judged.

Both answered the same examples when one challenged the other; else the answers of two judgings are put side by side
where they are to the same examples. Figures are a workload's target metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import AdaptdError
from adaptd.plugin.workload import Metric
from daemon import plugin_loading
from daemon.judge_folder import judge_folder
from daemon.judge_results import Answered, BadResults, Results
from daemon.model_telling import ModelTellings, ModelTold
from daemon.views.models import Model

Values = Mapping[int, float]


class NotComparable(AdaptdError):
    """There is nothing by which to compare the two."""


class Flipped(NamedTuple):
    """An example, what it is, and both models' figures."""

    output: int
    artifact_type: str | None
    one: float
    other: float
    input: Any = None


class Compared(NamedTuple):
    """What `other` does worse and better than `one`, the largest difference first, on how many examples of both."""

    metric: str
    rows: int
    together: bool
    worse: list[Flipped]
    better: list[Flipped]


class _Judging(NamedTuple):
    """What one judging has of a model."""

    values: Values
    types: Mapping[int, str | None]


def compared(tellings: ModelTellings, one: ModelTold, other: ModelTold, beside: Path) -> Compared:
    """NotComparable where they are of two workloads, or were not judged on the same examples."""
    if one.workload != other.workload:
        raise NotComparable(f"models diff: {one.workload} and {other.workload} answer different questions")
    metric = _metric(tellings, one, other, beside)
    numbers = one.model.number, other.model.number
    found = _together(tellings, one.workload, numbers, metric) or _apart(tellings, one.workload, numbers, metric)
    together, (first, second) = found
    both = sorted(first.values.keys() & second.values.keys())
    if not both:
        names = f"models {numbers[0]} and {numbers[1]} of {one.workload}"
        raise NotComparable(f"models diff: {names} were never judged on the same examples, so nothing can be said")
    sign = 1.0 if metric.higher_is_better else -1.0
    flips = [Flipped(seq, first.types[seq], first.values[seq], second.values[seq]) for seq in both]
    gains = np.array([sign * (flip.other - flip.one) for flip in flips])
    order = np.argsort(gains, kind="stable").tolist()
    worse = [flips[place] for place in order if gains[place] < 0]
    better = [flips[place] for place in np.argsort(-gains, kind="stable").tolist() if gains[place] > 0]
    return Compared(metric.name, len(both), together, worse, better)


def with_inputs(tellings: ModelTellings, flips: list[Flipped]) -> Iterator[Flipped]:
    """The same with what was asked, where it can be read."""
    for flip in flips:
        event = tellings.reader.at(flip.output)
        yield flip._replace(input=event["body"].get("input") if event else None)


def _metric(tellings: ModelTellings, one: ModelTold, other: ModelTold, beside: Path) -> Metric:
    """The target metric of the plugin that made one of them."""
    for told in (other, one):
        card = tellings.card(told)
        if card["plugin"] is not None:
            plugin = plugin_loading.load("workload", card["plugin"]["name"], beside)
            metric: Metric = plugin.make(card["settings"] or {}, "settings").describe().metrics[0]
            return metric
    raise NotComparable(f"models diff: no run of {one.workload} is known that made one of them")


def _together(
    tellings: ModelTellings, workload: str, numbers: tuple[int, int], metric: Metric
) -> tuple[bool, list[_Judging]] | None:
    """Of the judging in which one challenged the other; None without any that is kept."""
    for model in tellings.models.standing(workload).models.values():
        if model.judged is not None and {model.number, model.judged["champion"]} == set(numbers):
            results = _results(tellings, workload, model)
            if results is not None:
                sides = {model.number: "challenger", model.judged["champion"]: "champion"}
                return True, [_of(results, sides[number], metric) for number in numbers]
    return None


def _apart(
    tellings: ModelTellings, workload: str, numbers: tuple[int, int], metric: Metric
) -> tuple[bool, list[_Judging]]:
    return False, [_judged(tellings, workload, number, metric) for number in numbers]


def _judged(tellings: ModelTellings, workload: str, number: int, metric: Metric) -> _Judging:
    """Everything that the model ever answered; later answers count."""
    values: dict[int, float] = {}
    types: dict[int, str | None] = {}
    judged = [model for model in tellings.models.standing(workload).models.values() if model.judged is not None]
    for model in sorted(judged, key=lambda one: int((one.judged or {})["seq"])):
        who = {model.number: "challenger", (model.judged or {})["champion"]: "champion"}.get(number)
        results = None if who is None else _results(tellings, workload, model)
        if results is not None and who is not None:
            found = _of(results, who, metric)
            values |= found.values
            types |= found.types
    return _Judging(values, types)


def _results(tellings: ModelTellings, workload: str, model: Model) -> Results | None:
    """What is kept of a judging; None where it is not, or is not what the log says."""
    path = judge_folder(tellings.state_dir, workload, model.number).results
    try:
        return Results.read(path, str((model.judged or {})["results"]))
    except BadResults:
        return None


def _of(results: Results, who: str, metric: Metric) -> _Judging:
    parts = [part for part in (results.judged, results.golden) if part is not None]
    values: dict[int, float] = {}
    types: dict[int, str | None] = {}
    for part in parts:
        figures = _figures(part, who, metric)
        values |= dict(zip(part.examples.tolist(), figures.tolist(), strict=True)) if len(figures) else {}
        types |= dict(zip(part.examples.tolist(), part.artifact_type, strict=True))
    return _Judging(values, types)


def _figures(part: Answered, who: str, metric: Metric) -> NDArray[np.float64]:
    return (part.challenger if who == "challenger" else part.champion).get(metric.name, np.zeros(0))
