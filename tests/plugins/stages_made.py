"""How the tests make a stage by its name, a pool of few columns, and texts by hand."""

from pathlib import Path

import numpy as np

from adaptd.plugin import Pool
from adaptd.plugin.pool import FEEDBACK
from daemon.plugin_loading import load

ROOT = Path(__file__).parents[2]


def made(name, **settings):
    return load("stage", name, ROOT).make(settings, name)


def module_of(name):
    import sys

    return sys.modules[load("stage", name, ROOT).made_by.__module__]


def pool_of(texts=None, **columns):
    """A pool of these columns; examples are numbered from 1 unless told."""
    rows = len(next(iter(columns.values()))) if columns else len(texts)
    columns.setdefault("example", np.arange(1, rows + 1))
    columns.setdefault("age_days", np.zeros(rows))
    by_number = dict(zip(np.asarray(columns["example"]).tolist(), texts or [{}] * rows, strict=True))
    return Pool.of(
        columns,
        names={"artifact_type": (None, "erd", "chat", "code_prototype")},
        fetch_texts=lambda numbers: [by_number[int(number)] for number in numbers],
    )


def said(*names):
    return sum(FEEDBACK[name] for name in names)


def words_of(pool, example):
    return [words for _, words, _ in pool.reasons_for(example)]
