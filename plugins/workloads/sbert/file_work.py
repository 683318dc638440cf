"""One call of `adaptd train sbert`: the file, the settings, and how one model is trained and measured on rows of it.

A model comes under its name when all of it is there; until then it grows in a folder beside, with the checkpoints from
which the same command goes on. Nothing but a model of this workload is ever replaced.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adaptd.plugin import Job, Trained
from components.bad_input import BadInput
from components.labelled_file import LabelledFile
from plugins.workloads.sbert.encoder import BASE_NAME, base_folder, embedded, open_encoder, precision_of, tokenised
from plugins.workloads.sbert.labels import Labelled
from plugins.workloads.sbert.model_folder import INFO, Head, Model, as_yaml, has_head
from plugins.workloads.sbert.settings import SbertSettings
from plugins.workloads.sbert.training import train_model

if TYPE_CHECKING:
    import argparse

    from adaptd.plugin.command import Desk

_TOLD_EVERY = 50  # steps

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Work:
    """One call of the command."""

    options: argparse.Namespace
    settings: SbertSettings
    desk: Desk
    file: LabelledFile

    def texts(self, rows: Sequence[int] | Rows) -> list[str]:
        return [self.file.texts[row] for row in rows]

    def labels(self, rows: Sequence[int] | Rows) -> NDArray[np.str_]:
        return np.array([self.file.labels[row] for row in rows], np.str_)

    def read_as(self, folder: Path) -> Work:
        """The same, with texts read as the model in this folder reads them."""
        head = Head.load(folder)
        how: Any = {"preprocess": head.preprocess, "max_tokens": head.max_tokens}
        return replace(self, settings=replace(self.settings, **how))

    def data_hash(self, rows: Rows) -> str:
        """Of the texts and labels of some rows."""
        told = "\0".join(f"{self.file.texts[row]}\0{self.file.labels[row]}" for row in rows)
        return blake2b(told.encode("utf-8", "replace"), digest_size=16).hexdigest()


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def folder_of(given: str) -> Path | None:
    """The folder of --base-model; None for the known name, whose package carries it."""
    is_known = given.removeprefix("sentence-transformers/") == BASE_NAME and not Path(given).is_dir()
    return None if is_known else Path(given)


# Training


def trained(work: Work, learn: Rows, validate: Rows, output: Path, told: Mapping[str, Any]) -> dict[str, float]:
    """A model of these rows in `output`; `told` goes into its training_info.yaml."""
    check_output(output)
    beside = output.with_name(output.name + ".unfinished")
    made = beside / "out"
    shutil.rmtree(made, ignore_errors=True)
    _make(made, output)
    done = _trained(_job(work, learn, validate, beside), beside)
    if done.state != "finished":
        raise BadInput("training", done.problem, "one that stays healthy", "Try a lower --learning-rate.")
    for flag in done.flags:
        work.desk.say(flag)
    _stamp(made / INFO, work.desk.now, told)
    _put(made, output)
    shutil.rmtree(beside)
    return dict(done.metrics)


def _trained(job: Job, beside: Path) -> Trained:
    try:
        return train_model(job)
    except BadInput as wrong:
        if wrong.thing != "checkpoints":
            raise
        step = f"Give the same file and options again to go on, or remove {beside}."
        raise BadInput("--output", str(beside), "what an interrupted call like this one left", step) from None


def _make(made: Path, output: Path) -> None:
    """Before anything is trained: what cannot be written is told by the name that was given."""
    try:
        made.mkdir(parents=True)
    except OSError as error:
        found = f"{output} ({error.strerror})"
        raise BadInput("--output", found, "a place that can be written", "Name another folder.") from None


def check_output(output: Path) -> None:
    """BadInput where something else than a model of this workload would be replaced."""
    if output.exists() and not has_head(output) and (not output.is_dir() or any(output.iterdir())):
        step = "Name another folder, or empty this one."
        raise BadInput("--output", str(output), "a model of sbert, which is replaced, or nothing", step)


def _job(work: Work, learn: Rows, validate: Rows, beside: Path) -> Job:
    of = Labelled.of
    return Job(
        dataset=of(work.texts(learn), work.labels(learn).tolist()),
        validation=of(work.texts(validate), work.labels(validate).tolist()) if len(validate) else None,
        base_model=folder_of(work.options.base_model),
        out=beside / "out",
        checkpoints=beside / "checkpoints",
        settings=work.settings,
        mode="lora" if work.options.lora else "full",
        device=device(),
        rng=np.random.default_rng(work.options.seed),
        log=lambda figures: _tell(work.desk, figures),
        should_stop=lambda: False,
    )


def _tell(desk: Desk, figures: Mapping[str, float]) -> None:
    if figures["step"] % _TOLD_EVERY == 0:
        desk.say(f"step {figures['step']:.0f} of {figures['steps']:.0f}, loss {figures['loss']:.3f}")


def _stamp(info: Path, now: str, told: Mapping[str, Any]) -> None:
    text = info.read_text().replace("\ntimestamp: null\n", f"\ntimestamp: '{now}'\n", 1)
    info.write_text(text + as_yaml(told))


def _put(made: Path, output: Path) -> None:
    """The old model goes when the new one is whole, and comes back where that cannot take its place."""
    output.parent.mkdir(parents=True, exist_ok=True)
    old = output.with_name(f".{output.name}.{os.getpid()}.old")
    if output.exists():
        output.rename(old)
    try:
        made.rename(output)
    except OSError:
        if old.exists():
            old.rename(output)
        raise
    shutil.rmtree(old, ignore_errors=True)


# Asking


def of_model(work: Work, folder: Path, *rows: Rows) -> tuple[list[NDArray[np.float32]], Any]:
    """Embeddings of some rows, and the head's answers to the last of them."""
    model = Model.load(folder, device())
    vectors = [model.embeddings(work.texts(one), work.settings.precision) for one in rows]
    return vectors, np.array(model.head.classes)[model.chances_of(vectors[-1]).argmax(1)]


def of_base(work: Work, *rows: Rows) -> list[NDArray[np.float32]]:
    """Embeddings by the model that training begins from; each text is read as the fine-tuned model reads it."""
    on, settings = device(), work.settings
    encoder = open_encoder(base_folder(folder_of(work.options.base_model)), on)
    vectors = []
    for one in rows:
        tokens = tokenised(encoder, work.texts(one), settings.max_tokens, settings.preprocess)
        vectors.append(embedded(encoder, tokens, on, precision_of(settings.precision, on)).cpu().numpy())
    return vectors
