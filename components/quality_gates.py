r"""Keep what teaches nothing out of what is learnt: empty, cut off, repetitive, off-type, generic and repeated outputs.

V1 and V2 name quality gates ("generic content 20% → 3%"). Each output passes the rules of its artifact type
(`artifact_rules`), then is held against all the others: nearly the same output for three other inputs is generic
(`genericness`; MinHash after Broder 1997), nearly the same output for nearly the same input is a repetition, of which
the best-scored stays (deduplication as in Lee et al. 2022, arXiv 2107.06499).

It judges form, not truth, repairs nothing, and refuses nothing without saying why. An unknown artifact type has the
general rules.

>>> examples = [{"input": f"Draw {name}", "output": f"erDiagram\n {name} {{ int id }}", "artifact_type": "erd"}
...             for name in ("BANK", "SHOP", "ZOO")]
>>> report = QualityGates().check([*examples, examples[0] | {"output": "erDiagram"}, examples[1]])
>>> print(report)
3 of 5 pass
  1 empty
  1 repeated
>>> [(one.row, one.reason) for one in report.refused]
[(3, '«erDiagram» has nothing in it'), (4, 'it repeats row 1: nearly the same input and output')]
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.artifact_rules import GATES as RULE_GATES
from components.artifact_rules import KINDS, fault, kind_of
from components.bad_input import BadInput, finite_numbers, one_of, same_length, whole_number
from components.bad_input import scores as checked_scores
from components.example_fields import as_text, column
from components.genericness import GENERIC_AT, closed_set, input_groups, other_inputs, output_groups, repeats, shortened
from components.near_duplicates import NEAR, KnownTexts

GATES = (*RULE_GATES, "generic", "repeated")

_Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An output that is not to be learnt from."""

    row: int
    gate: str
    reason: str


@dataclass(frozen=True, slots=True)
class GatedRows:
    """What the gates say of columns: which rows pass, and why the others do not."""

    passed: _Flags
    refused: tuple[Refusal, ...]  # by row
    genericness: NDArray[np.int64]  # how many other inputs got nearly the same output
    closed_sets: tuple[str, ...]  # artifact types whose outputs are labels, never generic

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each gate refused, in the order of the gates."""
        found = Counter(one.gate for one in self.refused)
        return {gate: found[gate] for gate in GATES if found[gate]}

    def __str__(self) -> str:
        lines = [f"{int(self.passed.sum())} of {len(self.passed)} pass"]
        lines += [f"  {count} {gate}" for gate, count in self.counts.items()]
        lines += [f"  outputs of {name!r} are a closed set: none counts as generic" for name in self.closed_sets]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class GateReport:
    """The examples that passed, the caller's own objects in their order, and what the gates said of every row."""

    kept: list[Any]
    rows: GatedRows

    @property
    def refused(self) -> tuple[Refusal, ...]:
        return self.rows.refused

    def __str__(self) -> str:
        return str(self.rows)


