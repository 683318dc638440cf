"""Texts into classes, in seconds on a CPU: hashed n-grams and a small network, taught by what people said of labels.

A real model trained by the shared loop, small enough for tests, pages and authors. An output is the label that was
given. A correction is the right label; a category is one where outputs or corrections name it; a good score or more
thumbs up than down confirm the output; a bad score or more thumbs down say what it is not, which is learnt from the
probability of all other labels. New labels become new classes; a base model's weights are kept for those it knows.

It knows spelling and word order, not meaning (`components.hashing_vectors`), and reads no pickle.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Description, Job, Judged, Metric, Pool, Trained
from components import hashing_vectors, training_loop
from components.bad_input import BadInput, finite_numbers, one_of, whole_number
from components.category_columns import names_at
from components.example_fields import as_text
from components.search_space import Range
from components.told_labels import judgements, told_labels
from components.training_loop import Plan, Task

if TYPE_CHECKING:
    import torch

FORMAT = 1
CARD, WEIGHTS = "classifier.json", "model.safetensors"
_UNLIKELY = math.log(1e-6)  # what a label that the model has never heard of is worth; a judged figure must be finite


@dataclass(frozen=True)
class TinySettings:
    """How it learns, and which scores mean what."""

    epochs: float = 30.0
    learning_rate: float = 0.01
    batch_size: int = 32
    warmup_ratio: float = 0.05
    weight_decay: float = 0.01
    dropout: float = 0.1
    features: int = 512  # places that n-grams are hashed to
    hidden: int = 32
    good_score: float = 70.0  # from here on a score confirms the output
    bad_score: float = 40.0  # below it, the output is taken for wrong
    wrong_weight: float = 0.5  # what knowing a wrong label weighs beside knowing the right one
    patience: int | None = 5  # epochs without a better validation, then it ends
    checkpoint_every: int = 50  # steps

    def __post_init__(self) -> None:
        for name in ("batch_size", "features", "hidden", "checkpoint_every"):
            whole_number(name, getattr(self, name), low=1)
        finite_numbers("dropout", [self.dropout], low=0.0, high=0.9)
        finite_numbers("wrong_weight", [self.wrong_weight], low=0.0)
        finite_numbers("bad_score and good_score", [self.bad_score, self.good_score], low=0.0, high=100.0)
        if self.bad_score > self.good_score:
            raise BadInput("bad_score", self.bad_score, f"at most good_score, {self.good_score:g}")


@dataclass(frozen=True, eq=False)
class Labelled:
    """What is learnt or judged: inputs with a label each, and whether it is the right one or a wrong one."""

    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    right: NDArray[np.bool_]
    weights: NDArray[np.float64]
    artifact_types: tuple[str, ...]
    examples: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.inputs)

    def version(self) -> str:
        """Of the data, so that a checkpoint of other data is refused."""
        told = [self.inputs, self.labels, self.right.tolist()]
        return blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Model:
    """A trained classifier: its classes, its shape, and its weights by name."""

    classes: tuple[str, ...]
    features: int
    hidden: int
    weights: Mapping[str, torch.Tensor]

    @classmethod
    def load(cls, folder: Path) -> Model:
        """From a folder that `train` left; BadInput where it is none."""
        from safetensors.torch import load_file

        card = json.loads((folder / CARD).read_text()) if (folder / CARD).is_file() else {}
        made = (card.get("workload"), card.get("format"), card.get("hashing"))
        if made != (TinyClassifier.name, FORMAT, hashing_vectors.VERSION):
            raise BadInput("model", str(folder), f"a tiny_classifier of format {FORMAT}, with {CARD} and {WEIGHTS}")
        return cls(tuple(card["classes"]), card["features"], card["hidden"], load_file(folder / WEIGHTS))

    def chances(self, inputs: Sequence[str], device: str) -> NDArray[np.float64]:
        """The logarithm of each class's probability, (inputs, classes)."""
        import torch

        network = _network(self.features, self.hidden, len(self.classes))
        network.load_state_dict(dict(self.weights))
        with torch.no_grad():
            logits = network.eval().to(device)(_vectors(inputs, self.features, device))  # (inputs, classes)
        return np.asarray(torch.log_softmax(logits.double(), dim=1).cpu())


