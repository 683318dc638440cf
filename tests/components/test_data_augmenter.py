"""Children are made, checked and told; held-out examples never have any; nothing is filled up with copies."""

import copy
import enum
import gzip
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.augmented_examples import lineage_of
from components.bad_input import BadInput
from components.data_augmenter import METHODS, DataAugmenter, augment_training_data
from components.planted_mixtures import sound_examples
from components.protected_text import same_meaning

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


def requests(count=30):
    return [
        {"id": f"e{n}", "input": f"Generate an ERD for the shop number {n}", "output": f"erDiagram\n A{n}", "score": 80}
        for n in range(count)
    ]


def children_of(augmented, count):
    return augmented[count:]


def test_the_call_of_the_document_gives_twice_as_many():
    """augment_training_data(examples, augmentation_factor=2): the originals, then a child of each."""
    examples = requests()
    augmented = augment_training_data(examples, augmentation_factor=2)
    assert len(augmented) == 60
    assert all(one is given for one, given in zip(augmented, examples, strict=False))
    assert [lineage_of(child).parent_row for child in children_of(augmented, 30)] == list(range(30))
    assert augmented.report.missing == 0


def test_children_differ_from_parents_and_from_each_other_and_keep_what_matters():
    """Factor 4: three different children of each, same output, same figures and names, a similarity that is true."""
    from rapidfuzz import fuzz

    examples = requests(10)
    augmented = augment_training_data(examples, 4)
    assert len({one["input"].casefold() for one in augmented}) == len(augmented) == 40
    for child in children_of(augmented, 10):
        told = lineage_of(child)
        parent = examples[told.parent_row]
        assert told.parent_id == parent["id"]
        assert child["id"].startswith(parent["id"] + "+")
        assert (child["output"], child["score"]) == (parent["output"], parent["score"])
        assert same_meaning(parent["input"], child["input"])
        assert told.similarity == pytest.approx(fuzz.ratio(parent["input"], child["input"]) / 100)
        assert told.similarity < 0.97


def test_what_cannot_be_made_is_said_and_not_filled_up():
    """Of examples without a rule that fits there are no children, no copies."""
    examples = [{"input": "flange", "output": "A rim."}, {"input": "", "output": ""}, *requests(1)]
    augmented = augment_training_data(examples)
    assert len(augmented) == 4
    assert augmented.report.short == (0, 1)
    assert "2 could not be made, for 2 examples; they are not filled up" in str(augmented.report)


@pytest.mark.parametrize("side", ["validate", "judge", enum.Enum("Side", {"JUDGE": "judge"}).JUDGE])
def test_held_out_examples_are_refused(side):
    """Whoever hands one in is told which, and nothing is made."""
    with pytest.raises(BadInput, match=r"examples\[1\].side: found '(validate|judge)', expected examples of the side"):
        augment_training_data([{"input": "a", "side": "learn"}, {"input": "b", "side": side}])


def test_no_child_comes_near_to_a_held_out_input():
    """A paraphrase that is held out, or nearly so, is not made."""
    examples = requests(1)
    free = {
        child["input"] for seed in range(20) for child in children_of(augment_training_data(examples, seed=seed), 1)
    }
    held = "could you generate an ERD for the shop number 0?!"
    assert "Could you generate an ERD for the shop number 0?" in free
    for seed in range(20):
        augmented = DataAugmenter(held_out=[held], seed=seed).augment_training_data(examples)
        assert all("Could you generate" not in child["input"] for child in children_of(augmented, 1))
        assert augmented.report.missing == 2 - len(augmented)


def test_a_child_never_says_what_another_example_asks():
    """Two examples that are paraphrases of each other have no child that repeats the other."""
    examples = [{"input": "Draw the shop", "output": "A"}, {"input": "Please draw the shop", "output": "B"}]
    for seed in range(30):
        inputs = [one["input"].casefold() for one in augment_training_data(examples, 3, seed=seed)]
        assert len(set(inputs)) == len(inputs)


