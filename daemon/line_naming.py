"""Whom and what a raw line names, be it whole, torn or unusable: subjects, and ids of events.

What could not be decoded may have to be erased all the same, so this looks for the fields wherever they stand. It errs
towards finding too much.
"""

from __future__ import annotations

import json
import re

_FIELD = r'"%s"\s*:\s*("(?:[^"\\]|\\.)*"|[^\s",\]}]+)'
_SUBJECTS = re.compile(_FIELD % "subject")
_IDS = re.compile(_FIELD % "(?:id|output_id|supersedes|retracts|compared_with_id)")


def subjects_in(raw: bytes) -> set[str]:
    """Every subject that the line may name."""
    return _values(_SUBJECTS, raw)


def ids_in(raw: bytes) -> set[str]:
    """Every id that the line may have or refer to."""
    return _values(_IDS, raw)


def _values(field: re.Pattern[str], raw: bytes) -> set[str]:
    found = {_decoded(text) for text in field.findall(raw.decode("utf-8", "replace"))}
    found |= {_of_python(value) for value in found if value[:1] in ("'", '"')}
    return {value for value in found if value.isprintable()}  # what is not was never a name of ours


def _decoded(text: str) -> str:
    try:
        return str(json.loads(text)) if text.startswith('"') else text
    except ValueError:
        return text[1:-1]


def _of_python(shown: str) -> str:
    """The text that Python shows as 'alice': a host that rejects a call sends its values like this."""
    return re.sub(r"\\(.)", r"\1", shown[1:-1])
