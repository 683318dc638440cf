"""Cost against pool size: the curves of bench/selection_cost.py as one picture, ours thick, peers thin."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(result: dict[str, Any], path: Path) -> str:
    """An SVG, and in words where it is. Equal results give an equal file."""
    try:
        import matplotlib as mpl
    except ImportError:
        return "no plot: matplotlib is not installed here; `make bench` has an environment with it"

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "adaptd", "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(6.4, 4.4))
    sizes = [int(size) for size in result["sizes"]]
    for name in ("shortlist", "all rows"):
        seconds = [ways[name]["cpu_seconds"]["median"] for ways in result["sizes"].values()]
        panel.plot(sizes, seconds, marker="o", markersize=3, linewidth=2.2, label=name)
    for name, one in [(name, one) for name, one in result["peers"].items() if one["tried"]]:
        rows, seconds = ([point[what] for point in one["tried"]] for what in ("rows", "cpu_seconds"))
        panel.plot(rows, seconds, marker=".", linewidth=0.9, label=name)
    panel.set(xscale="log", yscale="log", xlabel="rows in the pool", ylabel="CPU seconds")
    panel.set_title(f"choosing {result['budget']:,} rows")
    panel.legend(frameon=False, fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return f"written: {path}"
