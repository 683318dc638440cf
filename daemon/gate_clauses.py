"""This file knows how what the gate looked at is said: one clause with its figures, and the sentence of a decision.

A clause has everything for those who want to know; the sentence is for a busy person, and has no chance and no level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["promote", "turn down", "by hand"]


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that was looked at: whether it holds, and in words with its figures."""

    name: str
    holds: bool
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)


def gain_words(gain: float, *, binary: bool) -> str:
    """«+2.5 points» of what is right or wrong; else in the metric's own unit."""
    return f"{100 * gain:+.1f} points" if binary else f"{gain:+.3g}"


def cost_words(name: str, value: float) -> str:
    """«2.1 ms an example», «68,121 bytes»."""
    if name == "size":
        return f"{value:,.0f} bytes"
    return f"{value:.3g} s an example" if value >= 1.0 else f"{1000 * value:.3g} ms an example"


def sentence_of(verdict: Verdict, clauses: Sequence[Clause], metric: str, *, binary: bool) -> str:
    """What was decided, and the first thing that decided it."""
    if verdict == "promote":
        better = next(clause.figures for clause in clauses if clause.name == "better")
        return f"Promoted: {_gain_of(better, metric, binary=binary)}, and worse nowhere by more than allowed."
    first = next(clause for clause in clauses if not clause.holds)
    if verdict == "by hand":
        return f"Not promoted by itself: {first.words}. A person may promote it."
    if first.name == "better":
        return f"Turned down: {_not_better(first.figures, metric, binary=binary)}."
    if "at_least" in first.figures:
        return f"Turned down: {_worse(first, binary=binary)}."
    return f"Turned down: {first.words}."


def _gain_of(better: Mapping[str, Any], metric: str, *, binary: bool) -> str:
    return f"{metric} {gain_words(better['gain'], binary=binary)} on {better['rows']} fair examples"


def _not_better(better: Mapping[str, Any], metric: str, *, binary: bool) -> str:
    told = _gain_of(better, metric, binary=binary)
    if better["gain"] <= 0:
        return f"not better, {told}"
    if better["level"] <= 0:
        return f"{told}, but the budget of mistakes is spent for now"
    if better["smallest_gain"] is None:
        return f"{told}, which may be chance"
    return (
        f"{told}, which may be chance (with so many, {gain_words(better['smallest_gain'], binary=binary)} would show)"
    )


def _worse(clause: Clause, *, binary: bool) -> str:
    figures = clause.figures
    bound, limit = (_loss_words(-figures[name], binary=binary) for name in ("at_least", "limit"))
    gain = gain_words(figures["gain"], binary=binary)
    return f"{clause.name} may be worse by {bound}, the limit is {limit}: {gain} on {figures['rows']} examples"


def _loss_words(value: float, *, binary: bool) -> str:
    return f"{100 * value:.1f} points" if binary else f"{value:.3g}"
