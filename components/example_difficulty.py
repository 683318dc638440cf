"""How hard an example is, from 0 to 1, by signals that have names and can be looked at.

The V2 document calls simple artifacts with short inputs easy and complex artifacts with long inputs hard. So: the
lengths of input, output and context, the complexity of the artifact type, and how the output fared. A length counts
as length / (length + half), which is 0.5 at `half` characters and never passes 1, whatever the text. What is not known
of an example drops out and the other weights share its place; of nothing known, 0.5.

These are plain proxies (length is the usual one: Platanios et al. 2019, arXiv 1903.09848); on frozen embeddings of
CLINC150 an order by length needed more steps than a shuffled one. No text is read for its meaning.

    >>> explain_difficulty({"input": "Draw an ERD of a shop", "artifact_type": "erd"}).why()
    '0.22: input_length 0.05 × 0.50, artifact_type 0.40 × 0.50'
    >>> difficulties(input_lengths=np.array([20, 400, 100_000])).round(3).tolist()
    [0.048, 0.5, 0.996]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, one_of, same_length
from components.category_columns import Coded, coded
from components.example_fields import as_text, column, field
from components.feedback_values import checked_scores

Floats = NDArray[np.float64]

HALF: Mapping[str, float] = MappingProxyType({"input_length": 400.0, "output_length": 1200.0, "context_length": 2000.0})
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"input_length": 0.3, "output_length": 0.2, "artifact_type": 0.3, "context_length": 0.1, "past_score": 0.1}
)
SIGNALS: tuple[str, ...] = tuple(WEIGHTS)
# The types that the V2 document names. Of others nothing is known, unless the caller says it.
COMPLEXITY: Mapping[str, float] = MappingProxyType({"erd": 0.4, "code_prototype": 0.7, "architecture": 0.8})
UNKNOWN = 0.5


@dataclass(frozen=True, slots=True)
class Difficulty:
    """An example's difficulty, and the value and weight of each signal that was known."""

    difficulty: float
    signals: Mapping[str, float]
    weights: Mapping[str, float]  # what each known signal weighed; together 1

    def why(self) -> str:
        """One line: every known signal and its weight."""
        if not self.signals:
            return f"{self.difficulty:.2f}: nothing is known of it"
        told = ", ".join(f"{name} {value:.2f} × {self.weights[name]:.2f}" for name, value in self.signals.items())
        return f"{self.difficulty:.2f}: {told}"


def difficulties(
    *,
    input_lengths: ArrayLike | None = None,
    output_lengths: ArrayLike | None = None,
    artifact_types: Any = None,
    context_lengths: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    scored: ArrayLike | None = None,
    weights: Mapping[str, float] | None = None,
    complexity: Mapping[str, float] | None = None,
) -> Floats:
    """A difficulty per row. Lengths in characters; NaN in a length says that it is not known.

    Artifact types are names or `Coded`; codes without names say nothing of complexity. Scores are read where `scored`.
    """
    signals = {
        "input_length": _length("input_length", input_lengths),
        "output_length": _length("output_length", output_lengths),
        "artifact_type": _complexity(artifact_types, complexity),
        "context_length": _length("context_length", context_lengths),
        "past_score": _past(scores, scored),
    }
    return weighed({name: values for name, values in signals.items() if values is not None}, weights)


