"""How the log becomes pools: what a workload may learn from, what it is tuned on, and what nobody has rated yet.

A pool is a function of what the examples view and the derived store say, and of the moment; so it can be made for an
earlier place in the log, from examples that are folded up to there. Held out means held out: what shares a subject, an
episode or nearly its input with an example of another use is left out, and counted. Where it is not known yet what is
near to what, there is no pool: NotPrepared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import AdaptdError
from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import FEEDBACK, Pool, Rows, Text
from daemon import sides
from daemon.texts import SEQS
from daemon.views import saying
from daemon.views.columns import places_of

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
LEARN, VALIDATE, JUDGE = (sides.SIDES.index(name) for name in ("learn", "validate", "judge"))
MICROSECONDS_A_DAY = 86_400_000_000
WHY_APART = ("subject", "episode", "near")
_COLUMNS = (
    *("seq", "artifact_type", "side", "received_at", "owner", "episode_key", "mean_score", "ups", "downs"),
    *(*SEQS, "output_retracted", "worth", "heard_at", "said", "asked_propensity"),
)
TELLING = ("correction", "category", "better", "worse", "tie")
"""Feedback that says what is right of an input, and not only of one output."""
CONFIRMING = ("up", "score")
UNSAID = "unsaid"
Ratings = Literal["all", "random", "volunteered"]
Apart = Callable[[Ints], Mask]
_WORDS_OF = {name: (name,) for name in FEEDBACK} | {"implicit": saying.IMPLICIT}


class NotPrepared(AdaptdError):
    """It is not known yet which of the newest outputs are near-duplicates; without that no batch is formed."""

    def __init__(self, prepared: int, needed: int) -> None:
        super().__init__(
            f"embeddings and near-duplicates are known up to event {prepared}, and event {needed} brought an output; "
            "expected them up to there, since a near-duplicate of a held-out example must not be learnt. The daemon "
            "prepares them by itself: wait a moment, or see in its log why it could not."
        )
        self.prepared, self.needed = prepared, needed


class ExamplesLike(Protocol):
    """The examples as of now, or folded up to an earlier place in the log."""

    def resolved(self, *only: str) -> dict[str, NDArray[Any]]: ...
    def listed(self, column: str) -> list[str | None]: ...
    def seqs_under(self, pseudonyms: Ints) -> Ints: ...
    def newest_said(self, rows: Ints, bits: int) -> Ints: ...


class DerivedLike(Protocol):
    """What is derived from the inputs of outputs: daemon/derived.py."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def position(self) -> int:
        """The newest event up to which all outputs are there."""

    def rows_of(self, seqs: Ints) -> Ints:
        """The row of each output, -1 where there is none to read."""

    def near(self, seqs: Ints, position: int) -> Mask:
        """Which of these outputs had, at that place in the log, a near-duplicate that is held out from their use."""

    def near_held_out(self, texts: Sequence[str], position: int) -> Mask:
        """Which of these texts, that no event brought, had one there that is held out from learning."""

    def embeddings(self, rows: Ints) -> NDArray[np.float32]: ...


class TextsLike(Protocol):
    """Where texts come from: daemon/texts.py."""

    def texts(self, rows: Mapping[str, NDArray[Any]]) -> Sequence[Text]: ...
    def sources(self, seqs: Ints) -> Sequence[str | None]: ...


class Source(NamedTuple):
    """All that pools are made from. `destroyed` are the pseudonyms whose keys are gone (`Sealing.destroyed`)."""

    examples: ExamplesLike
    derived: DerivedLike | None  # None while nothing was prepared
    texts: TextsLike
    destroyed: Ints = np.empty(0, np.int64)


