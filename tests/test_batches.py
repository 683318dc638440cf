"""What a batch's hashes cover, held against the obvious way, and what its body may hold."""

import json
from hashlib import blake2b

import numpy as np
import pytest

from adaptd.plugin import Pool
from daemon.batches import (
    RowHashes,
    contents_of,
    hash_over,
    in_words,
    reasons_of,
    said_of_row,
    seed_of,
    standing_feedback,
)
from tests.forming_world import worlds


@pytest.fixture
def place(tmp_path):
    made, closing = worlds()
    with closing:
        yield made(tmp_path)


def slow_hash(place, example, weight, text=None, source=None):
    """Event by event: what the output says, then the feedback that nobody took back, oldest first."""
    rows = {row[0]: row for row in place.log.read_after(0, 1000, ("seq", "content", "body", "id", "output_key"))}
    bodies = {seq: json.loads(row[2]) for seq, row in rows.items()}
    output = source or example
    gone = {named for body in bodies.values() for named in (body.get("retracts"), body.get("supersedes")) if named}
    stands = [
        seq
        for seq, row in rows.items()
        if row[4] == rows[output][4] and seq != output and row[3] not in gone and "retracts" not in bodies[seq]
    ]
    salt = place.log.salt
    contents = [
        row[1].hex() if row[1] is not None else blake2b(row[2].encode(), key=salt, digest_size=16).hexdigest()
        for row in (rows[seq] for seq in (output, *stands))
    ]
    value = json.dumps([example, output, contents, round(weight, 9), text], separators=(",", ":"), sort_keys=True)
    return blake2b(value.encode(), key=salt, digest_size=16).hexdigest()


def hashes(place, pool):
    return RowHashes(place.log, place.views.examples._examples()).of_pool(pool)


def test_a_rows_hash_is_over_output_feedback_and_weight(place):
    """Sealed or not, inline or apart, revised and taken back: as the slow way has it."""
    place.rate(3)
    place.rate(2, subject="patient 1")
    place.say(
        {"id": "f1", "output_id": "o0", "score": 1, "rater": "ann"}, {"id": "f2", "output_id": "o0", "thumb": "up"}
    )
    place.say({"id": "f3", "output_id": "o0", "score": 2, "supersedes": "f1", "rater": "ann"})
    place.say({"id": "f4", "retracts": "f2"}, {"id": "f5", "output_id": "o3", "thumb": "down"})
    pool = Pool.of({"example": [1, 2, 3, 4, 5], "weight": [1.0, 0.25, 1 / 3, 2.0, 1.0]})
    weights = pool["weight"].tolist()
    assert hashes(place, pool) == [slow_hash(place, seq, weights[seq - 1]) for seq in range(1, 6)]
    assert standing_feedback(place.views.examples._examples(), np.array([1]))[1].tolist() == [1, 8]


def test_a_derived_rows_hash_is_over_its_source_and_its_text(place):
    """So that another text is another row."""
    place.rate(2)
    pool = Pool.of({"example": [1, 2]}).derive([1], [{"input": "1 AND 1?"}], "say_again", "in capitals")
    other = Pool.of({"example": [1, 2]}).derive([1], [{"input": "one and one?"}], "say_again", "in capitals")
    assert hashes(place, pool)[2] == slow_hash(place, -2, 1.0, {"input": "1 AND 1?"}, source=2)
    assert hashes(place, pool)[:2] == hashes(place, other)[:2]
    assert hashes(place, pool)[2] != hashes(place, other)[2]


def test_more_feedback_is_another_hash(place):
    """And the same rows in another order are another batch."""
    place.rate(2)
    pool = Pool.of({"example": [1, 2]})
    before = hashes(place, pool)
    place.say({"id": "more", "output_id": "o1", "thumb": "up"})
    after = hashes(place, pool)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]
    assert hash_over(b"salt", before) != hash_over(b"salt", before[::-1])


def test_contents_of_events_are_the_logs_own_hashes_or_those_of_bodies(place):
    """Wherever in the log they stand; only what is sealed has a hash of its own."""
    place.rate(200)
    place.rate(2, subject="patient 1")
    seqs = np.array([1, 90, 199, 201, 202])
    rows = {seq: told for seq, *told in place.log.read_after(0, 1000, ("seq", "content", "body"))}
    slow = {
        seq: content.hex() if content else blake2b(body.encode(), key=place.log.salt, digest_size=16).hexdigest()
        for seq, (content, body) in rows.items()
    }
    assert [rows[seq][0] is None for seq in seqs.tolist()] == [True, True, True, False, False]
    assert contents_of(place.log, seqs) == {seq: slow[seq] for seq in seqs.tolist()}
    assert contents_of(place.log, seqs[:0]) == {}


def test_reasons_are_kept_of_the_rows_that_are_left():
    """With their places and figures; what is no number is told as a text, what is not finite as nothing."""
    pool = Pool.of({"example": [5, 6, 7]})
    pool = pool.because("a", "{0:.1f} of {1}", [0, 2], [0.5, 1.0, np.nan], np.array(["x", "y", "somebody"]))
    pool = pool.keep([False, True, True], "b", "gone").take([1, 0])
    (reason,) = reasons_of(pool)
    assert reason == {
        "stage": "a",
        "words": "{0:.1f} of {1}",
        "rows": [0],
        "values": [[None], ["(text)"]],
    }
    assert said_of_row({"reasons": [reason]}, 0) == [("a", "nan of (text)")]
    assert said_of_row({"reasons": [reason]}, 1) == []
    assert reasons_of(Pool.of({"example": []})) == []


def test_words_that_do_not_fit_their_figures_stand_as_they_are():
    """A stage of somebody's may have said anything."""
    assert in_words("{0} and {1}", [1]) == "{0} and {1}"
    assert in_words("{nobody}", [1]) == "{nobody}"


def test_the_seed_is_the_logs_own(place):
    """Another workload, number or log has another."""
    seeds = {seed_of(b"salt", "a", 1), seed_of(b"salt", "a", 2), seed_of(b"salt", "b", 1), seed_of(b"other", "a", 1)}
    assert len(seeds) == 4
    assert seed_of(b"salt", "a", 1) == seed_of(b"salt", "a", 1)
