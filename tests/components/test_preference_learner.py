"""Judgements become preferences, and what becomes none is listed with its reason."""

from __future__ import annotations

import copy
import gzip
import json
import math
import random
import subprocess
import sys
from collections import Counter
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.preference_learner import PreferenceLearner, worked_example
from components.preferences import SOURCES

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def collected(outputs, scores, **settings):
    return PreferenceLearner(**settings).collect_preferences("ask", outputs, scores, "erd", {"rag": "chunk"})


def fed_back(*examples, **settings):
    return PreferenceLearner(**settings).preferences_from_feedback(examples)


def generic(asked, output, kind):
    return "it is generic" if output in ("as an AI", "Sure!") else ""


def briefly(preferences):
    return [(pair.chosen, pair.rejected, pair.source) for pair in preferences]


def test_the_call_of_the_v2_document() -> None:
    """Names and order of the arguments are the document's, and what comes back are pairs."""
    input_data, outputs, scores = "Generate ERD", ["erDiagram A", "erDiagram B", "graph"], [85.0, 70.0, 40.0]
    artifact_type, context = "erd", {"rag": "...", "notes": "..."}
    learner = PreferenceLearner()
    preferences = learner.collect_preferences(input_data, outputs, scores, artifact_type, context)
    best = preferences[0]
    assert (best.input, best.chosen, best.rejected, best.margin) == (input_data, outputs[0], outputs[1], 15.0)
    assert (best.artifact_type, best.context, best.source, best.tie) == ("erd", context, "scores", False)
    assert best.reason == "85 against 70 points"
    assert [len(preferences), len(preferences[1:]), len(list(preferences))] == [3, 2, 3]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 100)), min_size=2, max_size=5))
def test_each_two_different_outputs_are_ranked_once(rows) -> None:
    """Every pair of outputs is a preference in the order of the scores, or a tie; repeats are one with their mean."""
    outputs, scores = [f"output {number}" for number, _ in rows], [score for _, score in rows]
    found = collected(outputs, scores)
    own = {output: [s for o, s in zip(outputs, scores, strict=True) if o == output] for output in outputs}
    mean = {output: sum(points) / len(points) for output, points in own.items()}
    for pair in (*found, *found.ties):
        assert pair.margin == pytest.approx(mean[pair.chosen] - mean[pair.rejected])
        assert pair.tie == (pair.margin < 5)
    seen = [frozenset((pair.chosen, pair.rejected)) for pair in (*found, *found.ties)]
    assert len(seen) == len(set(seen)) == len(mean) * (len(mean) - 1) // 2
    assert [mean[output] for output in found.ranking] == sorted(mean.values(), reverse=True)
    assert len(found.left_out) == len(outputs) - len(mean)


def test_outputs_are_validated_before_they_are_ranked() -> None:
    """An empty one, a repeated one and one that the gate refuses take no part, and the reason is kept."""
    outputs = ["good", " ", "as an AI", "good ", "poor"]
    found = collected(outputs, [90, 99, 95, 80, 20], validate=generic)
    assert briefly(found) == [("good", "poor", "scores")]
    assert found[0].margin == 65.0  # 85, the mean of both, against 20
    assert [(left.output, left.reason) for left in found.left_out] == [
        (" ", "it is empty"),
        ("as an AI", "it is generic"),
        ("good ", "it repeats another output"),
    ]


def test_when_one_valid_output_is_left_there_is_no_pair() -> None:
    """That is no mistake of the caller."""
    found = collected(["only", ""], [90, 10])
    assert (len(found), found.ranking, len(found.left_out)) == (0, ("only",), 1)


def test_outputs_may_be_objects_and_come_back_as_they_are() -> None:
    """The caller's own objects, unchanged; JSON with its keys in another order is the same output."""
    one, other, same = {"a": 1, "b": 2}, {"a": 1}, {"b": 2, "a": 1}
    found = collected([one, other, same], [90, 10, 70])
    assert found[0].chosen is one
    assert found[0].rejected is other
    assert found[0].margin == 70.0


