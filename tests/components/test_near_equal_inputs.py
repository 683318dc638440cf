"""Inputs that ask the same thing are found, and inputs that only look alike are not."""

from __future__ import annotations

import gzip
import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import near_equal_inputs
from components.near_equal_inputs import (
    ALIKE,
    MOST_FILLINGS,
    SHORTEST_WORD,
    equality_key,
    group_inputs,
    spelt_alike,
    worked_example,
)

CLINC = Path(__file__).resolve().parents[3] / "shared" / "data" / "clinc150.jsonl.gz"

SAME = [
    ("Where is my order?", "where is  my ORDER"),
    ("«Bonjour» !", "bonjour!"),
    ("Ｆｕｌｌ width", "full width"),
    ("I can’t pay", "i can't pay"),
    ("how do i appreciate it", "how do i appeciate it."),
    ("my credit rating", "my credit ratings"),
    ("Wo ist meine Bestellung", "wo ist meine Bestelung"),
    ("где мой заказик", "где мой заказики"),
    ("Schöne Straße", "SCHÖNE STRASSE"),
    ("你好吗？", "你好吗"),
    ("thanks 🙂", "Thanks 🙂"),
]
DIFFERENT = [
    ("turn the light on", "turn the light off"),
    ("ship order 1041", "ship order 1042"),
    ("ship order12345", "ship order12346"),
    ("increase my limit", "decrease my limit"),
    ("you should go", "you shouldn't go"),
    ("i can pay", "i can't pay"),
    ("is this legal", "is this illegal"),
    ("is that typical", "is that atypical"),
    ("meet me tuesday", "meet me thursday"),
    ("import the file", "export the file"),
    ("dog bites man", "man bites dog"),
    ("my custmer orders", "my customer order"),  # two slips are too many
    ("how do i receive it", "how do i recieve it"),  # a swap is two slips: «trial» is not «trail»
    ("我可以退货", "我不以退货"),
    ("🙂", "🙁"),
    ("", "?"),
    ("paris in spring", "pairs in spring"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_question_is_found(one, other) -> None:
    """Case, spacing, width, marks at the ends of words, and one slip of the pen do not matter."""
    assert group_inputs([one, other]).tolist() == [0, 0]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_question_is_kept_apart(one, other) -> None:
    """Numbers, opposites, negations, order, and scripts without capitals stay exact."""
    assert group_inputs([one, other]).tolist() == [0, 1]


def test_groups_are_numbered_by_first_appearance() -> None:
    """And equality alone joins when near-equality is switched off."""
    texts = ["b", "my ordeer here", "B!", "my order here", "a"]
    assert group_inputs(texts).tolist() == [0, 1, 0, 1, 2]
    assert group_inputs(texts, near=False).tolist() == [0, 1, 0, 2, 3]


def test_nearness_is_carried_on() -> None:
    """What is near to what is near belongs to one group, whatever the order."""
    assert set(group_inputs(["the customr said", "the customer said", "the customers said"]).tolist()) == {0}


def slowly_grouped(texts: list[str]) -> list[int]:
    """Every text against every other, by the rule as it is written down."""
    keys = [equality_key(text) for text in texts]
    groups = list(range(len(texts)))

    def near(one: str, other: str) -> bool:
        a, b = one.split(" "), other.split(" ")
        differing = [(x, y) for x, y in zip(a, b, strict=False) if x != y]
        return one == other or (len(a) == len(b) and len(differing) == 1 and spelt_alike(*differing[0]))

    for _ in texts:  # as often as a chain can be long
        for one, other in combinations(range(len(texts)), 2):
            if near(keys[one], keys[other]):
                groups[one] = groups[other] = min(groups[one], groups[other])
    order = list(dict.fromkeys(groups))
    return [order.index(group) for group in groups]


words = st.sampled_from(
    ["order", "orders", "orderz", "ordeer", "other", "receive", "recieve", "on", "off", "1", "?", "🙂"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(words, max_size=4).map(" ".join), max_size=9))
def test_groups_are_those_of_comparing_all_with_all(texts) -> None:
    """The hashes of masked sentences find exactly the pairs that the rule names."""
    assert group_inputs(texts).tolist() == slowly_grouped(texts)


def test_another_initial_is_another_word() -> None:
    """However alike the rest is: a prefix often turns a word into its opposite."""
    assert not spelt_alike("typical", "atypical")
    assert spelt_alike("typical", "typicall")


def test_colliding_hashes_join_nothing(monkeypatch) -> None:
    """Were all hashes equal, the texts themselves would still decide."""
    monkeypatch.setattr(near_equal_inputs, "_scrambled", lambda values: values * 0)
    texts = ["ship my orders", "ship your order today", "ship my order", "orders", "order my shipment", "ordre"]
    assert group_inputs(texts).tolist() == slowly_grouped(texts) == [0, 1, 0, 2, 3, 4]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_texts_does_not_matter(texts, chance) -> None:
    """Shuffled texts fall into the same groups, whatever letters they are made of."""
    order = list(range(len(texts)))
    chance.shuffle(order)
    groups, shuffled = group_inputs(texts), group_inputs([texts[place] for place in order])
    for one, other in combinations(range(len(order)), 2):
        assert (shuffled[one] == shuffled[other]) == (groups[order[one]] == groups[order[other]])


@settings(max_examples=200, deadline=None)
@given(st.text("abcdeé", max_size=9), st.text("abcdeé", max_size=9))
def test_spelling_is_rapidfuzz_ratio(one, other) -> None:
    """Words of five letters or more with the same initial are alike from a ratio of 0.87 on."""
    fuzz = pytest.importorskip("rapidfuzz.fuzz", reason="the peer that the ratio is pinned to")
    long_enough = min(len(one), len(other)) >= SHORTEST_WORD
    expected = long_enough and one[0] == other[0] and fuzz.ratio(one, other) / 100 >= ALIKE
    assert spelt_alike(one, other) == expected


def test_a_place_with_too_many_fillings_is_a_slot() -> None:
    """Beyond 300 words of one initial in one place nothing is joined: they are names or codes."""
    names = [f"my name is b{chr(97 + i % 26)}{chr(97 + i // 26)}lington" for i in range(MOST_FILLINGS + 1)]
    few, many = group_inputs(names[:40]), group_inputs(names)
    assert len(set(many.tolist())) == len(names)
    assert len(set(few.tolist())) < 40


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["x" * 1_000_000, "X" * 1_000_000], ["word " * 200_000] * 2])
def test_short_and_huge_texts(texts) -> None:
    """Nothing, an empty text, a megabyte: each has a group, and equal ones share it."""
    assert group_inputs(texts).tolist() == [0] * len(texts)


