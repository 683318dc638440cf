"""The shelves as the log wants them: after a kill between event and link, after a forgetting, and what may go."""

import json

import pytest

from daemon import asking_models, forgetting
from daemon.asking_models import promote, roll_back
from daemon.idle_parts import NobodyJudges
from daemon.model_cards import readme_of, told_value
from daemon.settings import settings_of
from daemon.shelves import JudgesAndKeeps, kept_in_any_case
from tests.intake_world import output
from tests.model_world import NOW, PROMOTED, TURNED_DOWN, World, three_models


@pytest.fixture
def world(tmp_path):
    made = three_models(tmp_path)
    yield made
    made.close()


def place(world):
    return asking_models.Place(world.state.log, world.state.views, world.shelves(), world.chance, world.clock.now())


def champion(world, link="champion"):
    return world.shelves().of("support").pointed(link)


def card(world, number):
    return json.loads((world.shelves().of("support").path(number) / "card.json").read_text())


def test_what_the_log_says_is_made_so(world):
    """A kill between an event and its links: whoever comes next swaps them; then there is nothing to do."""
    world.say("challenger_promoted", workload="support", model=3, previous=2, by="hand", reason="x", level=None)
    assert champion(world) == 2
    assert world.shelves().settle() == ["support: champion is model 3", "support: previous is model 2"]
    assert (champion(world), champion(world, "previous"), champion(world, "challenger")) == (3, 2, None)
    assert world.shelves().settle() == []


@pytest.mark.parametrize(
    "ask", [lambda place: promote(place, "3", "x", "the-same"), lambda place: roll_back(place, None, None, "the-same")]
)
def test_a_request_that_is_done_twice_is_one_event(world, ask):
    """The second time the links are looked at, after a kill before them."""
    first = ask(place(world))
    newest, in_use = world.state.log.head().seq, champion(world)
    world.shelves().of("support").point("champion", 1)
    assert ask(place(world)) == first
    assert (world.state.log.head().seq, champion(world)) == (newest, in_use)


def test_a_challenger_is_linked_until_it_is_decided(world):
    """And its card says so, then and afterwards."""
    world.shelve(4, base=2)
    assert (champion(world, "challenger"), card(world, 4)["state"]) == (4, "challenger")
    world.judge(4)
    world.decide(4)
    world.shelves().settle()
    assert (champion(world), champion(world, "challenger"), card(world, 4)["state"]) == (4, None, "champion")
    assert card(world, 2)["state"] == "former"


def test_a_rolled_back_model_may_be_promoted_by_hand_again(world):
    """Quarantine binds the machine, and no person."""
    roll_back(place(world), "support", None, "one")
    assert card(world, 2)["state"] == "quarantined"
    promote(place(world), "2", "it was the data", "two")
    assert (champion(world), card(world, 2)["state"]) == (2, "champion")


# What may go


def test_the_oldest_that_nobody_needs_are_let_go_of(tmp_path):
    """Never the champion, what is pinned or not decided, what one may roll back to, and never the base model."""
    world = World(tmp_path)
    world.shelve(0)
    for number in range(1, 8):
        world.shelve(number, base=0, decided=PROMOTED)
    for number in range(8, 12):
        world.shelve(number, base=7, decided=TURNED_DOWN)
    world.shelve(12, base=7)
    world.say("model_pinned", workload="support", model=9, pinned=True)
    told = world.shelves(keep=1).settle()
    assert told[0] == "support: the files of model 1 are let go of"
    assert world.shelves().of("support").numbers() == [0, 4, 5, 6, 7, 9, 11, 12]
    assert world.shelves(keep=1).settle() == []
    roll_back(place(world), None, None, "one")
    assert champion(world) == 6
    world.close()


def test_what_a_kept_model_began_from_is_kept(tmp_path):
    """An adapter is nothing without it."""
    world = World(tmp_path)
    world.shelve(1, decided=TURNED_DOWN)
    world.shelve(2, base=1, decided=PROMOTED)
    assert kept_in_any_case(world.shelves().view.standing("support")) == {0, 1, 2}
    world.close()


def test_a_damaged_card_is_no_reason_to_end(world):
    """Whoever wants to use the model is told."""
    (world.shelves().of("support").path(2) / "manifest.json").write_text("{")
    world.say("model_pinned", workload="support", model=1, pinned=True)
    assert world.shelves().settle() == []
    assert card(world, 1)["pinned"] is True


INDEXED = "and indexes last"


class NobodyBuilds:
    def follow(self, settings):
        pass

    def turn(self, now):
        return [INDEXED]

    def stop(self):
        return []


