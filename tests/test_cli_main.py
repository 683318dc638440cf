"""The verbs: how each is found, and how every one ends."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from adaptd.errors import AdaptdError
from daemon.cli import main as cli
from daemon.cli import status as status_verb
from tests import made_state

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(made_state.init(tmp_path))
    return tmp_path


def test_help_names_every_verb_and_exit_code(capsys):
    """Asked for, it is data; without a verb it is the answer to a wrong use."""
    assert cli.main(["--help"]) == cli.OK
    asked = capsys.readouterr().out
    assert all(f"  {verb} " in asked for verb in cli.VERBS)
    assert all(f"{code} " in asked for code in (0, 1, 2, 3, 4, 5, 75, 78))
    assert cli.main([]) == cli.USAGE
    assert capsys.readouterr().out == asked


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("statsu", "status"), ("record_feedback", "record-feedback"), ("event", "events"), ("xyz", None)],
)
def test_a_verb_that_is_almost_one_is_guessed(typed, meant, capsys):
    """The error lists the verbs, and says which was probably meant."""
    assert cli.main([typed]) == cli.USAGE
    told = capsys.readouterr().err
    assert told.startswith(f"adaptd: no verb {typed!r}, expected one of init, run, status, ")
    assert told.endswith(f", did you mean adaptd {meant}?\n" if meant else ", version.\n")


def test_options_before_the_verb_are_few(folder, capsys):
    """The configuration and --quiet; any other belongs behind it."""
    assert cli.main(["--json", "status"]) == cli.USAGE
    assert capsys.readouterr().err.startswith("adaptd: --json before the verb: expected --config or --quiet there, ")
    assert cli.main(["events", "--json", "tail"]) == cli.USAGE
    told = "adaptd: events tail: --json: expected after the verb, as in `adaptd events tail --json`\n"
    assert capsys.readouterr().err == told
    assert cli.main(["--config"]) == cli.USAGE
    assert capsys.readouterr().err == "adaptd: --config: expected a path after it, found nothing\n"


def test_help_may_be_asked_for_in_front(capsys):
    """`adaptd help events tail` is `adaptd events tail --help`."""
    assert cli.main(["help", "events", "tail"]) == cli.OK
    asked = capsys.readouterr().out
    assert cli.main(["events", "tail", "--help"]) == cli.OK
    assert capsys.readouterr().out == asked


@pytest.mark.parametrize("arguments", [["-q", "feedback", "list"], ["feedback", "list", "--quiet"]])
def test_quiet_says_nothing_but_what_went_wrong(arguments, tmp_path, monkeypatch, capsys):
    """Before the verb or behind it; an error is told all the same, and the next verb talks again."""
    monkeypatch.chdir(made_state.take_in(made_state.init(tmp_path)))
    assert cli.main(["feedback", "list"]) == cli.OK
    assert capsys.readouterr().err == "adaptd: no feedback yet\n"
    assert cli.main(arguments) == cli.OK
    assert capsys.readouterr().err == ""
    assert cli.main(["-q", "feedback", "show", "none"]) == cli.NO_SUCH_THING
    assert "no feedback 'none'" in capsys.readouterr().err
    assert cli.main(["feedback", "list"]) == cli.OK
    assert capsys.readouterr().err


def test_every_fault_is_told_by_verbs_that_meet_the_first(folder, capsys):
    """A verb that reads one key tells what is wrong with the others too, as an editor reads it."""
    (folder / "config.toml").write_text('[adaptd]\nstate_dir = 5\n[log]\ndurability = "\x7f"\n')
    lines = [
        'config.toml:2:13: adaptd.state_dir: expected a text that is not empty, found 5, did you mean "5"?',
        "config.toml:4:15: syntax: expected TOML, found Illegal character",
    ]
    assert cli.main(["events", "tail"]) == cli.BAD_CONFIG
    assert capsys.readouterr().err.startswith(lines[1])
    (folder / "config.toml").write_text('[adaptd]\nstate_dir = 5\n[log]\ndurability = "x"\n')
    for verb in (["events", "tail"], ["record-feedback", "--output", "x", "--score", "1"], ["status"], ["run"]):
        assert cli.main(verb) == cli.BAD_CONFIG
        told = capsys.readouterr().err.splitlines()
        assert told == [lines[0], 'config.toml:4:14: log.durability: expected "full" or "normal", found "x"']


def test_the_configuration_may_stand_before_or_after_the_verb(folder, tmp_path_factory, capsys, monkeypatch):
    """`--config PATH` and `--config=PATH`, in either place."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    config = str(folder / "config.toml")
    for arguments in (["--config", config, "status"], [f"--config={config}", "status"], ["status", "--config", config]):
        assert cli.main([*arguments, "--json"]) == cli.OK
        assert str(folder / "state") in capsys.readouterr().out


