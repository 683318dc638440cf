"""Each way of naming a label counts in its order, as a slow reading has it; what says nothing teaches nothing."""

import json
from hashlib import blake2b
from types import SimpleNamespace

import numpy as np
import pytest

from components.bad_input import BadInput
from components.told_labels import judgements, told_labels

WORDS = ("refund", "parcel", " parcel ", "login", "rude", "", None, 7, {"b": 1, "a": [2]})
VERDICTS = ("better", "worse", "tie", None, "unheard")
FIELDS = ("output", "correction", "category", "compared_with", "chosen", "rejected")
BEFORE = {  # what tiny_classifier and sbert each read out of these, when either had a reading of its own
    False: "c332e84e57560a96",
    True: "a285027b297d1464",
}


def random_examples(seed, rows=60):
    """Texts with every kind of field, and what was thought of their answers."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(rows):
        text = {name: WORDS[rng.integers(len(WORDS))] for name in FIELDS if rng.random() < 0.5}
        text["chosen"] = text.get("chosen") if rng.random() < 0.2 else None
        texts.append({"input": "x", **text, "verdict": VERDICTS[rng.integers(len(VERDICTS))]})
    score = np.where(rng.random(rows) < 0.5, np.nan, rng.choice([0, 39.9, 40, 55, 69.9, 70, 100], rows))
    ups, downs = rng.integers(0, 3, rows), rng.integers(0, 3, rows)
    return texts, score, ups, downs, rng.random(rows) < 0.3, rng.random(rows) < 0.3


def read(seed, *, preferences):
    texts, score, ups, downs, up, down = random_examples(seed)
    judged = judgements(score, ups, downs, said_up=up, said_down=down)
    return told_labels(texts, judged, preferences=preferences)


def digest(rows, labels, right, rejected):
    told = [np.asarray(rows).tolist(), list(labels), np.asarray(right).tolist(), list(rejected)]
    return blake2b(json.dumps(told).encode(), digest_size=8).hexdigest()


@pytest.mark.parametrize("preferences", [False, True])
def test_it_reads_what_two_workloads_read_before(preferences):
    """Forty random pools, example for example: their own reading was compared with this one, then left out."""
    found = [read(seed, preferences=preferences) for seed in range(40)]
    each = [digest(one.rows, one.labels, one.right, one.rejected if preferences else ()) for one in found]
    assert digest([], each, [], ()) == BEFORE[preferences]


def by_hand(text, score, ups, downs, up, down, known):
    """One example, told step by step: (label, right), or None."""

    def label(name):
        value = text.get(name)
        told = value if isinstance(value, str) else "" if value is None else json.dumps(value, sort_keys=True)
        return told.strip()

    if score >= 70:
        thought = "good"
    elif score < 40:
        thought = "bad"
    elif ups or downs:
        thought = "good" if ups > downs else "bad" if downs > ups else ""
    else:
        thought = "" if up == down else "good" if up else "bad"
    answer = "" if text.get("chosen") is not None else label("output")
    if label("correction"):
        return label("correction"), True
    if label("category") in known - {""}:
        return label("category"), True
    better = ""
    if text.get("chosen") is not None:
        better = label("chosen")
    elif label("output") and label("compared_with"):
        better = {"better": label("output"), "worse": label("compared_with")}.get(text["verdict"], "")
    if better and not (better == answer and thought == "bad"):
        return better, True
    return (answer, thought == "good") if answer and thought else None


@pytest.mark.parametrize("seed", range(20))
def test_each_example_is_read_as_a_slow_reading_reads_it(seed):
    """Which of them teach, what, and whether it is right."""
    texts, *judged = random_examples(seed)
    named = []
    for text in texts:
        pair, verdict = text["chosen"] is not None, text["verdict"] in ("better", "worse")
        two = text.get("output") not in ("", None) and text.get("compared_with") not in ("", None)
        names = ["correction", *(["chosen", "rejected"] if pair else ["output"])]
        names += ["compared_with"] if verdict and two and not pair else []
        named += [value for value in map(text.get, names) if value is not None]
    known = {one.strip() if isinstance(one, str) else json.dumps(one, sort_keys=True) for one in named}
    slowly = [by_hand(*one, known) for one in zip(texts, *(column.tolist() for column in judged), strict=True)]
    found = read(seed, preferences=True)
    assert found.rows.tolist() == [row for row, told in enumerate(slowly) if told]
    assert list(zip(found.labels, found.right.tolist(), strict=True)) == [told for told in slowly if told]


@pytest.mark.parametrize(
    ("said", "judged", "label", "right", "rejected"),
    [
        ({"correction": " login "}, 0, "login", True, "parcel"),
        ({"correction": "login"}, 1, "login", True, "parcel"),
        ({"correction": "parcel"}, -1, "parcel", True, ""),
        ({"category": "login", "correction": "refund"}, 0, "refund", True, "parcel"),
        ({"category": "login"}, -1, "login", True, "parcel"),
        ({"category": "rude"}, -1, "parcel", False, ""),
        ({}, 1, "parcel", True, ""),
        ({}, -1, "parcel", False, ""),
        ({"verdict": "worse", "compared_with": "login"}, 0, "login", True, "parcel"),
        ({"verdict": "worse", "compared_with": "login"}, -1, "login", True, "parcel"),
        ({"verdict": "better", "compared_with": "login"}, 0, "parcel", True, "login"),
        ({"verdict": "better", "compared_with": "login"}, -1, "parcel", False, ""),
        ({"verdict": "tie", "compared_with": "login"}, 1, "parcel", True, ""),
        ({"chosen": "login", "rejected": "refund"}, -1, "login", True, "refund"),
    ],
)
def test_what_is_said_first_counts(said, judged, label, right, rejected):
    """A correction, a category that is a label, a preference, a confirmation; a thumb down without a label is a
    negative for the answer, and no word of what is right."""
    told = told_labels([{"output": "parcel"} | said, {"output": "login"}], [judged, 0])
    assert (told.rows.tolist(), told.labels, told.right.tolist()) == ([0], (label,), [right])
    assert told.rejected == (rejected,)


@pytest.mark.parametrize("said", [{}, {"category": "rude"}, {"verdict": "tie"}, {"verdict": "worse"}])
def test_what_names_no_label_teaches_nothing(said):
    """Nor does an answer without a word, however it was judged."""
    assert len(told_labels([{"output": "parcel"} | said, {"output": " "}, {}], [0, 1, -1]).rows) == 0


def test_preferences_are_read_where_they_are_wanted():
    """A workload that learns from none has them unread, as labels and as names of categories."""
    said = [{"output": "a", "verdict": "worse", "compared_with": "b"}, {"output": "a", "category": "b"}]
    assert told_labels(said, [0, 0]).labels == ("b", "b")
    assert told_labels(said, [0, 0], preferences=False).labels == ()


def test_examples_may_be_objects_and_labels_anything():
    """A label that is no text is one as JSON, however its keys are ordered."""
    said = [SimpleNamespace(output="a", correction={"z": 1, "y": 2}), {"ai_output": {"y": 2, "z": 1}}]
    assert told_labels(said, [0, 1]).labels == ('{"y": 2, "z": 1}',) * 2


def test_the_order_of_examples_does_not_matter():
    """Each is read as it would be elsewhere, since what is a label is asked of all."""
    texts, *judged = random_examples(3)
    order = np.random.default_rng(1).permutation(len(texts))
    thought = judgements(*judged[:3], said_up=judged[3], said_down=judged[4])
    plain = told_labels(texts, thought)
    moved = told_labels([texts[place] for place in order], thought[order])
    by_row = dict(
        zip(plain.rows.tolist(), zip(plain.labels, plain.right.tolist(), plain.rejected, strict=True), strict=True)
    )
    again = zip(moved.labels, moved.right.tolist(), moved.rejected, strict=True)
    assert dict(zip(order[moved.rows].tolist(), again, strict=True)) == by_row


def test_nothing_said_is_nothing_told():
    """Of no examples there are no labels."""
    told = told_labels([], judgements([], [], []))
    assert (len(told.rows), told.labels, len(told.right), told.rejected) == (0, (), 0, ())


def test_a_score_counts_before_thumbs_and_thumbs_where_it_lies_between():
    """From good_score on and below bad_score, exactly."""
    found = judgements([70, 69.9, 40, 39.9, 55, np.nan], [0, 0, 0, 9, 1, 0], [9, 0, 0, 0, 3, 0])
    assert found.tolist() == [1, 0, 0, -1, -1, 0]
    assert judgements([60.0, 60.0], [0, 1], [1, 0], good_score=60.0, bad_score=60.0).tolist() == [1, 1]
    assert judgements([50.0], [0], [1], good_score=50.0).tolist() == [1]


def test_thumbs_that_nobody_counted_are_told_by_what_was_said():
    """Where some were counted, the counts hold."""
    nobody = np.full(4, np.nan)
    said_up, said_down = [True, False, True, True], [False, True, True, False]
    assert judgements(nobody, [0, 0, 0, 1], [0, 0, 0, 2], said_up=said_up, said_down=said_down).tolist() == [
        1,
        -1,
        0,
        -1,
    ]
    assert judgements(nobody, np.zeros(4), np.zeros(4)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: told_labels([{}], [2]), r"judged: found \[2\], expected 1, 0 or -1 for each of 1 examples, as"),
        (lambda: told_labels([{}], [1, 1]), r"judged: found \[1, 1\], expected 1, 0 or -1 for each of 1 examples"),
        (lambda: judgements([101], [0], [0]), r"scores\[0\]: found 101.0, expected numbers from 0 to 100"),
        (lambda: judgements([1], [-1], [0]), r"ups\[0\]: found -1.0, expected numbers from 0 to inf"),
        (lambda: judgements([1], [0], [np.nan]), r"downs\[0\]: found nan, expected"),
        (lambda: judgements([1, 2], [0], [0]), r"columns: found \{'score': 2, 'thumbs': 1\}, expected the same number"),
        (lambda: judgements([1], [0], [0], said_up=[True, True]), r"found \{'ups': 1, 'said_up': 2, "),
        (lambda: judgements([1], [0], [0], good_score=120), r"bad_score and good_score\[1\]: found 120"),
        (lambda: judgements([1], [0], [0], bad_score=80), "bad_score: found 80, expected at most good_score, 70"),
    ],
)
def test_what_cannot_be_is_refused(call, told):
    """By its name and place."""
    with pytest.raises(BadInput, match=told):
        call()
