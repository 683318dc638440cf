"""What the gate's promises come to over years of nights, simulated with the very code that decides.

    python -m bench.gate --years 40 --json bench/results/gate.json

A year is 365 nights; each night a challenger answers the judge set beside the champion. Nothing is better: how many are
promoted all the same, beside what was promised, for right-or-wrong and for continuous figures, for one workload and
for five that share the budget, with a judge set of which every example serves so many nights and is then replaced; and
on a golden set alone, which stays for the whole year, beside volunteered ratings. The peers: «the validation score is
higher», and a plain test at 5%. Then: how often a true gain is seen; what volunteered corrections alone would promote;
and whether a regression in one artifact type is let through.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.measuring import machine, write_json
from components.promotion_statistics import left_of, level_now, mcnemar_mid_p
from daemon.gate import Answers, Case, Decision, Policy, decide

NIGHTS = 365
FLIPS = 0.15  # the share of examples on which two models of one kind differ
PER_YEAR = 1.0
SERVES = 20  # nights that a judge example is used for
REDRAWN = 0.45  # of a golden set's examples a model of the same worth answers so many anew: some FLIPS differ
TYPES = ("erd", "code", "chat")
Rng = np.random.Generator


class JudgeSet(NamedTuple):
    """How hard each example is for models of this kind, and how many nights it has served."""

    ease: np.ndarray
    served: np.ndarray

    @classmethod
    def drawn(cls, rows: int, rng: Rng) -> JudgeSet:
        return cls(rng.beta(2, 1, rows), rng.integers(0, SERVES, rows))

    def after_a_night(self, rng: Rng) -> JudgeSet:
        over = self.served + 1 >= SERVES
        return JudgeSet(np.where(over, rng.beta(2, 1, len(over)), self.ease), np.where(over, 0, self.served + 1))


class Champion:
    """What the model in use answers to each example: right or wrong, or how well."""

    def __init__(self, judge: JudgeSet, rng: Rng, *, binary: bool) -> None:
        self.binary = binary
        self.answers = self.fresh(judge, rng)

    def fresh(self, judge: JudgeSet, rng: Rng) -> np.ndarray:
        if self.binary:
            return (rng.random(len(judge.ease)) < judge.ease).astype(float)
        return judge.ease + rng.standard_gamma(2.0, len(judge.ease)) / 4

    def renew(self, judge: JudgeSet, rng: Rng) -> None:
        self.answers = np.where(judge.served == 0, self.fresh(judge, rng), self.answers)

    def of_the_same_worth(self, judge: JudgeSet, rng: Rng) -> np.ndarray:
        """Another model of that kind, on the same examples: where the champion had bad luck, it has less."""
        return np.where(rng.random(len(self.answers)) < REDRAWN, self.fresh(judge, rng), self.answers)

    def challenged(self, gain: float, rng: Rng) -> np.ndarray:
        """Another model that is better by `gain` on the whole: right or wrong differ on FLIPS of the examples."""
        rows = len(self.answers)
        if not self.binary:
            return self.answers + gain + (rng.standard_gamma(1.0, rows) - 1.0) * 0.4
        right = self.answers == 1
        lost = (FLIPS - gain) / 2 / max(right.mean(), 1e-9)
        won = (FLIPS + gain) / 2 / max(1 - right.mean(), 1e-9)
        return np.where(rng.random(rows) < np.where(right, lost, won), 1 - self.answers, self.answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=40)
    parser.add_argument("--json", type=Path, default=Path("bench/results/gate.json"))
    options = parser.parse_args()
    results = measure(options.years)
    print("\n".join(report(results)))
    write_json(options.json, results)


def measure(years: int) -> dict[str, Any]:
    nothing_better = {
        f"{kind}, {workloads} sharing": false_promotions(years, workloads, binary=kind == "binary")
        for kind in ("binary", "continuous")
        for workloads in (1, 5)
    }
    golden = [golden_alone(np.random.default_rng([29, year])) for year in range(years)]
    nothing_better["golden set alone"] = {"years": years, "gate": mean_told(np.array(golden))}
    return {
        "what": "the gate over simulated years",
        "machine": machine(),
        "nights": NIGHTS,
        "per_year": PER_YEAR,
        "serves": SERVES,
        "nothing_better": nothing_better,
        "power": {str(rows): power(rows, 25 * years) for rows in (400, 800, 1000)},
        "volunteered": share_of(25 * years, volunteered),
        "regression_in_one_type": share_of(25 * years, regression),
    }


def false_promotions(years: int, workloads: int, *, binary: bool) -> dict[str, Any]:
    counts = np.array([one_year(workloads, np.random.default_rng([17, year]), binary=binary) for year in range(years)])
    names = ("gate", "plain test at 5%", "score is higher")
    return {"years": years} | {name: mean_told(counts[:, place]) for place, name in enumerate(names)}


def mean_told(counts: np.ndarray) -> dict[str, float]:
    """The mean number a year, with its 95% interval; of counts that are all 0 by the rule of three."""
    mean, years = float(counts.mean()), len(counts)
    error = 1.96 * float(counts.std(ddof=1)) / math.sqrt(years) if years > 1 else math.inf
    high = mean + error if counts.any() else 3 / years
    return {"a_year": round(mean, 3), "low": round(max(0.0, mean - error), 3), "high": round(high, 3)}


def one_year(workloads: int, rng: Rng, *, binary: bool) -> tuple[int, int, int]:
    """False promotions of the gate and of the two peers, when no challenger is ever better."""
    rows = 600 if binary else 300
    sets = [JudgeSet.drawn(rows, rng) for _ in range(workloads)]
    champions = [Champion(one, rng, binary=binary) for one in sets]
    days: list[float] = []
    levels: list[float] = []
    found = np.zeros(3, int)
    for night in range(NIGHTS):
        for number, champion in enumerate(champions):
            level = level_now(PER_YEAR, workloads, 1.0, left=left_of(PER_YEAR, days, levels, float(night)))
            challenger = champion.challenged(0.0, rng)
            promoted = decided(champion, challenger, level, rng).verdict == "promote"
            found += (promoted, *peers(champion.answers, challenger))
            champion.answers = challenger if promoted else champion.answers
            days, levels = [*days, float(night)], [*levels, level]
            sets[number] = sets[number].after_a_night(rng)
            champion.renew(sets[number], rng)
    return int(found[0]), int(found[1]), int(found[2])


def golden_alone(rng: Rng, rows: int = 600) -> int:
    """False promotions of a year in which the same golden examples are answered every night."""
    golden, days, levels, promoted = JudgeSet.drawn(rows, rng), list[float](), list[float](), 0
    champion = Champion(golden, rng, binary=True)
    for night in range(NIGHTS):
        level = level_now(PER_YEAR, 1, 1.0, left=left_of(PER_YEAR, days, levels, float(night)))
        challenger = champion.of_the_same_worth(golden, rng)
        answered = right_or_wrong(champion.answers, challenger, fair=True)
        told = right_or_wrong(np.ones(40), np.ones(40), fair=False)
        case = Case(metric="accuracy", judged=told, golden=answered, level=level, ratings="volunteered")
        if decide(case, Policy(), rng).verdict == "promote":
            promoted, champion.answers = promoted + 1, challenger
        days, levels = [*days, float(night)], [*levels, level]
    return promoted


def right_or_wrong(champion: np.ndarray, challenger: np.ndarray, *, fair: bool) -> Answers:
    rows = len(champion)
    return Answers(
        champion=champion, challenger=challenger, artifact_type=[None] * rows, fair=np.full(rows, fair), binary=True
    )


def peers(champion: np.ndarray, challenger: np.ndarray) -> tuple[bool, bool]:
    gains = challenger - champion
    error = gains.std(ddof=1) / math.sqrt(len(gains))
    return bool(gains.mean() > 1.645 * error), bool(gains.mean() > 0)


def decided(champion: Champion, challenger: np.ndarray, level: float, rng: Rng, **given: Any) -> Decision:
    rows = len(challenger)
    judged = Answers(
        champion=champion.answers,
        challenger=challenger,
        artifact_type=[TYPES[row % len(TYPES)] for row in range(rows)],
        fair=np.full(rows, given.pop("fair", True)),
        binary=champion.binary,
    )
    case = Case(metric="accuracy", judged=judged, level=level, ratings=given.pop("ratings", "all"))
    return decide(case, Policy(**given), rng)


def power(rows: int, nights: int) -> dict[str, float]:
    """How often +5 points are seen: by the whole gate, and by its test alone, at one night's level."""
    level, seen, tested = level_now(PER_YEAR, 1, 1.0), 0, 0
    for night in range(nights):
        rng = np.random.default_rng([19, rows, night])
        champion = Champion(JudgeSet.drawn(rows, rng), rng, binary=True)
        challenger = champion.challenged(0.05, rng)
        seen += decided(champion, challenger, level, rng).verdict == "promote"
        gains = challenger - champion.answers
        tested += mcnemar_mid_p(int((gains > 0).sum()), int((gains < 0).sum())) <= level
    return {"gate": share_told(seen, nights), "test alone": share_told(tested, nights)}


