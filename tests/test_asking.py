"""What people are asked to rate: the most worth learning from, or a fair draw to judge by; and that it is recorded."""

import json

import numpy as np
import pytest

from daemon import asking
from daemon.asking import CannotAsk, Request, choose
from daemon.clock_and_chance import SeededChance
from daemon.pooling import Wanted
from daemon.settings import Settings, settings_of
from tests.derived_world import DerivedWorld
from tests.intake_world import feedback


@pytest.fixture
def world(tmp_path):
    made = DerivedWorld(tmp_path)
    yield made
    made.close()


def ask(world, settings=None, seed=1, **request):
    asked = Request.read({"limit": 5} | request)
    return asking.ask(world.state, settings or Settings(), asked, world.clock.now(), SeededChance(seed))


def ids(answer):
    return [one["id"] for one in answer["outputs"]]


def fill(world, side, count=12, **fields):
    for number in range(count):
        world.output_on(side, f"{side} {number}", rated=False, **fields)


def events(world):
    rows = world.state.log.read_after(0, 1000, ("kind", "body"))
    return [json.loads(body) for kind, body in rows if kind == "outputs_asked/1"]


def propensity_of(world, event_id):
    columns = world.state.views.examples.resolved("seq", "asked_propensity")
    return columns["asked_propensity"][columns["seq"] == world.ids[event_id]].item()


class TestLearn:
    """The learn side's most worth rating."""

    def test_names_unrated_outputs_of_the_learn_side(self, world):
        """With why, and out of how many; no text is told."""
        fill(world, "learn")
        fill(world, "judge", 3)
        world.output_on("learn", "rated")
        world.prepare()
        answer = ask(world)
        assert len(set(ids(answer))) == 5
        assert all(name.startswith("learn") for name in ids(answer))
        assert (answer["kind"], answer["of"]) == ("learn", 12)
        assert answer["how"].startswith("typical_then_margin")
        assert set(answer["outputs"][0]) == {"seq", "id", "artifact_type", "propensity", "why"}
        assert "typicality" in answer["outputs"][0]["why"]

    def test_enough_ratings_make_it_look_at_what_is_uncertain(self, world, monkeypatch):
        """Margins of a light probe on the scores, and on what thumbs are worth."""
        monkeypatch.setattr("components.asking.LEAST_LABELS", 6)
        fill(world, "learn")
        for number in range(8):
            world.output_on("learn", f"rated {number}", rated=number < 4)
        world.send(*(feedback(f"s {n}", f"rated {n}", score=10.0) for n in range(4, 8)))
        world.prepare()
        assert set(ask(world)["outputs"][0]["why"]) == {"margin", "cluster"}

    def test_before_anything_is_prepared_it_draws_by_chance(self, world):
        """And says so."""
        fill(world, "learn")
        answer = ask(world)
        assert "no embeddings are prepared yet" in answer["how"]
        assert answer["outputs"][0]["propensity"] == 5 / 12

    def test_many_outputs_are_looked_at_in_part(self, world, monkeypatch):
        """So that the daemon's turn does not take long."""
        monkeypatch.setattr(asking, "MOST_LOOKED_AT", 6)
        fill(world, "learn")
        world.prepare()
        assert len(set(ids(ask(world, limit=12)))) == 6


class TestRandom:
    """A fair draw of the judge side."""

    def test_draws_uniformly_and_tells_the_chance(self, world):
        """Each as often as any other, over many draws."""
        fill(world, "judge", 6)
        fill(world, "learn", 3)
        source, counts = world.source(), dict.fromkeys(range(6), 0)
        for seed in range(600):
            moment = world.moment()
            moment = type(moment)(moment.now, moment.log_position, seed)
            chosen = choose(source, Wanted(), Request(2, random=True), moment)
            assert chosen.propensity == 2 / 6
            for row in chosen.rows.tolist():
                counts[row] += 1
        assert min(counts.values()) > 150
        assert max(counts.values()) < 250

    def test_fewer_are_named_where_there_are_no_more(self, world):
        """All of them, surely."""
        fill(world, "judge", 2)
        answer = ask(world, random=True)
        assert len(ids(answer)) == 2
        assert answer["outputs"][0]["propensity"] == 1.0


class TestRecorded:
    """What was asked is in the log, and goes with the rating."""

    def test_each_output_with_its_propensity(self, world):
        """Numbers alone; nothing to ask about is no event."""
        assert ask(world, random=True)["outputs"] == []
        assert events(world) == []
        fill(world, "judge", 4)
        answer = ask(world, random=True, limit=2)
        told = [{"seq": one["seq"], "propensity": 0.5} for one in answer["outputs"]]
        assert events(world) == [{"kind": "random", "workload": None, "outputs": told}]

    def test_a_rating_that_follows_carries_it(self, world):
        """One that was volunteered carries none."""
        fill(world, "judge", 4)
        asked = ids(ask(world, random=True, limit=2))
        for number in range(4):
            world.send(feedback(f"s {number}", f"judge {number}", score=5.0))
        for number in range(4):
            propensity = propensity_of(world, f"judge {number}")
            assert propensity == 0.5 if f"judge {number}" in asked else np.isnan(propensity)


class TestRequest:
    """What may be asked for."""

    @pytest.mark.parametrize(
        ("fields", "told"),
        [
            ({"limit": 0}, "limit = 0, expected a number from 1 to 1,000"),
            ({"limit": 1001}, "limit = 1001"),
            ({}, "limit = None"),
            ({"limit": "7"}, "limit = '7', expected int"),
            ({"limit": True}, "limit = True, expected int"),
            ({"limit": 3, "artifact_type": 7}, "artifact_type = 7, expected str"),
            ({"limit": 3, "random": "yes"}, "random = 'yes', expected bool"),
        ],
    )
    def test_what_cannot_be_meant_is_told(self, fields, told):
        """The field, the value and what was expected."""
        with pytest.raises(CannotAsk, match=told):
            Request.read(fields)

    def settings(self, tmp_path):
        text = '[adaptd]\n[workloads.support]\nplugin = "tiny_classifier"\nartifact_types = ["erd", "sql"]\n'
        return settings_of(text, tmp_path)

    def test_a_workload_stands_for_its_artifact_types(self, world, tmp_path):
        """One of them may be named beside it."""
        world.output_on("judge", "a", rated=False, artifact_type="erd")
        world.output_on("judge", "b", rated=False, artifact_type="chat")
        world.output_on("judge", "c", rated=False, artifact_type="sql")
        asked = {"random": True, "workload": "support"}
        assert sorted(ids(ask(world, self.settings(tmp_path), **asked))) == ["a", "c"]
        assert ids(ask(world, self.settings(tmp_path), seed=2, artifact_type="sql", **asked)) == ["c"]
        assert events(world)[0]["workload"] == "support"

    def test_an_unknown_workload_or_a_foreign_type_is_told(self, world, tmp_path):
        """With those that there are."""
        with pytest.raises(CannotAsk, match=r"no workload 'x', expected one of config.toml's: support"):
            ask(world, self.settings(tmp_path), workload="x")
        with pytest.raises(CannotAsk, match=r"'chat' is not one that workload 'support' learns from, .* erd, sql"):
            ask(world, self.settings(tmp_path), workload="support", artifact_type="chat")
