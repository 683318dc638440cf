"""A report to the authors says how things are and nothing of what anybody wrote."""

import json

import pytest

from daemon.bug_report import Masking
from daemon.cli.main import main
from tests import made_state

SECRETS = ("alice", "good", "secret", "2+2", "mistral", "sums", "m:7b", "shop-of-zoe")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place with the known events, under a folder whose name is nobody's business."""
    made_state.make(tmp_path / "shop-of-zoe")
    monkeypatch.chdir(tmp_path / "shop-of-zoe")
    return tmp_path / "shop-of-zoe"


def printed(capsys, *options):
    assert main(["bugreport", *options]) == 0
    return capsys.readouterr()


def test_it_says_how_things_are(folder, capsys):
    """Versions, counts and findings, with a reminder on stderr."""
    out, err = printed(capsys)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "events 5" in lines
    assert "feedback 2" in lines
    assert "quarantined 1" in lines
    assert any(line.startswith("ok permissions:") for line in lines)
    assert out.startswith("# adaptd: a report\n")
    assert err == "adaptd: texts, names, folders and ids are masked; read it before you send it\n"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_nothing_of_anybody_is_in_it(options, folder, capsys):
    """No text, name, subject, model, artifact type or folder."""
    (folder / "config.toml").write_text('[adaptd]\nstate_dir = "state"\n[sides]\nsplit_by = "subject"\n')
    out, _ = printed(capsys, *options)
    assert [secret for secret in SECRETS if secret in out] == []
    assert str(folder) not in out


def test_changed_settings_are_told(folder, capsys):
    """A word of ours as it is, a text of yours only as set."""
    (folder / "config.toml").write_text('[adaptd]\nstate_dir = "./state"\n[sides]\nsplit_by = "subject"\n')
    document = json.loads(printed(capsys, "--json").out)
    assert document["schema"] == "adaptd.bugreport/1"
    assert document["settings"] == {"adaptd.state_dir": "<set>", "sides.split_by": "subject"}
    assert document["troubles"] == []


def test_a_broken_place_is_reported_as_it_is(folder, capsys):
    """A configuration that cannot be read and a log that is no database are troubles, and the exit code is 0."""
    (folder / "state" / "events.db").write_bytes(b"no database" * 500)
    document = json.loads(printed(capsys, "--json").out)
    assert document["troubles"] == ["DatabaseError: file is not a database"]
    (folder / "config.toml").write_text("[adaptd\n")
    document = json.loads(printed(capsys, "--json").out)
    assert document["versions"]["adaptd"]
    assert "ConfigUnreadable" in document["troubles"][0]
    assert str(folder) not in document["troubles"][0]


def test_no_place_at_all_is_a_report_too(tmp_path, monkeypatch, capsys):
    """Somebody may not have come as far as `init`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    document = json.loads(printed(capsys, "--json").out)
    assert "NotConfigured" in document["troubles"][0]
    assert document["counts"] == {}


def test_quoted_values_addresses_and_names_are_masked(monkeypatch):
    """Whatever message brings them."""
    monkeypatch.setattr("daemon.bug_report._user", lambda: "zoe")
    monkeypatch.setattr("platform.node", lambda: "bigbox")
    hide = Masking(None).text
    assert hide("found 'a lot', by zoe@shop.example on bigbox") == "found <text>, by <address> on <machine>"
    assert hide("process of zoe, not of zoey") == "process of <user>, not of zoey"
