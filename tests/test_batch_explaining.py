"""Why an example is in a batch, or why not: at which stage, or before any."""

import itertools

import pytest

from daemon.batch_explaining import Explained, Said
from daemon.batch_telling import BatchTellings, NoSuchBatch
from daemon.event_reading import EventReader
from tests.forming_world import worlds

LEARN, JUDGE = 1, 3
NUMBERS = itertools.count()


@pytest.fixture
def world(tmp_path):
    made, closing = worlds()
    with closing:
        yield lambda **workload: made(tmp_path, **workload)


def explained(place, given, number=None):
    reader = EventReader.open(place.folder / "state")
    try:
        tellings = BatchTellings(reader, place.read_only(), place.settings, place.folder)
        return list(tellings.explain(given, number, place.clock.now()))
    finally:
        reader.close()


def on_side(place, side, **fields):
    """An output on that side, by its id; and its number."""
    for event_id in map("s{}".format, NUMBERS):
        place.say({"id": event_id, "input": event_id, "output": "4"} | fields)
        columns = place.views.examples.resolved("seq", "side")
        newest = columns["seq"].argmax()
        if columns["side"][newest] == side:
            return event_id, int(columns["seq"][newest])
    raise AssertionError("the numbers have no end")


def test_what_was_learnt_has_its_reasons_from_the_log(world):
    """Weight, how often before, what was derived from it, and what each stage said."""
    place = world()
    place.rate_learnt(12)
    place.turn()
    (body,) = place.bodies("batch_formed")
    source = body["rows"]["derived_from"][-1]
    weight = body["rows"]["weight"][body["rows"]["example"].index(source)]
    said = (Said("weigh", "0.00 days old"),)
    assert explained(place, str(source)) == [Explained("sums", 1, source, True, weight, 0, 1, said)]


def test_feedback_leads_to_its_output(world):
    """Whoever has the id of what was said need not know that of the output."""
    place = world(stages=("weigh",))
    event_id, seq = on_side(place, LEARN, score=90)
    place.say({"id": "later", "output_id": event_id, "thumb": "up"})
    assert [one.output for one in explained(place, "later")] == [seq]


def test_what_was_left_out_names_the_stage_and_its_reason(world):
    """By forming the batch again; also in what would be learnt now."""
    place = world()
    event_id, _ = on_side(place, LEARN, score=12)
    place.rate_learnt(10)
    (now,) = explained(place, event_id)
    assert (now.batch, now.there, now.why_not) == (None, False, "left out by keep_good: score 12")
    place.turn()
    (then,) = explained(place, event_id, 1)
    assert (then.batch, then.why_not) == (1, "left out by keep_good: score 12")


def test_what_no_stage_was_asked_about_says_why(world):
    """Held out, held apart, unrated, taken back, of another type: each in its own words."""
    place = world(artifact_types=("sums",))
    held = on_side(place, JUDGE, score=90, artifact_type="sums", episode="e 1")[0]
    reasons = {
        held: "held out: it is on the judge side, from which nothing is learnt",
        on_side(place, LEARN, implicit="copy", artifact_type="sums")[0]: "unrated: the workload needs score or up or "
        "down or correction, and nothing of these stands",
        on_side(place, LEARN, score=90, artifact_type="sums", episode="e 1")[0]: "held apart: its episode has a "
        "held-out example too",
        on_side(place, LEARN, score=90)[0]: "its artifact type is not given, expected sums",
        on_side(place, LEARN, score=90, artifact_type="erd")[0]: "its artifact type is erd, expected sums",
    }
    back, _ = on_side(place, LEARN, score=91, artifact_type="sums")
    place.say({"id": "back", "retracts": back})
    reasons[back] = "its output was taken back"
    assert {given: explained(place, given)[0].why_not for given in reasons} == reasons


def test_what_came_after_a_batch_was_not_there(world):
    """And no stage is blamed."""
    place = world()
    place.rate_learnt(10)
    place.turn()
    event_id, _ = on_side(place, LEARN, score=90)
    assert explained(place, event_id, 1)[0].why_not == "its output came after this batch was formed"


def test_a_batch_that_cannot_be_formed_again_says_so(world):
    """Rather than a guess by what is configured now."""
    place = world()
    event_id, _ = on_side(place, LEARN, score=12)
    place.rate_learnt(10)
    place.turn()
    place.follow(stages=("weigh",))
    told = "at which stage it was left out cannot be said. Changed since: the stages"
    assert explained(place, event_id, 1)[0].why_not == told


def test_what_is_no_example_is_told(world):
    """An id that is nowhere, an event about nothing, a number without a batch."""
    place = world()
    place.rate(1)
    place.turn()
    with pytest.raises(NoSuchBatch, match="'nobody' is no event in "):
        explained(place, "nobody")
    with pytest.raises(NoSuchBatch, match="'2' is about no output that has come in "):
        explained(place, "2")
    with pytest.raises(NoSuchBatch, match=r"no batch 7 in .*`adaptd batch list` shows those that there are"):
        explained(place, "1", 7)
