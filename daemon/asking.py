"""Which outputs people are asked to rate: the most worth learning from, or a fair draw of those to judge by.

The first are of the learn side, apart from what is held out: typical ones until there are enough ratings, then the
least certain in each of many clusters (components/asking.py), over the vectors of inputs. The second are drawn
uniformly from the judge side, which makes their ratings fair evidence. What is named is an event, with how likely each
was to be named; a rating that follows carries it. A choice by rule has no chance in it: its propensity is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import AdaptdError
from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import Pool
from components.asking import choose_to_ask
from components.bad_input import BadInput
from daemon.clock_and_chance import Chance
from daemon.derived import open_derived
from daemon.event_kinds import OUTPUTS_ASKED, own_event
from daemon.opening import State
from daemon.pooling import Source, Wanted, judge_unrated_of, rated_of, unrated_of
from daemon.settings import Settings
from daemon.texts import TextSource

MOST_AT_ONCE = 1_000
MOST_LOOKED_AT = 10_000  # outputs among which the choice is made: some seconds at most, in the daemon's own process
MOST_RATED = 2_000  # the newest ratings, from which a light probe learns what it is unsure of
REQUEST = {"limit": int, "workload": str, "artifact_type": str, "random": bool}


class CannotAsk(AdaptdError):
    """A request to name outputs that cannot be done as it stands."""

    exit_code = 2


class Request(NamedTuple):
    """How many outputs, of which workload or type, and whether they are drawn to judge by."""

    limit: int
    workload: str | None = None
    artifact_type: str | None = None
    random: bool = False

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Request:
        """CannotAsk for a field that says what cannot be meant."""
        given = {name: fields[name] for name in REQUEST if fields.get(name) is not None}
        for name, value in given.items():
            if type(value) is not REQUEST[name]:
                raise CannotAsk(f"ask: {name} = {value!r}, expected {REQUEST[name].__name__}")
        if not 1 <= given.get("limit", 0) <= MOST_AT_ONCE:
            raise CannotAsk(f"ask: limit = {given.get('limit')}, expected a number from 1 to {MOST_AT_ONCE:,}")
        return cls(**given)


class Chosen(NamedTuple):
    """Rows of a pool, why each, how likely each was, and out of how many."""

    pool: Pool
    rows: NDArray[np.int64]
    why: list[dict[str, Any]]
    propensity: float
    of: int
    how: str


def ask(state: State, settings: Settings, request: Request, now: int, chance: Chance) -> dict[str, Any]:
    """Names outputs, and puts that into the log; CannotAsk where the workload is not there."""
    moment = Moment(now, state.log.head().seq, int.from_bytes(chance.secret_bytes(6)))
    chosen = choose(source_of(state), _wanted(settings, request), request, moment)
    outputs = _named(state, chosen)
    if outputs:
        told = [{"seq": one["seq"], "propensity": one["propensity"]} for one in outputs]
        body = {"kind": _kind(request), "workload": request.workload, "outputs": told}
        state.log.append([own_event(OUTPUTS_ASKED, body, now, chance)])
        state.views.catch_up()
    return {"kind": _kind(request), "of": chosen.of, "how": chosen.how, "outputs": outputs}


def source_of(state: State) -> Source:
    """What pools are made from, of an opened state folder."""
    destroyed = np.array(state.sealing.destroyed(), np.int64)
    texts = TextSource(state.log, state.sealing.unseal)
    return Source(state.views.examples, open_derived(state.state_dir), texts, destroyed)


def choose(source: Source, wanted: Wanted, request: Request, moment: Moment) -> Chosen:
    """What to ask about, the most wanted first; fewer than asked for where there are no more."""
    if request.random:
        return _by_chance(judge_unrated_of(source, wanted, moment), request.limit, moment, "drawn from the judge side")
    pool = unrated_of(source, wanted, moment)
    ranked = pool.take(np.flatnonzero(pool["embedding_row"] >= 0))
    if not len(ranked):
        return _by_chance(pool, request.limit, moment, "drawn by chance: no embeddings are prepared yet")
    return _by_worth(ranked, rated_of(source, wanted, moment), request.limit, moment, len(pool))


def _by_chance(pool: Pool, limit: int, moment: Moment, how: str) -> Chosen:
    count = min(limit, len(pool))
    rows = moment.rng("ask").choice(len(pool), count, replace=False)
    share = count / len(pool) if count else 1.0
    return Chosen(pool, rows, [{"chance": share} for _ in range(count)], share, len(pool), how)


def _by_worth(pool: Pool, rated: Pool, limit: int, moment: Moment, of: int) -> Chosen:
    rng = moment.rng("ask")
    if len(pool) > MOST_LOOKED_AT:
        pool = pool.take(np.sort(rng.choice(len(pool), MOST_LOOKED_AT, replace=False)))
    scores = np.where(np.isnan(rated["score"]), 50 * (1 + rated["worth"]), rated["score"])
    known = np.flatnonzero(~np.isnan(scores) & (rated["embedding_row"] >= 0))[-MOST_RATED:]
    points = np.concatenate((rated.embeddings(known), pool.embeddings(np.arange(len(pool)))))
    try:
        labelled = np.arange(len(known))
        choice = choose_to_ask(points, min(limit, len(pool)), labelled=labelled, scores=scores[known], rng=rng)
    except BadInput as error:
        raise CannotAsk(f"ask: {error}") from None
    why = [choice.why(place) for place in range(len(choice.rows))]
    return Chosen(pool, choice.rows - len(known), why, 1.0, of, f"{choice.strategy}, {choice.how}")


def _wanted(settings: Settings, request: Request) -> Wanted:
    types: tuple[str, ...] = ()
    if request.workload is not None:
        if request.workload not in settings.workloads:
            known = ", ".join(settings.workloads) or "none"
            raise CannotAsk(f"ask: no workload {request.workload!r}, expected one of config.toml's: {known}")
        types = settings.workloads[request.workload].artifact_types
    if request.artifact_type is None:
        return Wanted(types)
    if types and request.artifact_type not in types:
        told = f"artifact type {request.artifact_type!r} is not one that workload {request.workload!r} learns from"
        raise CannotAsk(f"ask: {told}, expected one of {', '.join(types)}")
    return Wanted((request.artifact_type,))


def _kind(request: Request) -> str:
    return "random" if request.random else "learn"


def _named(state: State, chosen: Chosen) -> list[dict[str, Any]]:
    """What is told of each: never a text."""
    names, told = chosen.pool.names["artifact_type"], []
    for row, why in zip(chosen.rows.tolist(), chosen.why, strict=True):
        seq = int(chosen.pool["example"][row])
        ((event_id,),) = state.log.read_after(seq - 1, 1, ("id",))
        artifact_type = names[int(chosen.pool["artifact_type"][row])]
        told.append(
            {"seq": seq, "id": event_id, "artifact_type": artifact_type, "propensity": chosen.propensity, "why": why}
        )
    return told
