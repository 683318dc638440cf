"""`adaptd config`: check, show, schema, path."""

import json
import os

import pytest

import adaptd
from daemon.cli.main import main
from daemon.config_schema import schema_text
from daemon.config_template import CONFIG_TOML
from tests import made_state
from tests.terminals import at_a_terminal
from tests.test_settings import TEN_FAULTS, TEN_LINES


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(made_state.init(tmp_path))
    return tmp_path


def test_a_good_configuration_is_ok(folder, capsys):
    """One line, with the file that was meant."""
    assert main(["config", "check"]) == 0
    assert capsys.readouterr() == (f"{folder}/config.toml: OK\n", "")


def test_ten_faults_are_ten_lines(folder, capsys):
    """On stdout, since they are what was asked for, and nothing else; exit code 78."""
    (folder / "config.toml").write_text(TEN_FAULTS)
    assert main(["config", "check"]) == 78
    assert capsys.readouterr() == (TEN_LINES, "")


def test_another_file_can_be_checked(folder, tmp_path_factory, capsys):
    """With its whole path where it is not below the working folder."""
    other = tmp_path_factory.mktemp("other") / "new.toml"
    other.write_text("[log]\nx = 1\n")
    assert main(["config", "check", "--config", str(other)]) == 78
    told = f"{other}:2:1: log.x: expected one of durability, found an unknown key\n"
    assert capsys.readouterr() == (told, "")


def test_a_syntax_error_is_checked_too(folder, capsys):
    """The file is found though nobody can read it."""
    (folder / "config.toml").write_text("[adaptd]\nstate_dir = x\n")
    assert main(["config", "check"]) == 78
    told = 'config.toml:2:13: syntax: expected TOML, found an invalid value, did you mean "x"?\n'
    assert capsys.readouterr() == (told, "")


def test_the_check_as_json(folder, capsys, monkeypatch):
    """Each fault in its parts; line and column are 0 in the environment."""
    (folder / "config.toml").write_text("[adaptd]\n[logs]\n")
    monkeypatch.setenv("ADAPTD__LOG__DURABILITY", "ful")
    assert main(["config", "check", "--json"]) == 78
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "schema": "adaptd.config_check/1",
        "config": str(folder / "config.toml"),
        "why": "nearest config.toml",
        "ok": False,
        "faults": [
            {
                "key": "logs",
                "expected": "one of the tables adaptd, device, embeddings, gate, intake, log, models, night, privacy, "
                "runs, sides, workloads",
                "found": "an unknown key",
                "hint": "did you mean log?",
                "line": 2,
                "column": 2,
                "variable": None,
                "words": "",
                "told": "config.toml:2:2: logs: expected one of the tables adaptd, device, embeddings, gate, intake, "
                "log, models, night, privacy, runs, sides, workloads, found an unknown key, did you mean log?",
            },
            {
                "key": "log.durability",
                "expected": '"full" or "normal"',
                "found": '"ful"',
                "hint": 'did you mean "full"?',
                "line": 0,
                "column": 0,
                "variable": "ADAPTD__LOG__DURABILITY",
                "words": "",
                "told": 'environment ADAPTD__LOG__DURABILITY: log.durability: expected "full" or "normal", found '
                '"ful", did you mean "full"?',
            },
        ],
    }


SHOWN = """\
[adaptd]
state_dir = "kept"

[intake]
max_event_bytes = 2048
commit_events = 1000

[sides]
split_by = "input"

[privacy]
encrypt = "subjects"
redact = []

[log]
durability = "normal"

[night]
window = "01:00-06:00"
timezone = "UTC"
on = { sat = "off" }
catch_up = "wait"

[device]
use = "auto"
ignore = []
max_utilisation = 30

[embeddings]
model = "all-MiniLM-L6-v2"

[runs]
attempts = 3
silent_seconds = 900
keep_folders = 50

[models]
keep = 10

[gate]
false_promotions_per_year = 1.0
judge_wanted = 200
when_few = "wait"
serves = 20
slice_min = 200
margin = 0.05
most_negative_flips = 0.1
most_latency = 1.25
most_size = 2.0

[workloads.support]
plugin = "tiny_classifier"
artifact_types = []
mode = "full"
# base_model is not set
preset = "shipped"
# stages is not set
stage = { size_batch = { max_examples = 5 } }
settings = {}
on_error = "refuse"
reindex = "before_promotion"
tune_share = 0.0
ratings = "volunteered"
ratings_of = {}

[workloads.support.trigger]
new_examples = "sized"
days = 7.0
# reward_drop is not set
# drift is not set
combine = "any"
"""


@pytest.fixture
def mixed(folder, monkeypatch):
    """A file, a variable, and the rest by default."""
    text = '[adaptd]\nstate_dir = "kept"\n\n[intake]\n# how long\nmax_event_bytes = 2_048\n'
    text += '[night.on]\nsat = "off"\n[workloads.support]\nplugin = "tiny_classifier"\n'
    text += "[workloads.support.stage.size_batch]\nmax_examples = 5\n[workloads.support.trigger]\ndays = 7\n"
    (folder / "config.toml").write_text(text)
    monkeypatch.setenv("ADAPTD__LOG__DURABILITY", "normal")
    return folder


