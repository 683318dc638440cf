"""K models, each tested on the fold that it has not learnt from: what `adaptd train sbert --folds K` does.

    OUTPUT/fold-1/       a model, as one training leaves it
    OUTPUT/fold-1.json   from what it was made, and what it reached
    OUTPUT/folds.json    the mean over all folds, with intervals

A fold that is whole is not trained again, and one that was interrupted goes on from its checkpoints, when the same
command is given again. A fold of other data or settings is made anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from components.bad_input import BadInput
from components.embeddings import EmbeddingGenerator
from components.fold_intervals import mean_of_folds
from plugins.workloads.sbert.encoder import base_folder
from plugins.workloads.sbert.evaluation import bag_of_words, gains, measured, without_answers
from plugins.workloads.sbert.file_work import Work, folder_of, of_base, of_model, trained
from plugins.workloads.sbert.labelled_file import Split, folds_of
from plugins.workloads.sbert.model_folder import has_head

_OURS = re.compile(r"fold-(\d+)(\.json|\.unfinished)?")
MEASURES = ("accuracy", "macro_f1")


def in_folds(work: Work, notes: Sequence[str]) -> dict[str, Any]:
    """All folds, one after the other, and their mean; as JSON can hold it."""
    output, folds = Path(work.options.output), work.options.folds
    splits = list(folds_of(work.file, work.options.seed, folds, work.options.val_size))
    _check_place(output, folds)
    output.mkdir(parents=True, exist_ok=True)
    found = [_of_fold(work, split, output, number, folds) for number, split in enumerate(splits, 1)]
    document = {"model": str(output), "notes": list(notes), "folds": found, **_summary(found)}
    if work.options.png:
        from plugins.workloads.sbert.pictures import draw_folds

        document["pictures"] = draw_folds(Path(work.options.png), document["confusion"], folds)
    _write(output / "folds.json", document)
    return document


def _check_place(output: Path, folds: int) -> None:
    """Nothing but folds lies there, and no more than are asked for."""
    listed = output.iterdir() if output.is_dir() else [output] if output.exists() else []
    names = [path.name for path in listed if not path.name.startswith(".")]
    ours = [found for name in names if (found := _OURS.fullmatch(name))]
    if len(ours) + ("folds.json" in names) < len(names):
        step = "Name another folder, or empty this one."
        raise BadInput("--output", str(output), "folds, which are gone on with, or nothing", step)
    most = max((int(one[1]) for one in ours), default=0)
    if most > folds:
        step = "Name another folder, or empty this one."
        raise BadInput("--output", f"fold-{most} in {output}", f"at most {folds} folds", step)


def _of_fold(work: Work, split: Split, output: Path, number: int, folds: int) -> dict[str, Any]:
    folder, record = output / f"fold-{number}", output / f"fold-{number}.json"
    known = json.loads(record.read_text()) if record.is_file() else {}
    made_of = _made_of(work, split)
    if known.get("made_of") != made_of or not has_head(folder):
        work.desk.say(f"fold {number} of {folds}")
        done = trained(work, split.train, split.validate, folder, {"fold": number, "folds": folds})
        known = {"made_of": made_of, "rows": _sizes(split), "trained": done}
        _write(record, known)
    if "results" not in known or (work.options.compare and "base" not in known["results"]):
        known |= _measured(work, split, folder)
        _write(record, known)
    return {"fold": number, **{name: known[name] for name in ("rows", "trained", "results", "gained")}}


def _made_of(work: Work, split: Split) -> str:
    """A hash of all that the model of a fold comes from."""
    base = EmbeddingGenerator(str(base_folder(folder_of(work.options.base_model)))).fingerprint
    rows = [work.data_hash(one) for one in (split.train, split.validate, split.test)]
    told = [rows, asdict(work.settings), base, work.options.lora, work.options.seed]
    return blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()


def _sizes(split: Split) -> dict[str, int]:
    return {"train": len(split.train), "validate": len(split.validate), "test": len(split.test)}


def _measured(work: Work, split: Split, folder: Path) -> dict[str, Any]:
    seen, truth, seed = work.labels(split.train), work.labels(split.test), work.options.seed
    after, answers = of_model(work, folder, split.train, split.test)
    results = {"fine-tuned": measured(after[0], seen, after[1], truth, answers, seed=seed)}
    if work.options.compare:
        before = of_base(work, split.train, split.test)
        results["base"] = measured(before[0], seen, before[1], truth, seed=seed)
    results["bag of words"] = bag_of_words(work.texts(split.train), seen, work.texts(split.test), truth)
    return {"results": without_answers(results), "gained": gains(truth, results, seed=seed)}


# Over all folds


def _summary(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    shared = [name for name in folds[0]["results"] if all(name in one["results"] for one in folds)]
    results = {name: _means([one["results"][name] for one in folds]) for name in shared}
    pairs = [(one["from"], one["to"]) for one in folds[0]["gained"]]
    gained = [_mean_gain(pair, folds) for pair in pairs if all(_gain(one, pair) for one in folds)]
    tables = [one["results"]["fine-tuned"]["head"]["confusion"] for one in folds]
    return {"results": results, "gained": gained, "confusion": _added(tables)}


def _means(of_folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ways = [way for way, one in of_folds[0].items() if isinstance(one, Mapping)]
    told: dict[str, Any] = {
        way: {name: asdict(mean_of_folds([one[way][name] for one in of_folds])) for name in MEASURES} for way in ways
    }
    places = [name for name, one in of_folds[0].items() if not isinstance(one, Mapping)]
    return told | {name: asdict(mean_of_folds([one[name] for one in of_folds])) for name in places}


def _gain(fold: Mapping[str, Any], pair: tuple[str, str]) -> Mapping[str, Any] | None:
    return next((one for one in fold["gained"] if (one["from"], one["to"]) == pair), None)


def _mean_gain(pair: tuple[str, str], folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    each = [one for fold in folds if (one := _gain(fold, pair))]
    told = {name: mean_of_folds([one[name]["gain"] for one in each]) for name in MEASURES}
    inside = {name: {"gain": one.mean, "low": one.low, "high": one.high} for name, one in told.items()}
    return {"from": pair[0], "to": pair[1], **inside}


def _added(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of all folds; a class may be met in some of them alone."""
    kept = list(tables)
    names = sorted({name for one in kept for name in one["classes"]})
    counts = np.zeros((len(names), len(names)), np.int64)
    for one in kept:
        places = [names.index(name) for name in one["classes"]]
        counts[np.ix_(places, places)] += np.array(one["counts"], np.int64)
    return {"classes": names, "counts": counts.tolist()}


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    beside.replace(path)
