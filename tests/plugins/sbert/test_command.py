"""`adaptd train sbert` goes from a file to a measured model, and says what it did."""

import argparse
import json
import shutil
from typing import ClassVar

import pytest
import torch
import yaml

from adaptd.plugin.command import Command
from components.bad_input import BadInput
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
    assert train("--compare", "--png", "pics", "--json", "--quiet") == cli.OK
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert err == ""
    assert (told["schema"], told["model"], told["rows"]["train"]) == ("adaptd.train_sbert/1", "models/fine_tuned", 84)
    assert set(told["results"]) == {"fine-tuned", "base", "bag of words"}
    tuned, base = told["results"]["fine-tuned"], told["results"]["base"]
    assert tuned["head"]["accuracy"] > 0.8
    assert set(tuned["head"]["per_class"]) == {"refund", "parcel", "login"}
    assert {"knn", "regression", "purity", "balanced_purity", "silhouette"} <= set(base)
    assert [(one["from"], one["to"]) for one in told["gained"]] == [
        ("base, knn", "fine-tuned, knn"),
        ("base, regression", "fine-tuned, regression"),
        ("bag of words, tfidf", "fine-tuned, head"),
        ("bag of words, tfidf_balanced", "fine-tuned, head"),
    ]
    gain = told["gained"][0]["accuracy"]
    assert gain["low"] <= gain["gain"] <= gain["high"]
    assert gain["gain"] == pytest.approx(tuned["knn"]["accuracy"] - base["knn"]["accuracy"])
    assert set(told["results"]["bag of words"]) == {"tfidf", "tfidf_balanced"}
    assert told["pictures"] == ["pics/confusion-fine-tuned.png", "pics/confusion-base.png", "pics/map.png"]
    assert all((folder / path).read_bytes()[:4] == b"\x89PNG" for path in told["pictures"])


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
    assert found["notes"] == after["notes"]


def test_a_model_of_another_draw_is_said_to_know_the_test_texts(folder, capsys):
    """By what its training_info.yaml says; one that says nothing may know them too. Texts are read as it reads."""
    train("--no-preprocessing")
    capsys.readouterr()
    assert train("--evaluate-only", "models/fine_tuned", "--seed", "7") == cli.OK
    out = " ".join(capsys.readouterr().out.split())
    assert "texts are read as they are this model was made from another file, seed or sizes: it may have learnt" in out
    info = folder / "models/fine_tuned/training_info.yaml"
    info.write_text(info.read_text().replace("test_texts", "other"))
    assert train("--evaluate-only", "models/fine_tuned") == cli.OK
    assert "this model does not say which texts it learnt from" in " ".join(capsys.readouterr().out.split())


def test_what_few_labels_do_is_told_beside_what_it_cost(folder, capsys):
    """An encoder tuned on the drawn labels alone, the base, and a bag of words; all on the test texts."""
    assert train("--few-labels", "0.2") == cli.OK
    out = capsys.readouterr().out
    assert "\nby 18 labels, 66 texts without; a training of " in out
    assert max(map(len, out.splitlines())) <= 80
    shown = out.partition("by 18 labels")[2].splitlines()[1:6]
    assert [line.rsplit(maxsplit=2)[0].strip() for line in shown] == [
        "tuned on them, head",
        "tuned on them, spread",
        "base, spread",
        "bag of words, tfidf",
        "bag of words, tfidf, balanced",
    ]
    assert float(shown[1].split()[-2]) >= float(shown[2].split()[-2])
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["fine_tuned"]