class TinyClassifier:
    """Sorts texts into the labels that feedback names; trains in seconds on a CPU."""

    name: ClassVar[str] = "tiny_classifier"
    Settings: ClassVar[type] = TinySettings
    search: ClassVar[Mapping[str, Range]] = {
        "learning_rate": Range(1e-3, 1e-1, log=True),
        "batch_size": Range(8, 64, whole=True, log=True),
        "epochs": Range(5, 60, whole=True),
        "warmup_ratio": Range(0.0, 0.2),
        "hidden": Range(8, 64, whole=True, log=True),
    }

    def __init__(self, settings: TinySettings) -> None:
        self.settings = settings

    def describe(self) -> Description:
        return Description(
            summary="sorts texts into classes by hashed n-grams and a small network",
            modes=("full",),
            needs=("correction", "category", "up", "down", "score"),
            metrics=(Metric("correct", binary=True), Metric("nll", higher_is_better=False)),
            memory_bytes=64 << 20,
        )

    def examples(self, pool: Pool) -> Labelled:
        """Inputs with the label that feedback says is right, or that it says is wrong; the others teach nothing."""
        texts = pool.texts(np.arange(len(pool)))
        judged = judgements(
            pool["score"],
            pool["ups"],
            pool["downs"],
            said_up=pool.says("up"),
            said_down=pool.says("down"),
            good_score=self.settings.good_score,
            bad_score=self.settings.bad_score,
        )
        told = told_labels(texts, judged, preferences=False)
        return Labelled(
            inputs=tuple(as_text(texts[row].get("input")) for row in told.rows),
            labels=told.labels,
            right=told.right,
            weights=pool["weight"][told.rows],
            artifact_types=names_at(pool["artifact_type"][told.rows].tolist(), pool.names.get("artifact_type", ())),
            examples=pool["example"][told.rows],
        )

    def train(self, job: Job) -> Trained:
        """Into job.out: the weights and a card to read. BadInput where no example says what is right."""
        import torch

        settings: TinySettings = job.settings
        base = None if job.base_model is None else Model.load(job.base_model)
        fits = base is not None and (base.features, base.hidden) == (settings.features, settings.hidden)
        kept = base if fits else None
        classes = _classes(job.dataset, base)
        weights = _first_weights(settings, classes, kept, job.rng)
        network = _network(settings.features, settings.hidden, len(classes), settings.dropout)
        network.load_state_dict(weights)
        plan = _plan(settings, len(job.dataset), seed=int(job.rng.integers(1 << 31)))
        task = _task(job.dataset, job.validation, settings, classes, job.device)
        with _one_thread():
            done = training_loop.train(
                network,
                task,
                plan,
                job.checkpoints,
                device=job.device,
                log=job.log,
                should_stop=job.should_stop,
            )
        flags = list(done.flags)
        if base is not None and not fits:
            found = f"features = {base.features}, hidden = {base.hidden}"
            flags.append(f"the base model has {found}, the settings have others: its classes alone were kept")
        metrics = _metrics(done)
        if done.state == "paused":
            return Trained("paused", metrics, tuple(flags))
        if done.state == "unhealthy":
            return Trained("unhealthy", metrics, tuple(flags), done.problem)
        learnt = {name: tensor.detach().to("cpu", torch.float32) for name, tensor in network.state_dict().items()}
        _save(job, Model(classes, settings.features, settings.hidden, learnt), metrics)
        return Trained("finished", metrics, tuple(flags))

    def judge(self, model: Path, dataset: Labelled, device: str) -> Judged:
        """Whether each answer agrees with what was said, and how unlikely the model thought that."""
        loaded = Model.load(model)
        chances = loaded.chances(dataset.inputs, device)
        of_label = _chance_of(chances, loaded.classes, dataset.labels)
        best = np.array(loaded.classes)[chances.argmax(1)] if len(dataset) else np.zeros(0, np.str_)
        correct = (best == np.array(dataset.labels, np.str_)) == dataset.right
        with np.errstate(divide="ignore"):  # a wrong label that is sure to the model: as unlikely as can be
            of_others = np.log1p(-np.exp(of_label))
        nll = -np.maximum(np.where(dataset.right, of_label, of_others), _UNLIKELY)
        values = {"correct": correct.astype(np.float64), "nll": nll}
        return Judged(values, _overall(values, dataset.artifact_types))

    def baseline(self, dataset: Labelled) -> Judged:
        """What one gets who always says the commonest label, and is as sure of each as it is common."""
        right = [label for label, is_right in zip(dataset.labels, dataset.right.tolist(), strict=True) if is_right]
        classes, counts = np.unique(np.array(right or dataset.labels, np.str_), return_counts=True)
        commonest = str(classes[counts.argmax()]) if len(classes) else ""
        shares = dict(zip(classes.tolist(), (counts / max(1, counts.sum())).tolist(), strict=True))
        own = np.array([shares.get(label, 0.0) for label in dataset.labels])
        correct = (np.array(dataset.labels, np.str_) == commonest) == dataset.right
        with np.errstate(divide="ignore"):
            nll = -np.maximum(np.log(np.where(dataset.right, own, 1.0 - own)), _UNLIKELY)
        values = {"correct": correct.astype(np.float64), "nll": nll}
        return Judged(values, _overall(values, dataset.artifact_types))

    def predict(self, model: Path, inputs: Sequence[Any], device: str) -> list[str]:
        """A label for each input."""
        loaded = Model.load(model)
        chances = loaded.chances([as_text(value) for value in inputs], device)
        return [loaded.classes[place] for place in chances.argmax(1)] if len(inputs) else []

    def export(self, model: Path, out: Path, form: str) -> None:
        """As safetensors with its card; BadInput for other forms."""
        if form == "onnx":
            next_step = "The n-grams are hashed before the network, which no ONNX graph holds."
            raise BadInput("form", form, "safetensors", next_step)
        one_of("form", form, ("safetensors",))
        Model.load(model)
        out.mkdir(parents=True, exist_ok=True)
        for name in (WEIGHTS, CARD):
            shutil.copyfile(model / name, out / name)


