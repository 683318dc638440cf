"""When a batch is formed, what the log is told, and that a kill at any place changes nothing."""

import numpy as np
import pytest

from daemon.batch_making import BeginsFrom
from daemon.deriving import as_text
from daemon.event_kinds import (
    CHALLENGER_PROMOTED,
    CHALLENGER_TURNED_DOWN,
    CHAMPION_ROLLED_BACK,
    MODEL_SHELVED,
    RUN_PLANNED,
)
from daemon.event_log import AppendFailed
from daemon.forming import LOOK_AGAIN_SECONDS, LOOK_IN_ANY_CASE_SECONDS
from daemon.night_parts import Formed, NotFormed
from daemon.night_settings import TriggerSettings
from daemon.rebuilding import check
from tests.forming_world import DAY, worlds
from tests.test_stage_line import write_stage

ONLY_NEW = 'return pool.keep(pool["times_learnt"] == 0, self.name, "learnt before")'


@pytest.fixture
def world(tmp_path):
    made, closing = worlds()
    with closing:
        yield lambda **workload: made(tmp_path, **workload)


def test_a_batch_is_one_event_with_all_that_was_learnt_and_why(world):
    """Rows, weights, reasons, settings, seed, position and hashes; and not a text of anybody."""
    place = world()
    place.rate_learnt(12)
    position = place.views.position
    assert place.turn() == Formed(1, "sums")
    (body,) = place.bodies("batch_formed")
    assert (body["batch"], body["workload"], body["night"], body["position"]) == (1, "sums", "2026-11-25", position)
    assert body["by"] == ["12 of 10 new examples"]
    rows = body["rows"]
    assert (len(rows["example"]), rows["example"][-2:]) == (14, [-2, -3])
    assert {len(column) for column in rows.values()} == {14}
    assert set(rows["times_learnt"]) == {0}
    assert rows["weight"][-2:] == [0.5, 0.5]
    assert [one["words"] for one in body["reasons"]] == ["{0:.2f} days old", "in capitals"]
    assert [(told["name"], told["kept"], told["added"]) for told in body["stages"]] == [
        ("keep_good", 12, 0),
        ("weigh", 12, 0),
        ("say_again", 14, 2),
    ]
    assert body["validation"]["count"] == len(body["validation"]["example"])
    assert "?" not in str(body)  # as in every input
    assert body["fingerprints"]["embeddings"] == "none"


def test_what_a_stage_made_and_is_a_copy_of_what_is_held_out_is_not_learnt(world):
    """A stage sees no held-out example, so it cannot look itself; how many were left out is told."""
    place = world()
    place.rate_learnt(12)
    seen = []

    def near_held_out(texts, position):
        seen.append((list(texts), position))
        return np.array([number == 0 for number in range(len(texts))])

    place.derived.near_held_out = near_held_out
    place.turn()
    (body,) = place.bodies("batch_formed")
    assert (body["rows"]["example"][-1], len(body["rows"]["example"])) == (-3, 13)
    assert body["held_apart"]["derived"] == 1
    assert [(len(texts), at) for texts, at in seen] == [(2, body["position"])]
    assert all(text.endswith("?") for text in seen[0][0])
    assert check(1, place.read_only(), place.settings, place.folder).ok


def test_made_inputs_are_compared_as_recorded_ones_are(world, tmp_path):
    """An input that is no text stands as the JSON that was prepared of a recorded one, and nothing as nothing."""
    work = 'texts = [dict(text, input=given) for text, given in zip(pool.texts([0, 1]), ({"b": 1, "a": "é"}, None))]\n'
    write_stage(tmp_path, "structured", f'{work}        return pool.derive([0, 1], texts, self.name, "as a table")')
    place, seen = world(stages=("structured",)), []
    place.rate_learnt(12)
    place.derived.near_held_out = lambda texts, position: seen.extend(texts) or np.zeros(len(texts), np.bool_)
    place.turn()
    assert seen == [as_text({"a": "é", "b": 1}), ""]


