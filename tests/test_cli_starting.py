"""`adaptd init`, `run` as far as it does not run, and `version`."""

import json
import os
import stat
import tomllib

import pytest

from adaptd import __version__
from daemon.cli.main import main
from daemon.config_template import CONFIG_TOML


def test_init_makes_a_place_to_record_into(tmp_path, monkeypatch, capsys):
    """config.toml, the state folder, a spool for the group, and the three commands that come next."""
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert (tmp_path / "config.toml").read_text() == CONFIG_TOML
    assert json.loads((tmp_path / "state" / "config.schema.json").read_text())["title"] == "adaptd's config.toml"
    assert stat.S_IMODE((tmp_path / "state" / "spool").stat().st_mode) == 0o2770
    told = capsys.readouterr().out
    assert [line.split("#")[0].strip() for line in told.splitlines() if line.startswith("  ")] == [
        "adaptd record-feedback --input 2+2 --output 4 --score 95 --artifact-type sums",
        "adaptd run",
        "adaptd status",
    ]
    assert main(["status"]) == 0


def test_init_elsewhere_says_to_go_there(tmp_path, monkeypatch, capsys):
    """A folder that is not there yet is made."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "deep/down"]) == 0
    assert tomllib.loads((tmp_path / "deep/down/config.toml").read_text())["adaptd"] == {"state_dir": "state"}
    assert "\n  cd deep/down\n" in capsys.readouterr().out


def test_init_overwrites_nothing(tmp_path, monkeypatch, capsys):
    """A second one fails, says what to do instead, and changes neither file nor mode."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("mine")
    assert main(["init"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert err == (
        f"adaptd: {tmp_path}/config.toml is there already, expected none; nothing was changed. "
        "Edit it, or choose another folder: adaptd init DIR\n"
    )
    assert (tmp_path / "config.toml").read_text() == "mine"
    assert os.listdir(tmp_path) == ["config.toml"]


def test_init_keeps_a_state_folder_that_is_there(tmp_path, monkeypatch):
    """Somebody who lost the config.toml has not lost the events."""
    (tmp_path / "state" / "spool").mkdir(parents=True)
    (tmp_path / "state" / "spool" / "x.ndjson").write_text("kept")
    (tmp_path / "state").chmod(0o700)
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert (tmp_path / "state" / "spool" / "x.ndjson").read_text() == "kept"
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_init_where_a_file_is_in_the_way_is_told(tmp_path, capsys):
    """The path that cannot be a folder is named."""
    (tmp_path / "file").write_text("")
    assert main(["init", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"adaptd: {tmp_path}/file: File exists\n"


def test_run_with_a_bad_configuration_tells_every_fault(tmp_path, monkeypatch, capsys):
    """Exit code 78, and nothing was started or made."""
    (tmp_path / "config.toml").write_text('[adaptd]\n[log]\ndurability = "ful"\n[intak]\n')
    monkeypatch.chdir(tmp_path)
    assert main(["run"]) == 78
    told = capsys.readouterr().err.splitlines()
    tables = "one of the tables adaptd, device, embeddings, gate, intake, log, models, night, privacy, runs, sides"
    tables += ", workloads"
    assert told == [
        'config.toml:3:14: log.durability: expected "full" or "normal", found "ful", did you mean "full"?',
        f"config.toml:4:2: intak: expected {tables}, found an unknown key, did you mean intake?",
    ]
    assert os.listdir(tmp_path) == ["config.toml"]


@pytest.mark.parametrize("verb", ["version", "--version", "-V"])
def test_version_says_what_this_is(verb, capsys):
    """In one line for people."""
    assert main([verb]) == 0
    assert capsys.readouterr().out.startswith(f"adaptd {__version__} (Python 3.")


def test_version_as_json(capsys):
    """A document with its schema."""
    assert main(["version", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"schema", "adaptd", "python", "sqlite"}
    assert (document["schema"], document["adaptd"]) == ("adaptd.version/1", __version__)
