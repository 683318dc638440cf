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

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ratings = Literal["all", "random", "volunteered"]
Verdict = Literal["promote", "turn down", "by hand"]
OTHER, NONE_GIVEN = "other", "(none given)"
FEWEST_IN_A_SLICE = 20  # fewer bound nothing: told, and not tested apart
EVERY_DRAW, MOST_DRAWS = 20_000, 1_000_000
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
    size: tuple[float, float] | None = None  # in bytes
    level: float = 0.0
    budget_left: float = 0.0


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that was looked at: whether it holds, and in words with its figures."""

    name: str
    holds: bool
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)


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
    return Decision(verdict, _sentence(verdict, clauses, case), clauses, _evidence(case))


def _clauses(case: Case, policy: Policy, rng: Generator) -> Iterator[Clause]:
    yield _enough(case, policy)
    yield _better(case, rng)
    shown = case.judged.of(case.judged.fair) if case.judged.fair.any() else case.judged
    yield from _slices(shown, policy)
    if case.golden is not None and len(case.golden):
        yield _not_worse("golden set", case.golden, policy)
    if shown.binary:
        yield _flips(shown, policy)
    yield from _budgets(case, policy)


# Is the evidence any?


def _unusable(case: Case) -> Iterator[str]:
    if not len(case.judged):
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


def _enough(case: Case, policy: Policy) -> Clause:
    fair = int(np.count_nonzero(case.judged.fair))
    words = f"{fair} fair examples of the {policy.judge_wanted} that are wanted"
    return Clause("enough", fair >= policy.judge_wanted, words, {"fair": fair, "wanted": policy.judge_wanted})


def _better(case: Case, rng: Generator) -> Clause:
    """Superiority on the target metric, on fair evidence alone."""
    fair = case.judged.of(case.judged.fair)
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
    told = f"{case.metric} {_told(gain, fair)} on {len(gains)} fair examples"
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


def _told(gain: float, answers: Answers) -> str:
    return f"{100 * gain:+.1f} points" if answers.binary else f"{gain:+.3g}"


def _slices(answers: Answers, policy: Policy) -> Iterator[Clause]:
    """Not worse on any artifact type; those with few examples are taken together."""
    names = np.array([NONE_GIVEN if name is None else name for name in answers.artifact_type], dtype=np.str_)
    counted, sizes = np.unique(names, return_counts=True)
    small = counted[sizes < policy.slice_min]
    for name in counted[sizes >= policy.slice_min].tolist():
        yield _not_worse(f"type {name}", answers.of(names == name), policy)
    pooled = np.isin(names, small)
    if pooled.any():
        name = f"{OTHER} ({len(small)} types)" if len(small) > 1 else f"type {small[0]}"
        yield _not_worse(name, answers.of(pooled), policy)


def _not_worse(name: str, answers: Answers, policy: Policy) -> Clause:
    if len(answers) < FEWEST_IN_A_SLICE:
        words = f"{name}: {len(answers)} examples, too few to be looked at apart"
        return Clause(name, holds=True, words=words, figures={"rows": len(answers), "tested": False})
    bound = lower_bound(answers.gains, policy.margin_level, weights=answers.weights)
    gain, least, limit = (_told(value, answers) for value in (bound.mean, bound.low, -policy.margin))
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
        holds = math.isfinite(now) and now <= most * was
        words = f"{name} {_amount(name, now)}, was {_amount(name, was)}; {most:g} times that is the limit"
        yield Clause(name, holds, words, {"was": was, "now": now})


def _amount(name: str, value: float) -> str:
    if name == "size":
        return f"{value:,.0f} bytes"
    return f"{value:.3g} s an example" if value >= 1.0 else f"{1000 * value:.3g} ms an example"


# What is said of it


def _verdict(clauses: Sequence[Clause], case: Case, policy: Policy) -> Verdict:
    failed = {clause.name for clause in clauses if not clause.holds}
    if not failed:
        return "promote"
    few = failed == {"enough"} and policy.when_few == "by_hand"
    unfair = case.ratings == "volunteered" and not case.judged.fair.any() and failed <= {"enough", "better"}
    return "by hand" if few or (unfair and float(case.judged.gains.mean()) > 0) else "turn down"


def _sentence(verdict: Verdict, clauses: Sequence[Clause], case: Case) -> str:
    if verdict == "promote":
        figures = next(clause.figures for clause in clauses if clause.name == "better")
        gain = _told(figures["gain"], case.judged)
        told = f"{case.metric} {gain} on {figures['rows']} fair examples"
        return f"Promoted: {told}, and worse nowhere by more than allowed."
    first = next(clause for clause in clauses if not clause.holds)
    if verdict == "by hand":
        return f"Not promoted by itself: {first.words}. A person may promote it."
    return f"Turned down: {first.words}."


def _evidence(case: Case) -> dict[str, Any]:
    judged = case.judged
    return {
        "metric": case.metric,
        "champion": float(judged.champion.mean()),
        "challenger": float(judged.challenger.mean()),
        "judged": len(judged),
        "fair": int(np.count_nonzero(judged.fair)),
        "golden": 0 if case.golden is None else len(case.golden),
        "ratings": case.ratings,
        "sources": _mix(case),
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