def test_the_same_seed_makes_the_same_children():
    """And an example's children do not change with its neighbours."""
    examples = requests(12)
    first, again, other = (augment_training_data(examples, 3, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    alone = augment_training_data(examples[5:6], 3, seed=1)
    assert [child["input"] for child in alone[1:]] == [
        child["input"] for child in first[12:] if lineage_of(child).parent_row == 5
    ]


def test_nothing_of_the_callers_is_changed():
    """Examples, contexts and their chunks are as before."""
    examples = [{"input": "Draw it", "output": '{"a": 1, "b": 2}', "context": {"rag": ["a b", "c d"]}}, *requests(3)]
    before = copy.deepcopy(examples)
    augment_training_data(examples, 4)
    assert examples == before


def test_every_method_has_its_turn():
    """Outputs, contexts and inputs are changed by turns; each child tells what was done."""
    examples = [
        {
            "input": f"Explain the opening hours of bank {n}",
            "output": json.dumps({"opens": "nine", "shuts": f"hour {n}"}),
            "context": {"rag": ["The bank opens at nine.", "Cats sleep.", f"It shuts at hour {n}."]},
            "artifact_type": "json",
        }
        for n in range(40)
    ]
    augmented = augment_training_data(examples, 2)
    made = augmented.report.made
    assert set(made) == {"paraphrase", "output", "context"}
    assert min(made.values()) >= 5
    for child in children_of(augmented, 40):
        parent, told = examples[lineage_of(child).parent_row], lineage_of(child)
        changed = [name for name in ("input", "output", "context") if child[name] != parent[name]]
        assert changed == [told.changed]
        assert json.loads(child["output"]) == json.loads(parent["output"])
        assert "The bank opens at nine." in child["context"]["rag"]


def test_methods_can_be_chosen():
    """Only outputs here; an unknown method is told."""
    examples = [{"input": "Draw it, please", "output": '{"a": 1, "b": 2}'}] * 3
    augmented = DataAugmenter(methods=["output"]).augment_training_data(examples)
    assert {lineage_of(child).method for child in children_of(augmented, 3)} == {"output"}
    with pytest.raises(BadInput, match=r"methods: found 'magic', expected one of paraphrase, output, context"):
        DataAugmenter(methods=["magic"])


def test_back_translation_is_off_unless_models_are_given():
    """Asked for without folders it is refused; off, it is not among the methods."""
    with pytest.raises(BadInput, match=r"use_back_translation: found True, expected translation_folders="):
        DataAugmenter(use_back_translation=True)
    assert "back_translation" not in DataAugmenter().methods
    assert DataAugmenter(use_back_translation=True, translate=lambda texts: texts).methods == METHODS


def test_a_translation_is_checked_and_not_trusted():
    """What comes back with other figures, the same text, or something else altogether is refused, with the reason."""
    answers = {
        "Where do I find table 7": "Where may I find table 7",
        "Send 3 cats to Ada": "Send 4 cats to Ada",
        "Is the bank open": "Is the bank open",
        "Please call me later today": "an elephant walks quite slowly",
    }
    translate = lambda texts: [answers[text] for text in texts]  # noqa: E731
    augmenter = DataAugmenter(2, True, translate=translate, methods=["back_translation"])
    augmented = augmenter.augment_training_data([{"input": text, "output": "x"} for text in answers])
    assert [child["input"] for child in children_of(augmented, 4)] == ["Where may I find table 7"]
    assert augmented.report.refused == {
        "it changed what must stay": 1,
        "too near to its source": 1,
        "too far from its source": 1,
    }
    wrong = DataAugmenter(2, True, translate=lambda texts: [], methods=["back_translation"])
    with pytest.raises(BadInput, match="translate: found '0 texts', expected one for each of the 1 that it was given"):
        wrong.augment_training_data([{"input": "a", "output": "b"}])


def test_embeddings_decide_about_meaning_when_they_are_given():
    """A cosine under .8 is too far, whatever words are shared; other words with a high cosine pass."""
    vectors = {"Call me": [1.0, 0.0], "Ring us up": [0.9, 0.3], "Call him": [0.5, 0.9]}
    embed = lambda texts: np.array([vectors[text] for text in texts])  # noqa: E731
    for said, missing in (("Ring us up", 0), ("Call him", 1)):
        augmenter = DataAugmenter(
            2, True, translate=lambda texts, said=said: [said for _ in texts], methods=["back_translation"], embed=embed
        )
        augmented = augmenter.augment_training_data([{"input": "Call me", "output": "x"}])
        assert augmented.report.missing == missing


def test_missing_synonyms_are_said(monkeypatch):
    """Random edits without WordNet's data: a note; with synonyms handed in: none."""
    monkeypatch.setattr("components.data_augmenter.wordnet_synonyms", lambda: None)
    examples = [{"input": "yesterday the quiet cash machine swallowed some card again", "output": "x"}]
    report = DataAugmenter(methods=["random_edits"]).augment_training_data(examples).report
    assert report.made == {"random_edits": 1}
    assert report.notes == ("random edits without synonyms: WordNet's data is not installed",)
    with_own = DataAugmenter(methods=["random_edits"], synonyms=lambda word: [])
    assert with_own.augment_training_data(examples).report.notes == ()


def test_objects_and_v2_names_are_examples_too():
    """Children of objects answer for their parents; V2 spellings stay."""
    examples = [
        SimpleNamespace(input_data="Draw a shop for Ada", ai_output="A", validation_score=80.0),
        {"input_data": "Draw a bank for Ada", "ai_output": "B", "validation_score": 80.0},
    ]
    augmented = augment_training_data(examples)
    assert augmented[2].input_data != "Draw a shop for Ada"
    assert (augmented[2].ai_output, augmented[2].validation_score, augmented[2].parent) == ("A", 80.0, examples[0])
    assert set(augmented[3]) == {"input_data", "ai_output", "validation_score", "augmentation"}


def test_columns_give_what_examples_give():
    """Texts in, children out: parent rows, methods, fields, values."""
    examples = requests(8)
    inputs, outputs = [one["input"] for one in examples], [one["output"] for one in examples]
    made = DataAugmenter(3, seed=4).augment_columns(inputs, outputs)
    told = [lineage_of(child) for child in children_of(augment_training_data(examples, 3, seed=4), 8)]
    assert made.parent_rows.tolist() == [one.parent_row for one in told]
    assert made.methods == [one.method for one in told]
    assert made.changed == [one.changed for one in told]
    assert made.similarities.tolist() == [one.similarity for one in told]


def test_a_factor_of_one_and_no_examples_make_nothing():
    """The originals alone; or nothing at all."""
    examples = requests(3)
    assert augment_training_data(examples, 1) == examples
    assert augment_training_data([], 3) == []


@pytest.mark.parametrize(
    "text", ["", "x" * 1_000_000, "draw the shop " * 70_000, "Zeichne 🏦 für «München», 図書館", "\ud800"]
)
def test_any_text_can_be_augmented_or_not(text):
    """Empty, a megabyte, several languages, emoji: children or none, and soon."""
    augmented = augment_training_data([{"input": text, "output": text, "context": [text, text + "x"]}], 3)
    assert 1 <= len(augmented) <= 3


loose = st.dictionaries(
    st.sampled_from(["input", "input_data", "output", "context", "artifact_type", "id", "score"]),
    st.none() | st.text(max_size=40) | st.integers() | st.lists(st.text(max_size=9), max_size=3),
    max_size=6,
)


@given(st.lists(loose, max_size=6), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_any_examples_are_survived(examples, factor):
    """Missing fields, other types: the originals come first, children know their rows, the count is right."""
    augmented = augment_training_data(examples, factor)
    assert augmented[: len(examples)] == examples
    assert len(augmented) == augmented.report.total <= factor * max(len(examples), 0)
    for child in augmented[len(examples) :]:
        assert 0 <= lineage_of(child).parent_row < len(examples)


def test_made_examples_of_all_kinds_reach_their_factor():
    """ERDs, JSON, code, documents and replies: three times as many, next to none missing."""
    examples = sound_examples(200, seed=5)
    report = augment_training_data(examples, 3).report
    assert report.total >= 2.95 * 200
    assert set(report.made) >= {"paraphrase", "output"}


@pytest.mark.parametrize("factor", [0, 21, 2.5, True, "2"])
def test_a_factor_that_is_none_is_told(factor):
    """A whole number from 1 to 20."""
    with pytest.raises(BadInput, match=r"augmentation_factor: found .*, expected a whole number from 1 to 20"):
        augment_training_data([], factor)


def test_columns_of_other_lengths_are_told():
    """Inputs and outputs belong together, and so do contexts and types."""
    with pytest.raises(BadInput, match="expected the same number of rows in each"):
        DataAugmenter().augment_columns(["a"], [])
    with pytest.raises(BadInput, match="expected the same number of rows in each"):
        DataAugmenter().augment_columns(["a"], ["b"], artifact_types=["c", "d"])


@pytest.mark.skipif(not (DATA / "clinc150.jsonl.gz").exists(), reason="needs ../shared/data/clinc150.jsonl.gz")
def test_real_requests_are_augmented_nearly_twofold():
    """Of 1,500 real requests at least 80% get a child, and none repeats another request."""
    with gzip.open(DATA / "clinc150.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for _, line in zip(range(15_000), lines, strict=False)][::10]
    augmented = augment_training_data([{"input": row["text"], "output": row["label"]} for row in rows])
    assert augmented.report.made.total() >= 0.8 * len(rows)
    originals = {row["text"].casefold() for row in rows}
    assert not originals & {child["input"].casefold() for child in children_of(augmented, len(rows))}


def test_nothing_heavy_is_loaded_before_it_is_needed():
    """Importing the miner, the gates and the augmenter loads numpy and the standard library alone."""
    names = [
        "hard_negative_miner",
        "contrastive_mining",
        "label_noise",
        "quality_gates",
        "planted_mixtures",
        "data_augmenter",
    ]
    script = "; ".join(f"import components.{name}" for name in names) + "; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "sklearn", "scipy", "nltk", "rapidfuzz", "pandas"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("words", [["-m", "components.data_augmenter"], ["components/data_augmenter.py"]])
def test_the_worked_example_runs_as_a_module_and_as_a_file(words):
    """It prints children with what was done to them, and the report, in 80 columns."""
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "could not be made, for 1 examples; they are not filled up" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
