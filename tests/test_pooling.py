"""Pools from the log: what may be learnt, and that nothing near to what is held out is among it."""

import random

import numpy as np
import pytest

from daemon.clock_and_chance import SeededChance
from daemon.event_kinds import EXAMPLES_SERVED, OUTPUTS_ASKED, own_event
from daemon.pooling import (
    Coming,
    NotPrepared,
    Pooled,
    Wanted,
    judge_unrated_of,
    judged_of,
    pool_of,
    rated_of,
    sources_of,
    unrated_of,
    validation_of,
)
from daemon.views.examples import Examples
from daemon.views.page import Vocabulary
from daemon.views.store import fold_next, rebuild_digests
from tests.derived_world import DerivedWorld, sentence
from tests.intake_world import feedback, output

SENT = "please send the parcel to my new address at the river street tomorrow morning, number {}"


@pytest.fixture
def world(tmp_path):
    made = DerivedWorld(tmp_path)
    yield made
    made.close()


def pooled(world, *needs, types=(), times=None, prepare=True, examples=None, at=None):
    if prepare:
        world.prepare()
    times = {} if times is None else times
    return pool_of(world.source(examples), Wanted(types, needs), times, world.moment(at))


def ids(world, pool):
    names = {seq: name for name, seq in world.ids.items()}
    return {names[seq] for seq in pool["example"].tolist()}


class TestColumns:
    """What a row says."""

    def test_of_rated_outputs_of_the_learn_side(self, world):
        """Not of others, retracted ones, or those that nobody rated."""
        world.output_on("learn", "a")
        world.output_on("learn", "unrated", rated=False)
        world.output_on("learn", "back")
        world.output_on("validate", "v")
        world.output_on("judge", "j")
        world.send(feedback("r", "back", retracts="back"))
        assert ids(world, pooled(world).pool) == {"a"}

    def test_what_was_said_stands_in_them(self, world):
        """Scores, thumbs, worth, bits, ages from the newest feedback."""
        world.output_on("learn", "a", artifact_type="erd")
        world.clock.advance(seconds=86_400)
        world.send(feedback("s", "a", score=80.0, rater="ann"), feedback("t", "a", thumb="down", rater="bob"))
        world.clock.advance(seconds=86_400)
        pool = pooled(world).pool
        assert (pool["score"][0], pool["ups"][0], pool["downs"][0], pool["age_days"][0]) == (80.0, 1, 1, 1.0)
        assert pool["worth"][0] == pytest.approx((np.tanh(1.2) + np.tanh(1) + np.tanh(-1)) / 3)
        assert [name for name in ("score", "up", "down", "type", "implicit") if pool.says(name)[0]] == [
            "score",
            "up",
            "down",
        ]
        assert pool.names["artifact_type"][pool["artifact_type"][0]] == "erd"

    def test_feedback_from_the_future_has_no_negative_age(self, world):
        """The moment of a batch may lie before what the views know."""
        world.output_on("learn", "a")
        world.clock.advance(seconds=-3600)
        assert pooled(world).pool["age_days"].tolist() == [0.0]

    def test_what_a_workload_needs_decides(self, world):
        """Any of the needs suffices; artifact types are chosen by name."""
        world.output_on("learn", "a", artifact_type="erd")
        world.output_on("learn", "b", artifact_type="sql")
        world.send(feedback("c", "b", correction="so"))
        assert ids(world, pooled(world, "correction", "score").pool) == {"b"}
        assert ids(world, pooled(world, types=("erd",)).pool) == {"a"}
        assert ids(world, pooled(world, types=("unheard of",)).pool) == set()

    @pytest.mark.parametrize("as_array", [True, False])
    def test_times_learnt_are_taken_by_number(self, world, as_array):
        """From a mapping, or from an array that numbers are places in."""
        first, second = world.output_on("learn", "a"), world.output_on("learn", "b")
        times = np.zeros(second, np.int64)  # short of the second
        times[first] = 4
        assert pooled(world, times=times if as_array else {first: 4}).pool["times_learnt"].tolist() == [4, 0]

    def test_vectors_and_texts_are_fetched_for_rows(self, world):
        """A row's own, in any order."""
        world.output_on("learn", "a", artifact_type="erd", model="m", context={"k": 1})
        world.output_on("learn", "b", output={"x": 1})
        world.send(feedback("c", "b", correction="so", rater="ann"), feedback("k", "b", category="wrong"))
        pool = pooled(world).pool
        b, a = pool.texts([1, 0])
        assert (a["input"], a["output"], a["model"], a["artifact_type"], a["context"], a["thumb"]) == (
            world.text_on("learn", f"{sentence('a')} {{}}"),
            "an answer",
            "m",
            "erd",
            {"k": 1},
            "up",
        )
        assert (b["output"], b["correction"], b["category"], b["verdict"]) == ({"x": 1}, "so", "wrong", None)
        assert np.linalg.norm(pool.embeddings([0, 1]), axis=1) == pytest.approx([1, 1], abs=1e-2)


