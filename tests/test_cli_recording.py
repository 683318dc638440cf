"""`adaptd record-feedback`: what is given is on disk in the spool, or told with its reason."""

import io
import json
import sys

import pytest

import adaptd
from adaptd import destination, spool_file
from daemon.cli import recording as verb
from daemon.cli.main import main
from tests import made_state


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


def test_options_become_one_event(folder, capsys):
    """Every option lands under its own name, and the id is printed."""
    options = ["--score", "85.5", "--thumb", "up", "--verdict", "better", "--implicit", "dwell", "--source", "code"]
    texts = {name: f"the {name}" for name in verb.TEXTS if name not in ("output-id", "compared-with-id", "retracts")}
    for name, text in texts.items():
        options += [f"--{name}", text]
    options += [
        "--amount",
        "1200",
        "--latency-ms",
        "12.5",
        "--propensity",
        "0.25",
        "--occurred-at",
        "2023-11-14T23:13:20.5+01:00",
    ]
    options += ["--tag", "team=blue", "--tag", "n=1=2", "--context", '{"page": [1, {"x": null}]}']
    assert main(["record-feedback", *options]) == 0
    assert capsys.readouterr().out == "the id\n"
    (event,) = spooled(folder)
    assert event["kind"] == "feedback_recorded/1"
    assert {name: event[name.replace("-", "_")] for name in texts} == texts
    assert (event["score"], event["thumb"], event["verdict"]) == (85.5, "up", "better")
    assert (event["implicit"], event["amount"], event["source"]) == ("dwell", 1200, "code")
    assert (event["latency_ms"], event["propensity"], event["occurred_at"]) == (12.5, 0.25, 1700000000500000)
    assert event["tags"] == {"team": "blue", "n": "1=2"}
    assert event["context"] == {"page": [1, {"x": None}]}


