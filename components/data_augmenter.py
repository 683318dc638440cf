r"""More training examples from those that are there, each a child that knows its parent.

Per example one of: its input in other words (`paraphrasing`), its output with what has no order permuted
(`output_variation`), other retrieved chunks (`context_variation`), the input translated there and back
(`back_translation`, when two local models are given), and at last random edits of the input (`random_edits`; EDA, Wei &
Zou 2019, arXiv 1901.11196). What comes out too near to its source or to another child, too far from it, or with other
figures, names, negations or quoted text is refused.

It never touches a held-out example, never copies one to reach the factor, and says what it could not make. It promises
no better model: on CLINC150 with frozen MiniLM and logistic regression a child of each of 2 or 5 examples per class
changed accuracy by -0.4 and -0.1 points (three seeds).

>>> examples = [{"input": "Generate ERD for the shop", "output": "erDiagram\n SHOP", "artifact_type": "erd"},
...             {"input": "flange", "output": "A rim.", "artifact_type": "chat"}]
>>> augmented = augment_training_data(examples, augmentation_factor=2)
>>> augmented[2]["input"], augmented[2]["augmentation"].parent_row
('Create ERD for the shop', 0)
>>> print(augmented.report)
2 originals + 1 children = 3 (1.50× the originals)
  1 by paraphrase
  1 could not be made, for 1 examples; they are not filled up
"""

from __future__ import annotations

if __name__ == "__main__" and __package__ in (None, ""):
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.augmented_examples import AugmentationReport, AugmentedExamples, child_of
from components.back_translation import BackTranslator
from components.bad_input import BadInput, one_of, same_length, whole_number
from components.child_likeness import cosines, likeness
from components.context_variation import chunks_of, vary_context
from components.dice import Dice
from components.example_fields import as_text, column
from components.near_duplicates import as_compared, near_duplicate_groups
from components.output_variation import vary_output
from components.paraphrasing import paraphrase
from components.protected_text import same_meaning
from components.random_edits import Synonyms, edit, wordnet_synonyms

METHODS = ("paraphrase", "output", "context", "back_translation", "random_edits")
HELD_OUT = ("validate", "judge")
TOO_NEAR = 0.97  # as alike as this, a child teaches nothing new
TOO_FAR = 0.6
LEAST_COSINE = 0.8  # of embeddings, when they are given
_TRIES = 3  # of each method, for each child; and of a rule that dice may have kept from fitting
_STRANGERS = 4  # chunks of other examples that an example is offered

Changed = Literal["input", "output", "context"]
_CHANGES: dict[str, Changed] = {
    "paraphrase": "input",
    "output": "output",
    "context": "context",
    "back_translation": "input",
    "random_edits": "input",
}


@dataclass(frozen=True, slots=True)
class AugmentedColumns:
    """Children as columns: the parent's row, what was changed by which method, and its new value."""

    parent_rows: NDArray[np.int64]
    methods: list[str]
    changed: list[Changed]
    values: list[Any]  # the new input, output or context
    what: list[str]  # in words
    similarities: NDArray[np.float64]  # to the parent's value, 0 to 1
    report: AugmentationReport


@dataclass(slots=True)
class _Proposal:
    row: int
    method: str
    value: Any
    what: str
    similarity: float = 0.0

    @property
    def changed(self) -> Changed:
        return _CHANGES[self.method]


@dataclass(slots=True)
class _Work:
    """The columns that are augmented, and how far it has come."""

    inputs: Sequence[Any]
    outputs: Sequence[Any]
    contexts: Sequence[Any]
    artifact_types: Sequence[str]
    wanted: int  # children of each row
    dice: list[Dice]
    children: list[list[_Proposal]]
    taken: set[tuple[str, str]] = field(default_factory=set)  # (field, text as compared) of sources and children
    refused: Counter[str] = field(default_factory=Counter)
    others: dict[str, list[Any]] = field(default_factory=dict)  # chunks by artifact type
    plans: list[list[str]] = field(default_factory=list)  # the methods still to try for each row, the next one last
    synonyms: Synonyms | None = None


