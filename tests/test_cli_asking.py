"""`adaptd ask` and `adaptd.ask()`: with the daemon down and up, as a list and as JSON."""

import json

import pytest

import adaptd
from adaptd.asking import NotAsked
from daemon.cli.main import main
from tests import made_state
from tests.spooled_lines import as_a_fresh_host
from tests.test_running import running

LINES = [
    {"kind": "output_recorded/1", "id": f"o{n}", "input": f"question {n}\u001b[2J", "output": "x"}
    | {"artifact_type": "erd"}
    for n in range(40)
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made_state.take_in(made_state.init(tmp_path), LINES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ADAPTD_DISABLED", raising=False)
    as_a_fresh_host()
    adaptd.configure(config=str(tmp_path / "config.toml"))
    yield tmp_path
    as_a_fresh_host()


def asked(capsys, *options):
    assert main(["ask", *options]) == 0
    return capsys.readouterr()


def test_it_lists_what_is_most_worth_rating(folder, capsys):
    """Type, chance, why, the input's beginning, made harmless, and the id to rate it by."""
    out, err = asked(capsys, "--limit", "3")
    lines = out.splitlines()
    assert len(lines) == 3
    assert all("erd" in line and "question" in line and "\\x1b" in line and " o" in line for line in lines)
    assert "3 outputs of" in err
    assert "no embeddings are prepared yet" in err


def test_as_json_it_tells_no_text(folder, capsys):
    """One document."""
    out, _ = asked(capsys, "--random", "--limit", "2", "--json")
    answer = json.loads(out)
    assert answer["schema"] == "adaptd.ask/1"
    assert answer["kind"] == "random"
    assert len(answer["outputs"]) == 2
    assert "question" not in out


def test_where_nothing_waits_it_says_so(folder, capsys):
    """On standard error; that is no failure."""
    out, err = asked(capsys, "--artifact-type", "unheard of")
    assert out == ""
    assert "no output of the learn side waits for a rating" in err


def test_what_cannot_be_asked_for_is_a_mistake_of_the_command_line(folder, capsys):
    """An unknown workload, a limit out of range."""
    assert main(["ask", "nobody"]) == 2
    assert "no workload 'nobody'" in capsys.readouterr().err
    assert main(["ask", "--limit", "0"]) == 2
    assert "expected a number from 1 to 1000, found '0'" in capsys.readouterr().err


def test_the_daemon_answers_the_verb_and_programs(folder, capsys):
    """Both are in the log, and neither is quarantined."""
    with running(folder):
        out, _ = asked(capsys, "--random", "--limit", "2", "--json")
        assert len(json.loads(out)["outputs"]) == 2
        found = adaptd.ask(3, artifact_type="erd")
        assert len(found) == 3
        assert set(found[0]) == {"id", "artifact_type", "propensity"}
        assert adaptd.ask(2, random=True, artifact_type="unheard of") == []
        with pytest.raises(NotAsked, match=r"adaptd.ask: ask: limit = 0, expected a number from 1"):
            adaptd.ask(0, strict=True)
        assert adaptd.ask(0) == []
    capsys.readouterr()
    assert main(["events", "tail", "-n", "100", "--json"]) == 0
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert kinds.count("outputs_asked/1") == 2
    assert "line_quarantined/1" not in kinds


def test_without_a_daemon_a_program_gets_an_empty_list(folder, monkeypatch):
    """It may be strict about it; switched off, nothing is asked."""
    assert adaptd.ask() == []
    with pytest.raises(NotAsked, match="see `adaptd status`"):
        adaptd.ask(strict=True)
    monkeypatch.setenv("ADAPTD_DISABLED", "1")
    assert adaptd.ask(strict=True) == []
