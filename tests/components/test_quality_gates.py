"""What teaches nothing is kept out, each refusal says why, and the caller's examples come back as they were."""

import copy
import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.bad_input import BadInput
from components.planted_mixtures import plant_flaws, sound_examples
from components.quality_gates import GATES, QualityGates

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
STOCK = "Thank you for reaching out. We will get back to you shortly."


def chats(*pairs):
    return [{"input": asked, "output": said, "artifact_type": "chat"} for asked, said in pairs]


def told(report):
    return [(one.row, one.gate, one.reason) for one in report.refused]


def test_an_answer_that_four_different_questions_got_is_generic():
    """From three other inputs on; three questions in all are not enough."""
    questions = ["Where is my card?", "Why is it slow today?", "Who owns the bank?", "Can I pay later?"]
    other = ("How tall is it?", "It is four metres tall.")
    report = QualityGates().check(chats(*((one, STOCK) for one in questions), other))
    assert [one["output"] for one in report.kept] == [other[1]]
    assert told(report)[0] == (0, "generic", "3 other inputs got nearly the same output")
    assert report.rows.genericness.tolist() == [3, 3, 3, 3, 0]
    assert len(QualityGates().check(chats(*((one, STOCK) for one in questions[:3]))).kept) == 3
    assert len(QualityGates(generic_at=4).check(chats(*((one, STOCK) for one in questions))).kept) == 4


def test_class_labels_are_never_generic():
    """A few short outputs that all rows share are a closed set, and that is said."""
    rows = [{"input": f"tweet {n} {'abcdefghij'[n % 10] * 9}", "output": ["neither", "hate"][n % 2]} for n in range(60)]
    report = QualityGates().check([row | {"artifact_type": "hate_speech"} for row in rows])
    assert "generic" not in report.rows.counts
    assert "outputs of 'hate_speech' are a closed set: none counts as generic" in str(report)


def test_a_closed_set_may_be_named():
    """Where few rows are there to see it by, the caller says so."""
    rows = chats(
        ("one question", "yes"), ("two of them", "yes"), ("a third", "yes"), ("the fourth", "yes"), ("x", "why?")
    )
    gates = QualityGates(closed_sets=["chat"])
    assert len(gates.check(rows).kept) == 5


def test_of_repeated_examples_the_best_scored_stays():
    """A refused one does not push out a good one."""
    ask, say = "How do I pay for my order?", "By card, at the desk beside the door."
    rows = [
        {"input": ask, "output": say, "artifact_type": "chat", "score": 60},
        {"input": ask.upper(), "output": say, "artifact_type": "chat", "score": 90},
        {"input": ask, "output": say, "artifact_type": "faq", "score": 10},
    ]
    report = QualityGates().check(rows)
    assert report.kept == rows[1:]
    assert told(report) == [(0, "repeated", "it repeats row 1: nearly the same input and output")]
    cut_off = rows[0] | {"output": say[:-1] + ",", "score": 100}
    assert QualityGates().check([rows[0], cut_off]).kept == [rows[0]]


def test_earlier_examples_count_and_are_not_judged_again():
    """Against history: what it holds already is a repetition; its generic answers make new ones generic."""
    earlier = chats(("Where is my card?", STOCK), ("Why so slow?", STOCK), ("Who are you all?", STOCK), ("a", ""))
    new = chats(("Can I pay later?", STOCK), ("Where is my card?", STOCK), ("Is it far?", "Two miles from here."))
    report = QualityGates().check(new, against=earlier)
    assert report.kept == [new[2]]
    assert [one[:2] for one in told(report)] == [(0, "generic"), (1, "generic")]
    again = QualityGates().check([new[2]], against=[new[2] | {"score": 1}])
    assert told(again) == [(0, "repeated", "it repeats an earlier example: nearly the same input and output")]


def test_gates_can_be_switched_off_and_types_be_given_rules():
    """`off` names gates; `kinds` names rules for a type whose name says nothing."""
    rows = [{"input": "a", "output": "no JSON", "artifact_type": "billing"}, {"input": "b", "output": " "}]
    assert [one.gate for one in QualityGates(kinds={"billing": "json"}).check(rows).refused] == ["off_type", "empty"]
    off = QualityGates(kinds={"billing": "json"}, off=["off_type", "empty"])
    assert off.check(rows).kept == rows
    assert QualityGates(off=GATES).check(chats(("a", ""), ("a", ""))).refused == ()