def test_what_was_learnt_is_not_new_the_next_time(world):
    """It is counted by workload, in the same turn's views."""
    place = world()
    place.rate_learnt(10)
    place.turn()
    assert place.turn() == NotFormed("sums", "0 of 10 new examples", news=False)  # tonight was answered by the batch
    assert place.turn("2026-11-26") == NotFormed("sums", "0 of 10 new examples", news=True)
    place.rate_learnt(10)
    assert place.turn() == Formed(2, "sums")
    body = place.bodies("batch_formed")[1]
    assert sorted(body["rows"]["times_learnt"][:20]) == [0] * 10 + [1] * 10


def test_what_a_model_that_was_turned_down_has_learnt_is_new_again_and_fires_nothing(world):
    """The champion does not know it; it goes with what comes, and what had been formed before is formed again equal."""
    place = world()
    place.rate_learnt(10)
    place.turn()
    before = place.forming.rebuild(1).body["hash"]
    of_it = {"workload": "sums", "model": 1, "run": "run-0001"}
    place.tell(RUN_PLANNED, {"run": "run-0001", "batch": 1, "workload": "sums"})
    place.tell(MODEL_SHELVED, of_it | {"batch": 1, "hash": "h", "base": None})
    place.tell(CHALLENGER_TURNED_DOWN, of_it)
    assert place.turn("2026-11-26") == NotFormed("sums", "0 of 10 new examples", news=True)
    place.rate_learnt(10)
    assert place.turn("2026-11-27") == Formed(2, "sums")
    assert place.bodies("batch_formed")[1]["rows"]["times_learnt"][:20] == [0] * 20
    assert place.forming.rebuild(1).body["hash"] == before


def roll_back(place):
    """The second batch's model was in use, and gave its place back to the first one's."""
    for model in (1, 2):
        of_it = {"workload": "sums", "model": model, "run": f"run-{model:04}"}
        place.tell(RUN_PLANNED, {"run": f"run-{model:04}", "batch": model, "workload": "sums"})
        place.tell(MODEL_SHELVED, of_it | {"batch": model, "hash": f"h{model}", "base": model - 1})
        place.tell(CHALLENGER_PROMOTED, of_it)
    place.tell(CHAMPION_ROLLED_BACK, {"workload": "sums", "from": 2, "to": 1, "reason": None})


def test_what_only_a_model_that_was_rolled_back_has_learnt_is_new_again_and_fires_nothing(world, tmp_path):
    """What had been formed before the rollback is formed again equal, and so is what comes after it."""
    write_stage(tmp_path, "only_new", ONLY_NEW)
    place = world(stages=("only_new",))
    for _ in range(2):
        place.rate_learnt(10)
        place.turn()
    roll_back(place)
    assert place.turn("2026-11-26") == NotFormed("sums", "0 of 10 new examples", news=True)
    place.rate_learnt(10)
    assert place.turn("2026-11-27") == Formed(3, "sums")
    body = place.bodies("batch_formed")[2]
    assert len(body["rows"]["example"]) == 20
    assert "repeats" not in body
    place.reopen()  # nothing is in memory any more
    for number in (1, 2, 3):
        assert place.forming.rebuild(number).body["hash"] == place.bodies("batch_formed")[number - 1]["hash"]


def test_a_batch_that_learns_anew_what_an_earlier_one_did_says_so(world):
    """Until something is said of one of its examples; asked for by hand, since no trigger fires for it."""
    place = world()
    for _ in range(2):
        place.rate_learnt(10)
        place.turn()
    roll_back(place)
    place.clock.advance(seconds=DAY)
    assert place.turn("2026-11-26", asked=True) == Formed(3, "sums")
    assert place.turn("2026-11-26", asked=True) == Formed(4, "sums")
    first, second, *bodies = place.bodies("batch_formed")
    assert ["repeats" in body for body in (first, second)] == [False, False]
    assert [body["repeats"] for body in bodies] == [2, 2]
    assert second["hash"] != bodies[0]["hash"] != bodies[1]["hash"]
    example = max(second["rows"]["example"])
    ids = dict(place.log.read_after(0, 100_000, ("seq", "id")))
    place.say({"id": "later", "output_id": ids[example], "score": 61})
    assert place.turn("2026-11-26", asked=True) == Formed(5, "sums")
    assert "repeats" not in place.bodies("batch_formed")[4]