WORKLOAD = TinyClassifier


# Training


@contextmanager
def _one_thread() -> Iterator[None]:
    """The steps are so small that threads wait for each other: 30 steps took 1.6 s on two busy cores, 0.08 s on one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _classes(dataset: Labelled, base: Model | None) -> tuple[str, ...]:
    """The base model's in their order, then the new ones in theirs."""
    known = () if base is None else base.classes
    classes = (*known, *sorted(set(dataset.labels) - set(known)))
    learns = dataset.right.any() if len(classes) < 2 else len(dataset)
    if not learns:
        step = "Correct some outputs, or rate more."
        raise BadInput("examples", f"{len(dataset)} of {len(classes)} classes", "one that says what is right", step)
    return classes


def _network(features: int, hidden: int, classes: int, dropout: float = 0.0) -> torch.nn.Sequential:
    import torch

    with torch.random.fork_rng(devices=[]):  # its first weights are ours, and torch's own chance is not touched
        return torch.nn.Sequential(
            torch.nn.Linear(features, hidden),
            torch.nn.Tanh(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(hidden, classes),
        )


def _first_weights(
    settings: TinySettings, classes: Sequence[str], base: Model | None, rng: np.random.Generator
) -> dict[str, torch.Tensor]:
    """Drawn, and the base model's where it has them: its classes come first."""
    import torch

    drawn = {
        "0.weight": rng.standard_normal((settings.hidden, settings.features)),  # of vectors of unit length
        "0.bias": np.zeros(settings.hidden),
        "3.weight": rng.standard_normal((len(classes), settings.hidden)) / math.sqrt(settings.hidden),
        "3.bias": np.zeros(len(classes)),
    }
    weights = {name: torch.tensor(values, dtype=torch.float32) for name, values in drawn.items()}
    for name, tensor in {} if base is None else base.weights.items():
        weights[name][: len(tensor)] = tensor
    return weights


def _plan(settings: TinySettings, rows: int, seed: int) -> Plan:
    return Plan(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_share=settings.warmup_ratio,
        weight_decay=settings.weight_decay,
        evaluate_every=-(-rows // settings.batch_size),  # every epoch
        patience=settings.patience,
        checkpoint_every=settings.checkpoint_every,
        seed=seed,
    )


def _task(
    dataset: Labelled, validation: Labelled | None, settings: TinySettings, classes: Sequence[str], device: str
) -> Task:
    inputs, labels, right = _tensors(dataset, settings, classes, device)

    def losses(network: Any, rows: torch.Tensor, part: str) -> dict[str, torch.Tensor]:  # noqa: ARG001 it has one part
        return {"nll": _nll(network(inputs[rows]), labels[rows], right[rows])}  # (rows,)

    weights = np.where(dataset.right, dataset.weights, settings.wrong_weight * dataset.weights)
    weights = weights if len(classes) > 1 else np.where(dataset.right, weights, 0.0)  # the only class has no others
    return Task(
        rows=len(dataset),
        collate=lambda rows, _rng: rows,
        losses=losses,
        weights=weights,
        evaluate=_evaluation(validation, settings, classes, device),
        version=dataset.version(),
    )


def _evaluation(
    validation: Labelled | None, settings: TinySettings, classes: Sequence[str], device: str
) -> Callable[[Any], Mapping[str, float]] | None:
    """What each epoch ends with; None where there is nothing to validate on. Labels that no class has are left out."""
    import torch

    known = [] if validation is None else [row for row, label in enumerate(validation.labels) if label in classes]
    if validation is None or not known:
        return None
    inputs, labels, right = (tensor[known] for tensor in _tensors(validation, settings, classes, device))

    def evaluate(network: Any) -> dict[str, float]:
        with torch.no_grad():
            logits = network(inputs)
        nll = _nll(logits, labels, right).mean().item()
        correct = ((logits.argmax(1) == labels) == right).double().mean().item()
        return {"correct": correct, "nll": nll, "loss": nll, "score": -nll}

    return evaluate


def _tensors(
    data: Labelled, settings: TinySettings, classes: Sequence[str], device: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors (rows, features), the place of each label among the classes (0 where none has it), and the right ones."""
    import torch

    places = {label: place for place, label in enumerate(classes)}
    labels = torch.tensor([places.get(label, 0) for label in data.labels], dtype=torch.long, device=device)
    return _vectors(data.inputs, settings.features, device), labels, torch.tensor(data.right, device=device)


def _vectors(inputs: Sequence[str], features: int, device: str) -> torch.Tensor:
    import torch

    return torch.tensor(hashing_vectors.hashed_vectors(inputs, features), device=device)


def _nll(logits: torch.Tensor, labels: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """How unlikely the label is where it is right, how unlikely all others are where it is wrong; (rows,)."""
    import torch

    whole = torch.logsumexp(logits, dim=1)  # (rows,)
    own = logits.gather(1, labels[:, None]).squeeze(1)  # (rows,)
    if logits.shape[1] == 1:
        return whole - own  # 0, with a slope of 0: there is nothing to learn from one class
    rest = logits.scatter(1, labels[:, None], -torch.inf)  # (rows, classes)
    return whole - torch.where(right, own, torch.logsumexp(rest, dim=1))


def _metrics(done: training_loop.Outcome) -> dict[str, float]:
    """Of the weights that were handed out: what validation said of them, and the last step's loss."""
    best = [one for one in done.evaluations if one["step"] == done.best_step]
    judged = {name: best[-1][name] for name in ("correct", "nll")} if best else {}
    return {"steps": float(done.step), **({"loss": done.history[-1]["loss"]} if done.history else {}), **judged}


def _save(job: Job, model: Model, metrics: Mapping[str, float]) -> None:
    from safetensors.torch import save_file

    card = {
        "workload": TinyClassifier.name,
        "format": FORMAT,
        "hashing": hashing_vectors.VERSION,
        "features": model.features,
        "hidden": model.hidden,
        "classes": list(model.classes),
        "settings": asdict(job.settings),
        "examples": len(job.dataset),
        "metrics": dict(metrics),
    }
    job.out.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in model.weights.items()}, job.out / WEIGHTS)
    (job.out / CARD).write_text(json.dumps(card, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


# Judging


def _chance_of(chances: NDArray[np.float64], classes: Sequence[str], labels: Sequence[str]) -> NDArray[np.float64]:
    """The logarithm of each label's own probability; minus infinity for one that is no class."""
    places = {label: place for place, label in enumerate(classes)}
    of_label = np.array([places.get(label, -1) for label in labels], np.int64)
    own = chances[np.arange(len(labels)), of_label]
    return np.where(of_label >= 0, own, -np.inf)


def _overall(values: Mapping[str, NDArray[np.float64]], artifact_types: Sequence[str]) -> dict[str, float]:
    """Means over all, and over each artifact type as `correct/erd`; nothing where there is nothing."""
    told = {name: float(column.mean()) for name, column in values.items() if len(column)}
    types = np.array(artifact_types, np.str_)
    for kind in sorted(set(artifact_types) - {""}):
        told |= {f"{name}/{kind}": float(column[types == kind].mean()) for name, column in values.items()}
    return told
