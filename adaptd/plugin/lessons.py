"""Small pools that can be learnt: questions on three subjects, with answers and what people said of them.

For the battery of workloads, and for authors' own tests. Every kind of feedback is there: corrections, categories,
thumbs, scores and preferences, each of which says of a question which answer is right, or that one is wrong. What is
right hangs on the question's words alone, so whatever reads texts can learn it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adaptd.plugin.pool import FEEDBACK, LEARN, Pool, Rows, Text

SUBJECTS: dict[str, tuple[str, ...]] = {
    "billing": ("refund", "invoice", "price", "money", "bank"),
    "delivery": ("parcel", "late", "driver", "street", "box"),
    "account": ("password", "login", "mail", "name", "delete"),
}
_FILLERS = ("please", "the", "my", "is", "where", "again", "today", "I", "need", "é", "注文", "🙂")
_SAID = ("correction", "up", "down", "score", "category", "better", "worse")
_SIZE = 16


def lesson_pool(rows: int, seed: int = 3, subjects: Sequence[str] = tuple(SUBJECTS), first: int = 0) -> Pool:
    """A pool of so many rated answers; the same for the same seed. `first` numbers its examples."""
    rng = np.random.default_rng([seed, 17])
    truths = [subjects[place] for place in rng.integers(0, len(subjects), rows)]
    says = [_SAID[place % len(_SAID)] for place in range(rows)]
    texts = [_text(rng, truth, said) for truth, said in zip(truths, says, strict=True)]
    vectors = rng.standard_normal((rows, _SIZE)).astype(np.float32)
    good = np.array([text["output"] == truth for text, truth in zip(texts, truths, strict=True)], np.bool_)
    named = np.array(says, np.str_)

    def fetch_texts(examples: Rows) -> list[Text]:
        return [texts[int(number) - first] for number in examples]

    return Pool.of(
        {
            "example": first + np.arange(rows),
            "artifact_type": rng.integers(1, 3, rows),
            "side": np.full(rows, LEARN),
            "score": np.where(named == "score", np.where(good, 90.0, 10.0), np.nan),
            "feedback": [FEEDBACK[said] for said in says],
            "ups": named == "up",
            "downs": named == "down",
            "worth": np.where(good, 0.8, -0.8),
            "age_days": rng.exponential(20, rows),
            "embedding_row": np.arange(rows),
        },
        names={"artifact_type": (None, "mail", "chat")},
        fetch_texts=fetch_texts,
        fetch_embeddings=lambda places: vectors[places],
    )


def _text(rng: np.random.Generator, truth: str, said: str) -> dict[str, Any]:
    """One answer as its events tell it: what was asked, what was answered, and what somebody said."""
    wrong = next(subject for subject in SUBJECTS if subject != truth)
    answered = {"correction": wrong, "down": wrong, "worse": wrong, "category": wrong}.get(said, truth)
    if said == "score" and rng.random() < 0.3:
        answered = wrong
    words = [*rng.choice(SUBJECTS[truth], 2), *rng.choice(_FILLERS, 3)]
    other = wrong if answered == truth else truth
    return {
        "input": " ".join(rng.permutation(words).tolist()),
        "output": answered,
        "artifact_type": "mail",
        "correction": truth if said == "correction" else None,
        "category": truth if said == "category" else None,
        "thumb": said if said in ("up", "down") else None,
        "verdict": said if said in ("better", "worse") else None,
        "compared_with": other if said in ("better", "worse") else None,
    }
