"""`adaptd import`: every good row of a file is recorded, every bad one is told and kept."""

import io
import itertools
import json
import sys

import pytest

import adaptd
from adaptd import destination
from daemon.cli import progress
from daemon.cli.main import main
from daemon.event_reading import EventReader
from tests import made_state

seconds = itertools.count(1)  # ids that the stopped clock and the seeded chance give differ by the time alone
CHATS = b"""{"user": "2+2", "assistant": "4"}

{"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "q"}, \
{"role": "assistant", "content": "a"}], "id": "c-2", "score": 80, "lang": "en"}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(made_state.init(tmp_path))
    before = destination.here.wishes
    destination.here.wishes = destination.Wishes()
    yield tmp_path
    adaptd.configure(state_dir=tmp_path)  # closes the spool file of the test
    destination.here.wishes = before


def spooled(folder):
    files = sorted((folder / "state" / "spool").glob("*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def take_in(folder):
    """What a daemon would do, each time a second later; the events of hosts."""
    adaptd.configure(state_dir=folder / "state")
    made_state.take_in(folder, now=made_state.NOW + next(seconds) * 1_000_000)
    reader = EventReader.open(folder / "state")
    events = [event for event in reader.exported() if event["kind"].endswith("_recorded/1")]
    reader.close()
    return events


def document(capsys):
    return json.loads(capsys.readouterr().out)


def test_chats_become_outputs_and_feedback(folder, capsys):
    """Both forms; a score makes feedback of it, and what has no field is kept in the context."""
    (folder / "chats.jsonl").write_bytes(CHATS)
    assert main(["import", "chats.jsonl", "--artifact-type", "talk", "--source", "llm_judge"]) == 0
    out, err = capsys.readouterr()
    assert out == "chats.jsonl: 2 rows (chat)\n           2  taken: in the spool, for the daemon\n"
    assert not err
    flat, messages = spooled(folder)
    assert (flat["kind"], flat["input"], flat["output"]) == ("output_recorded/1", "2+2", "4")
    assert flat["id"].startswith("chat-")
    assert "source" not in flat
    assert (messages["kind"], messages["id"], messages["score"]) == ("feedback_recorded/1", "c-2", 80)
    assert [one["role"] for one in messages["input"]] == ["system", "user"]
    assert (messages["output"], messages["context"]) == ("a", {"lang": "en"})
    assert (messages["source"], flat["artifact_type"], messages["artifact_type"]) == ("llm_judge", "talk", "talk")


def test_columns_of_a_table_are_named(folder, capsys):
    """By --column or by their own names; others are kept in the context, and told."""
    (folder / "t.csv").write_bytes(
        '\ufeffQuestion;Answer;Score;team;tags\r\n2+2;4;90;blue;a, b\r\n"x;\ny";"say ""hi""";;;\r\n'.encode()
    )
    assert main(["import", "t.csv", "--column", "input=Question", "--column", "output=Answer"]) == 0
    assert capsys.readouterr().err == "adaptd: columns that no field is named after are kept in context: team\n"
    scored, plain = spooled(folder)
    assert (scored["input"], scored["output"], scored["score"], scored["tags"]) == ("2+2", "4", 90, ["a", "b"])
    assert scored["context"] == {"team": "blue"}
    assert (plain["kind"], plain["input"], plain["output"]) == ("output_recorded/1", "x;\ny", 'say "hi"')


def test_feedback_beside_its_output_is_two_events(folder):
    """The output is told once, however many rows tell it."""
    (folder / "t.csv").write_text("output_id,input,output,score,rater\no-1,q,a,1,ann\no-1,q,a,2,ben\n")
    assert main(["import", "t.csv"]) == 0
    events = take_in(folder)
    assert [event["kind"].partition("_")[0] for event in events] == ["output", "feedback", "feedback"]
    assert [event["body"].get("score") for event in events] == [None, 1, 2]
    assert [event["body"].get("output_id") for event in events] == [None, "o-1", "o-1"]
    assert events[0]["id"] == "o-1"