def lengths_as_signals(lengths: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """Lengths in characters, by the name of their signal, as signals from 0 to 1; NaN stays NaN."""
    found = {one_of("length", name, tuple(HALF)): _length(name, values) for name, values in lengths.items()}
    return {name: values for name, values in found.items() if values is not None}


def weighed(signals: Mapping[str, Floats], weights: Mapping[str, float] | None = None) -> Floats:
    """The weighted mean of the signals that are known (not NaN) in each row."""
    each = checked_weights(weights)
    rows = same_length(**signals)
    total, weight = np.zeros(rows), np.zeros(rows)
    for name, values in signals.items():
        known = ~np.isnan(values)
        total += np.where(known, values * each[name], 0.0)
        weight += np.where(known, each[name], 0.0)
    mean = np.divide(total, weight, out=np.full(rows, UNKNOWN), where=weight > 0)
    held: Floats = np.clip(mean, 0.0, 1.0)  # a sum of shares may pass 1 by its last bit
    return held


def checked_weights(weights: Mapping[str, float] | None) -> Mapping[str, float]:
    """The weights of all signals; one that is not named weighs nothing, and not all may weigh nothing."""
    if weights is None:
        return WEIGHTS
    for name in weights:
        one_of("difficulty signal", name, SIGNALS)
    numbers = finite_numbers("difficulty weights", list(weights.values()), low=0.0)
    if not numbers.sum() > 0:
        raise BadInput("difficulty weights", dict(weights), "at least one above 0")
    return dict.fromkeys(SIGNALS, 0.0) | dict(weights)


def checked_complexity(complexity: Mapping[str, float] | None) -> Mapping[str, float]:
    """The complexity of each artifact type, from 0 to 1."""
    if complexity is None:
        return COMPLEXITY
    finite_numbers("complexity", list(complexity.values()), low=0.0, high=1.0)
    return complexity


def complexities(
    codes: ArrayLike, names: Sequence[str | None], complexity: Mapping[str, float] | None = None
) -> Floats:
    """The complexity of each row's artifact type, NaN where it is not known; a code is a place in `names`."""
    known = checked_complexity(complexity)
    places = np.asarray(codes, np.int64)
    of_code = np.full(max(len(names), int(places.max(initial=-1)) + 1, 1), np.nan)
    of_code[: len(names)] = [np.nan if name is None else known.get(name, np.nan) for name in names]
    found: Floats = of_code[places]
    return found


def signals_of(examples: Iterable[Any], complexity: Mapping[str, float] | None = None) -> dict[str, Floats]:
    """Every signal of every example, NaN where it is not known: what difficulty is made of, to be looked at."""
    rows = list(examples)
    scores = column(rows, "score")
    scored = np.array([score is not None for score in scores], np.bool_)
    types = [_name(kind) for kind in column(rows, "artifact_type")]
    known: dict[str, Floats | None] = {
        "input_length": _length("input_length", _lengths(rows, "input")),
        "output_length": _length("output_length", _lengths(rows, "output")),
        "artifact_type": _complexity(types, complexity),
        "context_length": _length("context_length", _lengths(rows, "context")),
        "past_score": _past([0.0 if score is None else score for score in scores], scored),
    }
    return {name: values for name, values in known.items() if values is not None}


def explain_difficulty(
    example: Any, weights: Mapping[str, float] | None = None, complexity: Mapping[str, float] | None = None
) -> Difficulty:
    """One example's difficulty with its signals."""
    signals = signals_of([example], complexity)
    each = checked_weights(weights)
    counted = {name: float(value[0]) for name, value in signals.items() if each[name] > 0 and not np.isnan(value[0])}
    total = sum(each[name] for name in counted)
    return Difficulty(float(weighed(signals, weights)[0]), counted, {name: each[name] / total for name in counted})


def _length(signal: str, lengths: ArrayLike | None) -> Floats | None:
    if lengths is None:
        return None
    raw = np.asarray(lengths, np.float64)
    unknown = np.isnan(raw)
    length = finite_numbers(f"{signal}s", np.where(unknown, 0.0, raw), low=0.0)
    return np.where(unknown, np.nan, length / (length + HALF[signal]))


def _lengths(examples: list[Any], name: str) -> list[float]:
    found = (field(example, name) for example in examples)
    return [np.nan if value is None else len(as_text(value)) for value in found]


def _name(kind: Any) -> str | None:
    name = getattr(kind, "value", kind)
    if name is None or isinstance(name, str):
        return name
    raise BadInput("artifact_type", kind, "a text or a member of an Enum")


def _complexity(types: Any, complexity: Mapping[str, float] | None) -> Floats | None:
    if types is None:
        return None
    known = checked_complexity(complexity)
    found: Coded = coded("artifact_types", types)
    if not found.names:
        return np.full(len(found.codes), np.nan)
    of_code = np.array([*(known.get(name, np.nan) for name in found.names), np.nan])  # -1, none, reads the last
    complexities: Floats = of_code[found.codes]
    return complexities


def _past(scores: ArrayLike | None, scored: ArrayLike | None) -> Floats | None:
    if scores is None:
        return None
    numbers, known = checked_scores(scores, scored)
    return np.where(known, 1.0 - numbers / 100.0, np.nan)
