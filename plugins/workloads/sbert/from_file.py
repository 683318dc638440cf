"""From a file of labelled texts to a measured model: what `adaptd train sbert` does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from components.bad_input import BadInput, one_of
from components.embeddings import EmbeddingGenerator
from components.labelled_file import LabelledFile, read_file
from components.tweets import counted
from plugins.workloads.sbert.encoder import base_folder
from plugins.workloads.sbert.evaluation import bag_of_words, gains, measured, without_answers
from plugins.workloads.sbert.file_work import Work, check_output, folder_of, of_base, of_model, trained
from plugins.workloads.sbert.labelled_file import Split, split_of
from plugins.workloads.sbert.model_folder import INFO
from plugins.workloads.sbert.settings import SbertSettings

if TYPE_CHECKING:
    import argparse

    from adaptd.plugin.command import Desk

_FEW = 3  # rows of a class that are fewer have none on some side


def from_file(options: argparse.Namespace, table: Mapping[str, Any], desk: Desk) -> dict[str, Any]:
    """Train and measure, or measure alone, or fold by fold; what was found, as JSON can hold it."""
    from plugins.workloads.sbert.folding import in_folds

    _check_options(options)
    settings = _settings(table)
    if not options.evaluate_only or options.compare or options.png or options.few_labels:
        EmbeddingGenerator(str(base_folder(folder_of(options.base_model))))  # refuses what is none
    file = read_file(Path(options.data), options.text_column, options.label_column)
    if len(file.counts()) < 2:
        told = f"{len(file)} rows that are all {file.labels[0]!r}"
        raise BadInput("--data", told, "at least two classes", "Is --label-column the right one?")
    work = Work(options, settings, desk, file)
    return in_folds(work, notes_of(work)) if options.folds else _of_one(work)


def _check_options(options: argparse.Namespace) -> None:
    """Before anything is read: what cannot be had together, and what draws."""
    if options.folds is not None:
        for name in ("evaluate_only", "few_labels"):
            if getattr(options, name) is not None:
                told = f"--folds with --{name.replace('_', '-')}"
                raise BadInput("options", told, "one of them", "Folds train a model each, and measure it.")
    if options.few_labels is not None and not 0 < options.few_labels < 1:
        raise BadInput("--few-labels", options.few_labels, "a share above 0 and below 1")
    if options.png:
        from plugins.workloads.sbert.pictures import ready_to_draw

        ready_to_draw(Path(options.png))


def _settings(table: Mapping[str, Any]) -> SbertSettings:
    known = [field.name for field in fields(SbertSettings)]
    for name in table:
        one_of("settings", name, known)
    try:
        return msgspec.convert(dict(table), SbertSettings)
    except msgspec.ValidationError as wrong:
        raise BadInput("settings", dict(table), f"what `adaptd plugins show sbert` lists ({wrong})") from None


# What is noticed


def notes_of(work: Work) -> list[str]:
    """Of the file, and of how its texts are read."""
    return [*work.file.notes, *_rare(work.file), *_preprocessing(work)]


def _rare(file: LabelledFile) -> list[str]:
    rare = [f"{name} ({count})" for name, count in file.counts().items() if count < _FEW]
    return [f"classes with too few rows to be on every side: {', '.join(rare[:9])}"] if rare else []


def _preprocessing(work: Work) -> list[str]:
    if work.settings.preprocess != "tweets":
        return ["texts are read as they are"]
    told = ", ".join(f"{number} {kind}" for kind, number in counted(work.file.texts).items())
    return [f"tweets are read as words: {told} replaced (--no-preprocessing leaves them)"]


# One model


def _of_one(work: Work) -> dict[str, Any]:
    options, file = work.options, work.file
    split = split_of(file, options.seed, options.test_size, options.val_size)
    told = {"split": _told_split(work, split)}
    if options.evaluate_only:
        output, done = Path(options.evaluate_only), {}
        work = work.read_as(output)
        notes = [*notes_of(work), *_seen_before(output, told["split"])]
    else:
        output, notes = Path(options.output), notes_of(work)
        check_output(output)
        done = trained(work, split.train, split.validate, output, told)
    results, gained, drawn = _results(work, split, output)
    document = {
        "model": str(output),
        "notes": notes,
        "rows": {"train": len(split.train), "validate": len(split.validate), "test": len(split.test)},
        "trained": done,
        "results": without_answers(results),
        "gained": gained,
        "pictures": drawn,
    }
    if options.few_labels is not None:
        from plugins.workloads.sbert.few_labels import with_few_labels

        document["few_labels"] = with_few_labels(work, split, options.few_labels)
    return document


def _told_split(work: Work, split: Split) -> dict[str, Any]:
    """What says whether another call draws the same test texts."""
    options = work.options
    sizes = {"test_size": options.test_size, "val_size": options.val_size}
    return {"seed": options.seed, **sizes, "test_texts": work.data_hash(split.test)}


def _seen_before(folder: Path, split: Mapping[str, Any]) -> list[str]:
    """A model that was trained on another draw may know the answers."""
    info = (folder / INFO).read_text() if (folder / INFO).is_file() else ""
    found = re.search(r'^  test_texts: "(\w+)"$', info, re.MULTILINE)
    if found is None:
        return ["this model does not say which texts it learnt from: these may be among them"]
    if found[1] != split["test_texts"]:
        return ["this model was made from another file, seed or sizes: it may have learnt from these test texts"]
    return []


def _results(work: Work, split: Split, output: Path) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    options, known, asked = work.options, split.train, split.test
    seen, truth = work.labels(known), work.labels(asked)
    after, answers = of_model(work, output, known, asked)
    results = {"fine-tuned": measured(after[0], seen, after[1], truth, answers, seed=options.seed)}
    before = of_base(work, known, asked) if options.compare or options.png else []
    if options.compare:
        results["base"] = measured(before[0], seen, before[1], truth, seed=options.seed)
    results["bag of words"] = bag_of_words(work.texts(known), seen, work.texts(asked), truth)
    drawn: list[str] = []
    if options.few_labels is not None and not 0 < options.few_labels < 1:
        raise BadInput("--few-labels", options.few_labels, "a share above 0 and below 1")
    if options.png:
        from plugins.workloads.sbert.pictures import draw_all

        drawn = draw_all(Path(options.png), results, (before[1], after[1]), truth, options.seed)
    return results, gains(truth, results, seed=options.seed), drawn