class DataAugmenter:
    """The methods and their limits; the same seed and the same examples give the same children.

    `translate` takes the place of the two folders: it maps texts to texts. `embed` maps texts to rows of vectors; with
    it a reworded input must keep a cosine of 0.8. `held_out` are inputs that no child may come near to.
    """

    def __init__(
        self,
        augmentation_factor: int = 2,
        use_back_translation: bool = False,  # noqa: FBT001, FBT002 - the V2 document's argument
        *,
        translation_folders: tuple[str, str] | None = None,
        translate: Callable[[list[str]], list[str]] | None = None,
        methods: Iterable[str] | None = None,
        synonyms: Synonyms | None = None,
        embed: Callable[[list[str]], NDArray[np.floating[Any]]] | None = None,
        held_out: Iterable[Any] = (),
        seed: int = 0,
    ) -> None:
        self.augmentation_factor = whole_number("augmentation_factor", augmentation_factor, low=1, high=20)
        self.use_back_translation = use_back_translation
        self.translate = _translator(use_back_translation, translation_folders, translate)
        chosen = METHODS if methods is None else tuple(one_of("methods", name, METHODS) for name in methods)
        self.methods = tuple(name for name in chosen if name != "back_translation" or self.translate is not None)
        self.synonyms = synonyms
        self.embed = embed
        self.held_out = [as_text(one) for one in held_out]
        self.seed = whole_number("seed", seed)

    def augment_training_data(
        self, examples: Sequence[Any], augmentation_factor: int | None = None
    ) -> AugmentedExamples:
        """The examples, and after them their children; `report` says what was made and what was not.

        Held-out examples (side validate or judge) are refused. The examples handed back are the caller's own objects.
        """
        _refuse_held_out(column(examples, "side"))
        made = self.augment_columns(
            column(examples, "input"),
            column(examples, "output"),
            contexts=column(examples, "context"),
            artifact_types=[as_text(getattr(name, "value", name)) for name in column(examples, "artifact_type")],
            augmentation_factor=augmentation_factor,
        )
        numbers: Counter[int] = Counter()
        children = []
        for place, row in enumerate(made.parent_rows.tolist()):
            numbers[row] += 1
            lineage = {
                "method": made.methods[place],
                "changed": made.changed[place],
                "what": made.what[place],
                "similarity": float(made.similarities[place]),
            }
            children.append(child_of(examples[row], row, numbers[row], lineage, made.values[place]))
        return AugmentedExamples([*examples, *children], made.report)

    def augment_columns(
        self,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        *,
        contexts: Sequence[Any] | None = None,
        artifact_types: Sequence[str] | None = None,
        augmentation_factor: int | None = None,
    ) -> AugmentedColumns:
        """The same on columns: children as columns, by parent row. Held-out rows must not be among them."""
        size = same_length(inputs=inputs, outputs=outputs)
        given = self.augmentation_factor if augmentation_factor is None else augmentation_factor
        factor = whole_number("augmentation_factor", given, low=1, high=20)
        work = _Work(
            inputs,
            outputs,
            [None] * size if contexts is None else contexts,
            [""] * size if artifact_types is None else artifact_types,
            factor - 1,
            [Dice(self.seed, as_text(one)) for one in inputs],
            [[] for _ in range(size)],
        )
        same_length(inputs=inputs, contexts=work.contexts, artifact_types=work.artifact_types)
        work.taken = {("input", as_compared(as_text(one))) for one in inputs}
        work.others = _chunks_by_type(work)
        notes = self._fill(work)
        self._refuse_near_held_out(work)
        return _columns(work, notes)

    def _fill(self, work: _Work) -> tuple[str, ...]:
        """Round by round every row that lacks a child proposes one; what passes the filters is kept."""
        work.synonyms = self.synonyms
        if work.synonyms is None and "random_edits" in self.methods:
            work.synonyms = wordnet_synonyms()
        work.plans = [self._plan(dice, work.wanted) for dice in work.dice]
        rows = list(range(len(work.dice))) if work.wanted else []
        while rows:
            for proposal in self._passing(work, self._proposals(work, rows)):
                work.children[proposal.row].append(proposal)
            rows = [row for row in rows if work.plans[row] and len(work.children[row]) < work.wanted]
        edited = any(one.method == "random_edits" for own in work.children for one in own)
        unaided = edited and work.synonyms is None
        return ("random edits without synonyms: WordNet's data is not installed",) if unaided else ()

    def _plan(self, dice: Dice, wanted: int) -> list[str]:
        """The methods in the order in which they are tried, the next one last; random edits come at the end."""
        keeping = dice.shuffled([name for name in self.methods if name != "random_edits"])
        edits = [name for name in self.methods if name == "random_edits"]
        return edits * (_TRIES * wanted) + keeping * (_TRIES * wanted)

    def _proposals(self, work: _Work, rows: Sequence[int]) -> list[_Proposal]:
        """One from each row that has one; a method that has none for a row is not tried there again."""
        made: list[_Proposal] = []
        to_translate: list[int] = []
        for row in rows:
            while work.plans[row]:
                method = work.plans[row].pop()
                if method == "back_translation":
                    to_translate.append(row)
                    work.plans[row] = [name for name in work.plans[row] if name != method]  # it says the same again
                    break
                found = _proposed(work, row, method)
                if found is not None:
                    made.append(_Proposal(row, method, *found))
                    break
                work.plans[row] = [name for name in work.plans[row] if name != method]
        return made + self._translated(work, [row for row in to_translate if isinstance(work.inputs[row], str)])

    def _translated(self, work: _Work, rows: list[int]) -> list[_Proposal]:
        if not rows or self.translate is None:
            return []
        said = self.translate([work.inputs[row] for row in rows])
        if len(said) != len(rows):
            raise BadInput("translate", f"{len(said)} texts", f"one for each of the {len(rows)} that it was given")
        return [
            _Proposal(row, "back_translation", text, "the input was translated there and back")
            for row, text in zip(rows, said, strict=True)
        ]

    def _passing(self, work: _Work, proposals: list[_Proposal]) -> list[_Proposal]:
        """Those that differ enough, and not too much, from their source and from everything that is there."""
        kept = [one for one in proposals if _keeps_meaning(work, one) or _counted(work, "it changed what must stay")]
        self._compare(work, kept)
        passing = []
        for one in kept:
            key = (
                one.changed if one.changed == "input" else f"{one.changed} {one.row}",
                as_compared(as_text(one.value)),
            )
            if one.similarity >= TOO_NEAR:
                work.refused["too near to its source"] += 1
            elif one.similarity < 0:
                work.refused["too far from its source"] += 1
            elif key in work.taken:
                work.refused["another example says it already"] += 1
            else:
                work.taken.add(key)
                passing.append(one)
        return passing

    def _compare(self, work: _Work, proposals: list[_Proposal]) -> None:
        """Give each its similarity to its source; one below 0 stands for too far."""
        pairs = [(as_text(_source(work, one)), as_text(one.value)) for one in proposals]
        reworded = [one.changed == "input" for one in proposals]
        alike, shared = likeness(pairs)
        if self.embed is None:
            far = np.maximum(alike, shared) < TOO_FAR
        else:
            far = cosines(self.embed, pairs, reworded) < LEAST_COSINE
        for one, value, too_far, asked in zip(proposals, alike.tolist(), far.tolist(), reworded, strict=True):
            one.similarity = -1.0 if too_far and asked else value

    def _refuse_near_held_out(self, work: _Work) -> None:
        """No child may come near to a held-out input."""
        children = [one for own in work.children for one in own if one.changed == "input"]
        if not self.held_out or not children:
            return
        groups = near_duplicate_groups([*self.held_out, *(as_text(one.value) for one in children)])
        held = set(groups[: len(self.held_out)].tolist())
        for one, group in zip(children, groups[len(self.held_out) :].tolist(), strict=True):
            if group in held:
                work.children[one.row].remove(one)
                work.refused["near to a held-out example"] += 1