@pytest.mark.parametrize(
    ("outputs", "scores"),
    [(["é" * 1_000_000, "x"], [90, 10]), (["🙂", "👍🏽"], [90, 10]), (["是", "否"], [90, 10]), (["a", "b"], [100, 0])],
)
def test_texts_of_any_kind_are_outputs(outputs, scores) -> None:
    """One character, a megabyte, emoji, scripts without capitals, scores at both ends."""
    assert len(collected(outputs, scores)) == 1


def test_pairs_by_thumbs_on_equal_and_near_equal_inputs() -> None:
    """The better one's input is the pair's; another type, another context or another number is another question."""
    up = {"input": "Ship my orders", "output": "Done.", "thumb": "up", "artifact_type": "chat"}
    down = {"input": "ship my order!", "output": "No.", "thumb": "down", "artifact_type": "chat"}
    assert briefly(fed_back(up, down)) == [("Done.", "No.", "thumbs")]
    assert fed_back(up, down)[0].input == "Ship my orders"
    assert len(fed_back(up, down, near_equal=False)) == 0
    for other in ({"artifact_type": "erd"}, {"context": {"rag": "x"}}, {"input": "ship my 2 orders"}):
        assert len(fed_back(up, {**down, **other})) == 0


@pytest.mark.parametrize("up", [{"thumb": True}, {"thumb": "up"}, {"feedback_type": "success"}, {"thumb": np.True_}])
@pytest.mark.parametrize("down", [{"thumb": False}, {"feedback_type": "failure"}, {"feedback_type": "rejected"}])
def test_ways_to_raise_a_thumb(up, down) -> None:
    """A thumb, or a feedback type that leaves no doubt; V2's names and plain objects alike."""
    kind = Enum("Kind", {"SUCCESS": "success"})
    old = {"input_data": "ask", "ai_output": "A", **up}
    new = SimpleNamespace(input="ask", output="B", **down)
    assert briefly(fed_back(old, new)) == [("A", "B", "thumbs")]
    assert briefly(fed_back({"input": "ask", "output": "A", "feedback_type": kind.SUCCESS}, new)) == [
        ("A", "B", "thumbs")
    ]


def test_partial_success_is_no_thumb() -> None:
    """Nor is a correction's feedback type: what it corrects says more."""
    rows = [{"input": "ask", "output": o, "feedback_type": k} for o, k in (("A", "partial"), ("B", "corrected"))]
    assert len(fed_back(*rows)) == 0
    assert PreferenceLearner().unpaired_thumbs(rows).examples == ()


def test_raters_who_disagree_weigh_less() -> None:
    """Two up and one down are an up of a third; one up and one down are no thumb at all."""
    rows = [{"input": "ask", "output": "A", "thumb": t} for t in ("up", "up", "down")]
    rows += [{"input": "ask", "output": "B", "thumb": "down"}]
    rows += [{"input": "ask", "output": "C", "thumb": t} for t in ("up", "down")]
    found = fed_back(*rows)
    assert briefly(found) == [("A", "B", "thumbs")]
    assert found[0].weight == pytest.approx(1 / 3)


def test_a_correction_is_better_than_what_it_corrects() -> None:
    """Once for each text of it; one that changes nothing, or holds nothing, is left out."""
    row = {"input": "ask", "output": "Hte answer", "correction": "The answer"}
    same = {"input": "ask", "output": "Fine", "correction": " Fine "}
    void = {"input": "ask", "output": "Bad", "correction": "  "}
    found = fed_back(row, row, same, void)
    assert briefly(found) == [("The answer", "Hte answer", "correction")]
    assert (found[0].weight, found[0].margin, found[0].reason) == (1.0, None, "somebody corrected it")
    assert [left.reason for left in found.left_out] == ["its correction changes nothing", "it is empty"]


