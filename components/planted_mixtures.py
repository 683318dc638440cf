"""Mixtures whose truth is known, to measure the gates and the label suspicion by.

Sound examples (made ones, or real ones that are handed in) are mixed with planted faults: generic outputs said word for
word, with small changes, or with the question's words put in; empty, cut off, repetitive and off-type outputs, and
repetitions. Labels are changed for a share of rows. What is then found is compared with what was planted.

The planted faults are of our own making, and kinder than life: measure on real examples too.

>>> measure_gates(plant_flaws(sound_examples(200, seed=0), generic_share=0.2, seed=0)).generic_share_before
0.2
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.bad_input import BadInput, finite_numbers, whole_number
from components.example_fields import as_text, field

GENERIC = ("word for word", "small changes", "the question put in")
FLAWS = (*GENERIC, "empty", "cut off", "repetitive", "off-type", "repeated")

_STOCK = (
    "Thank you for reaching out. We value your feedback and will get back to you shortly.",
    "This solution follows best practices and ensures scalability, security and maintainability for all stakeholders.",
    "It depends on your specific requirements. There are many factors to consider before making a decision.",
    "The system provides a robust and flexible framework that meets the needs of modern users.",
)
_WITH_THE_QUESTION = (
    "Great question about {asked}! Many people wonder the same thing. The answer depends on many factors to consider.",
    "When it comes to {asked}, it is important to keep best practices in mind and to involve all stakeholders early.",
)
_GENERIC_BY_TYPE = {
    "erd": ("erDiagram\n    USER {\n        int id\n        string name\n    }\n    ITEM {\n        int id\n    }",),
    "json": ('{"id": 1, "name": "string", "value": "string", "status": "active"}',),
    "code_prototype": ("def main():\n    # add the logic\n    pass\n\n\nif __name__ == '__main__':\n    main()\n",),
}
_CLOSINGS = ("", " Let us know!", " Kind regards.", " Have a nice day.", " :)", " Cheers.")
_COMMENTS = ("", "\n", "\n\n", " ", "  \n", "\n ")


@dataclass(frozen=True, slots=True)
class Mixture:
    """Examples, and for each the flaw that was planted in it, or an empty text."""

    examples: list[Any]
    flaws: list[str]


@dataclass(frozen=True, slots=True)
class GateMeasure:
    """How the gates did on a mixture. Shares are of all rows before, and of what passed after."""

    rows: int
    passed: int
    generic_share_before: float
    generic_share_after: float
    precision: float  # of what was refused, how much was flawed
    recall: float  # of what was flawed, how much was refused
    recall_by_flaw: Mapping[str, float]
    lost: int  # sound outputs refused

    def why(self) -> str:
        lines = [
            f"generic: {self.generic_share_before:.1%} before, {self.generic_share_after:.1%} after",
            f"precision {self.precision:.3f}, recall {self.recall:.3f}, {self.lost} sound outputs lost",
            *(f"  found of {flaw}: {share:.0%}" for flaw, share in self.recall_by_flaw.items()),
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class NoiseMeasure:
    """How the suspicion did on labels of which a known share was changed."""

    planted: int
    suspected: int
    precision: float
    recall: float
    right_suggestion: float  # of the changed labels that were found, how many were told the right class


def plant_flaws(
    examples: Sequence[Any], *, generic_share: float = 0.2, share_of_each_flaw: float = 0.02, seed: int = 0
) -> Mixture:
    """Sound examples mixed with flawed ones, shuffled: so many of the result are generic, and of each other flaw.

    Every flawed example is a sound one (no longer sound then) whose output was replaced, or a copy of one.
    """
    size = len(examples)
    (generic,) = finite_numbers("generic_share", [generic_share], low=0.0, high=0.9).tolist()
    (each,) = finite_numbers("share_of_each_flaw", [share_of_each_flaw], low=0.0, high=0.1).tolist()
    counts = [round(size * generic)] + [round(size * each) for _ in FLAWS[len(GENERIC) :]]
    if sum(counts) > size or size < 2:
        raise BadInput("examples", f"{size} examples", f"at least {max(2, sum(counts))}, to hold {sum(counts)} flaws")
    rng = np.random.default_rng(seed)
    order = rng.permutation(size)
    flaws = [""] * size
    for place, row in enumerate(order[: counts[0]].tolist()):
        flaws[row] = GENERIC[place % len(GENERIC)]
    rest = iter(order[counts[0] :].tolist())
    for flaw, count in zip(FLAWS[len(GENERIC) :], counts[1:], strict=True):
        for _ in range(count):
            flaws[next(rest)] = flaw
    sound = [example for example, flaw in zip(examples, flaws, strict=True) if not flaw]
    made = [
        _flawed(example, flaw, sound, rng) if flaw else _plain(example)
        for example, flaw in zip(examples, flaws, strict=True)
    ]
    return Mixture(made, flaws)


def measure_gates(mixture: Mixture, check: Callable[[list[Any]], NDArray[np.bool_]] | None = None) -> GateMeasure:
    """What passes the gates against what was planted. `check` gives a flag per example; QualityGates() unless told.

    Of an example and its repetition either may stay: the flaw is that both are there.
    """
    if check is None:
        from components.quality_gates import QualityGates

        gates = QualityGates()
        passed = gates.check(mixture.examples).rows.passed
    else:
        passed = np.asarray(check(mixture.examples), dtype=bool)
    flaws = np.array(mixture.flaws)
    flawed, generic = flaws != "", np.isin(flaws, GENERIC)
    flawed, refused = _either_of_repeated(mixture, flawed, ~passed), ~passed
    present = [flaw for flaw in FLAWS if (flaws == flaw).any()]
    caught = refused | ~flawed  # a repetition whose original was refused in its place counts as caught
    return GateMeasure(
        rows=len(flaws),
        passed=int(passed.sum()),
        generic_share_before=float(generic.mean()),
        generic_share_after=float(generic[passed].mean()) if passed.any() else 0.0,
        precision=float(flawed[refused].mean()) if refused.any() else 1.0,
        recall=float(refused[flawed].mean()) if flawed.any() else 1.0,
        recall_by_flaw={flaw: float(caught[flaws == flaw].mean()) for flaw in present},
        lost=int((refused & ~flawed).sum()),
    )


def _either_of_repeated(mixture: Mixture, flawed: NDArray[np.bool_], refused: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the original was refused and its repetition passed, the two change places."""
    said = [(as_text(field(one, "input")), as_text(field(one, "output"))) for one in mixture.examples]
    originals = {pair: row for row, pair in enumerate(said) if not flawed[row]}
    truth = flawed.copy()
    for row in [row for row, flaw in enumerate(mixture.flaws) if flaw == "repeated" and not refused[row]]:
        original = originals.get(said[row])
        if original is not None and refused[original]:
            truth[row], truth[original] = False, True
    return truth


