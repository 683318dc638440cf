"""The tiny classifier learns labels from what people said of them, and starts, stops and grows as it says."""

import json

import numpy as np
import pytest

from adaptd.plugin import Job, Pool
from adaptd.plugin.pool import FEEDBACK
from components.bad_input import BadInput
from plugins.workloads.tiny_classifier import TinyClassifier, TinySettings

WORDS = {
    "refund": ["money back please", "I want my money", "give the money back", "refund the order", "pay me back"],
    "parcel": ["where is my parcel", "the parcel is late", "track the parcel", "no parcel came", "parcel lost"],
    "login": ["I forgot my password", "cannot log in", "password reset", "my login fails", "the password is wrong"],
}
QUESTIONS = [(f"{text} {ending}", label) for label, texts in WORDS.items() for text in texts for ending in ("", "!")]


def pool_of(rows):
    """A pool of dicts: input, output, correction, category, score, thumb, weight, type."""
    texts = {number: {"input": "", "output": "", "correction": None} | row for number, row in enumerate(rows)}
    says = [
        sum(bit for name, bit in FEEDBACK.items() if row.get(name) is not None or row.get("thumb") == name)
        for row in rows
    ]
    return Pool.of(
        {
            "example": np.arange(len(rows)),
            "score": [row.get("score", np.nan) for row in rows],
            "feedback": says,
            "ups": [row.get("thumb") == "up" for row in rows],
            "downs": [row.get("thumb") == "down" for row in rows],
            "weight": [row.get("weight", 1.0) for row in rows],
            "artifact_type": [row.get("type", 0) for row in rows],
        },
        names={"artifact_type": (None, "mail", "chat")},
        fetch_texts=lambda numbers: [texts[int(number)] for number in numbers],
    )


CORRECTED = [{"input": text, "output": "parcel", "correction": label} for text, label in QUESTIONS]


def learnt_from(rows, folder, *, base=None, validation=(), should_stop=lambda: False, log=lambda _: None, **settings):
    """How a training on these rows ended; the model is in folder / "out"."""
    given = TinySettings(**settings)
    workload = TinyClassifier(given)
    job = Job(
        dataset=workload.examples(pool_of(rows)),
        validation=workload.examples(pool_of(validation)),
        base_model=base,
        out=folder / "out",
        checkpoints=folder / "checkpoints",
        settings=given,
        mode="full",
        device="cpu",
        rng=np.random.default_rng(3),
        log=log,
        should_stop=should_stop,
    )
    return workload.train(job)


def answers(folder, inputs):
    return TinyClassifier(TinySettings()).predict(folder / "out", inputs, "cpu")


def judged(folder, rows):
    workload = TinyClassifier(TinySettings())
    return workload.judge(folder / "out", workload.examples(pool_of(rows)), "cpu")


def test_it_learns_labels_from_corrections(tmp_path):
    """And sorts what it has not seen word for word."""
    done = learnt_from(CORRECTED, tmp_path)
    assert done.state == "finished"
    unseen = ["please give me my money back", "is the parcel lost?", "my password fails"]
    assert answers(tmp_path, unseen) == ["refund", "parcel", "login"]
    assert answers(tmp_path, []) == []


@pytest.mark.parametrize(
    ("said", "label", "right"),
    [
        ({"correction": " login "}, "login", True),
        ({"correction": "login", "thumb": "up", "score": 100}, "login", True),
        ({"category": "login"}, "login", True),
        ({"category": "login", "correction": "refund"}, "refund", True),
        ({"category": "rude", "thumb": "down"}, "parcel", False),
        ({"thumb": "up"}, "parcel", True),
        ({"thumb": "down"}, "parcel", False),
        ({"score": 70}, "parcel", True),
        ({"score": 39.9}, "parcel", False),
        ({"score": 10, "thumb": "up"}, "parcel", False),
        ({"score": 55, "thumb": "up"}, "parcel", True),
    ],
)
def test_each_feedback_teaches_what_it_says(said, label, right):
    """A correction before a category, both before a score, that before thumbs."""
    others = [{"output": "login", "input": "x"}]
    found = TinyClassifier(TinySettings()).examples(pool_of([{"input": "a", "output": "parcel"} | said, *others]))
    assert (found.inputs, found.labels, found.right.tolist()) == (("a",), (label,), [right])


@pytest.mark.parametrize("said", [{}, {"score": 55}, {"category": "rude"}, {"comment": "hm"}, {"output": " "}])
def test_what_says_nothing_of_the_label_teaches_nothing(said):
    """A score between the two limits, a category that is no class, an output without a word."""
    found = TinyClassifier(TinySettings()).examples(pool_of([{"input": "a", "output": "parcel"} | said]))
    assert len(found) == 0