def test_what_holds_is_shown_as_a_file_that_says_it(mixed, capsys):
    """Whole: what is written into a config.toml means the same."""
    assert main(["config", "show"]) == 0
    assert capsys.readouterr() == (SHOWN, "")
    (mixed / "config.toml").write_text(SHOWN)
    assert main(["config", "show"]) == 0
    assert capsys.readouterr().out == SHOWN


def test_the_origin_of_each_is_beside_it(mixed, capsys):
    """The place in the file, the variable, or the default, as a comment."""
    assert main(["config", "show", "--origin"]) == 0
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if "=" in line]
    assert lines[:7] == [
        'state_dir = "kept"              # config.toml:2:13',
        "max_event_bytes = 2048          # config.toml:6:19",
        "commit_events = 1000            # default",
        'split_by = "input"              # default',
        'encrypt = "subjects"            # default',
        "redact = []                     # default",
        'durability = "normal"           # environment ADAPTD__LOG__DURABILITY',
    ]
    assert 'on = { sat = "off" }            # config.toml:7:8' in lines
    assert "stage = { size_batch = { max_examples = 5 } }  # config.toml:11:20" in lines
    assert "days = 7.0                      # config.toml:14:8" in lines
    assert 'combine = "any"                 # default' in lines


def test_an_origin_that_is_too_wide_stands_above(mixed):
    """At a terminal of fifty columns."""
    shown = at_a_terminal(["config", "show", "--origin"], mixed, columns=50)
    assert '# environment ADAPTD__LOG__DURABILITY\ndurability = "normal"\n' in shown
    assert max(map(len, shown.splitlines())) <= 50


def test_what_holds_as_json(mixed, capsys):
    """Value, default and origin of each."""
    assert main(["config", "show", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["config"]) == ("adaptd.config/1", str(mixed / "config.toml"))
    keys = {one["key"]: one for one in document["keys"]}
    assert keys["adaptd.state_dir"] == {
        "key": "adaptd.state_dir",
        "value": "kept",
        "default": "state",
        "origin": {"kind": "file", "line": 2, "column": 13},
    }
    assert keys["log.durability"]["origin"] == {"kind": "environment", "variable": "ADAPTD__LOG__DURABILITY"}
    assert keys["sides.split_by"]["origin"] == {"kind": "default"}


def test_a_wrong_configuration_is_not_shown(folder, capsys):
    """What holds is not known; every fault is told, on stderr."""
    (folder / "config.toml").write_text(TEN_FAULTS)
    assert main(["config", "show"]) == 78
    assert capsys.readouterr() == ("", TEN_LINES)


def test_the_schema_is_printed(folder, capsys):
    """As it lies in the docs; it needs no configuration."""
    os.unlink(folder / "config.toml")
    assert main(["config", "schema"]) == 0
    assert capsys.readouterr() == (schema_text(), "")


def test_the_path_is_printed_for_scripts(folder, capsys):
    """The path alone on stdout, why it is that one on stderr; also of a file that is broken."""
    told = (f"{folder}/config.toml\n", "adaptd: nearest config.toml\n")
    assert main(["config", "path"]) == 0
    assert capsys.readouterr() == told
    (folder / "config.toml").write_text("[adaptd\n")
    assert main(["config", "path"]) == 0
    assert capsys.readouterr() == told
    assert main(["config", "path", "--json", "--config", "config.toml"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["config"] == f"{folder}/config.toml"
    assert document["why"] == "asked for by config="


@pytest.mark.parametrize("verb", ["check", "show", "path"])
def test_a_file_that_is_not_there_is_told(verb, folder, capsys):
    """With what to do."""
    assert main(["config", verb, "--config", "gone.toml"]) == 78
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(
        f"adaptd: {folder}/gone.toml (asked for by config=): No such file or directory. Run `adaptd init"
    )


def test_the_environment_alone_is_a_configuration(tmp_path, monkeypatch, capsys):
    """As in a container: no file, and a state folder all the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADAPTD__ADAPTD__STATE_DIR", str(tmp_path / "kept"))
    adaptd.configure(state_dir=tmp_path / "earlier")
    assert main(["config", "path"]) == 0
    assert capsys.readouterr() == ("", "adaptd: environment ADAPTD__ADAPTD__STATE_DIR\n")
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out == "environment ADAPTD__ADAPTD__STATE_DIR: OK\n"
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state_dir"] == str(tmp_path / "kept")
    assert main(["record-feedback", "--output", "x", "--score", "1"]) == 0
    assert len(list((tmp_path / "kept" / "spool").glob("*.ndjson"))) == 1
    monkeypatch.setenv("ADAPTD__SIDES__SPLIT_BY", "x")
    assert main(["status"]) == 78
    told = (
        'environment ADAPTD__SIDES__SPLIT_BY: sides.split_by: expected "episode" or "input" or "subject", found "x"\n'
    )
    assert capsys.readouterr().err == told


def test_the_template_is_good(folder, capsys):
    """What init writes has nothing to complain of."""
    (folder / "config.toml").write_text(CONFIG_TOML)
    assert main(["config", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["faults"] == []
