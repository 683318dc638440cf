"""What few labels do: an encoder tuned on them alone, and the rest of the texts without theirs.

The document's "semi-supervised accuracy" spreads labels over embeddings that have seen all of them. Here a small model
is trained on the drawn share and nothing else, validation included; its embeddings carry those labels to all other
texts, and what is told is what they come to on test texts.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from components.label_propagation import spread_labels
from plugins.workloads.sbert.evaluation import bag_of_words, figures, without_answers
from plugins.workloads.sbert.file_work import Rows, Work, of_base, of_model, trained
from plugins.workloads.sbert.labelled_file import Split, few_of

SHARE = 0.05
_FEWEST_STEPS = 100  # of a training on few texts; three epochs of 860 are 81


def with_few_labels(work: Work, split: Split, share: float) -> dict[str, Any]:
    """Figures on the test texts by this share of the training labels, and what the second training cost."""
    few = few_of(work.labels(split.train), share, work.options.seed)
    learn = split.train[few]
    work.desk.say(f"a second training, on {len(learn)} labels alone")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="adaptd-few-labels-") as place:
        folder = Path(place) / "model"
        trained(_longer(work, len(learn)), learn, learn[:0], folder, {})
        tuned, answers = of_model(work, folder, split.train, split.test)
    seconds = time.perf_counter() - began
    truth, told = work.labels(split.test), work.labels(learn)
    results = {
        "tuned on them, head": figures(truth, answers),
        "tuned on them, spread": _spread(tuned, few, told, truth),
        "base, spread": _spread(of_base(work, split.train, split.test), few, told, truth),
    }
    words = bag_of_words(work.texts(learn), told, work.texts(split.test), truth)
    results |= {f"bag of words, {name}": one for name, one in words.items()}
    return {
        "labels": len(learn),
        "without": len(split.train) - len(learn),
        "seconds": round(seconds, 1),
        "results": without_answers(results),
    }


def _longer(work: Work, rows: int) -> Work:
    """At least so many steps: there is nothing to stop by."""
    settings = work.settings
    epochs = max(settings.epochs, _FEWEST_STEPS * min(settings.batch_size, rows) / rows)
    return replace(work, settings=replace(settings, epochs=epochs, patience=None))


def _spread(vectors: list[Any], few: Rows, told: Any, truth: Any) -> dict[str, Any]:
    """All training and test texts are the graph; what comes of the test texts is looked at."""
    known = len(vectors[0])
    return figures(truth, spread_labels(np.concatenate(vectors), few, told)[known:])
