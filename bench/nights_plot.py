"""The scores of bench/fourteen_nights.py, night by night, as one picture: ours thick, the others thin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

OURS = "shipped"


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
    figure, panels = pyplot.subplots(1, max(1, len(sets)), figsize=(5.2 * max(1, len(sets)), 4.2), squeeze=False)
    for panel, (name, found) in zip(panels[0], sets.items(), strict=False):
        _draw_set(panel, name, found)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return f"written: {path}"


def _draw_set(panel: Any, name: str, found: dict[str, Any]) -> None:
    for arm, lives in found["arms"].items():
        shortest = min(len(one["scores"]) for one in lives.values())
        mean = np.mean([one["scores"][:shortest] for one in lives.values()], axis=0)
        nights = np.arange(1, shortest + 1)
        (line,) = panel.plot(nights, mean, label=arm, linewidth=2.2 if arm == OURS else 1.2)
        for one in lives.values():
            promoted = [each["night"] for each in one["promotions"] if each["night"] <= shortest]
            places = [night - 1 for night in promoted]
            panel.plot(promoted, [one["scores"][place] for place in places], "o", color=line.get_color(), markersize=3)
    full = found["full_score"]
    for share in (80, 90, 100) if full else ():
        panel.axhline(full * share / 100, color="0.6", linewidth=0.6, linestyle=":")
        panel.annotate(f"{share} %", (1, full * share / 100), fontsize=7, color="0.4")
    panel.set(title=name, xlabel="night (dots: promotions)", ylabel=found["metric"].replace("_", "-"))
    panel.legend(loc="lower right", frameon=False, fontsize=8)