def test_a_second_import_adds_nothing(folder, capsys):
    """Rows that are alike are as many events as there are rows; the same file again is none."""
    (folder / "chats.jsonl").write_bytes(CHATS + b'{"user": "2+2", "assistant": "4"}\n')
    main(["import", "chats.jsonl"])
    first = take_in(folder)
    assert len(first) == 3
    capsys.readouterr()
    assert main(["import", "chats.jsonl"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "           0  taken: in the spool, for the daemon",
        "           3  in the log already",
    ]
    assert take_in(folder) == first


def test_two_imports_before_the_daemon_comes_add_nothing_either(folder):
    """The intake knows a repeat by its id."""
    (folder / "chats.jsonl").write_bytes(CHATS)
    main(["import", "chats.jsonl"])
    main(["import", "chats.jsonl"])
    assert len(spooled(folder)) == 4
    assert len(take_in(folder)) == 2


def test_bad_rows_are_told_and_kept_and_the_good_ones_taken(folder, capsys):
    """The first ones on stderr with their lines, all of them in the file, and exit code 1."""
    bad = [b'{"user": "x"}', b"[1]", b"nonsense", b'{"user": "x", "assistant": "y", "score": 101}', b"\xff", b"{", b"7"]
    (folder / "c.jsonl").write_bytes(b'{"user": "a", "assistant": "b"}\n' + b"\n".join(bad) + b"\n" + CHATS)
    assert main(["import", "c.jsonl"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "c.jsonl: 10 rows (chat)",
        "           3  taken: in the spool, for the daemon",
        "           7  rejected",
    ]
    told = err.splitlines()
    assert told[0] == "adaptd: c.jsonl:2: expected messages, or user and assistant"
    assert told[1] == "adaptd: c.jsonl:3: expected a JSON object, found a list"
    assert told[2].startswith("adaptd: c.jsonl:4: not one whole JSON object in UTF-8: ")
    assert told[3] == "adaptd: c.jsonl:5: score: expected a number from 0 to 100, found 101"
    assert told[5] == "adaptd: and 2 more"
    assert told[6] == "adaptd: the rejected rows are in c.jsonl.rejects.jsonl, each with its line and its reason"
    kept = [json.loads(line) for line in (folder / "c.jsonl.rejects.jsonl").read_bytes().splitlines()]
    assert [row["line"] for row in kept] == [2, 3, 4, 5, 6, 7, 8]
    assert [row["row"] for row in kept] == [line.decode(errors="replace") for line in bad]
    assert (folder / "c.jsonl.rejects.jsonl").stat().st_mode & 0o777 == 0o600
    assert len(spooled(folder)) == 3


def test_a_dry_run_counts_and_writes_nothing(folder, capsys):
    """Neither a spool file nor one of rejects."""
    (folder / "c.jsonl").write_bytes(CHATS + b"{}\n")
    before = sorted(folder.rglob("*"))
    assert main(["import", "c.jsonl", "--dry-run", "--json"]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told == {
        "schema": "adaptd.import/1",
        "file": "c.jsonl",
        "format": "chat",
        "dry_run": True,
        "rows": 3,
        "taken": 2,
        "there_already": 0,
        "passed_over": 0,
        "rejected": 1,
        "first_rejects": [{"line": 4, "reason": "expected messages, or user and assistant"}],
        "rejects_file": None,
    }
    assert err == "adaptd: c.jsonl:4: expected messages, or user and assistant\n"
    assert sorted(folder.rglob("*")) == before
    main(["import", "c.jsonl", "--dry-run"])
    assert "2  would be taken, nothing was written" in capsys.readouterr().out


def test_rejects_go_where_they_are_wanted(folder, capsys):
    """And the document says where that is."""
    (folder / "c.jsonl").write_bytes(CHATS + b"{}\n")
    assert main(["import", "c.jsonl", "--rejects", "bad.jsonl", "--json"]) == 1
    assert document(capsys)["rejects_file"] == "bad.jsonl"
    assert json.loads((folder / "bad.jsonl").read_text())["line"] == 4


def test_standard_input_is_a_file_too(folder, monkeypatch, capsys):
    """What cannot be taken has a name of its own."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CHATS + b"{}\n")))
    assert main(["import", "-"]) == 1
    assert "standard-input.rejects.jsonl" in capsys.readouterr().err
    assert len(spooled(folder)) == 2


def test_the_same_id_with_other_content_is_a_bad_row(folder, capsys):
    """It never replaces what is in the log."""
    made_state.take_in(folder, made_state.LINES)
    (folder / "c.jsonl").write_bytes(
        b'{"id": "out-1", "user": "2+2", "assistant": "5"}\n{"id": "fb-2", "user": "q", "assistant": "other"}\n'
    )
    assert main(["import", "c.jsonl"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "adaptd: c.jsonl:1: id 'out-1' is in the log with other content, expected a new id"
    assert "'fb-2'" in told[1]
    assert not spooled(folder)


def test_events_move_to_another_place_as_they_are(folder, tmp_path_factory, monkeypatch, capsys):
    """Ids, times, contents, and who can be forgotten; the daemon's own events stay behind."""
    made_state.take_in(folder, made_state.LINES)
    main(["export", "--format", "native", "--output", "events.ndjson"])
    other = made_state.init(tmp_path_factory.mktemp("other"))
    monkeypatch.chdir(other)
    capsys.readouterr()
    assert main(["import", str(folder / "events.ndjson")]) == 0
    assert "2  passed over: events of the daemon itself" in capsys.readouterr().out
    moved = take_in(other)
    assert [moved_content(event) for event in moved] == [moved_content(event) for event in take_in(folder)]
    assert [event.get("subject") for event in moved] == [None, None, "alice"]
    assert b"alice's secret" not in (other / "state" / "events.db").read_bytes()
    assert main(["import", str(folder / "events.ndjson"), "--json"]) == 0
    assert document(capsys)["there_already"] == 3


def moved_content(event):
    body = {name: value for name, value in event["body"].items() if name not in ("writer", "n")}
    return {name: event[name] for name in ("id", "kind", "occurred_at")} | {"body": body}


def test_texts_that_could_not_be_read_are_not_there_to_take_in(folder, capsys):
    """An export by somebody without the keys is told row by row."""
    row = {"kind": "output_recorded/1", "id": "x", "sealed": "not readable here", "body": {"id": "x"}}
    (folder / "e.ndjson").write_text(json.dumps(row))
    assert main(["import", "e.ndjson"]) == 1
    assert "its texts were sealed and could not be read where it was exported" in capsys.readouterr().err


def test_an_event_that_is_too_long_is_a_bad_row(folder, capsys):
    """The limit is that of the configuration."""
    (folder / "c.jsonl").write_bytes(CHATS + b'{"user": "x", "assistant": "%s"}\n' % (b"y" * (1 << 20)))
    assert main(["import", "c.jsonl"]) == 1
    assert "expected at most 1048576 ([intake] max_event_bytes)" in capsys.readouterr().err
    assert len(spooled(folder)) == 2


@pytest.mark.parametrize(
    ("content", "arguments", "code", "told"),
    [
        (b"[{}]", [], 2, "f: a JSON list, expected one object a line. Make it so: jq -c '.[]' f"),
        (b"hello\n", [], 2, "f: its first line is that of no format that is known, expected one of native, chat, csv"),
        (b"a,b\n", ["--column", "input"], 2, "--column: expected FIELD=NAME, found 'input'"),
        (
            b"a,b\n",
            ["--column", "inptu=a"],
            2,
            "--column inptu=a: no field 'inptu', expected one of ai_output, amount, ",
        ),
        (b"a,b\n", ["--column", "input=c"], 2, "--column input=c: no column 'c', expected one of a, b"),
        (b"input,Input\n", [], 2, "the header: more than one column for input, expected one of each"),
        (b"", ["--format", "csv"], 2, "expected a header, found an empty file"),
        (b'"a,b\n', ["--format", "csv"], 2, "the header: "),
        (CHATS, ["--column", "input=a"], 2, "--column: expected with csv, found chat"),
        (
            CHATS,
            ["--format", "native", "--source", "code"],
            2,
            "--artifact-type and --source: expected with chat or csv",
        ),
        (b"input,score\nx,1\n", [], 1, "f:2: output_id: expected one of output_id, output, retracts, supersedes"),
        (b"input,b\nx,1\n", [], 1, "f:2: neither an output nor feedback: expected output, or one of score, thumb"),
        (b"output,rater\nx,ann\n", [], 1, "f:2: rater without feedback: expected one of score, "),
        (b"output,score\nx,many\n", [], 1, "f:2: score: expected a number, found 'many'"),
        (b"output,occurred_at\nx,soon\n", [], 1, "f:2: occurred_at: expected a time such as 2026-11-21T09:30:00+01:00"),
        (b"output,context\nx,{\n", [], 1, "f:2: context: expected JSON, found '{'"),
        (b"output,score\nx,1,2\n", [], 1, "f:2: 3 cells, expected 2 as the header has"),
        (b'output,score\n"x,1\n', [], 1, "f:2: not well-formed: "),
        (b"output,score\n\xff,1\n", [], 1, "f:2: not UTF-8: "),
        (b'{"messages": []}', [], 1, "f:1: messages: expected one with the role assistant, found none"),
        (b'{"messages": 3}', [], 1, "f:1: messages: expected a list of objects, each with a role"),
        (b'{"user": "x", "assistant": null}', [], 1, "f:1: the last answer: expected a text, found nothing"),
        (
            b'{"user": "x", "assistant": "y", "input": "z"}',
            [],
            1,
            "f:1: input beside the messages: expected it in them",
        ),
        (b'{"kind": "x/1", "id": "a", "body": {}}', [], 1, "f:1: event kind 'x/1' is not known here"),
        (b'{"kind": "x/1", "body": 3}', [], 1, "f:1: expected an event as `adaptd export --format native` writes it"),
        (b'{"kind": "output_recorded/1", "body": {}}', [], 1, "f:1: id: expected a text"),
    ],
)
def test_what_cannot_be_used_is_told(content, arguments, code, told, folder, capsys):
    """A wrong command line is 2, wrong rows are 1; nothing of them is recorded."""
    (folder / "f").write_bytes(content)
    assert main(["import", "f", *arguments]) == code
    _, err = capsys.readouterr()
    assert told in err
    assert not spooled(folder)


def test_an_empty_file_has_no_rows(folder, capsys):
    """Which is no mistake."""
    (folder / "f").write_bytes(b"\n\n")
    assert main(["import", "f", "--json"]) == 0
    assert document(capsys)["rows"] == 0


def test_a_file_that_is_not_there_is_told(folder, capsys):
    """With its name."""
    assert main(["import", "nowhere.csv"]) == 4
    told = "adaptd: nowhere.csv: No such file or directory, expected a file or folder that is there\n"
    assert capsys.readouterr().err == told


def test_when_recording_is_switched_off_it_says_so(folder, monkeypatch, capsys):
    """Nobody must believe that something was taken."""
    (folder / "c.jsonl").write_bytes(CHATS)
    monkeypatch.setenv("ADAPTD_DISABLED", "1")
    assert main(["import", "c.jsonl"]) == 1
    assert "ADAPTD_DISABLED is set, so nothing is recorded; unset it to import" in capsys.readouterr().err


def test_progress_is_told_at_a_terminal_alone(folder, monkeypatch, capsys):
    """How far it is; and the line is empty again at the end."""
    (folder / "c.jsonl").write_bytes(CHATS * 600)
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["import", "c.jsonl", "--dry-run"]) == 0
    err = capsys.readouterr().err
    assert "\r\x1b[Kimporting: " in err
    assert "%" in err
    assert err.endswith("\r\x1b[K")
