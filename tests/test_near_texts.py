"""Which inputs are nearly equal: found among many, page by page, and as it was known earlier."""

import random

import numpy as np

from daemon.near_texts import EDGE, NearTexts, Written, _met, near_to, together
from tests.derived_world import sentence

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


def test_a_heap_that_all_meets_is_looked_at_in_halves():
    """Too many pairs for one look; no pair is lost by it."""
    bands = np.ones((1200, 25), np.uint32)
    assert _met(bands, bands) is None
    newer, older = _met(bands[:1], bands)
    assert len(newer) == len(older) == 1200
    base = sentence("heap", words=30)
    kept = Kept()
    kept.take(*(f"{base} {number:05}" for number in range(1500)))
    assert set(kept.groups()) == {0}


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