class TestHeldOut:
    """Held out means held out."""

    @pytest.mark.parametrize("side", ["validate", "judge"])
    @pytest.mark.parametrize("late", [True, False])
    def test_a_near_duplicate_of_a_held_out_input_is_not_learnt(self, world, side, late):
        """Also when the held-out one comes later."""
        for held in (late, not late):
            world.output_on("learn" if held else side, "near" if held else "held", like=SENT)
        world.output_on("learn", "far")
        found = pooled(world)
        assert ids(world, found.pool) == {"far"}
        assert found.held_apart == {"subject": 0, "episode": 0, "near": 1}

    @pytest.mark.parametrize("reason", ["subject", "episode"])
    @pytest.mark.parametrize("late", [True, False])
    def test_what_shares_a_subject_or_an_episode_is_not_learnt(self, world, reason, late):
        """Whichever comes first; each is counted under its first reason."""
        for held in (late, not late):
            world.output_on("learn" if held else "judge", "its" if held else "held", like=SENT, **{reason: "one"})
        world.output_on("learn", "others", **{reason: "another"})
        found = pooled(world)
        assert ids(world, found.pool) == {"others"}
        assert found.held_apart == dict.fromkeys(("subject", "episode", "near"), 0) | {reason: 1}

    def test_an_early_comment_does_not_hide_whose_output_it_is(self, world):
        """What was said under another key before the output came changes nothing about its subject."""
        world.send(feedback("early", "its", comment="before it", rater="ann"))
        world.output_on("judge", "held", subject="one")
        world.output_on("learn", "its", subject="one")
        assert pooled(world).held_apart["subject"] == 1

    def test_where_nothing_is_left_the_way_out_is_told(self, world):
        """By the reason that took most."""
        world.output_on("judge", "held", subject="one")
        world.output_on("learn", "its", subject="one")
        assert 'sides.split_by = "subject"' in pooled(world).advice
        nothing = pooled(world).pool.take([])
        apart = {"subject": 0, "episode": 2, "near": 1}
        assert 'sides.split_by = "episode"' in Pooled(nothing, apart, 1, None).advice
        assert "(1 by near)" in Pooled(nothing, apart | {"episode": 0}, 1, None).advice
        assert Pooled(nothing, dict.fromkeys(apart, 0), 1, None).advice is None

    def test_the_validation_pool_is_apart_from_the_judges_inputs(self, world):
        """A tuner must not see them either; subjects may be shared, or little would be left."""
        world.output_on("judge", "held", like=SENT, subject="one")
        world.output_on("validate", "near", like=SENT)
        world.output_on("validate", "v", subject="one")
        world.prepare()
        assert ids(world, validation_of(world.source(), Wanted(), world.moment())) == {"v"}

    def test_without_knowing_what_is_near_there_is_no_pool(self, world):
        """Nothing prepared, or an output that came since."""
        world.output_on("learn", "a")
        with pytest.raises(NotPrepared, match=r"known up to event 0, and event 1 brought an output"):
            pooled(world, prepare=False)
        world.prepare()
        assert len(pooled(world, prepare=False).pool) == 1
        world.output_on("judge", "j")
        with pytest.raises(NotPrepared):
            pooled(world, prepare=False)
        with pytest.raises(NotPrepared):
            validation_of(world.source(), Wanted(), world.moment())

    def test_feedback_alone_needs_no_preparing(self, world):
        """Inputs are all that matters."""
        world.output_on("learn", "a")
        world.prepare()
        world.send(feedback("s", "a", score=3.0))
        assert pooled(world, prepare=False).pool["score"].tolist() == [3.0]