def augment_training_data(examples: Sequence[Any], augmentation_factor: int = 2, *, seed: int = 0) -> AugmentedExamples:
    """The examples and their children, `augmentation_factor` times as many where possible: see DataAugmenter."""
    return DataAugmenter(augmentation_factor, seed=seed).augment_training_data(examples)


def _translator(
    wanted: bool,  # noqa: FBT001 - handed through
    folders: tuple[str, str] | None,
    translate: Callable[[list[str]], list[str]] | None,
) -> Callable[[list[str]], list[str]] | None:
    if not wanted:
        return None
    if translate is None and folders is None:
        raise BadInput(
            "use_back_translation",
            True,
            "translation_folders=(there, back), two folders with local translation models",
            "Nothing is downloaded: give them, or leave it off.",
        )
    return translate if folders is None else BackTranslator(*folders)


def _refuse_held_out(sides: Sequence[Any]) -> None:
    for row, side in enumerate(sides):
        name = getattr(side, "value", side)
        if name in HELD_OUT:
            raise BadInput(
                f"examples[{row}].side",
                name,
                "examples of the side 'learn' alone",
                "What is judged on is never learnt from, nor its children: leave it out.",
            )


def _proposed(work: _Work, row: int, method: str) -> tuple[Any, str] | None:
    """A new value for the field that the method changes, and what was done; None where it can do nothing here."""
    dice, asked, made = work.dice[row], work.inputs[row], work.outputs[row]
    if method == "output":
        return vary_output(made, dice) if isinstance(made, str) else None
    if method == "context":
        pool = work.others.get(work.artifact_types[row])
        others = [dice.one_of(pool) for _ in range(_STRANGERS)] if pool else []
        return vary_context(work.contexts[row], as_text(made), dice, others)
    if not isinstance(asked, str):
        return None
    for _ in range(_TRIES):
        said = paraphrase(asked, dice) if method == "paraphrase" else edit(asked, dice, synonyms=work.synonyms)
        if said is not None:
            return said, "the input in other words" if method == "paraphrase" else "a few words of the input edited"
    return None


