"""`adaptd gate`: why a model was promoted or not, and what the year's budget has left."""

import json
import shutil

import pytest

from daemon.cli.main import main
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_kinds import KINDS, own_event
from daemon.opening import open_state
from daemon.settings import settings_of
from tests.judging_world import CONFIG, DAY, NOW, World
from tests.terminals import at_a_terminal

BASE = CONFIG + 'base_model = "base"\n'


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """One promoted, one turned down, one that could not be judged, and one that nobody has decided about."""
    world = World(tmp_path_factory.mktemp("gate"), BASE)
    world.base(0.5)
    world.rate(200, source="code")
    for told in ({"right": 0.9}, {"right": 0.4}, {"right": 0.9, "wrong": "raise"}):
        world.finish_run(**told)
        world.decide()
        world.clock.advance(seconds=DAY)
    world.finish_run(0.9)
    world.turn(night=None)
    world.close()
    return world.folder


@pytest.fixture
def place(judged, tmp_path, monkeypatch):
    shutil.copytree(judged, tmp_path / "place", symlinks=True)
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


def page(capsys, *words):
    assert main(["gate", *words]) == 0
    return capsys.readouterr().out.splitlines()


def document(capsys, *words):
    assert main(["gate", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_sentence_comes_first_and_then_everything_that_was_looked_at(place, capsys):
    """Of a model, as of the run that left it."""
    lines = page(capsys, "explain", "run-0002")
    assert lines == page(capsys, "explain", "2") == page(capsys, "explain", "guessing/2")
    assert lines[0].startswith("Turned down: not better, correct -")
    text = " ".join(line.strip() for line in lines)
    for words in (
        "model     guessing/2, of run-0002; turned down now",
        "against   guessing/1, the champion then",
        "UTC, by the gate",
        "them fair (ratings = all)",
        "said by   code 67, fair 67",
        "power     a true gain of ",
        " points would have been seen in four nights of five",
        "latency   erd ",
        "other (2 types): ",
        "types of under 200 examples each: ",
        "budget    0.0027 of 0.0027 false promotions that could be spent then",
        "holds   what was looked at",
        "fair examples of the 20 that are wanted",
    ):
        assert words in text
    assert {line[:3] for line in lines[lines.index("holds   what was looked at") + 1 :]} <= {"yes", "NO ", "   ", "-  "}
    assert any(line.startswith("NO ") for line in lines)


def test_at_a_terminal_everything_fits(place):
    """Eighty columns; what is longer goes on in the next line."""
    for words in (["explain", "1"], ["explain", "2"], ["explain", "3"], ["show"]):
        shown = at_a_terminal(["gate", *words], place).splitlines()
        assert max(len(line) for line in shown if "/" not in line) <= 80  # a path is not cut
        assert len(shown) > 3


def test_what_became_of_each_is_one_sentence(place, capsys):
    """Promoted, failed, not decided, and the one that the workload began with."""
    assert page(capsys, "explain", "1")[0].startswith("Promoted: correct +")
    assert page(capsys, "explain", "3")[0].startswith("Turned down, undecided by the gate: RuntimeError at")
    assert page(capsys, "explain", "run-0004")[0] == "Not decided yet."
    assert page(capsys, "explain", "0")[0] == "The model that the workload began with."


def test_what_a_rollback_took_back_is_told_with_its_reason(place, capsys):
    """The verdict stays what it was; what came later stands below it."""
    assert main(["models", "rollback", "guessing", "--reason", "it lied"]) == 0
    capsys.readouterr()
    lines = page(capsys, "explain", "1")
    assert lines[0].startswith("Promoted: correct +")
    (later,) = (line for line in lines if line.startswith("later "))
    assert later.startswith("later     rolled back to model 0, ")
    assert later.endswith(" UTC: it lied")
    told = document(capsys, "explain", "1")["rolled_back"]
    assert (told["from"], told["to"], told["reason"]) == (1, 0, "it lied")
    assert document(capsys, "explain", "2")["rolled_back"] is None


def test_latency_and_size_are_told_in_units(place, capsys):
    """And a type that is the only small one by its name."""
    lines = page(capsys, "explain", "1")
    assert any(
        line.startswith("yes     latency 0.") and line.endswith("1.25 times 1 ms an example is the limit")
        for line in lines
    )
    assert any(line.startswith("yes     size 2,") and " bytes, was 2," in line for line in lines)


def test_a_decision_is_told_to_programs(place, capsys):
    """With the whole evidence, and the figures of each slice."""
    told = document(capsys, "explain", "1")
    assert (told["schema"], told["verdict"], told["by"], told["champion"]) == (
        "adaptd.gate_decision/1",
        "promote",
        "gate",
        0,
    )
    assert told["evidence"]["metric"] == "correct"
    assert set(told["metrics"]) == {"all", "type erd", "type sql"}
    assert [clause["holds"] for clause in told["clauses"]] == [True] * 6
    assert document(capsys, "explain", "run-0004")["verdict"] is None


def test_one_that_there_is_not_is_told(place, capsys):
    """Exit code 4."""
    assert main(["gate", "explain", "run-0009"]) == 4
    assert "run-0009 has left no model on a shelf" in capsys.readouterr().err
    clock, chance = StoppedClock(NOW), SeededChance(9)
    with open_state(place / "state", settings_of(BASE, place / "config.toml"), clock, chance) as state:
        body = {"run": "run-0009", "attempt": 1, "reason": "divergence at step 11", "final": True}
        state.log.append([own_event(KINDS["run_failed"], body, NOW, chance)])
    assert main(["gate", "explain", "run-0009"]) == 4
    assert "run-0009 has left no model that could be judged: it is failed, divergence at" in capsys.readouterr().err
    assert main(["gate", "explain", "9"]) == 4
    assert "no model 9" in capsys.readouterr().err


def test_the_budget_and_what_could_be_judged_are_shown(place, capsys):
    """As of now: the decisions of the story are years ago."""
    lines = page(capsys, "show")
    assert lines[0] == "budget    1 false promotions a year, all workloads together"
    assert lines[1].startswith("spent     0 by 0 decisions within a year, ")
    assert lines[3].split()[:2] == ["guessing", "all"]
    told = document(capsys, "show")
    (workload,) = told["workloads"]
    assert (told["schema"], told["per_year"], workload["workload"]) == ("adaptd.gate/1", 1.0, "guessing")
    assert workload["fair"] == workload["judged"] > 40
    assert workload["level"] == 0.05
    assert workload["golden"] == 0


def test_a_frozen_golden_set_counts_among_fair_examples(place, capsys):
    """As status counts it too."""
    config = place / "config.toml"
    config.write_text(config.read_text().replace('ratings = "all"', 'ratings = "volunteered"'))
    (place / "golden.jsonl").write_text("".join(f'{{"input": "q {n}", "reference": "a"}}\n' for n in range(30)))
    assert main(["golden", "import", "golden.jsonl", "--set", "guessing"]) == 0
    assert main(["golden", "freeze", "--set", "guessing"]) == 0
    capsys.readouterr()
    lines = page(capsys, "show")
    assert not lines[-1].startswith("More fair examples")
    (workload,) = document(capsys, "show")["workloads"]
    assert (workload["fair"], workload["golden"]) == (0, 30)
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["first_promotion"]["fair_judge_examples"] == 30


def test_where_examples_are_missing_the_way_to_them_is_told(place, capsys):
    """Volunteered ratings are not fair."""
    config = place / "config.toml"
    config.write_text(config.read_text().replace('ratings = "all"', 'ratings = "volunteered"'))
    lines = page(capsys, "show")
    assert lines[-1].startswith("More fair examples come with `adaptd ask --random`")
    (row,) = (line for line in lines if line.startswith("guessing"))
    assert row.split()[1:3] == ["volunteered", "0"]


def test_a_workload_that_cannot_be_loaded_is_told(place, capsys):
    """The others are shown all the same."""
    shutil.rmtree(place / "plugins")
    assert any(line.startswith("guessing: plugin 'guessing'") for line in page(capsys, "show"))
