"""How many labelled texts a second fine-tuning takes, beside the stock trainers on the same texts.

    python -m bench.sbert_throughput [--steps 40] [--rounds 3] [--threads 2] [--only ours] [--data FILE.jsonl]

Each case is a process of its own: the same model, texts, longest text and batch, which it goes through twice. The
second time counts as a whole, since a trainer that groups by length takes the longest texts first. Texts a second are
told by the clock and by processor time, which other programs on the machine disturb less; ratios are of the latter.
The stock trainers are sentence-transformers' with SoftmaxLoss(text, text), as the document has it, and
with a head for one text; and that of transformers with its own grouping by length, which the former does not have.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.labelled_texts import SHARED
from bench.measuring import RESULTS, goal, machine, spread, write_json

BATCH, LONGEST = 32, 128
CASES = ("ours", "ours_bf16", "stock_pair", "stock_single", "stock_grouped", "stock_single_bf16")
RATIOS = {  # name: (above, below, the goal of the issue where there is one)
    "float32 over SoftmaxLoss(text, text)": ("ours", "stock_pair", 3.5),
    "float32 over a single-text head": ("ours", "stock_single", 1.7),
    "float32 over transformers' length grouping": ("ours", "stock_grouped", 1.0),
    "bfloat16 over a single-text head in bfloat16": ("ours_bf16", "stock_single_bf16", 1.7),
}


class Meter:
    """When each step ended, by both clocks."""

    def __init__(self, steps: int, device: str = "cpu") -> None:
        self.steps = steps  # of one time through the texts
        self.device = device
        self.ends: list[tuple[float, float]] = []

    def step(self, *_: Any) -> None:
        if self.device != "cpu":  # where a step is handed over before it is done
            import torch

            torch.cuda.synchronize()
        self.ends.append((time.monotonic(), time.process_time()))

    def rates(self) -> dict[str, float]:
        """Texts a second, the second time."""
        (began, busy), (ended, worked) = self.ends[self.steps - 1], self.ends[2 * self.steps - 1]
        texts = BATCH * self.steps
        return {"texts_per_second": texts / (ended - began), "texts_per_processor_second": texts / (worked - busy)}


@dataclass(frozen=True)
class Place:
    """Where a training happens, and what it begins from."""

    folder: Path
    device: str
    base: Path | None  # None: all-MiniLM-L6-v2


def main() -> int:
    given = _arguments()
    if given.case:
        print(json.dumps(_rates_of(given)))
        return 0
    write_json(given.json, result_of(rounds_of(given), given))
    return 0


def rounds_of(given: argparse.Namespace, until: float = float("inf")) -> dict[str, list[dict[str, float]]]:
    """What each case reached in each round; after `until` on the monotonic clock no further round begins."""
    cases = [case for case in CASES if case in (given.only or CASES)]
    found: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
    for number in range(given.rounds):
        if number and time.monotonic() > until:
            break
        for case in cases if number % 2 == 0 else reversed(cases):
            found[case].append(_in_a_process(case, given))
            print(f"{case}: {found[case][-1]}", file=sys.stderr, flush=True)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.sbert_throughput")
    add_options(parser)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--device", default="cpu", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, default=RESULTS / "sbert_throughput.json")
    return parser.parse_args()


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is measured: texts, model, how often."""
    parser.add_argument("--data", type=Path, default=SHARED / "davidson.jsonl.gz")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", action="append", choices=CASES)
    parser.add_argument("--base-model", type=Path, help="another folder than that of all-MiniLM-L6-v2")


def _in_a_process(case: str, given: argparse.Namespace) -> dict[str, float]:
    options = ["--data", str(given.data), "--steps", str(given.steps), "--threads", str(given.threads)]
    options += ["--device", given.device, *(["--base-model", str(given.base_model)] if given.base_model else [])]
    environment = os.environ | {"OMP_NUM_THREADS": str(given.threads), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "bench.sbert_throughput", "--case", case, *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ended.returncode:
        raise SystemExit(f"{case} ended with {ended.returncode}:\n{ended.stderr}")
    return json.loads(ended.stdout.splitlines()[-1])


def texts_of(given: argparse.Namespace) -> tuple[list[str], list[int]]:
    """As many as the steps take, with their labels as numbers."""
    from plugins.workloads.sbert.labelled_file import read_file

    file = read_file(given.data)
    rows = np.random.default_rng(1).permutation(len(file))[: given.steps * BATCH]
    names = {name: place for place, name in enumerate(sorted(set(file.labels)))}
    return [file.texts[row] for row in rows], [names[file.labels[row]] for row in rows]


def _rates_of(given: argparse.Namespace) -> dict[str, float]:
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(given.threads)
    meter = Meter(given.steps, given.device)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), given.device, given.base_model)
        _TRAININGS[given.case](*texts_of(given), meter, place)
    return meter.rates()


# The cases


