"""How plateaus and drops are said."""

import pytest

from daemon.history_words import course_words, day_words, points_of


def told(name="type erd", drop=None, plateau=None):
    return {"slice": name, "drop": drop, "plateau": plateau}


def short(*slices, in_points=True, newest="2026-11-25"):
    return {"metric": "accuracy", "in_points": in_points, "newest": newest, "slices": list(slices)}


FELL = {"since": "2026-11-12", "from": 0.84, "to": 0.78}
STILL = {"nights": 9, "since": "2026-11-16"}


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (short(told(drop=FELL)), ["erd fell 6 points since 12 November"]),
        (short(told("all", drop=FELL)), ["accuracy fell 6 points since 12 November"]),
        (short(told("golden", drop=FELL)), ["the golden set fell 6 points since 12 November"]),
        (short(told(drop=FELL), newest="2027-01-02"), ["erd fell 6 points since 12 November 2026"]),
        (short(told(drop=FELL), in_points=False), ["erd worsened from 0.84 to 0.78 since 12 November"]),
        (short(told("all", plateau=STILL)), ["no gain for 9 nights: plateau since 16 November"]),
        (short(told("all", drop=FELL, plateau=STILL)), ["accuracy fell 6 points since 12 November"]),
        (short(told("type sql", plateau=STILL)), []),
        (short(), []),
        ({}, []),
    ],
)
def test_remarks_are_short_sentences(of, words):
    """A drop says more than a plateau; an artifact type's plateau is none of everybody's business."""
    assert list(course_words(of)) == words


def test_the_deepest_drop_comes_first():
    """And plateaus last."""
    deep = {"since": "2026-11-20", "from": 0.9, "to": 0.5}
    found = list(course_words(short(told("all", plateau=STILL), told(drop=FELL), told("type sql", drop=deep))))
    assert [words.split()[0] for words in found] == ["sql", "erd", "no"]


@pytest.mark.parametrize(("share", "words"), [(0.06, "6 points"), (0.01, "1 point"), (0.0084, "0.8 points")])
def test_points_are_rounded_to_a_tenth(share, words):
    """And a whole number has no tenth."""
    assert points_of(share) == words


def test_a_date_has_its_year_where_it_is_not_clear():
    """Without a newest date it never is."""
    assert day_words("2026-01-02", "2026-12-31") == "2 January"
    assert day_words("2026-01-02", None) == "2 January 2026"