def measure_label_noise(
    labels: ArrayLike,
    suspicion_of: Callable[[NDArray[np.int64]], Any],
    *,
    share: float = 0.1,
    seed: int = 0,
) -> NoiseMeasure:
    """Change a share of the labels at random, and see whether `suspicion_of(labels)` (a LabelSuspicion) finds them."""
    truth = np.asarray(labels, dtype=np.int64)
    classes = int(truth.max(initial=0)) + 1
    if classes < 2:
        raise BadInput("labels", f"{classes} class", "at least two: a label must be able to be wrong")
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(truth)) < share
    given = np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth)
    found = suspicion_of(given)
    suspect = found.suspect
    both = suspect & wrong
    return NoiseMeasure(
        planted=int(wrong.sum()),
        suspected=int(suspect.sum()),
        precision=float(both.sum() / max(suspect.sum(), 1)),
        recall=float(both.sum() / max(wrong.sum(), 1)),
        right_suggestion=float((found.suggested[both] == truth[both]).mean()) if both.any() else 0.0,
    )


def sound_examples(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Made examples of five artifact types, all different."""
    rng = np.random.default_rng(seed)
    makers = (_erd, _json_record, _code, _document, _answer)
    return [makers[row % len(makers)](row, rng) for row in range(whole_number("count", count))]


_THINGS = (
    "invoice warehouse patient flight playlist garden recipe museum ferry beehive violin tractor glacier lantern "
    "pottery orchard harbour telescope bakery windmill quarry puppet kayak falcon pharmacy tunnel library bridge"
)
_DOINGS = "count sort merge export archive rename split weigh paint repair measure rent return label schedule inspect"
_DETAILS = (
    "colour height owner price depth origin weight licence season status rating capacity address material tempo age"
)


def _some(words: str, count: int, rng: np.random.Generator) -> list[str]:
    return [str(word) for word in rng.choice(words.split(), count, replace=False)]


def _erd(row: int, rng: np.random.Generator) -> dict[str, Any]:
    one, other, third = _some(_THINGS, 3, rng)
    blocks = [
        f"    {name.upper()} {{\n        int id PK\n"
        + "".join(f"        string {detail}\n" for detail in _some(_DETAILS, 4, rng))
        + "    }"
        for name in (one, other, third)
    ]
    links = f"    {one.upper()} ||--o{{ {other.upper()} : has\n    {other.upper()} }}o--|| {third.upper()} : needs"
    return {
        "input": f"Draw an ERD number {row} for every {one} with its {other} and {third}",
        "output": "erDiagram\n" + "\n".join(blocks) + "\n" + links,
        "artifact_type": "erd",
    }


def _json_record(row: int, rng: np.random.Generator) -> dict[str, Any]:
    thing, *details = _some(_THINGS, 1, rng) + _some(_DETAILS, 5, rng)
    record = {"kind": thing, "number": row, **{one: int(rng.integers(1, 9999)) for one in details}}
    return {
        "input": f"Describe {thing} {row} by {', '.join(details)} as JSON",
        "output": json.dumps(record, indent=2),
        "artifact_type": "json",
    }


def _code(row: int, rng: np.random.Generator) -> dict[str, Any]:
    thing, doing, (first, second) = _some(_THINGS, 1, rng)[0], _some(_DOINGS, 1, rng)[0], _some(_DETAILS, 2, rng)
    body = (
        f"def {doing}_{thing}_{row}({first}, {second}={rng.integers(2, 99)}):\n"
        f"    found = [one for one in {first} if one.{second} > {second}]\n"
        f"    return sorted(found, key=lambda one: one.{_some(_DETAILS, 1, rng)[0]})\n"
    )
    return {
        "input": f"Write a function to {doing} each {thing} ({row})",
        "output": body,
        "artifact_type": "code_prototype",
    }


def _document(row: int, rng: np.random.Generator) -> dict[str, Any]:
    one, other, third = _some(_THINGS, 3, rng)
    doings, details = _some(_DOINGS, 4, rng), _some(_DETAILS, 4, rng)
    text = (
        f"# The {one}\n\nClerks {doings[0]} the {other} by {details[0]} before they {doings[1]} it. "
        f"Its {details[1]} lives beside the {third}.\n\n"
        f"## Why\n\n* {doings[2].title()} each {third} once a week, {rng.integers(2, 60)} at a time.\n"
        f"* The {details[2]} of a {one} decides who may {doings[3]} the {details[3]} of number {row}.\n"
    )
    return {"input": f"How is our {one} for {other} {row} built?", "output": text, "artifact_type": "architecture"}


def _answer(row: int, rng: np.random.Generator) -> dict[str, Any]:
    (one, other), (doing, second), (detail,) = _some(_THINGS, 2, rng), _some(_DOINGS, 2, rng), _some(_DETAILS, 1, rng)
    shapes = (
        "You may {doing} the {one} at desk {row}; bring its {detail} and {second} the {other} first.",
        "No. A {one} with that {detail} goes to {row} Mill Lane, where two people {doing} and {second} any {other}.",
        "Ask Ms. {name}: she will {second} it on day {row}; the {detail} decides whether they {doing} your {other}.",
    )
    text = shapes[int(rng.integers(len(shapes)))].format(
        doing=doing, one=one, other=other, second=second, detail=detail, row=row, name=f"{one}{other}".title()
    )
    return {"input": f"May I {doing} a {one} in {row}?", "output": text, "artifact_type": "chat"}


def _plain(example: Any) -> dict[str, Any]:
    return {
        "input": as_text(field(example, "input")),
        "output": as_text(field(example, "output")),
        "artifact_type": as_text(field(example, "artifact_type", "")),
        "score": field(example, "score", 80.0),
    }


def _flawed(example: Any, flaw: str, sound: Sequence[Any], rng: np.random.Generator) -> dict[str, Any]:
    plain = _plain(example)
    if flaw == "repeated":
        return _plain(sound[int(rng.integers(len(sound)))]) if sound else plain
    plain["output"] = _output_with(flaw, plain, rng)
    return plain


def _output_with(flaw: str, plain: Mapping[str, Any], rng: np.random.Generator) -> str:
    kind, output = plain["artifact_type"], str(plain["output"])
    own = _GENERIC_BY_TYPE.get(kind)
    stock = str(rng.choice(own or _STOCK))
    if flaw == "word for word":
        return stock
    if flaw == "small changes":
        return stock + str(rng.choice(_COMMENTS if own else _CLOSINGS))
    if flaw == "the question put in":
        return stock if own else str(rng.choice(_WITH_THE_QUESTION)).format(asked=plain["input"].rstrip("?."))
    if flaw == "empty":
        return str(rng.choice(["", "   ", "N/A", "```\n```", "TODO"]))
    if flaw == "repetitive":
        return (output.splitlines() or [""])[0] + "\n" + "and so on and so on " * 12
    if flaw == "off-type":
        return "\ufffd" * 60 if own is None else f"Of course! I made it number {rng.integers(10**6)} for you."
    return _cut_off(output, kind, rng)


def _cut_off(output: str, kind: str, rng: np.random.Generator) -> str:
    """The output without its end, where an end can be missed: inside a bracket, or after a word that ends nothing."""
    if kind in _GENERIC_BY_TYPE:
        places = [place for place, sign in enumerate(output) if sign in "({["]
        return output[: places[int(rng.integers(len(places)))] + 1] if places else output + " ("
    return output[: max(1, len(output) // 2)].rsplit(" ", 1)[0] + " and the"
