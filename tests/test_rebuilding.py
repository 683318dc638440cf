"""Whether a batch is what the log says of it: formed again where that can be, else row by row."""

import json
import sqlite3

import pytest

from daemon import forgetting
from daemon.clock_and_chance import SeededChance
from daemon.rebuilding import Checked, check
from tests.forming_world import DAY, worlds
from tests.test_stage_line import write_stage
from tests.test_stage_memory import REMEMBERS


@pytest.fixture
def world(tmp_path):
    made, closing = worlds()
    with closing:
        yield lambda **workload: made(tmp_path, **workload)


def formed(place, rows=12, **fields):
    """A world with one batch."""
    place.rate_learnt(rows, **fields)
    place.turn()
    return place


def checked(place, number=1):
    return check(number, place.read_only(), place.settings, place.folder)


def test_after_three_more_days_of_feedback_it_is_formed_again_equal(world):
    """What was said since, also of its own examples, changes nothing."""
    place = formed(world())
    for day in range(3):
        place.clock.advance(seconds=DAY)
        place.rate_learnt(6)
        place.say(*({"id": f"d{day}/{n}", "output_id": f"o{n}", "score": 1} for n in range(10)))
        place.turn(f"2026-11-2{6 + day}")
    assert checked(place) == Checked(1, 14, None, [], [], [], hash_holds=True)
    assert len(place.bodies("batch_formed")) == 2
    assert checked(place, 2).ok
    assert checked(place, 3) is None


def test_with_other_settings_the_stored_rows_are_checked(world):
    """And it is said why; a derived example's text is not in the log."""
    place = formed(world())
    place.follow(stage={"keep_good": {"amount": 70.0}}, artifact_types=("sums",))
    found = checked(place)
    assert found == Checked(
        1, 14, "changed since: artifact_types, the settings of stage keep_good", [], [], [12, 13], hash_holds=True
    )
    assert found.ok


def test_so_they_are_with_other_code(world, tmp_path):
    """Of a stage or of the workload."""
    place = formed(world())
    write_stage(tmp_path, "weigh", "return pool")
    path = tmp_path / "plugins" / "workloads" / "echo.py"
    path.write_text(path.read_text() + "\n")
    assert checked(place).why_not == "changed since: the code of workload echo, the code of stage weigh"
    place.follow(stages=("keep_good",))
    assert checked(place).why_not == "changed since: the code of workload echo, the stages"


def test_so_they_are_with_other_embeddings(world):
    """They decide what is near to what."""
    place = formed(world())
    place.derived.fingerprint = "another"
    assert checked(place).why_not == "changed since: embeddings"


def test_a_workload_that_is_gone_does_not_hide_its_batches(world):
    """The rows stand on the log alone."""
    from daemon.settings import Settings

    place = formed(world())
    place.settings = Settings()
    found = checked(place)
    assert (found.why_not, found.ok) == ("workload 'sums' is configured no more", True)


def test_rows_of_a_forgotten_subject_are_listed_and_are_no_fault(world):
    """What a stage read of them cannot be read again, so that the batch is not formed again."""
    place = world(stages=("keep_good", "weigh"))
    place.rate_learnt(9)
    for number in range(20):
        place.rate(1, subject=f"patient {number}")
    place.turn()
    rows = place.bodies("batch_formed")[0]["rows"]["example"]
    assert checked(place) == Checked(1, len(rows), None, [], [], [], hash_holds=True)
    ((pseudonym,),) = place.log.read_after(rows[10] - 1, 1, ("subject",))
    subject = place.state.sealing.subject_of(pseudonym)
    forgetting.forget(place.state, subject, place.clock.now(), SeededChance(9))
    found = checked(place)
    assert found.why_not == "a subject was forgotten since, whose texts a stage may have read"
    assert (found.forgotten, found.wrong, found.ok) == ([10], [], True)


def test_what_stages_remember_goes_when_somebody_is_forgotten(world, tmp_path):
    """It may hold anybody's words; it is made again from what is left."""
    write_stage(tmp_path, "remembers", "return pool", REMEMBERS)
    place = formed(world(stages=("remembers",)))
    kept = tmp_path / "state" / "derived" / "stages"
    assert list(kept.rglob("*.memory"))
    assert checked(place).why_not is None
    place.rate(1, subject="patient 17")
    forgetting.forget(place.state, "patient 17", place.clock.now(), SeededChance(9))
    assert not kept.exists()
    place.rate_learnt(10)
    place.turn()
    assert list(kept.rglob("*.memory"))


def test_a_memory_that_depends_on_how_it_was_fed_is_told(world, tmp_path):
    """Fed page by page it is another than fed from the first example: the stored rows are checked instead."""
    counts = REMEMBERS.replace('",".join(map(str, sorted(set(self.heard)))).encode()', "b'%d' % self.pages")
    counts = counts.replace(
        'tuple(int(word) for word in memory.decode().split(","))', "()\n        self.pages = int(memory)"
    )
    write_stage(tmp_path, "remembers", "return pool", counts)
    place = formed(world(stages=("remembers",)))
    place.rate_learnt(10)
    place.turn()
    assert checked(place).why_not is None
    assert checked(place, 2).why_not == (
        "what stage remembers remembers, fed from the first example, is not what it was"
    )
    place.rate_learnt(10)
    place.turn()
    assert len(place.bodies("batch_formed")) == 3
    place.reopen()
    assert not isinstance(place.forming.rebuild(3), str)  # the kept memory stands at its position


def test_a_stage_that_is_not_what_it_seems_is_found_out(world, tmp_path):
    """It looks at something else than pool and moment: the same code gives another batch."""
    aside = tmp_path / "aside"
    aside.write_text("60")
    work = f'return pool.keep(pool["score"] >= float(np.loadtxt("{aside}")), self.name, "not today")'
    place = world(stages=("moody",))
    write_stage(tmp_path, "moody", work)
    place.rate_learnt(20)
    place.turn()
    aside.write_text("70")
    found = checked(place)
    assert found.wrong
    assert not found.ok
    place.reopen()
    assert place.forming.rebuild(1) == "batch 1: formed again it has other rows"


def altered(place, seq, **changes):
    """Somebody writes into the log past its triggers."""
    place.close()
    path = place.folder / "state" / "events.db"
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER events_are_never_changed")
        ((body,),) = connection.execute("SELECT body FROM events WHERE seq = ?", (seq,))
        text = json.dumps(json.loads(body) | changes)
        connection.execute("UPDATE events SET body = ? WHERE seq = ?", (text, seq))
    connection.close()
    place.open()


def test_a_changed_event_shows_in_the_rows_that_stand_on_it(world):
    """In both ways of checking, with its place."""
    place = formed(world())
    (body,) = place.bodies("batch_formed")
    altered(place, body["rows"]["example"][3], output="something else")
    assert checked(place).wrong == [3]
    place.follow(stages=("keep_good",))
    found = checked(place)
    assert (found.wrong, found.hash_holds, found.ok) == ([3], True, False)


def test_a_changed_batch_shows_in_its_hash(world):
    """Where its rows were changed to fit."""
    place = formed(world(stages=("keep_good",)))
    (seq,) = [seq for seq, kind in place.log.read_after(0, 1000, ("seq", "kind")) if kind == "batch_formed/1"]
    altered(place, seq, hash="00" * 16)
    place.follow(stages=("weigh",))
    found = checked(place)
    assert (found.wrong, found.hash_holds, found.ok) == ([], False, False)
