"""How events become entries: keys, sides, and what is sealed under whose key."""

import json

import pytest

from daemon.event_log import NOT_COME_YET
from daemon.intake import IntakeRules
from daemon.sealing import KeysMissing
from daemon.sides import BUCKETS
from tests.intake_world import NOW, World, feedback, inline, output

VIEWS = ["slow", "real"]


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, kind="memory")
    yield made
    made.close()


@pytest.fixture(params=VIEWS)
def both_views(tmp_path, request):
    """A world for each way of answering what the log knows of an output."""
    made = World(tmp_path, kind="memory", views=request.param)
    yield made
    made.close()


def taken(world, *lines):
    """The stored events of these lines, all of which are events."""
    outcomes = world.send(*lines)
    assert all(outcome.error is None and not outcome.repeat for outcome in outcomes), outcomes
    rows = {event["id"]: event for event in world.rows()}
    return [rows[outcome.id] for outcome in outcomes]


def opened(world, event):
    return world.sealing.unseal(event["subject"], event["sealed"], event["id"])


class TestColumns:
    def test_hold_what_the_views_need(self, world):
        """Each promoted column, from a feedback that has them all."""
        (event,) = taken(
            world,
            inline(
                "f",
                writer="f" * 16,
                n=7,
                at=5,
                occurred_at=4,
                artifact_type="erd",
                model="m",
                score=12.5,
                thumb="up",
                source="human",
                propensity=0.25,
                comment="c",
            ),
        )
        assert event["kind"] == "feedback_recorded/1"
        assert (event["writer"], event["counter"], event["occurred_at"], event["received_at"]) == (-1, 7, 4, NOW)
        assert (event["artifact_type"], event["model"], event["source"], event["propensity"]) == (
            "erd",
            "m",
            "human",
            0.25,
        )
        assert (event["says"], event["score"]) == ("output+score+up+comment", 12.5)
        assert event["rater_key"] is event["episode_key"] is event["target_seq"] is event["subject"] is None
        assert event["side"] in {"learn", "judge", "validate"}
        assert 0 <= event["bucket"] < BUCKETS

    def test_keep_the_line_as_it_was_received(self, world):
        """Byte for byte, where nothing in it is private to a subject."""
        line = '{"id" : "f","score":1.50, "comment":"\\u00e9é","output":"x","kind":"feedback_recorded/1"}\r'
        assert taken(world, line.encode())[0]["body"] == line

    @pytest.mark.parametrize(("fields", "moment"), [({"occurred_at": 3, "at": 5}, 3), ({"at": 5}, 5), ({}, NOW)])
    def test_tell_when_it_occurred(self, world, fields, moment):
        """As said, else when the host wrote it, else when it came."""
        assert taken(world, inline("f", **fields))[0]["occurred_at"] == moment

    def test_name_raters_and_episodes_by_keys(self, world):
        """The same rater has the same number, and the number is not the name."""
        first, second, third = taken(
            world, inline("a", rater="r", episode="e"), inline("b", rater="r"), inline("c", rater="q", episode="e")
        )
        assert first["rater_key"] == second["rater_key"] != third["rater_key"]
        assert first["episode_key"] == third["episode_key"]

    def test_give_an_output_and_its_feedback_one_key(self, both_views):
        """Whichever way the output came."""
        rows = taken(both_views, output("o"), feedback("f", "o", score=1), inline("i"), feedback("g", "i", score=1))
        assert rows[0]["output_key"] == rows[1]["output_key"]
        assert rows[2]["output_key"] == rows[3]["output_key"] != rows[0]["output_key"]