def _source(work: _Work, proposal: _Proposal) -> Any:
    return {"input": work.inputs, "output": work.outputs, "context": work.contexts}[proposal.changed][proposal.row]


def _keeps_meaning(work: _Work, proposal: _Proposal) -> bool:
    """Variations of output and context were checked where they were made; rewordings are checked here."""
    if proposal.changed != "input":
        return True
    return bool(proposal.value.strip()) and same_meaning(work.inputs[proposal.row], proposal.value)


def _counted(work: _Work, reason: str) -> bool:
    work.refused[reason] += 1
    return False


def _chunks_by_type(work: _Work) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, context in zip(work.artifact_types, work.contexts, strict=True):
        if context is not None:
            found.setdefault(name, []).extend(chunks_of(context))
    return {name: chunks for name, chunks in found.items() if chunks}


def _columns(work: _Work, notes: tuple[str, ...]) -> AugmentedColumns:
    kept = [one for own in work.children for one in own]
    report = AugmentationReport(
        originals=len(work.inputs),
        asked=work.wanted * len(work.inputs),
        made=Counter(one.method for one in kept),
        refused=work.refused,
        short=tuple(row for row, own in enumerate(work.children) if len(own) < work.wanted),
        notes=notes,
    )
    return AugmentedColumns(
        parent_rows=np.array([one.row for one in kept], dtype=np.int64),
        methods=[one.method for one in kept],
        changed=[one.changed for one in kept],
        values=[one.value for one in kept],
        what=[one.what for one in kept],
        similarities=np.array([one.similarity for one in kept]),
        report=report,
    )


def worked_example() -> str:
    """Three examples of an application, augmented."""
    examples = [
        {
            "id": "e1",
            "input": 'Generate an ERD for the "Blue Door" shop with 3 entities',
            "output": "erDiagram\n    SHOP ||--o{ ORDER : has\n    SHOP {\n        int id\n    }\n"
            "    ORDER {\n        int id\n    }\n    LINE {\n        int n\n    }",
            "artifact_type": "erd",
        },
        {
            "id": "e2",
            "input": "When does the bank open?",
            "output": "The bank opens at nine.",
            "context": {"rag": ["Opening times: the bank opens at nine.", "Cats sleep a lot."]},
            "artifact_type": "chat",
        },
        {"id": "e3", "input": "flange", "output": "A rim.", "artifact_type": "chat"},
    ]
    augmented = DataAugmenter(augmentation_factor=3, seed=1).augment_training_data(examples)
    lines = []
    for child in augmented[len(examples) :]:
        told = child["augmentation"]
        lines += [f"{child['id']}: {told.what} ({told.similarity:.2f})"]
        shown = as_text(child[told.changed]).replace("\n", " ")
        lines.append(f"    {' '.join(shown.split())[:74]}")
    return "\n".join([*lines, "", str(augmented.report)])


if __name__ == "__main__":
    print(worked_example())
