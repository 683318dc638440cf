"""`adaptd train sbert` goes from a file to a measured model, and says what it did."""

import argparse
import json
from typing import ClassVar

import pytest
import torch
import yaml

from adaptd.plugin.command import Command
from daemon.cli import main as cli
from plugins.workloads.sbert.command import COMMAND
from plugins.workloads.sbert.model_folder import Model
from tests.sbert_world import QUESTIONS, files_of, small_model

FEW = ["--epochs", "6", "--batch-size", "16", "--learning-rate", "2e-3", "--evaluation-steps", "4"]


@pytest.fixture(autouse=True)
def one_thread():
    """The steps are so small that threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with questions in a CSV file, each thrice with another beginning."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{begins} {text},{label}" for begins in ("please", "the", "again", "is") for text, label in QUESTIONS]
    (tmp_path / "questions.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    return tmp_path


def train(*words):
    return cli.main(["train", "sbert", "--data", "questions.csv", "--base-model", str(small_model()), *FEW, *words])


def test_a_model_is_trained_measured_and_compared(folder, capsys):
    """Everything is in the JSON: rows, steps, results of each way of answering, gains with their intervals."""
    assert train("--compare", "--json", "--quiet") == cli.OK
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert err == ""
    assert (told["schema"], told["model"], told["rows"]["train"]) == ("adaptd.train_sbert/1", "models/fine_tuned", 84)
    assert set(told["results"]) == {"fine-tuned", "base", "bag of words"}
    tuned, base = told["results"]["fine-tuned"], told["results"]["base"]
    assert tuned["head"]["accuracy"] > 0.8
    assert set(tuned["head"]["per_class"]) == {"refund", "parcel", "login"}
    assert {"knn", "regression", "purity", "balanced_purity", "silhouette"} <= set(base)
    gain = told["gained"]["knn"]["accuracy"]
    assert gain["low"] <= gain["gain"] <= gain["high"]
    assert set(told["results"]["bag of words"]) == {"tfidf", "tfidf_balanced"}


def test_the_model_is_whole_and_says_when_it_was_made(folder, capsys):
    """Nothing unfinished is left beside it; a second call replaces it."""
    for _ in range(2):
        assert train("--output", "m/mine", "--no-preprocessing") == cli.OK
        assert sorted(path.name for path in (folder / "m").iterdir()) == ["mine"]
    info = yaml.safe_load((folder / "m/mine/training_info.yaml").read_text())
    assert str(info["timestamp"]).startswith("20")
    assert Model.load(folder / "m/mine").head.preprocess == "none"
    out = capsys.readouterr().out
    assert "texts are read as they are\n84 texts to learn from, 12 to validate, 24 to test on" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "fine-tuned, head" in out


def test_a_model_is_evaluated_without_training(folder, capsys):
    """The same figures as after its training."""
    train("--json")
    after = json.loads(capsys.readouterr().out)
    assert train("--evaluate-only", "models/fine_tuned", "--json") == cli.OK
    found = json.loads(capsys.readouterr().out)
    assert found["trained"] == {}
    assert found["results"] == after["results"]


def test_config_toml_says_what_no_option_says(folder, capsys, monkeypatch):
    """Of the workload with this plugin; of several, --workload says whose."""
    (folder / "config.toml").write_text(
        '[adaptd]\n\n[workloads.mails]\nplugin = "sbert"\nsettings = { epochs = 1, scale = 10.0 }\n'
    )
    assert train("--json") == cli.OK
    info = yaml.safe_load((folder / "models/fine_tuned/training_info.yaml").read_text())
    assert (info["settings"]["scale"], info["epochs"]) == (10.0, 6)
    with (folder / "config.toml").open("a") as file:
        file.write('\n[workloads.chats]\nplugin = "sbert"\nsettings = { scale = 5.0 }\n')
    capsys.readouterr()
    assert train() == cli.USAGE
    assert "adaptd: train sbert: --workload: expected one of mails, chats, found none" in capsys.readouterr().err
    assert train("--workload", "mail") == cli.USAGE
    told = "--workload: found 'mail', expected one with this plugin: mails, chats"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data", "gone.csv"], "--data: found 'gone.csv', expected a CSV file with a header, or JSON lines."),
        (["--label-column", "x"], "--label-column: found 'x', expected one of the columns of the file: text, label."),
        (["--base-model", "nowhere"], "model_name: found 'nowhere', expected a sentence-transformers folder"),
        (["--output", "."], "--output: found '.', expected a model of sbert, which is replaced, or nothing. Name"),
        (["--learning-rate", "0"], "learning_rate: found 0.0, expected a number above 0."),
        (["--evaluate-only", "nowhere"], "model: found 'nowhere', expected a model of sbert, format 1"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(words, told, folder, capsys):
    """With exit code 1 and no traceback."""
    assert train(*words) == cli.FAILED
    err = capsys.readouterr().err
    assert err.startswith("adaptd: train sbert: ")
    assert told in " ".join(err.split())
    assert "Traceback" not in err


def test_settings_of_a_wrong_kind_are_told(folder, capsys):
    """As config.toml has them."""
    (folder / "config.toml").write_text('[adaptd]\n\n[workloads.sbert]\nsettings = { scale = "large" }\n')
    assert train() == cli.FAILED
    assert "Expected `float`, got `str` - at `$.scale`" in " ".join(capsys.readouterr().err.split())
    (folder / "config.toml").write_text("[adaptd]\n\n[workloads.sbert]\nsettings = { epoch = 2 }\n")
    assert train() == cli.FAILED
    assert "settings: found 'epoch', expected one of preset, objective," in " ".join(capsys.readouterr().err.split())


def test_it_is_a_command():
    """As the contract has it."""
    assert isinstance(COMMAND, Command)


class Interrupted:
    """A desk at which somebody presses Ctrl-C at the first line of progress."""

    settings: ClassVar = {"checkpoint_every": 20, "patience": 99}
    now = "2026-11-25T00:00:00.000000Z"

    def __init__(self, *, patient):
        self.patient = patient

    def say(self, line):
        if not self.patient:
            raise KeyboardInterrupt


def test_interrupted_the_same_command_goes_on(folder):
    """To the same bytes as without; until then nothing stands under the model's name."""
    parser = argparse.ArgumentParser()
    COMMAND.add_options(parser)
    words = ["--data", "questions.csv", "--base-model", str(small_model()), *FEW, "--epochs", "10"]
    for name in ("whole", "halted"):
        options = parser.parse_args([*words, "--output", name])
        if name == "halted":
            with pytest.raises(KeyboardInterrupt):
                COMMAND.run(options, Interrupted(patient=False))
            assert not (folder / "halted").exists()
            assert [path.name for path in sorted((folder / "halted.unfinished/checkpoints").iterdir())] == [
                "step-00000020",
                "step-00000040",
            ]
        COMMAND.run(options, Interrupted(patient=True))
    assert files_of(folder / "halted") == files_of(folder / "whole")
