"""How a picture of ours looks: one size, one font, colours that every eye tells apart, nothing that says nothing.

The colours are those of Okabe and Ito (2008, «Color Universal Design»): they differ in lightness too, so that red-green
blindness and a grey printer keep them apart; beyond them the mark's shape says which. It draws with matplotlib, which
is loaded in here, and without pyplot: no window, nothing global, and equal figures give an equal file.

It does not know what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.bad_input import BadInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B4E1E")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT, GRID, PAPER = "#1A1A1A", "#6B6B6B", "#E3E3E3", "#FFFFFF"
SHADES = "Blues"  # of shares and counts, from paper to dark: a grey printer keeps the order
WIDTH, HEIGHT = 8.0, 4.5  # inches; at DOTS an inch 1,280 by 720 points
DOTS = 160
MOST_DATES = 9  # beside each other under a picture of WIDTH
MONTHS = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)  # whatever the locale says
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 9,
    "text.color": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": FAINT,
    "axes.facecolor": PAPER,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,  # labels make room for themselves: none is clipped
    "figure.constrained_layout.h_pad": 0.12,
    "figure.constrained_layout.w_pad": 0.12,
}


class ChartsMissing(BadInput):
    """What draws is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "a picture", "no matplotlib here", "what draws it to be installed", "Run: pip install 'adaptd[charts]'"
        )


@contextmanager
def picture(path: Path, *, width: float = WIDTH, height: float = HEIGHT) -> Iterator[Figure]:
    """A figure to draw on, in inches; written as a PNG when all of it was drawn, and not at all otherwise.

    Everything is drawn inside, where the style holds. ChartsMissing without matplotlib.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise ChartsMissing from None
    with mpl.rc_context():
        mpl.rcdefaults()  # somebody's own matplotlibrc is not asked
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(width, height))
        yield figure
        drawn = BytesIO()
        figure.savefig(drawn, format="png", dpi=DOTS, metadata={"Software": None})
    path.write_bytes(drawn.getvalue())


def look_of(number: int) -> dict[str, Any]:
    """Colour and mark of the n-th of several things: 49 of them can be told apart."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKS[(number + number // len(COLOURS)) % len(MARKS)]}


def heading(axes: Axes, title: str, below: str = "") -> None:
    """What is seen, in bold, and under it in a line what has to be known to read it."""
    if not below:
        axes.set_title(title)
        return
    axes.set_title(title, pad=26)
    axes.annotate(
        below, (0, 1), (0, 12), xycoords="axes fraction", textcoords="offset points", color=FAINT, va="bottom"
    )


def dates_along(axes: Axes, first: date, last: date) -> None:
    """Dates on the x-axis, the last one always, as many as there is room for; the year where it begins."""
    apart = -(-((last - first).days + 1) // MOST_DATES)
    days = [last - timedelta(days=back) for back in range(0, (last - first).days + 1, apart)][::-1]
    years = [None, *(day.year for day in days)]
    labels = [
        f"{day.day} {MONTHS[day.month - 1]}" + (f"\n{day.year}" if day.year != before else "")
        for day, before in zip(days, years, strict=False)
    ]
    where: Any = days  # matplotlib takes dates, whatever its types say
    axes.set_xticks(where, labels)


def names_at_ends(axes: Axes, ends: list[tuple[Any, float, str, str]], apart: float = 12) -> None:
    """Each line's name beside its end (x, y, name, colour), moved apart where two would meet: no legend to look up.

    `apart` is in points. Called when the axes' limits hold.
    """
    figure = axes.get_figure()
    assert figure is not None
    points = axes.get_window_extent().height * 72 / figure.dpi
    low, high = axes.get_ylim()
    scale = points / ((high - low) or 1.0)
    least = float("-inf")
    for x, y, name, colour in sorted(ends, key=lambda end: end[1]):
        place = max(least, y * scale)
        least = place + apart
        moved = (6, place - y * scale)
        axes.annotate(name, (x, y), moved, textcoords="offset points", color=colour, va="center", annotation_clip=False)
