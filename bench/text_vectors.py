"""The vectors of a data set's texts, made once and kept in a cache folder outside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.labelled_texts import LabelledTexts

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adaptd-bench"
MODEL = "all-MiniLM-L6-v2"


def embedded(data: LabelledTexts, cache: Path = CACHE, model: str = MODEL) -> tuple[NDArray[np.float32], str]:
    """A vector for each text, and in words what made them."""
    from components.embeddings import EmbeddingGenerator

    generator = EmbeddingGenerator(model, cache_dir=cache / "embeddings")
    print(f"{data.name}: {len(data.texts)} texts, {len(data.classes)} classes; {generator.describe()}", flush=True)
    return generator.encode(data.texts), generator.describe()