def test_what_the_model_has_not_learnt_that_a_run_begins_from_is_new_to_its_batch(world, tmp_path):
    """An ask may say so of the batch that it wants; it is formed again equal, and the one after it is as ever."""
    write_stage(tmp_path, "only_new", ONLY_NEW)
    place = world(stages=("only_new",))
    for _ in range(2):
        place.rate_learnt(10)
        place.turn()
    for model in (1, 2):
        place.tell(MODEL_SHELVED, {"workload": "sums", "model": model, "run": None, "batch": model, "base": model - 1})
        place.tell(CHALLENGER_PROMOTED, {"workload": "sums", "model": model, "run": None})
    place.forming._begins = lambda workload: BeginsFrom({"sums": 1}[workload])
    assert place.turn("2026-11-26", asked=True) == Formed(3, "sums")
    place.forming._begins = lambda _: BeginsFrom(None)
    assert place.turn("2026-11-26", asked=True) == Formed(4, "sums")
    *_, line, nothing = place.bodies("batch_formed")
    assert (line["begins_from"], nothing["begins_from"]) == ({"model": 1}, {"model": None})
    assert [len(body["rows"]["example"]) for body in (line, nothing)] == [10, 20]
    place.reopen()  # nothing is in memory any more
    for number in (3, 4):
        assert place.forming.rebuild(number).body["hash"] == place.bodies("batch_formed")[number - 1]["hash"]
    place.rate_learnt(10)
    assert place.turn("2026-11-27") == Formed(5, "sums")
    assert "begins_from" not in place.bodies("batch_formed")[4]


def test_why_there_is_no_batch_is_told_once_a_night(world):
    """And again the next night, or when the reason is of another kind."""
    place = world()
    answers = [place.turn().news for _ in range(3)]
    place.rate_learnt(4)
    place.clock.advance(seconds=LOOK_IN_ANY_CASE_SECONDS)
    answers += [place.turn().news, place.turn("2026-11-26").news]
    assert answers == [True, False, False, True, True]
    told = [(body["night"], body["kind"], body["reason"]) for body in place.bodies("batch_not_formed")]
    assert told == [
        ("2026-11-25", "empty", "nothing to learn from: no rated output on the learn side"),
        ("2026-11-25", "triggers", "4 of 10 new examples"),
        ("2026-11-26", "triggers", "4 of 10 new examples"),
    ]


def test_a_daemon_that_was_killed_does_not_tell_it_again(world):
    """What was told is read from the views."""
    place = world()
    place.turn()
    place.reopen()
    assert not place.turn().news
    assert len(place.bodies("batch_not_formed")) == 1


def test_who_asks_gets_an_answer_whatever_the_triggers_say(world):
    """Each time, and the event says that it was asked for."""
    place = world()
    assert place.turn(None, asked=True).news
    assert place.turn(None, asked=True).news
    place.rate_learnt(2)
    assert place.turn(None, asked=True) == Formed(1, "sums")
    assert [body["asked"] for body in place.bodies("batch_not_formed")] == [True, True]
    (body,) = place.bodies("batch_formed")
    assert (body["asked"], body["night"], body["by"]) == (True, None, ["asked for by hand"])


def looks(place, monkeypatch):
    """Counts how often the pool was looked at."""
    seen = []
    now = place.stands.now
    monkeypatch.setattr(place.stands, "now", lambda: seen.append(1) or now())
    return seen


def test_nothing_is_looked_at_again_before_enough_has_come(world, monkeypatch):
    """A turn in an open window costs nothing while the number that is wanted cannot be there."""
    place = world()
    place.rate_learnt(4)
    seen = looks(place, monkeypatch)
    for _ in range(50):
        place.turn()
    assert len(seen) == 1
    place.rate_learnt(1)
    place.turn()
    assert len(seen) == 1  # six are missing, and fewer events came
    place.rate_learnt(5)
    assert place.turn() == Formed(1, "sums")


