"""`adaptd export --format native`: the whole log, a line an event, in a file that is whole or not there."""

import csv
import json

import pytest

from daemon import event_reading
from daemon.cli import exporting as verb
from daemon.cli.main import main
from tests import made_state


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_event_is_a_line_with_its_id(folder, capsys):
    """To standard output, in order, sealed texts opened."""
    assert main(["export", "--format", "native"]) == 0
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert [event["id"] for event in events[:3]] == ["out-1", "fb-1", "fb-2"]
    assert events[2]["body"]["comment"] == "alice's secret"
    assert not err


def test_a_file_is_written_whole_and_told(folder, capsys):
    """Data in the file, talk on stderr; what was there before is replaced."""
    (folder / "out.ndjson").write_text("old")
    assert main(["export", "--format", "native", "--output", "out.ndjson"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "5 events written to out.ndjson\n")
    assert len((folder / "out.ndjson").read_bytes().splitlines()) == 5


def test_many_pages_are_one_export(folder, capsys, monkeypatch):
    """Where the pages end cannot be seen."""
    main(["export", "--format", "native"])
    whole = capsys.readouterr().out
    monkeypatch.setattr(event_reading, "PAGE_EVENTS", 2)
    main(["export", "--format", "native"])
    assert capsys.readouterr().out == whole


def test_an_export_that_fails_leaves_the_old_file(folder, capsys, monkeypatch):
    """And no unfinished one beside it."""
    (folder / "out.ndjson").write_text("old")

    def failing(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(verb.os, "fsync", failing)
    assert main(["export", "--format", "native", "--output", "out.ndjson"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert (folder / "out.ndjson").read_text() == "old"
    assert [path.name for path in folder.iterdir() if "unfinished" in path.name] == []


@pytest.mark.parametrize("arguments", [[], ["--format", "xml"]])
def test_a_format_must_be_named(arguments, folder, capsys):
    """None is guessed."""
    assert main(["export", *arguments]) == 2
    assert "--format" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_told(folder, capsys):
    """With the name that was given, and nothing is written."""
    assert main(["export", "--format", "native", "--output", "no/where"]) == 4
    told = "adaptd: --output no/where: its folder is not there, expected one to write to. Make it: mkdir\n"
    assert capsys.readouterr().err == told


def test_chats_are_outputs_with_what_holds_of_them(folder, capsys):
    """The correction in the output's place; what was retracted is not there."""
    lines = [
        {"kind": "feedback_recorded/1", "id": "fb-5", "output_id": "out-1", "correction": "four", "rater": "ann"},
        {"kind": "feedback_recorded/1", "id": "fb-6", "retracts": "fb-2"},
    ]
    made_state.take_in(folder, lines, now=made_state.NOW + 1_000_000)
    assert main(["export", "--format", "chat"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {
            "id": "out-1",
            "artifact_type": "sums",
            "model": "m:7b",
            "messages": [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "four"}],
        }
    ]


def test_a_table_has_a_row_for_each_feedback_beside_its_output(folder, capsys):
    """And one for an output of which nothing was said; what was superseded is not there."""
    lines = [
        {"kind": "feedback_recorded/1", "id": "fb-5", "output_id": "out-1", "score": 10, "supersedes": "fb-1"},
        {"kind": "feedback_recorded/1", "id": "fb-6", "output_id": "out-1", "thumb": "up", "tags": ["a"]},
        {"kind": "output_recorded/1", "id": "out-2", "input": [1], "output": 'x,"y"\nz'},
    ]
    made_state.take_in(folder, lines, now=made_state.NOW + 1_000_000)
    assert main(["export", "--format", "csv", "--output", "t.csv"]) == 0
    assert capsys.readouterr().err == "3 outputs written to t.csv\n"
    with (folder / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    told = [(row["output_id"], row["id"], row["output"], row["score"], row["thumb"]) for row in rows]
    assert told == [
        ("out-1", "fb-5", "4", "10", ""),
        ("out-1", "fb-6", "4", "", "up"),
        ("fb-2", "fb-2", "a", "", "down"),
        ("out-2", "out-2", 'x,"y"\nz', "", ""),
    ]
    assert (rows[1]["tags"], rows[2]["subject"], rows[3]["input"]) == ('["a"]', "alice", "[1]")
