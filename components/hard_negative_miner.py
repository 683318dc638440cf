"""Remember what went wrong, and hand out the hardest of it to learn from.

A score under 60 is a failure (the V2 document). Failures on one input are one case: it is harder the deeper, the more
often and the more recently it failed, easier with every success since (`hard_examples` has the formula, after online
hard example mining, Shrivastava et al. 2016, arXiv 1604.03540). Patterns say what failures have in common.

A wrong rating looks like a very hard case. So a case is set aside, and said to be, when its very output was also rated
good at least as often, when `suspect` was told so (`label_noise` counts it), or when it was trained on five times and
never came right. It trains nothing, and a failing output is what to avoid: it is no target.

>>> miner = HardNegativeMiner()
>>> for score in (40, 20, 30):
...     failed = miner.record_failure("Draw the bank", "erDiagram", score, "erd")
>>> miner.record_failure("Draw a shop", "erDiagram SHOP", 85, "erd")
False
>>> [(one.input, round(one.difficulty, 3), one.why) for one in miner.get_hard_negatives(artifact_type="erd", limit=20)]
[('Draw the bank', 0.687, 'scored 30 on average, failed 3 times, last 1 record ago')]
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from components.bad_input import BadInput, finite_numbers, scores, whole_number
from components.example_fields import as_text, column
from components.failure_patterns import NUMBERS, Pattern, measured, separating_numbers, separating_words
from components.hard_examples import (
    DECAY_PER_DAY,
    FAILURE_BELOW,
    HARD_SHARE,
    Difficulties,
    HardMix,
    difficulties,
    mix_hard,
)

SUSPECT_FROM = 0.5
GIVE_UP_AFTER = 5  # times that a case was trained on without coming right
RECORDS_PER_DAY = 100  # where no time was given, so many later records age a case as a day does
SUCCESSES_KEPT = 2000  # per artifact type, to compare failures with
_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class HardNegative:
    """One case to learn from. It reads like an example: input, output, score, artifact_type."""

    input: Any
    output: Any  # the latest output that failed
    score: float  # its score
    artifact_type: str
    difficulty: float  # 0 to 1
    terms: Mapping[str, float]
    why: str
    key: str  # names the case to `suspect` and `record_training`


@dataclass(frozen=True, slots=True)
class SetAside:
    """A case that is not handed out any more, and why."""

    case: HardNegative
    reason: str


@dataclass(slots=True)
class _Case:
    """Everything that is known about one input that failed."""

    key: str
    input: Any
    artifact_type: str
    output: Any = None
    score: float = 0.0
    failures: int = 0
    sum_of_scores: float = 0.0
    record: int = 0  # the number of the record in which it last failed
    moment: float | None = None  # seconds since 1970, when that was given
    successes_since: int = 0
    trained: int = 0  # since it last came right
    suspicion: float = 0.0
    ratings: dict[str, list[int]] = field(default_factory=dict)  # hash of an output → [failures, successes]

    def failed(self, output: Any, score: float, record: int, moment: float | None) -> None:
        self.output, self.score, self.record, self.moment = output, score, record, moment
        self.failures += 1
        self.sum_of_scores += score
        self.successes_since = 0

    @property
    def contradiction(self) -> float:
        """The share of good ratings that the very output which failed last has had."""
        failures, successes = self.ratings[_hashed(as_text(self.output))]
        return successes / (failures + successes)

    @property
    def doubt(self) -> float:
        return max(self.suspicion, self.contradiction)


class HardNegativeMiner:
    """Remembers failures by input, says what they have in common, and hands out the hardest.

    Time is what the records say (`occurred_at`) against `as_of`; without `as_of` the newest of their moments counts as
    now. A record without a moment ages by the records after it: a hundred are a day. It keeps every case.
    """

    def __init__(
        self,
        failure_threshold: float = FAILURE_BELOW,
        *,
        hard_share: float = HARD_SHARE,
        decay_per_day: float = DECAY_PER_DAY,
        suspect_from: float = SUSPECT_FROM,
        give_up_after: int = GIVE_UP_AFTER,
    ) -> None:
        (self.failure_threshold,) = scores("failure_threshold", [failure_threshold]).tolist()
        (self.hard_share,) = finite_numbers("hard_share", [hard_share], low=0.0, high=1.0).tolist()
        (self.decay_per_day,) = finite_numbers("decay_per_day", [decay_per_day], low=0.0, high=1.0).tolist()
        (self.suspect_from,) = finite_numbers("suspect_from", [suspect_from], low=0.0, high=1.0).tolist()
        self.give_up_after = whole_number("give_up_after", give_up_after, low=1)
        self._cases: dict[str, _Case] = {}
        self._successes: dict[str, deque[tuple[str, str]]] = {}
        self._records = 0

    def __len__(self) -> int:
        """How many inputs have failed at least once."""
        return len(self._cases)

    def record_failure(
        self,
        input: Any,  # noqa: A002 - the V2 document's name
        output: Any,
        score: float,
        artifact_type: str,
        *,
        occurred_at: datetime | float | None = None,
    ) -> bool:
        """Remember how an output fared; True when it was a failure.

        A score at or over the threshold is no failure: it speaks for the input's case, if there is one, and is kept to
        compare failures with.
        """
        (value,) = scores("score", [score]).tolist()
        kind, moment = _type_name(artifact_type), _seconds("occurred_at", occurred_at)
        key = _key(kind, input)
        self._records += 1
        case = self._cases.get(key)
        if value >= self.failure_threshold:
            self._remember_success(case, kind, as_text(input), as_text(output))
            return False
        if case is None:
            case = self._cases[key] = _Case(key, input, kind)
        case.failed(output, value, self._records, moment)
        case.ratings.setdefault(_hashed(as_text(output)), [0, 0])[0] += 1
        return True

    def _remember_success(self, case: _Case | None, kind: str, input_text: str, output_text: str) -> None:
        self._successes.setdefault(kind, deque(maxlen=SUCCESSES_KEPT)).append((input_text, output_text))
        if case is not None:
            case.successes_since += 1
            case.trained = 0
            case.ratings.setdefault(_hashed(output_text), [0, 0])[1] += 1

    def get_hard_negatives(
        self, artifact_type: str | None = None, limit: int = 20, *, as_of: datetime | float | None = None
    ) -> list[HardNegative]:
        """The hardest cases, hardest first; fewer when there are fewer, none for a type that never failed."""
        most = whole_number("limit", limit)
        cases = [case for case in self._of(artifact_type) if self._reason_against(case) is None]
        now = self._now(as_of)
        found = self._difficulties(cases, now)
        return [_shown(cases[row], found, row, self._ago(cases[row], now)) for row in found.hardest(most).tolist()]

    def set_aside(self, artifact_type: str | None = None) -> list[SetAside]:
        """The cases that are not handed out, each with the reason: for a person to look at."""
        cases = list(self._of(artifact_type))
        reasons = [self._reason_against(case) for case in cases]
        now = self._now(None)
        found = self._difficulties(cases, now)
        return [
            SetAside(_shown(case, found, row, self._ago(case, now)), reason)
            for row, (case, reason) in enumerate(zip(cases, reasons, strict=True))
            if reason is not None
        ]

    def suspect(self, keys: Iterable[str], suspicion: Iterable[float]) -> None:
        """Say how probably each case's rating or label is wrong, 0 to 1 as by `label_noise`; 0 takes it back."""
        names = list(keys)
        values = finite_numbers("suspicion", list(suspicion), low=0.0, high=1.0)
        if len(values) != len(names):
            raise BadInput("suspicion", f"{len(values)} values", f"one for each of {len(names)} keys")
        for case, value in zip([self._case(name) for name in names], values.tolist(), strict=True):
            case.suspicion = value

    def record_training(self, trained_on: Iterable[HardNegative | str]) -> None:
        """Count that these cases (or keys) were trained on: what never comes right is set aside after five times."""
        for one in trained_on:
            self._case(one.key if isinstance(one, HardNegative) else one).trained += 1

    def analyze_patterns(self, artifact_type: str | None = None) -> list[Pattern]:
        """Which features separate failures from successes, in words, the strongest first; numbers before words."""
        failed = [(as_text(case.input), as_text(case.output)) for case in self._of(artifact_type)]
        kinds = list(self._successes) if artifact_type is None else [_type_name(artifact_type)]
        fine = [pair for kind in kinds for pair in self._successes.get(kind, ())]
        if not failed or not fine:
            return []
        inputs, outputs = zip(*failed, *fine, strict=True)
        flags = np.arange(len(inputs)) < len(failed)
        numbers = separating_numbers(measured(inputs, outputs), flags, names=list(NUMBERS))
        return numbers + separating_words(inputs, flags)

    def mix(self, examples: Sequence[Any], budget: int, *, seed: int = 0) -> tuple[list[Any], HardMix]:
        """A batch from scored examples of which `hard_share` are failures, the lowest scores first, and why.

        What is set aside here is left out, by input and artifact type. The examples handed back are the caller's own.
        """
        values = scores("scores", column(examples, "score"))
        hardness = 1.0 - values / 100.0
        named = zip(column(examples, "artifact_type", ""), column(examples, "input"), strict=True)
        for row, (kind, asked) in enumerate(named):
            case = self._cases.get(_key(str(getattr(kind, "value", kind)), asked))
            if case is not None and self._reason_against(case) is not None:
                hardness[row] = 0.0
        mixed = mix_hard(
            values,
            budget,
            rng=np.random.default_rng(seed),
            difficulty=hardness,
            hard_share=self.hard_share,
            failure_below=self.failure_threshold,
        )
        return [examples[row] for row in mixed.rows.tolist()], mixed

    def _of(self, artifact_type: str | None) -> Iterable[_Case]:
        if artifact_type is None:
            return self._cases.values()
        kind = _type_name(artifact_type)
        return (case for case in self._cases.values() if case.artifact_type == kind)

    def _case(self, key: str) -> _Case:
        if key not in self._cases:
            raise BadInput("key", key, "the key of a recorded failure", "HardNegative.key has it.")
        return self._cases[key]

    def _reason_against(self, case: _Case) -> str | None:
        if case.suspicion >= self.suspect_from:
            return f"its label or rating is probably wrong (suspicion {case.suspicion:.2f})"
        if case.contradiction >= self.suspect_from:
            return f"the same output was also rated good: {case.contradiction:.0%} of its ratings"
        if case.trained >= self.give_up_after:
            return f"trained on {case.trained} times and never came right"
        return None

    def _difficulties(self, cases: Sequence[_Case], now: float | None) -> Difficulties:
        return difficulties(
            [case.sum_of_scores / case.failures for case in cases],
            [case.failures for case in cases],
            [self._age_days(case, now) for case in cases],
            successes_since=[case.successes_since for case in cases],
            suspicion=[case.doubt for case in cases],
            failure_below=max(self.failure_threshold, 1e-9),
            decay_per_day=self.decay_per_day,
        )

    def _now(self, as_of: datetime | float | None) -> float | None:
        if as_of is not None:
            return _seconds("as_of", as_of)
        return max((case.moment for case in self._cases.values() if case.moment is not None), default=None)

    def _age_days(self, case: _Case, now: float | None) -> float:
        if case.moment is None or now is None:
            return (self._records - case.record) / RECORDS_PER_DAY
        return (now - case.moment) / _SECONDS_PER_DAY

    def _ago(self, case: _Case, now: float | None) -> str:
        if case.moment is None:
            return _counted(self._records - case.record, "record")
        return f"{max(0.0, self._age_days(case, now)):.1f} days"


