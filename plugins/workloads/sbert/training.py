"""One training from beginning to end: base model, tokens, head, loop, folder."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adaptd.plugin import Job, Trained
from components import training_loop
from components.bad_input import BadInput
from components.embeddings import EmbeddingGenerator
from components.training_loop import Plan
from plugins.workloads.sbert.encoder import (
    base_folder,
    base_name,
    embedded,
    only_what_is_used,
    open_encoder,
    precision_of,
    tokenised,
)
from plugins.workloads.sbert.labels import Labelled
from plugins.workloads.sbert.model_folder import Head, has_head, write_model
from plugins.workloads.sbert.objectives import unlikeliness
from plugins.workloads.sbert.settings import SbertSettings
from plugins.workloads.sbert.task import Lesson, evaluation_of, lesson_of, single_head, task_of, with_negatives

if TYPE_CHECKING:
    import torch

_JUDGED = ("correct", "macro_f1", "nll")
_FITTING_STEPS = 100  # of L-BFGS, for a head that was not learnt with the encoder
_FITTING_DECAY = 1e-4  # and how far its weights are held back


def train_model(job: Job) -> Trained:
    """Into job.out. BadInput where there is nothing to learn, or no model to begin from."""
    settings: SbertSettings = job.settings
    data: Labelled = job.dataset
    folder = base_folder(job.base_model)
    base = Head.load(folder) if has_head(folder) else None
    classes = classes_of(data, base)
    seed = int(job.rng.integers(1 << 31))
    precision = precision_of(settings.precision, job.device)

    from plugins.workloads.sbert.dropout import with_quick_dropout  # it brings torch

    encoder = open_encoder(folder, job.device)
    only_what_is_used(encoder)
    with_quick_dropout(encoder, job.device, in_attention=settings.attention_dropout)
    tokens = tokenised(encoder, data.inputs, settings.max_tokens, settings.preprocess)
    lesson = lesson_of(data, tokens, classes, settings, job.rng)
    lesson = with_negatives(lesson, encoder, settings, job.device, precision)
    held_out = _tokens_of(encoder, job.validation, settings)
    evaluate = evaluation_of(job.validation, held_out, classes, settings, job.device, precision)
    if job.mode == "lora":
        encoder = with_lora(encoder, settings, seed)
    centres = _centres(encoder, lesson, classes, settings, job.device, precision)
    network = _network(encoder, _first_head(encoder, classes, base, settings, job.rng, centres), settings)

    done = training_loop.train(
        network,
        task_of(lesson, settings, job.device, _version(job, folder), evaluate),
        _plan(settings, len(lesson.rows), seed, precision),
        job.checkpoints,
        device=job.device,
        log=job.log,
        should_stop=job.should_stop,
    )
    metrics, flags = _metrics(done), tuple(done.flags)
    if done.state == "paused":
        return Trained("paused", metrics, flags)
    if done.state == "unhealthy":
        return Trained("unhealthy", metrics, flags, done.problem)
    encoder = merged(network.encoder) if job.mode == "lora" else network.encoder
    head = _head_of(network, encoder, lesson, classes, settings, job.device)
    write_model(job.out, encoder, head, _info(job, head, metrics, precision))
    return Trained("finished", metrics, flags)


def classes_of(data: Labelled, base: Head | None) -> tuple[str, ...]:
    """The base model's in their order, then the new ones in theirs; BadInput where nothing says what is right."""
    known = () if base is None else base.classes
    classes = (*known, *sorted(set(data.labels) - set(known)))
    learns = data.right.any() if len(classes) < 2 else len(data)
    if not learns:
        step = "Correct some outputs, or rate more."
        raise BadInput("examples", f"{len(data)} of {len(classes)} classes", "one that says what is right", step)
    return classes


def _version(job: Job, folder: Path) -> str:
    """Of all that the weights come from: a checkpoint of anything else is refused."""
    settings = {name: value for name, value in asdict(job.settings).items() if name != "micro_batch_size"}
    validation = "" if job.validation is None else job.validation.version()
    told = [job.dataset.version(), validation, EmbeddingGenerator(str(folder)).fingerprint, job.mode, settings]
    return blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()


def _tokens_of(encoder: Any, data: Labelled | None, settings: SbertSettings) -> Any:
    return None if data is None else tokenised(encoder, data.inputs, settings.max_tokens, settings.preprocess)


# The network


def _network(encoder: Any, head: Any, settings: SbertSettings) -> Any:
    """The encoder, and the head where it learns with it."""
    import torch

    head.requires_grad_(settings.has_head)
    return torch.nn.ModuleDict({"encoder": encoder, "head": head})


def _centres(
    encoder: Any, lesson: Lesson, classes: Sequence[str], settings: SbertSettings, device: str, precision: str
) -> torch.Tensor:
    """Of each class the direction of the mean of its right examples, (classes, size); 0 where it has none."""
    import torch

    size = int(encoder.get_embedding_dimension())
    if settings.objective not in ("classify", "classify_contrast"):
        return torch.zeros(len(classes), size)
    unit = torch.nn.functional.normalize(embedded(encoder, lesson.tokens, device, precision), dim=1).cpu()
    right = torch.as_tensor(np.flatnonzero(lesson.right))
    sums = torch.zeros(len(classes), size)
    sums.index_add_(0, torch.as_tensor(lesson.labels)[right], unit[right])
    return torch.nn.functional.normalize(sums, dim=1)