def test_an_earlier_place_in_the_log_gives_what_it_gave_then(world):
    """With examples folded up to there: what came since, held-out near-duplicates too, is not known yet."""
    world.output_on("learn", "near", like=SENT)
    world.output_on("learn", "far")
    then = world.state.log.head().seq
    before = pooled(world)
    world.output_on("judge", "held", like=SENT)
    world.send(feedback("s", "far", score=1.0))
    assert ids(world, pooled(world).pool) == {"far"}
    examples, position, vocabulary = Examples(), 0, Vocabulary()
    while position < then:
        position, _ = fold_next(world.state.log, [examples], position, then - position, vocabulary)
    again = pooled(world, examples=examples, at=then)
    assert again.held_apart == before.held_apart
    for name, column in before.pool.columns.items():
        assert np.array_equal(column, again.pool[name], equal_nan=column.dtype.kind == "f"), name


class TestForgotten:
    """Who was forgotten is in no pool."""

    def forget(self, world, subject):
        from daemon.clock_and_chance import SeededChance
        from daemon.forgetting import forget

        forget(world.state, subject, world.clock.now(), SeededChance(9))

    def test_a_forgotten_subjects_outputs_are_not_learnt(self, world):
        """Their text is gone, and they with it."""
        world.output_on("learn", "a", subject="anna")
        world.output_on("learn", "b")
        self.forget(world, "anna")
        found = pooled(world)
        assert ids(world, found.pool) == {"b"}
        assert world.source().texts.texts({name: np.array([1]) for name in _TEXT_COLUMNS})[0] == {}

    def test_a_forgotten_raters_correction_is_none(self, world):
        """The output stays; what was corrected says nothing any more."""
        world.output_on("learn", "a", subject="anna")
        world.send(feedback("c", "a", correction="ben's", subject="ben"))
        assert pooled(world, "correction").pool.texts([0])[0]["correction"] == "ben's"
        self.forget(world, "ben")
        assert len(pooled(world, "correction").pool) == 0
        (text,) = pooled(world).pool.texts([0])
        assert (text["thumb"], text["correction"]) == ("up", None)


_TEXT_COLUMNS = ("example", "correction_seq", "category_seq", "preference_seq", "ups", "downs")


class TestPreferences:
    """What an output was compared with."""

    def compared(self, world, **fields):
        world.output_on("learn", "a")
        world.send(feedback("p", "a", verdict="better", **fields))
        return pooled(world).pool.texts([len(pooled(world).pool) - 1])[0]

    def test_a_text_stands_as_it_was_given(self, world):
        """With the verdict."""
        text = self.compared(world, compared_with="the other")
        assert (text["verdict"], text["compared_with"]) == ("better", "the other")

    def test_an_output_named_by_its_id_is_looked_up(self, world):
        """On the same side."""
        world.output_on("learn", "b", output="of b")
        assert self.compared(world, compared_with_id="b")["compared_with"] == "of b"

    def test_a_held_out_output_is_not_told(self, world):
        """It must not get into a batch through the back door."""
        world.output_on("judge", "b", output="of b")
        text = self.compared(world, compared_with_id="b")
        assert (text["verdict"], text["compared_with"]) == ("better", None)

    def test_one_that_never_came_is_nothing(self, world):
        """The verdict stays."""
        assert self.compared(world, compared_with_id="nowhere")["compared_with"] is None


def test_what_to_ask_about_is_rated_by_nobody(world):
    """Learn side and judge side; a copy or a comment is no rating."""
    world.output_on("learn", "a")
    world.output_on("learn", "b", rated=False)
    world.output_on("judge", "j")
    world.output_on("judge", "k", rated=False)
    world.send(feedback("c", "b", comment="hm"), feedback("i", "k", implicit="copy"))
    for prepared in (False, True):
        if prepared:
            world.prepare()
        source, moment = world.source(), world.moment()
        assert ids(world, unrated_of(source, Wanted(), moment)) == {"b"}
        assert ids(world, rated_of(source, Wanted(), moment)) == {"a"}
        assert ids(world, judge_unrated_of(source, Wanted(), moment)) == {"k"}


