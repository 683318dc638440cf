"""What comes out of an augmentation: children that know their parents, and a report of what could not be made.

A child of a mapping is a mapping with the parent's own spelling of the changed field; a child of an object is an
`AugmentedExample` that answers for its parent in everything else. Parents are never changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.example_fields import SPELLINGS
from components.example_fields import field as field_of

LINEAGE = "augmentation"  # the field of a child that tells where it comes from


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a child comes from."""

    parent_row: int  # among the examples that were given
    parent_id: Any  # its id, when it has one
    method: str
    changed: str  # input, output or context
    what: str  # in words
    similarity: float  # of the changed field to the parent's, 0 to 1


class AugmentedExample:
    """A child of an example that is an object: one field is its own, all others are its parent's."""

    __slots__ = ("_changes", "parent")

    def __init__(self, parent: Any, changes: Mapping[str, Any]) -> None:
        self.parent = parent
        self._changes = dict(changes)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._changes:
            return self._changes[name]
        return getattr(self.parent, name)

    def __getstate__(self) -> tuple[Any, dict[str, Any]]:
        return self.parent, self._changes

    def __setstate__(self, state: tuple[Any, dict[str, Any]]) -> None:
        self.parent, self._changes = state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AugmentedExample) and self.__getstate__() == other.__getstate__()

    __hash__ = None  # type: ignore[assignment]  # what it changes may be a list

    def __repr__(self) -> str:
        return f"AugmentedExample(of {self.parent!r}, {', '.join(f'{k}={v!r}' for k, v in self._changes.items())})"


@dataclass(frozen=True, slots=True)
class AugmentationReport:
    """What was asked for, what was made, and what was not."""

    originals: int
    asked: int  # children
    made: Counter[str] = field(default_factory=Counter)  # by method
    refused: Counter[str] = field(default_factory=Counter)  # proposals, by reason
    short: tuple[int, ...] = ()  # rows that have fewer children than was asked for
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """Children that could not be made."""
        return self.asked - self.made.total()

    @property
    def total(self) -> int:
        return self.originals + self.made.total()

    def __str__(self) -> str:
        share = f"{self.total / self.originals:.2f}× the originals" if self.originals else "nothing was given"
        lines = [f"{self.originals} originals + {self.made.total()} children = {self.total} ({share})"]
        lines += [f"  {count} by {method}" for method, count in self.made.most_common()]
        if self.missing:
            lines.append(f"  {self.missing} could not be made, for {len(self.short)} examples; they are not filled up")
        lines += [f"  {count} proposals refused: {reason}" for reason, count in self.refused.most_common()]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


class AugmentedExamples(list[Any]):
    """The originals and after them their children: a list, with `report`."""

    def __init__(self, examples: Iterable[Any], report: AugmentationReport) -> None:
        super().__init__(examples)
        self.report = report


def child_of(parent: Any, row: int, number: int, lineage: Mapping[str, Any], value: Any) -> Any:
    """A child of the example at that row: the changed field has the value, and `augmentation` tells the rest."""
    told = Lineage(parent_row=row, parent_id=field_of(parent, "id"), **lineage)
    changes: dict[str, Any] = {_own_spelling(parent, told.changed): value, LINEAGE: told}
    if told.parent_id is not None:
        changes[_own_spelling(parent, "id")] = f"{told.parent_id}+{number}"
    return {**parent, **changes} if isinstance(parent, Mapping) else AugmentedExample(parent, changes)


def lineage_of(example: Any) -> Lineage | None:
    """Where a child comes from; None for an original."""
    found = field_of(example, LINEAGE)
    return found if isinstance(found, Lineage) else None


def _own_spelling(example: Any, name: str) -> str:
    """The field's name as this example spells it: the one that `field` reads."""
    for spelling in SPELLINGS.get(name, (name,)):
        value = example.get(spelling) if isinstance(example, Mapping) else getattr(example, spelling, None)
        if value is not None:
            return spelling
    return name
