"""Failures are remembered by input, the hardest come first, and what is probably mislabelled is set aside."""

import enum
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.bad_input import BadInput
from components.hard_negative_miner import HardNegative, HardNegativeMiner

DAY = 86_400.0
ROOT = Path(__file__).parents[2]


def inputs_of(found):
    return [one.input for one in found]


def test_the_call_of_the_document_gives_the_hardest():
    """record_failure(input, output, score, artifact_type), then get_hard_negatives(artifact_type=, limit=)."""
    miner = HardNegativeMiner()
    for score in range(0, 60, 2):
        miner.record_failure(f"ask {score}", "erDiagram", score, "erd")
    hard_negatives = miner.get_hard_negatives(artifact_type="erd", limit=20)
    assert inputs_of(hard_negatives) == [f"ask {score}" for score in range(0, 40, 2)]
    assert all(one.score < 60 and one.output == "erDiagram" for one in hard_negatives)


@pytest.mark.parametrize(("score", "failed"), [(0, True), (59.999, True), (60, False), (100, False)])
def test_a_failure_is_a_score_below_60(score, failed):
    """60 itself is none."""
    miner = HardNegativeMiner()
    assert miner.record_failure("a", "b", score, "erd") is failed
    assert len(miner.get_hard_negatives()) == len(miner) == failed


def test_the_callers_own_objects_come_back():
    """Input and output are handed out as they were given, and are not changed."""
    asked, made = {"draw": ["shop"]}, ["a"]
    miner = HardNegativeMiner()
    miner.record_failure(asked, made, 10, "erd")
    (one,) = miner.get_hard_negatives()
    assert one.input is asked
    assert one.output is made
    assert (asked, made) == ({"draw": ["shop"]}, ["a"])


def test_failures_on_one_input_are_one_case():
    """Case and spacing make no other input, another artifact type does; the latest output is shown."""
    miner = HardNegativeMiner()
    miner.record_failure("Draw a shop", "one", 40, "erd")
    miner.record_failure("draw  a SHOP ", "two", 20, "erd")
    miner.record_failure("draw a shop", "three", 20, "code")
    (one,) = miner.get_hard_negatives("erd")
    assert (one.output, one.score, one.terms["repeats"], one.terms["depth"]) == ("two", 20, 0.5, 0.5)
    assert len(miner) == 2


def test_recent_failures_are_harder_as_of_any_moment():
    """Ages run to as_of; without it to the newest moment; datetimes without a zone are UTC."""
    miner = HardNegativeMiner()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for days in range(3):
        miner.record_failure(f"day {days}", "x", 30, "erd", occurred_at=start + timedelta(days=days))
    assert inputs_of(miner.get_hard_negatives()) == ["day 2", "day 1", "day 0"]
    assert miner.get_hard_negatives()[0].terms["recency"] == 1.0
    later = miner.get_hard_negatives(as_of=(start + timedelta(days=12)).replace(tzinfo=None))
    assert later[0].terms["recency"] == pytest.approx(0.95**10)
    assert later[0].why == "scored 30 on average, failed 1 time, last 10.0 days ago"
    assert miner.get_hard_negatives(as_of=start.timestamp())[0].terms["recency"] == 1.0  # later ones count as today


def test_without_moments_records_count():
    """A hundred later records age a case by a day."""
    miner = HardNegativeMiner()
    miner.record_failure("old", "x", 30, "erd")
    for number in range(100):
        miner.record_failure(f"good {number}", "x", 90, "erd")
    assert miner.get_hard_negatives()[0].terms["recency"] == pytest.approx(0.95)
    assert miner.get_hard_negatives()[0].why.endswith("last 100 records ago")


def test_a_success_on_the_same_input_makes_it_easier():
    """Halved by every success since the last failure; a new failure counts in full again."""
    miner = HardNegativeMiner()
    miner.record_failure("a", "bad", 0, "erd")
    before = miner.get_hard_negatives()[0].difficulty
    miner.record_failure("a", "good", 90, "erd")
    (one,) = miner.get_hard_negatives()
    assert one.difficulty == pytest.approx(before / 2, rel=1e-3)
    assert "came right 1 time since" in one.why
    miner.record_failure("a", "bad", 0, "erd")
    assert miner.get_hard_negatives()[0].difficulty > before