def test_verdicts_are_preferences_and_ties() -> None:
    """Compared with a text or with another example's output, whichever way round."""
    rows = [
        {"input": "ask", "output": "A", "verdict": "better", "compared_with": "B"},
        {"input": "ask", "output": "B", "verdict": "worse", "compared_with": "A"},
        {"input": "ask", "output": "C", "id": "c1", "verdict": "tie", "compared_with": "A"},
        {"input": "ask", "output": "D", "verdict": "worse", "compared_with_id": "c1"},
        {"input": "ask", "output": "E", "verdict": "better", "compared_with_id": "nobody"},
        {"input": "ask", "output": "F", "verdict": "better", "compared_with": "F"},
    ]
    found = fed_back(*rows)
    assert briefly(found) == [("A", "B", "verdict"), ("C", "D", "verdict")]
    assert [(tie.chosen, tie.rejected, tie.tie, tie.weight) for tie in found.ties] == [("C", "A", True, 0.0)]
    assert [pair.reason for pair in (*found, *found.ties)] == [
        "2 verdicts, a lead of 100%",
        "judged to be better",
        "judged to be equally good",
    ]
    assert [left.reason for left in found.left_out] == [
        "it was compared with an output that is not there",
        "it was compared with itself",
    ]


def test_scores_of_recorded_outputs_are_ranked_too() -> None:
    """However many there are of one input; the same output twice has the mean of its scores."""
    rows = [{"input": "ask", "output": o, "validation_score": s} for o, s in (("A", 90), ("A", 70), ("B", 30))]
    found = fed_back(*rows)
    assert briefly(found) == [("A", "B", "scores")]
    assert found[0].margin == 50.0


def test_the_stronger_source_is_believed() -> None:
    """A verdict outweighs a correction, that a thumb, that a score; a tie is a verdict too."""
    scored = [{"input": "ask", "output": "A", "score": 90}, {"input": "ask", "output": "B", "score": 10}]
    thumbs = [{"input": "ask", "output": "A", "thumb": "down"}, {"input": "ask", "output": "B", "thumb": "up"}]
    corrected = [{"input": "ask", "output": "B", "correction": "A"}]
    tie = [{"input": "ask", "output": "B", "verdict": "tie", "compared_with": "A"}]
    assert briefly(fed_back(*scored)) == [("A", "B", "scores")]
    assert briefly(fed_back(*scored, *thumbs)) == [("B", "A", "thumbs")]
    assert briefly(fed_back(*scored, *thumbs, *corrected)) == [("A", "B", "correction")]
    everything = fed_back(*scored, *thumbs, *corrected, *tie)
    assert (len(everything), briefly(everything.ties)) == (0, [("B", "A", "verdict")])
    one = PreferenceLearner().preferences_from_feedback(scored + thumbs, sources=["scores"])
    assert briefly(one) == [("A", "B", "scores")]


def test_corrections_in_a_circle_cancel_out() -> None:
    """One source that says both ways is believed neither way."""
    found = fed_back(
        {"input": "ask", "output": "A", "correction": "B"}, {"input": "ask", "output": "B", "correction": "A"}
    )
    assert len(found) == 0
    assert {left.reason for left in found.left_out} == {"its correction say both ways"}


def test_the_gate_looks_at_what_would_be_preferred() -> None:
    """A refused output is not learnt from, but may well be what another one is better than."""
    bad_up = [{"input": "ask", "output": "Sure!", "thumb": "up"}, {"input": "ask", "output": "B", "thumb": "down"}]
    bad_down = [{"input": "ask", "output": "B", "thumb": "up"}, {"input": "ask", "output": "Sure!", "thumb": "down"}]
    refused = fed_back(*bad_up, validate=generic)
    assert [(left.output, left.reason) for left in refused.left_out] == [("Sure!", "it is generic")]
    assert briefly(fed_back(*bad_down, validate=generic)) == [("B", "Sure!", "thumbs")]


def test_nothing_is_better_than_an_empty_output() -> None:
    """A model that said nothing teaches nothing; it is listed."""
    found = fed_back({"input": "ask", "output": "A", "thumb": "up"}, {"input": "ask", "output": " ", "thumb": "down"})
    assert [len(found), [(left.output, left.reason) for left in found.left_out]] == [0, [(" ", "it is empty")]]


def test_thumbs_without_a_partner_are_for_kto() -> None:
    """With class weights that let both sides count alike; the examples are the caller's own."""
    pair = [{"input": "one", "output": "A", "thumb": "up"}, {"input": "one", "output": "B", "thumb": "down"}]
    alone = [{"input": f"question {chr(97 + i)}", "output": "C", "thumb": i > 0} for i in range(4)]
    found = PreferenceLearner().unpaired_thumbs(pair + alone)
    assert [id(example) for example in found.examples] == [id(example) for example in alone]
    assert found.desirable.tolist() == [False, True, True, True]
    assert (found.desirable_weight, found.undesirable_weight) == (pytest.approx(1 / 3), 1.0)


