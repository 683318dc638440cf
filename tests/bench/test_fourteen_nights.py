"""The bench of fourteen nights lives two of them with a small transformer, and goes on where it was interrupted."""

import json

import numpy as np
import pytest

from bench import fourteen_nights
from bench.labelled_texts import made
from bench.nights_judged import beside, forgetting, goals_of, promotions, shown_worse
from bench.nights_lived import Sizes, rows_of_test
from bench.nights_page import page
from tests.sbert_world import QUESTIONS, small_model

BEGINNINGS = ("please", "the", "again", "my", "today", "where", "need", "give", "back", "is", "i", "hello")
SMALL = {
    "outputs": 40,
    "before": 40,
    "asked": 12,
    "told": 8,
    "judged": 8,
    "steps": 6,
    "judge_wanted": 4,
    "trigger": 5,
    "tested": 30,
    "embeddings": "hashing",
    "settings": "learning_rate = 0.002",
}


@pytest.fixture
def live(tmp_path, monkeypatch):
    """A function that runs the bench over questions and gives what it wrote."""
    monkeypatch.setenv("ADAPTD_LEASES", str(tmp_path / "leases"))
    rows = [{"text": f"{one} {text}", "label": label} for one in BEGINNINGS for text, label in QUESTIONS]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sizes = [f"--set={name}={value}" for name, value in SMALL.items()] + [f"--set=base_model={small_model()}"]

    def call(*words):
        places = ["--cache", str(tmp_path / "lives"), "--json", str(tmp_path / "told.json")]
        places += ["--data", str(tmp_path / "rows.jsonl"), "--page", str(tmp_path / "page.md")]
        assert fourteen_nights.main([*places, *sizes, *words]) == 0
        return json.loads((tmp_path / "told.json").read_text()), (tmp_path / "page.md").read_text()

    return call


def test_two_nights_are_lived_and_told(live, capsys):
    """Another night goes on from there, and what is there already is not lived again."""
    found, _ = live("--nights", "1", "--arms", "shipped", "v2")
    assert {arm: one["1"]["nights"] for arm, one in found["sets"]["rows"]["arms"].items()} == {"shipped": 1, "v2": 1}
    capsys.readouterr()
    found, page = live("--nights", "2", "--arms", "shipped")
    assert capsys.readouterr().out.count("rows shipped 1, night") == 1
    one = found["sets"]["rows"]["arms"]["shipped"]["1"]
    assert one["labels"] == [20, 40]
    assert one["scores"][1] > 0.2
    assert "shipped" in page


def test_promotions_are_held_at_one_level_together():
    """By Holm's steps: a chance that alone would do is not enough among others."""
    assert shown_worse([]) == 0
    assert shown_worse([0.04]) == 1
    assert shown_worse([0.04, 0.5]) == 0
    assert shown_worse([0.001, 0.03, 0.9]) == 1


def test_a_promotion_is_compared_with_its_predecessor_on_the_same_texts():
    """Nothing else than the answers that differ counts; the first promotion has nobody before it."""
    truth = np.zeros(20, np.int64)
    nights = [
        {"night": 1, "promoted": True, "champion": 1, "answers": [0] * 20},
        {"night": 2, "promoted": False, "champion": 1, "answers": [0] * 20},
        {"night": 3, "promoted": True, "champion": 3, "answers": [1] * 6 + [0] * 14},
    ]
    first, second = promotions(truth, nights)
    assert first == {"night": 1, "model": 1, "first": True}
    assert (second["better"], second["worse"], second["gain_points"]) == (0, 6, -30.0)
    assert second["p_worse"] == pytest.approx(0.5**6)


def test_forgetting_is_of_what_the_first_week_knew():
    """With its upper bound; of fewer than two weeks nothing is said."""
    data = made("x", [(f"t{n}", "ab"[n % 2], "train" if n < 20 else "test") for n in range(120)], "x")
    truth = data.labels[rows_of_test(data, 1, Sizes())]
    right, wrong = truth.tolist(), truth.tolist()
    wrong[:10] = [-1] * 10
    nights = [{"answers": right}] * 13 + [{"answers": wrong}]
    found = forgetting(data, Sizes(), 1, truth, nights)
    assert (found["texts"], found["points"]) == (100, 10.0)
    assert found["at_most"] == pytest.approx(10 + 1.6449 * 100 * (0.09 / 99) ** 0.5, abs=0.01)
    assert forgetting(data, Sizes(), 1, truth, nights[:13]) is None


def test_the_page_says_where_ours_does_not_win_and_what_is_partial():
    """And which clause of the gate stood in the way."""
    life = {"nights": 1, "scores": [0.5], "accuracy": [0.5], "labels": [80], "cpu_seconds": [9.0], "promotions": []}
    life |= {"training_seconds": [None], "forgetting": None, "labels_to": {"80": 70.2, "90": None}}
    life |= {"refusals": [{"night": 1, "why": "Turned down: p.", "clauses": ["better"]}]}
    left = [
        {"words": "not among the 50 picked of 66", "count": 16},
        {"words": "not among the 50 picked of 7", "count": 2},
    ]
    life |= {"batches": [None, {"left_out": [{"stage": "pick_informative", "left_out": left}]}]}
    better = life | {"scores": [0.6]}
    one = {"metric": "accuracy", "full_score": 0.9, "classes": 3, "sizes": Sizes().key(), "whole": False}
    one["arms"] = {"shipped": {"1": life}, "random": {"1": better}}
    one["against"] = {"random": {"night": 1, "points": -10.0, "low": -12.0, "high": -8.0}}
    told = page({"nights": 14, "note": "Of old.", "sets": {"clinc150": one}, "goals": goals_of({"clinc150": one})})
    assert "**These results are partial:**" in told
    assert "\nOf old.\n" in told
    assert "- clinc150: shipped ahead of random, points over 1 nights: -10.0\n" in told
    assert "- random, after night 1: -10.0 [-12.0, -8.0]" in told
    assert "- shipped: better 1\n" in told
    assert "- shipped: pick_informative, not among the 50 picked 18\n" in told


def test_arms_are_compared_text_by_text_where_both_have_lived():
    """After the last night of both; without a model the commonest class is said."""
    data = made("x", [(f"t{n}", "ab"[n % 2], "train" if n < 20 else "test") for n in range(120)], "x")
    truth = data.labels[rows_of_test(data, 1, Sizes())]
    ours, theirs = [{"answers": truth.tolist()}], [{"answers": None}, {"answers": truth.tolist()}]
    found = beside(data, Sizes(), {"shipped": {1: ours}, "v1": {1: theirs}}, "v1")
    assert (found["night"], found["points"]) == (1, 50.0)
    assert found["low"] == pytest.approx(50 - 1.96 * 100 * (0.25 / 99) ** 0.5, abs=0.01)
    assert beside(data, Sizes(), {"shipped": {1: ours}}, "shipped") is None


def test_what_it_cannot_do_is_told(capsys):
    """With exit code 2."""
    assert fourteen_nights.main(["--set", "hours=3", "--report"]) == 2
    assert "--set hours=3: expected one of outputs, before" in capsys.readouterr().err
