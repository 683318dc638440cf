"""What every picture keeps to: names apart, dates that can be read, colours that differ, equal bytes for equal data."""

import subprocess
import sys
from colorsys import rgb_to_hls
from datetime import date, timedelta
from itertools import combinations, pairwise

import pytest

from components import charts

pytest.importorskip("matplotlib", reason="the pictures are matplotlib's")


@pytest.fixture
def axes(tmp_path):
    with charts.picture(tmp_path / "drawn.png") as figure:
        yield figure.subplots()


def size_of(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def draw(path, heights=(1, 3, 2)):
    with charts.picture(path) as figure:
        axes = figure.subplots()
        axes.plot(heights, **charts.look_of(0))
        charts.heading(axes, "what", "and on what")
    return path.read_bytes()


def test_equal_figures_give_equal_files(tmp_path):
    """No date, no version of what drew it; and they are as large as they say."""
    first = draw(tmp_path / "a.png")
    assert first == draw(tmp_path / "b.png") != draw(tmp_path / "c.png", (1, 2, 3))
    assert size_of(tmp_path / "a.png") == (charts.WIDTH * charts.DOTS, charts.HEIGHT * charts.DOTS)
    assert b"Matplotlib" not in first


def test_a_picture_that_was_not_drawn_whole_is_not_written(tmp_path):
    """What was there stays there."""
    path = tmp_path / "a.png"
    before = draw(path)
    with pytest.raises(ZeroDivisionError), charts.picture(path):
        1 / 0  # noqa: B018
    assert path.read_bytes() == before


def test_somebodys_own_style_is_neither_asked_nor_changed(tmp_path):
    """The host's figures look as before, ours as ever."""
    import matplotlib as mpl

    ours = draw(tmp_path / "a.png")
    with mpl.rc_context({"font.size": 30, "axes.grid": False}):
        assert draw(tmp_path / "b.png") == ours
        assert mpl.rcParams["font.size"] == 30


def test_nobodys_window_is_asked_for(tmp_path):
    """pyplot would look for one."""
    code = "import sys; from pathlib import Path; from tests.components.test_charts import draw; "
    code += f"draw(Path({str(tmp_path / 'a.png')!r})); print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    """Before anything is written."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    told = r"a picture: found 'no matplotlib here', expected .* installed. Run: pip install 'adaptd\[charts\]'"
    with pytest.raises(charts.ChartsMissing, match=told), charts.picture(tmp_path / "a.png"):
        pass
    assert list(tmp_path.iterdir()) == []


def grey(colour):
    """Lightness as a grey printer sees it (Rec. 709)."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_and_marks_tell_forty_nine_apart():
    """No pair is used twice; the first two differ in grey and in hue."""
    looks = [tuple(charts.look_of(number).values()) for number in range(49)]
    assert len(set(looks)) == 49
    first, second = looks[0][0], looks[1][0]
    assert abs(grey(first) - grey(second)) > 0.05
    hues = [rgb_to_hls(*(int(one[at : at + 2], 16) / 255 for at in (1, 3, 5)))[0] for one in (first, second)]
    assert 0.3 < abs(hues[0] - hues[1]) < 0.7  # blue and orange: apart for every kind of colour-blindness


def ticks(axes):
    return [label.get_text() for label in axes.get_xticklabels()]


@pytest.mark.parametrize(("days", "shown"), [(1, 1), (7, 7), (9, 9), (10, 5), (60, 9), (400, 9)])
def test_dates_are_few_and_the_last_is_there(axes, days, shown):
    """As many as there is room for, at even distances, the year under the first."""
    last = date(2027, 1, 3)
    charts.dates_along(axes, last - timedelta(days=days - 1), last)
    labels = ticks(axes)
    assert len(labels) == shown
    assert labels[-1].startswith("3 Jan")
    assert len({after - before for before, after in pairwise(axes.get_xticks())}) <= 1
    assert "\n" in labels[0]


def test_the_year_is_said_where_it_begins(axes):
    """And not at every date."""
    charts.dates_along(axes, date(2026, 12, 30), date(2027, 1, 2))
    assert ticks(axes) == ["30 Dec\n2026", "31 Dec", "1 Jan\n2027", "2 Jan"]


def test_names_that_would_meet_are_moved_apart(tmp_path):
    """Twelve points at least, in the order of what they name; one that meets nobody stays."""
    with charts.picture(tmp_path / "a.png") as figure:
        axes = figure.subplots()
        axes.set_ylim(0, 1)
        ends = [(1, 0.9, "c", "k"), (1, 0.11, "b", "k"), (1, 0.1, "a", "k")]
        charts.names_at_ends(axes, ends)
        points = axes.get_window_extent().height * 72 / figure.dpi
        places = {one.get_text(): one.xy[1] * points + one.xyann[1] for one in axes.texts}
    assert list(places) == ["a", "b", "c"]
    assert all(abs(one - other) >= 11.99 for one, other in combinations(places.values(), 2))
    assert (places["a"], places["c"]) == pytest.approx((0.1 * points, 0.9 * points))
