"""What config.toml may say, and what is told about one that says something else."""

import tomllib
from pathlib import Path

import pytest

from daemon.config_template import CONFIG_TOML
from daemon.settings import BadConfig, Settings, changed_keys, read_settings, settings_of

PATH = Path("/etc/adaptd/config.toml")


def told(text):
    with pytest.raises(BadConfig) as bad:
        settings_of(text, PATH)
    return str(bad.value).splitlines()


def test_without_a_file_the_defaults_hold():
    """A state folder given by itself has no config.toml."""
    settings = read_settings(None)
    assert (settings.adaptd.state_dir, settings.log.durability) == ("state", "full")
    assert (settings.intake.max_event_bytes, settings.intake.commit_events) == (1048576, 1000)
    assert settings.sides.split_by == "input"


def test_the_template_says_every_key_with_its_default(tmp_path):
    """What `init` writes changes nothing and leaves nothing out."""
    (tmp_path / "config.toml").write_text(CONFIG_TOML)
    assert read_settings(tmp_path / "config.toml") == Settings()
    assert {section: set(keys) for section, keys in tomllib.loads(CONFIG_TOML).items()} == {
        "adaptd": {"state_dir"},
        "intake": {"max_event_bytes", "commit_events"},
        "sides": {"split_by"},
        "privacy": {"encrypt", "redact"},
        "log": {"durability"},
    }


def test_the_template_is_the_repositorys_own_configuration():
    """The config.toml in the repository is the one that a newcomer gets."""
    assert (Path(__file__).parents[1] / "config.toml").read_text() == CONFIG_TOML


def test_keys_that_are_given_are_taken():
    """Dotted keys, tables and inline tables are one and the same."""
    text = 'sides.split_by = "subject"\nlog = {durability = "normal"}\n[intake]\ncommit_events = 5\n'
    settings = settings_of(text, PATH)
    assert (settings.sides.split_by, settings.log.durability, settings.intake.commit_events) == ("subject", "normal", 5)


def test_every_fault_is_told_at_once_with_its_line():
    """A person who corrects a file wants to do it once."""
    hints = [f"did you mean {name!r}?" for name in ("max_event_bytes", "input", "log")]
    assert told(
        "[adaptd]\nstate_dir = 3\n\n[intake]\nmax_event_byte = 5\ncommit_events = 'many'\n"
        '[sides]\nsplit_by = "inputs"\n[logs]\n[log]\ndurability = ["full"]\n'
    ) == [
        f"{PATH}:{rest}"
        for rest in (
            "2: adaptd.state_dir: expected a text that is not empty, found 3",
            "5: intake.max_event_byte: expected one of commit_events, max_event_bytes, found an unknown key, "
            + hints[0],
            "6: intake.commit_events: expected a whole number from 1 to 100000, found 'many'",
            '8: sides.split_by: expected "episode" or "input" or "subject", found \'inputs\', ' + hints[1],
            "9: logs: expected one of the tables adaptd, intake, log, privacy, sides, found an unknown key, "
            + hints[2],
            '11: log.durability: expected "full" or "normal", found [\'full\']',
        )
    ]


@pytest.mark.parametrize("value", ["0", "1023", "67108865", "true", "1.5"])
def test_a_number_outside_its_range_is_told_with_the_range(value):
    """Neither a fraction nor a truth value is a number of bytes."""
    found = {"true": "True"}.get(value, value)
    assert told(f"[intake]\nmax_event_bytes = {value}\n") == [
        f"{PATH}:2: intake.max_event_bytes: expected a whole number from 1024 to 67108864, found {found}"
    ]


def test_a_value_where_a_table_belongs_is_told():
    """`log = 3` is not a [log]."""
    assert told("log = 3\n") == [f"{PATH}:1: log: expected a table [log], found 3"]


def test_a_syntax_error_is_told_with_its_line():
    """What tomllib says keeps its place."""
    (only,) = told("[adaptd]\nstate_dir = state\n")
    assert only.startswith(f"{PATH}:2: syntax: expected TOML, found Invalid value")


def test_a_file_that_cannot_be_read_is_a_bad_configuration(tmp_path):
    """Neither a missing file nor one that is no text shows a traceback."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("missing", "binary"):
        with pytest.raises(BadConfig, match=f"{name}: the file: expected UTF-8 text that can be read, found "):
            read_settings(tmp_path / name)


def test_what_changed_is_named_key_by_key():
    """The event of a reload says which key had which value, and has which."""
    new = settings_of('[intake]\ncommit_events = 5\n[log]\ndurability = "normal"\n', PATH)
    assert changed_keys(Settings(), new) == {"intake.commit_events": [1000, 5], "log.durability": ["full", "normal"]}
    assert changed_keys(new, new) == {}


@pytest.mark.parametrize("given", ['["email"]', '["iban", "mask"]', '["a b:c"]', '["x:y.z"]', '"card"', "[3]"])
def test_a_redaction_that_there_is_not(given):
    """A built-in's name or a module and a function of it; whether those are there is another's to see."""
    (fault,) = told(f"[privacy]\nredact = {given}\n")
    expected = 'expected a list of "e-mail", "phone", "card", "iban" or "module:function"'
    assert fault.startswith(f"{PATH}:2: privacy.redact: {expected}, found ")
    good = '[privacy]\nredact = ["e-mail", "phone", "card", "iban", "mask:clean", "my.own_2.masks:clean_it"]'
    assert len(settings_of(good, PATH).privacy.redact) == 6
