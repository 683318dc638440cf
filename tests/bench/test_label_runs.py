"""One curve is run in steps, stopped when its time is up, and kept."""

import json
import time

import numpy as np
import pytest

from bench import label_runs
from bench.asking import Strategy, code_fingerprint, random_rows
from bench.label_runs import Steps, kept, lay_out, run, tasks_of
from bench.labelled_texts import LabelledTexts


@pytest.fixture
def folder(tmp_path):
    """Three clouds of points with their names, written as a child reads them."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    vectors = (np.eye(3)[labels] * 3 + rng.normal(size=(120, 3))).astype(np.float32)
    data = LabelledTexts("clouds", tuple(map(str, range(120))), labels, ("a", "b", "c"))
    return lay_out(data, vectors, tmp_path)


def _run(monkeypatch, folder, choose, *, starts_itself=True, limit=60.0, steps=None):
    strategy = Strategy("own", "adaptd", choose, starts_itself, "1")
    monkeypatch.setattr(label_runs, "named", lambda name: strategy)
    (task,) = tasks_of(folder, folder.parent, strategy, 1, steps or Steps(10, 10, 50), limit)
    return task, run(task)


def test_the_probe_is_asked_after_each_step(monkeypatch, folder):
    """10, 20, … labels, each with its scores; what comes back is what is on disk."""
    task, curve = _run(monkeypatch, folder, random_rows)
    assert curve["counts"] == [10, 20, 30, 40, 50]
    assert curve["status"] == "ended"
    assert all(0 <= score <= 1 for score in curve["accuracy"] + curve["macro_f1"])
    assert kept(task) == json.loads(task.path.read_text()) == curve


def test_random_is_the_same_for_the_same_seed(monkeypatch, folder):
    """And a strategy that needs labels first begins with random's share."""
    _, one = _run(monkeypatch, folder, random_rows)
    _, other = _run(monkeypatch, folder, lambda situation, count: situation.unlabelled[:count], starts_itself=False)
    assert one["accuracy"][0] == other["accuracy"][0]
    assert one["accuracy"] == _run(monkeypatch, folder, random_rows)[1]["accuracy"]


def test_a_chooser_sees_only_labels_that_were_paid_for(monkeypatch, folder):
    """Labels aligned with the labelled rows, probabilities for the whole pool from the second step on."""
    seen = []

    def choose(situation, count):
        seen.append((len(situation.labelled), len(situation.labels), situation.probabilities is not None))
        return random_rows(situation, count)

    _run(monkeypatch, folder, choose)
    assert seen == [(0, 0, False), (10, 10, True), (20, 20, True), (30, 30, True), (40, 40, True)]


def test_a_strategy_is_stopped_when_its_seconds_are_over(monkeypatch, folder):
    """Even when it catches every Exception; it says how far it came, and why."""

    def slow(situation, count):
        while len(situation.labelled):
            try:
                time.process_time()
            except Exception:
                pass
        return random_rows(situation, count)

    task, curve = _run(monkeypatch, folder, slow, limit=0.2)
    assert (curve["status"], curve["counts"], curve["why"]) == ("stopped", [10], "passed 0.2 CPU seconds")
    assert kept(task) is not None
    (longer,) = tasks_of(folder, folder.parent, Strategy("own", "adaptd", slow, True, "1"), 1, Steps(10, 10, 50), 9.0)
    assert kept(longer) is None  # with more time it might end


@pytest.mark.parametrize(
    ("choose", "why"),
    [
        (lambda situation, count: np.zeros(count, dtype=int), "ValueError: chose 1 rows of which some have labels"),
        (lambda situation, count: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_strategy_that_fails_is_told_and_run_again_next_time(monkeypatch, folder, choose, why):
    """A failure is no result: nothing is kept of it."""
    task, curve = _run(monkeypatch, folder, choose)
    assert curve["status"] == "failed"
    assert curve["why"].startswith(why)
    assert kept(task) is None


def test_the_pools_last_rows_are_taken_without_asking(monkeypatch, folder):
    """A budget of the whole pool ends with all of its labels."""
    _, curve = _run(monkeypatch, folder, random_rows, steps=Steps(100, 100, 2000).within(96))
    assert curve["counts"] == [9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 96]
    (task,) = tasks_of(folder, folder.parent, None, 1, Steps(10, 10, 50), 0.0)
    assert curve["accuracy"][-1] == pytest.approx(run(task)["accuracy"], abs=0.05)


def test_steps_within_a_large_pool_are_as_they_were():
    """The last step ends at the budget, however it divides."""
    assert Steps(100, 100, 250).within(10_000).counts == [100, 200, 250]
    assert Steps(100, 100, 2000).within(2000).counts[-1] == 2000


def test_a_fingerprint_follows_the_code_and_not_its_comments(tmp_path, monkeypatch):
    """Also that of what is imported of ours; docstrings and layout count for nothing."""
    from bench import asking

    monkeypatch.setattr(asking, "ROOT", tmp_path)
    (tmp_path / "components").mkdir()
    main, part = tmp_path / "components" / "main.py", tmp_path / "components" / "part.py"
    main.write_text("from components.part import two\nvalue = two\n")
    part.write_text("two = 2\n")
    before = code_fingerprint("components.main")
    main.write_text('"""Said."""\nfrom components.part import (two)  # why\n\n\nvalue = two\n')
    assert code_fingerprint("components.main") == before
    part.write_text("two = 3\n")
    assert code_fingerprint("components.main") != before
