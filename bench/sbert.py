"""What fine-tuning MiniLM on labelled texts reaches, beside the untuned model and a bag of words.

    python -m bench.sbert [--seeds 3] [--train 8000] [--set learning_rate=1e-4] [--data FILE.jsonl] [--keep FOLDER]
    python -m bench.sbert --judge FOLDER/seed-1/out --data OTHER.jsonl

Splits are stratified, 70% to learn from, 9% to validate, 21% to test, drawn by the seed; at most `--train` of the first
are learnt from. All that answers knows the same training texts. `--keep` leaves each seed's model there, and goes
on from its checkpoints where the bench was killed; `--judge` says what such a model answers on all texts of a file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.labelled_texts import SHARED
from bench.measuring import RESULTS, goal, machine, write_json
from components.bad_input import BadInput

GOALS = {"head accuracy": 0.905, "head macro-F1": 0.765, "k-NN accuracy": 0.895}
MOST_SECONDS = 600
TOLD = ("seed", "seconds", "processor_seconds", "best_step", "head", "knn", "regression", "tfidf_balanced")


def main() -> int:
    given = _arguments()
    import torch

    torch.set_num_threads(given.threads)
    try:
        if given.judge is not None:
            print(json.dumps(_judged(given)))
            return 0
        result = _result(given)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    write_json(given.json, result)
    for name, one in result["goals"].items():
        print(f"{'met' if one['met'] else 'missed':<7} {name}: {one['value']:.4f}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.sbert")
    parser.add_argument("--data", type=Path, default=SHARED / "davidson.jsonl.gz")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--train", type=int, default=8000, help="texts to learn from at most")
    parser.add_argument("--validate", type=int, default=1000, help="texts to validate on at most")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the workload")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--base-model", type=Path, help="another folder than that of all-MiniLM-L6-v2")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="train nothing; ask this model")
    parser.add_argument("--keep", type=Path, help="a folder for the models")
    parser.add_argument("--json", type=Path, default=RESULTS / "sbert.json")
    return parser.parse_args()


def _result(given: argparse.Namespace) -> dict[str, Any]:
    from plugins.workloads.sbert.labelled_file import read_file
    from plugins.workloads.sbert.settings import SbertSettings

    file = read_file(given.data)
    told = {"precision": "auto", "preprocess": "tweets"} | dict(_setting(one) for one in given.set)
    settings = SbertSettings(**told)
    seeds = []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        seeds.append(_of_seed(file, settings, seed, given))
        print(json.dumps({name: seeds[-1][name] for name in TOLD}), flush=True)
    return {
        "machine": machine(),
        "data": given.data.name,
        "settings": {name: getattr(settings, name) for name in SbertSettings.__dataclass_fields__},
        "seeds": seeds,
        "goals": _goals(seeds),
    }


def _setting(told: str) -> tuple[str, Any]:
    name, _, value = told.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _of_seed(file: Any, settings: Any, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    from plugins.workloads.sbert.evaluation import bag_of_words
    from plugins.workloads.sbert.labelled_file import split_of

    split = split_of(file, seed)
    rng = np.random.default_rng([seed, 7])
    rows = [np.sort(rng.permutation(one)[:most]) for one, most in _sizes(split, given)]
    texts, labels = np.array(file.texts, object), np.array(file.labels, np.str_)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) if given.keep is None else given.keep / f"seed-{seed}"
        learn, validate = ((texts[one].tolist(), labels[one].tolist()) for one in rows[:2])
        trained = _trained(place, settings, seed, given.base_model, learn, validate)
        found = _measured(place / "out", texts, labels, rows, seed)
    known, asked = rows[0], rows[2]
    words = bag_of_words(texts[known].tolist(), labels[known], texts[asked].tolist(), labels[asked])
    told = {name: _short(one) if isinstance(one, dict) else one for name, one in {**found, **words}.items()}
    return {"seed": seed, "learnt_from": len(known), "tested_on": len(asked), **trained, **told}


def _sizes(split: Any, given: argparse.Namespace) -> list[tuple[Any, int]]:
    return [(split.train, given.train), (split.validate, given.validate), (split.test, len(split.test))]


def _short(one: dict[str, Any]) -> dict[str, Any]:
    f1 = {name: round(value, 4) for name, value in one["per_class"].items()}
    return {"accuracy": round(one["accuracy"], 4), "macro_f1": round(one["macro_f1"], 4), "f1": f1}


def _trained(place: Path, settings: Any, seed: int, base: Path | None, learn: Any, validate: Any) -> dict[str, Any]:
    from adaptd.plugin import Job
    from plugins.workloads.sbert import Sbert
    from plugins.workloads.sbert.labels import Labelled

    began, busy, told = time.monotonic(), time.process_time(), []
    job = Job(
        dataset=Labelled.of(*learn),
        validation=Labelled.of(*validate),
        base_model=base,
        out=place / "out",
        checkpoints=place / "checkpoints",
        settings=settings,
        mode="full",
        device="cpu",
        rng=np.random.default_rng(seed),
        log=lambda figures: _progress(figures, told, began),
        should_stop=lambda: False,
    )
    done = Sbert(settings).train(job)
    seconds, processor = time.monotonic() - began, time.process_time() - busy
    steps = int(done.metrics["steps"])
    return {
        "state": done.state,
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "steps": steps,
        "best_step": done.metrics.get("best_step"),
        "validation": {
            name: round(value, 4) for name, value in done.metrics.items() if name in ("correct", "macro_f1")
        },
        "texts_per_second": round(steps * settings.batch_size / seconds, 1),
    }


def _progress(figures: Any, told: list[Any], began: float) -> None:
    told.append(figures)
    if len(told) % 50 == 0:
        seconds = time.monotonic() - began
        loss = np.mean([one["loss"] for one in told[-50:]])
        print(f"  step {figures['step']} of {figures['steps']}, loss {loss:.3f}, {seconds:.0f} s", file=sys.stderr)


def _measured(model: Path, texts: Any, labels: Any, rows: list[Any], seed: int) -> dict[str, Any]:
    from plugins.workloads.sbert.evaluation import measured
    from plugins.workloads.sbert.model_folder import Model

    loaded = Model.load(model)
    known, asked = (loaded.embeddings(texts[one].tolist(), "auto") for one in (rows[0], rows[2]))
    answers = np.array(loaded.head.classes)[loaded.chances_of(asked).argmax(1)]
    return measured(known, labels[rows[0]], asked, labels[rows[2]], answers, seed=seed)


def _judged(given: argparse.Namespace) -> dict[str, Any]:
    from plugins.workloads.sbert.evaluation import figures
    from plugins.workloads.sbert.labelled_file import read_file
    from plugins.workloads.sbert.model_folder import Model

    file, model = read_file(given.data), Model.load(given.judge)
    answers = np.array(model.head.classes)[model.chances(file.texts, "auto").argmax(1)]
    return {"texts": len(file), **_short(figures(np.array(file.labels, np.str_), answers))}


def _goals(seeds: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    mean = {
        "head accuracy": np.mean([one["head"]["accuracy"] for one in seeds]),
        "head macro-F1": np.mean([one["head"]["macro_f1"] for one in seeds]),
        "k-NN accuracy": np.mean([one["knn"]["accuracy"] for one in seeds]),
    }
    goals = {name: goal(float(mean[name]), limit, at_most=False) for name, limit in GOALS.items()}
    ahead = [one["head"]["macro_f1"] - one["tfidf_balanced"]["macro_f1"] for one in seeds]
    error = float(np.std(ahead, ddof=1) / np.sqrt(len(ahead))) if len(ahead) > 1 else 0.0
    goals["macro-F1 above TF-IDF balanced, less two standard errors"] = goal(
        float(np.mean(ahead) - 2 * error), 0.0, at_most=False
    )
    goals["seconds a seed"] = goal(max(one["seconds"] for one in seeds), MOST_SECONDS, at_most=True)
    return goals


if __name__ == "__main__":
    sys.exit(main())
