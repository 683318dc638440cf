"""`adaptd reindex`, and what `adaptd status` says of an index that is behind."""

import json
import shutil

import pytest

from daemon.cli import main as cli
from tests.model_world import copy_of, three_models
from tests.test_cli_models import newest

TABLE = '\n[workloads.support.index.articles]\ntexts = "articles.jsonl"\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory, nobodys_configuration):
    folder = tmp_path_factory.mktemp("models")
    three_models(folder).close()
    return folder


@pytest.fixture
def own(made, tmp_path, monkeypatch):
    monkeypatch.chdir(copy_of(made, tmp_path))
    text = (tmp_path / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(
        text + ("" if "[workloads.support]" in text else "\n[workloads.support]\n") + TABLE
    )
    return tmp_path


def test_it_asks_and_says_who_builds(own, capsys):
    """With the daemon down it is only asked for."""
    assert cli.main(["reindex"]) == cli.OK
    out, err = capsys.readouterr()
    assert out == "support: articles of model 2 is asked for\n"
    assert "nothing happens before the daemon runs: adaptd run" in err
    assert newest(own) == ("reindex_asked/1", {"workload": "support", "model": 2})
    assert cli.main(["reindex", "support", "--json"]) == cli.OK
    told = json.loads(capsys.readouterr().out)
    asked = [{"workload": "support", "model": 2, "indexes": ["articles"]}]
    assert told == {"schema": "adaptd.reindex_asked/1", "asked": asked, "daemon_running": False}


def test_what_config_toml_does_not_name_is_told(own, capsys):
    """With the code of what is not there."""
    assert cli.main(["reindex", "nothing"]) == cli.NO_SUCH_THING
    assert "names no index of workload 'nothing'" in capsys.readouterr().err


def test_status_says_which_index_is_behind(own, capsys):
    """Until it lies under the number of the model in use."""
    cli.main(["status", "--json"])
    (found,) = json.loads(capsys.readouterr().out)["models"]
    assert found["indexes_behind"] == ["articles"]
    cli.main(["status"])
    assert "not indexed: articles" in " ".join(capsys.readouterr().out.split())
    (own / "state/indexes/support/0002/articles").mkdir(parents=True)
    cli.main(["status", "--json"])
    assert json.loads(capsys.readouterr().out)["models"][0]["indexes_behind"] == []
    shutil.rmtree(own / "state/indexes")
