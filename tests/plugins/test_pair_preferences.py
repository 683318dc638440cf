"""Pairs of a better and a worse output, from all that says so, each once."""

import numpy as np
import pytest

from adaptd.plugin.checking import MOMENT
from daemon.plugin_loading import BadSettings
from tests.plugins.stages_made import made, pool_of, said, words_of

ASKED = "Where is my order?"


def text(output, **rest):
    return {"input": ASKED, "output": output, **rest}


def pairs_of(texts, settings=None, **columns):
    """The derived pairs in their order, and the shaped pool."""
    shaped = made("pair_preferences", **(settings or {})).shape(pool_of(texts, **columns), MOMENT)
    rows = np.flatnonzero(shaped["example"] < 0)
    return [tuple(pair.values())[1:] for pair in shaped.texts(rows)], shaped


def test_a_correction_is_better_than_what_it_corrects():
    """With no size, and from the example itself."""
    pairs, shaped = pairs_of([text("Lost.", correction="On its way.")], feedback=[said("correction")])
    assert pairs == [("On its way.", "Lost.", None)]
    assert shaped["derived_from"].tolist() == [-1, 1]
    assert shaped.derived[-2]["input"] == ASKED
    assert words_of(shaped, -2) == ["a pair: the correction over what it corrects"]


@pytest.mark.parametrize(
    ("verdict", "pairs"), [("better", [("A", "B", None)]), ("worse", [("B", "A", None)]), ("tie", [])]
)
def test_a_verdict_says_which_is_better(verdict, pairs):
    """Of the output and the one it was compared with; a tie makes no pair."""
    texts = [text("A", verdict=verdict, compared_with="B")]
    assert pairs_of(texts, feedback=[said(verdict)])[0] == pairs


def test_verdicts_are_votes_whichever_way_round():
    """Two say that A is better, one that B is: a third of the weight."""
    texts = [
        text("A", verdict="better", compared_with="B"),
        text("B", verdict="worse", compared_with="A"),
        text("B", verdict="better", compared_with="A"),
    ]
    pairs, shaped = pairs_of(texts, feedback=[said("better"), said("worse"), said("better")], weight=[0.6] * 3)
    assert pairs == [("A", "B", None)]
    assert shaped["weight"][-1] == pytest.approx(0.6 / 3)


def test_thumbs_meet_on_equal_inputs_alone():
    """Up over down; another question is another matter."""
    texts = [text("A"), text("B"), {"input": "Who are you?", "output": "C"}]
    pairs, shaped = pairs_of(texts, ups=[1, 0, 0], downs=[0, 1, 1], feedback=[said("up"), said("down"), said("down")])
    assert pairs == [("A", "B", None)]
    assert shaped["derived_from"][-1] == 2  # the newest of the two


def test_scores_make_pairs_with_a_margin():
    """And none where they lie near to each other."""
    texts, scores = [text("A"), text("B"), text("C")], [90.0, 60.0, 58.0]
    pairs, _ = pairs_of(texts, score=scores, feedback=[said("score")] * 3)
    assert pairs == [("A", "B", 30.0), ("A", "C", 32.0)]
    assert len(pairs_of(texts, {"min_margin": 31.0}, score=scores, feedback=[said("score")] * 3)[0]) == 1


def test_two_outputs_are_paired_once_by_who_says_it_most_plainly():
    """An explicit verdict before thumbs and scores, whatever those say."""
    texts = [text("A", verdict="better", compared_with="B"), text("B")]
    rest = {"ups": [0, 1], "downs": [1, 0], "score": [10.0, 90.0]}
    pairs, _ = pairs_of(texts, feedback=[said("better", "down", "score"), said("up", "score")], **rest)
    assert pairs == [("A", "B", None)]
    without = pairs_of(texts, {"sources": ["scores"]}, feedback=[said("score")] * 2, **rest)[0]
    assert without == [("B", "A", 80.0)]


def test_a_pair_of_examples_that_were_learnt_is_not_made_again():
    """One new example makes a pair new, and it is made from that one."""
    texts, columns = [text("A"), text("B")], {"score": [90.0, 10.0], "feedback": [said("score")] * 2}
    assert pairs_of(texts, times_learnt=[1, 2], **columns)[0] == []
    pairs, shaped = pairs_of(texts, times_learnt=[0, 2], **columns)
    assert pairs == [("A", "B", 80.0)]
    assert shaped["derived_from"][-1] == 1


def test_a_slip_of_the_pen_is_no_other_input():
    """Unless it shall be one."""
    texts = [text("A"), {"input": "Where is my ordeer?", "output": "B"}]
    columns = {"score": [90.0, 10.0], "feedback": [said("score")] * 2}
    assert len(pairs_of(texts, **columns)[0]) == 1
    assert pairs_of(texts, {"near": False}, **columns)[0] == []


def test_equal_outputs_make_no_pair():
    """Somebody rated the same answer high and low."""
    assert pairs_of([text("A"), text("A")], score=[90.0, 10.0], feedback=[said("score")] * 2)[0] == []


def test_texts_are_read_of_those_that_say_something_the_newest():
    """As many as the setting says."""
    texts = [text(str(row)) for row in range(10)]
    read = []
    pool = pool_of(texts, score=np.arange(10.0), feedback=[said("score")] * 8 + [0, 0], age_days=np.arange(10.0))
    counted = type(pool)(pool.columns, fetch_texts=lambda rows: read.extend(rows) or pool.fetch_texts(rows))
    made("pair_preferences", most_texts=4).shape(counted, MOMENT)
    assert read == [1, 2, 3, 4]


def test_the_examples_themselves_stay():
    """Whoever learns pairs takes those that have a chosen output."""
    _, shaped = pairs_of([text("A"), text("B")], score=[90.0, 10.0], feedback=[said("score")] * 2)
    assert shaped["example"].tolist() == [1, 2, -2]


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("sources", ["guesses"], "sources: found 'guesses', expected one of verdicts, corrections, thumbs, scores"),
        ("min_margin", 101.0, "min_margin: found 101.0, expected a number at least 0 and at most 100"),
        ("most_outputs", 1, "most_outputs: found 1, expected a whole number of at least 2"),
        ("most_pairs", 0, "most_pairs: found 0, expected a whole number of at least 1"),
        ("most_texts", 0, "most_texts: found 0, expected a whole number of at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_told(setting, value, told):
    """By its name, with the value and what was expected."""
    with pytest.raises(BadSettings) as error:
        made("pair_preferences", **{setting: value})
    assert told in str(error.value)
