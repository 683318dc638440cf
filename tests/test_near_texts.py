"""Which inputs are nearly equal: found among many, page by page, and as it was known earlier."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon import near_pairs, near_texts
from daemon.near_pairs import Written
from daemon.near_texts import EDGE, NearTexts, near_to, together
from tests.derived_world import sentence
from tests.test_near_pairs import WAYS, of_a_long_text, of_a_template, slowly_near

NONE = Written(np.empty(0, np.int64), np.empty((0, 25), np.uint32), np.empty((0, 128), np.uint8))


class Kept:
    """Texts and edges in memory, as the files keep them."""

    def __init__(self):
        self.written, self.edges, self.seq = NONE, np.empty(0, EDGE), 0
        self.near = NearTexts(NONE, self.edges)

    def take(self, *texts):
        seqs = np.arange(self.seq + 1, self.seq + 1 + len(texts))
        self.seq += len(texts)
        numbers, new, edges = self.near.take(texts, seqs)
        self.written = Written(*(np.concatenate(both) for both in zip(self.written, new, strict=True)))
        self.edges = np.concatenate((self.edges, edges))
        self.near.grown(self.written)
        return numbers.tolist()

    def opened_again(self):
        self.near = NearTexts(self.written, self.edges)
        return self

    def groups(self, position=None):
        return together(len(self.written.keys), self.edges, position or self.seq).tolist()


def varied(text, rng, letters=1):
    """The same with a few letters changed."""
    place = [rng.randrange(len(text)) for _ in range(letters)]
    return "".join("#" if number in place else letter for number, letter in enumerate(text))


def test_equal_texts_are_one():
    """Case and spacing do not count; a text that came before keeps its number."""
    kept = Kept()
    assert kept.take("A parcel  for you", "another thing altogether", "a PARCEL for you") == [0, 1, 0]
    assert kept.opened_again().take("a parcel for you ", "third") == [0, 2]
    assert len(kept.edges) == 0


def test_texts_are_compared_with_those_rows_alone_that_are_asked_for():
    """Every varied text finds its original where that row is among them."""
    rng, kept = random.Random(3), Kept()
    texts = [sentence(number) for number in range(300)]
    kept.take(*texts)
    asked = [varied(text, rng) for text in texts]
    even = np.arange(0, 300, 2)
    assert near_to(asked, kept.written, np.arange(300)).all()
    assert np.flatnonzero(near_to(asked, kept.written, even)).tolist() == even.tolist()
    assert not near_to(asked, kept.written, even[:0]).any()


def test_near_texts_belong_together_across_pages_and_starts():
    """Every one of a thousand varied texts finds its original; texts that are far stay alone."""
    rng, kept = random.Random(1), Kept()
    texts = [sentence(number) for number in range(1000)]
    kept.take(*texts[:500])
    kept.take(*texts[500:])
    numbers = kept.opened_again().take(*(varied(text, rng) for text in texts))
    assert kept.groups()[:1000] == list(range(1000))
    assert [kept.groups()[number] for number in numbers] == list(range(1000))


def test_within_one_page_too():
    """A page is no boundary."""
    text = sentence("x")
    kept = Kept()
    kept.take(text, sentence("y"), varied(text, random.Random(2)))
    assert kept.groups() == [0, 1, 0]


def test_what_is_near_to_what_is_near_belongs_together_and_few_pairs_are_kept():
    """A chain is one; a crowd is joined by one pair less than it has members."""
    base = sentence("crowd", words=20)
    kept = Kept()
    for start in range(0, 60, 20):
        kept.take(*(f"{base} number {number}" for number in range(start, start + 20)))
    assert set(kept.groups()) == {0}
    assert len(kept.edges) == len(kept.written.keys) - 1 > 10


def test_an_earlier_place_in_the_log_knows_less():
    """Texts belong together from the event on that brought the later one."""
    text = sentence("x")
    kept = Kept()
    kept.take(text)
    kept.take(sentence("y"), varied(text, random.Random(3)))
    assert kept.groups(2) == [0, 1, 2]
    assert kept.groups(3) == [0, 1, 0]


def slow_edges(written):
    """Text by text: all before it that it is near to, a pair for each group of these, and what is together then."""
    group, edges, together_then = [], [], []
    for text in range(len(written.keys)):
        group.append(text)
        near = [other for other in range(text) if slowly_near(written, text, written, other)]
        for root in sorted({group[other] for other in near}):
            edges.append((text, root))
            low, high = sorted((root, group[text]))
            group = [low if one == high else one for one in group]
        together_then.append(list(group))
    return edges, together_then


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 999),
    slots=st.integers(0, 14),
    templates=st.integers(0, 3),
    pages=st.lists(st.integers(1, 20), min_size=2, max_size=4),
)
def test_the_pairs_that_join_are_those_of_all_pairs_text_by_text(way, seed, slots, templates, pages):
    """Whichever way near ones are found, in whatever pages: the same pairs, and the same groups at every position."""
    count, numbers, kept = sum(pages), [], Kept()
    texts = of_a_template(seed, count, slots, templates) if templates else of_a_long_text(seed, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_texts, "_BLOCK", 11)
        for name, value in WAYS[way].items():
            patch.setattr(near_pairs, name, value)
        for page in pages:
            numbers += kept.take(*texts[len(numbers) : len(numbers) + page])
    edges, groups = slow_edges(kept.written)
    assert list(zip(kept.edges["newer"].tolist(), kept.edges["older"].tolist(), strict=True)) == edges
    came = [numbers.index(text) + 1 for text in range(len(groups))]  # the event that brought each
    assert [kept.groups(seq)[: text + 1] for text, seq in enumerate(came)] == groups


def test_a_heap_that_all_meets_is_one_group():
    """Thousands of one template: joined by one pair less than they are, before and after a new start."""
    base = sentence("heap", words=30)
    texts = [f"{base} {number:05}" for number in range(3000)]
    kept = Kept()
    kept.take(*texts[:1500])
    kept.opened_again().take(*texts[1500:])
    assert set(kept.groups()) == {0}
    assert len(kept.edges) == len(kept.written.keys) - 1


def test_texts_below_the_threshold_stay_apart():
    """Half of the words changed."""
    one = sentence("a", words=16)
    words = one.split()
    other = " ".join(words[:8] + sentence("b", words=8).split())
    kept = Kept()
    kept.take(one, other)
    assert kept.groups() == [0, 1]


def test_an_erased_text_meets_nobody():
    """Its row is zeros; the numbers of others stay."""
    kept = Kept()
    kept.take(sentence("x"), sentence("y"))
    for part in kept.written:
        part[0] = 0
    assert kept.opened_again().take(sentence("x"), sentence("y")) == [2, 1]
    assert kept.groups() == [0, 1, 2]
