"""Whether the configuration is good, asked often and looked at once."""

import os

import pytest

from daemon import config_checked
from daemon.config_checked import faults_of
from tests.spooled_lines import output_of

GOOD = '[adaptd]\n[log]\ndurability = "normal"\n'


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


@pytest.fixture
def environ(tmp_path):
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def looks(monkeypatch):
    """How often it was looked at."""
    counted = []
    checked = config_checked.checked
    monkeypatch.setattr(config_checked, "checked", lambda *asked: counted.append(1) or checked(*asked))
    return counted


def test_what_was_good_is_not_looked_at_again(config, environ, looks):
    """Until the file, the variables or the rules change."""
    for _ in range(3):
        assert faults_of(str(config), environ) == []
    assert len(looks) == 1


def test_a_changed_file_is_looked_at(config, environ, looks):
    """Also when it sets its own time back."""
    faults_of(str(config), environ)
    config.write_text(GOOD.replace("normal", "narmol"))
    os.utime(config, (1_700_000_000, 1_700_000_000))
    told = ':3:14: log.durability: expected "full" or "normal", found "narmol", did you mean "normal"?'
    for _ in range(2):
        assert faults_of(str(config), environ) == [f"{config}{told}"]
    assert len(looks) == 3


def test_other_variables_are_looked_at(config, environ, looks):
    """Each set of them, one at a time."""
    faults_of(str(config), environ)
    wrong = environ | {"ADAPTD__LOG__DURABILITY": "x"}
    told = 'environment ADAPTD__LOG__DURABILITY: log.durability: expected "full" or "normal", found "x"'
    assert faults_of(str(config), wrong) == [told]
    assert faults_of(None, wrong) == [told]
    right = environ | {"ADAPTD__LOG__DURABILITY": "full", "UNRELATED": "1"}
    assert faults_of(str(config), right) == faults_of(str(config), right | {"UNRELATED": "2"}) == []
    assert faults_of(None, environ) == []
    assert len(looks) == 4


def test_other_rules_are_looked_at(config, environ, looks, tmp_path, monkeypatch):
    """After an update what was good may be wrong."""
    faults_of(str(config), environ)
    newer = tmp_path / "settings.py"
    newer.write_text("")
    monkeypatch.setattr(config_checked, "RULES", [str(newer)])
    assert faults_of(str(config), environ) == []
    assert len(looks) == 2


def test_a_file_of_this_instant_is_not_remembered(config, environ, looks):
    """It may change again within one tick of its time stamp."""
    os.utime(config)
    for _ in range(2):
        assert faults_of(str(config), environ) == []
    assert len(looks) == 2


def test_a_cache_that_cannot_be_written_is_no_harm(config, environ, looks, tmp_path):
    """It is looked at each time."""
    (tmp_path / "cache").write_text("a file where a folder should be")
    for _ in range(2):
        assert faults_of(str(config), environ) == []
    assert len(looks) == 2


def test_a_file_that_is_gone_is_a_fault(config, environ):
    """And no error."""
    config.unlink()
    (told,) = faults_of(str(config), environ)
    assert told == f"{config}: the file: expected UTF-8 text that can be read, found No such file or directory"


def test_what_was_good_loads_nothing_heavy(config, environ):
    """The second time, neither what reads TOML nor what checks it; also with variables."""
    program = (
        "import sys, os; from daemon.config_checked import faults_of; assert faults_of(sys.argv[1], os.environ) == [];"
        "print([name for name in ('tomllib', 'msgspec', 're', 'json', 'pathlib') if name in sys.modules])"
    )
    environ = environ | {"ADAPTD__LOG__DURABILITY": "full", "PYTHONNOUSERSITE": "1", "PYTHONPATH": "."}
    first, second = (output_of(program, config, env=environ) for _ in range(2))
    assert "msgspec" in first
    assert second == "[]\n"
