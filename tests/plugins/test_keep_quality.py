"""Texts of new examples are held against the gates, and nobody is quoted."""

import numpy as np
import pytest

from adaptd.plugin.checking import MOMENT
from daemon.plugin_loading import BadSettings
from tests.plugins.stages_made import made, module_of, pool_of, words_of

GOOD = {"input": "When does the bank open?", "output": "It opens at nine on weekdays."}
ASKED = ("When does the {} open?", "Who owns the {}?", "Is the {} far?", "Why is the {} shut?", "How old is the {}?")
TEXTS = [
    GOOD,
    {"input": "Draw the quay", "output": "Here is your diagram!"},
    {"input": "Draw the pier", "output": "erDiagram\n    PIER {\n        int"},
    {"input": "Is it cold?", "output": "N/A"},
    {"input": "Is it wet?", "output": "it is " * 20},
    {"input": "Is it late?", "output": "As an AI language model I cannot tell the time."},
    *(
        {"input": asked.format(name), "output": f"Thank you for asking about the {name}. We will get back to you soon."}
        for asked, name in zip(ASKED, ("bank", "ferry", "garden", "library", "zoo"), strict=True)
    ),
    dict(GOOD),
]
TYPES = [2, 1, 1, *[2] * 9]
GATES = ["off_type", "truncated", "empty", "repetitive", "stock_phrase", *["generic"] * 5]


def counting(texts, **columns):
    """A pool that notes whose texts were read."""
    pool, read = pool_of(texts, **columns), []

    def fetch(numbers):
        read.extend(numbers.tolist())
        return pool.fetch_texts(numbers)

    return type(pool)(pool.columns, pool.names, fetch_texts=fetch), read


def test_each_gate_leaves_out_what_it_is_for_and_says_so():
    """One example of each; of two that repeat each other the better one stays."""
    pool = pool_of(TEXTS, artifact_type=TYPES, score=[70.0] + [60.0] * 10 + [90.0])
    shaped = made("keep_quality").shape(pool, MOMENT)
    assert shaped["example"].tolist() == [12]
    told = [words_of(shaped, example)[0].partition(":")[0] for example in range(1, 12)]
    assert told == ["repeated", *GATES]
    assert words_of(shaped, 7) == ["generic: 4 other inputs got nearly the same output"]


def test_no_reason_quotes_a_text():
    """What the gates themselves say of an empty output would."""
    pool = pool_of(TEXTS, artifact_type=TYPES)
    shaped = made("keep_quality").shape(pool, MOMENT)
    told = " ".join(reason.words for reason in shaped.reasons)
    assert "N/A" not in told
    assert "«" not in told


def test_every_gate_has_words():
    """A new gate of the component must be told in words of this stage."""
    from components.quality_gates import GATES as ALL

    assert set(module_of("keep_quality").WORDS) == set(ALL)


def test_a_gate_that_is_off_leaves_nothing_out():
    """By the name that the reason has."""
    pool = pool_of(TEXTS[:4], artifact_type=TYPES[:4])
    assert made("keep_quality", off=["empty", "truncated"]).shape(pool, MOMENT)["example"].tolist() == [1, 3, 4]


def test_the_correction_is_what_is_judged():
    """It is what would be learnt."""
    texts = [{**GOOD, "output": "", "correction": "It opens at ten."}, {**GOOD, "correction": "null"}]
    assert made("keep_quality").shape(pool_of(texts, score=[1, 2]), MOMENT)["example"].tolist() == [1]


def test_only_new_examples_are_read_and_of_those_the_newest():
    """What was learnt before was judged then; what is not read stays, and it is said."""
    pool, read = counting(
        [{"input": f"q {row}", "output": ""} for row in range(10)],
        times_learnt=[1, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        age_days=[0, 0, 9, 8, 7, 1, 2, 3, 4, 5],
    )
    shaped = made("keep_quality", most_texts=5).shape(pool, MOMENT)
    assert sorted(read) == [6, 7, 8, 9, 10]
    assert shaped["example"].tolist() == [1, 2, 3, 4, 5]
    assert words_of(shaped, 3) == ["its text was not looked at: 5 new ones are newer"]


def test_long_texts_are_looked_at_the_newest_first_until_it_is_enough():
    """The others stay, and it is said."""
    texts = [{"input": "1234567890", "output": ""} for _ in range(4)]
    pool = pool_of(texts, age_days=[1.0, 4.0, 2.0, 3.0])
    shaped = made("keep_quality", most_characters=25).shape(pool, MOMENT)
    assert shaped["example"].tolist() == [2, 4]
    assert words_of(shaped, 2) == ["its text was not looked at: newer ones have 25 characters"]


def test_an_example_without_an_output_is_not_judged():
    """There may be workloads that need no texts."""
    assert len(made("keep_quality").shape(pool_of([{}, {"input": "x"}], score=[1, 2]), MOMENT)) == 2


def test_labels_are_a_closed_set():
    """A classifier's outputs repeat rightly."""
    texts = [{"input": f"{word} {row} came late", "output": "complaint"} for row, word in enumerate("abcdefgh")]
    shaped = made("keep_quality", closed_sets=["chat"]).shape(pool_of(texts, artifact_type=[2] * 8), MOMENT)
    assert not [reason for reason in shaped.reasons if reason.words.startswith("generic")]


def test_a_type_beyond_the_names_is_judged_by_the_general_rules():
    """Names may come later than codes."""
    assert len(made("keep_quality").shape(pool_of([GOOD], artifact_type=[40]), MOMENT)) == 1


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("most_texts", 0, "most_texts: found 0, expected a whole number of at least 1"),
        ("most_characters", 0, "most_characters: found 0, expected a whole number of at least 1"),
        ("off", ["dull"], "off: found 'dull', expected one of empty"),
        ("generic_at", 0, "generic_at: found 0, expected a whole number of at least 1"),
        ("near", 2.0, "near[0]: found 2.0, expected numbers from 0 to 1"),
        ("kinds", {"bill": "paper"}, "kinds['bill']: found 'paper', expected one of mermaid"),
    ],
)
def test_a_setting_that_cannot_be_is_told(setting, value, told):
    """By its name, with the value and what was expected."""
    with pytest.raises(BadSettings) as error:
        made("keep_quality", **{setting: value})
    assert told in str(error.value)


def test_the_best_of_what_repeats_stays_when_worth_alone_is_known():
    """A thumb is as good as a score."""
    pool = pool_of([GOOD, GOOD], worth=[-0.5, 0.5])
    assert made("keep_quality").shape(pool, MOMENT)["example"].tolist() == [2]
    assert np.isnan(pool["score"]).all()
