"""`adaptd status --watch` looks again and again until somebody has seen enough."""

import json
import sys
import time

import pytest

from daemon.cli import status as verb
from daemon.cli.main import main
from tests import made_state


@pytest.fixture
def pauses(tmp_path, monkeypatch):
    """A place with events; the third pause is interrupted by Ctrl-C, and between them more is taken in."""
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            raise KeyboardInterrupt
        line = {"kind": "output_recorded/1", "id": f"more-{len(waited)}", "output": "x"}
        made_state.spool(tmp_path, [line], rotation=len(waited) + 1)

    monkeypatch.setattr(time, "sleep", sleep)
    return waited


def test_it_looks_again_until_it_is_interrupted(pauses, capsys):
    """Every two seconds; Ctrl-C is how it ends, which is no failure."""
    assert main(["status", "--watch"]) == 0
    out = capsys.readouterr().out
    assert pauses == [2.0, 2.0, 2.0]
    assert out.count("durability ") == 3
    assert next(line for line in out.splitlines() if line.startswith("spool ")).endswith("nothing waits")
    assert "1 file, and nobody reads it" in out
    assert "2 files, and nobody reads it" in out
    assert "\x1b" not in out


def test_at_a_terminal_the_page_takes_the_place_of_the_last_one(pauses, monkeypatch, capsys):
    """The screen is cleared before each look, whatever was on it."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["status", "--watch", "30"]) == 0
    assert pauses == [30.0] * 3
    assert capsys.readouterr().out.count(verb.CLEAR) == 3


def test_as_json_it_streams_a_document_a_line(pauses, capsys):
    """For whoever reads it with jq."""
    assert main(["status", "--watch", "0.5", "--json"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["spool"]["unread_files"] for one in documents] == [0, 1, 2]
    assert {one["schema"] for one in documents} == {"adaptd.status/1"}


@pytest.mark.parametrize("wrong", ["0", "soon", "-1", "nan", "inf"])
def test_a_pause_that_cannot_be_meant_is_told(wrong, pauses, capsys):
    """With what was expected; nothing is looked at."""
    assert main(["status", f"--watch={wrong}"]) == 2
    assert f"expected 0.1 to 86400 seconds, found '{wrong}'" in capsys.readouterr().err
    assert pauses == []
