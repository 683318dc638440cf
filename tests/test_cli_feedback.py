"""`adaptd feedback`: what was said and what of it stands; amending and taking back are new feedback."""

import itertools
import json

import pytest

import adaptd
from adaptd import destination
from daemon.cli.main import main
from tests import made_state

seconds = itertools.count(1)  # ids that the stopped clock and the seeded chance give differ by the time alone


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = destination.here.wishes
    destination.here.wishes = destination.Wishes()
    yield tmp_path
    adaptd.configure(state_dir=tmp_path)  # closes the spool file of the test
    destination.here.wishes = before


def take_in(folder):
    """What the daemon would do with what was just recorded, each time a second later."""
    adaptd.configure(state_dir=folder / "state")
    made_state.take_in(folder, now=made_state.NOW + next(seconds) * 1_000_000)


def said(folder, capsys, *arguments):
    """The id of what a verb records, taken in."""
    assert main(["feedback", *arguments]) == 0
    take_in(folder)
    return capsys.readouterr().out.strip()


def documents(capsys, *arguments):
    assert main(["feedback", *arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_newest_feedback_is_listed_first(folder, capsys):
    """A line each: when, of which type, what it says, its id."""
    assert main(["feedback", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2023-11-14 22:13:20  erd   down, comment      fb-2",
        "2023-11-14 22:13:20  sums  score 85, comment  fb-1",
    ]
    main(["feedback", "list", "--limit", "1"])
    assert capsys.readouterr().out.split()[-1] == "fb-2"


def test_feedback_of_one_type_is_that_of_its_outputs(folder, capsys):
    """Also where the feedback itself does not name it; a type without feedback is told."""
    assert main(["feedback", "list", "--artifact-type", "sums"]) == 0
    assert capsys.readouterr().out.split()[-1] == "fb-1"
    assert main(["feedback", "list", "--artifact-type", "nothing"]) == 0
    assert capsys.readouterr() == ("", "adaptd: no feedback yet of type 'nothing'\n")


def test_the_list_as_json_is_an_object_a_line(folder, capsys):
    """With the event whole, its sealed texts opened."""
    sealed, scored = documents(capsys, "list")
    assert scored["schema"] == "adaptd.feedback/1"
    assert (scored["state"], scored["output_id"], scored["artifact_type"]) == ("current", "out-1", "sums")
    assert scored["event"]["body"]["comment"] == "good\u009bm ✓"
    assert (sealed["output_id"], sealed["event"]["body"]["comment"]) == ("fb-2", "alice's secret")


def test_one_feedback_is_shown_with_its_output(folder, capsys):
    """As facts; nothing in it can steer the terminal."""
    assert main(["feedback", "show", "fb-1"]) == 0
    out = capsys.readouterr().out
    facts = {line.split()[0]: line[15:] for line in out.splitlines()}
    assert (facts["output_id"], facts["input"], facts["output"], facts["score"]) == ("out-1", "2+2", "4", "85.0")
    assert facts["comment"] == "good\\x9bm ✓"
    (document,) = documents(capsys, "show", "fb-1")
    assert document["schema"] == "adaptd.feedback_told/1"
    assert (document["event"]["id"], document["output"]["id"], document["later"]) == ("fb-1", "out-1", [])


def test_amending_says_again_all_that_is_not_changed(folder, capsys):
    """The new one stands, the old one is superseded and says by what."""
    amended = said(folder, capsys, "amend", "fb-1", "--score", "90", "--rationale", "looked again")
    (shown,) = documents(capsys, "show", amended)
    body = shown["event"]["body"]
    assert (body["score"], body["comment"], body["rationale"]) == (90, "good\u009bm ✓", "looked again")
    assert (body["supersedes"], body["output_id"], shown["state"]) == ("fb-1", "out-1", "current")
    (old,) = documents(capsys, "show", "fb-1")
    assert (old["state"], old["later"][0]["event"]["id"]) == ("superseded", amended)
    main(["feedback", "show", "fb-1"])
    assert f"sums  score 90, comment  {amended}" in capsys.readouterr().out


def test_what_came_with_its_output_is_amended_without_saying_the_output_again(folder, capsys):
    """And it lies sealed under the same subject as before."""
    amended = said(folder, capsys, "amend", "fb-2", "--thumb", "up")
    (shown,) = documents(capsys, "show", amended)
    body = shown["event"]["body"]
    assert (body["thumb"], body["comment"], body["output_id"]) == ("up", "alice's secret", "fb-2")
    assert "output" not in body
    assert (shown["event"]["subject"], shown["event"]["sealed"]) == ("alice", "readable")
    assert b"alice's secret" not in (folder / "state" / "events.db").read_bytes()


def test_retracting_takes_back(folder, capsys):
    """With who and why."""
    (recorded,) = documents(capsys, "retract", "fb-1", "--rationale", "wrong one", "--rater", "ann")
    assert recorded["schema"] == "adaptd.recorded/1"
    take_in(folder)
    newest, _, old = documents(capsys, "list")
    assert (newest["state"], old["state"]) == ("retraction", "retracted")
    assert newest["event"]["id"] == recorded["id"]
    assert (newest["event"]["body"]["rationale"], newest["event"]["body"]["rater"]) == ("wrong one", "ann")


@pytest.mark.parametrize("verb", [["amend", "fb-1", "--score", "1"], ["retract", "fb-1"]])
def test_what_does_not_stand_any_more_is_left_alone(verb, folder, capsys):
    """The error names what took its place."""
    amended = said(folder, capsys, "amend", "fb-1", "--score", "90")
    assert main(["feedback", *verb]) == 1
    assert f"feedback 'fb-1' was superseded by '{amended}', expected feedback that stands." in capsys.readouterr().err
    retraction = said(folder, capsys, "retract", amended)
    assert main(["feedback", "retract", retraction]) == 1
    assert f"feedback {retraction!r} is a retraction itself, expected" in capsys.readouterr().err


def test_texts_that_cannot_be_read_are_not_said_again(folder, capsys):
    """Amending would lose them."""
    (folder / "state" / "keys.db").unlink()
    assert main(["feedback", "amend", "fb-2", "--thumb", "up"]) == 1
    assert "feedback 'fb-2': its texts are sealed and cannot be read here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "VERB"),
        (["show"], 2, "ID"),
        (["list", "--limit", "-1"], 2, "feedback list: --limit: expected a whole number, found '-1'"),
        (["amend", "fb-1"], 2, "feedback amend: expected what to change, such as --score, found nothing"),
        (["amend", "fb-1", "--score", "101"], 1, "score = 101"),
        (["show", "nix"], 4, "no feedback 'nix' in "),
        (["show", "out-1"], 4, "`adaptd feedback list` shows the newest"),
        (["retract", "nix"], 4, "no feedback 'nix' in "),
    ],
)
def test_what_cannot_be_done_is_told(arguments, code, told, folder, capsys):
    """A wrong command line is 2, a value 1, an id that is not there 4; nothing is recorded."""
    assert main(["feedback", *arguments]) == code
    out, err = capsys.readouterr()
    assert not out
    assert told in err


def test_a_place_without_a_log_is_told(tmp_path, monkeypatch, capsys):
    """With what makes one."""
    monkeypatch.chdir(made_state.init(tmp_path))
    assert main(["feedback", "list"]) == 1
    assert "no log there, expected one that `adaptd run` has made" in capsys.readouterr().err
