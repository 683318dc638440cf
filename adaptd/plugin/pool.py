"""The pool: examples as columns, from which stages make what is learnt tonight.

Columns are numpy arrays of one length; row i of every column is the same example. A pool is never changed: what a stage
does gives another pool. Every step can say why, per row, and what was left out keeps its reason too. Texts and
embeddings are fetched for the rows that are asked for, since a pool may have a million.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLUMNS: dict[str, type[np.generic]] = {
    "example": np.int64,  # the number in the log of the event that brought the output; derived ones count down from -2
    "artifact_type": np.int32,  # a place in names["artifact_type"]; 0 is none given
    "side": np.int8,  # 1 learn; a stage never sees another
    "score": np.float64,  # 0 to 100, NaN where nobody gave one
    "feedback": np.int32,  # what was said, as bits: FEEDBACK
    "ups": np.int32,  # thumbs that stand
    "downs": np.int32,
    "worth": np.float64,  # -1 to 1, what all feedback on it comes to, undecayed; NaN where none says anything of it
    "age_days": np.float64,  # at the moment, of the newest feedback
    "times_learnt": np.int32,  # in how many batches of this workload it was; 0 is new
    "reward": np.float64,  # -1 to 1, NaN until a stage gives one
    "difficulty": np.float64,  # 0 to 1, NaN until a stage gives one
    "weight": np.float64,  # how much it counts in training
    "embedding_row": np.int64,  # -1 where there is none
    "derived_from": np.int64,  # the example that this one was made from; -1 for what was recorded
}
"""Every pool has these. Stages may add others."""

FEEDBACK: dict[str, int] = {
    name: 1 << place
    for place, name in enumerate(
        ("score", "up", "down", "type", "category", "comment", "correction", "better", "worse", "tie", "implicit")
    )
}
"""The bits of the column `feedback`."""

LEARN = 1
NONE = -1
FIRST_DERIVED = -2

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Text = Mapping[str, Any]  # input, output, correction …: what an example's events say
Texts = Callable[[Rows], Sequence[Text]]
Embeddings = Callable[[Rows], NDArray[np.float32]]


class WrongPool(ValueError):
    """A pool that cannot be: columns that do not fit each other, or a name that is not there."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What one stage says of some examples: words with a place for each row's own values."""

    stage: str
    words: str  # as for str.format: "margin {0:.2f}, the smallest of its cluster"
    examples: Rows
    values: tuple[NDArray[Any], ...] = ()
    kept: bool = True  # False: why they are not in the pool any more

    def of(self, example: int) -> list[str]:
        """The words for one example; none where nothing was said of it."""
        return [
            self.words.format(*(value[place].item() for value in self.values))
            for place in np.flatnonzero(self.examples == example)
        ]


def _no_texts(rows: Rows) -> Sequence[Text]:
    return [{} for _ in rows]


def _no_embeddings(rows: Rows) -> NDArray[np.float32]:
    return np.zeros((len(rows), 0), np.float32)