def test_where_something_came_it_is_looked_at_after_a_while(world, monkeypatch):
    """Other triggers may fire by it, and days pass in any case."""
    place = world(trigger=TriggerSettings(new_examples=1000, days=1))
    place.rate_learnt(1)
    place.turn()
    seen = looks(place, monkeypatch)
    place.clock.advance(seconds=LOOK_AGAIN_SECONDS)
    place.turn()
    assert len(seen) == 0
    place.rate(1)
    place.turn()
    assert len(seen) == 1
    place.clock.advance(seconds=86_400)
    assert place.turn() == Formed(1, "sums")


def test_other_settings_are_looked_at_at_once(world):
    """A reload may have changed the trigger."""
    place = world()
    place.rate_learnt(4)
    place.turn()
    place.follow(trigger=TriggerSettings(new_examples=4))
    assert place.turn() == Formed(1, "sums")


def test_a_plugin_that_cannot_be_used_is_a_reason(world):
    """In the words of who looked for it."""
    place = world(stages=("nowhere",))
    place.rate_learnt(10)
    assert place.turn().reason.startswith("plugin 'nowhere': found no stage of that name")
    assert [body["kind"] for body in place.bodies("batch_not_formed")] == ["plugin"]


def test_what_is_not_prepared_is_a_reason(world):
    """Without knowing what is near to what there is no batch."""
    place = world()
    place.rate_learnt(10)
    place.derived.position = 3
    assert place.turn().reason.startswith("embeddings and near-duplicates are known up to event 3, and event ")
    assert [body["kind"] for body in place.bodies("batch_not_formed")] == ["not_prepared"]


RAISES = 'raise ValueError("somebody\'s text")'


def test_a_stage_that_fails_refuses_the_batch(world, tmp_path):
    """Both facts are in the log, once a night, in one commit."""
    place = world(stages=("keep_good", "breaks"))
    write_stage(tmp_path, "breaks", RAISES)
    place.rate_learnt(10)
    told = "stage 'breaks': ValueError at breaks.py:18; on_error = refuse"
    assert [place.turn(), place.turn().news] == [NotFormed("sums", told, news=True), False]
    failed = {"workload": "sums", "night": "2026-11-25", "stage": "breaks", "reason": "ValueError at breaks.py:18"}
    assert place.bodies("stage_failed") == [failed]
    assert [body["kind"] for body in place.bodies("batch_not_formed")] == ["stage"]
    assert place.bodies("batch_formed") == []


def test_or_the_batch_is_formed_without_it(world, tmp_path):
    """And the log says both."""
    place = world(stages=("breaks", "keep_good"), on_error="skip")
    write_stage(tmp_path, "breaks", RAISES)
    place.rate_learnt(10)
    assert place.turn() == Formed(1, "sums")
    assert [body["stage"] for body in place.bodies("stage_failed")] == ["breaks"]
    assert [told["skipped"] for told in place.bodies("batch_formed")[0]["stages"]] == [True, False]


def test_stages_that_leave_nothing_are_a_reason(world):
    """With how many each took."""
    place = world(stages=("keep_good",), stage={"keep_good": {"amount": 100.5}})
    place.rate_learnt(10)
    assert place.turn().reason == "the stages left none of 10 examples: keep_good 10"


def test_killed_between_the_batch_and_its_run_it_is_formed_again_equal(world):
    """Rows, weights, derived texts and validation: nothing is lost."""
    place = world()
    place.rate_learnt(12)
    place.turn()
    live = place.forming.rebuild(1)
    place.reopen()
    place.rate(5)
    again = place.forming.rebuild(1)
    assert again.body == live.body
    assert again.pool.derived == live.pool.derived
    assert len(again.pool.derived) == 2
    for name, column in live.pool.columns.items():
        assert column.tobytes() == again.pool[name].tobytes(), name
    assert again.validation["example"].tolist() == live.validation["example"].tolist()
    assert place.forming.listed()[0]["hash"] == live.body["hash"]


def test_a_batch_that_cannot_be_had_again_says_why(world):
    """The queue is told, and nobody guesses."""
    place = world()
    assert place.forming.rebuild(1) == "batch 1: the log has none of that number"
    place.rate_learnt(12)
    place.turn()
    place.reopen()
    place.follow(stages=("keep_good",))
    assert place.forming.rebuild(1) == "changed since: the stages"


class Dies(Exception):
    """The daemon is gone."""