class Wanted(NamedTuple):
    """Which examples a workload can use: of these artifact types (none named: all), with any of this feedback."""

    artifact_types: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class Pooled(NamedTuple):
    """A pool, and what was left out of it because it is too close to what is held out, by the reason."""

    pool: Pool
    held_apart: dict[str, int]
    position: int
    embeddings: str | None

    @property
    def advice(self) -> str | None:
        """What to do where holding apart left nothing to learn from; None where something is left."""
        if len(self.pool) or not any(self.held_apart.values()):
            return None
        told = ", ".join(f"{count:,} by {reason}" for reason, count in self.held_apart.items() if count)
        if self.held_apart["subject"]:
            return (
                f"every example shares its subject with a held-out one, or is near to one ({told}). Divide by subject "
                'instead: sides.split_by = "subject" in config.toml holds for what is recorded from then on.'
            )
        if self.held_apart["episode"]:
            return (
                f"every example shares its episode with a held-out one, or is near to one ({told}). Divide by episode "
                'instead: sides.split_by = "episode" in config.toml holds for what is recorded from then on.'
            )
        return f"every example is nearly equal to a held-out one ({told}): more different inputs are needed."


TimesLearnt = Mapping[int, int] | Ints
"""In how many batches an output was, by its number: a mapping, or an array that the number is a place in."""


def pool_of(source: Source, wanted: Wanted, times_learnt: TimesLearnt, moment: Moment) -> Pooled:
    """What may be learnt: the learn side's rated outputs, less what is too close to a held-out one. NotPrepared."""
    table = _Table(source, moment)
    fingerprint = table.check_prepared()
    rows, held_apart = table.apart(np.flatnonzero(table.usable(LEARN, wanted) & table.says(wanted.needs)))
    return Pooled(table.pool(rows, times_learnt), held_apart, moment.log_position, fingerprint)


def validation_of(source: Source, wanted: Wanted, moment: Moment) -> Pool:
    """What training stops and tunes by: the validate side's rated outputs, less near-duplicates of the judge's."""
    table = _Table(source, moment)
    table.check_prepared()
    rows = np.flatnonzero(table.usable(VALIDATE, wanted) & table.says(wanted.needs))
    return table.pool(rows[~table.near(rows)], {})


def unrated_of(source: Source, wanted: Wanted, moment: Moment) -> Pool:
    """What might be asked about, to learn from it: of the learn side, rated by nobody.

    Apart from what is held out, as far as that is prepared: to ask in vain costs a rating, and leaks nothing.
    """
    return _learn_side(source, wanted, moment, rated=False)


def rated_of(source: Source, wanted: Wanted, moment: Moment) -> Pool:
    """The same of what somebody has rated: what is known already when more is asked."""
    return _learn_side(source, wanted, moment, rated=True)


def _learn_side(source: Source, wanted: Wanted, moment: Moment, *, rated: bool) -> Pool:
    table = _Table(source, moment)
    rows, _ = table.apart(np.flatnonzero(table.usable(LEARN, wanted) & (table.is_rated() == rated)))
    return table.pool(rows, {})


def judge_unrated_of(source: Source, wanted: Wanted, moment: Moment) -> Pool:
    """What might be asked about, to judge by it: all outputs of the judge side that nobody has rated."""
    table = _Table(source, moment)
    return table.pool(np.flatnonzero(table.usable(JUDGE, wanted) & ~table.is_rated()), {})


class JudgedOn(NamedTuple):
    """What models are compared on: examples that say what is right, and which of them are fair to both.

    `weights` is one over the propensity where a rating was asked for at random, else 1.
    """

    pool: Pool
    fair: Mask
    weights: NDArray[np.float64]


class Coming(NamedTuple):
    """How ratings come, and how those of some sources come otherwise, such as a validator's."""

    ratings: Ratings = "volunteered"
    of_source: Mapping[str, Ratings] = {}


def judged_of(
    source: Source, wanted: Wanted, moment: Moment, coming: Coming | Ratings, apart: Apart | None = None
) -> JudgedOn:
    """The judge side's examples that say what is right, whoever's output was rated: see `_Table.says_what_is_right`.

    Volunteered ratings stand mainly where the champion erred: fair are those that came for all outputs or at random.
    Where sources come differently, it counts whose word says what is right. `apart` says which outputs are
    near-duplicates of the golden set; they are left out.
    """
    coming = coming if isinstance(coming, Coming) else Coming(coming)
    table = _Table(source, moment)
    rows = np.flatnonzero(table.usable(JUDGE, wanted) & table.says_what_is_right(wanted.needs))
    if apart is not None:
        rows = rows[~apart(table["seq"][rows])]
    rows = rows[np.argsort(table["seq"][rows], kind="stable")]
    propensities = table["asked_propensity"][rows]
    if not coming.of_source:
        return JudgedOn(table.pool(rows, {}), *_fairness(propensities, coming.ratings))
    fair, weights = np.zeros(len(rows), np.bool_), np.ones(len(rows))
    ratings = np.array([coming.of_source.get(name, coming.ratings) for name in table.sources(rows)], np.str_)
    for ways in np.unique(ratings).tolist():
        of = ratings == ways
        fair[of], weights[of] = _fairness(propensities[of], ways)
    return JudgedOn(table.pool(rows, {}), fair, weights)


