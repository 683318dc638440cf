"""`adaptd batch`: what a person and a program read of batches."""

import json
import shutil

import pytest

from daemon.cli import main as cli
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.event_kinds import BATCH_FORMED, own_event
from daemon.opening import open_state
from daemon.settings import read_settings
from tests import made_state

STORED = """\
batch 1, 1 example: its stored rows checked against the log, since it cannot be formed again: changed since: on_error
its rows hold
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, nobodys_configuration):
    return made_state.make_batch(made_state.make(tmp_path_factory.mktemp("batches")))


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    folder = tmp_path / "place"
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("*.sock"))
    monkeypatch.chdir(folder)
    return folder


def run(capsys, *words):
    code = cli.main(["batch", *words])
    out, err = capsys.readouterr()
    return code, out, err


def document(capsys, *words):
    code, out, _ = run(capsys, *words, "--json")
    return code, json.loads(out)


def test_batches_are_listed_with_what_fired_them(place, capsys):
    """And as one document."""
    assert run(capsys, "list") == (0, "1  sums  2023-11-14 22:13:20  1  1  asked for by hand\n", "")
    _, told = document(capsys, "list")
    (batch,) = told["batches"]
    assert (batch["batch"], batch["rows"], batch["at"]) == (1, 1, "2023-11-14T22:13:20.000000Z")
    assert told["not_formed"] == []


def test_where_there_is_none_the_next_step_is_said(tmp_path, monkeypatch, capsys):
    """On stderr; stdout is empty."""
    monkeypatch.chdir(made_state.make(tmp_path))
    code, out, err = run(capsys, "list")
    assert (code, out) == (0, "")
    assert "`adaptd batch preview` shows what would be learnt" in err
    code, out, err = run(capsys, "preview")
    assert (code, out) == (0, "")
    assert "no workload yet. [workloads.NAME] in config.toml begins one" in err
    assert run(capsys, "explain", "out-1")[::2] == (
        2,
        "adaptd: batch explain: no batch has it and no workload is configured, expected [workloads.NAME]\n",
    )


def test_a_preview_says_what_is_missing_and_what_stages_do(place, capsys):
    """Line by line, the workload first."""
    code, out, _ = run(capsys, "preview")
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "sums: no batch yet")
    assert lines[1] == "  waits     0 of 20 new examples; nothing new to learn from yet"
    assert lines[2] == "  pool      1 example; held apart: none"
    assert "  stage     size_batch: 0 stay, 1 left out" in lines
    assert "              1: learnt … times before, and not drawn for replay" in lines
    _, told = document(capsys, "preview", "sums")
    (one,) = told["workloads"]
    assert one["triggers"] == [{"fires": False, "words": "0 of 20 new examples; nothing new to learn from yet"}]
    assert (one["rows"], one["pool"]) == (0, 1)


def test_a_preview_of_what_would_be_formed_shows_some_of_it(place, capsys):
    """With weight, input and reasons; nothing is written."""
    config = place / "config.toml"
    config.write_text(config.read_text() + 'stages = ["reward_feedback"]\ntrigger = { days = 1, new_examples = 0 }\n')
    before = (place / "state" / "events.db").read_bytes()
    code, out, _ = run(capsys, "preview")
    assert code == 0
    assert "  batch     1 example, 0 new; 1 to stop by" in out
    assert "          1  weight 0." in out
    assert ", learnt 1 time before  2+2" in out
    assert (place / "state" / "events.db").read_bytes() == before


def test_without_views_the_log_is_folded(place, capsys):
    """The daemon has never made them, or somebody has thrown them away."""
    before = run(capsys, "preview")
    (place / "state" / "views.db").unlink()
    assert run(capsys, "preview") == before
    assert run(capsys, "list")[0] == 0


def test_one_batch_is_shown_whole(place, capsys):
    """For a person with some of its rows, for a program with all that the event has."""
    code, out, _ = run(capsys, "show", "1")
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "batch 1 of sums, formed at 2023-11-14 22:13:20")
    assert "  by        asked for by hand" in lines
    assert "          1  weight 0.89  2+2" in lines
    assert "               new" in lines
    _, told = document(capsys, "show", "1")
    assert told["rows"]["example"] == [1]
    assert {"seed", "stages", "fingerprints", "reasons", "validation", "hash"} <= set(told)
    code, _, err = run(capsys, "show", "9")
    assert (code, "`adaptd batch list` shows those that there are." in err) == (4, True)


def test_a_batch_that_repeats_an_earlier_one_says_which(place, capsys):
    """That is why it may have no run."""
    _, first = document(capsys, "show", "1")
    assert "repeats" not in run(capsys, "show", "1")[1]
    clock, chance = StoppedClock(made_state.NOW), SeededChance(1234)
    with open_state(place / "state", read_settings(place / "config.toml", {}), clock, chance) as state:
        state.log.append([own_event(BATCH_FORMED, first | {"batch": 2, "repeats": 1}, made_state.NOW, chance)])
    told = "  repeats   batch 1: the same is new in it, and nothing was said of that since\n"
    assert told in run(capsys, "show", "2")[1]


def test_a_number_that_is_none_is_a_mistake_of_usage(place, capsys):
    """Told in one line."""
    code, _, err = run(capsys, "show", "x")
    assert (code, "N: expected the number of a batch, found 'x'" in err) == (2, True)


def test_an_example_is_explained(place, capsys):
    """Why it is in, or why not."""
    code, out, _ = run(capsys, "explain", "fb-1")
    assert code == 0
    assert out.splitlines()[:3] == [
        "output 1, batch 1 of sums: in it",
        "  weight      0.8854",
        "  learnt      0 times before",
    ]
    assert "  size_batch: new" in out
    _, out, _ = run(capsys, "explain", "fb-2")
    assert out == (
        "output 3, what sums would learn now: not in it: held out: it is on the validate side, from which nothing "
        "is learnt\n"
    )
    _, told = document(capsys, "explain", "fb-1")
    assert told["explained"][0]["said"][-1] == {"stage": "size_batch", "words": "new", "kept": True}


def test_a_batch_is_formed_again_and_equal(place, capsys):
    """Exit code 0, and the words say which of the two ways it was."""
    assert run(capsys, "rebuild", "1", "--check") == (
        0,
        "batch 1, 1 example: formed again from the log and compared\nequal\n",
        "",
    )
    config = place / "config.toml"
    config.write_text(config.read_text() + 'on_error = "skip"\n')
    code, out, _ = run(capsys, "rebuild", "1", "--check")
    assert (code, out) == (
        0,
        STORED,
    )
    assert document(capsys, "rebuild", "1", "--check")[1]["equal"]


def test_a_batch_that_is_not_what_the_log_gives_is_exit_code_1(place, capsys):
    """With the rows by their places."""
    import sqlite3

    with sqlite3.connect(place / "state" / "events.db") as connection:
        connection.execute("DROP TRIGGER events_are_never_changed")
        connection.execute("UPDATE events SET body = replace(body, '2+2', '2+3') WHERE seq = 1")
    connection.close()
    code, out, err = run(capsys, "rebuild", "1", "--check")
    assert (code, out.splitlines()[1:]) == (1, ["DIFFERENT in 1 row: 0", "DIFFERENT in its hash"])
    assert err == "adaptd: batch 1 is not what the log gives. `adaptd events verify` looks at the log.\n"