class TestTargets:
    def test_in_the_log_give_their_output_and_their_number(self, both_views):
        """A revision is about what the revised was about."""
        first, *_ = taken(both_views, feedback("f", "o", score=1))
        (second,) = taken(both_views, feedback("g", supersedes="f", score=2))
        (third,) = taken(both_views, feedback("h", retracts="g"))
        assert first["output_key"] == second["output_key"] == third["output_key"]
        assert (second["target_seq"], third["target_seq"]) == (first["seq"], second["seq"])

    def test_in_the_same_batch_before_it(self, both_views):
        """Through as many as there are, down to a feedback that brought its output."""
        rows = taken(
            both_views,
            inline("f"),
            feedback("g", supersedes="f", score=2),
            feedback("h", supersedes="g", score=3),
            feedback("i", retracts="h"),
        )
        assert len({event["output_key"] for event in rows}) == 1
        assert [event["target_seq"] for event in rows] == [None, 1, 2, 3]

    def test_in_the_same_batch_after_it(self, both_views):
        """The output is known, the number is not yet."""
        rows = taken(both_views, feedback("g", supersedes="f", score=2), feedback("f", "o", score=1))
        assert rows[0]["output_key"] == rows[1]["output_key"]
        assert rows[0]["target_seq"] == NOT_COME_YET

    def test_that_never_came(self, both_views):
        """Neither output nor number; the body has the id."""
        (event,) = taken(both_views, feedback("g", supersedes="?", score=2))
        assert (event["output_key"], event["target_seq"]) == (None, NOT_COME_YET)
        assert json.loads(event["body"])["supersedes"] == "?"

    def test_in_a_ring_lead_nowhere(self, both_views):
        """Events that supersede each other, or themselves, are taken in and are about nothing."""
        size = 50
        ring = [feedback(f"r{number}", supersedes=f"r{(number + 1) % size}", score=1) for number in range(size)]
        rows = taken(both_views, *ring, feedback("self", supersedes="self", score=1))
        assert {event["output_key"] for event in rows} == {None}
        assert [event["target_seq"] for event in rows[:-2]] == [NOT_COME_YET] * (size - 1)
        assert rows[-2]["target_seq"] == 1
        assert rows[-1]["target_seq"] == NOT_COME_YET

    def test_may_be_an_output(self, both_views):
        """An output can be taken back."""
        made, back = taken(both_views, output("o"), feedback("f", retracts="o"))
        assert (back["target_seq"], back["output_key"]) == (made["seq"], made["output_key"])

    def test_that_are_the_daemons_own_events_have_no_output(self, both_views):
        """Whoever retracts a quarantined line has retracted nothing."""
        both_views.send(b"bad")
        (body,) = both_views.quarantined()
        (event,) = taken(both_views, feedback("f", retracts=body["quarantine_id"]))
        assert (event["output_key"], event["target_seq"]) == (None, 1)


