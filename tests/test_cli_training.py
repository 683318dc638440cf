"""A workload in a folder brings a verb of its own; one that is broken says so, and harms no other."""

import pytest

from daemon.cli import main as cli
from daemon.plugin_loading import PluginRejected, command_names, load_command

COMMAND = """
from components.bad_input import BadInput

class Mine:
    line = "count letters"
    epilog = "examples:\\n  adaptd train mine --word abc"
    def add_options(self, parser):
        parser.add_argument("--word", default="a", help="what is counted")
    def run(self, options, desk):
        if options.word == "":
            raise BadInput("--word", "", "a letter at least")
        desk.say("counting")
        return {"letters": len(options.word), "settings": dict(desk.settings), "now": desk.now}
    def lines(self, document):
        yield f"{document['letters']} letters, {document['settings']}"

COMMAND = Mine()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a config.toml and a workload `mine` that has a command."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('[adaptd]\n[workloads.one]\nplugin = "mine"\nsettings = { deep = 3 }\n')
    plugin = tmp_path / "plugins/workloads/mine"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text("")
    (plugin / "command.py").write_text(COMMAND)
    return tmp_path


def test_the_command_of_a_plugin_is_a_verb(place, capsys):
    """It is given the settings of its workload and the time, and its talk is talk."""
    assert cli.main(["train", "mine", "--word", "abc"]) == cli.OK
    assert capsys.readouterr() == ("3 letters, {'deep': 3}\n", "adaptd: counting\n")
    assert cli.main(["train", "mine", "--json", "-q"]) == cli.OK
    out, err = capsys.readouterr()
    assert out.startswith('{"schema":"adaptd.train_mine/1","letters":1,"settings":{"deep":3},"now":"20')
    assert err == ""


def test_help_lists_it_beside_now(place, capsys):
    """With its line."""
    assert cli.main(["train", "--help"]) == cli.OK
    assert "count letters" in capsys.readouterr().out
    assert list(command_names(place)) == ["mine", "sbert"]


def test_what_it_refuses_is_told_without_a_traceback(place, capsys):
    """In its own words, with exit code 1."""
    assert cli.main(["train", "mine", "--word", ""]) == cli.FAILED
    assert capsys.readouterr().err == "adaptd: train mine: --word: found '', expected a letter at least.\n"


def test_without_a_configuration_it_has_no_settings(place, capsys):
    """A configuration that is named has to be there."""
    (place / "config.toml").rename(place / "other.toml")
    assert cli.main(["train", "sbert", "--config", "gone.toml"]) == cli.BAD_CONFIG
    assert "gone.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("1 / 0", "found ZeroDivisionError: division by zero at"),
        ("", "whose COMMAND has no line, expected an adaptd.plugin.command.Command"),
    ],
)
def test_a_broken_command_says_so_when_it_is_asked_for(code, told, place, capsys):
    """`train now` and the others are there as before."""
    broken = place / "plugins/workloads/broken"
    broken.mkdir()
    (broken / "__init__.py").write_text("")
    (broken / "command.py").write_text(code)
    assert cli.main(["train", "mine"]) == cli.OK
    capsys.readouterr()
    assert cli.main(["train", "broken"]) == cli.BAD_CONFIG
    assert told in capsys.readouterr().err
    with pytest.raises(PluginRejected, match="plugin broken: found"):
        load_command("broken", place)