def test_thumbs_are_read_where_a_pool_does_not_count_them():
    """From the bits of what was said."""
    pool = pool_of([{"output": "a", "thumb": "up"}, {"output": "a", "thumb": "down"}])
    found = TinyClassifier(TinySettings()).examples(pool.with_columns(ups=np.zeros(2), downs=np.zeros(2)))
    assert found.right.tolist() == [True, False]


def test_a_thumb_down_takes_a_label_away(tmp_path):
    """What is called wrong often enough is not answered any more, though nobody said what is right."""
    known = [row for row in CORRECTED if row["correction"] != "parcel"]
    learnt_from(known, tmp_path / "before")
    given = answers(tmp_path / "before", WORDS["parcel"])
    wrong = [
        {"input": text, "output": label, "thumb": "down"} for text, label in zip(WORDS["parcel"], given, strict=True)
    ]
    learnt_from([*known, *wrong], tmp_path / "after")
    assert judged(tmp_path / "before", wrong).overall["correct"] == 0
    assert judged(tmp_path / "after", wrong).overall["correct"] == 1


def test_weights_are_the_pools(tmp_path):
    """Where two corrections contradict each other, the weightier one holds."""
    for heavy, light in (("refund", "login"), ("login", "refund")):
        rows = [{"input": "the same", "correction": heavy, "weight": 5.0}, {"input": "the same", "correction": light}]
        learnt_from(rows, tmp_path / heavy)
        assert answers(tmp_path / heavy, ["the same"]) == [heavy]


@pytest.mark.parametrize(("wrong_weight", "answer"), [(0.5, "refund"), (1.0, "login")])
def test_a_wrong_label_weighs_what_the_settings_say(wrong_weight, answer, tmp_path):
    """Half as much as a right one unless told; who says a label is right outweighs one and a half who say it is not."""
    rows = [
        {"input": "the same", "correction": "refund"},
        {"input": "the same", "output": "refund", "thumb": "down", "weight": 1.5},
        {"input": "something else", "correction": "login"},
    ]
    learnt_from(rows, tmp_path, wrong_weight=wrong_weight, dropout=0.0, epochs=100)
    assert answers(tmp_path, ["the same"]) == [answer]


def test_a_base_model_is_gone_on_from(tmp_path):
    """Old classes keep their places and what is known of them; a new label is a new class."""
    learnt_from(CORRECTED, tmp_path / "base")
    new = [{"input": f"invoice for {month}", "correction": "invoice"} for month in ("May", "June", "July")]
    done = learnt_from(new, tmp_path / "grown", base=tmp_path / "base" / "out", epochs=10)
    assert json.loads((tmp_path / "grown/out/classifier.json").read_text())["classes"] == [
        "login",
        "parcel",
        "refund",
        "invoice",
    ]
    assert answers(tmp_path / "grown", ["where is my parcel", "invoice for August"]) == ["parcel", "invoice"]
    assert done.flags == ()


def test_a_base_model_of_another_shape_leaves_its_classes_alone(tmp_path):
    """And the run says so."""
    learnt_from(CORRECTED, tmp_path / "base", hidden=8)
    done = learnt_from(CORRECTED[:4], tmp_path / "grown", base=tmp_path / "base" / "out")
    told = "the base model has features = 512, hidden = 8, the settings have others: its classes alone were kept"
    assert done.flags == (told,)
    assert len(json.loads((tmp_path / "grown/out/classifier.json").read_text())["classes"]) == 3


def test_it_is_judged_example_by_example_and_by_artifact_type(tmp_path):
    """With finite figures also for a label that it has never heard of, and none where nothing is judged."""
    learnt_from(CORRECTED, tmp_path)
    rows = [
        {"input": "where is my parcel", "correction": "parcel", "type": 1},
        {"input": "where is my parcel", "output": "parcel", "thumb": "down", "type": 2},
        {"input": "where is my parcel", "correction": "never heard of", "type": 2},
        {"input": "where is my parcel", "output": "never heard of", "thumb": "down"},
    ]
    found = judged(tmp_path, rows)
    assert found.per_example["correct"].tolist() == [1, 0, 0, 1]
    likely, called_wrong, unheard, unheard_wrong = found.per_example["nll"]
    assert likely < 0.5 < called_wrong < unheard == pytest.approx(-np.log(1e-6))
    assert unheard_wrong == 0
    assert found.overall["correct"] == 0.5
    assert (found.overall["correct/mail"], found.overall["correct/chat"]) == (1, 0)
    assert judged(tmp_path, []).overall == {}
    assert len(judged(tmp_path, []).per_example["nll"]) == 0