def _ours(texts: list[str], labels: list[int], meter: Meter, place: Place, precision: str = "float32") -> None:
    from adaptd.plugin import Job
    from plugins.workloads.sbert import Sbert
    from plugins.workloads.sbert.labels import Labelled
    from plugins.workloads.sbert.settings import SbertSettings

    settings = SbertSettings(
        epochs=2, batch_size=BATCH, max_tokens=LONGEST, precision=precision, checkpoint_every=10**6, patience=None
    )
    job = Job(
        dataset=Labelled.of(texts, [str(label) for label in labels]),
        validation=None,
        base_model=place.base,
        out=place.folder / "out",
        checkpoints=place.folder / "checkpoints",
        settings=settings,
        mode="full",
        device=place.device,
        rng=np.random.default_rng(1),
        log=meter.step,
        should_stop=lambda: False,
    )
    Sbert(settings).train(job)


def _stock(texts: list[str], labels: list[int], meter: Meter, place: Place, *, pair: bool, bf16: bool = False) -> None:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import SoftmaxLoss

    model = _encoder(place)
    columns = {"a": texts, **({"b": texts} if pair else {}), "label": labels}
    classes = max(labels) + 1
    loss = SoftmaxLoss(model, model.get_embedding_dimension(), classes) if pair else _single_head(model, classes)
    arguments = SentenceTransformerTrainingArguments(bf16=bf16, **_same(place))
    trainer = SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_dict(columns), loss=loss, callbacks=[_callback(meter)]
    )
    trainer.train()


def _stock_grouped(texts: list[str], labels: list[int], meter: Meter, place: Place) -> None:
    """The trainer of transformers, tokenised before, rows of like length together."""
    from datasets import Dataset
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    model = _encoder(place)
    tokens = model.tokenizer(texts, truncation=True, max_length=LONGEST)["input_ids"]
    rows = {"input_ids": tokens, "length": [len(one) for one in tokens], "labels": labels}
    arguments = TrainingArguments(
        train_sampling_strategy="group_by_length", length_column_name="length", bf16=False, **_same(place)
    )
    trainer = Trainer(
        model=_classifier(model, max(labels) + 1),
        args=arguments,
        train_dataset=Dataset.from_dict(rows),
        data_collator=DataCollatorWithPadding(model.tokenizer),
        callbacks=[_callback(meter)],
    )
    trainer.train()


def _encoder(place: Place) -> Any:
    from plugins.workloads.sbert.encoder import base_folder, open_encoder

    model = open_encoder(base_folder(place.base), place.device)
    model.max_seq_length = LONGEST
    return model


def _same(place: Place) -> dict[str, Any]:
    return {
        "output_dir": str(place.folder),
        "num_train_epochs": 2,
        "per_device_train_batch_size": BATCH,
        "learning_rate": 1e-4,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "use_cpu": place.device == "cpu",
        "disable_tqdm": True,
    }


def _single_head(model: Any, classes: int) -> Any:
    import torch

    class SingleText(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.head = model, torch.nn.Linear(model.get_embedding_dimension(), classes)

        def forward(self, features: Any, labels: Any) -> Any:
            embedding = self.model(next(iter(features)))["sentence_embedding"]
            return torch.nn.functional.cross_entropy(self.head(20 * embedding), labels.view(-1))

    return SingleText()


def _classifier(model: Any, classes: int) -> Any:
    import torch

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.head = model, torch.nn.Linear(model.get_embedding_dimension(), classes)

        def forward(self, input_ids: Any, attention_mask: Any, labels: Any) -> Any:
            embedding = self.model({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]
            logits = self.head(20 * embedding)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    return Classifier()


def _callback(meter: Meter) -> Any:
    from transformers import TrainerCallback

    class Steps(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            meter.step()

    return Steps()


_TRAININGS: dict[str, Any] = {
    "ours": _ours,
    "ours_bf16": lambda *given: _ours(*given, precision="bfloat16"),
    "stock_pair": lambda *given: _stock(*given, pair=True),
    "stock_single": lambda *given: _stock(*given, pair=False),
    "stock_grouped": _stock_grouped,
    "stock_single_bf16": lambda *given: _stock(*given, pair=False, bf16=True),
}


def result_of(found: dict[str, list[dict[str, float]]], given: argparse.Namespace) -> dict[str, Any]:
    names = ("texts_per_second", "texts_per_processor_second")
    rates = {case: {name: spread([one[name] for one in rounds]) for name in names} for case, rounds in found.items()}
    clock = names[1] if given.device == "cpu" else names[0]  # a card's time is not the processor's
    ratios, goals = {}, {}
    for name, (above, below, limit) in RATIOS.items():
        if above not in found or below not in found:
            continue
        each = [a[clock] / b[clock] for a, b in zip(found[above], found[below], strict=True)]
        ratios[name] = spread(each)
        goals[name] = goal(float(np.median(each)), limit, at_most=False)
    settings = {"batch": BATCH, "longest": LONGEST, "steps": given.steps, "threads": given.threads}
    return {"machine": machine(), "data": given.data.name, **settings, "rates": rates, "ratios": ratios, "goals": goals}


if __name__ == "__main__":
    sys.exit(main())
