"""`adaptd events`: tail, show and verify, for people and for programs."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli import events as verb
from daemon.cli.main import main
from tests import made_state

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def documents(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_tail_shows_the_newest_oldest_first(folder, capsys):
    """A line each: number, time, kind, what distinguishes it, and the id, which 80 columns may cut."""
    assert main(["events", "tail", "-n", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["2", "3", "4", "5"]
    assert lines[0] == "      2  2023-11-14 22:13:20  feedback_recorded/1  score comment 85              fb-1"
    assert lines[1].endswith("erd output down comment       fb-2")
    assert "(spool/" in lines[2]
    assert main(["events", "tail"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == made_state.EVENTS
    assert main(["events", "tail", "-n", "0"]) == 0
    assert capsys.readouterr().out == ""


def test_tail_as_json_is_an_object_a_line(folder, capsys):
    """With the schema, whole, and with the sealed fields opened."""
    assert main(["events", "tail", "--json", "-n", "5"]) == 0
    output, scored, sealed, quarantined, finished = documents(capsys)
    assert output["schema"] == "adaptd.event/1"
    assert (output["seq"], output["id"], output["kind"]) == (1, "out-1", "output_recorded/1")
    assert (output["model"], output["body"]["input"], output["n"]) == ("m:7b", "2+2", 1)
    assert output["writer"] == made_state.WRITER
    assert scored["body"]["comment"] == "good\u009bm ✓"
    assert (sealed["sealed"], sealed["body"]["comment"]) == ("readable", "alice's secret")
    assert quarantined["kind"] == "line_quarantined/1"
    assert finished["kind"] == "spool_finished/1"
    assert all(len(event["chain"]) == 64 and event["received_at"].endswith("Z") for event in (output, finished))
    assert "output_key" not in output


def test_tail_that_follows_shows_what_comes(folder):
    """Events of a later commit appear without a new start."""
    command = [sys.executable, "-m", "daemon.cli.main", "events", "tail", "-f", "-n", "1", "--json"]
    command += ["--config", str(folder / "config.toml")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tail:
        first = json.loads(tail.stdout.readline())
        made_state.spool(folder, [], rotation=3)
        made_state.take_in(folder, [{"kind": "feedback_recorded/1", "id": "new", "output_id": "out-1", "score": 5}])
        second = json.loads(tail.stdout.readline())
        tail.terminate()
    assert (first["seq"], second["seq"], second["id"]) == (5, 6, "new")


@pytest.mark.parametrize("asked", ["2", "fb-1"])
def test_show_finds_an_event_by_number_or_id(asked, folder, capsys):
    """The facts first, then what was received; nothing in it can steer the terminal."""
    assert main(["events", "show", asked]) == 0
    out = capsys.readouterr().out
    assert "\nseq            2\n" in out
    assert "\nid             fb-1\n" in out
    assert '\n  "comment": "good\\x9bm ✓"' in out
    assert "\x9b" not in out


def test_show_as_json_is_the_event(folder, capsys):
    """The same object as tail's."""
    assert main(["events", "show", "fb-2", "--json"]) == 0
    (event,) = documents(capsys)
    assert (event["seq"], event["body"]["comment"]) == (3, "alice's secret")


def test_a_sealed_event_without_its_key_is_shown_without_its_texts(folder, capsys):
    """After the key was destroyed the event is still there, and says that it cannot be read."""
    with sqlite3.connect(folder / "state" / "keys.db") as keys:
        keys.execute("DELETE FROM keys")
    keys.close()
    assert main(["events", "show", "fb-2", "--json"]) == 0
    (event,) = documents(capsys)
    assert event["sealed"] == "not readable here"
    assert "comment" not in event["body"]
    (folder / "state" / "keys.db").unlink()
    assert main(["events", "show", "fb-2"]) == 0
    assert "sealed         not readable here" in capsys.readouterr().out


