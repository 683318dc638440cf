"""This file knows how embedding models are compared on a file of labelled texts: which texts, and what is told.

It needs neither a configuration nor the log. Models are folders, `base` for all-MiniLM-L6-v2, or `hashing`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.bad_input import BadInput, whole_number
from daemon.clock_and_chance import seeded_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from components.embeddings import EmbeddingGenerator
    from components.encoder_comparison import Seen

BASE = "base"
BASE_MODEL = "all-MiniLM-L6-v2"
_WARM_UP = 64  # texts that are embedded before the watch runs
_MOST_ON_A_MAP = 900
_NEEDED = ("sklearn", "scipy")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be compared, and on what."""

    models: tuple[str, ...]
    data: Path
    text_column: str | None = None
    label_column: str | None = None
    sample_size: int = 3000
    clusters: int = 12
    preprocess: str = "tweets"
    seed: int = 42
    png: Path | None = None


@dataclass(frozen=True, eq=False)
class _Sample:
    texts: list[str]
    labels: NDArray[Any]
    notes: list[str]


def compare(asked: Asked, say: Callable[[str], None]) -> dict[str, Any]:
    """What was found, as JSON can hold it. BadInput for what cannot be meant, before any model is asked."""
    generators = _checked(asked)
    sample = _sample(asked)
    vectors, models, seen = [], [], []
    for name, generator in zip(asked.models, generators, strict=True):
        say(f"{name} reads {len(sample.texts):,} texts")
        found, speed = _embedded(generator, sample.texts)
        vectors.append(found)
        seen.append(_look_at(found, sample.labels, asked))
        models.append(_told(name, generator, speed, seen[-1]))
    return {
        "data": str(asked.data),
        "texts": len(sample.texts),
        "classes": _counts(sample.labels),
        "clusters": asked.clusters,
        "notes": [*sample.notes, *_tuned(asked.models)],
        "models": models,
        "bag_of_words": _bag_of_words(sample, asked.seed),
        "pairs": _pairs(asked.models, seen),
        "pictures": [] if asked.png is None else _drawn(asked, vectors, sample.labels),
    }


def _tuned(models: Sequence[str]) -> list[str]:
    """What a fine-tuned model is not to be believed about itself."""
    tuned = [name for name in models if (Path(name) / "training_info.yaml").is_file()]
    said = "was fine-tuned: on texts that it learnt from, it looks better than it is"
    return [f"{name} {said}" for name in tuned]


# Before any model is asked


def _checked(asked: Asked) -> list[EmbeddingGenerator]:
    whole_number("--sample-size", asked.sample_size, low=20)
    whole_number("--n-clusters", asked.clusters, low=2)
    if len(set(asked.models)) < len(asked.models):
        raise BadInput("--models", " ".join(asked.models), "each model once")
    _needed(asked)
    return [_generator(name) for name in asked.models]


def _needed(asked: Asked) -> None:
    import importlib.util

    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            step = "Run: pip install 'adaptd[sbert]'"
            raise BadInput("embeddings compare", f"no {package} here", "what compares them to be installed", step)
    if asked.png is not None:
        from components.charts import ChartsMissing

        if importlib.util.find_spec("matplotlib") is None:
            raise ChartsMissing
        if asked.png.exists() and not asked.png.is_dir():
            raise BadInput("--png", str(asked.png), "a folder, or nothing yet")


def _generator(name: str) -> EmbeddingGenerator:
    """One that reads with the model that was named, and never with a stand-in."""
    from components.embeddings import EmbeddingGenerator

    found = EmbeddingGenerator(BASE_MODEL if name == BASE else name)
    if name != "hashing" and not found.uses_model:
        raise BadInput("--models", name, f"a model that is here ({found.describe()})", "pip install 'adaptd[sbert]'")
    return found


