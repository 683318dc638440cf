"""The section of docs/techniques.md on what choosing from a million rows costs: goals, sizes, gain, peers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.figures_in_words import goals_list, table

ABOUT = """\
## What choosing from a million rows costs

`typical_then_margin` before there are labels, on made rows that lie as sentence embeddings do: a mapped file of float16
with 384 numbers a row. Each choice runs in a process of its own; its memory counts what it has mapped of the file.
Medians of the rounds, with quartiles. Up to 50,000 rows the choice is exact, and both ways are one.
`python -m bench.selection_cost`

![cost against pool size](../bench/results/selection_cost.svg)
"""
PEERS = """\
Their strategies that need no labels, on the same rows held in memory as float32: the largest of the sizes from which
each chooses within the {limit:.1f} CPU seconds that ours takes over all rows, and what is left of the distance there.
"""


def section(found: dict[str, Any]) -> str:
    """Everything that bench/results/selection_cost.json says."""
    head = ["rows", "way", "seconds", "CPU s", "memory, MB", "load"]
    parts = [ABOUT, goals_list(found["goals"]), table(head, list(_sizes(found))), _gain(found)]
    if found["peers"]:
        limit = found["sizes"][str(found["rows"])]["all rows"]["cpu_seconds"]["median"]
        head = ["strategy", "largest pool", "CPU s", "memory, MB", "mean distance", "share of our gain"]
        parts += [PEERS.format(limit=limit), table(head, list(_peers(found)))]
    return "\n".join(parts)


def _sizes(found: dict[str, Any]) -> Iterator[list[str]]:
    for size, ways in found["sizes"].items():
        for name, one in ways.items():
            seconds = [_spread(one[what]) for what in ("seconds", "cpu_seconds")]
            yield [f"{int(size):,}", name, *seconds, f"{one['peak_mb']:.0f}", f"{one['load']['median']:.1f}"]


def _spread(one: dict[str, Any]) -> str:
    return f"{one['median']:.2f} ({one['q1']:.2f}–{one['q3']:.2f})"


def _gain(found: dict[str, Any]) -> str:
    far = {name: one["median"] for name, one in found["gain"]["mean_distance"].items()}
    told = ", ".join(f"{name} {far[name]:.4f}" for name in far)
    kept = found["gain"]["kept"]
    return (
        f"Mean distance of the rows to the nearest of the {found['budget']:,} that were chosen: {told}. Of what all "
        f"rows gain on a random choice the shortlist keeps {kept['median']:.3f} ({kept['q1']:.3f}–{kept['q3']:.3f}).\n"
    )


def _peers(found: dict[str, Any]) -> Iterator[list[str]]:
    far = {name: one["median"] for name, one in found["gain"]["mean_distance"].items()}
    gained = far["random"] - far["all rows"]
    for name, one in found["peers"].items():
        if not one["rows"]:
            yield [name, f"over it with {one['over_at']:,} already", "", "", "", ""]
            continue
        share = (far["random"] - one["mean_distance"]) / gained
        cells = [f"{one['cpu_seconds']:.1f}", f"{one['peak_mb']:.0f}", f"{one['mean_distance']:.4f}", f"{share:.2f}"]
        yield [name, f"{one['rows']:,}", *cells]
