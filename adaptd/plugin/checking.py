"""What every stage must hold to, whoever wrote it: the battery that tests and `adaptd plugins check` run.

It shapes small pools of many sorts and looks at what comes back. It does not judge whether a stage does any good: the
ablations do.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import COLUMNS, FEEDBACK, LEARN, NONE, Pool, Rows, Text
from adaptd.plugin.stage import FiresAt, Remembering, Sizing, StageRefused

MOMENT = Moment(now=1_763_600_000_000_000, log_position=1000, seed=7)
EMBEDDING_SIZE = 16
LARGE, MOST_TEXTS = 20_000, 5_000
OUTPUT_BEGINS = "answer "
_UNIT = {"reward": (-1.0, 1.0), "difficulty": (0.0, 1.0), "weight": (0.0, np.inf)}


def pools() -> Iterator[tuple[str, Pool]]:
    """Named pools of the sorts that a night may bring."""
    yield "an empty pool", made_pool(0)
    yield "one example", made_pool(1)
    yield "three hundred examples", made_pool(300)
    yield "nobody gave a score", made_pool(60).with_columns(score=np.full(60, np.nan), feedback=np.zeros(60, np.int32))
    yield "all alike", _all_alike(50)
    yield "rewards and difficulties known", _with_rewards(made_pool(120))
    yield "most were learnt before", _learnt_before(made_pool(200, seed=4))
    yield "no texts and no embeddings", Pool.of(dict(_learnt_before(made_pool(80)).columns))
    yield "rows in no order", made_pool(150).take(np.random.default_rng(8).permutation(150))


def made_pool(rows: int, seed: int = 3, *, texts: bool = True) -> Pool:
    """A pool of so many examples, with texts (unless told) and embeddings, the same for the same seed."""
    rng = np.random.default_rng(seed)
    scored = rng.random(rows) < 0.8
    bits = np.array(list(FEEDBACK.values()), np.int32)
    vectors = rng.standard_normal((rows, EMBEDDING_SIZE)).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    made = {number: _text(number, rng) for number in range(rows)} if texts else {}

    def fetch_texts(examples: Rows) -> list[Text]:
        return [made.get(int(number), {}) for number in examples]

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
    return {
        "input": " ".join(words),
        "output": f"{OUTPUT_BEGINS}{number}: " + " ".join(words[::-1]),
        "correction": None,
    }


def _all_alike(rows: int) -> Pool:
    pool = made_pool(rows)
    return pool.with_columns(
        score=np.full(rows, 70.0), age_days=np.zeros(rows), embedding_row=np.zeros(rows), artifact_type=np.ones(rows)
    )


def _with_rewards(pool: Pool) -> Pool:
    rng = np.random.default_rng(5)
    return pool.with_columns(reward=rng.uniform(-1, 1, len(pool)), difficulty=rng.random(len(pool)))


def _learnt_before(pool: Pool) -> Pool:
    """With thumbs and worths, four fifths of it learnt in one batch or more."""
    rng, rows = np.random.default_rng(6), len(pool)
    return pool.with_columns(
        times_learnt=np.where(rng.random(rows) < 0.8, rng.integers(1, 9, rows), 0),
        ups=rng.integers(0, 3, rows),
        downs=rng.integers(0, 3, rows),
        worth=np.where(rng.random(rows) < 0.9, rng.uniform(-1, 1, rows), np.nan),
    )


def problems_of(make: Callable[[], Any]) -> list[str]:
    """What is wrong with a stage, in words; nothing when it holds. `make` gives a new one each time."""
    found = [f"{named}: {problem}" for named, pool in pools() for problem in _problems(make, pool)]
    return found + [f"a large pool: {problem}" for problem in _too_many_texts(make)]


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
        make().shape(copied(pool), MOMENT)  # what a library draws when it is first loaded is not the stage's doing
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
    yield from _wrong_counts(pool, shaped)
    yield from _wrong_reasons(make(), pool, shaped)
    yield from _wrong_sizing(make, pool)
    yield from _wrong_memory(make, pool)


def _wrong_rows(pool: Pool, shaped: Pool) -> Iterator[str]:
    examples = shaped["example"]
    if examples is pool["example"] and shaped["derived_from"] is pool["derived_from"]:
        return  # the very same rows: a stage that only added columns
    if not (examples[1:] > examples[:-1]).all() and len(np.unique(examples)) < len(examples):
        yield "an example is there twice; expected each once, with more weight"
    recorded = shaped["derived_from"] == NONE
    if not np.isin(examples[recorded], pool["example"]).all():
        yield "an example came from nowhere; expected rows of the pool, or pool.derive"
    if not np.isin(shaped["derived_from"][~recorded], np.append(pool["example"], shaped["example"])).all():
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
        elif any(value.dtype.kind not in "biuf" for value in reason.values):
            yield f"the reason {reason.words!r} has values that are not numbers; reasons are stored unsealed"
        elif OUTPUT_BEGINS in reason.words:
            yield f"the reason {reason.words!r} quotes a text of the pool; expected the stage's own words and numbers"
        elif len(reason.examples):
            try:
                reason.of(int(reason.examples[0]))
            except (IndexError, KeyError, ValueError) as error:
                yield f"the reason {reason.words!r} cannot be said: {error}"
    gone = ~np.isin(pool["example"], shaped["example"])
    told = [reason.examples for reason in new if not reason.kept]
    if not np.isin(pool["example"][gone], np.concatenate(told) if told else np.zeros(0)).all():
        yield "examples were left out without a reason; expected pool.keep, or because(…, kept=False)"
    if told and np.isin(np.concatenate(told), shaped["example"]).any():
        yield "a reason says that an example was left out, and it is there; expected kept=True"


def _wrong_counts(pool: Pool, shaped: Pool) -> Iterator[str]:
    """How often an example was learnt is the log's to say, of a derived one its source's."""
    source = np.where(shaped["derived_from"] == NONE, shaped["example"], shaped["derived_from"])
    known = np.isin(source, pool["example"])
    order = pool.in_order()
    places = order[np.searchsorted(pool["example"][order], source[known])]
    if (shaped["times_learnt"][known] != pool["times_learnt"][places]).any():
        yield "it changed times_learnt; expected the log's own count"


def _wrong_sizing(make: Callable[[], Any], pool: Pool) -> Iterator[str]:
    if not isinstance(make(), Sizing):
        return
    try:
        fires, again = make().fires_at(pool, MOMENT), make().fires_at(copied(pool), MOMENT)
    except Exception as error:  # noqa: BLE001 whatever an author's code does is what is looked for
        yield f"fires_at raised {type(error).__name__}: {error}; expected FiresAt"
        return
    if not isinstance(fires, FiresAt):
        yield f"fires_at returned {type(fires).__name__}, expected FiresAt"
    elif type(fires.new_examples) is not int or fires.new_examples < 1 or not fires.words:
        yield f"fires_at returned {fires}, expected a whole number of at least 1, and words"
    elif fires != again:
        yield f"fires_at returned {fires} and {again} for one pool and moment, expected the same"


def _wrong_memory(make: Callable[[], Any], pool: Pool) -> Iterator[str]:
    """What a stage remembers can be saved and had back, and a page is nobody's to change."""
    first, second = make(), make()
    if not isinstance(first, Remembering) or not isinstance(second, Remembering):
        return
    page = copied(pool)
    try:
        first.remember(page.columns)
        memory: Any = first.memory()
        second.restore(memory)
        shaped = [_shaped(stage, pool) for stage in (first, second)]
    except Exception as error:  # noqa: BLE001 whatever an author's code does is what is looked for
        yield f"remembering raised {type(error).__name__}: {error}; expected remember, memory and restore to work"
        return
    if not isinstance(memory, bytes):
        yield f"memory() returned {type(memory).__name__}, expected bytes"
    elif second.memory() != memory:
        yield "memory() after restore() is another; expected the bytes that were restored"
    if not equal(page, pool):
        yield "remember() changed the page it was given"
    if (shaped[0] is None) != (shaped[1] is None) or (shaped[0] and shaped[1] and not equal(shaped[0], shaped[1])):
        yield "a stage that was restored shapes otherwise than the one whose memory it has"


def _shaped(stage: Any, pool: Pool) -> Pool | None:
    try:
        shaped: Pool = stage.shape(pool, MOMENT)
    except StageRefused:
        return None
    return shaped


def _too_many_texts(make: Callable[[], Any]) -> Iterator[str]:
    """A text costs a reading of the log: whatever the pool's size, so many are enough."""
    read: set[int] = set()

    def fetch_texts(examples: Rows) -> list[Text]:
        read.update(examples.tolist())
        return [{"input": f"question {number}", "output": f"{OUTPUT_BEGINS}{number}"} for number in examples.tolist()]

    pool = replace(_learnt_before(made_pool(LARGE, texts=False)), fetch_texts=fetch_texts)
    try:
        make().shape(pool.with_columns(times_learnt=np.zeros(LARGE)), MOMENT)
    except Exception:  # noqa: BLE001 the small pools tell what raises; here one counts
        return
    if len(read) > MOST_TEXTS:
        yield f"it read {len(read)} texts of {LARGE}, expected at most {MOST_TEXTS}: choose by columns first"


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
