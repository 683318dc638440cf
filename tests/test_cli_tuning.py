"""`adaptd tune`: a search from the command line, its choice in the log, and what it says when there is none."""

import json

import pytest

from daemon.cli import tuning as verb
from daemon.cli.main import main
from tests.test_tuning import TuningWorld

CONFIG = """
[adaptd]
state_dir = "state"

[device]
use = "cpu"

[workloads.support]
plugin = "tiny_classifier"

[workloads.support.settings]
epochs = 4
hidden = 8
batch_size = 16
warmup_ratio = 0.0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADAPTD_LEASES", str(tmp_path / "leases"))
    return tmp_path


@pytest.mark.slow
def test_what_was_chosen_is_told_and_in_the_log(folder, capsys):
    """As a document, and as an event that later runs go by."""
    world = TuningWorld(folder)
    world.fill(60)
    world.close()
    assert main(["tune", "support", "--trials", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["workload"], told["trials"]) == ("adaptd.tune/1", "support", 1)
    assert told["settings"] == told["before"] == {"learning_rate": 0.01}
    assert main(["events", "tail", "-n", "1", "--json"]) == 0
    event = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert event["kind"] == "settings_chosen/1"
    assert event["body"]["settings"] == {"learning_rate": 0.01}


def test_it_is_shown_beside_what_held_before(capsys):
    """Within eighty columns, figures before words."""
    told = {"metric": "correct", "score": 0.912, "baseline_score": 0.87, "validated": 1200, "trials": 20}
    verb._print(
        told
        | {"settings": {"learning_rate": 0.02, "epochs": 3}, "before": {"learning_rate": 0.01, "epochs": 3}}
        | {"note": "1 of 20 trials failed", "workload": "support"}
    )
    out, err = capsys.readouterr()
    assert out == "learning_rate  0.02   was 0.01\nepochs         3\ncorrect 0.912 on 1,200 validated, before 0.87\n"
    assert err.splitlines() == [
        "adaptd: 1 of 20 trials failed",
        "adaptd: 20 trials in this study; later runs of support begin from these settings",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["suport"], 4, "no workload 'suport', expected one of support, did you mean 'support'?"),
        (["support", "--trials", "0"], 2, "expected a number from 1 to 10,000, found '0'"),
        (["support", "--minutes", "soon"], 2, "expected a number of minutes above 0, found 'soon'"),
    ],
)
def test_what_cannot_be_done_is_told(arguments, code, told, folder, capsys):
    """With an exit code that says what sort of thing it is."""
    assert main(["tune", *arguments]) == code
    assert told in capsys.readouterr().err
