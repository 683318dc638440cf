"""The bench of sbert learns, tells its goals, goes on where it was killed, and judges on other data."""

import json
import sys

import pytest

from bench import sbert, sbert_throughput
from tests.sbert_world import QUESTIONS, small_model


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that runs the bench over questions, and gives its exit code, what it printed and what it wrote."""
    rows = [
        {"text": f"{begins} {text}", "label": label}
        for begins in ("please", "the", "again")
        for text, label in QUESTIONS
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def call(*words):
        options = ["--data", str(tmp_path / "rows.jsonl"), "--threads", "1", "--json", str(tmp_path / "found.json")]
        monkeypatch.setattr(sys, "argv", ["bench.sbert", *options, *words])
        code = sbert.main()
        written = tmp_path / "found.json"
        return code, capsys.readouterr(), json.loads(written.read_text()) if written.exists() else None

    return call


def test_it_learns_and_says_which_goals_are_met(run, tmp_path):
    """Each seed has its own split; the model that it leaves can be judged on other data."""
    quick = [f"--set={one}" for one in ("epochs=6", "learning_rate=2e-3", "batch_size=16", "precision=float32")]
    code, told, found = run("--seeds", "2", "--base-model", str(small_model()), "--keep", str(tmp_path / "m"), *quick)
    assert code == 0
    assert [one["learnt_from"] for one in found["seeds"]] == [63, 63]
    assert found["settings"]["learning_rate"] == 2e-3
    assert set(sbert.GOALS) < set(found["goals"])
    assert "head accuracy: " in told.out
    code, told, _ = run("--judge", str(tmp_path / "m/seed-1/out"))
    assert (code, json.loads(told.out)["texts"]) == (0, 90)


def test_a_file_that_cannot_be_read_is_told(run):
    """With exit code 2."""
    code, told, _ = run("--data", "nowhere.jsonl")
    assert code == 2
    assert told.err.startswith("--data: found 'nowhere.jsonl'")


def test_rates_are_those_of_the_second_time_through_the_texts():
    """The first time is slower, and in another order of lengths."""
    meter = sbert_throughput.Meter(steps=4)
    meter.ends = [(9.0 * step, 18.0 * step) for step in range(4)]
    meter.ends += [(27.0 + step, 54.0 + 2.0 * step) for step in range(1, 5)]
    assert meter.rates() == {"texts_per_second": 32.0, "texts_per_processor_second": 16.0}