def _shown(case: _Case, found: Difficulties, row: int, ago: str) -> HardNegative:
    terms = {name: float(getattr(found, name)[row]) for name in ("depth", "repeats", "recency", "unsolved", "trust")}
    mean, times = case.sum_of_scores / case.failures, _counted(case.failures, "time")
    why = f"scored {mean:.0f} on average, failed {times}, last {ago} ago"
    if case.successes_since:
        why += f", came right {_counted(case.successes_since, 'time')} since"
    if case.doubt:
        why += f", its rating is doubted ({case.doubt:.2f})"
    hardness = float(found.difficulty[row])
    return HardNegative(case.input, case.output, case.score, case.artifact_type, hardness, terms, why, case.key)


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _type_name(artifact_type: Any) -> str:
    name = getattr(artifact_type, "value", artifact_type)
    if not isinstance(name, str) or not name:
        raise BadInput("artifact_type", artifact_type, "the name of an artifact type, such as 'erd'")
    return name


def _key(artifact_type: str, given: Any) -> str:
    """One case per artifact type and input; case and spacing make no other input."""
    return _hashed(f"{artifact_type}\0{' '.join(as_text(given).casefold().split())}")


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _seconds(thing: str, moment: datetime | float | None) -> float | None:
    """Seconds since 1970; a datetime without a zone is taken as UTC."""
    if moment is None:
        return None
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(moment, bool):
        raise BadInput(thing, moment, "a datetime, or seconds since 1970")
    (seconds,) = finite_numbers(thing, [moment]).tolist()
    return float(seconds)