def _first_head(
    encoder: Any,
    classes: Sequence[str],
    base: Head | None,
    settings: SbertSettings,
    rng: np.random.Generator,
    centres: torch.Tensor,
) -> Any:
    """What a base model knows of its own classes; of a new one its centre, else small numbers."""
    import torch

    size = int(encoder.get_embedding_dimension())
    width = 3 * size if settings.objective == "softmax_pair" else size
    head = torch.nn.Linear(width, len(classes), device="meta")  # whose first weights are ours, not of torch's chance
    drawn = torch.tensor(rng.standard_normal((len(classes), width)) * 0.02, dtype=torch.float32)
    drawn[:, :size] = torch.where(centres.any(1, keepdim=True), centres, drawn[:, :size])
    bias = torch.zeros(len(classes))
    if base is not None and base.weight.shape[1] == size:
        halves = 2 if width > size else 1  # (u, v, |u - v|): u and v are the same text
        share = base.weight * base.scale / (settings.scale if halves == 1 else halves)
        for start in range(halves):
            drawn[: len(share), start * size : (start + 1) * size] = share
        bias[: len(base.bias)] = base.bias
    head.weight, head.bias = torch.nn.Parameter(drawn), torch.nn.Parameter(bias)
    return head


def with_lora(encoder: Any, settings: SbertSettings, seed: int) -> Any:
    """The encoder with small matrices beside its linear layers, which learn in their place."""
    if importlib.util.find_spec("peft") is None:
        step = "Install it (pip install 'adaptd[sbert]'), or train with mode = \"full\"."
        raise BadInput("mode", "lora", "the package peft, which it needs", step)
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules="all-linear",
        use_rslora=False,
        bias="none",
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():  # its first matrices are drawn
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, at what peft asks it
        torch.manual_seed(seed)
        encoder[0].model = get_peft_model(encoder[0].model, config)
    return encoder


def merged(encoder: Any) -> Any:
    """The plain model again, with what the small matrices learnt added to its weights."""
    encoder[0].model = encoder[0].model.merge_and_unload()
    return encoder


def _head_of(
    network: Any, encoder: Any, lesson: Lesson, classes: Sequence[str], settings: SbertSettings, device: str
) -> Head:
    """What was learnt with the encoder; else one that is fitted to its embeddings now."""
    size = int(encoder.get_embedding_dimension())
    if settings.has_head:
        found = single_head(network.head, size)
        scale = 1.0 if settings.objective == "softmax_pair" else settings.scale
        weight, bias = found.weight, found.bias
    else:
        scale = settings.scale
        weight, bias = _fitted(network.head, encoder, lesson, scale, device)
    return Head(tuple(classes), scale, weight.detach(), bias.detach(), settings.max_tokens, settings.preprocess)


def _fitted(head: Any, encoder: Any, lesson: Lesson, scale: float, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Logistic regression over the finished embeddings."""
    import torch

    unit = scale * torch.nn.functional.normalize(embedded(encoder.eval(), lesson.tokens, device), dim=1)
    labels, right = torch.as_tensor(lesson.labels, device=device), torch.as_tensor(lesson.right, device=device)
    weights = torch.as_tensor(lesson.weights, dtype=torch.float32, device=device)
    weight = head.weight.detach().clone().requires_grad_(True)
    bias = head.bias.detach().clone().requires_grad_(True)
    search = torch.optim.LBFGS([weight, bias], max_iter=_FITTING_STEPS, line_search_fn="strong_wolfe")

    def cost() -> torch.Tensor:
        search.zero_grad()
        lost = unlikeliness(torch.nn.functional.linear(unit, weight, bias), labels, right)
        total = (weights * lost).sum() / weights.sum().clamp(min=1e-9) + _FITTING_DECAY * weight.square().sum()
        total.backward()
        return total

    search.step(cost)
    return weight, bias


# The plan, and what is told


def _plan(settings: SbertSettings, rows: int, seed: int, precision: str) -> Plan:
    steps = settings.max_steps or max(1, round(settings.epochs * -(-rows // settings.batch_size)))
    return Plan(
        epochs=settings.epochs,
        max_steps=settings.max_steps,
        batch_size=settings.batch_size,
        micro_batch_size=settings.micro_batch_size,
        learning_rate=settings.learning_rate,
        warmup_share=min(0.5, settings.warmup_steps / steps),  # in a short run half of it at most
        weight_decay=settings.weight_decay,
        precision=precision,
        ema_decay=settings.ema_decay,
        evaluate_every=settings.evaluation_steps,
        patience=settings.patience,
        checkpoint_every=settings.checkpoint_every,
        bucket_by_length=True,
        seed=seed,
    )


def _metrics(done: training_loop.Outcome) -> dict[str, float]:
    """Of the weights that were handed out: what validation said of them, and the last step's loss."""
    best = [one for one in done.evaluations if one["step"] == done.best_step]
    judged: dict[str, float] = {name: best[-1][name] for name in _JUDGED if best and name in best[-1]}
    step = {} if done.best_step is None else {"best_step": float(done.best_step)}
    loss = {"loss": done.history[-1]["loss"]} if done.history else {}
    return {"steps": float(done.step), **step, **loss, **judged}


def _info(job: Job, head: Head, metrics: Mapping[str, float], precision: str) -> dict[str, Any]:
    """The document's fields first. A night's events say when it was; `adaptd train sbert` fills in the time."""
    settings: SbertSettings = job.settings
    return {
        "base_model": base_name(job.base_model),
        "num_classes": len(head.classes),
        "label_mapping": dict(enumerate(head.classes)),
        "training_samples": len(job.dataset),
        "validation_samples": 0 if job.validation is None else len(job.validation),
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "timestamp": None,
        "mode": job.mode,
        "precision": precision,
        "settings": asdict(settings),
        "metrics": dict(metrics),
    }