def test_any_order_of_arrival_gives_the_same_pool(tmp_path):
    """The set of events decides; numbers in the log are told by the ids there."""
    probe = DerivedWorld(tmp_path / "probe")
    learn, held = probe.text_on("learn", SENT), probe.text_on("judge", SENT)
    lines = [output("near", input=learn), output("held", input=held)]
    lines += [output(f"o{n}", input=probe.text_on("learn", f"{sentence(n)} {{}}")) for n in range(5)]
    lines.append(output("episode", input=probe.text_on("learn", f"{sentence('e')} {{}}"), episode="one"))
    lines.append(output("held too", input=probe.text_on("judge", f"{sentence('h')} {{}}"), episode="one"))
    lines += [
        feedback(f"{kind} {n}", f"o{n}", rater=f"r{kind}", **{kind: value})
        for n in range(4)
        for kind, value in (("score", 10.0 * n), ("thumb", "up"), ("correction", "so"))
    ]
    lines += [feedback(f"up {name}", name, thumb="up") for name in ("near", "held", "episode", "held too", "o4")]
    lines += [feedback("again", "o1", supersedes="thumb 1", thumb="down", rater="rthumb")]
    probe.close()
    found = []
    for seed in range(6):
        world = DerivedWorld(tmp_path / str(seed))
        shuffled = random.Random(seed).sample(lines, len(lines)) if seed else lines
        for line in shuffled:
            world.send(line)
        result = pooled(world)
        found.append((told(world, result.pool), result.held_apart))
        world.close()
    assert found[0][1] == {"subject": 0, "episode": 1, "near": 1}
    assert len(found[0][0]) == 5
    assert all(one == found[0] for one in found)


def told(world, pool):
    """Rows by the ids of what they name."""
    names = {seq: name for name, seq in world.ids.items()} | {0: None}
    numbered = ("example", "correction_seq", "category_seq", "preference_seq")
    left_out = ("embedding_row",)
    return {
        names[int(pool["example"][row])]: {
            name: names[int(column[row])] if name in numbered else repr(column[row])
            for name, column in pool.columns.items()
            if name not in left_out
        }
        for row in range(len(pool))
    }


class TestJudgedOn:
    """What champion and challenger are compared on."""

    def judged(self, world, ratings="volunteered", needs=(), apart=None):
        return judged_of(world.source(), Wanted((), needs), world.moment(), ratings, apart)

    def test_only_the_judge_side_and_only_what_says_what_is_right(self, world):
        """That an output is wrong says nothing of another model's answer."""
        for name in ("corrected", "labelled", "confirmed", "wrong", "unrated"):
            world.output_on("judge", name, rated=False)
        world.output_on("learn", "learnt")
        world.output_on("validate", "v")
        world.send(
            feedback("1", "corrected", correction="so"),
            feedback("2", "labelled", category="refund"),
            feedback("3", "confirmed", score=95.0),
            feedback("4", "wrong", thumb="down"),
        )
        assert ids(world, self.judged(world).pool) == {"corrected", "labelled", "confirmed"}
        assert ids(world, self.judged(world, needs=("correction", "score")).pool) == {"corrected", "confirmed"}
        assert ids(world, self.judged(world, needs=("comment",)).pool) == set()

    def test_volunteered_ratings_are_not_fair(self, world):
        """Ratings of all outputs are, or of a share that was drawn."""
        world.output_on("judge", "a")
        assert not self.judged(world).fair.any()
        for ratings in ("all", "random"):
            judged = self.judged(world, ratings)
            assert judged.fair.all()
            assert judged.weights.tolist() == [1.0]

    def test_what_was_asked_at_random_is_fair_and_weighs_by_its_propensity(self, world):
        """Among volunteered ones it alone; where all are rated nothing has to be weighed."""
        world.output_on("judge", "volunteered")
        asked = world.output_on("judge", "asked", rated=False)
        body = {"kind": "random", "outputs": [{"seq": asked, "propensity": 0.25}]}
        world.state.log.append([own_event(OUTPUTS_ASKED, body, world.clock.now(), SeededChance(8))])
        world.state.views.catch_up()
        world.send(feedback("r", "asked", thumb="up"))
        judged = self.judged(world)
        assert dict(zip(judged.fair.tolist(), judged.weights.tolist(), strict=True)) == {False: 4.0, True: 4.0}
        assert ids(world, judged.pool.take(np.flatnonzero(judged.fair))) == {"asked"}
        assert self.judged(world, "random").fair.all()
        assert self.judged(world, "all").weights.tolist() == [1.0, 1.0]

    def said_by_several(self, world):
        """Each by the one whose word says what is right of it."""
        for name in ("validated", "corrected", "judged", "nobody", "taken back", "changed"):
            world.output_on("judge", name, rated=False)
        world.send(
            feedback("1", "validated", score=95.0, source="code"),
            feedback("1c", "validated", comment="nice", source="human"),
            feedback("2", "corrected", score=95.0, source="code"),
            feedback("2h", "corrected", correction="so", source="human"),
            feedback("3", "judged", thumb="up", source="llm_judge"),
            feedback("4", "nobody", category="refund"),
            feedback("5", "taken back", score=95.0, source="code"),
            feedback("5h", "taken back", score=90.0, source="human"),
            feedback("5r", "taken back", retracts="5h"),
            feedback("6", "changed", score=95.0, source="code"),
            feedback("6h", "changed", supersedes="6", score=90.0, source="human"),
        )

    def test_of_each_example_it_is_known_who_says_what_is_right(self, world):
        """What was told before what confirms, of that the newest that stands, and no comment."""
        self.said_by_several(world)
        judged = self.judged(world, "all").pool["example"]
        names = {seq: name for name, seq in world.ids.items()}
        told = dict(zip((names[seq] for seq in judged.tolist()), sources_of(world.source(), judged), strict=True))
        assert told == {
            "validated": "code",
            "corrected": "human",
            "judged": "llm_judge",
            "nobody": "unsaid",
            "taken back": "code",
            "changed": "human",
        }
        assert sources_of(world.source(), judged[::-1]) == list(told.values())[::-1]

    def test_ratings_of_a_source_may_come_otherwise_than_those_of_others(self, world):
        """A validator's come for all outputs; what people volunteer beside it is no more fair by that."""
        self.said_by_several(world)
        judged = self.judged(world, Coming("volunteered", {"code": "all"}))
        assert ids(world, judged.pool.take(np.flatnonzero(judged.fair))) == {"validated", "taken back"}
        judged = self.judged(world, Coming("all", {"llm_judge": "volunteered"}))
        assert ids(world, judged.pool.take(np.flatnonzero(~judged.fair))) == {"judged"}

    def test_what_is_near_the_golden_set_is_left_out(self, world):
        """Whoever keeps that set says which outputs are."""
        kept, near = world.output_on("judge", "kept"), world.output_on("judge", "near")
        judged = self.judged(world, apart=lambda seqs: seqs == near)
        assert judged.pool["example"].tolist() == [kept]


