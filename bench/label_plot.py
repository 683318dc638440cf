"""The curves of bench/label_efficiency.py as one picture: ours, random, the three best peers; the others in grey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BASELINE, OURS, PEERS = "random", "typical_then_margin", 3


def draw(result: dict[str, Any], path: Path) -> str:
    """An SVG with a panel for each set, and in words where it is. Equal results give an equal file."""
    try:
        import matplotlib as mpl
    except ImportError:
        return "no plot: matplotlib is not installed here; `make bench` has an environment with it"

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "adaptd", "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot

    sets = result["sets"]
    figure, panels = pyplot.subplots(1, len(sets), figsize=(5.2 * len(sets), 4.2), squeeze=False)
    for panel, (name, figures) in zip(panels[0], sets.items(), strict=True):
        _draw_set(panel, name, figures)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return f"written: {path}"


def _draw_set(panel: Any, name: str, figures: dict[str, Any]) -> None:
    ended = {strategy: one for strategy, one in figures["strategies"].items() if one["status"] == "ended"}
    named = [OURS, *[one for one in ended if ended[one]["origin"] != "adaptd"][:PEERS], BASELINE]
    for strategy, one in ended.items():
        if strategy not in named:
            panel.plot(figures["counts"], one["curve"]["mean"], color="0.85", linewidth=0.8)
    for strategy in (one for one in named if one in ended):
        curve = ended[strategy]["curve"]
        width = 2.2 if strategy == OURS else 1.2
        (line,) = panel.plot(figures["counts"], curve["mean"], label=strategy, linewidth=width)
        low, high = ([m + sign * s for m, s in zip(curve["mean"], curve["sd"], strict=True)] for sign in (-1, 1))
        panel.fill_between(figures["counts"], low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    full = figures["all_labels"]["mean"]
    for share in (80, 90, 100):
        panel.axhline(full * share / 100, color="0.6", linewidth=0.6, linestyle=":")
        panel.annotate(f"{share} %", (figures["counts"][-1], full * share / 100), fontsize=7, color="0.4", ha="right")
    panel.set(title=name, xlabel="labels", ylabel=figures["metric"].replace("_", "-"))
    panel.legend(loc="lower right", frameon=False, fontsize=8)
