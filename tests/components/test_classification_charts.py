"""Confusions and maps are drawn whole: every name is there, many classes are drawn as few."""

import numpy as np
import pytest

from components import classification_charts as charts
from components.charts import DOTS


@pytest.fixture
def drawn_texts(monkeypatch):
    """What is written on the pictures, and where: (text, is it within the figure)."""
    from matplotlib.figure import Figure

    told, save = [], Figure.savefig

    def keeping(figure, *words, **how):
        save(figure, *words, **how)
        figure.draw_without_rendering()  # saving has put the figure back to other dots an inch
        whole = figure.bbox.padded(1)
        for text in figure.findobj(lambda one: hasattr(one, "get_text") and one.get_text() and one.get_visible()):
            box = text.get_window_extent()
            told.append(
                (
                    text.get_text(),
                    whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1,
                )
            )

    monkeypatch.setattr(Figure, "savefig", keeping)
    return told


def size_of(path):
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return tuple(int.from_bytes(header[at : at + 4], "big") for at in (16, 20))


def test_each_cell_tells_count_and_share(tmp_path, drawn_texts):
    """Of its true class; what never happened is a bare 0, and nothing is clipped."""
    path = tmp_path / "confusion.png"
    charts.draw_confusion(path, ["hate_speech", "neither"], [[3, 1], [0, 1200]], "The head", "1,204 texts")
    texts = [text for text, _ in drawn_texts]
    assert {"3\n75.0%", "1\n25.0%", "0", "1,200\n100.0%", "The head", "1,204 texts", "answered", "true"} <= set(texts)
    assert texts.count("hate_speech") == 2
    assert [text for text, inside in drawn_texts if not inside] == []
    width, height = size_of(path)
    assert 0.6 < width / height < 1.6


def test_of_many_classes_the_most_confused_are_drawn(tmp_path, drawn_texts):
    """The others are counted together, and no answer is lost."""
    rng = np.random.default_rng(2)
    counts = np.diag(np.full(40, 50)) + (rng.random((40, 40)) < 0.02)
    counts[7, 9] = 30
    names = [f"intent {number}" for number in range(40)]
    kept, table = charts._most_confused(names, counts)
    assert (len(kept), kept[-1]) == (charts.MOST_CLASSES, charts.OTHERS)
    assert table.sum() == counts.sum()
    assert table[kept.index("intent 7"), kept.index("intent 9")] == 30
    charts.draw_confusion(tmp_path / "many.png", names, counts, "Many", "")
    assert max(size_of(tmp_path / "many.png")) < 20 * DOTS
    assert "0" not in [text for text, _ in drawn_texts]
    assert [text for text, inside in drawn_texts if not inside] == []


def test_on_a_map_of_many_classes_the_rarest_are_together(tmp_path, drawn_texts):
    """More marks than can be told apart say nothing."""
    labels = np.array([f"class {number % 20}" for number in range(390)])  # ten of them are met once less
    charts.draw_maps(tmp_path / "map.png", {"before": np.random.default_rng(1).standard_normal((390, 2))}, labels, "")
    texts = {text for text, _ in drawn_texts}
    assert len({text for text in texts if text.startswith("class ")}) == charts.MOST_CLASSES - 1
    assert charts.OTHERS in texts
    assert [text for text, inside in drawn_texts if not inside] == []


def test_a_map_has_a_panel_for_each_encoder_and_one_legend(tmp_path, drawn_texts):
    """Long names of classes are cut in their middle; the legend is within the picture."""
    rng = np.random.default_rng(1)
    labels = np.array([f"{'a long name of class ' * 2}{number % 12}" for number in range(120)])
    maps = {name: rng.standard_normal((120, 2)) for name in ("before", "after", "models/another", "a fourth")}
    charts.draw_maps(tmp_path / "map.png", maps, labels, "120 texts")
    texts = [text for text, _ in drawn_texts]
    assert {"before", "after", "models/another", "a fourth", "120 texts"} <= set(texts)
    assert len({text for text in texts if "…" in text}) == 12
    assert [text for text, inside in drawn_texts if not inside] == []