class TestSides:
    def test_are_the_same_for_the_same_input(self, both_views):
        """Case, spacing and Unicode form do not matter, nor when it came."""
        inputs = ("What is CAFÉ?", "what is café?", "what  is cafe\u0301?\n", "What is café? ")
        rows = [taken(both_views, inline(f"i{number}", input=text))[0] for number, text in enumerate(inputs)]
        rows += taken(both_views, *(output(f"o{number}", input=text) for number, text in enumerate(inputs)))
        assert len({(event["side"], event["bucket"]) for event in rows}) == 1

    def test_are_shared_out_as_the_shares_say(self, world):
        """50 / 10 / 40 until judge has enough, 80 / 10 / 10 from then on."""
        for rated, shares in ((0, (0.5, 0.1, 0.4)), (500, (0.8, 0.1, 0.1))):
            world.examples.rated = rated
            sides = [
                event["side"]
                for event in taken(world, *(inline(f"{rated}-{n}", input=f"{rated}-{n}") for n in range(4000)))
            ]
            for side, share in zip(("learn", "validate", "judge"), shares, strict=True):
                assert sides.count(side) / 4000 == pytest.approx(share, abs=0.03)

    def test_stay_when_the_shares_change(self, world):
        """An input that was judged on is never learnt from later."""
        before = taken(world, *(inline(f"a{number}", input=f"{number}") for number in range(200)))
        world.examples.rated = 500
        after = taken(world, *(inline(f"b{number}", input=f"{number}") for number in range(200)))
        assert [event["side"] for event in before] == [event["side"] for event in after]
        assert any(event["side"] == "judge" and 0.5 * BUCKETS <= event["bucket"] < 0.8 * BUCKETS for event in after)

    def test_of_early_feedback_are_none_until_the_output_comes(self, both_views):
        """Only what brings the output has a side."""
        early, made, late = taken(both_views, feedback("f", "o", score=1), output("o"), feedback("g", "o", score=1))
        assert early["side"] is early["bucket"] is late["side"] is late["bucket"] is None
        assert made["side"] is not None

    @pytest.mark.parametrize("split_by", ["subject", "episode"])
    def test_may_be_split_by_subject_or_episode(self, tmp_path, split_by):
        """All inputs of one person, or of one conversation, lie on one side."""
        world = World(tmp_path, IntakeRules(split_by=split_by), kind="memory")
        rows = taken(world, *(output(f"o{n}", input=f"{n}", **{split_by: f"s{n % 3}"}) for n in range(30)))
        buckets = [{event["bucket"] for event in rows[start::3]} for start in range(3)]
        assert [len(some) for some in buckets] == [1, 1, 1]
        assert len(set.union(*buckets)) == 3
        without = taken(world, *(output(f"w{n}", input=f"{n}") for n in range(10)))
        assert len({event["bucket"] for event in without}) == 10
        world.close()

    def test_without_an_input_are_drawn_by_id(self, world):
        """There is nothing else to draw by."""
        rows = taken(world, *(output(f"o{number}") for number in range(30)))
        assert len({event["bucket"] for event in rows}) == 30


TEXTS = {
    "input": "Zebulon asks",
    "output": "Zebulon hears",
    "context": {"Zebulon": 1},
    "tags": ["Zebulon"],
    "episode": "Zebulon-1",
    "comment": "Zebulon says",
    "correction": "Zebulon means",
    "rater": "Zebulon-2",
    "rationale": "Zebulon thinks",
    "verdict": "tie",
    "compared_with": "Zebulon compares",
}