def _sample(asked: Asked) -> _Sample:
    """Texts that differ, drawn by the seed; equal ones would be each other's neighbours."""
    from components.labelled_file import as_compared, read_file
    from components.tweets import counted, preprocessed

    file = read_file(asked.data, asked.text_column, asked.label_column)
    _, first = np.unique([as_compared(text) for text in file.texts], return_index=True)
    rows = seeded_rng(asked.seed, 3).permutation(np.sort(first))[: asked.sample_size]
    labels = np.array([file.labels[row] for row in rows], np.str_)
    classes = _counts(labels)
    if len(rows) < 20 or len(classes) < 2:
        raise BadInput("--data", f"{len(rows)} different texts of {len(classes)} classes", "at least 20 of two classes")
    texts = [file.texts[row] for row in rows]
    notes = list(file.notes)
    if asked.preprocess == "tweets":
        told = ", ".join(f"{number} {kind}" for kind, number in counted(texts).items())
        notes.append(f"tweets are read as words: {told} replaced (--no-preprocessing leaves them)")
    return _Sample(preprocessed(texts, asked.preprocess), labels, notes)


def _counts(labels: NDArray[Any]) -> dict[str, int]:
    names, counts = np.unique(labels, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


# Each model


def _embedded(generator: EmbeddingGenerator, texts: Sequence[str]) -> tuple[NDArray[np.float32], float]:
    """The vectors, and how many texts a second they took, after a warm-up."""
    generator.encode(texts[:_WARM_UP])
    began = time.perf_counter()
    vectors = generator.encode(texts)
    return vectors, len(texts) / max(time.perf_counter() - began, 1e-9)


def _look_at(vectors: NDArray[np.float32], labels: NDArray[Any], asked: Asked) -> Seen:
    from components.encoder_comparison import look_at

    return look_at(vectors, labels, clusters=asked.clusters, seed=asked.seed)


def _told(name: str, generator: EmbeddingGenerator, speed: float, seen: Seen) -> dict[str, Any]:
    return {
        "name": name,
        "model": generator.describe(),
        "fingerprint": generator.fingerprint,
        "dimension": generator.dimension,
        "texts_per_second": round(speed, 1),
        **seen.figures(),
    }


def _bag_of_words(sample: _Sample, seed: int) -> dict[str, float]:
    """TF-IDF and logistic regression, out of fold as over the embeddings."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    from components import class_separation as separation
    from components.encoder_comparison import out_of_fold

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2 if len(sample.texts) > 1000 else 1, sublinear_tf=True)
    answers = out_of_fold(words.fit_transform(sample.texts).tocsr(), sample.labels, seed)
    truth = sample.labels
    return {"accuracy": separation.accuracy(truth, answers), "macro_f1": separation.macro_f1(truth, answers)}


# Beside each other


def _pairs(names: Sequence[str], seen: Sequence[Seen]) -> list[dict[str, Any]]:
    from components.encoder_comparison import MEASURES, compared, neighbours_shared

    pairs = list(combinations(range(len(names)), 2))
    told = []
    for first, second in pairs:
        found = compared(seen[first], seen[second], comparisons=len(pairs) * len(MEASURES))
        moved = {name: asdict(one) | {"beyond_chance": one.beyond_chance} for name, one in found.items()}
        shared = neighbours_shared(seen[first], seen[second])
        told.append({"from": names[first], "to": names[second], "neighbours_shared": shared, **moved})
    return told


def _drawn(asked: Asked, vectors: Sequence[NDArray[np.float32]], labels: NDArray[Any]) -> list[str]:
    from components.classification_charts import draw_maps
    from components.flat_map import flat_map, same_of_each

    assert asked.png is not None
    asked.png.mkdir(parents=True, exist_ok=True)
    rows = same_of_each(labels, _MOST_ON_A_MAP, seeded_rng(asked.seed, 5))
    maps = {name: flat_map(one[rows], asked.seed) for name, one in zip(asked.models, vectors, strict=True)}
    path, most = asked.png / "embeddings.png", max(_counts(labels[rows]).values())
    draw_maps(path, maps, labels[rows], f"{len(rows):,} texts, at most {most:,} of each class")
    return [str(path)]
