"""The command: from a file of labelled texts to goals met or MISSED."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import label_efficiency
from bench.label_efficiency import OURS, all_curves, goals_of, main, metric_of, print_table, summary
from bench.label_runs import Steps, Task
from bench.labelled_texts import LabelledTexts

ROOT = Path(__file__).resolve().parents[2]
STEPS = Steps(100, 100, 300)
EVEN = LabelledTexts("clinc150", ("",) * 4, np.array([0, 0, 1, 1]), ("a", "b"), np.arange(4), np.arange(4))


def _curve(*scores, status="ended", **more):
    counts = STEPS.counts[: len(scores)]
    return {"status": status, "counts": counts, "accuracy": list(scores), "macro_f1": [0.5] * len(scores),
            "choosing_seconds": 1.0, "seconds": 2.0, **more}  # fmt: skip


def _full(score=1.0):
    return {"status": "ended", "rows": 4, "test_rows": 4, "classes": 2, "accuracy": score, "macro_f1": 0.5}


def _figures(ours=((0.7, 0.9, 1.0), (0.7, 0.9, 1.0)), peer=((0.6, 0.8, 1.0), (0.6, 0.8, 1.0)), data=EVEN, **more):
    """Two seeds: random reaches 0.5, 0.7, 0.9."""
    curves = {("", seed): _full() for seed in (0, 1)} | {("random", seed): _curve(0.5, 0.7, 0.9) for seed in (0, 1)}
    curves |= {(OURS, seed): _curve(*scores) for seed, scores in enumerate(ours)}
    curves |= {("peer", seed): _curve(*scores, **more) for seed, scores in enumerate(peer)}
    return summary(data, curves, {"random": "adaptd", OURS: "adaptd", "peer": "theirs 1.0"}, STEPS, metric_of(data))


def test_every_figure_of_a_strategy_is_there():
    """Area .875, random's .7; 80 % after 150 labels, random after 250; no interval is wider than the equal seeds."""
    ours = _figures()["strategies"][OURS]
    assert ours["area"]["mean"] == 0.875
    assert ours["area_of_random"]["mean"] == 1.25
    assert ours["labels_to"]["80"]["mean"] == pytest.approx(150)
    assert ours["labels_to"]["80"]["of_random"]["mean"] == pytest.approx(0.6)
    assert ours["labels_to"]["80"]["of_random"]["high"] == pytest.approx(0.6)


def test_a_strategy_with_fewer_seeds_is_compared_on_those():
    """A peer that was spared the second seed: its area, its labels and what it is beside ours are of the first."""
    figures = _figures(ours=((0.7, 0.9, 1.0), (0.1, 0.2, 0.3)), peer=((0.6, 0.8, 1.0),))
    peer = figures["strategies"]["peer"]
    assert (peer["area"], peer["area_of_random"]["n"]) == ({"mean": 0.8, "n": 1}, 1)
    assert peer["labels_to"]["80"]["of_random"]["mean"] == pytest.approx(0.8)
    assert peer["against_ours"]["gain"] == pytest.approx(-0.075)


class TestSlowPeers:
    @staticmethod
    def ran(monkeypatch, seconds, behind):
        """On which of four seeds a peer is run, whose curve takes so long and lies so far behind ours."""
        ran = []

        def kept(task):
            if task.strategy == "peer":
                ran.append(task.seed)
            scores = [0.8 + task.seed / 100 - (behind if task.strategy == "peer" else 0)] * 3
            return _curve(*scores, **({"seconds": seconds} if task.strategy == "peer" else {}))

        monkeypatch.setattr(label_efficiency, "kept", kept)
        tasks = [Task("", "", name, seed, STEPS, 600.0, "") for name in ("peer", OURS) for seed in range(4)]
        all_curves(tasks, 1, {"peer"}, "accuracy")
        return ran

    def test_are_spared_what_could_tell_nothing(self, monkeypatch):
        """Over five times as far as seeds of ours lie from each other (.0129), twice."""
        assert self.ran(monkeypatch, 61, 0.066) == [0, 1]

    def test_run_on_where_they_are_near(self, monkeypatch):
        """Another seed could still put them ahead."""
        assert self.ran(monkeypatch, 61, 0.063) == [0, 1, 2, 3]

    def test_are_those_over_a_minute(self, monkeypatch):
        """What is quick is run on all seeds, however bad."""
        assert self.ran(monkeypatch, 60, 0.5) == [0, 1, 2, 3]


