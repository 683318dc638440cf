"""The workload: texts into the classes that feedback names, by a sentence-transformers model that is fine-tuned.

What feedback teaches is `labels`' to know, what a step costs `objectives`', how a run goes `training`'s. Nothing heavy
is imported before a model is trained or asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Description, Job, Judged, Metric, Pool, Toy, Trained
from components.bad_input import BadInput, one_of
from components.example_fields import as_text
from components.search_space import Range
from plugins.workloads.sbert.labels import Labelled, labelled
from plugins.workloads.sbert.settings import SbertSettings

_UNLIKELY = math.log(1e-6)  # what a label that the model has never heard of is worth; a judged figure must be finite


class Sbert:
    """Fine-tunes a sentence-transformers model on what people said of the labels that it gave."""

    name: ClassVar[str] = "sbert"
    Settings: ClassVar[type] = SbertSettings
    search: ClassVar[Mapping[str, Range]] = {
        "learning_rate": Range(1e-5, 3e-4, log=True),
        "batch_size": Range(8, 64, whole=True, log=True),
        "epochs": Range(1, 6, whole=True),
        "weight_decay": Range(1e-4, 0.1, log=True),
        "scale": Range(5.0, 40.0, log=True),
    }

    def __init__(self, settings: SbertSettings) -> None:
        self.settings = settings

    def describe(self) -> Description:
        return Description(
            summary="sorts texts into classes by sentence embeddings, which are fine-tuned",
            modes=("full", "lora"),
            needs=("correction", "category", "up", "down", "score", "better", "worse"),
            metrics=(Metric("correct", binary=True), Metric("nll", higher_is_better=False)),
            memory_bytes=2 << 30,
        )

    def toy(self, folder: Path) -> Toy:
        """A lesson for a transformer of two small layers."""
        from plugins.workloads.sbert.toy import toy_of

        return toy_of(folder)

    def examples(self, pool: Pool) -> Labelled:
        """Texts with the label that feedback says is right, or that it says is wrong; the others teach nothing."""
        return labelled(pool, self.settings)

    def train(self, job: Job) -> Trained:
        """Into job.out: a folder for SentenceTransformer, the head, and what made it."""
        from plugins.workloads.sbert.training import train_model

        return train_model(job)

    def judge(self, model: Path, dataset: Labelled, device: str) -> Judged:
        """Whether each answer agrees with what was said, and how unlikely the model thought that.

        A base model that knows no class yet takes its time, and says what the baseline says.
        """
        from plugins.workloads.sbert.model_folder import Model, embeddings_of_base, has_head

        if not has_head(model):
            embeddings_of_base(model, dataset.inputs, device, self.settings)
            return self.baseline(dataset)
        loaded = Model.load(model, device)
        return judged(dataset, loaded.chances(dataset.inputs), loaded.head.classes)

    def baseline(self, dataset: Labelled) -> Judged:
        """What one gets who always says the commonest label, and is as sure of each as it is common."""
        labels = np.array(dataset.labels, np.str_)
        classes, counts = np.unique(labels[dataset.right] if dataset.right.any() else labels, return_counts=True)
        shares = np.log(counts / max(1, counts.sum()))
        return judged(dataset, np.tile(shares, (len(dataset), 1)), classes.tolist())

    def embed(self, model: Path, inputs: Sequence[str], device: str) -> NDArray[np.float32]:
        """As the model reads them: (inputs, size). Also of a base model, which has no head."""
        from plugins.workloads.sbert.encoder import open_encoder
        from plugins.workloads.sbert.model_folder import embeddings_of, reading_of

        return embeddings_of(open_encoder(model, device), inputs, device, reading_of(model))

    def embedding_fingerprint(self, model: Path) -> str:
        """Of all that its embeddings hang on."""
        from plugins.workloads.sbert.fingerprint import embedding_fingerprint

        return embedding_fingerprint(model)

    def predict(self, model: Path, inputs: Sequence[Any], device: str) -> list[str]:
        """A label for each input."""
        from plugins.workloads.sbert.model_folder import Model

        loaded = Model.load(model, device)
        if not len(inputs):
            return []
        chances = loaded.chances([as_text(value) for value in inputs])
        return [loaded.head.classes[place] for place in chances.argmax(1)]

    def export(self, model: Path, out: Path, form: str) -> None:
        """As a sentence-transformers folder with its head; BadInput for other forms."""
        from plugins.workloads.sbert.model_folder import export_model

        if form == "onnx":
            step = "From the folder, sentence-transformers itself can: SentenceTransformer(path, backend='onnx')."
            raise BadInput("form", form, "sentence-transformers", step)
        one_of("form", form, ("sentence-transformers", "safetensors"))
        export_model(model, out)


def judged(data: Labelled, chances: NDArray[np.float64], classes: Sequence[str]) -> Judged:
    """Example by example; in all, macro-F1 too, over those whose right label is known."""
    of_label = _chance_of(chances, classes, data.labels)
    best = np.array(classes)[chances.argmax(1)] if len(data) else np.zeros(0, np.str_)
    correct = (best == np.array(data.labels, np.str_)) == data.right
    with np.errstate(divide="ignore"):  # a wrong label that is sure to the model: as unlikely as can be
        of_others = np.log1p(-np.exp(np.minimum(of_label, 0.0)))
    nll = -np.maximum(np.where(data.right, of_label, of_others), _UNLIKELY)
    values = {"correct": correct.astype(np.float64), "nll": nll}
    return Judged(values, _overall(values, data, best))


def _chance_of(chances: NDArray[np.float64], classes: Sequence[str], labels: Sequence[str]) -> NDArray[np.float64]:
    """The logarithm of each label's own probability; minus infinity for one that is no class."""
    places = {label: place for place, label in enumerate(classes)}
    of_label = np.array([places.get(label, -1) for label in labels], np.int64)
    own = chances[np.arange(len(labels)), of_label]
    return np.where(of_label >= 0, own, -np.inf)


def _overall(values: Mapping[str, NDArray[np.float64]], data: Labelled, best: NDArray[np.str_]) -> dict[str, float]:
    """Means over all, and over each artifact type as `correct/erd`; nothing where there is nothing."""
    from components.class_separation import macro_f1

    told = {name: float(column.mean()) for name, column in values.items() if len(column)}
    if data.right.any():
        told["macro_f1"] = macro_f1(np.array(data.labels, np.str_)[data.right], best[data.right])
    types = np.array(data.artifact_types, np.str_)
    for kind in sorted(set(data.artifact_types) - {""}):
        told |= {f"{name}/{kind}": float(column[types == kind].mean()) for name, column in values.items()}
    return told