def worked_example() -> str:
    """Nine days of an application that draws diagrams."""
    miner = HardNegativeMiner()
    day = _SECONDS_PER_DAY
    for number in range(30):
        miner.record_failure(f"Draw shop {number}", "erDiagram\n SHOP {}", 70 + number % 20, "erd", occurred_at=day)
    for number in range(8):
        asked = f"Draw bank {number} with loans, rates, customers and branches"
        miner.record_failure(asked, "erDiagram", 20 + 4 * number, "erd", occurred_at=(2 + number) * day)
    miner.record_failure("Draw bank 7 with loans, rates, customers and branches", "A {", 12, "erd", occurred_at=9 * day)
    miner.record_failure("Draw a zoo", "erDiagram ZOO {}", 5, "erd", occurred_at=9 * day)
    miner.record_failure("Draw a zoo", "erDiagram ZOO {}", 95, "erd", occurred_at=9 * day)
    lines = ["the hardest:"]
    for one in miner.get_hard_negatives("erd", limit=3, as_of=10 * day):
        lines += [f"  {one.difficulty:.2f}  {one.input}", f"        {one.why}"]
    lines.append("set aside:")
    for aside in miner.set_aside():
        lines += [f"  {aside.case.input}", f"        {aside.reason}"]
    lines.append("what failures have in common:")
    lines += [f"  {pattern.why}" for pattern in miner.analyze_patterns("erd")[:3]]
    return "\n".join(lines)


if __name__ == "__main__":
    print(worked_example())
