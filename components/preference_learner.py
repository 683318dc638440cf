"""From judgements to preferences: which output is better than which, for the same question.

Two to five outputs with scores are validated, ranked and paired (the V2 document's workflow; InstructGPT, arXiv
2203.02155). Recorded feedback gives pairs too: an output that went up against one that went down on the same or a
near-equal input; a correction against what it corrects; a verdict. Thumbs that find no partner are kept for KTO
(2402.01306). What came to nothing is listed with its reason: nothing disappears.

What is compared shares artifact type, context and input (`near_equal_inputs`). Equal outputs are one output; where two
sources contradict each other, a verdict outweighs a correction, that a thumb, that a score; where one source says both
ways, neither is kept.

It deliberately generates no outputs, trains nothing (`preference_losses` counts what a pair costs) and does not guess:
scores nearer than `min_margin` are a tie. The columnar form of everything here is `preference_pairs`.

>>> found = PreferenceLearner().collect_preferences("Draw a shop", ["A", "B", "C"], [90.0, 88.0, 55.0], "erd")
>>> [(pair.chosen, pair.rejected, pair.margin) for pair in found]
[('A', 'C', 35.0), ('B', 'C', 33.0)]
>>> [(tie.chosen, tie.rejected, tie.margin) for tie in found.ties], found.ranking
([('A', 'B', 2.0)], ('A', 'B', 'C'))
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bad_input import BadInput, finite_numbers, one_of, same_length, whole_number
from components.bad_input import scores as checked_scores
from components.example_fields import as_text, field
from components.near_equal_inputs import group_inputs
from components.preference_pairs import (
    MIN_MARGIN,
    MOST_OUTPUTS,
    MOST_PAIRS,
    PAIRINGS,
    RowPairs,
    kto_class_weights,
    pairs_from_scores,
    pairs_from_thumbs,
    votes_from_verdicts,
)
from components.preferences import SOURCES, LeftOut, Preference, Preferences, Thumbs

FEWEST_OUTPUTS = 2
_WENT_UP = ("success",)
_WENT_DOWN = ("failure", "rejected")
_VERDICTS = {"better": 1, "worse": -1, "tie": 0}


@dataclass(frozen=True, slots=True)
class _Row:
    """One output as it was judged."""

    input: Any
    output: Any
    artifact_type: str
    context: Any
    score: float | None = None


_Candidates = list[tuple[int, Preference]]  # each with the number of its question


class PreferenceLearner:
    """Makes preferences of scored outputs and of recorded feedback.

    `validate(input, output, artifact_type)` says why an output may not be preferred, or "" when it may: a quality gate.
    """

    def __init__(
        self,
        *,
        min_margin: float = MIN_MARGIN,
        pairing: str = "all",
        most_pairs: int = MOST_PAIRS,
        near_equal: bool = True,
        validate: Callable[[Any, Any, str], str] | None = None,
    ) -> None:
        self.min_margin = float(finite_numbers("min_margin", [min_margin], low=0, high=100)[0])
        self.pairing = one_of("pairing", pairing, PAIRINGS)
        self.most_pairs = whole_number("most_pairs", most_pairs, low=1)
        self.near_equal = near_equal
        self.validate = validate

    def collect_preferences(
        self,
        input_data: Any,
        outputs: Sequence[Any],
        scores: Sequence[float],
        artifact_type: str,
        context: Mapping[str, Any] | None = None,
    ) -> Preferences:
        """Validate 2-5 outputs of one input, rank them by score (0-100), and pair the higher with the lower.

        Outputs that are empty or refused by `validate` take no part; equal ones are one output with the mean of their
        scores. Any text that is not empty is an artifact type.
        """
        _checked_type(artifact_type)
        points = checked_scores("scores", scores)
        count = same_length(outputs=outputs, scores=points)
        if not FEWEST_OUTPUTS <= count <= MOST_OUTPUTS:
            step = "For more, and for feedback that is recorded already: preferences_from_feedback."
            raise BadInput("outputs", count, f"{FEWEST_OUTPUTS} to {MOST_OUTPUTS} outputs of the same input", step)
        rows = [
            _Row(input_data, output, artifact_type, context, float(score))
            for output, score in zip(outputs, points, strict=True)
        ]
        reasons = [self._refusal(row) for row in rows]
        left_out = [LeftOut(row.output, reason) for row, reason in zip(rows, reasons, strict=True) if reason]
        valid = [(0, row) for row, reason in zip(rows, reasons, strict=True) if not reason]
        once, repeats = _without_repeats(valid)
        left_out += [LeftOut(row.output, "it repeats another output") for row in repeats]
        ranking = [row.output for _, row in sorted(once, key=lambda own: own[1].score or 0.0, reverse=True)]
        return _result([pair for _, pair in self._from_scores(once)], left_out, ranking)

    def preferences_from_feedback(self, examples: Iterable[Any], *, sources: Sequence[str] = SOURCES) -> Preferences:
        """Every preference that recorded feedback holds, each two outputs of a question once.

        An example may carry a `score`, a `thumb` (or a feedback type that stands for one), a `correction`, and a
        `verdict` with `compared_with` or `compared_with_id`.
        """
        examples = list(examples)
        for source in sources:
            one_of("source", source, SOURCES)
        rows = [_row(example, place) for place, example in enumerate(examples)]
        questions = self._questions(rows)
        found: _Candidates = []
        left_out: list[LeftOut] = []
        if "verdict" in sources:
            found += self._from_verdicts(examples, rows, questions, left_out)
        if "correction" in sources:
            found += _from_corrections(examples, rows, questions, left_out)
        if "thumbs" in sources:
            found += self._from_thumbs(examples, rows, questions)
        if "scores" in sources:
            found += self._from_scores(_without_repeats(zip(questions.tolist(), rows, strict=True))[0])
        return _result(_agreed(self._allowed(found, left_out), left_out), left_out)

    def unpaired_thumbs(self, examples: Iterable[Any]) -> Thumbs:
        """The examples with a thumb whose output joins no pair of thumbs: what KTO learns from, with class weights."""
        examples = list(examples)
        rows = [_row(example, place) for place, example in enumerate(examples)]
        questions = self._questions(rows)
        pairs = self._from_thumbs(examples, rows, questions)
        paired = {(question, as_text(output)) for question, pair in pairs for output in (pair.chosen, pair.rejected)}
        thumbs = [_thumb(example, place) for place, example in enumerate(examples)]
        alone = [
            place
            for place, (row, question) in enumerate(zip(rows, questions.tolist(), strict=True))
            if thumbs[place] is not None and (question, as_text(row.output)) not in paired
        ]
        desirable = np.array([thumbs[place] for place in alone], dtype=np.bool_)
        weights = kto_class_weights(int(desirable.sum()), int((~desirable).sum()))
        return Thumbs(tuple(examples[place] for place in alone), desirable, *weights)

    def _questions(self, rows: list[_Row]) -> NDArray[np.int64]:
        """The number of each row's question: its artifact type, its context and its input, near-equal ones alike."""
        inputs = group_inputs([as_text(row.input) for row in rows], near=self.near_equal)
        known: dict[tuple[int, str, str], int] = {}
        keys = (
            (group, row.artifact_type, as_text(row.context)) for group, row in zip(inputs.tolist(), rows, strict=True)
        )
        return np.fromiter((known.setdefault(key, len(known)) for key in keys), np.int64, len(rows))

    def _refusal(self, row: _Row) -> str:
        if not as_text(row.output).strip():
            return "it is empty"
        return self.validate(row.input, row.output, row.artifact_type) if self.validate else ""

    def _allowed(self, candidates: _Candidates, left_out: list[LeftOut]) -> _Candidates:
        """The candidates whose better output is worth learning, and whose worse one is at least there."""
        allowed = []
        for question, pair in candidates:
            reason = self._refusal(_Row(pair.input, pair.chosen, pair.artifact_type, pair.context))
            if reason or not as_text(pair.rejected).strip():
                left_out.append(LeftOut(pair.chosen if reason else pair.rejected, reason or "it is empty"))
            else:
                allowed.append((question, pair))
        return allowed

    def _from_scores(self, rows: list[tuple[int, _Row]]) -> _Candidates:
        own = [row for _, row in rows]
        asked = np.array([question for question, _ in rows], dtype=np.int64)
        points = [row.score for row in own if row.score is not None]
        pairs = pairs_from_scores(asked, points, min_margin=self.min_margin, pairing=self.pairing)
        return [
            (question, _preference(own[better], own[worse], "scores", margin=margin, weight=weight, tie=tie))
            for question, better, worse, margin, weight, tie in _each(pairs, asked)
        ]

    def _from_thumbs(self, examples: list[Any], rows: list[_Row], questions: NDArray[np.int64]) -> _Candidates:
        thumbs = [_thumb(example, place) for place, example in enumerate(examples)]
        judged = [place for place, thumb in enumerate(thumbs) if thumb is not None]
        own, asked = [rows[place] for place in judged], questions[judged]
        up = np.array([thumbs[place] for place in judged], dtype=np.bool_)
        pairs = pairs_from_thumbs(asked, up, _numbered([row.output for row in own]), most_pairs=self.most_pairs)
        return [
            (question, _preference(own[better], own[worse], "thumbs", weight=weight))
            for question, better, worse, _, weight, _ in _each(pairs, asked)
        ]

    def _from_verdicts(
        self, examples: list[Any], rows: list[_Row], questions: NDArray[np.int64], left_out: list[LeftOut]
    ) -> _Candidates:
        by_id = {field(e, "output_id", field(e, "id")): row.output for e, row in zip(examples, rows, strict=True)}
        judged, others, better = [], [], []
        for place, example in enumerate(examples):
            verdict = field(example, "verdict")
            if verdict is None:
                continue
            sign = _VERDICTS[one_of(f"examples[{place}].verdict", verdict, tuple(_VERDICTS))]
            other = field(example, "compared_with", by_id.get(field(example, "compared_with_id", _NOWHERE)))
            if other is None:
                left_out.append(LeftOut(rows[place].output, "it was compared with an output that is not there"))
            elif as_text(other) == as_text(rows[place].output):
                left_out.append(LeftOut(rows[place].output, "it was compared with itself"))
            else:
                judged.append(place)
                others.append(other)
                better.append(sign)
        codes = _numbered([rows[place].output for place in judged] + others)
        votes = votes_from_verdicts(questions[judged], codes[: len(judged)], codes[len(judged) :], better)
        found: _Candidates = []
        for row, won, weight, count in zip(
            votes.rows.tolist(), votes.better.tolist(), votes.weights.tolist(), votes.votes.tolist(), strict=True
        ):
            one = rows[judged[row]]
            other_one = _Row(one.input, others[row], one.artifact_type, one.context)
            first, second = (other_one, one) if won < 0 else (one, other_one)
            reason = f"{count} verdicts, a lead of {weight:.0%}" if count > 1 else "judged to be better"
            tie = won == 0
            reason = "judged to be equally good" if tie else reason
            pair = _preference(first, second, "verdict", weight=weight, tie=tie, reason=reason)
            found.append((int(questions[judged[row]]), pair))
        return found