@pytest.mark.parametrize("asked", ["nope", "0", "6", "99999999999999999999", "²"])
def test_an_event_that_is_not_there_is_exit_code_4(asked, folder, capsys):
    """The error says what would be an answer."""
    assert main(["events", "show", asked]) == 4
    out, err = capsys.readouterr()
    assert not out
    assert f"no event {asked!r} in {folder}/state/events.db, expected an id or a number from 1 to 5." in err


def test_verify_says_that_all_is_as_it_was_written(folder, capsys):
    """How many, and the head's hash to compare with one that was kept elsewhere."""
    assert main(["events", "verify"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("OK: 5 events, each as it was written; head 5 is ")
    main(["events", "verify", "--json"])
    (document,) = documents(capsys)
    assert document["schema"] == "adaptd.verification/1"
    assert (document["ok"], document["events"], document["bad_seq"], document["problem"]) == (True, 5, None, None)
    assert out.strip().endswith(document["head"]["chain"])


def test_verify_names_the_first_event_that_was_changed(folder, capsys):
    """Exit code 1, the number on stdout, what to do on stderr."""
    database = sqlite3.connect(folder / "state" / "events.db")
    database.execute("DROP TRIGGER events_are_never_changed")
    database.execute("UPDATE events SET score = 100 WHERE seq = 2")
    database.commit()
    database.close()
    assert main(["events", "verify"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("BAD: event 2: its stored bytes do not give its stored hash; the 1 before it ")
    assert "restore a backup" in err
    assert main(["events", "verify", "--json"]) == 1
    (document,) = documents(capsys)
    assert (document["ok"], document["bad_seq"], document["events"]) == (False, 2, 1)


@pytest.mark.parametrize("arguments", [["tail"], ["show", "1"], ["verify"]])
def test_without_a_log_it_says_to_start_the_daemon(arguments, tmp_path, monkeypatch, capsys):
    """Nothing is made by looking."""
    monkeypatch.chdir(made_state.init(tmp_path))
    assert main(["events", *arguments]) == 1
    assert "Start the daemon once." in capsys.readouterr().err
    assert not (tmp_path / "state" / "events.db").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "events: expected VERB, found nothing. `adaptd events --help` shows how."),
        (
            ["tails"],
            "events: VERB: expected one of tail, show, verify, found 'tails', did you mean tail? `a",
        ),
        (["show"], "events show: expected ID_OR_SEQ, found nothing. `adaptd events show --help` shows how."),
        (["tail", "-n", "x"], "events tail: -n: expected a whole number, found 'x'. `adaptd events tail --help`"),
        (["tail", "-n", "-1"], "events tail: -n: expected a whole number, found '-1'. "),
        (["tail", "-n"], "events tail: -n: expected a value after it, found none. "),
        (["tail", "all", "of it"], "events tail: expected nothing more, found 'all' 'of it'. "),
    ],
)
def test_a_wrong_use_is_exit_code_2(arguments, told, folder, capsys):
    """With what was found, what was expected and where to look."""
    assert main(["events", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"adaptd: {told}")


def test_long_lines_are_cut_at_a_terminal_only(folder, capsys, monkeypatch):
    """Through a pipe nothing is lost."""
    monkeypatch.setattr(verb, "line_width", lambda: 40)
    main(["events", "tail", "-n", "1"])
    line, its_id = capsys.readouterr().out.splitlines()
    assert len(line) == 40
    assert line.endswith("…")
    assert its_id.startswith("         ")
    assert len(its_id) <= 40


def test_show_tells_what_was_kept_aside(folder, capsys):
    """Of a line in quarantine: the reason in full, and what was received."""
    main(["events", "tail", "--json"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (aside,) = [event for event in events if event["kind"] == "line_quarantined/1"]
    assert main(["events", "show", aside["id"]]) == 0
    out = capsys.readouterr().out
    assert "Expected `float` <= 100.0 - at `$.score`\nreceived: {" in out
    (folder / "state" / "quarantine.db").unlink()
    assert main(["events", "show", aside["id"]]) == 0
    assert "quarantine.db, which could not be read here: unable to open" in capsys.readouterr().out