def test_the_work_grows_with_the_words(monkeypatch) -> None:
    """Of two thousand texts only those that share all but one word are looked at side by side."""
    looked_at = []
    monkeypatch.setattr(near_equal_inputs, "spelt_alike", lambda one, other: looked_at.append((one, other)) or False)
    group_inputs([f"customer {chr(97 + i % 26)}{i:06d} wants parcel number {i}" for i in range(2000)])
    assert looked_at == []
    group_inputs([f"the parcel of mister {chr(97 + i % 26)}{chr(97 + i // 26)}wordy" for i in range(26 * 26)])
    assert len(looked_at) == 26 * (26 * 25 // 2)  # within each initial alone


@pytest.mark.skipif(not CLINC.exists(), reason="CLINC150 is not at hand")
def test_on_real_questions_near_equal_ones_share_their_intent() -> None:
    """Of CLINC150's 23,700 questions, what near-equality joins has one intent, with at most one exception in twenty."""
    with gzip.open(CLINC, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    groups = group_inputs([row["text"] for row in rows])
    intents: dict[int, set[str]] = {}
    texts: dict[int, set[str]] = {}
    for row, group in zip(rows, groups.tolist(), strict=True):
        intents.setdefault(group, set()).add(row["label"])
        texts.setdefault(group, set()).add(equality_key(row["text"]))
    joined = [group for group, own in texts.items() if len(own) > 1]
    assert len(joined) >= 10
    assert sum(len(intents[group]) > 1 for group in joined) <= len(joined) / 20


def test_the_worked_example_fits_a_terminal() -> None:
    """No line is wider than 80 columns."""
    assert max(map(len, worked_example().splitlines())) <= 80