_NOWHERE = object()  # an id that no example has


def _from_corrections(
    examples: list[Any], rows: list[_Row], questions: NDArray[np.int64], left_out: list[LeftOut]
) -> _Candidates:
    """The correction over the original, once for each text of it."""
    found: dict[tuple[int, str, str], tuple[int, Preference]] = {}
    for example, row, question in zip(examples, rows, questions.tolist(), strict=True):
        correction = field(example, "correction")
        if correction is None:
            continue
        after, before = as_text(correction), as_text(row.output)
        if after.strip() == before.strip():
            left_out.append(LeftOut(row.output, "its correction changes nothing"))
            continue
        corrected = _Row(row.input, correction, row.artifact_type, row.context)
        found.setdefault((question, after, before), (question, _preference(corrected, row, "correction", weight=1.0)))
    return list(found.values())


_REASONS = {"correction": "somebody corrected it", "thumbs": "thumbs up against thumbs down"}


def _preference(
    better: _Row,
    worse: _Row,
    source: str,
    *,
    weight: float,
    margin: float | None = None,
    tie: bool = False,
    reason: str = "",
) -> Preference:
    if source == "scores":
        reason = f"{better.score:g} against {worse.score:g} points"
    return Preference(
        better.input,
        better.output,
        worse.output,
        better.artifact_type,
        source,
        margin,
        weight,
        better.context,
        tie,
        reason or _REASONS[source],
    )


