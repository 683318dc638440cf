"""`adaptd golden`: sets are imported, frozen, listed and retired, with the daemon down and up."""

import json

import pytest

from daemon.cli import main as cli
from daemon.event_reading import EventReader
from tests import made_state
from tests.test_running import running

ROWS = (
    {"input": "2+2", "reference": "4", "artifact_type": "sums"},
    {"input": {"q": ["my mail is ann@example.org"]}, "reference": "noted"},
    {"input": "alice's knee", "reference": "swollen", "subject": "alice"},
)


@pytest.fixture
def folder(tmp_path, monkeypatch, nobodys_configuration):
    made_state.make(tmp_path)
    write(tmp_path, *ROWS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, *rows):
    (folder / "golden.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")


def ask(capsys, *words):
    assert cli.main(["golden", *words]) == cli.OK
    return capsys.readouterr().out


def fail(capsys, code, *words):
    assert cli.main(["golden", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    return err


def events(folder):
    """Every event of a golden set, as it is shown, and its body as it is stored."""
    reader = EventReader.open(folder / "state")
    found = [event for event in reader.after(0) if event["kind"].startswith("golden_")]
    raw = reader.log.read_after(0, 1000, ("kind", "body"))
    reader.close()
    return found, "".join(body for kind, body in raw if kind.startswith("golden_"))


def test_a_file_is_put_into_a_set_once(folder, capsys):
    """The same again adds nothing; a longer one adds what is new."""
    assert ask(capsys, "import", "golden.jsonl") == "default: 3 examples recorded, 0 were there already\n"
    assert ask(capsys, "import", "golden.jsonl") == "default: 0 examples recorded, 3 were there already\n"
    write(folder, *ROWS, {"input": "3+3", "reference": "6"})
    assert ask(capsys, "import", "golden.jsonl") == "default: 1 example recorded, 3 were there already\n"
    assert ask(capsys, "import", "golden.jsonl", "--set", "other").startswith("other: 4 examples recorded")
    found, _ = events(folder)
    assert found[0]["body"] == {"set": "default", "artifact_type": "sums", "input": "2+2", "reference": "4"}


def test_a_version_is_what_was_there_when_it_was_frozen(folder, capsys):
    """And the next one has what came since; versions are not given twice."""
    ask(capsys, "import", "golden.jsonl")
    assert ask(capsys, "freeze") == "default: version 1, 3 examples\n"
    told = "golden freeze: set 'default' has nothing new since its newest version. `adaptd golden import FILE --set"
    assert told in fail(capsys, cli.FAILED, "freeze")
    write(folder, {"input": "3+3", "reference": "6"})
    ask(capsys, "import", "golden.jsonl")
    sets = json.loads(ask(capsys, "list", "--json"))
    assert (sets["schema"], sets["sets"][0]["examples"], sets["sets"][0]["new"]) == ("adaptd.golden_sets/1", 3, 1)
    assert json.loads(ask(capsys, "freeze", "--json")) == {
        "schema": "adaptd.golden_frozen/1",
        "set": "default",
        "version": 2,
        "rows": 4,
    }
    assert ask(capsys, "retire") == "default: judged on no longer\n"
    ask(capsys, "import", "golden.jsonl")
    assert ask(capsys, "freeze") == "default: version 3, 1 example\n"
    assert ask(capsys, "list").split()[:4] == ["default", "3", "1", "0"]


def test_a_set_that_is_not_there_is_told(folder, capsys):
    """With those that there are."""
    told = "golden retire: set 'default' has nothing in it, there are none yet"
    assert told in fail(capsys, cli.FAILED, "retire")
    assert "set 'x' has nothing in it. `adaptd golden import FILE --set x`" in fail(
        capsys, cli.FAILED, "freeze", "--set", "x"
    )
    assert cli.main(["golden", "list"]) == cli.OK
    assert capsys.readouterr().err == "adaptd: no golden set yet. `adaptd golden import FILE` begins one.\n"
    assert "--set: 'A b', expected a name of 1 to 60 lower-case" in fail(capsys, cli.USAGE, "freeze", "--set", "A b")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            "{",
            "line 2: Expecting property name enclosed in double quotes: line 2 column 1",
        ),
        ("[1]", "line 2: list, expected an object with input and reference"),
        ('{"input": "x"}', "line 2: no reference, expected what is asked, and what the answer is to be"),
        ('{"input": "x", "reference": "y", "subject": 5}', "line 2: subject = 5, expected a text"),
        ('{"input": "x", "reference": "y", "label": 5}', "line 2: unknown field 'label', expected input, reference, "),
    ],
)
def test_a_line_that_is_no_example_is_told_and_nothing_is_recorded(folder, capsys, row, told):
    """With its number."""
    (folder / "golden.jsonl").write_text(json.dumps(ROWS[0]) + "\n" + row + "\n")
    assert told in fail(capsys, cli.USAGE, "import", "golden.jsonl")
    (folder / "golden.jsonl").write_text("\n")
    assert "golden.jsonl: no example in it" in fail(capsys, cli.USAGE, "import", "golden.jsonl")
    assert events(folder) == ([], "")


def test_the_running_daemon_is_asked(folder, capsys):
    """And says so in its log."""
    with running(folder) as daemon:
        assert cli.main(["golden", "import", "golden.jsonl"]) == cli.OK
        assert daemon.hear("golden examples recorded")["recorded"] == 3
        assert cli.main(["golden", "freeze"]) == cli.OK
        assert daemon.hear("golden set frozen")["version"] == 1
        assert cli.main(["golden", "retire"]) == cli.OK
        assert daemon.hear("golden set retired")["set"] == "default"
        assert daemon.end() == 0


# Privacy


def test_a_subjects_example_is_sealed_and_can_be_forgotten(folder, capsys):
    """Nobody reads it afterwards, and it is not taken in again."""
    ask(capsys, "import", "golden.jsonl")
    found, stored = events(folder)
    assert "knee" not in stored
    assert found[2]["body"]["reference"] == "swollen"
    assert cli.main(["forget", "alice", "--yes"]) == cli.OK
    found, _ = events(folder)
    assert found[2]["sealed"] == "not readable here"
    capsys.readouterr()
    ask(capsys, "retire")
    assert cli.main(["golden", "import", "golden.jsonl"]) == cli.OK
    out, err = capsys.readouterr()
    assert out == "default: 2 examples recorded, 0 were there already\n"
    assert "1 example of forgotten subjects left out" in err


def test_the_rules_of_privacy_hold_here_too(folder, capsys):
    """Everything is sealed where that is wanted, and what is redacted does not get in."""
    config = folder / "config.toml"
    text = (
        config.read_text()
        .replace('encrypt = "subjects"', 'encrypt = "all"')
        .replace("redact = []", 'redact = ["e-mail"]')
    )
    config.write_text(text)
    ask(capsys, "import", "golden.jsonl")
    found, stored = events(folder)
    assert "2+2" not in stored
    assert "ann@example.org" not in json.dumps(found)
    assert found[0]["body"]["reference"] == "4"