class TestServed:
    """An example that served its last decision is learnt from."""

    def serve(self, world, *outputs):
        body = {"workload": "support", "outputs": list(outputs)}
        world.state.log.append([own_event(EXAMPLES_SERVED, body, world.clock.now(), SeededChance(outputs[0]))])
        world.state.views.catch_up()

    def test_it_goes_from_judge_to_learn_once(self, world):
        """And is judged on no more; one that was learnt from already stays where it is."""
        served, learnt = world.output_on("judge", "served"), world.output_on("learn", "learnt")
        world.output_on("judge", "stays")
        rated = world.state.views.examples.rated_judge_examples()
        self.serve(world, served, learnt)
        assert ids(world, pooled(world).pool) == {"served", "learnt"}
        assert ids(world, judged_of(world.source(), Wanted(), world.moment(), "all").pool) == {"stays"}
        assert world.state.views.examples.rated_judge_examples() == rated - 1

    def test_what_is_near_it_is_learnt_too_unless_another_is_held_out(self, world):
        """Held apart goes by the side that holds now."""
        served, other = world.output_on("judge", "served", like=SENT), world.output_on("judge", "other", like=SENT)
        world.output_on("learn", "near", like=SENT)
        world.prepare()
        derived = world.derived
        world.derived = lambda: derived().take_served(world.state.views.examples._examples().served["output_seq"])
        self.serve(world, served)
        assert ids(world, pooled(world, prepare=False).pool) == set()
        self.serve(world, other)
        assert ids(world, pooled(world, prepare=False).pool) == {"served", "other", "near"}

    def test_an_output_of_the_judge_side_is_not_told_to_it(self, world):
        """A preference that names one by its id was read while both were held out."""
        held = world.output_on("judge", "held")
        served = world.output_on("judge", "served", rated=False)
        world.send(feedback("p", "served", verdict="better", compared_with_id="held"))
        judged = judged_of(world.source(), Wanted(), world.moment(), "all").pool
        (text,) = judged.texts(np.flatnonzero(judged["example"] == served))
        assert text["compared_with"] == "an answer"
        self.serve(world, served)
        assert pooled(world).pool.texts([0])[0]["compared_with"] is None
        self.serve(world, held)
        assert len(pooled(world).pool) == 2


def test_a_served_example_is_as_served_after_a_restart(world):
    """The view takes it up from what it saved."""
    served = world.output_on("judge", "served")
    TestServed().serve(world, served)
    digests = world.state.views.digests()
    world.state.views.catch_up()
    world.state.views._load()
    assert world.state.views.digests() == digests == rebuild_digests(world.state.log)
    assert world.state.views.examples.rated_judge_examples() == 0