def _agreed(candidates: _Candidates, left_out: list[LeftOut]) -> list[Preference]:
    """Each two outputs of a question once: what the strongest source says, when it says one thing."""
    by_outputs: dict[tuple[int, frozenset[str]], list[Preference]] = {}
    for question, pair in candidates:
        key = (question, frozenset((as_text(pair.chosen), as_text(pair.rejected))))
        by_outputs.setdefault(key, []).append(pair)
    agreed = []
    for pairs in by_outputs.values():
        strongest = min(SOURCES.index(pair.source) for pair in pairs)
        said = [pair for pair in pairs if SOURCES.index(pair.source) == strongest]
        if len({None if pair.tie else as_text(pair.chosen) for pair in said}) > 1:
            left_out.extend(LeftOut(pair.chosen, f"its {pair.source} say both ways") for pair in said)
        else:
            agreed.append(said[0])
    return agreed


def _result(pairs: list[Preference], left_out: list[LeftOut], ranking: Sequence[Any] = ()) -> Preferences:
    better, ties = (tuple(pair for pair in pairs if pair.tie is tie) for tie in (False, True))
    return Preferences(better, ties, tuple(left_out), tuple(ranking))


def _without_repeats(rows: Iterable[tuple[int, _Row]]) -> tuple[list[tuple[int, _Row]], list[_Row]]:
    """The scored rows with equal outputs of a question as one, which has the mean of their scores; and the repeats."""
    same: dict[tuple[int, str], list[_Row]] = {}
    for question, row in rows:
        if row.score is not None:
            same.setdefault((question, as_text(row.output).strip()), []).append(row)
    once = []
    for (question, _), own in same.items():
        mean = sum(row.score or 0.0 for row in own) / len(own)
        once.append((question, replace(own[0], score=mean)))
    return once, [row for own in same.values() for row in own[1:]]


