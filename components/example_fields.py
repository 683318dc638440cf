"""How an example is read, however its fields are spelt.

The V2 documents say `input_data`, `ai_output`, `model_used` and `validation_score`; today's names are `input`,
`output`, `model` and `score`. An example is a mapping or any object with such attributes. Nothing here changes an
example or asks whether its values make sense.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SPELLINGS: dict[str, tuple[str, ...]] = {
    "input": ("input", "input_data", "prompt", "text"),
    "output": ("output", "ai_output", "response", "completion"),
    "score": ("score", "validation_score"),
    "model": ("model", "model_used"),
    "feedback_type": ("feedback_type", "kind"),
    "occurred_at": ("occurred_at", "timestamp", "created_at"),
    "id": ("id", "example_id", "event_id"),
}


def field(example: Any, name: str, default: Any = None) -> Any:
    """The first spelling of the name that holds something; None counts as not given."""
    mapping = isinstance(example, Mapping)
    for spelling in SPELLINGS.get(name, (name,)):
        value = example.get(spelling) if mapping else getattr(example, spelling, None)
        if value is not None:
            return value
    return default


def column(examples: Iterable[Any], name: str, default: Any = None) -> list[Any]:
    """The field of every example, in their order."""
    return [field(example, name, default) for example in examples]


def as_text(value: Any) -> str:
    """A field as one text: a text as it is, nothing as an empty one, anything else as JSON with sorted keys."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    import json

    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