def test_validation_ends_it_and_is_told(tmp_path):
    """The best weights by validation are the model."""
    told, validation = [], [*CORRECTED[::3], {"input": "where is my parcel", "correction": "login"}]
    done = learnt_from(CORRECTED, tmp_path, validation=validation, epochs=200, patience=2, log=told.append)
    assert done.metrics["correct"] > 0.9
    assert done.metrics["steps"] < 100
    assert {"step", "steps", "nll", "loss", "learning_rate"} <= set(told[0])
    assert (told[0]["step"], told[0]["steps"]) == (1, 200)
    assert done.metrics["nll"] == pytest.approx(judged(tmp_path, validation).overall["nll"], abs=1e-6)


def test_paused_at_every_step_it_comes_to_the_same_bytes(tmp_path):
    """The folder is empty until it is finished."""
    given = {"epochs": 6, "batch_size": 8, "validation": CORRECTED[::3]}
    learnt_from(CORRECTED, tmp_path / "whole", **given)
    for _ in range(100):
        turns = iter([False, True])
        done = learnt_from(CORRECTED, tmp_path / "paused", **given, should_stop=lambda turns=turns: next(turns))
        if done.state != "paused":
            break
        assert not (tmp_path / "paused/out").exists()
    assert done.state == "finished"
    for name in ("model.safetensors", "classifier.json"):
        assert (tmp_path / "paused/out" / name).read_bytes() == (tmp_path / "whole/out" / name).read_bytes()


def test_it_trains_with_one_class(tmp_path):
    """There is nothing to tell apart yet; what is called wrong waits for a second class."""
    rows = [{"input": "a", "correction": "parcel"}, {"input": "b", "output": "parcel", "thumb": "down"}]
    assert learnt_from(rows, tmp_path).state == "finished"
    assert answers(tmp_path, ["b"]) == ["parcel"]


def test_what_it_cannot_do_is_told(tmp_path):
    """Nothing to learn from, a folder that is no model, a form that it has not."""
    with pytest.raises(BadInput, match="examples: found '0 of 0 classes', expected one that says what is right"):
        learnt_from([], tmp_path)
    with pytest.raises(BadInput, match=r"found '1 of 1 classes', expected one that says what is right\. Correct some"):
        learnt_from([{"input": "a", "output": "b", "thumb": "down"}], tmp_path)
    with pytest.raises(BadInput, match=r"expected a tiny_classifier of format 1, with classifier\.json and model"):
        answers(tmp_path, ["a"])
    learnt_from(CORRECTED, tmp_path)
    workload = TinyClassifier(TinySettings())
    with pytest.raises(BadInput, match=r"form: found 'onnx', expected safetensors\. The n-grams are hashed before the"):
        workload.export(tmp_path / "out", tmp_path / "exported", "onnx")
    with pytest.raises(BadInput, match=r"form: found 'pickle', expected one of safetensors"):
        workload.export(tmp_path / "out", tmp_path / "exported", "pickle")
    workload.export(tmp_path / "out", tmp_path / "exported", "safetensors")
    assert workload.predict(tmp_path / "exported", ["where is my parcel"], "cpu") == ["parcel"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"features": 0}, "features: found 0"),
        ({"dropout": 1.0}, "dropout.*found 1.0"),
        ({"wrong_weight": -1}, "wrong_weight.*found -1"),
        ({"good_score": 120}, "bad_score and good_score.*found 120"),
        ({"bad_score": 80}, "bad_score: found 80, expected at most good_score, 70"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(changes, told):
    """When they are made."""
    with pytest.raises(BadInput, match=told):
        TinySettings(**changes)


def test_the_baseline_says_the_commonest_label_and_is_as_sure_as_it_is_common():
    """Of three examples two are refunds; that one is not a login is right of it."""
    rows = [
        {"input": "a", "correction": "refund"},
        {"input": "b", "correction": "refund"},
        {"input": "c", "correction": "login"},
        {"input": "d", "output": "login", "thumb": "down"},
    ]
    workload = TinyClassifier(TinySettings())
    judged = workload.baseline(workload.examples(pool_of(rows)))
    assert judged.per_example["correct"].tolist() == [1.0, 1.0, 0.0, 1.0]
    assert judged.per_example["nll"] == pytest.approx(-np.log([2 / 3, 2 / 3, 1 / 3, 2 / 3]))
    assert judged.overall["correct"] == 0.75
    assert not workload.baseline(workload.examples(pool_of([]))).overall
