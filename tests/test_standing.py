"""What forming stands on: saved views with the rest folded on them, or the log from its first event."""

import pytest

from daemon.standing import FoldedStanding
from tests.forming_world import worlds


@pytest.fixture
def place(tmp_path):
    made, closing = worlds()
    with closing:
        place = made(tmp_path)
        place.rate_learnt(12)
        place.turn()
        place.rate(5)
        yield place


def same(one, other):
    assert one.position == other.position
    assert (one.examples.digest(), one.batches.digest()) == (other.examples.digest(), other.batches.digest())
    return True


def views_of(place):
    return place.folder / "state" / "views.db"


def folded(place, views):
    return FoldedStanding(place.log, place.source, views).now()


def test_saved_views_and_a_fold_of_the_whole_log_are_the_same(place, tmp_path):
    """With what came after they were saved."""
    place.say({"id": "more", "input": "more", "output": "4", "score": 70})
    assert same(folded(place, views_of(place)), folded(place, tmp_path / "nothing.db"))


def test_views_that_are_behind_are_folded_on(place, tmp_path):
    """They were saved, and then the daemon went on or died."""
    kept = tmp_path / "kept.db"
    kept.write_bytes(b"")
    import sqlite3

    with sqlite3.connect(views_of(place)) as now, sqlite3.connect(kept) as then:
        now.backup(then)
    now.close()
    then.close()
    place.rate(7)
    assert same(folded(place, kept), folded(place, tmp_path / "nothing.db"))


def test_views_of_another_log_are_not_taken(place, tmp_path):
    """Their event has another hash: the log is folded from its first event."""
    made, closing = worlds()
    with closing:
        other = made(tmp_path / "other")
        other.say(*({"id": f"x{n}", "input": f"{n}", "output": "x", "score": 5} for n in range(10)))
        assert same(folded(place, views_of(other)), folded(place, tmp_path / "nothing.db"))


def test_views_of_another_version_are_not_taken(place, tmp_path):
    """As after an upgrade that the daemon has not seen yet."""
    import sqlite3

    with sqlite3.connect(views_of(place)) as connection:
        connection.execute("UPDATE views SET version = 99 WHERE name = 'batches'")
    connection.close()
    assert same(folded(place, views_of(place)), folded(place, tmp_path / "nothing.db"))


def test_an_earlier_place_in_the_log_is_as_it_was(place):
    """Nothing of what came later is known there."""
    body = place.bodies("batch_formed")[0]
    standing = place.read_only().at(body["position"])
    assert standing.position == body["position"]
    assert standing.batches.listed() == []
    assert len(place.read_only().now().batches.listed()) == 1


def test_the_daemon_stands_on_its_views(place):
    """And on what stages have kept, which a reader never touches."""
    assert same(place.stands.now(), place.read_only().now())
    assert place.stands.now().memories == place.folder / "state" / "derived" / "stages"
    assert place.read_only().now().memories is None
