"""`adaptd why`: from feedback to what became of it, and from a model back to the feedback behind it."""

import json

import pytest

from daemon.cli import main as cli
from tests.intake_world import feedback, output
from tests.model_world import PROMOTED, TURNED_DOWN, World
from tests.terminals import at_a_terminal


@pytest.fixture(scope="module")
def made(tmp_path_factory, nobodys_configuration):
    """Two models: the first from two outputs of which one is rated twice, the second from the first."""
    folder = tmp_path_factory.mktemp("why")
    world = World(folder)
    seqs = world.send(*(output(f"out-{n}", input=f"question {n}", artifact_type="erd") for n in range(9)))
    world.send(feedback("fb-1", "out-0", score=20.0), feedback("fb-2", "out-0", score=90.0, supersedes="fb-1"))
    world.send(feedback("early", "never came", score=20.0))
    world.shelve(0)
    world.shelve(1, base=0, outputs=seqs[:2], decided=PROMOTED)
    world.shelve(2, base=1, outputs=seqs[2:8], decided=TURNED_DOWN)
    world.judged = world.say(
        "challenger_judged", workload="support", model=2, champion=1, run="run-0002", outputs=[seqs[8]], metrics={}
    )
    world.say("champion_rolled_back", workload="support", **{"from": 1, "to": 0}, reason="it was worse")
    world.close()
    return folder


@pytest.fixture
def place(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def ask(capsys, *words):
    assert cli.main(["why", *words]) == cli.OK
    out, err = capsys.readouterr()
    assert err == ""
    return out


def at(depth, lines):
    """The beginnings of the lines so deep."""
    found = [line for line in lines if len(line) - len(line.lstrip()) == 2 * depth]
    return [line.strip().partition(":")[0] for line in found]


def test_feedback_is_followed_to_the_verdict(place, capsys):
    """Its reward, the batches and why, the run, the model, what was decided, and what began from it."""
    shown = ask(capsys, "fb-2")
    assert shown == ask(capsys, "out-0")
    lines = shown.splitlines()
    assert lines[0].startswith("output out-0: event 1, erd, ")
    assert at(1, lines) == ["feedback fb-1", "feedback fb-2", "worth", "batch-1"]
    assert "score 20, superseded" in lines[1]
    assert at(2, lines) == ["run-0001"]
    assert at(3, lines) == ["model support/1"]
    assert at(4, lines)[0].startswith("promoted 2023-11-14")
    assert at(4, lines)[1].startswith("rolled back 2023-11-14")
    assert at(4, lines)[2] == "model support/2"
    assert ": accuracy is 10 points better." in shown
    assert "to model 0: it was worse" in shown


def test_a_model_is_followed_to_the_events_behind_it(place, capsys):
    """The verdict with its clauses, the run, the batch, outputs and feedback, and the model that it began from."""
    lines = ask(capsys, "support/1").splitlines()
    assert lines == ask(capsys, "model", "support/1").splitlines() == ask(capsys, "model", "1").splitlines()
    assert lines[0].startswith("model support/1: quarantined since 2023-11-14")
    assert at(1, lines)[2:] == ["run-0001", "model support/0", "model support/2"]
    assert at(2, lines) == ["all", "holds", "holds", "batch-1"]
    assert at(3, lines) == ["because", "output out-0", "output out-1"]
    assert at(4, lines) == ["feedback fb-1", "feedback fb-2"]
    assert "which had learnt from 0 outputs" in "\n".join(lines)


def test_a_model_that_one_went_back_to_says_so(place, capsys):
    """Else nobody would know why it is in use."""
    lines = ask(capsys, "support/0").splitlines()
    (again,) = (line for line in lines if line.startswith("  in use again 2023-11-14 "))
    assert again.endswith(" UTC: back from model 1: it was worse")


def test_a_run_and_a_batch_are_followed_both_ways(place, capsys):
    """By number or as they are called; many are cut, and that is said."""
    assert ask(capsys, "run", "2") == ask(capsys, "run-0002")
    assert at(1, ask(capsys, "run-2").splitlines()) == ["batch-2", "model support/2"]
    lines = ask(capsys, "batch", "2", "--most", "2").splitlines()
    assert at(1, lines) == ["because", "output out-2", "output out-3", "4 more", "run-0002"]
    assert at(1, ask(capsys, "batch-2", "--most", "9").splitlines())[-2] == "output out-7"


def test_an_example_that_models_were_judged_by_says_so(place, capsys):
    """With the model that it decided about; what was neither learnt nor judged says where to ask."""
    lines = ask(capsys, "out-8").splitlines()
    assert at(1, lines) == ["judging support/2"]
    assert at(2, lines) == ["model support/2"]
    assert at(3, lines)[0].startswith("turned down ")
    assert at(4, lines) == []  # what the verdict rests on, the model says


def test_it_is_told_as_json(place, capsys):
    """The same tree."""
    told = json.loads(ask(capsys, "fb-1", "--json"))
    assert (told["schema"], told["asked"], told["kind"]) == ("adaptd.why/1", "fb-1", "output")
    batch = next(step for step in told["below"] if step["kind"] == "batch")
    assert batch["below"][0]["below"][0]["facts"]["state"] == "quarantined"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing"], "why: nothing is called 'nothing', expected the id or number of an event, or batch-7, run-7, or"),
        (["run-9"], "why: no run-0009. `adaptd runs list` shows which there are."),
        (["batch", "9"], "why: no batch 9. `adaptd batch list` shows which there are."),
        (["model", "9"], "no model 9. `adaptd models list` shows which there are."),
        (["early"], "feedback_recorded/1, is about an output that has not come: nothing follows from it"),
        (["14"], "stands alone: nothing follows from it"),
    ],
)
def test_what_is_not_there_is_exit_code_4(place, capsys, words, told):
    """With what was expected."""
    assert cli.main(["why", *words]) == cli.NO_SUCH_THING
    assert told in capsys.readouterr().err


def test_what_cannot_be_meant_is_exit_code_2(place, capsys):
    for words, told in (
        (["dance", "7"], "why: 'dance 7': expected one id, or batch, run, model and a number"),
        (["batch", "1", "--most", "0"], "why: --most: 0, expected at least 1"),
    ):
        assert cli.main(["why", *words]) == cli.USAGE
        assert told in capsys.readouterr().err


def test_at_a_terminal_everything_fits(place):
    """Eighty columns."""
    shown = at_a_terminal(["why", "support/1"], place, NO_COLOR="1")
    assert [line for line in shown.splitlines() if len(line) > 80] == []
