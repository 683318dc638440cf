"""Learn, validate, judge: the shares are kept, and the draw is the same for ever."""

from collections import Counter
from math import sqrt

import pytest

from daemon.sides import BUCKETS, JUDGE_WANTED, SIDES, Buckets, draw

SALT = bytes(range(32))
INPUTS = 40_000


def shares(salt, rated):
    buckets = Buckets(salt)
    drawn = Counter(SIDES[draw(buckets.of(b"input %d" % number), rated)] for number in range(INPUTS))
    return {side: drawn[side] / INPUTS for side in SIDES[1:]}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("rated", "expected"),
    [
        (0, {"learn": 0.5, "validate": 0.1, "judge": 0.4}),
        (JUDGE_WANTED - 1, {"learn": 0.5, "validate": 0.1, "judge": 0.4}),
        (JUDGE_WANTED, {"learn": 0.8, "validate": 0.1, "judge": 0.1}),
        (10**9, {"learn": 0.8, "validate": 0.1, "judge": 0.1}),
    ],
)
def test_the_shares_are_kept(seed, rated, expected):
    """50/10/40 until 500 judge examples are rated, 80/10/10 from then on, within four standard deviations."""
    found = shares(bytes([seed]) * 32, rated)
    for side, share in expected.items():
        assert abs(found[side] - share) < 4 * sqrt(share * (1 - share) / INPUTS), (side, found)


def test_the_shares_are_exact_over_all_buckets():
    """Counted out over every bucket there is."""
    early = Counter(draw(bucket, 0) for bucket in range(BUCKETS))
    late = Counter(draw(bucket, JUDGE_WANTED) for bucket in range(BUCKETS))
    tenth = BUCKETS / 10
    for counted, tenths in ((early, {1: 5, 2: 1, 3: 4}), (late, {1: 8, 2: 1, 3: 1})):
        assert set(counted) == {1, 2, 3}
        for side, share in tenths.items():
            assert abs(counted[side] - share * tenth) <= 1


def test_only_judge_gives_to_learn():
    """When the shares change, no bucket leaves learn or validate: what moves is judge's surplus."""
    moved = Counter((draw(bucket, 0), draw(bucket, JUDGE_WANTED)) for bucket in range(0, BUCKETS, 7))
    assert set(moved) == {(1, 1), (2, 2), (3, 3), (3, 1)}


@pytest.mark.parametrize(
    ("bucket", "early", "late"),
    [
        (0, "learn", "learn"),
        (524_287, "learn", "learn"),
        (524_288, "judge", "learn"),
        (838_860, "judge", "learn"),
        (838_861, "validate", "validate"),
        (943_718, "validate", "validate"),
        (943_719, "judge", "judge"),
        (BUCKETS - 1, "judge", "judge"),
    ],
)
def test_the_borders_are_where_they_always_were(bucket, early, late):
    """The first and last bucket of each side: pinned, since stored sides were drawn by them."""
    assert (SIDES[draw(bucket, 0)], SIDES[draw(bucket, JUDGE_WANTED)]) == (early, late)


def test_buckets_use_all_twenty_bits():
    """Every bit is as often set as not, no number is outside, and few inputs meet by chance."""
    buckets = Buckets(SALT)
    drawn = [buckets.of(b"input %d" % number) for number in range(INPUTS)]
    assert min(drawn) >= 0
    assert max(drawn) < BUCKETS == 2**20
    for bit in range(20):
        share = sum(bucket >> bit & 1 for bucket in drawn) / INPUTS
        assert abs(share - 0.5) < 4 * 0.5 / sqrt(INPUTS), bit
    meeting = INPUTS - len(set(drawn))
    assert abs(meeting - INPUTS**2 / 2 / BUCKETS) < 150


def test_an_input_has_one_bucket_for_ever():
    """The same key in the same log: the same number, in any order of asking, in this release and every later one."""
    assert [Buckets(SALT).of(key) for key in (b"", b"an input", "größer".encode())] == PINNED
    asked = Buckets(SALT)
    assert [asked.of(key) for key in ("größer".encode(), b"an input", b"")] == PINNED[::-1]


def test_another_log_draws_otherwise():
    """The salt decides: nobody can choose an input for its side."""
    one, other = Buckets(SALT), Buckets(b"\1" * 32)
    same = sum(one.of(b"%d" % number) == other.of(b"%d" % number) for number in range(1000))
    assert same < 5


PINNED = [961684, 105943, 68007]