def test_every_turn_sees_to_the_shelves_after_judging(world):
    """By the configuration that holds."""
    keeps = JudgesAndKeeps(NobodyJudges(), world.shelves(), NobodyBuilds())
    world.say("challenger_promoted", workload="support", model=3, previous=2, by="hand", reason="x", level=None)
    assert keeps.turn(NOW, None, ()) == ["support: champion is model 3", "support: previous is model 2", INDEXED]
    world.shelve(4, base=0, decided=TURNED_DOWN)
    assert keeps.turn(NOW, None, ()) == [INDEXED]
    keeps.follow(settings_of("[models]\nkeep = 0\n", world.folder))
    assert keeps.turn(NOW, None, ()) == ["support: the files of model 4 are let go of", INDEXED]
    assert (keeps.busy("support"), keeps.stop(NOW)) == (False, [])


# Cards


def test_a_card_says_what_made_the_model(world):
    """Run, batch, log head, fingerprints, settings; nothing of it is a text of anybody."""
    found = card(world, 2)
    assert (found["run"], found["batch"], found["base"], found["settings"]) == ("run-0002", 2, 1, {"epochs": 3})
    assert found["learnt"]["fingerprints"] == {"embeddings": "e" * 8}
    head = found["learnt"]["log_head"]
    assert world.state.log.read_after(head["seq"] - 1, 1, ("chain",))[0][0].hex() == head["chain"]
    assert found["judged"]["metrics"]["all"]["accuracy"]["challenger"]["mean"] == 0.9
    assert found["hash"] == world.shelves().of("support").check(2)


def test_a_card_has_the_fingerprint_of_the_model_s_embeddings(world):
    """As the workload left it among the model's files; in the README too."""
    shelf = world.shelves().of("support")
    assert card(world, 2)["embeddings"] is None
    (shelf.path(2) / "embeddings.json").write_text('{"fingerprint": "f00d", "dimension": 384}')
    world.say("model_pinned", workload="support", model=2, pinned=True)
    world.shelves().settle()
    assert card(world, 2)["embeddings"] == {"fingerprint": "f00d", "dimension": 384}
    assert "- embedding fingerprint: f00d" in (shelf.path(2) / "README.md").read_text()


def test_the_readme_says_it_to_people(world):
    """How it was judged with intervals, every clause, and how to load it."""
    text = readme_of(card(world, 2))
    assert text.startswith("# support, model 2\n\nChampion since 2023-11-14 22:13 UTC.\n")
    assert "- all: accuracy 0.9 (0.86 to 0.93), before 0.8 (0.75 to 0.85), of 300\n" in text
    assert "- because: Promoted: accuracy is 10 points better.\n" in text
    assert "- better, holds: accuracy +10.0 points, p = 0.001\n" in text
    assert '\npath = adaptd.model_path("support")  # the model in use' in text
    assert "`adaptd models path support/2 --check`" in text
    base = readme_of(card(world, 0))
    assert "## How it was judged\n\nNothing is known of that.\n" in base


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.123456, "0.1235"), ([0.1, 0.25], "0.1 to 0.25"), (["a", "b", "c"], "a, b, c"), ({"x": 1, "y": None}, "x 1")],
)
def test_figures_are_told_shortly(value, told):
    """Pairs of numbers are bounds."""
    assert told_value(value) == told


# Forgetting


def test_a_forgotten_subject_marks_the_models_that_learnt_from_it(tmp_path):
    """Also those that began from such a model; by number alone, and for good."""
    world = World(tmp_path)
    alices = world.send(*(output(f"a-{n}", input=f"alice {n}", subject="alice") for n in range(2)))
    others = world.send(*(output(f"b-{n}", input=f"bob {n}", subject="bob") for n in range(2)))
    world.shelve(1, outputs=[alices[0], others[0]], decided=PROMOTED)
    world.shelve(2, base=1, outputs=[others[1]], decided=PROMOTED)
    world.shelve(3, outputs=others, decided=TURNED_DOWN)
    assert "forgotten" not in readme_of(card(world, 1))
    forgetting.forget(world.state, "alice", world.clock.now(), world.chance)
    world.state.views.catch_up()
    world.shelves().settle()
    assert [card(world, number)["forgotten"] for number in (1, 2, 3)] == [1, 1, 0]
    text = (world.shelves().of("support").path(2) / "README.md").read_text()
    assert "**It learnt from 1 example of somebody who was forgotten since.**" in text
    assert "alice" not in text
    world.close()
    world.open()
    assert world.shelves().settle() == []
    assert card(world, 1)["forgotten"] == 1
    world.close()