def _each(pairs: RowPairs, questions: NDArray[np.int64]) -> Iterator[tuple[int, int, int, float, float, bool]]:
    """Question, better row, worse row, margin, weight and tie of each pair, as Python's own numbers."""
    columns = (questions[pairs.chosen], pairs.chosen, pairs.rejected, pairs.margins, pairs.weights, pairs.ties)
    return zip(*(column.tolist() for column in columns), strict=True)


def _numbered(outputs: list[Any]) -> NDArray[np.int64]:
    """A number for each output, the same for outputs of equal text."""
    known: dict[str, int] = {}
    texts = (as_text(output).strip() for output in outputs)
    return np.fromiter((known.setdefault(text, len(known)) for text in texts), np.int64, len(outputs))


def _row(example: Any, place: int) -> _Row:
    score = field(example, "score")
    if score is not None:
        score = float(checked_scores(f"examples[{place}].score", [score])[0])
    kind = str(field(example, "artifact_type", ""))
    return _Row(field(example, "input"), field(example, "output"), kind, field(example, "context"), score)


def _checked_type(value: object) -> None:
    if not isinstance(value, str) or not value:
        raise BadInput("artifact_type", value, "a text such as 'erd'")


def _thumb(example: Any, place: int) -> bool | None:
    """Up, down or none; a feedback type that leaves no doubt counts as a thumb."""
    thumb = field(example, "thumb")
    if thumb is None:
        kind = field(example, "feedback_type")
        kind = getattr(kind, "value", kind)
        return True if kind in _WENT_UP else False if kind in _WENT_DOWN else None
    if thumb in (True, "up"):
        return True
    if thumb in (False, "down"):
        return False
    raise BadInput(f"examples[{place}].thumb", thumb, "'up', 'down', True or False")


def worked_example() -> str:
    """Three outputs of a model for one request, then an afternoon's feedback."""
    learner = PreferenceLearner()
    ranked = learner.collect_preferences("Draw a shop", ["good", "fair", "poor"], [91, 88, 40], "erd")
    lines = ["three outputs of one request:"]
    lines += [f"  {pair.chosen} over {pair.rejected}: {pair.reason}" for pair in ranked]
    lines += [f"  {tie.chosen} and {tie.rejected}: {tie.reason}, a tie" for tie in ranked.ties]
    feedback = [
        {"input": "How do I pay?", "output": "By card.", "thumb": "up"},
        {"input": "how do i pay", "output": "Dunno.", "thumb": "down"},
        {"input": "Where is my order?", "output": "Lost.", "correction": "It arrives today."},
        {"input": "Say hello", "output": "Hello!", "verdict": "better", "compared_with": "Hi."},
        {"input": "Say goodbye", "output": "Bye.", "thumb": "up"},
    ]
    lines += ["", "an afternoon's feedback:"]
    found = learner.preferences_from_feedback(feedback)
    lines += [f"  {pair.chosen!r} over {pair.rejected!r}: {pair.reason}" for pair in found]
    alone = learner.unpaired_thumbs(feedback)
    lines.append(f"  {len(alone.examples)} thumb without a partner, for KTO: {alone.examples[0]['output']!r}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(worked_example())
