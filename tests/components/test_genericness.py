"""Generic is what many different inputs got; a label set is not, nor are answers to one question."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.genericness import beyond, closed_set, inputs_per_output, other_inputs, repeats, unquoted


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40))
def test_inputs_are_counted_per_output(rows):
    """Equal to a set per output."""
    of_input, of_output = (np.array([row[side] for row in rows], dtype=np.int64) for side in (0, 1))
    slow = [len({i for i, o in rows if o == output}) for _, output in rows]
    assert inputs_per_output(of_input, of_output).tolist() == slow


def test_the_same_question_asked_again_does_not_make_its_answer_generic():
    """Near-equal inputs count once."""
    inputs = ["Where is my parcel now?", "where is my parcel now", "Where is my parcel now?!", "Who are you?"]
    assert other_inputs(inputs, ["It is in the post at Hull."] * 4).tolist() == [1, 1, 1, 1]


def test_a_template_with_the_question_put_in_is_seen_through():
    """Without the question's own words the outputs are the same; told to keep them, they are not."""
    asked = ["pension taxation rules", "sourdough bakery hygiene", "glacier kayak tours", "violin lesson prices"]
    outputs = [
        f"Great question about {one}! There are many factors, and it all depends on your needs." for one in asked
    ]
    assert other_inputs(asked, outputs).tolist() == [3, 3, 3, 3]
    assert other_inputs(asked, outputs, beyond_input=[False] * 4).tolist() == [0, 0, 0, 0]


def test_a_template_that_quotes_a_long_question_is_seen_through():
    """Long questions share common words with the template, and short words stay: what they quote is left out whole."""
    asked = [
        "write a letter to my landlord about the best way to keep the heating going in winter",
        "explain in three short sentences why it is that the sky is blue at noon and red when the sun goes down",
        "list all of the important practices that a small bakery may want to have in mind when it hires early risers",
        "give me a plan for a trip of ten days to the north of Norway with two children and a dog",
    ]
    outputs = [
        f"When it comes to {one}, it is important to keep best practices in mind and act early." for one in asked
    ]
    assert other_inputs(asked, outputs).tolist() == [3, 3, 3, 3]


def test_only_runs_of_three_words_count_as_quoted():
    """Marks around a word do not matter; where little is left, or nothing is quoted, the whole output stands."""
    asked = "how old is the town hall"
    assert unquoted(asked, "You ask how old is the town hall: it was built before anybody could write") == (
        "you ask it was built before anybody could write"
    )
    for made in ("The town is old, and it was built by people who could write", "How old is the town hall? Old."):
        assert unquoted(asked, made) == made


def test_what_is_left_of_a_short_output_is_not_compared():
    """Where little is left, the whole output stands."""
    assert beyond("Draw a shop", "A shop, drawn.") == "A shop, drawn."
    assert beyond("Draw the shop", "The shop sells eleven kinds of cheese on weekdays") == (
        "the sells eleven kinds of cheese on weekdays"
    )


def test_many_labels_are_a_closed_set_from_the_first_day_on():
    """260 answers in 150 labels say few of them four times; one in twenty may be long, one in ten may not."""
    rng = np.random.default_rng(4)
    labels = [f"label {chr(97 + place % 26)}{place}" for place in rng.integers(0, 150, 260)]
    inputs = [" ".join(rng.choice(list("abcdefghij"), 12)) + f" {number}" for number in range(260)]
    others = other_inputs(inputs, labels)
    assert (others >= 3).mean() < 0.6
    assert closed_set(labels, others)
    long = "an answer in a whole sentence, which nobody would take for a label {}"
    slips = [long.format(number) if number % 21 == 0 else label for number, label in enumerate(labels)]
    assert closed_set(slips, others)
    assert not closed_set([long.format(n) if n % 9 == 0 else one for n, one in enumerate(labels)], others)
    assert not closed_set([f"{label} {number}" for number, label in enumerate(labels)], np.zeros(260, np.int64))


def test_labels_are_a_closed_set_and_chatter_is_not():
    """Short texts that nearly all rows share; one third of dull replies is no label set; nor are long templates."""
    labels, others = ["neither", "hate", "offensive"] * 30, np.full(90, 29)
    assert closed_set(labels, others)
    assert not closed_set(labels, np.where(np.arange(90) < 40, 29, 0))
    assert not closed_set(["a long template that is said to every single customer"] * 90, others)
    assert not closed_set([], np.zeros(0, dtype=np.int64))


def test_of_repetitions_the_best_ranked_stays():
    """Near-equal input and output repeat each other; the lowest rank is kept, whatever its place."""
    inputs = ["Draw the shop", "draw the  SHOP", "Draw the zoo, please", "Draw the shop"]
    outputs = ["A nice drawing of it", "a nice drawing of it", "A nice drawing of it", "Something else entirely"]
    assert repeats(inputs, outputs, np.array([5, 1, 2, 3])).tolist() == [1, -1, -1, -1]
    assert repeats([], [], np.zeros(0, dtype=np.int64)).tolist() == []


def test_other_figures_are_no_repetition():
    """A sum with another number is another example, however alike the texts are."""
    inputs = [f"What is the sum of the numbers twelve thousand and {n}, please?" for n in (15, 16, 15)]
    assert repeats(inputs, ["It is so and so, as you can see for yourself."] * 3, np.arange(3)).tolist() == [-1, -1, 0]


LONG = "ask about the very long way that leads from here to the house with the number "


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask a", LONG + "1", LONG + "2"]), st.sampled_from(["say a", "say b"])), max_size=20
    ),
    st.integers(0, 99),
)
@settings(deadline=None)
def test_one_of_each_repetition_stays(rows, seed):
    """Of every pair exactly one row repeats nothing, the one of the lowest rank, and the others repeat it.

    Near inputs with other figures are another pair.
    """
    rank = np.random.default_rng(seed).permutation(len(rows))
    first = repeats([i for i, _ in rows], [o for _, o in rows], rank).tolist()
    for row, pair in enumerate(rows):
        same = [other for other, one in enumerate(rows) if one == pair]
        best = min(same, key=lambda other: rank[other])
        assert first[row] == (-1 if row == best else best)


@pytest.mark.parametrize("text", ["", "x" * 1_000_000, "😀 Straße 図"])
def test_any_text_has_a_genericness(text):
    """Empty, a megabyte, emoji."""
    assert other_inputs(["a", "b", text], [text, text, "other"]).tolist() == [1, 1, 0]
