"""A subject is forgotten: the models that learnt from it are named, marked, and trained anew where that is wanted."""

import json

import pytest

from daemon import forgetting
from daemon.batch_making import BeginsFrom
from daemon.cli import main as cli
from daemon.model_beginning import Beginning
from tests.intake_world import output
from tests.model_world import PROMOTED, TURNED_DOWN, World

WORKLOAD = '\n[workloads.support]\nplugin = "tiny_classifier"\n'


@pytest.fixture
def folder(tmp_path, monkeypatch, nobodys_configuration):
    """Alice in the first model of two workloads, of which one is configured; the second begins from the first."""
    world = World(tmp_path)
    (tmp_path / "config.toml").write_text((tmp_path / "config.toml").read_text() + WORKLOAD)
    alices = world.send(*(output(f"a-{n}", input=f"alice {n}", subject="alice") for n in range(2)))
    others = world.send(output("b", input="bob", subject="bob"))
    world.shelve(1, outputs=alices, decided=PROMOTED)
    world.shelve(2, base=1, outputs=others, decided=PROMOTED)
    world.shelve(3, outputs=others, decided=TURNED_DOWN)
    world.shelve(4, workload="chat", outputs=alices[:1])
    world.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(folder):
    world = World(folder)
    bodies = world.events("training_asked")
    world.close()
    assert all(body["without_forgotten"] for body in bodies)
    return [body["workload"] for body in bodies]


def test_the_models_that_learnt_from_it_are_named_and_marked(folder, capsys):
    """Those that began from such a model, too."""
    assert cli.main(["forget", "alice", "--yes"]) == cli.OK
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if line.startswith("model")] == [
        "model       chat/4, challenger, learnt from 1 output of it",
        "model       support/1, former, learnt from 2 outputs of it",
        "model       support/2, champion, learnt from 2 outputs of it",
    ]
    assert "their cards say so. --retrain asks for a training without the subject, also afterwards." in err
    assert "It learnt from 2 examples" in (folder / "state/models/support/0002/README.md").read_text()
    assert cli.main(["models", "list"]) == cli.OK
    assert "learnt from 2 of forgotten people" in capsys.readouterr().out
    assert asked(folder) == []


def test_what_is_configured_still_is_trained_anew(folder, capsys):
    """Also when the subject was forgotten before; and by nobody's name."""
    assert cli.main(["forget", "alice", "--yes"]) == cli.OK
    capsys.readouterr()
    assert cli.main(["forget", "alice", "--yes", "--retrain", "--json"]) == cli.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["again"], told["retrained"]) == (True, ["support"])
    assert [(one["workload"], one["model"]) for one in told["models"]] == [("chat", 4), ("support", 1), ("support", 2)]
    assert asked(folder) == ["support"]
    assert cli.main(["forget", "alice", "--yes", "--retrain"]) == cli.OK
    assert "training    of support is asked for, without it\n" in capsys.readouterr().out


def test_while_nights_are_paused_it_is_forgotten_all_the_same(folder, capsys):
    """That nothing may be trained is told, with exit code 1."""
    assert cli.main(["pause"]) == cli.OK
    assert cli.main(["forget", "alice", "--yes", "--retrain"]) == cli.FAILED
    out, err = capsys.readouterr()
    assert "events      2 events can no longer be read" in out
    assert "nothing may be trained, paused until somebody resumes. `adaptd resume` first" in err


def test_somebody_from_whom_nothing_was_learnt_concerns_no_model(folder, capsys):
    assert cli.main(["forget", "carol", "--yes", "--retrain", "--json"]) == cli.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["models"], told["retrained"]) == ([], [])


# What the training that was asked for begins from


@pytest.fixture
def world(tmp_path):
    """Model 0 clean, model 1 from bob, model 2 from alice and on 1, all once champions."""
    made = World(tmp_path)
    alices, bobs = (made.send(output(name, input=name, subject=name)) for name in ("alice", "bob"))
    made.shelve(0)
    made.shelve(1, base=0, outputs=bobs, decided=PROMOTED)
    made.shelve(2, base=1, outputs=alices, decided=PROMOTED)
    forgetting.forget(made.state, "alice", made.clock.now(), made.chance)
    made.state.views.catch_up()
    yield made
    made.close()


def beginning(world):
    return Beginning(world.state.log, world.state.views, world.shelves())


def folder_of(world, batch):
    path = beginning(world)(world.told(batch))
    return None if path is None else path.name


def test_only_what_was_asked_for_so_begins_from_an_untouched_model(world):
    """The newest champion that learnt nothing from anybody forgotten; the batch says so, the one after it does not."""
    assert beginning(world).asked("support") is None
    world.say("training_asked", workload="support")
    assert beginning(world).asked("support") is None
    world.say("training_asked", workload="support", without_forgotten=True)
    assert beginning(world).asked("support") == BeginsFrom(1)
    assert beginning(world).asked("chat") is None
    world.batch(3, [], begins_from={"model": 1})
    assert beginning(world).asked("support") is None
    world.batch(4, [])
    assert [folder_of(world, batch) for batch in (3, 4)] == ["0001", "0002"]


def test_where_all_learnt_from_somebody_forgotten_it_begins_anew(world):
    """From the base model of config.toml, or from nothing; a folder that is gone is none."""
    world.say("training_asked", workload="support", without_forgotten=True)
    for number in (1, 0):
        world.shelves().of("support").remove(number)
    assert beginning(world).asked("support") == BeginsFrom(None)
    world.batch(3, [], begins_from={"model": None})
    assert folder_of(world, 3) is None
