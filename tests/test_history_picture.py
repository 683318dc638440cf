"""What is drawn of a season: the model in use as a line of steps, hollow those that were turned down, names apart."""

import pytest

from components.charts import picture
from daemon.history_picture import IN_USE, _draw_one
from daemon.history_telling import HistoryTold
from tests import history_world as nights
from tests.test_views_history import folded

pytest.importorskip("matplotlib", reason="the pictures are matplotlib's")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection


def drawn(tmp_path, events, part="all"):
    course = folded(events).course("support")
    with picture(tmp_path / "a.png") as figure:
        axes = figure.subplots()
        _draw_one(axes, HistoryTold("support", course, course.happened, part))
    return figure, axes


def line_of(axes):
    (line,) = [line for line in axes.lines if line.get_color() == IN_USE]
    return line


def words_on(axes):
    return [text.get_text() for text in axes.texts]


EVENTS = [
    nights.judged(0, 1, None, (0.3, 0.6)), nights.promoted(0, 1),
    nights.judged(2, 2, 1, (0.61, 0.5)), nights.turned_down(2, 2),
    nights.judged(4, 3, 1, (0.62, 0.8)), nights.promoted(4, 3), nights.rolled_back(4, 3, 1),
    nights.not_formed(5),
]  # fmt: skip


def test_the_line_is_the_model_in_use_and_holds_until_the_next(tmp_path):
    """Its last figure after a rollback; nothing where there was no run."""
    _, axes = drawn(tmp_path, EVENTS)
    line = line_of(axes)
    assert list(line.get_ydata()) == [0.6, 0.61, 0.8, 0.62]
    assert line.get_drawstyle() == "steps-post"
    days = [x.timestamp() / 86_400 for x in line.get_xdata()]
    assert [day - days[0] for day in days] == [0, 2, 4, 4.5]


def test_what_was_turned_down_is_hollow(tmp_path):
    """And nothing else is: what came into use is on the line."""
    _, axes = drawn(tmp_path, EVENTS)
    (hollow,) = [one for one in axes.collections if isinstance(one, PathCollection)]
    assert [round(float(y), 2) for _, y in hollow.get_offsets()] == [0.5]


def test_promotions_and_rollbacks_have_the_model_s_number(tmp_path):
    """The one in use now at the end of the line."""
    _, axes = drawn(tmp_path, EVENTS)
    assert words_on(axes)[1:] == ["model 1", "model 3", "back to 1", "model 1"]


def test_a_night_whose_run_failed_says_so(tmp_path):
    """Where its mark would be."""
    lost = [nights.planned(3, "run-0009"), nights.run_failed(3, "run-0009")]
    _, axes = drawn(tmp_path, [*EVENTS, *lost])
    assert words_on(axes).count("run failed") == 1


@pytest.mark.parametrize("count", [2, 9, 39])
def test_no_name_lies_on_another(tmp_path, count):
    """Promoted every night: there is no room for each."""
    events = [event for night in range(count) for event in (
        nights.judged(night, night + 1, night or None, (0.5, 0.6)), nights.promoted(night, night + 1))]  # fmt: skip
    figure, axes = drawn(tmp_path, events)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    shapes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    width, height = canvas.get_width_height()
    for place, one in enumerate(shapes):
        assert one.x1 <= width
        assert one.y1 <= height
        assert not any(one.overlaps(other) for other in shapes[place + 1 :])


def test_a_type_is_drawn_with_its_own_figures(tmp_path):
    """Under its own name."""
    events = [nights.judged(0, 1, None, (0.3, 0.6), types={"erd": (0.1, 0.2)}), nights.promoted(0, 1)]
    _, axes = drawn(tmp_path, events, "type erd")
    assert axes.get_title(loc="left") == "support: correct of erd, night by night"
    assert list(line_of(axes).get_ydata()) == [0.2]