def test_feedback_on_an_output_that_is_known_by_its_id(folder, capsys):
    """And with --json the id comes in a document."""
    assert main(["record-feedback", "--output-id", "out-1", "--thumb", "down", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"schema": "adaptd.recorded/1", "id": spooled(folder)[0]["id"]}
    assert spooled(folder)[0]["output_id"] == "out-1"


def test_what_is_recorded_is_on_the_disk_before_it_is_told(folder, capsys, monkeypatch):
    """Every id that is printed was synced before."""
    synced = []
    real = spool_file._fdatasync
    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: (real(fd), synced.append(capsys.readouterr().out))[0])
    main(["record-feedback", "--output", "x", "--score", "1", "--id", "a"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"output": "y", "score": 2, "id": "b"}\n')))
    main(["record-feedback", "-"])
    assert len(synced) == 2
    assert not synced[0]
    assert "b" not in synced[1]
    assert "b\n" in capsys.readouterr().out


def test_lines_of_a_file_are_recorded_and_the_bad_ones_are_told(folder, capsys):
    """The good ones' ids on stdout, the others' place and reason on stderr, and exit code 1."""
    (folder / "some.ndjson").write_bytes(
        b'{"output": "y", "score": 2, "id": "a"}\n\n{"output": "y", "scor": 2}\nnonsense\n[1]\n\xff\n'
        b'{"output": "y", "score": 101}\n{"output_id": "a", "thumb": "up", "id": "b"}'
    )
    assert main(["record-feedback", "some.ndjson"]) == 1
    out, err = capsys.readouterr()
    assert out == "a\nb\n"
    told = err.splitlines()
    assert [line.split(": ")[1] for line in told[:-1]] == [f"some.ndjson:{number}" for number in (3, 4, 5, 6, 7)]
    assert "scor" in told[0]
    assert told[2] == "adaptd: some.ndjson:5: expected a JSON object, found list"
    assert "expected a number from 0 to 100" in told[4]
    assert told[-1] == "adaptd: 5 lines were not recorded; the others were. Correct them and give them again."
    assert [event["id"] for event in spooled(folder) if event["kind"] == "feedback_recorded/1"] == ["a", "b"]


def test_a_line_may_say_when_in_either_way(folder, capsys):
    """As a time with its zone, or in seconds since 1970; what is neither is told with its line."""
    lines = [{"occurred_at": when} for when in (1_700_000_000.25, "2023-11-14T22:13:20.25+00:00", "soon", None)]
    text = "\n".join(json.dumps({"output": "x", "score": 1} | line) for line in lines)
    (folder / "some.ndjson").write_text(text)
    assert main(["record-feedback", "some.ndjson"]) == 1
    recorded = [event for event in spooled(folder) if event["kind"] == "feedback_recorded/1"]
    assert [event.get("occurred_at") for event in recorded] == [1_700_000_000_250_000] * 2 + [None]
    assert "some.ndjson:3: occurred_at: expected a time such as" in capsys.readouterr().err


def test_many_lines_share_a_wait_for_the_disk(folder, capsys, monkeypatch):
    """Each group of lines is one sync, and no id is told before its group's."""
    synced = []
    real = spool_file._fdatasync
    monkeypatch.setattr(spool_file, "_fdatasync", lambda fd: (real(fd), synced.append(1))[0])
    monkeypatch.setattr(verb, "GROUP", 10)
    lines = b"".join(b'{"output": "y", "score": 2, "id": "n%d"}\n' % n for n in range(25))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert main(["record-feedback", "-"]) == 0
    assert capsys.readouterr().out.split() == [f"n{n}" for n in range(25)]
    assert len(synced) == 3


def test_a_disk_that_fails_stops_the_recording(folder, capsys, monkeypatch):
    """No id is printed for what may not be there."""

    def failing(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(spool_file, "_fdatasync", failing)
    assert main(["record-feedback", "--output", "x", "--score", "1"]) == 1
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"output": "y", "score": 2, "id": "b"}\n')))
    assert main(["record-feedback", "-"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "Input/output error" in err


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ([], 2, "expected a FILE, - or options such as --output and --score, found nothing"),
        (["x.ndjson", "--score", "1"], 2, "expected FILE or options, found both: x.ndjson and score"),
        (["--tag", "blue", "--score", "1"], 2, "--tag: expected NAME=VALUE, found 'blue'"),
        (["--context", "[1]", "--score", "1"], 2, "--context: expected a JSON object, found '[1]'"),
        (["--context", "{", "--score", "1"], 2, "--context: expected a JSON object, found '{'"),
        (["--occurred-at", "yesterday", "--score", "1"], 2, "--occurred-at: expected a time such as 2026-11-21T09:30"),
        (["--occurred-at", "2026-11-21T09:30:00", "--score", "1"], 1, "occurred_at"),
        (
            ["--score", "many"],
            2,
            "record-feedback: --score: expected a number, found 'many'. `adaptd",
        ),
        (["--thumb", "sideways"], 2, "record-feedback: --thumb: expected one of up, down, found 'sideways'. `adaptd"),
        (["--output", "x", "--score", "101"], 1, "score = 101"),
        (["--score", "50"], 1, "adaptd: "),
        (["missing.ndjson"], 4, "missing.ndjson: No such file or directory"),
    ],
)
def test_what_cannot_be_used_is_told(options, code, told, folder, capsys):
    """A wrong command line is 2, wrong values are 1; nothing of them becomes feedback."""
    assert main(["record-feedback", *options]) == code
    out, err = capsys.readouterr()
    assert not out
    assert told in err
    assert not [event for event in spooled(folder) if event["kind"] == "feedback_recorded/1"]


def test_without_a_place_nothing_is_recorded(tmp_path, monkeypatch, capsys):
    """Exit code 78 and where it was looked for."""
    monkeypatch.chdir(tmp_path)
    assert main(["record-feedback", "--output", "x", "--score", "1"]) == 78
    assert str(tmp_path) in capsys.readouterr().err


def test_when_recording_is_switched_off_it_says_so(folder, monkeypatch, capsys):
    """A script must not believe that something was recorded."""
    monkeypatch.setenv("ADAPTD_DISABLED", "1")
    assert main(["record-feedback", "--output", "x", "--score", "1"]) == 1
    assert "ADAPTD_DISABLED is set" in capsys.readouterr().err
