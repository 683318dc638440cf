"""How a figure with its interval, a table and a list of goals are written in Markdown."""

from __future__ import annotations

from typing import Any


def number(one: dict[str, Any]) -> str:
    return f"{one['mean']:.3f}"


def ranged(one: dict[str, Any], digits: int = 2, unit: str = "") -> str:
    """The mean and its interval, where there is a spread at all; `<` before a bound."""
    bound = "< " if one.get("at_most") else ""
    inside = f" [{one['low']:.{digits}f}, {one['high']:.{digits}f}]" if one.get("sd") else ""
    return f"{bound}{one['mean']:.{digits}f}{unit}{inside}"


def times(one: dict[str, Any]) -> str:
    return ranged(one, unit="×")


def signed(one: dict[str, Any]) -> str:
    """In points: hundredths of the score."""
    inside = f" [{100 * one['low']:+.1f}, {100 * one['high']:+.1f}]" if one.get("sd") else ""
    return f"{100 * one['mean']:+.1f}{inside}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def goals_list(goals: dict[str, dict[str, Any]]) -> str:
    """A line for each goal: met or missed, what was found, what was wanted."""
    lines = []
    for name, one in goals.items():
        limit = f"≤ {one['at_most']}" if "at_most" in one else f"≥ {one['at_least']}"
        value = "never reached" if one["value"] is None else f"{one['value']:g}"
        who = f" ({', '.join(one['who'])})" if one.get("who") else ""
        lines.append(f"- {'met' if one['met'] else '**missed**'}: {name}: {value}{who}, wanted {limit}")
    return "\n".join(lines) + "\n"