outputs = st.sampled_from(["A", "B", "C", ""])
examples = st.lists(
    st.fixed_dictionaries(
        {"input": st.sampled_from(["one", "one!", "two"]), "output": outputs},
        optional={
            "thumb": st.booleans(),
            "score": st.integers(0, 100),
            "correction": outputs,
            "verdict": st.sampled_from(["better", "worse", "tie"]),
        },
    ).map(lambda row: {**row, "compared_with": "B"}),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(examples, st.randoms(use_true_random=False))
def test_the_order_of_feedback_does_not_matter(rows, chance) -> None:
    """Whatever order examples arrive in, the same outputs are preferred, with the same weights; nothing is changed."""
    before = copy.deepcopy(rows)
    shuffled = chance.sample(rows, len(rows))

    def said(preferences):
        asked = {"one!": "one"}
        better = {
            (asked.get(p.input, p.input), p.chosen, p.rejected, p.source, round(p.weight, 9)) for p in preferences
        }
        tied = {(asked.get(p.input, p.input), frozenset((p.chosen, p.rejected))) for p in preferences.ties}
        return better, tied

    assert said(fed_back(*rows)) == said(fed_back(*shuffled))
    assert rows == before


@settings(max_examples=100, deadline=None)
@given(examples)
def test_no_two_preferences_contradict_each_other(rows) -> None:
    """Each two outputs of a question appear once; nothing empty is ever preferred, and no weight is out of range."""
    found = fed_back(*rows)
    keys = [(p.input.strip("!"), frozenset((p.chosen, p.rejected))) for p in (*found, *found.ties)]
    assert max(Counter(keys).values(), default=1) == 1
    for pair in found:
        assert pair.chosen
        assert pair.chosen != pair.rejected
        assert 0 < pair.weight <= 1
        assert pair.reason
        assert pair.source in SOURCES


def test_columns_are_what_training_reads() -> None:
    """Texts, and numbers as arrays; a margin that nobody gave is NaN."""
    found = fed_back(
        {"input": {"q": 1}, "output": "A", "score": 90},
        {"input": {"q": 1}, "output": "B", "score": 30},
        {"input": "ask", "output": "C", "correction": "D"},
    )
    columns = found.columns()
    assert columns["prompt"] == ["ask", '{"q": 1}']
    assert (columns["chosen"], columns["rejected"]) == (["D", "A"], ["C", "B"])
    assert math.isnan(columns["margin"][0])
    assert (columns["margin"][1], columns["weight"].tolist()) == (60.0, [1.0, 1.0])


def test_an_empty_pool_has_no_preferences() -> None:
    """Nor has one with nothing judged."""
    assert len(fed_back()) == len(fed_back({"input": "a", "output": "b"})) == 0
    assert PreferenceLearner().unpaired_thumbs([]).examples == ()


learner = PreferenceLearner()
WRONG = {
    "outputs: found 1, expected 2 to 5 outputs of the same input. For more, and for feedback that is recorded already: "
    "preferences_from_feedback.": lambda: collected(["A"], [1]),
    "outputs: found 6, expected 2 to 5 outputs of the same input. For more, and for feedback that is recorded already: "
    "preferences_from_feedback.": lambda: collected(list("ABCDEF"), [1] * 6),
    "scores[0]: found inf, expected numbers from 0 to 100. Leave the row out, or mend it.": lambda: collected(
        ["A", "B"], [math.inf, 1]
    ),
    "scores[1]: found 103.0, expected numbers from 0 to 100. Leave the row out, or mend it.": lambda: collected(
        ["A", "B"], [1, 103]
    ),
    "columns: found {'outputs': 2, 'scores': 1}, expected the same number of rows in each.": lambda: collected(
        ["A", "B"], [1]
    ),
    "artifact_type: found '', expected a text such as 'erd'.": lambda: learner.collect_preferences(
        "ask", ["A", "B"], [1, 2], ""
    ),
    "artifact_type: found 7, expected a text such as 'erd'.": lambda: learner.collect_preferences(
        "ask", ["A", "B"], [1, 2], 7
    ),
    "examples[1].thumb: found 'sideways', expected 'up', 'down', True or False.": lambda: fed_back(
        {"thumb": "up"}, {"thumb": "sideways"}
    ),
    "examples[0].verdict: found 'best', expected one of better, worse, tie.": lambda: fed_back(
        {"output": "A", "verdict": "best"}
    ),
    "examples[0].score[0]: found nan, expected numbers from 0 to 100. Leave the row out, or mend it.": lambda: fed_back(
        {"score": math.nan}
    ),
    "source: found 'stars', expected one of verdict, correction, thumbs, scores.": (
        lambda: learner.preferences_from_feedback([], sources=["stars"])
    ),
    "min_margin[0]: found -1.0, expected numbers from 0 to 100. Leave the row out, or mend it.": lambda: (
        PreferenceLearner(min_margin=-1)
    ),
    "pairing: found 'some', expected one of all, best_against_rest, best_against_worst.": lambda: PreferenceLearner(
        pairing="some"
    ),
    "most_pairs: found 0, expected a whole number of at least 1.": lambda: PreferenceLearner(most_pairs=0),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_used_is_said(text) -> None:
    """Each complaint names the thing, what was found and what was expected."""
    with pytest.raises(BadInput) as told:
        WRONG[text]()
    assert str(told.value) == text


def lines_of(name):
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.skipif(not (DATA / "pandalm.jsonl.gz").exists(), reason="PandaLM is not at hand")
def test_on_pandalm_three_votes_give_the_majority() -> None:
    """999 rows of three human votes are 863 different comparisons, and each has the answer that counting gives."""
    rows, votes = [], {}
    for row in lines_of("pandalm"):
        question = f"{row['instruction']}\n{row['input']}"
        key = question, *sorted((str(row["response1"]), str(row["response2"])))
        for rater in ("annotator1", "annotator2", "annotator3"):
            verdict = {0: "tie", 1: "better", 2: "worse"}[row[rater]]
            one, other = str(row["response1"]), str(row["response2"])
            rows.append({"input": question, "output": one, "compared_with": other, "verdict": verdict})
            votes.setdefault(key, []).append({0: "tie", 1: one, 2: other}[row[rater]])
    random.Random(0).shuffle(rows)
    found = PreferenceLearner(near_equal=False).preferences_from_feedback(rows)
    assert len(found) + len(found.ties) + len(found.left_out) == len(votes) == 863
    for pair in found:
        own = votes[pair.input, *sorted((pair.chosen, pair.rejected))]
        assert Counter(own).most_common(1)[0][0] == pair.chosen


@pytest.mark.skipif(not (DATA / "taskmaster4_feedback.jsonl.gz").exists(), reason="Taskmaster-4 is not at hand")
def test_on_recorded_thumbs_every_one_is_paired_or_left_for_kto() -> None:
    """Of 3,228 human thumbs, those in pairs and those alone are all of them."""
    rows = [
        {"input": r["context"], "output": r["generation"], "thumb": bool(r["reward"])}
        for r in lines_of("taskmaster4_feedback")
    ]
    pairs, alone = learner.preferences_from_feedback(rows), learner.unpaired_thumbs(rows)
    assert len(pairs) > 500
    together = {(r["input"], r["output"]) for r in rows}
    in_pairs = {output for pair in pairs for output in (pair.chosen, pair.rejected)}
    assert {(r["input"], r["output"]) for r in alone.examples} <= together
    assert all(output in in_pairs or any(r["output"] == output for r in alone.examples) for _, output in together)


def test_importing_it_loads_no_heavy_library() -> None:
    """Neither torch nor rapidfuzz nor scikit-learn."""
    code = "import sys, components.preference_learner; print({'torch', 'rapidfuzz', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_worked_example_fits_a_terminal() -> None:
    """No line is wider than 80 columns."""
    assert max(map(len, worked_example().splitlines())) <= 80