def killed_at(place, number, monkeypatch):
    """From the append of that number on, none is done: at the one of that number the process dies."""
    appends = []
    append = place.log.append

    def dies(*given, **how):
        appends.append(1)
        if len(appends) >= number:
            raise Dies
        return append(*given, **how)

    monkeypatch.setattr(place.log, "append", dies)


@pytest.mark.parametrize("number", [1, 2])
def test_killed_before_any_write_the_next_daemon_ends_as_if_it_never_was(number, world, tmp_path, monkeypatch):
    """There is one write in a look: either all of it is there or nothing."""
    place = world(stages=("breaks", "keep_good", "say_again"), on_error="skip")
    write_stage(tmp_path, "breaks", RAISES)
    place.rate_learnt(10)
    with monkeypatch.context() as patch:
        killed_at(place, number, patch)
        try:
            place.turn()
            place.turn("2026-11-26")
        except Dies:
            pass
    place.reopen()
    place.turn()
    place.turn("2026-11-26")
    assert [body["batch"] for body in place.bodies("batch_formed")] == [1]
    assert len(place.bodies("stage_failed")) == 1
    assert [body["kind"] for body in place.bodies("batch_not_formed")] == ["triggers"]
    assert not isinstance(place.forming.rebuild(1), str)


def test_a_disk_that_fails_leaves_all_to_be_done_again(world, monkeypatch):
    """The shift's turn ends, and the next one forms the batch."""
    place = world()
    place.rate_learnt(10)
    with monkeypatch.context() as patch:
        patch.setattr(place.log, "append", _full)
        with pytest.raises(AppendFailed):
            place.turn()
    assert place.turn() == Formed(1, "sums")


def _full(*_):
    raise AppendFailed("disk is full")


def test_in_whatever_order_events_came_the_batch_is_the_same(world, tmp_path):
    """The same outputs and feedback, their numbers apart, give the same rows with the same weights."""
    batches = []
    for number, reverse in enumerate((False, True)):
        made, closing = worlds()
        with closing:
            place = made(tmp_path / str(number), stages=("keep_good", "weigh"))
            events = [{"id": f"o{n}", "input": f"{n}?", "output": "4", "at": 1_763_000_000_000_000} for n in range(40)]
            rated = [{"id": f"f{n}", "output_id": f"o{n}", "score": 55 + n, "at": 1_763_000_000_000_000 + n}
                     for n in range(40)]  # fmt: skip
            said = [event | {"kind": "output_recorded/1"} for event in events] + rated
            for event in reversed(said) if reverse else said:
                place.say(event)
            place.turn(asked=True)
            (body,) = place.bodies("batch_formed")
            ids = dict(place.log.read_after(0, 1000, ("seq", "id")))
            rows = zip(body["rows"]["example"], body["rows"]["weight"], strict=True)
            batches.append({ids[example]: weight for example, weight in rows})
    assert batches[0] == batches[1]
    assert len(batches[0]) > 5


def test_a_run_stops_by_so_many_of_the_newest(world, monkeypatch):
    """However many there are; in the order of the log."""
    monkeypatch.setattr("daemon.batch_making.MOST_VALIDATION", 3)
    place = world()
    place.rate_learnt(10)
    while place.views.examples.resolved("side")["side"].tolist().count(2) < 5:
        place.clock.advance(seconds=60)
        place.rate(1)
    place.turn()
    columns = place.views.examples.resolved("seq", "side")
    newest = sorted(columns["seq"][columns["side"] == 2].tolist())[-3:]
    assert place.bodies("batch_formed")[0]["validation"]["example"] == newest


def test_two_workloads_of_one_turn_have_numbers_of_their_own(world):
    """The first one's batch is folded before the second is formed."""
    from daemon.settings import Settings

    place = world()
    place.rate_learnt(10)
    sums = place.settings.workloads["sums"]
    place.settings = Settings(workloads={"sums": sums, "chat": sums})
    place.forming.follow(place.settings)
    assert [place.turn(), place.turn(workload="chat")] == [Formed(1, "sums"), Formed(2, "chat")]
    one, other = place.bodies("batch_formed")
    assert one["seed"] != other["seed"]