def test_an_unknown_artifact_type_has_the_general_rules():
    """No type, an unheard one: still not empty, cut off or repetitive."""
    rows = [{"input": "a", "output": "A sound answer."}, {"input": "b", "output": "", "artifact_type": "unheard"}]
    assert told(QualityGates().check(rows)) == [(1, "empty", "there is nothing in it")]


def test_examples_of_both_generations_pass_unchanged():
    """V2 names, outputs that are objects; the same objects come back, and nothing in them is changed."""
    rows = [{"input_data": "a", "ai_output": {"k": [1]}, "artifact_type": "json", "validation_score": 80.0}]
    before = copy.deepcopy(rows)
    report = QualityGates().check(rows)
    assert report.kept[0] is rows[0]
    assert rows == before


def test_nothing_passes_nothing():
    """No examples, no refusals."""
    report = QualityGates().check([])
    assert (report.kept, report.refused, str(report)) == ([], (), "0 of 0 pass")


def test_columns_give_what_examples_give():
    """The same flags and reasons; the order of the rows does not change who passes."""
    mixture = plant_flaws(sound_examples(150, seed=2), seed=2).examples
    columns = [[one[name] for one in mixture] for name in ("input", "output", "artifact_type")]
    by_example, by_column = QualityGates().check(mixture).rows, QualityGates().check_columns(*columns)
    assert by_example.refused == by_column.refused
    order = np.random.default_rng(0).permutation(150)
    shuffled = QualityGates().check([mixture[row] for row in order])
    unique = [row for row in range(150) if by_example.passed[row] or by_example.refused]
    assert len(unique) == 150
    assert shuffled.rows.counts == by_example.counts


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: QualityGates(kinds={"a": "xml"}), r"kinds\['a'\]: found 'xml', expected one of mermaid, json, code"),
        (lambda: QualityGates(off=["slow"]), "off: found 'slow', expected one of empty, off_type"),
        (lambda: QualityGates(generic_at=0), "generic_at: found 0"),
        (lambda: QualityGates(near=2), r"near\[0\]: found 2.0"),
        (lambda: QualityGates().check_columns(["a"], [], ["c"]), "columns: found .*, expected the same number of rows"),
        (
            lambda: QualityGates().check_columns(["a"], [None], ["c"]),
            r"outputs\[0\]: found None, expected a text. comp",
        ),
        (lambda: QualityGates().check(chats(("a", "b")) * 2 + [{"score": 101}]), r"scores\[2\]: found 101.0"),
        (lambda: QualityGates().check_columns(["a"], ["b"], ["c"], judged_from=2), "judged_from: found 2"),
    ],
)
def test_what_cannot_be_judged_is_told(call, message):
    """Unknown names, other lengths, scores beyond 100."""
    with pytest.raises(BadInput, match=message):
        call()


@pytest.mark.skipif(not (DATA / "chatterbot.jsonl.gz").exists(), reason="needs ../shared/data/chatterbot.jsonl.gz")
def test_real_chat_passes_but_for_its_repetitions_and_empty_lines():
    """Of the different, non-empty pairs of a real corpus 98% or more pass."""
    with gzip.open(DATA / "chatterbot.jsonl.gz", "rt") as lines:
        pairs = {(row["user"], row["assistant"]) for row in map(json.loads, lines)}
    rows = chats(*sorted(pair for pair in pairs if pair[1].strip()))
    report = QualityGates(off=["repeated"]).check(rows)
    assert len(report.kept) >= 0.98 * len(rows)


@pytest.mark.parametrize("words", [["-m", "components.quality_gates"], ["components/quality_gates.py"]])
def test_the_worked_example_runs_as_a_module_and_as_a_file(words):
    """It prints what passed and a refusal of each gate, in 80 columns."""
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "6 of 16 pass" in done.stdout
    assert "4 other inputs got nearly the same output" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