def test_folds_train_a_model_each_and_go_on_where_they_were(folder, capsys):
    """Whole folds are not trained again; what is told is the mean, with an interval."""
    few = ("--folds", "2", "--output", "folds", "--epochs", "2")
    assert train(*few) == cli.OK
    out, err = capsys.readouterr()
    assert "2 folds in folds, each tested on what its model has not seen:" in out
    assert "  fold 1: 48 learnt, 60 tested" in out
    assert max(map(len, out.splitlines())) <= 80
    assert err.count("adaptd: fold ") == 2
    names = ["fold-1", "fold-1.json", "fold-2", "fold-2.json", "folds.json"]
    assert sorted(path.name for path in (folder / "folds").iterdir()) == names
    shutil.rmtree(folder / "folds/fold-2")
    before = files_of(folder / "folds")
    assert train(*few, "--compare", "--json", "--png", "pics") == cli.OK
    out, err = capsys.readouterr()
    assert "adaptd: fold 2 of 2\n" in err
    assert "fold 1" not in err
    told = json.loads(out)
    accuracies = [one["results"]["fine-tuned"]["head"]["accuracy"] for one in told["folds"]]
    mean = told["results"]["fine-tuned"]["head"]["accuracy"]
    assert mean["mean"] == pytest.approx(sum(accuracies) / 2)
    assert mean["low"] <= min(accuracies)
    assert sum(map(sum, told["confusion"]["counts"])) == 120
    assert ("base, knn", "fine-tuned, knn") in [(one["from"], one["to"]) for one in told["gained"]]
    assert told["pictures"] == ["pics/confusion-folds.png"]
    after = files_of(folder / "folds")
    assert after["fold-1/model.safetensors"] == before["fold-1/model.safetensors"]
    assert train("--folds", "2", "--output", "folds", "--epochs", "1", "-q") == cli.OK  # other settings: anew
    assert files_of(folder / "folds")["fold-1/model.safetensors"] != after["fold-1/model.safetensors"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["notes.txt"], "--output: found 'folds', expected folds, which are gone on with, or nothing. Name another"),
        (["fold-1", "fold-9.json"], "--output: found 'fold-9 in folds', expected at most 2 folds. Name another folder"),
    ],
)
def test_folds_replace_nothing_else(names, told, folder, capsys):
    """Nor do they mix with those of another number."""
    (folder / "folds").mkdir()
    for name in names:
        (folder / "folds" / name).write_text("")
    assert train("--folds", "2", "--output", "folds") == cli.FAILED
    assert told in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in (folder / "folds").iterdir()) == names


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"text,label\n" + b"a,x\nb,x\nc,x\n" * 9, "--data: found \"27 rows that are all 'x'\", expected at least two"),
        (b"text,label\n  ,x\n,y\n", "expected rows with something under 'text' and 'label'"),
        (b"text,label\ncaf\xe9,x\n", "a file in UTF-8 (line 2: byte 0xe9 is none). Convert it: iconv -f latin1"),
        (
            b"text,label\na,x\nb,y\n",
            "--data: found '2 rows', expected enough of them that some are left to validate on",
        ),
    ],
)
def test_files_that_teach_nothing_are_told_before_anything_is_made(content, told, folder, capsys):
    """In a line, and nothing is left behind."""
    (folder / "questions.csv").write_bytes(content)
    assert train() == cli.FAILED
    err = capsys.readouterr().err
    assert told in " ".join(err.split())
    assert "Traceback" not in err
    assert not (folder / "models").exists()


def test_odd_rows_are_learnt_from_or_told(folder, capsys):
    """A text of a million letters, a class that is met once, blank texts."""
    with (folder / "questions.csv").open("a") as file:
        file.write(f"{'money ' * 200_000},refund\nonly once,alone\n   ,login\n")
    assert train("--epochs", "1") == cli.OK
    out = capsys.readouterr().out
    assert "1 row without a text or a label left out\nclasses with too few rows to be on every side: alone (1)\n" in out
    assert max(map(len, out.splitlines())) <= 80


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
        (["--folds", "3", "--few-labels"], "options: found '--folds with --few-labels', expected one of them. Folds"),
        (["--few-labels", "1"], "--few-labels: found 1.0, expected a share above 0 and below 1."),
        (["--output", "questions.csv/m"], "--output: found 'questions.csv/m (Not a directory)', expected a place that"),
        (["--folds", "1"], "--folds: found 1, expected a whole number of at least 2."),
        (["--png", "questions.csv"], "--png: found 'questions.csv', expected a folder, or nothing yet."),
        (["--test-size", "0.9", "--val-size", "0.2"], "--test-size and --val-size: found (0.9, 0.2), expected shares"),
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
    assert [path.name for path in folder.iterdir()] == ["questions.csv"]


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
            others = parser.parse_args([*words, "--output", name, "--batch-size", "8"])
            with pytest.raises(BadInput, match=r"Give the same file and options again to go on, or remove halted\.unf"):
                COMMAND.run(others, Interrupted(patient=True))
        COMMAND.run(options, Interrupted(patient=True))
    assert files_of(folder / "halted") == files_of(folder / "whole")