def sources_of(source: Source, outputs: Ints) -> list[str]:
    """Who said what is right of each of these outputs: human, code, llm_judge, or `unsaid`."""
    table = _Table(source, Moment(0, 0, 0))
    order = np.argsort(table["seq"], kind="stable")
    return table.sources(order[np.searchsorted(table["seq"], outputs, sorter=order)])


def _fairness(propensities: NDArray[np.float64], ratings: Ratings) -> tuple[Mask, NDArray[np.float64]]:
    known, weights = np.isfinite(propensities) & (propensities > 0), np.ones(len(propensities))
    if ratings == "all" or not known.any():
        return np.full(len(known), ratings != "volunteered"), weights
    weights[known] = 1.0 / propensities[known]
    weights[~known] = weights[known].mean()  # of a random share that did not say how large it was
    return known | (ratings == "random"), weights


class _Table:
    """The examples as columns, at one moment."""

    def __init__(self, source: Source, moment: Moment) -> None:
        self._source, self._moment = source, moment
        self._columns = source.examples.resolved(*_COLUMNS)
        self._forget_feedback()

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self._columns[column]

    def check_prepared(self) -> str:
        """The fingerprint of what is derived; NotPrepared where that does not know the newest output."""
        derived, newest = self._source.derived, int(self._columns["seq"].max(initial=0))
        if derived is None or newest > derived.position:
            raise NotPrepared(0 if derived is None else derived.position, newest)
        return derived.fingerprint

    def _forget_feedback(self) -> None:
        """What lies under a destroyed key says nothing any more: a correction without its text is none."""
        if not len(self._source.destroyed):
            return
        gone, said = self._source.examples.seqs_under(self._source.destroyed), self._columns["said"]
        for column, field in (("correction_seq", "correction"), ("preference_seq", "preference")):
            lost = np.isin(self._columns[column], gone) & (self._columns[column] > 0)
            said[lost] &= ~np.int32(saying.FIELDS[field])
            self._columns[column][lost] = 0

    def usable(self, side: int, wanted: Wanted) -> Mask:
        """Outputs of a side that have come, stand, can be read, and are of a wanted type."""
        usable: Mask = (self._columns["side"] == side) & (self._columns["seq"] > 0)
        usable &= ~self._columns["output_retracted"]
        if len(self._source.destroyed):
            usable &= ~np.isin(self._columns["owner"], self._source.destroyed)
        if wanted.artifact_types:
            names = self._source.examples.listed("artifact_type")
            numbers = [number for number, name in enumerate(names) if name in wanted.artifact_types]
            usable &= np.isin(self._columns["artifact_type"], numbers)
        return usable

    def says(self, needs: Sequence[str]) -> Mask:
        """Where any of this was said; where nothing is needed, anything."""
        bits = sum(saying.BIT[word] for name in needs or FEEDBACK for word in _WORDS_OF[name])
        said: Mask = (self._columns["said"] & bits) != 0
        return said

    def is_rated(self) -> Mask:
        rated: Mask = (self._columns["said"] & saying.JUDGEMENT) != 0
        return rated

    def says_what_is_right(self, needs: Sequence[str]) -> Mask:
        """Where a correction, a label or a preference was given, or the output confirmed, and the workload can use it.

        That an output is wrong says nothing of another model's: it counts for whoever answers differently.
        """
        confirmed = self._any_of(CONFIRMING, needs) & (self._columns["worth"] > 0)
        return self._any_of(TELLING, needs) | confirmed

    def sources(self, rows: Ints) -> list[str]:
        """Whose word says what is right: of what was told the first of SEQS, else the newest that confirms."""
        said = np.zeros(len(rows), np.int64)
        for name in SEQS:
            said = np.where(said > 0, said, self._columns[name][rows])
        unsaid = np.flatnonzero(said == 0)
        said[unsaid] = self._source.examples.newest_said(rows[unsaid], sum(saying.BIT[name] for name in CONFIRMING))
        return [name or UNSAID for name in self._source.texts.sources(said)]

    def _any_of(self, names: Sequence[str], needs: Sequence[str]) -> Mask:
        """Where any of this was said, of what is needed."""
        counting = [name for name in names if not needs or name in needs]
        return self.says(counting) if counting else np.zeros(len(self._columns["said"]), np.bool_)

    def apart(self, rows: Ints) -> tuple[Ints, dict[str, int]]:
        """The rows that share nothing with a held-out example, and how many do, each counted under its first reason."""
        held = np.flatnonzero(self._columns["side"] > LEARN)
        counts = {}
        for reason in WHY_APART:
            if reason == "near":
                shares = self.near(rows)
            else:
                column = self._columns["owner" if reason == "subject" else "episode_key"]
                shares = (column[rows] != 0) & np.isin(column[rows], column[held])
            counts[reason] = int(np.count_nonzero(shares))
            rows = rows[~shares]
        return rows, counts

    def near(self, rows: Ints) -> Mask:
        if self._source.derived is None:
            return np.zeros(len(rows), np.bool_)
        return self._source.derived.near(self._columns["seq"][rows], self._moment.log_position)

    def pool(self, rows: Ints, times_learnt: TimesLearnt) -> Pool:
        """The pool of these rows, in the order of the log."""
        rows = rows[np.argsort(self._columns["seq"][rows], kind="stable")]
        table = {name: column[rows] for name, column in self._columns.items()}
        seqs, texts, derived = table["seq"], self._source.texts, self._source.derived
        at = np.where(table["heard_at"] > 0, table["heard_at"], table["received_at"])
        of_texts = {"example": seqs} | {name: table[name] for name in (*SEQS, "ups", "downs", "side")}

        def fetch_texts(examples: Rows) -> Sequence[Text]:
            places = np.searchsorted(seqs, examples)
            return texts.texts({name: column[places] for name, column in of_texts.items()})

        return Pool.of(
            {
                "example": seqs,
                "artifact_type": table["artifact_type"],
                "side": table["side"],
                "score": table["mean_score"],
                "feedback": _feedback(table["said"]),
                "ups": table["ups"],
                "downs": table["downs"],
                "worth": table["worth"],
                "age_days": np.maximum(0, self._moment.now - at) / MICROSECONDS_A_DAY,
                "times_learnt": _times(times_learnt, seqs),
                **({"embedding_row": derived.rows_of(seqs)} if derived is not None else {}),
                **{name: table[name] for name in SEQS},
            },
            names={"artifact_type": tuple(self._source.examples.listed("artifact_type"))},
            fetch_texts=fetch_texts,
            **({"fetch_embeddings": derived.embeddings} if derived is not None else {}),
        )


def _feedback(said: NDArray[np.int32]) -> NDArray[np.int32]:
    """The bits of the log's words as a pool has them."""
    feedback = np.zeros(len(said), np.int32)
    for name, bit in FEEDBACK.items():
        feedback[(said & sum(saying.BIT[word] for word in _WORDS_OF[name])) != 0] |= bit
    return feedback


def _times(times_learnt: TimesLearnt, seqs: Ints) -> NDArray[np.int32]:
    times = np.zeros(len(seqs), np.int32)
    if isinstance(times_learnt, Mapping):
        numbers = np.fromiter(times_learnt.keys(), np.int64, len(times_learnt))
        known, at = places_of(seqs, numbers)
        times[known] = np.fromiter(times_learnt.values(), np.int32, len(times_learnt))[at]
    elif len(times_learnt):
        known = np.flatnonzero(seqs < len(times_learnt))
        times[known] = times_learnt[seqs[known]]
    return times