class QualityGates:
    """The gates with their settings.

    `kinds` says which rules an artifact type has where its name does not (`{"billing_doc": "json"}`); `closed_sets`
    names types whose outputs are labels; gates named in `off` do not refuse anything.
    """

    def __init__(
        self,
        *,
        generic_at: int = GENERIC_AT,
        near: float = NEAR,
        kinds: Mapping[str, str] | None = None,
        closed_sets: Iterable[str] = (),
        off: Iterable[str] = (),
    ) -> None:
        self.generic_at = whole_number("generic_at", generic_at, low=1)
        (self.near,) = finite_numbers("near", [near], low=0.0, high=1.0).tolist()
        self.kinds = {name: one_of(f"kinds[{name!r}]", kind, KINDS) for name, kind in (kinds or {}).items()}
        self.closed_sets = frozenset(closed_sets)
        self.off = frozenset(one_of("off", gate, GATES) for gate in off)

    def check(self, examples: Sequence[Any], *, against: Sequence[Any] = ()) -> GateReport:
        """Hold the examples against the gates, and against earlier ones that are not judged again."""
        everything = [*against, *examples]
        given = column(everything, "score")
        scores = [50.0 if score is None else score for score in given]
        rows = self.check_columns(
            [as_text(one) for one in column(everything, "input")],
            [as_text(one) for one in column(everything, "output")],
            [_name(one) for one in column(everything, "artifact_type", "")],
            scores=scores,
            judged_from=len(against),
        )
        return GateReport([example for example, passes in zip(examples, rows.passed, strict=True) if passes], rows)

    def check_columns(
        self,
        inputs: Sequence[str],
        outputs: Sequence[str],
        artifact_types: Sequence[str],
        *,
        scores: ArrayLike | None = None,
        judged_from: int = 0,
    ) -> GatedRows:
        """The same on columns of texts. Rows before `judged_from` are known already: they count, and are not judged.

        Time grows with the texts' length; rows are never compared all with all.
        """
        size = same_length(inputs=inputs, outputs=outputs, artifact_types=artifact_types)
        _texts(inputs=inputs, outputs=outputs, artifact_types=artifact_types)
        values = np.full(size, 50.0) if scores is None else checked_scores("scores", scores)
        same_length(outputs=outputs, scores=values)
        start = whole_number("judged_from", judged_from, high=size)
        refused: dict[int, Refusal] = {}
        others, closed, known = np.zeros(size, dtype=np.int64), [], KnownTexts()
        known.numbers(shortened([*inputs, *outputs]))  # so that the first signature asked for makes all of them
        for name, rows in _rows_of_types(artifact_types):
            some_inputs, some_outputs = [inputs[row] for row in rows], [outputs[row] for row in rows]
            asked = input_groups(some_inputs, threshold=self.near, known=known)
            said = output_groups(some_outputs, threshold=self.near, known=known)
            part = _Part(name, rows, some_inputs, some_outputs, asked, said, values[rows], start)
            self._by_rules(part, refused)
            others[rows], labels = self._genericness(part, known)
            closed += [name] if labels else []
            self._by_genericness(part, others, refused, closed=labels)
            self._by_repetition(part, refused)
        told = tuple(refused[row] for row in sorted(refused))
        passed = np.ones(size - start, dtype=bool)
        passed[[one.row for one in told]] = False
        return GatedRows(passed, told, others[start:], tuple(closed))

    def _by_rules(self, part: _Part, refused: dict[int, Refusal]) -> None:
        kind = kind_of(part.name, self.kinds)
        for row, made in zip(part.rows.tolist(), part.outputs, strict=True):
            found = fault(made, kind) if row >= part.start else None
            if found is not None and found[0] not in self.off:
                refused[row] = Refusal(row - part.start, *found)

    def _genericness(self, part: _Part, known: KnownTexts) -> tuple[NDArray[np.int64], bool]:
        prose = kind_of(part.name, self.kinds) in ("markdown", "other")
        others = other_inputs(
            part.inputs,
            part.outputs,
            threshold=self.near,
            beyond_input=[prose] * len(part.rows),
            of_input=part.of_input,
            of_output=part.of_output,
            known=known,
        )
        labels = part.name in self.closed_sets or closed_set(part.outputs, others, generic_at=self.generic_at)
        return others, labels

    def _by_genericness(
        self, part: _Part, others: NDArray[np.int64], refused: dict[int, Refusal], *, closed: bool
    ) -> None:
        if closed or "generic" in self.off:
            return
        for row in part.rows[others[part.rows] >= self.generic_at].tolist():
            if row >= part.start:
                reason = f"{others[row]} other inputs got nearly the same output"
                refused.setdefault(row, Refusal(row - part.start, "generic", reason))

    def _by_repetition(self, part: _Part, refused: dict[int, Refusal]) -> None:
        if "repeated" in self.off:
            return
        turned_away = np.isin(part.rows, list(refused))
        order = np.lexsort((part.rows, -part.scores, turned_away, part.rows >= part.start))
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        groups = {"of_input": part.of_input, "of_output": part.of_output}
        first = repeats(part.inputs, part.outputs, rank, **groups, threshold=self.near)
        for place in np.flatnonzero(first >= 0).tolist():
            row, kept = int(part.rows[place]), int(part.rows[first[place]])
            if row >= part.start:
                which = f"row {kept - part.start}" if kept >= part.start else "an earlier example"
                reason = f"it repeats {which}: nearly the same input and output"
                refused.setdefault(row, Refusal(row - part.start, "repeated", reason))


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of one artifact type."""

    name: str
    rows: NDArray[np.int64]
    inputs: list[str]
    outputs: list[str]
    of_input: NDArray[np.int64]  # which inputs are nearly the same
    of_output: NDArray[np.int64]
    scores: NDArray[np.float64]
    start: int  # the first row that is judged


def _rows_of_types(artifact_types: Sequence[str]) -> list[tuple[str, NDArray[np.int64]]]:
    """Each type, in order of first appearance, with its rows."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(artifact_types):
        rows.setdefault(name, []).append(row)
    return [(name, np.array(found, dtype=np.int64)) for name, found in rows.items()]


def _texts(**columns: Sequence[str]) -> None:
    for name, column_of_texts in columns.items():
        for row, text in enumerate(column_of_texts):
            if not isinstance(text, str):
                raise BadInput(f"{name}[{row}]", text, "a text", "components.example_fields.as_text makes one.")


def _name(artifact_type: Any) -> str:
    return as_text(getattr(artifact_type, "value", artifact_type))


def worked_example() -> str:
    """An evening of an application that draws diagrams and answers; what the gates let through."""
    names = ("bank", "ferry", "garden", "library", "zoo")
    drawings = [
        {"input": f"Draw the {one}", "output": f"erDiagram\n    {one.upper()} {{ int id }}", "artifact_type": "erd"}
        for one in names
    ]
    stock = "Thank you for reaching out about the {}. We value your feedback and will get back to you."
    asked = (
        "When does the {} open?",
        "Who owns the {}?",
        "Is the {} far?",
        "Why is the {} shut?",
        "How old is the {}?",
    )
    answers = [
        {"input": question.format(one), "output": stock.format(one), "artifact_type": "chat"}
        for question, one in zip(asked, names, strict=True)
    ]
    broken = [
        drawings[0],
        {"input": "Draw the quay", "output": "Here is your diagram!", "artifact_type": "erd"},
        {"input": "Draw the pier", "output": "erDiagram\n    PIER {\n        int", "artifact_type": "erd"},
        {"input": "Is it cold?", "output": "N/A", "artifact_type": "chat"},
        {"input": "Is it wet?", "output": "it is " * 20, "artifact_type": "chat"},
        {"input": "Is it late?", "output": "It is ten to nine.", "artifact_type": "chat"},
    ]
    report = QualityGates().check([*drawings, *answers, *broken])
    lines = [str(report), "", "one refusal of each gate:"]
    seen: dict[str, Refusal] = {}
    for one in report.refused:
        seen.setdefault(one.gate, one)
    lines += [f"  row {one.row:2}  {gate:10}  {one.reason}" for gate, one in sorted(seen.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    print(worked_example())
