"""Golden examples are judged on, and neither they nor what is nearly equal to them is learnt from."""

import json

import numpy as np
import pytest

from adaptd.plugin.moment import Moment
from daemon import forgetting
from daemon.clock_and_chance import SeededChance
from daemon.event_log import Entry
from daemon.golden_keeping import FrozenGoldens, Place, freeze, golden_of, record, retire
from daemon.memory_log import MemoryEventLog
from daemon.pooling import Wanted, pool_of
from daemon.views.golden import Golden
from tests.contracts.any_view import AnyView, fold_all
from tests.derived_world import DerivedWorld

NOBODY = np.zeros(0, np.int64)


class TestGoldenView(AnyView):
    """The battery for this view."""

    def make(self):
        return Golden()


def folded(*events):
    log = MemoryEventLog(b"salt")
    entries = [
        Entry(f"e{number}", f"golden_{kind}/1", 1000 + number, 0, body=json.dumps({"set": "support"} | body))
        for number, (kind, body) in enumerate(events)
    ]
    log.append(entries)
    return fold_all(Golden(), log, 100)


RECORDED = ("recorded", {"artifact_type": "erd"})
FROZEN = ("frozen", {"version": 1})


def test_a_version_is_what_came_before_its_freezing():
    """And a retirement begins anew."""
    found = folded(RECORDED, RECORDED, FROZEN, RECORDED).of("support")
    assert (found.recorded.tolist(), found.frozen.tolist(), found.new, found.version) == ([1, 2, 4], [1, 2], 1, 1)
    golden = folded(RECORDED, FROZEN, ("retired", {}), RECORDED)
    found = golden.of("support")
    assert (found.recorded.tolist(), found.frozen.tolist(), found.version, found.retirements) == ([4], [], None, 1)
    assert golden.next_version("support") == 2
    assert folded().of("support").recorded.tolist() == []


def test_a_workload_is_judged_on_the_set_of_its_name_or_else_on_the_default_one():
    """On those of its artifact types, and of none; without those whom somebody had forgotten."""
    default = {"set": "default"}
    golden = folded(
        *(("recorded", default | {"artifact_type": kind}) for kind in ("erd", "sums", None)),
        ("frozen", default | {"version": 1}),
        RECORDED,
    )
    assert golden_of(golden, "support", (), NOBODY)[1].tolist() == [1, 2, 3]
    assert golden_of(golden, "chat", ("sums",), NOBODY)[1].tolist() == [2, 3]
    golden = folded(RECORDED, FROZEN, ("recorded", default | {"artifact_type": None}))
    assert golden_of(golden, "support", (), NOBODY)[1].tolist() == [1]
    assert golden_of(golden, "chat", (), NOBODY) is None
    assert golden_of(golden, "support", ("sums",), NOBODY) is None


# With the rest of the house


@pytest.fixture
def world(tmp_path):
    made = DerivedWorld(tmp_path)
    yield made
    made.close()


def place(world):
    state = world.state
    return Place(state.log, state.views, state.sealing, SeededChance(3), world.clock.now())


def goldens(world):
    state = world.state
    return FrozenGoldens(state.views, lambda _: world.source(), lambda _: ())


def learnt(world):
    moment = Moment(world.clock.now(), world.state.log.head().seq, 0)
    return pool_of(world.source(), Wanted(), NOBODY, moment)


LONG = "please tell me why the parcel with the garden window was sent to the wrong customer account again {}"


def test_what_is_nearly_golden_is_never_learnt(world):
    """From when it is recorded on, whichever came first; and stays so after the set was retired."""
    near = world.output_on("learn", "near", LONG)
    other = world.output_on("learn", "other")
    world.prepare()
    assert learnt(world).pool["example"].tolist() == [near, other]
    record(place(world), "default", [{"input": LONG.format("0"), "reference": "because"}])
    world.prepare()
    assert (learnt(world).pool["example"].tolist(), learnt(world).held_apart["near"]) == ([other], 1)
    freeze(place(world), "default", "f")
    retire(place(world), "default", "r")
    world.prepare()
    assert learnt(world).pool["example"].tolist() == [other]


def test_what_is_judged_on_beside_it_is_apart_from_it_too(world):
    """A judge example that is nearly golden would count twice."""
    near, other = world.output_on("judge", "near", LONG), world.output_on("judge", "other")
    record(place(world), "default", [{"input": LONG.format("0"), "reference": "because"}])
    assert goldens(world).of("support") is None
    freeze(place(world), "default", "f")
    world.prepare()
    found = goldens(world).of("support")
    assert (found.version, len(found.examples)) == (1, 1)
    assert found.apart(np.array([near, other])).tolist() == [True, False]


def test_a_forgotten_subjects_example_is_judged_on_no_more(world):
    """What is left of the version is."""
    rows = [{"input": f"{name}'s question", "reference": "x", "subject": name} for name in ("alice", "bob")]
    record(place(world), "support", rows)
    freeze(place(world), "support", "f")
    assert len(goldens(world).of("support").examples) == 2
    forgetting.forget(world.state, "alice", world.clock.now(), SeededChance(4))
    world.state.views.catch_up()
    assert len(goldens(world).of("support").examples) == 1


def test_a_request_that_is_done_twice_is_done_once(world):
    """A kill between the event and its answer."""
    rows = [{"input": "a", "reference": "b"}]
    record(place(world), "default", rows)
    assert freeze(place(world), "default", "the-same") == freeze(place(world), "default", "the-same")
    assert retire(place(world), "default", "again") == retire(place(world), "default", "again")
