"""Small pools and a small transformer for tests of the workload sbert: real in every part."""

import functools
import tempfile
from pathlib import Path

import numpy as np

from adaptd.plugin import Job, Pool
from adaptd.plugin.pool import FEEDBACK
from plugins.workloads.sbert.settings import SbertSettings
from plugins.workloads.sbert.toy import write_small_model
from plugins.workloads.sbert.workload import Sbert

WORDS = {
    "refund": ["money back please", "i want my money", "give the money back", "refund the order", "pay me back"],
    "parcel": ["where is my parcel", "the parcel is late", "track the parcel", "no parcel came", "parcel lost"],
    "login": ["i forgot my password", "cannot log in", "password reset", "my login fails", "the password is wrong"],
}
QUESTIONS = [(f"{text} {ending}", label) for label, texts in WORDS.items() for text in texts for ending in ("", "!")]
CORRECTED = [{"input": text, "output": "parcel", "correction": label} for text, label in QUESTIONS]
QUICK = {"epochs": 12, "batch_size": 16, "learning_rate": 2e-3, "evaluation_steps": 4, "warmup_steps": 2}
_PLACE = tempfile.TemporaryDirectory(prefix="adaptd-small-bert-")


@functools.cache
def small_model():
    """The folder of a model that has learnt nothing yet."""
    folder = Path(_PLACE.name) / "small-bert"
    write_small_model(folder, words=[word for text, _ in QUESTIONS for word in text.split()])
    return folder


def pool_of(rows):
    """A pool of dicts: input, output, correction, category, score, thumb, weight, type."""
    texts = {number: {"input": "", "output": "", "correction": None} | row for number, row in enumerate(rows)}
    says = [
        sum(bit for name, bit in FEEDBACK.items() if row.get(name) is not None or row.get("thumb") == name)
        for row in rows
    ]
    return Pool.of(
        {
            "example": np.arange(len(rows)),
            "score": [row.get("score", np.nan) for row in rows],
            "feedback": says,
            "ups": [row.get("thumb") == "up" for row in rows],
            "downs": [row.get("thumb") == "down" for row in rows],
            "weight": [row.get("weight", 1.0) for row in rows],
            "artifact_type": [row.get("type", 0) for row in rows],
        },
        names={"artifact_type": (None, "mail", "chat")},
        fetch_texts=lambda numbers: [texts[int(number)] for number in numbers],
    )


def learnt_from(
    rows, folder, *, base=None, validation=(), mode="full", should_stop=lambda: False, log=lambda _: None, **settings
):
    """How a training on these rows ended; the model is in folder / "out"."""
    given = SbertSettings(**(QUICK | settings))
    workload = Sbert(given)
    job = Job(
        dataset=workload.examples(pool_of(rows)),
        validation=workload.examples(pool_of(validation)) if validation else None,
        base_model=base or small_model(),
        out=folder / "out",
        checkpoints=folder / "checkpoints",
        settings=given,
        mode=mode,
        device="cpu",
        rng=np.random.default_rng(3),
        log=log,
        should_stop=should_stop,
    )
    return workload.train(job)


def answers(folder, inputs):
    return Sbert(SbertSettings()).predict(folder / "out", inputs, "cpu")


def judged(folder, rows):
    return judged_at(folder / "out", rows)


def judged_at(model, rows):
    workload = Sbert(SbertSettings())
    return workload.judge(model, workload.examples(pool_of(rows)), "cpu")


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def baseline(rows):
    workload = Sbert(SbertSettings())
    return workload.baseline(workload.examples(pool_of(rows)))
