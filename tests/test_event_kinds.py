"""Every kind of event has a name, a meaning and a way from its oldest form to its newest."""

import json
import re

import pytest

from daemon.clock_and_chance import SeededChance
from daemon.event_kinds import DAEMON_STARTED, KINDS, Kind, UnknownKind, current, own_event
from daemon.memory_log import MemoryEventLog


def named(body):
    return {**body, "name": body["nom"]}


def counted(body):
    found = dict(body)
    found["count"] = len(found.pop("name"))
    return found


GROWN = Kind("grown", 3, "a kind of three versions", {1: named, 2: counted})
YOUNG = Kind("young", 1, "a kind of one version")
REGISTRY = {kind.name: kind for kind in (GROWN, YOUNG)}


class TestUpcasting:
    def test_the_oldest_form_goes_through_every_step(self):
        """Version 1 is lifted to 2 and then to 3."""
        assert current("grown/1", {"nom": "abc", "x": 1}, REGISTRY) == (GROWN, {"nom": "abc", "x": 1, "count": 3})

    def test_a_middle_form_goes_through_the_rest(self):
        """Version 2 is lifted to 3 only."""
        assert current("grown/2", {"name": "abcd"}, REGISTRY) == (GROWN, {"count": 4})

    def test_the_newest_form_stays_as_it_is(self):
        """Nothing is done to a body of today."""
        assert current("grown/3", {"name": "kept"}, REGISTRY) == (GROWN, {"name": "kept"})

    def test_the_body_given_is_not_changed(self):
        """Neither by lifting it nor by what the reader does with the answer."""
        for kind in ("grown/1", "grown/2", "grown/3"):
            body = {"nom": "abc", "name": "abc"}
            _, found = current(kind, body, REGISTRY)
            found["mine"] = 1
            assert body == {"nom": "abc", "name": "abc"}

    @pytest.mark.parametrize(
        "stored",
        [
            "stranger/1",
            "grown/4",
            "grown/0",
            "grown/-1",
            "grown/",
            "grown",
            "grown/one",
            "grown/1/2",
            "grown/01",
            "grown/١",
            "",
        ],
    )
    def test_what_is_not_known_is_told(self, stored):
        """The error names the kind, what is known, and that a newer adaptd is needed."""
        with pytest.raises(UnknownKind) as unknown:
            current(stored, {}, REGISTRY)
        assert str(unknown.value) == (
            f"event kind {stored!r}: not known here, expected one of grown/3, young/1 or an older version of one. "
            "A newer adaptd wrote this log: upgrade adaptd to read it."
        )
        assert unknown.value.kind == stored


class TestTheRegistry:
    @pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
    def test_a_kind_is_well_formed(self, kind):
        """A plain name in the past tense's place, a version, a sentence that says what happened, all its upcasters."""
        assert KINDS[kind.name] is kind
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", kind.name)
        assert kind.version >= 1
        assert len(kind.meaning.split()) >= 4
        assert kind.meaning[0].islower()
        assert not kind.meaning.endswith(".")
        assert kind.stored_as == f"{kind.name}/{kind.version}"
        assert set(kind.upcasters) == set(range(1, kind.version))

    def test_meanings_are_different(self):
        """No two kinds say that the same thing happened."""
        assert len({kind.meaning for kind in KINDS.values()}) == len(KINDS)

    def test_every_kind_of_the_module_is_registered(self):
        """A kind that was defined and not registered could be written and never read."""
        import daemon.event_kinds as module

        defined = {value.name for value in vars(module).values() if isinstance(value, Kind)}
        assert defined == set(KINDS)

    @pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
    def test_every_stored_form_can_be_read(self, kind):
        """Each kind's newest form is found under its stored name."""
        assert current(kind.stored_as, {"a": 1}) == (kind, {"a": 1})


class TestOwnEvents:
    def test_an_event_of_the_daemon_says_when_and_what(self):
        """Received when it happened, with an id of that moment and a compact body."""
        event = own_event(
            DAEMON_STARTED, {"version": "0.1.0", "place": "größer"}, 1_790_000_000_000_000, SeededChance(1)
        )
        assert (event.kind, event.received_at, event.occurred_at) == ("daemon_started/1", *[1_790_000_000_000_000] * 2)
        assert event.body == '{"version":"0.1.0","place":"größer"}'
        assert int(event.id.replace("-", ""), 16) >> 80 == 1_790_000_000_000

    def test_its_id_can_be_given(self):
        """Where the same event must have the same id again."""
        assert own_event(DAEMON_STARTED, {}, 1, SeededChance(1), "given").id == "given"

    def test_a_name_that_is_no_text_can_be_logged(self):
        """A file name may hold bytes that are no UTF-8; the event is appended all the same."""
        log = MemoryEventLog(b"salt")
        log.append([own_event(DAEMON_STARTED, {"path": "bad\udc80name"}, 1, SeededChance(1))])
        ((body,),) = log.read_after(0, columns=("body",))
        assert json.loads(body) == {"path": "bad?name"}


def test_a_judging_of_the_first_version_says_that_more_was_better():
    """And that nobody counted how many examples reach 70; what it does say stays."""
    told = {"model": 1, "metric": "correct"}
    kind, body = current("challenger_judged/1", told)
    assert kind.stored_as == "challenger_judged/2"
    assert body == told | {"higher_is_better": True, "success": None}
    newer = told | {"higher_is_better": False, "success": {}}
    assert current("challenger_judged/2", newer)[1] == newer
