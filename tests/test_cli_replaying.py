"""`adaptd replay --check`: are the views what the log says."""

import json
import sqlite3

import pytest

from daemon.cli.main import main
from tests import made_state


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made_state.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_views_that_were_folded_from_the_log_are_equal_to_it(folder, capsys):
    """A line for each view, and exit code 0; the file is left as it was."""
    before = (folder / "state" / "views.db").read_bytes()
    assert main(["replay", "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 4
    assert all(line.endswith(" equal, at event 5") for line in lines)
    assert (folder / "state" / "views.db").read_bytes() == before


def test_views_that_are_behind_are_compared_where_they_stand(folder, capsys):
    """Events that are not folded yet are no difference."""
    views = (folder / "state" / "views.db").read_bytes()
    made_state.spool(folder, [], rotation=2)
    made_state.take_in(folder, [{"kind": "feedback_recorded/1", "id": "new", "output_id": "out-1", "score": 5}])
    (folder / "state" / "views.db").write_bytes(views)
    assert main(["replay", "--check"]) == 0
    assert " equal, at event 5" in capsys.readouterr().out


def test_a_view_that_somebody_changed_is_told(folder, capsys):
    """Exit code 1, which view it is, and how it comes right again."""
    database = sqlite3.connect(folder / "state" / "views.db")
    database.execute("UPDATE cells SET value = '77' WHERE key = 'feedback_recorded/1'")
    database.commit()
    database.close()
    assert main(["replay", "--check"]) == 1
    out, err = capsys.readouterr()
    assert "kinds        DIFFERENT, at event 5\n" in out
    assert "examples     equal, at event 5\n" in out
    assert "remove views.db from the state folder" in err


def test_the_same_as_json(folder, capsys):
    """Each view with its two hashes."""
    assert main(["replay", "--check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["equal"]) == ("adaptd.replay/1", True)
    assert {view["name"] for view in document["views"]} >= {"examples", "kinds", "quarantine", "spools"}
    assert all(
        view["kept"] == view["rebuilt"] and view["equal"] and view["position"] == 5 for view in document["views"]
    )


def test_without_views_there_is_nothing_to_compare(tmp_path, monkeypatch, capsys):
    """The error says where they come from."""
    monkeypatch.chdir(made_state.init(tmp_path))
    assert main(["replay", "--check"]) == 1
    assert "no views there, expected those that `adaptd run` makes" in capsys.readouterr().err


def test_without_check_it_is_a_usage_error(folder, capsys):
    """What a bare `replay` would do is not decided."""
    assert main(["replay"]) == 2
    assert "--check" in capsys.readouterr().err