def test_no_configuration_is_a_bad_configuration(tmp_path, monkeypatch, capsys):
    """The error names the places that were looked at and `adaptd init`."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["status"]) == cli.BAD_CONFIG
    out, err = capsys.readouterr()
    assert not out
    assert str(tmp_path) in err
    assert "adaptd init" in err


def test_a_configuration_that_is_no_toml_is_a_bad_configuration(folder, capsys):
    """Also for verbs that read two keys of it alone."""
    (folder / "config.toml").write_text("[adaptd\n")
    assert cli.main(["status"]) == cli.BAD_CONFIG
    assert "config.toml" in capsys.readouterr().err


class Odd(AdaptdError):
    exit_code = 4


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (AdaptdError("it is so"), 1, "adaptd: it is so\n"),
        (Odd("not there"), 4, "adaptd: not there\n"),
        (
            PermissionError(13, "Permission denied", "/x/y"),
            1,
            "adaptd: /x/y: Permission denied; expected a user who may. ",
        ),
        (OSError("odd"), 1, "adaptd: odd\n"),
        (
            sqlite3.DatabaseError("file is not a database"),
            1,
            "adaptd: SQLite: file is not a database. Run `adaptd status`",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_no_mistake_shows_a_traceback(error, code, told, folder, capsys, monkeypatch):
    """What an operator or a disk did wrong is told in a line, with the code for it."""

    def failing(*_):
        raise error

    monkeypatch.setattr(status_verb, "status_of", failing)
    assert cli.main(["status"]) == code
    err = capsys.readouterr().err
    assert err.startswith(told)
    assert "Traceback" not in err


def test_a_mistake_of_ours_does_show_a_traceback(folder, monkeypatch):
    """It is not hidden behind a friendly line."""
    monkeypatch.setattr(status_verb, "status_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["status"])


def into_a_pipe_that_nobody_reads(*arguments):
    """Exit code and stderr of a verb whose reader has gone already."""
    reading, writing = os.pipe()
    os.close(reading)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "daemon.cli.main", *arguments]
    ended = subprocess.run(
        command, cwd=ROOT, env=environ, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=300, check=False
    )
    os.close(writing)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    "verb",
    [
        *("version", "status", "events tail --json", "export --format native", "export --format csv"),
        *("replay --check", "feedback list", "feedback list --json"),
    ],
)
def test_a_reader_that_leaves_early_is_no_error(verb, tmp_path):
    """`adaptd events tail | head -1` is silent."""
    config = made_state.make(tmp_path) / "config.toml"
    assert into_a_pipe_that_nobody_reads("--config", str(config), *verb.split()) == (0, "")


@pytest.mark.parametrize(("bad", "code"), [(b"", 0), (b"nonsense\n", 1)])
def test_recording_goes_on_when_nobody_reads_the_ids(bad, code, tmp_path):
    """`… | head -1` must neither lose the rest of the file nor hide that a line was bad."""
    folder = made_state.init(tmp_path)
    lines = b"".join(b'{"output": "y", "score": 2, "id": "%d"}\n' % n for n in range(1200))
    (folder / "many.ndjson").write_bytes(bad + lines)
    config = str(folder / "config.toml")
    ended, told = into_a_pipe_that_nobody_reads("--config", config, "record-feedback", str(folder / "many.ndjson"))
    assert ended == code
    assert "Broken pipe" not in told
    spooled = b"".join(path.read_bytes() for path in (folder / "state" / "spool").glob("*.ndjson"))
    assert spooled.count(b"feedback_recorded/1") == 1200