def test_the_goals_are_those_of_the_set():
    """On CLINC150: area and labels; on another set its area; on one's own texts the peers alone."""
    figures = _figures()
    assert [goal["met"] for goal in goals_of("clinc150", figures).values()] == [True, False, False, True]
    assert len(goals_of("davidson", figures)) == 2
    assert [name.partition(":")[0] for name in goals_of("mine", figures)] == ["mine"]


def test_a_better_peer_is_named():
    """It misses the goal, and is in the result by name."""
    (goal,) = goals_of("mine", _figures(peer=((0.8, 0.95, 1.0), (0.8, 0.96, 1.0)))).values()
    assert (goal["met"], goal["who"]) == (False, ["peer"])


def test_a_stopped_peer_is_reported_and_beats_nobody(capsys):
    """With how far it came, and why."""
    figures = _figures(peer=((0.9, 0.99),), status="stopped", why="passed 600 CPU seconds")
    assert goals_of("mine", figures) == {}
    print_table("mine", figures)
    assert "stopped at 200 labels: passed 600 CPU seconds" in capsys.readouterr().out


def test_a_target_that_ours_never_reaches_is_a_missed_goal():
    """Not a goal that is left out."""
    goals = goals_of("clinc150", _figures(ours=((0.7, 0.75, 0.78), (0.7, 0.9, 1.0))))
    value = goals["clinc150: labels to 80 %, of random's"]
    assert (value["met"], value["value"]) == (False, None)


def test_where_one_class_holds_more_than_half_macro_f1_counts():
    """Accuracy would praise who always says the large class."""
    uneven = LabelledTexts("x", ("",) * 4, np.array([0, 0, 0, 1]), ("a", "b"), np.arange(4), np.arange(4))
    assert (_figures()["metric"], _figures(data=uneven)["metric"]) == ("accuracy", "macro_f1")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data", "nowhere.jsonl"], "--data nowhere.jsonl: no such file"),
        (["--budget", "0"], "'0': expected a whole number of at least 1"),
        (["--budget", "50", "--start", "60"], "--start 60: expected at most the budget, 50"),
        (["--metric", "f1"], "invalid choice: 'f1'"),
    ],
)
def test_a_wrong_option_is_told(words, told, capsys):
    """By argparse, with status 2."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_wrong_file_is_told_without_a_traceback(tmp_path, capsys):
    """Status 2, and one line."""
    path = tmp_path / "a.jsonl"
    path.write_text("text,label\n")
    assert main(["--data", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"{path}, line 1: no JSON in UTF-8")


def _file(path, rows, classes):
    words = ["alpha beta", "gamma delta", "epsilon zeta", "eta theta", "iota kappa", "lambda mu"]
    lines = [{"text": f"{words[i % classes]} {i} {words[i % classes]}", "label": i % classes} for i in range(rows)]
    lines += [{"text": "a class of its own", "label": "rare"}, {"text": "", "label": 0}, lines[0]]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.slow
def test_any_file_gives_curves_goals_and_json(tmp_path):
    """Hashed vectors and our strategies alone: a tiny class, a repeated text, a pool smaller than the budget."""
    pytest.importorskip("sklearn")
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "bench.label_efficiency", "--data", str(_file(tmp_path / "a.jsonl", 60, 3)),
               "--budget", "2000", "--seeds", "2", "--no-peers", "--model", "hashing", "--workers", "1",
               "--cache", str(tmp_path / "cache"), "--json", str(out)]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert "written:" in done.stdout, done.stdout + done.stderr
    figures = json.loads(out.read_text())["sets"]["a"]
    assert figures["counts"][-1] == figures["pool"] == 50
    assert {one["status"] for one in figures["strategies"].values()} == {"ended"}
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert "seed 1:" in done.stdout
    assert "seed" not in again.stdout.replace("seeds", "")  # every curve was kept
