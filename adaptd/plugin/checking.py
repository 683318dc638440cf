"""What every stage must hold to, whoever wrote it: the battery that tests and `adaptd plugins check` run.

It shapes small pools of many sorts and looks at what comes back. It does not judge whether a stage does any good: the
ablations do.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import COLUMNS, FEEDBACK, LEARN, Pool, Rows, Text
from adaptd.plugin.stage import StageRefused

MOMENT = Moment(now=1_763_600_000_000_000, log_position=1000, seed=7)
EMBEDDING_SIZE = 16
_UNIT = {"reward": (-1.0, 1.0), "difficulty": (0.0, 1.0), "weight": (0.0, np.inf)}


def pools() -> Iterator[tuple[str, Pool]]:
    """Named pools of the sorts that a night may bring."""
    yield "an empty pool", made_pool(0)
    yield "one example", made_pool(1)
    yield "three hundred examples", made_pool(300)
    yield "nobody gave a score", made_pool(60).with_columns(score=np.full(60, np.nan), feedback=np.zeros(60, np.int32))
    yield "all alike", _all_alike(50)
    yield "rewards and difficulties known", _with_rewards(made_pool(120))


def made_pool(rows: int, seed: int = 3) -> Pool:
    """A pool of so many examples, with texts and embeddings, the same for the same seed."""
    rng = np.random.default_rng(seed)
    scored = rng.random(rows) < 0.8
    bits = np.array(list(FEEDBACK.values()), np.int32)
    vectors = rng.standard_normal((rows, EMBEDDING_SIZE)).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    texts = {number: _text(number, rng) for number in range(rows)}

    def fetch_texts(examples: Rows) -> list[Text]:
        return [texts[int(number)] for number in examples]

    return Pool.of(
        {
            "example": np.arange(rows),
            "artifact_type": rng.integers(0, 3, rows),
            "side": np.full(rows, LEARN),
            "score": np.where(scored, rng.uniform(0, 100, rows), np.nan),
            "feedback": np.where(scored, FEEDBACK["score"], rng.choice(bits, rows) if rows else 0),
            "age_days": rng.exponential(20, rows),
            "embedding_row": np.where(rng.random(rows) < 0.9, np.arange(rows), -1),
        },
        names={"artifact_type": (None, "erd", "chat")},
        fetch_texts=fetch_texts,
        fetch_embeddings=lambda rows: vectors[rows],
    )


def _text(number: int, rng: np.random.Generator) -> Text:
    words = rng.choice(["order", "customer", "parcel", "where", "blue", "é", "注文", "🙂"], 1 + number % 12)
    return {"input": " ".join(words), "output": f"answer {number}: " + " ".join(words[::-1]), "correction": None}


def _all_alike(rows: int) -> Pool:
    pool = made_pool(rows)
    return pool.with_columns(
        score=np.full(rows, 70.0), age_days=np.zeros(rows), embedding_row=np.zeros(rows), artifact_type=np.ones(rows)
    )


def _with_rewards(pool: Pool) -> Pool:
    rng = np.random.default_rng(5)
    return pool.with_columns(reward=rng.uniform(-1, 1, len(pool)), difficulty=rng.random(len(pool)))


def problems_of(make: Callable[[], Any]) -> list[str]:
    """What is wrong with a stage, in words; nothing when it holds. `make` gives a new one each time."""
    return [f"{named}: {problem}" for named, pool in pools() for problem in _problems(make, pool)]


def problems_in(pool: Pool, shaped: Any) -> list[str]:
    """What is wrong with the rows and values that a stage gave for this pool: what no training may be handed."""
    if not isinstance(shaped, Pool):
        return [f"it returned {type(shaped).__name__}, expected a Pool"]
    missing = [name for name in COLUMNS if name not in shaped.columns]
    if missing:
        return [f"it returned a pool without the column {missing[0]!r}"]
    return [*_wrong_rows(pool, shaped), *_wrong_values(shaped)]


def _problems(make: Callable[[], Any], pool: Pool) -> Iterator[str]:
    before = copied(pool)
    try:
        with other_chance(1) as drawn:
            shaped = make().shape(pool, MOMENT)
        with other_chance(2):
            again = make().shape(copied(pool), MOMENT)
    except StageRefused:
        return
    except Exception as error:  # noqa: BLE001 whatever an author's code does is what is looked for
        yield f"it raised {type(error).__name__}: {error}; expected a pool, or StageRefused with the reason"
        return
    if not isinstance(shaped, Pool):
        yield from problems_in(pool, shaped)
        return
    if not equal(pool, before):
        yield "it changed the pool it was given; expected another pool"
    if not equal(shaped, again):
        yield "the same pool and moment gave two different pools; chance comes from moment.rng(name), time from moment"
    if drawn:
        yield "it drew from the global random generators; expected moment.rng(name)"
    yield from problems_in(pool, shaped)
    yield from _wrong_reasons(make(), pool, shaped)


def _wrong_rows(pool: Pool, shaped: Pool) -> Iterator[str]:
    examples = shaped["example"]
    if examples is pool["example"] and shaped["derived_from"] is pool["derived_from"]:
        return  # the very same rows: a stage that only added columns
    if not (examples[1:] > examples[:-1]).all() and len(np.unique(examples)) < len(examples):
        yield "an example is there twice; expected each once, with more weight"
    recorded = shaped["derived_from"] < 0
    if not np.isin(examples[recorded], pool["example"]).all():
        yield "an example came from nowhere; expected rows of the pool, or pool.derive"
    if not np.isin(shaped["derived_from"][~recorded], pool["example"]).all():
        yield "a derived example without its source among the pool's"


def _wrong_values(shaped: Pool) -> Iterator[str]:
    for name, (low, high) in _UNIT.items():
        values = shaped[name]
        values = values if name == "weight" else values[~np.isnan(values)]
        if not ((values >= low) & (values <= high) & np.isfinite(values)).all():
            yield f"column {name!r} beyond {low:g} to {high:g}, or not finite"
    if (shaped["side"] != LEARN).any():
        yield "an example of another side than learn"


def _wrong_reasons(stage: Any, pool: Pool, shaped: Pool) -> Iterator[str]:
    new = shaped.reasons[len(pool.reasons) :]
    if shaped.reasons[: len(pool.reasons)] != pool.reasons:
        yield "it changed the reasons of earlier stages"
    for reason in new:
        if reason.stage != stage.name:
            yield f"a reason in the name of {reason.stage!r}, expected {stage.name!r}"
        elif len(reason.examples):
            try:
                reason.of(int(reason.examples[0]))
            except (IndexError, KeyError, ValueError) as error:
                yield f"the reason {reason.words!r} cannot be said: {error}"
    gone = ~np.isin(pool["example"], shaped["example"])
    told = [reason.examples for reason in new if not reason.kept]
    if not np.isin(pool["example"][gone], np.concatenate(told) if told else np.zeros(0)).all():
        yield "examples were left out without a reason; expected pool.keep, or because(…, kept=False)"


def copied(pool: Pool) -> Pool:
    return Pool(
        {name: column.copy() for name, column in pool.columns.items()},
        pool.names,
        pool.reasons,
        dict(pool.derived),
        pool.fetch_texts,
        pool.fetch_embeddings,
    )


def equal(one: Pool, other: Pool) -> bool:
    return (
        one.columns.keys() == other.columns.keys()
        and all(_same(one.columns[name], other.columns[name]) for name in one.columns)
        and one.derived == other.derived
    )


def _same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


@contextmanager
def other_chance(seed: int) -> Iterator[list[bool]]:
    """Global generators in a state of their own; gives what is true afterwards where they were drawn from.

    Afterwards they are as before. torch's own is seeded too, where it is loaded: many a loop seeds it itself, so only
    what comes of it can tell.
    """
    were = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    fresh = _states()
    drawn: list[bool] = []
    try:
        yield drawn
    finally:
        drawn += [True] if _states() != fresh else []
        random.setstate(were[0])
        np.random.set_state(were[1])


def _states() -> tuple[Any, ...]:
    name, keys, *place = np.random.get_state()
    return random.getstate(), name, bytes(np.asarray(keys)), place