@dataclass(frozen=True)
class Pool:
    """Examples as columns. Make the first one with `Pool.of`, every other one with a method of a pool."""

    columns: Mapping[str, NDArray[Any]]
    names: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    derived: Mapping[int, Text] = field(default_factory=dict)  # texts of examples that a stage made
    fetch_texts: Texts = _no_texts
    fetch_embeddings: Embeddings = _no_embeddings

    @classmethod
    def of(cls, columns: Mapping[str, ArrayLike], **rest: Any) -> Pool:
        """A pool of these columns, with those that are missing as nothing; WrongPool where they do not fit."""
        if "example" not in columns:
            raise WrongPool(f"a pool without the column 'example': found {', '.join(columns) or 'none'}")
        rows = len(np.atleast_1d(np.asarray(columns["example"])))
        whole = {name: _nothing(name, rows) for name in COLUMNS} | dict(columns)
        return cls({name: _column(name, values, rows) for name, values in whole.items()}, **rest)

    def __len__(self) -> int:
        return len(self.columns["example"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column, for reading: to change it, make another pool with `with_columns`."""
        try:
            return self.columns[name]
        except KeyError:
            raise WrongPool(f"no column {name!r}, expected one of {', '.join(self.columns)}") from None

    # Making another pool

    def with_columns(self, **columns: ArrayLike) -> Pool:
        """The same examples with columns added or replaced; `example` and `side` are not a stage's to change."""
        for name in ("example", "side", "derived_from"):
            if name in columns:
                raise WrongPool(f"column {name!r} is not a stage's to change; take rows, or derive new ones")
        made = {name: _column(name, values, len(self)) for name, values in columns.items()}
        return replace(self, columns={**self.columns, **made})

    def take(self, rows: ArrayLike) -> Pool:
        """These rows in this order, each at most once."""
        chosen = np.asarray(rows, np.int64)
        if chosen.ndim != 1 or (len(chosen) and (chosen.min() < 0 or chosen.max() >= len(self))):
            raise WrongPool(f"rows of shape {chosen.shape}, expected row numbers from 0 to {len(self) - 1}")
        seen = np.zeros(len(self), np.bool_)
        seen[chosen] = True
        if np.count_nonzero(seen) < len(chosen):
            raise WrongPool("a row was taken twice; give it more weight instead")
        return self._of_rows(chosen)

    def keep(self, mask: ArrayLike, stage: str, otherwise: str, *values: ArrayLike) -> Pool:
        """The rows where `mask` holds; the others go, with the reason `otherwise` (values are columns of this pool)."""
        holds = np.asarray(mask)
        if holds.dtype != np.bool_ or holds.shape != (len(self),):
            raise WrongPool(f"a mask of {holds.dtype} {holds.shape}, expected bool ({len(self)},)")
        gone = np.flatnonzero(~holds)
        if not len(gone):
            return self
        return self.because(stage, otherwise, gone, *values, kept=False)._of_rows(holds)

    def _of_rows(self, rows: Rows | Mask) -> Pool:
        return replace(self, columns={name: _frozen(column[rows]) for name, column in self.columns.items()})

    def because(self, stage: str, words: str, rows: ArrayLike, *values: ArrayLike, kept: bool = True) -> Pool:
        """The same pool with a reason for these rows; each of `values` is a whole column, as `words` refer to them."""
        chosen = np.asarray(rows, np.int64)
        columns = tuple(_frozen(_column("value", value, len(self))[chosen]) for value in values)
        reason = Reason(stage, words, _frozen(self["example"][chosen]), columns, kept)
        return replace(self, reasons=(*self.reasons, reason))

    def derive(self, sources: ArrayLike, texts: Sequence[Text], stage: str, words: str, weight: float = 1.0) -> Pool:
        """The pool with new examples after the others, each made from the row in `sources` beside its text."""
        rows = np.asarray(sources, np.int64)
        if len(rows) != len(texts):
            raise WrongPool(f"{len(texts)} texts for {len(rows)} sources, expected one for each")
        if not len(rows):
            return self
        first = min(FIRST_DERIVED, int(self["example"].min()) - 1)
        numbers = first - np.arange(len(rows), dtype=np.int64)
        own = {
            "example": numbers,
            "derived_from": self["example"][rows],
            "embedding_row": np.full(len(rows), NONE),
            "weight": self["weight"][rows] * weight,
        }
        columns = {
            name: _frozen(np.concatenate([column, np.asarray(own.get(name, column[rows]), column.dtype)]))
            for name, column in self.columns.items()
        }
        made = {int(number): dict(text) for number, text in zip(numbers, texts, strict=True)}
        grown = replace(self, columns=columns, derived={**self.derived, **made})
        return grown.because(stage, words, np.arange(len(self), len(grown)))

    # Looking

    def in_order(self, mask: ArrayLike | None = None) -> Rows:
        """The rows (where `mask` holds) by their example's number, so that a choice does not depend on their order."""
        rows = np.arange(len(self)) if mask is None else np.flatnonzero(np.asarray(mask, np.bool_))
        numbers = self["example"][rows]
        return rows if (numbers[1:] > numbers[:-1]).all() else rows[np.argsort(numbers, kind="stable")]

    def newest(self, mask: ArrayLike, most: int) -> Rows:
        """So many of the rows where `mask` holds, the newest, of equal ages those recorded last; as in_order has them.

        A row whose age is not known counts as the oldest.
        """
        rows = self.in_order(mask)
        if len(rows) <= most:
            return rows
        age = np.nan_to_num(self["age_days"][rows], nan=np.inf, posinf=np.inf)
        limit = np.partition(age, most - 1)[most - 1] if most else -np.inf
        younger, as_old = np.flatnonzero(age < limit), np.flatnonzero(age == limit)
        newest: Rows = rows[np.sort(np.concatenate([younger, as_old[len(as_old) - (most - len(younger)) :]]))]
        return newest

    def texts(self, rows: ArrayLike) -> list[Text]:
        """What these rows say: input, output and the rest. Ask for the chosen few."""
        chosen = np.asarray(rows, np.int64)
        numbers = self["example"][chosen].tolist()
        recorded = np.array([number not in self.derived for number in numbers], np.bool_)
        fetched = iter(self.fetch_texts(self["example"][chosen[recorded]]))
        return [next(fetched) if number not in self.derived else self.derived[number] for number in numbers]

    def embeddings(self, rows: ArrayLike) -> NDArray[np.float32]:
        """The embeddings of these rows; rows without one are zeros."""
        places = self["embedding_row"][np.asarray(rows, np.int64)]
        found = np.asarray(self.fetch_embeddings(places[places >= 0]), np.float32)
        if len(found) == len(places):
            return found
        whole = np.zeros((len(places), found.shape[1]), np.float32)
        whole[places >= 0] = found
        return whole

    def says(self, *names: str) -> Mask:
        """The rows of which any of these was said: `pool.says("correction", "down")`."""
        unknown = [name for name in names if name not in FEEDBACK]
        if unknown:
            raise WrongPool(f"no feedback {unknown[0]!r}, expected one of {', '.join(FEEDBACK)}")
        bits = sum(FEEDBACK[name] for name in names)
        held: Mask = (self["feedback"] & bits) != 0
        return held

    def reasons_for(self, example: int) -> Iterator[tuple[str, str, bool]]:
        """Stage, words and whether it stayed, in the order in which the stages spoke."""
        for reason in self.reasons:
            for words in reason.of(example):
                yield reason.stage, words, reason.kept


def _nothing(name: str, rows: int) -> NDArray[Any]:
    kind = COLUMNS[name]
    if name in ("embedding_row", "derived_from"):
        return np.full(rows, NONE, kind)
    if name in ("weight", "side"):
        return np.ones(rows, kind)
    return np.full(rows, np.nan if kind is np.float64 else 0, kind)


def _column(name: str, values: ArrayLike, rows: int) -> NDArray[Any]:
    kind = COLUMNS.get(name)
    try:
        column = np.asarray(values, kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise WrongPool(f"column {name!r}: {error}, expected {kind.__name__ if kind else 'numbers'}") from None
    if column.shape != (rows,):
        raise WrongPool(f"column {name!r} has shape {column.shape}, expected ({rows},)")
    if column.dtype == np.object_:
        raise WrongPool(f"column {name!r} holds Python objects, expected numbers or text of a fixed length")
    return _frozen(column)


def _frozen(column: NDArray[Any]) -> NDArray[Any]:
    """The column, which nobody can write to through this array."""
    if column.flags.writeable:
        column = column.view()
        column.flags.writeable = False
    return column
