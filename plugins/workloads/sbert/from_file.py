"""From a file of labelled texts to a measured model: what `adaptd train sbert` does.

The model comes under its name when all of it is there; until then it grows in a folder beside, with the checkpoints
from which the same command goes on. Nothing but a model of this workload is ever replaced.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from adaptd.plugin import Job
from components.bad_input import BadInput, one_of
from plugins.workloads.sbert.encoder import BASE_NAME, base_folder, embedded, open_encoder, precision_of, tokenised
from plugins.workloads.sbert.evaluation import bag_of_words, compared, measured, without_answers
from plugins.workloads.sbert.labelled_file import LabelledFile, Split, read_file, split_of
from plugins.workloads.sbert.labels import Labelled
from plugins.workloads.sbert.model_folder import INFO, Model, has_head
from plugins.workloads.sbert.settings import SbertSettings
from plugins.workloads.sbert.training import train_model
from components.tweets import counted

if TYPE_CHECKING:
    import argparse

    from adaptd.plugin.command import Desk

_TOLD_EVERY = 50  # steps


@dataclass(frozen=True, eq=False)
class _Work:
    """One call of the command."""

    options: argparse.Namespace
    settings: SbertSettings
    desk: Desk
    file: LabelledFile
    split: Split

    def texts(self, rows: Sequence[int] | np.ndarray[Any, Any]) -> list[str]:
        return [self.file.texts[row] for row in rows]

    def labels(self, rows: Sequence[int] | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.array([self.file.labels[row] for row in rows], np.str_)


def from_file(options: argparse.Namespace, table: Mapping[str, Any], desk: Desk) -> dict[str, Any]:
    """Train and measure, or measure alone; what was found, as JSON can hold it."""
    file = read_file(Path(options.data), options.text_column, options.label_column)
    split = split_of(file, options.seed, options.test_size, options.val_size)
    work = _Work(options, _settings(table), desk, file, split)
    output = Path(options.evaluate_only or options.output)
    trained = {} if options.evaluate_only else _train(work, output)
    results, gained = _results(work, output)
    return {
        "model": str(output),
        "notes": [*file.notes, *_preprocessing(work)],
        "rows": {"train": len(split.train), "validate": len(split.validate), "test": len(split.test)},
        "trained": trained,
        "results": without_answers(results),
        "gained": gained,
    }


def folder_of(given: str) -> Path | None:
    """The folder of --base-model; None for the known name, whose package carries it."""
    is_known = given.removeprefix("sentence-transformers/") == BASE_NAME and not Path(given).is_dir()
    return None if is_known else Path(given)


def _settings(table: Mapping[str, Any]) -> SbertSettings:
    known = [field.name for field in fields(SbertSettings)]
    for name in table:
        one_of("settings", name, known)
    try:
        return msgspec.convert(dict(table), SbertSettings)
    except msgspec.ValidationError as wrong:
        raise BadInput("settings", dict(table), f"what `adaptd plugins show sbert` lists ({wrong})") from None


def _preprocessing(work: _Work) -> list[str]:
    if work.settings.preprocess != "tweets":
        return ["texts are read as they are"]
    told = ", ".join(f"{number} {kind}" for kind, number in counted(work.file.texts).items())
    return [f"tweets are read as words: {told} replaced (--no-preprocessing leaves them)"]


# Training


def _train(work: _Work, output: Path) -> dict[str, float]:
    _check_output(output)
    beside = output.with_name(output.name + ".unfinished")
    made = beside / "out"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    done = train_model(_job(work, beside))
    if done.state != "finished":
        raise BadInput("training", done.problem, "one that stays healthy", "Try a lower --learning-rate.")
    for flag in done.flags:
        work.desk.say(flag)
    _stamp(made / INFO, work.desk.now)
    _put(made, output)
    shutil.rmtree(beside)
    return dict(done.metrics)


def _check_output(output: Path) -> None:
    if output.exists() and not has_head(output) and (not output.is_dir() or any(output.iterdir())):
        step = "Name another folder, or empty this one."
        raise BadInput("--output", str(output), "a model of sbert, which is replaced, or nothing", step)


def _job(work: _Work, beside: Path) -> Job:
    learn, validate = work.split.train, work.split.validate
    return Job(
        dataset=Labelled.of(work.texts(learn), work.labels(learn).tolist()),
        validation=Labelled.of(work.texts(validate), work.labels(validate).tolist()),
        base_model=folder_of(work.options.base_model),
        out=beside / "out",
        checkpoints=beside / "checkpoints",
        settings=work.settings,
        mode="lora" if work.options.lora else "full",
        device=_device(),
        rng=np.random.default_rng(work.options.seed),
        log=lambda figures: _tell(work.desk, figures),
        should_stop=lambda: False,
    )


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _tell(desk: Desk, figures: Mapping[str, float]) -> None:
    if figures["step"] % _TOLD_EVERY == 0:
        desk.say(f"step {figures['step']:.0f} of {figures['steps']:.0f}, loss {figures['loss']:.3f}")


def _stamp(info: Path, now: str) -> None:
    info.write_text(info.read_text().replace("\ntimestamp: null\n", f"\ntimestamp: '{now}'\n", 1))


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


# Measuring


def _results(work: _Work, output: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    known, asked = work.split.train, work.split.test
    seen, truth = work.labels(known), work.labels(asked)
    tuned = _of_model(work, output, seen, truth)
    results = {"fine-tuned": tuned}
    gained: dict[str, Any] = {}
    if work.options.compare:
        results["base"] = _of_base(work, seen, truth)
        gained = compared(truth, results["base"], tuned, seed=work.options.seed)
    results["bag of words"] = bag_of_words(work.texts(known), seen, work.texts(asked), truth)
    return results, gained


def _of_model(work: _Work, folder: Path, seen: Any, truth: Any) -> dict[str, Any]:
    model = Model.load(folder, _device())
    known, asked = (
        model.embeddings(work.texts(rows), work.settings.precision) for rows in (work.split.train, work.split.test)
    )
    answers = np.array(model.head.classes)[model.chances_of(asked).argmax(1)]
    return measured(known, seen, asked, truth, answers, seed=work.options.seed)


def _of_base(work: _Work, seen: Any, truth: Any) -> dict[str, Any]:
    device, settings = _device(), work.settings
    encoder = open_encoder(base_folder(folder_of(work.options.base_model)), device)
    vectors = []
    for rows in (work.split.train, work.split.test):
        tokens = tokenised(encoder, work.texts(rows), settings.max_tokens, settings.preprocess)
        vectors.append(embedded(encoder, tokens, device, precision_of(settings.precision, device)).cpu().numpy())
    return measured(vectors[0], seen, vectors[1], truth, seed=work.options.seed)