def share_told(seen: int, of: int) -> dict[str, float]:
    """A share with its 95% interval (Wilson)."""
    share, z = seen / of, 1.96
    middle = (share + z**2 / (2 * of)) / (1 + z**2 / of)
    half = z * math.sqrt(share * (1 - share) / of + z**2 / (4 * of**2)) / (1 + z**2 / of)
    return {"share": round(share, 4), "low": round(max(0.0, middle - half), 4), "high": round(middle + half, 4)}


def share_of(nights: int, one_night: Callable[[Rng], bool]) -> dict[str, float]:
    return share_told(sum(one_night(np.random.default_rng([23, night])) for night in range(nights)), nights)


def volunteered(rng: Rng) -> bool:
    """An equal challenger, where what the champion got wrong is reported ten times as often: promoted by itself?"""
    champion = Champion(JudgeSet.drawn(6000, rng), rng, binary=True)
    challenger = champion.challenged(0.0, rng)
    told = rng.random(6000) < np.where(champion.answers == 0, 0.5, 0.05)
    champion.answers = champion.answers[told]
    found = decided(champion, challenger[told], 0.05, rng, ratings="volunteered", fair=False)
    return found.verdict == "promote"


def regression(rng: Rng) -> bool:
    """Ten points better on two types of three, ten points worse on the third: promoted?"""
    champion = Champion(JudgeSet.drawn(1500, rng), rng, binary=True)
    better, worse = champion.challenged(0.10, rng), champion.challenged(-0.10, rng)
    challenger = np.where(np.arange(1500) % len(TYPES) == 0, worse, better)
    return decided(champion, challenger, 0.05, rng).verdict == "promote"


def report(results: dict[str, Any]) -> list[str]:
    lines = [f"nothing is ever better, {NIGHTS} nights, budget {PER_YEAR:g}: false promotions a year [95%]"]
    for name, found in results["nothing_better"].items():
        told = "  ".join(
            f"{who} {one['a_year']:g} [{one['low']:g}–{one['high']:g}]" for who, one in found.items() if who != "years"
        )
        lines.append(f"  {name:<22} {told}")
    for rows, found in results["power"].items():
        told = "  ".join(f"{who} {one['share']:.3f} [{one['low']:.3f}–{one['high']:.3f}]" for who, one in found.items())
        lines.append(f"+5 points on {rows} examples, seen: {told}")
    for name in ("volunteered", "regression_in_one_type"):
        one = results[name]
        lines.append(f"{name.replace('_', ' ')}: promoted {one['share']:.3f} [{one['low']:.3f}–{one['high']:.3f}]")
    return lines


if __name__ == "__main__":
    main()