def test_contradicting_ratings_of_one_output_are_set_aside():
    """The same output rated 5 and 95: no case to train on, until more ratings speak against the output."""
    miner = HardNegativeMiner()
    miner.record_failure("zoo", "erDiagram ZOO", 5, "erd")
    miner.record_failure("zoo", "erDiagram ZOO", 95, "erd")
    assert miner.get_hard_negatives() == []
    (aside,) = miner.set_aside("erd")
    assert (aside.case.input, aside.reason) == ("zoo", "the same output was also rated good: 50% of its ratings")
    miner.record_failure("zoo", "erDiagram ZOO", 5, "erd")
    (back,) = miner.get_hard_negatives()
    assert "its rating is doubted (0.33)" in back.why
    assert back.terms["trust"] == pytest.approx(2 / 3)


def test_a_suspected_label_is_set_aside_and_may_come_back():
    """From a suspicion of one half on; a smaller one makes it less hard; 0 takes it back."""
    miner = HardNegativeMiner()
    miner.record_failure("a", "x", 0, "toxicity")
    (one,) = miner.get_hard_negatives()
    miner.suspect([one.key], [0.8])
    assert miner.get_hard_negatives() == []
    assert miner.set_aside()[0].reason == "its label or rating is probably wrong (suspicion 0.80)"
    miner.suspect([one.key], [0.2])
    assert miner.get_hard_negatives()[0].difficulty == pytest.approx(0.8 * one.difficulty)
    miner.suspect([one.key], [0.0])
    assert miner.get_hard_negatives() == [one]


def test_what_never_comes_right_is_not_trained_on_for_ever():
    """Five times and out; a success lets it in again."""
    miner = HardNegativeMiner()
    miner.record_failure("a", "x", 0, "erd")
    for _ in range(5):
        assert inputs_of(miner.get_hard_negatives()) == ["a"]
        miner.record_training(miner.get_hard_negatives())
    assert miner.get_hard_negatives() == []
    assert miner.set_aside()[0].reason == "trained on 5 times and never came right"
    miner.record_failure("a", "y", 80, "erd")
    assert inputs_of(miner.get_hard_negatives()) == ["a"]


def test_a_mislabelled_example_leaves_training_and_true_hard_ones_stay():
    """With planted wrong labels: nights of training end for those, while learnable cases come right."""
    miner = HardNegativeMiner()
    wrong = {f"case {n}" for n in range(0, 40, 4)}
    for night in range(12):
        for one in miner.get_hard_negatives(limit=40) if night else ():
            miner.record_training([one])
        for n in range(40):
            learnt = f"case {n}" not in wrong and night > n / 8
            miner.record_failure(f"case {n}", f"answer {night}", 90 if learnt else 10, "chat")
    assert {one.case.input for one in miner.set_aside()} == wrong
    assert not wrong & set(inputs_of(miner.get_hard_negatives(limit=40)))


def test_patterns_are_told_in_words():
    """Failures with long inputs and a word of their own; by type, or over all."""
    miner = HardNegativeMiner()
    for n in range(30):
        miner.record_failure(f"Draw shop {n}", "erDiagram\n A {}", 90, "erd")
        miner.record_failure(f"Draw bank {n}: loans {n}, loans, rates, rates {n}, rates, branches", "e", 20, "erd")
    told = [pattern.why for pattern in miner.analyze_patterns("erd")]
    assert any(why.startswith("failures have more words in the input: median 11 against 3") for why in told)
    assert "failures say «loans» more often: 30 of 30 failures, 0 of 30 successes" in told
    assert miner.analyze_patterns() == miner.analyze_patterns("erd")
    assert miner.analyze_patterns("code") == []


def test_a_batch_has_a_third_of_hard_ones():
    """The document's 35%, the lowest scores first, the caller's own examples, V2 names and all."""
    examples = [{"input_data": f"q{n}", "validation_score": n, "artifact_type": "erd"} for n in range(100)]
    batch, mixed = HardNegativeMiner().mix(examples, 20, seed=3)
    assert [one["validation_score"] for one in batch[:7]] == list(range(7))
    assert (mixed.hard, len(batch), mixed.why) == (7, 20, "7 of 20 are hard (35%)")
    assert all(any(one is given for given in examples) for one in batch)
    again, _ = HardNegativeMiner().mix(examples, 20, seed=3)
    assert batch == again


