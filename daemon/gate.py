"""This file knows whether a challenger becomes champion: a pure decision on what both answered to the same examples.

Every clause of the policy is looked at and told, also after one has said no. What is missing is a no: no baseline, no
fair evidence, an answer that is no number. The level of the decision comes from
outside, and so does chance. Nothing here reads, writes, or knows a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from components.promotion_statistics import lower_bound, mcnemar_mid_p, sign_flip_p, smallest_gain
from daemon.gate_clauses import Clause, Verdict, cost_words, gain_words, sentence_of

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ratings = Literal["all", "random", "volunteered"]
TYPES_NAMED = 5
OTHER, NONE_GIVEN = "other", "(none given)"
FEWEST_IN_A_SLICE = 20  # fewer bound nothing: told, and not tested apart
EVERY_DRAW, MOST_DRAWS = 20_000, 1_000_000
QUICK_ENOUGH = 0.001  # seconds an example: what is quicker is measured too roughly to be compared
DRAWS_PER_LEVEL = 20  # of random signs, so that the smallest chance that they can show is well below the level


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What config.toml says of one workload's gate."""

    judge_wanted: int = 200  # fair examples; with fewer, `when_few` decides
    when_few: Literal["wait", "by_hand"] = "wait"
    slice_min: int = 200  # artifact types with fewer are pooled
    margin: float = 0.05  # how much worse a slice may be, in the metric's unit
    margin_level: float = 0.05  # the chance of letting through a slice that is worse by as much
    most_negative_flips: float = 0.10  # of all examples: right before, wrong now
    most_latency: float = 1.25  # times the champion's
    most_size: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How both models did on the same examples, one row each. `higher` is better for every metric here."""

    champion: Floats
    challenger: Floats
    artifact_type: Sequence[str | None]
    fair: Mask  # superiority may be claimed on these: rated all, at random, or weighted
    weights: Floats | None = None  # one over the propensity
    binary: bool = False

    def __len__(self) -> int:
        return len(self.champion)

    @property
    def gains(self) -> Floats:
        """How much better the challenger was, on each."""
        return self.challenger - self.champion

    def of(self, rows: Mask) -> Answers:
        """The same of some rows."""
        return replace(
            self,
            champion=self.champion[rows],
            challenger=self.challenger[rows],
            artifact_type=[name for name, wanted in zip(self.artifact_type, rows.tolist(), strict=True) if wanted],
            fair=self.fair[rows],
            weights=None if self.weights is None else self.weights[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything that a decision rests on."""

    metric: str
    judged: Answers
    golden: Answers | None = None
    ratings: Ratings = "volunteered"
    sources: Sequence[str] | None = None  # of each judged example, who said what is right: told, and decides nothing
    latency: tuple[float, float] | None = None  # champion's and challenger's, in seconds an example
    latencies: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # by type: told, decides nothing
    size: tuple[float, float] | None = None  # in bytes
    level: float = 0.0
    budget_left: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes, no, or for a person to say; with every clause and one sentence."""

    verdict: Verdict
    sentence: str
    clauses: tuple[Clause, ...]
    evidence: Mapping[str, Any]


def decide(case: Case, policy: Policy, rng: Generator) -> Decision:
    """What becomes of the challenger. Raises nothing: evidence that cannot be meant is turned down, and says so."""
    wrong = next(_unusable(case), None)
    if wrong is not None:
        clause = Clause("evidence", holds=False, words=wrong)
        return Decision("turn down", f"Turned down: {wrong}.", (clause,), {"level": case.level})
    clauses = tuple(_clauses(case, policy, rng))
    verdict = _verdict(clauses, case, policy)
    return Decision(
        verdict,
        sentence_of(verdict, clauses, case.metric, binary=case.judged.binary),
        clauses,
        _evidence(case, clauses),
    )


def fair_of(case: Case) -> Answers:
    """What superiority may be claimed on: the fair ones of what is judged, and the golden set.

    Where answers weigh by their propensity, a golden one weighs as they do on the mean.
    """
    judged, golden = case.judged.of(case.judged.fair), case.golden
    if golden is None or not len(golden):
        return judged
    weights = None
    if judged.weights is not None and len(judged):
        weights = np.append(judged.weights, np.full(len(golden), judged.weights.mean()))
    return Answers(
        champion=np.append(judged.champion, golden.champion),
        challenger=np.append(judged.challenger, golden.challenger),
        artifact_type=[*judged.artifact_type, *golden.artifact_type],
        fair=np.ones(len(judged) + len(golden), np.bool_),
        weights=weights,
        binary=case.judged.binary,
    )


def _all_of(case: Case) -> Answers:
    """Everything that was judged beside the golden set; where there is nothing else, that."""
    return case.judged if len(case.judged) or case.golden is None else case.golden


def _clauses(case: Case, policy: Policy, rng: Generator) -> Iterator[Clause]:
    fair = fair_of(case)
    yield _enough(fair, case, policy)
    yield _better(fair, case, rng)
    shown = case.judged.of(case.judged.fair) if case.judged.fair.any() else _all_of(case)
    yield from _slices(shown, policy)
    if case.golden is not None and len(case.golden):
        yield _not_worse("golden set", case.golden, policy)
    if shown.binary:
        yield _flips(shown, policy)
    yield from _budgets(case, policy)


# Is the evidence any?


def _unusable(case: Case) -> Iterator[str]:
    if not len(_all_of(case)):
        yield "there was nothing to judge on"
    for name, answers in (("judged", case.judged), ("golden", case.golden)):
        if answers is not None:
            yield from _misfits(name, answers)
    if not 0 <= case.level < 1 or math.isnan(case.level):
        yield f"the level is {case.level}, expected a chance"


def _misfits(name: str, answers: Answers) -> Iterator[str]:
    rows = len(answers)
    sizes = {len(answers.challenger), len(answers.artifact_type), len(answers.fair)}
    if answers.weights is not None:
        sizes.add(len(answers.weights))
    if sizes != {rows}:
        yield f"the {name} answers do not fit each other: {sorted(sizes | {rows})} rows"
    for whose, figures in (("champion", answers.champion), ("challenger", answers.challenger)):
        if not np.isfinite(figures).all():
            yield f"the {whose}'s {name} answers hold something that is no number"
        elif answers.binary and not np.isin(figures, (0.0, 1.0)).all():
            yield f"the {whose}'s {name} answers are to be right or wrong, and are not"
    if answers.weights is not None and not ((answers.weights > 0) & np.isfinite(answers.weights)).all():
        yield f"the {name} weights are not all above 0"


# The clauses


def _enough(fair: Answers, case: Case, policy: Policy) -> Clause:
    golden = 0 if case.golden is None else len(case.golden)
    of_them = f", {golden} of them golden," if golden else ""
    words = f"{len(fair)} fair examples{of_them} of the {policy.judge_wanted} that are wanted"
    figures = {"fair": len(fair), "golden": golden, "wanted": policy.judge_wanted}
    return Clause("enough", len(fair) >= policy.judge_wanted, words, figures)


def _better(fair: Answers, case: Case, rng: Generator) -> Clause:
    """Superiority on the target metric, on fair evidence alone."""
    gains, chance = fair.gains, _chance_of(fair, case.level, rng)
    gain = _mean(gains, fair.weights)
    seen = smallest_gain(len(gains), float(gains.std()) if len(gains) else 0.0, case.level)
    figures = {
        "rows": len(gains),
        "gain": gain,
        "better": int(np.count_nonzero(gains > 0)),
        "worse": int(np.count_nonzero(gains < 0)),
        "p": chance,
        "level": case.level,
        "smallest_gain": None if math.isinf(seen) else seen,
    }
    told = f"{case.metric} {gain_words(gain, binary=fair.binary)} on {len(gains)} fair examples"
    words = f"{told}, p = {chance:.2g} where {case.level:.2g} is needed"
    return Clause("better", len(gains) > 0 and gain > 0 and chance <= case.level, words, figures)


def _chance_of(fair: Answers, level: float, rng: Generator) -> float:
    """The chance of as much if the challenger were no better; 1 without any answers."""
    if not len(fair):
        return 1.0
    if fair.binary and fair.weights is None:
        return mcnemar_mid_p(int(np.count_nonzero(fair.gains > 0)), int(np.count_nonzero(fair.gains < 0)))
    draws = max(EVERY_DRAW, math.ceil(DRAWS_PER_LEVEL / level)) if level > 0 else EVERY_DRAW
    return sign_flip_p(fair.gains, rng, weights=fair.weights, resamples=min(draws, MOST_DRAWS))


def _mean(gains: Floats, weights: Floats | None) -> float:
    return float(np.average(gains, weights=weights)) if len(gains) else 0.0


def _slices(answers: Answers, policy: Policy) -> Iterator[Clause]:
    """Not worse on any artifact type; those with few examples are taken together, and it is said which they are."""
    names = np.array([NONE_GIVEN if name is None else name for name in answers.artifact_type], dtype=np.str_)
    counted, sizes = np.unique(names, return_counts=True)
    small = counted[sizes < policy.slice_min]
    for name in counted[sizes >= policy.slice_min].tolist():
        yield _not_worse(f"type {name}", answers.of(names == name), policy)
    pooled = np.isin(names, small)
    if len(small) == 1:
        yield _not_worse(f"type {small[0]}", answers.of(pooled), policy)
    elif len(small):
        clause = _not_worse(f"{OTHER} ({len(small)} types)", answers.of(pooled), policy)
        told = [str(name) for name in small[np.argsort(-sizes[sizes < policy.slice_min], kind="stable")]]
        which = ", ".join(told[:TYPES_NAMED]) + (", …" if len(told) > TYPES_NAMED else "")
        words = f"{clause.words}; types of under {policy.slice_min} examples each: {which}"
        yield replace(clause, words=words, figures={**clause.figures, "types": told})


def _not_worse(name: str, answers: Answers, policy: Policy) -> Clause:
    if len(answers) < FEWEST_IN_A_SLICE:
        words = f"{name}: {len(answers)} examples, too few to be looked at apart"
        return Clause(name, holds=True, words=words, figures={"rows": len(answers), "tested": False})
    bound = lower_bound(answers.gains, policy.margin_level, weights=answers.weights)
    gain, least, limit = (gain_words(value, binary=answers.binary) for value in (bound.mean, bound.low, -policy.margin))
    words = f"{name}: {gain}, at least {least}, on {bound.rows} examples; {limit} is the limit"
    figures = {"rows": bound.rows, "gain": bound.mean, "at_least": bound.low, "limit": -policy.margin, "tested": True}
    return Clause(name, bound.low >= -policy.margin, words, figures)


def _flips(answers: Answers, policy: Policy) -> Clause:
    lost = int(np.count_nonzero((answers.champion == 1) & (answers.challenger == 0)))
    share, limit = lost / len(answers), policy.most_negative_flips
    words = f"{lost} of {len(answers)} that were right are wrong now ({share:.1%}); {limit:.1%} is the limit"
    return Clause("negative flips", share <= limit, words, {"flips": lost, "share": share, "limit": limit})


def _budgets(case: Case, policy: Policy) -> Iterator[Clause]:
    for name, pair, most in (("latency", case.latency, policy.most_latency), ("size", case.size, policy.most_size)):
        if pair is None:
            continue
        was, now = pair
        least = QUICK_ENOUGH if name == "latency" else 0.0
        holds = math.isfinite(now) and now <= most * max(least, was)
        bound = f"{most:g} times that" if was > least else f"{most:g} times {cost_words(name, least)}"
        words = f"{name} {cost_words(name, now)}, was {cost_words(name, was)}; {bound} is the limit"
        yield Clause(name, holds, words, {"was": was, "now": now})


# What is said of it


def _verdict(clauses: Sequence[Clause], case: Case, policy: Policy) -> Verdict:
    failed = {clause.name for clause in clauses if not clause.holds}
    if not failed:
        return "promote"
    few = failed == {"enough"} and policy.when_few == "by_hand"
    none_fair = case.ratings == "volunteered" and not case.judged.fair.any()
    unfair = none_fair and "enough" in failed and failed <= {"enough", "better"}
    return "by hand" if few or (unfair and float(_all_of(case).gains.mean()) > 0) else "turn down"


def _evidence(case: Case, clauses: Sequence[Clause]) -> dict[str, Any]:
    smallest = next(clause.figures["smallest_gain"] for clause in clauses if clause.name == "better")
    judged, told = case.judged, _all_of(case)
    return {
        "metric": case.metric,
        "champion": float(told.champion.mean()),
        "challenger": float(told.challenger.mean()),
        "judged": len(judged),
        "fair": int(np.count_nonzero(judged.fair)),
        "golden": 0 if case.golden is None else len(case.golden),
        "smallest_gain": smallest,
        "binary": judged.binary,
        "ratings": case.ratings,
        "sources": _mix(case),
        "latencies": {name: {"was": was, "now": now} for name, (was, now) in case.latencies.items()},
        "level": case.level,
        "budget_left": case.budget_left,
    }


def _mix(case: Case) -> dict[str, dict[str, int]]:
    """How many examples rest on whose word, and how many of those are fair."""
    names = np.array(case.sources or [], np.str_)
    fair = case.judged.fair if len(names) else np.zeros(0, np.bool_)
    return {
        name: {"judged": int((names == name).sum()), "fair": int((fair & (names == name)).sum())}
        for name in np.unique(names).tolist()
    }
