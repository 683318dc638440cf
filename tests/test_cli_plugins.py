"""`adaptd plugins`: what there is, whether it holds, and how one begins."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli.main import main
from tests import made_state
from tests.test_plugin_loading import GOOD


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(made_state.init(tmp_path / "shop"))
    (tmp_path / "shop" / "plugins" / "stages").mkdir(parents=True)
    return tmp_path / "shop"


def write(folder, text, name="mine"):
    (folder / "plugins" / "stages" / f"{name}.py").write_text(text)


def test_what_is_there_is_listed_and_what_is_broken_is_told(folder, capsys):
    """The list goes on, whatever is in one of them."""
    write(folder, GOOD)
    write(folder, "STAGE = 3", "bad")
    assert main(["plugins", "list"]) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert ["stage", "bad", "broken", "plugins/stages/bad.py"] in lines
    assert ["stage", "mine", "plugins/stages/mine.py"] in lines
    assert err == "adaptd: plugin bad: found 3, expected a class, the stage itself\n"
    assert main(["plugins", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "adaptd.plugins_list/1"
    assert {row["name"]: row["fault"] is None for row in document["plugins"]}["mine"]


def test_one_is_shown_with_its_settings(folder, capsys):
    """Where it is, what it says of itself, and what holds without a word in config.toml."""
    write(folder, GOOD)
    assert main(["plugins", "show", "mine"]) == 0
    assert "  share = 0.5\n  names = ()\n" in capsys.readouterr().out
    assert main(["plugins", "show", "mine", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["kind"], document["settings"]) == ("stage", {"share": 0.5, "names": []})


def test_a_stage_that_holds_is_0_and_one_that_does_not_is_1(folder, capsys):
    """Each problem on a line of its own, with the pool on which it showed."""
    write(folder, GOOD)
    assert main(["plugins", "check", "mine"]) == 0
    assert capsys.readouterr().out == "stage mine: it holds to its contract\n"
    write(folder, GOOD.replace("return pool", "return None"), "none")
    assert main(["plugins", "check", "plugins/stages/none.py"]) == 1
    assert "  one example: it returned NoneType, expected a Pool\n" in capsys.readouterr().out
    assert main(["plugins", "check", "none", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.parametrize("kind", ["stage", "workload"])
def test_a_new_plugin_works_and_passes_its_own_test(kind, folder, capsys):
    """In a process of its own, as its author would run it."""
    assert main(["plugins", "new", kind, "freshest_first"]) == 0
    plugin, test = capsys.readouterr().out.splitlines()
    assert plugin == f"plugins/{kind}s/freshest_first.py"
    assert main(["plugins", "check", plugin]) == 0
    assert capsys.readouterr().out == f"{kind} {folder / plugin}: it holds to its contract\n"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(folder / test)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_workload_that_does_not_hold_is_1(folder, capsys):
    """It meets the battery of workloads."""
    assert main(["plugins", "new", "workload", "rater"]) == 0
    path = folder / "plugins" / "workloads" / "rater.py"
    path.write_text(path.read_text().replace('("score",)', '("stars",)'))
    capsys.readouterr()
    assert main(["plugins", "check", "rater"]) == 1
    assert "  describe: needs = ('stars',), expected some of score, up" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["show", "nothing"], 4, "no plugin 'nothing'. `adaptd plugins list` shows those that there are."),
        (["check", "gone.py"], 78, "no file"),
        (["new", "stage", "Freshest"], 2, "NAME: found 'Freshest', expected lower-case letters, digits and _"),
        (["new", "stage", "../x"], 2, "NAME: found '../x', expected lower-case"),
        (["new", "stage", "mine"], 1, "mine.py is there, expected none. Choose another name, or move it away."),
        (["check", "mine"], 78, "plugin mine: found 3, expected a class, the stage itself"),
    ],
)
def test_what_cannot_be_done_is_told(arguments, code, told, folder, capsys):
    """With an exit code that says what sort of thing it is."""
    write(folder, "STAGE = 3")
    assert main(["plugins", *arguments]) == code
    assert told in capsys.readouterr().err


def test_without_a_configuration_the_working_folder_counts(tmp_path, monkeypatch, capsys):
    """An author may begin before anything is set up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["plugins", "new", "stage", "first"]) == 0
    assert (tmp_path / "plugins" / "stages" / "first.py").is_file()
    assert capsys.readouterr().err.endswith("run `adaptd plugins check plugins/stages/first.py`\n")