def test_what_is_set_aside_stays_out_of_the_batch():
    """By input and artifact type, as an enum or as its text."""
    kind = enum.Enum("Kind", {"ERD": "erd"}).ERD
    miner = HardNegativeMiner()
    miner.record_failure("q0", "x", 0, kind)
    miner.suspect([miner.get_hard_negatives()[0].key], [1.0])
    examples = [{"input": f"q{n}", "score": n, "artifact_type": kind} for n in range(100)]
    batch, _ = miner.mix(examples, 20)
    assert "q0" not in inputs_of([HardNegative(one["input"], 0, 0, "", 0, {}, "", "") for one in batch])
    assert "q1" in [one["input"] for one in batch]


def test_nothing_recorded_gives_nothing():
    """An empty miner and a type that never failed have no hard negatives, nothing set aside and no patterns."""
    miner = HardNegativeMiner()
    assert miner.get_hard_negatives("unheard of") == miner.set_aside() == miner.analyze_patterns() == []
    assert miner.mix([], 5)[0] == []
    miner.record_failure("a", "b", 1, "erd")
    assert miner.get_hard_negatives(limit=0) == miner.get_hard_negatives("code") == []


@pytest.mark.parametrize("text", ["", "x" * 1_000_000, "Zeichne 🏦 für «München» 図", "\ud800", "a\0b"])
def test_any_text_can_fail(text):
    """Empty, a megabyte, several languages, emoji, half a character."""
    miner = HardNegativeMiner()
    for n in range(6):
        miner.record_failure(text, text, 10, "chat")
        miner.record_failure(f"fine {n}", "good", 90, "chat")
    assert miner.get_hard_negatives()[0].input == text
    assert isinstance(miner.analyze_patterns(), list)


def test_a_miner_survives_being_stored():
    """A pickled miner goes on where it was."""
    miner = HardNegativeMiner()
    miner.record_failure("a", "b", 10, "erd", occurred_at=5 * DAY)
    restored = pickle.loads(pickle.dumps(miner))
    assert restored.get_hard_negatives() == miner.get_hard_negatives()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda m: m.record_failure("a", "b", 101, "erd"), r"score\[0\]: found 101.0, expected numbers from 0 to 100"),
        (lambda m: m.record_failure("a", "b", float("nan"), "erd"), r"score\[0\]: found nan"),
        (lambda m: m.record_failure("a", "b", 5, ""), "artifact_type: found '', expected the name of an artifact"),
        (lambda m: m.record_failure("a", "b", 5, None), "artifact_type: found None"),
        (lambda m: m.record_failure("a", "b", 5, "erd", occurred_at=True), "occurred_at: found True, expected a date"),
        (lambda m: m.record_failure("a", "b", 5, "erd", occurred_at=float("inf")), r"occurred_at\[0\]: found inf"),
        (lambda m: m.get_hard_negatives(limit=-1), "limit: found -1"),
        (lambda m: m.suspect(["nobody"], [0.5]), "key: found 'nobody', expected the key of a recorded failure. Hard"),
        (lambda m: m.suspect([], [0.5]), "suspicion: found '1 values', expected one for each of 0 keys"),
        (lambda m: m.record_training(["nobody"]), "key: found 'nobody'"),
        (lambda m: m.mix([{"input": "a"}], 1), r"scores\[0\]: found nan, expected numbers from 0 to 100"),
        (lambda m: HardNegativeMiner(give_up_after=0), "give_up_after: found 0"),
        (lambda m: HardNegativeMiner(hard_share=1.2), r"hard_share\[0\]: found 1.2"),
    ],
)
def test_what_cannot_be_recorded_is_told(call, told):
    """Each wrong value is named, and nothing is remembered of it."""
    miner = HardNegativeMiner()
    with pytest.raises(BadInput, match=told):
        call(miner)
    assert len(miner) == 0


@pytest.mark.parametrize("words", [["-m", "components.hard_negative_miner"], ["components/hard_negative_miner.py"]])
def test_the_worked_example_runs_as_a_module_and_as_a_file(words):
    """It prints what was hardest, what was set aside and what failures share, in 80 columns."""
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "the hardest:" in done.stdout
    assert "the same output was also rated good" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