class TestSubjects:
    def test_text_is_readable_with_the_key_only(self, both_views):
        """Neither the subject nor a private field stands in the log; unsealing gives them all back."""
        (event,) = taken(both_views, feedback("f", subject="Zebulon", score=1, artifact_type="erd", **TEXTS))
        assert "Zebulon" not in repr(event)
        assert opened(both_views, event) == {name: value for name, value in TEXTS.items() if name != "verdict"}
        assert json.loads(event["body"])["score"] == 1
        assert event["artifact_type"] == "erd"

    def test_has_one_pseudonym(self, both_views):
        """All of a person's own outputs lie under one key."""
        rows = taken(both_views, output("o", subject="anna"), inline("i", subject="anna"))
        rows += taken(both_views, output("p", subject="anna"))
        assert len({event["subject"] for event in rows}) == 1
        assert both_views.owners(rows[0]["subject"]) == ["anna"]

    def test_keys_mean_nothing_across_subjects(self, both_views):
        """The number of a rater under one key is another one than under another key, or under none."""
        rows = taken(
            both_views,
            *(inline(f"i{subject}", subject=subject, rater="r", episode="e") for subject in ("anna", "ben", None)),
        )
        assert len({event["rater_key"] for event in rows}) == len({event["episode_key"] for event in rows}) == 3

    @pytest.mark.parametrize("together", [True, False])
    def test_feedback_falls_under_its_outputs_subject(self, both_views, together):
        """Also when it names none, in the same batch or long after."""
        lines = (output("o", subject="anna"), feedback("f", "o", comment="well"), feedback("g", "o", score=1))
        rows = taken(both_views, *lines) if together else [taken(both_views, each)[0] for each in lines]
        assert len({event["subject"] for event in rows}) == 1
        assert opened(both_views, rows[1]) == {"comment": "well"}
        assert rows[2]["sealed"] is None
        assert "well" not in rows[1]["body"]

    def test_a_revision_falls_under_the_same_subject(self, both_views):
        """Though it names the event only, and not the output."""
        rows = taken(both_views, output("o", subject="anna"), feedback("f", "o", comment="well"))
        rows += taken(both_views, feedback("g", supersedes="f", comment="better"))
        assert len({event["subject"] for event in rows}) == 1

    @pytest.mark.parametrize("together", [True, False])
    def test_early_private_feedback_is_adopted(self, both_views, together):
        """It lies under a key that the output's subject owns from then on."""
        lines = (feedback("f", "o", comment="early"), output("o", subject="anna"), feedback("g", "o", comment="late"))
        rows = taken(both_views, *lines) if together else [taken(both_views, each)[0] for each in lines]
        assert "early" not in rows[0]["body"]
        assert rows[0]["subject"] == rows[2]["subject"] != rows[1]["subject"]  # so that a rater stays one rater
        assert [both_views.owners(event["subject"]) for event in rows] == [["anna"]] * 3
        assert opened(both_views, rows[0]) == {"comment": "early"}

    def test_early_feedback_without_private_text_needs_no_key(self, both_views):
        """A score alone names nobody."""
        (event,) = taken(both_views, feedback("f", "o", score=1, category="c"))
        assert event["subject"] is event["sealed"] is None

    def test_of_two_on_one_output_either_may_leave(self, both_views):
        """Ben's feedback on Anna's output has a key that both own; Anna's own key is hers alone."""
        made, said, again = taken(
            both_views,
            output("o", subject="anna"),
            feedback("f", "o", comment="x", subject="ben"),
            feedback("g", "o", comment="y", subject="ben"),
        )
        assert both_views.owners(made["subject"]) == ["anna"]
        assert both_views.owners(said["subject"]) == ["anna", "ben"]
        assert said["subject"] == again["subject"]
        assert opened(both_views, said) == {"comment": "x"}

    @pytest.mark.parametrize("together", [True, False])
    def test_early_feedback_of_one_on_the_output_of_another_shares_no_more_than_that(self, both_views, together):
        """Ben's other events do not go when Anna, on whose output he was early, leaves."""
        other = taken(both_views, inline("i", subject="ben"))[0]
        lines = (feedback("f", "o", comment="x", subject="ben"), output("o", subject="anna"))
        early, made = taken(both_views, *lines) if together else [taken(both_views, each)[0] for each in lines]
        assert both_views.owners(other["subject"]) == ["ben"]
        assert both_views.owners(early["subject"]) == ["anna", "ben"]
        assert both_views.owners(made["subject"]) == ["anna"]

    def test_who_takes_an_id_that_is_taken_owns_nothing_by_it(self, both_views):
        """Mallory's output under the id of Anna's is set aside, and Anna's key stays hers alone."""
        made = taken(both_views, output("o", subject="anna"))[0]
        (outcome,) = both_views.send(output("o", subject="mallory", output="other"))
        assert outcome.error
        assert both_views.owners(made["subject"]) == ["anna"]

    @pytest.mark.parametrize("together", [True, False])
    def test_who_speaks_of_a_public_output_does_not_become_its_subject(self, both_views, together):
        """What others say of it later is not sealed under the key of whoever spoke first, and does not go with her."""
        lines = (output("o"), feedback("f", "o", comment="x", subject="mallory"), feedback("g", "o", comment="y"))
        rows = taken(both_views, *lines) if together else [taken(both_views, each)[0] for each in lines]
        assert rows[0]["subject"] is rows[2]["subject"] is None
        assert both_views.owners(rows[1]["subject"]) == ["mallory"]

    def test_early_feedback_of_several_is_adopted_whole(self, both_views):
        """Whatever was said before Anna's output came goes when she leaves."""
        early = taken(both_views, feedback("f", "o", comment="x"), feedback("g", "o", comment="y", subject="ben"))
        early += taken(both_views, feedback("h", "o", comment="z", subject="cleo"), output("o", subject="anna"))
        for event in early:
            assert "anna" in both_views.owners(event["subject"])

    def test_a_revision_before_the_revised_goes_with_its_outputs_subject(self, both_views):
        """Whether the output is there, or comes last of all."""
        taken(both_views, output("o", subject="anna"))
        there = taken(both_views, feedback("g", supersedes="f", comment="on o"))[0]
        assert both_views.owners(there["subject"]) == []
        taken(both_views, feedback("f", "o", score=1))
        assert both_views.owners(there["subject"]) == ["anna"]
        later = taken(both_views, feedback("k", supersedes="h", comment="on p"))[0]
        taken(both_views, feedback("h", "p", score=1))
        taken(both_views, output("p", subject="anna"))
        assert both_views.owners(later["subject"]) == ["anna"]
        late = taken(both_views, feedback("l", "p", comment="late"))[0]
        assert late["subject"] == later["subject"]

    def test_so_does_one_of_an_output_itself(self, both_views):
        """A retraction that overtook it, with its reasons."""
        (early,) = taken(both_views, feedback("f", retracts="o", rationale="it names Zoe"))
        taken(both_views, output("o", subject="anna"))
        assert both_views.owners(early["subject"]) == ["anna"]

    def test_so_does_one_of_a_revision_that_waits_itself(self, both_views):
        """However many there are, in one batch or one by one, and those that come after it was found out."""
        rows = taken(both_views, feedback("c", supersedes="b", comment="3"), feedback("d", supersedes="c", comment="4"))
        rows += taken(both_views, feedback("b", supersedes="a", comment="2"))
        assert [both_views.owners(event["subject"]) for event in rows] == [[]] * 3
        rows += taken(both_views, feedback("a", "o", comment="1"), feedback("e", supersedes="d", comment="5"))
        rows += taken(both_views, feedback("f", supersedes="c", comment="6"))
        taken(both_views, output("o", subject="anna"))
        assert [both_views.owners(event["subject"]) for event in rows] == [["anna"]] * 6

    def test_one_by_another_subject_belongs_to_both(self, both_views):
        """As when it had come in order; a key that is beside the output's already counts on."""
        early = taken(both_views, feedback("g", supersedes="f", comment="x", subject="ben"))[0]
        taken(both_views, output("o", subject="anna"))
        beside = taken(both_views, feedback("h", "o", comment="y", subject="ben"))[0]
        taken(both_views, feedback("f", "o", score=1))
        assert both_views.owners(early["subject"]) == ["anna", "ben"]
        late = taken(both_views, feedback("i", "o", comment="z", subject="ben"))[0]
        assert late["subject"] == beside["subject"]

    def test_one_beside_an_early_key_goes_with_the_output_that_comes_last(self, both_views):
        """Early feedback by nobody, a key beside its own for Ben, and Ben's revision beside that."""
        (early,) = taken(both_views, feedback("g", supersedes="f", comment="x", subject="ben"))
        taken(both_views, feedback("c", "o", comment="z"), feedback("h", "o", comment="y", subject="ben"))
        taken(both_views, feedback("f", "o", score=1))
        taken(both_views, output("o", subject="anna"))
        assert both_views.owners(early["subject"]) == ["anna", "ben"]

    def test_one_of_a_public_output_makes_nobody_its_subject(self, both_views):
        """What is said of it later lies in the clear."""
        early, other = taken(
            both_views,
            feedback("g", supersedes="i", comment="x"),
            feedback("h", supersedes="i", comment="y", subject="mallory"),
        )
        taken(both_views, inline("i"))
        (late,) = taken(both_views, feedback("k", "i", comment="z"))
        assert late["subject"] is None
        assert (both_views.owners(early["subject"]), both_views.owners(other["subject"])) == ([], ["mallory"])

    def test_what_came_is_told_once(self, both_views):
        """By an event of its own, which names both; sending again tells nothing more."""
        lines = (feedback("g", supersedes="f", comment="x", rater="ann"), feedback("f", "o", score=1))
        first, second = (taken(both_views, each)[0] for each in lines)
        (came,) = both_views.rows("target_came")
        assert json.loads(came["body"]) == {"event": "g", "target": "f"}
        assert (came["target_seq"], came["output_key"]) == (first["seq"], second["output_key"])
        both_views.send(*lines)
        taken(both_views, feedback("h", "o", score=2))
        assert len(both_views.rows("target_came")) == 1

    def test_of_one_that_nobody_can_read_any_more_nothing_is_told(self, both_views):
        """Its subject was forgotten before its target came."""
        (early,) = taken(both_views, feedback("g", supersedes="f", comment="x", subject="ben"))
        both_views.sealing.destroy(both_views.sealing.mark_of("ben"), [early["subject"]], NOW)
        taken(both_views, feedback("f", "o", score=1))
        assert both_views.rows("target_came") == []

    def test_that_was_forgotten_is_refused(self, both_views):
        """Nothing of the event is kept, and the log says no more than that one came."""
        both_views.forget("anna")
        outcomes = both_views.send(
            inline("i", subject="anna", comment="Zebulon"), inline("j"), feedback("f", "o", score=1, subject="anna")
        )
        assert [outcome.refused for outcome in outcomes] == [True, False, True]
        assert both_views.recorded_ids() == ["j"]
        assert [json.loads(event["body"]) for event in both_views.rows("event_refused")] == [
            {"reason": "its subject was forgotten"}
        ] * 2
        assert len(both_views.quarantine) == 0

    def test_feedback_on_a_forgotten_subjects_output_is_refused(self, both_views):
        """Its key is gone, so nothing can be put under it."""
        (made,) = taken(both_views, output("o", subject="anna"))
        both_views.sealing.destroy(both_views.sealing.mark_of("anna"), [made["subject"]], NOW)
        both_views.crash()
        assert [
            outcome.refused for outcome in both_views.send(feedback("f", "o", comment="x"), feedback("g", "o", score=1))
        ] == [True] * 2

    def test_an_output_does_not_go_with_who_spoke_of_it_before(self, both_views):
        """Mallory was forgotten before it came: it is Bob's all the same; later feedback would lie under her key."""
        (early,) = taken(both_views, feedback("f", "o", comment="x", subject="mallory"))
        both_views.sealing.destroy(both_views.sealing.mark_of("mallory"), [early["subject"]], NOW)
        (made,) = taken(both_views, output("o", subject="bob"))
        assert both_views.owners(made["subject"]) == ["bob"]
        assert [outcome.refused for outcome in both_views.send(feedback("g", "o", comment="y"))] == [True]

    def test_a_key_that_is_missing_is_not_one_that_was_destroyed(self, both_views):
        """keys.db was lost, or is older than the log: nothing is refused or lost, intake stands still and says why."""
        (made,) = taken(both_views, output("o", subject="anna"))
        both_views.sealing._connection.execute("DELETE FROM keys WHERE pseudonym = ?", (made["subject"],))
        both_views.crash()
        with pytest.raises(KeysMissing, match="belongs to events"):
            both_views.send(feedback("f", "o", comment="x"))
        assert both_views.recorded_ids() == ["o"]

    def test_nesting_to_the_limit_is_sealed_and_read_again(self, both_views):
        """What came in can be compared and opened."""
        from daemon.received import MOST_LEVELS

        value = 2**70
        for _ in range(MOST_LEVELS):
            value = [value]
        line = output("o", subject="anna", input=value)
        (event,) = taken(both_views, line)
        assert opened(both_views, event)["input"] == value
        assert both_views.send(line)[0].repeat
