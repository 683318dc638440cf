"""What a technique takes for a list of texts, and what it says when it is given something else."""

from __future__ import annotations

from collections.abc import Sequence

from components.bad_input import BadInput, shown


def checked_texts(thing: str, values: Sequence[str]) -> Sequence[str]:
    """The values as they are, when each is a text. A lone text is refused: it would be read letter by letter."""
    if isinstance(values, str):
        raise BadInput(thing, values, "a list of texts", "Write [text].")
    for place, value in enumerate(values):
        checked_text(f"{thing}[{place}]", value)
    return values


def checked_text(thing: str, value: object) -> str:
    """One text."""
    if not isinstance(value, str):
        raise BadInput(thing, value, "a text", "components.example_fields.as_text makes one of any value.")
    return value


def flat_references(responses: Sequence[str], references: Sequence[str | Sequence[str]]) -> tuple[list[str], list[int]]:
    """All references in one list, and the row of the response that each belongs to. Each response has one or more."""
    checked_texts("responses", responses)
    if isinstance(references, str) or len(references) != len(responses):
        found = (
            shown(references) if isinstance(references, str) else f"{len(references)} for {len(responses)} responses"
        )
        raise BadInput("references", found, "a text, or a list of texts, for each response")
    flat: list[str] = []
    rows: list[int] = []
    for row, given in enumerate(references):
        own = [given] if isinstance(given, str) else list(checked_texts(f"references[{row}]", given))
        if not own:
            raise BadInput(f"references[{row}]", given, "a text, or a list of at least one", "Leave the response out.")
        flat += own
        rows += [row] * len(own)
    return flat, rows
